/*
 * Crashes and watchdogs: from what the guest's hardware saw to what is done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/guest-event.h"

#include "system/runstate.h"
#include "system/vm.h"

void guest_watchdog_expired(Vm *vm)
{
    WatchdogAction action = vm->watchdog_action;

    vm->hooks->event_watchdog(vm, action);
    switch (action) {
    case WATCHDOG_ACTION_RESET:
        vm_request_reset(vm, SHUTDOWN_CAUSE_GUEST_RESET);
        break;
    case WATCHDOG_ACTION_SHUTDOWN:
        vm_request_powerdown(vm);
        break;
    case WATCHDOG_ACTION_POWEROFF:
        vm_request_exit(vm, EXIT_SUCCESS);
        break;
    case WATCHDOG_ACTION_PAUSE:
        vm_stop_request(vm, RUN_STATE_WATCHDOG);
        break;
    case WATCHDOG_ACTION_DEBUG:
        fprintf(stderr, "watchdog: timer fired\n");
        break;
    case WATCHDOG_ACTION_INJECT_NMI:
        vm_request_nmi(vm);
        break;
    case WATCHDOG_ACTION_NONE:
        break;
    }
}

/* A guest whose end doesn't end the program stands, for who looks at it. */
static bool panic_pauses(const Vm *vm)
{
    return vm->panic_action == PANIC_ACTION_PAUSE ||
           (vm->panic_action == PANIC_ACTION_SHUTDOWN && vm->no_shutdown);
}

void guest_panicked(Vm *vm)
{
    if (panic_pauses(vm)) {
        vm->hooks->event_guest_panicked(vm, GUEST_PANIC_ACTION_PAUSE);
        vm_stop_self_request(vm, RUN_STATE_GUEST_PANICKED);
    } else if (vm->panic_action == PANIC_ACTION_NONE) {
        vm->hooks->event_guest_panicked(vm, GUEST_PANIC_ACTION_RUN);
    } else {
        vm->hooks->event_guest_panicked(vm, GUEST_PANIC_ACTION_POWEROFF);
        if (vm->panic_action == PANIC_ACTION_EXIT_FAILURE) {
            __atomic_store_n(&vm->exit_status, EXIT_FAILURE, __ATOMIC_RELAXED);
        }
        vm_request_shutdown(vm, SHUTDOWN_CAUSE_GUEST_PANIC);
    }
}

void guest_crash_loaded(Vm *vm)
{
    vm->hooks->event_guest_crashloaded(vm, GUEST_PANIC_ACTION_RUN);
}
