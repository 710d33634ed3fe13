/*
 * x87: arithmetic by the host's own unit, at its full precision.
 *
 * The host runs with all exceptions masked; what an unmasked one would have
 * prevented is undone afterwards.  (Unmasked overflow and underflow leave
 * the masked result, not the scaled one.)
 *
 * With CR0.NE clear an exception is told to the board (IRQ 13) by the next
 * instruction that waits for it, and that instruction is not executed until
 * the board says IGNNE#, or the exception is cleared.
 *
 * Intel SDM volume 1, chapter 8 and appendix D; volume 2, FXSAVE (area),
 * FSTENV, FSAVE.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"
#include "accel/soft/fpu.h"
#include "accel/soft/stub.h"
#include "target/i386/xsave.h"

enum {
    FSW_ES = 1 << 7,
    FSW_FLAGS = 0x7f,
    FSW_BUSY = 1 << 15,
    FCW_MASKS = 0x3f,
};

static unsigned top_of(const X86Cpu *x)
{
    return (x->fpus >> 11) & 7;
}

void soft_x87_pending(SoftCpu *s)
{
    if (likely(!(s->x->fpus & FSW_ES))) {
        return;
    }
    if (s->x->cr[0] & X86_CR0_NE) {
        soft_raise(s, EXC_MF);
    }
    if (__atomic_load_n(&s->ignne, __ATOMIC_RELAXED)) {
        return;
    }
    if (!s->irq || !s->irq->ferr || !s->irq->ferr(s, s->irq_opaque)) {
        soft_raise(s, EXC_MF); /* better than to wait for ever */
    }
    /* The instruction waits for IGNNE#, or for an interrupt. */
    longjmp(s->env, SOFT_JMP_STOP);
}

void soft_x87_to_area(const X86Cpu *x, uint8_t *fx)
{
    memcpy(fx, &x->fpuc, 2);
    memcpy(fx + 2, &x->fpus, 2);
    fx[4] = x->fptag;
    memcpy(fx + 6, &x->fpop, 2);
    memcpy(fx + 8, &x->fpip, 8);
    memcpy(fx + 16, &x->fpdp, 8);
    for (unsigned i = 0; i < 8; i++) {
        const X86FpReg *r = &x->fpregs[(top_of(x) + i) & 7];

        memcpy(fx + 32 + i * 16, &r->mant, 8);
        memcpy(fx + 40 + i * 16, &r->exp, 2);
    }
}

void soft_x87_from_area(X86Cpu *x, const uint8_t *fx)
{
    memcpy(&x->fpuc, fx, 2);
    memcpy(&x->fpus, fx + 2, 2);
    x->fptag = fx[4];
    for (unsigned i = 0; i < 8; i++) {
        X86FpReg *r = &x->fpregs[(top_of(x) + i) & 7];

        memcpy(&r->mant, fx + 32 + i * 16, 8);
        memcpy(&r->exp, fx + 40 + i * 16, 2);
    }
}

/* Memory operand of D8 to DF by ModRM.reg; `st`: it is written. */
typedef struct X87Mem {
    uint8_t bytes;
    bool st;
} X87Mem;

static const X87Mem x87_mem[8][8] = {
    { { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 } },
    { { 4, 0 },
      { 0, 0 },
      { 4, 1 },
      { 4, 1 },
      { 0, 0 },
      { 0, 0 },
      { 0, 0 },
      { 0, 0 } },
    { { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 },
      { 4, 0 } },
    { { 4, 0 },
      { 4, 1 },
      { 4, 1 },
      { 4, 1 },
      { 0, 0 },
      { 10, 0 },
      { 0, 0 },
      { 10, 1 } },
    { { 8, 0 },
      { 8, 0 },
      { 8, 0 },
      { 8, 0 },
      { 8, 0 },
      { 8, 0 },
      { 8, 0 },
      { 8, 0 } },
    { { 8, 0 },
      { 8, 1 },
      { 8, 1 },
      { 8, 1 },
      { 0, 0 },
      { 0, 0 },
      { 0, 0 },
      { 0, 0 } },
    { { 2, 0 },
      { 2, 0 },
      { 2, 0 },
      { 2, 0 },
      { 2, 0 },
      { 2, 0 },
      { 2, 0 },
      { 2, 0 } },
    { { 2, 0 },
      { 2, 1 },
      { 2, 1 },
      { 2, 1 },
      { 10, 0 },
      { 8, 0 },
      { 10, 1 },
      { 8, 1 } },
};

/* Encodings that a processor refuses. */
static bool x87_undefined(const SoftOp *op)
{
    unsigned row = op->opcode & 7;
    unsigned r = (op->modrm >> 3) & 7;
    unsigned m = op->modrm;

    if (op->flags & OPF_MEM) {
        return (row == 1 && r == 1) || (row == 3 && (r == 4 || r == 6)) ||
               (row == 5 && r == 5);
    }
    switch (row) {
    case 1:
        return (r == 2 && m != 0xd0) || m == 0xe2 || m == 0xe3 || m == 0xe6 ||
               m == 0xe7 || m == 0xef;
    case 2:
        return r >= 4 && m != 0xe9;
    case 3:
        return r == 7 || (r == 4 && m >= 0xe5);
    case 5:
        return r >= 6;
    case 6:
        return r == 3 && m != 0xd9;
    case 7:
        return (r == 4 && m != 0xe0) || r == 7;
    default:
        return false;
    }
}

static void note_pointers(SoftCpu *s, const SoftOp *op)
{
    s->x->fpip = s->rip;
    s->x->fpop = (op->opcode & 7) << 8 | op->modrm;
    if (op->flags & OPF_MEM) {
        s->x->fpdp = soft_ea(s, op);
    }
}

static void set_summary(SoftCpu *s)
{
    X86Cpu *x = s->x;
    bool es = x->fpus & ~x->fpuc & FCW_MASKS;

    if (unlikely(es && !(x->fpus & FSW_ES))) {
        /* The flip-flop behind it was reset when FERR# went away. */
        __atomic_store_n(&s->ignne, false, __ATOMIC_RELAXED);
    }
    x->fpus &= ~(FSW_ES | FSW_BUSY);
    x->fpus |= es ? FSW_ES | FSW_BUSY : 0;
}

static void x87_exec(SoftCpu *s, const SoftOp *op)
{
    X86Cpu *x = s->x;
    X87Mem mem = x87_mem[op->opcode & 7][(op->modrm >> 3) & 7];
    uint16_t cw = x->fpuc;
    uint16_t old = x->fpus & FSW_FLAGS;
    uint16_t now;
    uint64_t lin = 0;
    SoftX87Ctx c;

    soft_need_x87(s);
    soft_x87_pending(s);
    memset(&c, 0, sizeof(c));
    soft_x87_to_area(x, c.fx);
    c.fx[0] |= FCW_MASKS;
    c.fx[2] = 0;
    c.fx[3] &= 0x7f;
    c.fx[24] = 0x80; /* MXCSR: the host's default, 0x1f80 */
    c.fx[25] = 0x1f;
    c.flags = (soft_flags(s) & 0x8d5) | 2;
    if (op->flags & OPF_MEM) {
        lin = soft_ea_lin(s, op, mem.bytes, mem.st);
        if (mem.st) {
            soft_probe_write(s, lin, mem.bytes, s->mmu);
        } else {
            soft_load_bytes(s, lin, c.m, mem.bytes);
        }
    }
    ((SoftX87Stub *)op->stub)(&c);
    note_pointers(s, op);
    now = c.fx[2] & FSW_FLAGS;
    if (now & ~cw & 7) {
        /* Invalid, denormal or divide by zero: nothing is changed. */
        x->fpus = (x->fpus & 0xff80) | old | now;
        set_summary(s);
        return;
    }
    soft_x87_from_area(x, c.fx);
    x->fpuc = cw;
    x->fpus = (x->fpus & ~FSW_FLAGS) | old | now;
    set_summary(s);
    if (mem.st && (op->flags & OPF_MEM)) {
        soft_store_bytes(s, lin, c.m, mem.bytes);
    }
    if (((op->opcode & 3) == 3 && !(op->flags & OPF_MEM)) &&
        (op->opcode == 0xdb || op->opcode == 0xdf)) {
        soft_set_status(s, 0x8d5, c.flags); /* FCOMI and the like */
    }
}

static void x87_ud(SoftCpu *s, const SoftOp *op)
{
    soft_need_x87(s);
    soft_raise(s, EXC_UD);
}

static unsigned env_bytes(const SoftOp *op)
{
    return op->size == 1 ? 14 : 28;
}

/* Two bits per register: valid, zero, special, empty. */
static uint16_t full_tags(const X86Cpu *x)
{
    uint16_t t = 0;

    for (unsigned i = 0; i < 8; i++) {
        const X86FpReg *r = &x->fpregs[i];
        unsigned e = r->exp & 0x7fff;
        unsigned v = 0;

        if (!(x->fptag >> i & 1)) {
            v = 3;
        } else if (e == 0 && r->mant == 0) {
            v = 1;
        } else if (e == 0 || e == 0x7fff || !(r->mant >> 63)) {
            v = 2;
        }
        t |= v << (2 * i);
    }
    return t;
}

/* Protected-mode layout; selectors are not kept (read as zero). */
static void env_store(SoftCpu *s, const SoftOp *op, uint64_t lin)
{
    const X86Cpu *x = s->x;
    unsigned n = op->size == 1 ? 2 : 4;
    uint32_t hi = n == 4 ? 0xffff0000 : 0;
    uint32_t w[7] = { x->fpuc | hi,
                      x->fpus | hi,
                      full_tags(x) | hi,
                      x->fpip,
                      (uint32_t)x->fpop << 16,
                      x->fpdp,
                      hi };

    soft_probe_write(s, lin, env_bytes(op), s->mmu);
    for (unsigned i = 0; i < 7; i++) {
        soft_st(s, (lin + i * n) & s->lin_mask, w[i], n, s->mmu);
    }
}

static void env_load(SoftCpu *s, const SoftOp *op, uint64_t lin)
{
    X86Cpu *x = s->x;
    unsigned n = op->size == 1 ? 2 : 4;
    uint32_t w[7];

    for (unsigned i = 0; i < 7; i++) {
        w[i] = soft_ld(s, (lin + i * n) & s->lin_mask, n, s->mmu);
    }
    x->fpuc = (w[0] & 0x1f7f) | 0x40;
    x->fpus = w[1];
    x->fptag = 0;
    for (unsigned i = 0; i < 8; i++) {
        x->fptag |= (w[2] >> (2 * i) & 3) == 3 ? 0 : 1 << i;
    }
    x->fpip = w[3];
    x->fpdp = w[5];
    x->fpop = n == 4 ? (w[4] >> 16) & 0x7ff : 0;
    set_summary(s);
}

static void regs_move(SoftCpu *s, uint64_t lin, bool store)
{
    for (unsigned i = 0; i < 8; i++) {
        X86FpReg *r = &s->x->fpregs[(top_of(s->x) + i) & 7];
        uint64_t at = (lin + i * 10) & s->lin_mask;

        if (store) {
            soft_st(s, at, r->mant, 8, s->mmu);
            soft_st(s, (at + 8) & s->lin_mask, r->exp, 2, s->mmu);
        } else {
            r->mant = soft_ld(s, at, 8, s->mmu);
            r->exp = soft_ld(s, (at + 8) & s->lin_mask, 2, s->mmu);
        }
    }
}

static void x87_init(X86Cpu *x)
{
    x->fpuc = 0x37f;
    x->fpus = 0;
    x->fptag = 0;
    x->fpip = x->fpdp = 0;
    x->fpop = 0;
}

static void x87_environment(SoftCpu *s, const SoftOp *op)
{
    X86Cpu *x = s->x;
    unsigned which = (op->opcode & 7) << 4 | ((op->modrm >> 3) & 7);
    unsigned n = env_bytes(op);
    bool store = which == 0x16 || which == 0x56;
    uint64_t lin;

    soft_need_x87(s);
    if (which == 0x14 || which == 0x54) {
        soft_x87_pending(s);
    }
    lin = soft_ea_lin(s, op, which >= 0x50 ? n + 80 : n, store);
    if (which >= 0x50 && store) {
        soft_probe_write(s, lin, n + 80, s->mmu);
    }
    if (store) {
        env_store(s, op, lin);
    } else {
        env_load(s, op, lin);
    }
    if (which >= 0x50) {
        regs_move(s, (lin + n) & s->lin_mask, store);
    }
    if (which == 0x16) {
        x->fpuc |= FCW_MASKS;
        set_summary(s);
    } else if (which == 0x56) {
        x87_init(x);
    }
}

static void x87_control(SoftCpu *s, const SoftOp *op)
{
    X86Cpu *x = s->x;

    soft_need_x87(s);
    if (op->opcode == 0xd9 && ((op->modrm >> 3) & 7) == 5) { /* FLDCW */
        soft_x87_pending(s);
        x->fpuc = (soft_rm_get(s, op, 2, true) & 0x1f7f) | 0x40;
        set_summary(s);
    } else if (op->opcode == 0xd9) { /* FNSTCW */
        soft_rm_set(s, op, 2, true, x->fpuc);
    } else if (op->opcode == 0xdd) { /* FNSTSW */
        soft_rm_set(s, op, 2, true, x->fpus);
    } else if (op->opcode == 0xdf) { /* FNSTSW AX */
        SOFT_REG(s, 0, uint16_t) = x->fpus;
    } else if (op->modrm == 0xe2) { /* FNCLEX */
        x->fpus &= ~(FSW_ES | FSW_BUSY | FSW_FLAGS);
    } else if (op->modrm == 0xe3) { /* FNINIT */
        x87_init(x);
    }
    /* FENI, FDISI, FSETPM: nothing since the 80387. */
}

static void fwait(SoftCpu *s, const SoftOp *op)
{
    const uint64_t both = X86_CR0_MP | X86_CR0_TS;

    if ((s->x->cr[0] & both) == both) {
        soft_raise(s, EXC_NM);
    }
    soft_x87_pending(s);
}

SoftFn *soft_select_x87(const SoftOp *op)
{
    unsigned row = op->opcode & 7;
    unsigned r = (op->modrm >> 3) & 7;
    bool mem = op->flags & OPF_MEM;

    if (op->id == INSN_FWAIT) {
        return fwait;
    }
    if (op->id != INSN_X87) {
        return NULL;
    }
    if (x87_undefined(op)) {
        return x87_ud;
    }
    if (mem && ((row == 1 && (r == 4 || r == 6)) ||
                (row == 5 && (r == 4 || r == 6)))) {
        return x87_environment;
    }
    if ((mem && row == 1 && r >= 4) || (mem && row == 5 && r == 7) ||
        (!mem && row == 3 && r == 4) || (!mem && row == 7 && r == 4)) {
        return x87_control;
    }
    return x87_exec;
}
