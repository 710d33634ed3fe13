/*
 * Guest memory as a vCPU sees it: through its page tables.  For the monitor
 * and the debugger.
 *
 * vm_lock held.  All fails while memory is still to come (postcopy): a monitor
 * must not wait for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_GUEST_MEMORY_H
#define ACCEL_GUEST_MEMORY_H

#include "accel/vcpu.h"

/* Guest-physical address of a linear one; false: not mapped. */
bool vcpu_virt_to_phys(Vcpu *cpu, uint64_t va, uint64_t *ret_pa);
/*
 * Any length; false if some page isn't mapped or nothing is there.  Writes
 * go into ROM too, and into what the guest itself may only read.
 */
bool vcpu_read_virt(Vcpu *cpu, uint64_t va, void *buf, size_t len);
bool vcpu_write_virt(Vcpu *cpu, uint64_t va, const void *buf, size_t len);
/* For x86_cpu_virt_to_phys() and the like; opaque: the Vcpu. */
bool vcpu_load_phys(void *opaque, uint64_t pa, unsigned size, uint64_t *ret);

#endif
