/*
 * System management mode of the software CPU: SMI and RSM in every mode, what
 * lies in SMRAM meanwhile and who sees it, what waits until RSM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/soft-guest.h"

enum {
    SMBASE = 0x30000, /* after a reset */
    HANDLER = SMBASE + 0x8000,
    MAP = SMBASE + 0xfe00,
    MAP_HALT = MAP + 0xc9,
    MAP_EFER = MAP + 0xd0,
    MAP_REVISION = MAP + 0xfc,
    MAP_SMBASE = MAP + 0x100,
    MAP_CR4 = MAP + 0x148,
    MAP_CR3 = MAP + 0x150,
    MAP_CR0 = MAP + 0x158,
    MAP_RFLAGS = MAP + 0x170,
    MAP_RIP = MAP + 0x178,
    MAP_R15 = MAP + 0x180,
    MAP_RSP = MAP + 0x1d8,
    MAP_RAX = MAP + 0x1f8,
    CODE = 0x8000, /* from SOFT_GUEST_VA and SOFT_GUEST_PA */
    LOW_CODE = 0x6000,
    SMRAM = 0xa0000,
    SMRAM_SIZE = 0x20000,
};

/* Handlers and guest code. */
#define RSM  "\x0f\xaa"
#define HALT "\xf4"

typedef enum Mode {
    REAL,
    PROT16,
    PROT32,
    V86,
    COMPAT,
    LONG,
    LONG_USER,
    MODES,
} Mode;

static void poke(SoftGuest *g, uint64_t pa, const char *code, size_t n)
{
    soft_guest_poke(g, pa, code, n);
}

static uint64_t peek(SoftGuest *g, uint64_t pa, unsigned n)
{
    uint64_t v = 0;

    address_space_read(&g->mem.memory, pa, &v, n);
    return v;
}

static uint32_t seg_flags(Mode m, bool code)
{
    uint32_t f = X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A;

    f |= code ? X86_SEG_CODE : 0;
    if (m == V86 || m == LONG_USER) {
        f |= 3 << X86_SEG_DPL_SHIFT;
    }
    if (m == PROT32 || m == COMPAT) {
        f |= X86_SEG_DB | X86_SEG_G;
    } else if (m == LONG || m == LONG_USER) {
        f |= X86_SEG_G | (code ? X86_SEG_L : X86_SEG_DB);
    }
    return f;
}

/* Everything that an SMI has to bring back differs from what it starts with. */
static void set_mode(SoftGuest *g, Mode m)
{
    X86Cpu *x = g->x;
    bool lm = m >= COMPAT;

    for (unsigned i = 0; i < X86_NREGS; i++) {
        x->regs[i] = 0x1111 * (i + 1);
    }
    x->rip = m >= LONG ? SOFT_GUEST_VA + CODE : LOW_CODE;
    x->rflags = 2 | X86_FLAG_CF | X86_FLAG_DF | (m == V86 ? X86_FLAG_VM : 0);
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        bool flat = m == PROT32 || m >= COMPAT;

        x->segs[i] = (X86Segment){ .selector = i * 8,
                                   .limit = flat ? 0xffffffff : 0xffff,
                                   .base = flat || i == X86_CS ? 0 : i * 128,
                                   .flags = seg_flags(m, i == X86_CS) };
    }
    x->segs[X86_CS].selector = 0;
    x->segs[X86_GS].base = 0x123450;
    x->gdt = (X86Segment){ .base = 0x5000, .limit = 0x7f };
    x->idt = (X86Segment){ .base = 0x5800, .limit = 0x3ff };
    /* The CPU's model doesn't have it. */
    x->cr[4] &= ~(uint64_t)X86_CR4_OSXSAVE;
    if (!lm) {
        x->efer = 0;
        x->cr[0] &= ~(uint64_t)X86_CR0_PG;
        x->cr[4] = X86_CR4_OSFXSR;
    }
    if (m == REAL) {
        x->cr[0] &= ~(uint64_t)X86_CR0_PE;
    }
    x->dr[7] = 0x400;
}

static SoftGuest *guest_new(Mode m)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    soft_guest_init(g);
    set_mode(g, m);
    /* Where each mode's code is. */
    poke(g, SOFT_GUEST_PA + CODE, "\x90\x90\x90" HALT, 4);
    poke(g, LOW_CODE, "\x90\x90\x90" HALT, 4);
    soft_guest_poke64(g, 0x3000, 0x0000 | 0x87); /* the low 2 MiB, too */
    soft_cpu_load(g->s);
    return g;
}

static void guest_free(SoftGuest *g)
{
    soft_guest_fini(g);
    g_free(g);
}

static void smi(SoftGuest *g)
{
    soft_cpu_pend(g->s, SOFT_PEND_SMI);
}

static void run(SoftGuest *g, SoftExit want)
{
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, want);
    soft_cpu_store(g->s);
}

static void check_entry(SoftGuest *g)
{
    const X86Cpu *x = g->x;

    g_assert_true(g->s->smm);
    g_assert_true(x->hflags & X86_HF_SMM);
    g_assert_true(x->hflags2 & X86_HF2_NMI);
    g_assert_cmphex(x->rip, ==, 0x8001); /* behind HLT */
    g_assert_cmphex(x->rflags, ==, 2);
    g_assert_cmphex(x->segs[X86_CS].selector, ==, 0x3000);
    g_assert_cmphex(x->segs[X86_CS].base, ==, SMBASE);
    g_assert_cmphex(x->segs[X86_CS].limit, ==, 0xffffffff);
    g_assert_cmphex(x->segs[X86_DS].selector, ==, 0);
    g_assert_cmphex(x->segs[X86_DS].base, ==, 0);
    g_assert_cmphex(x->segs[X86_SS].limit, ==, 0xffffffff);
    g_assert_cmphex(x->cr[0] & (X86_CR0_PE | X86_CR0_PG), ==, 0);
    g_assert_cmphex(x->cr[4], ==, 0);
    g_assert_cmphex(x->efer, ==, 0);
    g_assert_cmpuint(g->s->cpl, ==, 0);
    g_assert_cmpuint(g->s->mode, ==, 1);
}

static void check_map(SoftGuest *g, const X86Cpu *old)
{
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        g_assert_cmphex(peek(g, MAP + i * 16, 2), ==, old->segs[i].selector);
        g_assert_cmphex(peek(g, MAP + i * 16 + 2, 2), ==,
                        old->segs[i].flags >> 8 & 0xf0ff);
        g_assert_cmphex(peek(g, MAP + i * 16 + 4, 4), ==, old->segs[i].limit);
        g_assert_cmphex(peek(g, MAP + i * 16 + 8, 8), ==, old->segs[i].base);
    }
    g_assert_cmphex(peek(g, MAP + 0x64, 2), ==, old->gdt.limit);
    g_assert_cmphex(peek(g, MAP + 0x68, 8), ==, old->gdt.base);
    g_assert_cmphex(peek(g, MAP + 0x72, 2), ==, old->ldt.flags >> 8);
    g_assert_cmphex(peek(g, MAP + 0x84, 2), ==, old->idt.limit);
    g_assert_cmphex(peek(g, MAP + 0x88, 8), ==, old->idt.base);
    g_assert_cmphex(peek(g, MAP + 0x92, 2), ==, old->tr.flags >> 8);
    g_assert_cmphex(peek(g, MAP_HALT, 1), ==, 0);
    g_assert_cmphex(peek(g, MAP_EFER, 8), ==, old->efer);
    g_assert_cmphex(peek(g, MAP_REVISION, 4), ==, 0x20064);
    g_assert_cmphex(peek(g, MAP_SMBASE, 4), ==, SMBASE);
    g_assert_cmphex(peek(g, MAP_CR4, 8), ==, old->cr[4]);
    g_assert_cmphex(peek(g, MAP_CR3, 8), ==, old->cr[3]);
    g_assert_cmphex(peek(g, MAP_CR0, 8), ==, old->cr[0]);
    g_assert_cmphex(peek(g, MAP_RFLAGS, 8), ==, old->rflags);
    g_assert_cmphex(peek(g, MAP_RIP, 8), ==, old->rip);
    g_assert_cmphex(peek(g, MAP_R15, 8), ==, old->regs[15]);
    g_assert_cmphex(peek(g, MAP_RSP, 8), ==, old->regs[X86_RSP]);
    g_assert_cmphex(peek(g, MAP_RAX, 8), ==, old->regs[X86_RAX]);
}

static void check_back(const X86Cpu *x, const X86Cpu *old)
{
    for (unsigned i = 0; i < X86_NREGS; i++) {
        g_assert_cmphex(x->regs[i], ==, old->regs[i]);
    }
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        g_assert_cmphex(x->segs[i].selector, ==, old->segs[i].selector);
        g_assert_cmphex(x->segs[i].base, ==, old->segs[i].base);
        g_assert_cmphex(x->segs[i].limit, ==, old->segs[i].limit);
        g_assert_cmphex(x->segs[i].flags, ==, old->segs[i].flags);
    }
    g_assert_cmphex(x->rip, ==, old->rip);
    g_assert_cmphex(x->rflags, ==, old->rflags);
    g_assert_cmphex(x->cr[0], ==, old->cr[0]);
    g_assert_cmphex(x->cr[3], ==, old->cr[3]);
    g_assert_cmphex(x->cr[4], ==, old->cr[4]);
    g_assert_cmphex(x->efer, ==, old->efer);
    g_assert_cmphex(x->gdt.base, ==, old->gdt.base);
    g_assert_cmphex(x->idt.limit, ==, old->idt.limit);
    g_assert_cmphex(x->ldt.flags, ==, old->ldt.flags);
    g_assert_cmphex(x->tr.flags, ==, old->tr.flags);
    g_assert_cmphex(x->hflags, ==, old->hflags);
    g_assert_cmphex(x->hflags2, ==, old->hflags2);
}

/* In, a look around, and out again, with nothing executed in between. */
static void test_modes(gconstpointer data)
{
    SoftGuest *g = guest_new(GPOINTER_TO_UINT(data));
    X86Cpu *old = g_memdup2(g->x, sizeof(*old));

    soft_cpu_store(g->s);
    *old = *g->x;
    poke(g, HANDLER, HALT RSM, 3);
    smi(g);
    run(g, SOFT_EXIT_HALT);
    check_entry(g);
    check_map(g, old);
    g->s->halted = false;
    g_assert_cmpint(soft_cpu_run(g->s, 1), ==, SOFT_EXIT_AGAIN);
    soft_cpu_store(g->s);
    check_back(g->x, old);
    g_free(old);
    guest_free(g);
}

/* What the handler puts into the map is where RSM goes. */
static void test_changed_state(void)
{
    SoftGuest *g = guest_new(LONG);

    /* mov word [0xfff8], 0x4242: RAX; by CS, as DS is at 0 */
    poke(g, HANDLER, "\x2e\xc7\x06\xf8\xff\x42\x42" RSM, 9);
    smi(g);
    g_assert_cmpint(soft_cpu_run(g->s, 2), ==, SOFT_EXIT_AGAIN);
    g_assert_cmphex(g->s->gpr[X86_RAX], ==, 0x4242);
    g_assert_cmpuint(g->s->mode, ==, 3);
    guest_free(g);
}

static void test_relocation(void)
{
    SoftGuest *g = guest_new(PROT32);

    /* mov dword [cs:0xff00], 0x50000 */
    poke(g, HANDLER, "\x66\x2e\xc7\x06\x00\xff\x00\x00\x05\x00" RSM, 12);
    poke(g, 0x58000, HALT, 1);
    smi(g);
    g_assert_cmpint(soft_cpu_run(g->s, 2), ==, SOFT_EXIT_AGAIN);
    soft_cpu_store(g->s);
    g_assert_cmphex(g->x->smbase, ==, 0x50000);
    smi(g);
    run(g, SOFT_EXIT_HALT);
    g_assert_true(g->s->smm);
    g_assert_cmphex(g->x->segs[X86_CS].selector, ==, 0x5000);
    g_assert_cmphex(peek(g, 0x5fefc, 4), ==, 0x20064);
    guest_free(g);
}

/* Without the revision's relocation bit SMBASE stays. */
static void test_no_relocation(void)
{
    SoftGuest *g = guest_new(PROT32);

    /* mov dword [cs:0xff00], 0x50000; mov byte [cs:0xfefe], 0 */
    poke(g, HANDLER,
         "\x66\x2e\xc7\x06\x00\xff\x00\x00\x05\x00"
         "\x2e\xc6\x06\xfe\xfe\x00" RSM,
         18);
    smi(g);
    g_assert_cmpint(soft_cpu_run(g->s, 3), ==, SOFT_EXIT_AGAIN);
    soft_cpu_store(g->s);
    g_assert_false(g->s->smm);
    g_assert_cmphex(g->x->smbase, ==, SMBASE);
    guest_free(g);
}

/* An SMI inside waits, one of them; it is in the stream meanwhile. */
static void test_nested(void)
{
    SoftGuest *g = guest_new(LONG);

    /* hlt; inc byte [cs:0xa000]; hlt; rsm */
    poke(g, HANDLER, HALT "\x2e\xfe\x06\x00\xa0" HALT RSM, 9);
    smi(g);
    run(g, SOFT_EXIT_HALT);
    smi(g);
    smi(g);
    g->s->halted = false;
    run(g, SOFT_EXIT_HALT);
    g_assert_true(g->s->smi_held);
    g_assert_true(g->x->interrupt_request & X86_IRQ_SMI);
    soft_cpu_load(g->s);
    g_assert_true(g->s->smi_held);
    g->s->halted = false;
    run(g, SOFT_EXIT_HALT);
    g_assert_true(g->s->smm);
    g_assert_cmphex(peek(g, SMBASE + 0xa000, 1), ==, 1);
    for (unsigned i = 0; i < 2; i++) {
        g->s->halted = false;
        run(g, SOFT_EXIT_HALT);
    }
    g_assert_cmphex(peek(g, SMBASE + 0xa000, 1), ==, 2);
    g_assert_false(g->s->smm);
    g_assert_false(g->x->interrupt_request & X86_IRQ_SMI);
    guest_free(g);
}

/* NMIs wait for RSM, unless they were blocked before. */
static void test_nmi(gconstpointer data)
{
    bool inside = data != NULL;
    SoftGuest *g = guest_new(REAL);
    const uint32_t to = 0x7000;

    g->x->hflags2 |= inside ? X86_HF2_NMI : 0;
    soft_cpu_load(g->s);
    soft_guest_poke(g, 0x5800 + 2 * 4, &to, 4);
    poke(g, to, HALT, 1);
    poke(g, HANDLER, HALT RSM, 3);
    soft_cpu_pend(g->s, SOFT_PEND_NMI);
    smi(g); /* comes first */
    run(g, SOFT_EXIT_HALT);
    g_assert_true(g->s->smm);
    g_assert_cmpuint(!!(g->x->hflags2 & X86_HF2_SMM_INSIDE_NMI), ==, inside);
    g->s->halted = false;
    run(g, SOFT_EXIT_HALT);
    g_assert_false(g->s->smm);
    g_assert_cmphex(g->x->rip, ==, inside ? LOW_CODE + 4 : to + 1);
    g_assert_true(g->x->hflags2 & X86_HF2_NMI);
    g_assert_false(g->x->hflags2 & X86_HF2_SMM_INSIDE_NMI);
    guest_free(g);
}

static void test_init_waits(void)
{
    SoftGuest *g = guest_new(LONG);

    poke(g, HANDLER, HALT RSM, 3);
    smi(g);
    run(g, SOFT_EXIT_HALT);
    g->x->interrupt_request |= X86_IRQ_INIT;
    g->x->halted = 0;
    soft_cpu_load(g->s);
    g_assert_true(g->s->init_held);
    g_assert_cmpint(soft_cpu_run(g->s, 1), ==, SOFT_EXIT_AGAIN);
    soft_cpu_store(g->s);
    g_assert_false(g->s->smm);
    g_assert_cmphex(g->x->rip, ==, 0xfff0);
    g_assert_cmphex(g->x->segs[X86_CS].base, ==, 0xffff0000);
    g_assert_cmphex(g->x->smbase, ==, SMBASE);
    g_assert_false(g->x->interrupt_request & X86_IRQ_INIT);
    guest_free(g);
}

/* From HLT, and back to it or behind it, as the handler likes. */
static void test_halt(gconstpointer data)
{
    bool again = data != NULL;
    SoftGuest *g = guest_new(LONG);

    poke(g, SOFT_GUEST_PA + CODE, HALT "\xff\xc0" HALT, 4); /* inc eax */
    g->s->gpr[X86_RAX] = 7;
    if (again) {
        poke(g, HANDLER, RSM, 2);
    } else {
        poke(g, HANDLER, "\x2e\xc6\x06\xc9\xfe\x00" RSM, 8);
    }
    run(g, SOFT_EXIT_HALT);
    smi(g);
    run(g, SOFT_EXIT_HALT);
    g_assert_false(g->s->smm);
    g_assert_cmphex(peek(g, MAP_HALT, 1), ==, again);
    g_assert_cmphex(g->s->gpr[X86_RAX], ==, again ? 7 : 8);
    guest_free(g);
}

/* Between STI and what follows there is no SMI: the shadow isn't saved. */
static void test_inhibited(void)
{
    SoftGuest *g = guest_new(REAL);

    poke(g, LOW_CODE, "\xfb\x90" HALT, 3);
    poke(g, HANDLER, HALT, 1);
    g_assert_cmpint(soft_cpu_run(g->s, 1), ==, SOFT_EXIT_AGAIN);
    g_assert_true(g->s->inhibit);
    smi(g);
    run(g, SOFT_EXIT_HALT);
    g_assert_true(g->s->smm);
    g_assert_cmphex(peek(g, MAP_RIP, 8), ==, LOW_CODE + 2);
    guest_free(g);
}

static void test_rsm_outside(void)
{
    SoftGuest *g = guest_new(REAL);
    const uint32_t to = 0x7000;

    soft_guest_poke(g, 0x5800 + EXC_UD * 4, &to, 4);
    poke(g, to, HALT, 1);
    poke(g, LOW_CODE, RSM, 2);
    run(g, SOFT_EXIT_HALT);
    g_assert_cmphex(g->x->rip, ==, to + 1);
    guest_free(g);
}

/* States that can't be shut the CPU down. */
static void test_bad_state(void)
{
    static const struct {
        uint32_t at;
        uint64_t v;
    } bad[] = {
        { MAP_CR0, 0x80000010 },         /* PG without PE */
        { MAP_CR0, 0x20000011 },         /* NW without CD */
        { MAP_CR4, UINT64_C(1) << 31 },  /* reserved */
        { MAP_EFER, UINT64_C(1) << 40 }, /* reserved */
        { MAP_CR4, 0 },                  /* long mode without PAE */
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        SoftGuest *g = guest_new(LONG);

        g_test_message("0x%" PRIx64 " at 0x%" PRIx64, (uint64_t)bad[i].v,
                       (uint64_t)bad[i].at);
        poke(g, HANDLER, HALT RSM, 3);
        smi(g);
        run(g, SOFT_EXIT_HALT);
        soft_guest_poke64(g, bad[i].at, bad[i].v);
        g->s->halted = false;
        run(g, SOFT_EXIT_SHUTDOWN);
        guest_free(g);
    }
}

/* The gate at bit 20 doesn't count in SMM. */
static void test_a20(void)
{
    SoftGuest *g = guest_new(REAL);

    x86_cpu_set_a20(g->x, false);
    soft_cpu_load(g->s);
    soft_guest_poke64(g, 0x100200, 0x1111);
    soft_guest_poke64(g, 0x200, 0x2222);
    /* mov bx, 0xffff; mov ds, bx; mov ax, [0x210]; mov [cs:0xa000], ax */
    poke(g, HANDLER, "\xbb\xff\xff\x8e\xdb\xa1\x10\x02\x2e\xa3\x00\xa0" RSM,
         14);
    poke(g, LOW_CODE, "\xbb\xff\xff\x8e\xdb\xa1\x10\x02" HALT, 9);
    smi(g);
    run(g, SOFT_EXIT_HALT);
    g_assert_cmphex(peek(g, SMBASE + 0xa000, 2), ==, 0x1111);
    g_assert_cmphex(g->x->regs[X86_RAX] & 0xffff, ==, 0x2222);
    guest_free(g);
}

typedef struct Smram {
    MemoryRegion hole, ram;
} Smram;

static const IoOps nothing = { .read = NULL };

/* A hole as the VGA makes it, and RAM there for SMM. */
static void smram_add(SoftGuest *g, Smram *m, bool fetch_only)
{
    vm_lock_acquire();
    memory_transaction_begin(&g->mem);
    memory_region_init_io(&m->hole, &g->mem, "hole", SMRAM_SIZE, &nothing,
                          NULL);
    memory_region_add(&g->mem.root, SMRAM, &m->hole, 1);
    memory_region_init_alias(&m->ram, &g->mem, "smram", &g->ram, SMRAM,
                             SMRAM_SIZE);
    memory_region_set_fetch_only(&m->ram, fetch_only);
    memory_region_add(&g->mem.smm_root, SMRAM, &m->ram, 1);
    memory_transaction_commit(&g->mem);
    soft_vm_flush(g->vm, false);
    vm_lock_release();
    g->x->smbase = SMRAM;
}

static void smram_free(SoftGuest *g, Smram *m)
{
    vm_lock_acquire();
    memory_region_fini(&m->ram);
    memory_region_fini(&m->hole);
    vm_lock_release();
}

/* Only CPUs in SMM see it, and only code does when it is closed to data. */
static void test_smram(gconstpointer data)
{
    bool closed = data != NULL;
    SoftGuest *g = guest_new(REAL);
    Smram m;

    /* mov ax, 0xa000; mov ds, ax; mov ax, [0x100]; hlt; rsm */
    memcpy((uint8_t *)g->ram.ram->host + SMRAM + 0x8000,
           "\xb8\x00\xa0\x8e\xd8\xa1\x00\x01" HALT RSM, 11);
    memcpy((uint8_t *)g->ram.ram->host + SMRAM + 0x100, "\x34\x12", 2);
    poke(g, LOW_CODE, "\xb8\x00\xa0\x8e\xd8\xa1\x00\x01" HALT, 9);
    smram_add(g, &m, closed);
    run(g, SOFT_EXIT_HALT);
    g_assert_cmphex(g->x->regs[X86_RAX] & 0xffff, ==, 0xffff);
    smi(g);
    run(g, SOFT_EXIT_HALT);
    g_assert_true(g->s->smm);
    g_assert_cmphex(g->x->regs[X86_RAX] & 0xffff, ==, closed ? 0xffff : 0x1234);
    /* The state went there in any case. */
    g_assert_cmphex(*(uint32_t *)((uint8_t *)g->ram.ram->host + SMRAM + 0xfefc),
                    ==, 0x20064);
    g_assert_cmphex(peek(g, SMRAM + 0xfefc, 4), ==, 0xffffffff);
    g->s->halted = false;
    g->s->rip = 0x8009;
    run(g, SOFT_EXIT_HALT);
    g_assert_false(g->s->smm);
    g_assert_cmphex(g->x->regs[X86_RAX] & 0xffff, ==, 0xffff);
    smram_free(g, &m);
    guest_free(g);
}

int main(int argc, char **argv)
{
    static const char *const names[MODES] = {
        "real", "prot16", "prot32", "v86", "compat", "long", "long-user",
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned m = 0; m < MODES; m++) {
        g_autofree char *path = g_strdup_printf("/soft/smm/mode/%s", names[m]);

        g_test_add_data_func(path, GUINT_TO_POINTER(m), test_modes);
    }
    g_test_add_func("/soft/smm/changed-state", test_changed_state);
    g_test_add_func("/soft/smm/relocation", test_relocation);
    g_test_add_func("/soft/smm/no-relocation", test_no_relocation);
    g_test_add_func("/soft/smm/nested", test_nested);
    g_test_add_data_func("/soft/smm/nmi", NULL, test_nmi);
    g_test_add_data_func("/soft/smm/nmi-inside-nmi", (void *)1, test_nmi);
    g_test_add_func("/soft/smm/init-waits", test_init_waits);
    g_test_add_data_func("/soft/smm/halt", NULL, test_halt);
    g_test_add_data_func("/soft/smm/halt-again", (void *)1, test_halt);
    g_test_add_func("/soft/smm/inhibited", test_inhibited);
    g_test_add_func("/soft/smm/rsm-outside", test_rsm_outside);
    g_test_add_func("/soft/smm/bad-state", test_bad_state);
    g_test_add_func("/soft/smm/a20", test_a20);
    g_test_add_data_func("/soft/smm/smram", NULL, test_smram);
    g_test_add_data_func("/soft/smm/smram-closed", (void *)1, test_smram);
    return g_test_run();
}
