/*
 * A decoded instruction, ready to be executed any number of times.
 *
 * General registers are named by the byte offset of what the instruction
 * uses in SoftCpu.gpr[], so that AH needs no special case; vector, segment,
 * control and debug registers by their numbers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_OP_H
#define ACCEL_SOFT_OP_H

#include "accel/soft/insn.h"

struct SoftCpu;
struct SoftOp;
typedef void SoftFn(struct SoftCpu *s, const struct SoftOp *op);

/* Slots of SoftCpu.gpr[] beyond the sixteen registers. */
enum {
    SOFT_ZERO = 16,     /* always 0: no base, no index */
    SOFT_NEXT_RIP = 17, /* address of the next instruction */
    SOFT_NGPR = 18,
};

enum {
    OPF_MEM = 1 << 0, /* ModRM names memory */
    OPF_LOCK = 1 << 1,
    OPF_REP = 1 << 2,   /* F3 */
    OPF_REPNE = 1 << 3, /* F2 */
    OPF_VEX = 1 << 4,
    OPF_W = 1 << 5, /* REX.W or VEX.W */
    OPF_L = 1 << 6, /* VEX.L */
    OPF_END = 1 << 7,
};

typedef struct SoftOp {
    SoftFn *fn;
    uint64_t imm; /* sign-extended immediate, branch distance, moffs */
    const InsnDesc *desc;
    void *stub; /* host code of vector and x87 instructions */
    int32_t disp;
    uint16_t sel;        /* selector of a far pointer; second immediate */
    uint16_t id;         /* InsnId */
    uint8_t len;         /* 1..15 bytes */
    uint8_t size;        /* log2 of the operand size in bytes */
    uint8_t asize;       /* the same of the address size: 1, 2, 3 */
    uint8_t flags;       /* OPF_* */
    uint8_t base, index; /* byte offsets in gpr[]; VSIB: vector register */
    uint8_t scale;       /* log2 */
    uint8_t seg;         /* X86_ES... of the memory operand */
    uint8_t reg, rm, vvvv;
    uint8_t opcode;
    uint8_t map; /* 1: one byte, 2: 0F, 3: 0F 38, 4: 0F 3A */
    uint8_t pp;  /* mandatory prefix */
    uint8_t modrm;
} SoftOp;

typedef struct SoftDecoder {
    uint8_t mode;      /* log2 of the code size: 1, 2, 3 */
    bool no_vex;       /* real and virtual-8086 mode */
    uint64_t features; /* 1 << InsnFeature */
} SoftDecoder;

typedef enum SoftDecodeResult {
    SOFT_DECODE_OK,
    SOFT_DECODE_UD,
    SOFT_DECODE_LONG, /* more than 15 bytes: #GP */
    SOFT_DECODE_MORE, /* `len` bytes don't suffice */
} SoftDecodeResult;

/*
 * Decodes what is at p, of which `len` bytes can be read.  ret_op->fn is left
 * alone.  Depends on nothing but its arguments.
 */
SoftDecodeResult soft_decode(const SoftDecoder *d, const uint8_t *p, size_t len,
                             SoftOp *ret_op);

#endif
