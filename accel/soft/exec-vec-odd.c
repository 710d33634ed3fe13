/*
 * Vector instructions whose memory operand is not one piece, and those that
 * concern the state as a whole.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"
#include "accel/soft/fpu.h"

static unsigned vl_of(const SoftOp *op)
{
    return op->flags & OPF_L ? 32 : 16;
}

/* VZEROUPPER, VZEROALL. */
static void vzero(SoftCpu *s, const SoftOp *op)
{
    unsigned n = s->mode == 3 ? 16 : 8;

    soft_need_sse(s, true);
    for (unsigned i = 0; i < n; i++) {
        unsigned keep = op->flags & OPF_L ? 0 : 16;

        memset(s->x->vec[i].b + keep, 0, 64 - keep);
    }
}

static bool top_bit(const uint8_t *p, unsigned n)
{
    return p[n - 1] & 0x80;
}

/* MASKMOVQ, MASKMOVDQU: to DS:rDI. */
static void maskmov(SoftCpu *s, const SoftOp *op)
{
    bool mmx = op->pp == 0;
    unsigned n = mmx ? 8 : 16;
    uint64_t ea = s->gpr[X86_RDI] & soft_asize_mask(op->asize);
    uint64_t lin;
    uint8_t v[16] = { 0 };
    uint8_t m[16] = { 0 };

    if (mmx) {
        soft_need_mmx(s);
        memcpy(v, &s->x->fpregs[op->reg & 7].mant, 8);
        memcpy(m, &s->x->fpregs[op->rm & 7].mant, 8);
    } else {
        soft_need_sse(s, op->flags & OPF_VEX);
        memcpy(v, &s->x->vec[op->reg], 16);
        memcpy(m, &s->x->vec[op->rm], 16);
    }
    lin = soft_lin(s, op->seg, ea, n, true);
    for (unsigned i = 0; i < n; i++) {
        if (m[i] & 0x80) {
            soft_probe_write(s, (lin + i) & s->lin_mask, 1, s->mmu);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        if (m[i] & 0x80) {
            soft_st(s, (lin + i) & s->lin_mask, v[i], 1, s->mmu);
        }
    }
    if (mmx) {
        soft_mmx_enter(s);
    }
}

/* VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ. */
static void vmaskmov(SoftCpu *s, const SoftOp *op)
{
    bool store = op->opcode == 0x2e || op->opcode == 0x2f || op->opcode == 0x8e;
    bool wide = op->opcode >= 0x8c ? op->flags & OPF_W
                                   : op->opcode == 0x2d || op->opcode == 0x2f;
    unsigned n = wide ? 8 : 4;
    const uint8_t *mask = s->x->vec[op->vvvv].b;
    uint64_t lin;
    X86Vec r = { .q = { 0 } };

    soft_need_sse(s, true);
    lin = soft_ea_lin(s, op, vl_of(op), store);
    for (unsigned i = 0; i < vl_of(op); i += n) {
        uint64_t at = (lin + i) & s->lin_mask;
        uint64_t v;

        if (!top_bit(mask + i, n)) {
            continue;
        }
        if (store) {
            soft_probe_write(s, at, n, s->mmu);
        } else {
            v = soft_ld(s, at, n, s->mmu);
            memcpy(r.b + i, &v, n);
        }
    }
    for (unsigned i = 0; store && i < vl_of(op); i += n) {
        uint64_t v = 0;

        if (top_bit(mask + i, n)) {
            memcpy(&v, s->x->vec[op->reg].b + i, n);
            soft_st(s, (lin + i) & s->lin_mask, v, n, s->mmu);
        }
    }
    if (!store) {
        memcpy(&s->x->vec[op->reg], &r, 32);
    }
}

/* VPGATHERxx, VGATHERxxx: element by element, so that a fault can resume. */
static void gather(SoftCpu *s, const SoftOp *op)
{
    unsigned es = op->flags & OPF_W ? 8 : 4;
    unsigned is = op->opcode & 1 ? 8 : 4;
    unsigned count = vl_of(op) / MAX(es, is);
    X86Vec *dst = &s->x->vec[op->reg];
    X86Vec *mask = &s->x->vec[op->vvvv];
    const X86Vec *idx = &s->x->vec[op->index];
    uint64_t base = SOFT_REG(s, op->base, uint64_t) + (int64_t)op->disp;

    soft_need_sse(s, true);
    if (op->reg == op->vvvv || op->reg == op->index || op->vvvv == op->index) {
        soft_raise(s, EXC_UD);
    }
    for (unsigned i = 0; i < count; i++) {
        int64_t k = is == 8 ? (int64_t)idx->q[i] : (int32_t)idx->d[i];
        uint64_t ea =
            (base + ((uint64_t)k << op->scale)) & soft_asize_mask(op->asize);

        if (top_bit(mask->b + i * es, es)) {
            uint64_t v =
                soft_ld(s, soft_lin(s, op->seg, ea, es, false), es, s->mmu);

            memcpy(dst->b + i * es, &v, es);
        }
        memset(mask->b + i * es, 0, es);
    }
    memset(dst->b + count * es, 0, 32 - count * es);
    memset(mask->b, 0, 32);
}

static void emms(SoftCpu *s, const SoftOp *op)
{
    soft_need_mmx(s);
    s->x->fptag = 0;
}

static void ldmxcsr(SoftCpu *s, const SoftOp *op)
{
    uint32_t v;

    soft_need_sse(s, false);
    v = soft_rm_get(s, op, 4, true);
    if (v >> 16) {
        soft_raise_gp0(s);
    }
    s->x->mxcsr = v;
    soft_update_key(s);
}

static void stmxcsr(SoftCpu *s, const SoftOp *op)
{
    soft_need_sse(s, false);
    soft_rm_set(s, op, 4, true, s->x->mxcsr);
}

SoftFn *soft_select_vector_odd(const SoftOp *op)
{
    switch (op->id) {
    case INSN_VZERO:
        return vzero;
    case INSN_MASKMOVQ:
        return maskmov;
    case INSN_VMASKMOV:
        return vmaskmov;
    case INSN_GATHER:
        return gather;
    case INSN_EMMS:
        return emms;
    case INSN_LDMXCSR:
        return ldmxcsr;
    case INSN_STMXCSR:
        return stmxcsr;
    default:
        return NULL;
    }
}
