/*
 * One virtual machine: its life and the main loop.
 *
 * The main loop holds vm_lock while it dispatches and not while it polls, so
 * that every callback of every source may touch devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/vm.h"

#include "system/serve.h"
#include "system/strays.h"
#include "system/vm-priv.h"
#include "util/log.h"

typedef struct VmRoot {
    Object obj;
    Vm *vm;
} VmRoot;

static const ObjectType vm_root_type = {
    .name = "container",
    .size = sizeof(VmRoot),
};

typedef struct RequestSource {
    GSource base;
    Vm *vm;
} RequestSource;

static gboolean request_prepare(GSource *src, gint *timeout)
{
    *timeout = -1;
    return vm_requests_pending(((RequestSource *)src)->vm);
}

static gboolean request_check(GSource *src)
{
    return vm_requests_pending(((RequestSource *)src)->vm);
}

static gboolean request_dispatch(GSource *src, GSourceFunc unused_fn,
                                 gpointer unused)
{
    VM_LOCK_GUARD();
    Vm *vm = ((RequestSource *)src)->vm;
    bool served = vm_serve_allow(vm, true);

    (void)unused_fn;
    (void)unused;
    vm_requests_run(vm);
    vm_serve_allow(vm, served);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs request_funcs = {
    .prepare = request_prepare,
    .check = request_check,
    .dispatch = request_dispatch,
};

/* GLib's poll, with vm_lock given up by the thread that holds it. */
NO_TSA static gint poll_unlocked(GPollFD *fds, guint nfds, gint timeout)
{
    bool held = vm_lock_held();
    gint n;
    int err;

    if (held) {
        vm_lock_release();
    }
    n = g_poll(fds, nfds, timeout);
    err = errno;
    if (held) {
        vm_lock_acquire_in_turn();
    }
    errno = err;
    return n;
}

Vm *vm_new(const VmHooks *hooks)
{
    Vm *vm = g_new0(Vm, 1);

    vm->hooks = hooks;
    vm->run_state = RUN_STATE_PRELAUNCH;
    vm->autostart = true;
    vm->panic_action = PANIC_ACTION_SHUTDOWN;
    memory_init(&vm->mem);
    vm->clocks = clocks_new();
    vm->root = object_new(&vm_root_type);
    OBJECT_CAST(VmRoot, vm->root)->vm = vm;
    {
        g_autoptr(Object) objects = object_new_container("container");

        object_add_child(vm->root, "objects", objects);
    }
    g_queue_init(&vm->run_listeners);
    vm->strays = strays_new();
    vm->reset_handlers = g_array_new(false, false, sizeof(ResetHandler));
    vm->loop = g_main_loop_new(NULL, false);
    g_main_context_set_poll_func(NULL, poll_unlocked);
    vm->request_source = g_source_new(&request_funcs, sizeof(RequestSource));
    ((RequestSource *)vm->request_source)->vm = vm;
    g_source_set_priority(vm->request_source, G_PRIORITY_HIGH);
    g_source_set_static_name(vm->request_source, "vm-requests");
    g_source_attach(vm->request_source, NULL);
    return vm;
}

void vm_free(Vm *vm)
{
    if (!vm) {
        return;
    }
    vm_forget_signals(vm);
    g_source_destroy(vm->request_source);
    g_source_unref(vm->request_source);
    g_main_context_set_poll_func(NULL, NULL);
    object_unref(vm->root);
    memory_fini(&vm->mem);
    clocks_free(vm->clocks);
    g_main_loop_unref(vm->loop);
    g_array_unref(vm->reset_handlers);
    strays_free(vm->strays);
    g_free(vm->name);
    g_free(vm);
    /* Guest memory goes after a grace period: files are to be cut by now. */
    rcu_barrier();
}

Vm *vm_of_object(Object *obj)
{
    Object *root = object_root(obj);

    return root->type == &vm_root_type ? OBJECT_CAST(VmRoot, root)->vm : NULL;
}

bool vm_block_inactivate_step(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return vm->hooks->block_inactivate_step == NULL ||
           vm->hooks->block_inactivate_step(vm, first, ret);
}

bool vm_block_activate(Vm *vm, GError **errp)
{
    return vm->hooks->block_activate == NULL ||
           vm->hooks->block_activate(vm, errp);
}

void vm_quit(Vm *vm)
{
    __atomic_store_n(&vm->quitting, true, __ATOMIC_RELAXED);
    g_main_loop_quit(vm->loop);
}

int vm_run_main_loop(Vm *vm)
{
    VM_LOCK_GUARD();
    if (!vm->quitting) {
        g_main_loop_run(vm->loop);
    }
    if (vm_memory_awaited(vm)) {
        /* A vCPU that waits for a page can't be stopped, nor let go on. */
        log_error("the guest ends before all of its memory has come");
        _exit(EXIT_FAILURE);
    }
    /* Nothing runs any more while the caller takes the machine apart. */
    if (runstate_is_running(vm)) {
        vm->hooks->vcpus_pause(vm);
        clocks_enable_virtual(vm->clocks, false);
    }
    vm->hooks->block_drain(vm);
    return __atomic_load_n(&vm->exit_status, __ATOMIC_RELAXED);
}

void vm_add_reset_handler(Vm *vm, void (*fn)(void *), void *opaque)
{
    ResetHandler h = { .fn = fn, .opaque = opaque };

    g_array_append_val(vm->reset_handlers, h);
}

void vm_del_reset_handler(Vm *vm, void (*fn)(void *), void *opaque)
{
    for (guint i = 0; i < vm->reset_handlers->len; i++) {
        const ResetHandler *h =
            &g_array_index(vm->reset_handlers, ResetHandler, i);

        if (h->fn == fn && h->opaque == opaque) {
            g_array_remove_index(vm->reset_handlers, i);
            return;
        }
    }
}
