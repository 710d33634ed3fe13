/*
 * The scanners for zero pages: who looks at which page, and how often.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <dlfcn.h>
#include <pthread.h>

#include "migration/scan-pool.h"
#include "system/ramblock.h"
#include "util/bitmap.h"
#include "util/lock.h"
#include "util/thread.h"

enum { PAGES = 5000, PARALLEL = 1025 /* pages; from here on others help */ };

/* Pages aren't read: they are known by their address. */
static struct {
    const uint8_t *base;
    unsigned long zero[PAGES / 64 + 1];
    unsigned looks[PAGES]; /* atomic */
    GThread *caller;
    unsigned by_others; /* atomic */
    bool wait_for_others;
} pages;

static bool look(const void *p, size_t len)
{
    size_t off = (const uint8_t *)p - pages.base, page = off / RAM_PAGE_SIZE;

    g_assert_cmpuint(len, ==, RAM_PAGE_SIZE);
    g_assert_cmpuint(off % RAM_PAGE_SIZE, ==, 0);
    g_assert_cmpuint(page, <, PAGES);
    __atomic_fetch_add(&pages.looks[page], 1, __ATOMIC_RELAXED);
    if (g_thread_self() != pages.caller) {
        __atomic_fetch_add(&pages.by_others, 1, __ATOMIC_RELAXED);
    }
    while (pages.wait_for_others &&
           __atomic_load_n(&pages.by_others, __ATOMIC_RELAXED) == 0) {
        sched_yield();
    }
    return bitmap_test(pages.zero, page);
}

static void reset(void)
{
    memset(&pages, 0, sizeof(pages));
    pages.base = (const uint8_t *)(uintptr_t)0x100000000;
    pages.caller = g_thread_self();
}

/* The zero pages of todo, each looked at once; nothing else is touched. */
static void check_run(ScanPool *p, uint64_t npages, const unsigned long *todo,
                      uint64_t ntodo)
{
    unsigned long zero[PAGES / 64 + 2];

    memset(pages.looks, 0, sizeof(pages.looks));
    memset(zero, 0xa5, sizeof(zero));
    scan_pool_run(p, pages.base, npages, ntodo, todo, zero);
    for (uint64_t i = 0; i < npages; i++) {
        bool due = bitmap_test(todo, i);

        g_assert_cmpuint(pages.looks[i], ==, due);
        g_assert_cmpint(bitmap_test(zero, i), ==,
                        due && bitmap_test(pages.zero, i));
    }
    for (uint64_t i = npages; i < PAGES; i++) {
        g_assert_cmpuint(pages.looks[i], ==, 0);
    }
    /* Words behind the last page aren't ours. */
    g_assert_cmphex(zero[(npages + 63) / 64], ==, 0xa5a5a5a5a5a5a5a5);
}

static void check_pool(unsigned nthreads)
{
    static const uint64_t lengths[] = { 1,   63,  64,   65,   511,  512,
                                        513, 700, 1024, 4097, PAGES };
    g_autoptr(GRand) r = g_rand_new_with_seed(nthreads);
    ScanPool *p;

    reset();
    p = scan_pool_new(nthreads, look, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(lengths) * 4; i++) {
        unsigned long todo[PAGES / 64 + 1] = { 0 };
        uint64_t n = lengths[i / 4];

        /* Bits beyond the last page are set, too: they mean nothing. */
        for (uint64_t k = 0; k < G_N_ELEMENTS(todo) * 64; k++) {
            if (i % 4 == 0 || g_rand_int_range(r, 0, 3) == 0) {
                bitmap_set(todo, k, 1);
            }
            if (k < PAGES && g_rand_boolean(r)) {
                bitmap_set(pages.zero, k, 1);
            }
        }
        check_run(p, n, todo, bitmap_count(todo, 0, n));
    }
    scan_pool_free(p);
}

static void test_alone(void)
{
    check_pool(0);
    g_assert_cmpuint(pages.by_others, ==, 0);
}

static void test_together(void)
{
    check_pool(1);
    check_pool(3);
}

/* Others are woken for much, and not for little. */
static void test_threshold(void)
{
    unsigned long todo[PAGES / 64 + 1];
    ScanPool *p;

    reset();
    memset(todo, 0xff, sizeof(todo));
    p = scan_pool_new(2, look, NULL);
    for (unsigned i = 0; i < 20; i++) {
        check_run(p, PAGES, todo, PARALLEL - 1);
    }
    g_assert_cmpuint(pages.by_others, ==, 0);
    /* Without them this would never end. */
    for (unsigned i = 0; i < 20; i++) {
        __atomic_store_n(&pages.by_others, 0, __ATOMIC_RELAXED);
        pages.wait_for_others = true;
        check_run(p, PAGES, todo, PARALLEL);
        pages.wait_for_others = false;
    }
    scan_pool_free(p);
    scan_pool_free(NULL);
}

static int threads_left = INT_MAX; /* until the system has no more */

/* Instead of the C library's: fails when the test wants it to. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                   void *(*fn)(void *), void *opaque)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                  void *);

    if (threads_left-- == 0) {
        return EAGAIN;
    }
    *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
    return create(thread, attr, fn, opaque);
}

/* What has begun by then is ended, and the error told. */
static void test_no_threads(void)
{
    for (int i = 0; i < 3; i++) {
        g_autoptr(GError) err = NULL;

        threads_left = i;
        g_assert_null(scan_pool_new(3, look, &err));
        g_assert_nonnull(err);
        threads_left = INT_MAX;
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scan-pool/alone", test_alone);
    g_test_add_func("/scan-pool/together", test_together);
    g_test_add_func("/scan-pool/threshold", test_threshold);
    g_test_add_func("/scan-pool/no-threads", test_no_threads);
    return g_test_run();
}
