/*
 * Writing x86-64 host instructions.
 *
 * Nothing is checked: who writes makes sure that there is room.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_GEN_EMIT_H
#define ACCEL_SOFT_GEN_EMIT_H

#include "util/base.h"

enum {
    H_RAX,
    H_RCX,
    H_RDX,
    H_RBX,
    H_RSP,
    H_RBP,
    H_RSI,
    H_RDI,
    H_R8,
    H_R9,
    H_R10,
    H_R11,
    H_R12,
    H_R13,
    H_R14,
    H_R15,
    H_NONE = 0xff,
};

/* Condition codes, as in Jcc. */
enum {
    H_B = 2,
    H_AE = 3,
    H_E = 4,
    H_NE = 5,
    H_BE = 6,
    H_A = 7,
    H_S = 8,
    H_LE = 14,
};

/* ModRM.reg of 81 and 83. */
enum { H_ADD, H_OR, H_ADC, H_SBB, H_AND, H_SUB, H_XOR, H_CMP };

typedef struct GenCode {
    uint8_t *p;
} GenCode;

typedef struct GenMem {
    uint8_t base, index; /* H_NONE: none */
    uint8_t scale;       /* log2 */
    int32_t disp;
} GenMem;

/* All of an instruction but its operands. */
typedef struct GenInsn {
    bool lock, o16;
    uint8_t rep; /* 0, F2 or F3 */
    bool w;
    bool rex;    /* even if empty: byte registers */
    uint8_t map; /* 1: one byte, 2: 0F, 3: 0F 38, 4: 0F 3A */
    uint8_t opcode;
    bool vex, l;
    uint8_t pp, vvvv;
} GenInsn;

static inline void gen_8(GenCode *c, unsigned v)
{
    *c->p++ = v;
}

static inline void gen_32(GenCode *c, uint32_t v)
{
    memcpy(c->p, &v, 4);
    c->p += 4;
}

static inline void gen_64(GenCode *c, uint64_t v)
{
    memcpy(c->p, &v, 8);
    c->p += 8;
}

/* n: 1, 2 or 4 bytes. */
static inline void gen_imm(GenCode *c, uint64_t v, unsigned n)
{
    memcpy(c->p, &v, n);
    c->p += n;
}

/* m: the memory operand, or NULL: register rm. */
void gen_insn(GenCode *c, const GenInsn *in, unsigned reg, const GenMem *m,
              unsigned rm);
/* Without ModRM; reg: in the opcode's low bits, with REX.B, or 0. */
void gen_insn_plain(GenCode *c, const GenInsn *in, unsigned reg);

/* One-byte opcodes on registers and memory, 32 or 64 bits. */
void gen_rr(GenCode *c, unsigned opcode, bool w, unsigned reg, unsigned rm);
void gen_rm(GenCode *c, unsigned opcode, bool w, unsigned reg, GenMem m);
void gen_mov(GenCode *c, unsigned dst, unsigned src);
void gen_load(GenCode *c, unsigned dst, GenMem m);
void gen_store(GenCode *c, GenMem m, unsigned src);
void gen_lea(GenCode *c, bool w, unsigned dst, GenMem m);
void gen_mov_imm(GenCode *c, unsigned dst, uint64_t v);
/* ADD... CMP with an immediate. */
void gen_alu_ri(GenCode *c, unsigned kind, bool w, unsigned reg, int32_t v);
void gen_alu_mi(GenCode *c, unsigned kind, bool w, GenMem m, int32_t v);
/* CMP BYTE, MOV BYTE. */
void gen_cmp8_mi(GenCode *c, GenMem m, uint8_t v);
void gen_mov8_mi(GenCode *c, GenMem m, uint8_t v);
void gen_shift_ri(GenCode *c, unsigned digit, bool w, unsigned reg, uint8_t n);

/* Return where the 32-bit distance is, for gen_target(). */
uint8_t *gen_jcc(GenCode *c, unsigned cc);
uint8_t *gen_jmp(GenCode *c);
uint8_t *gen_call(GenCode *c);
/* All in the same mapping. */
void gen_target(uint8_t *site, const uint8_t *to);

#endif
