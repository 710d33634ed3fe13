/*
 * The decoder: bytes to SoftOp by the tables of insn.h.
 *
 * Intel SDM volume 2, chapter 2 (formats) and appendix A (maps).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/op.h"

#include "target/i386/cpu.h"

enum { INSN_MAX = 15 };

typedef struct Cursor {
    const SoftDecoder *d;
    const uint8_t *p;
    size_t len, pos;
    SoftDecodeResult bad; /* of the first failure */
    uint8_t rex;          /* with bit 6 if there was one; VEX: its bits */
    bool opsize, addrsize, lock;
    uint8_t rep; /* 0, 0xf2 or 0xf3 */
    int seg;     /* -1: none */
    uint8_t vvvv;
    bool mod3;
} Cursor;

static uint64_t decode_fetch(Cursor *c, unsigned n)
{
    uint64_t v = 0;

    if (c->pos + n > INSN_MAX) {
        c->bad = c->bad ? c->bad : SOFT_DECODE_LONG;
        return 0;
    }
    if (c->pos + n > c->len) {
        c->bad = c->bad ? c->bad : SOFT_DECODE_MORE;
        return 0;
    }
    memcpy(&v, c->p + c->pos, n);
    c->pos += n;
    return v;
}

static int64_t fetch_signed(Cursor *c, unsigned n)
{
    return sextract64(decode_fetch(c, n), 0, n * 8);
}

static void decode_ud(Cursor *c)
{
    c->bad = c->bad ? c->bad : SOFT_DECODE_UD;
}

/* True: it was one, and is taken. */
static bool legacy_prefix(Cursor *c, uint8_t b)
{
    switch (b) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        /* Without effect in 64-bit mode, also on FS and GS before it. */
        if (c->d->mode != 3) {
            c->seg = (b >> 3) & 3;
        }
        return true;
    case 0x64:
    case 0x65:
        c->seg = b - 0x64 + X86_FS;
        return true;
    case 0x66:
        c->opsize = true;
        return true;
    case 0x67:
        c->addrsize = true;
        return true;
    case 0xf0:
        c->lock = true;
        return true;
    case 0xf2:
    case 0xf3:
        c->rep = b;
        return true;
    default:
        return false;
    }
}

static uint8_t decode_prefixes(Cursor *c)
{
    for (;;) {
        uint8_t b = decode_fetch(c, 1);

        if (c->bad) {
            return 0;
        }
        if (legacy_prefix(c, b)) {
            c->rex = 0;
        } else if (c->d->mode == 3 && (b & 0xf0) == 0x40) {
            c->rex = b;
        } else {
            return b;
        }
    }
}

/* C4 and C5; what follows the prefix is in the low maps. */
static void vex_prefix(Cursor *c, SoftOp *op, uint8_t b)
{
    uint8_t p1 = decode_fetch(c, 1);
    uint8_t p2 = p1 & 0x7f;
    unsigned map = 1;

    if (c->rex || c->opsize || c->lock || c->rep || c->d->no_vex) {
        decode_ud(c);
    }
    if (b == 0xc4) {
        p2 = decode_fetch(c, 1);
        map = p1 & 0x1f;
        c->rex = (~p1 >> 5) & 7;
    } else {
        c->rex = (~p1 >> 5) & 4;
    }
    if (c->d->mode != 3) {
        c->rex = 0;
    } else if (p2 & 0x80) {
        c->rex |= b == 0xc4 ? 8 : 0;
    }
    if (map < 1 || map > 3) {
        decode_ud(c);
    }
    op->flags |= OPF_VEX | (p2 & 4 ? OPF_L : 0);
    op->flags |= b == 0xc4 && (p2 & 0x80) ? OPF_W : 0;
    c->vvvv = (~p2 >> 3) & 15;
    op->pp = p2 & 3;
    op->map = map + 1;
    op->opcode = decode_fetch(c, 1);
}

static bool is_vex(const Cursor *c, uint8_t b)
{
    if (b != 0xc4 && b != 0xc5) {
        return false;
    }
    if (c->d->mode == 3) {
        return true;
    }
    return c->pos < c->len && c->p[c->pos] >= 0xc0;
}

static void decode_opcode(Cursor *c, SoftOp *op)
{
    uint8_t b = decode_prefixes(c);

    if (c->bad) {
        return;
    }
    if (is_vex(c, b)) {
        vex_prefix(c, op, b);
        return;
    }
    op->flags |= c->rex & 8 ? OPF_W : 0;
    op->flags |= c->rep == 0xf3 ? OPF_REP : 0;
    op->flags |= c->rep == 0xf2 ? OPF_REPNE : 0;
    op->pp = c->rep == 0xf3 ? 2 : c->rep == 0xf2 ? 3 : c->opsize;
    op->map = 1;
    if (b == 0x0f) {
        op->map = 2;
        b = decode_fetch(c, 1);
        if (b == 0x38 || b == 0x3a) {
            op->map = b == 0x38 ? 3 : 4;
            b = decode_fetch(c, 1);
        }
    }
    op->opcode = b;
}

static bool decode_has(const Cursor *c, unsigned feat)
{
    return feat == FT_NONE || (c->d->features >> feat & 1);
}

/* 0F 01 with a register operand. */
static const InsnDesc *desc_0f01_reg(uint8_t modrm)
{
    static const InsnDesc t[] = {
        { INSN_MONITOR, { 0 }, FT_MONITOR, 0, 0 },
        { INSN_MWAIT, { 0 }, FT_MONITOR, 0, DF_END },
        { INSN_CLAC, { 0 }, FT_SMAP, 0, DF_END },
        { INSN_STAC, { 0 }, FT_SMAP, 0, DF_END },
        { INSN_XGETBV, { 0 }, FT_XSAVE, 0, 0 },
        { INSN_XSETBV, { 0 }, FT_XSAVE, 0, DF_END },
        { INSN_RDPKRU, { 0 }, FT_NONE, 0, 0 },
        { INSN_WRPKRU, { 0 }, FT_NONE, 0, DF_END },
        { INSN_SWAPGS, { 0 }, FT_NONE, 0, DF_O64 | DF_END },
        { INSN_RDTSCP, { 0 }, FT_RDTSCP, 0, 0 },
    };
    static const uint8_t code[] = { 0xc8, 0xc9, 0xca, 0xcb, 0xd0,
                                    0xd1, 0xee, 0xef, 0xf8, 0xf9 };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        if (code[i] == modrm) {
            return &t[i];
        }
    }
    return NULL;
}

static const InsnDesc *desc_0fae(const SoftOp *op, bool mod3)
{
    static const InsnDesc base[4] = {
        { INSN_RDFSBASE, { O_Ry }, FT_FSGSBASE, 0, DF_O64 | DF_D32 },
        { INSN_RDGSBASE, { O_Ry }, FT_FSGSBASE, 0, DF_O64 | DF_D32 },
        { INSN_WRFSBASE, { O_Ry }, FT_FSGSBASE, 0, DF_O64 | DF_D32 },
        { INSN_WRGSBASE, { O_Ry }, FT_FSGSBASE, 0, DF_O64 | DF_D32 },
    };
    static const InsnDesc fence = { INSN_FENCE, { 0 }, FT_SSE, 0, 0 };
    static const InsnDesc clwb = { INSN_CLFLUSH, { O_M }, FT_CLWB, 0, 0 };
    static const InsnDesc opt = { INSN_CLFLUSH, { O_M }, FT_CLFLUSHOPT, 0, 0 };
    unsigned r = (op->modrm >> 3) & 7;

    if (mod3) {
        if (op->pp == 2 && r < 4) {
            return &base[r];
        }
        return op->pp == 0 && r >= 5 ? &fence : NULL;
    }
    if (op->pp == 1 && r >= 6) {
        return r == 6 ? &clwb : &opt;
    }
    return op->pp ? NULL : &insn_groups[GRP_0FAE][r];
}

static const InsnDesc *desc_0fc7(const SoftOp *op, bool mod3)
{
    static const InsnDesc rdpid = { INSN_RDPID, { O_Ry }, FT_RDPID, 0, DF_F64 };
    unsigned r = (op->modrm >> 3) & 7;

    if (mod3 && r == 7 && op->pp == 2) {
        return &rdpid;
    }
    if ((mod3 && r < 6) || (!mod3 && r >= 6) || (r >= 4 && op->pp > 1)) {
        return NULL;
    }
    return &insn_groups[GRP_0FC7][r];
}

/* A group's member; ModRM is known. */
static const InsnDesc *desc_group(const Cursor *c, const SoftOp *op,
                                  unsigned grp)
{
    unsigned r = (op->modrm >> 3) & 7;

    switch (grp) {
    case GRP_0F01:
        if (c->mod3 && r != 4 && r != 6) {
            return desc_0f01_reg(op->modrm);
        }
        break;
    case GRP_0FAE:
        return desc_0fae(op, c->mod3);
    case GRP_0FC7:
        return desc_0fc7(op, c->mod3);
    case GRP_FF:
        if (c->mod3 && (r == 3 || r == 5)) {
            return NULL;
        }
        break;
    default:
        break;
    }
    return &insn_groups[grp][r];
}

/* Opcodes whose meaning a prefix or the mode changes. */
static const InsnDesc *desc_special(const Cursor *c, const SoftOp *op)
{
    static const InsnDesc movsxd = I2(MOVSXD, Gv, Ed, 0);
    static const InsnDesc nop = I0(NOP, 0);
    static const InsnDesc pause = { INSN_PAUSE, { 0 }, FT_NONE, 0, DF_END };
    static const InsnDesc tzcnt = { INSN_TZCNT, { O_Gv, O_Ev }, FT_BMI1, 0, 0 };
    static const InsnDesc lzcnt = {
        INSN_LZCNT, { O_Gv, O_Ev }, FT_LZCNT, 0, 0
    };
    static const InsnDesc invpcid = {
        INSN_INVPCID, { O_Gy, O_Mo }, FT_INVPCID, 0, DF_F64 | DF_END
    };
    bool f3 = op->flags & OPF_REP;

    if (op->flags & OPF_VEX) {
        return NULL;
    }
    if (op->map == 1 && op->opcode == 0x63 && c->d->mode == 3) {
        return &movsxd;
    }
    if (op->map == 1 && op->opcode == 0x90 && !(c->rex & 1)) {
        return f3 ? &pause : &nop;
    }
    if (op->map == 2 && op->opcode == 0xbc && f3 && decode_has(c, FT_BMI1)) {
        return &tzcnt;
    }
    if (op->map == 2 && op->opcode == 0xbd && f3 && decode_has(c, FT_LZCNT)) {
        return &lzcnt;
    }
    if (op->map == 3 && op->opcode == 0x82 && op->pp == 1) {
        return &invpcid;
    }
    return NULL;
}

static const InsnDesc *desc_vector(const SoftOp *op)
{
    const InsnDesc *t = op->map == 2   ? insn_vec_0f
                        : op->map == 3 ? insn_vec_38
                                       : insn_vec_3a;

    t += op->opcode * 4;
    if (t[op->pp].id == INSN_VZERO && !(op->flags & OPF_VEX)) {
        return NULL;
    }
    if (t[op->pp].id || (t[0].id >= INSN_GROUP && op->pp == 0)) {
        return &t[op->pp];
    }
    return NULL;
}

/* Does any prefix make a vector instruction of this opcode? */
static bool vector_opcode(uint8_t b)
{
    const InsnDesc *t = &insn_vec_0f[b * 4];

    return b != 0x77 && (t[0].id || t[1].id || t[2].id || t[3].id);
}

static const InsnDesc *desc_find(const Cursor *c, const SoftOp *op)
{
    const InsnDesc *desc = desc_special(c, op);

    if (desc) {
        return desc;
    }
    if (op->map == 1) {
        return &insn_map1[op->opcode];
    }
    if (op->map == 2 && op->opcode >= 0x71 && op->opcode <= 0x73) {
        return NULL; /* by ModRM, see desc_shift() */
    }
    desc = desc_vector(op);
    if (desc || op->map != 2 || (op->flags & OPF_VEX) ||
        vector_opcode(op->opcode)) {
        return desc;
    }
    if ((op->opcode == 0xb8 && op->pp != 2) ||
        (op->opcode == 0xc3 && op->pp != 0)) {
        return NULL;
    }
    return &insn_map_0f[op->opcode];
}

static bool operand_has_modrm(unsigned o)
{
    switch (o) {
    case O_NONE:
    case O_Zb ... O_By:
    case O_AL ... O_Ov:
    case O_Hx:
    case O_Ho:
    case O_Lx:
        return false;
    default:
        return true;
    }
}

static bool desc_has_modrm(const InsnDesc *d)
{
    if (d->id >= INSN_GROUP) {
        return true;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (operand_has_modrm(d->op[i])) {
            return true;
        }
    }
    return false;
}

static void decode_modrm16(Cursor *c, SoftOp *op)
{
    static const uint8_t base[8] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP,
                                     X86_RSI, X86_RDI, X86_RBP, X86_RBX };
    static const uint8_t index[8] = {
        X86_RSI,   X86_RDI,   X86_RSI,   X86_RDI,
        SOFT_ZERO, SOFT_ZERO, SOFT_ZERO, SOFT_ZERO
    };
    unsigned mod = op->modrm >> 6;
    unsigned rm = op->modrm & 7;

    op->base = base[rm] * 8;
    op->index = index[rm] * 8;
    op->seg = base[rm] == X86_RBP ? X86_SS : X86_DS;
    if (mod == 0 && rm == 6) {
        op->base = SOFT_ZERO * 8;
        op->seg = X86_DS;
        op->disp = (uint16_t)decode_fetch(c, 2);
    } else if (mod) {
        op->disp = fetch_signed(c, mod);
    }
}

static void decode_modrm32(Cursor *c, SoftOp *op)
{
    unsigned mod = op->modrm >> 6;
    unsigned base = op->modrm & 7;
    bool sib = base == 4;

    op->index = SOFT_ZERO * 8;
    if (sib) {
        uint8_t b = decode_fetch(c, 1);
        unsigned idx = ((b >> 3) & 7) | (c->rex & 2) << 2;

        base = b & 7;
        op->scale = b >> 6;
        op->index = idx == 4 ? SOFT_ZERO * 8 : idx * 8;
        op->vvvv = idx; /* for VSIB; see operand() */
    }
    op->seg = X86_DS;
    if (mod == 0 && base == 5) {
        op->disp = fetch_signed(c, 4);
        op->base = 8 * (c->d->mode == 3 && !sib ? SOFT_NEXT_RIP : SOFT_ZERO);
        return;
    }
    op->seg = base == 4 || base == 5 ? X86_SS : X86_DS;
    base |= (c->rex & 1) << 3;
    if (base >= 8) {
        op->seg = X86_DS;
    }
    op->base = base * 8;
    if (mod) {
        op->disp = fetch_signed(c, mod == 1 ? 1 : 4);
    }
}

static void decode_modrm(Cursor *c, SoftOp *op)
{
    op->modrm = decode_fetch(c, 1);
    c->mod3 = op->modrm >= 0xc0;
}

/* Control and debug registers take ModRM.rm as a register whatever mod is. */
static bool mod_ignored(const InsnDesc *d)
{
    return d->id == INSN_MOVCR || d->id == INSN_STCR || d->id == INSN_MOVDR ||
           d->id == INSN_STDR;
}

static void modrm_memory(Cursor *c, SoftOp *op)
{
    if (c->mod3) {
        return;
    }
    op->flags |= OPF_MEM;
    if (op->asize == 1) {
        decode_modrm16(c, op);
    } else {
        decode_modrm32(c, op);
    }
    if (c->seg >= 0) {
        op->seg = c->seg;
    }
}

static void decode_sizes(const Cursor *c, SoftOp *op, const InsnDesc *d)
{
    bool vec66 = op->pp == 1 && d->id == INSN_VEC;

    if (d->flags & DF_BYTE) {
        op->size = 0;
    } else if (d->flags & DF_D32) {
        op->size = c->d->mode == 3 && (op->flags & OPF_W) ? 3 : 2;
    } else if (mod_ignored(d)) {
        op->size = c->d->mode == 3 ? 3 : 2;
    } else if (c->d->mode == 3) {
        op->size = d->flags & DF_F64     ? 3
                   : op->flags & OPF_W   ? 3
                   : c->opsize && !vec66 ? 1
                   : d->flags & DF_D64   ? 3
                                         : 2;
    } else {
        op->size = (c->d->mode == 2) != c->opsize ? 2 : 1;
    }
}

static uint8_t gpr_byte(const Cursor *c, unsigned n)
{
    return n >= 4 && n < 8 && !c->rex ? (n - 4) * 8 + 1 : n * 8;
}

static void operand_imm(Cursor *c, SoftOp *op, unsigned o)
{
    unsigned z = op->size >= 2 ? 4 : 2;

    switch (o) {
    case O_Ib:
        if (op->id == INSN_ENTER) {
            op->sel = decode_fetch(c, 1);
        } else {
            op->imm = decode_fetch(c, 1);
        }
        break;
    case O_Ibs:
    case O_Jb:
        op->imm = fetch_signed(c, 1);
        break;
    case O_Lx:
        op->imm = decode_fetch(c, 1);
        break;
    case O_Iw:
        op->imm = decode_fetch(c, 2);
        break;
    case O_Iz:
    case O_Jz:
        op->imm = fetch_signed(c, z);
        break;
    case O_Iv:
        op->imm = fetch_signed(c, 1U << op->size);
        break;
    case O_Ap:
        op->imm = decode_fetch(c, z);
        op->sel = decode_fetch(c, 2);
        break;
    case O_Ob:
    case O_Ov:
        op->imm = decode_fetch(c, 1U << op->asize);
        op->seg = c->seg >= 0 ? c->seg : X86_DS;
        op->flags |= OPF_MEM;
        op->base = op->index = SOFT_ZERO * 8;
        break;
    default:
        break;
    }
}

/* ModRM.rm as an operand of kind `o`. */
static void operand_rm(Cursor *c, SoftOp *op, unsigned o)
{
    unsigned n = (op->modrm & 7) | (c->rex & 1) << 3;

    if (!c->mod3 && !mod_ignored(op->desc)) {
        if (o == O_Rv || o == O_Ry || o == O_Rd || o == O_Nq || o == O_Ux ||
            o == O_Uo) {
            decode_ud(c);
        }
        return;
    }
    if (o >= O_M && o <= O_My) {
        decode_ud(c);
    } else if (o == O_Eb && op->id != INSN_VEC) {
        op->rm = gpr_byte(c, n);
    } else if (o <= O_Rd) {
        op->rm = n * 8;
    } else if (o >= O_Qq && o <= O_Nq) {
        op->rm = n & 7;
    } else if (o == O_Mx || o == O_Mo || o == O_Vsib) {
        decode_ud(c);
    } else {
        op->rm = n;
    }
}

static void operand_reg(Cursor *c, SoftOp *op, unsigned o)
{
    unsigned n = ((op->modrm >> 3) & 7) | (c->rex & 4) << 1;

    switch (o) {
    case O_Gb:
        op->reg = gpr_byte(c, n);
        break;
    case O_Gw ... O_Gd:
        op->reg = n * 8;
        break;
    case O_Sw:
        op->reg = n & 7;
        if ((n & 7) > X86_GS || (op->id == INSN_MOVSEG && (n & 7) == X86_CS)) {
            decode_ud(c);
        }
        break;
    case O_Pq:
        op->reg = n & 7;
        break;
    case O_Cd:
        op->reg = n;
        if (n > 8 || n == 1 || (n > 4 && n < 8)) {
            decode_ud(c);
        }
        break;
    default:
        op->reg = n;
        if (o == O_Dd && n > 7) {
            decode_ud(c);
        }
        break;
    }
}

static void operand_fixed(Cursor *c, SoftOp *op, unsigned o)
{
    unsigned n = (op->opcode & 7) | (c->rex & 1) << 3;

    switch (o) {
    case O_Zb:
        op->rm = gpr_byte(c, n);
        break;
    case O_Zv:
        op->rm = n * 8;
        break;
    case O_SEG:
        op->reg = (op->opcode >> 3) & 7;
        break;
    case O_Xb:
    case O_Xv:
        op->seg = c->seg >= 0 ? c->seg : X86_DS;
        break;
    default:
        break;
    }
}

static void decode_operand(Cursor *c, SoftOp *op, unsigned o)
{
    switch (o) {
    case O_NONE:
    case O_Lx:
        operand_imm(c, op, o);
        break;
    case O_Eb ... O_Eq:
    case O_Rv ... O_My:
    case O_Qq ... O_Nq:
    case O_Wx ... O_Mo:
    case O_Vsib:
        operand_rm(c, op, o);
        break;
    case O_Gb ... O_Gd:
    case O_Sw ... O_Dd:
    case O_Pq:
    case O_Vx:
    case O_Vo:
    case O_Vy:
        operand_reg(c, op, o);
        break;
    case O_Hx:
    case O_Ho:
        op->vvvv = c->vvvv;
        break;
    case O_By:
        op->vvvv = c->vvvv * 8;
        break;
    case O_Zb:
    case O_Zv:
    case O_AL ... O_Yv:
        operand_fixed(c, op, o);
        break;
    default:
        operand_imm(c, op, o);
        break;
    }
}

static void check_vex(Cursor *c, const SoftOp *op, const InsnDesc *d)
{
    bool l = op->flags & OPF_L;
    bool w = op->flags & OPF_W;
    bool h = false;
    bool ok = !(d->flags & DF_NOVEX) && d->vfeat && decode_has(c, d->vfeat);

    for (unsigned i = 0; i < 4; i++) {
        h = h || d->op[i] == O_By ||
            ((d->op[i] == O_Hx || d->op[i] == O_Ho) &&
             !((d->flags & DF_RMW) && op->map == 2 && !c->mod3));
    }
    ok = ok && (h || c->vvvv == 0);
    ok = ok && !((d->flags & DF_L0) && l) && !((d->flags & DF_L1) && !l);
    ok = ok && !((d->flags & DF_W0) && w) && !((d->flags & DF_W1) && !w);
    ok = ok && !((d->flags & DF_256) && l && !decode_has(c, FT_AVX2));
    if (!ok) {
        decode_ud(c);
    }
}

/* Is it allowed at all, here, with these prefixes? */
static void decode_check(Cursor *c, const SoftOp *op, const InsnDesc *d)
{
    bool m64 = c->d->mode == 3;

    if (d->id == INSN_NONE || !decode_has(c, d->feat)) {
        decode_ud(c);
    }
    if ((m64 && (d->flags & DF_I64)) || (!m64 && (d->flags & DF_O64))) {
        decode_ud(c);
    }
    if (op->flags & OPF_VEX) {
        check_vex(c, op, d);
    } else if (d->flags & DF_VEX) {
        decode_ud(c);
    }
    if (c->lock && !((d->flags & DF_LOCK) && (op->flags & OPF_MEM) &&
                     operand_has_modrm(d->op[0]) &&
                     !(d->op[0] >= O_Gb && d->op[0] <= O_Gd))) {
        decode_ud(c);
    }
}

static const InsnDesc *desc_shift(const SoftOp *op)
{
    const InsnDesc *d;

    if (op->pp > 1) {
        return NULL;
    }
    d = &insn_vec_shift[op->opcode - 0x71][(op->modrm >> 3) & 7][op->pp];
    return d->id ? d : NULL;
}

/* Reads ModRM where there is one and settles what the instruction is. */
static const InsnDesc *decode_settle(Cursor *c, SoftOp *op)
{
    const InsnDesc *d = desc_find(c, op);
    bool shift = op->map == 2 && op->opcode >= 0x71 && op->opcode <= 0x73;

    if (shift) {
        decode_modrm(c, op);
        d = c->bad ? NULL : desc_shift(op);
    } else if (d && desc_has_modrm(d)) {
        decode_modrm(c, op);
        if (!c->bad && d->id >= INSN_GROUP) {
            d = desc_group(c, op, d->id - INSN_GROUP);
        }
    }
    if (!d || d->id == INSN_NONE) {
        decode_ud(c);
        return NULL;
    }
    return d;
}

SoftDecodeResult soft_decode(const SoftDecoder *d, const uint8_t *p, size_t len,
                             SoftOp *ret_op)
{
    Cursor c = { .d = d, .p = p, .len = len, .seg = -1 };
    SoftOp op = { .base = SOFT_ZERO * 8, .index = SOFT_ZERO * 8 };
    const InsnDesc *desc;
    bool mrm;

    decode_opcode(&c, &op);
    desc = c.bad ? NULL : decode_settle(&c, &op);
    if (c.bad || !desc) {
        return c.bad ? c.bad : SOFT_DECODE_UD;
    }
    op.desc = desc;
    op.id = desc->id;
    op.seg = c.seg >= 0 ? c.seg : X86_DS;
    op.flags |= c.lock ? OPF_LOCK : 0;
    op.flags |= desc->flags & DF_END ? OPF_END : 0;
    op.asize = d->mode == 3                   ? 3 - c.addrsize
               : (d->mode == 2) != c.addrsize ? 2
                                              : 1;
    decode_sizes(&c, &op, desc);
    mrm = op.modrm || desc_has_modrm(desc);
    if (mrm && !mod_ignored(desc)) {
        modrm_memory(&c, &op);
    }
    if (desc->op[1] == O_Vsib || desc->op[0] == O_Vsib) {
        op.index = op.vvvv;
        if ((op.modrm & 7) != 4 || op.asize == 1) {
            decode_ud(&c);
        }
    }
    op.vvvv = 0;
    for (unsigned i = 0; i < 4; i++) {
        decode_operand(&c, &op, desc->op[i]);
    }
    if ((op.flags & (OPF_REP | OPF_REPNE)) && desc->id >= INSN_MOVS &&
        desc->id <= INSN_OUTS) {
        op.flags |= OPF_END; /* may stop between two repetitions */
    }
    if (desc->id == INSN_X87) {
        op.imm = (op.opcode & 7) << 8 | op.modrm;
    }
    decode_check(&c, &op, desc);
    if (c.bad) {
        return c.bad;
    }
    op.len = c.pos;
    op.fn = ret_op->fn;
    *ret_op = op;
    return SOFT_DECODE_OK;
}
