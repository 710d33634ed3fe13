/*
 * Unit test: vCPUs that wait for somebody outside, as storage, before they run
 * on.  The accelerator runs no guest: a vCPU spins until it is kicked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/accel.h"
#include "system/outside.h"

/* No main loop runs here. */
void vm_stop_request(Vm *vm, RunState state)
{
    g_assert_not_reached();
}

static bool get(const bool *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static VcpuExit spin(Vcpu *cpu)
{
    __atomic_add_fetch((unsigned *)cpu->accel_data, 1, __ATOMIC_SEQ_CST);
    while (!get(&cpu->exit_request)) {
        g_thread_yield();
    }
    return VCPU_EXIT_AGAIN;
}

static bool no_state(Vcpu *cpu, GError **errp)
{
    return true;
}

static bool no_put(Vcpu *cpu, VcpuPutLevel level, GError **errp)
{
    return true;
}

static const AccelType fake_type = {
    .name = "fake",
    .size = sizeof(Accel),
    .vcpu_run = spin,
    .vcpu_get_state = no_state,
    .vcpu_put_state = no_put,
};

const AccelType *const accel_table[] = { &fake_type, NULL };

/* A VM of one vCPU, paused; returns with vm_lock held. */
ACQUIRE(&vm_lock) static Vm *vm_make(void)
{
    Vm *vm = g_new0(Vm, 1);
    Vcpu *cpu;

    vm_lock_acquire();
    vm->max_vcpus = 1;
    vm->accel = accel_new(vm, &fake_type);
    cpu = vcpu_new(vm, 0, 0, NULL);
    g_assert_nonnull(cpu);
    cpu->accel_data = g_new0(unsigned, 1);
    g_assert_true(vcpu_start_thread(cpu, NULL));
    return vm;
}

RELEASE(&vm_lock) static void vm_drop(Vm *vm)
{
    Vcpu *cpu = vm->vcpus[0];

    vcpu_stop_thread(cpu);
    g_free(cpu->accel_data);
    vcpu_free(cpu);
    g_free(vm->vcpus);
    accel_free(vm->accel);
    vm_lock_release();
    g_free(vm);
}

static unsigned runs(Vcpu *cpu)
{
    return __atomic_load_n((unsigned *)cpu->accel_data, __ATOMIC_SEQ_CST);
}

/* Until the vCPU has entered vcpu_run() more often than `before`. */
VM_LOCKED static void wait_for_run(Vcpu *cpu, unsigned before)
{
    vm_lock_release();
    while (runs(cpu) <= before) {
        g_thread_yield();
    }
    vm_lock_acquire();
}

/* Storage: somebody else says when it isn't busy any more. */
typedef struct Storage {
    VmOutside outside;
    bool busy;            /* atomic */
    unsigned refs, waits; /* atomic */
} Storage;

static void storage_ref(VmOutside *o)
{
    __atomic_add_fetch(&container_of(o, Storage, outside)->refs, 1,
                       __ATOMIC_SEQ_CST);
}

static void storage_unref(VmOutside *o)
{
    __atomic_sub_fetch(&container_of(o, Storage, outside)->refs, 1,
                       __ATOMIC_SEQ_CST);
}

static bool storage_busy(VmOutside *o)
{
    return get(&container_of(o, Storage, outside)->busy);
}

static void storage_wait(VmOutside *o, int64_t since_ns)
{
    g_assert_false(vm_lock_held());
    __atomic_add_fetch(&container_of(o, Storage, outside)->waits, 1,
                       __ATOMIC_SEQ_CST);
    g_thread_yield();
}

static const VmOutsideOps storage_ops = { .is_storage = true,
                                          .ref = storage_ref,
                                          .unref = storage_unref,
                                          .busy = storage_busy,
                                          .wait = storage_wait };

static void reset_disk(Vcpu *cpu, void *opaque)
{
    Storage *s = opaque;

    vcpu_wait_outside(cpu->vm, &s->outside);
}

/* Until the vCPU has looked at it once more. */
VM_LOCKED static void wait_for_wait(Storage *s)
{
    unsigned before = __atomic_load_n(&s->waits, __ATOMIC_SEQ_CST);

    vm_lock_release();
    while (__atomic_load_n(&s->waits, __ATOMIC_SEQ_CST) <= before) {
        g_thread_yield();
    }
    vm_lock_acquire();
}

/*
 * A vCPU waits for storage before it runs on; it can be paused meanwhile, and
 * waits again when it is to go on.
 */
static void test_wait_outside(void)
{
    Vm *vm = vm_make();
    Vcpu *cpu = vm->vcpus[0];
    Storage s = { .outside = { .ops = &storage_ops }, .busy = true };
    unsigned before;

    vcpu_wait_outside(vm, &s.outside); /* this thread is none */
    g_assert_cmpuint(s.refs, ==, 0);
    vcpus_resume(vm);
    wait_for_run(cpu, 0);
    vcpu_run_on(cpu, reset_disk, &s);
    before = runs(cpu);
    for (unsigned i = 0; i < 3; i++) {
        wait_for_wait(&s);
        vcpus_pause(vm);
        g_assert_true(vcpus_all_paused(vm));
        vcpus_resume(vm);
    }
    g_assert_cmpuint(runs(cpu), ==, before);
    __atomic_store_n(&s.busy, false, __ATOMIC_SEQ_CST);
    wait_for_run(cpu, before);
    vcpus_pause(vm);
    g_assert_cmpuint(s.refs, ==, 0);
    /* One that ends meanwhile doesn't wait. */
    __atomic_store_n(&s.busy, true, __ATOMIC_SEQ_CST);
    vcpus_resume(vm);
    vcpu_run_on(cpu, reset_disk, &s);
    wait_for_wait(&s);
    vcpus_pause(vm);
    vm_drop(vm);
    g_assert_cmpuint(s.refs, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vcpu-outside/wait", test_wait_outside);
    return g_test_run();
}
