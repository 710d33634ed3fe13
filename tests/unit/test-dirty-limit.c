/*
 * Unit test: vCPUs that may dirty so much memory a second and no more, with an
 * accelerator whose counts are the test's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/dirty-limit.h"

#include "accel/accel.h"
#include "system/memory.h"
#include "util/error.h"

enum { NCPUS = 2, PAGES_OF_MIB = 256 };

static bool rings;
static uint64_t counts[NCPUS];
static unsigned arms;

void vm_stop_request(Vm *vm, RunState state)
{
    g_assert_not_reached();
}

static VcpuExit sleepy_run(Vcpu *cpu)
{
    while (!__atomic_load_n(&cpu->exit_request, __ATOMIC_SEQ_CST)) {
        g_thread_yield();
    }
    return VCPU_EXIT_AGAIN;
}

static bool counts_dirtied(Accel *acc, uint64_t *ret, bool arm)
{
    arms += arm;
    if (ret != NULL) {
        memcpy(ret, counts, sizeof(counts));
    }
    return rings;
}

static const AccelType counts_type = {
    .name = "counts",
    .size = sizeof(Accel),
    .vcpu_run = sleepy_run,
    .dirtied = counts_dirtied,
};

const AccelType *const accel_table[] = { &counts_type, NULL };

/* Two vCPUs that stand; vm_lock held. */
static Vm *vm_make(bool with_rings)
{
    Vm *vm = g_new0(Vm, 1);

    rings = with_rings;
    arms = 0;
    memset(counts, 0, sizeof(counts));
    memory_init(&vm->mem);
    vm->max_vcpus = NCPUS;
    vm->accel = accel_new(vm, &counts_type);
    for (unsigned i = 0; i < NCPUS; i++) {
        g_assert_nonnull(vcpu_new(vm, i, i, NULL));
        vm->vcpus[i]->stop = false;
    }
    return vm;
}

static void vm_drop(Vm *vm)
{
    while (vm->nvcpus > 0) {
        vcpu_free(vm->vcpus[vm->nvcpus - 1]);
    }
    g_free(vm->vcpus);
    accel_free(vm->accel);
    g_assert_false(vm->mem.dirty_log);
    memory_fini(&vm->mem);
    g_free(vm);
}

static int64_t rest_of(const Vm *vm, unsigned cpu)
{
    return __atomic_load_n(&vm->vcpus[cpu]->rest_until_ns, __ATOMIC_SEQ_CST);
}

static uint64_t limit_of(Vm *vm, unsigned cpu)
{
    uint64_t limit = 0, current;

    vcpu_dirty_limit_get(vm, cpu, &limit, &current);
    return limit;
}

static void test_due(void)
{
    const int64_t ms = NS_PER_MS;

    /* What is written at once is owed from now on. */
    g_assert_cmpint(dirty_limit_due(0, 1000 * ms, 0, 1), ==, 1000 * ms);
    g_assert_cmpint(dirty_limit_due(0, 1000 * ms, PAGES_OF_MIB / 4, 1), ==,
                    1250 * ms);
    g_assert_cmpint(dirty_limit_due(1100 * ms, 1000 * ms, PAGES_OF_MIB, 2), ==,
                    1600 * ms);
    /* Never more than a second, whatever it was. */
    g_assert_cmpint(dirty_limit_due(1900 * ms, 1000 * ms, PAGES_OF_MIB, 2), ==,
                    2000 * ms);
    g_assert_cmpint(dirty_limit_due(0, 1000 * ms, UINT64_MAX / 2, 1), ==,
                    2000 * ms);
    g_assert_cmpint(dirty_limit_due(0, 1000 * ms, 1, UINT64_MAX), ==,
                    1000 * ms);
}

static void test_rests(void)
{
    GError *err = NULL;
    int64_t now;
    VM_LOCK_GUARD();
    Vm *vm = vm_make(true);

    g_assert_true(vcpu_dirty_limit_set(vm, 1, 1, &err));
    g_assert_true(vm->mem.dirty_log);
    g_assert_cmpuint(arms, ==, 1);
    counts[0] = counts[1] = 100 * PAGES_OF_MIB;
    while (rest_of(vm, 1) == 0) {
        g_main_context_iteration(NULL, true);
    }
    now = clock_monotonic_ns();
    g_assert_cmpint(rest_of(vm, 1), <=, now + NS_PER_S);
    g_assert_cmpint(rest_of(vm, 0), ==, 0);
    /* One that is about to stop is left alone. */
    vm->vcpus[1]->stop = true;
    vm->vcpus[1]->rest_until_ns = 0;
    counts[1] += 100 * PAGES_OF_MIB;
    while (arms < 2) { /* a second ends */
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpint(rest_of(vm, 1), ==, 0);
    vm->vcpus[1]->stop = false;
    g_assert_true(vcpu_dirty_limit_cancel(vm, -1, &err));
    g_assert_cmpint(rest_of(vm, 1), ==, 0);
    g_assert_false(vm->mem.dirty_log);
    vm_drop(vm);
}

static void test_set(void)
{
    GError *err = NULL;
    uint64_t limit, current;
    VM_LOCK_GUARD();
    Vm *vm = vm_make(true);

    g_assert_false(vcpu_dirty_limit_get(vm, 0, &limit, &current));
    g_assert_true(vcpu_dirty_limit_set(vm, -1, 7, &err));
    g_assert_cmpuint(limit_of(vm, 0), ==, 7);
    g_assert_cmpuint(limit_of(vm, 1), ==, 7);
    g_assert_true(vcpu_dirty_limit_set(vm, 0, 9, &err));
    g_assert_cmpuint(limit_of(vm, 0), ==, 9);
    g_assert_true(vcpu_dirty_limit_set(vm, 1, 0, &err)); /* none */
    g_assert_cmpuint(limit_of(vm, 1), ==, 0);
    g_assert_true(vm->mem.dirty_log);
    /* A migration that comes and goes has its own. */
    g_assert_true(memory_dirty_log_start(&vm->mem, &err));
    g_assert_true(vcpu_dirty_limit_cancel(vm, 0, &err));
    g_assert_true(vm->mem.dirty_log);
    g_assert_true(vcpu_dirty_limit_set(vm, -1, 7, &err));
    memory_dirty_log_stop(&vm->mem);
    g_assert_true(vm->mem.dirty_log);
    vm_drop(vm); /* with limits */
}

static void test_refused(void)
{
    static const int64_t bad[] = { -2, NCPUS, INT64_MAX, INT64_MIN };
    VM_LOCK_GUARD();
    Vm *vm = vm_make(true);

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(GError) err2 = NULL;

        g_assert_false(vcpu_dirty_limit_set(vm, bad[i], 1, &err));
        g_assert_cmpstr(err->message, ==, "incorrect cpu index specified");
        g_assert_false(vcpu_dirty_limit_cancel(vm, bad[i], &err2));
        g_assert_cmpstr(err2->message, ==, "incorrect cpu index specified");
    }
    g_assert_false(vm->mem.dirty_log);
    vm_drop(vm);
}

static void test_no_rings(void)
{
    g_autoptr(GError) err = NULL;
    VM_LOCK_GUARD();
    Vm *vm = vm_make(false);

    g_assert_false(vcpu_dirty_limit_set(vm, -1, 1, &err));
    g_assert_nonnull(strstr(err->message, "'dirty-ring-size'"));
    g_assert_true(vcpu_dirty_limit_cancel(vm, -1, NULL));
    vm_drop(vm);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dirty-limit/due", test_due);
    g_test_add_func("/dirty-limit/rests", test_rests);
    g_test_add_func("/dirty-limit/set", test_set);
    g_test_add_func("/dirty-limit/refused", test_refused);
    g_test_add_func("/dirty-limit/no-rings", test_no_rings);
    return g_test_run();
}
