/*
 * Waiting in the main thread without leaving the others unserved.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/serve.h"

#include "system/vm.h"
#include "util/thread.h"

bool vm_serve_allow(Vm *vm, bool on)
{
    bool old = vm->may_serve;

    vm->may_serve = on;
    return old;
}

/* In the main loop, called from a place that bears it. */
static bool may_serve(const Vm *vm)
{
    return vm->may_serve && g_main_context_is_owner(NULL);
}

/* One turn; what is dispatched in it may not take for granted that it may. */
static void serve_turn(Vm *vm)
{
    bool old = vm_serve_allow(vm, false);

    g_main_context_iteration(NULL, true); /* drops vm_lock while it polls */
    vm_serve_allow(vm, old);
}

static gboolean time_is_up(gpointer opaque)
{
    *(bool *)opaque = true;
    return G_SOURCE_CONTINUE;
}

NO_TSA void vm_serve_for(Vm *vm, unsigned us)
{
    GSource *end;
    bool up = false;

    if (!may_serve(vm)) {
        vm_lock_release();
        g_usleep(us);
        vm_lock_acquire();
        return;
    }
    end = g_timeout_source_new(us / 1000);
    g_source_set_callback(end, time_is_up, &up, NULL);
    g_source_attach(end, NULL);
    serve_turn(vm);
    g_source_destroy(end);
    g_source_unref(end);
}

typedef struct ServeCall {
    void (*fn)(void *opaque);
    void *opaque;
    bool done; /* atomic */
} ServeCall;

static void *call_main(void *opaque)
{
    ServeCall *c = opaque;

    c->fn(c->opaque);
    __atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
    g_main_context_wakeup(NULL);
    return NULL;
}

NO_TSA void vm_serve_until(Vm *vm, void (*fn)(void *opaque), void *opaque)
{
    ServeCall call = { .fn = fn, .opaque = opaque };
    Thread t;

    if (!may_serve(vm) || !thread_create(&t, "wait", call_main, &call, NULL)) {
        vm_lock_release();
        fn(opaque);
        vm_lock_acquire();
        return;
    }
    while (!__atomic_load_n(&call.done, __ATOMIC_ACQUIRE)) {
        serve_turn(vm);
    }
    thread_join(&t);
}
