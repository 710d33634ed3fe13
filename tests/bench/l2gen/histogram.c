/*
 * Distribution of times, and the longest of a series of pauses.
 *
 * A value's bucket is its highest bit and the five bits behind it, so that
 * times from nanoseconds to hours have the same relative precision.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/histogram.h"

enum { SUB = 1 << HISTOGRAM_SUB_BITS };

static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < SUB) {
        return value;
    }
    shift = 63 - __builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((shift + 1) << HISTOGRAM_SUB_BITS) + (value >> shift) - SUB;
}

/* The greatest value of a bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned shift;

    if (bucket < SUB) {
        return bucket;
    }
    shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    return (((uint64_t)(bucket & (SUB - 1)) + SUB + 1) << shift) - 1;
}

void histogram_add(Histogram *h, uint64_t value)
{
    if (!h->count || value < h->min) {
        h->min = value;
    }
    h->max = MAX(h->max, value);
    h->sum += value;
    h->count++;
    h->buckets[bucket_of(value)]++;
}

uint64_t histogram_permille(const Histogram *h, unsigned permille)
{
    /* Not count * permille: that could overflow. */
    uint64_t want =
        h->count / 1000 * permille + (h->count % 1000 * permille + 999) / 1000;
    uint64_t seen = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen && seen >= want) {
            return MIN(bucket_end(i), h->max);
        }
    }
    return 0;
}

void gaps_add(Gaps *gaps, uint64_t start, uint64_t length)
{
    unsigned i = gaps->count;

    if (i == GAPS_KEPT) {
        if (length <= gaps->longest[i - 1].length) {
            return;
        }
        i--;
    } else {
        gaps->count++;
    }
    for (; i && gaps->longest[i - 1].length < length; i--) {
        gaps->longest[i] = gaps->longest[i - 1];
    }
    gaps->longest[i] = (Gap){ start, length };
}
