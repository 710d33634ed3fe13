/*
 * Debug exceptions of a guest, one after the other: where each comes, what
 * DR6 and the RFLAGS that it saves say.
 *
 * Intel SDM volume 3, 6.8.3 (loads of SS), 17.2.3 (DR6), 17.3.1 (breakpoints,
 * RF, single steps).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/cpu.h"
#include "tests/unit/soft-guest.h"

enum {
    CODE = 0x8000,
    TARGET = 0x8800,
    HANDLER = 0x9000, /* of #DB: hlt; iretq */
    OTHER = 0x9100,   /* of all else: iretq */
    IDT = 0xa000,
    GDT = 0xb000,
    DATA = 0x10000,
    STACK = 0xe000,
    DR6_ONES = 0xffff0ff0,
    BS = 1 << 14,
    BD = 1 << 13,
    TF = X86_FLAG_TF,
    RF = X86_FLAG_RF,
};
#define VA(off) (SOFT_GUEST_VA + (off))

typedef struct Trap {
    uint16_t rip; /* offset that is saved; 0: no more traps */
    uint32_t dr6; /* without the ones */
    uint32_t rf;  /* RF in the flags that are saved */
} Trap;

typedef struct TrapCase {
    const char *name;
    const char *code;
    size_t len;
    uint32_t flags;
    uint32_t fmask;
    uint64_t dr[2];
    uint32_t dr7;
    bool resume; /* the handler sets RF, as for an instruction breakpoint */
    Trap traps[5];
} TrapCase;

#define CODE_OF(c) .code = (c), .len = sizeof(c) - 1

static const TrapCase cases[] = {
    { "one breakpoint, RF lets it go on", CODE_OF("\x90\xff\xc0\x90\xf4"),
      .dr = { VA(CODE + 1) }, .dr7 = 0x402, .resume = true,
      .traps = { { CODE + 1, 1, 0 } } },
    { "breakpoints next to each other", CODE_OF("\x90\xff\xc0\x90\xf4"),
      .dr = { VA(CODE + 1), VA(CODE + 3) }, .dr7 = 0x40a, .resume = true,
      .traps = { { CODE + 1, 1, 0 }, { CODE + 3, 2, 0 } } },
    /* nop; xor ecx, ecx; mov cl, 5; rep stosb; hlt */
    { "a repeated store is one instruction",
      CODE_OF("\x90\x31\xc9\xb1\x05\xf3\xaa\xf4"), .dr = { VA(CODE + 5) },
      .dr7 = 0x402, .resume = true, .traps = { { CODE + 5, 1, 0 } } },
    { "a store, then a hit behind it", CODE_OF("\x90\x89\x03\x90\xf4"),
      .dr = { VA(DATA) }, .dr7 = 0xd0402, .traps = { { CODE + 3, 1, 0 } } },
    { "steps", CODE_OF("\x90\x90\xf4"), .flags = TF,
      .traps = { { CODE + 1, BS, 0 },
                 { CODE + 2, BS, 0 },
                 { CODE + 3, BS, 0 } } },
    /* mov ss, ax; nop; nop; hlt */
    { "no step behind a load of SS", CODE_OF("\x8e\xd0\x90\x90\xf4"),
      .flags = TF,
      .traps = { { CODE + 3, BS, 0 },
                 { CODE + 4, BS, 0 },
                 { CODE + 5, BS, 0 } } },
    { "no breakpoint behind a load of SS", CODE_OF("\x8e\xd0\x90\x90\xf4"),
      .dr = { VA(CODE + 2), VA(CODE + 3) }, .dr7 = 0x40a, .resume = true,
      .traps = { { CODE + 3, 2, 0 } } },
    /* mov ss, [rbx]; nop; nop; hlt */
    { "a load of SS that hits is told later", CODE_OF("\x8e\x13\x90\x90\xf4"),
      .dr = { VA(DATA) }, .dr7 = 0x70402, .traps = { { CODE + 3, 1, 0 } } },
    /* int 0x20; nop; hlt: the gate clears TF, IRET brings it back */
    { "no step into a handler", CODE_OF("\xcd\x20\x90\xf4"), .flags = TF,
      .traps = { { CODE + 3, BS, 0 }, { CODE + 4, BS, 0 } } },
    /* syscall; at TARGET: nop; hlt */
    { "SYSCALL, TF in its mask", CODE_OF("\x0f\x05"), .flags = TF, .fmask = TF,
      .traps = { { 0 } } },
    { "SYSCALL, TF not in its mask", CODE_OF("\x0f\x05"), .flags = TF,
      .traps = { { TARGET, BS, 0 },
                 { TARGET + 1, BS, 0 },
                 { TARGET + 2, BS, 0 } } },
    /* mov rax, dr0: a fault */
    { "debug registers are guarded", CODE_OF("\x0f\x21\xc0\xf4"), .dr7 = 0x2400,
      .traps = { { CODE, BD, RF } } },
    /* int1; hlt */
    { "INT1 leaves DR6 alone", CODE_OF("\xf1\xf4"),
      .traps = { { CODE + 1, 0, 0 } } },
};

static void put_gate(SoftGuest *g, unsigned vec, uint64_t to)
{
    soft_guest_poke64(g, SOFT_GUEST_PA + IDT + vec * 16,
                      (to & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 |
                          (to >> 16 & 0xffff) << 48);
}

static void put_selectors(SoftGuest *g)
{
    static const uint8_t ss[] = { 0x10, 0 };

    soft_guest_poke64(g, SOFT_GUEST_PA + GDT + 8, UINT64_C(0x00af9b000000ffff));
    soft_guest_poke64(g, SOFT_GUEST_PA + GDT + 16,
                      UINT64_C(0x00cf93000000ffff));
    soft_guest_poke(g, SOFT_GUEST_PA + DATA, ss, sizeof(ss));
    g->x->gdt = (X86Segment){ .base = VA(GDT), .limit = 0x17 };
    g->x->idt = (X86Segment){ .base = VA(IDT), .limit = 0xfff };
}

static SoftGuest *guest_new(const TrapCase *c)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    uint8_t halts[32];

    soft_guest_init(g);
    memset(halts, 0xf4, sizeof(halts));
    soft_guest_poke(g, SOFT_GUEST_PA + CODE, halts, sizeof(halts));
    soft_guest_poke(g, SOFT_GUEST_PA + CODE, c->code, c->len);
    soft_guest_poke(g, SOFT_GUEST_PA + TARGET, "\x90\xf4\xf4", 3);
    soft_guest_poke(g, SOFT_GUEST_PA + HANDLER, "\xf4\x48\xcf", 3);
    soft_guest_poke(g, SOFT_GUEST_PA + OTHER, "\x48\xcf", 2);
    put_selectors(g);
    put_gate(g, EXC_DB, VA(HANDLER));
    put_gate(g, 0x20, VA(OTHER));
    memset(g->x->regs, 0, sizeof(g->x->regs));
    g->x->regs[X86_RAX] = 0x10;
    g->x->regs[X86_RBX] = VA(DATA);
    g->x->regs[X86_RDI] = VA(DATA + 0x100);
    g->x->regs[X86_RSP] = VA(STACK);
    g->x->rip = VA(CODE);
    g->x->rflags = 2 | c->flags;
    g->x->star = UINT64_C(8) << 32;
    g->x->lstar = VA(TARGET);
    g->x->fmask = c->fmask;
    g->x->dr[0] = c->dr[0];
    g->x->dr[1] = c->dr[1];
    g->x->dr[6] = DR6_ONES;
    g->x->dr[7] = c->dr7;
    soft_cpu_load(g->s);
    return g;
}

static uint64_t frame(SoftGuest *g, unsigned slot)
{
    uint64_t pa = g->s->gpr[X86_RSP] - SOFT_GUEST_VA + SOFT_GUEST_PA;
    uint64_t v = 0;

    address_space_read(&g->mem.memory, pa + slot * 8, &v, 8);
    return v;
}

static bool in_handler(const SoftGuest *g)
{
    return g->s->rip == VA(HANDLER) + 1;
}

/* Checks a trap, then lets the handler return. */
static void check_trap(SoftGuest *g, const TrapCase *c, const Trap *t)
{
    uint64_t at = g->s->gpr[X86_RSP] - SOFT_GUEST_VA + SOFT_GUEST_PA;

    g_assert_true(in_handler(g));
    g_assert_cmphex(frame(g, 0), ==, VA(t->rip));
    g_assert_cmphex(frame(g, 2) & RF, ==, t->rf);
    g_assert_cmphex(g->x->dr[6], ==, DR6_ONES | t->dr6);
    g->x->dr[6] = DR6_ONES;
    if (c->resume) {
        soft_guest_poke64(g, at + 16, frame(g, 2) | RF);
    }
    if (!t[1].rip) {
        soft_guest_poke64(g, at + 16, frame(g, 2) & ~(uint64_t)TF);
    }
    g->s->halted = false;
}

static void run_case(const TrapCase *c)
{
    SoftGuest *g = guest_new(c);

    g_test_message("%s", c->name);
    for (const Trap *t = c->traps; t->rip; t++) {
        g_assert_cmpint(soft_cpu_run(g->s, 1000), ==, SOFT_EXIT_HALT);
        check_trap(g, c, t);
    }
    g_assert_cmpint(soft_cpu_run(g->s, 1000), ==, SOFT_EXIT_HALT);
    g_assert_false(in_handler(g));
    soft_guest_fini(g);
    g_free(g);
}

static void test_traps(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        run_case(&cases[i]);
    }
}

/* TF comes with SYSRET: the trap is ahead of the instruction it leads to. */
static void test_sysret(void)
{
    static const TrapCase c = { CODE_OF("\x48\x0f\x07") };
    SoftGuest *g = guest_new(&c);

    g->x->star = UINT64_C(0) << 48;
    g->x->regs[X86_RCX] = VA(TARGET);
    g->x->regs[X86_R11] = 2 | TF;
    g->x->tr = (X86Segment){ .base = VA(0xc000),
                             .limit = 0x67,
                             .flags = X86_SEG_P | 11 << X86_SEG_TYPE_SHIFT };
    soft_guest_poke64(g, SOFT_GUEST_PA + 0xc004, VA(0xd000));
    soft_cpu_load(g->s);
    g_assert_cmpint(soft_cpu_run(g->s, 1000), ==, SOFT_EXIT_HALT);
    g_assert_true(in_handler(g));
    g_assert_cmphex(frame(g, 0), ==, VA(TARGET));
    g_assert_cmphex(g->x->dr[6], ==, DR6_ONES | BS);
    soft_guest_fini(g);
    g_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-trap/table", test_traps);
    g_test_add_func("/soft-trap/sysret", test_sysret);
    return g_test_run();
}
