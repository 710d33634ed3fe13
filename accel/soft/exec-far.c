/*
 * Far transfers, segment registers, system calls.
 *
 * Intel SDM volume 2 (CALL, JMP, RET, IRET, SYSCALL, SYSRET, SYSENTER,
 * SYSEXIT); volume 3, 5.8.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/debug.h"
#include "accel/soft/exec.h"
#include "accel/soft/log.h"
#include "accel/soft/seg.h"
#include "accel/soft/task.h"

static void far_code(SoftCpu *s, uint16_t sel, const SoftDesc *d, uint64_t rip)
{
    bool m64 = soft_long_mode(s) && (d->hi & X86_SEG_L);
    unsigned cpl = s->cpl;

    if (m64 ? !soft_canonical(s, rip) : rip > soft_desc_limit(d)) {
        soft_raise_gp0(s);
    }
    s->cpl = cpl;
    soft_seg_set_desc(s, X86_CS, (sel & ~3) | cpl, d);
    s->gpr[SOFT_NEXT_RIP] = rip;
}

/* Reads the target's descriptor; follows a call gate. */
static bool far_target(SoftCpu *s, uint16_t *sel, uint64_t *rip, SoftDesc *d,
                       SoftDesc *ret_gate)
{
    uint16_t err = *sel & 0xfffc;
    unsigned type;

    if (!err) {
        soft_raise_gp0(s);
    }
    if (!soft_desc_read(s, *sel, d)) {
        soft_raise_error(s, EXC_GP, err);
    }
    if (d->hi & X86_SEG_S) {
        if (!(d->hi & X86_SEG_CODE)) {
            soft_raise_error(s, EXC_GP, err);
        }
        soft_code_check(s, *sel, d);
        return false;
    }
    type = soft_desc_type(d);
    if ((type != DT_CALL && (type != DT_CALL16 || soft_long_mode(s))) ||
        soft_desc_dpl(d) < soft_privilege(s, *sel)) {
        soft_raise_error(s, EXC_GP, err);
    }
    if (!(d->hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, err);
    }
    *ret_gate = *d;
    *sel = d->lo >> 16;
    *rip = (d->lo & 0xffff) | (type & 8 ? d->hi & 0xffff0000 : 0);
    if (soft_long_mode(s)) {
        *rip |= (uint64_t)soft_desc_upper(s, d) << 32;
    }
    if (!(*sel & 0xfffc) || !soft_desc_read(s, *sel, d) ||
        (d->hi & (X86_SEG_S | X86_SEG_CODE)) != (X86_SEG_S | X86_SEG_CODE) ||
        soft_desc_dpl(d) > s->cpl) {
        soft_raise_error(s, EXC_GP, *sel & 0xfffc);
    }
    if (!(d->hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, *sel & 0xfffc);
    }
    return true;
}

static void far_operand(SoftCpu *s, const SoftOp *op, uint16_t *sel,
                        uint64_t *rip)
{
    unsigned n = soft_size(op);
    uint64_t lin;

    if (!soft_is_mem(op)) {
        *sel = op->sel;
        *rip = op->imm & soft_mask(n);
        return;
    }
    lin = soft_ea_lin(s, op, n + 2, false);
    *rip = soft_ld(s, lin, n, s->mmu);
    *sel = soft_ld(s, (lin + n) & s->lin_mask, 2, s->mmu);
}

static void log_far(SoftCpu *s, const char *what, uint16_t sel, uint64_t rip)
{
    if (log_enabled(LOG_ITEM_PCALL)) {
        soft_log_far(s, what, sel, rip);
    }
}

static void jmp_far(SoftCpu *s, const SoftOp *op)
{
    uint16_t sel;
    uint64_t rip;
    SoftDesc d;
    SoftDesc gate;

    far_operand(s, op, &sel, &rip);
    log_far(s, "ljmp", sel, rip);
    if (!soft_protected(s)) {
        if (rip > s->x->segs[X86_CS].limit) {
            soft_raise_gp0(s);
        }
        soft_seg_set_real(s, X86_CS, sel);
        s->gpr[SOFT_NEXT_RIP] = rip;
        return;
    }
    if (soft_task_far(s, sel, SOFT_TASK_JMP)) {
        return;
    }
    if (far_target(s, &sel, &rip, &d, &gate) && !(d.hi & X86_SEG_C) &&
        soft_desc_dpl(&d) != s->cpl) {
        soft_raise_error(s, EXC_GP, sel & 0xfffc);
    }
    far_code(s, sel, &d, rip);
}

/* Through a gate to an inner ring: a new stack with the old one's address. */
static void call_inner(SoftCpu *s, const SoftDesc *gate, uint16_t sel,
                       const SoftDesc *code, uint64_t rip, uint64_t back)
{
    unsigned cpl = soft_desc_dpl(code);
    bool lm = soft_long_mode(s);
    unsigned n = lm ? 8 : soft_desc_type(gate) & 8 ? 4 : 2;
    unsigned nparams = lm ? 0 : gate->hi & 31;
    SoftStack st = { .mask = ~UINT64_C(0), .mmu = s->mmu_sys };
    SoftDesc ss = { 0 };
    uint16_t new_ss = cpl;

    if (lm) {
        st.sp = soft_tss_rsp(s, cpl);
    } else {
        soft_tss_stack(s, cpl, &new_ss, &st.sp);
        soft_seg_check_stack(s, new_ss, cpl, EXC_TS, &ss);
        st.base = soft_desc_base(&ss);
        st.mask = ss.hi & X86_SEG_DB ? 0xffffffff : 0xffff;
    }
    soft_stack_push(s, &st, n, s->x->segs[X86_SS].selector);
    soft_stack_push(s, &st, n, s->gpr[X86_RSP]);
    for (unsigned i = nparams; i-- > 0;) {
        soft_stack_push(s, &st, n, soft_peek(s, i * n, n));
    }
    soft_stack_push(s, &st, n, s->x->segs[X86_CS].selector);
    soft_stack_push(s, &st, n, back);
    s->cpl = cpl;
    soft_seg_set_desc(s, X86_CS, (sel & ~3) | cpl, code);
    if (lm) {
        soft_seg_set(s, X86_SS, cpl, 0, 0, cpl << X86_SEG_DPL_SHIFT);
        s->gpr[X86_RSP] = st.sp;
    } else {
        soft_seg_set_desc(s, X86_SS, (new_ss & ~3) | cpl, &ss);
        soft_set_sp(s, st.sp);
    }
    s->gpr[SOFT_NEXT_RIP] = rip;
}

static void call_far(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t back = s->gpr[SOFT_NEXT_RIP];
    uint16_t old = s->x->segs[X86_CS].selector;
    SoftStack st = { .base = s->segbase[X86_SS],
                     .sp = s->gpr[X86_RSP],
                     .mask = s->sp_mask,
                     .mmu = s->mmu };
    uint16_t sel;
    uint64_t rip;
    SoftDesc d;
    SoftDesc gate;

    far_operand(s, op, &sel, &rip);
    log_far(s, "lcall", sel, rip);
    if (!soft_protected(s)) {
        if (rip > s->x->segs[X86_CS].limit) {
            soft_raise_gp0(s);
        }
        soft_push(s, old, n);
        soft_push(s, back, n);
        soft_seg_set_real(s, X86_CS, sel);
        s->gpr[SOFT_NEXT_RIP] = rip;
        return;
    }
    if (soft_task_far(s, sel, SOFT_TASK_CALL)) {
        return;
    }
    if (far_target(s, &sel, &rip, &d, &gate)) {
        if (!(d.hi & X86_SEG_C) && soft_desc_dpl(&d) < s->cpl) {
            call_inner(s, &gate, sel, &d, rip, back);
            return;
        }
        n = soft_long_mode(s) ? 8 : soft_desc_type(&gate) & 8 ? 4 : 2;
    }
    soft_stack_push(s, &st, n, old);
    soft_stack_push(s, &st, n, back);
    far_code(s, sel, &d, rip);
    soft_set_sp(s, st.sp);
}

/* Return to protected-mode code; frame: RIP at sp, CS after it. */
static void return_protected(SoftCpu *s, unsigned n, uint64_t rip, uint16_t cs,
                             unsigned pop, unsigned imm, bool iret)
{
    unsigned rpl = cs & 3;
    SoftDesc d;
    SoftDesc ssd = { 0 };
    uint64_t sp = 0;
    uint16_t ss = 0;
    bool outer = rpl > s->cpl;
    bool was64 = s->mode == 3;
    bool to64;

    if (!(cs & 0xfffc)) {
        soft_raise_gp0(s);
    }
    if (!soft_desc_read(s, cs, &d) || rpl < s->cpl ||
        (d.hi & (X86_SEG_S | X86_SEG_CODE)) != (X86_SEG_S | X86_SEG_CODE) ||
        (d.hi & X86_SEG_C ? soft_desc_dpl(&d) > rpl
                          : soft_desc_dpl(&d) != rpl)) {
        soft_raise_error(s, EXC_GP, cs & 0xfffc);
    }
    if (!(d.hi & X86_SEG_P)) {
        soft_raise_error(s, EXC_NP, cs & 0xfffc);
    }
    to64 = soft_long_mode(s) && (d.hi & X86_SEG_L);
    if (to64 ? !soft_canonical(s, rip) : rip > soft_desc_limit(&d)) {
        soft_raise_gp0(s);
    }
    if (outer || (iret && was64)) {
        sp = soft_peek(s, pop + imm, n);
        ss = soft_peek(s, pop + imm + n, n);
        if ((ss & 0xfffc) || !to64 || rpl == 3) {
            soft_seg_check_stack(s, ss, rpl, EXC_GP, &ssd);
        }
    }
    s->cpl = rpl;
    soft_seg_set_desc(s, X86_CS, cs, &d);
    if (outer || (iret && was64)) {
        if (ss & 0xfffc) {
            soft_seg_set_desc(s, X86_SS, ss, &ssd);
        } else {
            soft_seg_set(s, X86_SS, ss, 0, 0, rpl << X86_SEG_DPL_SHIFT);
        }
        soft_set_sp(s, sp + imm);
        if (outer) {
            soft_seg_drop_inner(s);
        }
    } else {
        soft_set_sp(s, s->gpr[X86_RSP] + pop + imm);
    }
    s->gpr[SOFT_NEXT_RIP] = rip;
}

static void ret_far(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t rip = soft_peek(s, 0, n);
    uint16_t cs = soft_peek(s, n, n);

    log_far(s, "lret", cs, rip);
    if (soft_protected(s)) {
        return_protected(s, n, rip, cs, 2 * n, op->imm, false);
        return;
    }
    if (rip > s->x->segs[X86_CS].limit) {
        soft_raise_gp0(s);
    }
    soft_set_sp(s, s->gpr[X86_RSP] + 2 * n + op->imm);
    soft_seg_set_real(s, X86_CS, cs);
    s->gpr[SOFT_NEXT_RIP] = rip;
}

static void set_returned_flags(SoftCpu *s, unsigned n, uint64_t v,
                               unsigned old_cpl)
{
    uint64_t mask = 0x8d5 | X86_FLAG_TF | X86_FLAG_DF | X86_FLAG_NT |
                    X86_FLAG_AC | X86_FLAG_ID;
    unsigned iopl = (s->flags & X86_FLAG_IOPL) >> 12;

    if (old_cpl == 0) {
        mask |= X86_FLAG_IOPL;
    }
    if (old_cpl == 0 && soft_protected(s)) {
        mask |= X86_FLAG_VIF | X86_FLAG_VIP;
    }
    if (old_cpl <= iopl) {
        mask |= X86_FLAG_IF;
    }
    if (s->dr_code) {
        mask |= X86_FLAG_RF; /* nothing looks at it otherwise */
    }
    if (n == 2) {
        mask &= 0xffff;
    }
    soft_set_flags(s, (soft_flags(s) & ~mask) | (v & mask));
    soft_update_mode(s);
}

static void iret_to_v86(SoftCpu *s, uint64_t rip, uint16_t cs, uint64_t flags)
{
    static const uint8_t order[] = { X86_ES, X86_DS, X86_FS, X86_GS };
    uint32_t sp = soft_peek(s, 12, 4);
    uint16_t ss = soft_peek(s, 16, 4);
    uint16_t seg[4];

    for (unsigned i = 0; i < 4; i++) {
        seg[i] = soft_peek(s, 20 + i * 4, 4);
    }
    soft_set_flags(s, flags & 0x3f7fd7);
    soft_update_mode(s);
    soft_seg_set_real(s, X86_CS, cs);
    soft_seg_set_real(s, X86_SS, ss);
    for (unsigned i = 0; i < 4; i++) {
        soft_seg_set_real(s, order[i], seg[i]);
    }
    s->gpr[X86_RSP] = sp;
    s->gpr[SOFT_NEXT_RIP] = rip & 0xffff;
    soft_update_mode(s);
}

static void iret_real(SoftCpu *s, unsigned n)
{
    uint64_t rip = soft_peek(s, 0, n);
    uint16_t cs = soft_peek(s, n, n);
    uint64_t flags = soft_peek(s, 2 * n, n);
    bool v86 = s->flags & X86_FLAG_VM;
    bool virt;

    if (rip > s->x->segs[X86_CS].limit) {
        soft_raise_gp0(s);
    }
    virt = soft_vme_check_flags(s, n, flags);
    soft_set_sp(s, s->gpr[X86_RSP] + 3 * n);
    soft_seg_set_real(s, X86_CS, cs);
    s->gpr[SOFT_NEXT_RIP] = rip;
    if (virt) {
        soft_vme_set_flags(s, flags);
        return;
    }
    set_returned_flags(s, n, flags, v86 ? 3 : 0);
}

static void iret(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    unsigned cpl = s->cpl;
    uint64_t flags;
    uint64_t rip;
    uint16_t cs;

    if ((s->flags & X86_FLAG_VM) &&
        (s->flags & X86_FLAG_IOPL) != X86_FLAG_IOPL &&
        (n != 2 || !(s->x->cr[4] & X86_CR4_VME))) {
        soft_raise_gp0(s);
    }
    s->nmi_blocked = false;
    if (!soft_protected(s)) {
        iret_real(s, n);
        return;
    }
    if (s->flags & X86_FLAG_NT) {
        if (soft_long_mode(s)) {
            soft_raise_gp0(s);
        }
        soft_task_return(s);
        return;
    }
    rip = soft_peek(s, 0, n);
    cs = soft_peek(s, n, n);
    flags = soft_peek(s, 2 * n, n);
    log_far(s, "iret", cs, rip);
    if (n == 4 && cpl == 0 && !soft_long_mode(s) && (flags & X86_FLAG_VM)) {
        iret_to_v86(s, rip, cs, flags);
        return;
    }
    return_protected(s, n, rip, cs, 3 * n, 0, true);
    set_returned_flags(s, n, flags, cpl);
}

static void int_n(SoftCpu *s, const SoftOp *op)
{
    unsigned vec = op->id == INSN_INT3   ? EXC_BP
                   : op->id == INSN_INT1 ? EXC_DB
                   : op->id == INSN_INTO ? EXC_OF
                                         : op->imm;

    if (op->id == INSN_INTO && !(soft_flags(s) & X86_FLAG_OF)) {
        return;
    }
    if (op->id == INSN_INT && soft_vme_int(s, vec)) {
        return;
    }
    s->delivering = -1;
    if (op->id == INSN_INT1) {
        s->ext = true; /* in error codes, as if it came from outside */
        soft_deliver(s, vec, SOFT_FROM_INT1, false, 0);
        s->ext = false;
        return;
    }
    soft_deliver(s, vec, SOFT_FROM_INT, false, 0);
}

/* Segment registers */

static void after_ss(SoftCpu *s, unsigned seg)
{
    if (seg == X86_SS) {
        s->inhibit = SOFT_INHIBIT_IRQ | SOFT_INHIBIT_DEBUG;
    }
}

static void mov_to_seg(SoftCpu *s, const SoftOp *op)
{
    soft_seg_load(s, op->reg, soft_rm_get(s, op, 2, soft_is_mem(op)));
    after_ss(s, op->reg);
}

static void mov_from_seg(SoftCpu *s, const SoftOp *op)
{
    uint16_t sel = s->x->segs[op->reg].selector;

    if (soft_is_mem(op)) {
        soft_rm_set(s, op, 2, true, sel);
    } else {
        soft_reg_set(s, op->rm, soft_size(op), sel);
    }
}

static void push_seg(SoftCpu *s, const SoftOp *op)
{
    soft_push(s, s->x->segs[op->reg].selector, soft_size(op));
}

static void pop_seg(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint16_t sel = soft_peek(s, 0, 2);
    uint64_t sp = s->gpr[X86_RSP] + n;
    uint64_t mask = s->sp_mask;

    soft_seg_load(s, op->reg, sel);
    s->gpr[X86_RSP] = (s->gpr[X86_RSP] & ~mask) | (sp & mask);
    after_ss(s, op->reg);
}

/* LDS, LES, LSS, LFS, LGS. */
static void load_far_pointer(SoftCpu *s, const SoftOp *op)
{
    unsigned n = soft_size(op);
    uint64_t lin = soft_ea_lin(s, op, n + 2, false);
    uint64_t off = soft_ld(s, lin, n, s->mmu);
    uint16_t sel = soft_ld(s, (lin + n) & s->lin_mask, 2, s->mmu);
    unsigned seg;

    switch (op->map == 1 ? op->opcode : op->opcode << 8) {
    case 0xc4:
        seg = X86_ES;
        break;
    case 0xc5:
        seg = X86_DS;
        break;
    case 0xb200:
        seg = X86_SS;
        break;
    case 0xb400:
        seg = X86_FS;
        break;
    default:
        seg = X86_GS;
        break;
    }
    soft_seg_load(s, seg, sel);
    soft_reg_set(s, op->reg, n, off);
}

/* System calls */

static void flat_code(SoftCpu *s, uint16_t sel, unsigned cpl, bool m64)
{
    uint32_t fl = X86_SEG_P | X86_SEG_S | X86_SEG_CODE | X86_SEG_W | X86_SEG_A |
                  X86_SEG_G | (m64 ? X86_SEG_L : X86_SEG_DB) |
                  cpl << X86_SEG_DPL_SHIFT;

    s->cpl = cpl;
    soft_seg_set(s, X86_CS, sel, 0, 0xffffffff, fl);
}

static void flat_stack(SoftCpu *s, uint16_t sel, unsigned cpl)
{
    soft_seg_set(s, X86_SS, sel, 0, 0xffffffff,
                 X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A | X86_SEG_G |
                     X86_SEG_DB | cpl << X86_SEG_DPL_SHIFT);
}

static void syscall_insn(SoftCpu *s, const SoftOp *op)
{
    X86Cpu *x = s->x;
    uint16_t cs = (x->star >> 32) & 0xfffc;
    uint64_t flags = soft_flags(s);
    uint64_t to = s->mode == 3 ? x->lstar : x->cstar;

    if (!(x->efer & X86_EFER_SCE)) {
        soft_raise(s, EXC_UD);
    }
    if (!soft_long_mode(s)) {
        s->gpr[X86_RCX] = (uint32_t)s->gpr[SOFT_NEXT_RIP];
        soft_set_flags(s, flags & ~(uint64_t)(X86_FLAG_VM | X86_FLAG_IF |
                                              X86_FLAG_RF));
        flat_code(s, cs, 0, false);
        flat_stack(s, cs + 8, 0);
        s->gpr[SOFT_NEXT_RIP] = (uint32_t)x->star;
        return;
    }
    s->gpr[X86_RCX] = s->gpr[SOFT_NEXT_RIP];
    s->gpr[X86_R11] = flags & ~(uint64_t)X86_FLAG_RF;
    soft_set_flags(s, flags & ~(x->fmask | X86_FLAG_RF));
    flat_code(s, cs, 0, true);
    flat_stack(s, cs + 8, 0);
    s->gpr[SOFT_NEXT_RIP] = to;
}

static void sysret_insn(SoftCpu *s, const SoftOp *op)
{
    X86Cpu *x = s->x;
    uint16_t base = x->star >> 48;
    bool m64 = soft_long_mode(s) && op->size == 3;

    if (!(x->efer & X86_EFER_SCE)) {
        soft_raise(s, EXC_UD);
    }
    if (s->cpl != 0 || !(x->cr[0] & X86_CR0_PE)) {
        soft_raise_gp0(s);
    }
    if (m64 && !soft_canonical(s, s->gpr[X86_RCX])) {
        soft_raise_gp0(s);
    }
    if (soft_long_mode(s)) {
        soft_set_flags(s, s->gpr[X86_R11] & 0x3c7fd7);
    } else {
        soft_set_flags(s, soft_flags(s) | X86_FLAG_IF);
    }
    flat_code(s, ((base + (m64 ? 16 : 0)) & 0xfffc) | 3, 3, m64);
    flat_stack(s, ((base + 8) & 0xfffc) | 3, 3);
    s->gpr[SOFT_NEXT_RIP] = m64 ? s->gpr[X86_RCX] : (uint32_t)s->gpr[X86_RCX];
    /* By the TF that it loads: ahead of the instruction that it leads to. */
    if (s->flags & X86_FLAG_TF) {
        s->rip = s->gpr[SOFT_NEXT_RIP];
        soft_single_step_raise(s);
    }
}

static void sysenter(SoftCpu *s, const SoftOp *op)
{
    X86Cpu *x = s->x;
    uint16_t cs = x->sysenter_cs & 0xfffc;
    bool lm = soft_long_mode(s);

    if (!(x->cr[0] & X86_CR0_PE) || !cs) {
        soft_raise_gp0(s);
    }
    soft_set_flags(s, soft_flags(s) &
                          ~(uint64_t)(X86_FLAG_VM | X86_FLAG_IF | X86_FLAG_RF));
    flat_code(s, cs, 0, lm);
    flat_stack(s, cs + 8, 0);
    s->gpr[X86_RSP] = lm ? x->sysenter_esp : (uint32_t)x->sysenter_esp;
    s->gpr[SOFT_NEXT_RIP] = lm ? x->sysenter_eip : (uint32_t)x->sysenter_eip;
}

static void sysexit_insn(SoftCpu *s, const SoftOp *op)
{
    X86Cpu *x = s->x;
    uint16_t base = x->sysenter_cs & 0xfffc;
    bool m64 = op->size == 3;
    uint64_t mask = m64 ? ~UINT64_C(0) : 0xffffffff;

    if (!base || s->cpl != 0 || !(x->cr[0] & X86_CR0_PE)) {
        soft_raise_gp0(s);
    }
    if (m64 && (!soft_canonical(s, s->gpr[X86_RCX]) ||
                !soft_canonical(s, s->gpr[X86_RDX]))) {
        soft_raise_gp0(s);
    }
    flat_code(s, (base + (m64 ? 32 : 16)) | 3, 3, m64);
    flat_stack(s, (base + (m64 ? 40 : 24)) | 3, 3);
    s->gpr[X86_RSP] = s->gpr[X86_RCX] & mask;
    s->gpr[SOFT_NEXT_RIP] = s->gpr[X86_RDX] & mask;
}

SoftFn *soft_select_far(const SoftOp *op)
{
    static SoftFn *const t[INSN_COUNT] = {
        [INSN_JMPF] = jmp_far,
        [INSN_CALLF] = call_far,
        [INSN_RETF] = ret_far,
        [INSN_IRET] = iret,
        [INSN_INT] = int_n,
        [INSN_INT3] = int_n,
        [INSN_INT1] = int_n,
        [INSN_INTO] = int_n,
        [INSN_MOVSEG] = mov_to_seg,
        [INSN_STSEG] = mov_from_seg,
        [INSN_PUSHSEG] = push_seg,
        [INSN_POPSEG] = pop_seg,
        [INSN_LDSEG] = load_far_pointer,
        [INSN_SYSCALL] = syscall_insn,
        [INSN_SYSRET] = sysret_insn,
        [INSN_SYSENTER] = sysenter,
        [INSN_SYSEXIT] = sysexit_insn,
    };

    return t[op->id];
}
