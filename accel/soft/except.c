/*
 * Exceptions and interrupts: how they are raised and delivered.
 *
 * Intel SDM volume 3, chapter 6: IDT gates (6.11, 6.12), 64-bit mode (6.14),
 * error codes (6.13), double faults (table 6-5); volume 1, 20.1.4 (real mode).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/log.h"
#include "accel/soft/seg.h"
#include "accel/soft/task.h"

void soft_raise(SoftCpu *s, unsigned vec)
{
    s->exc = vec;
    s->exc_has_error = false;
    s->exc_error = 0;
    longjmp(s->env, SOFT_JMP_EXCEPTION);
}

void soft_raise_error(SoftCpu *s, unsigned vec, uint32_t error)
{
    s->exc = vec;
    s->exc_has_error = true;
    s->exc_error = error;
    if (s->ext && vec != EXC_PF && vec != EXC_DF) {
        s->exc_error |= 1;
    }
    longjmp(s->env, SOFT_JMP_EXCEPTION);
}

void soft_raise_gp0(SoftCpu *s)
{
    soft_raise_error(s, EXC_GP, 0);
}

static bool except_contributory(int v)
{
    return v == EXC_DE || (v >= EXC_TS && v <= EXC_GP);
}

bool soft_exception_combine(SoftCpu *s)
{
    int first = s->delivering;

    if (first < 0) {
        return true;
    }
    if (first == EXC_DF) {
        return false;
    }
    if ((except_contributory(first) && except_contributory(s->exc)) ||
        (first == EXC_PF &&
         (except_contributory(s->exc) || s->exc == EXC_PF))) {
        s->exc = EXC_DF;
        s->exc_has_error = true;
        s->exc_error = 0;
    }
    return true;
}

static void deliver_real(SoftCpu *s, unsigned vec, uint64_t rip)
{
    uint64_t at = s->x->idt.base + vec * 4;
    uint64_t flags = soft_flags(s);
    uint32_t v;
    SoftStack st = {
        .base = s->segbase[X86_SS],
        .sp = s->gpr[X86_RSP],
        .mask = s->sp_mask,
        .mmu = s->mmu_sys,
    };

    if (vec * 4 + 3 > s->x->idt.limit) {
        soft_raise_error(s, EXC_GP, vec * 8 + 2);
    }
    v = soft_ld(s, at & s->lin_mask, 4, s->mmu_sys);
    soft_stack_push(s, &st, 2, flags);
    soft_stack_push(s, &st, 2, s->x->segs[X86_CS].selector);
    soft_stack_push(s, &st, 2, rip);
    soft_set_sp(s, st.sp);
    soft_set_flags(s, flags & ~(uint64_t)(X86_FLAG_IF | X86_FLAG_TF |
                                          X86_FLAG_AC | X86_FLAG_RF));
    soft_seg_set_real(s, X86_CS, v >> 16);
    s->rip = v & 0xffff;
}

/* A gate that was read and found good. */
typedef struct Gate {
    unsigned type, ist;
    uint16_t sel;
    uint64_t off;
} Gate;

static Gate gate_read(SoftCpu *s, unsigned vec, bool soft)
{
    bool lm = soft_long_mode(s);
    uint32_t off = vec * (lm ? 16 : 8);
    uint32_t err = vec * 8 + 2;
    uint64_t lin = s->x->idt.base + off;
    SoftDesc d = { 0 };
    Gate g;
    uint64_t v;

    if (off + (lm ? 15 : 7) > s->x->idt.limit) {
        soft_raise_error(s, EXC_GP, err);
    }
    lin &= lm ? ~UINT64_C(0) : 0xffffffff;
    v = soft_ld(s, lin, 8, s->mmu_sys);
    d.lo = v;
    d.hi = v >> 32;
    g.type = (d.hi >> 8) & 31;
    g.sel = d.lo >> 16;
    g.ist = d.hi & 7;
    g.off = (d.lo & 0xffff) | (d.hi & 0xffff0000);
    if (g.type != DT_INT && g.type != DT_TRAP &&
        (lm ||
         (g.type != DT_INT16 && g.type != DT_TRAP16 && g.type != DT_TASK))) {
        soft_raise_error(s, EXC_GP, err);
    }
    if (soft && soft_desc_dpl(&d) < s->cpl) {
        soft_raise_error(s, EXC_GP, err);
    }
    if (!(d.hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, err);
    }
    if (lm) {
        g.off |= soft_ld(s, lin + 8, 4, s->mmu_sys) << 32;
    }
    return g;
}

static unsigned gate_target(SoftCpu *s, const Gate *g, SoftDesc *d)
{
    uint16_t err = g->sel & 0xfffc;
    unsigned dpl;

    if (!err) {
        soft_raise_gp0(s);
    }
    if (!soft_desc_read(s, g->sel, d)) {
        soft_raise_error(s, EXC_GP, err);
    }
    dpl = soft_desc_dpl(d);
    if ((d->hi & (X86_SEG_S | X86_SEG_CODE)) != (X86_SEG_S | X86_SEG_CODE) ||
        dpl > s->cpl) {
        soft_raise_error(s, EXC_GP, err);
    }
    if (soft_long_mode(s) && (d->hi & (X86_SEG_L | X86_SEG_DB)) != X86_SEG_L) {
        soft_raise_error(s, EXC_GP, err);
    }
    if (!(d->hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, err);
    }
    if (d->hi & X86_SEG_C) {
        dpl = s->cpl;
    }
    if ((s->flags & X86_FLAG_VM) && dpl != 0) {
        soft_raise_error(s, EXC_GP, err);
    }
    return dpl;
}

/* After the pushes: nothing can fault any more. */
static void enter_handler(SoftCpu *s, const Gate *g, const SoftDesc *code,
                          unsigned cpl)
{
    uint64_t clear = X86_FLAG_TF | X86_FLAG_NT | X86_FLAG_RF | X86_FLAG_VM;

    if (g->type == DT_INT || g->type == DT_INT16) {
        clear |= X86_FLAG_IF;
    }
    soft_set_flags(s, soft_flags(s) & ~clear);
    s->cpl = cpl;
    soft_seg_set_desc(s, X86_CS, (g->sel & ~3) | cpl, code);
    s->rip = g->off;
}

static void push_v86_segments(SoftCpu *s, SoftStack *st, unsigned n)
{
    static const uint8_t order[] = { X86_GS, X86_FS, X86_DS, X86_ES };

    for (unsigned i = 0; i < G_N_ELEMENTS(order); i++) {
        soft_stack_push(s, st, n, s->x->segs[order[i]].selector);
    }
}

static void deliver_by_gate(SoftCpu *s, const Gate *g, bool has_error,
                            uint32_t error, uint64_t rip)
{
    unsigned n = g->type & 8 ? 4 : 2;
    bool v86 = s->flags & X86_FLAG_VM;
    SoftDesc code;
    SoftDesc ss = { 0 };
    uint16_t new_ss = 0;
    unsigned cpl = gate_target(s, g, &code);
    bool inner = cpl < s->cpl;
    SoftStack st = { .base = s->segbase[X86_SS],
                     .sp = s->gpr[X86_RSP],
                     .mask = s->sp_mask,
                     .mmu = cpl == 3 ? SOFT_MMU_USER : s->mmu_sys };

    if (inner) {
        soft_tss_stack(s, cpl, &new_ss, &st.sp);
        soft_seg_check_stack(s, new_ss, cpl, EXC_TS, &ss);
        st.base = soft_desc_base(&ss);
        st.mask = ss.hi & X86_SEG_DB ? 0xffffffff : 0xffff;
        if (v86) {
            push_v86_segments(s, &st, n);
        }
        soft_stack_push(s, &st, n, s->x->segs[X86_SS].selector);
        soft_stack_push(s, &st, n, s->gpr[X86_RSP]);
    }
    soft_stack_push(s, &st, n, soft_flags(s));
    soft_stack_push(s, &st, n, s->x->segs[X86_CS].selector);
    soft_stack_push(s, &st, n, rip);
    if (has_error) {
        soft_stack_push(s, &st, n, error);
    }
    enter_handler(s, g, &code, cpl);
    if (inner) {
        soft_seg_set_desc(s, X86_SS, (new_ss & ~3) | cpl, &ss);
        if (v86) {
            for (unsigned i = 0; i < X86_NSEGS; i++) {
                if (i != X86_CS && i != X86_SS) {
                    soft_seg_set(s, i, 0, 0, 0, 0);
                }
            }
        }
    }
    soft_set_sp(s, st.sp);
}

static void deliver_protected(SoftCpu *s, unsigned vec, bool soft,
                              bool has_error, uint32_t error, uint64_t rip)
{
    Gate g = gate_read(s, vec, soft);

    if (g.type == DT_TASK) {
        soft_task_interrupt(s, g.sel, rip, has_error, error);
    } else {
        deliver_by_gate(s, &g, has_error, error, rip);
    }
}

static void deliver_long(SoftCpu *s, unsigned vec, bool soft, bool has_error,
                         uint32_t error, uint64_t rip)
{
    Gate g = gate_read(s, vec, soft);
    SoftDesc code;
    unsigned cpl = gate_target(s, &g, &code);
    bool inner = cpl < s->cpl;
    SoftStack st = { .sp = s->gpr[X86_RSP],
                     .mask = ~UINT64_C(0),
                     .mmu = cpl == 3 ? SOFT_MMU_USER : s->mmu_sys };
    uint64_t old_sp = s->gpr[X86_RSP];
    uint16_t old_ss = s->x->segs[X86_SS].selector;

    if (g.ist) {
        st.sp = soft_tss_rsp(s, 3 + g.ist);
    } else if (inner) {
        st.sp = soft_tss_rsp(s, cpl);
    }
    st.sp &= ~UINT64_C(15);
    soft_stack_push(s, &st, 8, old_ss);
    soft_stack_push(s, &st, 8, old_sp);
    soft_stack_push(s, &st, 8, soft_flags(s));
    soft_stack_push(s, &st, 8, s->x->segs[X86_CS].selector);
    soft_stack_push(s, &st, 8, rip);
    if (has_error) {
        soft_stack_push(s, &st, 8, error);
    }
    enter_handler(s, &g, &code, cpl);
    if (inner) {
        soft_seg_set(s, X86_SS, cpl, 0, 0, cpl << X86_SEG_DPL_SHIFT);
    }
    s->gpr[X86_RSP] = st.sp;
}

void soft_deliver(SoftCpu *s, unsigned vec, SoftSource from, bool has_error,
                  uint32_t error)
{
    uint64_t rip = from != SOFT_FROM_OUTSIDE ? s->gpr[SOFT_NEXT_RIP] : s->rip;
    bool soft = from == SOFT_FROM_INT;

    if (log_enabled(LOG_ITEM_INT)) {
        soft_log_int(s, vec, from != SOFT_FROM_OUTSIDE, has_error ? error : 0);
    }
    if (!(s->x->cr[0] & X86_CR0_PE)) {
        deliver_real(s, vec, rip);
    } else if (soft_long_mode(s)) {
        deliver_long(s, vec, soft, has_error, error, rip);
    } else {
        if (soft && (s->flags & X86_FLAG_VM) &&
            (s->flags & X86_FLAG_IOPL) != X86_FLAG_IOPL && vec != EXC_BP &&
            vec != EXC_OF) {
            soft_raise_gp0(s);
        }
        deliver_protected(s, vec, soft, has_error, error, rip);
    }
    s->gpr[SOFT_NEXT_RIP] = s->rip;
    s->inhibit = 0;
    soft_update_mode(s);
}

void soft_deliver_exception(SoftCpu *s)
{
    int vec = s->exc;

    s->delivering = vec;
    s->ext = true;
    soft_deliver(s, vec, SOFT_FROM_OUTSIDE, s->exc_has_error, s->exc_error);
    s->delivering = -1;
    s->ext = false;
}
