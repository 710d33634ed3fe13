/*
 * Mutex and condition variable, and the device lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/lock.h"

#include <time.h>

Lock vm_lock = LOCK_INITIALIZER;
/* Held by the one who has vm_lock next; before it. */
static Lock vm_lock_next = LOCK_INITIALIZER;

static __thread bool vm_lock_mine;
static __thread bool vm_lock_waits_allowed;
#ifndef CONFIG_DEBUG_WAITS
static __thread bool vm_lock_wait_told;
#endif

/* A pthread call that can fail only if its caller broke the rules. */
static void lock_check(int err, const char *what)
{
    if (unlikely(err)) {
        g_error("%s: %s", what, strerror(err));
    }
}

void lock_init(Lock *l)
{
    lock_check(pthread_mutex_init(&l->mutex, NULL), "lock_init");
}

void lock_fini(Lock *l)
{
    lock_check(pthread_mutex_destroy(&l->mutex), "lock_fini");
}

NO_TSA void lock_acquire(Lock *l)
{
    lock_check(pthread_mutex_lock(&l->mutex), "lock_acquire");
}

NO_TSA bool lock_try_acquire(Lock *l)
{
    int err = pthread_mutex_trylock(&l->mutex);

    if (err == EBUSY) {
        return false;
    }
    lock_check(err, "lock_try_acquire");
    return true;
}

NO_TSA void lock_release(Lock *l)
{
    lock_check(pthread_mutex_unlock(&l->mutex), "lock_release");
}

NO_TSA LockGuard lock_guard_enter(Lock *l)
{
    lock_acquire(l);
    return (LockGuard){ .lock = l };
}

NO_TSA void lock_guard_leave(LockGuard *g)
{
    lock_release(g->lock);
}

void cond_init(Cond *c)
{
    pthread_condattr_t attr;

    lock_check(pthread_condattr_init(&attr), "cond_init");
    lock_check(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), "cond_init");
    lock_check(pthread_cond_init(&c->cond, &attr), "cond_init");
    pthread_condattr_destroy(&attr);
}

void cond_fini(Cond *c)
{
    lock_check(pthread_cond_destroy(&c->cond), "cond_fini");
}

void cond_signal(Cond *c)
{
    lock_check(pthread_cond_signal(&c->cond), "cond_signal");
}

void cond_broadcast(Cond *c)
{
    lock_check(pthread_cond_broadcast(&c->cond), "cond_broadcast");
}

void cond_wait(Cond *c, Lock *l)
{
    lock_check(pthread_cond_wait(&c->cond, &l->mutex), "cond_wait");
}

bool cond_wait_until(Cond *c, Lock *l, int64_t deadline_ns)
{
    int64_t ns = MAX(deadline_ns, 0);
    struct timespec ts = {
        .tv_sec = ns / NSEC_PER_SEC,
        .tv_nsec = ns % NSEC_PER_SEC,
    };
    int err = pthread_cond_timedwait(&c->cond, &l->mutex, &ts);

    if (err == ETIMEDOUT) {
        return false;
    }
    lock_check(err, "cond_wait_until");
    return true;
}

int64_t clock_monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

NO_TSA void vm_lock_acquire(void)
{
    if (unlikely(vm_lock_mine)) {
        g_error("device lock taken twice by one thread");
    }
    if (!lock_try_acquire(&vm_lock)) {
        lock_acquire(&vm_lock_next);
        lock_acquire(&vm_lock);
        lock_release(&vm_lock_next);
    }
    vm_lock_mine = true;
}

NO_TSA void vm_lock_acquire_in_turn(void)
{
    lock_acquire(&vm_lock_next);
    lock_acquire(&vm_lock);
    lock_release(&vm_lock_next);
    vm_lock_mine = true;
}

NO_TSA bool vm_lock_is_wanted(void)
{
    if (!lock_try_acquire(&vm_lock_next)) {
        return true;
    }
    lock_release(&vm_lock_next);
    return false;
}

NO_TSA bool vm_lock_try_acquire(void)
{
    if (vm_lock_mine || !lock_try_acquire(&vm_lock)) {
        return false;
    }
    vm_lock_mine = true;
    return true;
}

NO_TSA void vm_lock_release(void)
{
    if (unlikely(!vm_lock_mine)) {
        g_error("device lock released by a thread that does not hold it");
    }
    vm_lock_mine = false;
    lock_release(&vm_lock);
}

bool vm_lock_held(void)
{
    return vm_lock_mine;
}

void vm_lock_allow_waits(bool allow)
{
    vm_lock_waits_allowed = allow;
}

bool vm_lock_may_wait(void)
{
    return !vm_lock_mine || vm_lock_waits_allowed;
}

void vm_lock_check_wait(const char *what)
{
    if (likely(vm_lock_may_wait())) {
        return;
    }
#ifdef CONFIG_DEBUG_WAITS
    g_error("%s waits with the device lock held", what);
#else
    if (!vm_lock_wait_told) {
        vm_lock_wait_told = true;
        g_warning("%s waits with the device lock held", what);
    }
#endif
}

void vm_lock_wait(Cond *c)
{
    vm_lock_mine = false;
    cond_wait(c, &vm_lock);
    vm_lock_mine = true;
}

bool vm_lock_wait_until(Cond *c, int64_t deadline_ns)
{
    bool signalled;

    vm_lock_mine = false;
    signalled = cond_wait_until(c, &vm_lock, deadline_ns);
    vm_lock_mine = true;
    return signalled;
}

NO_TSA VmLockGuard vm_lock_guard_enter(void)
{
    VmLockGuard g = { .taken = !vm_lock_mine };

    if (g.taken) {
        vm_lock_acquire();
    }
    return g;
}

NO_TSA void vm_lock_guard_leave(VmLockGuard *g)
{
    if (g->taken) {
        vm_lock_release();
    }
}
