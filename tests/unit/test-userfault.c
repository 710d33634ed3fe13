/*
 * Pages that are brought when somebody touches them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/userfault.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/mman.h>

#include "util/thread.h"

enum { PAGES = 4, PAGE = 4096 };

typedef struct Fixture {
    int fd;
    uint8_t *host;
    bool zero; /* userfault_zero() works there */
    Thread reader;
    uint8_t seen; /* of page `page` */
    unsigned page;
} Fixture;

static bool fixture_init(Fixture *f, int flags)
{
    GError *err = NULL;

    memset(f, 0, sizeof(*f));
    f->fd = userfault_open(0, &err);
    if (f->fd < 0) {
        g_test_skip(err->message);
        g_error_free(err);
        return false;
    }
    f->host = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
                   flags | MAP_ANONYMOUS, -1, 0);
    g_assert_true(f->host != MAP_FAILED);
    userfault_register(f->fd, f->host, PAGES * PAGE, &f->zero, &err);
    g_assert_no_error(err);
    return true;
}

static void fixture_fini(Fixture *f)
{
    g_assert_cmpint(userfault_unregister(f->fd, f->host, PAGES * PAGE), ==, 0);
    munmap(f->host, PAGES * PAGE);
    close(f->fd);
}

static void *read_page(void *opaque)
{
    Fixture *f = opaque;

    f->seen = *(volatile uint8_t *)(f->host + f->page * PAGE);
    return NULL;
}

/* A thread waits for the page: the kernel has said so. */
static void begin_read(Fixture *f, unsigned page)
{
    struct pollfd p = { .fd = f->fd, .events = POLLIN };
    struct uffd_msg msg;

    f->page = page;
    g_assert_true(thread_create(&f->reader, "reader", read_page, f, NULL));
    g_assert_cmpint(poll(&p, 1, 60000), ==, 1);
    g_assert_cmpint(read(f->fd, &msg, sizeof(msg)), ==, sizeof(msg));
    g_assert_cmpuint(msg.event, ==, UFFD_EVENT_PAGEFAULT);
    g_assert_cmpuint(ROUND_DOWN(msg.arg.pagefault.address, PAGE), ==,
                     (uintptr_t)f->host + page * PAGE);
}

static void check_copy(int flags)
{
    g_autofree uint8_t *data = g_malloc(2 * PAGE);
    uint64_t done;
    Fixture f;

    if (!fixture_init(&f, flags)) {
        return;
    }
    memset(data, 0xa5, 2 * PAGE);
    begin_read(&f, 1);
    g_assert_cmpint(userfault_copy(f.fd, f.host + PAGE, data, 2 * PAGE, &done),
                    ==, 0);
    g_assert_cmpuint(done, ==, 2 * PAGE);
    thread_join(&f.reader);
    g_assert_cmpuint(f.seen, ==, 0xa5);
    g_assert_cmpuint(f.host[2 * PAGE], ==, 0xa5);
    /* What is there stays: page 0 is made, page 1 not again. */
    memset(data, 0x11, 2 * PAGE);
    g_assert_cmpint(userfault_copy(f.fd, f.host, data, 2 * PAGE, &done), ==,
                    -EEXIST);
    g_assert_cmpuint(done, ==, PAGE);
    g_assert_cmpuint(f.host[0], ==, 0x11);
    g_assert_cmpuint(f.host[PAGE], ==, 0xa5);
    fixture_fini(&f);
}

static void test_copy_private(void)
{
    check_copy(MAP_PRIVATE);
}

static void test_copy_shared(void)
{
    check_copy(MAP_SHARED);
}

static void test_zero(void)
{
    uint64_t done;
    Fixture f;

    if (!fixture_init(&f, MAP_PRIVATE)) {
        return;
    }
    g_assert_true(f.zero);
    f.seen = 1;
    begin_read(&f, 3);
    g_assert_cmpint(userfault_zero(f.fd, f.host + 2 * PAGE, 2 * PAGE, &done),
                    ==, 0);
    g_assert_cmpuint(done, ==, 2 * PAGE);
    thread_join(&f.reader);
    g_assert_cmpuint(f.seen, ==, 0);
    g_assert_cmpint(userfault_zero(f.fd, f.host + 2 * PAGE, PAGE, &done), ==,
                    -EEXIST);
    fixture_fini(&f);
}

/* Who waited when it ends finds zeros. */
static void test_unregister(void)
{
    Fixture f;

    if (!fixture_init(&f, MAP_PRIVATE)) {
        return;
    }
    f.seen = 1;
    begin_read(&f, 0);
    g_assert_cmpint(userfault_unregister(f.fd, f.host, PAGES * PAGE), ==, 0);
    thread_join(&f.reader);
    g_assert_cmpuint(f.seen, ==, 0);
    fixture_fini(&f);
}

static void test_refused(void)
{
    GError *err = NULL;
    bool zero;
    void *host;
    int file;
    Fixture f;

    if (!fixture_init(&f, MAP_PRIVATE)) {
        return;
    }
    g_assert_cmpint(userfault_open(UINT64_C(1) << 63, &err), ==, -1);
    g_assert_nonnull(strstr(err->message, "features 0x8000000000000000"));
    g_clear_error(&err);
    /* The page tables of a program's own text are no business of ours. */
    file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(file, >=, 0);
    host = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
    g_assert_true(host != MAP_FAILED);
    g_assert_false(userfault_register(f.fd, host, PAGE, &zero, &err));
    g_assert_nonnull(strstr(err->message, "doesn't take this memory"));
    g_clear_error(&err);
    munmap(host, PAGE);
    close(file);
    fixture_fini(&f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/userfault/copy/private", test_copy_private);
    g_test_add_func("/userfault/copy/shared", test_copy_shared);
    g_test_add_func("/userfault/zero", test_zero);
    g_test_add_func("/userfault/unregister", test_unregister);
    g_test_add_func("/userfault/refused", test_refused);
    return g_test_run();
}
