/*
 * x87 and SIMD state: checks and helpers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_FPU_H
#define ACCEL_SOFT_FPU_H

#include "accel/soft/cpu.h"

/* Raise what CR0, CR4 and XCR0 say if the state is not to be used. */
void soft_need_x87(SoftCpu *s);
void soft_need_mmx(SoftCpu *s);
void soft_need_sse(SoftCpu *s, bool avx);
static inline void soft_need_sse_or_mmx(SoftCpu *s, bool avx, bool mmx)
{
    /* Instructions with an MMX operand only don't ask CR4. */
    if (!mmx) {
        soft_need_sse(s, avx);
    }
}
/* Bytes of a vector instruction's memory operand. */
unsigned soft_vec_memory(const SoftOp *op, bool *ret_write, bool *ret_aligned);
/* An MMX instruction was executed: TOP and tags. */
void soft_mmx_enter(SoftCpu *s);
/* #MF if an unmasked x87 exception waits. */
void soft_x87_pending(SoftCpu *s);
/* x87 part of an FXSAVE area: bytes 0 to 23 and 32 to 159. */
void soft_x87_to_area(const X86Cpu *x, uint8_t *fx);
void soft_x87_from_area(X86Cpu *x, const uint8_t *fx);
SoftFn *soft_select_vector_odd(const SoftOp *op);

#endif
