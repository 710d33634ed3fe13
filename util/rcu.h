/*
 * Read-copy-update: data published with one pointer store, read without a
 * lock, and freed when no reader can have it any more.
 *
 * It is liburcu's "bulletproof" flavour: a thread registers itself at its
 * first read-side section, so that any thread may read. Its functions keep
 * their names: rcu_read_lock() and rcu_read_unlock() (nestable, a store and a
 * compiler barrier each), rcu_dereference(), rcu_assign_pointer(),
 * synchronize_rcu(), call_rcu(head, fn), rcu_barrier().
 *
 * Inside a read-side section don't wait for a lock that a thread which waits
 * in synchronize_rcu() holds. Under the device lock use call_rcu(), never
 * synchronize_rcu().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_RCU_H
#define UTIL_RCU_H

/*
 * Lets liburcu inline the read side; its licence is LGPL 2.1 or later. Not
 * where sanitizers look at inlined code: liburcu 0.13 places its per-thread
 * records at addresses less aligned than their type says.
 */
#ifndef CONFIG_SANITIZE
#define _LGPL_SOURCE 1
#endif
/* The plain names stand for this flavour's. */
#define URCU_API_MAP 1
#include <urcu/urcu-bp.h>

#include "util/tsan.h"

#include <stdlib.h>

#ifdef CONFIG_SANITIZE
/* The same in terms that ThreadSanitizer understands. */
#undef rcu_dereference
#undef rcu_assign_pointer
#define rcu_dereference(p)       __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), (v), __ATOMIC_RELEASE)
#endif

#ifdef CONFIG_TSAN
/*
 * Grace periods: what readers did before they left, and what was done before
 * call_rcu(), happened before what a callback does, and that before the end of
 * rcu_barrier().  One address stands for all of them.
 */
extern char rcu_grace;

static inline void rcu_read_unlock_tsan(void)
{
    tsan_release(&rcu_grace);
    urcu_bp_read_unlock();
}

static inline void synchronize_rcu_tsan(void)
{
    urcu_bp_synchronize_rcu();
    tsan_acquire(&rcu_grace);
}

static inline void rcu_barrier_tsan(void)
{
    urcu_bp_barrier();
    tsan_acquire(&rcu_grace);
}

static inline void call_rcu_tsan(struct rcu_head *head,
                                 void (*fn)(struct rcu_head *head))
{
    tsan_release(&rcu_grace);
    urcu_bp_call_rcu(head, fn);
}

#undef rcu_read_unlock
#undef synchronize_rcu
#undef rcu_barrier
#undef call_rcu
#define rcu_read_unlock      rcu_read_unlock_tsan
#define synchronize_rcu      synchronize_rcu_tsan
#define rcu_barrier          rcu_barrier_tsan
#define call_rcu             call_rcu_tsan
#define rcu_callback_begin() tsan_acquire(&rcu_grace)
#define rcu_callback_end()   tsan_release(&rcu_grace)
#else
/* The first and the last thing that a callback of call_rcu() does. */
#define rcu_callback_begin() ((void)0)
#define rcu_callback_end()   ((void)0)
#endif

typedef struct rcu_head RcuHead;

typedef struct RcuReadGuard {
    char unused;
} RcuReadGuard;

static inline RcuReadGuard rcu_read_guard_enter(void)
{
    rcu_read_lock();
    return (RcuReadGuard){ 0 };
}

static inline void rcu_read_guard_leave(RcuReadGuard *g)
{
    (void)g;
    rcu_read_unlock();
}

#define RCU_PASTE_(a, b) a##b
#define RCU_PASTE(a, b)  RCU_PASTE_(a, b)

/* A read-side section until the end of the enclosing scope. */
#define RCU_READ_GUARD()                                                \
    __attribute__((cleanup(rcu_read_guard_leave), unused)) RcuReadGuard \
    RCU_PASTE(rcu_read_guard_, __COUNTER__) = rcu_read_guard_enter()

/*
 * free()s what ptr points to after a grace period; its RcuHead must be its
 * first member, and it must come from g_malloc() or malloc().
 */
void rcu_free(RcuHead *head);
/* fn(opaque) after a grace period; allocates, so not for hot paths. */
void rcu_call(void (*fn)(void *opaque), void *opaque);

#endif /* UTIL_RCU_H */
