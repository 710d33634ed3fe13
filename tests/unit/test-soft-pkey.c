/*
 * Protection keys of the software CPU: which accesses PKRU and IA32_PKRS
 * forbid, the page faults' error codes, and that nothing of an old value is
 * left when a new one is written.  Intel SDM volume 3, 4.6.2 and 4.7.
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
    STACK = 0xe000,
    DATA = 0x10000,   /* user page with key 5 */
    SYSTEM = 0x11000, /* supervisor page with key 5 */
    AREA = 0x12000,
    PTES = 0x4000,
    KEY = 5,
    AD = 1 << (2 * KEY),
    WD = 2 << (2 * KEY),
    OTHERS = ~(AD | WD | 3), /* all but key 0: of the rest */
    GOES_ON = -1,
};
#define VA(off) (SOFT_GUEST_VA + (off))

#define LOAD    "\x48\x8b\x03"         /* mov rax, [rbx] */
#define STORE   "\x48\x89\x03"         /* mov [rbx], rax */
#define WRPKRU  "\x0f\x01\xef"         /* of EAX */
#define WRMSR   "\x0f\x30"             /* IA32_PKRS, if ECX says so */
#define XSAVE   "\x0f\xae\x27"         /* xsave [rdi] */
#define XRSTOR  "\x0f\xae\x2f"         /* xrstor [rdi] */
#define ZERO    "\x31\xc0"             /* xor eax, eax */
#define MASK    "\xb8\x00\x02\x00\x00" /* mov eax, 0x200 */
#define ONES    "\xb8\xfc\xff\xff\xff" /* mov eax, -4: not key 0 */
#define ZERO_DX "\x31\xd2"             /* xor edx, edx */

typedef struct KeyCase {
    const char *name, *code;
    size_t len;
    uint32_t page;
    unsigned cpl;
    uint64_t cr4;
    uint32_t pkru, pkrs;
    uint64_t rax, rcx;
    bool no_wp; /* CR0.WP clear */
    int error;  /* of the page fault; GOES_ON: none */
} KeyCase;

#define CODE_OF(c) .code = (c), .len = sizeof(c) - 1
#define PKE        .cr4 = X86_CR4_PKE
#define PKS        .cr4 = X86_CR4_PKS

static const KeyCase cases[] = {
    { "user load, AD", CODE_OF(LOAD), DATA, 3, PKE, .pkru = AD, .error = 0x25 },
    { "user load, WD", CODE_OF(LOAD), DATA, 3, PKE, .pkru = WD,
      .error = GOES_ON },
    { "user load, other keys", CODE_OF(LOAD), DATA, 3, PKE, .pkru = OTHERS,
      .error = GOES_ON },
    { "user load, CR4.PKE clear", CODE_OF(LOAD), DATA, 3, .pkru = AD,
      .error = GOES_ON },
    { "user store, AD", CODE_OF(STORE), DATA, 3, PKE, .pkru = AD,
      .error = 0x27 },
    { "user store, WD", CODE_OF(STORE), DATA, 3, PKE, .pkru = WD,
      .error = 0x27 },
    { "user store, other keys", CODE_OF(STORE), DATA, 3, PKE, .pkru = OTHERS,
      .error = GOES_ON },
    { "supervisor load of a user page, AD", CODE_OF(LOAD), DATA, 0, PKE,
      .pkru = AD, .error = 0x21 },
    { "supervisor store to a user page, WD", CODE_OF(STORE), DATA, 0, PKE,
      .pkru = WD, .error = 0x23 },
    { "the same with CR0.WP clear", CODE_OF(STORE), DATA, 0, PKE, .pkru = WD,
      .no_wp = true, .error = GOES_ON },
    { "AD with CR0.WP clear", CODE_OF(STORE), DATA, 0, PKE, .pkru = AD,
      .no_wp = true, .error = 0x23 },
    { "PKRU says nothing of supervisor pages", CODE_OF(STORE), SYSTEM, 0, PKE,
      .pkru = AD, .error = GOES_ON },
    { "IA32_PKRS says nothing of user pages", CODE_OF(STORE), DATA, 0, PKS,
      .pkrs = AD, .error = GOES_ON },
    { "supervisor load, PKRS AD", CODE_OF(LOAD), SYSTEM, 0, PKS, .pkrs = AD,
      .error = 0x21 },
    { "supervisor store, PKRS WD", CODE_OF(STORE), SYSTEM, 0, PKS, .pkrs = WD,
      .error = 0x23 },
    { "supervisor load, PKRS WD", CODE_OF(LOAD), SYSTEM, 0, PKS, .pkrs = WD,
      .error = GOES_ON },
    { "CR4.PKS clear", CODE_OF(LOAD), SYSTEM, 0, .pkrs = AD, .error = GOES_ON },
    { "a load before and after WRPKRU", CODE_OF(LOAD ONES WRPKRU LOAD), DATA, 0,
      PKE, .error = 0x21 },
    { "a store before and after WRPKRU", CODE_OF(STORE ONES WRPKRU STORE), DATA,
      0, PKE, .error = 0x23 },
    { "WRPKRU allows", CODE_OF(ZERO WRPKRU LOAD STORE), DATA, 0, PKE,
      .pkru = AD, .error = GOES_ON },
    { "a load before and after WRMSR", CODE_OF(LOAD ONES WRMSR LOAD), SYSTEM, 0,
      PKS, .rcx = 0x6e1, .error = 0x21 },
    { "XRSTOR gives PKRU its first value", CODE_OF(MASK XRSTOR LOAD), DATA, 0,
      PKE, .pkru = AD, .error = GOES_ON },
    { "XSAVE and XRSTOR keep PKRU",
      CODE_OF(MASK XSAVE ZERO WRPKRU LOAD MASK ZERO_DX XRSTOR LOAD), DATA, 0,
      PKE, .pkru = AD, .error = 0x21 },
};

static void put_tables(SoftGuest *g)
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
    soft_guest_poke64(g, PTES + DATA / 4096 * 8,
                      (SOFT_GUEST_PA + DATA) | 7 | (uint64_t)KEY << 59);
    soft_guest_poke64(g, PTES + SYSTEM / 4096 * 8,
                      (SOFT_GUEST_PA + SYSTEM) | 3 | (uint64_t)KEY << 59);
}

static void set_cpl(X86Cpu *x, unsigned cpl)
{
    x->segs[X86_CS].selector |= cpl;
    x->segs[X86_CS].flags |= cpl << X86_SEG_DPL_SHIFT;
    x->segs[X86_SS].selector |= cpl;
    x->segs[X86_SS].flags |= cpl << X86_SEG_DPL_SHIFT;
}

static void put_state(SoftGuest *g, const KeyCase *c)
{
    X86Cpu *x = g->x;

    set_cpl(x, c->cpl);
    x->cr[4] |= c->cr4;
    x->cr[0] &= c->no_wp ? ~(uint64_t)X86_CR0_WP : ~UINT64_C(0);
    x->xcr0 |= X86_XCR0_PKRU;
    x->pkru = c->pkru;
    x->pkrs = c->pkrs;
    memset(x->regs, 0, sizeof(x->regs));
    x->regs[X86_RAX] = c->rax;
    x->regs[X86_RBX] = VA(c->page);
    x->regs[X86_RCX] = c->rcx;
    x->regs[X86_RDI] = VA(AREA);
    x->regs[X86_RSP] = VA(STACK);
    x->rip = VA(CODE);
    x->rflags = 2;
    soft_cpu_load(g->s);
}

static X86CpuModel *model_with_keys(void)
{
    GError *err = NULL;
    X86CpuModel *m = x86_cpu_model_parse("qemu64,+xsave,+pku,+pks", &err);

    g_assert_no_error(err);
    g_assert_true(x86_cpu_model_realize(m, NULL, &err));
    return m;
}

static void run_case(const KeyCase *c)
{
    SoftGuest g;
    X86CpuModel *old;
    bool fault;

    soft_guest_init(&g);
    old = g.model;
    g.x->model = g.model = model_with_keys();
    x86_cpu_model_free(old);
    put_tables(&g);
    soft_guest_poke(&g, SOFT_GUEST_PA + CODE, c->code, c->len);
    /* CPL 3 can't halt: #GP, whose handler does. */
    soft_guest_poke(&g, SOFT_GUEST_PA + CODE + c->len, "\xf4", 1);
    put_state(&g, c);
    g_test_message("%s", c->name);
    g_assert_cmpint(soft_cpu_run(g.s, 1000), ==, SOFT_EXIT_HALT);
    fault = g.s->rip == VA(HANDLERS + EXC_PF * 16) + 1;
    if (fault != (c->error != GOES_ON)) {
        g_error("%s: %s", c->name, fault ? "faults" : "doesn't fault");
    }
    if (fault) {
        uint64_t error = 0;

        address_space_read(&g.mem.memory,
                           g.s->gpr[X86_RSP] - SOFT_GUEST_VA + SOFT_GUEST_PA,
                           &error, 8);
        if ((int)error != c->error) {
            g_error("%s: error code 0x%x", c->name, (unsigned)error);
        }
        g_assert_cmphex(g.x->cr[2], ==, VA(c->page));
    }
    soft_guest_fini(&g);
}

static void test_table(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        run_case(&cases[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-pkey/table", test_table);
    return g_test_run();
}
