/*
 * The interrupt flag, and what stands in for it: CLI, STI, PUSHF, POPF, and
 * virtual-8086 mode's IRET and INT n with CR4.VME.
 *
 * Intel SDM volume 3, 21.3 (VME; table 21-2: methods of INT n), 21.4 (PVI);
 * volume 2, POPF and IRET.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/exec.h"
#include "accel/soft/seg.h"

static bool iopl3(const SoftCpu *s)
{
    return (s->flags & X86_FLAG_IOPL) == X86_FLAG_IOPL;
}

static bool vme_v86(const SoftCpu *s)
{
    return s->flags & X86_FLAG_VM;
}

static bool may_change_if(const SoftCpu *s)
{
    return !(s->x->cr[0] & X86_CR0_PE) ||
           s->cpl <= (s->flags & X86_FLAG_IOPL) >> 12;
}

/* IF is out of reach, VIF isn't. */
static bool has_vif(const SoftCpu *s)
{
    return s->cpl == 3 &&
           (s->x->cr[4] & (vme_v86(s) ? X86_CR4_VME : X86_CR4_PVI));
}

static void cli(SoftCpu *s, const SoftOp *op)
{
    if (may_change_if(s)) {
        s->flags &= ~(uint64_t)X86_FLAG_IF;
    } else if (has_vif(s)) {
        s->flags &= ~(uint64_t)X86_FLAG_VIF;
    } else {
        soft_raise_gp0(s);
    }
}

static void sti(SoftCpu *s, const SoftOp *op)
{
    if (may_change_if(s)) {
        s->inhibit |= s->flags & X86_FLAG_IF ? 0 : SOFT_INHIBIT_IRQ;
        s->flags |= X86_FLAG_IF;
    } else if (has_vif(s) && !(s->flags & X86_FLAG_VIP)) {
        s->flags |= X86_FLAG_VIF;
    } else {
        soft_raise_gp0(s);
    }
}

/* #GP unless 16 bits of the flags may be used with VIF for IF. */
static void need_vme(SoftCpu *s, unsigned n)
{
    if (n != 2 || !(s->x->cr[4] & X86_CR4_VME)) {
        soft_raise_gp0(s);
    }
}

/* As the code there shall see them: IOPL 3, its own IF. */
static uint64_t virtual_flags(const SoftCpu *s)
{
    uint64_t v = soft_flags(s);

    v &= ~(uint64_t)X86_FLAG_IF;
    return v | X86_FLAG_IOPL | (v & X86_FLAG_VIF ? X86_FLAG_IF : 0);
}

static void pushf(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t v;

    if (vme_v86(s) && !iopl3(s)) {
        need_vme(s, n);
        v = virtual_flags(s);
    } else {
        v = soft_flags(s);
    }
    soft_push(s, v & ~(uint64_t)(X86_FLAG_VM | X86_FLAG_RF), n);
}

bool soft_vme_check_flags(SoftCpu *s, unsigned n, uint64_t v)
{
    if (!vme_v86(s) || iopl3(s)) {
        return false;
    }
    need_vme(s, n);
    if ((v & X86_FLAG_TF) || ((v & X86_FLAG_IF) && (s->flags & X86_FLAG_VIP))) {
        soft_raise_gp0(s);
    }
    return true;
}

void soft_vme_set_flags(SoftCpu *s, uint64_t v)
{
    const uint64_t mask =
        0x8d5 | X86_FLAG_TF | X86_FLAG_DF | X86_FLAG_NT | X86_FLAG_VIF;
    uint64_t now = soft_flags(s) & ~(uint64_t)X86_FLAG_RF;

    v &= ~(uint64_t)X86_FLAG_VIF;
    v |= v & X86_FLAG_IF ? X86_FLAG_VIF : 0;
    soft_set_flags(s, (now & ~mask) | (v & mask));
}

static void popf(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t mask = 0x8d5 | X86_FLAG_TF | X86_FLAG_DF | X86_FLAG_NT |
                    X86_FLAG_AC | X86_FLAG_ID;
    uint64_t v;

    if (vme_v86(s) && !iopl3(s)) {
        need_vme(s, n);
    }
    v = soft_peek(s, 0, n);
    if (soft_vme_check_flags(s, n, v)) {
        soft_set_sp(s, s->gpr[X86_RSP] + n);
        soft_vme_set_flags(s, v);
        return;
    }
    if (s->cpl == 0) {
        mask |= X86_FLAG_IOPL;
    }
    if (may_change_if(s)) {
        mask |= X86_FLAG_IF;
    }
    if (n == 2) {
        mask &= 0xffff;
    }
    soft_set_sp(s, s->gpr[X86_RSP] + n);
    soft_set_flags(s, (soft_flags(s) & ~mask & ~(uint64_t)X86_FLAG_RF) |
                          (v & mask));
    soft_update_mode(s);
}

/* The map of 32 bytes ahead of that of the ports: is the vector's bit set? */
static bool to_monitor(SoftCpu *s, unsigned vec)
{
    const X86Segment *tr = &s->x->tr;
    uint32_t at;
    uint64_t v;

    if (!((tr->flags >> X86_SEG_TYPE_SHIFT) & 8) || tr->limit < 103) {
        soft_raise_gp0(s);
    }
    v = soft_ld(s, (tr->base + 102) & s->lin_mask, 2, s->mmu_sys);
    at = v - 32 + vec / 8;
    if (v < 32 || at > tr->limit) {
        soft_raise_gp0(s);
    }
    v = soft_ld(s, (tr->base + at) & s->lin_mask, 1, s->mmu_sys);
    return v >> (vec & 7) & 1;
}

bool soft_vme_int(SoftCpu *s, unsigned vec)
{
    uint64_t flags = iopl3(s) ? soft_flags(s) : virtual_flags(s);
    uint64_t clear = X86_FLAG_TF | X86_FLAG_RF;
    SoftStack st = { .base = s->segbase[X86_SS],
                     .sp = s->gpr[X86_RSP],
                     .mask = 0xffff,
                     .mmu = s->mmu };
    uint32_t to;

    if (!vme_v86(s) || !(s->x->cr[4] & X86_CR4_VME) || to_monitor(s, vec)) {
        return false;
    }
    to = soft_ld(s, vec * 4, 4, s->mmu);
    soft_stack_push(s, &st, 2, flags);
    soft_stack_push(s, &st, 2, s->x->segs[X86_CS].selector);
    soft_stack_push(s, &st, 2, s->gpr[SOFT_NEXT_RIP]);
    clear |= iopl3(s) ? X86_FLAG_IF : X86_FLAG_VIF;
    soft_set_sp(s, st.sp);
    soft_set_flags(s, soft_flags(s) & ~clear);
    soft_seg_set_real(s, X86_CS, to >> 16);
    s->gpr[SOFT_NEXT_RIP] = to & 0xffff;
    return true;
}

SoftFn *soft_select_vme(const SoftOp *op)
{
    switch (op->id) {
    case INSN_CLI:
        return cli;
    case INSN_STI:
        return sti;
    case INSN_PUSHF:
        return pushf;
    case INSN_POPF:
        return popf;
    default:
        return NULL;
    }
}
