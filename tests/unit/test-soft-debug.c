/*
 * Unit test: breakpoints, watchpoints and single steps on the software CPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/debug.h"
#include "tests/unit/soft-guest.h"

enum { CODE = 0x8000, DATA = 0x10000, IDT = 0xa000, HANDLER = 0x9000 };
#define VA(off) (SOFT_GUEST_VA + (off))

static SoftGuest *guest_new(const void *code, size_t n)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    soft_guest_init(g);
    soft_guest_poke(g, SOFT_GUEST_PA + CODE, code, n);
    g->x->rip = VA(CODE);
    g->x->rflags = 2;
    memset(g->x->regs, 0, sizeof(g->x->regs));
    g->x->regs[X86_RSP] = VA(0xe000);
    g->x->regs[X86_RBX] = VA(DATA);
    soft_cpu_load(g->s);
    return g;
}

static void guest_free(SoftGuest *g)
{
    soft_guest_fini(g);
    g_free(g);
}

static void check_stop(SoftGuest *g, DebugReason reason, uint64_t rip)
{
    g_assert_cmpint(soft_cpu_run(g->s, 1000000), ==, SOFT_EXIT_DEBUG);
    g_assert_cmpint(g->s->debug_stop.reason, ==, reason);
    g_assert_cmphex(g->s->rip, ==, rip);
}

/* inc eax; inc ecx; inc edx; hlt: one block */
static const uint8_t line[] = { 0xff, 0xc0, 0xff, 0xc1, 0xff, 0xc2, 0xf4 };

static void test_break(void)
{
    SoftGuest *g = guest_new(line, sizeof(line));
    const DebugPoint p[] = {
        { DEBUG_BREAK_SOFT, VA(CODE) + 2, 1 },
        { DEBUG_BREAK_HARD, VA(CODE) + 6, 1 },
        { DEBUG_BREAK_SOFT, VA(CODE) + 5, 1 }, /* inside an instruction */
    };
    DebugState d = { .points = p, .npoints = G_N_ELEMENTS(p) };

    /* The block is decoded before there are breakpoints. */
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    soft_cpu_load(g->s);
    soft_cpu_set_debug(g->s, &d);
    check_stop(g, DEBUG_STOP_BREAKPOINT, VA(CODE) + 2);
    g_assert_cmpint(g->s->debug_stop.kind, ==, DEBUG_BREAK_SOFT);
    g_assert_cmphex(g->s->debug_stop.addr, ==, VA(CODE) + 2);
    g_assert_cmpuint(g->s->gpr[X86_RAX], ==, 1);
    g_assert_cmpuint(g->s->gpr[X86_RCX], ==, 0);
    /* It stays there until the debugger lifts the breakpoint. */
    check_stop(g, DEBUG_STOP_BREAKPOINT, VA(CODE) + 2);
    d.points++;
    d.npoints--;
    soft_cpu_set_debug(g->s, &d);
    check_stop(g, DEBUG_STOP_BREAKPOINT, VA(CODE) + 6);
    g_assert_cmpint(g->s->debug_stop.kind, ==, DEBUG_BREAK_HARD);
    g_assert_cmpuint(g->s->gpr[X86_RDX], ==, 1);
    soft_cpu_set_debug(g->s, NULL);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    guest_free(g);
}

static void test_step(void)
{
    SoftGuest *g = guest_new(line, sizeof(line));
    const DebugState d = { .step = true };

    soft_cpu_set_debug(g->s, &d);
    for (unsigned i = 1; i <= 3; i++) {
        check_stop(g, DEBUG_STOP_STEP, VA(CODE) + 2 * i);
        g_assert_cmpuint(g->s->gpr[X86_RAX] + g->s->gpr[X86_RCX] +
                             g->s->gpr[X86_RDX],
                         ==, i);
    }
    check_stop(g, DEBUG_STOP_STEP, VA(CODE) + 7);
    g_assert_true(g->s->halted);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    guest_free(g);
}

static void make_handler(SoftGuest *g, unsigned vec)
{
    uint64_t to = VA(HANDLER);

    soft_guest_poke64(g, SOFT_GUEST_PA + 0xb008, UINT64_C(0x00af9b000000ffff));
    soft_guest_poke64(g, SOFT_GUEST_PA + IDT + vec * 16,
                      (to & 0xffff) | 8 << 16 | UINT64_C(0x8e00) << 32 |
                          (to >> 16 & 0xffff) << 48);
    g->x->gdt = (X86Segment){ .base = VA(0xb000), .limit = 0xf };
    g->x->idt = (X86Segment){ .base = VA(IDT), .limit = 0x3ff };
}

/* A step over what faults ends at the handler. */
static void test_step_fault(void)
{
    static const uint8_t ud2[] = { 0x0f, 0x0b };
    SoftGuest *g = guest_new(ud2, sizeof(ud2));
    const DebugState d = { .step = true };

    make_handler(g, EXC_UD);
    soft_cpu_set_debug(g->s, &d);
    check_stop(g, DEBUG_STOP_STEP, VA(HANDLER));
    guest_free(g);
}

static int take_irq(SoftCpu *s, void *opaque)
{
    return 32;
}

static void test_step_irq(void)
{
    static const SoftIrqOps ops = { .take = take_irq };
    SoftGuest *g = guest_new(line, sizeof(line));
    DebugState d = { .step = true, .step_no_irq = true };

    make_handler(g, 32);
    g->x->rflags |= X86_FLAG_IF;
    soft_cpu_load(g->s);
    g->s->irq = &ops;
    soft_cpu_set_debug(g->s, &d);
    soft_cpu_pend(g->s, SOFT_PEND_IRQ);
    check_stop(g, DEBUG_STOP_STEP, VA(CODE) + 2);
    /* It is still there when it may come. */
    soft_guest_poke(g, SOFT_GUEST_PA + HANDLER, "\x90", 1);
    d.step_no_irq = false;
    check_stop(g, DEBUG_STOP_STEP, VA(HANDLER) + 1);
    guest_free(g);
}

/*
 * mov [rbx], eax; mov ecx, [rbx+8]; add [rbx+16], eax;
 * lock cmpxchg [rbx+24], edx; mov [rbx+0xfff], rdx; hlt
 */
static const uint8_t touch[] = {
    0x89, 0x03, 0x8b, 0x4b, 0x08, 0x01, 0x43, 0x10, 0xf0, 0x0f, 0xb1,
    0x53, 0x18, 0x48, 0x89, 0x93, 0xff, 0x0f, 0x00, 0x00, 0xf4,
};

static void check_watch(const DebugPoint *p, unsigned rip, uint64_t addr)
{
    SoftGuest *g = guest_new(touch, sizeof(touch));
    const DebugState d = { .points = p, .npoints = 1 };

    /* With the pages in the TLB already. */
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    soft_cpu_load(g->s);
    soft_cpu_set_debug(g->s, &d);
    if (rip) {
        check_stop(g, DEBUG_STOP_WATCHPOINT, VA(CODE) + rip);
        g_assert_cmpint(g->s->debug_stop.kind, ==, p->kind);
        g_assert_cmphex(g->s->debug_stop.addr, ==, addr);
    }
    /* Once each. */
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    guest_free(g);
}

static void test_watch(void)
{
    static const struct {
        DebugPoint p;
        unsigned rip;
        uint64_t addr;
    } t[] = {
        { { DEBUG_WATCH_WRITE, VA(DATA), 4 }, 2, VA(DATA) },
        { { DEBUG_WATCH_WRITE, VA(DATA) + 3, 1 }, 2, VA(DATA) + 3 },
        { { DEBUG_WATCH_READ, VA(DATA), 4 }, 0, 0 },
        { { DEBUG_WATCH_WRITE, VA(DATA) + 4, 4 }, 0, 0 },
        { { DEBUG_WATCH_READ, VA(DATA) + 8, 4 }, 5, VA(DATA) + 8 },
        { { DEBUG_WATCH_WRITE, VA(DATA) + 8, 4 }, 0, 0 },
        { { DEBUG_WATCH_ACCESS, VA(DATA) + 8, 8 }, 5, VA(DATA) + 8 },
        { { DEBUG_WATCH_WRITE, VA(DATA) + 16, 4 }, 8, VA(DATA) + 16 },
        { { DEBUG_WATCH_WRITE, VA(DATA) + 24, 8 }, 13, VA(DATA) + 24 },
        /* The second page of a store over their border. */
        { { DEBUG_WATCH_WRITE, VA(DATA) + 0x1002, 1 }, 20, VA(DATA) + 0x1002 },
        { { DEBUG_WATCH_WRITE, VA(DATA) + 0x1007, 1 }, 0, 0 },
        /* What only looks at the page of the code. */
        { { DEBUG_WATCH_ACCESS, VA(CODE), 16 }, 0, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_test_message("case %zu", i);
        check_watch(&t[i].p, t[i].rip, t[i].addr);
    }
}

/* The access that an exception follows is told all the same. */
static void test_watch_fault(void)
{
    /* push [rbx]: the read is watched, the push faults */
    static const uint8_t push[] = { 0xff, 0x33 };
    SoftGuest *g = guest_new(push, sizeof(push));
    const DebugPoint p = { DEBUG_WATCH_READ, VA(DATA), 8 };
    const DebugState d = { .points = &p, .npoints = 1 };

    make_handler(g, EXC_PF);
    g->x->tr = (X86Segment){ .base = VA(0xc000),
                             .limit = 0x67,
                             .flags = X86_SEG_P | 11 << X86_SEG_TYPE_SHIFT };
    soft_guest_poke64(g, SOFT_GUEST_PA + 0xc024, VA(0xd000));
    soft_guest_poke64(g, SOFT_GUEST_PA + IDT + EXC_PF * 16,
                      (VA(HANDLER) & 0xffff) | 8 << 16 |
                          UINT64_C(0x8e01) << 32 |
                          (VA(HANDLER) >> 16 & 0xffff) << 48);
    g->x->regs[X86_RSP] = 0x1000;
    soft_cpu_load(g->s);
    soft_cpu_set_debug(g->s, &d);
    g_assert_cmpint(soft_cpu_run(g->s, 1), ==, SOFT_EXIT_DEBUG);
    g_assert_cmpint(g->s->debug_stop.reason, ==, DEBUG_STOP_WATCHPOINT);
    g_assert_cmphex(g->s->rip, ==, VA(HANDLER));
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft/debug/break", test_break);
    g_test_add_func("/soft/debug/step", test_step);
    g_test_add_func("/soft/debug/step-fault", test_step_fault);
    g_test_add_func("/soft/debug/step-irq", test_step_irq);
    g_test_add_func("/soft/debug/watch", test_watch);
    g_test_add_func("/soft/debug/watch-fault", test_watch_fault);
    return g_test_run();
}
