/*
 * The two-byte opcode map (0F) without MMX, SSE and AVX.
 *
 * Intel SDM volume 2, table A-3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/insn.h"

/* clang-format off */
#define X4(n, ...) \
    [(n) + 0] = __VA_ARGS__, [(n) + 1] = __VA_ARGS__, \
    [(n) + 2] = __VA_ARGS__, [(n) + 3] = __VA_ARGS__
#define X16(n, ...) \
    X4(n, __VA_ARGS__), X4((n) + 4, __VA_ARGS__), \
    X4((n) + 8, __VA_ARGS__), X4((n) + 12, __VA_ARGS__)

const InsnDesc insn_map_0f[256] = {
    [0x00] = IG(0F00), [0x01] = IG(0F01),
    [0x02] = I2(LAR, Gv, Ew, 0), [0x03] = I2(LSL, Gv, Ew, 0),
    [0x05] = { INSN_SYSCALL, { 0 }, FT_SYSCALL, 0, DF_END },
    [0x06] = I0(CLTS, DF_END),
    [0x07] = { INSN_SYSRET, { 0 }, FT_SYSCALL, 0, DF_END },
    [0x08] = I0(INVD, 0), [0x09] = I0(WBINVD, 0), [0x0b] = I0(UD, DF_END),
    /* APM volume 3, PREFETCH: whatever can long mode has it. */
    [0x0d] = { INSN_NOP, { O_M }, FT_LM, 0, 0 },
    [0x18] = IG(0F18), [0x19] = IG(NOP), [0x1a] = IG(NOP), [0x1b] = IG(NOP),
    [0x1c] = IG(NOP), [0x1d] = IG(NOP), [0x1e] = IG(NOP), [0x1f] = IG(NOP),
    [0x20] = I2(STCR, Ry, Cd, DF_F64), [0x21] = I2(STDR, Ry, Dd, DF_F64),
    [0x22] = I2(MOVCR, Cd, Ry, DF_F64 | DF_END | DF_LOCK),
    [0x23] = I2(MOVDR, Dd, Ry, DF_F64 | DF_END),
    [0x30] = { INSN_WRMSR, { 0 }, FT_MSR, 0, DF_END },
    [0x31] = { INSN_RDTSC, { 0 }, FT_TSC, 0, 0 },
    [0x32] = { INSN_RDMSR, { 0 }, FT_MSR, 0, 0 },
    [0x33] = I0(RDPMC, 0),
    [0x34] = { INSN_SYSENTER, { 0 }, FT_SEP, 0, DF_END },
    [0x35] = { INSN_SYSEXIT, { 0 }, FT_SEP, 0, DF_END },
    X16(0x40, { INSN_CMOVCC, { O_Gv, O_Ev }, FT_CMOV, 0, 0 }),
    [0x77] = { INSN_EMMS, { 0 }, FT_MMX, 0, 0 },
    X16(0x80, I1(JCC, Jz, DF_F64 | DF_END)),
    X16(0x90, I1(SETCC, Eb, DF_BYTE)),
    [0xa0] = I1(PUSHSEG, SEG, DF_D64),
    [0xa1] = I1(POPSEG, SEG, DF_D64 | DF_END),
    [0xa2] = I0(CPUID, 0), [0xa3] = I2(BT, Ev, Gv, 0),
    [0xa4] = I3(SHLD, Ev, Gv, Ib, 0), [0xa5] = I3(SHLD, Ev, Gv, CL, 0),
    [0xa8] = I1(PUSHSEG, SEG, DF_D64),
    [0xa9] = I1(POPSEG, SEG, DF_D64 | DF_END),
    [0xaa] = I0(RSM, DF_END), [0xab] = I2(BTS, Ev, Gv, DF_LOCK),
    [0xac] = I3(SHRD, Ev, Gv, Ib, 0), [0xad] = I3(SHRD, Ev, Gv, CL, 0),
    [0xae] = IG(0FAE), [0xaf] = I2(IMUL2, Gv, Ev, 0),
    [0xb0] = I2(CMPXCHG, Eb, Gb, DF_BYTE | DF_LOCK),
    [0xb1] = I2(CMPXCHG, Ev, Gv, DF_LOCK),
    [0xb2] = I2(LDSEG, Gv, Mp, DF_END), [0xb3] = I2(BTR, Ev, Gv, DF_LOCK),
    [0xb4] = I2(LDSEG, Gv, Mp, DF_END), [0xb5] = I2(LDSEG, Gv, Mp, DF_END),
    [0xb6] = I2(MOVZX8, Gv, Eb, 0), [0xb7] = I2(MOVZX16, Gv, Ew, 0),
    [0xb8] = { INSN_POPCNT, { O_Gv, O_Ev }, FT_POPCNT, 0, 0 }, /* F3 */
    [0xb9] = I2(UD, Gv, Ev, DF_END), [0xba] = IG(0FBA),
    [0xbb] = I2(BTC, Ev, Gv, DF_LOCK),
    [0xbc] = I2(BSF, Gv, Ev, 0), [0xbd] = I2(BSR, Gv, Ev, 0),
    [0xbe] = I2(MOVSX8, Gv, Eb, 0), [0xbf] = I2(MOVSX16, Gv, Ew, 0),
    [0xc0] = I2(XADD, Eb, Gb, DF_BYTE | DF_LOCK),
    [0xc1] = I2(XADD, Ev, Gv, DF_LOCK),
    [0xc3] = { INSN_MOVNTI, { O_My, O_Gy }, FT_SSE2, 0, DF_D32 },
    [0xc7] = IG(0FC7),
    X4(0xc8, I1(BSWAP, Zv, 0)), X4(0xcc, I1(BSWAP, Zv, 0)),
    [0xff] = I2(UD, Gv, Ev, DF_END),
};
/* clang-format on */
