/*
 * Near branches and the stack.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"

void soft_jump(SoftCpu *s, uint64_t rip, unsigned size)
{
    if (size == 3) {
        unsigned bits = s->x->cr[4] & X86_CR4_LA57 ? 57 : 48;

        if (sextract64(rip, 0, bits) != (int64_t)rip) {
            soft_raise_gp0(s);
        }
    } else {
        rip &= size == 2 ? 0xffffffff : 0xffff;
        if (rip > s->x->segs[X86_CS].limit) {
            soft_raise_gp0(s);
        }
    }
    s->gpr[SOFT_NEXT_RIP] = rip;
}

static void jump_relative(SoftCpu *s, const SoftOp *op)
{
    soft_jump(s, s->gpr[SOFT_NEXT_RIP] + op->imm, op->size);
}

static void jcc(SoftCpu *s, const SoftOp *op)
{
    if (soft_cond(s, op->opcode & 15)) {
        jump_relative(s, op);
    }
}

static void jump_indirect(SoftCpu *s, const SoftOp *op)
{
    soft_jump(s, soft_rm_get(s, op, soft_size(op), soft_is_mem(op)), op->size);
}

static void call_to(SoftCpu *s, const SoftOp *op, uint64_t rip)
{
    uint64_t back = s->gpr[SOFT_NEXT_RIP];

    soft_jump(s, rip, op->size);
    soft_push(s, back, soft_size(op));
}

static void call_relative(SoftCpu *s, const SoftOp *op)
{
    call_to(s, op, s->gpr[SOFT_NEXT_RIP] + op->imm);
}

static void call_indirect(SoftCpu *s, const SoftOp *op)
{
    call_to(s, op, soft_rm_get(s, op, soft_size(op), soft_is_mem(op)));
}

static void ret(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);

    soft_jump(s, soft_peek(s, 0, n), op->size);
    soft_set_sp(s, s->gpr[X86_RSP] + n + op->imm);
}

/* LOOP, LOOPE, LOOPNE, JrCXZ: the counter is as wide as an address. */
static void loop(SoftCpu *s, const SoftOp *op)
{
    unsigned n = 1U << op->asize;
    uint64_t c = soft_reg_get(s, X86_RCX * 8, n);
    bool zf = soft_cond(s, 4);
    bool jump;

    if (op->id == INSN_JCXZ) {
        jump = c == 0;
    } else {
        c = (c - 1) & soft_mask(n);
        jump = c != 0 && (op->id == INSN_LOOP || zf == (op->id == INSN_LOOPE));
    }
    if (jump) {
        jump_relative(s, op);
    }
    if (op->id != INSN_JCXZ) {
        soft_reg_set(s, X86_RCX * 8, n, c);
    }
}

static void push_reg(SoftCpu *s, const SoftOp *op)
{
    soft_push(s, SOFT_REG(s, op->rm, uint64_t), soft_size(op));
}

static void push_rm(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);

    soft_push(s, soft_rm_get(s, op, n, soft_is_mem(op)), n);
}

static void push_imm(SoftCpu *s, const SoftOp *op)
{
    soft_push(s, op->imm, soft_size(op));
}

static void pop_reg(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t v = soft_peek(s, 0, n);

    soft_set_sp(s, s->gpr[X86_RSP] + n);
    soft_reg_set(s, op->rm, n, v);
}

static void pop_rm(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t v = soft_peek(s, 0, n);
    uint64_t before = s->gpr[X86_RSP];
    uint64_t after, lin;

    soft_set_sp(s, before + n);
    if (!soft_is_mem(op)) {
        soft_reg_set(s, op->rm, n, v);
        return;
    }
    /* The address is computed with SP after the pop; a fault has it before. */
    after = s->gpr[X86_RSP];
    lin = soft_ea(s, op);
    s->gpr[X86_RSP] = before;
    lin = soft_lin(s, op->seg, lin, n, true);
    soft_st(s, lin, v, n, s->mmu);
    s->gpr[X86_RSP] = after;
}

static void pusha(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t sp = s->gpr[X86_RSP];

    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = sp - (i + 1) * n;

        soft_probe_write(s, soft_stack_lin(s, at, n, true), n, s->mmu);
    }
    for (unsigned i = 0; i < 8; i++) {
        uint64_t at = sp - (i + 1) * n;

        soft_st(s, soft_stack_lin(s, at, n, true), s->gpr[i], n, s->mmu);
    }
    soft_set_sp(s, sp - 8 * n);
}

static void popa(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t v[8];

    for (unsigned i = 0; i < 8; i++) {
        v[i] = soft_peek(s, i * n, n);
    }
    for (unsigned i = 0; i < 8; i++) {
        if (7 - i != X86_RSP) {
            soft_reg_set(s, (7 - i) * 8, n, v[i]);
        }
    }
    soft_set_sp(s, s->gpr[X86_RSP] + 8 * n);
}

static void enter(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    unsigned level = op->sel & 31;
    uint64_t sp = s->gpr[X86_RSP] - n;
    uint64_t frame = sp;

    soft_st(s, soft_stack_lin(s, sp, n, true), s->gpr[X86_RBP], n, s->mmu);
    for (unsigned i = 1; i < level; i++) {
        uint64_t from = s->gpr[X86_RBP] - i * n;
        uint64_t v = soft_ld(s, soft_stack_lin(s, from, n, false), n, s->mmu);

        sp -= n;
        soft_st(s, soft_stack_lin(s, sp, n, true), v, n, s->mmu);
    }
    if (level) {
        sp -= n;
        soft_st(s, soft_stack_lin(s, sp, n, true), frame, n, s->mmu);
    }
    sp -= (uint16_t)op->imm;
    soft_probe_write(s, soft_stack_lin(s, sp, n, true), n, s->mmu);
    soft_set_sp(s, sp);
    soft_reg_set(s, X86_RBP * 8, n, frame);
}

static void leave(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t bp = s->gpr[X86_RBP];
    uint64_t v = soft_ld(s, soft_stack_lin(s, bp, n, false), n, s->mmu);

    soft_set_sp(s, bp + n);
    soft_reg_set(s, X86_RBP * 8, n, v);
}

static void bound(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t lin = soft_ea_lin(s, op, n * 2, false);
    int64_t lo = soft_sext(soft_ld(s, lin, n, s->mmu), n);
    int64_t hi = soft_sext(soft_ld(s, (lin + n) & s->lin_mask, n, s->mmu), n);
    int64_t v = soft_sext(soft_reg_get(s, op->reg, n), n);

    if (v < lo || v > hi) {
        soft_raise(s, EXC_BR);
    }
}

static SoftFn *select_push(const SoftOp *op)
{
    switch (op->desc->op[0]) {
    case O_Zv:
        return push_reg;
    case O_Ev:
        return push_rm;
    default:
        return push_imm;
    }
}

SoftFn *soft_select_flow(const SoftOp *op)
{
    static SoftFn *const t[INSN_COUNT] = {
        [INSN_JCC] = jcc,
        [INSN_JMP] = jump_relative,
        [INSN_JMPIND] = jump_indirect,
        [INSN_CALL] = call_relative,
        [INSN_CALLIND] = call_indirect,
        [INSN_RET] = ret,
        [INSN_LOOP] = loop,
        [INSN_LOOPE] = loop,
        [INSN_LOOPNE] = loop,
        [INSN_JCXZ] = loop,
        [INSN_PUSHA] = pusha,
        [INSN_POPA] = popa,
        [INSN_ENTER] = enter,
        [INSN_LEAVE] = leave,
        [INSN_BOUND] = bound,
    };

    if (op->id == INSN_PUSH) {
        return select_push(op);
    }
    if (op->id == INSN_POP) {
        return op->desc->op[0] == O_Zv ? pop_reg : pop_rm;
    }
    return t[op->id];
}
