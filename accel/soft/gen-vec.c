/*
 * SSE and AVX in generated code: the guest's own instructions, on the guest's
 * registers, which are in the host's of the same numbers.
 *
 * MXCSR is the guest's meanwhile, so only code for which it masks all
 * exceptions has floating-point instructions; SOFT_KEY_MASKED tells.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/fpu.h"
#include "accel/soft/gen.h"
#include "accel/soft/stub.h"

static bool is_mmx(unsigned o)
{
    return o >= O_Pq && o <= O_Nq;
}

static bool is_gpr_rm(unsigned o)
{
    return (o >= O_Eb && o <= O_Eq) || (o >= O_Rv && o <= O_My);
}

static bool is_gpr_reg(unsigned o)
{
    return o >= O_Gb && o <= O_Gd;
}

bool gen_vec_can(const Gen *g, const SoftOp *op)
{
    uint32_t need = op->flags & OPF_VEX ? SOFT_KEY_AVX : SOFT_KEY_SSE;

    if (op->id != INSN_VEC && op->id != INSN_VZERO) {
        return false;
    }
    if (op->desc->flags & DF_FP) {
        need |= SOFT_KEY_MASKED;
    }
    if ((g->b->key & need) != need || ((op->flags & OPF_VEX) && !g->g->avx)) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (is_mmx(op->desc->op[i])) {
            return false;
        }
    }
    return true;
}

void gen_vec_flags(const SoftOp *op, GenFlags *ret)
{
    ret->touches = op->desc->flags & DF_FLAGS;
    ret->writes = ret->touches ? GEN_STATUS : 0;
    ret->observed = op->flags & OPF_MEM;
}

static GenInsn insn_of(const SoftOp *op)
{
    static const uint8_t rep[4] = { 0, 0, 0xf3, 0xf2 };
    GenInsn in = { .map = op->map, .opcode = op->opcode };

    in.w = op->flags & OPF_W;
    if (op->flags & OPF_VEX) {
        in.vex = true;
        in.l = op->flags & OPF_L;
        in.pp = op->pp;
        in.vvvv = soft_vec_uses_vvvv(op) ? op->vvvv : 0;
    } else {
        in.o16 = op->pp == 1;
        in.rep = rep[op->pp];
    }
    return in;
}

static void memory_operand(Gen *g)
{
    bool write;
    bool aligned;
    unsigned n = soft_vec_memory(g->op, &write, &aligned);

    gen_address(g);
    if (aligned && n > 1) {
        gen_rr(&g->c, 0xf7, false, 0, GEN_A); /* test r13d, imm32 */
        gen_32(&g->c, n - 1);
        gen_slow_if(g, H_NE);
    }
    gen_tlb(g, write ? SOFT_WRITE : SOFT_READ, n);
}

static bool has_imm(const SoftOp *op)
{
    for (unsigned i = 0; i < 4; i++) {
        if (op->desc->op[i] == O_Ib || op->desc->op[i] == O_Lx) {
            return true;
        }
    }
    return false;
}

static bool is_group(const SoftOp *op)
{
    return op->map == 2 && op->opcode >= 0x71 && op->opcode <= 0x73;
}

static void gen_vec_execute(Gen *g)
{
    const SoftOp *op = g->op;
    GenInsn in = insn_of(op);
    GenMem m = gen_mem(GEN_A, 0);
    bool mem = op->flags & OPF_MEM;
    unsigned reg = is_group(op) ? op->modrm >> 3 & 7 : op->reg;
    unsigned rm = op->rm;
    int put = -1; /* general register that was written, if any */

    for (unsigned i = 0; i < 4; i++) {
        unsigned o = op->desc->op[i];

        if (is_gpr_reg(o)) {
            reg = gen_reg_get(g, op->reg / 8, GEN_B);
            put = op->reg / 8;
        } else if (is_gpr_rm(o) && !mem) {
            rm = gen_reg_get(g, op->rm / 8, GEN_A);
            put = i == 0 ? op->rm / 8 : put;
        }
    }
    gen_insn(&g->c, &in, reg, mem ? &m : NULL, rm);
    if (has_imm(op)) {
        gen_8(&g->c, op->imm);
    }
    if (put >= 0) {
        gen_reg_put(g, put, is_gpr_reg(op->desc->op[0]) ? reg : rm);
    }
}

void gen_vec(Gen *g)
{
    const SoftOp *op = g->op;

    if (op->id == INSN_VZERO) {
        gen_8(&g->c, 0xc5);
        gen_8(&g->c, op->flags & OPF_L ? 0xfc : 0xf8);
        gen_8(&g->c, 0x77);
        return;
    }
    if (op->flags & OPF_MEM) {
        memory_operand(g);
    }
    gen_vec_execute(g);
    if (op->desc->flags & DF_FLAGS) {
        g->fl_host = true;
        g->fl_mem = false;
    }
}
