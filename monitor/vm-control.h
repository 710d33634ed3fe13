/*
 * What both monitors do to the VM: one implementation for QMP and HMP.
 *
 * Main thread, vm_lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_VM_CONTROL_H
#define MONITOR_VM_CONTROL_H

#include "accel/vcpu.h"
#include "system/vm.h"

void vm_control_stop(Vm *vm);
/* Refused where the guest can't go on; waits for an incoming migration. */
bool vm_control_cont(Vm *vm, GError **errp);
bool vm_control_wakeup(Vm *vm, GError **errp);
void vm_control_quit(Vm *vm);
bool vm_control_nmi(Vm *vm, GError **errp);
/* Brings cpu->x86 up to date, whether it runs or not. */
bool vm_control_sync_cpu(Vcpu *cpu, GError **errp);
/* Reads guest-virtual memory through a vCPU's page tables. */
bool vm_control_read_virt(Vcpu *cpu, uint64_t va, void *buf, size_t len);
/* Guest-physical address of a virtual one. */
bool vm_control_virt_to_phys(Vcpu *cpu, uint64_t va, uint64_t *ret_pa);

#endif
