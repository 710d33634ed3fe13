/*
 * What both monitors do to the VM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/vm-control.h"

#include "accel/accel.h"
#include "block/block.h"
#include "migration/migration.h"
#include "net/net.h"
#include "system/serve.h"
#include "util/error.h"

/* Between two looks at a drive's requests. */
enum { QUIESCE_LOOK_MIN_US = 20, QUIESCE_LOOK_MAX_US = 1000 };

bool vm_control_stop(Vm *vm, GError **errp)
{
    bool served;

    /* Its end would start the guest again. */
    if (vm->dumping) {
        error_setf(errp, "There is a dump in process, please wait.");
        return false;
    }
    if (runstate_get(vm) == RUN_STATE_SAVE_VM ||
        runstate_get(vm) == RUN_STATE_RESTORE_VM) {
        error_setf(errp, "There is a snapshot in process, please wait.");
        return false;
    }
    if (runstate_get(vm) == RUN_STATE_INMIGRATE) {
        vm->autostart = false;
        return true;
    }
    served = vm_serve_allow(vm, true);
    vm_stop(vm, RUN_STATE_PAUSED);
    vm_serve_allow(vm, served);
    return true;
}

NO_TSA void vm_control_unlocked(void *opaque, void (*fn)(void *arg), void *arg)
{
    Vm *vm = opaque;
    bool served;

    if (!g_main_context_is_owner(NULL)) {
        vm_serve_until(vm, fn, arg); /* a migration's thread: nobody's turn */
        return;
    }
    served = vm_serve_allow(vm, true);
    vm_serve_until(vm, fn, arg);
    vm_serve_allow(vm, served);
}

/* May a guest that stands go on?  One that arrives isn't here. */
static bool control_may_cont(Vm *vm, GError **errp)
{
    if (runstate_needs_reset(vm)) {
        error_setf(errp, "Resetting the Virtual Machine is required");
        return false;
    }
    if (runstate_get(vm) == RUN_STATE_FINISH_MIGRATE || vm->given ||
        migration_status(vm->migration) == MIGRATION_STATUS_PRE_SWITCHOVER) {
        error_setf(errp, "Migration is not finalized yet");
        return false;
    }
    if (vm_busy(vm) != NULL) {
        error_setf(errp, "The guest can't go on: %s", vm_busy(vm));
        return false;
    }
    return true;
}

bool vm_control_cont(Vm *vm, GError **errp)
{
    RunState st = runstate_get(vm);

    if (st == RUN_STATE_INMIGRATE) {
        vm->autostart = true;
        return true;
    }
    if (st == RUN_STATE_SUSPENDED) {
        return true;
    }
    if (!control_may_cont(vm, errp)) {
        return false;
    }
    /* After a migration the images may be another process's.  To take them
     * over may take long: others are served, and may change what holds. */
    if (!vm_block_activate(vm, errp) || !control_may_cont(vm, errp)) {
        return false;
    }
    if (vm_is_ending(vm)) {
        error_setf(errp, "The guest can't go on: the program is to end");
        return false;
    }
    if (vm->blocks != NULL) {
        block_reset_io_status(vm->blocks);
    }
    vm_start(vm);
    return true;
}

bool vm_control_wakeup(Vm *vm, GError **errp)
{
    if (runstate_get(vm) != RUN_STATE_SUSPENDED) {
        error_setf(errp, "Unable to wake up: guest is not in suspended state");
        return false;
    }
    vm_request_wakeup(vm, WAKEUP_OTHER);
    return true;
}

void vm_control_quit(Vm *vm)
{
    vm->no_shutdown = false;
    vm_request_shutdown(vm, SHUTDOWN_CAUSE_HOST_QMP_QUIT);
}

bool vm_control_may_change(Vm *vm, const char *command, GError **errp)
{
    if (vm->migration != NULL && !migration_allows_changes(vm->migration)) {
        error_setf(errp, "%s not allowed while migrating", command);
        return false;
    }
    return true;
}

bool vm_control_memory_here(Vm *vm, const char *command, GError **errp)
{
    if (vm_memory_awaited(vm)) {
        error_setf(errp, "%s: guest memory is still to come (postcopy)",
                   command);
        return false;
    }
    return true;
}

bool vm_control_netdev_add(Vm *vm, const Netdev *nd, GError **errp)
{
    bool served, ok;

    if (!vm_control_may_change(vm, "netdev_add", errp)) {
        return false;
    }
    served = vm_serve_allow(vm, true);
    ok = netdev_add(vm->networks, nd, errp);
    vm_serve_allow(vm, served);
    return ok;
}

bool vm_control_nmi(Vm *vm, GError **errp)
{
    if (vm->nvcpus == 0 || vm->accel->type->vcpu_nmi == NULL) {
        error_setf(errp, "accelerator '%s' can't inject an NMI",
                   vm->accel->type->name);
        return false;
    }
    vm_request_nmi(vm);
    return true;
}

/* Its requests may never end: vCPUs and other monitors have their turn. */
static NO_TSA BlockBackend *control_quiesce(Vm *vm, VmFindDrive *find,
                                            void *opaque, GError **errp)
{
    unsigned look_us = QUIESCE_LOOK_MIN_US;
    BlockBackend *b;

    while ((b = find(opaque, errp)) != NULL && !block_quiesce_step(b)) {
        if (vm_is_ending(vm)) {
            block_quiesce_end(b);
            error_setf(errp,
                       "Drive '%s' has requests in flight, and the "
                       "program is to end",
                       block_name(b));
            return NULL;
        }
        vm_serve_for(vm, look_us);
        look_us = MIN(2 * look_us, QUIESCE_LOOK_MAX_US);
    }
    return b;
}

BlockBackend *vm_control_quiesce(Vm *vm, VmFindDrive *find, void *opaque,
                                 GError **errp)
{
    bool served = vm_serve_allow(vm, true);
    BlockBackend *b = control_quiesce(vm, find, opaque, errp);

    vm_serve_allow(vm, served);
    return b;
}
