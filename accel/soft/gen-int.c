/*
 * Integer instructions in generated code.
 *
 * Most are the guest's own, with other registers and with [r13] as the memory
 * operand, so that results and status flags are the processor's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/gen.h"

enum {
    F_CF = X86_FLAG_CF,
    F_OF = X86_FLAG_OF,
    F_ZF = X86_FLAG_ZF,
    F_SF = X86_FLAG_SF,
    F_PF = X86_FLAG_PF,
    F_ALL = GEN_STATUS,
};

/* What is written of the operands. */
typedef enum IntDst {
    NO_CODE, /* its handler does it */
    READS,   /* nothing */
    WRITES,  /* the first, whatever it was */
    CHANGES, /* the first */
    BOTH,    /* the first and the second */
    WRITES2, /* both, whatever they were */
} IntDst;

typedef struct IntInfo {
    uint8_t dst; /* IntDst */
    uint16_t reads, writes;
    bool touches;
} IntInfo;

#define ALL_FLAGS(dst_)      \
    {                        \
        dst_, 0, F_ALL, true \
    }
#define CF_ONLY(dst_)       \
    {                       \
        dst_, 0, F_CF, true \
    }
#define NO_FLAGS(dst_)    \
    {                     \
        dst_, 0, 0, false \
    }

/* clang-format off */
static const IntInfo infos[INSN_COUNT] = {
    [INSN_ADD] = ALL_FLAGS(CHANGES), [INSN_OR] = ALL_FLAGS(CHANGES),
    [INSN_AND] = ALL_FLAGS(CHANGES), [INSN_SUB] = ALL_FLAGS(CHANGES),
    [INSN_XOR] = ALL_FLAGS(CHANGES), [INSN_CMP] = ALL_FLAGS(READS),
    [INSN_ADC] = { CHANGES, F_CF, F_ALL, true },
    [INSN_SBB] = { CHANGES, F_CF, F_ALL, true },
    [INSN_TEST] = ALL_FLAGS(READS), [INSN_NEG] = ALL_FLAGS(CHANGES),
    [INSN_NOT] = NO_FLAGS(CHANGES),
    [INSN_INC] = { CHANGES, 0, F_ALL & ~F_CF, true },
    [INSN_DEC] = { CHANGES, 0, F_ALL & ~F_CF, true },
    [INSN_MOV] = NO_FLAGS(WRITES), [INSN_MOVZX8] = NO_FLAGS(WRITES),
    [INSN_MOVZX16] = NO_FLAGS(WRITES), [INSN_MOVSX8] = NO_FLAGS(WRITES),
    [INSN_MOVSX16] = NO_FLAGS(WRITES), [INSN_MOVSXD] = NO_FLAGS(WRITES),
    [INSN_MOVNTI] = NO_FLAGS(WRITES), [INSN_MOVBE] = NO_FLAGS(WRITES),
    [INSN_LEA] = NO_FLAGS(WRITES), [INSN_BSWAP] = NO_FLAGS(CHANGES),
    [INSN_XCHG] = NO_FLAGS(BOTH), [INSN_XADD] = ALL_FLAGS(BOTH),
    [INSN_CMPXCHG] = ALL_FLAGS(CHANGES),
    [INSN_CMPXCHG8B] = { CHANGES, 0, F_ZF, true },
    [INSN_MUL] = ALL_FLAGS(READS), [INSN_IMUL1] = ALL_FLAGS(READS),
    [INSN_IMUL2] = ALL_FLAGS(CHANGES), [INSN_IMUL3] = ALL_FLAGS(WRITES),
    [INSN_DIV] = NO_FLAGS(READS), [INSN_IDIV] = NO_FLAGS(READS),
    [INSN_ROL] = { CHANGES, 0, F_CF | F_OF, true },
    [INSN_ROR] = { CHANGES, 0, F_CF | F_OF, true },
    [INSN_RCL] = { CHANGES, F_CF, F_CF | F_OF, true },
    [INSN_RCR] = { CHANGES, F_CF, F_CF | F_OF, true },
    [INSN_SHL] = ALL_FLAGS(CHANGES), [INSN_SHL2] = ALL_FLAGS(CHANGES),
    [INSN_SHR] = ALL_FLAGS(CHANGES), [INSN_SAR] = ALL_FLAGS(CHANGES),
    [INSN_SHLD] = ALL_FLAGS(CHANGES), [INSN_SHRD] = ALL_FLAGS(CHANGES),
    [INSN_BT] = CF_ONLY(READS), [INSN_BTS] = CF_ONLY(CHANGES),
    [INSN_BTR] = CF_ONLY(CHANGES), [INSN_BTC] = CF_ONLY(CHANGES),
    [INSN_BSF] = ALL_FLAGS(CHANGES), [INSN_BSR] = ALL_FLAGS(CHANGES),
    [INSN_TZCNT] = ALL_FLAGS(WRITES), [INSN_LZCNT] = ALL_FLAGS(WRITES),
    [INSN_POPCNT] = ALL_FLAGS(WRITES), [INSN_CRC32] = NO_FLAGS(CHANGES),
    [INSN_ADCX] = { CHANGES, F_CF, F_CF, true },
    [INSN_ADOX] = { CHANGES, F_OF, F_OF, true },
    [INSN_ANDN] = ALL_FLAGS(WRITES), [INSN_BEXTR] = ALL_FLAGS(WRITES),
    [INSN_BLSR] = ALL_FLAGS(WRITES), [INSN_BLSMSK] = ALL_FLAGS(WRITES),
    [INSN_BLSI] = ALL_FLAGS(WRITES), [INSN_BZHI] = ALL_FLAGS(WRITES),
    [INSN_PDEP] = NO_FLAGS(WRITES), [INSN_PEXT] = NO_FLAGS(WRITES),
    [INSN_MULX] = NO_FLAGS(WRITES2), [INSN_RORX] = NO_FLAGS(WRITES),
    [INSN_SARX] = NO_FLAGS(WRITES), [INSN_SHLX] = NO_FLAGS(WRITES),
    [INSN_SHRX] = NO_FLAGS(WRITES),
    [INSN_SETCC] = NO_FLAGS(WRITES), [INSN_CMOVCC] = NO_FLAGS(CHANGES),
    [INSN_CBW] = NO_FLAGS(READS), [INSN_CWD] = NO_FLAGS(READS),
    [INSN_NOP] = NO_FLAGS(READS), [INSN_FENCE] = NO_FLAGS(READS),
    [INSN_SAHF] = { READS, 0, F_ALL & ~F_OF, true },
    [INSN_LAHF] = { READS, F_ALL & ~F_OF, 0, false },
    [INSN_CLC] = CF_ONLY(READS), [INSN_STC] = CF_ONLY(READS),
    [INSN_CMC] = { READS, F_CF, F_CF, true },
};
/* clang-format on */

/* Where the operands are, by the descriptor. */
typedef struct IntOps {
    bool modrm;        /* it has one */
    bool rm, reg, vex; /* operand is there */
    bool rm_in_opcode; /* Zb, Zv */
    bool rm_byte, reg_byte;
    bool rm_first; /* rm is the first, and so on */
    uint8_t mem_n; /* bytes of memory */
    uint8_t imm_n;
    bool other; /* something that is not handled */
} IntOps;

static unsigned rm_bytes(const SoftOp *op, unsigned o)
{
    switch (o) {
    case O_Eb:
        return 1;
    case O_Ew:
    case O_Mw:
        return 2;
    case O_Ed:
    case O_Md:
        return 4;
    case O_Eq:
    case O_Mq:
        return 8;
    default:
        return op->id == INSN_CMPXCHG8B ? (op->size == 3 ? 16 : 8)
                                        : 1U << op->size;
    }
}

static void gen_int_classify(const SoftOp *op, unsigned i, IntOps *r)
{
    unsigned o = op->desc->op[i];

    switch (o) {
    case O_NONE:
    case O_AL:
    case O_eAX:
    case O_CL:
    case O_1:
        break;
    case O_Eb ... O_Eq:
    case O_M ... O_My:
        r->modrm = r->rm = true;
        r->rm_byte = o == O_Eb;
        r->rm_first = i == 0;
        r->mem_n = rm_bytes(op, o);
        break;
    case O_Gb ... O_Gd:
        r->modrm = r->reg = true;
        r->reg_byte = o == O_Gb;
        break;
    case O_By:
        r->vex = true;
        break;
    case O_Zb:
    case O_Zv:
        r->rm = r->rm_in_opcode = true;
        r->rm_byte = o == O_Zb;
        r->rm_first = i == 0;
        break;
    case O_Ib:
    case O_Ibs:
        r->imm_n = 1;
        break;
    case O_Iz:
        r->imm_n = op->size == 1 ? 2 : 4;
        break;
    case O_Iv:
        r->imm_n = 1U << op->size;
        break;
    default:
        r->other = true;
        break;
    }
}

static IntOps gen_int_operands(const SoftOp *op)
{
    IntOps r = { 0 };

    for (unsigned i = 0; i < 4; i++) {
        gen_int_classify(op, i, &r);
    }
    return r;
}

/* Host number of a byte register; AH... are 4 to 7 without REX. */
static bool is_high(unsigned off)
{
    return off & 7;
}

/* AH, BH, CH, DH can't be named together with what needs a REX prefix. */
static bool high_ok(const SoftOp *op, const IntOps *r)
{
    bool rm_reg = r->rm && !(op->flags & OPF_MEM);
    bool high_rm = rm_reg && r->rm_byte && is_high(op->rm);
    bool high_reg = r->reg && r->reg_byte && is_high(op->reg);

    if (!high_rm && !high_reg) {
        return true;
    }
    if ((op->flags & OPF_MEM) || op->size == 3) {
        return false;
    }
    if (rm_reg && !high_rm &&
        (gen_host[op->rm / 8] >= H_R8 ||
         (r->rm_byte && gen_host[op->rm / 8] >= H_RSP))) {
        return false;
    }
    return !r->reg || high_reg ||
           !(gen_host[op->reg / 8] >= H_R8 ||
             (r->reg_byte && gen_host[op->reg / 8] >= H_RSP));
}

/* Three registers, none of them pinned, want three scratch registers. */
static bool scratch_ok(const SoftOp *op, const IntOps *r)
{
    unsigned n = 0;

    n += r->rm && ((op->flags & OPF_MEM) || gen_host[op->rm / 8] == H_NONE);
    n += r->reg && gen_host[op->reg / 8] == H_NONE;
    n += r->vex && gen_host[op->vvvv / 8] == H_NONE;
    return n <= 2;
}

static bool special_ok(const SoftOp *op, const IntOps *r)
{
    switch (op->id) {
    case INSN_LEA:
        return op->size >= 2;
    case INSN_BSWAP:
        return op->size >= 2;
    case INSN_DIV:
    case INSN_IDIV:
        return op->size >= 2;
    case INSN_BT:
    case INSN_BTS:
    case INSN_BTR:
    case INSN_BTC:
        /* A bit string in memory goes beyond the operand. */
        return !r->reg || !(op->flags & OPF_MEM);
    case INSN_SHLD:
    case INSN_SHRD:
        return op->size >= 2;
    default:
        return true;
    }
}

bool gen_int_can(const Gen *g, const SoftOp *op)
{
    unsigned feat = op->flags & OPF_VEX ? op->desc->vfeat : op->desc->feat;
    IntOps r;

    if (infos[op->id].dst == NO_CODE || !(g->g->host_feat >> feat & 1)) {
        return false;
    }
    if (op->id == INSN_NOP || op->id == INSN_FENCE) {
        return true;
    }
    r = gen_int_operands(op);
    return !r.other && high_ok(op, &r) && scratch_ok(op, &r) &&
           special_ok(op, &r);
}

static uint16_t cond_flags(unsigned cc)
{
    static const uint16_t f[8] = {
        F_OF, F_CF, F_ZF,        F_CF | F_ZF,
        F_SF, F_PF, F_SF | F_OF, F_SF | F_OF | F_ZF,
    };

    return f[cc >> 1 & 7];
}

static bool is_shift(const SoftOp *op)
{
    return (op->id >= INSN_ROL && op->id <= INSN_SAR) || op->id == INSN_SHLD ||
           op->id == INSN_SHRD;
}

/* A count that is, or may be, zero changes no flags. */
static void shift_flags(const SoftOp *op, GenFlags *ret)
{
    unsigned i = op->id == INSN_SHLD || op->id == INSN_SHRD ? 2 : 1;
    unsigned o = op->desc->op[i];

    if (o == O_CL || (o == O_Ib && !(op->imm & (op->size == 3 ? 63 : 31)))) {
        ret->writes = 0;
    }
}

void gen_int_flags(const SoftOp *op, GenFlags *ret)
{
    const IntInfo *info = &infos[op->id];

    ret->reads = info->reads;
    ret->writes = info->writes;
    ret->touches = info->touches;
    if (op->id == INSN_SETCC || op->id == INSN_CMOVCC) {
        ret->reads = cond_flags(op->opcode);
    } else if (is_shift(op)) {
        shift_flags(op, ret);
    }
    ret->observed =
        op->id == INSN_DIV || op->id == INSN_IDIV ||
        ((op->flags & OPF_MEM) && op->id != INSN_LEA && op->id != INSN_NOP);
}

/* A register operand as the instruction names it. */
typedef struct IntReg {
    unsigned host;
    unsigned guest; /* where it belongs; 16: needs no store */
} IntReg;

static IntReg operand_reg(Gen *g, unsigned off, bool byte, bool load,
                          unsigned scratch, GenInsn *in)
{
    unsigned guest = off / 8;
    IntReg r = { .host = gen_reg_for_write(guest, scratch), .guest = guest };

    if (byte && is_high(off)) {
        r.host = 4 + guest;
        return r;
    }
    if (byte && r.host >= H_RSP) {
        in->rex = true;
    }
    if (load) {
        gen_reg_get(g, guest, scratch);
    }
    return r;
}

static GenInsn insn_of(const SoftOp *op)
{
    static const uint8_t rep[4] = { 0, 0, 0xf3, 0xf2 };
    bool byte = op->desc->flags & DF_BYTE;
    GenInsn in = { .map = op->map, .opcode = op->opcode };

    in.lock = op->flags & OPF_LOCK;
    if (op->flags & OPF_VEX) {
        in.vex = true;
        in.pp = op->pp;
        in.w = op->flags & OPF_W;
        return in;
    }
    in.w = op->size == 3 && !byte;
    in.o16 = op->size == 1 && !byte;
    if (op->map == 3) {
        in.rep = rep[op->pp];
        in.o16 = in.o16 || op->pp == 1;
    } else if (op->id == INSN_TZCNT || op->id == INSN_LZCNT ||
               op->id == INSN_POPCNT) {
        in.rep = 0xf3;
    }
    return in;
}

static void flags_done(Gen *g, const GenFlags *f)
{
    if (f->touches) {
        g->fl_host = true;
        g->fl_mem = false;
    }
}

/* Those of the host's flags that the instruction reads or leaves alone. */
static void flags_before(Gen *g, const GenFlags *f)
{
    gen_flags_need(g, f->reads | (f->touches ? g->live & ~f->writes : 0));
}

/* ModRM.reg if it names no register. */
static unsigned gen_int_digit(const SoftOp *op)
{
    unsigned d = op->modrm >> 3 & 7;

    return op->id == INSN_SHL2 ? 4 : d;
}

/* MOV Zb, Zv and XCHG Zv as what they are with ModRM. */
static void gen_int_widen(const SoftOp *op, GenInsn *in)
{
    if (op->id == INSN_XCHG) {
        in->opcode = 0x87;
    } else if (op->id == INSN_MOV) {
        in->opcode = op->size == 0 ? 0xc6 : 0xc7;
    }
}

static void memory_operand(Gen *g, const IntOps *r, unsigned dst)
{
    bool writes = dst != READS && (r->rm_first || dst == BOTH);

    gen_address(g);
    if (r->mem_n == 16) {
        /* CMPXCHG16B */
        gen_rr(&g->c, 0xf7, false, 0, GEN_A);
        gen_32(&g->c, 15);
        gen_slow_if(g, H_NE);
    }
    gen_tlb(g, writes ? SOFT_WRITE : SOFT_READ, r->mem_n);
}

static void with_modrm(Gen *g, const IntOps *r, const GenFlags *f)
{
    const SoftOp *op = g->op;
    unsigned dst = infos[op->id].dst;
    GenInsn in = insn_of(op);
    bool mem = r->rm && (op->flags & OPF_MEM);
    /* Unread, unless parts of it are kept. */
    bool pure = (dst == WRITES || dst == WRITES2) && op->size >= 2;
    GenMem m = gen_mem(GEN_A, 0);
    IntReg rm = { .host = 0 };
    IntReg reg = { .host = gen_int_digit(op) };
    IntReg vex = { .host = 0 };
    unsigned spare = GEN_B;

    if (mem) {
        memory_operand(g, r, dst);
    }
    flags_before(g, f);
    if (r->rm && !mem) {
        rm = operand_reg(g, op->rm, r->rm_byte, !(pure && r->rm_first), GEN_A,
                         &in);
    }
    if (r->reg) {
        bool first = !r->rm_first;

        reg =
            operand_reg(g, op->reg, r->reg_byte, !(pure && first), GEN_B, &in);
    } else if (op->id == INSN_XCHG) {
        reg.host = H_RAX;
    }
    if (r->vex) {
        if (r->reg && reg.host == GEN_B) {
            spare = GEN_A;
        }
        vex = operand_reg(g, op->vvvv, false, true, spare, &in);
        in.vvvv = vex.host;
    }
    if (r->rm_in_opcode) {
        gen_int_widen(op, &in);
    }
    gen_insn(&g->c, &in, reg.host, mem ? &m : NULL, rm.host);
    gen_imm(&g->c, op->imm, r->imm_n);
    flags_done(g, f);
    if (dst == READS) {
        return;
    }
    /* If they are the same register: MULX keeps reg, XADD rm. */
    if (r->vex && (dst == WRITES2 || op->desc->op[0] == O_By)) {
        gen_reg_put(g, vex.guest, vex.host);
    }
    if (r->reg && (!r->rm_first || dst == BOTH)) {
        gen_reg_put(g, reg.guest, reg.host);
    }
    if (r->rm && !mem && (r->rm_first || dst == BOTH)) {
        gen_reg_put(g, rm.guest, rm.host);
    }
}

static void lea(Gen *g)
{
    unsigned reg = g->op->reg / 8;
    unsigned h = gen_reg_for_write(reg, GEN_A);

    gen_lea_operand(g, h);
    gen_reg_put(g, reg, h);
}

/* MOV of an immediate to a whole register. */
static void mov_imm(Gen *g)
{
    const SoftOp *op = g->op;
    unsigned reg = op->rm / 8;
    unsigned h = gen_reg_for_write(reg, GEN_A);

    gen_mov_imm(&g->c, h, op->size == 3 ? op->imm : (uint32_t)op->imm);
    gen_reg_put(g, reg, h);
}

static void bswap(Gen *g)
{
    GenInsn in = { .map = 2, .opcode = 0xc8, .w = g->op->size == 3 };
    unsigned reg = g->op->rm / 8;
    unsigned h = gen_reg_get(g, reg, GEN_A);

    gen_insn_plain(&g->c, &in, h);
    gen_reg_put(g, reg, h);
}

/* What would be a #DE, or might, is left to the handler. */
static void gen_int_divide(Gen *g)
{
    const SoftOp *op = g->op;
    GenCode *c = &g->c;
    bool w = op->size == 3;
    unsigned d;

    if (op->flags & OPF_MEM) {
        gen_address(g);
        gen_tlb(g, SOFT_READ, 1U << op->size);
        gen_rm(c, 0x8b, w, GEN_A, gen_mem(GEN_A, 0));
        d = GEN_A;
    } else {
        d = gen_reg_get(g, op->rm / 8, GEN_A);
    }
    if (op->id == INSN_DIV) {
        gen_rr(c, 0x3b, w, H_RDX, d);
        gen_slow_if(g, H_AE);
    } else {
        /* The dividend is one register, extended; not by -1, nor by 0. */
        gen_mov(c, GEN_B, H_RAX);
        gen_shift_ri(c, 7, w, GEN_B, w ? 63 : 31);
        gen_rr(c, 0x3b, w, GEN_B, H_RDX);
        gen_slow_if(g, H_NE);
        gen_lea(c, w, GEN_B, gen_mem(d, 1));
        gen_alu_ri(c, H_CMP, w, GEN_B, 1);
        gen_slow_if(g, H_BE);
    }
    gen_rr(c, 0xf7, w, op->id == INSN_DIV ? 6 : 7, d);
    gen_flags_lost(g);
}

static void gen_int_plain(Gen *g, const IntOps *r, const GenFlags *f)
{
    GenInsn in = insn_of(g->op);

    flags_before(g, f);
    gen_insn_plain(&g->c, &in, 0);
    gen_imm(&g->c, g->op->imm, r->imm_n);
    flags_done(g, f);
}

static bool is_mov_imm(const SoftOp *op, const IntOps *r)
{
    return op->id == INSN_MOV && r->imm_n && op->size >= 2 &&
           !(op->flags & OPF_MEM);
}

void gen_int(Gen *g)
{
    const SoftOp *op = g->op;
    IntOps r = gen_int_operands(op);
    GenFlags f = { 0 };

    gen_int_flags(op, &f);
    switch (op->id) {
    case INSN_NOP:
        break;
    case INSN_FENCE:
        gen_8(&g->c, 0x0f);
        gen_8(&g->c, 0xae);
        gen_8(&g->c, op->modrm);
        break;
    case INSN_LEA:
        lea(g);
        break;
    case INSN_BSWAP:
        bswap(g);
        break;
    case INSN_DIV:
    case INSN_IDIV:
        gen_int_divide(g);
        break;
    default:
        if (is_mov_imm(op, &r)) {
            mov_imm(g);
        } else if (r.rm || r.reg || r.vex) {
            with_modrm(g, &r, &f);
        } else {
            gen_int_plain(g, &r, &f);
        }
        break;
    }
}
