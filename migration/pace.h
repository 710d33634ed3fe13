/*
 * The bandwidth limit: no slice of time carries more than it allows.
 *
 * Pure functions of numbers; times are of CLOCK_MONOTONIC, in ns.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PACE_H
#define MIGRATION_PACE_H

#include "util/base.h"

typedef struct Pace {
    int64_t slice_ns;     /* when the present slice began */
    uint64_t slice_bytes; /* the stream's length then */
} Pace;

/* A new slice begins, with `bytes` in the stream so far. */
void pace_start(Pace *p, int64_t now_ns, uint64_t bytes);
/* When more than `bytes` may be sent; 0 (at once) without a limit. */
int64_t pace_due(const Pace *p, uint64_t bytes, uint64_t bytes_per_s);
/* It is now_ns and the wait, if any, is over: begins a slice if one has
 * ended. */
void pace_advance(Pace *p, int64_t now_ns, uint64_t bytes);

#endif
