/*
 * Limits of I/O, and the buckets that keep them.
 *
 * What was asked for flows into a bucket of its kind and leaks out of it as
 * fast as is allowed; a request may begin when the bucket isn't full.  One that
 * is larger than the room left overfills it, and those behind it wait longer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_THROTTLE_LIMITS_H
#define BLOCK_THROTTLE_LIMITS_H

#include "util/base.h"

/* The largest rate, and the largest burst as a whole. */
#define THROTTLE_MAX INT64_C(1000000000000000)

typedef enum ThrottleKind {
    THROTTLE_BPS_TOTAL,
    THROTTLE_BPS_READ,
    THROTTLE_BPS_WRITE,
    THROTTLE_IOPS_TOTAL,
    THROTTLE_IOPS_READ,
    THROTTLE_IOPS_WRITE,
    THROTTLE_KINDS,
} ThrottleKind;

/* Users' numbers: any values, until io_limits_check() has passed. */
typedef struct IoLimit {
    int64_t avg;    /* bytes or requests per second; 0: no limit */
    int64_t max;    /* the same in a burst; 0: no bursts */
    int64_t length; /* of a burst, seconds */
} IoLimit;

typedef struct IoLimits {
    IoLimit kind[THROTTLE_KINDS];
    int64_t iops_size; /* bytes that count as one request; 0: any number */
} IoLimits;

#define IO_NO_LIMITS                                             \
    {                                                            \
        .kind = { [0 ... THROTTLE_KINDS - 1] = { .length = 1 } } \
    }

/* Times are clock_monotonic_ns(). */
typedef struct ThrottleBuckets {
    double level[THROTTLE_KINDS]; /* against .avg */
    double burst[THROTTLE_KINDS]; /* against .max, where length > 1 */
    int64_t leaked_ns;            /* up to then */
} ThrottleBuckets;

/* Is anything limited? */
bool io_limits_any(const IoLimits *l);
/* False with errp if it contradicts itself or is out of range. */
bool io_limits_check(const IoLimits *l, GError **errp);
/* How long from now until a request of that direction may begin; ns. */
int64_t throttle_buckets_wait(ThrottleBuckets *b, const IoLimits *l, bool write,
                              int64_t now);
/* It begins. */
void throttle_buckets_add(ThrottleBuckets *b, const IoLimits *l, bool write,
                          uint64_t bytes);

#endif
