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

struct BlockBackend;
struct Netdev;

/* Looks a drive up again: it may have gone, or another may have come. */
typedef struct BlockBackend *VmFindDrive(void *opaque, GError **errp);

bool vm_control_stop(Vm *vm, GError **errp);
/* Refused where the guest can't go on; waits for an incoming migration. */
bool vm_control_cont(Vm *vm, GError **errp);
bool vm_control_wakeup(Vm *vm, GError **errp);
void vm_control_quit(Vm *vm);
bool vm_control_nmi(Vm *vm, GError **errp);
/*
 * A drive whose medium or size is to be changed, when its requests have ended
 * and new ones wait: to be given to block_quiesce_end().  Storage may take its
 * time: others are served meanwhile (system/serve.h).  NULL with errp: there is
 * no such drive, or the program is to end.
 */
struct BlockBackend *vm_control_quiesce(Vm *vm, VmFindDrive *find, void *opaque,
                                        GError **errp);
/*
 * A BlockUnlocked, of the Vm: storage is waited for, and in the main thread
 * others are served meanwhile (system/serve.h).
 */
void vm_control_unlocked(void *vm, void (*fn)(void *arg), void *arg);
/*
 * Devices and their back ends are to be the same at both sides from the start
 * of a migration to its end: false with errp, which names the command, while
 * one is under way.
 */
bool vm_control_may_change(Vm *vm, const char *command, GError **errp);
/*
 * Guest memory, and the state of CPUs that may wait for it, can be looked at:
 * false with errp, which names the command, while some of it is still to come
 * (postcopy).  Its source may be away, and a monitor must not wait for it.
 */
bool vm_control_memory_here(Vm *vm, const char *command, GError **errp);
/*
 * Makes a network's back end.  One outside is waited for: others are served
 * meanwhile (system/serve.h).
 */
bool vm_control_netdev_add(Vm *vm, const struct Netdev *nd, GError **errp);

#endif
