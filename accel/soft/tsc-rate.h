/*
 * The rate of the host's TSC, which guests of the software CPU get: a guest
 * that comes from QEMU's tcg has had it, and finds its clock going on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_TSC_RATE_H
#define ACCEL_SOFT_TSC_RATE_H

#include <stdint.h>

/* The TSC and CLOCK_MONOTONIC at one moment. */
typedef struct TscSample {
    uint64_t tsc;
    int64_t ns;
} TscSample;

TscSample tsc_rate_begin(void);
/*
 * kHz, of what has passed since; waits until that is enough for 20 ppm, some
 * milliseconds.  1 GHz if the host's TSC does not go on evenly.
 */
int64_t tsc_rate_khz(const TscSample *begin);

#endif
