/*
 * What a guest's clocks do while it moves: 'linux-load clock SECONDS'.
 *
 * Every millisecond, on one CPU after the other: CLOCK_MONOTONIC, the TSC and
 * the ACPI PM timer, which is the machine's own and goes on with its virtual
 * clock whatever the CPU believes.  Four times a second a line
 *
 *   clock mono=NS pm=TICKS real=NS back=N tscback=N
 *
 * with the PM timer's ticks (3579545 Hz) since the start, and how often the
 * two clocks have gone back so far.  A program that gives its guest the host's
 * own TSC also gives it the distance between that of two host CPUs: SKEW.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "linux/linux-load.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

enum {
    PM_TIMER = 0x608,   /* where the machine pc has it */
    PM_MASK = 0xffffff, /* it has 24 bits */
    SKEW = 20000,       /* ticks */
    STEP_NS = 1000 * 1000,
    LINE_NS = 250 * 1000 * 1000,
};

static int64_t now_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static void use_cpu(unsigned n)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(n, &set);
    sched_setaffinity(0, sizeof(set), &set);
}

typedef struct ClockState {
    int64_t mono;
    uint64_t tsc, pm;
    uint32_t pm_last;
    unsigned back, tscback;
} ClockState;

static void look(ClockState *c)
{
    int64_t mono = now_ns(CLOCK_MONOTONIC);
    uint64_t tsc = __rdtsc();
    uint32_t pm = inl(PM_TIMER) & PM_MASK;

    c->back += mono < c->mono;
    c->tscback += tsc + SKEW < c->tsc;
    c->pm += (pm - c->pm_last) & PM_MASK;
    c->mono = mono;
    c->tsc = tsc;
    c->pm_last = pm;
}

int clock_watch(const char *seconds)
{
    long ncpus = sysconf(_SC_NPROCESSORS_ONLN);
    int64_t left = strtoll(seconds, NULL, 10) * (1000000000 / LINE_NS);
    const struct timespec step = { .tv_nsec = STEP_NS };
    ClockState c = { 0 };
    int64_t line;

    if (left <= 0 || ioperm(PM_TIMER, 4, 1) != 0) {
        say("linux-load: clock: bad time or no ports\n");
        return 1;
    }
    c.pm_last = inl(PM_TIMER) & PM_MASK;
    look(&c);
    line = c.mono;
    for (unsigned n = 0; left > 0; n++) {
        use_cpu(n % (unsigned)ncpus);
        look(&c);
        if (c.mono - line >= LINE_NS) {
            line = c.mono;
            left--;
            say("clock mono=%" PRId64 " pm=%" PRIu64 " real=%" PRId64
                " back=%u tscback=%u\n",
                c.mono, c.pm, now_ns(CLOCK_REALTIME), c.back, c.tscback);
        }
        nanosleep(&step, NULL);
    }
    return 0;
}
