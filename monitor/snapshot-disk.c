/*
 * Snapshots of one disk inside its image, while the guest goes on.
 *
 * Its requests wait meanwhile.  They are in the main thread's hands or an I/O
 * thread's, so that what the guest has been told of is in the snapshot.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/snapshots.h"

#include "block/snapshot.h"
#include "migration/snapshot.h"
#include "monitor/vm-control.h"
#include "system/clock.h"
#include "util/error.h"

SnapshotInfo *vm_snapshot_info(const BlockSnapshotInfo *from)
{
    SnapshotInfo *i = snapshot_info_new();

    i->id = g_strdup(from->id);
    i->name = g_strdup(from->name);
    i->vm_state_size = (int64_t)from->vm_state_size;
    i->date_sec = from->date_sec;
    i->date_nsec = from->date_nsec;
    i->vm_clock_sec = (int64_t)(from->vm_clock_ns / NSEC_PER_SEC);
    i->vm_clock_nsec = (int64_t)(from->vm_clock_ns % NSEC_PER_SEC);
    i->has_icount = from->icount != UINT64_MAX;
    i->icount = i->has_icount ? (int64_t)from->icount : 0;
    return i;
}

/* The disk, which nobody else changes until disk_end(). */
static BlockSnapshotSet *disk_begin(Vm *vm, const char *device, GError **errp)
{
    BlockSnapshotSet *set;

    if (!migration_snapshot_begin(vm->migration, false, errp)) {
        return NULL;
    }
    set = block_snapshot_set_new_disk(vm->blocks, device, errp);
    if (set != NULL && block_snapshot_set_hold(set, errp)) {
        return set;
    }
    block_snapshot_set_free(set);
    migration_snapshot_end(vm->migration);
    return NULL;
}

static void disk_end(Vm *vm, BlockSnapshotSet *set)
{
    block_snapshot_set_free(set);
    migration_snapshot_end(vm->migration);
}

static bool check_name(const BlockSnapshotSet *set, const char *name,
                       GError **errp)
{
    if (*name == '\0') {
        error_setf(errp, "Name is empty");
        return false;
    }
    if (block_snapshot_is_there(set, name)) {
        error_setf(errp,
                   "Snapshot with name '%s' already exists on device '%s'",
                   name, block_snapshot_set_name(set));
        return false;
    }
    return true;
}

/* The set holds it: it is the same after the wait. */
static BlockBackend *find_user(void *opaque, GError **errp)
{
    return opaque;
}

static bool disk_create(Vm *vm, BlockSnapshotSet *set, const char *name,
                        GError **errp)
{
    BlockBackend *user;
    BlockSnapshotInfo info;
    bool ok;

    if (!check_name(set, name, errp) ||
        !block_snapshot_disk_user(set, &user, errp) ||
        (user != NULL &&
         vm_control_quiesce(vm, find_user, user, errp) == NULL)) {
        return false;
    }
    info = vm_snapshot_info_now(vm, name, 0);
    ok = block_snapshot_disk_create(set, &info, errp);
    if (user != NULL) {
        block_quiesce_end(user);
    }
    return ok;
}

bool vm_snapshot_disk(Vm *vm, const char *device, const char *name,
                      GError **errp)
{
    BlockSnapshotSet *set = disk_begin(vm, device, errp);
    bool ok;

    if (set == NULL) {
        return false;
    }
    ok = disk_create(vm, set, name, errp);
    disk_end(vm, set);
    return ok;
}

SnapshotInfo *vm_snapshot_disk_delete(Vm *vm, const char *device,
                                      const char *id, const char *name,
                                      GError **errp)
{
    BlockSnapshotSet *set = disk_begin(vm, device, errp);
    const BlockSnapshotInfo *found = NULL;
    g_autoptr(SnapshotInfo) info = NULL;

    if (set == NULL) {
        return NULL;
    }
    if (id == NULL && name == NULL) {
        error_setf(errp, "Name or id must be provided");
    } else {
        found = block_snapshot_disk_find(set, id, name);
        if (found == NULL) {
            error_setf(errp,
                       "Snapshot with id '%s' and name '%s' does not exist on "
                       "device '%s'",
                       id != NULL ? id : "null", name != NULL ? name : "null",
                       device);
        }
    }
    if (found != NULL) {
        info = vm_snapshot_info(found);
        if (!block_snapshot_disk_delete(set, info->id, info->name, errp)) {
            g_clear_pointer(&info, snapshot_info_free);
        }
    }
    disk_end(vm, set);
    return g_steal_pointer(&info);
}
