/*
 * MMX, SSE and AVX opcodes of the maps 0F, 0F 38 and 0F 3A.
 *
 * Intel SDM volume 2, tables, and the instructions' own pages.
 * V(opcode, prefix, feature, VEX feature, flags, operands).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/insn.h"

/* clang-format off */
enum { PN, P66, PF3, PF2 };

#define D(id, op_, pp, ft, vf, fl, a, b, c, d) \
    [(op_) * 4 + (pp)] = { INSN_##id, { O_##a, O_##b, O_##c, O_##d }, \
                           FT_##ft, FT_##vf, fl }
#define V2(op, pp, ft, vf, fl, a, b) \
    D(VEC, op, \
    pp, ft, vf, fl, a, b, NONE, NONE)
#define V3(op, pp, ft, vf, fl, a, b, c) \
    D(VEC, op, \
    pp, ft, vf, fl, a, b, c, NONE)
#define V4(op, pp, ft, vf, fl, a, b, c, d) \
    D(VEC, \
    op, pp, ft, vf, fl, a, b, c, d)

/* Packed integer: MMX and SSE2; AVX of 128 bits, AVX2 of 256. */
#define MM(op, ft) V2(op, PN, ft, NONE, DF_NOVEX, Pq, Qq)
#define XI(op, ft) V3(op, P66, ft, AVX, DF_256, Vx, Hx, Wx)
#define MI(op) MM(op, MMX), XI(op, SSE2)
#define ME(op) MM(op, SSE), XI(op, SSE2)
#define MS(op) MM(op, SSSE3), XI(op, SSSE3)
#define MSH(op) MM(op, MMX), V3(op, P66, SSE2, AVX, DF_256, Vx, Hx, Wo)
/* Packed and scalar floating point. */
#define FPD(op, fl) V3(op, PN, SSE, AVX, fl, Vx, Hx, Wx), \
    V3(op, P66, SSE2, AVX, fl, Vx, Hx, Wx)
#define FSS(op, fl) V3(op, PF3, SSE, AVX, fl, Vo, Ho, Wd)
#define FSD(op, fl) V3(op, PF2, SSE2, AVX, fl, Vo, Ho, Wq)
#define FP4(op) FPD(op, DF_FP), FSS(op, DF_FP), FSD(op, DF_FP)

const InsnDesc insn_vec_0f[1024] = {
    V2(0x10, PN, SSE, AVX, DF_UNAL, Vx, Wx),
    V2(0x10, P66, SSE2, AVX, DF_UNAL, Vx, Wx),
    V3(0x10, PF3, SSE, AVX, DF_RMW, Vo, Ho, Wd),
    V3(0x10, PF2, SSE2, AVX, DF_RMW, Vo, Ho, Wq),
    V2(0x11, PN, SSE, AVX, DF_UNAL, Wx, Vx),
    V2(0x11, P66, SSE2, AVX, DF_UNAL, Wx, Vx),
    V3(0x11, PF3, SSE, AVX, DF_RMW, Wd, Ho, Vo),
    V3(0x11, PF2, SSE2, AVX, DF_RMW, Wq, Ho, Vo),
    V3(0x12, PN, SSE, AVX, DF_L0, Vo, Ho, Wq),
    V3(0x12, P66, SSE2, AVX, DF_L0, Vo, Ho, Mq),
    V2(0x12, PF3, SSE3, AVX, 0, Vx, Wx),
    V2(0x12, PF2, SSE3, AVX, 0, Vx, Wq),
    V2(0x13, PN, SSE, AVX, DF_L0, Mq, Vo),
    V2(0x13, P66, SSE2, AVX, DF_L0, Mq, Vo),
    FPD(0x14, 0), FPD(0x15, 0),
    V3(0x16, PN, SSE, AVX, DF_L0, Vo, Ho, Wq),
    V3(0x16, P66, SSE2, AVX, DF_L0, Vo, Ho, Mq),
    V2(0x16, PF3, SSE3, AVX, 0, Vx, Wx),
    V2(0x17, PN, SSE, AVX, DF_L0, Mq, Vo),
    V2(0x17, P66, SSE2, AVX, DF_L0, Mq, Vo),
    V2(0x28, PN, SSE, AVX, DF_ALGN, Vx, Wx),
    V2(0x28, P66, SSE2, AVX, DF_ALGN, Vx, Wx),
    V2(0x29, PN, SSE, AVX, DF_ALGN, Wx, Vx),
    V2(0x29, P66, SSE2, AVX, DF_ALGN, Wx, Vx),
    V2(0x2a, PN, SSE, NONE, DF_NOVEX | DF_FP, Vo, Qq),
    V2(0x2a, P66, SSE2, NONE, DF_NOVEX | DF_FP, Vo, Qq),
    V3(0x2a, PF3, SSE, AVX, DF_FP | DF_D32, Vo, Ho, Ey),
    V3(0x2a, PF2, SSE2, AVX, DF_FP | DF_D32, Vo, Ho, Ey),
    V2(0x2b, PN, SSE, AVX, DF_ALGN, Mx, Vx),
    V2(0x2b, P66, SSE2, AVX, DF_ALGN, Mx, Vx),
    V2(0x2c, PN, SSE, NONE, DF_NOVEX | DF_FP, Pq, Wq),
    V2(0x2c, P66, SSE2, NONE, DF_NOVEX | DF_FP, Pq, Wo),
    V2(0x2c, PF3, SSE, AVX, DF_FP | DF_D32, Gy, Wd),
    V2(0x2c, PF2, SSE2, AVX, DF_FP | DF_D32, Gy, Wq),
    V2(0x2d, PN, SSE, NONE, DF_NOVEX | DF_FP, Pq, Wq),
    V2(0x2d, P66, SSE2, NONE, DF_NOVEX | DF_FP, Pq, Wo),
    V2(0x2d, PF3, SSE, AVX, DF_FP | DF_D32, Gy, Wd),
    V2(0x2d, PF2, SSE2, AVX, DF_FP | DF_D32, Gy, Wq),
    V2(0x2e, PN, SSE, AVX, DF_FP | DF_NOWR | DF_FLAGS, Vo, Wd),
    V2(0x2e, P66, SSE2, AVX, DF_FP | DF_NOWR | DF_FLAGS, Vo, Wq),
    V2(0x2f, PN, SSE, AVX, DF_FP | DF_NOWR | DF_FLAGS, Vo, Wd),
    V2(0x2f, P66, SSE2, AVX, DF_FP | DF_NOWR | DF_FLAGS, Vo, Wq),
    V2(0x50, PN, SSE, AVX, DF_D32, Gd, Ux),
    V2(0x50, P66, SSE2, AVX, DF_D32, Gd, Ux),
    V2(0x51, PN, SSE, AVX, DF_FP, Vx, Wx),
    V2(0x51, P66, SSE2, AVX, DF_FP, Vx, Wx),
    FSS(0x51, DF_FP), FSD(0x51, DF_FP),
    V2(0x52, PN, SSE, AVX, 0, Vx, Wx), FSS(0x52, 0),
    V2(0x53, PN, SSE, AVX, 0, Vx, Wx), FSS(0x53, 0),
    FPD(0x54, 0), FPD(0x55, 0), FPD(0x56, 0), FPD(0x57, 0),
    FP4(0x58), FP4(0x59),
    V2(0x5a, PN, SSE2, AVX, DF_FP, Vx, Wh),
    V2(0x5a, P66, SSE2, AVX, DF_FP, Vo, Wx),
    V3(0x5a, PF3, SSE2, AVX, DF_FP, Vo, Ho, Wd), FSD(0x5a, DF_FP),
    V2(0x5b, PN, SSE2, AVX, DF_FP, Vx, Wx),
    V2(0x5b, P66, SSE2, AVX, DF_FP, Vx, Wx),
    V2(0x5b, PF3, SSE2, AVX, DF_FP, Vx, Wx),
    FP4(0x5c), FP4(0x5d), FP4(0x5e), FP4(0x5f),
    V2(0x60, PN, MMX, NONE, DF_NOVEX, Pq, Qd), XI(0x60, SSE2),
    V2(0x61, PN, MMX, NONE, DF_NOVEX, Pq, Qd), XI(0x61, SSE2),
    V2(0x62, PN, MMX, NONE, DF_NOVEX, Pq, Qd), XI(0x62, SSE2),
    MI(0x63), MI(0x64), MI(0x65), MI(0x66), MI(0x67), MI(0x68), MI(0x69),
    MI(0x6a), MI(0x6b), XI(0x6c, SSE2), XI(0x6d, SSE2),
    V2(0x6e, PN, MMX, NONE, DF_NOVEX | DF_D32, Pq, Ey),
    V2(0x6e, P66, SSE2, AVX, DF_D32 | DF_L0, Vo, Ey),
    V2(0x6f, PN, MMX, NONE, DF_NOVEX, Pq, Qq),
    V2(0x6f, P66, SSE2, AVX, DF_ALGN, Vx, Wx),
    V2(0x6f, PF3, SSE2, AVX, DF_UNAL, Vx, Wx),
    V3(0x70, PN, SSE, NONE, DF_NOVEX, Pq, Qq, Ib),
    V3(0x70, P66, SSE2, AVX, DF_256, Vx, Wx, Ib),
    V3(0x70, PF3, SSE2, AVX, DF_256, Vx, Wx, Ib),
    V3(0x70, PF2, SSE2, AVX, DF_256, Vx, Wx, Ib),
    MI(0x74), MI(0x75), MI(0x76),
    D(VZERO, 0x77, PN, NONE, AVX, DF_VEX, NONE, NONE, NONE, NONE),
    V3(0x7c, P66, SSE3, AVX, DF_FP, Vx, Hx, Wx),
    V3(0x7c, PF2, SSE3, AVX, DF_FP, Vx, Hx, Wx),
    V3(0x7d, P66, SSE3, AVX, DF_FP, Vx, Hx, Wx),
    V3(0x7d, PF2, SSE3, AVX, DF_FP, Vx, Hx, Wx),
    V2(0x7e, PN, MMX, NONE, DF_NOVEX | DF_D32, Ey, Pq),
    V2(0x7e, P66, SSE2, AVX, DF_D32 | DF_L0, Ey, Vo),
    V2(0x7e, PF3, SSE2, AVX, DF_L0, Vo, Wq),
    V2(0x7f, PN, MMX, NONE, DF_NOVEX, Qq, Pq),
    V2(0x7f, P66, SSE2, AVX, DF_ALGN, Wx, Vx),
    V2(0x7f, PF3, SSE2, AVX, DF_UNAL, Wx, Vx),
    V4(0xc2, PN, SSE, AVX, DF_FP, Vx, Hx, Wx, Ib),
    V4(0xc2, P66, SSE2, AVX, DF_FP, Vx, Hx, Wx, Ib),
    V4(0xc2, PF3, SSE, AVX, DF_FP, Vo, Ho, Wd, Ib),
    V4(0xc2, PF2, SSE2, AVX, DF_FP, Vo, Ho, Wq, Ib),
    V3(0xc4, PN, SSE, NONE, DF_NOVEX, Pq, Ew, Ib),
    V4(0xc4, P66, SSE2, AVX, DF_L0, Vo, Ho, Ew, Ib),
    V3(0xc5, PN, SSE, NONE, DF_NOVEX | DF_D32, Gd, Nq, Ib),
    V3(0xc5, P66, SSE2, AVX, DF_D32 | DF_L0, Gd, Uo, Ib),
    V4(0xc6, PN, SSE, AVX, 0, Vx, Hx, Wx, Ib),
    V4(0xc6, P66, SSE2, AVX, 0, Vx, Hx, Wx, Ib),
    V3(0xd0, P66, SSE3, AVX, DF_FP, Vx, Hx, Wx),
    V3(0xd0, PF2, SSE3, AVX, DF_FP, Vx, Hx, Wx),
    MSH(0xd1), MSH(0xd2), MSH(0xd3), MM(0xd4, SSE2), XI(0xd4, SSE2), MI(0xd5),
    V2(0xd6, P66, SSE2, AVX, DF_L0, Wq, Vo),
    V2(0xd6, PF3, SSE2, NONE, DF_NOVEX, Vo, Nq),
    V2(0xd6, PF2, SSE2, NONE, DF_NOVEX, Pq, Uo),
    V2(0xd7, PN, SSE, NONE, DF_NOVEX | DF_D32, Gd, Nq),
    V2(0xd7, P66, SSE2, AVX, DF_D32 | DF_256, Gd, Ux),
    MI(0xd8), MI(0xd9), ME(0xda), MI(0xdb), MI(0xdc), MI(0xdd), ME(0xde),
    MI(0xdf),
    ME(0xe0), MSH(0xe1), MSH(0xe2), ME(0xe3), ME(0xe4), MI(0xe5),
    V2(0xe6, P66, SSE2, AVX, DF_FP, Vo, Wx),
    V2(0xe6, PF3, SSE2, AVX, DF_FP, Vx, Wh),
    V2(0xe6, PF2, SSE2, AVX, DF_FP, Vo, Wx),
    V2(0xe7, PN, SSE, NONE, DF_NOVEX, Mq, Pq),
    V2(0xe7, P66, SSE2, AVX, DF_ALGN, Mx, Vx),
    MI(0xe8), MI(0xe9), ME(0xea), MI(0xeb), MI(0xec), MI(0xed), ME(0xee),
    MI(0xef),
    V2(0xf0, PF2, SSE3, AVX, DF_UNAL, Vx, Mx),
    MSH(0xf1), MSH(0xf2), MSH(0xf3), MM(0xf4, SSE2), XI(0xf4, SSE2), MI(0xf5),
    ME(0xf6),
    D(MASKMOVQ, 0xf7, PN, SSE, NONE, DF_NOVEX | DF_NOWR, Pq, Nq, NONE, NONE),
    D(MASKMOVQ, 0xf7, P66, SSE2, AVX, DF_L0 | DF_NOWR, Vo, Uo, NONE, NONE),
    MI(0xf8), MI(0xf9), MI(0xfa), MM(0xfb, SSE2), XI(0xfb, SSE2), MI(0xfc),
    MI(0xfd), MI(0xfe),
};

#define SHI(mm) \
    { { INSN_VEC, { O_Nq, O_Ib }, FT_MMX, 0, DF_NOVEX }, \
      { INSN_VEC, { O_Hx, O_Ux, O_Ib }, FT_SSE2, FT_AVX, DF_256 } }
#define SHQ \
    { { 0 }, { INSN_VEC, { O_Hx, O_Ux, O_Ib }, FT_SSE2, FT_AVX, DF_256 } }

const InsnDesc insn_vec_shift[3][8][2] = {
    { [2] = SHI(0), [4] = SHI(0), [6] = SHI(0) },
    { [2] = SHI(0), [4] = SHI(0), [6] = SHI(0) },
    { [2] = SHI(0), [3] = SHQ, [6] = SHI(0), [7] = SHQ },
};

#define X41(op) XI(op, SSE41)
#define PMOV(op, src) V2(op, P66, SSE41, AVX, DF_256 | DF_UNAL, Vx, src)
#define VX3(op, vf, fl) V3(op, P66, NONE, vf, DF_VEX | (fl), Vx, Hx, Wx)
#define FMP(op) VX3(op, FMA, DF_FP | DF_RMW)
/* Scalars: 32 or 64 bits by VEX.W, see the decoder. */
#define FMS(op) \
    V3(op, P66, NONE, FMA, DF_VEX | DF_FP | DF_RMW | DF_D32, \
    Vo, Ho, Wd)
#define SHA(op) V2(op, PN, SHA, NONE, DF_NOVEX, Vo, Wo)
#define G2(id, op, pp, vf, a, b, c) \
    D(id, op, pp, NONE, vf, DF_VEX | DF_L0 | DF_D32, a, b, c, NONE)

const InsnDesc insn_vec_38[1024] = {
    MS(0x00), MS(0x01), MS(0x02), MS(0x03), MS(0x04), MS(0x05), MS(0x06),
    MS(0x07),
    MS(0x08), MS(0x09), MS(0x0a), MS(0x0b),
    VX3(0x0c, AVX, DF_W0), VX3(0x0d, AVX, DF_W0),
    V2(0x0e, P66, NONE, AVX, DF_VEX | DF_W0 | DF_NOWR | DF_FLAGS, Vx, Wx),
    V2(0x0f, P66, NONE, AVX, DF_VEX | DF_W0 | DF_NOWR | DF_FLAGS, Vx, Wx),
    V2(0x10, P66, SSE41, NONE, DF_NOVEX | DF_X0, Vo, Wo),
    V2(0x13, P66, NONE, F16C, DF_VEX | DF_FP | DF_W0, Vx, Wh),
    V2(0x14, P66, SSE41, NONE, DF_NOVEX | DF_X0, Vo, Wo),
    V2(0x15, P66, SSE41, NONE, DF_NOVEX | DF_X0, Vo, Wo),
    VX3(0x16, AVX2, DF_L1 | DF_W0),
    V2(0x17, P66, SSE41, AVX, DF_NOWR | DF_FLAGS, Vx, Wx),
    V2(0x18, P66, NONE, AVX, DF_VEX | DF_W0, Vx, Wd),
    V2(0x19, P66, NONE, AVX, DF_VEX | DF_L1 | DF_W0, Vx, Wq),
    V2(0x1a, P66, NONE, AVX, DF_VEX | DF_L1 | DF_W0, Vx, Mo),
    MM(0x1c, SSSE3), V2(0x1c, P66, SSSE3, AVX, DF_256, Vx, Wx),
    MM(0x1d, SSSE3), V2(0x1d, P66, SSSE3, AVX, DF_256, Vx, Wx),
    MM(0x1e, SSSE3), V2(0x1e, P66, SSSE3, AVX, DF_256, Vx, Wx),
    PMOV(0x20, Wh), PMOV(0x21, Wf), PMOV(0x22, We), PMOV(0x23, Wh),
    PMOV(0x24, Wf), PMOV(0x25, Wh),
    X41(0x28), X41(0x29), V2(0x2a, P66, SSE41, AVX, DF_256 | DF_ALGN, Vx, Mx),
    X41(0x2b),
    D(VMASKMOV, 0x2c, P66, NONE, AVX, DF_VEX | DF_W0, Vx, Hx, Mx, NONE),
    D(VMASKMOV, 0x2d, P66, NONE, AVX, DF_VEX | DF_W0, Vx, Hx, Mx, NONE),
    D(VMASKMOV, 0x2e, P66, NONE, AVX, DF_VEX | DF_W0, Mx, Hx, Vx, NONE),
    D(VMASKMOV, 0x2f, P66, NONE, AVX, DF_VEX | DF_W0, Mx, Hx, Vx, NONE),
    PMOV(0x30, Wh), PMOV(0x31, Wf), PMOV(0x32, We), PMOV(0x33, Wh),
    PMOV(0x34, Wf), PMOV(0x35, Wh),
    VX3(0x36, AVX2, DF_L1 | DF_W0), XI(0x37, SSE42),
    X41(0x38), X41(0x39), X41(0x3a), X41(0x3b), X41(0x3c), X41(0x3d), X41(0x3e),
    X41(0x3f),
    X41(0x40), V2(0x41, P66, SSE41, AVX, DF_L0, Vo, Wo),
    VX3(0x45, AVX2, 0), VX3(0x46, AVX2, DF_W0), VX3(0x47, AVX2, 0),
    V2(0x58, P66, NONE, AVX2, DF_VEX | DF_W0, Vx, Wd),
    V2(0x59, P66, NONE, AVX2, DF_VEX | DF_W0, Vx, Wq),
    V2(0x5a, P66, NONE, AVX2, DF_VEX | DF_L1 | DF_W0, Vx, Mo),
    V2(0x78, P66, NONE, AVX2, DF_VEX | DF_W0, Vx, Wb),
    V2(0x79, P66, NONE, AVX2, DF_VEX | DF_W0, Vx, Ww),
    D(VMASKMOV, 0x8c, P66, NONE, AVX2, DF_VEX, Vx, Hx, Mx, NONE),
    D(VMASKMOV, 0x8e, P66, NONE, AVX2, DF_VEX, Mx, Hx, Vx, NONE),
    D(GATHER, 0x90, P66, NONE, AVX2, DF_VEX, Vx, Vsib, Hx, NONE),
    D(GATHER, 0x91, P66, NONE, AVX2, DF_VEX, Vx, Vsib, Hx, NONE),
    D(GATHER, 0x92, P66, NONE, AVX2, DF_VEX, Vx, Vsib, Hx, NONE),
    D(GATHER, 0x93, P66, NONE, AVX2, DF_VEX, Vx, Vsib, Hx, NONE),
    FMP(0x96), FMP(0x97), FMP(0x98), FMS(0x99), FMP(0x9a), FMS(0x9b), FMP(0x9c),
    FMS(0x9d), FMP(0x9e), FMS(0x9f),
    FMP(0xa6), FMP(0xa7), FMP(0xa8), FMS(0xa9), FMP(0xaa), FMS(0xab), FMP(0xac),
    FMS(0xad), FMP(0xae), FMS(0xaf),
    FMP(0xb6), FMP(0xb7), FMP(0xb8), FMS(0xb9), FMP(0xba), FMS(0xbb), FMP(0xbc),
    FMS(0xbd), FMP(0xbe), FMS(0xbf),
    SHA(0xc8), SHA(0xc9), SHA(0xca),
    V2(0xcb, PN, SHA, NONE, DF_NOVEX | DF_X0, Vo, Wo), SHA(0xcc), SHA(0xcd),
    V2(0xdb, P66, AES, AVX, DF_L0, Vo, Wo),
    V3(0xdc, P66, AES, AVX, DF_L0, Vo, Ho, Wo),
    V3(0xdd, P66, AES, AVX, DF_L0, Vo, Ho, Wo),
    V3(0xde, P66, AES, AVX, DF_L0, Vo, Ho, Wo),
    V3(0xdf, P66, AES, AVX, DF_L0, Vo, Ho, Wo),
    D(MOVBE, 0xf0, PN, MOVBE, NONE, DF_NOVEX, Gv, M, NONE, NONE),
    D(MOVBE, 0xf0, P66, MOVBE, NONE, DF_NOVEX, Gv, M, NONE, NONE),
    D(CRC32, 0xf0, PF2, SSE42, NONE, DF_NOVEX | DF_D32, Gy, Eb, NONE, NONE),
    D(MOVBE, 0xf1, PN, MOVBE, NONE, DF_NOVEX, M, Gv, NONE, NONE),
    D(MOVBE, 0xf1, P66, MOVBE, NONE, DF_NOVEX, M, Gv, NONE, NONE),
    D(CRC32, 0xf1, PF2, SSE42, NONE, DF_NOVEX, Gy, Ev, NONE, NONE),
    G2(ANDN, 0xf2, PN, BMI1, Gy, By, Ey), [0xf3 * 4] = IG(BMI17),
    G2(BZHI, 0xf5, PN, BMI2, Gy, Ey, By), G2(PEXT, 0xf5, PF3, BMI2, Gy, By, Ey),
    G2(PDEP, 0xf5, PF2, BMI2, Gy, By, Ey),
    D(ADCX, 0xf6, P66, ADX, NONE, DF_NOVEX | DF_D32, Gy, Ey, NONE, NONE),
    D(ADOX, 0xf6, PF3, ADX, NONE, DF_NOVEX | DF_D32, Gy, Ey, NONE, NONE),
    G2(MULX, 0xf6, PF2, BMI2, Gy, By, Ey),
    G2(BEXTR, 0xf7, PN, BMI1, Gy, Ey, By),
    G2(SHLX, 0xf7, P66, BMI2, Gy, Ey, By),
    G2(SARX, 0xf7, PF3, BMI2, Gy, Ey, By),
    G2(SHRX, 0xf7, PF2, BMI2, Gy, Ey, By),
};

#define A3(op, ft, vf, fl, a, b, c) V3(op, P66, ft, vf, fl, a, b, c)
#define A4(op, ft, vf, fl, a, b, c, d) V4(op, P66, ft, vf, fl, a, b, c, d)

const InsnDesc insn_vec_3a[1024] = {
    A3(0x00, NONE, AVX2, DF_VEX | DF_L1 | DF_W1, Vx, Wx, Ib),
    A3(0x01, NONE, AVX2, DF_VEX | DF_L1 | DF_W1, Vx, Wx, Ib),
    A4(0x02, NONE, AVX2, DF_VEX | DF_W0, Vx, Hx, Wx, Ib),
    A3(0x04, NONE, AVX, DF_VEX | DF_W0, Vx, Wx, Ib),
    A3(0x05, NONE, AVX, DF_VEX | DF_W0, Vx, Wx, Ib),
    A4(0x06, NONE, AVX, DF_VEX | DF_L1 | DF_W0, Vx, Hx, Wx, Ib),
    A3(0x08, SSE41, AVX, DF_FP, Vx, Wx, Ib),
    A3(0x09, SSE41, AVX, DF_FP, Vx, Wx, Ib),
    A4(0x0a, SSE41, AVX, DF_FP, Vo, Ho, Wd, Ib),
    A4(0x0b, SSE41, AVX, DF_FP, Vo, Ho, Wq, Ib),
    A4(0x0c, SSE41, AVX, 0, Vx, Hx, Wx, Ib),
    A4(0x0d, SSE41, AVX, 0, Vx, Hx, Wx, Ib),
    A4(0x0e, SSE41, AVX, DF_256, Vx, Hx, Wx, Ib),
    V3(0x0f, PN, SSSE3, NONE, DF_NOVEX, Pq, Qq, Ib),
    A4(0x0f, SSSE3, AVX, DF_256, Vx, Hx, Wx, Ib),
    A3(0x14, SSE41, AVX, DF_L0, Eb, Vo, Ib),
    A3(0x15, SSE41, AVX, DF_L0, Ew, Vo, Ib),
    A3(0x16, SSE41, AVX, DF_L0 | DF_D32, Ey, Vo, Ib),
    A3(0x17, SSE41, AVX, DF_L0, Ed, Vo, Ib),
    A4(0x18, NONE, AVX, DF_VEX | DF_L1 | DF_W0, Vx, Hx, Wo, Ib),
    A3(0x19, NONE, AVX, DF_VEX | DF_L1 | DF_W0, Wo, Vx, Ib),
    A3(0x1d, NONE, F16C, DF_VEX | DF_FP | DF_W0, Wh, Vx, Ib),
    A4(0x20, SSE41, AVX, DF_L0, Vo, Ho, Eb, Ib),
    A4(0x21, SSE41, AVX, DF_L0, Vo, Ho, Wd, Ib),
    A4(0x22, SSE41, AVX, DF_L0 | DF_D32, Vo, Ho, Ey, Ib),
    A4(0x38, NONE, AVX2, DF_VEX | DF_L1 | DF_W0, Vx, Hx, Wo, Ib),
    A3(0x39, NONE, AVX2, DF_VEX | DF_L1 | DF_W0, Wo, Vx, Ib),
    A4(0x40, SSE41, AVX, DF_FP, Vx, Hx, Wx, Ib),
    A4(0x41, SSE41, AVX, DF_FP | DF_L0, Vo, Ho, Wo, Ib),
    A4(0x42, SSE41, AVX, DF_256, Vx, Hx, Wx, Ib),
    A4(0x44, PCLMUL, AVX, DF_L0, Vo, Ho, Wo, Ib),
    A4(0x46, NONE, AVX2, DF_VEX | DF_L1 | DF_W0, Vx, Hx, Wx, Ib),
    A4(0x4a, NONE, AVX, DF_VEX | DF_W0, Vx, Hx, Wx, Lx),
    A4(0x4b, NONE, AVX, DF_VEX | DF_W0, Vx, Hx, Wx, Lx),
    A4(0x4c, NONE, AVX, DF_VEX | DF_W0 | DF_256, Vx, Hx, Wx, Lx),
    A3(0x60, SSE42, AVX, DF_STR | DF_NOWR | DF_FLAGS | DF_UNAL | DF_L0,
        Vo, Wo, Ib),
    A3(0x61, SSE42, AVX, DF_STR | DF_NOWR | DF_FLAGS | DF_UNAL | DF_L0,
        Vo, Wo, Ib),
    A3(0x62, SSE42, AVX, DF_STR | DF_NOWR | DF_FLAGS | DF_UNAL | DF_L0,
        Vo, Wo, Ib),
    A3(0x63, SSE42, AVX, DF_STR | DF_NOWR | DF_FLAGS | DF_UNAL | DF_L0,
        Vo, Wo, Ib),
    V3(0xcc, PN, SHA, NONE, DF_NOVEX, Vo, Wo, Ib),
    A3(0xdf, AES, AVX, DF_L0, Vo, Wo, Ib),
    D(RORX, 0xf0, PF2, NONE, BMI2, DF_VEX | DF_L0 | DF_D32, Gy, Ey, Ib, NONE),
};
/* clang-format on */
