/*
 * Which pages exist, by each way of asking, and the scan workers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "migration/presence.h"
#include "migration/scan-pool.h"
#include "system/memory.h"
#include "util/bitmap.h"
#include "util/lock.h"

enum { PAGES = 4096 };

/* `at`: pages of the file before it. */
static void block_init_at(RamBlock *rb, bool shared, uint64_t at)
{
    *rb = (RamBlock){ .used_length = PAGES * RAM_PAGE_SIZE,
                      .max_length = PAGES * RAM_PAGE_SIZE,
                      .page_size = RAM_PAGE_SIZE,
                      .fd = -1,
                      .hole_fd = -1,
                      .shared = shared };
    if (shared) {
        rb->backing = RAM_MEMFD;
        rb->fd = memfd_create("test", MFD_CLOEXEC);
        rb->fd_offset = at * RAM_PAGE_SIZE;
        g_assert_cmpint(ftruncate(rb->fd, rb->fd_offset + rb->max_length), ==,
                        0);
    }
    rb->host = mmap(NULL, rb->max_length, PROT_READ | PROT_WRITE,
                    shared ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, rb->fd,
                    rb->fd_offset);
    g_assert_true(rb->host != MAP_FAILED);
    /* A huge page would bring neighbours along. */
    madvise(rb->host, rb->max_length, MADV_NOHUGEPAGE);
}

static void block_init(RamBlock *rb, bool shared)
{
    block_init_at(rb, shared, 0);
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

    presence_init(&p, NULL);
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

    presence_init(&p, NULL);
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

    presence_init(&p, NULL);
    block_init(&rb, true);
    check_block(&p, &rb);
    block_fini(&rb);
    presence_fini(&p);
}

/* Of any file there may be a part, and of any descriptor. */
static void test_part_of_file(void)
{
    Presence p;
    RamBlock rb;

    presence_init(&p, NULL);
    block_init_at(&rb, true, 77);
    g_assert_cmpint(dup2(rb.fd, 0), ==, 0);
    close(rb.fd);
    rb.fd = 0;
    check_block(&p, &rb);
    block_fini(&rb);
    g_assert_cmpint(open("/dev/null", O_RDONLY), ==, 0);
    presence_fini(&p);
}

/* A file system that doesn't tell: it may all be there. */
static void test_no_seek(void)
{
    g_autofree unsigned long *map = bitmap_new(PAGES);
    Seen seen = { .map = map, .next = 3 };
    Presence p;
    RamBlock rb;
    int fds[2];

    presence_init(&p, NULL);
    block_init_at(&rb, true, 5);
    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(dup2(fds[0], rb.fd), ==, rb.fd);
    presence_foreach(&p, &rb, 3, 100, see, &seen);
    g_assert_cmpuint(seen.next, ==, 103);
    g_assert_true(bitmap_test_all(map, 3, 100));
    close(fds[0]);
    close(fds[1]);
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
    presence_init(&p, NULL);
    presence_foreach(&p, &rb, 0, PAGES, see, &seen);
    g_assert_true(bitmap_test_all(map, 0, PAGES));
    presence_fini(&p);
    block_fini(&rb);
}

/*
 * Shared memory without a descriptor stays when its page tables go, as when
 * the kernel swaps it out: they say nothing about it.
 */
static void test_shared_nameless(void)
{
    for (unsigned way = 0; way < 2; way++) {
        unsigned long map[PAGES / 64] = { 0 };
        Seen seen = { .map = map };
        Presence p;
        RamBlock rb;

        block_init(&rb, false);
        rb.shared = true;
        g_assert_true(mmap(rb.host, rb.max_length, PROT_READ | PROT_WRITE,
                           MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1,
                           0) == rb.host);
        presence_init(&p, NULL);
        p.has_scan = p.has_scan && way == 0;
        rb.host[7 * RAM_PAGE_SIZE] = 1;
        g_assert_cmpint(madvise(rb.host, rb.max_length, MADV_DONTNEED), ==, 0);
        presence_foreach(&p, &rb, 0, PAGES, see, &seen);
        g_assert_cmpuint(rb.host[7 * RAM_PAGE_SIZE], ==, 1);
        g_assert_true(bitmap_test(map, 7));
        g_assert_false(presence_is_cheap(&p, &rb));
        presence_fini(&p);
        block_fini(&rb);
    }
}

/* share=on of a back end without a file: the block has a descriptor for it. */
static void test_shared_anonymous(void)
{
    const RamBlockOptions o = { .backing = RAM_ANONYMOUS,
                                .size = PAGES * RAM_PAGE_SIZE,
                                .share = true };
    unsigned long map[PAGES / 64] = { 0 };
    Seen seen = { .map = map };
    RamBlock *rb;
    Presence p;
    Memory mem;
    VM_LOCK_GUARD();

    memory_init(&mem);
    rb = ram_block_new(&mem.ram, "ram", &o, NULL);
    g_assert_nonnull(rb);
    g_assert_cmpint(rb->fd, ==, -1);
    madvise(rb->host, rb->max_length, MADV_NOHUGEPAGE);
    presence_init(&p, NULL);
    rb->host[7 * RAM_PAGE_SIZE] = 1;
    g_assert_cmpint(madvise(rb->host, rb->max_length, MADV_DONTNEED), ==, 0);
    g_assert_true(presence_is_cheap(&p, rb));
    presence_foreach(&p, rb, 0, PAGES, see, &seen);
    g_assert_true(bitmap_test(map, 7));
    g_assert_cmpuint(bitmap_count(map, 0, PAGES), ==, 1);
    g_assert_cmpuint(rb->host[7 * RAM_PAGE_SIZE], ==, 1);
    presence_fini(&p);
    ram_block_free(&mem.ram, rb);
    memory_fini(&mem);
}

static int open_as_zero(void)
{
    int fd = presence_system_ops.open();

    g_assert_cmpint(dup2(fd, 0), ==, 0);
    close(fd);
    return 0;
}

/* Somebody who reads nothing takes the end for an error. */
static ssize_t read_some(int fd, void *buf, size_t len, off_t at)
{
    g_assert_cmpuint(len, >, 0);
    return presence_system_ops.read(fd, buf, len, at);
}

/* Any descriptor is one, until it is closed. */
static void test_descriptor(void)
{
    PresenceOps ops = presence_system_ops;
    Presence p;
    RamBlock rb;

    ops.open = open_as_zero;
    ops.read = read_some;
    presence_init(&p, &ops);
    g_assert_cmpint(p.pagemap_fd, ==, 0);
    p.has_scan = false;
    block_init(&rb, false);
    check_block(&p, &rb);
    block_fini(&rb);
    presence_fini(&p);
    g_assert_cmpint(p.pagemap_fd, <, 0);
    g_assert_cmpint(open("/dev/null", O_RDONLY), ==, 0);
    presence_fini(&p);
    g_assert_cmpint(fcntl(0, F_GETFD), >=, 0);
}

/* A range that ends inside a hole, begins in one, is one; and of one page. */
static void check_edges(Presence *p, RamBlock *rb)
{
    static const struct {
        uint64_t first, npages;
        uint64_t present[3]; /* pages, up to the first 0 */
    } t[] = {
        { 1, 9, { 0 } },
        { 1, 10, { 10 } },
        { 10, 1, { 10 } },
        { 11, 9, { 0 } },
        { 10, 11, { 10, 20 } },
        { 20, 1, { 20 } },
        { 21, 100, { 0 } },
        { PAGES - 2, 2, { PAGES - 1 } },
        { PAGES - 1, 1, { PAGES - 1 } },
    };

    rb->host[10 * RAM_PAGE_SIZE] = 1;
    rb->host[20 * RAM_PAGE_SIZE] = 1;
    rb->host[(uint64_t)(PAGES - 1) * RAM_PAGE_SIZE] = 1;
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_autofree unsigned long *map = bitmap_new(PAGES);
        Seen seen = { .map = map, .next = t[i].first };
        uint64_t count = 0;

        g_test_message("case %zu", i);
        presence_foreach(p, rb, t[i].first, t[i].npages, see, &seen);
        g_assert_cmpuint(seen.next, <=, t[i].first + t[i].npages);
        while (count < 3 && t[i].present[count] != 0) {
            g_assert_true(bitmap_test(map, t[i].present[count++]));
        }
        for (uint64_t k = 0; k < PAGES; k++) {
            count -= bitmap_test(map, k);
        }
        g_assert_cmpuint(count, ==, 0);
    }
}

static void test_edges(void)
{
    for (unsigned way = 0; way < 3; way++) {
        Presence p;
        RamBlock rb;

        presence_init(&p, NULL);
        if (way == 1) {
            p.has_scan = false;
        }
        block_init(&rb, way == 2);
        check_edges(&p, &rb);
        block_fini(&rb);
        presence_fini(&p);
    }
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

static struct {
    pthread_t caller;
    int helpers; /* atomic: workers that have looked at a page */
    int active;  /* atomic: workers that are looking at one */
} together;

/* The caller waits at its first page for a worker; workers dawdle. */
static bool look_together(const void *buf, size_t len)
{
    if (pthread_equal(pthread_self(), together.caller)) {
        while (__atomic_load_n(&together.helpers, __ATOMIC_ACQUIRE) == 0) {
            sched_yield();
        }
        return true;
    }
    __atomic_add_fetch(&together.active, 1, __ATOMIC_SEQ_CST);
    if (__atomic_fetch_add(&together.helpers, 1, __ATOMIC_SEQ_CST) == 0) {
        g_usleep(2000); /* by then the caller has nothing left but to wait */
    }
    for (unsigned i = 0; i < 10; i++) {
        sched_yield();
    }
    __atomic_sub_fetch(&together.active, 1, __ATOMIC_SEQ_CST);
    return true;
}

/* Workers help, and all have finished when the caller goes on. */
static void test_pool_together(void)
{
    g_autoptr(ScanPool) pool = scan_pool_new(2, look_together, NULL);
    g_autofree unsigned long *todo = bitmap_new(PAGES);
    g_autofree unsigned long *zero = bitmap_new(PAGES);

    together.caller = pthread_self();
    bitmap_set(todo, 0, PAGES);
    for (unsigned round = 0; round < 20; round++) {
        together.helpers = 0;
        bitmap_clear(zero, 0, PAGES);
        scan_pool_run(pool, NULL, PAGES, PAGES, todo, zero);
        g_assert_cmpint(__atomic_load_n(&together.active, __ATOMIC_SEQ_CST), ==,
                        0);
        g_assert_true(bitmap_test_all(zero, 0, PAGES));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/presence/scan", test_scan);
    g_test_add_func("/presence/pagemap", test_pagemap);
    g_test_add_func("/presence/shared", test_shared);
    g_test_add_func("/presence/part-of-file", test_part_of_file);
    g_test_add_func("/presence/no-seek", test_no_seek);
    g_test_add_func("/presence/unknown", test_unknown);
    g_test_add_func("/presence/shared-nameless", test_shared_nameless);
    g_test_add_func("/presence/shared-anonymous", test_shared_anonymous);
    g_test_add_func("/presence/descriptor", test_descriptor);
    g_test_add_func("/presence/edges", test_edges);
    g_test_add_data_func("/scan-pool/alone", GUINT_TO_POINTER(0), test_pool);
    g_test_add_data_func("/scan-pool/three", GUINT_TO_POINTER(3), test_pool);
    g_test_add_func("/scan-pool/together", test_pool_together);
    return g_test_run();
}
