/*
 * Hardware task switches: by CALL, JMP, IRET, and gates of the IDT.
 *
 * Intel SDM volume 3, chapter 8: TSS (8.2), the switch and what is checked
 * when (8.3, table 8-1), back links and NT (8.4), 16-bit TSS (8.6).
 *
 * A switch has two halves.  Until everything of both tasks that is touched has
 * been found present and writable, a fault is the old task's and leaves no
 * trace.  From the load of TR on, the new task is current, and what is wrong
 * with its segments is raised as its own, ahead of its first instruction.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/task.h"

#include "accel/soft/debug.h"
#include "accel/soft/log.h"

enum {
    TSS_LINK = 0,
    TSS32_CR3 = 0x1c,
    TSS32_EIP = 0x20, /* what is saved begins here */
    TSS32_LDT = 0x60,
    TSS32_TRAP = 0x64,
    TSS32_MIN = 0x67, /* least limit */
    TSS16_IP = 0x0e,
    TSS16_LDT = 0x2a,
    TSS16_MIN = 0x2b,
    DT_BUSY = 2 << 8,  /* in a descriptor's high word */
    DR7_LOCAL = 0x155, /* L0 to L3, LE */
    DR6_BT = 1 << 15,
    NREGS = 8,
};

/* The static and dynamic fields, of a TSS of either size. */
typedef struct Task {
    uint32_t eip, eflags, regs[NREGS], cr3;
    uint16_t segs[X86_NSEGS], ldt;
    bool trap, wide;
} Task;

static bool is_wide(unsigned type)
{
    return type & 8;
}

static uint64_t tss_lin(const SoftCpu *s, uint64_t base, unsigned off)
{
    return (base + off) & s->lin_mask;
}

static uint32_t tss_get(SoftCpu *s, uint64_t base, unsigned off, unsigned n)
{
    return soft_ld(s, tss_lin(s, base, off), n, s->mmu_sys);
}

static void tss_put(SoftCpu *s, uint64_t base, unsigned off, unsigned n,
                    uint32_t v)
{
    soft_st(s, tss_lin(s, base, off), v, n, s->mmu_sys);
}

static void task_read(SoftCpu *s, uint64_t base, Task *t)
{
    unsigned n = t->wide ? 4 : 2;
    unsigned at = t->wide ? TSS32_EIP : TSS16_IP;

    t->eip = tss_get(s, base, at, n);
    t->eflags = tss_get(s, base, at + n, n);
    for (unsigned i = 0; i < NREGS; i++) {
        t->regs[i] = tss_get(s, base, at + (2 + i) * n, n);
        /* The upper halves that a 16-bit task doesn't have. */
        t->regs[i] |= t->wide ? 0 : 0xffff0000;
    }
    for (unsigned i = 0; i < (t->wide ? X86_NSEGS : X86_FS); i++) {
        t->segs[i] = tss_get(s, base, at + (10 + i) * n, 2);
    }
    t->ldt = tss_get(s, base, t->wide ? TSS32_LDT : TSS16_LDT, 2);
    if (t->wide) {
        t->cr3 = tss_get(s, base, TSS32_CR3, 4);
        t->trap = tss_get(s, base, TSS32_TRAP, 2) & 1;
    }
}

/* The task that is left; nothing of it faults: old_probe(). */
static void task_write(SoftCpu *s, uint32_t eip, uint32_t eflags)
{
    const X86Segment *tr = &s->x->tr;
    bool wide = is_wide((tr->flags >> X86_SEG_TYPE_SHIFT) & 15);
    unsigned n = wide ? 4 : 2;
    unsigned at = wide ? TSS32_EIP : TSS16_IP;

    tss_put(s, tr->base, at, n, eip);
    tss_put(s, tr->base, at + n, n, eflags);
    for (unsigned i = 0; i < NREGS; i++) {
        tss_put(s, tr->base, at + (2 + i) * n, n, s->gpr[i]);
    }
    for (unsigned i = 0; i < (wide ? X86_NSEGS : X86_FS); i++) {
        tss_put(s, tr->base, at + (10 + i) * n, 2, s->x->segs[i].selector);
    }
}

/* The current TSS and its descriptor. */
static void old_probe(SoftCpu *s, SoftDesc *ret_desc)
{
    const X86Segment *tr = &s->x->tr;
    bool wide = is_wide((tr->flags >> X86_SEG_TYPE_SHIFT) & 15);
    unsigned at = wide ? TSS32_EIP : TSS16_IP;
    unsigned end = wide ? TSS32_LDT : TSS16_LDT;
    uint16_t err = tr->selector & 0xfffc;

    if (!err || (tr->selector & 4) || !(tr->flags & X86_SEG_P) ||
        tr->limit < (wide ? TSS32_MIN : TSS16_MIN) ||
        !soft_desc_read(s, tr->selector, ret_desc)) {
        soft_raise_error(s, EXC_TS, err);
    }
    soft_probe_write(s, tss_lin(s, tr->base, at), end - at, s->mmu_sys);
    soft_probe_write(s, ret_desc->lin + 4, 4, s->mmu_sys);
}

static void set_busy(SoftCpu *s, SoftDesc *d, bool busy)
{
    d->hi = busy ? d->hi | DT_BUSY : d->hi & ~(uint32_t)DT_BUSY;
    soft_st(s, d->lin + 4, d->hi, 4, s->mmu_sys);
}

/* The new task's segments, in its own context: table 8-1. */

static void load_ldt(SoftCpu *s, uint16_t sel)
{
    SoftDesc d;

    if (!(sel & 0xfffc)) {
        return;
    }
    if ((sel & 4) || !soft_desc_read(s, sel, &d) || (d.hi & X86_SEG_S) ||
        soft_desc_type(&d) != DT_LDT || !(d.hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_TS, sel & 0xfffc);
    }
    s->x->ldt = (X86Segment){ .selector = sel,
                              .base = soft_desc_base(&d),
                              .limit = soft_desc_limit(&d),
                              .flags = d.hi & 0xf0ff00 };
}

static void load_code(SoftCpu *s, uint16_t sel)
{
    const uint32_t code = X86_SEG_S | X86_SEG_CODE;
    SoftDesc d;
    unsigned dpl;

    if (!(sel & 0xfffc) || !soft_desc_read(s, sel, &d) ||
        (d.hi & code) != code) {
        soft_raise_error(s, EXC_TS, sel & 0xfffc);
    }
    dpl = soft_desc_dpl(&d);
    if (d.hi & X86_SEG_C ? dpl > (sel & 3) : dpl != (sel & 3)) {
        soft_raise_error(s, EXC_TS, sel & 0xfffc);
    }
    if (!(d.hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, sel & 0xfffc);
    }
    soft_desc_set_accessed(s, &d);
    soft_seg_set_desc(s, X86_CS, sel, &d);
}

static void load_stack(SoftCpu *s, uint16_t sel)
{
    SoftDesc d;

    soft_seg_check_stack(s, sel, s->cpl, EXC_TS, &d);
    soft_desc_set_accessed(s, &d);
    soft_seg_set_desc(s, X86_SS, sel, &d);
}

static void load_data(SoftCpu *s, unsigned seg, uint16_t sel)
{
    SoftDesc d;
    bool code;
    bool conforming;

    if (!(sel & 0xfffc)) {
        return;
    }
    if (!soft_desc_read(s, sel, &d)) {
        soft_raise_error(s, EXC_TS, sel & 0xfffc);
    }
    code = d.hi & X86_SEG_CODE;
    conforming = code && (d.hi & X86_SEG_C);
    if (!(d.hi & X86_SEG_S) || (code && !(d.hi & X86_SEG_W)) ||
        (!conforming && soft_desc_dpl(&d) < soft_privilege(s, sel))) {
        soft_raise_error(s, EXC_TS, sel & 0xfffc);
    }
    if (!(d.hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, sel & 0xfffc);
    }
    soft_desc_set_accessed(s, &d);
    soft_seg_set_desc(s, seg, sel, &d);
}

static void load_segments(SoftCpu *s, const Task *t)
{
    static const uint8_t data[] = { X86_ES, X86_DS, X86_FS, X86_GS };

    load_ldt(s, t->ldt);
    if (s->flags & X86_FLAG_VM) {
        for (unsigned i = 0; i < X86_NSEGS; i++) {
            soft_seg_set_real(s, i, t->segs[i]);
        }
        return;
    }
    load_code(s, t->segs[X86_CS]);
    load_stack(s, t->segs[X86_SS]);
    for (size_t i = 0; i < G_N_ELEMENTS(data); i++) {
        load_data(s, data[i], t->segs[data[i]]);
    }
}

/* Registers; segments are there by name only, and can't be used. */
static void load_registers(SoftCpu *s, const Task *t)
{
    X86Cpu *x = s->x;

    if (t->wide && (x->cr[0] & X86_CR0_PG)) {
        x->cr[3] = t->cr3;
        soft_tlb_flush(s);
    }
    for (unsigned i = 0; i < NREGS; i++) {
        s->gpr[i] = t->regs[i];
    }
    soft_set_flags(s, t->eflags & 0x3f7fd7);
    s->rip = s->gpr[SOFT_NEXT_RIP] = t->eip;
    s->cpl = s->flags & X86_FLAG_VM ? 3 : t->segs[X86_CS] & 3;
    s->inhibit = 0;
    x->ldt = (X86Segment){ .selector = t->ldt };
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        soft_seg_set(s, i, t->segs[i], 0, 0, 0);
    }
    x->cr[0] |= X86_CR0_TS;
    if (x->dr[7] & DR7_LOCAL) {
        x->dr[7] &= ~(uint64_t)DR7_LOCAL;
        soft_update_breakpoints(s);
    }
    soft_update_mode(s);
}

/* What can still be refused: the PDPTEs that CR3 leads to. */
static void check_cr3(SoftCpu *s, const Task *t, uint16_t err)
{
    const X86Cpu *x = s->x;

    if (t->wide && (x->cr[0] & X86_CR0_PG) &&
        !soft_pdptes_load(s, t->cr3, x->cr[0], x->cr[4])) {
        soft_raise_error(s, EXC_TS, err);
    }
}

/* The descriptor has been found good, but for its limit. */
static void task_switch(SoftCpu *s, uint16_t sel, SoftDesc *d, SoftTaskHow how,
                        uint32_t back)
{
    X86Cpu *x = s->x;
    Task t = { .wide = is_wide(soft_desc_type(d)) };
    uint32_t base = soft_desc_base(d);
    uint32_t flags = soft_flags(s);
    bool nested = how == SOFT_TASK_CALL;
    uint16_t old = x->tr.selector;
    SoftDesc od;

    if (soft_desc_limit(d) < (t.wide ? TSS32_MIN : TSS16_MIN)) {
        soft_raise_error(s, EXC_TS, sel & 0xfffc);
    }
    if (log_enabled(LOG_ITEM_PCALL)) {
        soft_log_far(s, "task", sel, back);
    }
    task_read(s, base, &t);
    old_probe(s, &od);
    soft_probe_write(s, d->lin + 4, 4, s->mmu_sys);
    soft_probe_write(s, tss_lin(s, base, TSS_LINK), 2, s->mmu_sys);
    check_cr3(s, &t, sel & 0xfffc);
    /* Nothing faults from here on to the new task's segments. */
    if (how == SOFT_TASK_IRET) {
        flags &= ~(uint32_t)X86_FLAG_NT;
    }
    task_write(s, back, flags);
    if (!nested) {
        set_busy(s, &od, false);
    }
    if (nested) {
        tss_put(s, base, TSS_LINK, 2, old);
        t.eflags |= X86_FLAG_NT;
    }
    if (how != SOFT_TASK_IRET) {
        set_busy(s, d, true);
    }
    /* The register keeps "available", as LTR has it. */
    x->tr = (X86Segment){ .selector = sel,
                          .base = base,
                          .limit = soft_desc_limit(d),
                          .flags = d->hi & 0xf0ff00 & ~(uint32_t)DT_BUSY };
    load_registers(s, &t);
    s->delivering = -1;
    load_segments(s, &t);
    if (t.trap) {
        x->dr[6] |= DR6_BT;
        soft_raise(s, EXC_DB);
    }
}

/* A TSS that a gate or a far pointer names; it must be available. */
static void need_available(SoftCpu *s, uint16_t sel, SoftDesc *d)
{
    unsigned type;

    if (!(sel & 0xfffc) || (sel & 4) || !soft_desc_read(s, sel, d)) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    type = soft_desc_type(d);
    if ((d->hi & X86_SEG_S) || (type != DT_TSS && type != DT_TSS16)) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    if (!(d->hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, sel & 0xfffc);
    }
}

bool soft_task_far(SoftCpu *s, uint16_t sel, SoftTaskHow how)
{
    uint32_t back = s->gpr[SOFT_NEXT_RIP];
    SoftDesc d;
    unsigned type;

    if (soft_long_mode(s) || !(sel & 0xfffc) || !soft_desc_read(s, sel, &d) ||
        (d.hi & X86_SEG_S)) {
        return false;
    }
    type = soft_desc_type(&d);
    if (type != DT_TASK && (type & ~2U & ~8U) != DT_TSS16) {
        return false;
    }
    if (soft_desc_dpl(&d) < soft_privilege(s, sel)) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    if (type == DT_TASK) {
        if (!(d.hi & X86_SEG_P)) {
            soft_raise_error(s, EXC_NP, sel & 0xfffc);
        }
        sel = d.lo >> 16;
    }
    need_available(s, sel, &d);
    task_switch(s, sel, &d, how, back);
    return true;
}

void soft_task_return(SoftCpu *s)
{
    uint16_t sel = tss_get(s, s->x->tr.base, TSS_LINK, 2);
    SoftDesc d;
    unsigned type;

    if (!(sel & 0xfffc) || (sel & 4) || !soft_desc_read(s, sel, &d)) {
        soft_raise_error(s, EXC_TS, sel & 0xfffc);
    }
    type = soft_desc_type(&d);
    if ((d.hi & X86_SEG_S) || (type != DT_TSS_BUSY && type != DT_TSS16_BUSY)) {
        soft_raise_error(s, EXC_TS, sel & 0xfffc);
    }
    if (!(d.hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, sel & 0xfffc);
    }
    task_switch(s, sel, &d, SOFT_TASK_IRET, s->gpr[SOFT_NEXT_RIP]);
}

void soft_task_interrupt(SoftCpu *s, uint16_t sel, uint64_t back,
                         bool has_error, uint32_t error)
{
    SoftDesc d;

    need_available(s, sel, &d);
    task_switch(s, sel, &d, SOFT_TASK_CALL, back);
    if (has_error) {
        soft_push(s, error, is_wide(soft_desc_type(&d)) ? 4 : 2);
    }
}
