/*
 * When to stop the guest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/converge.h"

#define MS INT64_C(1000000)
#define GB UINT64_C(1000000000)

static void test_transfer(void)
{
    g_assert_cmpint(converge_transfer_ns(0, 0), ==, 0);
    g_assert_cmpint(converge_transfer_ns(1, 0), ==, INT64_MAX / 4);
    g_assert_cmpint(converge_transfer_ns(GB, GB), ==, 1000 * MS);
    g_assert_cmpint(converge_transfer_ns(UINT64_MAX, 1), ==, INT64_MAX / 4);
    /* Up to that bound it is exact. */
    g_assert_cmpint(converge_transfer_ns(2150000000, 1), ==,
                    INT64_C(2150000000000000000));
}

static void test_fixed_hinders(void)
{
    ConvergeInput in = { .bytes_per_s = GB, .limit_ns = 300 * MS };

    in.pending_bytes = GB / 10;
    g_assert_false(converge_fixed_hinders(&in));
    in.fixed_ns = 200 * MS;
    g_assert_false(converge_fixed_hinders(&in));
    in.fixed_ns++;
    g_assert_true(converge_fixed_hinders(&in));
    in.pending_bytes = 0;
    g_assert_false(converge_fixed_hinders(&in));
    in.fixed_ns = INT64_MAX;
    g_assert_true(converge_fixed_hinders(&in));
    /* RAM alone takes all that there is. */
    in.pending_bytes = 3 * (GB / 10);
    in.fixed_ns = 1;
    g_assert_true(converge_fixed_hinders(&in));
    in.fixed_ns = 0;
    g_assert_false(converge_fixed_hinders(&in));
    in.fixed_ns = INT64_MAX;
    /* RAM alone is too much, or nothing is known of it. */
    in.pending_bytes = GB;
    g_assert_false(converge_fixed_hinders(&in));
    in.pending_bytes = 1;
    in.bytes_per_s = 0;
    g_assert_false(converge_fixed_hinders(&in));
}

static const struct {
    ConvergeInput in;
    ConvergeAction want;
} decide_cases[] = {
    /* Nothing was sent yet and much is dirty. */
    { { .pending_bytes = GB, .limit_ns = 300 * MS }, CONVERGE_ITERATE },
    /* Nothing left. */
    { { .pending_bytes = 0, .limit_ns = 0 }, CONVERGE_SWITCH },
    /* Far above the limit, however often it was tried. */
    { { .pending_bytes = GB,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS,
        .settled = 100 },
      CONVERGE_ITERATE },
    /* Below the limit, but still halving: one more pass is cheaper. */
    { { .pending_bytes = GB / 100,
        .last_pending_bytes = GB / 50,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS },
      CONVERGE_ITERATE },
    /* Below the limit and not shrinking any more. */
    { { .pending_bytes = GB / 100,
        .last_pending_bytes = GB / 100,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS },
      CONVERGE_SWITCH },
    /* Below the limit and shrinking, but tried often enough. */
    { { .pending_bytes = GB / 100,
        .last_pending_bytes = GB / 50,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS,
        .settled = 8 },
      CONVERGE_SWITCH },
    /* A fifth less, or a byte less than that. */
    { { .pending_bytes = 80 * 1000 * 1000,
        .last_pending_bytes = 100 * 1000 * 1000,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS },
      CONVERGE_SWITCH },
    { { .pending_bytes = 80 * 1000 * 1000 - 1,
        .last_pending_bytes = 100 * 1000 * 1000,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS },
      CONVERGE_ITERATE },
    /* Just at the limit, and just above it. */
    { { .pending_bytes = GB / 100,
        .last_pending_bytes = GB / 100,
        .bytes_per_s = GB,
        .limit_ns = 12 * MS,
        .fixed_ns = 2 * MS },
      CONVERGE_SWITCH },
    { { .pending_bytes = GB / 100,
        .last_pending_bytes = GB / 100,
        .bytes_per_s = GB,
        .limit_ns = 12 * MS - 1,
        .fixed_ns = 2 * MS },
      CONVERGE_ITERATE },
    /* Not yet tried often enough. */
    { { .pending_bytes = GB / 100,
        .last_pending_bytes = GB / 50,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS,
        .settled = 7 },
      CONVERGE_ITERATE },
    /* A tenth of a millisecond isn't worth a pass, more may be. */
    { { .pending_bytes = GB / 10000,
        .last_pending_bytes = GB,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS },
      CONVERGE_SWITCH },
    { { .pending_bytes = GB / 10000 + 1,
        .last_pending_bytes = GB,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS },
      CONVERGE_ITERATE },
    /* So little that a pass costs more. */
    { { .pending_bytes = 40960,
        .last_pending_bytes = GB,
        .bytes_per_s = GB,
        .limit_ns = 300 * MS },
      CONVERGE_SWITCH },
    /* The fixed part alone is too long: passes can't mend that. */
    { { .pending_bytes = 40960,
        .last_pending_bytes = GB,
        .bytes_per_s = GB,
        .limit_ns = 1 * MS,
        .fixed_ns = 2 * MS },
      CONVERGE_SWITCH },
    /* The fixed part counts. */
    { { .pending_bytes = GB / 100,
        .last_pending_bytes = GB / 100,
        .bytes_per_s = GB,
        .limit_ns = 11 * MS,
        .fixed_ns = 2 * MS },
      CONVERGE_ITERATE },
};

static void test_decide(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(decide_cases); i++) {
        g_test_message("case %zu", i);
        g_assert_cmpint(converge_decide(&decide_cases[i].in), ==,
                        decide_cases[i].want);
    }
}

/* A guest that dirties at a fixed rate: the rest must settle, not creep. */
static void test_settles(void)
{
    const uint64_t bw = 2 * GB, dirty = 200 * 1000 * 1000;
    ConvergeInput in = { .pending_bytes = GB,
                         .bytes_per_s = bw,
                         .limit_ns = 10 * MS,
                         .fixed_ns = MS / 2 };
    unsigned passes = 0;

    while (converge_decide(&in) == CONVERGE_ITERATE) {
        int64_t ns = converge_transfer_ns(in.pending_bytes, bw) + MS / 5;

        g_assert_cmpuint(++passes, <, 20);
        if (converge_transfer_ns(in.pending_bytes, bw) + in.fixed_ns <=
            in.limit_ns) {
            in.settled++;
        }
        in.last_pending_bytes = in.pending_bytes;
        in.pending_bytes = (double)dirty * ns / 1e9;
    }
    g_assert_cmpint(converge_transfer_ns(in.pending_bytes, bw), <, MS);
}

/* What was written while the guest stopped undoes nothing by itself. */
static void test_fits(void)
{
    ConvergeInput in = { .pending_bytes = 400 * 1000,
                         .bytes_per_s = GB,
                         .limit_ns = 10 * MS,
                         .fixed_ns = 20 * MS };

    g_assert_true(converge_fits(&in));
    in.pending_bytes = 500 * 1000;
    g_assert_true(converge_fits(&in));
    in.pending_bytes++;
    g_assert_false(converge_fits(&in));
    in.pending_bytes = 2 * 1000 * 1000;
    g_assert_false(converge_fits(&in));
    in.fixed_ns = 7 * MS;
    g_assert_true(converge_fits(&in));
    in.pending_bytes = 3 * 1000 * 1000;
    g_assert_true(converge_fits(&in)); /* just */
    in.pending_bytes++;
    g_assert_false(converge_fits(&in));
    in.pending_bytes = 4 * 1000 * 1000;
    g_assert_false(converge_fits(&in));
}

static void test_fixed(void)
{
    int64_t fixed = MS;

    for (unsigned i = 0; i < 50; i++) {
        int64_t next = converge_fixed(fixed, 10 * MS);

        g_assert_cmpint(next, >=, fixed);
        g_assert_cmpint(next, <=, 10 * MS);
        fixed = next;
    }
    g_assert_cmpint(fixed, >, 9 * MS);
    g_assert_cmpint(converge_fixed(2 * MS, 10 * MS), ==, 6 * MS);
    g_assert_cmpint(converge_fixed(20 * MS, 10 * MS), ==, 20 * MS);
}

static void test_backoff(void)
{
    g_assert_cmpint(converge_backoff(1, MS), ==, 4 * MS);
    g_assert_cmpint(converge_backoff(0, MS), ==, 4 * MS);
    g_assert_cmpint(converge_backoff(2, MS), ==, 8 * MS);
    g_assert_cmpint(converge_backoff(3, MS), ==, 16 * MS);
    g_assert_cmpint(converge_backoff(11, 1), ==, 4096);
    g_assert_cmpint(converge_backoff(UINT_MAX, 1), ==, 4096);
    g_assert_cmpint(converge_backoff(UINT_MAX, MS), ==, 1000 * MS);
    g_assert_cmpint(converge_backoff(UINT_MAX, INT64_MAX), ==, 1000 * MS);
    g_assert_cmpint(converge_backoff(1, 0), ==, 0);
}

static void test_sync(void)
{
    g_assert_cmpint(converge_sync_ns(0, 5 * MS), ==, 5 * MS);
    g_assert_cmpint(converge_sync_ns(5 * MS, 3 * MS), ==, 3 * MS);
    g_assert_cmpint(converge_sync_ns(4 * MS, 8 * MS), ==, 5 * MS);
    g_assert_cmpint(converge_sync_ns(4 * MS, 0), ==, 0);
    g_assert_cmpint(converge_sync_ns(MS, INT64_MAX), >, INT64_MAX / 5);
}

static void test_bandwidth(void)
{
    g_assert_cmpuint(converge_bandwidth(5, 100, 1000), ==, 5); /* too short */
    g_assert_cmpuint(converge_bandwidth(0, GB, 1000 * MS), ==, GB);
    g_assert_cmpuint(converge_bandwidth(2 * GB, GB, 1000 * MS), ==,
                     (2 * GB * 3 + GB) / 4);
    g_assert_cmpuint(converge_bandwidth(7, GB, 0), ==, 7);
    g_assert_cmpuint(converge_bandwidth(7, GB, 1), ==, GB * GB);
    g_assert_cmpuint(converge_bandwidth(5, 65535, 1000 * MS), ==, 5);
    g_assert_cmpuint(converge_bandwidth(5, 65536, 1000 * MS), ==, 65536);
}

static const ThrottleParams throttle = {
    .threshold = 50, .initial = 20, .increment = 10, .max = 99
};

/* One stretch more, of so many bytes; returns the percentage after it. */
static unsigned stretch(ThrottleState *t, const ThrottleParams *p,
                        uint64_t sent, uint64_t dirtied)
{
    return converge_throttle(t, p, t->since_ns + 20000 * MS, sent, dirtied);
}

static ThrottleState throttle_began(void)
{
    ThrottleState t = { 0 };

    /* The first sync only starts the clock. */
    g_assert_cmpuint(converge_throttle(&t, &throttle, MS, 1, GB), ==, 0);
    return t;
}

/* Two stretches above the threshold for each step, in a row. */
static void test_throttle_steps(void)
{
    ThrottleState t = throttle_began();
    static const unsigned want[] = { 0, 20, 20, 30, 30, 40, 40, 50 };

    for (size_t i = 0; i < G_N_ELEMENTS(want); i++) {
        g_assert_cmpuint(stretch(&t, &throttle, 100, 51), ==, want[i]);
    }
    g_assert_cmpuint(stretch(&t, &throttle, 100, 51), ==, 50);
    /* No more than half: what was before doesn't count any more. */
    g_assert_cmpuint(stretch(&t, &throttle, 100, 50), ==, 50);
    g_assert_cmpuint(stretch(&t, &throttle, 100, 51), ==, 50);
    g_assert_cmpuint(stretch(&t, &throttle, 100, 51), ==, 60);
    for (unsigned i = 0; i < 20; i++) {
        stretch(&t, &throttle, 0, 1);
    }
    g_assert_cmpuint(t.percent, ==, 99);
}

static void test_throttle_bounds(void)
{
    ThrottleParams p = throttle;
    ThrottleState t = throttle_began();

    /* The largest is less than the first step. */
    p.max = 5;
    stretch(&t, &p, 0, 1);
    g_assert_cmpuint(stretch(&t, &p, 0, 1), ==, 5);
    /* It was set lower while it is slowed: never less than before. */
    p.max = 3;
    stretch(&t, &p, 0, 1);
    g_assert_cmpuint(stretch(&t, &p, 0, 1), ==, 5);
}

/* Short passes are taken together until a step can have shown its effect. */
static void test_throttle_stretch(void)
{
    ThrottleState t = throttle_began();
    int64_t start = t.since_ns;

    for (unsigned i = 1; i < 250; i++) {
        converge_throttle(&t, &throttle, start + i * MS, 1, 10);
    }
    g_assert_cmpuint(t.high, ==, 0);
    g_assert_cmpuint(t.dirtied, ==, 2490);
    converge_throttle(&t, &throttle, start + 250 * MS, 1, 10);
    g_assert_cmpuint(t.high, ==, 1);
    g_assert_cmpuint(t.dirtied, ==, 0);
    /* At 99 % a period is a second, and two have to pass. */
    t.percent = 99;
    start = t.since_ns;
    converge_throttle(&t, &throttle, start + 1999 * MS, 1, 0);
    g_assert_cmpuint(t.high, ==, 1);
    converge_throttle(&t, &throttle, start + 2000 * MS, 0, 0);
    g_assert_cmpuint(t.high, ==, 0);
}

/* With tailslow no more than is needed, and at least one percent. */
static void test_throttle_tailslow(void)
{
    ThrottleParams p = throttle;
    ThrottleState t = throttle_began();

    p.tailslow = true;
    stretch(&t, &p, 100, 51);
    g_assert_cmpuint(stretch(&t, &p, 100, 51), ==, 20);
    /* 80 % of the time wrote 54 of 50: 74 would do. */
    stretch(&t, &p, 100, 54);
    g_assert_cmpuint(stretch(&t, &p, 100, 54), ==, 25);
    stretch(&t, &p, 1000, 501);
    g_assert_cmpuint(stretch(&t, &p, 1000, 501), ==, 26);
    stretch(&t, &p, 1, 100);
    g_assert_cmpuint(stretch(&t, &p, 1, 100), ==, 36);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/converge/transfer", test_transfer);
    g_test_add_func("/converge/fixed-hinders", test_fixed_hinders);
    g_test_add_func("/converge/decide", test_decide);
    g_test_add_func("/converge/settles", test_settles);
    g_test_add_func("/converge/fits", test_fits);
    g_test_add_func("/converge/fixed", test_fixed);
    g_test_add_func("/converge/backoff", test_backoff);
    g_test_add_func("/converge/sync", test_sync);
    g_test_add_func("/converge/bandwidth", test_bandwidth);
    g_test_add_func("/converge/throttle/steps", test_throttle_steps);
    g_test_add_func("/converge/throttle/bounds", test_throttle_bounds);
    g_test_add_func("/converge/throttle/stretch", test_throttle_stretch);
    g_test_add_func("/converge/throttle/tailslow", test_throttle_tailslow);
    return g_test_run();
}
