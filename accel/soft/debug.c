/*
 * Breakpoints, watchpoints and single steps on the software CPU.
 *
 * A breakpoint ends the block before its address; the stop is reported when
 * the CPU is about to execute there.  A watchpoint is reported after the
 * instruction that made the access, as the data breakpoints of the processor
 * are (Intel SDM volume 3, 17.2.4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/debug.h"

#include "accel/soft/log.h"
#include "accel/soft/mem.h"

void soft_cpu_set_debug(SoftCpu *s, const DebugState *d)
{
    bool watch = false;

    for (unsigned i = 0; d && i < d->npoints; i++) {
        watch |= !debug_kind_breaks(d->points[i].kind);
    }
    s->debug = d && (d->npoints || d->step) ? d : NULL;
    s->debug_watch = watch;
    s->debug_stop.reason = DEBUG_NOT_STOPPED;
    /* Entries may hold what is watched now, or miss what no longer is. */
    soft_tlb_flush(s);
}

bool soft_debug_page_watched(const SoftCpu *s, uint64_t page, bool write)
{
    page &= SOFT_PAGE_MASK;
    return (s->debug_watch &&
            debug_find_watch(s->debug, page, SOFT_PAGE, write)) ||
           (s->dr_data && soft_dr_data(s, page, SOFT_PAGE, write));
}

void soft_debug_access(SoftCpu *s, uint64_t lin, unsigned n, bool write)
{
    const DebugPoint *p;

    if (s->dr_data) {
        s->dr_hits |= soft_dr_data(s, lin, n, write);
    }
    if (!s->debug_watch || s->debug_stop.reason != DEBUG_NOT_STOPPED) {
        return; /* the first one counts */
    }
    p = debug_find_watch(s->debug, lin, n, write);
    if (p) {
        s->debug_stop = (DebugStop){
            .reason = DEBUG_STOP_WATCHPOINT,
            .kind = p->kind,
            .addr = MAX(p->addr, lin),
        };
    }
}

static uint64_t code_lin(const SoftCpu *s)
{
    return (s->segbase[X86_CS] + s->rip) & s->lin_mask;
}

/* The step is done, unless something else is to be told. */
static bool step_done(SoftCpu *s)
{
    if (s->debug_stop.reason == DEBUG_NOT_STOPPED) {
        s->debug_stop.reason = DEBUG_STOP_STEP;
    }
    return false;
}

bool soft_debug_delivered(SoftCpu *s)
{
    return !s->debug || !s->debug->step || step_done(s);
}

/* Does a breakpoint lie behind the block's first instruction? */
static bool breaks_inside(const SoftCpu *s, uint64_t lin, unsigned nbytes)
{
    const DebugState *d = s->debug;

    for (unsigned i = 0; d && i < d->npoints; i++) {
        const DebugPoint *p = &d->points[i];

        if (debug_kind_breaks(p->kind) && p->addr - lin < nbytes &&
            p->addr != lin) {
            return true;
        }
    }
    return soft_dr_inside(s, lin, nbytes);
}

static bool breaks_here(const SoftCpu *s, uint64_t lin)
{
    return debug_find_break(s->debug, lin) ||
           (s->dr_code && soft_dr_code(s, lin));
}

static void run_ops(SoftCpu *s, const SoftBlock *b, bool look)
{
    unsigned n = b->nops;
    unsigned i;

    for (i = 0; i < n; i++) {
        const SoftOp *op = &b->ops[i];

        if (look && i && breaks_here(s, code_lin(s))) {
            break;
        }
        /* It was for this instruction, which may be the IRET of the next. */
        s->flags &= ~(uint64_t)X86_FLAG_RF;
        s->gpr[SOFT_NEXT_RIP] = s->rip + op->len;
        op->fn(s, op);
        s->rip = s->gpr[SOFT_NEXT_RIP];
        if (s->debug_stop.reason != DEBUG_NOT_STOPPED || s->dr_hits) {
            i++;
            break;
        }
    }
    s->ninsns += i;
}

bool soft_debug_block(SoftCpu *s)
{
    const DebugState *d = s->debug;
    bool guest_step = s->flags & X86_FLAG_TF;
    uint8_t inhibited = s->inhibit;
    uint64_t lin = code_lin(s);
    const SoftBlock *b;
    bool step;

    if (s->debug_stop.reason != DEBUG_NOT_STOPPED) {
        return false; /* by an access that ended in an exception */
    }
    if (debug_find_break(d, lin)) {
        s->debug_stop = (DebugStop){
            .reason = DEBUG_STOP_BREAKPOINT,
            .kind = debug_find_break(d, lin)->kind,
            .addr = lin,
        };
        return false;
    }
    if (s->dr_code && !(s->flags & X86_FLAG_RF) && soft_dr_code(s, lin) &&
        !(inhibited & SOFT_INHIBIT_DEBUG)) {
        soft_dr_raise(s, soft_dr_code(s, lin));
    }
    if (!(inhibited & SOFT_INHIBIT_DEBUG)) {
        s->dr_hits = 0; /* those of a load of SS come with the next ones */
    }
    step = d && d->step;
    b = soft_block_find(s,
                        step || guest_step || inhibited ? 1 : SOFT_BLOCK_OPS);
    if (soft_log_blocks()) {
        soft_log_run(s, b);
    }
    run_ops(s, b, breaks_inside(s, lin, b->nbytes));
    if (inhibited) {
        s->inhibit = 0;
    }
    if (guest_step && soft_step_traps(s, &b->ops[0])) {
        soft_single_step_raise(s);
    }
    if (s->dr_hits && !(s->inhibit & SOFT_INHIBIT_DEBUG)) {
        soft_dr_raise(s, s->dr_hits);
    }
    if (step) {
        return step_done(s);
    }
    return s->debug_stop.reason == DEBUG_NOT_STOPPED;
}
