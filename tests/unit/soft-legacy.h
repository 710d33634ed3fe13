/*
 * A guest in 32-bit protected mode without paging, for tests of what 64-bit
 * mode doesn't have: GDT, IDT and a TSS with stacks in low memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_SOFT_LEGACY_H
#define TESTS_UNIT_SOFT_LEGACY_H

#include "tests/unit/soft-guest.h"

enum {
    L_TSS = 0x4000,
    L_GDT = 0x5000,
    L_IDT = 0x5800,
    L_CODE = 0x6000,
    L_HANDLER = 0x7000, /* HLTs, one per vector */
    L_STACK = 0x9000,   /* ends of stacks */
    L_STACK0 = 0xa000,  /* of the TSS */
    L_DATA = 0xb000,
    L_V86_CS = 0x1000, /* virtual-8086 code's segment */
    L_IOMAP = 0x88,    /* in the TSS, behind 32 bytes for INT n */
    L_TSS_LIMIT = L_IOMAP + 0x80,
    /* Selectors. */
    L_CODE0 = 0x08,
    L_DATA0 = 0x10,
    L_CODE3 = 0x1b,
    L_DATA3 = 0x23,
    L_TSS_SEL = 0x28,
};

static inline void legacy_poke(SoftGuest *g, uint32_t at, uint64_t v,
                               unsigned n)
{
    soft_guest_poke(g, at, &v, n);
}

static inline uint32_t legacy_peek(SoftGuest *g, uint32_t at, unsigned n)
{
    uint32_t v = 0;

    address_space_read(&g->mem.memory, at, &v, n);
    return v;
}

/* access: type, S, DPL and P; flags: G, D/B, L, AVL. */
static inline void legacy_desc(SoftGuest *g, unsigned sel, uint32_t base,
                               uint32_t limit, unsigned access, unsigned flags)
{
    uint64_t lo = (limit & 0xffff) | base << 16;
    uint64_t hi = (base >> 16 & 0xff) | access << 8 | (limit & 0xf0000) |
                  flags << 20 | (base & 0xff000000);

    legacy_poke(g, L_GDT + (sel & ~7), lo & 0xffffffff, 4);
    legacy_poke(g, L_GDT + (sel & ~7) + 4, hi, 4);
}

/* access: 0x8e: interrupt gate, 0x85: task gate; DPL in bits 6:5. */
static inline void legacy_gate(SoftGuest *g, unsigned vec, unsigned sel,
                               uint32_t to, unsigned access)
{
    legacy_poke(g, L_IDT + vec * 8, (to & 0xffff) | sel << 16, 4);
    legacy_poke(g, L_IDT + vec * 8 + 4, (to & 0xffff0000) | access << 8, 4);
}

static inline void legacy_tables(SoftGuest *g)
{
    for (unsigned i = 0; i < 0x1000; i += 8) {
        soft_guest_poke64(g, L_TSS + i, 0); /* a page table was there */
    }
    legacy_desc(g, L_CODE0, 0, 0xfffff, 0x9b, 0xc);
    legacy_desc(g, L_DATA0, 0, 0xfffff, 0x93, 0xc);
    legacy_desc(g, L_CODE3, 0, 0xfffff, 0xfb, 0xc);
    legacy_desc(g, L_DATA3, 0, 0xfffff, 0xf3, 0xc);
    legacy_desc(g, L_TSS_SEL, L_TSS, L_TSS_LIMIT, 0x8b, 0);
    for (unsigned v = 0; v < 64; v++) {
        legacy_gate(g, v, L_CODE0, L_HANDLER + v, 0xee);
        legacy_poke(g, L_HANDLER + v, 0xf4, 1);
    }
    legacy_poke(g, L_TSS + 4, L_STACK0, 4);
    legacy_poke(g, L_TSS + 8, L_DATA0, 4);
    legacy_poke(g, L_TSS + 102, L_IOMAP, 2);
}

static inline X86Segment legacy_segment(unsigned sel, bool code, unsigned dpl)
{
    return (X86Segment){
        .selector = sel,
        .limit = 0xffffffff,
        .flags = X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A | X86_SEG_G |
                 X86_SEG_DB | (code ? X86_SEG_CODE : 0) |
                 dpl << X86_SEG_DPL_SHIFT,
    };
}

/* CPL 0, 3; v86: virtual-8086 code at L_V86_CS:0, its stack above. */
static inline SoftGuest *legacy_new(unsigned cpl, bool v86)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    X86Cpu *x;

    soft_guest_init(g);
    legacy_tables(g);
    x = g->x;
    x->cr[0] = X86_CR0_PE | X86_CR0_NE | X86_CR0_ET;
    x->cr[4] = X86_CR4_OSFXSR;
    x->efer = 0;
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        x->segs[i] = legacy_segment(cpl ? L_DATA3 : L_DATA0, false, cpl);
    }
    x->segs[X86_CS] = legacy_segment(cpl ? L_CODE3 : L_CODE0, true, cpl);
    x->gdt = (X86Segment){ .base = L_GDT, .limit = 0xff };
    x->idt = (X86Segment){ .base = L_IDT, .limit = 0x1ff };
    x->tr = (X86Segment){ .selector = L_TSS_SEL,
                          .base = L_TSS,
                          .limit = L_TSS_LIMIT,
                          .flags = X86_SEG_P | 11 << X86_SEG_TYPE_SHIFT };
    x->regs[X86_RSP] = L_STACK;
    x->rip = L_CODE;
    x->rflags = 2;
    if (v86) {
        x->rflags |= X86_FLAG_VM;
        x->rip = 0;
        for (unsigned i = 0; i < X86_NSEGS; i++) {
            x->segs[i] = (X86Segment){ .selector = L_V86_CS,
                                       .base = L_V86_CS << 4,
                                       .limit = 0xffff,
                                       .flags = 0xf300 };
        }
        x->regs[X86_RSP] = 0x1000;
    }
    return g;
}

static inline void legacy_code(SoftGuest *g, const void *code, size_t n)
{
    soft_guest_poke(g, g->x->rflags & X86_FLAG_VM ? (L_V86_CS << 4) : L_CODE,
                    code, n);
    soft_cpu_load(g->s);
}

/* Runs to a HLT of the IDT's; which vector's.  -1: to another one. */
static inline int legacy_vector(SoftGuest *g)
{
    int v;

    g_assert_cmpint(soft_cpu_run(g->s, 1000), ==, SOFT_EXIT_HALT);
    soft_cpu_store(g->s);
    v = (int)(g->x->rip - 1 - L_HANDLER);
    return v >= 0 && v < 64 ? v : -1;
}

static inline void legacy_free(SoftGuest *g)
{
    soft_guest_fini(g);
    g_free(g);
}

#endif
