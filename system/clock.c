/*
 * Clocks and timers: a heap of timers per clock, and one timerfd per clock
 * that wakes the main loop at the nanosecond of the first one.
 *
 * A timerfd is set only when a timer comes before all others; one that moves
 * away leaves it as it is, and the early wake-up sets it anew.  Most device
 * timers are moved again and again and never fire, so this saves a system call
 * on each move.
 *
 * Facts: timerfd_create(2), clock_gettime(2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/clock.h"

#include <sys/timerfd.h>
#include <time.h>

typedef struct TimerQueue {
    GPtrArray *heap; /* Timer, earliest first */
    GSource *source;
    int fd;
    int64_t armed_ns; /* on the host's clock; INT64_MAX: disarmed */
} TimerQueue;

typedef struct ClockSource {
    GSource base;
    Clocks *clocks;
    ClockType type;
} ClockSource;

struct Clocks {
    Lock lock; /* all below */
    TimerQueue queues[CLOCK_TYPES];
    uint64_t next_order;
    int64_t virtual_offset; /* see clocks_virtual_offset() */
    int64_t virtual_start;  /* its time when it last began to run */
    bool virtual_on;
    bool manual;
    int64_t ticks; /* vm_lock; see clocks_ticks() */
    /*
     * For readers without the lock, which vCPUs are that read their TSC: even
     * while what follows holds.  Atomic, written with the lock.
     */
    unsigned fast_seq;
    bool fast_runs;
    int64_t fast_offset;
};

static int64_t host_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static bool virtual_runs(const Clocks *c)
{
    return c->virtual_on && !c->manual;
}

/* Around every change of the virtual clock, with the lock. */
static void virtual_begin(Clocks *c)
{
    __atomic_store_n(&c->fast_seq, c->fast_seq + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void virtual_end(Clocks *c)
{
    __atomic_store_n(&c->fast_offset, c->virtual_offset, __ATOMIC_RELAXED);
    __atomic_store_n(&c->fast_runs, virtual_runs(c), __ATOMIC_RELAXED);
    __atomic_store_n(&c->fast_seq, c->fast_seq + 1, __ATOMIC_RELEASE);
}

/* False: it stands, or is being changed. */
static bool virtual_get_fast(Clocks *c, int64_t *ret_ns)
{
    unsigned seq = __atomic_load_n(&c->fast_seq, __ATOMIC_ACQUIRE);
    int64_t now;

    if ((seq & 1) || !__atomic_load_n(&c->fast_runs, __ATOMIC_RELAXED)) {
        return false;
    }
    now = host_ns(CLOCK_MONOTONIC) +
          __atomic_load_n(&c->fast_offset, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&c->fast_seq, __ATOMIC_RELAXED) != seq) {
        return false;
    }
    *ret_ns = now;
    return true;
}

static int64_t get_ns_locked(Clocks *c, ClockType type)
{
    switch (type) {
    case CLOCK_TYPE_VIRTUAL:
        if (!virtual_runs(c)) {
            return c->virtual_offset;
        }
        return host_ns(CLOCK_MONOTONIC) + c->virtual_offset;
    case CLOCK_TYPE_HOST:
        return host_ns(CLOCK_REALTIME);
    default:
        return host_ns(CLOCK_MONOTONIC);
    }
}

int64_t clock_get_ns(Clocks *c, ClockType type)
{
    int64_t now;

    if (type != CLOCK_TYPE_VIRTUAL) {
        return get_ns_locked(c, type);
    }
    if (likely(virtual_get_fast(c, &now))) {
        return now;
    }
    LOCK_GUARD(&c->lock);
    return get_ns_locked(c, type);
}

/* The heap. */

static Timer *heap_at(const TimerQueue *q, guint i)
{
    return g_ptr_array_index(q->heap, i);
}

static bool timer_before(const Timer *a, const Timer *b)
{
    if (a->expire_ns != b->expire_ns) {
        return a->expire_ns < b->expire_ns;
    }
    return a->order < b->order;
}

static void heap_put(TimerQueue *q, guint i, Timer *t)
{
    g_ptr_array_index(q->heap, i) = t;
    t->heap_pos = i;
}

static void heap_up(TimerQueue *q, guint i)
{
    Timer *t = heap_at(q, i);

    while (i > 0 && timer_before(t, heap_at(q, (i - 1) / 2))) {
        heap_put(q, i, heap_at(q, (i - 1) / 2));
        i = (i - 1) / 2;
    }
    heap_put(q, i, t);
}

static void heap_down(TimerQueue *q, guint i)
{
    Timer *t = heap_at(q, i);

    for (;;) {
        guint kid = 2 * i + 1;

        if (kid >= q->heap->len) {
            break;
        }
        if (kid + 1 < q->heap->len &&
            timer_before(heap_at(q, kid + 1), heap_at(q, kid))) {
            kid++;
        }
        if (!timer_before(heap_at(q, kid), t)) {
            break;
        }
        heap_put(q, i, heap_at(q, kid));
        i = kid;
    }
    heap_put(q, i, t);
}

static void heap_remove(TimerQueue *q, Timer *t)
{
    guint i = t->heap_pos;
    Timer *last = heap_at(q, q->heap->len - 1);

    g_ptr_array_set_size(q->heap, q->heap->len - 1);
    if (last != t) {
        heap_put(q, i, last);
        heap_up(q, i);
        heap_down(q, last->heap_pos);
    }
    __atomic_store_n(&t->expire_ns, -1, __ATOMIC_RELAXED);
}

static Timer *queue_first(const TimerQueue *q)
{
    return q->heap->len ? heap_at(q, 0) : NULL;
}

/* Sets the timerfd for an absolute time on the host's clock. */
static void fd_arm(TimerQueue *q, ClockType type, int64_t ns)
{
    struct itimerspec it = { 0 };
    int flags = TFD_TIMER_ABSTIME;

    if (ns == q->armed_ns) {
        return;
    }
    q->armed_ns = ns;
    if (ns != INT64_MAX) {
        ns = MAX(ns, 1); /* 0 disarms */
        it.it_value.tv_sec = ns / NS_PER_S;
        it.it_value.tv_nsec = ns % NS_PER_S;
    }
    if (type == CLOCK_TYPE_HOST) {
        flags |= TFD_TIMER_CANCEL_ON_SET;
    }
    timerfd_settime(q->fd, flags, &it, NULL);
}

/* When the first timer expires, on the host's clock. */
static int64_t first_deadline(Clocks *c, ClockType type)
{
    Timer *t = queue_first(&c->queues[type]);
    int64_t ns;

    if (!t || (type == CLOCK_TYPE_VIRTUAL && !virtual_runs(c))) {
        return INT64_MAX;
    }
    if (type != CLOCK_TYPE_VIRTUAL) {
        return t->expire_ns;
    }
    if (__builtin_sub_overflow(t->expire_ns, c->virtual_offset, &ns)) {
        return INT64_MAX;
    }
    return ns;
}

void timer_init(Timer *t, Clocks *c, ClockType type, TimerFn *fn, void *opaque)
{
    *t = (Timer){
        .clocks = c,
        .type = type,
        .fn = fn,
        .opaque = opaque,
        .expire_ns = -1,
    };
}

void timer_mod(Timer *t, int64_t expire_ns)
{
    Clocks *c = t->clocks;
    TimerQueue *q = &c->queues[t->type];
    int64_t deadline;

    LOCK_GUARD(&c->lock);
    if (t->expire_ns >= 0) {
        heap_remove(q, t);
    }
    __atomic_store_n(&t->expire_ns, MAX(expire_ns, 0), __ATOMIC_RELAXED);
    t->order = c->next_order++;
    g_ptr_array_add(q->heap, t);
    heap_up(q, q->heap->len - 1);
    deadline = first_deadline(c, t->type);
    if (deadline < q->armed_ns) {
        fd_arm(q, t->type, deadline);
    }
}

void timer_del(Timer *t)
{
    if (!t->clocks) {
        return;
    }
    LOCK_GUARD(&t->clocks->lock);
    if (t->expire_ns >= 0) {
        heap_remove(&t->clocks->queues[t->type], t);
    }
}

/* Takes the first timer off the heap if it has expired. */
static bool pop_expired(Clocks *c, ClockType type, int64_t now, TimerFn **fn,
                        void **opaque)
{
    TimerQueue *q = &c->queues[type];
    Timer *t;

    LOCK_GUARD(&c->lock);
    t = queue_first(q);
    if (!t || t->expire_ns > now) {
        return false;
    }
    heap_remove(q, t);
    *fn = t->fn;
    *opaque = t->opaque;
    return true;
}

static guint queue_length(Clocks *c, ClockType type)
{
    LOCK_GUARD(&c->lock);
    return c->queues[type].heap->len;
}

static void run_expired(Clocks *c, ClockType type)
{
    int64_t now = clock_get_ns(c, type);
    /* One that arms itself in the past must not keep the loop for ever. */
    guint left = queue_length(c, type);
    TimerFn *fn;
    void *opaque;

    VM_LOCK_GUARD();
    while (left-- > 0 && pop_expired(c, type, now, &fn, &opaque)) {
        fn(opaque);
        if (type == CLOCK_TYPE_VIRTUAL) {
            LOCK_GUARD(&c->lock);
            if (!virtual_runs(c)) {
                break; /* the timer stopped the guest */
            }
        }
    }
}

static gboolean clock_dispatch(GSource *src, GSourceFunc unused_fn,
                               gpointer unused)
{
    ClockSource *s = (ClockSource *)src;
    Clocks *c = s->clocks;
    TimerQueue *q = &c->queues[s->type];
    uint64_t count;
    ssize_t n;

    (void)unused_fn;
    (void)unused;
    /* ECANCELED: the wall clock was set; what expires is found anew. */
    n = read(q->fd, &count, sizeof(count));
    (void)n;
    run_expired(c, s->type);
    LOCK_GUARD(&c->lock);
    q->armed_ns = INT64_MAX;
    fd_arm(q, s->type, first_deadline(c, s->type));
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs clock_funcs = { .dispatch = clock_dispatch };

static void queue_init(Clocks *c, ClockType type)
{
    static const clockid_t ids[CLOCK_TYPES] = {
        [CLOCK_TYPE_REALTIME] = CLOCK_MONOTONIC,
        [CLOCK_TYPE_VIRTUAL] = CLOCK_MONOTONIC,
        [CLOCK_TYPE_HOST] = CLOCK_REALTIME,
    };
    TimerQueue *q = &c->queues[type];
    ClockSource *s;

    q->heap = g_ptr_array_new();
    q->armed_ns = INT64_MAX;
    q->fd = timerfd_create(ids[type], TFD_NONBLOCK | TFD_CLOEXEC);
    if (q->fd < 0) {
        g_error("timerfd_create: %s", strerror(errno));
    }
    q->source = g_source_new(&clock_funcs, sizeof(ClockSource));
    s = (ClockSource *)q->source;
    s->clocks = c;
    s->type = type;
    g_source_add_unix_fd(q->source, q->fd, G_IO_IN);
    /*
     * At no higher priority than others: GLib would serve nobody else while
     * timers keep expiring, as a guest can have them do.  They are first among
     * equals, as no other source is older.
     */
    g_source_set_static_name(q->source, "clock");
    g_source_attach(q->source, NULL);
}

Clocks *clocks_new(void)
{
    Clocks *c = g_new0(Clocks, 1);

    lock_init(&c->lock);
    for (unsigned i = 0; i < CLOCK_TYPES; i++) {
        queue_init(c, i);
    }
    return c;
}

void clocks_free(Clocks *c)
{
    if (!c) {
        return;
    }
    for (unsigned i = 0; i < CLOCK_TYPES; i++) {
        TimerQueue *q = &c->queues[i];

        g_source_destroy(q->source);
        g_source_unref(q->source);
        close(q->fd);
        g_ptr_array_unref(q->heap);
    }
    lock_fini(&c->lock);
    g_free(c);
}

int64_t clocks_ticks(const Clocks *c)
{
    return c->ticks;
}

void clocks_set_ticks(Clocks *c, int64_t ticks)
{
    c->ticks = ticks;
}

/* The virtual clock was set, started or stopped. */
static void rearm_virtual(Clocks *c)
{
    fd_arm(&c->queues[CLOCK_TYPE_VIRTUAL], CLOCK_TYPE_VIRTUAL,
           first_deadline(c, CLOCK_TYPE_VIRTUAL));
}

void clocks_enable_virtual(Clocks *c, bool on)
{
    LOCK_GUARD(&c->lock);
    if (c->virtual_on == on) {
        return;
    }
    virtual_begin(c);
    c->virtual_on = on;
    if (!c->manual) {
        int64_t now = host_ns(CLOCK_MONOTONIC);

        if (on) {
            c->virtual_start = c->virtual_offset;
        }
        c->virtual_offset += on ? -now : now;
    }
    virtual_end(c);
    rearm_virtual(c);
}

int64_t clocks_virtual_start(Clocks *c)
{
    LOCK_GUARD(&c->lock);
    return virtual_runs(c) ? c->virtual_start : c->virtual_offset;
}

int64_t clocks_virtual_offset(Clocks *c)
{
    LOCK_GUARD(&c->lock);
    return c->virtual_offset;
}

void clocks_set_virtual_offset(Clocks *c, int64_t offset_ns)
{
    LOCK_GUARD(&c->lock);
    virtual_begin(c);
    c->virtual_offset = offset_ns;
    virtual_end(c);
    rearm_virtual(c);
}

void clocks_set_manual(Clocks *c)
{
    LOCK_GUARD(&c->lock);
    if (!c->manual) {
        virtual_begin(c);
        c->virtual_offset = get_ns_locked(c, CLOCK_TYPE_VIRTUAL);
        c->manual = true;
        virtual_end(c);
        rearm_virtual(c);
    }
}

int64_t clocks_next_virtual(Clocks *c)
{
    Timer *t;

    LOCK_GUARD(&c->lock);
    t = queue_first(&c->queues[CLOCK_TYPE_VIRTUAL]);
    return t ? t->expire_ns : -1;
}

/* Moves the hand-driven clock, never back, to the next timer up to to_ns. */
static bool step_once(Clocks *c, int64_t to_ns)
{
    int64_t next = clocks_next_virtual(c);
    bool fires = next >= 0 && next <= to_ns;
    TimerFn *fn;
    void *opaque;

    {
        LOCK_GUARD(&c->lock);
        c->virtual_offset = MAX(c->virtual_offset, fires ? next : to_ns);
    }
    if (fires && pop_expired(c, CLOCK_TYPE_VIRTUAL, to_ns, &fn, &opaque)) {
        fn(opaque);
    }
    return fires;
}

void clocks_step_to(Clocks *c, int64_t to_ns)
{
    VM_LOCK_GUARD();
    while (step_once(c, to_ns)) {
        /* one timer each */
    }
}
