/*
 * Distribution of times, and the longest of a series of pauses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef L2GEN_HISTOGRAM_H
#define L2GEN_HISTOGRAM_H

#include "util/base.h"

enum {
    HISTOGRAM_SUB_BITS = 5, /* 32 steps per power of two: 3 % */
    HISTOGRAM_BUCKETS = (65 - HISTOGRAM_SUB_BITS) << HISTOGRAM_SUB_BITS,
    GAPS_KEPT = 8,
};

/* Counts of values; any unit. All zero is an empty one. */
typedef struct Histogram {
    uint64_t count, sum, min, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
} Histogram;

void histogram_add(Histogram *h, uint64_t value);

/*
 * The value that `permille` thousandths (0..1000) of all values do not
 * exceed, at most 1/32 too large; 0 if there are none.
 */
uint64_t histogram_permille(const Histogram *h, unsigned permille);

typedef struct Gap {
    uint64_t start, length; /* ticks */
} Gap;

/* The longest gaps seen, longest first. All zero is an empty one. */
typedef struct Gaps {
    unsigned count;
    Gap longest[GAPS_KEPT];
} Gaps;

void gaps_add(Gaps *gaps, uint64_t start, uint64_t length);

#endif
