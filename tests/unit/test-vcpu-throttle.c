/*
 * Unit test: a guest that is slowed (accel/throttle.h), with an accelerator
 * whose vCPUs spin until they are kicked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/throttle.h"

#include "accel/accel.h"

enum { NCPUS = 2 };

static bool in_run[NCPUS]; /* atomic */

void vm_stop_request(Vm *vm, RunState state)
{
    g_assert_not_reached();
}

static void set(bool *p, bool v)
{
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

static bool get(const bool *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static VcpuExit spin_run(Vcpu *cpu)
{
    set(&in_run[cpu->index], true);
    while (!get(&cpu->exit_request)) {
        g_thread_yield();
    }
    set(&in_run[cpu->index], false);
    return VCPU_EXIT_AGAIN;
}

static const AccelType spin_type = {
    .name = "spin",
    .size = sizeof(Accel),
    .vcpu_run = spin_run,
};

const AccelType *const accel_table[] = { &spin_type, NULL };

/* Its vCPUs run; returns with vm_lock held. */
ACQUIRE(&vm_lock) static Vm *vm_make(void)
{
    Vm *vm = g_new0(Vm, 1);

    vm_lock_acquire();
    vm->max_vcpus = NCPUS;
    vm->accel = accel_new(vm, &spin_type);
    for (unsigned i = 0; i < NCPUS; i++) {
        Vcpu *cpu = vcpu_new(vm, i, i, NULL);

        g_assert_nonnull(cpu);
        g_assert_true(vcpu_start_thread(cpu, NULL));
    }
    vm->run_state = RUN_STATE_RUNNING;
    vcpus_resume(vm);
    return vm;
}

static void check_nobody_runs(Vm *vm)
{
    g_assert_true(vcpus_all_paused(vm));
    for (unsigned i = 0; i < NCPUS; i++) {
        g_assert_false(get(&in_run[i]));
    }
}

RELEASE(&vm_lock) static void vm_drop(Vm *vm)
{
    vcpus_pause(vm);
    check_nobody_runs(vm);
    while (vm->nvcpus > 0) {
        Vcpu *cpu = vm->vcpus[vm->nvcpus - 1];

        vcpu_stop_thread(cpu);
        vcpu_free(cpu);
    }
    g_free(vm->vcpus);
    accel_free(vm->accel);
    vm_lock_release();
    g_free(vm);
}

/* Until a vCPU is, or isn't, in vcpu_run(). */
VM_LOCKED static void wait_in_run(unsigned i, bool want)
{
    vm_lock_release();
    while (get(&in_run[i]) != want) {
        g_thread_yield();
    }
    vm_lock_acquire();
}

VM_LOCKED static void throttle(Vm *vm, unsigned percent)
{
    vm_lock_release();
    g_assert_true(vcpus_throttle(vm, percent, NULL));
    vm_lock_acquire();
}

static void nop(Vcpu *cpu, void *opaque)
{
    ++*(unsigned *)opaque;
}

/* A rest ends for a pause and for work, and goes on behind them. */
static void test_rest(void)
{
    Vm *vm = vm_make();
    Vcpu *cpu = vm->vcpus[1];
    unsigned worked = 0;

    wait_in_run(1, true);
    __atomic_store_n(&cpu->rest_until_ns, INT64_MAX - 1, __ATOMIC_SEQ_CST);
    vcpu_kick(cpu);
    wait_in_run(1, false);
    vcpu_run_on(cpu, nop, &worked);
    vcpus_pause(vm);
    check_nobody_runs(vm);
    vcpus_resume(vm);
    wait_in_run(0, true);
    vcpu_run_on(cpu, nop, &worked);
    g_assert_cmpuint(worked, ==, 2);
    g_assert_false(get(&in_run[1]));
    /* Nobody slows the guest any more. */
    throttle(vm, 99);
    throttle(vm, 0);
    wait_in_run(1, true);
    vm_drop(vm);
}

static void test_throttle(void)
{
    Vm *vm = vm_make();

    throttle(vm, 0); /* nothing to end */
    throttle(vm, 50);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < NCPUS; i++) {
            wait_in_run(i, true);
            wait_in_run(i, false);
        }
        vcpus_pause(vm);
        check_nobody_runs(vm);
        vcpus_resume(vm);
        throttle(vm, 80);
    }
    throttle(vm, 0);
    for (unsigned i = 0; i < NCPUS; i++) {
        g_assert_cmpint(vm->vcpus[i]->rest_until_ns, ==, 0);
        wait_in_run(i, true);
    }
    vm_drop(vm);
}

/* The program may end while its guest is slowed. */
static void test_unplug(void)
{
    Vm *vm = vm_make();

    for (unsigned i = 0; i < NCPUS; i++) {
        __atomic_store_n(&vm->vcpus[i]->rest_until_ns, INT64_MAX - 1,
                         __ATOMIC_SEQ_CST);
        vcpu_kick(vm->vcpus[i]);
    }
    vm_drop(vm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vcpu-throttle/rest", test_rest);
    g_test_add_func("/vcpu-throttle/throttle", test_throttle);
    g_test_add_func("/vcpu-throttle/unplug", test_unplug);
    return g_test_run();
}
