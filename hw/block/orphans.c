/*
 * Requests that a reset has given up while the host still works on them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/block/orphans.h"

#include "system/outside.h"
#include "system/vm.h"
#include "util/lock.h"

struct BlkOrphans {
    VmOutside outside;
    unsigned refs;  /* atomic: who waits may outlive the device */
    unsigned users; /* atomic: the device, and each orphan */
    unsigned n;     /* atomic: orphans */
    char *name;
    BlockBackends *blocks;
    Vm *vm;
};

static BlkOrphans *orphans_of(VmOutside *o)
{
    return container_of(o, BlkOrphans, outside);
}

static void orphans_ref(VmOutside *o)
{
    __atomic_fetch_add(&orphans_of(o)->refs, 1, __ATOMIC_RELAXED);
}

static void orphans_unref(VmOutside *o)
{
    BlkOrphans *all = orphans_of(o);

    if (__atomic_sub_fetch(&all->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        g_free(all->name);
        g_free(all);
    }
}

static bool orphans_busy(VmOutside *o)
{
    return __atomic_load_n(&orphans_of(o)->n, __ATOMIC_ACQUIRE) > 0;
}

/*
 * The main loop, which usually tells the ends of requests, may be waiting for
 * this thread: so it is done here.
 */
static void orphans_wait(VmOutside *o, int64_t since_ns)
{
    block_wait_ends(orphans_of(o)->blocks);
}

static void orphans_settled(VmOutside *o)
{
}

static const VmOutsideOps orphans_ops = {
    .is_storage = true,
    .ref = orphans_ref,
    .unref = orphans_unref,
    .busy = orphans_busy,
    .wait = orphans_wait,
    .settled = orphans_settled,
};

BlkOrphans *blk_orphans_new(Vm *vm, const char *name)
{
    BlkOrphans *o = g_new0(BlkOrphans, 1);

    o->name = g_strdup(name);
    o->outside.ops = &orphans_ops;
    o->outside.name = o->name;
    o->refs = 1;
    o->users = 1;
    o->blocks = vm->blocks;
    o->vm = vm;
    vm_outside_add(vm, &o->outside);
    return o;
}

static gboolean orphan_forget(gpointer opaque)
{
    VM_LOCK_GUARD();
    BlkOrphans *o = opaque;

    vm_outside_del(o->vm, &o->outside);
    orphans_unref(&o->outside);
    return G_SOURCE_REMOVE;
}

void blk_orphans_free(BlkOrphans *o)
{
    if (__atomic_sub_fetch(&o->users, 1, __ATOMIC_ACQ_REL) == 0) {
        orphan_forget(o);
    }
}

void blk_orphans_add(BlkOrphans *o)
{
    __atomic_fetch_add(&o->users, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&o->n, 1, __ATOMIC_RELAXED);
}

void blk_orphans_end(BlkOrphans *o)
{
    __atomic_fetch_sub(&o->n, 1, __ATOMIC_RELEASE);
    if (__atomic_sub_fetch(&o->users, 1, __ATOMIC_ACQ_REL) == 0) {
        /* The list is vm_lock's. */
        g_idle_add_full(G_PRIORITY_DEFAULT, orphan_forget, o, NULL);
    }
}

void blk_orphans_wait_later(BlkOrphans *o)
{
    if (orphans_busy(&o->outside)) {
        vm_outside_wait_later(o->vm, &o->outside);
    }
}
