/*
 * The run state: a stop that comes while a migration has the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/vm.h"

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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/runstate/stop-in-switchover", test_stop_in_switchover);
    return g_test_run();
}
