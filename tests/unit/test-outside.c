/*
 * Who works on guest memory from outside: who is waited for, and when.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/outside.h"
#include "system/serve.h"
#include "system/vm.h"

typedef struct Outsider {
    VmOutside outside;
    bool busy;
    unsigned waits, settled, refs;
} Outsider;

static Outsider *outsider(VmOutside *o)
{
    return container_of(o, Outsider, outside);
}

static void outsider_ref(VmOutside *o)
{
    outsider(o)->refs++;
}

static void outsider_unref(VmOutside *o)
{
    outsider(o)->refs--;
}

static bool outsider_busy(VmOutside *o)
{
    return __atomic_load_n(&outsider(o)->busy, __ATOMIC_ACQUIRE);
}

static void outsider_wait(VmOutside *o, int64_t since_ns)
{
    g_assert_false(vm_lock_held());
    outsider(o)->waits++;
    __atomic_store_n(&outsider(o)->busy, false, __ATOMIC_RELEASE);
}

static void outsider_settled(VmOutside *o)
{
    g_assert_true(vm_lock_held());
    outsider(o)->settled++;
}

static const VmOutsideOps back_end_ops = {
    .ref = outsider_ref,
    .unref = outsider_unref,
    .busy = outsider_busy,
    .wait = outsider_wait,
    .settled = outsider_settled,
};

static const VmOutsideOps storage_ops = {
    .is_storage = true,
    .ref = outsider_ref,
    .unref = outsider_unref,
    .busy = outsider_busy,
    .wait = outsider_wait,
    .settled = outsider_settled,
};

static const VmHooks no_hooks = { 0 };

/* A stop of the guest, or a log that starts, mustn't hang with a dead disk. */
static void test_storage(void)
{
    Vm *vm = vm_new(&no_hooks);
    Outsider back_end = { .outside = { .ops = &back_end_ops, .name = "n0" },
                          .busy = true };
    Outsider disk = { .outside = { .ops = &storage_ops, .name = "d0" },
                      .busy = true };

    vm_lock_acquire();
    vm_outside_add(vm, &disk.outside);
    vm_outside_add(vm, &back_end.outside);
    vm_outside_settle(vm);
    g_assert_cmpuint(back_end.waits, ==, 1);
    g_assert_cmpuint(back_end.settled, ==, 1);
    g_assert_cmpuint(disk.waits, ==, 0);
    g_assert_true(disk.busy);

    vm_outside_settle_all(vm);
    g_assert_cmpuint(disk.waits, ==, 1);
    g_assert_cmpuint(back_end.waits, ==, 1); /* it had nothing to do */
    g_assert_cmpuint(back_end.settled, ==, 2);

    vm_outside_del(vm, &back_end.outside);
    vm_outside_del(vm, &disk.outside);
    vm_outside_settle_all(vm);
    g_assert_cmpuint(back_end.settled, ==, 2);
    g_assert_cmpuint(back_end.refs + disk.refs, ==, 0);
    vm_free(vm);
    vm_lock_release();
}

/* As a back end whose answer comes by the main loop. */
static void wait_for_loop(VmOutside *o, int64_t since_ns)
{
    while (__atomic_load_n(&outsider(o)->busy, __ATOMIC_ACQUIRE)) {
        g_usleep(100);
    }
    outsider(o)->waits++;
}

static const VmOutsideOps loop_ops = {
    .ref = outsider_ref,
    .unref = outsider_unref,
    .busy = outsider_busy,
    .wait = wait_for_loop,
    .settled = outsider_settled,
};

typedef struct Loop {
    Vm *vm;
    Outsider o;
    unsigned turns;
} Loop;

static gboolean answer(gpointer opaque)
{
    Loop *l = opaque;

    /* What is dispatched inside doesn't do so by itself. */
    g_assert_true(vm_lock_held());
    g_assert_false(l->vm->may_serve);
    if (++l->turns == 100) {
        __atomic_store_n(&l->o.busy, false, __ATOMIC_RELEASE);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

/* From a source of the main loop: that goes on while it waits. */
static gboolean settle_served(gpointer opaque)
{
    Loop *l = opaque;
    bool old = vm_serve_allow(l->vm, true);

    g_idle_add_full(G_PRIORITY_DEFAULT, answer, l, NULL);
    vm_outside_settle(l->vm);
    g_assert_true(l->vm->may_serve);
    vm_serve_allow(l->vm, old);
    g_assert_cmpuint(l->turns, ==, 100);
    return G_SOURCE_REMOVE;
}

static void test_served(void)
{
    Loop l = { .vm = vm_new(&no_hooks),
               .o = { .outside = { .ops = &loop_ops, .name = "n0" },
                      .busy = true } };

    vm_lock_acquire();
    vm_outside_add(l.vm, &l.o.outside);
    g_idle_add(settle_served, &l);
    while (l.turns < 100) {
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpuint(l.o.settled, ==, 1);
    g_assert_cmpuint(l.o.refs, ==, 0);
    vm_outside_del(l.vm, &l.o.outside);
    vm_free(l.vm);
    vm_lock_release();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/outside/storage", test_storage);
    g_test_add_func("/outside/served", test_served);
    return g_test_run();
}
