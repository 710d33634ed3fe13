/*
 * Locks, condition variables, the device lock, and threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bitmap.h"
#include "util/lock.h"
#include "util/thread.h"

#include <sched.h>
#include <signal.h>

enum { TURNS = 20000 };

typedef struct Counter {
    Lock lock;
    Cond changed;
    int value GUARDED_BY(&lock);
} Counter;

static void counter_init(Counter *c)
{
    lock_init(&c->lock);
    cond_init(&c->changed);
    c->value = 0;
}

static void counter_fini(Counter *c)
{
    cond_fini(&c->changed);
    lock_fini(&c->lock);
}

static void start(Thread *t, const char *name, ThreadFn fn, void *opaque)
{
    g_autoptr(GError) err = NULL;

    g_assert_true(thread_create(t, name, fn, opaque, &err));
    g_assert_no_error(err);
}

static void *count_up(void *opaque)
{
    Counter *c = opaque;

    for (int i = 0; i < TURNS; i++) {
        LOCK_GUARD(&c->lock);
        c->value++;
    }
    return NULL;
}

static void test_exclusion(void)
{
    Counter c;
    Thread t;

    counter_init(&c);
    start(&t, "counter", count_up, &c);
    count_up(&c);
    thread_join(&t);
    g_assert_cmpint(c.value, ==, 2 * TURNS);
    counter_fini(&c);
}

static int guarded_return(Counter *c, bool early)
{
    LOCK_GUARD(&c->lock);
    if (early) {
        return 1;
    }
    return 2;
}

static void *try_lock(void *opaque)
{
    Counter *c = opaque;

    if (!lock_try_acquire(&c->lock)) {
        return NULL;
    }
    lock_release(&c->lock);
    return c;
}

/* A guard lets go on every way out. */
static void test_guard(void)
{
    Counter c;
    Thread t;

    counter_init(&c);
    g_assert_cmpint(guarded_return(&c, true), ==, 1);
    g_assert_cmpint(guarded_return(&c, false), ==, 2);
    start(&t, "try", try_lock, &c);
    g_assert_true(thread_join(&t) == &c);
    lock_acquire(&c.lock);
    start(&t, "try", try_lock, &c);
    g_assert_null(thread_join(&t));
    lock_release(&c.lock);
    counter_fini(&c);
}

/* Two threads hand a number back and forth. */
static void *pong(void *opaque)
{
    Counter *c = opaque;

    LOCK_GUARD(&c->lock);
    for (int i = 0; i < 1000; i++) {
        while (c->value % 2 == 0) {
            cond_wait(&c->changed, &c->lock);
        }
        c->value++;
        cond_broadcast(&c->changed);
    }
    return NULL;
}

static void test_cond(void)
{
    Counter c;
    Thread t;

    counter_init(&c);
    start(&t, "pong", pong, &c);
    lock_acquire(&c.lock);
    for (int i = 0; i < 1000; i++) {
        c.value++;
        cond_signal(&c.changed);
        while (c.value % 2 == 1) {
            g_assert_true(cond_wait_until(&c.changed, &c.lock, INT64_MAX / 2));
        }
    }
    g_assert_cmpint(c.value, ==, 2000);
    lock_release(&c.lock);
    thread_join(&t);
    counter_fini(&c);
}

/* A deadline that has passed: no wait, and not before the deadline. */
static void test_deadline(void)
{
    Counter c;
    int64_t deadline;

    counter_init(&c);
    lock_acquire(&c.lock);
    g_assert_false(cond_wait_until(&c.changed, &c.lock, 0));
    g_assert_false(cond_wait_until(&c.changed, &c.lock, -5));
    deadline = clock_monotonic_ns() + NSEC_PER_MSEC;
    while (cond_wait_until(&c.changed, &c.lock, deadline)) {
    }
    g_assert_cmpint(clock_monotonic_ns(), >=, deadline);
    lock_release(&c.lock);
    counter_fini(&c);
}

static void *vm_lock_user(void *opaque)
{
    Counter *c = opaque;

    g_assert_false(vm_lock_held());
    for (int i = 0; i < TURNS; i++) {
        VM_LOCK_GUARD();
        g_assert_true(vm_lock_held());
        c->value++;
    }
    g_assert_false(vm_lock_held());
    return NULL;
}

static void *vm_lock_try(void *opaque)
{
    if (!vm_lock_try_acquire()) {
        return NULL;
    }
    g_assert_true(vm_lock_held());
    vm_lock_release();
    return opaque;
}

static void test_vm_lock(void)
{
    Counter c = { .value = 0 };
    Thread t;

    g_assert_false(vm_lock_held());
    start(&t, "user", vm_lock_user, &c);
    vm_lock_user(&c);
    thread_join(&t);
    g_assert_cmpint(c.value, ==, 2 * TURNS);

    vm_lock_acquire();
    {
        /* Nests: neither dead lock nor early release. */
        VM_LOCK_GUARD();
        g_assert_true(vm_lock_held());
    }
    g_assert_true(vm_lock_held());
    start(&t, "try", vm_lock_try, &c);
    g_assert_null(thread_join(&t));
    vm_lock_release();
    start(&t, "try", vm_lock_try, &c);
    g_assert_true(thread_join(&t) == &c);
}

static void *vm_lock_want(void *opaque)
{
    unsigned *had = opaque;

    vm_lock_acquire();
    ++*had;
    vm_lock_release();
    return NULL;
}

/* Who takes it again at once doesn't overtake who waits. */
static void test_vm_lock_in_turn(void)
{
    unsigned had = 0;

    vm_lock_acquire();
    g_assert_false(vm_lock_is_wanted());
    for (unsigned i = 1; i <= 200; i++) {
        pthread_t t;

        g_assert_cmpint(pthread_create(&t, NULL, vm_lock_want, &had), ==, 0);
        while (!vm_lock_is_wanted()) {
            g_thread_yield();
        }
        vm_lock_release();
        vm_lock_acquire_in_turn();
        g_assert_true(vm_lock_held());
        g_assert_cmpuint(had, ==, i);
        pthread_join(t, NULL);
    }
    vm_lock_release();
}

static void *vm_lock_signal(void *opaque)
{
    Counter *c = opaque;

    VM_LOCK_GUARD();
    c->value = 1;
    cond_signal(&c->changed);
    return NULL;
}

static void test_vm_lock_wait(void)
{
    Counter c;
    Thread t;

    counter_init(&c);
    vm_lock_acquire();
    start(&t, "signal", vm_lock_signal, &c);
    while (!c.value) {
        vm_lock_wait(&c.changed);
        g_assert_true(vm_lock_held());
    }
    g_assert_false(vm_lock_wait_until(&c.changed, 0));
    g_assert_true(vm_lock_held());
    vm_lock_release();
    thread_join(&t);
    counter_fini(&c);
}

/* Breaking the device lock's rules is a bug of ours: it ends the program. */
NO_TSA static void test_vm_lock_twice(void)
{
    if (g_test_subprocess()) {
        vm_lock_acquire();
        vm_lock_acquire();
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*device lock taken twice*");
}

typedef struct Look {
    char name[16];
    sigset_t blocked;
    pid_t tid;
    unsigned ncpus;
    Thread *self;
    bool is_self;
} Look;

static void *look(void *opaque)
{
    Look *l = opaque;
    cpu_set_t cpus;

    pthread_getname_np(pthread_self(), l->name, sizeof(l->name));
    pthread_sigmask(SIG_SETMASK, NULL, &l->blocked);
    l->tid = gettid();
    l->is_self = !l->self || thread_is_self(l->self);
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof(cpus), &cpus);
    l->ncpus = CPU_COUNT(&cpus);
    return l;
}

static void test_thread(void)
{
    Look l = { 0 };
    sigset_t before;
    sigset_t after;
    Thread t = { 0 };

    g_assert_null(thread_join(&t));
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    start(&t, "a-name-that-is-too-long", look, &l);
    g_assert_false(thread_is_self(&t));
    g_assert_true(thread_join(&t) == &l);
    g_assert_null(thread_join(&t));
    pthread_sigmask(SIG_SETMASK, NULL, &after);

    g_assert_cmpstr(l.name, ==, "a-name-that-is-");
    g_assert_cmpint(l.tid, !=, getpid());
    g_assert_cmpint(sigismember(&l.blocked, SIGTERM), ==, 1);
    g_assert_cmpint(sigismember(&l.blocked, SIGUSR1), ==, 1);
    g_assert_cmpint(sigismember(&l.blocked, SIGSEGV), ==, 0);
    g_assert_cmpint(sigismember(&l.blocked, SIGBUS), ==, 0);
    g_assert_cmpint(sigismember(&before, SIGTERM), ==,
                    sigismember(&after, SIGTERM));
}

/* Waits for its turn so that the creator can look at it and move it. */
static void *wait_then_look(void *opaque)
{
    Counter *c = opaque;
    Look *l = g_new0(Look, 1);

    lock_acquire(&c->lock);
    c->value = gettid();
    cond_signal(&c->changed);
    while (c->value) {
        cond_wait(&c->changed, &c->lock);
    }
    lock_release(&c->lock);
    return look(l);
}

static void test_affinity(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree Look *l = NULL;
    unsigned long none = 0;
    unsigned long *cpus;
    cpu_set_t mine;
    Counter c;
    Thread t;
    int cpu = 0;

    CPU_ZERO(&mine);
    g_assert_cmpint(sched_getaffinity(0, sizeof(mine), &mine), ==, 0);
    while (!CPU_ISSET(cpu, &mine)) {
        cpu++;
    }
    cpus = bitmap_new(CPU_SETSIZE);
    bitmap_set_bit(cpus, cpu);

    counter_init(&c);
    start(&t, "pinned", wait_then_look, &c);
    lock_acquire(&c.lock);
    while (!c.value) {
        cond_wait(&c.changed, &c.lock);
    }
    g_assert_cmpint(thread_tid(&t), ==, c.value);
    g_assert_true(thread_set_affinity(&t, cpus, CPU_SETSIZE, &err));
    g_assert_no_error(err);
    g_assert_false(thread_set_affinity(&t, &none, 64, &err));
    g_assert_nonnull(err);
    c.value = 0;
    cond_signal(&c.changed);
    lock_release(&c.lock);
    l = thread_join(&t);
    g_assert_cmpuint(l->ncpus, ==, 1);
    bitmap_free(cpus);
    counter_fini(&c);
}

static void *say_done(void *opaque)
{
    Counter *c = opaque;

    lock_acquire(&c->lock);
    c->value = 1;
    cond_signal(&c->changed);
    lock_release(&c->lock);
    return NULL;
}

static void test_detached(void)
{
    static Counter c; /* outlives the thread whenever that ends */
    g_autoptr(GError) err = NULL;

    counter_init(&c);
    g_assert_true(thread_create_detached("detached", say_done, &c, &err));
    lock_acquire(&c.lock);
    while (!c.value) {
        cond_wait(&c.changed, &c.lock);
    }
    lock_release(&c.lock);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lock/exclusion", test_exclusion);
    g_test_add_func("/lock/guard", test_guard);
    g_test_add_func("/lock/cond", test_cond);
    g_test_add_func("/lock/deadline", test_deadline);
    g_test_add_func("/vm-lock/exclusion", test_vm_lock);
    g_test_add_func("/vm-lock/in-turn", test_vm_lock_in_turn);
    g_test_add_func("/vm-lock/wait", test_vm_lock_wait);
    g_test_add_func("/vm-lock/twice", test_vm_lock_twice);
    g_test_add_func("/thread/look", test_thread);
    g_test_add_func("/thread/affinity", test_affinity);
    g_test_add_func("/thread/detached", test_detached);
    return g_test_run();
}
