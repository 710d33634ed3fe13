/*
 * Unit test: vCPU threads (accel/vcpu.h), with an accelerator that runs no
 * guest: even vCPUs spin until they are kicked, odd ones block in the kernel
 * until VCPU_SIG_IPI arrives.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <poll.h>

#include "accel/accel.h"
#include "util/error.h"

#define NCPUS 8

typedef struct FakeCpu {
    unsigned runs; /* atomic */
    bool in_run;   /* atomic */
    unsigned gets; /* vCPU's thread, or while it is stopped */
    unsigned puts;
    VcpuPutLevel level;
    pid_t last_tid; /* that read or wrote the state */
    bool fail_put, fail_init;
    bool halt; /* atomic; vcpu_run() says HALT */
    const DebugState *debug;
    bool fail_debug;
} FakeCpu;

/* Recorded instead of being done: no main loop runs here. */
static unsigned stop_requests, debug_requests;

void vm_stop_request(Vm *vm, RunState state)
{
    if (state == RUN_STATE_DEBUG) {
        __atomic_add_fetch(&debug_requests, 1, __ATOMIC_SEQ_CST);
        return;
    }
    g_assert_cmpint(state, ==, RUN_STATE_INTERNAL_ERROR);
    __atomic_add_fetch(&stop_requests, 1, __ATOMIC_SEQ_CST);
}

static bool get(const bool *p)
{
    return __atomic_load_n(p, __ATOMIC_SEQ_CST);
}

static void set(bool *p, bool v)
{
    __atomic_store_n(p, v, __ATOMIC_SEQ_CST);
}

static FakeCpu *fake(Vcpu *cpu)
{
    return cpu->accel_data;
}

static void block_until_ipi(Vcpu *cpu)
{
    sigset_t ipi, none;

    sigemptyset(&none);
    sigemptyset(&ipi);
    sigaddset(&ipi, VCPU_SIG_IPI);
    pthread_sigmask(SIG_BLOCK, &ipi, NULL);
    while (!get(&cpu->exit_request)) {
        ppoll(NULL, 0, NULL, &none);
    }
    pthread_sigmask(SIG_UNBLOCK, &ipi, NULL);
}

static VcpuExit fake_run(Vcpu *cpu)
{
    FakeCpu *f = fake(cpu);

    g_assert_true(vcpu_current() == cpu);
    g_assert_false(vm_lock_held());
    set(&f->in_run, true);
    __atomic_add_fetch(&f->runs, 1, __ATOMIC_SEQ_CST);
    if (get(&f->halt)) {
        set(&f->in_run, false);
        return VCPU_EXIT_HALT;
    }
    if (f->debug && f->debug->step) {
        cpu->debug_stop.reason = DEBUG_STOP_STEP;
        set(&f->in_run, false);
        return VCPU_EXIT_DEBUG;
    }
    if (cpu->index & 1) {
        block_until_ipi(cpu);
    } else {
        while (!get(&cpu->exit_request)) {
            g_thread_yield();
        }
    }
    set(&f->in_run, false);
    return VCPU_EXIT_AGAIN;
}

static bool fake_init(Vcpu *cpu, GError **errp)
{
    g_assert_true(vm_lock_held());
    if (fake(cpu)->fail_init) {
        error_setf(errp, "no CPU today");
        return false;
    }
    return true;
}

static bool fake_get(Vcpu *cpu, GError **errp)
{
    fake(cpu)->gets++;
    fake(cpu)->last_tid = gettid();
    return true;
}

static bool fake_put(Vcpu *cpu, VcpuPutLevel level, GError **errp)
{
    if (fake(cpu)->fail_put) {
        error_setf(errp, "register 7 refused");
        return false;
    }
    fake(cpu)->puts++;
    fake(cpu)->level = level;
    fake(cpu)->last_tid = gettid();
    return true;
}

static bool fake_debug(Vcpu *cpu, const DebugState *d, GError **errp)
{
    if (fake(cpu)->fail_debug) {
        error_setf(errp, "no room for %u breakpoints", d->npoints);
        return false;
    }
    fake(cpu)->debug = d;
    return true;
}

static bool broken_start(Accel *acc, GError **errp)
{
    error_setf(errp, "failed to initialize broken: No such file or directory");
    return false;
}

static const char *const threads_names[] = { "single", "multi", NULL };

typedef struct FakeAccel {
    Accel acc;
    int threads;
} FakeAccel;

static const Property fake_props[] = {
    PROP(PROP_ENUM, FakeAccel, threads, "thread", .names = threads_names),
    PROP_END,
};

static const AccelType fake_type = {
    .name = "fake",
    .size = sizeof(FakeAccel),
    .props = fake_props,
    .vcpu_init = fake_init,
    .vcpu_run = fake_run,
    .vcpu_get_state = fake_get,
    .vcpu_put_state = fake_put,
    .debug_update = fake_debug,
};
static const AccelType broken_type = {
    .name = "broken",
    .size = sizeof(Accel),
    .init = broken_start,
};

const AccelType *const accel_table[] = { &broken_type, &fake_type, NULL };

/* A VM of n vCPUs, all paused; returns with vm_lock held. */
ACQUIRE(&vm_lock) static Vm *vm_make(unsigned n)
{
    Vm *vm = g_new0(Vm, 1);

    vm_lock_acquire();
    vm->max_vcpus = n;
    vm->accel = accel_new(vm, &fake_type);
    for (unsigned i = 0; i < n; i++) {
        Vcpu *cpu = vcpu_new(vm, i, i, NULL);

        g_assert_nonnull(cpu);
        cpu->accel_data = g_new0(FakeCpu, 1);
        g_assert_true(vcpu_start_thread(cpu, NULL));
        g_assert_true(cpu->created);
    }
    return vm;
}

RELEASE(&vm_lock) static void vm_drop(Vm *vm)
{
    while (vm->nvcpus > 0) {
        Vcpu *cpu = vm->vcpus[vm->nvcpus - 1];

        vcpu_stop_thread(cpu);
        g_free(cpu->accel_data);
        vcpu_free(cpu);
    }
    g_free(vm->vcpus);
    accel_free(vm->accel);
    vm_lock_release();
    g_free(vm);
}

static void nop(Vcpu *cpu, void *opaque)
{
}

static unsigned runs(Vcpu *cpu)
{
    return __atomic_load_n(&fake(cpu)->runs, __ATOMIC_SEQ_CST);
}

/* Until the vCPU has entered vcpu_run() more often than `before`. */
VM_LOCKED static void wait_for_run(Vcpu *cpu, unsigned before)
{
    vm_lock_release();
    while (runs(cpu) <= before) {
        g_thread_yield();
    }
    vm_lock_acquire();
}

static void check_nobody_runs(Vm *vm)
{
    g_assert_true(vcpus_all_paused(vm));
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        g_assert_false(get(&fake(vm->vcpus[i])->in_run));
    }
}

static void test_pause_resume(void)
{
    Vm *vm = vm_make(NCPUS);

    check_nobody_runs(vm);
    for (unsigned i = 0; i < NCPUS; i++) {
        g_assert_cmpuint(runs(vm->vcpus[i]), ==, 0);
    }
    vcpus_resume(vm);
    g_assert_false(vcpus_all_paused(vm));
    for (unsigned i = 0; i < NCPUS; i++) {
        wait_for_run(vm->vcpus[i], 0);
    }
    vcpus_pause(vm);
    check_nobody_runs(vm);
    /* Pausing what is paused does nothing. */
    vcpus_pause(vm);
    check_nobody_runs(vm);
    vm_drop(vm);
}

static void test_storm(void)
{
    Vm *vm = vm_make(NCPUS);

    for (unsigned round = 0; round < 300; round++) {
        unsigned before = runs(vm->vcpus[round % NCPUS]);

        vcpus_resume(vm);
        if (round % 3 == 0) {
            wait_for_run(vm->vcpus[round % NCPUS], before);
        }
        vcpus_pause(vm);
        check_nobody_runs(vm);
    }
    vm_drop(vm);
}

static void *pauser(void *opaque)
{
    Vm *vm = opaque;

    for (unsigned round = 0; round < 100; round++) {
        vm_lock_acquire();
        vcpus_pause(vm);
        check_nobody_runs(vm);
        vcpus_resume(vm);
        vm_lock_release();
    }
    return NULL;
}

/* Main and migration thread both stop and start the guest. */
static void test_two_pausers(void)
{
    Vm *vm = vm_make(4);
    Thread t[2] = { 0 };

    vm->run_state = RUN_STATE_RUNNING;
    vcpus_resume(vm);
    vm_lock_release();
    for (unsigned i = 0; i < 2; i++) {
        g_assert_true(thread_create(&t[i], "pauser", pauser, vm, NULL));
    }
    for (unsigned i = 0; i < 2; i++) {
        thread_join(&t[i]);
    }
    vm_lock_acquire();
    vcpus_pause(vm);
    vm_drop(vm);
}

typedef struct Resumer {
    Vm *vm;
    bool began; /* vm_lock */
} Resumer;

static void *resumer(void *opaque)
{
    Resumer *r = opaque;
    VM_LOCK_GUARD();

    r->began = true;
    vcpus_resume(r->vm);
    return NULL;
}

/* Who waited for another thread's pause doesn't undo the stop it was for. */
static void test_resume_overtaken(void)
{
    Resumer r = { .vm = vm_make(NCPUS) };
    Vm *vm = r.vm;
    Thread t = { 0 };

    vm->run_state = RUN_STATE_RUNNING;
    vm->accel->npausing++;
    g_assert_true(thread_create(&t, "resumer", resumer, &r, NULL));
    while (!r.began) {
        vm_lock_release();
        g_thread_yield();
        vm_lock_acquire();
    }
    vm->run_state = RUN_STATE_FINISH_MIGRATE;
    vm->accel->npausing--;
    cond_broadcast(&vm->accel->vcpu_cond);
    vm_lock_release();
    thread_join(&t);
    vm_lock_acquire();
    g_assert_true(vcpus_all_paused(vm));
    check_nobody_runs(vm);
    vm_drop(vm);
}

/* Work */

static void note_thread(Vcpu *cpu, void *opaque)
{
    Vcpu **ret = opaque;

    g_assert_true(vm_lock_held());
    *ret = vcpu_current();
}

static void count(Vcpu *cpu, void *opaque)
{
    ++*(unsigned *)opaque;
}

static void test_work(void)
{
    Vm *vm = vm_make(2);
    Vcpu *where = vm->vcpus[1];
    unsigned n = 0;

    /* Stopped: at once, here. */
    vcpu_run_on(vm->vcpus[0], note_thread, &where);
    g_assert_null(where);
    vcpus_resume(vm);
    wait_for_run(vm->vcpus[1], 0);
    vcpu_run_on(vm->vcpus[1], note_thread, &where);
    g_assert_true(where == vm->vcpus[1]);
    for (unsigned i = 0; i < 100; i++) {
        vcpu_run_on_async(vm->vcpus[i & 1], count, &n);
    }
    /* In order: when these are done, so are those. */
    vcpu_run_on(vm->vcpus[0], nop, NULL);
    vcpu_run_on(vm->vcpus[1], nop, NULL);
    g_assert_cmpuint(n, ==, 100);
    vm_drop(vm);
}

typedef struct Cross {
    Vcpu *other;
    unsigned *left; /* vm_lock */
    Accel *acc;
} Cross;

static void cross(Vcpu *cpu, void *opaque)
{
    Cross *c = opaque;

    vcpu_run_on(c->other, nop, NULL);
    if (--*c->left == 0) {
        cond_broadcast(&c->acc->vcpu_cond);
    }
}

/* Two vCPUs that wait for each other must not wait for ever. */
static void test_cross_work(void)
{
    Vm *vm = vm_make(2);
    Cross c[2];
    unsigned left = 0;

    for (unsigned i = 0; i < 2; i++) {
        c[i] = (Cross){ vm->vcpus[!i], &left, vm->accel };
    }
    vcpus_resume(vm);
    for (unsigned round = 0; round < 200; round++) {
        left = 2;
        vcpu_run_on_async(vm->vcpus[0], cross, &c[0]);
        vcpu_run_on_async(vm->vcpus[1], cross, &c[1]);
        while (left > 0) {
            vm_lock_wait(&vm->accel->vcpu_cond);
        }
    }
    vm_drop(vm);
}

/* State */

static void test_state_cached(void)
{
    Vm *vm = vm_make(1);
    Vcpu *cpu = vm->vcpus[0];
    uint64_t changes;

    g_assert_true(vcpu_sync_state(cpu, NULL));
    g_assert_true(vcpu_sync_state(cpu, NULL));
    g_assert_cmpuint(fake(cpu)->gets, ==, 1);
    changes = vm->cpu_changes;
    vcpu_invalidate_state(cpu);
    g_assert_true(vcpu_sync_state(cpu, NULL));
    g_assert_cmpuint(fake(cpu)->gets, ==, 2);
    /* What was changed is put once, by the highest level asked for. */
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    vcpu_mark_state(cpu, VCPU_PUT_RUNTIME);
    g_assert_true(vcpu_sync_state(cpu, NULL));
    g_assert_cmpuint(fake(cpu)->gets, ==, 2);
    g_assert_true(vcpu_flush_state(cpu, NULL));
    g_assert_true(vcpu_flush_state(cpu, NULL));
    g_assert_cmpuint(fake(cpu)->puts, ==, 1);
    g_assert_cmpint(fake(cpu)->level, ==, VCPU_PUT_FULL);
    vcpu_mark_state(cpu, VCPU_PUT_RUNTIME);
    g_assert_true(vcpu_flush_state(cpu, NULL));
    g_assert_cmpint(fake(cpu)->level, ==, VCPU_PUT_RUNTIME);
    g_assert_cmpuint(vm->cpu_changes, ==, changes + 3);
    /* Running makes the copy old. */
    vcpus_resume(vm);
    wait_for_run(cpu, 0);
    vcpus_pause(vm);
    g_assert_true(vcpu_sync_state(cpu, NULL));
    g_assert_cmpuint(fake(cpu)->gets, ==, 3);
    vm_drop(vm);
}

static void test_state_of_running(void)
{
    Vm *vm = vm_make(2);

    vcpus_resume(vm);
    wait_for_run(vm->vcpus[1], 0);
    g_assert_true(vcpu_sync_state(vm->vcpus[1], NULL));
    vcpus_pause(vm);
    g_assert_cmpuint(fake(vm->vcpus[1])->gets, ==, 1);
    g_assert_cmpint(fake(vm->vcpus[1])->last_tid, !=, gettid());
    vm_drop(vm);
}

static void test_state_in_own_threads(void)
{
    Vm *vm = vm_make(NCPUS);
    unsigned before[NCPUS];

    g_assert_true(vcpus_sync_all(vm, NULL));
    for (unsigned i = 0; i < NCPUS; i++) {
        g_assert_cmpuint(fake(vm->vcpus[i])->gets, ==, 1);
        g_assert_cmpint(fake(vm->vcpus[i])->last_tid, ==,
                        thread_tid(&vm->vcpus[i]->thread));
        vcpu_mark_state(vm->vcpus[i], VCPU_PUT_FULL);
        before[i] = runs(vm->vcpus[i]);
    }
    vcpus_resume(vm);
    for (unsigned i = 0; i < NCPUS; i++) {
        wait_for_run(vm->vcpus[i], before[i]);
    }
    vcpus_pause(vm);
    for (unsigned i = 0; i < NCPUS; i++) {
        g_assert_cmpuint(fake(vm->vcpus[i])->puts, ==, 1);
        g_assert_cmpint(fake(vm->vcpus[i])->last_tid, ==,
                        thread_tid(&vm->vcpus[i]->thread));
    }
    vm_drop(vm);
}

static void test_sync_on_pause(void)
{
    Vm *vm = vm_make(NCPUS);

    vcpus_resume(vm);
    for (unsigned i = 0; i < NCPUS; i++) {
        wait_for_run(vm->vcpus[i], 0);
    }
    __atomic_store_n(&vm->accel->sync_on_pause, true, __ATOMIC_RELAXED);
    vcpus_pause(vm);
    for (unsigned i = 0; i < NCPUS; i++) {
        g_assert_true(vcpu_sync_state(vm->vcpus[i], NULL));
        g_assert_cmpuint(fake(vm->vcpus[i])->gets, ==, 1);
    }
    vm_drop(vm);
}

static void read_and_stop(Vcpu *cpu, void *opaque)
{
    VcpuPutLevel *level = opaque;

    g_assert_true(vcpu_sync_state(cpu, NULL));
    if (level != NULL) {
        vcpu_mark_state(cpu, *level);
    }
    vcpu_stop_self(cpu->vm);
}

/*
 * A vCPU was asked for its state and is stopped before it runs on.  Meanwhile
 * the others' counters went on: what it has at the stop counts.
 */
static void test_read_before_pause(void)
{
    VcpuPutLevel level = VCPU_PUT_RUNTIME;

    for (unsigned i = 0; i < 4; i++) {
        bool on_pause = i & 1, changed = i & 2;
        Vm *vm = vm_make(1);
        Vcpu *cpu = vm->vcpus[0];
        unsigned gets;

        vcpus_resume(vm);
        wait_for_run(cpu, 0);
        __atomic_store_n(&vm->accel->sync_on_pause, on_pause, __ATOMIC_RELAXED);
        vcpu_run_on(cpu, read_and_stop, changed ? &level : NULL);
        vcpus_pause(vm);
        g_assert_cmpuint(fake(cpu)->puts, ==, changed);
        /* Once more where it stood before the others were to. */
        g_assert_true(vcpu_sync_state(cpu, NULL));
        gets = fake(cpu)->gets;
        g_assert_cmpuint(gets, >=, 2);
        g_assert_cmpuint(gets, <=, 3);
        g_assert_true(vcpu_sync_state(cpu, NULL));
        g_assert_cmpuint(fake(cpu)->gets, ==, gets);
        /* A second stop, of the clock for instance, comes later. */
        vcpus_pause(vm);
        g_assert_true(vcpu_sync_state(cpu, NULL));
        g_assert_cmpuint(fake(cpu)->gets, ==, gets + 1);
        vm_drop(vm);
    }
}

static void test_put_fails(void)
{
    g_autoptr(GError) err = NULL;
    Vm *vm = vm_make(2);

    for (unsigned i = 0; i < 2; i++) {
        fake(vm->vcpus[i])->fail_put = i == 1;
        vcpu_mark_state(vm->vcpus[i], VCPU_PUT_FULL);
    }
    g_assert_false(vcpus_flush_all(vm, &err));
    g_assert_cmpstr(err->message, ==, "register 7 refused");
    g_assert_cmpuint(fake(vm->vcpus[0])->puts, ==, 1);
    vcpus_resume(vm);
    vm_lock_release();
    while (__atomic_load_n(&stop_requests, __ATOMIC_SEQ_CST) == 0) {
        g_thread_yield();
    }
    vm_lock_acquire();
    vcpus_pause(vm);
    g_assert_cmpuint(runs(vm->vcpus[1]), ==, 0);
    vm_drop(vm);
}

/* Halt, failure to start, limits */

static void test_halt(void)
{
    Vm *vm = vm_make(1);
    Vcpu *cpu = vm->vcpus[0];
    unsigned before;

    set(&fake(cpu)->halt, true);
    vcpus_resume(vm);
    wait_for_run(cpu, 0);
    before = runs(cpu);
    vcpu_kick(cpu);
    wait_for_run(cpu, before);
    vcpus_pause(vm);
    check_nobody_runs(vm);
    vm_drop(vm);
}

static void test_debug_points(void)
{
    const DebugPoint p[] = {
        { DEBUG_BREAK_HARD, 0x1000, 1 },
        { DEBUG_WATCH_WRITE, 0x2000, 4 },
        { DEBUG_WATCH_READ, UINT64_MAX - 7, 8 },
        { DEBUG_WATCH_ACCESS, 0x3000, 1 },
    };
    const DebugState d = { .points = p, .npoints = G_N_ELEMENTS(p) };

    g_assert_true(debug_find_break(&d, 0x1000) == &p[0]);
    g_assert_null(debug_find_break(&d, 0x1001));
    g_assert_null(debug_find_break(&d, 0x2000));
    g_assert_null(debug_find_break(NULL, 0x1000));
    g_assert_true(debug_find_watch(&d, 0x2003, 1, true) == &p[1]);
    g_assert_true(debug_find_watch(&d, 0x1ffd, 4, true) == &p[1]);
    g_assert_null(debug_find_watch(&d, 0x1ffc, 4, true));
    g_assert_null(debug_find_watch(&d, 0x2004, 8, true));
    g_assert_null(debug_find_watch(&d, 0x2000, 4, false));
    g_assert_true(debug_find_watch(&d, UINT64_MAX, 1, false) == &p[2]);
    g_assert_null(debug_find_watch(&d, 0, 8, false));
    g_assert_true(debug_find_watch(&d, 0x3000, 1, false) == &p[3]);
    g_assert_true(debug_find_watch(&d, 0x3000, 1, true) == &p[3]);
    g_assert_null(debug_find_watch(&d, 0x1000, 1, true));
}

/* A step stops the VM, and vCPUs that are held don't run meanwhile. */
static void test_debug_step(void)
{
    DebugPoint p = { DEBUG_BREAK_SOFT, 0x1234, 1 };
    DebugState d = { .points = &p, .npoints = 1, .step = true };
    g_autoptr(GError) err = NULL;
    Vm *vm = vm_make(2);
    FakeCpu *f = fake(vm->vcpus[0]);

    g_assert_true(vcpu_set_debug(vm->vcpus[0], &d, NULL));
    /* It has a copy. */
    p.addr = 0;
    g_assert_true(f->debug == vm->vcpus[0]->debug);
    g_assert_cmphex(f->debug->points[0].addr, ==, 0x1234);
    vm->vcpus[1]->held = true;
    vcpus_resume(vm);
    vm_lock_release();
    while (__atomic_load_n(&debug_requests, __ATOMIC_SEQ_CST) == 0) {
        g_thread_yield();
    }
    vm_lock_acquire();
    vcpus_pause(vm);
    g_assert_cmpint(vm->vcpus[0]->debug_stop.reason, ==, DEBUG_STOP_STEP);
    g_assert_cmpuint(runs(vm->vcpus[0]), ==, 1);
    g_assert_cmpuint(runs(vm->vcpus[1]), ==, 0);
    /* What fails leaves the state as it was. */
    f->fail_debug = true;
    g_assert_false(vcpu_set_debug(vm->vcpus[0], &d, &err));
    g_assert_cmpstr(err->message, ==, "no room for 1 breakpoints");
    g_assert_cmphex(vm->vcpus[0]->debug->points[0].addr, ==, 0x1234);
    f->fail_debug = false;
    g_assert_true(vcpu_set_debug(vm->vcpus[0], NULL, NULL));
    g_assert_null(f->debug);
    vm->vcpus[1]->held = false;
    vcpus_resume(vm);
    g_assert_cmpint(vm->vcpus[0]->debug_stop.reason, ==, DEBUG_NOT_STOPPED);
    wait_for_run(vm->vcpus[1], 0);
    vcpus_pause(vm);
    vm_drop(vm);
}

static void test_init_fails(void)
{
    g_autoptr(GError) err = NULL, full = NULL;
    Vm *vm = vm_make(1);
    Vcpu *cpu;

    g_assert_null(vcpu_new(vm, 1, 1, &full));
    g_assert_cmpstr(full->message, ==,
                    "CPU index 1: the machine has room for 1 CPUs");
    cpu = vm->vcpus[0];
    vcpu_stop_thread(cpu);
    fake(cpu)->fail_init = true;
    g_assert_false(vcpu_start_thread(cpu, &err));
    g_assert_cmpstr(err->message, ==, "no CPU today");
    vm_drop(vm);
}

/* Accelerators */

static void test_accel_fall_back(void)
{
    static const char *const names[] = { "broken", "fake", NULL };
    static const char *const opts[] = { "", "thread=multi", NULL };
    Vm *vm = g_new0(Vm, 1);
    Accel *acc = accel_start(vm, names, opts, NULL);

    g_assert_nonnull(acc);
    g_assert_true(vm->accel == acc);
    g_assert_true(acc->type == &fake_type);
    g_assert_cmpint(((FakeAccel *)acc)->threads, ==, 1);
    accel_free(acc);
    g_assert_null(vm->accel);
    g_free(vm);
}

static void test_accel_errors(void)
{
    static const struct {
        const char *names[3], *opts[3], *message;
        bool option; /* given as -accel, not in a list */
    } t[] = {
        { { NULL }, { NULL }, "no accelerator found", false },
        { { "foo" }, { "" }, "invalid accelerator foo", false },
        { { "foo" }, { "" }, "-accel foo: invalid accelerator foo", true },
        { { "broken", "xen" },
          { "", "" },
          "-accel xen: accelerator 'xen' is not available in this build",
          true },
        { { "fake", "broken" },
          { "a=1", "" },
          "-accel fake,a=1: Property 'fake-accel.a' not found",
          true },
        { { "broken" },
          { "" },
          "failed to initialize broken: No such file or directory",
          false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        Vm *vm = g_new0(Vm, 1);

        g_test_message("case %zu", i);
        g_assert_null(
            accel_start(vm, t[i].names, t[i].option ? t[i].opts : NULL, &err));
        g_assert_cmpstr(err->message, ==, t[i].message);
        g_assert_null(vm->accel);
        g_free(vm);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vcpu/pause-resume", test_pause_resume);
    g_test_add_func("/vcpu/storm", test_storm);
    g_test_add_func("/vcpu/two-pausers", test_two_pausers);
    g_test_add_func("/vcpu/resume-overtaken", test_resume_overtaken);
    g_test_add_func("/vcpu/work", test_work);
    g_test_add_func("/vcpu/cross-work", test_cross_work);
    g_test_add_func("/vcpu/state-cached", test_state_cached);
    g_test_add_func("/vcpu/state-of-running", test_state_of_running);
    g_test_add_func("/vcpu/state-in-own-threads", test_state_in_own_threads);
    g_test_add_func("/vcpu/sync-on-pause", test_sync_on_pause);
    g_test_add_func("/vcpu/read-before-pause", test_read_before_pause);
    g_test_add_func("/vcpu/put-fails", test_put_fails);
    g_test_add_func("/vcpu/halt", test_halt);
    g_test_add_func("/vcpu/debug-points", test_debug_points);
    g_test_add_func("/vcpu/debug-step", test_debug_step);
    g_test_add_func("/vcpu/init-fails", test_init_fails);
    g_test_add_func("/accel/fall-back", test_accel_fall_back);
    g_test_add_func("/accel/errors", test_accel_errors);
    return g_test_run();
}
