/*
 * Runs bytes as code in any mode; for the unit test and the fuzz target.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_SOFT_RANDOM_H
#define TESTS_UNIT_SOFT_RANDOM_H

#include "tests/unit/soft-guest.h"

enum {
    SOFT_RANDOM_REAL,
    SOFT_RANDOM_FLAT32,
    SOFT_RANDOM_LONG,
    SOFT_RANDOM_USER,
    SOFT_RANDOM_MODES
};

static inline void soft_random_mode(SoftGuest *g, unsigned mode)
{
    X86Cpu *x = g->x;

    x86_cpu_reset(x);
    switch (mode) {
    case SOFT_RANDOM_REAL:
        x86_cpu_set_real_entry(x, 0x2000, 0);
        break;
    case SOFT_RANDOM_FLAT32:
        x86_cpu_set_flat32_entry(x, 0x20000, 1, 2);
        break;
    default:
        soft_guest_long_mode(g);
        x->rip = SOFT_GUEST_VA + 0x8000;
        break;
    }
    if (mode == SOFT_RANDOM_USER) {
        x->segs[X86_CS].flags |= 3 << X86_SEG_DPL_SHIFT;
        x->segs[X86_SS].flags |= 3 << X86_SEG_DPL_SHIFT;
    }
    /* Real mode has vectors, the others none: a fault ends them. */
    x->idt.limit = mode == SOFT_RANDOM_REAL ? 0x3ff : 0;
    x->halted = 0;
}

/* Executes up to `max` instructions of what p holds. */
static inline SoftExit soft_random_run(SoftGuest *g, unsigned mode,
                                       const uint8_t *p, size_t len,
                                       unsigned max)
{
    SoftCpu *s = g->s;

    soft_guest_tables(g);
    soft_random_mode(g, mode);
    len = MIN(len, 4096);
    soft_guest_poke(g, 0x20000, p, len);
    soft_guest_poke(g, SOFT_GUEST_PA + 0x8000, p, len);
    for (unsigned i = 0; i < 16; i++) {
        g->x->regs[i] = SOFT_GUEST_VA + 0x9000 + i * 16;
    }
    soft_cpu_load(s);
    return soft_cpu_run(s, max);
}

#endif
