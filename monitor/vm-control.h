/*
 * What both monitors do to the VM: one implementation for QMP and HMP.
 *
 * Main thread, vm_lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_VM_CONTROL_H
#define MONITOR_VM_CONTROL_H

#include "system/vm.h"

bool vm_control_stop(Vm *vm, GError **errp);
/* Refused where the guest can't go on; waits for an incoming migration. */
bool vm_control_cont(Vm *vm, GError **errp);
bool vm_control_wakeup(Vm *vm, GError **errp);
void vm_control_quit(Vm *vm);
bool vm_control_nmi(Vm *vm, GError **errp);
/*
 * Devices and their back ends are to be the same at both sides from the start
 * of a migration to its end: false with errp, which names the command, while
 * one is under way.
 */
bool vm_control_may_change(Vm *vm, const char *command, GError **errp);

#endif
