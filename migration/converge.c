/*
 * When to stop the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/converge.h"

#define NS_PER_S_D 1e9

enum {
    SETTLE_PASSES = 8,     /* at most so many below the limit */
    FLOOR_NS = 100 * 1000, /* a rest this small isn't worth a pass */
    /* What may be written between the last look and the stop: next time it
     * would be as much. */
    STOPPED_FLOOR_NS = 500 * 1000,
    BACKOFF_FACTOR = 4, /* four fifths of the time are the guest's */
    BACKOFF_MAX_NS = 1000 * 1000 * 1000,
    BACKOFF_MAX_SHIFT = 10,
    MEASURE_MIN_BYTES = 65536, /* less tells nothing about bandwidth */
    THROTTLE_STRETCH_NS = 250 * 1000 * 1000,
    /* Of a guest that runs for 10 ms between two rests. */
    THROTTLE_SLICE_NS = 10 * 1000 * 1000,
    THROTTLE_PERIODS = 2, /* in a stretch, at least */
    THROTTLE_HIGH = 2,    /* stretches above the threshold before a step */
};

int64_t converge_transfer_ns(uint64_t bytes, uint64_t bytes_per_s)
{
    double ns;

    if (bytes == 0) {
        return 0;
    }
    if (bytes_per_s == 0) {
        return INT64_MAX / 4;
    }
    ns = (double)bytes / (double)bytes_per_s * NS_PER_S_D;
    return ns < (double)(INT64_MAX / 4) ? (int64_t)ns : INT64_MAX / 4;
}

ConvergeAction converge_decide(const ConvergeInput *in)
{
    int64_t ram_ns = converge_transfer_ns(in->pending_bytes, in->bytes_per_s);

    /* Another pass can't help where the fixed part alone is too long. */
    if (ram_ns <= FLOOR_NS) {
        return CONVERGE_SWITCH;
    }
    if (in->fixed_ns + ram_ns > in->limit_ns) {
        return CONVERGE_ITERATE;
    }
    if (in->settled >= SETTLE_PASSES) {
        return CONVERGE_SWITCH;
    }
    /* Still shrinking by more than a fifth a pass? */
    if (in->last_pending_bytes == 0 ||
        in->pending_bytes < in->last_pending_bytes / 5 * 4) {
        return CONVERGE_ITERATE;
    }
    return CONVERGE_SWITCH;
}

bool converge_fits(const ConvergeInput *in)
{
    int64_t ram_ns = converge_transfer_ns(in->pending_bytes, in->bytes_per_s);

    return ram_ns <= STOPPED_FLOOR_NS || in->fixed_ns + ram_ns <= in->limit_ns;
}

int64_t converge_fixed(int64_t before_ns, int64_t limit_ns)
{
    return MAX(before_ns, before_ns / 2 + limit_ns / 2);
}

int64_t converge_backoff(unsigned retries, int64_t stopped_ns)
{
    int64_t ns = MIN(stopped_ns, BACKOFF_MAX_NS) * BACKOFF_FACTOR;

    if (retries > 1) {
        ns <<= MIN(retries - 1, (unsigned)BACKOFF_MAX_SHIFT);
    }
    return MIN(ns, (int64_t)BACKOFF_MAX_NS);
}

bool converge_fixed_hinders(const ConvergeInput *in)
{
    int64_t ram_ns = converge_transfer_ns(in->pending_bytes, in->bytes_per_s);

    return ram_ns <= in->limit_ns && in->fixed_ns > in->limit_ns - ram_ns;
}

int64_t converge_sync_ns(int64_t before_ns, int64_t ns)
{
    return before_ns == 0 || ns < before_ns ? ns : before_ns / 4 * 3 + ns / 4;
}

uint64_t converge_bandwidth(uint64_t before, uint64_t bytes, int64_t ns)
{
    double now;

    if (bytes < MEASURE_MIN_BYTES || ns <= 0) {
        return before;
    }
    now = (double)bytes * NS_PER_S_D / (double)ns;
    if (now >= (double)before) {
        return now;
    }
    return (before * 3 + (uint64_t)now) / 4;
}

/* So long that the guest has run and rested several times in it. */
static int64_t throttle_stretch(unsigned percent)
{
    int64_t period = THROTTLE_SLICE_NS * INT64_C(100) / (100 - percent);

    return MAX(THROTTLE_STRETCH_NS, THROTTLE_PERIODS * period);
}

static unsigned throttle_step(const ThrottleState *t, const ThrottleParams *p)
{
    double allowed = (double)t->sent * p->threshold / 100;
    double runs = 100 - t->percent, enough;

    if (t->percent == 0) {
        return p->initial;
    }
    if (!p->tailslow) {
        return p->increment;
    }
    /* So much of the time it may run to write no more than is allowed. */
    enough = runs * allowed / (double)t->dirtied;
    return MIN((double)p->increment, MAX(runs - enough, 1.0));
}

unsigned converge_throttle(ThrottleState *t, const ThrottleParams *p,
                           int64_t now_ns, uint64_t sent, uint64_t dirtied)
{
    bool high;

    if (t->since_ns == 0) {
        /* What the first sync finds is from before. */
        t->since_ns = now_ns;
        return t->percent;
    }
    t->sent += sent;
    t->dirtied += dirtied;
    if (now_ns - t->since_ns < throttle_stretch(t->percent)) {
        return t->percent;
    }
    high = (double)t->dirtied > (double)t->sent * p->threshold / 100;
    t->high = high ? t->high + 1 : 0;
    if (t->high == THROTTLE_HIGH) {
        t->high = 0;
        t->percent =
            MAX(t->percent, MIN(t->percent + throttle_step(t, p), p->max));
    }
    t->since_ns = now_ns;
    t->sent = t->dirtied = 0;
    return t->percent;
}
