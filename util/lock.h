/*
 * Mutex and condition variable, and the device lock.
 *
 * Thin over pthreads, as clang can't check, nor TSan see, a GMutex. The order
 * in which locks may nest is in docs/devel/locking.md.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_LOCK_H
#define UTIL_LOCK_H

#include "util/tsa.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Not recursive: taking it twice in one thread is a dead lock. */
typedef struct CAPABILITY("mutex") Lock {
    pthread_mutex_t mutex;
} Lock;

/* For static storage; otherwise lock_init(). */
#define LOCK_INITIALIZER                   \
    {                                      \
        .mutex = PTHREAD_MUTEX_INITIALIZER \
    }

void lock_init(Lock *l);
/* Nobody may hold it. */
void lock_fini(Lock *l);
void lock_acquire(Lock *l) ACQUIRE(l);
/* True if taken; never waits. */
bool lock_try_acquire(Lock *l) TRY_ACQUIRE(true, l);
void lock_release(Lock *l) RELEASE(l);

/* Held from its declaration to the end of the scope; see LOCK_GUARD(). */
typedef struct LockGuard {
    Lock *lock;
} LockGuard;

/*
 * ASSERT_HELD and not ACQUIRE: clang before 18 doesn't see the cleanup call
 * and would report every guard as a lock that is never released.
 */
LockGuard lock_guard_enter(Lock *l) ASSERT_HELD(l);
void lock_guard_leave(LockGuard *g);

#define LOCK_PASTE_(a, b) a##b
#define LOCK_PASTE(a, b)  LOCK_PASTE_(a, b)

/* Takes the lock l until the end of the enclosing scope. */
#define LOCK_GUARD(l)                                                        \
    __attribute__((cleanup(lock_guard_leave), unused)) LockGuard LOCK_PASTE( \
        lock_guard_, __COUNTER__) = lock_guard_enter(l)

/* Condition variable whose timeouts run on CLOCK_MONOTONIC. */
typedef struct Cond {
    pthread_cond_t cond;
} Cond;

void cond_init(Cond *c);
void cond_fini(Cond *c);
void cond_signal(Cond *c);
void cond_broadcast(Cond *c);
/* May return without a signal: call it in a loop on the condition. */
void cond_wait(Cond *c, Lock *l) REQUIRES(l);
/*
 * As cond_wait(), until CLOCK_MONOTONIC reaches deadline_ns (see
 * clock_monotonic_ns()). False when the deadline has passed.
 */
bool cond_wait_until(Cond *c, Lock *l, int64_t deadline_ns) REQUIRES(l);

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t clock_monotonic_ns(void);

/*
 * The device lock: protects device models and everything whose field comments
 * say so. Use only the functions below: they also keep the per-thread flag
 * that vm_lock_held() answers from.
 */
extern Lock vm_lock;

#define VM_LOCKED REQUIRES(&vm_lock)

void vm_lock_acquire(void) ACQUIRE(&vm_lock);
/*
 * For a thread that takes it again right after it has let go of it, as the main
 * loop does: others who wait for it have it first.  A mutex would let the
 * faster one win, and somebody else wait for seconds.
 */
void vm_lock_acquire_in_turn(void) ACQUIRE(&vm_lock);
/* Does another thread wait for it? */
bool vm_lock_is_wanted(void);
bool vm_lock_try_acquire(void) TRY_ACQUIRE(true, &vm_lock);
void vm_lock_release(void) RELEASE(&vm_lock);
/* Does the calling thread hold the device lock? */
bool vm_lock_held(void);
/* cond_wait() and cond_wait_until() with the device lock. */
void vm_lock_wait(Cond *c) REQUIRES(&vm_lock);
bool vm_lock_wait_until(Cond *c, int64_t deadline_ns) REQUIRES(&vm_lock);

/*
 * While the program starts and ends its main thread holds the device lock and
 * may wait all the same: no guest runs, and no monitor is served.  It alone.
 */
void vm_lock_allow_waits(bool allow);
/* May this thread wait for somebody outside: a peer, a child process? */
bool vm_lock_may_wait(void);
/*
 * For what waits for somebody outside: a bug if this thread holds the device
 * lock, as then he stops the whole VM.  Builds with debugging or sanitizers
 * end the program; others warn once per thread (tests make that fatal).
 * what: names the wait.
 */
void vm_lock_check_wait(const char *what);

typedef struct VmLockGuard {
    bool taken; /* false: the thread had it already */
} VmLockGuard;

VmLockGuard vm_lock_guard_enter(void) ASSERT_HELD(&vm_lock);
void vm_lock_guard_leave(VmLockGuard *g);

/*
 * Holds the device lock until the end of the enclosing scope. Does nothing
 * in a thread that holds it already, so that code reached both from the main
 * loop and from other threads can use it.
 */
#define VM_LOCK_GUARD()                                               \
    __attribute__((cleanup(vm_lock_guard_leave), unused)) VmLockGuard \
    LOCK_PASTE(vm_lock_guard_, __COUNTER__) = vm_lock_guard_enter()

#endif /* UTIL_LOCK_H */
