/*
 * Instructions by the conditions on which they fault: LOCK, CPUID bits, CR0
 * and CR4, CPL, addresses, alignment, prefixes.  gen-soft-insns.py writes the
 * table from a short description of the SDM's instruction pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/cpu.h"
#include "accel/soft/insn.h"
#include "tests/unit/soft-guest.h"

enum {
    CODE = 0x8000,
    HANDLERS = 0x9000, /* 16 bytes a vector: hlt */
    IDT = 0xa000,
    GDT = 0xb000,
    TSS = 0xc000,
    STACK = 0xe000,
    DATA = 0x10000,
    ROM = 0x20000, /* a page that can't be written to */
    PTES = 0x4000,
    NONE = -1,
};
#define VA(off)       (SOFT_GUEST_VA + (off))
#define NO_PAGE       UINT64_C(0x7000000)
#define NOT_CANONICAL UINT64_C(0x1000000000000000)
#define READ_ONLY     VA(ROM)

typedef struct InsnCase {
    const char *name, *code;
    size_t len;
    InsnFeature feature; /* 0: none; skipped where the host hasn't it */
    bool absent;         /* it isn't there for the guest */
    unsigned cpl;
    uint64_t cr0;     /* more than there is */
    uint64_t no_cr4;  /* less than there is */
    uint64_t no_xcr0; /* as above */
    uint64_t addr;    /* in RBX and RBP; 0: VA(DATA) */
    int vec;          /* NONE: goes on to the HLT behind it */
} InsnCase;

static const InsnCase cases[] = {
#include "tests/unit/soft-insns-gen.h"
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
    soft_guest_poke64(g, PTES + ROM / 4096 * 8, (SOFT_GUEST_PA + ROM) | 5);
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

static void put_state(SoftGuest *g, const InsnCase *c)
{
    X86Cpu *x = g->x;

    set_cpl(x, c->cpl);
    x->cr[0] |= c->cr0;
    x->cr[4] = (x->cr[4] | X86_CR4_FSGSBASE) & ~c->no_cr4;
    x->xcr0 &= ~c->no_xcr0;
    memset(x->regs, 0, sizeof(x->regs));
    x->regs[X86_RBX] = x->regs[X86_RBP] = c->addr ? c->addr : VA(DATA);
    x->regs[X86_RSP] = VA(STACK);
    x->rip = VA(CODE);
    x->rflags = 2;
    x->mxcsr = 0x1f80;
    if (c->absent) {
        g->s->features &= ~(UINT64_C(1) << c->feature);
    }
    soft_cpu_load(g->s);
}

static int vector_of(const SoftGuest *g)
{
    uint64_t off = g->s->rip - 1 - VA(HANDLERS);

    return off < 32 * 16 ? (int)(off / 16) : NONE;
}

/* What is wrong with it; NULL: nothing. */
static char *run_case(const InsnCase *c)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    char *wrong = NULL;
    SoftExit how;
    int vec;

    soft_guest_init(g);
    put_tables(g);
    soft_guest_poke(g, SOFT_GUEST_PA + CODE, c->code, c->len);
    soft_guest_poke(g, SOFT_GUEST_PA + CODE + c->len, "\xf4", 1);
    put_state(g, c);
    how = soft_cpu_run(g->s, 1000);
    vec = vector_of(g);
    if (how != SOFT_EXIT_HALT) {
        wrong = g_strdup_printf("%s: ends with %d", c->name, how);
    } else if (vec != c->vec) {
        wrong = g_strdup_printf("%s: exception %d instead of %d", c->name, vec,
                                c->vec);
    } else if (vec == NONE && g->s->rip != VA(CODE) + c->len + 1) {
        wrong =
            g_strdup_printf("%s: goes on at 0x%" PRIx64, c->name, g->s->rip);
    }
    soft_guest_fini(g);
    g_free(g);
    return wrong;
}

static void test_table(void)
{
    uint64_t possible = soft_features_possible();
    unsigned nwrong = 0, nskipped = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *wrong = NULL;

        if (!(possible >> cases[i].feature & 1)) {
            nskipped++;
            continue;
        }
        wrong = run_case(&cases[i]);
        if (wrong) {
            g_test_message("%s", wrong);
            nwrong++;
        }
    }
    g_test_message("%zu rows, %u skipped", G_N_ELEMENTS(cases), nskipped);
    g_assert_cmpuint(nwrong, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-insns/table", test_table);
    return g_test_run();
}
