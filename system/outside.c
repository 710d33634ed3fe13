/*
 * Waiting for those who work on guest memory from outside.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/outside.h"

#include "system/serve.h"
#include "system/strays.h"
#include "system/vm.h"
#include "util/lock.h"

void vm_outside_add(Vm *vm, VmOutside *o)
{
    o->link.data = o;
    g_queue_push_tail_link(&vm->outside, &o->link);
}

void vm_outside_del(Vm *vm, VmOutside *o)
{
    if (o->link.data != NULL) {
        g_queue_unlink(&vm->outside, &o->link);
        o->link.data = NULL;
    }
}

/* All that are busy, with a reference. */
static GPtrArray *busy_ones(Vm *vm, bool storage)
{
    GPtrArray *list = g_ptr_array_new();

    for (GList *l = vm->outside.head; l; l = l->next) {
        VmOutside *o = l->data;

        if ((storage || !o->ops->is_storage) && o->ops->busy(o)) {
            o->ops->ref(o);
            g_ptr_array_add(list, o);
        }
    }
    return list;
}

typedef struct OutsideWait {
    Vm *vm;
    GPtrArray *list;
} OutsideWait;

static void wait_all(void *opaque)
{
    const OutsideWait *w = opaque;
    int64_t start = clock_monotonic_ns();

    for (guint i = 0; i < w->list->len; i++) {
        VmOutside *o = w->list->pdata[i];

        while (o->ops->busy(o) &&
               !(o->ops->is_storage && vm_is_ending(w->vm))) {
            o->ops->wait(o, start);
        }
    }
}

NO_TSA static void settle(Vm *vm, bool storage)
{
    g_autoptr(GPtrArray) list = NULL;

    if (vm->outside.length == 0) {
        return;
    }
    list = busy_ones(vm, storage);
    if (list->len > 0) {
        OutsideWait wait = { vm, list };

        vm_serve_until(vm, wait_all, &wait);
    }
    for (guint i = 0; i < list->len; i++) {
        VmOutside *o = list->pdata[i];

        o->ops->unref(o);
    }
    /* Also those whose answers were there already. */
    for (GList *l = vm->outside.head; l; l = l->next) {
        VmOutside *o = l->data;

        o->ops->settled(o);
    }
}

void vm_outside_settle(Vm *vm)
{
    settle(vm, false);
}

bool vm_outside_settle_all(Vm *vm)
{
    g_autoptr(GPtrArray) left = NULL;

    settle(vm, true);
    left = busy_ones(vm, true);
    for (guint i = 0; i < left->len; i++) {
        VmOutside *o = left->pdata[i];

        o->ops->unref(o);
    }
    return left->len == 0;
}

NO_TSA bool vm_outside_check(Vm *vm, unsigned wait_ms, GError **errp)
{
    bool ok;

    if (strays_check(vm->strays, 0, NULL)) {
        return true;
    }
    vm_lock_release();
    ok = strays_check(vm->strays, wait_ms, errp);
    vm_lock_acquire();
    return ok;
}

void vm_outside_wait_later(Vm *vm, VmOutside *o)
{
    if (vm_lock_held() && vm->hooks->vcpu_wait_outside != NULL) {
        vm->hooks->vcpu_wait_outside(vm, o);
    }
}
