/*
 * Memory whose file others make shorter: who touches it lives, what is still
 * there stays, and who has it is told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "system/ramblock-lost.h"
#include "system/ramblock-priv.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/rcu.h"
#include "util/thread.h"

enum { PAGES = 64, SIZE = PAGES * 4096, KEPT = 5 };

static RamList list;
static unsigned told;

static void note_told(void *opaque)
{
    g_assert_true(opaque == &list);
    g_assert_true(vm_lock_held());
    told++;
}

static RamBlock *block_of(int fd, uint64_t size, bool read_only, bool migrates)
{
    const RamBlockOptions opts = { .size = size,
                                   .backing = RAM_FILE,
                                   .fd = fd,
                                   .share = true,
                                   .read_only = read_only,
                                   .not_migratable = !migrates };

    RamBlock *rb = ram_block_new(&list, "foreign", &opts, NULL);

    g_assert_nonnull(rb);
    return rb;
}

static int file_of(unsigned flags)
{
    int fd = memfd_create("foreign", flags);

    g_assert_cmpint(ftruncate(fd, SIZE), ==, 0);
    return fd;
}

static void gone(RamBlock *rb)
{
    ram_block_free(&list, rb);
    rcu_barrier();
}

/* What each page holds: its number; 0: it is lost. */
static void check_pages(const RamBlock *rb, unsigned there)
{
    for (unsigned i = 0; i < PAGES; i++) {
        g_assert_cmpuint(rb->host[i * 4096], ==, i < there ? i + 1 : 0);
    }
}

static void fill(RamBlock *rb)
{
    for (unsigned i = 0; i < PAGES; i++) {
        rb->host[i * 4096] = i + 1;
    }
}

static void hear(void)
{
    told = 0;
    while (told == 0) {
        g_main_context_iteration(NULL, TRUE);
    }
}

/* Once; and it can't move. */
static void check_told(RamBlock *rb, bool migrates)
{
    g_autoptr(GError) err = NULL;

    hear();
    VM_LOCK_GUARD();
    g_assert_true(ram_lost_next(&list) == rb);
    g_assert_null(ram_lost_next(&list));
    g_assert_cmpint(ram_lost_check(&list, &err), ==, !migrates);
    g_assert_cmpint(err == NULL, ==, !migrates);
}

static void test_touched(void)
{
    int fd = file_of(MFD_CLOEXEC), own = dup(fd);
    RamBlock *rb = block_of(fd, SIZE, false, true);
    unsigned seen = 0;

    fill(rb);
    check_pages(rb, PAGES);
    ram_lost_look(&seen);
    g_assert_true(ram_lost_check(&list, NULL));
    g_assert_cmpint(ftruncate(own, KEPT * 4096 - 1), ==, 0);
    rb->host[(PAGES - 1) * 4096] = 7;
    g_assert_cmpuint(rb->host[(PAGES - 1) * 4096], ==, 7);
    rb->host[(PAGES - 1) * 4096] = 0;
    check_pages(rb, KEPT);
    g_assert_cmpuint(rb->lost_from, ==, KEPT * 4096);
    /* What is left is shared as before. */
    rb->host[4096] = 9;
    rb->host[(PAGES - 1) * 4096] = 8;
    for (unsigned i = 1; i < KEPT; i++) {
        uint8_t byte;

        g_assert_cmpint(pread(own, &byte, 1, i * 4096), ==, 1);
        g_assert_cmpuint(byte, ==, i == 1 ? 9 : i + 1);
    }
    check_told(rb, true);
    /* The handler was faster than who looks: new to him all the same. */
    g_assert_true(ram_lost_look(&seen));
    g_assert_false(ram_lost_look(&seen));
    gone(rb);
    close(own);
}

static void test_found(void)
{
    int fd = file_of(MFD_CLOEXEC), own = dup(fd);
    RamBlock *rb = block_of(fd, SIZE, false, false);
    unsigned seen = 0, other;

    ram_lost_look(&seen); /* what other tests have lost */
    g_assert_false(ram_lost_look(&seen));
    other = seen;
    g_assert_cmpint(ftruncate(own, 0), ==, 0);
    g_assert_true(ram_lost_look(&seen));
    g_assert_false(ram_lost_look(&seen));
    g_assert_true(ram_lost_look(&other)); /* two vCPUs have met it */
    g_assert_false(ram_lost_look(&other));
    g_assert_cmpint(ftruncate(own, SIZE), ==, 0);
    g_assert_false(ram_lost_look(&seen));
    check_pages(rb, 0);
    check_told(rb, false);
    gone(rb);
    close(own);
}

/* What was written to pages that were replaced stays when more go. */
static void test_shorter_twice(void)
{
    int fd = file_of(MFD_CLOEXEC), own = dup(fd);
    RamBlock *rb = block_of(fd, SIZE, false, true);

    fill(rb);
    g_assert_cmpint(ftruncate(own, 2 * KEPT * 4096), ==, 0);
    rb->host[40 * 4096] = 99;
    g_assert_cmpint(ftruncate(own, KEPT * 4096), ==, 0);
    g_assert_cmpuint(rb->host[KEPT * 4096], ==, 0);
    g_assert_cmpuint(rb->host[40 * 4096], ==, 99);
    rb->host[40 * 4096] = 0;
    check_pages(rb, KEPT);
    check_told(rb, true);
    gone(rb);
    close(own);
}

static void test_read_only(void)
{
    int fd = file_of(MFD_CLOEXEC), own = dup(fd);
    RamBlock *rb = block_of(fd, SIZE, true, true);

    g_assert_cmpint(ftruncate(own, 0), ==, 0);
    check_pages(rb, 0);
    check_told(rb, true);
    gone(rb);
    close(own);
}

static void *touch_all(void *opaque)
{
    RamBlock *rb = opaque;

    for (unsigned i = PAGES; i-- > 0;) {
        __atomic_fetch_add((uint32_t *)(void *)(rb->host + i * 4096), 1,
                           __ATOMIC_RELAXED);
    }
    return NULL;
}

/* All of them count, whoever was first. */
static void test_threads(void)
{
    enum { THREADS = 4, ROUNDS = 50 };

    for (unsigned round = 0; round < ROUNDS; round++) {
        int fd = file_of(MFD_CLOEXEC), own = dup(fd);
        RamBlock *rb = block_of(fd, SIZE, false, true);
        Thread t[THREADS];

        g_assert_cmpint(ftruncate(own, 4096), ==, 0);
        for (unsigned i = 0; i < THREADS; i++) {
            g_assert_true(thread_create(&t[i], "touch", touch_all, rb, NULL));
        }
        for (unsigned i = 0; i < THREADS; i++) {
            thread_join(&t[i]);
        }
        for (unsigned i = 0; i < PAGES; i++) {
            g_assert_cmpuint(rb->host[i * 4096], ==, THREADS);
        }
        check_told(rb, true);
        gone(rb);
        close(own);
    }
}

/* Nobody's memory: the program ends, as it would without all this. */
static void test_not_ours(void)
{
    int fd = file_of(MFD_CLOEXEC), status;
    volatile uint8_t *p =
        mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    RamBlock *rb = block_of(file_of(MFD_CLOEXEC), SIZE, false, true);
    pid_t pid;

    g_assert_true(p != MAP_FAILED);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    pid = fork();
    if (pid == 0) {
        p[0] = 1;
        _exit(0);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGBUS);
    munmap((void *)(uintptr_t)p, SIZE);
    close(fd);
    gone(rb);
}

int main(int argc, char **argv)
{
    GError *err = NULL;

    g_test_init(&argc, &argv, NULL);
    g_assert_true(ram_lost_catch(note_told, &list, &err));
    g_test_add_func("/ram-lost/touched", test_touched);
    g_test_add_func("/ram-lost/found", test_found);
    g_test_add_func("/ram-lost/shorter-twice", test_shorter_twice);
    g_test_add_func("/ram-lost/read-only", test_read_only);
    g_test_add_func("/ram-lost/threads", test_threads);
    g_test_add_func("/ram-lost/not-ours", test_not_ours);
    return g_test_run();
}
