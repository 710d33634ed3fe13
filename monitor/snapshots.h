/*
 * Snapshots of the whole machine, for both monitors and the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_SNAPSHOTS_H
#define MONITOR_SNAPSHOTS_H

#include "system/vm.h"

/*
 * Main thread, vm_lock held; storage is waited for without it, while others are
 * served.  One at a time, and not while a migration is under way.
 *
 * Takes one of a machine that runs or stands, and goes on with it; an older
 * one of that name is deleted first.  name NULL: by the time of day.
 */
bool vm_snapshot_save(Vm *vm, const char *name, GError **errp);
/*
 * Goes back to one; the machine runs if it ran before.  A failure behind the
 * first change leaves it paused, and not fit to go on before a reset.
 */
bool vm_snapshot_load(Vm *vm, const char *name, GError **errp);
/* Where there is one of that name; the machine goes on meanwhile. */
bool vm_snapshot_delete(Vm *vm, const char *name, GError **errp);

#endif
