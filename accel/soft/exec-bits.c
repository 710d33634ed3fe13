/*
 * Shifts, rotates, bit tests and scans, BMI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"

enum { F_CF = X86_FLAG_CF, F_OF = X86_FLAG_OF };

typedef struct Shift {
    uint64_t r;
    bool cf, of;
} Shift;

static bool bits_msb(uint64_t v, unsigned bits)
{
    return (v >> (bits - 1)) & 1;
}

/* count: 1 to 31 (63); a: `bits` wide. */
static Shift shift_plain(unsigned id, uint64_t a, unsigned c, unsigned bits)
{
    uint64_t m = soft_mask(bits / 8);
    Shift h = { 0 };

    if (id == INSN_SAR) {
        int64_t v = soft_sext(a, bits / 8);

        h.cf = (v >> MIN(c - 1, 63)) & 1;
        h.r = (uint64_t)(v >> MIN(c, 63)) & m;
    } else if (id == INSN_SHR) {
        h.cf = c <= bits && (a >> (c - 1)) & 1;
        h.r = c < bits ? a >> c : 0;
        h.of = bits_msb(a, bits);
    } else {
        h.cf = c <= bits && (a >> (bits - c)) & 1;
        h.r = c < bits ? (a << c) & m : 0;
        h.of = bits_msb(h.r, bits) != h.cf;
    }
    return h;
}

static Shift shift_rotate(unsigned id, uint64_t a, unsigned c, unsigned bits)
{
    uint64_t m = soft_mask(bits / 8);
    unsigned k = c % bits;
    Shift h = { .r = a };

    if (id == INSN_ROL) {
        h.r = k ? ((a << k) | (a >> (bits - k))) & m : a;
        h.cf = h.r & 1;
        h.of = bits_msb(h.r, bits) != h.cf;
    } else {
        h.r = k ? ((a >> k) | (a << (bits - k))) & m : a;
        h.cf = bits_msb(h.r, bits);
        h.of = bits_msb(h.r, bits) != (bool)((h.r >> (bits - 2)) & 1);
    }
    return h;
}

static Shift shift_carry(unsigned id, uint64_t a, unsigned c, unsigned bits,
                         bool cf)
{
    Shift h = { .r = a, .cf = cf };
    unsigned k = c % (bits + 1);

    for (unsigned i = 0; i < k; i++) {
        bool in = h.cf;

        if (id == INSN_RCL) {
            h.cf = bits_msb(h.r, bits);
            h.r = (h.r << 1 | in) & soft_mask(bits / 8);
        } else {
            h.cf = h.r & 1;
            h.r = h.r >> 1 | (uint64_t)in << (bits - 1);
        }
    }
    h.of = id == INSN_RCL
               ? bits_msb(h.r, bits) != h.cf
               : bits_msb(h.r, bits) != (bool)((h.r >> (bits - 2)) & 1);
    return h;
}

static uint32_t bits_szp(uint64_t r, unsigned bits)
{
    return (r == 0 ? X86_FLAG_ZF : 0) | (bits_msb(r, bits) ? X86_FLAG_SF : 0) |
           (__builtin_parity(r & 0xff) ? 0 : X86_FLAG_PF);
}

static void bits_shift(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    unsigned bits = n * 8;
    unsigned o = op->desc->op[1];
    unsigned c = o == O_Ib ? op->imm : o == O_CL ? s->gpr[X86_RCX] : 1;
    bool rot = op->id <= INSN_RCR;
    bool mem = soft_is_mem(op);
    uint64_t lin = mem ? soft_ea_lin(s, op, n, true) : 0;
    uint64_t a = mem ? soft_rmw_get(s, lin, n) : soft_reg_get(s, op->rm, n);
    Shift h;

    c &= n == 8 ? 63 : 31;
    if (c == 0) {
        if (!mem) {
            soft_reg_set(s, op->rm, n, a);
        }
        return;
    }
    if (op->id == INSN_RCL || op->id == INSN_RCR) {
        h = shift_carry(op->id, a, c, bits, soft_flags(s) & F_CF);
    } else if (rot) {
        h = shift_rotate(op->id, a, c, bits);
    } else {
        h = shift_plain(op->id, a, c, bits);
    }
    if (mem) {
        soft_st(s, lin, h.r, n, s->mmu);
    } else {
        soft_reg_set(s, op->rm, n, h.r);
    }
    soft_set_status(s, rot ? F_CF | F_OF : 0x8d5,
                    (h.cf ? F_CF : 0) | (h.of ? F_OF : 0) |
                        (rot ? 0 : bits_szp(h.r, bits)));
}

static void shift_double(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    unsigned bits = n * 8;
    unsigned c = op->desc->op[2] == O_Ib ? op->imm : s->gpr[X86_RCX];
    bool mem = soft_is_mem(op);
    uint64_t lin = mem ? soft_ea_lin(s, op, n, true) : 0;
    uint64_t a = mem ? soft_rmw_get(s, lin, n) : soft_reg_get(s, op->rm, n);
    uint64_t b = soft_reg_get(s, op->reg, n);
    bool left = op->id == INSN_SHLD;
    uint64_t r = a;
    bool cf = false;

    c &= n == 8 ? 63 : 31;
    if (c == 0) {
        if (!mem) {
            soft_reg_set(s, op->rm, n, a);
        }
        return;
    }
    for (unsigned i = 0; i < c; i++) {
        /* More than 16 of 16 bits: undefined; bits of b go around. */
        if (left) {
            cf = bits_msb(r, bits);
            r = (r << 1 | bits_msb(b, bits)) & soft_mask(n);
            b = (b << 1 | bits_msb(b, bits)) & soft_mask(n);
        } else {
            cf = r & 1;
            r = r >> 1 | (b & 1) << (bits - 1);
            b = b >> 1 | (b & 1) << (bits - 1);
        }
    }
    if (mem) {
        soft_st(s, lin, r, n, s->mmu);
    } else {
        soft_reg_set(s, op->rm, n, r);
    }
    soft_set_status(s, 0x8d5,
                    bits_szp(r, bits) | (cf ? F_CF : 0) |
                        (bits_msb(a ^ r, bits) ? F_OF : 0));
}

static uint64_t bit_result(unsigned id, uint64_t a, uint64_t bit)
{
    switch (id) {
    case INSN_BTS:
        return a | bit;
    case INSN_BTR:
        return a & ~bit;
    case INSN_BTC:
        return a ^ bit;
    default:
        return a;
    }
}

static void bit_test(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    bool mem = soft_is_mem(op);
    bool reg = op->desc->op[1] == O_Gv;
    int64_t idx =
        reg ? soft_sext(soft_reg_get(s, op->reg, n), n) : (int64_t)op->imm;
    uint64_t bit = UINT64_C(1) << (idx & (n * 8 - 1));
    uint64_t a;

    if (mem) {
        bool wr = op->id != INSN_BT;
        uint64_t ea = soft_ea(s, op);
        uint64_t lin;

        if (reg) {
            /* A bit string: the register may point far beyond. */
            ea += (idx >> (op->size + 3)) * (int64_t)n;
            ea &= soft_asize_mask(op->asize);
        }
        lin = soft_lin(s, op->seg, ea, n, wr);
        a = wr ? soft_rmw_get(s, lin, n) : soft_ld(s, lin, n, s->mmu);
        while (wr &&
               !soft_rmw_put(s, op, lin, n, &a, bit_result(op->id, a, bit))) {
        }
    } else {
        a = soft_reg_get(s, op->rm, n);
        if (op->id != INSN_BT) {
            soft_reg_set(s, op->rm, n, bit_result(op->id, a, bit));
        }
    }
    soft_set_status(s, F_CF, a & bit ? F_CF : 0);
}

static void bit_scan(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t a = soft_rm_get(s, op, n, soft_is_mem(op));
    uint64_t r;

    if (op->id == INSN_POPCNT) {
        soft_reg_set(s, op->reg, n, __builtin_popcountll(a));
        soft_set_status(s, 0x8d5, a ? 0 : X86_FLAG_ZF);
        return;
    }
    if (op->id == INSN_TZCNT || op->id == INSN_LZCNT) {
        r = !a                     ? n * 8
            : op->id == INSN_TZCNT ? (unsigned)__builtin_ctzll(a)
                                   : __builtin_clzll(a) - (64 - n * 8);
        soft_reg_set(s, op->reg, n, r);
        soft_set_status(s, F_CF | X86_FLAG_ZF,
                        (a ? 0 : F_CF) | (r ? 0 : X86_FLAG_ZF));
        return;
    }
    if (a) {
        r = op->id == INSN_BSF ? __builtin_ctzll(a) : 63 - __builtin_clzll(a);
        soft_reg_set(s, op->reg, n, r);
    }
    soft_set_status(s, X86_FLAG_ZF, a ? 0 : X86_FLAG_ZF);
}

static uint64_t pdep(uint64_t v, uint64_t mask)
{
    uint64_t r = 0;

    for (; mask; mask &= mask - 1, v >>= 1) {
        r |= v & 1 ? mask & -mask : 0;
    }
    return r;
}

static uint64_t pext(uint64_t v, uint64_t mask)
{
    uint64_t r = 0;

    for (unsigned i = 0; mask; mask &= mask - 1, i++) {
        r |= v & mask & -mask ? UINT64_C(1) << i : 0;
    }
    return r;
}

/* Result in the register by ModRM.reg, no flags. */
static void bmi_plain(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t e = soft_rm_get(s, op, n, soft_is_mem(op));
    uint64_t b = soft_reg_get(s, op->vvvv, n);
    unsigned c = b & (n * 8 - 1);
    uint64_t r;

    switch (op->id) {
    case INSN_SARX:
        r = soft_sext(e, n) >> c;
        break;
    case INSN_SHLX:
        r = e << c;
        break;
    case INSN_SHRX:
        r = e >> c;
        break;
    case INSN_RORX:
        r = shift_rotate(INSN_ROR, e, op->imm & (n * 8 - 1), n * 8).r;
        break;
    case INSN_PDEP:
        r = pdep(b, e);
        break;
    default:
        r = pext(b, e);
        break;
    }
    soft_reg_set(s, op->reg, n, r);
}

static void mulx(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t e = soft_rm_get(s, op, n, soft_is_mem(op));
    unsigned __int128 p =
        (unsigned __int128)e * soft_reg_get(s, X86_RDX * 8, n);

    soft_reg_set(s, op->vvvv, n, p);
    soft_reg_set(s, op->reg, n, p >> (n * 8));
}

static void bmi_flags(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    unsigned bits = n * 8;
    uint64_t e = soft_rm_get(s, op, n, soft_is_mem(op));
    uint64_t b = soft_reg_get(s, op->vvvv, n);
    unsigned dst = op->reg;
    bool cf = false;
    uint64_t r;

    switch (op->id) {
    case INSN_ANDN:
        r = ~b & e;
        break;
    case INSN_BEXTR:
        r = (b & 0xff) < bits ? e >> (b & 0xff) : 0;
        if ((b >> 8 & 0xff) < 64) {
            r &= (UINT64_C(1) << (b >> 8 & 0xff)) - 1;
        }
        break;
    case INSN_BZHI:
        cf = (b & 0xff) >= bits;
        r = cf ? e : e & ((UINT64_C(1) << (b & 0xff)) - 1);
        break;
    case INSN_BLSR:
        r = e & (e - 1);
        cf = e == 0;
        dst = op->vvvv;
        break;
    case INSN_BLSMSK:
        r = (e ^ (e - 1)) & soft_mask(n);
        cf = e == 0;
        dst = op->vvvv;
        break;
    default:
        r = e & -e;
        cf = e != 0;
        dst = op->vvvv;
        break;
    }
    soft_reg_set(s, dst, n, r);
    r = soft_reg_get(s, dst, n);
    soft_set_status(s, 0x8d5,
                    (bits_szp(r, bits) & ~X86_FLAG_PF) | (cf ? F_CF : 0));
}

static void adx(SoftCpu *s, const SoftOp *op)
{
    uint32_t f = op->id == INSN_ADCX ? F_CF : F_OF;
    unsigned n = soft_size(op);
    uint64_t e = soft_rm_get(s, op, n, soft_is_mem(op));
    unsigned __int128 sum = (unsigned __int128)e + soft_reg_get(s, op->reg, n) +
                            (soft_flags(s) & f ? 1 : 0);

    soft_reg_set(s, op->reg, n, sum);
    soft_set_status(s, f, sum >> (n * 8) ? f : 0);
}

static void crc32(SoftCpu *s, const SoftOp *op)
{
    unsigned n = op->opcode == 0xf0 ? 1 : soft_size(op);
    uint64_t e = soft_rm_get(s, op, n, soft_is_mem(op));
    uint32_t crc = soft_reg_get(s, op->reg, 4);

    for (unsigned i = 0; i < n * 8; i++) {
        bool bit = (crc ^ (e >> i)) & 1;

        /* CRC-32C: 0x1edc6f41, bits reversed. */
        crc = crc >> 1 ^ (bit ? 0x82f63b78 : 0);
    }
    soft_reg_set(s, op->reg, 4, crc);
}

SoftFn *soft_select_bits(const SoftOp *op)
{
    static SoftFn *const t[INSN_COUNT] = {
        [INSN_ROL] = bits_shift,    [INSN_ROR] = bits_shift,
        [INSN_RCL] = bits_shift,    [INSN_RCR] = bits_shift,
        [INSN_SHL] = bits_shift,    [INSN_SHR] = bits_shift,
        [INSN_SHL2] = bits_shift,   [INSN_SAR] = bits_shift,
        [INSN_SHLD] = shift_double, [INSN_SHRD] = shift_double,
        [INSN_BT] = bit_test,       [INSN_BTS] = bit_test,
        [INSN_BTR] = bit_test,      [INSN_BTC] = bit_test,
        [INSN_BSF] = bit_scan,      [INSN_BSR] = bit_scan,
        [INSN_TZCNT] = bit_scan,    [INSN_LZCNT] = bit_scan,
        [INSN_POPCNT] = bit_scan,   [INSN_SARX] = bmi_plain,
        [INSN_SHLX] = bmi_plain,    [INSN_SHRX] = bmi_plain,
        [INSN_RORX] = bmi_plain,    [INSN_PDEP] = bmi_plain,
        [INSN_PEXT] = bmi_plain,    [INSN_MULX] = mulx,
        [INSN_ANDN] = bmi_flags,    [INSN_BEXTR] = bmi_flags,
        [INSN_BZHI] = bmi_flags,    [INSN_BLSR] = bmi_flags,
        [INSN_BLSMSK] = bmi_flags,  [INSN_BLSI] = bmi_flags,
        [INSN_ADCX] = adx,          [INSN_ADOX] = adx,
        [INSN_CRC32] = crc32,
    };

    return t[op->id];
}
