/*
 * Snapshots of the whole machine: disks, memory and devices.
 *
 * What waits for storage runs in a thread of its own, while the main loop is
 * served.  The run state keeps others from starting or stopping the guest
 * meanwhile, and requests from being carried out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/snapshots.h"

#include <time.h>
#include <unistd.h>

#include "block/snapshot.h"
#include "io/hooked.h"
#include "migration/snapshot.h"
#include "monitor/vm-control.h"
#include "system/clock.h"
#include "system/outside.h"
#include "system/serve.h"
#include "util/error.h"
#include "util/log.h"

enum { DRAIN_LOOK_US = 500 };

typedef struct SnapshotOp {
    Vm *vm;
    const VmSnapshotArgs *nodes; /* NULL: all disks */
    Job *job; /* whose work it is; NULL: nobody can cancel it */
    BlockSnapshotSet *set;
    const char *name;
    RunState was;  /* before it was stopped */
    uint64_t size; /* of the state; bytes */
    bool changed;  /* the machine isn't what it was */
    bool ok;
    GError *err;
} SnapshotOp;

/* The state's channel */

static ssize_t read_state(void *opaque, void *buf, size_t len)
{
    return block_snapshot_read(((const SnapshotOp *)opaque)->set, buf, len);
}

static ssize_t write_state(void *opaque, const void *buf, size_t len)
{
    const SnapshotOp *op = opaque;

    if (op->job != NULL && !job_pause_point(op->job, NULL)) {
        return -ECANCELED;
    }
    return block_snapshot_write(op->set, buf, len);
}

static const IoHooks state_hooks = { .read = read_state, .write = write_state };

/* In the thread, without vm_lock */

/* May it go on, if it is a job's work? */
static bool check_job(SnapshotOp *op)
{
    return op->job == NULL || job_pause_point(op->job, &op->err);
}

/* From now on it is carried out to its end. */
static bool commit_job(SnapshotOp *op)
{
    return op->job == NULL || job_commit(op->job, &op->err);
}

/* Writing a state fails with whatever error when it is given up. */
static void tell_cancelled(SnapshotOp *op)
{
    GError *why = NULL;

    if (!op->ok && op->job != NULL && !job_pause_point(op->job, &why)) {
        g_clear_error(&op->err);
        op->err = why;
    }
}

/* One of that name goes, unless that is not to be. */
static bool delete_older(SnapshotOp *op)
{
    return op->nodes != NULL ||
           block_snapshot_delete(op->set, op->name, &op->err);
}

/* What the guest has asked of its disks has ended. */
static bool wait_disks(SnapshotOp *op)
{
    int ret = 0;

    for (bool first = true;; first = false) {
        {
            VM_LOCK_GUARD();
            if (vm_drain_step(op->vm, first, &ret)) {
                break;
            }
            if (vm_is_ending(op->vm)) {
                error_setf(&op->err, "the program is to end");
                return false;
            }
        }
        g_usleep(DRAIN_LOOK_US);
    }
    if (ret < 0) {
        error_setf_errno(&op->err, ret, "flushing disks before a snapshot");
    }
    return ret == 0;
}

static bool report_storage(SnapshotOp *op, int ret)
{
    if (ret < 0) {
        error_setf_errno(&op->err, ret, "the machine's state on '%s'",
                         block_snapshot_set_name(op->set));
    }
    return ret == 0;
}

static bool save_state(SnapshotOp *op)
{
    g_autoptr(IoChannel) ch = io_channel_new_hooked(&state_hooks, op, op->name);

    return report_storage(op, block_snapshot_begin_write(op->set)) &&
           migration_save_state(op->vm->migration, op->was, ch, &op->err) &&
           report_storage(op, block_snapshot_end_write(op->set, &op->size));
}

BlockSnapshotInfo vm_snapshot_info_now(const Vm *vm, const char *name,
                                       uint64_t size)
{
    int64_t us = g_get_real_time();

    return (BlockSnapshotInfo){
        .name = (char *)(uintptr_t)name,
        .vm_state_size = size,
        .date_sec = us / G_USEC_PER_SEC,
        .date_nsec = us % G_USEC_PER_SEC * 1000,
        .vm_clock_ns = clock_get_ns(vm->clocks, CLOCK_TYPE_VIRTUAL),
        .icount = UINT64_MAX,
    };
}

static bool save_disks(SnapshotOp *op)
{
    BlockSnapshotInfo info = vm_snapshot_info_now(op->vm, op->name, op->size);

    return block_snapshot_create(op->set, &info, &op->err);
}

static void save_now(void *opaque)
{
    SnapshotOp *op = opaque;

    op->ok = wait_disks(op) && check_job(op) && delete_older(op) &&
             save_state(op) && commit_job(op) && save_disks(op);
    tell_cancelled(op);
    /* The snapshot has it now, if it came to that. */
    (void)block_snapshot_begin_write(op->set);
}

static void go_back_now(void *opaque)
{
    SnapshotOp *op = opaque;

    op->ok = wait_disks(op) && check_job(op) && commit_job(op);
    if (op->ok) {
        op->changed = true;
        op->ok = block_snapshot_go_back(op->set, op->name, &op->err);
    }
}

static void load_now(void *opaque)
{
    SnapshotOp *op = opaque;
    g_autoptr(IoChannel) ch = io_channel_new_hooked(&state_hooks, op, op->name);

    block_snapshot_begin_read(op->set, op->size);
    op->ok = migration_load_state(op->vm->migration, ch, &op->err);
}

static void delete_now(void *opaque)
{
    SnapshotOp *op = opaque;

    op->ok = check_job(op) && commit_job(op) &&
             block_snapshot_delete(op->set, op->name, &op->err);
}

/* In the main thread */

/* All disks, or the nodes that a user names. */
static BlockSnapshotSet *op_set(const SnapshotOp *op, GError **errp)
{
    const VmSnapshotArgs *a = op->nodes;

    return a == NULL ? block_snapshot_set_new(op->vm->blocks, errp)
                     : block_snapshot_set_new_of(op->vm->blocks, a->vmstate,
                                                 a->nodes, a->nnodes, errp);
}

/* `state`: it is about the machine's state, too. */
static bool op_begin(SnapshotOp *op, bool state, GError **errp)
{
    if (!migration_snapshot_begin(op->vm->migration, state, errp)) {
        return false;
    }
    op->set = op_set(op, errp);
    if (op->set != NULL && block_snapshot_set_hold(op->set, errp)) {
        return true;
    }
    block_snapshot_set_free(op->set);
    migration_snapshot_end(op->vm->migration);
    return false;
}

static bool op_end(SnapshotOp *op, GError **errp)
{
    migration_snapshot_end(op->vm->migration);
    block_snapshot_set_free(op->set);
    if (!op->ok) {
        g_propagate_error(errp, op->err);
    }
    return op->ok;
}

static void stop_guest(SnapshotOp *op, RunState state)
{
    bool served = vm_serve_allow(op->vm, true);

    op->was = vm_stop_force(op->vm, state);
    vm_serve_allow(op->vm, served);
}

/* As it was before, unless somebody wants it otherwise. */
static void guest_goes_on(SnapshotOp *op)
{
    RunState stands = RUN_STATE_PAUSED;

    if (op->changed && !op->ok) {
        runstate_set(op->vm, RUN_STATE_INTERNAL_ERROR);
    } else if (op->changed && (op->was == RUN_STATE_INTERNAL_ERROR ||
                               op->was == RUN_STATE_SHUTDOWN)) {
        /* What a reset was required for is no more: this one is whole. */
        runstate_set(op->vm, RUN_STATE_PAUSED);
    } else if (op->was != RUN_STATE_RUNNING) {
        runstate_set(op->vm, op->was);
    } else if (vm_stop_is_asked(op->vm, &stands) || vm_is_ending(op->vm)) {
        runstate_set(op->vm, stands);
    } else {
        vm_start(op->vm);
    }
}

/* Nodes that a user names are to have none of that name yet. */
static bool check_new(SnapshotOp *op)
{
    if (op->nodes != NULL && block_snapshot_is_there(op->set, op->name)) {
        error_setf(&op->err,
                   "Snapshot '%s' already exists in one or more devices",
                   op->name);
        return false;
    }
    return true;
}

static bool op_save(SnapshotOp *op, GError **errp)
{
    if (!op_begin(op, true, errp)) {
        return false;
    }
    if (check_new(op)) {
        stop_guest(op, RUN_STATE_SAVE_VM);
        vm_control_unlocked(op->vm, save_now, op);
        guest_goes_on(op);
    }
    return op_end(op, errp);
}

bool vm_snapshot_save(Vm *vm, const char *name, GError **errp)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *made = g_date_time_format(now, "vm-%Y%m%d%H%M%S");
    SnapshotOp op = { .vm = vm, .name = name != NULL ? name : made };

    return op_save(&op, errp);
}

bool vm_snapshot_save_job(Vm *vm, Job *j, const VmSnapshotArgs *a,
                          GError **errp)
{
    SnapshotOp op = { .vm = vm, .job = j, .name = a->name, .nodes = a };

    return op_save(&op, errp);
}

/* Is there one, of all disks, with a machine's state? */
static bool check_loadable(SnapshotOp *op)
{
    if (!block_snapshot_check_all(op->set, op->name, &op->err)) {
        return false;
    }
    op->size = block_snapshot_find(op->set, op->name)->vm_state_size;
    if (op->size == 0) {
        error_setf(&op->err,
                   "This is a disk-only snapshot. Revert to it offline "
                   "using qemu-img");
    }
    return op->size > 0;
}

static bool op_load(SnapshotOp *op, GError **errp)
{
    if (!op_begin(op, true, errp)) {
        return false;
    }
    if (!check_loadable(op)) {
        return op_end(op, errp);
    }
    stop_guest(op, RUN_STATE_RESTORE_VM);
    vm_control_unlocked(op->vm, go_back_now, op);
    if (op->ok) {
        op->vm->hooks->machine_reset(op->vm, SHUTDOWN_CAUSE_NONE);
        /* Nobody writes into memory that is the snapshot's now. */
        op->ok = vm_outside_settle_all(op->vm);
        if (!op->ok) {
            error_setf(&op->err, "the program is to end");
        }
    }
    if (op->ok) {
        vm_control_unlocked(op->vm, load_now, op);
    }
    guest_goes_on(op);
    return op_end(op, errp);
}

bool vm_snapshot_load(Vm *vm, const char *name, GError **errp)
{
    SnapshotOp op = { .vm = vm, .name = name };

    return op_load(&op, errp);
}

bool vm_snapshot_load_job(Vm *vm, Job *j, const VmSnapshotArgs *a,
                          GError **errp)
{
    SnapshotOp op = { .vm = vm, .job = j, .name = a->name, .nodes = a };

    return op_load(&op, errp);
}

static bool delete (SnapshotOp *op, GError **errp)
{
    if (!op_begin(op, false, errp)) {
        return false;
    }
    vm_control_unlocked(op->vm, delete_now, op);
    return op_end(op, errp);
}

bool vm_snapshot_delete(Vm *vm, const char *name, GError **errp)
{
    SnapshotOp op = { .vm = vm, .name = name };

    return delete (&op, errp);
}

bool vm_snapshot_delete_job(Vm *vm, Job *j, const VmSnapshotArgs *a,
                            GError **errp)
{
    SnapshotOp op = { .vm = vm, .job = j, .name = a->name, .nodes = a };

    return delete (&op, errp);
}
