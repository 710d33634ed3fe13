/*
 * What a debugger asks of the software CPU; see accel/debug.h.
 *
 * While s->debug is set, blocks are run by soft_debug_block(), one decoded
 * instruction after the other, and pages with watchpoints are kept out of the
 * TLB's tags, so that each access to them comes to soft_debug_access().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_DEBUG_H
#define ACCEL_SOFT_DEBUG_H

#include "accel/soft/cpu.h"

/*
 * Replaces what it stops at; d (NULL: nothing) is borrowed.  Not while it
 * runs.  With SOFT_EXIT_DEBUG, s->debug_stop says at what it stopped.
 */
void soft_cpu_set_debug(SoftCpu *s, const DebugState *d);

/* One block at most; false: s->debug_stop is filled. */
bool soft_debug_block(SoftCpu *s);
/* An exception was delivered: a step ends at its handler.  False: stop. */
bool soft_debug_delivered(SoftCpu *s);
/* Data in one page, or a part of it, was touched; n > 0. */
void soft_debug_access(SoftCpu *s, uint64_t lin, unsigned n, bool write);
static inline void soft_debug_write(SoftCpu *s, uint64_t lin, unsigned n)
{
    if (unlikely(s->debug_watch || s->dr_data)) {
        soft_debug_access(s, lin, n, true);
    }
}
/* Must accesses of this kind to the page come to soft_debug_access()? */
bool soft_debug_page_watched(const SoftCpu *s, uint64_t page, bool write);

/* breakpoint.c: after DR7, or an address that it has on, changed. */
void soft_update_breakpoints(SoftCpu *s);
/* Which of them hit there; bits as in DR6. */
unsigned soft_dr_code(const SoftCpu *s, uint64_t lin);
unsigned soft_dr_data(const SoftCpu *s, uint64_t lin, uint64_t n, bool write);
/* dr_io: notes in dr_hits which of them hit; n bytes from a port. */
void soft_dr_port(SoftCpu *s, uint16_t port, unsigned n);
/* Is one on an instruction behind the first of these? */
bool soft_dr_inside(const SoftCpu *s, uint64_t lin, unsigned nbytes);
void soft_dr_raise(SoftCpu *s, unsigned hits) __attribute__((noreturn));
/* #DB of a single step: a trap, also behind HLT. */
void soft_single_step_raise(SoftCpu *s) __attribute__((noreturn));
/*
 * `op` began with TF set and has been executed.  Does the trap come now?  Not
 * behind what entered a handler or loaded SS; see Intel SDM volume 3, 17.3.1.4
 * and 6.8.3, AMD64 APM volume 2, 13.1.4.
 */
bool soft_step_traps(const SoftCpu *s, const SoftOp *op);
/* Is there something to look at beside the code? */
static inline bool soft_debug_on(const SoftCpu *s)
{
    return s->debug || s->dr_code || s->dr_data || s->dr_io;
}

/* Do interrupts wait until the step is done? */
static inline bool soft_debug_masks_irq(const SoftCpu *s)
{
    /* A halted CPU would wait for ever. */
    return s->debug && s->debug->step && s->debug->step_no_irq && !s->halted;
}

#endif
