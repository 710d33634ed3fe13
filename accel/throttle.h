/*
 * A guest that is slowed: of each period its vCPUs rest a part.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_THROTTLE_H
#define ACCEL_THROTTLE_H

#include "accel/vcpu.h"

enum {
    VCPU_THROTTLE_MAX = 99,      /* percent */
    VCPU_THROTTLE_SLICE_MS = 10, /* of running, between two rests */
};

/*
 * From now on every vCPU rests for `percent` (0 to 99) of the time, after
 * each VCPU_THROTTLE_SLICE_MS of running; 0 ends that, and the rests that are
 * under way.  A vCPU that rests is paused, does work and ends as at once as
 * one that runs.  One thread calls it, without vm_lock: it waits for the
 * thread that counts.  False with errp if that can't be made.
 */
bool vcpus_throttle(Vm *vm, unsigned percent, GError **errp);
/*
 * For the vCPU's loop: rests until the next request or the end of the rest;
 * false: it is not to rest.
 */
bool vcpu_throttle_rest(Vcpu *cpu);

#endif
