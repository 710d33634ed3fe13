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
    return block_snapshot_read(opaque, buf, len);
}

static ssize_t write_state(void *opaque, const void *buf, size_t len)
{
    return block_snapshot_write(opaque, buf, len);
}

static const IoHooks state_hooks = { .read = read_state, .write = write_state };

/* In the thread, without vm_lock */

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
    g_autoptr(IoChannel) ch =
        io_channel_new_hooked(&state_hooks, op->set, op->name);

    return report_storage(op, block_snapshot_begin_write(op->set)) &&
           migration_save_state(op->vm->migration, op->was, ch, &op->err) &&
           report_storage(op, block_snapshot_end_write(op->set, &op->size));
}

static bool save_disks(SnapshotOp *op)
{
    int64_t us = g_get_real_time();
    BlockSnapshotInfo info = {
        .name = (char *)(uintptr_t)op->name,
        .vm_state_size = op->size,
        .date_sec = us / G_USEC_PER_SEC,
        .date_nsec = us % G_USEC_PER_SEC * 1000,
        .vm_clock_ns = clock_get_ns(op->vm->clocks, CLOCK_TYPE_VIRTUAL),
    };

    return block_snapshot_create(op->set, &info, &op->err);
}

static void save_now(void *opaque)
{
    SnapshotOp *op = opaque;

    op->ok = wait_disks(op) &&
             block_snapshot_delete(op->set, op->name, &op->err) &&
             save_state(op) && save_disks(op);
    /* The snapshot has it now, if it came to that. */
    (void)block_snapshot_begin_write(op->set);
}

static void go_back_now(void *opaque)
{
    SnapshotOp *op = opaque;

    op->ok = wait_disks(op);
    if (op->ok) {
        op->changed = true;
        op->ok = block_snapshot_go_back(op->set, op->name, &op->err);
    }
}

static void load_now(void *opaque)
{
    SnapshotOp *op = opaque;
    g_autoptr(IoChannel) ch =
        io_channel_new_hooked(&state_hooks, op->set, op->name);

    block_snapshot_begin_read(op->set, op->size);
    op->ok = migration_load_state(op->vm->migration, ch, &op->err);
}

static void delete_now(void *opaque)
{
    SnapshotOp *op = opaque;

    op->ok = block_snapshot_delete(op->set, op->name, &op->err);
}

/* In the main thread */

static bool op_begin(SnapshotOp *op, Vm *vm, const char *name, GError **errp)
{
    *op = (SnapshotOp){ .vm = vm, .name = name };
    if (!migration_snapshot_begin(vm->migration, errp)) {
        return false;
    }
    op->set = block_snapshot_set_new(vm->blocks, errp);
    if (op->set == NULL) {
        migration_snapshot_end(vm->migration);
    }
    return op->set != NULL;
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

bool vm_snapshot_save(Vm *vm, const char *name, GError **errp)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *made = g_date_time_format(now, "vm-%Y%m%d%H%M%S");
    SnapshotOp op;

    if (!op_begin(&op, vm, name != NULL ? name : made, errp)) {
        return false;
    }
    stop_guest(&op, RUN_STATE_SAVE_VM);
    vm_control_unlocked(vm, save_now, &op);
    guest_goes_on(&op);
    return op_end(&op, errp);
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

bool vm_snapshot_load(Vm *vm, const char *name, GError **errp)
{
    SnapshotOp op;

    if (!op_begin(&op, vm, name, errp)) {
        return false;
    }
    if (!check_loadable(&op)) {
        return op_end(&op, errp);
    }
    stop_guest(&op, RUN_STATE_RESTORE_VM);
    vm_control_unlocked(vm, go_back_now, &op);
    if (op.ok) {
        vm->hooks->machine_reset(vm, SHUTDOWN_CAUSE_NONE);
        /* Nobody writes into memory that is the snapshot's now. */
        op.ok = vm_outside_settle_all(vm);
        if (!op.ok) {
            error_setf(&op.err, "the program is to end");
        }
    }
    if (op.ok) {
        vm_control_unlocked(vm, load_now, &op);
    }
    guest_goes_on(&op);
    return op_end(&op, errp);
}

bool vm_snapshot_delete(Vm *vm, const char *name, GError **errp)
{
    SnapshotOp op;

    if (!op_begin(&op, vm, name, errp)) {
        return false;
    }
    vm_control_unlocked(vm, delete_now, &op);
    return op_end(&op, errp);
}
