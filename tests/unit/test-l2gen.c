/*
 * The traffic generator's bookkeeping: frames, numbers, times.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/frame.h"
#include "tests/bench/l2gen/histogram.h"
#include "tests/bench/l2gen/sequence.h"

static void test_frame_whole(void)
{
    uint8_t frame[FRAME_MAX];
    FrameHead head = { .port = 1, .queue = 2, .number = 77, .sent = 12345 };
    FrameHead got;

    for (unsigned size = 60; size <= FRAME_MAX - FRAME_FCS; size++) {
        head.length = size;
        frame_write(frame, &head);
        g_assert_cmphex(frame_type(frame, size), ==, ETHERTYPE_TEST);
        g_assert_true(frame_read(frame, size, &got));
        g_assert_cmpuint(got.port, ==, 1);
        g_assert_cmpuint(got.queue, ==, 2);
        g_assert_cmpuint(got.number, ==, 77);
        g_assert_cmpuint(got.sent, ==, 12345);
    }
}

/* Each byte behind the addresses and the type counts, but not the time. */
static void test_frame_damaged(void)
{
    enum { SIZE = 127, TIME = FRAME_ETHERNET + offsetof(FrameHead, sent) };
    uint8_t frame[SIZE];
    FrameHead got;

    frame_write(frame, &(FrameHead){ .length = SIZE, .number = 3 });
    for (unsigned i = TIME + sizeof(got.sent); i < SIZE; i++) {
        frame[i] ^= 0x10;
        g_assert_false(frame_read(frame, SIZE, &got));
        frame[i] ^= 0x10;
    }
    g_assert_true(frame_read(frame, SIZE, &got));
    g_assert_false(frame_read(frame, SIZE - 1, &got));
    g_assert_false(frame_read(frame, 20, &got));
    frame[FRAME_ETHERNET + offsetof(FrameHead, number)]++;
    g_assert_false(frame_read(frame, SIZE, &got));
    g_assert_cmphex(frame_type(frame, 13), ==, 0);
}

static void test_sequence_order(void)
{
    Sequence s;

    sequence_init(&s, 64);
    g_assert_cmpint(sequence_receive(&s, 0, 5), ==, SEQUENCE_IN_ORDER);
    g_assert_cmpint(sequence_receive(&s, 3, 5), ==, SEQUENCE_IN_ORDER);
    g_assert_cmpint(sequence_receive(&s, 1, 5), ==, SEQUENCE_LATE);
    g_assert_cmpint(sequence_receive(&s, 1, 5), ==, SEQUENCE_DUPLICATE);
    g_assert_cmpint(sequence_receive(&s, 3, 5), ==, SEQUENCE_DUPLICATE);
    g_assert_cmpint(sequence_receive(&s, 5, 5), ==, SEQUENCE_NEVER_SENT);
    g_assert_cmpuint(s.received, ==, 3);
    g_assert_true(sequence_missing(&s, 2, 5));
    g_assert_true(sequence_missing(&s, 4, 5));
    g_assert_false(sequence_missing(&s, 5, 5));
    g_assert_false(sequence_missing(&s, 3, 5));
    sequence_fini(&s);
}

static void test_sequence_missing(void)
{
    Sequence s;
    uint64_t at = 0, count = 0;

    sequence_init(&s, 64);
    for (uint64_t n = 0; n < 20; n++) {
        if (n != 4 && (n < 10 || n > 12)) {
            sequence_receive(&s, n, 25);
        }
    }
    g_assert_true(sequence_next_missing(&s, 25, &at, &count));
    g_assert_cmpuint(at, ==, 4);
    g_assert_cmpuint(count, ==, 1);
    at += count;
    g_assert_true(sequence_next_missing(&s, 25, &at, &count));
    g_assert_cmpuint(at, ==, 10);
    g_assert_cmpuint(count, ==, 3);
    at += count;
    g_assert_true(sequence_next_missing(&s, 25, &at, &count));
    g_assert_cmpuint(at, ==, 20);
    g_assert_cmpuint(count, ==, 5);
    at += count;
    g_assert_false(sequence_next_missing(&s, 25, &at, &count));
    /* A part of it: up to a number in the middle. */
    at = 11;
    g_assert_true(sequence_next_missing(&s, 12, &at, &count));
    g_assert_cmpuint(at, ==, 11);
    g_assert_cmpuint(count, ==, 1);
    sequence_fini(&s);
}

/* The window goes round; what it has left can't come any more. */
static void test_sequence_window(void)
{
    Sequence s;
    uint64_t at = 0, count = 0;

    sequence_init(&s, 64);
    for (uint64_t n = 0; n < 1000; n++) {
        if (n % 100 != 50) {
            g_assert_cmpint(sequence_receive(&s, n, 2000), ==,
                            SEQUENCE_IN_ORDER);
        }
    }
    g_assert_cmpuint(s.received, ==, 990);
    g_assert_cmpint(sequence_receive(&s, 850, 2000), ==, SEQUENCE_DUPLICATE);
    g_assert_cmpint(sequence_receive(&s, 950, 2000), ==, SEQUENCE_LATE);
    g_assert_false(sequence_next_missing(&s, 1000, &at, &count));
    /* A leap over more than the window leaves nothing of the old. */
    g_assert_cmpint(sequence_receive(&s, 1500, 2000), ==, SEQUENCE_IN_ORDER);
    at = 0;
    g_assert_true(sequence_next_missing(&s, 1501, &at, &count));
    g_assert_cmpuint(at, ==, 1501 - 64);
    g_assert_cmpuint(count, ==, 63);
    sequence_fini(&s);
}

static void test_histogram(void)
{
    g_autofree Histogram *h = g_new0(Histogram, 1);

    g_assert_cmpuint(histogram_permille(h, 500), ==, 0);
    for (uint64_t v = 1; v <= 1000; v++) {
        histogram_add(h, v * 1000);
    }
    g_assert_cmpuint(h->count, ==, 1000);
    g_assert_cmpuint(h->min, ==, 1000);
    g_assert_cmpuint(h->max, ==, 1000000);
    g_assert_cmpuint(h->sum, ==, 500500000);
    for (unsigned permille = 1; permille <= 1000; permille++) {
        uint64_t got = histogram_permille(h, permille);

        g_assert_cmpuint(got, >=, permille * 1000);
        g_assert_cmpuint(got, <=, permille * 1000 * 33 / 32);
    }
    histogram_add(h, UINT64_MAX);
    g_assert_cmpuint(histogram_permille(h, 1000), ==, UINT64_MAX);
    histogram_add(h, 0);
    g_assert_cmpuint(h->min, ==, 0);
}

static void test_gaps(void)
{
    Gaps gaps = { 0 };

    for (uint64_t i = 0; i < 100; i++) {
        gaps_add(&gaps, i, i * 37 % 101);
    }
    g_assert_cmpuint(gaps.count, ==, GAPS_KEPT);
    for (unsigned i = 0; i < GAPS_KEPT; i++) {
        g_assert_cmpuint(gaps.longest[i].start * 37 % 101, ==,
                         gaps.longest[i].length);
        g_assert_cmpuint(gaps.longest[i].length, >=, 100 - i - 1);
        g_assert_true(i == 0 ||
                      gaps.longest[i].length < gaps.longest[i - 1].length);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/l2gen/frame/whole", test_frame_whole);
    g_test_add_func("/l2gen/frame/damaged", test_frame_damaged);
    g_test_add_func("/l2gen/sequence/order", test_sequence_order);
    g_test_add_func("/l2gen/sequence/missing", test_sequence_missing);
    g_test_add_func("/l2gen/sequence/window", test_sequence_window);
    g_test_add_func("/l2gen/histogram", test_histogram);
    g_test_add_func("/l2gen/gaps", test_gaps);
    return g_test_run();
}
