/*
 * vCPUs that may dirty so much memory a second and no more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_DIRTY_LIMIT_H
#define ACCEL_DIRTY_LIMIT_H

#include "accel/vcpu.h"

enum {
    DIRTY_LIMIT_TICK_MS = 10, /* between two looks at what was dirtied */
    /* The longest rest that is owed at once: 99 % of the time. */
    DIRTY_LIMIT_REST_MS = 1000,
};

/*
 * MiB/s from now on, of one vCPU or, cpu -1, of each; 0: no limit.  vm_lock
 * held, main thread.  Errors: no such vCPU, no dirty rings, no log of writes.
 */
bool vcpu_dirty_limit_set(Vm *vm, int64_t cpu, uint64_t mib_per_s,
                          GError **errp);
/* None any more.  Errors: no such vCPU. */
bool vcpu_dirty_limit_cancel(Vm *vm, int64_t cpu, GError **errp);
/*
 * False: the vCPU has none.  *ret_current: MiB/s in the last whole second; 0
 * before.  vm_lock held.
 */
bool vcpu_dirty_limit_get(Vm *vm, unsigned cpu, uint64_t *ret_limit,
                          uint64_t *ret_current);
/* The accelerator goes.  vm_lock held. */
void vcpu_dirty_limit_end(struct Accel *acc);

/*
 * Until when a vCPU has to rest that has dirtied `pages` more, and had to rest
 * until due_ns before that.
 */
int64_t dirty_limit_due(int64_t due_ns, int64_t now_ns, uint64_t pages,
                        uint64_t mib_per_s);

#endif
