/*
 * MMX, SSE and AVX: operands in, host instruction, result out.
 *
 * Availability: SDM volume 3, 13.1 and 2.5; alignment: volume 1, 14.9;
 * SIMD floating-point exceptions: volume 1, 11.5.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"
#include "accel/soft/fpu.h"
#include "accel/soft/stub.h"

enum { MXCSR_FLAGS = 0x3f, MXCSR_MASKS = 0x1f80, MXCSR_VALID = 0xffff };

void soft_need_x87(SoftCpu *s)
{
    if (s->x->cr[0] & (X86_CR0_EM | X86_CR0_TS)) {
        soft_raise(s, EXC_NM);
    }
}

void soft_need_mmx(SoftCpu *s)
{
    if (s->x->cr[0] & X86_CR0_EM) {
        soft_raise(s, EXC_UD);
    }
    if (s->x->cr[0] & X86_CR0_TS) {
        soft_raise(s, EXC_NM);
    }
    soft_x87_pending(s);
}

void soft_need_sse(SoftCpu *s, bool avx)
{
    const X86Cpu *x = s->x;
    uint64_t want = X86_XCR0_SSE | X86_XCR0_AVX;

    if (avx) {
        if (!(x->cr[4] & X86_CR4_OSXSAVE) || (x->xcr0 & want) != want) {
            soft_raise(s, EXC_UD);
        }
    } else if ((x->cr[0] & X86_CR0_EM) || !(x->cr[4] & X86_CR4_OSFXSR)) {
        soft_raise(s, EXC_UD);
    }
    if (x->cr[0] & X86_CR0_TS) {
        soft_raise(s, EXC_NM);
    }
}

void soft_mmx_enter(SoftCpu *s)
{
    s->x->fpus &= ~0x3800; /* TOP = 0 */
    s->x->fptag = 0xff;
}

/* Bytes of an operand in memory. */
static unsigned operand_bytes(const SoftOp *op, unsigned o)
{
    unsigned vl = op->flags & OPF_L ? 32 : 16;

    switch (o) {
    case O_Eb:
    case O_Wb:
        return 1;
    case O_Ew:
    case O_Ww:
        return 2;
    case O_Ed:
    case O_Qd:
    case O_Md:
        return 4;
    case O_Wd:
        return (op->desc->flags & DF_D32) && (op->flags & OPF_W) ? 8 : 4;
    case O_Ey:
        return op->size == 3 ? 8 : 4;
    case O_Pq:
    case O_Qq:
    case O_Nq:
    case O_Mq:
        return 8;
    case O_Wq:
        /* MOVDDUP of 256 bits takes all of them. */
        return vl == 32 && op->map == 2 && op->opcode == 0x12 ? 32 : 8;
    case O_Wh:
        return vl / 2;
    case O_Wf:
        return vl / 4;
    case O_We:
        return vl / 8;
    case O_Vo:
    case O_Wo:
    case O_Mo:
    case O_Uo:
        return 16;
    default:
        return vl;
    }
}

static bool is_rm(unsigned o)
{
    return (o >= O_Eb && o <= O_Eq) || (o >= O_Rv && o <= O_My) ||
           (o >= O_Qq && o <= O_Nq) || (o >= O_Wx && o <= O_Mo);
}

static bool is_mmx(unsigned o)
{
    return o >= O_Pq && o <= O_Nq;
}

static bool is_gpr(unsigned o)
{
    return o >= O_Eb && o <= O_My;
}

/* What the instruction is about, found once per execution. */
typedef struct VecOp {
    unsigned rm;       /* kind of the operand by ModRM.rm */
    unsigned rm_bytes; /* in memory */
    bool rm_dest;
    bool mmx;
    uint64_t lin;
} VecOp;

static VecOp vec_operands(const SoftOp *op)
{
    VecOp v = { 0 };

    for (unsigned i = 0; i < 4; i++) {
        unsigned o = op->desc->op[i];

        v.mmx = v.mmx || is_mmx(o);
        if (is_rm(o)) {
            v.rm = o;
            v.rm_bytes = operand_bytes(op, o);
            v.rm_dest = i == 0 && !(op->desc->flags & DF_NOWR);
        }
    }
    return v;
}

static bool wants_aligned(const SoftOp *op, const VecOp *v)
{
    uint32_t fl = op->desc->flags;

    return op->flags & OPF_VEX ? fl & DF_ALGN
                               : v->rm_bytes == 16 && !(fl & DF_UNAL);
}

unsigned soft_vec_memory(const SoftOp *op, bool *ret_write, bool *ret_aligned)
{
    VecOp v = vec_operands(op);

    *ret_write = v.rm_dest;
    *ret_aligned = wants_aligned(op, &v);
    return v.rm_bytes;
}

static void vec_memory(SoftCpu *s, const SoftOp *op, VecOp *v, SoftVecCtx *c)
{
    bool aligned = wants_aligned(op, v);

    v->lin = soft_ea_lin(s, op, v->rm_bytes, v->rm_dest);
    if (aligned && (v->lin & (v->rm_bytes - 1))) {
        soft_raise_gp0(s);
    }
    if (v->rm_dest) {
        soft_probe_write(s, v->lin, v->rm_bytes, s->mmu);
    } else {
        soft_load_bytes(s, v->lin, c->m, v->rm_bytes);
    }
}

static void vec_load(SoftCpu *s, const SoftOp *op, VecOp *v, SoftVecCtx *c)
{
    X86Cpu *x = s->x;
    unsigned reg = v->rm == op->desc->op[0] ? op->desc->op[1] : op->desc->op[0];

    if (op->flags & OPF_MEM) {
        vec_memory(s, op, v, c);
    } else if (is_gpr(v->rm)) {
        c->gm = soft_reg_get(s, op->rm, 8);
    } else if (is_mmx(v->rm)) {
        memcpy(c->m, &x->fpregs[op->rm & 7].mant, 8);
    } else {
        memcpy(c->m, &x->vec[op->rm & 15], 32);
    }
    if (v->mmx && op->desc->op[0] != O_Vo && reg != O_Vo && !is_gpr(reg)) {
        memcpy(c->r, &x->fpregs[op->reg & 7].mant, 8);
    } else if (!is_gpr(reg) || op->vvvv) {
        memcpy(c->r, &x->vec[op->reg & 15], 32);
    }
    memcpy(c->v, &x->vec[op->vvvv & 15], 32);
    memcpy(c->x3, &x->vec[(op->imm >> 4) & (s->mode == 3 ? 15 : 7)], 32);
    memcpy(c->x0, &x->vec[0], 32);
    if (op->desc->flags & DF_STR) {
        c->gr = s->gpr[X86_RAX];
        c->gm = s->gpr[X86_RDX];
        if (!(op->flags & OPF_W)) {
            c->gr = (uint32_t)c->gr;
            c->gm = (uint32_t)c->gm;
        }
    }
}

static void vec_set(SoftCpu *s, const SoftOp *op, unsigned n, const uint8_t *v)
{
    memcpy(&s->x->vec[n & 15], v, op->flags & OPF_VEX ? 32 : 16);
}

static void mmx_set(SoftCpu *s, unsigned n, const uint8_t *v)
{
    memcpy(&s->x->fpregs[n & 7].mant, v, 8);
    s->x->fpregs[n & 7].exp = 0xffff;
}

static void vec_store(SoftCpu *s, const SoftOp *op, const VecOp *v,
                      const SoftVecCtx *c)
{
    unsigned o = op->desc->op[0];
    /* Shifts by an immediate: the destination is vvvv, or rm without VEX. */
    bool shift = o == O_Hx;

    if (op->desc->flags & DF_NOWR) {
        return;
    }
    if (shift && (op->flags & OPF_VEX)) {
        vec_set(s, op, op->vvvv, c->v);
    } else if (shift) {
        vec_set(s, op, op->rm, c->m);
    } else if (v->rm_dest && (op->flags & OPF_MEM)) {
        soft_store_bytes(s, v->lin, c->m, v->rm_bytes);
    } else if (is_gpr(o)) {
        soft_reg_set(s, v->rm_dest ? op->rm : op->reg, op->size == 3 ? 8 : 4,
                     v->rm_dest ? c->gm : c->gr);
    } else if (is_mmx(o)) {
        mmx_set(s, v->rm_dest ? op->rm : op->reg, v->rm_dest ? c->m : c->r);
    } else {
        vec_set(s, op, v->rm_dest ? op->rm : op->reg, v->rm_dest ? c->m : c->r);
    }
}

/* Flags that came up; an unmasked one keeps the result away. */
static void vec_exceptions(SoftCpu *s, uint32_t new)
{
    uint32_t old = s->x->mxcsr;

    s->x->mxcsr |= new;
    if (new & ~(old >> 7) & MXCSR_FLAGS) {
        soft_raise(s, s->x->cr[4] & X86_CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
    }
}

static void string_results(SoftCpu *s, const SoftOp *op, const SoftVecCtx *c)
{
    if (op->opcode & 1) {
        s->gpr[X86_RCX] = (uint32_t)c->rcx;
    } else {
        vec_set(s, op, 0, c->x0);
    }
}

static void vec_exec(SoftCpu *s, const SoftOp *op)
{
    uint32_t fl = op->desc->flags;
    VecOp v = vec_operands(op);
    SoftVecCtx c;

    memset(&c, 0, sizeof(c));
    c.mxcsr_host = __builtin_ia32_stmxcsr();
    c.mxcsr = ((s->x->mxcsr | MXCSR_MASKS) & ~MXCSR_FLAGS) & MXCSR_VALID;
    if (v.mmx) {
        soft_need_mmx(s);
    }
    if (!v.mmx || op->desc->feat >= FT_SSE2) {
        soft_need_sse_or_mmx(s, op->flags & OPF_VEX, v.mmx);
    }
    vec_load(s, op, &v, &c);
    ((SoftVecStub *)op->stub)(&c);
    if (fl & DF_FP) {
        vec_exceptions(s, c.mxcsr & MXCSR_FLAGS);
    }
    vec_store(s, op, &v, &c);
    if (fl & DF_STR) {
        string_results(s, op, &c);
    }
    if (fl & DF_FLAGS) {
        soft_set_status(s, 0x8d5, c.flags);
    }
    if (v.mmx) {
        soft_mmx_enter(s);
    }
}

SoftFn *soft_select_vector(const SoftOp *op)
{
    return op->id == INSN_VEC ? vec_exec : soft_select_vector_odd(op);
}
