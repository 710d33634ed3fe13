/*
 * Limits of I/O: what users may ask for, and how long requests wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-limits.h"

#include "util/error.h"

/* Without bursts what is allowed in that time may be asked for at once. */
#define SLACK_DIVISOR 10

static bool is_bps(ThrottleKind k)
{
    return k <= THROTTLE_BPS_WRITE;
}

static bool kind_counts(ThrottleKind k, bool write)
{
    return k == THROTTLE_BPS_TOTAL || k == THROTTLE_IOPS_TOTAL ||
           k == (write ? THROTTLE_BPS_WRITE : THROTTLE_BPS_READ) ||
           k == (write ? THROTTLE_IOPS_WRITE : THROTTLE_IOPS_READ);
}

bool io_limits_any(const IoLimits *l)
{
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        if (l->kind[k].avg > 0) {
            return true;
        }
    }
    return false;
}

/* A total beside its parts: which one would hold? */
static bool total_and_parts(const IoLimit *total)
{
    const IoLimit *read = total + 1, *write = total + 2;

    return (total->avg != 0 && (read->avg != 0 || write->avg != 0)) ||
           (total->max != 0 && (read->max != 0 || write->max != 0));
}

static bool limit_check(const IoLimit *l, GError **errp)
{
    const char *wrong = NULL;

    if (l->avg < 0 || l->avg > THROTTLE_MAX || l->max < 0 ||
        l->max > THROTTLE_MAX) {
        error_setf(errp, "bps/iops/max values must be within [0, %" PRIi64 "]",
                   THROTTLE_MAX);
        return false;
    }
    if (l->length <= 0) {
        wrong = l->length == 0 ? "the burst length cannot be 0"
                               : "the burst length cannot be negative";
    } else if (l->length > 1 && l->max == 0) {
        wrong = "burst length set without burst rate";
    } else if (l->max != 0 && l->length > THROTTLE_MAX / l->max) {
        wrong = "burst length too high for this burst rate";
    } else if (l->max != 0 && l->avg == 0) {
        wrong = "bps_max/iops_max require corresponding bps/iops values";
    } else if (l->max != 0 && l->max < l->avg) {
        wrong = "bps_max/iops_max cannot be lower than bps/iops";
    }
    if (wrong != NULL) {
        error_setf(errp, "%s", wrong);
    }
    return wrong == NULL;
}

bool io_limits_check(const IoLimits *l, GError **errp)
{
    if (total_and_parts(&l->kind[THROTTLE_BPS_TOTAL]) ||
        total_and_parts(&l->kind[THROTTLE_IOPS_TOTAL])) {
        error_setf(errp, "bps/iops/max total values and read/write values "
                         "cannot be used at the same time");
        return false;
    }
    if (l->iops_size < 0 || l->iops_size > THROTTLE_MAX) {
        error_setf(errp, "iops_size must be within [0, %" PRIi64 "]",
                   THROTTLE_MAX);
        return false;
    }
    if (l->iops_size != 0 && l->kind[THROTTLE_IOPS_TOTAL].avg == 0 &&
        l->kind[THROTTLE_IOPS_READ].avg == 0 &&
        l->kind[THROTTLE_IOPS_WRITE].avg == 0) {
        error_setf(errp, "iops size requires an iops value to be set");
        return false;
    }
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        if (!limit_check(&l->kind[k], errp)) {
            return false;
        }
    }
    return true;
}

static void buckets_leak(ThrottleBuckets *b, const IoLimits *l, int64_t now)
{
    double s = (double)(now - b->leaked_ns) / NSEC_PER_SEC;

    if (s <= 0) {
        return;
    }
    b->leaked_ns = now;
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        const IoLimit *limit = &l->kind[k];

        b->level[k] = MAX(b->level[k] - s * (double)limit->avg, 0);
        b->burst[k] = MAX(b->burst[k] - s * (double)limit->max, 0);
    }
}

/* Seconds until a bucket that leaks `rate` a second is down to `full`. */
static double bucket_wait(double level, double full, int64_t rate)
{
    return level > full ? (level - full) / (double)rate : 0;
}

static double limit_wait(const ThrottleBuckets *b, const IoLimit *l,
                         ThrottleKind k)
{
    double wait, avg = (double)l->avg, max = (double)l->max;

    if (l->avg == 0) {
        return 0;
    }
    if (l->max == 0) {
        return bucket_wait(b->level[k], avg / SLACK_DIVISOR, l->avg);
    }
    wait = bucket_wait(b->level[k], max * (double)l->length, l->avg);
    if (l->length > 1) {
        wait = MAX(wait, bucket_wait(b->burst[k], max / SLACK_DIVISOR, l->max));
    }
    return wait;
}

int64_t throttle_buckets_wait(ThrottleBuckets *b, const IoLimits *l, bool write,
                              int64_t now)
{
    /* Whatever was asked for: it is looked at again then. */
    const double longest = 3600;
    double wait = 0;

    buckets_leak(b, l, now);
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        if (kind_counts(k, write)) {
            wait = MAX(wait, limit_wait(b, &l->kind[k], k));
        }
    }
    /* Rounded up: who waits that long finds the room. */
    return wait > 0 ? (int64_t)(MIN(wait, longest) * NSEC_PER_SEC) + 1 : 0;
}

void throttle_buckets_add(ThrottleBuckets *b, const IoLimits *l, bool write,
                          uint64_t bytes)
{
    double ops = 1;

    if (l->iops_size > 0) {
        ops = MAX((double)bytes / (double)l->iops_size, 1);
    }
    for (unsigned k = 0; k < THROTTLE_KINDS; k++) {
        if (kind_counts(k, write) && l->kind[k].avg > 0) {
            double n = is_bps(k) ? (double)bytes : ops;

            b->level[k] += n;
            b->burst[k] += n;
        }
    }
}
