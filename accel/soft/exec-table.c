/*
 * Descriptor tables and what looks into them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"
#include "accel/soft/seg.h"

static void need_cpl0(SoftCpu *s)
{
    if (s->cpl != 0) {
        soft_raise_gp0(s);
    }
}

static void need_protected(SoftCpu *s)
{
    if (!soft_protected(s)) {
        soft_raise(s, EXC_UD);
    }
}

static void umip(SoftCpu *s)
{
    if (s->cpl == 3 && (s->x->cr[4] & X86_CR4_UMIP)) {
        soft_raise_gp0(s);
    }
}

static void store_table(SoftCpu *s, const SoftOp *op)
{
    const X86Segment *t = op->id == INSN_SGDT ? &s->x->gdt : &s->x->idt;
    unsigned n = s->mode == 3 ? 8 : 4;
    uint64_t lin = soft_ea_lin(s, op, 2 + n, true);

    umip(s);
    soft_probe_write(s, lin, 2 + n, s->mmu);
    soft_st(s, lin, t->limit, 2, s->mmu);
    soft_st(s, (lin + 2) & s->lin_mask, t->base, n, s->mmu);
}

static void load_table(SoftCpu *s, const SoftOp *op)
{
    X86Segment *t = op->id == INSN_LGDT ? &s->x->gdt : &s->x->idt;
    unsigned n = s->mode == 3 ? 8 : 4;
    uint64_t lin = soft_ea_lin(s, op, 2 + n, false);
    uint16_t limit;
    uint64_t base;

    need_cpl0(s);
    limit = soft_ld(s, lin, 2, s->mmu);
    base = soft_ld(s, (lin + 2) & s->lin_mask, n, s->mmu);
    if (s->mode != 3 && op->size == 1) {
        base &= 0xffffff;
    }
    if (s->mode == 3 && !soft_canonical_any(s, base)) {
        soft_raise_gp0(s);
    }
    t->limit = limit;
    t->base = base;
}

static void store_selector(SoftCpu *s, const SoftOp *op)
{
    uint16_t v;

    need_protected(s);
    umip(s);
    v = op->id == INSN_SLDT ? s->x->ldt.selector : s->x->tr.selector;
    if (soft_is_mem(op)) {
        soft_rm_set(s, op, 2, true, v);
    } else {
        soft_reg_set(s, op->rm, soft_size(op), v);
    }
}

/* LLDT and LTR. */
static void load_system(SoftCpu *s, const SoftOp *op)
{
    bool tr = op->id == INSN_LTR;
    X86Segment *r = tr ? &s->x->tr : &s->x->ldt;
    uint16_t sel;
    unsigned type;
    uint64_t base;
    SoftDesc d;

    need_protected(s);
    need_cpl0(s);
    sel = soft_rm_get(s, op, 2, soft_is_mem(op));
    if (!(sel & 0xfffc) && !tr) {
        *r = (X86Segment){ .selector = sel };
        return;
    }
    if (!(sel & 0xfffc) || (sel & 4) || !soft_desc_read(s, sel, &d)) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    type = soft_desc_type(&d);
    if ((d.hi & X86_SEG_S) ||
        (tr ? type != DT_TSS && (type != DT_TSS16 || soft_long_mode(s))
            : type != DT_LDT)) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    if (!(d.hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, sel & 0xfffc);
    }
    base = soft_desc_base(&d);
    if (soft_long_mode(s)) {
        base |= (uint64_t)soft_desc_upper(s, &d) << 32;
    }
    if (tr) {
        /*
         * Busy in memory; the register keeps what it was, as QEMU's has it
         * with tcg, which grants ports by the map of no other TSS.
         */
        soft_st(s, d.lin + 4, d.hi | 2 << 8, 4, s->mmu_sys);
    }
    *r = (X86Segment){ .selector = sel,
                       .base = base,
                       .limit = soft_desc_limit(&d),
                       .flags = d.hi & 0xf0ff00 };
}

static bool table_visible(const SoftCpu *s, uint16_t sel, const SoftDesc *d)
{
    bool conforming = (d->hi & (X86_SEG_S | X86_SEG_CODE | X86_SEG_C)) ==
                      (X86_SEG_S | X86_SEG_CODE | X86_SEG_C);

    return conforming || soft_desc_dpl(d) >= soft_privilege(s, sel);
}

static bool lar_type_ok(const SoftCpu *s, unsigned type, bool lsl)
{
    switch (type) {
    case DT_LDT:
    case DT_TSS:
    case DT_TSS_BUSY:
        return true;
    case DT_TSS16:
    case DT_TSS16_BUSY:
        return !soft_long_mode(s);
    case DT_CALL16:
    case DT_TASK:
        return !lsl && !soft_long_mode(s);
    case DT_CALL:
        return !lsl;
    default:
        return false;
    }
}

static void lar_lsl(SoftCpu *s, const SoftOp *op)
{
    bool lsl = op->id == INSN_LSL;
    uint16_t sel;
    SoftDesc d;
    bool ok;

    need_protected(s);
    sel = soft_rm_get(s, op, 2, soft_is_mem(op));
    ok = (sel & 0xfffc) && soft_desc_read(s, sel, &d) &&
         table_visible(s, sel, &d) &&
         ((d.hi & X86_SEG_S) || lar_type_ok(s, soft_desc_type(&d), lsl));
    if (ok) {
        soft_reg_set(s, op->reg, soft_size(op),
                     lsl ? soft_desc_limit(&d) : d.hi & 0xf0ff00);
    }
    soft_set_status(s, X86_FLAG_ZF, ok ? X86_FLAG_ZF : 0);
}

static void verr_verw(SoftCpu *s, const SoftOp *op)
{
    uint16_t sel;
    SoftDesc d;
    bool ok;
    bool code;

    need_protected(s);
    sel = soft_rm_get(s, op, 2, soft_is_mem(op));
    ok = (sel & 0xfffc) && soft_desc_read(s, sel, &d) && (d.hi & X86_SEG_S) &&
         table_visible(s, sel, &d);
    if (ok) {
        code = d.hi & X86_SEG_CODE;
        ok = op->id == INSN_VERR ? !code || (d.hi & X86_SEG_W)
                                 : !code && (d.hi & X86_SEG_W);
    }
    soft_set_status(s, X86_FLAG_ZF, ok ? X86_FLAG_ZF : 0);
}

static void arpl(SoftCpu *s, const SoftOp *op)
{
    uint16_t a;
    uint16_t b = soft_reg_get(s, op->reg, 2);
    bool up;

    need_protected(s);
    a = soft_rm_get(s, op, 2, soft_is_mem(op));
    up = (a & 3) < (b & 3);
    if (up) {
        soft_rm_set(s, op, 2, soft_is_mem(op), (a & ~3) | (b & 3));
    }
    soft_set_status(s, X86_FLAG_ZF, up ? X86_FLAG_ZF : 0);
}

SoftFn *soft_select_table(const SoftOp *op)
{
    static SoftFn *const t[INSN_COUNT] = {
        [INSN_SGDT] = store_table,    [INSN_SIDT] = store_table,
        [INSN_LGDT] = load_table,     [INSN_LIDT] = load_table,
        [INSN_SLDT] = store_selector, [INSN_STR] = store_selector,
        [INSN_LLDT] = load_system,    [INSN_LTR] = load_system,
        [INSN_LAR] = lar_lsl,         [INSN_LSL] = lar_lsl,
        [INSN_VERR] = verr_verw,      [INSN_VERW] = verr_verw,
        [INSN_ARPL] = arpl,
    };

    return t[op->id];
}
