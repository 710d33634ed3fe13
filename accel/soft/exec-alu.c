/*
 * Integer arithmetic with two operands, and what is like it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"

/* Where the operands are. */
typedef enum AluForm { RM_REG, REG_RM, RM_IMM } AluForm;

SOFT_INLINE uint64_t alu_result(SoftCpu *s, unsigned kind, unsigned n,
                                uint64_t a, uint64_t b, bool carry)
{
    switch (kind) {
    case INSN_ADD:
        return (a + b) & soft_mask(n);
    case INSN_OR:
        return a | b;
    case INSN_ADC:
        return (a + b + carry) & soft_mask(n);
    case INSN_SBB:
        return (a - b - carry) & soft_mask(n);
    case INSN_AND:
        return a & b;
    case INSN_XOR:
        return a ^ b;
    default:
        return (a - b) & soft_mask(n);
    }
}

SOFT_INLINE unsigned alu_cc(unsigned kind)
{
    switch (kind) {
    case INSN_ADD:
    case INSN_ADC:
        return CC_ADD;
    case INSN_SBB:
        return CC_SBB;
    case INSN_SUB:
    case INSN_CMP:
        return CC_SUB;
    default:
        return CC_LOGIC;
    }
}

SOFT_INLINE uint64_t alu_source(SoftCpu *s, const SoftOp *op, unsigned n,
                                bool mem, AluForm form)
{
    switch (form) {
    case RM_REG:
        return soft_reg_get(s, op->reg, n);
    case REG_RM:
        return soft_rm_get(s, op, n, mem);
    default:
        return op->imm & soft_mask(n);
    }
}

SOFT_INLINE void alu_memory(SoftCpu *s, const SoftOp *op, unsigned n,
                            unsigned kind, uint64_t b, bool carry)
{
    uint64_t lin = soft_ea_lin(s, op, n, true);
    uint64_t a = soft_rmw_get(s, lin, n);
    uint64_t r;

    do {
        r = alu_result(s, kind, n, a, b, carry);
    } while (!soft_rmw_put(s, op, lin, n, &a, r));
    soft_cc(s, alu_cc(kind), n, a, b, r);
}

SOFT_INLINE void alu(SoftCpu *s, const SoftOp *op, unsigned n, bool mem,
                     unsigned kind, AluForm form)
{
    uint64_t b = alu_source(s, op, n, mem, form);
    bool carry = (kind == INSN_ADC || kind == INSN_SBB) &&
                 (soft_cc_compute(s) & X86_FLAG_CF);
    uint64_t a;
    uint64_t r;

    if (mem && form != REG_RM && kind != INSN_CMP) {
        alu_memory(s, op, n, kind, b, carry);
        return;
    }
    a = form == REG_RM ? soft_reg_get(s, op->reg, n)
                       : soft_rm_get(s, op, n, mem);
    r = alu_result(s, kind, n, a, b, carry);
    if (kind != INSN_CMP) {
        soft_reg_set(s, form == REG_RM ? op->reg : op->rm, n, r);
    }
    soft_cc(s, alu_cc(kind), n, a, b, r);
}

#define ALU_FORM(K, F)                                                       \
    SOFT_INLINE void alu_##K##_##F(SoftCpu *s, const SoftOp *op, unsigned n, \
                                   bool mem)                                 \
    {                                                                        \
        alu(s, op, n, mem, INSN_##K, F);                                     \
    }                                                                        \
    SOFT_HANDLERS(alu_##K##_##F)
#define ALU_KIND(K) ALU_FORM(K, RM_REG) ALU_FORM(K, REG_RM) ALU_FORM(K, RM_IMM)

ALU_KIND(ADD)
ALU_KIND(OR)
ALU_KIND(ADC)
ALU_KIND(SBB)
ALU_KIND(AND)
ALU_KIND(SUB)
ALU_KIND(XOR)
ALU_KIND(CMP)

#define ALU_ROW(K)                                                       \
    {                                                                    \
        alu_##K##_RM_REG_fns, alu_##K##_REG_RM_fns, alu_##K##_RM_IMM_fns \
    }
static SoftFn *const *const alu_rows[8][3] = {
    ALU_ROW(ADD), ALU_ROW(OR),  ALU_ROW(ADC), ALU_ROW(SBB),
    ALU_ROW(AND), ALU_ROW(SUB), ALU_ROW(XOR), ALU_ROW(CMP),
};

SOFT_INLINE void test_reg(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    uint64_t r = soft_rm_get(s, op, n, mem) & soft_reg_get(s, op->reg, n);

    soft_cc(s, CC_LOGIC, n, 0, 0, r);
}
SOFT_HANDLERS(test_reg)

SOFT_INLINE void test_imm(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    soft_cc(s, CC_LOGIC, n, 0, 0, soft_rm_get(s, op, n, mem) & op->imm);
}
SOFT_HANDLERS(test_imm)

/* One operand that is changed: INC, DEC, NOT, NEG. */
SOFT_INLINE uint64_t unary_result(unsigned kind, uint64_t a, unsigned n)
{
    switch (kind) {
    case INSN_INC:
        return (a + 1) & soft_mask(n);
    case INSN_DEC:
        return (a - 1) & soft_mask(n);
    case INSN_NEG:
        return -a & soft_mask(n);
    default:
        return ~a & soft_mask(n);
    }
}

SOFT_INLINE void unary(SoftCpu *s, const SoftOp *op, unsigned n, bool mem,
                       unsigned kind)
{
    uint64_t lin = 0;
    uint64_t a;
    uint64_t r;

    if (mem) {
        lin = soft_ea_lin(s, op, n, true);
        a = soft_rmw_get(s, lin, n);
        do {
            r = unary_result(kind, a, n);
        } while (!soft_rmw_put(s, op, lin, n, &a, r));
    } else {
        a = soft_reg_get(s, op->rm, n);
        r = unary_result(kind, a, n);
        soft_reg_set(s, op->rm, n, r);
    }
    if (kind == INSN_NEG) {
        soft_cc(s, CC_SUB, n, 0, a, r);
    } else if (kind != INSN_NOT) {
        s->cc_cf = soft_cc_compute(s) & X86_FLAG_CF;
        soft_cc(s, kind == INSN_INC ? CC_INC : CC_DEC, n, a, 1, r);
    }
}

#define UNARY(K)                                                      \
    SOFT_INLINE void un_##K(SoftCpu *s, const SoftOp *op, unsigned n, \
                            bool mem)                                 \
    {                                                                 \
        unary(s, op, n, mem, INSN_##K);                               \
    }                                                                 \
    SOFT_HANDLERS(un_##K)
UNARY(INC)
UNARY(DEC)
UNARY(NOT)
UNARY(NEG)

SOFT_INLINE void xadd(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    uint64_t b = soft_reg_get(s, op->reg, n);
    uint64_t lin = 0;
    uint64_t a;
    uint64_t r;

    if (mem) {
        lin = soft_ea_lin(s, op, n, true);
        a = soft_rmw_get(s, lin, n);
        do {
            r = (a + b) & soft_mask(n);
        } while (!soft_rmw_put(s, op, lin, n, &a, r));
        soft_reg_set(s, op->reg, n, a);
    } else {
        a = soft_reg_get(s, op->rm, n);
        r = (a + b) & soft_mask(n);
        soft_reg_set(s, op->reg, n, a);
        soft_reg_set(s, op->rm, n, r);
    }
    soft_cc(s, CC_ADD, n, a, b, r);
}
SOFT_HANDLERS(xadd)

SOFT_INLINE void cmpxchg(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    uint64_t acc = soft_reg_get(s, X86_RAX * 8, n);
    uint64_t new = soft_reg_get(s, op->reg, n);
    uint64_t lin = 0;
    uint64_t a;

    if (mem) {
        lin = soft_ea_lin(s, op, n, true);
        a = soft_rmw_get(s, lin, n);
        /* The memory is written in any case. */
        while (!soft_rmw_put(s, op, lin, n, &a, a == acc ? new : a)) {
        }
    } else {
        a = soft_reg_get(s, op->rm, n);
        if (a == acc) {
            soft_reg_set(s, op->rm, n, new);
        }
    }
    if (a != acc) {
        soft_reg_set(s, X86_RAX * 8, n, a);
    }
    soft_cc(s, CC_SUB, n, acc, a, (acc - a) & soft_mask(n));
}
SOFT_HANDLERS(cmpxchg)

SOFT_INLINE void xchg(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    unsigned reg = op->desc->op[1] == O_eAX ? X86_RAX * 8 : op->reg;
    uint64_t b = soft_reg_get(s, reg, n);
    uint64_t a;

    if (mem) {
        uint64_t lin = soft_ea_lin(s, op, n, true);

        a = soft_rmw_get(s, lin, n);
        while (!soft_cas(s, lin, n, &a, b)) {
        }
    } else {
        a = soft_reg_get(s, op->rm, n);
        soft_reg_set(s, op->rm, n, b);
    }
    soft_reg_set(s, reg, n, a);
}
SOFT_HANDLERS(xchg)

static bool is_imm(unsigned o)
{
    return o == O_Ib || o == O_Ibs || o == O_Iz;
}

static bool is_greg(unsigned o)
{
    return o == O_Gb || o == O_Gv;
}

SoftFn *soft_select_alu(const SoftOp *op)
{
    unsigned v = soft_variant(op);
    const uint8_t *o = op->desc->op;
    AluForm form = is_imm(o[1]) ? RM_IMM : is_greg(o[0]) ? REG_RM : RM_REG;

    switch (op->id) {
    case INSN_ADD ... INSN_CMP:
        return alu_rows[op->id - INSN_ADD][form][v];
    case INSN_TEST:
        return is_imm(o[1]) ? test_imm_fns[v] : test_reg_fns[v];
    case INSN_INC:
        return un_INC_fns[v];
    case INSN_DEC:
        return un_DEC_fns[v];
    case INSN_NOT:
        return un_NOT_fns[v];
    case INSN_NEG:
        return un_NEG_fns[v];
    case INSN_XADD:
        return xadd_fns[v];
    case INSN_CMPXCHG:
        return cmpxchg_fns[v];
    case INSN_XCHG:
        return xchg_fns[v];
    default:
        return NULL;
    }
}
