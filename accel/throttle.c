/*
 * A guest that is slowed: of each period its vCPUs rest a part.
 *
 * One thread counts the periods for all vCPUs, and tells each until when it
 * is to rest; the rest itself is the vCPU's sleep, which any kick ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/throttle.h"

#include "accel/accel.h"

#define SLICE_NS (VCPU_THROTTLE_SLICE_MS * NS_PER_MS)

struct VcpuThrottle {
    Vm *vm;
    Thread thread;
    Lock lock;
    Cond cond;        /* with lock: `end` */
    unsigned percent; /* lock */
    bool end;         /* lock */
};

static void throttle_all(Vm *vm, int64_t until_ns)
{
    VM_LOCK_GUARD();

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        Vcpu *cpu = vm->vcpus[i];

        /* One that is to stop, or has stopped, is left in peace. */
        if (__atomic_load_n(&cpu->stop, __ATOMIC_SEQ_CST)) {
            continue;
        }
        __atomic_store_n(&cpu->rest_until_ns, until_ns, __ATOMIC_SEQ_CST);
        vcpu_kick(cpu);
    }
}

static void throttle_none(Vm *vm)
{
    VM_LOCK_GUARD();

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        Vcpu *cpu = vm->vcpus[i];

        if (__atomic_exchange_n(&cpu->rest_until_ns, 0, __ATOMIC_SEQ_CST)) {
            vcpu_kick(cpu);
        }
    }
}

/* The slice is the same length at any percentage, the rest follows. */
static int64_t rest_of(unsigned percent)
{
    return SLICE_NS * percent / (100 - percent);
}

static void *throttle_thread(void *opaque)
{
    struct VcpuThrottle *t = opaque;
    LOCK_GUARD(&t->lock);

    while (!t->end) {
        int64_t until = clock_monotonic_ns() + rest_of(t->percent);

        lock_release(&t->lock);
        throttle_all(t->vm, until);
        lock_acquire(&t->lock);
        while (!t->end &&
               cond_wait_until(&t->cond, &t->lock, until + SLICE_NS)) {
        }
    }
    return NULL;
}

static void throttle_free(struct VcpuThrottle *t)
{
    cond_fini(&t->cond);
    lock_fini(&t->lock);
    g_free(t);
}

static struct VcpuThrottle *throttle_new(Vm *vm, unsigned percent,
                                         GError **errp)
{
    struct VcpuThrottle *t = g_new0(struct VcpuThrottle, 1);

    t->vm = vm;
    t->percent = percent;
    lock_init(&t->lock);
    cond_init(&t->cond);
    if (!thread_create(&t->thread, "cpu-throttle", throttle_thread, t, errp)) {
        throttle_free(t);
        return NULL;
    }
    return t;
}

static void throttle_end(Vm *vm, struct VcpuThrottle *t)
{
    lock_acquire(&t->lock);
    t->end = true;
    cond_broadcast(&t->cond);
    lock_release(&t->lock);
    thread_join(&t->thread);
    throttle_free(t);
    throttle_none(vm);
}

bool vcpus_throttle(Vm *vm, unsigned percent, GError **errp)
{
    Accel *acc = vm->accel;

    g_assert(percent <= VCPU_THROTTLE_MAX);
    if (acc->throttle == NULL) {
        if (percent > 0) {
            acc->throttle = throttle_new(vm, percent, errp);
        }
        return percent == 0 || acc->throttle != NULL;
    }
    if (percent == 0) {
        throttle_end(vm, g_steal_pointer(&acc->throttle));
        return true;
    }
    LOCK_GUARD(&acc->throttle->lock);
    acc->throttle->percent = percent;
    return true;
}

bool vcpu_throttle_rest(Vcpu *cpu)
{
    int64_t until = __atomic_load_n(&cpu->rest_until_ns, __ATOMIC_SEQ_CST);

    if (until == 0 || clock_monotonic_ns() >= until) {
        return false;
    }
    vcpu_sleep_until(cpu, until);
    __atomic_store_n(&cpu->exit_request, false, __ATOMIC_SEQ_CST);
    return true;
}
