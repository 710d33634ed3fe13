/*
 * Segment registers, descriptor tables and the TSS's stacks.
 *
 * Intel SDM volume 3, chapters 3, 5 and 7; volume 2, MOV and POP.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/seg.h"

void soft_seg_check(SoftCpu *s, unsigned seg, uint64_t off, unsigned n,
                    bool write)
{
    bool ok = (write ? s->seg_wr : s->seg_rd) >> seg & 1;

    if (s->mode == 3) {
        uint64_t lin = s->segbase[seg] + off;

        if (!soft_canonical(s, lin) || !soft_canonical(s, lin + n - 1)) {
            soft_raise_error(s, seg == X86_SS ? EXC_SS : EXC_GP, 0);
        }
        return;
    }
    if (!ok || off < s->seg_lo[seg] || off > s->seg_hi[seg] ||
        n - 1 > s->seg_hi[seg] - off) {
        soft_raise_error(s, seg == X86_SS ? EXC_SS : EXC_GP, 0);
    }
}

bool soft_desc_read(SoftCpu *s, uint16_t sel, SoftDesc *ret)
{
    const X86Segment *t = sel & 4 ? &s->x->ldt : &s->x->gdt;
    uint32_t off = sel & ~7;
    uint64_t v;

    if ((sel & 4) && !(t->flags & X86_SEG_P)) {
        return false;
    }
    if (off + 7 > t->limit) {
        return false;
    }
    ret->lin = (t->base + off) & s->lin_mask;
    if (soft_long_mode(s)) {
        ret->lin = t->base + off;
    }
    v = soft_ld(s, ret->lin, 8, s->mmu_sys);
    ret->lo = v;
    ret->hi = v >> 32;
    return true;
}

uint32_t soft_desc_upper(SoftCpu *s, const SoftDesc *d)
{
    return soft_ld(s, d->lin + 8, 4, s->mmu_sys);
}

void soft_desc_set_accessed(SoftCpu *s, SoftDesc *d)
{
    if (!(d->hi & X86_SEG_A)) {
        d->hi |= X86_SEG_A;
        soft_st(s, d->lin + 4, d->hi, 4, s->mmu_sys);
    }
}

void soft_seg_set(SoftCpu *s, unsigned seg, uint16_t sel, uint64_t base,
                  uint32_t limit, uint32_t flags)
{
    s->x->segs[seg] = (X86Segment){
        .selector = sel,
        .base = base,
        .limit = limit,
        .flags = flags & 0xf0ff00,
    };
    soft_update_segment(s, seg);
    if (seg == X86_CS || seg == X86_SS) {
        soft_update_mode(s);
    }
}

void soft_seg_set_desc(SoftCpu *s, unsigned seg, uint16_t sel,
                       const SoftDesc *d)
{
    soft_seg_set(s, seg, sel, soft_desc_base(d), soft_desc_limit(d), d->hi);
}

void soft_seg_set_real(SoftCpu *s, unsigned seg, uint16_t sel)
{
    X86Segment *r = &s->x->segs[seg];
    uint32_t flags = X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A;
    uint32_t limit = 0xffff;

    if (s->flags & X86_FLAG_VM) {
        flags |= 3 << X86_SEG_DPL_SHIFT;
    } else {
        /* What protected mode left stays: "unreal" mode lives on it. */
        limit = r->limit;
        flags |= r->flags & (X86_SEG_DB | X86_SEG_G);
        flags |= seg == X86_CS ? X86_SEG_CODE : 0;
    }
    soft_seg_set(s, seg, sel, (uint64_t)sel << 4, limit, flags);
}

static void load_null(SoftCpu *s, unsigned seg, uint16_t sel)
{
    uint64_t base = 0;

    if (seg == X86_SS && (s->mode != 3 || s->cpl == 3 || (sel & 3) != s->cpl)) {
        soft_raise_gp0(s);
    }
    soft_seg_set(s, seg, sel, base, 0,
                 seg == X86_SS ? s->cpl << X86_SEG_DPL_SHIFT : 0);
}

static void check_ss(SoftCpu *s, uint16_t sel, const SoftDesc *d)
{
    uint32_t want = X86_SEG_S | X86_SEG_W;

    if ((sel & 3) != s->cpl || soft_desc_dpl(d) != s->cpl ||
        (d->hi & (want | X86_SEG_CODE)) != want) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    if (!(d->hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_SS, sel & 0xfffc);
    }
}

static void check_data(SoftCpu *s, uint16_t sel, const SoftDesc *d)
{
    bool code = d->hi & X86_SEG_CODE;
    bool conforming = code && (d->hi & X86_SEG_C);

    if (!(d->hi & X86_SEG_S) || (code && !(d->hi & X86_SEG_W)) ||
        (!conforming && soft_desc_dpl(d) < soft_privilege(s, sel))) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    if (!(d->hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, sel & 0xfffc);
    }
}

void soft_seg_load(SoftCpu *s, unsigned seg, uint16_t sel)
{
    SoftDesc d;

    if (!soft_protected(s)) {
        soft_seg_set_real(s, seg, sel);
        return;
    }
    if (!(sel & 0xfffc)) {
        load_null(s, seg, sel);
        return;
    }
    if (!soft_desc_read(s, sel, &d)) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    if (seg == X86_SS) {
        check_ss(s, sel, &d);
    } else {
        check_data(s, sel, &d);
    }
    soft_desc_set_accessed(s, &d);
    soft_seg_set_desc(s, seg, sel, &d);
}

void soft_seg_check_stack(SoftCpu *s, uint16_t sel, unsigned cpl, unsigned vec,
                          SoftDesc *ret)
{
    uint32_t want = X86_SEG_S | X86_SEG_W;

    if (!(sel & 0xfffc) || !soft_desc_read(s, sel, ret) || (sel & 3) != cpl ||
        soft_desc_dpl(ret) != cpl ||
        (ret->hi & (want | X86_SEG_CODE)) != want) {
        soft_raise_error(s, vec, sel & 0xfffc);
    }
    if (!(ret->hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_SS, sel & 0xfffc);
    }
}

void soft_tss_stack(SoftCpu *s, unsigned cpl, uint16_t *ret_ss,
                    uint64_t *ret_sp)
{
    const X86Segment *tr = &s->x->tr;
    bool wide = (tr->flags >> X86_SEG_TYPE_SHIFT) & 8;
    unsigned n = wide ? 4 : 2;
    unsigned off = wide ? 4 + cpl * 8 : 2 + cpl * 4;

    if (!(tr->flags & X86_SEG_P) || off + 2 * n - 1 > tr->limit) {
        soft_raise_error(s, EXC_TS, tr->selector & 0xfffc);
    }
    *ret_sp = soft_ld(s, (tr->base + off) & s->lin_mask, n, s->mmu_sys);
    *ret_ss = soft_ld(s, (tr->base + off + n) & s->lin_mask, 2, s->mmu_sys);
}

uint64_t soft_tss_rsp(SoftCpu *s, unsigned index)
{
    const X86Segment *tr = &s->x->tr;
    unsigned off = index < 3 ? 4 + index * 8 : 36 + (index - 4) * 8;
    uint64_t v;

    if (!(tr->flags & X86_SEG_P) || off + 7 > tr->limit) {
        soft_raise_error(s, EXC_TS, tr->selector & 0xfffc);
    }
    v = soft_ld(s, tr->base + off, 8, s->mmu_sys);
    if (sextract64(v, 0, s->x->cr[4] & X86_CR4_LA57 ? 57 : 48) != (int64_t)v) {
        soft_raise_error(s, EXC_SS, 0);
    }
    return v;
}

void soft_set_cpl(SoftCpu *s, unsigned cpl)
{
    s->cpl = cpl;
    soft_update_mode(s);
}

void soft_code_check(SoftCpu *s, uint16_t sel, const SoftDesc *d)
{
    uint16_t err = sel & 0xfffc;
    unsigned dpl = soft_desc_dpl(d);

    if (d->hi & X86_SEG_C) {
        if (dpl > s->cpl) {
            soft_raise_error(s, EXC_GP, err);
        }
    } else if ((sel & 3) > s->cpl || dpl != s->cpl) {
        soft_raise_error(s, EXC_GP, err);
    }
    if (soft_long_mode(s) && (d->hi & X86_SEG_L) && (d->hi & X86_SEG_DB)) {
        soft_raise_error(s, EXC_GP, err);
    }
    if (!(d->hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, err);
    }
}

void soft_seg_drop_inner(SoftCpu *s)
{
    static const uint8_t segs[] = { X86_ES, X86_DS, X86_FS, X86_GS };

    for (unsigned i = 0; i < G_N_ELEMENTS(segs); i++) {
        X86Segment *r = &s->x->segs[segs[i]];
        unsigned dpl = (r->flags >> X86_SEG_DPL_SHIFT) & 3;
        bool conforming = (r->flags & (X86_SEG_CODE | X86_SEG_C)) ==
                          (X86_SEG_CODE | X86_SEG_C);

        if ((r->flags & X86_SEG_P) && dpl < s->cpl && !conforming) {
            soft_seg_set(s, segs[i], 0, r->base, 0, 0);
        }
    }
}

void soft_stack_push(SoftCpu *s, SoftStack *st, unsigned n, uint64_t v)
{
    bool wide = st->mask == ~UINT64_C(0);

    st->sp -= n;
    if (wide && !soft_canonical(s, st->sp)) {
        soft_raise_error(s, EXC_SS, 0);
    }
    soft_st(s,
            (st->base + (st->sp & st->mask)) & (wide ? st->mask : 0xffffffff),
            v, n, st->mmu);
}
