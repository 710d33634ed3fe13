/*
 * Bitmaps: ranges against a plain array of bools, and the atomic functions
 * from two threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bitmap.h"
#include "util/thread.h"

enum {
    NBITS = 3000, /* not a multiple of a word */
    ROUNDS = 3000,
};

/* A bitmap, and the same as an array that can't be got wrong. */
typedef struct Pair {
    unsigned long *map;
    bool model[NBITS];
} Pair;

/* Dense, or next to empty or full: words are looked at in groups there. */
static void pair_init(Pair *p, bool fill)
{
    int one_of = g_test_rand_bit() ? 3 : 1000;
    bool full = one_of > 3 && g_test_rand_bit();

    memset(p, 0, sizeof(*p));
    p->map = bitmap_new(NBITS);
    for (uint64_t i = 0; fill && i < NBITS; i++) {
        p->model[i] = (g_test_rand_int_range(0, one_of) == 0) != full;
        if (p->model[i]) {
            bitmap_set_bit(p->map, i);
        }
    }
}

static void pair_fini(Pair *p)
{
    bitmap_free(p->map);
}

static void pair_check(const Pair *p)
{
    for (uint64_t i = 0; i < NBITS; i++) {
        if (bitmap_test(p->map, i) != p->model[i] ||
            bitmap_test_atomic(p->map, i) != p->model[i]) {
            g_error("bit %" PRIu64 " is not %d", i, p->model[i]);
        }
    }
}

static void random_range(uint64_t *ret_start, uint64_t *ret_n)
{
    *ret_start = g_test_rand_int_range(0, NBITS + 1);
    *ret_n = g_test_rand_int_range(0, (int)(NBITS - *ret_start) + 1);
    if (g_test_rand_bit()) {
        *ret_n %= 70;
    }
}

static uint64_t model_count(const Pair *p, uint64_t start, uint64_t n)
{
    uint64_t sum = 0;

    for (uint64_t i = start; i < start + n; i++) {
        sum += p->model[i];
    }
    return sum;
}

static void test_words(void)
{
    g_assert_cmpuint(bitmap_words(0), ==, 0);
    g_assert_cmpuint(bitmap_words(1), ==, 1);
    g_assert_cmpuint(bitmap_words(64), ==, 1);
    g_assert_cmpuint(bitmap_words(65), ==, 2);
    g_assert_cmpuint(bitmap_words(UINT64_MAX), ==, UINT64_C(1) << 58);
}

static void test_try_new(void)
{
    unsigned long *map = bitmap_try_new(0);

    g_assert_nonnull(map);
    bitmap_free(map);
    bitmap_free(NULL);
    map = bitmap_try_new(65);
    g_assert_nonnull(map);
    g_assert_cmpuint(bitmap_count(map, 0, 65), ==, 0);
    bitmap_free(map);
}

static void test_set_clear(void)
{
    Pair p;

    pair_init(&p, true);
    for (int round = 0; round < ROUNDS; round++) {
        int op = g_test_rand_int_range(0, 5);
        bool set = op < 2;
        uint64_t start;
        uint64_t n;
        uint64_t had;

        random_range(&start, &n);
        had = model_count(&p, start, n);
        g_assert_cmpuint(bitmap_count(p.map, start, n), ==, had);
        g_assert_cmpint(bitmap_test_any(p.map, start, n), ==, had > 0);
        g_assert_cmpint(bitmap_test_all(p.map, start, n), ==, had == n);
        if (op == 0) {
            bitmap_set(p.map, start, n);
        } else if (op == 1) {
            bitmap_set_atomic(p.map, start, n);
        } else if (op == 2) {
            bitmap_clear(p.map, start, n);
        } else if (op == 3) {
            bitmap_clear_atomic(p.map, start, n);
        } else {
            g_assert_cmpint(bitmap_test_and_clear_range_atomic(p.map, start, n),
                            ==, had > 0);
        }
        for (uint64_t i = start; i < start + n; i++) {
            p.model[i] = set;
        }
        pair_check(&p);
    }
    pair_fini(&p);
}

static void test_bits(void)
{
    Pair p;

    pair_init(&p, true);
    for (uint64_t i = 0; i < NBITS; i++) {
        g_assert_cmpint(bitmap_test_and_set_atomic(p.map, i), ==, p.model[i]);
        g_assert_true(bitmap_test_and_clear_atomic(p.map, i));
        g_assert_false(bitmap_test_and_clear_atomic(p.map, i));
        g_assert_false(bitmap_test_and_set_atomic(p.map, i));
        bitmap_clear_bit(p.map, i);
        p.model[i] = false;
        if (i % 3 == 0) {
            bitmap_set_bit(p.map, i);
            p.model[i] = true;
        }
    }
    pair_check(&p);
    g_assert_cmphex(bitmap_xchg_word(p.map, 1, 5), ==, 0x4924924924924924);
    g_assert_cmphex(p.map[1], ==, 5);
    pair_fini(&p);
}

static uint64_t model_find(const Pair *p, uint64_t nbits, uint64_t from,
                           bool want)
{
    for (uint64_t i = from; i < nbits; i++) {
        if (p->model[i] == want) {
            return i;
        }
    }
    return nbits;
}

static uint64_t model_find_last(const Pair *p, uint64_t end)
{
    while (end > 0) {
        if (p->model[--end]) {
            return end;
        }
    }
    return UINT64_MAX;
}

static void test_find(void)
{
    for (int density = 0; density < 4; density++) {
        Pair p;

        pair_init(&p, density == 1);
        if (density == 2) {
            bitmap_set(p.map, 0, NBITS);
            memset(p.model, true, sizeof(p.model));
        } else if (density == 3) {
            bitmap_set_bit(p.map, NBITS - 1);
            p.model[NBITS - 1] = true;
        }
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t nbits = g_test_rand_int_range(0, NBITS + 1);
            uint64_t from = g_test_rand_int_range(0, NBITS + 1);

            if (from >= nbits) {
                g_assert_cmpuint(bitmap_find_next(p.map, nbits, from), ==,
                                 nbits);
                continue;
            }
            g_assert_cmpuint(bitmap_find_next(p.map, nbits, from), ==,
                             model_find(&p, nbits, from, true));
            g_assert_cmpuint(bitmap_find_next_zero(p.map, nbits, from), ==,
                             model_find(&p, nbits, from, false));
            g_assert_cmpuint(bitmap_find_last(p.map, nbits), ==,
                             model_find_last(&p, nbits));
        }
        g_assert_cmpuint(bitmap_find_last(p.map, 0), ==, UINT64_MAX);
        pair_fini(&p);
    }
}

static void test_copy_or_equal(void)
{
    for (int round = 0; round < 200; round++) {
        uint64_t n = g_test_rand_int_range(0, NBITS + 1);
        uint64_t flip;
        Pair a;
        Pair b;

        pair_init(&a, true);
        pair_init(&b, true);
        if (round % 2) {
            bitmap_copy(b.map, a.map, n);
            memcpy(b.model, a.model, n);
            g_assert_true(bitmap_equal(a.map, b.map, n));
        } else {
            bitmap_or(b.map, a.map, n);
            for (uint64_t i = 0; i < n; i++) {
                b.model[i] |= a.model[i];
            }
        }
        pair_check(&b);
        bitmap_copy(b.map, a.map, NBITS);
        flip = g_test_rand_int_range(0, NBITS);
        b.map[flip / 64] ^= 1UL << (flip % 64);
        g_assert_cmpint(bitmap_equal(a.map, b.map, n), ==, flip >= n);
        pair_fini(&a);
        pair_fini(&b);
    }
}

static void test_merge(void)
{
    for (int round = 0; round < 500; round++) {
        uint64_t start;
        uint64_t n;
        uint64_t fresh = 0;
        Pair src;
        Pair dst;

        pair_init(&src, true);
        pair_init(&dst, true);
        random_range(&start, &n);
        for (uint64_t i = 0; i < n; i++) {
            fresh += src.model[i] && !dst.model[start + i];
            dst.model[start + i] |= src.model[i];
        }
        g_assert_cmpuint(bitmap_merge_atomic(dst.map, start, src.map, n), ==,
                         fresh);
        pair_check(&dst);
        pair_check(&src);
        pair_fini(&src);
        pair_fini(&dst);
    }
}

static void test_count_andnot(void)
{
    for (int round = 0; round < 500; round++) {
        uint64_t n = g_test_rand_int_range(0, NBITS + 1);
        uint64_t want = 0;
        Pair map;
        Pair mask;

        pair_init(&map, true);
        pair_init(&mask, true);
        for (uint64_t i = 0; i < n; i++) {
            want += map.model[i] && !mask.model[i];
        }
        g_assert_cmpuint(bitmap_count_andnot(map.map, mask.map, n), ==, want);
        pair_fini(&map);
        pair_fini(&mask);
    }
}

static void test_move(void)
{
    for (int round = 0; round < 500; round++) {
        uint64_t start;
        uint64_t n;
        uint64_t fresh = 0;
        Pair src;
        Pair dst;

        pair_init(&src, true);
        pair_init(&dst, true);
        random_range(&start, &n);
        for (uint64_t i = start; i < start + n; i++) {
            fresh += src.model[i] && !dst.model[i];
            dst.model[i] |= src.model[i];
            src.model[i] = false;
        }
        g_assert_cmpuint(bitmap_move_atomic(dst.map, src.map, start, n), ==,
                         fresh);
        pair_check(&dst);
        pair_check(&src);
        pair_fini(&src);
        pair_fini(&dst);
    }
}

/*
 * One thread sets each bit of a shared map once; another takes bits out until
 * it has them all. A bit lost or seen twice shows in the sum.
 */
enum { SHARED_BITS = 64 * 1024 };

static void *set_all(void *opaque)
{
    unsigned long *map = opaque;

    for (uint64_t i = 0; i < SHARED_BITS;) {
        uint64_t n = MIN(1 + i % 150, SHARED_BITS - i);

        if (n == 1) {
            g_assert_false(bitmap_test_and_set_atomic(map, i));
        } else {
            bitmap_set_atomic(map, i, n);
        }
        i += n;
    }
    return NULL;
}

static void test_two_threads(void)
{
    g_autoptr(GError) err = NULL;
    unsigned long *map = bitmap_new(SHARED_BITS);
    unsigned long *mine = bitmap_new(SHARED_BITS);
    uint64_t taken = 0;
    Thread t;

    g_assert_true(thread_create(&t, "setter", set_all, map, &err));
    g_assert_no_error(err);
    for (unsigned turn = 0; taken < SHARED_BITS; turn++) {
        uint64_t first = bitmap_find_next(map, SHARED_BITS, 0);

        if (turn % 3 == 0) {
            taken += bitmap_move_atomic(mine, map, 0, SHARED_BITS);
        } else if (first < SHARED_BITS && turn % 3 == 1) {
            g_assert_true(bitmap_test_and_clear_atomic(map, first));
            bitmap_set_bit(mine, first);
            taken++;
        } else if (first < SHARED_BITS) {
            unsigned long w = bitmap_xchg_word(map, first / 64, 0);

            taken += bitmap_merge_atomic(mine, first / 64 * 64, &w, 64);
        }
    }
    thread_join(&t);
    g_assert_true(bitmap_test_all(mine, 0, SHARED_BITS));
    g_assert_false(bitmap_test_any(map, 0, SHARED_BITS));
    bitmap_free(map);
    bitmap_free(mine);
}

/* Two threads set neighbouring bits of the same words: none may be lost. */
static void *set_odd(void *opaque)
{
    for (uint64_t i = 1; i < SHARED_BITS; i += 2) {
        bitmap_set_atomic(opaque, i, 1);
    }
    return NULL;
}

static void test_same_words(void)
{
    g_autoptr(GError) err = NULL;
    unsigned long *map = bitmap_new(SHARED_BITS);
    Thread t;

    g_assert_true(thread_create(&t, "setter", set_odd, map, &err));
    for (uint64_t i = 0; i < SHARED_BITS; i += 2) {
        bitmap_test_and_set_atomic(map, i);
    }
    thread_join(&t);
    g_assert_true(bitmap_test_all(map, 0, SHARED_BITS));
    bitmap_free(map);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bitmap/words", test_words);
    g_test_add_func("/bitmap/try-new", test_try_new);
    g_test_add_func("/bitmap/set-clear", test_set_clear);
    g_test_add_func("/bitmap/bits", test_bits);
    g_test_add_func("/bitmap/find", test_find);
    g_test_add_func("/bitmap/copy-or-equal", test_copy_or_equal);
    g_test_add_func("/bitmap/merge", test_merge);
    g_test_add_func("/bitmap/count-andnot", test_count_andnot);
    g_test_add_func("/bitmap/move", test_move);
    g_test_add_func("/bitmap/two-threads", test_two_threads);
    g_test_add_func("/bitmap/same-words", test_same_words);
    return g_test_run();
}
