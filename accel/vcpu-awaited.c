/*
 * vCPUs whose memory is still to come (postcopy).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/vcpu.h"
#include "system/vm.h"
#include "util/error.h"

bool vcpu_can_be_read(Vcpu *cpu, GError **errp)
{
    if (!vm_memory_awaited(cpu->vm) || vcpu_current() != NULL ||
        __atomic_load_n(&cpu->stopped, __ATOMIC_ACQUIRE)) {
        return true;
    }
    error_setf(errp,
               "CPU %u: it runs, and guest memory is still to come (postcopy)",
               cpu->index);
    return false;
}
