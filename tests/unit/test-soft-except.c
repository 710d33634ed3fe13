/*
 * Privileged instructions and the conditions on which they fault, row by row
 * of the SDM's lists ("Protected Mode Exceptions", "64-Bit Mode Exceptions").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/cpu.h"
#include "tests/unit/soft-guest.h"

enum {
    CODE = 0x8000,
    HANDLERS = 0x9000, /* 16 bytes a vector: hlt */
    IDT = 0xa000,
    GDT = 0xb000,
    TSS = 0xc000,
    DATA = 0x10000,
    STACK = 0xe000,
    NONE = -1,
};
#define VA(off) (SOFT_GUEST_VA + (off))

typedef struct ExceptCase {
    const char *name;
    const char *code;
    size_t len;
    unsigned cpl;
    uint64_t rax, rcx, rdx;
    uint64_t data[2]; /* at [rbx] */
    uint64_t cr4;     /* more than there is */
    int vec;          /* NONE: goes on to the HLT behind it */
} ExceptCase;

#define CODE_OF(c) .code = (c), .len = sizeof(c) - 1
#define BAD        UINT64_C(0x8000000000000)

static const ExceptCase cases[] = {
    /* invpcid rax, [rbx] */
    { "INVPCID, all contexts", CODE_OF("\x66\x0f\x38\x82\x03"), .rax = 2,
      .vec = NONE },
    { "INVPCID, CPL 3", CODE_OF("\x66\x0f\x38\x82\x03"), .cpl = 3, .rax = 2,
      .vec = EXC_GP },
    { "INVPCID, type 4", CODE_OF("\x66\x0f\x38\x82\x03"), .rax = 4,
      .vec = EXC_GP },
    { "INVPCID, reserved bits", CODE_OF("\x66\x0f\x38\x82\x03"), .rax = 2,
      .data = { 0x1000 }, .vec = EXC_GP },
    { "INVPCID, PCID without CR4.PCIDE", CODE_OF("\x66\x0f\x38\x82\x03"),
      .rax = 1, .data = { 5 }, .vec = EXC_GP },
    { "INVPCID, PCID with CR4.PCIDE", CODE_OF("\x66\x0f\x38\x82\x03"), .rax = 1,
      .data = { 5 }, .cr4 = X86_CR4_PCIDE, .vec = NONE },
    { "INVPCID, address", CODE_OF("\x66\x0f\x38\x82\x03"),
      .data = { 0, BAD << 10 }, .vec = EXC_GP },
    { "INVPCID, address of type 1", CODE_OF("\x66\x0f\x38\x82\x03"), .rax = 1,
      .data = { 0, BAD << 10 }, .vec = NONE },
    { "MONITOR", CODE_OF("\x0f\x01\xc8"), .rax = VA(DATA), .vec = NONE },
    { "MONITOR, CPL 3", CODE_OF("\x0f\x01\xc8"), .cpl = 3, .rax = VA(DATA),
      .vec = EXC_UD },
    { "MONITOR, extensions", CODE_OF("\x0f\x01\xc8"), .rax = VA(DATA), .rcx = 1,
      .vec = EXC_GP },
    { "MONITOR, no page", CODE_OF("\x0f\x01\xc8"), .rax = 0x7000000,
      .vec = EXC_PF },
    { "MWAIT", CODE_OF("\x0f\x01\xc9"), .vec = NONE },
    { "MWAIT, CPL 3", CODE_OF("\x0f\x01\xc9"), .cpl = 3, .vec = EXC_UD },
    { "MWAIT, extensions", CODE_OF("\x0f\x01\xc9"), .rcx = 2, .vec = EXC_GP },
    { "CLAC, CPL 3", CODE_OF("\x0f\x01\xca"), .cpl = 3, .vec = EXC_UD },
    /* mov cr0, rax */
    { "CR0, upper half", CODE_OF("\x0f\x22\xc0"), .rax = UINT64_C(0x180000033),
      .vec = EXC_GP },
    { "CR0, NW without CD", CODE_OF("\x0f\x22\xc0"), .rax = 0xa0000033,
      .vec = EXC_GP },
    { "CR0, PG without PE", CODE_OF("\x0f\x22\xc0"), .rax = 0x80000032,
      .vec = EXC_GP },
    { "CR0, CPL 3", CODE_OF("\x0f\x22\xc0"), .cpl = 3, .rax = 0x80000033,
      .vec = EXC_GP },
    { "CR1", CODE_OF("\x0f\x22\xc8"), .vec = EXC_UD },
    /* mov cr3, rax */
    { "CR3, beyond physical addresses", CODE_OF("\x0f\x22\xd8"),
      .rax = UINT64_C(1) << 51 | 0x1000, .vec = EXC_GP },
    { "CR3", CODE_OF("\x0f\x22\xd8"), .rax = 0x1000, .vec = NONE },
    /* mov cr4, rax */
    { "CR4, reserved", CODE_OF("\x0f\x22\xe0"),
      .rax = UINT64_C(0x80000000) | X86_CR4_PAE, .vec = EXC_GP },
    { "CR4, PAE in long mode", CODE_OF("\x0f\x22\xe0"), .rax = 0,
      .vec = EXC_GP },
    { "CR8, more than 15", CODE_OF("\x44\x0f\x22\xc0"), .rax = 16,
      .vec = EXC_GP },
    /* mov dr7, rax */
    { "DR7, upper half", CODE_OF("\x0f\x23\xf8"), .rax = UINT64_C(1) << 32,
      .vec = EXC_GP },
    { "DR4 with CR4.DE", CODE_OF("\x0f\x23\xe0"), .cr4 = X86_CR4_DE,
      .vec = EXC_UD },
    { "DR4 is DR6", CODE_OF("\x0f\x23\xe0"), .vec = NONE },
    { "WRMSR, CPL 3", CODE_OF("\x0f\x30"), .cpl = 3, .rcx = 0xc0000082,
      .vec = EXC_GP },
    { "WRMSR, address", CODE_OF("\x0f\x30"), .rcx = 0xc0000082,
      .rdx = 0x80000000, .vec = EXC_GP },
    { "RDMSR, none there", CODE_OF("\x0f\x32"), .rcx = 0x3fffffff,
      .vec = EXC_GP },
    { "RDPMC, none there", CODE_OF("\x0f\x33"), .vec = EXC_GP },
    { "XSETBV, no x87", CODE_OF("\x0f\x01\xd1"), .rax = 6, .vec = EXC_GP },
    { "XSETBV, AVX without SSE", CODE_OF("\x0f\x01\xd1"), .rax = 5,
      .vec = EXC_GP },
    { "XSETBV, register 1", CODE_OF("\x0f\x01\xd1"), .rax = 1, .rcx = 1,
      .vec = EXC_GP },
    { "XSETBV, CPL 3", CODE_OF("\x0f\x01\xd1"), .cpl = 3, .rax = 1,
      .vec = EXC_GP },
    { "HLT, CPL 3", CODE_OF("\xf4"), .cpl = 3, .vec = EXC_GP },
    { "CLTS, CPL 3", CODE_OF("\x0f\x06"), .cpl = 3, .vec = EXC_GP },
    { "INVLPG, CPL 3", CODE_OF("\x0f\x01\x3b"), .cpl = 3, .vec = EXC_GP },
    { "INVLPG, register", CODE_OF("\x0f\x01\xf9\x0f\x0b"), .cpl = 3,
      .vec = EXC_UD },
    { "SWAPGS, CPL 3", CODE_OF("\x0f\x01\xf8"), .cpl = 3, .vec = EXC_GP },
    { "WRFSBASE without CR4", CODE_OF("\xf3\x48\x0f\xae\xd0"), .vec = EXC_UD },
    { "WRFSBASE, address", CODE_OF("\xf3\x48\x0f\xae\xd0"), .rax = BAD << 10,
      .cr4 = X86_CR4_FSGSBASE, .vec = EXC_GP },
    /* sysexit with REX.W */
    { "SYSEXIT, stack", CODE_OF("\x48\x0f\x35"), .rcx = BAD << 10,
      .rdx = VA(CODE), .vec = EXC_GP },
    { "SYSEXIT, address", CODE_OF("\x48\x0f\x35"), .rcx = VA(STACK),
      .rdx = BAD << 10, .vec = EXC_GP },
    { "RDPKRU without CR4.PKE", CODE_OF("\x0f\x01\xee"), .vec = EXC_UD },
    { "RDPKRU", CODE_OF("\x0f\x01\xee"), .cr4 = X86_CR4_PKE, .vec = NONE },
    { "RDPKRU, register 1", CODE_OF("\x0f\x01\xee"), .rcx = 1,
      .cr4 = X86_CR4_PKE, .vec = EXC_GP },
    { "RDPKRU, prefix", CODE_OF("\x66\x0f\x01\xee"), .cr4 = X86_CR4_PKE,
      .vec = EXC_UD },
    { "WRPKRU without CR4.PKE", CODE_OF("\x0f\x01\xef"), .vec = EXC_UD },
    { "WRPKRU", CODE_OF("\x0f\x01\xef"), .rax = 4, .cr4 = X86_CR4_PKE,
      .vec = NONE },
    { "WRPKRU, EDX", CODE_OF("\x0f\x01\xef"), .rdx = 1, .cr4 = X86_CR4_PKE,
      .vec = EXC_GP },
    { "WRPKRU, ECX", CODE_OF("\x0f\x01\xef"), .rcx = 1, .cr4 = X86_CR4_PKE,
      .vec = EXC_GP },
    { "CR4.PKE, no PKU", CODE_OF("\x0f\x22\xe0"),
      .rax = X86_CR4_PAE | X86_CR4_PKE, .vec = EXC_GP },
    { "PKRS, no PKS", CODE_OF("\x0f\x30"), .rcx = 0x6e1, .vec = EXC_GP },
    /* Its gate is for CPL 0. */
    { "INT 1, CPL 3", CODE_OF("\xcd\x01"), .cpl = 3, .vec = EXC_GP },
    { "INT1, CPL 3", CODE_OF("\xf1"), .cpl = 3, .vec = EXC_DB },
    { "INT3, CPL 3", CODE_OF("\xcc"), .cpl = 3, .vec = EXC_GP },
    { "LOCK in front of it", CODE_OF("\xf0\x0f\x01\xca"), .vec = EXC_UD },
};

static void put_gates(SoftGuest *g)
{
    for (unsigned vec = 0; vec < 32; vec++) {
        uint64_t to = VA(HANDLERS + vec * 16);

        soft_guest_poke(g, SOFT_GUEST_PA + HANDLERS + vec * 16, "\xf4", 1);
        soft_guest_poke64(g, SOFT_GUEST_PA + IDT + vec * 16,
                          (to & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 |
                              (to >> 16 & 0xffff) << 48);
    }
    soft_guest_poke64(g, SOFT_GUEST_PA + GDT + 8, UINT64_C(0x00af9b000000ffff));
    soft_guest_poke64(g, SOFT_GUEST_PA + TSS + 4, VA(0xd000));
    g->x->gdt = (X86Segment){ .base = VA(GDT), .limit = 0xf };
    g->x->idt = (X86Segment){ .base = VA(IDT), .limit = 0xfff };
    g->x->tr = (X86Segment){ .base = VA(TSS),
                             .limit = 0x67,
                             .flags = X86_SEG_P | 11 << X86_SEG_TYPE_SHIFT };
}

static void set_cpl(X86Cpu *x, unsigned cpl)
{
    x->segs[X86_CS].selector |= cpl;
    x->segs[X86_CS].flags |= cpl << X86_SEG_DPL_SHIFT;
    x->segs[X86_SS].selector |= cpl;
    x->segs[X86_SS].flags |= cpl << X86_SEG_DPL_SHIFT;
}

static SoftGuest *guest_new(const ExceptCase *c)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    soft_guest_init(g);
    put_gates(g);
    soft_guest_poke(g, SOFT_GUEST_PA + CODE, c->code, c->len);
    soft_guest_poke(g, SOFT_GUEST_PA + CODE + c->len, "\xf4", 1);
    soft_guest_poke(g, SOFT_GUEST_PA + DATA, c->data, sizeof(c->data));
    set_cpl(g->x, c->cpl);
    g->x->cr[4] |= c->cr4;
    g->x->sysenter_cs = 8;
    memset(g->x->regs, 0, sizeof(g->x->regs));
    g->x->regs[X86_RAX] = c->rax;
    g->x->regs[X86_RBX] = VA(DATA);
    g->x->regs[X86_RCX] = c->rcx;
    g->x->regs[X86_RDX] = c->rdx;
    g->x->regs[X86_RSP] = VA(STACK);
    g->x->rip = VA(CODE);
    g->x->rflags = 2;
    soft_cpu_load(g->s);
    return g;
}

static int vector_of(const SoftGuest *g)
{
    uint64_t off = g->s->rip - 1 - VA(HANDLERS);

    return off < 32 * 16 ? (int)(off / 16) : NONE;
}

static void test_table(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const ExceptCase *c = &cases[i];
        SoftGuest *g = guest_new(c);

        g_test_message("%s", c->name);
        g_assert_cmpint(soft_cpu_run(g->s, 1000), ==, SOFT_EXIT_HALT);
        g_assert_cmpint(vector_of(g), ==, c->vec);
        if (c->vec == NONE) {
            g_assert_cmphex(g->s->rip, ==, VA(CODE) + c->len + 1);
        }
        soft_guest_fini(g);
        g_free(g);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-except/table", test_table);
    return g_test_run();
}
