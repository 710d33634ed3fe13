/*
 * Status flags, computed when something reads them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/cpu.h"

static uint32_t flags_szp(const SoftCpu *s)
{
    uint32_t f = 0;

    f |= s->cc_res == 0 ? X86_FLAG_ZF : 0;
    f |= (s->cc_res >> (s->cc_bits - 1)) & 1 ? X86_FLAG_SF : 0;
    f |= __builtin_parity(s->cc_res & 0xff) ? 0 : X86_FLAG_PF;
    return f;
}

uint32_t soft_cc_compute(const SoftCpu *s)
{
    uint64_t a = s->cc_a;
    uint64_t b = s->cc_b;
    uint64_t r = s->cc_res;
    unsigned top = s->cc_bits - 1;
    bool sub = s->cc_op == CC_SUB || s->cc_op == CC_SBB || s->cc_op == CC_DEC;
    uint32_t f;
    uint64_t carry;
    uint64_t over;

    if (s->cc_op == CC_FLAGS) {
        return s->flags & 0x8d5;
    }
    if (s->cc_op == CC_HOST) {
        return (s->cc_host >> 8 & 0xd5) | (s->cc_host & 1 ? X86_FLAG_OF : 0);
    }
    f = flags_szp(s);
    if (s->cc_op == CC_LOGIC) {
        return f;
    }
    /* Carries out of each bit, as an adder has them. */
    carry = sub ? (~a & b) | ((~a | b) & r) : (a & b) | ((a | b) & ~r);
    over = sub ? (a ^ b) & (a ^ r) : (a ^ r) & (b ^ r);
    f |= (a ^ b ^ r) & X86_FLAG_AF;
    f |= (over >> top) & 1 ? X86_FLAG_OF : 0;
    if (s->cc_op == CC_INC || s->cc_op == CC_DEC) {
        f |= s->cc_cf ? X86_FLAG_CF : 0;
    } else {
        f |= (carry >> top) & 1 ? X86_FLAG_CF : 0;
    }
    return f;
}

static bool cond_sub(const SoftCpu *s, unsigned cc)
{
    unsigned sh = 64 - s->cc_bits;

    switch (cc) {
    case 1:
        return s->cc_a < s->cc_b;
    case 2:
        return s->cc_res == 0;
    case 3:
        return s->cc_a <= s->cc_b;
    case 6:
        return (int64_t)(s->cc_a << sh) < (int64_t)(s->cc_b << sh);
    default:
        return (int64_t)(s->cc_a << sh) <= (int64_t)(s->cc_b << sh);
    }
}

static bool cond_flags(uint32_t f, unsigned cc)
{
    bool lt = !(f & X86_FLAG_SF) != !(f & X86_FLAG_OF);

    switch (cc) {
    case 0:
        return f & X86_FLAG_OF;
    case 1:
        return f & X86_FLAG_CF;
    case 2:
        return f & X86_FLAG_ZF;
    case 3:
        return f & (X86_FLAG_ZF | X86_FLAG_CF);
    case 4:
        return f & X86_FLAG_SF;
    case 5:
        return f & X86_FLAG_PF;
    case 6:
        return lt;
    default:
        return lt || (f & X86_FLAG_ZF);
    }
}

bool soft_cond(const SoftCpu *s, unsigned cc)
{
    unsigned c = cc >> 1;
    bool r;

    if (s->cc_op != CC_FLAGS && s->cc_op != CC_HOST && c == 2) {
        r = s->cc_res == 0;
    } else if (s->cc_op == CC_SUB && c != 0 && c != 4 && c != 5) {
        r = cond_sub(s, c);
    } else {
        r = cond_flags(soft_cc_compute(s), c);
    }
    return r != (cc & 1);
}
