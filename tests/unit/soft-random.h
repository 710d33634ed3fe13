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
    SOFT_RANDOM_ALIGN, /* user, with alignment checked */
    SOFT_RANDOM_TASK,  /* 32 bits; descriptors and TSS out of the bytes */
    SOFT_RANDOM_V86,   /* the same */
    SOFT_RANDOM_SMM,   /* the state that RSM finds, too */
    SOFT_RANDOM_MODES
};

/* GDT, LDT, IDT and TSS are where the code is. */
static inline void soft_random_tables(X86Cpu *x, unsigned mode)
{
    x->gdt = (X86Segment){ .base = 0x20000, .limit = 0x1ff };
    x->idt = (X86Segment){ .base = 0x20200, .limit = 0x3ff };
    x->ldt = (X86Segment){ .selector = 0x18,
                           .base = 0x20100,
                           .limit = 0xff,
                           .flags = X86_SEG_P | 2 << X86_SEG_TYPE_SHIFT };
    x->tr = (X86Segment){ .selector = 0x20,
                          .base = 0x20600,
                          .limit = 0x1fff,
                          .flags = X86_SEG_P | 9 << X86_SEG_TYPE_SHIFT };
    x->cr[4] |= X86_CR4_VME | X86_CR4_PVI | X86_CR4_DE;
    x->rflags |= X86_FLAG_NT;
    if (mode == SOFT_RANDOM_V86) {
        x->rflags |= X86_FLAG_VM;
        x->rip = 0;
        for (unsigned i = 0; i < X86_NSEGS; i++) {
            x->segs[i] = (X86Segment){ .selector = 0x2000,
                                       .base = 0x20000,
                                       .limit = 0xffff,
                                       .flags = 0xf300 };
        }
    }
}

/* In the handler, whose SMBASE is below the bytes; they are RSM's map, too. */
static inline void soft_random_smm(SoftGuest *g, const uint8_t *p, size_t len)
{
    static const uint32_t cr0[4] = { 0x10, 0x11, 0x80000011, 0x60000010 };
    X86Cpu *x = g->x;
    size_t n = MIN(len, 0x200);
    unsigned knobs = len > 2 ? p[2] : 0;

    x->hflags |= X86_HF_SMM;
    x->smbase = 0x20000 - 0x8000;
    soft_guest_poke(g, x->smbase + 0xfe00, p + len - n, n);
    soft_guest_poke64(g, x->smbase + 0xff58, cr0[knobs & 3]);
    if (!(knobs & 4)) {
        soft_guest_poke64(g, x->smbase + 0xff48, knobs & 8 ? 0x20 : 0);
        soft_guest_poke64(g, x->smbase + 0xfed0, knobs & 16 ? 0x500 : 0);
    }
}

static inline void soft_random_mode(SoftGuest *g, unsigned mode)
{
    X86Cpu *x = g->x;

    x86_cpu_reset(x);
    switch (mode) {
    case SOFT_RANDOM_REAL:
    case SOFT_RANDOM_SMM:
        x86_cpu_set_real_entry(x, 0x2000, 0);
        break;
    case SOFT_RANDOM_FLAT32:
    case SOFT_RANDOM_TASK:
    case SOFT_RANDOM_V86:
        x86_cpu_set_flat32_entry(x, 0x20000, 1, 2);
        break;
    default:
        soft_guest_long_mode(g);
        x->rip = SOFT_GUEST_VA + 0x8000;
        break;
    }
    if (mode == SOFT_RANDOM_USER || mode == SOFT_RANDOM_ALIGN) {
        x->segs[X86_CS].flags |= 3 << X86_SEG_DPL_SHIFT;
        x->segs[X86_SS].flags |= 3 << X86_SEG_DPL_SHIFT;
    }
    /* Real mode has vectors, the others none: a fault ends them. */
    x->idt.limit = mode == SOFT_RANDOM_REAL ? 0x3ff : 0;
    if (mode == SOFT_RANDOM_ALIGN) {
        x->cr[0] |= X86_CR0_AM;
        x->rflags |= X86_FLAG_AC;
    } else if (mode == SOFT_RANDOM_TASK || mode == SOFT_RANDOM_V86) {
        soft_random_tables(x, mode);
    }
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
    if (mode == SOFT_RANDOM_SMM) {
        soft_random_smm(g, p, len);
    }
    soft_cpu_load(s);
    soft_cpu_take(s, SOFT_PEND_SMI);
    if (mode == SOFT_RANDOM_SMM || mode == SOFT_RANDOM_V86) {
        soft_cpu_pend(s, SOFT_PEND_SMI);
    }
    return soft_cpu_run(s, max);
}

#endif
