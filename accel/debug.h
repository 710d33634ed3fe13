/*
 * Debugging the guest from outside: what a vCPU is to stop at, and what it
 * says when it did.
 *
 * The debugger's side calls vcpu_set_debug() while the vCPUs are paused; the
 * accelerator's AccelType.debug_update puts it to work.  A vCPU that comes
 * upon a point fills Vcpu.debug_stop and leaves vcpu_run() with
 * VCPU_EXIT_DEBUG, which stops the VM with RUN_STATE_DEBUG.
 *
 * Addresses are linear, whatever the page tables say behind them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_DEBUG_H
#define ACCEL_DEBUG_H

#include "util/base.h"

struct Vcpu;

/* Numbered as the Z packets of GDB's remote protocol number them. */
typedef enum DebugKind {
    DEBUG_BREAK_SOFT,   /* an instruction; the guest's bytes may be patched */
    DEBUG_BREAK_HARD,   /* an instruction; the guest's bytes stay */
    DEBUG_WATCH_WRITE,  /* stops after the instruction that wrote */
    DEBUG_WATCH_READ,   /* … that read */
    DEBUG_WATCH_ACCESS, /* … that read or wrote */
    DEBUG_KINDS,
} DebugKind;

typedef struct DebugPoint {
    DebugKind kind;
    uint64_t addr; /* linear */
    uint64_t len;  /* bytes watched, > 0; breakpoints: of no account */
} DebugPoint;

enum { DEBUG_POINTS_MAX = 1024 };

/* What one vCPU is to stop at. */
typedef struct DebugState {
    const DebugPoint *points;
    unsigned npoints; /* 0..DEBUG_POINTS_MAX */
    bool step;        /* after each instruction */
    bool step_no_irq; /* while it steps, interrupts stay pending */
} DebugState;

typedef enum DebugReason {
    DEBUG_NOT_STOPPED,
    DEBUG_STOP_STEP,       /* an instruction was executed */
    DEBUG_STOP_BREAKPOINT, /* RIP is at `addr`, not executed yet */
    DEBUG_STOP_WATCHPOINT, /* `addr`, of a watchpoint of `kind`, was hit */
} DebugReason;

typedef struct DebugStop {
    DebugReason reason;
    DebugKind kind; /* of the point */
    uint64_t addr;  /* breakpoint: its address; watchpoint: what was touched */
} DebugStop;

/* Does any of the accesses that the kind is about include this one? */
static inline bool debug_kind_watches(DebugKind kind, bool write)
{
    return kind == DEBUG_WATCH_ACCESS ||
           kind == (write ? DEBUG_WATCH_WRITE : DEBUG_WATCH_READ);
}

static inline bool debug_kind_breaks(DebugKind kind)
{
    return kind == DEBUG_BREAK_SOFT || kind == DEBUG_BREAK_HARD;
}

/* Is there a breakpoint at a linear address? */
const DebugPoint *debug_find_break(const DebugState *d, uint64_t addr);
/* The first watchpoint that an access to [addr, addr + len) touches. */
const DebugPoint *debug_find_watch(const DebugState *d, uint64_t addr,
                                   uint64_t len, bool write);

/*
 * Replaces what the vCPU stops at by a copy of *d; NULL: it is not debugged
 * any more.  vm_lock held, the vCPU paused.  False with a reason leaves what
 * was before: the accelerator can't debug, or not with so many points.
 */
bool vcpu_set_debug(struct Vcpu *cpu, const DebugState *d, GError **errp);
/* A copy that vcpu_set_debug() made; NULL is fine. */
void debug_state_free(DebugState *d);

#endif
