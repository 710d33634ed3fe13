/*
 * The paravirtual clock's state, which crosses in the "kvmclock" section.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_KVMCLOCK_H
#define HW_I386_KVMCLOCK_H

#include "hw/core/device.h"

extern const DeviceType kvmclock_type;

/*
 * Makes the device if the accelerator has such a clock and the CPU model
 * shows it; for boards, when the vCPUs exist.  vm_lock held.
 */
bool kvmclock_create(struct Vm *vm, GError **errp);

#endif
