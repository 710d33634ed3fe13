/*
 * The bandwidth limit: no slice of time carries more than it allows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/converge.h"
#include "migration/pace.h"
#include "system/clock.h"

#define SLICE_NS (10 * NS_PER_MS)

void pace_start(Pace *p, int64_t now_ns, uint64_t bytes)
{
    p->slice_ns = now_ns;
    p->slice_bytes = bytes;
}

int64_t pace_due(const Pace *p, uint64_t bytes, uint64_t bytes_per_s)
{
    if (bytes_per_s == 0) {
        return 0;
    }
    return p->slice_ns +
           converge_transfer_ns(bytes - MIN(bytes, p->slice_bytes),
                                bytes_per_s);
}

void pace_advance(Pace *p, int64_t now_ns, uint64_t bytes)
{
    if (now_ns - p->slice_ns >= SLICE_NS) {
        pace_start(p, now_ns, bytes);
    }
}
