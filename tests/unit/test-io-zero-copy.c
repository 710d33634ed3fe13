/*
 * Unit test: writes without the kernel's copy (io/zero-copy.h), over a TCP
 * connection on the loopback.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "io/socket.h"
#include "io/zero-copy.h"
#include "util/thread.h"

enum { BIG = 5 * 1024 * 1024 + 77 };

typedef struct Ends {
    IoChannel *from, *to;
    uint8_t *data, *got; /* BIG bytes each */
    Thread reader;
} Ends;

/* A connection; [0] is the writer's. */
static void tcp_pair(int fd[2])
{
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(a);
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(l, (struct sockaddr *)&a, len), ==, 0);
    g_assert_cmpint(listen(l, 1), ==, 0);
    g_assert_cmpint(getsockname(l, (struct sockaddr *)&a, &len), ==, 0);
    fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd[0], (struct sockaddr *)&a, len), ==, 0);
    fd[1] = accept(l, NULL, NULL);
    g_assert_cmpint(fd[1], >=, 0);
    close(l);
}

static void ends_init(Ends *e)
{
    int fd[2];

    tcp_pair(fd);
    memset(e, 0, sizeof(*e));
    e->from = io_channel_new_socket(fd[0], "from", NULL);
    e->to = io_channel_new_socket(fd[1], "to", NULL);
    e->data = g_malloc(BIG);
    e->got = g_malloc0(BIG);
    for (size_t i = 0; i < BIG; i++) {
        e->data[i] = i * 31 + (i >> 12);
    }
}

static void ends_fini(Ends *e)
{
    io_channel_unref(e->from);
    io_channel_unref(e->to);
    g_free(e->data);
    g_free(e->got);
}

static void *read_all(void *opaque)
{
    Ends *e = opaque;

    g_assert_true(io_channel_read_all(e->to, e->got, BIG, NULL));
    return NULL;
}

/* All arrives in order, other writes between them, and is let go of. */
static void test_copy(void)
{
    bool copied = false;
    GError *err = NULL;
    ZeroCopy *z;
    Ends e;

    ends_init(&e);
    z = zero_copy_new(e.from, &err);
    g_assert_no_error(err);
    g_assert_true(thread_create(&e.reader, "read", read_all, &e, NULL));
    g_assert_true(zero_copy_write(z, e.data, BIG / 2, &err));
    g_assert_true(io_channel_write_all(e.from, e.data + BIG / 2, 10, &err));
    g_assert_true(
        zero_copy_write(z, e.data + BIG / 2 + 10, BIG - BIG / 2 - 10, &err));
    g_assert_true(zero_copy_settle(z, &copied, &err));
    g_assert_true(copied); /* the loopback always does */
    thread_join(&e.reader);
    g_assert_cmpmem(e.got, BIG, e.data, BIG);
    g_assert_true(zero_copy_settle(z, &copied, &err));
    g_assert_false(copied); /* nothing was under way */
    zero_copy_free(z);
    ends_fini(&e);
}

/* Only where the descriptor is what takes the bytes. */
static void test_refused(void)
{
    GError *err = NULL;
    IoChannel *ch;
    int fd[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==,
                    0);
    ch = io_channel_new_socket(fd[0], "pair", NULL);
    g_assert_null(zero_copy_new(ch, &err));
    g_assert_nonnull(strstr(err->message, "pair: Zero copy send feature not"));
    g_clear_error(&err);
    io_channel_unref(ch);
    close(fd[1]);
}

static void *shut_down(void *opaque)
{
    g_usleep(1000);
    io_channel_shutdown(opaque, IO_SHUTDOWN_BOTH);
    return NULL;
}

/* Nobody reads: limits and a shutdown end the wait, wherever it is. */
static void test_stuck(void)
{
    bool copied;

    for (int settle = 0; settle < 2; settle++) {
        GError *err = NULL;
        Thread t = { 0 };
        ZeroCopy *z;
        Ends e;

        ends_init(&e);
        z = zero_copy_new(e.from, NULL);
        io_channel_set_write_deadline_us(e.from, 1);
        while (zero_copy_write(z, e.data, BIG, &err)) {
        }
        g_assert_nonnull(strstr(err->message, "from: write failed"));
        g_assert_nonnull(strstr(err->message, "timed out"));
        g_clear_error(&err);
        io_channel_set_write_deadline_us(e.from, 0);
        g_assert_true(thread_create(&t, "shut", shut_down, e.from, NULL));
        g_assert_false(settle ? zero_copy_settle(z, &copied, &err)
                              : zero_copy_write(z, e.data, BIG, &err));
        g_assert_nonnull(err);
        g_clear_error(&err);
        thread_join(&t);
        zero_copy_free(z);
        ends_fini(&e);
    }
}

/* The peer goes with all of it unread. */
static void test_peer_gone(void)
{
    GError *err = NULL;
    bool copied;
    ZeroCopy *z;
    Ends e;

    ends_init(&e);
    z = zero_copy_new(e.from, NULL);
    g_assert_true(zero_copy_write(z, e.data, 65536, &err));
    g_assert_true(io_channel_close(e.to, NULL));
    while (zero_copy_write(z, e.data, 65536, &err)) {
    }
    g_assert_nonnull(strstr(err->message, "from: write failed"));
    g_clear_error(&err);
    /* Whatever it says, it doesn't wait for ever. */
    zero_copy_settle(z, &copied, &err);
    g_clear_error(&err);
    zero_copy_free(z);
    ends_fini(&e);
}

/* Of this thread alone. */
static bool drop_lock_privilege(void)
{
    struct __user_cap_header_struct h = { .version =
                                              _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct d[2];

    if (syscall(SYS_capget, &h, d) < 0) {
        return false;
    }
    d[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
    return syscall(SYS_capset, &h, d) == 0;
}

static void *write_limited(void *opaque)
{
    GError *err = NULL;
    ZeroCopy *z;
    Ends e;

    if (!drop_lock_privilege()) {
        return (void *)"capset";
    }
    ends_init(&e);
    z = zero_copy_new(e.from, NULL);
    g_assert_false(zero_copy_write(z, e.data, BIG, &err));
    g_assert_nonnull(strstr(err->message, "Process can't lock enough memory "
                                          "for using MSG_ZEROCOPY"));
    g_clear_error(&err);
    zero_copy_free(z);
    ends_fini(&e);
    return NULL;
}

/* A limit too low for one write is named; see getrlimit(2). */
static void test_memlock(void)
{
    struct rlimit was, low;
    void *problem;
    GThread *t;

    g_assert_cmpint(getrlimit(RLIMIT_MEMLOCK, &was), ==, 0);
    low = was;
    low.rlim_cur = 4096;
    g_assert_cmpint(setrlimit(RLIMIT_MEMLOCK, &low), ==, 0);
    t = g_thread_new("limited", write_limited, NULL);
    problem = g_thread_join(t);
    g_assert_cmpint(setrlimit(RLIMIT_MEMLOCK, &was), ==, 0);
    if (problem != NULL) {
        g_test_skip(problem);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/zero-copy/copy", test_copy);
    g_test_add_func("/zero-copy/refused", test_refused);
    g_test_add_func("/zero-copy/stuck", test_stuck);
    g_test_add_func("/zero-copy/peer-gone", test_peer_gone);
    g_test_add_func("/zero-copy/memlock", test_memlock);
    return g_test_run();
}
