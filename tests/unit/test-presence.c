/*
 * Which pages exist, by each way of asking, and the scan workers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>

#include "migration/presence.h"
#include "migration/scan-pool.h"
#include "util/bitmap.h"

enum { PAGES = 4096 };

static void block_init(RamBlock *rb, bool shared)
{
    *rb = (RamBlock){ .used_length = PAGES * RAM_PAGE_SIZE,
                      .max_length = PAGES * RAM_PAGE_SIZE,
                      .page_size = RAM_PAGE_SIZE,
                      .fd = -1,
                      .shared = shared };
    if (shared) {
        rb->backing = RAM_MEMFD;
        rb->fd = memfd_create("test", MFD_CLOEXEC);
        g_assert_cmpint(ftruncate(rb->fd, rb->max_length), ==, 0);
    }
    rb->host =
        mmap(NULL, rb->max_length, PROT_READ | PROT_WRITE,
             shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, rb->fd, 0);
    g_assert_true(rb->host != MAP_FAILED);
    /* A huge page would bring neighbours along. */
    madvise(rb->host, rb->max_length, MADV_NOHUGEPAGE);
}

static void block_fini(RamBlock *rb)
{
    munmap(rb->host, rb->max_length);
    if (rb->fd >= 0) {
        close(rb->fd);
    }
}

typedef struct Seen {
    unsigned long *map; /* of the block */
    uint64_t next;      /* runs may only ascend */
} Seen;

static void see(void *opaque, uint64_t first, uint64_t npages)
{
    Seen *s = opaque;

    g_assert_cmpuint(first, >=, s->next);
    g_assert_cmpuint(npages, >, 0);
    bitmap_set(s->map, first, npages);
    s->next = first + npages;
}

/* Random runs of pages are written; exactly those must be present. */
static void check_block(Presence *p, RamBlock *rb)
{
    g_autofree unsigned long *want = bitmap_new(PAGES);
    g_autofree unsigned long *map = bitmap_new(PAGES);
    g_autoptr(GRand) r = g_rand_new_with_seed(42);

    for (unsigned i = 0; i < 200; i++) {
        unsigned first = g_rand_int_range(r, 0, PAGES);
        unsigned n = g_rand_int_range(r, 1, 20);

        n = MIN(n, PAGES - first);
        for (unsigned k = 0; k < n; k++) {
            rb->host[(first + k) * RAM_PAGE_SIZE + i] = 1;
        }
        bitmap_set(want, first, n);
    }
    for (unsigned first = 0; first < PAGES; first += 1024) {
        unsigned n = 1024 - (first == 2048 ? 7 : 0);
        Seen seen = { .map = map, .next = first };

        presence_foreach(p, rb, first, n, see, &seen);
        g_assert_cmpuint(seen.next, <=, first + n);
        for (unsigned k = first; k < first + n; k++) {
            /* Never absent if written. */
            g_assert_cmpint(bitmap_test(map, k), ==, bitmap_test(want, k));
        }
    }
}

static void test_scan(void)
{
    Presence p;
    RamBlock rb;

    presence_init(&p);
    if (!p.has_scan) {
        g_test_skip("the kernel has no PAGEMAP_SCAN");
        presence_fini(&p);
        return;
    }
    block_init(&rb, false);
    check_block(&p, &rb);
    block_fini(&rb);
    presence_fini(&p);
}

static void test_pagemap(void)
{
    Presence p;
    RamBlock rb;

    presence_init(&p);
    p.has_scan = false;
    block_init(&rb, false);
    check_block(&p, &rb);
    block_fini(&rb);
    presence_fini(&p);
}

static void test_shared(void)
{
    Presence p;
    RamBlock rb;

    presence_init(&p);
    block_init(&rb, true);
    check_block(&p, &rb);
    block_fini(&rb);
    presence_fini(&p);
}

/* Where nothing can be asked, everything counts as present. */
static void test_unknown(void)
{
    unsigned long map[PAGES / 64] = { 0 };
    Presence p = { .pagemap_fd = -1 };
    Seen seen = { .map = map };
    RamBlock rb;

    block_init(&rb, false);
    presence_foreach(&p, &rb, 0, PAGES, see, &seen);
    g_assert_true(bitmap_test_all(map, 0, PAGES));
    bitmap_clear(map, 0, PAGES);
    seen.next = 0;
    rb.backing = RAM_FILE; /* a private mapping shows the file's data */
    presence_init(&p);
    presence_foreach(&p, &rb, 0, PAGES, see, &seen);
    g_assert_true(bitmap_test_all(map, 0, PAGES));
    presence_fini(&p);
    block_fini(&rb);
}

static void test_pool(gconstpointer data)
{
    unsigned nthreads = GPOINTER_TO_UINT(data);
    g_autoptr(ScanPool) pool =
        scan_pool_new(nthreads, buffer_zero_scanner(true), NULL);
    g_autofree unsigned long *todo = bitmap_new(PAGES);
    g_autofree unsigned long *zero = bitmap_new(PAGES);
    g_autoptr(GRand) r = g_rand_new_with_seed(nthreads);
    RamBlock rb;

    block_init(&rb, false);
    for (unsigned round = 0; round < 20; round++) {
        unsigned npages = g_rand_int_range(r, 1, PAGES);
        uint64_t ntodo = 0;

        rb.host[g_rand_int_range(r, 0, rb.used_length)] ^= 1;
        for (unsigned i = 0; i < npages; i++) {
            bool on = g_rand_int_range(r, 0, 4) != 0;

            (on ? bitmap_set_bit : bitmap_clear_bit)(todo, i);
            ntodo += on;
        }
        memset(zero, 0xff, bitmap_words(PAGES) * sizeof(long));
        scan_pool_run(pool, rb.host, npages, ntodo, todo, zero);
        for (unsigned i = 0; i < npages; i++) {
            bool want =
                bitmap_test(todo, i) &&
                buffer_is_zero(rb.host + i * RAM_PAGE_SIZE, RAM_PAGE_SIZE);

            g_assert_cmpint(bitmap_test(zero, i), ==, want);
        }
    }
    block_fini(&rb);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/presence/scan", test_scan);
    g_test_add_func("/presence/pagemap", test_pagemap);
    g_test_add_func("/presence/shared", test_shared);
    g_test_add_func("/presence/unknown", test_unknown);
    g_test_add_data_func("/scan-pool/alone", GUINT_TO_POINTER(0), test_pool);
    g_test_add_data_func("/scan-pool/three", GUINT_TO_POINTER(3), test_pool);
    return g_test_run();
}
