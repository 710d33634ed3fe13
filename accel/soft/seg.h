/*
 * Segment descriptors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_SEG_H
#define ACCEL_SOFT_SEG_H

#include "accel/soft/mem.h"

/* As in memory: SDM volume 3, 3.4.5; `hi` has type, DPL and flags. */
typedef struct SoftDesc {
    uint32_t lo, hi;
    uint64_t lin; /* where it is */
} SoftDesc;

/* Types of system descriptors: SDM volume 3, table 3-2. */
enum {
    DT_TSS16 = 1,
    DT_LDT = 2,
    DT_TSS16_BUSY = 3,
    DT_CALL16 = 4,
    DT_TASK = 5,
    DT_INT16 = 6,
    DT_TRAP16 = 7,
    DT_TSS = 9,
    DT_TSS_BUSY = 11,
    DT_CALL = 12,
    DT_INT = 14,
    DT_TRAP = 15,
};

static inline unsigned soft_desc_type(const SoftDesc *d)
{
    return (d->hi >> 8) & 15;
}

static inline unsigned soft_desc_dpl(const SoftDesc *d)
{
    return (d->hi >> 13) & 3;
}

static inline uint32_t soft_desc_base(const SoftDesc *d)
{
    return d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
}

static inline uint32_t soft_desc_limit(const SoftDesc *d)
{
    uint32_t l = (d->lo & 0xffff) | (d->hi & 0xf0000);

    return d->hi & X86_SEG_G ? l << 12 | 0xfff : l;
}

static inline bool soft_protected(const SoftCpu *s)
{
    return (s->x->cr[0] & X86_CR0_PE) && !(s->flags & X86_FLAG_VM);
}

static inline bool soft_long_mode(const SoftCpu *s)
{
    return s->x->efer & X86_EFER_LMA;
}

/* The weaker of CPL and a selector's RPL. */
static inline unsigned soft_privilege(const SoftCpu *s, uint16_t sel)
{
    unsigned rpl = sel & 3;

    return rpl > s->cpl ? rpl : s->cpl;
}

/* False: beyond the table's limit, or in an LDT that isn't there. */
bool soft_desc_read(SoftCpu *s, uint16_t sel, SoftDesc *ret);
/* Upper half of the base of a 16-byte descriptor. */
uint32_t soft_desc_upper(SoftCpu *s, const SoftDesc *d);
void soft_desc_set_accessed(SoftCpu *s, SoftDesc *d);
/* Loads the hidden part, no checks. */
void soft_seg_set(SoftCpu *s, unsigned seg, uint16_t sel, uint64_t base,
                  uint32_t limit, uint32_t flags);
void soft_seg_set_desc(SoftCpu *s, unsigned seg, uint16_t sel,
                       const SoftDesc *d);
/* Real and virtual-8086 mode. */
void soft_seg_set_real(SoftCpu *s, unsigned seg, uint16_t sel);
/* MOV, POP, LDS...: with all checks. */
void soft_seg_load(SoftCpu *s, unsigned seg, uint16_t sel);
/* The new stack of an inner ring: checks SS with `err` as the vector. */
void soft_seg_check_stack(SoftCpu *s, uint16_t sel, unsigned cpl, unsigned vec,
                          SoftDesc *ret);
/* SS:RSP of a ring, from the TSS. */
void soft_tss_stack(SoftCpu *s, unsigned cpl, uint16_t *ret_ss,
                    uint64_t *ret_sp);
/* RSPn (0..2) or ISTn (index 3 + n) of a 64-bit TSS. */
uint64_t soft_tss_rsp(SoftCpu *s, unsigned index);
void soft_set_cpl(SoftCpu *s, unsigned cpl);
/* Where a far transfer goes: checks code descriptors for CALL and JMP. */
void soft_code_check(SoftCpu *s, uint16_t sel, const SoftDesc *d);
/* After a return to an outer ring. */
void soft_seg_drop_inner(SoftCpu *s);

/* A stack that isn't SS:RSP yet. */
typedef struct SoftStack {
    uint64_t base, sp, mask;
    unsigned mmu;
} SoftStack;
void soft_stack_push(SoftCpu *s, SoftStack *st, unsigned n, uint64_t v);

#endif
