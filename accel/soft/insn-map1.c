/*
 * The one-byte opcode map and the groups of all maps.
 *
 * Intel SDM volume 2, tables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/insn.h"

/* clang-format off */
#define ALU(n, id) \
    [(n) + 0] = I2(id, Eb, Gb, DF_LOCK | DF_BYTE), \
    [(n) + 1] = I2(id, Ev, Gv, DF_LOCK), \
    [(n) + 2] = I2(id, Gb, Eb, DF_BYTE), \
    [(n) + 3] = I2(id, Gv, Ev, 0), \
    [(n) + 4] = I2(id, AL, Ib, DF_BYTE), \
    [(n) + 5] = I2(id, eAX, Iz, 0)
#define X8(n, ...) \
    [(n) + 0] = __VA_ARGS__, [(n) + 1] = __VA_ARGS__, \
    [(n) + 2] = __VA_ARGS__, [(n) + 3] = __VA_ARGS__, \
    [(n) + 4] = __VA_ARGS__, [(n) + 5] = __VA_ARGS__, \
    [(n) + 6] = __VA_ARGS__, [(n) + 7] = __VA_ARGS__

const InsnDesc insn_map1[256] = {
    ALU(0x00, ADD), ALU(0x08, OR), ALU(0x10, ADC), ALU(0x18, SBB),
    ALU(0x20, AND), ALU(0x28, SUB), ALU(0x30, XOR),
    [0x38] = I2(CMP, Eb, Gb, DF_BYTE), [0x39] = I2(CMP, Ev, Gv, 0),
    [0x3a] = I2(CMP, Gb, Eb, DF_BYTE), [0x3b] = I2(CMP, Gv, Ev, 0),
    [0x3c] = I2(CMP, AL, Ib, DF_BYTE), [0x3d] = I2(CMP, eAX, Iz, 0),
    [0x06] = I1(PUSHSEG, SEG, DF_I64),
    [0x07] = I1(POPSEG, SEG, DF_I64 | DF_END),
    [0x0e] = I1(PUSHSEG, SEG, DF_I64),
    [0x16] = I1(PUSHSEG, SEG, DF_I64),
    [0x17] = I1(POPSEG, SEG, DF_I64 | DF_END),
    [0x1e] = I1(PUSHSEG, SEG, DF_I64),
    [0x1f] = I1(POPSEG, SEG, DF_I64 | DF_END),
    [0x27] = I0(DAA, DF_I64), [0x2f] = I0(DAS, DF_I64),
    [0x37] = I0(AAA, DF_I64), [0x3f] = I0(AAS, DF_I64),
    X8(0x40, I1(INC, Zv, DF_I64)), X8(0x48, I1(DEC, Zv, DF_I64)),
    X8(0x50, I1(PUSH, Zv, DF_D64)), X8(0x58, I1(POP, Zv, DF_D64)),
    [0x60] = I0(PUSHA, DF_I64), [0x61] = I0(POPA, DF_I64),
    [0x62] = I2(BOUND, Gv, M, DF_I64),
    [0x63] = I2(ARPL, Ew, Gw, 0), /* MOVSXD in 64-bit mode */
    [0x68] = I1(PUSH, Iz, DF_D64), [0x69] = I3(IMUL3, Gv, Ev, Iz, 0),
    [0x6a] = I1(PUSH, Ibs, DF_D64), [0x6b] = I3(IMUL3, Gv, Ev, Ibs, 0),
    [0x6c] = I2(INS, Yb, DX, DF_BYTE | DF_END),
    [0x6d] = I2(INS, Yv, DX, DF_END),
    [0x6e] = I2(OUTS, DX, Xb, DF_BYTE | DF_END),
    [0x6f] = I2(OUTS, DX, Xv, DF_END),
    X8(0x70, I1(JCC, Jb, DF_F64 | DF_END)),
    X8(0x78, I1(JCC, Jb, DF_F64 | DF_END)),
    [0x80] = IG(80), [0x81] = IG(81), [0x82] = IG(82), [0x83] = IG(83),
    [0x84] = I2(TEST, Eb, Gb, DF_BYTE), [0x85] = I2(TEST, Ev, Gv, 0),
    [0x86] = I2(XCHG, Eb, Gb, DF_BYTE | DF_LOCK),
    [0x87] = I2(XCHG, Ev, Gv, DF_LOCK),
    [0x88] = I2(MOV, Eb, Gb, DF_BYTE), [0x89] = I2(MOV, Ev, Gv, 0),
    [0x8a] = I2(MOV, Gb, Eb, DF_BYTE), [0x8b] = I2(MOV, Gv, Ev, 0),
    [0x8c] = I2(STSEG, Ev, Sw, 0), [0x8d] = I2(LEA, Gv, M, 0),
    [0x8e] = I2(MOVSEG, Sw, Ew, DF_END), [0x8f] = IG(8F),
    [0x90] = I2(XCHG, Zv, eAX, 0), [0x91] = I2(XCHG, Zv, eAX, 0),
    [0x92] = I2(XCHG, Zv, eAX, 0), [0x93] = I2(XCHG, Zv, eAX, 0),
    [0x94] = I2(XCHG, Zv, eAX, 0), [0x95] = I2(XCHG, Zv, eAX, 0),
    [0x96] = I2(XCHG, Zv, eAX, 0), [0x97] = I2(XCHG, Zv, eAX, 0),
    [0x98] = I0(CBW, 0), [0x99] = I0(CWD, 0),
    [0x9a] = I1(CALLF, Ap, DF_I64 | DF_END), [0x9b] = I0(FWAIT, 0),
    [0x9c] = I0(PUSHF, DF_D64), [0x9d] = I0(POPF, DF_D64 | DF_END),
    [0x9e] = { .id = INSN_SAHF, .feat = FT_NONE }, [0x9f] = { .id = INSN_LAHF },
    [0xa0] = I2(MOV, AL, Ob, DF_BYTE), [0xa1] = I2(MOV, eAX, Ov, 0),
    [0xa2] = I2(MOV, Ob, AL, DF_BYTE), [0xa3] = I2(MOV, Ov, eAX, 0),
    [0xa4] = I2(MOVS, Yb, Xb, DF_BYTE), [0xa5] = I2(MOVS, Yv, Xv, 0),
    [0xa6] = I2(CMPS, Xb, Yb, DF_BYTE), [0xa7] = I2(CMPS, Xv, Yv, 0),
    [0xa8] = I2(TEST, AL, Ib, DF_BYTE), [0xa9] = I2(TEST, eAX, Iz, 0),
    [0xaa] = I2(STOS, Yb, AL, DF_BYTE), [0xab] = I2(STOS, Yv, eAX, 0),
    [0xac] = I2(LODS, AL, Xb, DF_BYTE), [0xad] = I2(LODS, eAX, Xv, 0),
    [0xae] = I2(SCAS, AL, Yb, DF_BYTE), [0xaf] = I2(SCAS, eAX, Yv, 0),
    X8(0xb0, I2(MOV, Zb, Ib, DF_BYTE)), X8(0xb8, I2(MOV, Zv, Iv, 0)),
    [0xc0] = IG(C0), [0xc1] = IG(C1),
    [0xc2] = I1(RET, Iw, DF_F64 | DF_END), [0xc3] = I0(RET, DF_F64 | DF_END),
    [0xc4] = I2(LDSEG, Gv, Mp, DF_I64 | DF_END),
    [0xc5] = I2(LDSEG, Gv, Mp, DF_I64 | DF_END),
    [0xc6] = IG(C6), [0xc7] = IG(C7),
    [0xc8] = I2(ENTER, Iw, Ib, DF_D64), [0xc9] = I0(LEAVE, DF_D64),
    [0xca] = I1(RETF, Iw, DF_END), [0xcb] = I0(RETF, DF_END),
    [0xcc] = I0(INT3, DF_END), [0xcd] = I1(INT, Ib, DF_END),
    [0xce] = I0(INTO, DF_I64 | DF_END), [0xcf] = I0(IRET, DF_END),
    [0xd0] = IG(D0), [0xd1] = IG(D1), [0xd2] = IG(D2), [0xd3] = IG(D3),
    [0xd4] = I1(AAM, Ib, DF_I64), [0xd5] = I1(AAD, Ib, DF_I64),
    [0xd6] = I0(SALC, DF_I64), [0xd7] = I0(XLAT, DF_BYTE),
    X8(0xd8, { .id = INSN_X87, .op = { O_Ed }, .feat = FT_FPU }),
    [0xe0] = I1(LOOPNE, Jb, DF_F64 | DF_END),
    [0xe1] = I1(LOOPE, Jb, DF_F64 | DF_END),
    [0xe2] = I1(LOOP, Jb, DF_F64 | DF_END),
    [0xe3] = I1(JCXZ, Jb, DF_F64 | DF_END),
    [0xe4] = I2(IN, AL, Ib, DF_BYTE | DF_END),
    [0xe5] = I2(IN, eAX, Ib, DF_END),
    [0xe6] = I2(OUT, Ib, AL, DF_BYTE | DF_END),
    [0xe7] = I2(OUT, Ib, eAX, DF_END),
    [0xe8] = I1(CALL, Jz, DF_F64 | DF_END),
    [0xe9] = I1(JMP, Jz, DF_F64 | DF_END),
    [0xea] = I1(JMPF, Ap, DF_I64 | DF_END),
    [0xeb] = I1(JMP, Jb, DF_F64 | DF_END),
    [0xec] = I2(IN, AL, DX, DF_BYTE | DF_END),
    [0xed] = I2(IN, eAX, DX, DF_END),
    [0xee] = I2(OUT, DX, AL, DF_BYTE | DF_END),
    [0xef] = I2(OUT, DX, eAX, DF_END),
    [0xf1] = I0(INT1, DF_END), [0xf4] = I0(HLT, DF_END),
    [0xf5] = I0(CMC, 0), [0xf6] = IG(F6), [0xf7] = IG(F7),
    [0xf8] = I0(CLC, 0), [0xf9] = I0(STC, 0), [0xfa] = I0(CLI, DF_END),
    [0xfb] = I0(STI, DF_END), [0xfc] = I0(CLD, 0), [0xfd] = I0(STD, 0),
    [0xfe] = IG(FE), [0xff] = IG(FF),
};

#define ALUGRP(e, i, fl) \
    { I2(ADD, e, i, DF_LOCK | (fl)), I2(OR, e, i, DF_LOCK | (fl)), \
      I2(ADC, e, i, DF_LOCK | (fl)), I2(SBB, e, i, DF_LOCK | (fl)), \
      I2(AND, e, i, DF_LOCK | (fl)), I2(SUB, e, i, DF_LOCK | (fl)), \
      I2(XOR, e, i, DF_LOCK | (fl)), I2(CMP, e, i, fl) }
#define SHIFTGRP(e, i, fl) \
    { I2(ROL, e, i, fl), I2(ROR, e, i, fl), I2(RCL, e, i, fl), \
      I2(RCR, e, i, fl), I2(SHL, e, i, fl), I2(SHR, e, i, fl), \
      I2(SHL2, e, i, fl), I2(SAR, e, i, fl) }

const InsnDesc insn_groups[GRP_COUNT][8] = {
    [GRP_80] = ALUGRP(Eb, Ib, DF_BYTE), [GRP_81] = ALUGRP(Ev, Iz, 0),
    [GRP_82] = ALUGRP(Eb, Ib, DF_BYTE | DF_I64), [GRP_83] = ALUGRP(Ev, Ibs, 0),
    [GRP_8F] = { I1(POP, Ev, DF_D64) },
    [GRP_C0] = SHIFTGRP(Eb, Ib, DF_BYTE), [GRP_C1] = SHIFTGRP(Ev, Ib, 0),
    [GRP_D0] = SHIFTGRP(Eb, 1, DF_BYTE), [GRP_D1] = SHIFTGRP(Ev, 1, 0),
    [GRP_D2] = SHIFTGRP(Eb, CL, DF_BYTE), [GRP_D3] = SHIFTGRP(Ev, CL, 0),
    [GRP_C6] = { I2(MOV, Eb, Ib, DF_BYTE) },
    [GRP_C7] = { I2(MOV, Ev, Iz, 0) },
    [GRP_F6] = { I2(TEST, Eb, Ib, DF_BYTE), I2(TEST, Eb, Ib, DF_BYTE),
                 I1(NOT, Eb, DF_BYTE | DF_LOCK), I1(NEG, Eb, DF_BYTE | DF_LOCK),
                 I1(MUL, Eb, DF_BYTE), I1(IMUL1, Eb, DF_BYTE),
                 I1(DIV, Eb, DF_BYTE), I1(IDIV, Eb, DF_BYTE) },
    [GRP_F7] = { I2(TEST, Ev, Iz, 0), I2(TEST, Ev, Iz, 0),
                 I1(NOT, Ev, DF_LOCK), I1(NEG, Ev, DF_LOCK),
                 I1(MUL, Ev, 0), I1(IMUL1, Ev, 0), I1(DIV, Ev, 0),
                 I1(IDIV, Ev, 0) },
    [GRP_FE] = { I1(INC, Eb, DF_BYTE | DF_LOCK),
                 I1(DEC, Eb, DF_BYTE | DF_LOCK) },
    [GRP_FF] = { I1(INC, Ev, DF_LOCK), I1(DEC, Ev, DF_LOCK),
                 I1(CALLIND, Ev, DF_F64 | DF_END), I1(CALLF, Mp, DF_END),
                 I1(JMPIND, Ev, DF_F64 | DF_END), I1(JMPF, Mp, DF_END),
                 I1(PUSH, Ev, DF_D64) },
    [GRP_0F00] = { I1(SLDT, Ev, 0), I1(STR, Ev, 0), I1(LLDT, Ew, DF_END),
                   I1(LTR, Ew, DF_END), I1(VERR, Ew, 0), I1(VERW, Ew, 0) },
    /* With a register as ModRM.rm /0 to /3, /5 and /7 are the decoder's. */
    [GRP_0F01] = { I1(SGDT, M, 0), I1(SIDT, M, 0), I1(LGDT, M, DF_END),
                   I1(LIDT, M, DF_END), I1(SMSW, Ev, 0), I0(NONE, 0),
                   I1(LMSW, Ew, DF_END), I1(INVLPG, M, DF_END) },
    [GRP_0F18] = { I1(NOP, Ev, 0), I1(NOP, Ev, 0), I1(NOP, Ev, 0),
        I1(NOP, Ev, 0),
                   I1(NOP, Ev, 0), I1(NOP, Ev, 0), I1(NOP, Ev, 0),
                   I1(NOP, Ev, 0) },
    [GRP_NOP] = { I1(NOP, Ev, 0), I1(NOP, Ev, 0), I1(NOP, Ev, 0),
        I1(NOP, Ev, 0),
                  I1(NOP, Ev, 0), I1(NOP, Ev, 0), I1(NOP, Ev, 0),
                  I1(NOP, Ev, 0) },
    [GRP_0FAE] = { { INSN_FXSAVE, { O_M }, FT_FXSR, 0, 0 },
                   { INSN_FXRSTOR, { O_M }, FT_FXSR, 0, 0 },
                   { INSN_LDMXCSR, { O_Md }, FT_SSE, 0, 0 },
                   { INSN_STMXCSR, { O_Md }, FT_SSE, 0, 0 },
                   { INSN_XSAVE, { O_M }, FT_XSAVE, 0, 0 },
                   { INSN_XRSTOR, { O_M }, FT_XSAVE, 0, 0 },
                   { INSN_XSAVEOPT, { O_M }, FT_XSAVEOPT, 0, 0 },
                   { INSN_CLFLUSH, { O_M }, FT_CLFLUSH, 0, 0 } },
    [GRP_0FBA] = { [4] = I2(BT, Ev, Ib, 0), [5] = I2(BTS, Ev, Ib, DF_LOCK),
                   [6] = I2(BTR, Ev, Ib, DF_LOCK),
                   [7] = I2(BTC, Ev, Ib, DF_LOCK) },
    [GRP_0FC7] = { [1] = { INSN_CMPXCHG8B, { O_M }, FT_CX8, 0, DF_LOCK },
                   [4] = { INSN_XSAVEC, { O_M }, FT_XSAVEC, 0, 0 },
                   [6] = { INSN_RDRAND, { O_Rv }, FT_RDRAND, 0, 0 },
                   [7] = { INSN_RDSEED, { O_Rv }, FT_RDSEED, 0, 0 } },
    [GRP_BMI17] = { [1] = { INSN_BLSR, { O_By, O_Ey }, 0, FT_BMI1,
        DF_VEX | DF_L0 | DF_D32 },
                    [2] = { INSN_BLSMSK, { O_By, O_Ey },
                        0, FT_BMI1, DF_VEX | DF_L0 | DF_D32 },
                    [3] = { INSN_BLSI, { O_By, O_Ey },
                        0, FT_BMI1, DF_VEX | DF_L0 | DF_D32 } },
};

const char *const insn_names[INSN_COUNT] = {
    [INSN_NONE] = "none",
#define X(name) [INSN_##name] = #name,
    INSN_LIST(X)
#undef X
};
/* clang-format on */
