/*
 * Snapshots of the whole machine, for both monitors and the command line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_SNAPSHOTS_H
#define MONITOR_SNAPSHOTS_H

#include "block/block.h"
#include "qapi/qapi-types-block-core.h"
#include "system/job.h"
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

/* A snapshot of the nodes that a user names. */
typedef struct VmSnapshotArgs {
    const char *name;
    const char *vmstate; /* the node for the machine's state, one of them */
    const char *const *nodes;
    size_t nnodes;
} VmSnapshotArgs;

/*
 * The same as a job's work, which may be cancelled until it can't be undone.
 * save: refused if a node has one of that name.
 */
bool vm_snapshot_save_job(Vm *vm, Job *j, const VmSnapshotArgs *a,
                          GError **errp);
bool vm_snapshot_load_job(Vm *vm, Job *j, const VmSnapshotArgs *a,
                          GError **errp);
bool vm_snapshot_delete_job(Vm *vm, Job *j, const VmSnapshotArgs *a,
                            GError **errp);

/*
 * A snapshot of one disk inside its image, while the guest goes on.  device: a
 * drive's name or a node's.
 */
bool vm_snapshot_disk(Vm *vm, const char *device, const char *name,
                      GError **errp);
/* id, name: one may be NULL.  What it was; NULL with errp. */
SnapshotInfo *vm_snapshot_disk_delete(Vm *vm, const char *device,
                                      const char *id, const char *name,
                                      GError **errp);
/* As QMP has it. */
SnapshotInfo *vm_snapshot_info(const BlockSnapshotInfo *from);
/* Of one that is taken now; size: of the state, bytes.  The name is `name`. */
BlockSnapshotInfo vm_snapshot_info_now(const Vm *vm, const char *name,
                                       uint64_t size);

#endif
