/*
 * QMP commands of qapi/run-state.json, and those that poke the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine.h"
#include "monitor/qmp.h"
#include "monitor/vm-control.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/error.h"

bool qmp_query_status(QmpCtx *ctx, StatusInfo **ret, GError **errp)
{
    StatusInfo *info = status_info_new();

    info->running = runstate_is_running(ctx->vm);
    info->status = runstate_get(ctx->vm);
    *ret = info;
    return true;
}

bool qmp_stop(QmpCtx *ctx, GError **errp)
{
    return vm_control_stop(ctx->vm, errp);
}

bool qmp_cont(QmpCtx *ctx, GError **errp)
{
    return vm_control_cont(ctx->vm, errp);
}

bool qmp_system_reset(QmpCtx *ctx, GError **errp)
{
    vm_request_reset(ctx->vm, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    return true;
}

bool qmp_system_powerdown(QmpCtx *ctx, GError **errp)
{
    vm_request_powerdown(ctx->vm);
    return true;
}

bool qmp_system_wakeup(QmpCtx *ctx, GError **errp)
{
    struct Machine *m = ctx->vm->machine;

    if (!m || !m->type->wakeup) {
        error_setf(errp, "wake-up from suspend is not supported by this guest");
        return false;
    }
    return vm_control_wakeup(ctx->vm, errp);
}

bool qmp_set_action(QmpCtx *ctx, bool has_reboot, RebootAction reboot,
                    bool has_shutdown, ShutdownAction shutdown, bool has_panic,
                    PanicAction panic, bool has_watchdog,
                    WatchdogAction watchdog, GError **errp)
{
    if (has_reboot) {
        ctx->vm->no_reboot = reboot == REBOOT_ACTION_SHUTDOWN;
    }
    if (has_shutdown) {
        ctx->vm->no_shutdown = shutdown == SHUTDOWN_ACTION_PAUSE;
    }
    if (has_panic) {
        ctx->vm->panic_action = panic;
    }
    if (has_watchdog) {
        ctx->vm->watchdog_action = watchdog;
    }
    return true;
}

bool qmp_watchdog_set_action(QmpCtx *ctx, WatchdogAction action, GError **errp)
{
    ctx->vm->watchdog_action = action;
    return true;
}

bool qmp_inject_nmi(QmpCtx *ctx, GError **errp)
{
    if (!ctx->vm->nvcpus || !ctx->vm->accel) {
        error_setf(errp, "this feature or command is not currently supported");
        return false;
    }
    return vm_control_nmi(ctx->vm, errp);
}

bool qmp_rtc_reset_reinjection(QmpCtx *ctx, GError **errp)
{
    /* Lost RTC ticks are dropped, never made up for: nothing to forget. */
    return true;
}
