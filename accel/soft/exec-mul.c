/*
 * Multiplication, division and decimal adjustment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"

typedef unsigned __int128 U128;
typedef __int128 S128;

static void set_cf_of(SoftCpu *s, bool on)
{
    const uint32_t f = X86_FLAG_CF | X86_FLAG_OF;

    soft_set_status(s, f, on ? f : 0);
}

/* AX, or rDX:rAX. */
static void wide_set(SoftCpu *s, unsigned n, U128 v)
{
    if (n == 1) {
        soft_reg_set(s, X86_RAX * 8, 2, v);
    } else {
        soft_reg_set(s, X86_RAX * 8, n, v);
        soft_reg_set(s, X86_RDX * 8, n, v >> (n * 8));
    }
}

static U128 wide_get(const SoftCpu *s, unsigned n)
{
    if (n == 1) {
        return soft_reg_get(s, X86_RAX * 8, 2);
    }
    return soft_reg_get(s, X86_RAX * 8, n) |
           (U128)soft_reg_get(s, X86_RDX * 8, n) << (n * 8);
}

static void mul(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t e = soft_rm_get(s, op, n, soft_is_mem(op));
    U128 p = (U128)e * soft_reg_get(s, X86_RAX * 8, n);

    wide_set(s, n, p);
    set_cf_of(s, (p >> (n * 8)) != 0);
}

static void imul1(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t e = soft_rm_get(s, op, n, soft_is_mem(op));
    S128 p =
        (S128)soft_sext(e, n) * soft_sext(soft_reg_get(s, X86_RAX * 8, n), n);

    wide_set(s, n, p);
    set_cf_of(s, p != soft_sext((uint64_t)p, n));
}

static void imul23(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t e = soft_rm_get(s, op, n, soft_is_mem(op));
    int64_t b = op->id == INSN_IMUL3
                    ? (int64_t)op->imm
                    : soft_sext(soft_reg_get(s, op->reg, n), n);
    S128 p = (S128)soft_sext(e, n) * b;

    soft_reg_set(s, op->reg, n, p);
    set_cf_of(s, p != soft_sext((uint64_t)p, n));
}

static void divide_set(SoftCpu *s, unsigned n, uint64_t q, uint64_t r)
{
    if (n == 1) {
        soft_reg_set(s, X86_RAX * 8, 2, (q & 0xff) | (r & 0xff) << 8);
    } else {
        soft_reg_set(s, X86_RAX * 8, n, q);
        soft_reg_set(s, X86_RDX * 8, n, r);
    }
}

static void mul_divide(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t d = soft_rm_get(s, op, n, soft_is_mem(op));
    U128 a = wide_get(s, n);

    if (d == 0 || a / d > soft_mask(n)) {
        soft_raise(s, EXC_DE);
    }
    divide_set(s, n, a / d, a % d);
}

static void idivide(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    int64_t d = soft_sext(soft_rm_get(s, op, n, soft_is_mem(op)), n);
    U128 raw = wide_get(s, n);
    unsigned sh = 128 - n * 16;
    S128 a = (S128)(raw << sh) >> sh;
    bool neg = (a < 0) != (d < 0);
    U128 ua = a < 0 ? -(U128)a : (U128)a;
    U128 ud = d < 0 ? -(U128)(S128)d : (U128)d;
    U128 q;
    U128 r;

    if (d == 0) {
        soft_raise(s, EXC_DE);
    }
    q = ua / ud;
    r = ua % ud;
    if (q > (soft_mask(n) >> 1) + (neg ? 1 : 0)) {
        soft_raise(s, EXC_DE);
    }
    divide_set(s, n, neg ? -(uint64_t)q : (uint64_t)q,
               a < 0 ? -(uint64_t)r : (uint64_t)r);
}

static uint32_t mul_szp8(uint8_t r)
{
    return (r == 0 ? X86_FLAG_ZF : 0) | (r & 0x80 ? X86_FLAG_SF : 0) |
           (__builtin_parity(r) ? 0 : X86_FLAG_PF);
}

static void daa_das(SoftCpu *s, const SoftOp *op)
{
    uint32_t f = soft_flags(s);
    uint8_t al = SOFT_REG(s, 0, uint8_t);
    uint8_t old = al;
    int sign = op->id == INSN_DAA ? 1 : -1;
    uint32_t out = 0;

    if ((al & 15) > 9 || (f & X86_FLAG_AF)) {
        out |= X86_FLAG_AF;
        if (sign < 0 && (al < 6 || (f & X86_FLAG_CF))) {
            out |= X86_FLAG_CF;
        }
        al += 6 * sign;
    }
    if (old > 0x99 || (f & X86_FLAG_CF)) {
        al += 0x60 * sign;
        out |= X86_FLAG_CF;
    }
    SOFT_REG(s, 0, uint8_t) = al;
    soft_set_status(s, 0x8d5, out | mul_szp8(al));
}

static void aaa_aas(SoftCpu *s, const SoftOp *op)
{
    uint16_t ax = SOFT_REG(s, 0, uint16_t);
    uint32_t out = 0;

    if ((ax & 15) > 9 || (soft_flags(s) & X86_FLAG_AF)) {
        ax = op->id == INSN_AAA ? ax + 0x106 : ax - 0x106;
        out = X86_FLAG_AF | X86_FLAG_CF;
    }
    SOFT_REG(s, 0, uint16_t) = ax & 0xff0f;
    soft_set_status(s, 0x8d5, out | mul_szp8(ax & 0x0f));
}

static void aam(SoftCpu *s, const SoftOp *op)
{
    uint8_t al = SOFT_REG(s, 0, uint8_t);
    uint8_t b = op->imm;

    if (b == 0) {
        soft_raise(s, EXC_DE);
    }
    SOFT_REG(s, 0, uint16_t) = (al / b) << 8 | al % b;
    soft_set_status(s, 0x8d5, mul_szp8(al % b));
}

static void aad(SoftCpu *s, const SoftOp *op)
{
    uint16_t ax = SOFT_REG(s, 0, uint16_t);
    uint8_t r = (ax & 0xff) + (ax >> 8) * (op->imm & 0xff);

    SOFT_REG(s, 0, uint16_t) = r;
    soft_set_status(s, 0x8d5, mul_szp8(r));
}

SoftFn *soft_select_mul(const SoftOp *op)
{
    switch (op->id) {
    case INSN_MUL:
        return mul;
    case INSN_IMUL1:
        return imul1;
    case INSN_IMUL2:
    case INSN_IMUL3:
        return imul23;
    case INSN_DIV:
        return mul_divide;
    case INSN_IDIV:
        return idivide;
    case INSN_DAA:
    case INSN_DAS:
        return daa_das;
    case INSN_AAA:
    case INSN_AAS:
        return aaa_aas;
    case INSN_AAM:
        return aam;
    case INSN_AAD:
        return aad;
    default:
        return NULL;
    }
}
