/*
 * Waiting for those who work on guest memory from outside.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/outside.h"

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

static void wait_all(GPtrArray *list)
{
    int64_t start = clock_monotonic_ns();

    for (guint i = 0; i < list->len; i++) {
        VmOutside *o = list->pdata[i];

        o->ops->wait(o, start);
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
        vm_lock_release();
        wait_all(list);
        vm_lock_acquire();
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

void vm_outside_settle_all(Vm *vm)
{
    settle(vm, true);
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

static void wait_now(void *opaque)
{
    VmOutside *o = opaque;

    o->ops->wait(o, clock_monotonic_ns());
    o->ops->unref(o);
}

NO_TSA void vm_outside_wait_later(VmOutside *o)
{
    /* At the program's end nobody lets go of it. */
    if (vm_lock_held() && !vm_lock_may_wait()) {
        o->ops->ref(o);
        vm_lock_after(wait_now, o);
    }
}
