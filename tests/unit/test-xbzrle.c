/*
 * xbzrle: what is found different by each implementation, deltas there and
 * back, known ones, and those that no encoder writes; the cache.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/page-cache.h"
#include "migration/xbzrle.h"
#include "util/error.h"

enum { ROUNDS = 3000 };

typedef struct Pages {
    /* One byte more at each end: pages aren't aligned, and stay inside. */
    uint8_t before[1 + XBZRLE_PAGE + 1], after[1 + XBZRLE_PAGE + 1];
} Pages;

/* Some runs of all lengths are changed; bytes may become what they were. */
static void make_pages(Pages *p, GRand *r, unsigned nruns)
{
    for (unsigned i = 0; i < sizeof(p->before); i++) {
        p->before[i] = g_rand_int_range(r, 0, 4);
    }
    memcpy(p->after, p->before, sizeof(p->after));
    p->after[0] ^= 0xff;
    p->after[1 + XBZRLE_PAGE] ^= 0xff;
    for (unsigned i = 0; i < nruns; i++) {
        unsigned bits = g_rand_int_range(r, 0, 10);
        unsigned n = g_rand_int_range(r, 1, (1 << bits) + 1);
        unsigned at = g_rand_int_range(r, 0, XBZRLE_PAGE);

        for (unsigned k = at; k < MIN(at + n, (unsigned)XBZRLE_PAGE); k++) {
            p->after[1 + k] = g_rand_int_range(r, 0, 256);
        }
    }
}

static void check_diff(const XbzrleImpl *impl, const Pages *p)
{
    uint64_t diff[XBZRLE_DIFF_WORDS];

    impl->fn(p->before + 1, p->after + 1, diff);
    for (unsigned i = 0; i < XBZRLE_PAGE; i++) {
        bool want = p->before[1 + i] != p->after[1 + i];

        g_assert_cmpint((diff[i / 64] >> (i % 64)) & 1, ==, want);
    }
}

static void check_round(XbzrleDiffFn *fn, const Pages *p)
{
    uint8_t delta[XBZRLE_PAGE], page[XBZRLE_PAGE];
    g_autofree uint8_t *exact = NULL;
    g_autoptr(GError) err = NULL;
    int len =
        xbzrle_encode(fn, p->before + 1, p->after + 1, delta, sizeof(delta));

    if (len < 0) {
        return;
    }
    memcpy(page, p->before + 1, sizeof(page));
    exact = g_memdup2(delta, len); /* no byte behind it */
    g_assert_true(xbzrle_decode(exact, len, page, &err));
    g_assert_cmpmem(page, sizeof(page), p->after + 1, XBZRLE_PAGE);
    g_assert_cmpint(len == 0, ==,
                    memcmp(p->before + 1, page, sizeof(page)) == 0);
}

static void test_random(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(4711);
    const XbzrleImpl *impl;

    for (unsigned i = 0; (impl = xbzrle_impl(i)) != NULL; i++) {
        if (!impl->usable()) {
            g_test_message("%s: not here", impl->name);
            continue;
        }
        for (unsigned k = 0; k < ROUNDS; k++) {
            Pages p;

            make_pages(&p, r, k % 40);
            check_diff(impl, &p);
            check_round(impl->fn, &p);
        }
    }
}

/* Each implementation writes the same bytes. */
static void check_same(const Pages *p)
{
    uint8_t a[XBZRLE_PAGE], b[XBZRLE_PAGE];
    int na = xbzrle_encode(xbzrle_impl(0)->fn, p->before + 1, p->after + 1, a,
                           sizeof(a));
    int nb = xbzrle_encode(xbzrle_differ(), p->before + 1, p->after + 1, b,
                           sizeof(b));

    g_assert_cmpint(na, ==, nb);
    if (na > 0) {
        g_assert_cmpmem(a, na, b, nb);
    }
}

static void test_same(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(815);

    for (unsigned k = 0; k < ROUNDS; k++) {
        Pages p;

        make_pages(&p, r, k % 100);
        check_same(&p);
    }
}

static void check_known(const uint8_t *before, const uint8_t *after,
                        const char *want, size_t len)
{
    uint8_t delta[XBZRLE_PAGE];
    int n = xbzrle_encode(xbzrle_differ(), before, after, delta, sizeof(delta));

    g_assert_cmpint(n, >=, 0);
    g_assert_cmpmem(delta, n, want, len);
}

/* As QEMU 7.2 writes them. */
static void test_known(void)
{
    uint8_t before[XBZRLE_PAGE] = { 0 }, after[XBZRLE_PAGE] = { 0 };

    check_known(before, after, "", 0);
    after[4095] = 7;
    check_known(before, after, "\xff\x1f\1\7", 4);
    after[0] = 5;
    after[4095] = 0;
    check_known(before, after, "\0\1\5", 3);
    after[2377] = 9;
    check_known(before, after, "\0\1\5\xc8\x12\1\x9", 7);
    memset(after + 100, 1, 128);
    check_known(before, after + 0,
                "\0\1\5\x63\x80\1"
                "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                "\xe5\x10\1\x9",
                139 - 1);
}

static void test_room(void)
{
    uint8_t before[XBZRLE_PAGE] = { 0 }, after[XBZRLE_PAGE];
    uint8_t delta[XBZRLE_PAGE + 1];

    memset(after, 1, sizeof(after));
    delta[XBZRLE_PAGE] = 0x5a;
    g_assert_cmpint(xbzrle_encode(xbzrle_differ(), before, after, delta,
                                  XBZRLE_PAGE),
                    ==, -1);
    g_assert_cmpint(xbzrle_encode(xbzrle_differ(), before, after, delta, 0), ==,
                    -1);
    /* Every other byte: three bytes for each. */
    for (unsigned i = 0; i < XBZRLE_PAGE; i += 2) {
        after[i] = 0;
    }
    g_assert_cmpint(xbzrle_encode(xbzrle_differ(), before, after, delta,
                                  XBZRLE_PAGE),
                    ==, -1);
    g_assert_cmpuint(delta[XBZRLE_PAGE], ==, 0x5a);
}

static void test_hostile(void)
{
#define BAD(text_, says_)               \
    {                                   \
        text_, sizeof(text_) - 1, says_ \
    }
    static const struct {
        const char *delta;
        size_t len;
        const char *says;
    } t[] = {
        BAD("\0", "no length in byte 0 of 1"),
        BAD("\x80", "no length"),
        BAD("\x80\x80\1\1x", "no length"),
        BAD("\0\x81\x80\1x", "no length"),
        BAD("\0\0", "an empty run in byte 0"),
        BAD("\0\1x\0\1y", "an empty run in byte 3"),
        BAD("\0\1x\7", "no length in byte 3"),
        BAD("\0\2x", "2 bytes behind 0 at 0 of the page"),
        BAD("\x80\x20\1x", "1 bytes behind 4096 at 0"),
        BAD("\xff\x7f\xff\x7fx", "16383 bytes behind 16383"),
        BAD("\xff\x1f\1x\1\1y", "1 bytes behind 1 at 4096"),
        BAD("\xfe\x1f\3xyz", "3 bytes behind 4094"),
    };
    uint8_t page[1 + XBZRLE_PAGE + 1];

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autoptr(GError) err = NULL;
        g_autofree uint8_t *exact = g_memdup2(t[i].delta, t[i].len);

        memset(page, 0x5a, sizeof(page));
        g_assert_false(xbzrle_decode(exact, t[i].len, page + 1, &err));
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, t[i].says));
        g_assert_cmpuint(page[0], ==, 0x5a);
        g_assert_cmpuint(page[1 + XBZRLE_PAGE], ==, 0x5a);
    }
}

static void test_cache(void)
{
    static uint8_t host[8 * RAM_PAGE_SIZE] __attribute__((aligned(4096)));
    RamBlock a = { .host = host }, b = { .host = host + 4 * RAM_PAGE_SIZE };
    PageCache *c = page_cache_new(4 * RAM_PAGE_SIZE, NULL);
    uint8_t *p;

    g_assert_null(page_cache_find(c, &a, 0));
    p = page_cache_insert(c, &a, 0);
    memset(p, 1, RAM_PAGE_SIZE);
    g_assert_true(page_cache_find(c, &a, 0) == p);
    /* Four pages on, and in another block: the same place. */
    g_assert_null(page_cache_find(c, &a, 4));
    g_assert_null(page_cache_insert(c, &a, 4));
    g_assert_null(page_cache_insert(c, &b, 0));
    page_cache_age(c);
    g_assert_null(page_cache_insert(c, &a, 4));
    page_cache_age(c);
    g_assert_true(page_cache_insert(c, &a, 4) == p);
    g_assert_null(page_cache_find(c, &a, 0));
    /* What is used stays. */
    for (unsigned i = 0; i < 5; i++) {
        page_cache_age(c);
        g_assert_nonnull(page_cache_find(c, &a, 4));
    }
    g_assert_null(page_cache_insert(c, &b, 0));
    page_cache_drop(c, &b, 0, 1); /* isn't there */
    page_cache_drop(c, &a, 0, 4); /* up to it */
    g_assert_nonnull(page_cache_find(c, &a, 4));
    page_cache_drop(c, &a, 3, 2);
    g_assert_null(page_cache_find(c, &a, 4));
    g_assert_nonnull(page_cache_insert(c, &b, 1));
    page_cache_drop_all(c);
    g_assert_null(page_cache_find(c, &b, 1));
    g_assert_cmpuint(page_cache_bytes(c), ==, 4 * RAM_PAGE_SIZE);
    page_cache_free(c);
}

static void test_cache_too_large(void)
{
#ifdef __SANITIZE_ADDRESS__
    g_test_skip("the sanitizer ends who asks for so much");
#else
    g_autoptr(GError) err = NULL;

    g_assert_null(page_cache_new(UINT64_C(1) << 62, &err));
    g_assert_nonnull(strstr(err->message, "cache of 4611686018427387904"));
#endif
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xbzrle/random", test_random);
    g_test_add_func("/xbzrle/same", test_same);
    g_test_add_func("/xbzrle/known", test_known);
    g_test_add_func("/xbzrle/room", test_room);
    g_test_add_func("/xbzrle/hostile", test_hostile);
    g_test_add_func("/xbzrle/cache", test_cache);
    g_test_add_func("/xbzrle/cache-too-large", test_cache_too_large);
    return g_test_run();
}
