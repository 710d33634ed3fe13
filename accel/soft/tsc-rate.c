/*
 * The rate of the host's TSC.
 *
 * Intel SDM volume 3, 17.17.1: CPUID leaf 0x80000007, EDX bit 8, says that it
 * has one rate in all states of the processor.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/tsc-rate.h"

#include <cpuid.h>
#include <time.h>
#include <x86intrin.h>

enum {
    TRIES = 16,
    BASE_NS = 5 * 1000 * 1000, /* a reading is true to about 50 ns */
    DEFAULT_KHZ = 1000 * 1000,
};

static int64_t monotonic_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* Of several readings the one that took the shortest time. */
TscSample tsc_rate_begin(void)
{
    TscSample best = { 0 };
    uint64_t width = UINT64_MAX;

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t before = __rdtsc();
        int64_t ns = monotonic_ns();
        uint64_t after = __rdtsc();

        if (after - before < width) {
            width = after - before;
            best = (TscSample){ .tsc = before + width / 2, .ns = ns };
        }
    }
    return best;
}

static bool tsc_is_even(void)
{
    unsigned a;
    unsigned b;
    unsigned c;
    unsigned d = 0;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
}

static void wait_until(int64_t ns)
{
    struct timespec ts = { .tv_sec = ns / 1000000000,
                           .tv_nsec = ns % 1000000000 };

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) ==
           EINTR) {
    }
}

int64_t tsc_rate_khz(const TscSample *begin)
{
    TscSample now;
    int64_t ns;
    int64_t khz;

    if (!tsc_is_even()) {
        return DEFAULT_KHZ;
    }
    wait_until(begin->ns + BASE_NS);
    now = tsc_rate_begin();
    ns = now.ns - begin->ns;
    khz = ((__int128)(now.tsc - begin->tsc) * 1000000 + ns / 2) / ns;
    return khz > 0 && khz <= INT32_MAX ? khz : DEFAULT_KHZ;
}
