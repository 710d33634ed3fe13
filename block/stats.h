/*
 * What a back end has done for its device: query-blockstats.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_STATS_H
#define BLOCK_STATS_H

#include "util/base.h"

struct BlockBackend;

typedef enum BlockStatsKind {
    BLOCK_STATS_READ,
    BLOCK_STATS_WRITE, /* zeroes included */
    BLOCK_STATS_FLUSH,
    BLOCK_STATS_DISCARD,
    BLOCK_STATS_KINDS,
} BlockStatsKind;

/* Of requests that have ended; main thread. */
typedef struct BlockStats {
    struct {
        uint64_t bytes, ops; /* of those that succeeded */
        uint64_t nfailed;    /* ended with an error of the host */
        uint64_t ninvalid;   /* beyond the medium, or not allowed */
        uint64_t total_ns;   /* from the start to the end, all added up */
    } kind[BLOCK_STATS_KINDS];
    uint64_t wr_highest_offset; /* bytes; end of the highest write */
    int64_t last_ns;            /* clock_monotonic_ns() of the last end, or 0 */
} BlockStats;

void block_get_stats(const struct BlockBackend *b, BlockStats *ret);

#endif
