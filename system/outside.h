/*
 * Who works on guest memory from outside of this process: back ends that were
 * asked to do something (stop, log what they write) and answer when they have.
 *
 * What a device asks for under vm_lock is only posted.  Where the answer has
 * to be there (the guest is stopped, a migration starts to send, a reset's
 * firmware is about to run) vm_outside_settle() waits for it, without the
 * lock.  Each of them has a deadline of its own, so that the wait ends.
 *
 * Storage has none: its requests may be under way for ever.  Where the guest
 * stops, vm_drain_step() looks after them, in steps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_OUTSIDE_H
#define SYSTEM_OUTSIDE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct Vm;
typedef struct VmOutside VmOutside;

typedef struct VmOutsideOps {
    /* No deadline: only vm_outside_settle_all() waits, and vCPUs. */
    bool is_storage;
    /* Keep and drop the struct; any thread. */
    void (*ref)(VmOutside *o);
    void (*unref)(VmOutside *o);
    /* Is something asked for and not done?  Any thread. */
    bool (*busy)(VmOutside *o);
    /*
     * Until nothing is, its deadline counts from since_ns; storage: for a
     * moment, again while it is busy.  Without vm_lock.
     */
    void (*wait)(VmOutside *o, int64_t since_ns);
    /* The answers are there: takes them over.  vm_lock. */
    void (*settled)(VmOutside *o);
} VmOutsideOps;

struct VmOutside {
    const VmOutsideOps *ops;
    const char *name; /* as users know it; its own */
    /* The last stop, CLOCK_MONOTONIC. */
    int64_t asked_ns;    /* vm_lock */
    int64_t answered_ns; /* atomic */
    GList link;
};

/* vm_lock. */
void vm_outside_add(struct Vm *vm, VmOutside *o);
void vm_outside_del(struct Vm *vm, VmOutside *o);
/*
 * Waits until nothing that was asked for is outstanding, but for storage, and
 * has the answers taken over.  vm_lock held; dropped while it waits, if it has
 * to.
 */
void vm_outside_settle(struct Vm *vm);
/*
 * The same with storage, for as long as that takes; false if the program is to
 * end before.
 */
bool vm_outside_settle_all(struct Vm *vm);
/*
 * True if nobody outside can write into guest memory beside those who log it,
 * or, when the guest stands, nobody at all; to be asked behind a
 * vm_outside_settle().  False with errp, which names who may.  vm_lock held;
 * dropped while it waits (@wait_ms at most), if it has to.
 */
bool vm_outside_check(struct Vm *vm, unsigned wait_ms, GError **errp);
/*
 * For device callbacks, which can't let go of the lock: a vCPU that calls this
 * waits for @o before it enters the guest again, so that a guest that asked for
 * a reset goes on when nobody writes into its memory any more.  It can be
 * paused meanwhile.  In other threads nothing happens: who resets a machine
 * settles.  vm_lock held.
 */
void vm_outside_wait_later(struct Vm *vm, VmOutside *o);

#endif
