/*
 * Outgoing migration: the thread, from the connection to the last pass.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/source.h"

#include "migration/wire.h"
#include "system/outside.h"
#include "util/error.h"

enum {
    STRAY_WAIT_MS = 1000,        /* the guest runs */
    RATE_NS = 100 * 1000 * 1000, /* figures of the moment are of 100 ms */
    MAX_SCANNERS = 4,
    CHANNELS_LOOK_NS = 2 * 1000 * 1000,
};

/* Cancelled: the reason why everything else failed. */
static bool check_cancel(MigSource *s, GError **errp)
{
    if (mig_cancel_asked(s->m)) {
        error_setf(errp, "cancelled");
        return false;
    }
    return true;
}

/* Bytes of multifd channels, for the bandwidth limit. */
static uint64_t channels_charged(const MigSource *s)
{
    return s->multifd != NULL ? multifd_send_charged(s->multifd) : 0;
}

/*
 * Waits so that no slice carries more than max-bandwidth allows.  A limit that
 * is changed, or a cancel, is seen at once (migration.c tells `cond`).
 */
static void limit_bandwidth(MigSource *s, uint64_t bytes)
{
    Migration *m = s->m;
    int64_t start = clock_monotonic_ns(), now = start, due, look;
    uint64_t total;
    LOCK_GUARD(&m->lock);

    while (total = bytes + channels_charged(s),
           due = pace_due(&s->pace, total, m->params.max_bandwidth),
           due > now && !m->cancel_asked && !m->start_postcopy) {
        /* What the channels do meanwhile isn't told to anybody. */
        look = s->multifd != NULL ? MIN(due, now + CHANNELS_LOOK_NS) : due;
        cond_wait_until(&m->cond, &m->lock, look);
        now = clock_monotonic_ns();
    }
    s->pass_paused_ns += now - start;
    /* If it was slept beyond it, the time counts for the next slice. */
    pace_advance(&s->pace, now > start && due > start ? due : now, total);
}

static MultifdSendStats channel_stats(const MigSource *s)
{
    MultifdSendStats st = { 0 };

    if (s->multifd != NULL) {
        multifd_send_stats(s->multifd, &st);
    }
    return st;
}

uint64_t mig_source_bytes(const MigSource *s)
{
    return s->out == NULL ? 0
                          : stream_out_bytes(s->out) + channel_stats(s).bytes;
}

/* Without the capability at the start, nobody has prepared for it. */
static bool postcopy_is_due(const MigSource *s)
{
    return MIG_HAS(s, POSTCOPY_RAM) && mig_postcopy_asked(s->m);
}

static bool source_pace(void *opaque, uint64_t bytes, GError **errp)
{
    MigSource *s = opaque;

    if (!s->stopped) {
        limit_bandwidth(s, bytes);
        /* What the pass hasn't sent by now will follow the guest. */
        s->pass_broken = postcopy_is_due(s);
    }
    mig_source_show(s);
    return check_cancel(s, errp) && !s->pass_broken;
}

/* 0..100, never back: what is sent against what is still known to be due. */
static unsigned progress_now(const MigSource *s, const RamSendStats *st,
                             unsigned before)
{
    uint64_t rest = st->remaining_pages * RAM_PAGE_SIZE;
    uint64_t done = st->total_bytes - MIN(rest, st->total_bytes);
    unsigned p = st->total_bytes ? done * 98 / st->total_bytes : 0;

    return MAX(p, before);
}

/* The rates of the moment, which move while a pass is under way. */
static void show_rates(MigShow *show)
{
    int64_t now = clock_monotonic_ns();
    uint64_t pages = show->ram.normal_pages + show->ram.zero_pages;
    int64_t ns = now - show->rate_ns;

    if (show->rate_ns != 0 && ns < RATE_NS) {
        return;
    }
    if (show->rate_ns != 0) {
        show->now_bytes_per_s =
            (double)(show->transferred - show->rate_bytes) * NS_PER_S / ns;
        show->now_pages_per_s =
            (double)(pages - show->rate_pages) * NS_PER_S / ns;
    }
    show->rate_ns = now;
    show->rate_bytes = show->transferred;
    show->rate_pages = pages;
}

/* What has followed the guest, and is to. */
static void show_later(const MigSource *s, MigShow *show, uint64_t bytes)
{
    PostcopyOutStats st;

    postcopy_out_get_stats(s->later, &st);
    show->ram.normal_pages += st.normal_pages;
    show->ram.zero_pages += st.zero_pages;
    show->ram.remaining_pages = st.pending_pages;
    show->postcopy_requests = st.requests;
    show->postcopy_bytes = bytes - s->later_start;
    show->downtime_bytes = s->later_start - show->precopy_bytes;
}

void mig_source_show(MigSource *s)
{
    MigShow *show = &s->m->show;
    uint64_t bytes = s->bytes_before + mig_source_bytes(s);
    RamSendStats st = { 0 };
    LOCK_GUARD(&s->m->lock);

    if (s->set == NULL) {
        return;
    }
    iterative_stats(s->set, &st);
    show->ram = st;
    show->transferred = bytes;
    show->zero_copy_misses = channel_stats(s).copied;
    show->multifd_bytes = s->out != NULL ? bytes - stream_out_bytes(s->out) : 0;
    show->precopy_bytes = s->stopped ? s->stop_bytes : bytes;
    show->downtime_bytes = bytes - show->precopy_bytes;
    if (s->later != NULL) {
        show_later(s, show, bytes);
    }
    show->bytes_per_s = s->bytes_per_s;
    show->progress = progress_now(s, &st, show->progress);
    show_rates(show);
    /* Before a pass has shown the speed: what the user asks for. */
    show->expected_downtime_ns =
        s->bytes_per_s == 0
            ? (int64_t)s->m->params.downtime_limit * NS_PER_MS
            : s->fixed_ns + s->sync_cost_ns +
                  MIN(converge_transfer_ns(st.remaining_pages * RAM_PAGE_SIZE,
                                           s->bytes_per_s),
                      3600 * NS_PER_S);
}

static unsigned scanner_count(void)
{
    unsigned n = g_get_num_processors();

    return MIN(n > 0 ? n - 1 : 0, (unsigned)MAX_SCANNERS);
}

static bool log_start(MigSource *s, GError **errp)
{
    VM_LOCK_GUARD();

    if (!memory_dirty_log_start(&s->vm->mem, errp)) {
        return false;
    }
    s->log_on = true;
    /* Back ends log what they write from here on; drops the lock. */
    vm_outside_settle(s->vm);
    return vm_outside_check(s->vm, STRAY_WAIT_MS, errp);
}

/* The machine as it is now is what travels. */
static void note_machine(MigSource *s)
{
    VM_LOCK_GUARD();

    s->changes = s->vm->vmstates->changes;
}

static bool check_machine(MigSource *s, GError **errp)
{
    VM_LOCK_GUARD();

    return mig_source_check_machine(s, errp);
}

/* As the user has it now. */
static uint64_t cache_bytes(void *opaque)
{
    MigSource *s = opaque;
    LOCK_GUARD(&s->m->lock);

    return s->m->params.xbzrle_cache_size;
}

static bool source_setup(MigSource *s, GError **errp)
{
    const IterativeOps *const *rows;
    Migration *m = s->m;
    size_t nrows;

    note_machine(s);
    if (!mig_source_greet(s, errp)) {
        return false;
    }
    s->env = (IterativeEnv){
        .mem = &s->vm->mem,
        .out = s->out,
        .opts = { .features = s->features,
                  .wide_scanner = MIG_HAS(s, AVX2_ZERO_PAGE),
                  .nscanners = scanner_count(),
                  .multifd = s->multifd,
                  .postcopy = MIG_HAS(s, POSTCOPY_RAM),
                  .ignore_shared = MIG_HAS(s, X_IGNORE_SHARED),
                  .cache_bytes = MIG_HAS(s, XBZRLE) ? cache_bytes : NULL,
                  .pace = source_pace,
                  .opaque = s },
    };
    rows = iterative_rows(&nrows);
    s->set = iterative_new(rows, nrows, &s->env);
    if (!iterative_setup(s->set, errp) || !log_start(s, errp) ||
        !mig_source_rehearse(s, errp)) {
        return false;
    }
    VM_LOCK_GUARD();
    m->hooks->prepare(s->vm, true, MIG_HAS(s, SINGLE_CPU_SYNC));
    lock_acquire(&m->lock);
    m->show.setup_ns = clock_monotonic_ns() - m->show.start_ns;
    m->show.have_setup = true;
    lock_release(&m->lock);
    mig_source_show(s); /* the first answer has all totals */
    mig_set_status(m, MIGRATION_STATUS_ACTIVE);
    return true;
}

static void pass_begin(MigSource *s)
{
    int64_t now = clock_monotonic_ns();

    s->pass_start_ns = now;
    s->pass_paused_ns = 0;
    s->pass_bytes = mig_source_bytes(s);
    pace_start(&s->pace, now, stream_out_bytes(s->out) + channels_charged(s));
}

static void pass_end(MigSource *s)
{
    int64_t ns = clock_monotonic_ns() - s->pass_start_ns - s->pass_paused_ns;
    uint64_t bytes = mig_source_bytes(s) - s->pass_bytes;
    uint64_t limit = mig_max_bandwidth(s->m);

    s->bytes_per_s = converge_bandwidth(s->bytes_per_s, bytes, ns);
    if (limit > 0 && s->pass_paused_ns > 0) {
        s->bytes_per_s = MIN(s->bytes_per_s, limit);
    }
}

/* The pages found dirty, per second since the sync before. */
static void show_dirty_rate(MigSource *s, uint64_t bytes)
{
    int64_t now = clock_monotonic_ns();

    if (s->sync_ns != 0 && now > s->sync_ns) {
        LOCK_GUARD(&s->m->lock);
        s->m->show.dirty_pages_per_s =
            (double)bytes / RAM_PAGE_SIZE * NS_PER_S / (now - s->sync_ns);
    }
    s->sync_ns = now;
}

/*
 * Auto-converge: slows a guest that writes faster than its memory can be
 * sent.  `dirtied`: bytes, by the sync just made.
 */
static bool source_throttle(MigSource *s, uint64_t dirtied, GError **errp)
{
    uint64_t bytes = mig_source_bytes(s);
    uint64_t sent = bytes - s->throttle_bytes;
    unsigned before = s->throttle.percent, now;
    ThrottleParams p;

    s->throttle_bytes = bytes;
    if (!MIG_HAS(s, AUTO_CONVERGE) || !runstate_is_running(s->vm)) {
        return true;
    }
    p = mig_throttle_params(s->m);
    now = converge_throttle(&s->throttle, &p, clock_monotonic_ns(), sent,
                            dirtied);
    if (now == before) {
        return true;
    }
    if (!s->m->hooks->throttle(s->vm, now, errp)) {
        return false;
    }
    LOCK_GUARD(&s->m->lock);
    s->m->show.throttle_percent = now;
    return true;
}

static ConvergeInput converge_input(const MigSource *s, uint64_t bytes)
{
    return (ConvergeInput){
        .pending_bytes = bytes,
        .last_pending_bytes = s->last_pending,
        .bytes_per_s = s->bytes_per_s,
        .fixed_ns = s->fixed_ns + s->sync_cost_ns,
        .limit_ns = mig_downtime_limit_ns(s->m),
        .settled = s->settled,
    };
}

static ConvergeAction source_decide(MigSource *s, uint64_t bytes)
{
    ConvergeInput in = converge_input(s, bytes);
    ConvergeAction action = converge_decide(&in);

    if (in.fixed_ns + converge_transfer_ns(in.pending_bytes, in.bytes_per_s) <=
        in.limit_ns) {
        s->settled++;
    }
    s->last_pending = in.pending_bytes;
    return action;
}

/*
 * One rehearsal takes long if vCPUs or this thread have to wait for a host
 * CPU. If it is what keeps the guest from moving, the shortest one counts.
 */
static bool rehearse_again(MigSource *s, uint64_t bytes, GError **errp)
{
    ConvergeInput in = converge_input(s, bytes);

    return s->fixed_measured || !converge_fixed_hinders(&in) ||
           mig_source_rehearse(s, errp);
}

/* A pass that is broken off for a postcopy has no error, and is none. */
static bool pass_or_break(MigSource *s, GError **errp)
{
    GError *err = NULL;

    s->pass_broken = false;
    if (iterative_pass(s->set, &err)) {
        return true;
    }
    if (err != NULL) {
        g_propagate_error(errp, err);
        return false;
    }
    return s->pass_broken;
}

static bool source_pass(MigSource *s, GError **errp)
{
    RamSendStats st;

    iterative_stats(s->set, &st);
    if (mig_caps_has(s->cfg->caps, MIGRATION_CAPABILITY_EVENTS)) {
        VM_LOCK_GUARD();
        s->m->hooks->event_pass(s->vm, st.syncs);
    }
    pass_begin(s);
    if (!pass_or_break(s, errp) || !mig_source_barrier(s, errp)) {
        return false;
    }
    pass_end(s);
    mig_source_show(s);
    return true;
}

/* The guest's own time, lest attempt after attempt stops it. */
static bool back_off(MigSource *s, GError **errp)
{
    Migration *m = s->m;
    int64_t until = s->resume_ns +
                    converge_backoff(++s->retries, s->resume_ns - s->stop_ns);

    {
        LOCK_GUARD(&m->lock);
        while (!m->cancel_asked && cond_wait_until(&m->cond, &m->lock, until)) {
        }
    }
    return check_cancel(s, errp);
}

/* A switch-over that did not fit; the guest runs again, log and all. */
static bool source_retry(MigSource *s, GError **errp)
{
    {
        VM_LOCK_GUARD();
        mig_set_status(s->m, MIGRATION_STATUS_ACTIVE);
    }
    s->settled = 0;
    s->last_pending = 0;
    if (!s->log_on && !log_start(s, errp)) {
        return false;
    }
    /* What is still on its way would come on top of the next attempt. */
    return mig_source_catch_up(s, errp) && back_off(s, errp);
}

/* One of these is part of the switch-over, too: what it takes counts. */
static uint64_t source_sync(MigSource *s)
{
    int64_t start = clock_monotonic_ns();
    uint64_t bytes = iterative_pending(s->set, false);

    s->sync_cost_ns =
        converge_sync_ns(s->sync_cost_ns, clock_monotonic_ns() - start);
    return bytes;
}

static bool source_iterate(MigSource *s, GError **errp)
{
    uint64_t bytes = iterative_pending(s->set, false);

    for (;;) {
        if (!check_cancel(s, errp) || !check_machine(s, errp) ||
            !source_pass(s, errp)) {
            return false;
        }
        bytes = source_sync(s);
        show_dirty_rate(s, bytes);
        if (!source_throttle(s, bytes, errp) ||
            !rehearse_again(s, bytes, errp)) {
            return false;
        }
        s->postcopy = postcopy_is_due(s);
        if (!s->postcopy && runstate_is_running(s->vm) &&
            source_decide(s, bytes) == CONVERGE_ITERATE) {
            continue;
        }
        switch (mig_source_switch(s, errp)) {
        case SWITCH_DONE:
            return s->later == NULL || mig_source_postcopy(s, errp);
        case SWITCH_RETRY:
            break;
        default:
            return false;
        }
        if (!source_retry(s, errp)) {
            return false;
        }
    }
}

void *mig_source_thread(void *opaque)
{
    Migration *m = opaque;
    MigSource s = { .m = m, .vm = m->vm, .cfg = &m->cfg };
    GError *err = NULL;
    bool ok = mig_source_connect(&s, &err) && source_setup(&s, &err) &&
              source_iterate(&s, &err);

    mig_source_unthrottle(&s);
    /* Completed first: the tear-down of the log has time. */
    if (ok) {
        mig_source_completed(&s);
    }
    mig_source_log_stop(&s);
    vm_lock_acquire();
    m->hooks->prepare(m->vm, false, true);
    vm_lock_release();
    if (!ok) {
        mig_source_failed(&s, err);
    }
    mig_source_fini(&s);
    mig_thread_done(m);
    return NULL;
}
