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
    MEASURE_MIN_BYTES = 65536 /* less tells nothing about bandwidth */
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
