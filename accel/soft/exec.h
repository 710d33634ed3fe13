/*
 * What the files that execute instructions share.
 *
 * A handler is called with SoftCpu.rip at its instruction and the next one's
 * address in gpr[SOFT_NEXT_RIP].  It changes no register before the last
 * thing that can fault, so that every instruction can be restarted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_EXEC_H
#define ACCEL_SOFT_EXEC_H

#include "accel/soft/mem.h"

/* From a body fn(s, op, n, mem) makes the handlers for 1, 2, 4, 8 bytes. */
#define SOFT_HANDLER(fn, sfx, n, mem)                    \
    static void fn##_##sfx(SoftCpu *s, const SoftOp *op) \
    {                                                    \
        fn(s, op, n, mem);                               \
    }
#define SOFT_HANDLERS(fn)                       \
    SOFT_HANDLER(fn, r1, 1, false)              \
    SOFT_HANDLER(fn, r2, 2, false)              \
    SOFT_HANDLER(fn, r4, 4, false)              \
    SOFT_HANDLER(fn, r8, 8, false)              \
    SOFT_HANDLER(fn, m1, 1, true)               \
    SOFT_HANDLER(fn, m2, 2, true)               \
    SOFT_HANDLER(fn, m4, 4, true)               \
    SOFT_HANDLER(fn, m8, 8, true)               \
    static SoftFn                               \
        *const fn##_fns[8] = {                  \
            fn##_r1, fn##_r2, fn##_r4, fn##_r8, \
            fn##_m1, fn##_m2, fn##_m4, fn##_m8, \
        };

static inline unsigned soft_variant(const SoftOp *op)
{
    return op->size + (op->flags & OPF_MEM ? 4 : 0);
}

SOFT_INLINE uint64_t soft_mask(unsigned n)
{
    return n == 8 ? ~UINT64_C(0) : (UINT64_C(1) << (n * 8)) - 1;
}

SOFT_INLINE int64_t soft_sext(uint64_t v, unsigned n)
{
    return (int64_t)(v << (64 - n * 8)) >> (64 - n * 8);
}

SOFT_INLINE void soft_cc(SoftCpu *s, unsigned kind, unsigned n, uint64_t a,
                         uint64_t b, uint64_t r)
{
    s->cc_op = kind;
    s->cc_bits = n * 8;
    s->cc_a = a;
    s->cc_b = b;
    s->cc_res = r;
}

/* Read part of a read-modify-write: faults as a write. */
SOFT_INLINE uint64_t soft_rmw_get(SoftCpu *s, uint64_t lin, unsigned n)
{
    if (unlikely(soft_tlb_entry(s, lin, s->mmu)->tag[SOFT_WRITE] !=
                     (lin & SOFT_PAGE_MASK) ||
                 (lin & 0xfff) > SOFT_PAGE - n)) {
        soft_probe_write(s, lin, n, s->mmu);
    }
    return soft_ld(s, lin, n, s->mmu);
}

/* False: somebody else was faster, *old is read again. */
SOFT_INLINE bool soft_rmw_put(SoftCpu *s, const SoftOp *op, uint64_t lin,
                              unsigned n, uint64_t *old, uint64_t v)
{
    if (op->flags & OPF_LOCK) {
        return soft_cas(s, lin, n, old, v);
    }
    soft_st(s, lin, v, n, s->mmu);
    return true;
}

/*
 * exec-vme.c: flags that are to be loaded, of n bytes.  True: by
 * soft_vme_set_flags(), with IF in VIF; #GP if they can't be.
 */
bool soft_vme_check_flags(SoftCpu *s, unsigned n, uint64_t v);
void soft_vme_set_flags(SoftCpu *s, uint64_t v);
/* INT n; true: it went to the virtual-8086 program's own handler. */
bool soft_vme_int(SoftCpu *s, unsigned vec);

/* NULL if the instruction is not among those of that file. */
SoftFn *soft_select_alu(const SoftOp *op);
SoftFn *soft_select_move(const SoftOp *op);
SoftFn *soft_select_bits(const SoftOp *op);
SoftFn *soft_select_mul(const SoftOp *op);
SoftFn *soft_select_flow(const SoftOp *op);
SoftFn *soft_select_string(const SoftOp *op);
SoftFn *soft_select_far(const SoftOp *op);
SoftFn *soft_select_system(const SoftOp *op);
SoftFn *soft_select_table(const SoftOp *op);
SoftFn *soft_select_vector(const SoftOp *op);
SoftFn *soft_select_x87(const SoftOp *op);
SoftFn *soft_select_xsave(const SoftOp *op);
SoftFn *soft_select_smm(const SoftOp *op);
SoftFn *soft_select_vme(const SoftOp *op);

#endif
