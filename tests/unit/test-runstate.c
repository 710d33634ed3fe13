/*
 * The run state: a stop that comes while a migration has the guest, what comes
 * while a stop or a reset waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/vm-priv.h"

static void no_event(Vm *vm)
{
}

static bool no_drain_step(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return true;
}

static const VmHooks hooks = {
    .vcpus_pause = no_event,
    .vcpus_resume = no_event,
    .block_drain_step = no_drain_step,
    .event_stop = no_event,
    .event_resume = no_event,
};

/* As of a debugger that connects: the guest stands when a migration fails. */
static void test_stop_in_switchover(void)
{
    Vm *vm = vm_new(&hooks);
    VmSettled s;

    vm_lock_acquire();
    vm_start(vm);
    g_assert_cmpint(vm_stop_force(vm, RUN_STATE_FINISH_MIGRATE), ==,
                    RUN_STATE_RUNNING);
    g_assert_cmpint(vm_stop(vm, RUN_STATE_PAUSED), ==, 0);
    g_assert_cmpint(runstate_get(vm), ==, RUN_STATE_FINISH_MIGRATE);
    g_assert_true(vm_requests_waiting(vm, false));
    /* It fails: the guest runs again, until the main loop has its turn. */
    runstate_set(vm, RUN_STATE_PAUSED);
    vm_start(vm);
    g_main_context_iteration(NULL, false);
    g_assert_cmpint(runstate_get(vm), ==, RUN_STATE_PAUSED);
    /* Or it asks what came meanwhile, and stays stopped. */
    vm_start(vm);
    vm_stop_force(vm, RUN_STATE_FINISH_MIGRATE);
    vm_stop(vm, RUN_STATE_PAUSED);
    vm_requests_settle(vm, &s);
    g_assert_true(s.stop);
    g_assert_cmpint(s.stop_state, ==, RUN_STATE_PAUSED);
    vm_free(vm);
    vm_lock_release();
}

/*
 * QEMU 7.2: a stop of the user's that comes between a disk's error and the
 * stop for that leaves the guest "paused"; the error, which has the guest
 * stopped already, leaves that so.  In a switch-over nobody has stopped it
 * yet: the first to ask.
 */
static void test_stops_meet(void)
{
    Vm *vm = vm_new(&hooks);
    VmSettled s;

    vm_lock_acquire();
    vm_start(vm);
    vm_stop_request(vm, RUN_STATE_IO_ERROR);
    vm_stop(vm, RUN_STATE_PAUSED);
    g_assert_cmpint(runstate_get(vm), ==, RUN_STATE_PAUSED);
    vm_start(vm);
    g_main_context_iteration(NULL, false);
    g_assert_true(runstate_is_running(vm));
    vm_stop_force(vm, RUN_STATE_FINISH_MIGRATE);
    vm_stop_request(vm, RUN_STATE_IO_ERROR);
    vm_stop(vm, RUN_STATE_PAUSED);
    vm_requests_settle(vm, &s);
    g_assert_true(s.stop);
    g_assert_cmpint(s.stop_state, ==, RUN_STATE_IO_ERROR);
    /* What was dropped isn't the first any more. */
    vm_stop_request(vm, RUN_STATE_IO_ERROR);
    vm_requests_drop(vm);
    vm_stop(vm, RUN_STATE_PAUSED);
    vm_requests_settle(vm, &s);
    g_assert_cmpint(s.stop_state, ==, RUN_STATE_PAUSED);
    vm_free(vm);
    vm_lock_release();
}

/* Another thread finds, while the vCPUs are waited for: */
static void fail_meanwhile(Vm *vm)
{
    vm_stop_request(vm, RUN_STATE_INTERNAL_ERROR);
    vm_stop_request(vm, RUN_STATE_IO_ERROR);
}

static const VmHooks failing_hooks = {
    .vcpus_pause = fail_meanwhile,
    .vcpus_resume = no_event,
    .block_drain_step = no_drain_step,
    .event_stop = no_event,
    .event_resume = no_event,
};

/* No cont before a reset, whoever stopped the guest. */
static void test_internal_error(void)
{
    Vm *vm = vm_new(&failing_hooks);
    VmSettled s;

    vm_lock_acquire();
    vm_start(vm);
    vm_stop(vm, RUN_STATE_PAUSED);
    g_assert_true(runstate_needs_reset(vm));
    /* A vCPU that ends when the guest stands already. */
    runstate_set(vm, RUN_STATE_PAUSED);
    vm_stop_request(vm, RUN_STATE_INTERNAL_ERROR);
    g_main_context_iteration(NULL, false);
    g_assert_true(runstate_needs_reset(vm));
    runstate_set(vm, RUN_STATE_PAUSED);
    vm_start(vm);
    vm_stop_force(vm, RUN_STATE_FINISH_MIGRATE);
    vm_requests_settle(vm, &s);
    g_assert_true(s.stop);
    g_assert_cmpint(s.stop_state, ==, RUN_STATE_INTERNAL_ERROR);
    vm_free(vm);
    vm_lock_release();
}

static GString *events;
static unsigned nresumed;

static void log_stop(Vm *vm)
{
    g_string_append_c(events, 'S');
}

static void log_resume(Vm *vm)
{
    g_string_append_c(events, 'R');
}

static void count_resume(Vm *vm)
{
    nresumed++;
}

/* Another monitor's cont, which is served while the stop waits. */
static bool go_on_meanwhile(Vm *vm, bool first, int *ret)
{
    if (first) {
        vm_start(vm);
    }
    *ret = 0;
    return true;
}

static const VmHooks logging_hooks = {
    .vcpus_pause = no_event,
    .vcpus_resume = count_resume,
    .block_drain_step = go_on_meanwhile,
    .event_stop = log_stop,
    .event_resume = log_resume,
};

/* The last event says what the guest does. */
static void test_order_of_events(void)
{
    Vm *vm = vm_new(&logging_hooks);

    events = g_string_new(NULL);
    vm_lock_acquire();
    vm_start(vm);
    vm_stop(vm, RUN_STATE_PAUSED);
    g_assert_true(runstate_is_running(vm));
    g_assert_cmpstr(events->str, ==, "RSR");
    vm_stop_force(vm, RUN_STATE_FINISH_MIGRATE);
    g_assert_cmpstr(events->str, ==, "RSRS");
    vm_free(vm);
    vm_lock_release();
    g_string_free(g_steal_pointer(&events), true);
}

/* Storage still writes into memory: no vCPU runs, whoever starts the guest. */
static void test_start_in_reset(void)
{
    Vm *vm = vm_new(&logging_hooks);

    events = g_string_new(NULL);
    nresumed = 0;
    vm_lock_acquire();
    g_assert_null(vm_busy(vm));
    vm->dumping = true;
    vm->resetting = 2;
    g_assert_nonnull(strstr(vm_busy(vm), "reset"));
    vm_start(vm);
    g_assert_cmpuint(nresumed, ==, 0);
    vm->resetting = 0;
    g_assert_nonnull(strstr(vm_busy(vm), "dumped"));
    vm->dumping = false;
    g_assert_null(vm_busy(vm));
    runstate_set(vm, RUN_STATE_PAUSED);
    vm_start(vm);
    g_assert_cmpuint(nresumed, ==, 1);
    vm_free(vm);
    vm_lock_release();
    g_string_free(g_steal_pointer(&events), true);
}

static void log_vcpus(Vm *vm)
{
    g_string_append_c(events, 'V');
}

static const VmHooks ordered_hooks = {
    .vcpus_pause = no_event,
    .vcpus_resume = log_vcpus,
    .block_drain_step = no_drain_step,
    .event_stop = log_stop,
    .event_resume = log_resume,
    .event_powerdown = no_event,
    .powerdown = log_vcpus,
};

static void log_change(RunStateListener *l, bool running, RunState state)
{
    g_string_append_c(events, running ? 'c' : 'd');
}

static void log_started(RunStateListener *l)
{
    g_string_append_c(events, 's');
}

/* What no guest needs comes when it runs, and when it didn't run before. */
static void test_started(void)
{
    RunStateListener l = { .changed = log_change, .started = log_started };
    Vm *vm = vm_new(&ordered_hooks);

    events = g_string_new(NULL);
    vm_lock_acquire();
    runstate_add_listener(vm, &l);
    vm_start(vm);
    g_assert_cmpstr(events->str, ==, "cVRs");
    vm_start(vm);
    vm_stop(vm, RUN_STATE_PAUSED);
    g_assert_cmpstr(events->str, ==, "cVRsdS");
    runstate_del_listener(vm, &l);
    vm_free(vm);
    vm_lock_release();
    g_string_free(g_steal_pointer(&events), true);
}

static gint npolled;

static gint count_poll(GPollFD *fds, guint nfds, gint timeout)
{
    npolled = g_poll(fds, nfds, 0);
    return npolled;
}

/* Descriptors that have something for the main loop; then they are read. */
static gint main_loop_is_woken(void)
{
    g_main_context_iteration(NULL, false);
    return npolled;
}

/* A wake-up costs the switch-over a fight for the lock: only with a reason. */
/* It would write into memory that may never come, and wait for that. */
static void test_reset_waits_for_memory(void)
{
    Vm *vm = vm_new(&logging_hooks);

    vm_lock_acquire();
    __atomic_store_n(&vm->memory_awaited, true, __ATOMIC_RELAXED);
    vm_request_reset(vm, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    g_assert_false(vm_requests_pending(vm));
    vm_request_wakeup(vm, WAKEUP_OTHER);
    g_assert_false(vm_requests_pending(vm));
    vm_request_powerdown(vm);
    g_assert_true(vm_requests_pending(vm));
    __atomic_store_n(&vm->memory_awaited, false, __ATOMIC_RELAXED);
    g_assert_true(vm_requests_pending(vm));
    vm_free(vm);
    vm_lock_release();
}

static void test_wakes_for_requests(void)
{
    Vm *vm = vm_new(&ordered_hooks);

    events = g_string_new(NULL);
    vm_lock_acquire();
    g_main_context_set_poll_func(NULL, count_poll);
    vm_start(vm);
    vm_stop_force(vm, RUN_STATE_FINISH_MIGRATE);
    main_loop_is_woken();
    runstate_set(vm, RUN_STATE_PAUSED);
    g_assert_cmpint(main_loop_is_woken(), ==, 0);
    runstate_set(vm, RUN_STATE_FINISH_MIGRATE);
    vm_request_powerdown(vm);
    g_assert_cmpint(main_loop_is_woken(), ==, 1);
    g_assert_cmpint(main_loop_is_woken(), ==, 0);
    g_assert_true(vm_requests_waiting(vm, false));
    g_string_truncate(events, 0);
    runstate_set(vm, RUN_STATE_POSTMIGRATE);
    main_loop_is_woken(); /* a request comes before all descriptors */
    g_assert_cmpstr(events->str, ==, "V");
    g_assert_cmpint(main_loop_is_woken(), ==, 1);
    vm_free(vm);
    vm_lock_release();
    g_string_free(g_steal_pointer(&events), true);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/runstate/stop-in-switchover", test_stop_in_switchover);
    g_test_add_func("/runstate/stops-meet", test_stops_meet);
    g_test_add_func("/runstate/internal-error", test_internal_error);
    g_test_add_func("/runstate/order-of-events", test_order_of_events);
    g_test_add_func("/runstate/start-in-reset", test_start_in_reset);
    g_test_add_func("/runstate/started", test_started);
    g_test_add_func("/runstate/reset-waits-for-memory",
                    test_reset_waits_for_memory);
    g_test_add_func("/runstate/wakes-for-requests", test_wakes_for_requests);
    return g_test_run();
}
