/*
 * Moves between registers and memory, conditional ones, flags.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"

SOFT_INLINE void mov_store(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    soft_rm_set(s, op, n, mem, soft_reg_get(s, op->reg, n));
}
SOFT_HANDLERS(mov_store)

SOFT_INLINE void mov_load(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    soft_reg_set(s, op->reg, n, soft_rm_get(s, op, n, mem));
}
SOFT_HANDLERS(mov_load)

SOFT_INLINE void mov_imm(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    soft_rm_set(s, op, n, mem, op->imm);
}
SOFT_HANDLERS(mov_imm)

static void mov_from_moffs(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t lin = soft_lin(s, op->seg, op->imm, n, false);

    soft_reg_set(s, X86_RAX * 8, n, soft_ld(s, lin, n, s->mmu));
}

static void mov_to_moffs(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t lin = soft_lin(s, op->seg, op->imm, n, true);

    soft_st(s, lin, soft_reg_get(s, X86_RAX * 8, n), n, s->mmu);
}

#define EXTEND(name, from, conv)                                              \
    SOFT_INLINE void name(SoftCpu *s, const SoftOp *op, unsigned n, bool mem) \
    {                                                                         \
        soft_reg_set(s, op->reg, n, conv(soft_rm_get(s, op, from, mem)));     \
    }                                                                         \
    SOFT_HANDLERS(name)
EXTEND(movzx8, 1, )
EXTEND(movzx16, 2, )
EXTEND(movsx8, 1, (int64_t)(int8_t))
EXTEND(movsx16, 2, (int64_t)(int16_t))
EXTEND(movsxd, 4, (int64_t)(int32_t))

SOFT_INLINE void lea(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    soft_reg_set(s, op->reg, n, soft_ea(s, op));
}
SOFT_HANDLERS(lea)

SOFT_INLINE void cmov(SoftCpu *s, const SoftOp *op, unsigned n, bool mem)
{
    uint64_t v = soft_rm_get(s, op, n, mem);

    /* A 32-bit move clears the upper half even if it does not happen. */
    if (!soft_cond(s, op->opcode & 15)) {
        v = soft_reg_get(s, op->reg, n);
    }
    soft_reg_set(s, op->reg, n, v);
}
SOFT_HANDLERS(cmov)

static void setcc(SoftCpu *s, const SoftOp *op)
{
    soft_rm_set(s, op, 1, soft_is_mem(op), soft_cond(s, op->opcode & 15));
}

static void nop(SoftCpu *s, const SoftOp *op)
{
}

/* Waits for another CPU, which may have to get its turn first. */
static void pause_insn(SoftCpu *s, const SoftOp *op)
{
    if (s->vm->pause_ends_turn) {
        soft_cpu_pend(s, SOFT_PEND_EXIT);
    }
}

static void movbe(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    unsigned sh = 64 - n * 8;
    uint64_t v;

    if (op->opcode == 0xf0) {
        v = soft_rm_get(s, op, n, true);
        soft_reg_set(s, op->reg, n, __builtin_bswap64(v) >> sh);
    } else {
        v = soft_reg_get(s, op->reg, n);
        soft_rm_set(s, op, n, true, __builtin_bswap64(v) >> sh);
    }
}

static void bswap(SoftCpu *s, const SoftOp *op)
{
    uint64_t v = SOFT_REG(s, op->rm, uint64_t);

    if (op->size == 3) {
        SOFT_REG(s, op->rm, uint64_t) = __builtin_bswap64(v);
    } else if (op->size == 2) {
        SOFT_REG(s, op->rm, uint64_t) = __builtin_bswap32(v);
    } else {
        /* Undefined by the manual; processors give zero. */
        SOFT_REG(s, op->rm, uint16_t) = 0;
    }
}

static void movnti(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);

    soft_rm_set(s, op, n, true, soft_reg_get(s, op->reg, n));
}

static void cbw(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t v = soft_reg_get(s, X86_RAX * 8, n / 2);

    soft_reg_set(s, X86_RAX * 8, n, soft_sext(v, n / 2));
}

static void cwd(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t v = soft_reg_get(s, X86_RAX * 8, n);

    soft_reg_set(s, X86_RDX * 8, n, soft_sext(v, n) < 0 ? ~UINT64_C(0) : 0);
}

static void xlat(SoftCpu *s, const SoftOp *op)
{
    uint64_t a = s->gpr[X86_RBX] + SOFT_REG(s, 0, uint8_t);
    uint64_t lin =
        soft_lin(s, op->seg, a & soft_asize_mask(op->asize), 1, false);

    SOFT_REG(s, 0, uint8_t) = soft_ld(s, lin, 1, s->mmu);
}

static void sahf(SoftCpu *s, const SoftOp *op)
{
    soft_set_status(s, 0xd5, SOFT_REG(s, 1, uint8_t));
}

static void lahf(SoftCpu *s, const SoftOp *op)
{
    SOFT_REG(s, 1, uint8_t) = (soft_flags(s) & 0xd5) | 2;
}

static void flag_op(SoftCpu *s, const SoftOp *op)
{
    switch (op->id) {
    case INSN_CLC:
        soft_set_status(s, X86_FLAG_CF, 0);
        break;
    case INSN_STC:
        soft_set_status(s, X86_FLAG_CF, X86_FLAG_CF);
        break;
    case INSN_CMC:
        soft_set_status(s, X86_FLAG_CF, ~soft_flags(s) & X86_FLAG_CF);
        break;
    case INSN_CLD:
        s->flags &= ~(uint64_t)X86_FLAG_DF;
        break;
    default:
        s->flags |= X86_FLAG_DF;
        break;
    }
}

static void salc(SoftCpu *s, const SoftOp *op)
{
    SOFT_REG(s, 0, uint8_t) = soft_flags(s) & X86_FLAG_CF ? 0xff : 0;
}

static SoftFn *select_mov(const SoftOp *op)
{
    const uint8_t *o = op->desc->op;
    unsigned v = soft_variant(op);

    if (o[0] == O_Ob || o[0] == O_Ov) {
        return mov_to_moffs;
    }
    if (o[1] == O_Ob || o[1] == O_Ov) {
        return mov_from_moffs;
    }
    if (o[1] == O_Ib || o[1] == O_Iz || o[1] == O_Iv) {
        return mov_imm_fns[v];
    }
    return o[0] == O_Gb || o[0] == O_Gv ? mov_load_fns[v] : mov_store_fns[v];
}

/* The guest's accesses are the host's, in the same order. */
static void fence(SoftCpu *s, const SoftOp *op)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* There is no cache, but the address has to be one that can be read. */
static void clflush(SoftCpu *s, const SoftOp *op)
{
    uint64_t lin = soft_ea_lin(s, op, 1, false);

    if (s->mode == 3 && !soft_canonical(s, lin)) {
        soft_raise_gp0(s);
    }
    soft_host_page(s, lin, SOFT_READ, s->mmu);
}

SoftFn *soft_select_move(const SoftOp *op)
{
    static SoftFn *const simple[INSN_COUNT] = {
        [INSN_SETCC] = setcc,      [INSN_NOP] = nop,
        [INSN_PAUSE] = pause_insn, [INSN_MOVBE] = movbe,
        [INSN_BSWAP] = bswap,      [INSN_MOVNTI] = movnti,
        [INSN_CBW] = cbw,          [INSN_CWD] = cwd,
        [INSN_XLAT] = xlat,        [INSN_SAHF] = sahf,
        [INSN_LAHF] = lahf,        [INSN_CLC] = flag_op,
        [INSN_STC] = flag_op,      [INSN_CMC] = flag_op,
        [INSN_CLD] = flag_op,      [INSN_STD] = flag_op,
        [INSN_SALC] = salc,        [INSN_FENCE] = fence,
        [INSN_CLFLUSH] = clflush,
    };
    unsigned v = soft_variant(op);

    switch (op->id) {
    case INSN_MOV:
        return select_mov(op);
    case INSN_MOVZX8:
        return movzx8_fns[v];
    case INSN_MOVZX16:
        return movzx16_fns[v];
    case INSN_MOVSX8:
        return movsx8_fns[v];
    case INSN_MOVSX16:
        return movsx16_fns[v];
    case INSN_MOVSXD:
        return movsxd_fns[v];
    case INSN_LEA:
        return lea_fns[v];
    case INSN_CMOVCC:
        return cmov_fns[v];
    default:
        return simple[op->id];
    }
}
