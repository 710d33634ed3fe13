/*
 * vCPUs that may dirty so much memory a second and no more.
 *
 * Each page that a vCPU puts into its dirty ring costs it the time that the
 * limit allows for one; what it owes it rests, by the same means as a guest
 * that is throttled.  The rings are only looked at; once a second they are
 * emptied, and pages count again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/dirty-limit.h"

#include "accel/accel.h"
#include "system/memory.h"
#include "util/error.h"

typedef struct CpuLimit {
    uint64_t mib_per_s; /* 0: none */
    uint64_t current;   /* MiB/s, in the last second */
    uint64_t seen;      /* pages, at the last look */
    uint64_t second;    /* and when this second began */
    int64_t due_ns;     /* it rests until then */
} CpuLimit;

/* Of an accelerator; vm_lock. */
struct VcpuDirtyLimits {
    Accel *acc;
    CpuLimit *cpus; /* n */
    unsigned n;     /* max_vcpus */
    uint64_t *counts;
    int64_t second_ns; /* when this second began */
    guint timer;       /* 0: nobody has a limit */
};

static uint64_t to_mib(uint64_t pages, int64_t ns)
{
    return (double)pages * RAM_PAGE_SIZE * NS_PER_S / MiB / MAX(ns, 1);
}

int64_t dirty_limit_due(int64_t due_ns, int64_t now_ns, uint64_t pages,
                        uint64_t mib_per_s)
{
    const int64_t most = DIRTY_LIMIT_REST_MS * NS_PER_MS;
    double ns = (double)pages * RAM_PAGE_SIZE * NS_PER_S / MiB / mib_per_s;

    due_ns = MAX(due_ns, now_ns);
    return MIN(due_ns + (int64_t)MIN(ns, (double)most), now_ns + most);
}

static void rest_until(Vcpu *cpu, int64_t until_ns)
{
    /* One that is to stop, or has stopped, is left in peace. */
    if (__atomic_load_n(&cpu->stop, __ATOMIC_SEQ_CST) ||
        __atomic_load_n(&cpu->rest_until_ns, __ATOMIC_SEQ_CST) >= until_ns) {
        return;
    }
    __atomic_store_n(&cpu->rest_until_ns, until_ns, __ATOMIC_SEQ_CST);
    vcpu_kick(cpu);
}

static void rest_no_more(Vcpu *cpu)
{
    if (__atomic_exchange_n(&cpu->rest_until_ns, 0, __ATOMIC_SEQ_CST)) {
        vcpu_kick(cpu);
    }
}

static void limit_cpu(struct VcpuDirtyLimits *d, Vcpu *cpu, int64_t now)
{
    CpuLimit *l = &d->cpus[cpu->index];
    uint64_t pages = d->counts[cpu->index] - l->seen;

    l->seen = d->counts[cpu->index];
    if (l->mib_per_s == 0) {
        return;
    }
    l->due_ns = dirty_limit_due(l->due_ns, now, pages, l->mib_per_s);
    if (l->due_ns > now) {
        rest_until(cpu, l->due_ns);
    }
}

static void second_ends(struct VcpuDirtyLimits *d, int64_t now)
{
    for (unsigned i = 0; i < d->n; i++) {
        CpuLimit *l = &d->cpus[i];

        l->current = to_mib(l->seen - l->second, now - d->second_ns);
        l->second = l->seen;
    }
    d->second_ns = now;
}

static gboolean limit_tick(gpointer opaque)
{
    struct VcpuDirtyLimits *d = opaque;
    Vm *vm = d->acc->vm;
    int64_t now = clock_monotonic_ns();
    bool ends = now - d->second_ns >= NS_PER_S;

    d->acc->type->dirtied(d->acc, d->counts, ends);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        limit_cpu(d, vm->vcpus[i], now);
    }
    if (ends) {
        second_ends(d, now);
    }
    return G_SOURCE_CONTINUE;
}

static bool has_rings(const Accel *acc)
{
    return acc->type->dirtied != NULL &&
           acc->type->dirtied((Accel *)acc, NULL, false);
}

static struct VcpuDirtyLimits *limits_of(Accel *acc)
{
    struct VcpuDirtyLimits *d = acc->dirty_limits;

    if (d == NULL) {
        d = acc->dirty_limits = g_new0(struct VcpuDirtyLimits, 1);
        d->acc = acc;
        d->n = acc->vm->max_vcpus;
        d->cpus = g_new0(CpuLimit, d->n);
        d->counts = g_new0(uint64_t, d->n);
    }
    return d;
}

/* The first limit; none is known of before. */
static bool limits_begin(struct VcpuDirtyLimits *d, GError **errp)
{
    if (d->timer != 0) {
        return true;
    }
    if (!memory_dirty_log_watch(&d->acc->vm->mem, DIRTY_LOG_LIMIT, errp)) {
        return false;
    }
    d->acc->type->dirtied(d->acc, d->counts, true);
    for (unsigned i = 0; i < d->n; i++) {
        d->cpus[i] = (CpuLimit){ .seen = d->counts[i], .second = d->counts[i] };
    }
    d->second_ns = clock_monotonic_ns();
    d->timer = g_timeout_add(DIRTY_LIMIT_TICK_MS, limit_tick, d);
    return true;
}

static void limits_end(struct VcpuDirtyLimits *d)
{
    for (unsigned i = 0; i < d->n; i++) {
        if (d->cpus[i].mib_per_s != 0) {
            return;
        }
    }
    if (d->timer != 0) {
        g_clear_handle_id(&d->timer, g_source_remove);
        memory_dirty_log_unwatch(&d->acc->vm->mem, DIRTY_LOG_LIMIT);
    }
}

static bool check_cpu(const Vm *vm, int64_t cpu, GError **errp)
{
    if (cpu < -1 || cpu >= (int64_t)vm->nvcpus) {
        error_setf(errp, "incorrect cpu index specified");
        return false;
    }
    return true;
}

bool vcpu_dirty_limit_set(Vm *vm, int64_t cpu, uint64_t mib_per_s,
                          GError **errp)
{
    struct VcpuDirtyLimits *d;

    if (!has_rings(vm->accel)) {
        error_setf(errp, "dirty page limit feature requires KVM with "
                         "accelerator property 'dirty-ring-size' set'");
        return false;
    }
    if (!check_cpu(vm, cpu, errp)) {
        return false;
    }
    if (mib_per_s == 0) {
        return vcpu_dirty_limit_cancel(vm, cpu, errp);
    }
    d = limits_of(vm->accel);
    if (!limits_begin(d, errp)) {
        return false;
    }
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        if (cpu == -1 || cpu == i) {
            d->cpus[i].mib_per_s = mib_per_s;
        }
    }
    return true;
}

bool vcpu_dirty_limit_cancel(Vm *vm, int64_t cpu, GError **errp)
{
    struct VcpuDirtyLimits *d = vm->accel->dirty_limits;

    if (!has_rings(vm->accel)) {
        return true; /* nobody has one */
    }
    if (!check_cpu(vm, cpu, errp)) {
        return false;
    }
    for (unsigned i = 0; d != NULL && i < d->n; i++) {
        if ((cpu == -1 || cpu == i) && d->cpus[i].mib_per_s != 0) {
            d->cpus[i].mib_per_s = 0;
            d->cpus[i].due_ns = 0;
            if (i < vm->nvcpus) {
                rest_no_more(vm->vcpus[i]);
            }
        }
    }
    if (d != NULL) {
        limits_end(d);
    }
    return true;
}

bool vcpu_dirty_limit_get(Vm *vm, unsigned cpu, uint64_t *ret_limit,
                          uint64_t *ret_current)
{
    const struct VcpuDirtyLimits *d = vm->accel->dirty_limits;

    if (d == NULL || cpu >= d->n || d->cpus[cpu].mib_per_s == 0) {
        return false;
    }
    *ret_limit = d->cpus[cpu].mib_per_s;
    *ret_current = d->cpus[cpu].current;
    return true;
}

void vcpu_dirty_limit_end(Accel *acc)
{
    struct VcpuDirtyLimits *d = acc->dirty_limits;

    if (d == NULL) {
        return;
    }
    for (unsigned i = 0; i < d->n; i++) {
        d->cpus[i].mib_per_s = 0;
    }
    limits_end(d);
    g_free(d->cpus);
    g_free(d->counts);
    g_free(d);
    acc->dirty_limits = NULL;
}
