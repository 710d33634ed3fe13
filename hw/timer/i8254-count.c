/*
 * 8254: what a channel does as time goes by.
 *
 * Behaviour: Intel 8254 data sheet (231164-005), "Mode Definitions".
 *
 * A channel is a count and the time when it was loaded; everything else
 * follows from the time that is asked for.  The two modes that wait for a
 * trigger (1 and 5) stand at the end of their count until it comes.  A low
 * gate does not pause modes 0 and 4.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/timer/i8254-priv.h"

static unsigned bcd_to_bin(unsigned v)
{
    return (v & 0xf) + (v >> 4 & 0xf) * 10 + (v >> 8 & 0xf) * 100 +
           (v >> 12 & 0xf) * 1000 + (v >> 16) * 10000;
}

unsigned pit_length(const PitChannel *c)
{
    unsigned raw = c->s.count;

    return c->s.bcd ? bcd_to_bin(raw) : raw;
}

uint64_t pit_ticks(const PitChannel *c, int64_t now_ns)
{
    unsigned __int128 d;

    if (now_ns <= c->s.count_load_ns) {
        return 0;
    }
    d = (uint64_t)now_ns - (uint64_t)c->s.count_load_ns;
    return (uint64_t)(d * PIT_HZ / NS_PER_S);
}

/* Rounded up, so that pit_ticks() of the result is `ticks` or more. */
int64_t pit_time_of(const PitChannel *c, uint64_t ticks)
{
    __int128 t =
        ((__int128)ticks * NS_PER_S + PIT_HZ - 1) / PIT_HZ + c->s.count_load_ns;

    return t > INT64_MAX ? INT64_MAX : (int64_t)t;
}

/* Modes 6 and 7 are 2 and 3. */
static unsigned pit_mode(const PitChannel *c)
{
    return c->s.mode & 2 ? c->s.mode & 3 : c->s.mode;
}

bool pit_out(const PitChannel *c, int64_t now_ns)
{
    uint64_t d = pit_ticks(c, now_ns);
    uint64_t n = pit_length(c);

    switch (pit_mode(c)) {
    case 0: /* high from the terminal count on */
    case 1: /* one-shot: low while it counts */
        return d >= n;
    case 2: /* low for the last pulse of each round */
        return !c->s.gate || d % n != n - 1;
    case 3: /* square wave; high for the longer half if odd */
        return !c->s.gate || d % n < (n + 1) / 2;
    default: /* 4, 5: low for one pulse after the last */
        return d != n;
    }
}

int64_t pit_next_change(const PitChannel *c, int64_t now_ns)
{
    uint64_t d = pit_ticks(c, now_ns);
    uint64_t n = pit_length(c);
    uint64_t base = d / n * n;
    uint64_t next;

    switch (pit_mode(c)) {
    case 0:
    case 1:
        next = d < n ? n : 0;
        break;
    case 2:
        next = d - base < n - 1 ? base + n - 1 : base + n;
        break;
    case 3:
        next = d - base < (n + 1) / 2 ? base + (n + 1) / 2 : base + n;
        break;
    default:
        next = d < n ? n : d == n ? n + 1 : 0;
        break;
    }
    return next > 0 ? pit_time_of(c, next) : -1;
}
