/*
 * Integer instructions for tests of the software CPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_SOFT_INSNS_H
#define TESTS_UNIT_SOFT_INSNS_H

#include "util/base.h"

typedef struct SoftInsn {
    uint8_t op[4];
    uint8_t nop;    /* opcode bytes */
    int8_t digit;   /* ModRM.reg, -1: a register */
    uint8_t imm;    /* bytes: 0, 1; 4: as the operand size says */
    bool byte;      /* byte operands */
    uint32_t undef; /* undefined flags */
    bool reg_only, w_only;
    uint8_t prefix;
} SoftInsn;

enum { STATUS = 0x8d5 };
enum { LOGIC_UNDEF = 0x10, SHIFT_UNDEF = 0x810, MUL_UNDEF = 0xd4 };

#define ALU(n)                                        \
    { { (n) }, 1, -1, 0, true, 0, 0, 0, 0 },          \
        { { (n) + 1 }, 1, -1, 0, false, 0, 0, 0, 0 }, \
        { { (n) + 2 }, 1, -1, 0, true, 0, 0, 0, 0 },  \
    {                                                 \
        { (n) + 3 }, 1, -1, 0, false, 0, 0, 0, 0      \
    }
#define GRP(op, d, imm, byte, undef)            \
    {                                           \
        { op }, 1, d, imm, byte, undef, 0, 0, 0 \
    }
#define SHIFTS(d, u)                                                    \
    GRP(0xc0, d, 1, true, u), GRP(0xc1, d, 1, false, u),                \
        GRP(0xd0, d, 0, true, (u) & ~0x800),                            \
        GRP(0xd1, d, 0, false, (u) & ~0x800), GRP(0xd2, d, 0, true, u), \
        GRP(0xd3, d, 0, false, u)
#define TWO(op, undef)                                \
    {                                                 \
        { 0x0f, op }, 2, -1, 0, false, undef, 0, 0, 0 \
    }

static const SoftInsn soft_insns[] = {
    ALU(0x00),
    ALU(0x08),
    ALU(0x10),
    ALU(0x18),
    ALU(0x20),
    ALU(0x28),
    ALU(0x30),
    ALU(0x38),
    GRP(0x80, 0, 1, true, 0),
    GRP(0x80, 2, 1, true, 0),
    GRP(0x80, 3, 1, true, 0),
    GRP(0x80, 5, 1, true, 0),
    GRP(0x80, 7, 1, true, 0),
    GRP(0x81, 0, 4, false, 0),
    GRP(0x81, 3, 4, false, 0),
    GRP(0x81, 7, 4, false, 0),
    GRP(0x83, 0, 1, false, 0),
    GRP(0x83, 2, 1, false, 0),
    GRP(0x83, 5, 1, false, 0),
    SHIFTS(0, 0x800),
    SHIFTS(1, 0x800),
    SHIFTS(2, 0x800),
    SHIFTS(3, 0x800),
    SHIFTS(4, SHIFT_UNDEF),
    SHIFTS(5, SHIFT_UNDEF),
    SHIFTS(7, SHIFT_UNDEF),
    GRP(0xf6, 0, 1, true, 0x10),
    GRP(0xf7, 0, 4, false, 0x10),
    GRP(0xf6, 2, 0, true, 0),
    GRP(0xf7, 2, 0, false, 0),
    GRP(0xf6, 3, 0, true, 0),
    GRP(0xf7, 3, 0, false, 0),
    GRP(0xf6, 4, 0, true, MUL_UNDEF),
    GRP(0xf7, 4, 0, false, MUL_UNDEF),
    GRP(0xf6, 5, 0, true, MUL_UNDEF),
    GRP(0xf7, 5, 0, false, MUL_UNDEF),
    GRP(0xf6, 6, 0, true, STATUS),
    GRP(0xf7, 6, 0, false, STATUS),
    GRP(0xf6, 7, 0, true, STATUS),
    GRP(0xf7, 7, 0, false, STATUS),
    GRP(0xfe, 0, 0, true, 0),
    GRP(0xff, 0, 0, false, 0),
    GRP(0xfe, 1, 0, true, 0),
    GRP(0xff, 1, 0, false, 0),
    GRP(0x69, -1, 4, false, MUL_UNDEF),
    GRP(0x6b, -1, 1, false, MUL_UNDEF),
    GRP(0x84, -1, 0, true, 0x10),
    GRP(0x85, -1, 0, false, 0x10),
    GRP(0x86, -1, 0, true, 0),
    GRP(0x87, -1, 0, false, 0),
    GRP(0x88, -1, 0, true, 0),
    GRP(0x89, -1, 0, false, 0),
    GRP(0x8a, -1, 0, true, 0),
    GRP(0x8b, -1, 0, false, 0),
    GRP(0x63, -1, 0, false, 0),
    GRP(0x8d, -1, 0, false, 0),
    GRP(0xc6, 0, 1, true, 0),
    GRP(0xc7, 0, 4, false, 0),
    TWO(0x40, 0),
    TWO(0x42, 0),
    TWO(0x44, 0),
    TWO(0x46, 0),
    TWO(0x48, 0),
    TWO(0x4a, 0),
    TWO(0x4c, 0),
    TWO(0x4f, 0),
    { { 0x0f, 0x92 }, 2, 0, 0, true, 0, 0, 0, 0 },
    { { 0x0f, 0x97 }, 2, 0, 0, true, 0, 0, 0, 0 },
    { { 0x0f, 0x9e }, 2, 0, 0, true, 0, 0, 0, 0 },
    { { 0x0f, 0xba }, 2, 4, 1, false, 0x8d4, 0, 0, 0 },
    { { 0x0f, 0xba }, 2, 5, 1, false, 0x8d4, 0, 0, 0 },
    { { 0x0f, 0xba }, 2, 6, 1, false, 0x8d4, 0, 0, 0 },
    { { 0x0f, 0xba }, 2, 7, 1, false, 0x8d4, 0, 0, 0 },
    { { 0x0f, 0xa3 }, 2, -1, 0, false, 0x8d4, true, 0, 0 },
    { { 0x0f, 0xab }, 2, -1, 0, false, 0x8d4, true, 0, 0 },
    { { 0x0f, 0xa4 }, 2, -1, 1, false, SHIFT_UNDEF, 0, 0, 0 },
    { { 0x0f, 0xac }, 2, -1, 1, false, SHIFT_UNDEF, 0, 0, 0 },
    TWO(0xaf, MUL_UNDEF),
    TWO(0xb6, 0),
    TWO(0xb7, 0),
    TWO(0xbe, 0),
    TWO(0xbf, 0),
    { { 0x0f, 0xb0 }, 2, -1, 0, true, 0, 0, 0, 0 },
    TWO(0xb1, 0),
    { { 0x0f, 0xc0 }, 2, -1, 0, true, 0, 0, 0, 0 },
    TWO(0xc1, 0),
    TWO(0xbc, 0x895),
    TWO(0xbd, 0x895),
    { { 0x0f, 0xb8 }, 2, -1, 0, false, 0, 0, 0, 0xf3 },
    { { 0x0f, 0xbc }, 2, -1, 0, false, 0x894, 0, 0, 0xf3 },
    { { 0x0f, 0xbd }, 2, -1, 0, false, 0x894, 0, 0, 0xf3 },
    { { 0x0f, 0x38, 0xf0 }, 3, -1, 0, true, 0, 0, 0, 0xf2 },
    { { 0x0f, 0x38, 0xf1 }, 3, -1, 0, false, 0, 0, 0, 0xf2 },
    { { 0x98 }, 1, -2, 0, false, 0, 0, 0, 0 },
    { { 0x99 }, 1, -2, 0, false, 0, 0, 0, 0 },
    { { 0x9e }, 1, -2, 0, false, 0, 0, 0, 0 },
    { { 0x9f }, 1, -2, 0, false, 0, 0, 0, 0 },
    { { 0xf5 }, 1, -2, 0, false, 0, 0, 0, 0 },
};

#undef ALU
#undef GRP
#undef SHIFTS
#undef TWO

#endif
