/*
 * The instruction set as the software CPU knows it: one description of each
 * opcode, from which the decoder works.
 *
 * Opcode maps and operand letters: Intel SDM volume 2, appendix A.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_INSN_H
#define ACCEL_SOFT_INSN_H

#include "util/base.h"

/* What an instruction does.  VEC covers all of MMX, SSE and AVX; x87: X87. */
/* clang-format off */
#define INSN_LIST(X) \
    X(ADD) X(OR) X(ADC) X(SBB) X(AND) X(SUB) X(XOR) X(CMP) X(ROL) X(ROR) \
    X(RCL) X(RCR) X(SHL) X(SHR) X(SHL2) X(SAR) X(TEST) X(MOV) X(MOVZX8) \
    X(MOVZX16) X(MOVSX8) X(MOVSX16) X(MOVSXD) X(LEA) X(XCHG) X(INC) X(DEC) \
    X(NOT) X(NEG) X(MUL) X(IMUL1) X(IMUL2) X(IMUL3) X(DIV) X(IDIV) X(PUSH) \
    X(POP) X(PUSHA) X(POPA) X(PUSHF) X(POPF) X(PUSHSEG) X(POPSEG) X(JCC) \
    X(JMP) X(JMPIND) X(CALL) X(CALLIND) X(RET) X(JMPF) X(CALLF) X(RETF) \
    X(IRET) X(LOOP) X(LOOPE) X(LOOPNE) X(JCXZ) X(SETCC) X(CMOVCC) X(NOP) \
    X(PAUSE) \
    X(CBW) X(CWD) X(SAHF) X(LAHF) X(CLC) X(STC) X(CMC) X(CLD) X(STD) X(CLI) \
    X(STI) X(XLAT) X(MOVS) X(CMPS) X(STOS) X(LODS) X(SCAS) X(INS) X(OUTS) \
    X(IN) X(OUT) X(INT) X(INT3) X(INT1) X(INTO) X(ENTER) X(LEAVE) X(BOUND) \
    X(ARPL) X(DAA) X(DAS) X(AAA) X(AAS) X(AAM) X(AAD) X(SALC) X(HLT) \
    X(FWAIT) X(MOVSEG) X(STSEG) X(LDSEG) X(BT) X(BTS) X(BTR) X(BTC) X(BSF) \
    X(BSR) X(TZCNT) X(LZCNT) X(POPCNT) X(SHLD) X(SHRD) X(BSWAP) X(XADD) \
    X(CMPXCHG) X(CMPXCHG8B) X(MOVBE) X(CRC32) X(ADCX) X(ADOX) X(ANDN) \
    X(BEXTR) X(BLSR) X(BLSMSK) X(BLSI) X(BZHI) X(PDEP) X(PEXT) X(MULX) \
    X(SARX) X(SHLX) X(SHRX) X(RORX) X(RDRAND) X(RDSEED) X(RDPID) X(SLDT) \
    X(STR) X(LLDT) X(LTR) X(VERR) X(VERW) X(SGDT) X(SIDT) X(LGDT) X(LIDT) \
    X(SMSW) X(LMSW) X(INVLPG) X(SWAPGS) X(RDTSCP) X(RDTSC) X(XGETBV) \
    X(XSETBV) X(RDPKRU) X(WRPKRU) X(CLAC) X(STAC) X(MONITOR) X(MWAIT) \
    X(LAR) X(LSL) X(SYSCALL) \
    X(SYSRET) X(SYSENTER) X(SYSEXIT) X(CLTS) X(INVD) X(WBINVD) X(UD) \
    X(MOVCR) X(STCR) X(MOVDR) X(STDR) X(WRMSR) X(RDMSR) X(RDPMC) X(CPUID) \
    X(RSM) X(FXSAVE) X(FXRSTOR) X(XSAVE) X(XRSTOR) X(XSAVEOPT) X(XSAVEC) \
    X(LDMXCSR) X(STMXCSR) X(FENCE) X(CLFLUSH) X(RDFSBASE) X(RDGSBASE) \
    X(WRFSBASE) X(WRGSBASE) X(INVPCID) X(MOVNTI) X(EMMS) X(X87) X(VEC) \
    X(VZERO) X(MASKMOVQ) X(VMASKMOV) X(GATHER)
/* clang-format on */

typedef enum InsnId {
    INSN_NONE,
#define X(name) INSN_##name,
    INSN_LIST(X)
#undef X
        INSN_COUNT,
    INSN_GROUP = 0x100, /* + InsnGroup */
} InsnId;

/* ModRM.reg chooses the instruction. */
typedef enum InsnGroup {
    GRP_80,
    GRP_81,
    GRP_82,
    GRP_83,
    GRP_8F,
    GRP_C0,
    GRP_C1,
    GRP_D0,
    GRP_D1,
    GRP_D2,
    GRP_D3,
    GRP_C6,
    GRP_C7,
    GRP_F6,
    GRP_F7,
    GRP_FE,
    GRP_FF,
    GRP_0F00,
    GRP_0F01,
    GRP_0F18,
    GRP_0FAE,
    GRP_0FBA,
    GRP_0FC7,
    GRP_BMI17,
    GRP_NOP,
    GRP_COUNT,
} InsnGroup;

/* Operands; the letters are the manual's. */
typedef enum InsnOperand {
    O_NONE,
    /* General registers and memory. */
    O_Eb,
    O_Ew,
    O_Ed,
    O_Ev,
    O_Ey,
    O_Eq, /* ModRM.rm */
    O_Gb,
    O_Gw,
    O_Gv,
    O_Gy,
    O_Gd, /* ModRM.reg */
    O_Rv,
    O_Ry,
    O_Rd, /* ModRM.rm, a register only */
    O_M,
    O_Mw,
    O_Md,
    O_Mq,
    O_Mp,
    O_My, /* ModRM.rm, memory only */
    O_Zb,
    O_Zv, /* low bits of the opcode */
    O_By, /* VEX.vvvv */
    O_Sw,
    O_Cd,
    O_Dd, /* segment, control, debug by reg */
    O_AL,
    O_eAX,
    O_CL,
    O_DX,
    O_1,
    O_SEG, /* fixed; SEG: by the opcode */
    O_Xb,
    O_Xv,
    O_Yb,
    O_Yv, /* strings */
    O_Ib,
    O_Ibs,
    O_Iw,
    O_Iz,
    O_Iv,
    O_Jb,
    O_Jz,
    O_Ap,
    O_Ob,
    O_Ov,
    /* MMX, SSE, AVX. */
    O_Pq,
    O_Qq,
    O_Qd,
    O_Nq, /* MMX: reg, rm, rm register only */
    O_Vx,
    O_Vo,
    O_Hx,
    O_Ho,
    O_Lx, /* o: always 128 bits */
    O_Wx,
    O_Wo,
    O_Wq,
    O_Wd,
    O_Ww,
    O_Wb, /* rm: VL, 128 to 8 bits */
    O_Wh,
    O_Wf,
    O_We, /* VL / 2, / 4, / 8 */
    O_Ux,
    O_Uo, /* rm, a register only */
    O_Mx,
    O_Mo, /* memory only */
    O_Vy,
    O_Vsib, /* Vy: always 256 */
    O_VSRC, /* first of those of which an operand list is vector */
} InsnOperand;

typedef enum InsnFeature {
    FT_NONE,
    FT_FPU,
    FT_TSC,
    FT_MSR,
    FT_CX8,
    FT_SEP,
    FT_CMOV,
    FT_CLFLUSH,
    FT_MMX,
    FT_FXSR,
    FT_SSE,
    FT_SSE2,
    FT_SSE3,
    FT_PCLMUL,
    FT_MONITOR,
    FT_SSSE3,
    FT_FMA,
    FT_CX16,
    FT_SSE41,
    FT_SSE42,
    FT_MOVBE,
    FT_POPCNT,
    FT_AES,
    FT_XSAVE,
    FT_AVX,
    FT_F16C,
    FT_RDRAND,
    FT_FSGSBASE,
    FT_BMI1,
    FT_AVX2,
    FT_BMI2,
    FT_INVPCID,
    FT_RDSEED,
    FT_ADX,
    FT_SMAP,
    FT_CLFLUSHOPT,
    FT_CLWB,
    FT_SHA,
    FT_RDPID,
    FT_SYSCALL,
    FT_RDTSCP,
    FT_LM,
    FT_LAHF,
    FT_LZCNT,
    FT_PREFETCHW,
    FT_XSAVEOPT,
    FT_XSAVEC,
    FT_COUNT,
} InsnFeature;
_Static_assert(FT_COUNT <= 64, "features are bits of a word");

enum {
    DF_D64 = 1 << 0,    /* operand size is 64 bits by default in 64-bit mode */
    DF_F64 = 1 << 1,    /* and can't be made smaller */
    DF_I64 = 1 << 2,    /* invalid in 64-bit mode */
    DF_O64 = 1 << 3,    /* valid in 64-bit mode only */
    DF_LOCK = 1 << 4,   /* LOCK is allowed with a memory destination */
    DF_END = 1 << 5,    /* ends a block: jumps or changes the mode */
    DF_BYTE = 1 << 6,   /* operand size is one byte */
    DF_NOVEX = 1 << 7,  /* no VEX form */
    DF_VEX = 1 << 8,    /* only with VEX */
    DF_NOWR = 1 << 9,   /* first operand is read only */
    DF_RMW = 1 << 10,   /* first operand is read, too, in the VEX form */
    DF_UNAL = 1 << 11,  /* legacy form takes unaligned memory */
    DF_ALGN = 1 << 12,  /* VEX form wants it aligned, too */
    DF_FLAGS = 1 << 13, /* sets EFLAGS */
    DF_FP = 1 << 14,    /* uses MXCSR */
    DF_L1 = 1 << 15,    /* VEX.L must be 1 */
    DF_L0 = 1 << 16,    /* VEX.L must be 0 */
    DF_W0 = 1 << 17,    /* VEX.W must be 0 */
    DF_W1 = 1 << 18,    /* VEX.W must be 1 */
    DF_X0 = 1 << 19,    /* XMM0 is an implicit operand of the legacy form */
    DF_STR = 1 << 20,   /* EAX, EDX, ECX, XMM0: string compares */
    DF_256 = 1 << 21,   /* VEX.256 form is AVX2 where the 128-bit one is AVX */
    DF_D32 = 1 << 22,   /* operand size is 32 bits, 64 with W: Ey and Gy */
    DF_NOREP = 1 << 23, /* REP prefixes have no say */
};

typedef struct InsnDesc {
    uint16_t id;    /* InsnId */
    uint8_t op[4];  /* InsnOperand, destination first */
    uint8_t feat;   /* InsnFeature of the legacy form */
    uint8_t vfeat;  /* and of the VEX form */
    uint32_t flags; /* DF_* */
} InsnDesc;

/* Opcode maps.  Mandatory prefixes: 0 none, 1 66, 2 F3, 3 F2. */
extern const InsnDesc insn_map1[256];
extern const InsnDesc insn_map_0f[256];
extern const InsnDesc insn_groups[GRP_COUNT][8];
/* 0F, 0F 38, 0F 3A with a mandatory prefix: [opcode * 4 + prefix] */
extern const InsnDesc insn_vec_0f[1024];
extern const InsnDesc insn_vec_38[1024];
extern const InsnDesc insn_vec_3a[1024];
/* 0F 71, 72, 73: [opcode - 0x71][ModRM.reg] for none, 66 */
extern const InsnDesc insn_vec_shift[3][8][2];
/* Names for messages. */
extern const char *const insn_names[INSN_COUNT];

/* clang-format off */
#define I0(id_, fl_) { .id = INSN_##id_, .flags = (fl_) }
#define I1(id_, a_, fl_) \
    { .id = INSN_##id_, .op = { O_##a_ }, .flags = (fl_) }
#define I2(id_, a_, b_, fl_) \
    { .id = INSN_##id_, .op = { O_##a_, O_##b_ }, .flags = (fl_) }
#define I3(id_, a_, b_, c_, fl_) \
    { .id = INSN_##id_, .op = { O_##a_, O_##b_, O_##c_ }, .flags = (fl_) }
#define IG(grp_) { .id = INSN_GROUP + GRP_##grp_ }
/* clang-format on */

#endif
