/*
 * vCPU threads: one loop for all accelerators.
 *
 * A request to a vCPU is a flag (stop, unplug, a work item) followed by a
 * kick.  The kick sets exit_request last, and the loop clears exit_request
 * before it looks at the flags, so a request can't get lost in between: it
 * either is seen by that look, or makes vcpu_run() return at once.
 *
 * Pausing is part of every migration's downtime.  All vCPUs are asked before
 * any is waited for; each marks itself stopped without taking vm_lock, and
 * only the last one to do so takes it, to wake the thread that waits.  State
 * is read and written by the vCPUs' own threads, side by side.
 *
 * stopped goes from false to true in the vCPU's thread only, and from true to
 * false in vcpus_resume() only: who holds vm_lock and finds a vCPU stopped
 * has its state to himself until he drops the lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/vcpu.h"

#include "accel/accel.h"
#include "accel/throttle.h"
#include "qom/type-cache.h"
#include "system/outside.h"
#include "util/error.h"
#include "util/log.h"

typedef void VcpuFn(Vcpu *cpu, void *opaque);

/* One item of Vcpu.work.  The one who waits owns it; else the vCPU. */
typedef struct VcpuWork {
    VcpuFn *fn;
    void *opaque;
    bool waited;
    bool done;  /* vm_lock */
    Vcpu *from; /* the vCPU whose thread waits; NULL: another thread */
} VcpuWork;

/* For vcpu_current(); set once by each vCPU thread. */
static __thread Vcpu *vcpu_self;

static bool flag_get(const bool *flag)
{
    return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void flag_set(bool *flag, bool v)
{
    __atomic_store_n(flag, v, __ATOMIC_SEQ_CST);
}

Vcpu *vcpu_current(void)
{
    return vcpu_self;
}

/* Life */

static void vcpu_object_fini(Object *obj)
{
    Vcpu *cpu = OBJECT_CAST(Vcpu, obj);

    g_clear_error(&cpu->init_error);
    debug_state_free(cpu->debug);
    cond_fini(&cpu->halt_cond);
    lock_fini(&cpu->work_lock);
}

static void vcpu_object_init(Object *obj)
{
    Vcpu *cpu = OBJECT_CAST(Vcpu, obj);

    cond_init(&cpu->halt_cond);
    lock_init(&cpu->work_lock);
    g_queue_init(&cpu->work);
    g_queue_init(&cpu->outside);
    cpu->stop = true;
    cpu->stopped = true;
}

static const ObjectType vcpu_object_type = {
    .name = "x86_64-cpu",
    .parent = "cpu",
    .size = sizeof(Vcpu),
    .init = vcpu_object_init,
    .fini = vcpu_object_fini,
};

ObjectType *vcpu_object_type_new(const char *name, const char *parent,
                                 const Property *props)
{
    ObjectType *t = g_memdup2(&vcpu_object_type, sizeof(vcpu_object_type));

    t->name = name;
    t->parent = parent;
    t->props = props;
    return t;
}

void vcpu_set_type(Vcpu *cpu, const ObjectType *type)
{
    cpu->obj.type = type;
}

Vcpu *vcpu_new(Vm *vm, unsigned index, uint32_t apic_id, GError **errp)
{
    Vcpu *cpu;

    if (vm->vcpus == NULL) {
        vm->max_vcpus = MAX(vm->max_vcpus, 1);
        vm->vcpus = g_new0(Vcpu *, vm->max_vcpus);
    }
    if (index >= vm->max_vcpus) {
        error_setf(errp, "CPU index %u: the machine has room for %u CPUs",
                   index, vm->max_vcpus);
        return NULL;
    }
    if (vm->vcpus[index] != NULL || index != vm->nvcpus) {
        error_setf(errp, "CPU index %u: %s", index,
                   index < vm->nvcpus ? "already there"
                                      : "CPUs are added in order");
        return NULL;
    }
    cpu = OBJECT_CAST(Vcpu, object_new(&vcpu_object_type));
    cpu->vm = vm;
    cpu->index = index;
    cpu->apic_id = apic_id;
    vm->vcpus[index] = cpu;
    vm->nvcpus = index + 1;
    return cpu;
}

void vcpu_free(Vcpu *cpu)
{
    Vm *vm;

    if (cpu == NULL) {
        return;
    }
    vm = cpu->vm;
    if (vm->nvcpus == cpu->index + 1) {
        vm->nvcpus--;
    }
    vm->vcpus[cpu->index] = NULL;
    object_unref(&cpu->obj);
}

/* Kicks */

void vcpu_send_ipi(Vcpu *cpu)
{
    if (thread_tid(&cpu->thread) != 0 && cpu != vcpu_self) {
        pthread_kill(cpu->thread.handle, VCPU_SIG_IPI);
    }
}

static void vcpu_wake(Vcpu *cpu)
{
    LOCK_GUARD(&cpu->work_lock);
    cond_broadcast(&cpu->halt_cond);
}

void vcpu_kick(Vcpu *cpu)
{
    const AccelType *type = cpu->vm->accel->type;

    /* Partner: vcpu_sleep() sets sleeping before it reads exit_request. */
    flag_set(&cpu->exit_request, true);
    if (flag_get(&cpu->sleeping)) {
        vcpu_wake(cpu);
    } else if (cpu == vcpu_self) {
        return;
    } else if (type->vcpu_kick != NULL) {
        type->vcpu_kick(cpu);
    } else {
        vcpu_send_ipi(cpu);
    }
}

/*
 * Not on vm_lock, so that vCPUs fall asleep and wake up side by side and
 * whatever the resuming thread still does under vm_lock.
 */
void vcpu_sleep_until(Vcpu *cpu, int64_t until_ns)
{
    bool in_time = true;

    flag_set(&cpu->sleeping, true);
    lock_acquire(&cpu->work_lock);
    while (!flag_get(&cpu->exit_request) && in_time) {
        if (until_ns == INT64_MAX) {
            cond_wait(&cpu->halt_cond, &cpu->work_lock);
        } else {
            in_time =
                cond_wait_until(&cpu->halt_cond, &cpu->work_lock, until_ns);
        }
    }
    lock_release(&cpu->work_lock);
    flag_set(&cpu->sleeping, false);
}

/* Until the next kick; at once if one came since exit_request was cleared. */
static void vcpu_sleep(Vcpu *cpu)
{
    vcpu_sleep_until(cpu, INT64_MAX);
}

/* Work */

static VcpuWork *vcpu_work_pop(Vcpu *cpu)
{
    VcpuWork *w;

    LOCK_GUARD(&cpu->work_lock);
    w = g_queue_pop_head(&cpu->work);
    if (w != NULL) {
        __atomic_sub_fetch(&cpu->nwork, 1, __ATOMIC_SEQ_CST);
    }
    return w;
}

static void vcpu_work_push(Vcpu *cpu, VcpuWork *w)
{
    LOCK_GUARD(&cpu->work_lock);
    g_queue_push_tail(&cpu->work, w);
    __atomic_add_fetch(&cpu->nwork, 1, __ATOMIC_SEQ_CST);
}

VM_LOCKED static void vcpu_do_work(Vcpu *cpu)
{
    VcpuWork *w;

    while ((w = vcpu_work_pop(cpu)) != NULL) {
        w->fn(cpu, w->opaque);
        if (!w->waited) {
            g_free(w);
            continue;
        }
        /* vm_lock keeps the waiter, and with it *w, here until we are done. */
        w->done = true;
        if (w->from != NULL) {
            vcpu_kick(w->from);
        } else {
            cond_broadcast(&cpu->vm->accel->vcpu_cond);
        }
    }
}

/* Waits on a vCPU thread: its own work goes on, so that two can't block. */
VM_LOCKED static void vcpu_wait_as_vcpu(Vcpu *self, const VcpuWork *w)
{
    while (!w->done) {
        flag_set(&self->exit_request, false);
        vcpu_do_work(self);
        if (!w->done) {
            vm_lock_release();
            vcpu_sleep(self);
            vm_lock_acquire();
        }
    }
    /* Whatever else the kicks were for is still to be looked at. */
    flag_set(&self->exit_request, true);
}

NO_TSA void vcpu_run_on(Vcpu *cpu, VcpuFn *fn, void *opaque)
{
    VcpuWork w = {
        .fn = fn,
        .opaque = opaque,
        .waited = true,
        .from = vcpu_self,
    };

    VM_LOCK_GUARD();
    if (cpu == vcpu_self || (flag_get(&cpu->stopped) && !cpu->busy)) {
        fn(cpu, opaque);
        return;
    }
    vcpu_work_push(cpu, &w);
    vcpu_kick(cpu);
    if (vcpu_self != NULL) {
        vcpu_wait_as_vcpu(vcpu_self, &w);
        return;
    }
    while (!w.done) {
        vm_lock_wait(&cpu->vm->accel->vcpu_cond);
    }
}

void vcpu_run_on_async(Vcpu *cpu, VcpuFn *fn, void *opaque)
{
    VcpuWork *w = g_new0(VcpuWork, 1);

    w->fn = fn;
    w->opaque = opaque;
    vcpu_work_push(cpu, w);
    vcpu_kick(cpu);
}

/* State */

static bool vcpu_get_state(Vcpu *cpu, GError **errp)
{
    const AccelType *type = cpu->vm->accel->type;

    if (cpu->state_loaded || cpu->state_cached) {
        return true;
    }
    if (type->vcpu_get_state != NULL && !type->vcpu_get_state(cpu, errp)) {
        return false;
    }
    cpu->state_cached = true;
    return true;
}

static void vcpu_get_state_work(Vcpu *cpu, void *opaque)
{
    vcpu_get_state(cpu, opaque);
}

NO_TSA bool vcpu_sync_state(Vcpu *cpu, GError **errp)
{
    GError *err = NULL;

    /* The switch-over's path: nothing to lock or to wait for. */
    if (cpu == vcpu_self) {
        return vcpu_get_state(cpu, errp);
    }
    if (vcpu_can_be_read(cpu, &err)) {
        vcpu_run_on(cpu, vcpu_get_state_work, &err);
    }
    if (err != NULL) {
        g_propagate_error(errp, err);
        return false;
    }
    return true;
}

void vcpu_mark_state(Vcpu *cpu, VcpuPutLevel level)
{
    if (!cpu->state_loaded || level > cpu->put_level) {
        cpu->put_level = level;
    }
    cpu->state_loaded = true;
    __atomic_fetch_add(&cpu->vm->cpu_changes, 1, __ATOMIC_RELEASE);
}

void vcpu_invalidate_state(Vcpu *cpu)
{
    cpu->state_cached = false;
}

bool vcpu_flush_state(Vcpu *cpu, GError **errp)
{
    const AccelType *type = cpu->vm->accel->type;

    if (!cpu->state_loaded) {
        return true;
    }
    if (type->vcpu_put_state != NULL &&
        !type->vcpu_put_state(cpu, cpu->put_level, errp)) {
        return false;
    }
    cpu->state_loaded = false;
    cpu->state_cached = true;
    return true;
}

/* One call for all vCPUs, in their threads; the caller waits once. */
typedef struct VcpuGather {
    bool (*fn)(Vcpu *cpu, GError **errp);
    unsigned nleft; /* vm_lock */
    GError *error;  /* vm_lock; the first one */
} VcpuGather;

NO_TSA static void vcpu_gather_one(Vcpu *cpu, void *opaque)
{
    VcpuGather *g = opaque;
    GError *err = NULL;

    /* Side by side with the other vCPUs; busy keeps everyone else away. */
    vm_lock_release();
    g->fn(cpu, &err);
    vm_lock_acquire();
    cpu->busy = false;
    if (err != NULL && g->error == NULL) {
        g->error = g_steal_pointer(&err);
    }
    g_clear_error(&err);
    if (--g->nleft == 0) {
        cond_broadcast(&cpu->vm->accel->vcpu_cond);
    }
}

NO_TSA static bool vcpus_gather(Vm *vm, bool (*fn)(Vcpu *, GError **),
                                GError **errp)
{
    VcpuGather g = { .fn = fn, .nleft = vm->nvcpus };
    unsigned i;

    /* To wake a thread and wait for it would cost more than one's state. */
    if (vm->nvcpus == 1) {
        return fn(vm->vcpus[0], errp);
    }
    for (i = 0; i < vm->nvcpus; i++) {
        vm->vcpus[i]->busy = true;
        vcpu_run_on_async(vm->vcpus[i], vcpu_gather_one, &g);
    }
    while (g.nleft > 0) {
        vm_lock_wait(&vm->accel->vcpu_cond);
    }
    if (g.error != NULL) {
        g_propagate_error(errp, g.error);
        return false;
    }
    return true;
}

static bool vcpu_all_cached(const Vm *vm)
{
    unsigned i;

    for (i = 0; i < vm->nvcpus; i++) {
        const Vcpu *cpu = vm->vcpus[i];

        if (!cpu->state_cached && !cpu->state_loaded) {
            return false;
        }
    }
    return true;
}

bool vcpus_sync_all(Vm *vm, GError **errp)
{
    return vcpu_all_cached(vm) || vcpus_gather(vm, vcpu_get_state, errp);
}

bool vcpus_flush_all(Vm *vm, GError **errp)
{
    return vcpus_gather(vm, vcpu_flush_state, errp);
}

/* The thread */

/* What a vCPU can't go on from stops the whole VM, and says why. */
static void vcpu_fail(Vcpu *cpu, GError *err)
{
    error_prefix(&err, "CPU %u: ", cpu->index);
    log_take_error(err);
    flag_set(&cpu->stop, true);
    vm_stop_request(cpu->vm, RUN_STATE_INTERNAL_ERROR);
}

/* Of those that stop at the same time, the last one wakes who waits. */
NO_TSA static void vcpu_set_stopped(Vcpu *cpu)
{
    Accel *acc = cpu->vm->accel;

    if (__atomic_exchange_n(&cpu->stopped, true, __ATOMIC_SEQ_CST)) {
        return;
    }
    if (__atomic_sub_fetch(&acc->nrunning, 1, __ATOMIC_SEQ_CST) == 0) {
        VM_LOCK_GUARD();
        cond_broadcast(&acc->vcpu_cond);
    }
}

static void vcpu_clear_stopped(Vcpu *cpu)
{
    if (__atomic_exchange_n(&cpu->stopped, false, __ATOMIC_SEQ_CST)) {
        __atomic_add_fetch(&cpu->vm->accel->nrunning, 1, __ATOMIC_SEQ_CST);
    }
}

/*
 * The vCPU has seen that it is to stop.  Without vm_lock, as those that stop
 * at the same time would queue up for it.
 */
NO_TSA static void vcpu_enter_pause(Vcpu *cpu)
{
    /*
     * What somebody has asked for since the last run is older than the stop:
     * the counters of the others went on.  What is still to be put comes
     * first; if that fails, the next run says so.
     */
    vcpu_flush_state(cpu, NULL);
    cpu->state_cached = false;
    if (__atomic_load_n(&cpu->vm->accel->sync_on_pause, __ATOMIC_RELAXED)) {
        /* Whoever wants the state asks again and gets the error, if any. */
        vcpu_get_state(cpu, NULL);
    }
    vcpu_set_stopped(cpu);
}

NO_TSA static void vcpu_take_work(Vcpu *cpu)
{
    if (__atomic_load_n(&cpu->nwork, __ATOMIC_SEQ_CST) != 0) {
        VM_LOCK_GUARD();
        vcpu_do_work(cpu);
    }
}

/* Somebody outside who may still write into guest memory. */
typedef struct VcpuOutside {
    VmOutside *o; /* with a reference */
    int64_t since_ns;
} VcpuOutside;

void vcpu_wait_outside(Vm *vm, VmOutside *o)
{
    VcpuOutside *w;

    if (vcpu_self == NULL || vcpu_self->vm != vm) {
        return;
    }
    w = g_new(VcpuOutside, 1);
    *w = (VcpuOutside){ o, clock_monotonic_ns() };
    o->ops->ref(o);
    g_queue_push_tail(&vcpu_self->outside, w);
    flag_set(&vcpu_self->exit_request, true);
}

static void vcpu_drop_outside(Vcpu *cpu)
{
    VcpuOutside *w = g_queue_pop_head(&cpu->outside);

    w->o->ops->unref(w->o);
    g_free(w);
}

/* Waits a moment, or as long as a back end's deadline; false: for nobody. */
static bool vcpu_waits_outside(Vcpu *cpu)
{
    VcpuOutside *w = g_queue_peek_head(&cpu->outside);

    if (w == NULL) {
        return false;
    }
    if (w->o->ops->busy(w->o)) {
        w->o->ops->wait(w->o, w->since_ns);
    } else {
        vcpu_drop_outside(cpu);
    }
    return true;
}

/* Handles all requests; false when the thread is to end. */
static bool vcpu_handle_requests(Vcpu *cpu)
{
    for (;;) {
        vcpu_take_work(cpu);
        if (flag_get(&cpu->unplug)) {
            return false;
        }
        if (!flag_get(&cpu->stop)) {
            if (vcpu_waits_outside(cpu) || vcpu_throttle_rest(cpu)) {
                continue;
            }
            return true;
        }
        if (!flag_get(&cpu->stopped)) {
            vcpu_enter_pause(cpu);
        }
        vcpu_sleep(cpu);
        flag_set(&cpu->exit_request, false);
    }
}

/* Runs guest code once, with the state put first that was declared. */
static void vcpu_run_once(Vcpu *cpu)
{
    GError *err = NULL;

    if (!vcpu_flush_state(cpu, &err)) {
        vcpu_fail(cpu, err);
        return;
    }
    cpu->state_cached = false;
    switch (cpu->vm->accel->type->vcpu_run(cpu)) {
    case VCPU_EXIT_AGAIN:
        break;
    case VCPU_EXIT_HALT:
        /* The last look at exit_request was before the run: see above. */
        cpu->halted = true;
        vcpu_sleep(cpu);
        cpu->halted = false;
        break;
    case VCPU_EXIT_STOP:
        /* The accelerator has said why. */
        flag_set(&cpu->stop, true);
        vm_stop_request(cpu->vm, RUN_STATE_INTERNAL_ERROR);
        break;
    case VCPU_EXIT_DEBUG:
        flag_set(&cpu->stop, true);
        vm_stop_request(cpu->vm, RUN_STATE_DEBUG);
        break;
    }
}

static void vcpu_unblock_ipi(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, VCPU_SIG_IPI);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* Says that the thread is ready, or why it isn't. */
NO_TSA static bool vcpu_thread_enter(Vcpu *cpu)
{
    const AccelType *type = cpu->vm->accel->type;

    vcpu_self = cpu;
    vcpu_unblock_ipi();
    VM_LOCK_GUARD();
    cpu->init_failed =
        type->vcpu_init != NULL && !type->vcpu_init(cpu, &cpu->init_error);
    cpu->created = !cpu->init_failed;
    cond_broadcast(&cpu->vm->accel->vcpu_cond);
    return cpu->created;
}

NO_TSA static void vcpu_thread_leave(Vcpu *cpu)
{
    const AccelType *type = cpu->vm->accel->type;

    VM_LOCK_GUARD();
    while (cpu->outside.length > 0) {
        vcpu_drop_outside(cpu);
    }
    vcpu_do_work(cpu);
    if (type->vcpu_fini != NULL) {
        type->vcpu_fini(cpu);
    }
    cpu->created = false;
    vcpu_set_stopped(cpu);
}

static void *vcpu_thread(void *opaque)
{
    Vcpu *cpu = opaque;

    if (!vcpu_thread_enter(cpu)) {
        return NULL;
    }
    for (;;) {
        flag_set(&cpu->exit_request, false);
        if (!vcpu_handle_requests(cpu)) {
            break;
        }
        vcpu_run_once(cpu);
    }
    vcpu_thread_leave(cpu);
    return NULL;
}

static void vcpu_ipi_handler(int sig)
{
    /* Exists so that the signal interrupts a system call, no more. */
}

static void vcpu_install_ipi(void)
{
    struct sigaction sa = { .sa_handler = vcpu_ipi_handler };

    sigaction(VCPU_SIG_IPI, &sa, NULL);
}

NO_TSA bool vcpu_start_thread(Vcpu *cpu, GError **errp)
{
    char name[16];

    g_snprintf(name, sizeof(name), "vcpu%u", cpu->index);
    vcpu_install_ipi();
    VM_LOCK_GUARD();
    cpu->created = false;
    cpu->init_failed = false;
    flag_set(&cpu->unplug, false);
    flag_set(&cpu->stop, true);
    flag_set(&cpu->stopped, true);
    if (!thread_create(&cpu->thread, name, vcpu_thread, cpu, errp)) {
        return false;
    }
    while (!cpu->created && !cpu->init_failed) {
        vm_lock_wait(&cpu->vm->accel->vcpu_cond);
    }
    if (cpu->init_failed) {
        thread_join(&cpu->thread);
        g_propagate_error(errp, g_steal_pointer(&cpu->init_error));
        return false;
    }
    return true;
}

NO_TSA void vcpu_stop_thread(Vcpu *cpu)
{
    if (!cpu->thread.created) {
        return;
    }
    flag_set(&cpu->unplug, true);
    vcpu_kick(cpu);
    vm_lock_release();
    thread_join(&cpu->thread);
    vm_lock_acquire();
}

/* All at once */

bool vcpus_all_paused(Vm *vm)
{
    return vm->accel == NULL ||
           __atomic_load_n(&vm->accel->nrunning, __ATOMIC_SEQ_CST) == 0;
}

/* A vCPU's thread that pauses the others doesn't count meanwhile. */
static void vcpu_count_self(Accel *acc, int delta)
{
    if (vcpu_self != NULL && !flag_get(&vcpu_self->stopped)) {
        __atomic_add_fetch(&acc->nrunning, delta, __ATOMIC_SEQ_CST);
    }
}

NO_TSA void vcpus_pause(Vm *vm)
{
    Accel *acc = vm->accel;
    unsigned i;

    if (vm->nvcpus == 0) {
        return;
    }
    for (i = 0; i < vm->nvcpus; i++) {
        if (vm->vcpus[i] != vcpu_self) {
            flag_set(&vm->vcpus[i]->stop, true);
        }
    }
    for (i = 0; i < vm->nvcpus; i++) {
        if (vm->vcpus[i] == vcpu_self) {
            continue;
        }
        if (!flag_get(&vm->vcpus[i]->stopped)) {
            vcpu_kick(vm->vcpus[i]);
        } else if (!vm->vcpus[i]->busy) {
            /* Stopped before by somebody else, and its clock went on. */
            vcpu_invalidate_state(vm->vcpus[i]);
        }
    }
    acc->npausing++;
    vcpu_count_self(acc, -1);
    while (!vcpus_all_paused(vm)) {
        vm_lock_wait(&acc->vcpu_cond);
    }
    vcpu_count_self(acc, 1);
    if (--acc->npausing == 0) {
        cond_broadcast(&acc->vcpu_cond);
    }
}

void vcpu_stop_self(Vm *vm)
{
    if (vcpu_self != NULL && vcpu_self->vm == vm) {
        flag_set(&vcpu_self->stop, true);
        vcpu_kick(vcpu_self);
    }
}

NO_TSA void vcpus_resume(Vm *vm)
{
    bool waited = false;
    unsigned i;

    if (vm->nvcpus == 0) {
        return;
    }
    /* What another thread has begun to pause, it must find paused. */
    while (vm->accel->npausing > 0) {
        vm_lock_wait(&vm->accel->vcpu_cond);
        waited = true;
    }
    /* It may have been to stop the guest: then that thread has it. */
    if (waited && vm->run_state != RUN_STATE_RUNNING) {
        return;
    }
    for (i = 0; i < vm->nvcpus; i++) {
        if (vm->vcpus[i]->held) {
            continue;
        }
        if (flag_get(&vm->vcpus[i]->stopped)) {
            vm->vcpus[i]->debug_stop.reason = DEBUG_NOT_STOPPED;
        }
        /* In this order: a vCPU that sees stop marks itself stopped. */
        flag_set(&vm->vcpus[i]->stop, false);
        vcpu_clear_stopped(vm->vcpus[i]);
        vcpu_kick(vm->vcpus[i]);
    }
}
