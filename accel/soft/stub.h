/*
 * What host code made for vector and x87 instructions works on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_STUB_H
#define ACCEL_SOFT_STUB_H

#include "util/base.h"

/*
 * Operands of one vector instruction; stub.c has the offsets.  Aligned as
 * instructions that want 256 bits of aligned memory ask for.
 */
typedef struct SoftVecCtx {
    uint8_t r[32];   /* by ModRM.reg */
    uint8_t v[32];   /* by VEX.vvvv */
    uint8_t m[32];   /* by ModRM.rm, register or memory */
    uint8_t x3[32];  /* by the immediate's upper half */
    uint8_t x0[32];  /* XMM0, where it is implicit */
    uint64_t gr, gm; /* general registers in place of r and m */
    uint64_t pad;
    uint64_t rcx;   /* result of string compares */
    uint64_t flags; /* RFLAGS afterwards */
    uint32_t mxcsr; /* before and after */
    uint32_t mxcsr_host;
} __attribute__((aligned(32))) SoftVecCtx;

/* x87: the FXSAVE area before and after, and the memory operand. */
typedef struct SoftX87Ctx {
    uint8_t fx[512];
    uint8_t m[16];
    uint64_t flags;
} __attribute__((aligned(16))) SoftX87Ctx;

typedef void SoftVecStub(SoftVecCtx *c);
typedef void SoftX87Stub(SoftX87Ctx *c);

/* Does the descriptor's H operand exist for this form? */
struct SoftOp;
bool soft_vec_uses_vvvv(const struct SoftOp *op);

#endif
