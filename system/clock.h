/*
 * Clocks and timers.
 *
 * CLOCK_VIRTUAL runs only while the guest runs (and, under qtest, only when a
 * test steps it); CLOCK_REALTIME and CLOCK_HOST always.  Timers fire in the
 * main thread, under vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_CLOCK_H
#define SYSTEM_CLOCK_H

#include "util/lock.h"

typedef enum ClockType {
    CLOCK_TYPE_REALTIME, /* CLOCK_MONOTONIC of the host */
    CLOCK_TYPE_VIRTUAL,  /* stops with the guest; migrated */
    CLOCK_TYPE_HOST,     /* wall clock: CLOCK_REALTIME of the host */
    CLOCK_TYPES,
} ClockType;

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL
#define NS_PER_US 1000LL

typedef struct Clocks Clocks;
typedef void TimerFn(void *opaque);

/* Embedded in its owner; zero until timer_init(). */
typedef struct Timer {
    Clocks *clocks;
    ClockType type;
    TimerFn *fn; /* main thread, vm_lock held */
    void *opaque;
    int64_t expire_ns; /* -1: not armed; atomic, written with clocks' lock */
    uint64_t order;    /* of arming: breaks ties */
    unsigned heap_pos;
} Timer;

/* One per VM; attaches its timerfds to the default GMainContext. */
Clocks *clocks_new(void);
void clocks_free(Clocks *c);
/* Nanoseconds; any thread. */
int64_t clock_get_ns(Clocks *c, ClockType type);
/*
 * Starts and stops the virtual clock with the guest; vm_lock held.  It begins
 * at 0, standing.
 */
void clocks_enable_virtual(Clocks *c, bool on);
/*
 * The virtual clock's time when it last began to run; its time now while it
 * stands.  What a CPU's state that was loaded meanwhile is as of.
 */
int64_t clocks_virtual_start(Clocks *c);
/*
 * The virtual clock's offset is part of the stream ("timer" section): its
 * time while it stands, its distance from CLOCK_TYPE_REALTIME while it runs.
 */
int64_t clocks_virtual_offset(Clocks *c);
void clocks_set_virtual_offset(Clocks *c, int64_t offset_ns);
/*
 * What the stream's section "timer" has for the TSC: where the TSC is made by
 * the program, that of all CPUs while the virtual clock stands.  Kept for
 * whoever asks; vm_lock.
 */
int64_t clocks_ticks(const Clocks *c);
void clocks_set_ticks(Clocks *c, int64_t ticks);
/* qtest: the virtual clock stands still and is moved by hand only. */
void clocks_set_manual(Clocks *c);
/* qtest: moves to `to_ns`, firing what expires on the way, in order. */
void clocks_step_to(Clocks *c, int64_t to_ns);
/* Next expiry on the virtual clock, -1 if there is none. */
int64_t clocks_next_virtual(Clocks *c);

void timer_init(Timer *t, Clocks *c, ClockType type, TimerFn *fn, void *opaque);
/*
 * Arms (or moves) the timer to an absolute time, in the past: fires as soon as
 * the main loop turns.  Negative counts as 0.  Any thread.
 */
void timer_mod(Timer *t, int64_t expire_ns);
/* Disarms; fine if it isn't armed, or was never initialised. */
void timer_del(Timer *t);
static inline bool timer_pending(const Timer *t)
{
    return __atomic_load_n(&t->expire_ns, __ATOMIC_RELAXED) >= 0;
}

#endif
