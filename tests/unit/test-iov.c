/*
 * Scatter/gather lists against one flat buffer.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/iov.h"

enum { MAX_ENTRIES = 9, MAX_ENTRY = 40, FLAT = MAX_ENTRIES * MAX_ENTRY };

/* A list cut at random from one flat buffer, in order, without gaps. */
typedef struct List {
    struct iovec iov[MAX_ENTRIES];
    unsigned n;
    uint8_t flat[FLAT];
    size_t size;
} List;

static void list_init(List *l)
{
    l->n = g_test_rand_int_range(0, MAX_ENTRIES + 1);
    l->size = 0;
    for (size_t i = 0; i < FLAT; i++) {
        l->flat[i] = (uint8_t)g_test_rand_int();
    }
    for (unsigned i = 0; i < l->n; i++) {
        l->iov[i].iov_base = l->flat + l->size;
        l->iov[i].iov_len = g_test_rand_int_range(0, MAX_ENTRY + 1);
        l->size += l->iov[i].iov_len;
    }
}

/* How much of [off, off + len) lies in a list of that size. */
static size_t clip(size_t size, size_t off, size_t len)
{
    return off >= size ? 0 : MIN(len, size - off);
}

static void test_size(void)
{
    struct iovec huge[] = { { NULL, SIZE_MAX - 1 }, { NULL, 1 }, { NULL, 1 } };

    g_assert_cmpuint(iov_size(NULL, 0), ==, 0);
    g_assert_cmpuint(iov_size(huge, 2), ==, SIZE_MAX);
    g_assert_cmpuint(iov_size(huge, 3), ==, SIZE_MAX);
    huge[0].iov_len = 5;
    g_assert_cmpuint(iov_size(huge, 3), ==, 7);
}

static void test_copy(void)
{
    for (int round = 0; round < 3000; round++) {
        size_t off = g_test_rand_int_range(0, FLAT);
        size_t len = g_test_rand_int_range(0, FLAT);
        uint8_t buf[FLAT];
        uint8_t want[FLAT];
        size_t n;
        List l;

        list_init(&l);
        n = clip(l.size, off, len);
        memset(buf, 0xa5, sizeof(buf));
        g_assert_cmpuint(iov_to_buf(l.iov, l.n, off, buf, len), ==, n);
        g_assert_cmpmem(buf, n, l.flat + MIN(off, l.size), n);
        for (size_t i = n; i < FLAT; i++) {
            g_assert_cmphex(buf[i], ==, 0xa5);
        }

        memcpy(want, l.flat, FLAT);
        memset(buf, 0x3c, sizeof(buf));
        memset(want + (n ? off : 0), 0x3c, n);
        g_assert_cmpuint(iov_from_buf(l.iov, l.n, off, buf, len), ==, n);
        g_assert_cmpmem(l.flat, FLAT, want, FLAT);

        memset(want + (n ? off : 0), 0x77, n);
        g_assert_cmpuint(iov_memset(l.iov, l.n, off, 0x77, len), ==, n);
        g_assert_cmpmem(l.flat, FLAT, want, FLAT);
    }
}

static void test_copy_order(void)
{
    char a[] = "ab";
    char b[] = "cde";
    struct iovec iov[] = { { a, 2 }, { NULL, 0 }, { b, 3 } };
    char buf[6] = "";

    g_assert_cmpuint(iov_to_buf(iov, 3, 1, buf, SIZE_MAX), ==, 4);
    g_assert_cmpstr(buf, ==, "bcde");
    g_assert_cmpuint(iov_from_buf(iov, 3, 1, "XYZ", 3), ==, 3);
    g_assert_cmpstr(a, ==, "aX");
    g_assert_cmpstr(b, ==, "YZe");
    g_assert_cmpuint(iov_to_buf(iov, 3, SIZE_MAX, buf, 1), ==, 0);
}

static void check_flat(const struct iovec *iov, unsigned n, const uint8_t *want,
                       size_t len)
{
    uint8_t buf[FLAT + 1];

    g_assert_cmpuint(iov_size(iov, n), ==, len);
    g_assert_cmpuint(iov_to_buf(iov, n, 0, buf, sizeof(buf)), ==, len);
    g_assert_cmpmem(buf, len, want, len);
}

static void test_discard(void)
{
    for (int round = 0; round < 3000; round++) {
        size_t bytes = g_test_rand_int_range(0, FLAT);
        struct iovec *iov;
        size_t gone;
        List l;

        list_init(&l);
        gone = MIN(bytes, l.size);
        iov = l.iov;
        if (round % 2) {
            g_assert_cmpuint(iov_discard_front(&iov, &l.n, bytes), ==, gone);
            check_flat(iov, l.n, l.flat + gone, l.size - gone);
        } else {
            g_assert_cmpuint(iov_discard_back(iov, &l.n, bytes), ==, gone);
            check_flat(iov, l.n, l.flat, l.size - gone);
        }
    }
}

static void test_slice(void)
{
    for (int round = 0; round < 3000; round++) {
        size_t off = g_test_rand_int_range(0, FLAT);
        size_t len = g_test_rand_int_range(0, FLAT);
        unsigned max = g_test_rand_int_range(0, MAX_ENTRIES + 1);
        struct iovec out[MAX_ENTRIES];
        size_t bytes;
        unsigned used;
        List l;

        list_init(&l);
        used = iov_slice(out, max, l.iov, l.n, off, len, &bytes);
        g_assert_cmpuint(used, <=, max);
        g_assert_cmpuint(bytes, <=, clip(l.size, off, len));
        if (max == MAX_ENTRIES) {
            g_assert_cmpuint(bytes, ==, clip(l.size, off, len));
        }
        check_flat(out, used, l.flat + (bytes ? off : 0), bytes);
        g_assert_cmpuint(iov_slice(out, max, l.iov, l.n, off, len, NULL), ==,
                         used);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iov/size", test_size);
    g_test_add_func("/iov/copy", test_copy);
    g_test_add_func("/iov/copy-order", test_copy_order);
    g_test_add_func("/iov/discard", test_discard);
    g_test_add_func("/iov/slice", test_slice);
    return g_test_run();
}
