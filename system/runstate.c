/*
 * The run state: transitions, starting and stopping the guest, and the
 * requests that the main thread carries out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/runstate.h"

#include "system/outside.h"
#include "system/serve.h"
#include "system/vm-priv.h"
#include "util/log.h"
#include "util/trace.h"

/* Bits of Vm.requests. */
enum {
    REQUEST_EXIT = 1 << 0,
    REQUEST_SHUTDOWN = 1 << 1,
    REQUEST_RESET = 1 << 2,
    REQUEST_SUSPEND = 1 << 3,
    REQUEST_WAKEUP = 1 << 4,
    REQUEST_POWERDOWN = 1 << 5,
    REQUEST_STOP = 1 << 6,
    REQUEST_NMI = 1 << 7,
};

#define TO(state) (1U << RUN_STATE_##state)

/* Where a guest that stands for an outside reason may go from there. */
#define TO_ANY_STOPPED                                                       \
    (TO(DEBUG) | TO(INTERNAL_ERROR) | TO(IO_ERROR) | TO(PAUSED) |            \
     TO(POSTMIGRATE) | TO(PRELAUNCH) | TO(FINISH_MIGRATE) | TO(RESTORE_VM) | \
     TO(SAVE_VM) | TO(SHUTDOWN) | TO(SUSPENDED) | TO(WATCHDOG) |             \
     TO(GUEST_PANICKED) | TO(COLO))

/* The states that may follow each state. */
static const unsigned transitions[RUN_STATE__MAX] = {
    [RUN_STATE_DEBUG] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) |
                        TO(PAUSED) | TO(SAVE_VM) | TO(RESTORE_VM),
    /* The state of the other side arrives in the stream. */
    [RUN_STATE_INMIGRATE] = TO(RUNNING) | TO_ANY_STOPPED,
    [RUN_STATE_INTERNAL_ERROR] = TO(PAUSED) | TO(FINISH_MIGRATE) |
                                 TO(PRELAUNCH) | TO(SAVE_VM) | TO(RESTORE_VM),
    [RUN_STATE_IO_ERROR] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) |
                           TO(PAUSED) | TO(SAVE_VM) | TO(RESTORE_VM),
    [RUN_STATE_PAUSED] = TO(RUNNING) | TO_ANY_STOPPED,
    [RUN_STATE_POSTMIGRATE] = TO(RUNNING) | TO(PAUSED) | TO(FINISH_MIGRATE) |
                              TO(PRELAUNCH) | TO(SAVE_VM) | TO(RESTORE_VM),
    [RUN_STATE_PRELAUNCH] = TO(RUNNING) | TO(INMIGRATE) | TO_ANY_STOPPED,
    /* Back to what it was when a migration fails. */
    [RUN_STATE_FINISH_MIGRATE] = TO(RUNNING) | TO_ANY_STOPPED,
    [RUN_STATE_RESTORE_VM] = TO(RUNNING) | TO_ANY_STOPPED,
    [RUN_STATE_RUNNING] = TO_ANY_STOPPED,
    [RUN_STATE_SAVE_VM] = TO(RUNNING) | TO_ANY_STOPPED,
    [RUN_STATE_SHUTDOWN] = TO(PAUSED) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) |
                           TO(SAVE_VM) | TO(RESTORE_VM),
    [RUN_STATE_SUSPENDED] = TO(RUNNING) | TO(PAUSED) | TO(FINISH_MIGRATE) |
                            TO(PRELAUNCH) | TO(SAVE_VM) | TO(RESTORE_VM) |
                            TO(SHUTDOWN),
    [RUN_STATE_WATCHDOG] = TO(RUNNING) | TO(FINISH_MIGRATE) | TO(PRELAUNCH) |
                           TO(PAUSED) | TO(SAVE_VM) | TO(RESTORE_VM),
    [RUN_STATE_GUEST_PANICKED] = TO(RUNNING) | TO(FINISH_MIGRATE) |
                                 TO(PRELAUNCH) | TO(PAUSED) | TO(SAVE_VM) |
                                 TO(RESTORE_VM) | TO(SHUTDOWN),
    [RUN_STATE_COLO] = TO(RUNNING) | TO(PRELAUNCH) | TO(FINISH_MIGRATE),
};

bool runstate_may_change(RunState from, RunState to)
{
    return from == to || (transitions[from] & (1U << to));
}

RunState runstate_get(Vm *vm)
{
    return vm->run_state;
}

bool runstate_is_running(Vm *vm)
{
    return vm->run_state == RUN_STATE_RUNNING;
}

bool runstate_needs_reset(Vm *vm)
{
    return vm->run_state == RUN_STATE_INTERNAL_ERROR ||
           vm->run_state == RUN_STATE_SHUTDOWN;
}

void runstate_set(Vm *vm, RunState state)
{
    if (!runstate_may_change(vm->run_state, state)) {
        /* A bug, but no reason to take the guest down. */
        log_error("invalid run state transition: '%s' -> '%s'",
                  run_state_str(vm->run_state), run_state_str(state));
    }
    TRACE(runstate_set, "%s -> %s", run_state_str(vm->run_state),
          run_state_str(state));
    /*
     * Requests may have waited for the end of a migration.  Partner: who posts
     * one wakes the main loop, which looks for requests, then at the state.
     */
    __atomic_store_n(&vm->run_state, state, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&vm->requests, __ATOMIC_SEQ_CST) != 0) {
        vm_wake_main();
    }
}

void runstate_add_listener(Vm *vm, RunStateListener *l)
{
    GList *at = vm->run_listeners.head;

    while (at &&
           container_of(at, RunStateListener, link)->priority <= l->priority) {
        at = at->next;
    }
    l->link.data = l;
    g_queue_insert_before_link(&vm->run_listeners, at, &l->link);
}

void runstate_del_listener(Vm *vm, RunStateListener *l)
{
    if (l->link.data) {
        g_queue_unlink(&vm->run_listeners, &l->link);
        l->link.data = NULL;
    }
}

/* One round; a callback may take its own listener off the list. */
static void tell_round(Vm *vm, bool running, bool second)
{
    GQueue *q = &vm->run_listeners;
    GList *at = running ? q->head : q->tail;

    while (at) {
        RunStateListener *l = container_of(at, RunStateListener, link);
        GList *next = running ? at->next : at->prev;

        if (second && l->prepare) {
            l->prepare(l, running, vm->run_state);
        } else if (!second && l->changed) {
            l->changed(l, running, vm->run_state);
        }
        at = next;
    }
}

static void tell_listeners(Vm *vm, bool running)
{
    tell_round(vm, running, false);
    tell_round(vm, running, true);
}

/* One step of a switch-over is how long all before this takes. */
static void tell_started(Vm *vm)
{
    GList *next;

    for (GList *at = vm->run_listeners.head; at != NULL; at = next) {
        RunStateListener *l = container_of(at, RunStateListener, link);

        next = at->next;
        if (l->started != NULL) {
            l->started(l);
        }
    }
}

static void tell_settled(Vm *vm)
{
    for (GList *at = vm->run_listeners.tail; at != NULL; at = at->prev) {
        RunStateListener *l = container_of(at, RunStateListener, link);

        if (l->settled != NULL) {
            l->settled(l);
        }
    }
}

/* -no-shutdown keeps a guest's end from ending the program, not the user's. */
static bool cause_is_final(ShutdownCause cause)
{
    return cause == SHUTDOWN_CAUSE_HOST_QMP_QUIT ||
           cause == SHUTDOWN_CAUSE_HOST_SIGNAL ||
           cause == SHUTDOWN_CAUSE_HOST_UI;
}

bool vm_is_ending(Vm *vm)
{
    unsigned asked = __atomic_load_n(&vm->requests, __ATOMIC_SEQ_CST);

    return __atomic_load_n(&vm->quitting, __ATOMIC_RELAXED) ||
           (asked & REQUEST_EXIT) ||
           ((asked & REQUEST_SHUTDOWN) &&
            cause_is_final(
                __atomic_load_n(&vm->shutdown_cause, __ATOMIC_RELAXED)));
}

/* What waits while a migration has the guest stopped; shutdowns: below. */
enum {
    REQUESTS_OF_GUEST = REQUEST_RESET | REQUEST_SUSPEND | REQUEST_WAKEUP |
                        REQUEST_POWERDOWN | REQUEST_STOP | REQUEST_NMI,
};

/* The guest's state is a migration's: on its way out, or half here. */
static bool state_is_taken(const Vm *vm)
{
    /* Without vm_lock, too: who changes it wakes who looks. */
    RunState now = __atomic_load_n(&vm->run_state, __ATOMIC_SEQ_CST);

    return now == RUN_STATE_FINISH_MIGRATE || now == RUN_STATE_SAVE_VM ||
           now == RUN_STATE_RESTORE_VM ||
           (now == RUN_STATE_INMIGRATE && vm->loading);
}

/*
 * Between the stop and the end of a migration, the guest's state belongs to
 * the migration: what would change it waits.  So does what writes into guest
 * memory that is still to come: this thread, with vm_lock, would wait for a
 * source that may never come back.
 */
static unsigned requests_allowed(Vm *vm)
{
    unsigned all = ~0U;

    if (vm_memory_awaited(vm)) {
        all &= ~(REQUEST_RESET | REQUEST_WAKEUP);
    }
    if (state_is_taken(vm)) {
        all &= ~REQUESTS_OF_GUEST;
        if (!cause_is_final(
                __atomic_load_n(&vm->shutdown_cause, __ATOMIC_RELAXED))) {
            all &= ~REQUEST_SHUTDOWN;
        }
    }
    return all;
}

static bool may_do(Vm *vm, unsigned request)
{
    return requests_allowed(vm) & request;
}

static bool start_guest(Vm *vm)
{
    if (runstate_is_running(vm)) {
        return false;
    }
    clocks_enable_virtual(vm->clocks, true);
    runstate_set(vm, RUN_STATE_RUNNING);
    tell_listeners(vm, true);
    /* While a reset waits, somebody still writes into the guest's memory:
     * its end lets the vCPUs go. */
    if (!vm->resetting) {
        vm->hooks->vcpus_resume(vm);
    }
    return true;
}

/* False: it didn't run, or another thread was first. */
static bool stop_guest(Vm *vm, RunState state)
{
    if (!runstate_is_running(vm)) {
        return false;
    }
    /* First, so that all vCPUs stop, and save their counters, at one time. */
    clocks_enable_virtual(vm->clocks, false);
    vm->stopping++;
    vm->hooks->vcpus_pause(vm); /* drops vm_lock while it waits */
    vm->stopping--;
    if (!runstate_is_running(vm)) {
        return false;
    }
    clocks_enable_virtual(vm->clocks, false); /* started in between? */
    runstate_set(vm, state);
    tell_listeners(vm, false);
    /* Before the lock is left: a RESUME may follow at once. */
    if (state != RUN_STATE_SUSPENDED) {
        vm->hooks->event_stop(vm);
    }
    vm_outside_settle(vm); /* drops vm_lock while it waits */
    return true;
}

void vm_start(Vm *vm)
{
    if (start_guest(vm)) {
        vm->hooks->event_resume(vm);
        tell_started(vm);
    }
}

/* Requests. */

static void request_post(Vm *vm, unsigned request)
{
    __atomic_fetch_or(&vm->requests, request, __ATOMIC_SEQ_CST);
    vm_wake_main();
}

static bool request_take(Vm *vm, unsigned request)
{
    return __atomic_fetch_and(&vm->requests, ~request, __ATOMIC_SEQ_CST) &
           request;
}

static bool cause_is_guest(ShutdownCause cause)
{
    return cause == SHUTDOWN_CAUSE_GUEST_SHUTDOWN ||
           cause == SHUTDOWN_CAUSE_GUEST_RESET ||
           cause == SHUTDOWN_CAUSE_GUEST_PANIC;
}

/*
 * What the guest was first to stop for is what users see, as if it had stopped
 * there and then.  Only a guest that must not go on is more than that.
 */
void vm_stop_request(Vm *vm, RunState state)
{
    int old = __atomic_load_n(&vm->stop_state, __ATOMIC_RELAXED);

    while ((old == 0 || state == RUN_STATE_INTERNAL_ERROR) &&
           !__atomic_compare_exchange_n(&vm->stop_state, &old, (int)state + 1,
                                        false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
    }
    request_post(vm, REQUEST_STOP);
}

/* False: there was none, or another thread has it. */
static bool take_stop(Vm *vm, RunState *ret_state)
{
    int was;

    if (!request_take(vm, REQUEST_STOP)) {
        return false;
    }
    was = __atomic_exchange_n(&vm->stop_state, 0, __ATOMIC_SEQ_CST);
    *ret_state = was - 1;
    return was != 0;
}

/* Between two looks at requests that storage has not answered. */
enum { DRAIN_LOOK_MIN_US = 20, DRAIN_LOOK_MAX_US = 1000 };

/*
 * Storage may never answer: vCPUs that leave the guest, a migration that is on
 * its way, and monitors have their turn meanwhile.  Who then starts the guest,
 * or ends the program, ends this as well.
 */
static NO_TSA int drain_guest(Vm *vm)
{
    unsigned look_us = DRAIN_LOOK_MIN_US;
    bool first = true;
    int ret = 0;

    while (!runstate_is_running(vm) && !vm_is_ending(vm) &&
           !vm->hooks->block_drain_step(vm, first, &ret)) {
        first = false;
        vm_serve_for(vm, look_us);
        look_us = MIN(2 * look_us, DRAIN_LOOK_MAX_US);
    }
    return ret;
}

/* A guest that must not go on stands already: cont is to know. */
static void note_internal_error(Vm *vm)
{
    if (!runstate_is_running(vm) &&
        runstate_may_change(vm->run_state, RUN_STATE_INTERNAL_ERROR)) {
        runstate_set(vm, RUN_STATE_INTERNAL_ERROR);
    }
}

int vm_stop(Vm *vm, RunState state)
{
    RunState asked = state;
    int ret;

    if (vm->run_state == RUN_STATE_FINISH_MIGRATE) {
        /* Whatever becomes of the switch-over, it is to stand afterwards. */
        vm_stop_request(vm, state);
        return 0;
    }
    /* A migration may be first: it is to know what is still to be done. */
    if (runstate_is_running(vm)) {
        vm_stop_request(vm, state);
    }
    if (stop_guest(vm, state)) {
        take_stop(vm, &asked); /* what others asked for meanwhile, too */
    }
    if (asked == RUN_STATE_INTERNAL_ERROR) {
        note_internal_error(vm);
    }
    ret = drain_guest(vm);
    if (!runstate_is_running(vm)) {
        tell_settled(vm);
    }
    return ret;
}

RunState vm_stop_force(Vm *vm, RunState state)
{
    RunState before;
    bool stopped;

    do {
        stopped = stop_guest(vm, state);
        if (!stopped) {
            /* Another thread may have stopped it, and still wait for that. */
            vm_outside_settle(vm);
        }
    } while (!stopped && runstate_is_running(vm));
    /* It may have done so while this one waited for vCPUs. */
    before = stopped ? RUN_STATE_RUNNING : vm->run_state;
    if (vm->run_state != state) {
        runstate_set(vm, state);
    }
    return before;
}

bool vm_drain_step(Vm *vm, bool first, int *ret)
{
    if (!vm->hooks->block_drain_step(vm, first, ret)) {
        return false;
    }
    tell_settled(vm);
    return true;
}

/* A guest that asks for its end goes on as little as a machine would. */
static void stop_asking_vcpu(Vm *vm)
{
    if (vm->hooks->vcpu_stop_self != NULL) {
        vm->hooks->vcpu_stop_self(vm);
    }
}

void vm_stop_self_request(Vm *vm, RunState state)
{
    stop_asking_vcpu(vm);
    vm_stop_request(vm, state);
}

void vm_request_shutdown(Vm *vm, ShutdownCause cause)
{
    ShutdownCause old = __atomic_load_n(&vm->shutdown_cause, __ATOMIC_RELAXED);

    /* The user's own wish is not undone by what the guest asks meanwhile. */
    if (!cause_is_final(old)) {
        __atomic_store_n(&vm->shutdown_cause, (int)cause, __ATOMIC_RELAXED);
    }
    stop_asking_vcpu(vm);
    request_post(vm, REQUEST_SHUTDOWN);
}

void vm_request_reset(Vm *vm, ShutdownCause cause)
{
    bool inner = cause == SHUTDOWN_CAUSE_SUBSYSTEM_RESET ||
                 cause == SHUTDOWN_CAUSE_SNAPSHOT_LOAD;

    if (vm->no_reboot && !inner) {
        vm_request_shutdown(vm, cause);
        return;
    }
    __atomic_store_n(&vm->reset_cause, (int)cause, __ATOMIC_RELAXED);
    stop_asking_vcpu(vm);
    request_post(vm, REQUEST_RESET);
}

void vm_request_exit(Vm *vm, int status)
{
    __atomic_store_n(&vm->exit_status, status, __ATOMIC_RELAXED);
    request_post(vm, REQUEST_EXIT);
}

void vm_request_powerdown(Vm *vm)
{
    request_post(vm, REQUEST_POWERDOWN);
}

void vm_request_nmi(Vm *vm)
{
    request_post(vm, REQUEST_NMI);
}

void vm_request_suspend(Vm *vm)
{
    stop_asking_vcpu(vm);
    request_post(vm, REQUEST_SUSPEND);
}

void vm_request_wakeup(Vm *vm, WakeupReason reason)
{
    __atomic_store_n(&vm->wakeup_reason, (int)reason, __ATOMIC_RELAXED);
    request_post(vm, REQUEST_WAKEUP);
}

/* Who watches is to see how it stood at its end.  False: later. */
static bool stop_panicked(Vm *vm)
{
    /* A migration may be first: it is to know what is still to be done. */
    request_post(vm, REQUEST_SHUTDOWN);
    vm_stop(vm, RUN_STATE_GUEST_PANICKED);
    return may_do(vm, REQUEST_SHUTDOWN) && request_take(vm, REQUEST_SHUTDOWN);
}

static void do_shutdown(Vm *vm)
{
    ShutdownCause cause =
        __atomic_load_n(&vm->shutdown_cause, __ATOMIC_RELAXED);

    if (cause == SHUTDOWN_CAUSE_GUEST_PANIC) {
        if (!stop_panicked(vm)) {
            return;
        }
        /* The user may have ended it himself meanwhile. */
        cause = __atomic_load_n(&vm->shutdown_cause, __ATOMIC_RELAXED);
    }
    vm->hooks->event_shutdown(vm, cause_is_guest(cause), cause);
    if (vm->no_shutdown && !cause_is_final(cause)) {
        vm_stop(vm, RUN_STATE_SHUTDOWN);
    } else {
        vm_quit(vm);
    }
}

const char *vm_busy(const Vm *vm)
{
    return vm->resetting ? "a reset waits for storage"
           : vm->dumping ? "the guest's memory is being dumped"
           : vm->given   ? "it has just been given to the destination of a "
                           "migration"
           : vm->run_state == RUN_STATE_SAVE_VM ? "a snapshot is being taken"
           : vm->run_state == RUN_STATE_RESTORE_VM
               ? "a snapshot is being loaded"
           : vm->activating ? "its disk images are being taken over"
                            : NULL;
}

/* Nobody writes into memory that is the firmware's now; or it is ending. */
static bool settle_reset(Vm *vm)
{
    bool ok;

    vm->resetting++;
    ok = vm_outside_settle_all(vm);
    vm->resetting--;
    return ok;
}

static void reset_machine(Vm *vm)
{
    ShutdownCause cause = __atomic_load_n(&vm->reset_cause, __ATOMIC_RELAXED);

    vm->hooks->machine_reset(vm, cause);
    if (settle_reset(vm) && cause != SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        vm->hooks->event_reset(vm, cause_is_guest(cause), cause);
    }
}

static void do_reset(Vm *vm)
{
    bool ran = runstate_is_running(vm), mine = true;

    if (ran) {
        /* A migration may be first: it is to know what is still to be done. */
        request_post(vm, REQUEST_RESET);
        vm->hooks->vcpus_pause(vm); /* drops vm_lock while it waits */
        mine = may_do(vm, REQUEST_RESET) && request_take(vm, REQUEST_RESET);
    }
    if (mine) {
        reset_machine(vm);
    }
    /* Others had the lock: the guest may have been stopped, or is to end. */
    if (runstate_is_running(vm)) {
        if (!vm->stopping && !vm->resetting && !vm_is_ending(vm)) {
            vm->hooks->vcpus_resume(vm);
        }
    } else if (mine && !ran && vm->run_state != RUN_STATE_INMIGRATE &&
               !state_is_taken(vm)) {
        runstate_set(vm, RUN_STATE_PRELAUNCH);
    }
}

static void do_suspend(Vm *vm)
{
    if (!runstate_is_running(vm)) {
        return;
    }
    request_post(vm, REQUEST_SUSPEND); /* as a stop: a migration may be first */
    if (stop_guest(vm, RUN_STATE_SUSPENDED)) {
        request_take(vm, REQUEST_SUSPEND);
        vm->hooks->suspend(vm);
        vm->hooks->event_suspend(vm);
    }
}

static void do_wakeup(Vm *vm)
{
    WakeupReason reason =
        (WakeupReason)__atomic_load_n(&vm->wakeup_reason, __ATOMIC_RELAXED);

    if (vm->run_state == RUN_STATE_SUSPENDED && vm->hooks->wakeup(vm, reason)) {
        bool started = start_guest(vm);

        vm->hooks->event_wakeup(vm);
        if (started) {
            tell_started(vm);
        }
    }
}

static void do_powerdown(Vm *vm)
{
    vm->hooks->event_powerdown(vm);
    vm->hooks->powerdown(vm);
}

static void do_nmi(Vm *vm)
{
    vm->hooks->nmi(vm);
}

bool vm_requests_pending(Vm *vm)
{
    unsigned asked = __atomic_load_n(&vm->requests, __ATOMIC_SEQ_CST);

    return asked & requests_allowed(vm);
}

void vm_requests_run(Vm *vm)
{
    static const struct {
        unsigned request;
        void (*run)(Vm *vm);
    } steps[] = {
        { REQUEST_EXIT, vm_quit },         { REQUEST_SUSPEND, do_suspend },
        { REQUEST_SHUTDOWN, do_shutdown }, { REQUEST_RESET, do_reset },
        { REQUEST_WAKEUP, do_wakeup },     { REQUEST_POWERDOWN, do_powerdown },
        { REQUEST_NMI, do_nmi },
    };
    RunState stop;

    for (size_t i = 0; i < G_N_ELEMENTS(steps) && !vm->quitting; i++) {
        if ((steps[i].request & requests_allowed(vm)) &&
            request_take(vm, steps[i].request)) {
            steps[i].run(vm);
        }
    }
    if (!vm->quitting && may_do(vm, REQUEST_STOP) && take_stop(vm, &stop)) {
        vm_stop(vm, stop);
    }
}

static unsigned requests_waiting(Vm *vm)
{
    return __atomic_load_n(&vm->requests, __ATOMIC_SEQ_CST) &
           ~requests_allowed(vm);
}

bool vm_requests_waiting(Vm *vm, bool stands)
{
    RunState dropped;

    if (stands) {
        take_stop(vm, &dropped);
    }
    return requests_waiting(vm) != 0;
}

void vm_requests_settle(Vm *vm, VmSettled *ret)
{
    memset(ret, 0, sizeof(*ret));
    if (request_take(vm, REQUEST_RESET)) {
        reset_machine(vm);
        ret->reset = true;
    }
    if (request_take(vm, REQUEST_POWERDOWN)) {
        do_powerdown(vm);
    }
    if (request_take(vm, REQUEST_NMI)) {
        do_nmi(vm);
    }
    ret->stop = take_stop(vm, &ret->stop_state);
    ret->needs_running = requests_waiting(vm) != 0;
}

bool vm_stop_is_asked(Vm *vm, RunState *ret_state)
{
    int was = __atomic_load_n(&vm->stop_state, __ATOMIC_SEQ_CST);

    if (was != 0) {
        *ret_state = was - 1;
    }
    return was != 0;
}

void vm_requests_drop(Vm *vm)
{
    unsigned gone = requests_waiting(vm);
    RunState stop;

    if (gone & REQUEST_STOP) {
        take_stop(vm, &stop);
    }
    if (gone != 0) {
        request_take(vm, gone);
        log_warn("a reset, shutdown, stop or button press came when the guest "
                 "had left: it did not reach it");
    }
}
