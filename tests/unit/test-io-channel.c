/*
 * Byte channels: partial and full transfers, shutdown, limits, descriptors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/channel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "io/error.h"
#include "io/file.h"
#include "io/socket.h"
#include "util/thread.h"

typedef struct Pair {
    IoChannel *a;
    IoChannel *b;
} Pair;

static void pair_init(Pair *p)
{
    g_autoptr(GError) err = NULL;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==,
                    0);
    p->a = io_channel_new_socket(fds[0], "pair:a", &err);
    g_assert_no_error(err);
    p->b = io_channel_new_socket(fds[1], "pair:b", &err);
    g_assert_no_error(err);
}

static void pair_fini(Pair *p)
{
    io_channel_unref(p->a);
    io_channel_unref(p->b);
}

static void pair_init_pipe(Pair *p)
{
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    p->a = io_channel_new_fd(fds[0], "pipe:a", NULL);
    p->b = io_channel_new_fd(fds[1], "pipe:b", NULL);
    g_assert_nonnull(p->a);
    g_assert_nonnull(p->b);
}

static void test_buffer(void)
{
    g_autoptr(IoChannel) ch = io_channel_new_buffer("hello", 5);
    g_autoptr(GError) err = NULL;
    char buf[16] = "";
    const void *data;
    size_t len;
    bool eof = false;

    g_assert_cmpint(io_channel_read(ch, buf, 3), ==, 3);
    g_assert_cmpmem(buf, 3, "hel", 3);
    g_assert_true(io_channel_write_all(ch, " world", 6, &err));
    g_assert_true(io_channel_read_all(ch, buf, 8, &err));
    g_assert_cmpmem(buf, 8, "lo world", 8);
    g_assert_cmpint(io_channel_read(ch, buf, 1), ==, 0);
    g_assert_true(io_channel_read_all_eof(ch, buf, 1, &eof, &err));
    g_assert_true(eof);
    data = io_channel_buffer_data(ch, &len);
    g_assert_cmpmem(data, len, "hello world", 11);

    g_assert_cmpint(io_channel_seek(ch, 6, SEEK_SET), ==, 6);
    g_assert_cmpint(io_channel_seek(ch, 1, SEEK_END), ==, -EINVAL);
    g_assert_cmpint(io_channel_seek(ch, INT64_MIN, SEEK_CUR), ==, -EINVAL);
    g_assert_true(io_channel_read_all(ch, buf, 5, &err));
    g_assert_cmpmem(buf, 5, "world", 5);
    g_assert_true(io_channel_pread_all(ch, buf, 4, 1, &err));
    g_assert_cmpmem(buf, 4, "ello", 4);
    g_assert_false(io_channel_pread_all(ch, buf, 4, 9, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_CLOSED);
}

/* What was put back comes first, in pieces of any size. */
static void test_unread(void)
{
    g_autoptr(GError) err = NULL;
    char buf[16] = "", two[2];
    struct iovec iov[2] = { { two, 1 }, { two + 1, 1 } };
    Pair p;

    pair_init(&p);
    g_assert_true(io_channel_write_all(p.a, "hello world", 11, &err));
    g_assert_true(io_channel_read_all(p.b, buf, 5, &err));
    io_channel_unread(p.b, buf, 5);
    g_assert_cmpint(io_channel_wait(p.b, G_IO_IN, 0), ==, 1);
    g_assert_cmpint(io_channel_readv(p.b, iov, 2), ==, 2);
    g_assert_cmpmem(two, 2, "he", 2);
    g_assert_true(io_channel_read_all(p.b, buf, 9, &err));
    g_assert_cmpmem(buf, 9, "llo world", 9);
    g_assert_cmpint(io_channel_wait(p.b, G_IO_IN, 0), ==, 0);
    /* Nobody reads it once the channel was shut down. */
    io_channel_unread(p.b, buf, 3);
    io_channel_shutdown(p.b, IO_SHUTDOWN_READ);
    g_assert_cmpint(io_channel_read(p.b, buf, 1), ==, 0);
    pair_fini(&p);
}

static void test_buffer_pwrite(void)
{
    g_autoptr(IoChannel) ch = io_channel_new_buffer(NULL, 0);
    struct iovec iov[] = { { (void *)"ab", 2 }, { (void *)"cd", 2 } };
    size_t len;
    const void *data;

    g_assert_true(io_channel_pwritev_all(ch, iov, 2, 3, NULL));
    data = io_channel_buffer_data(ch, &len);
    g_assert_cmpmem(data, len, "\0\0\0abcd", 7);
    g_assert_cmpint(io_channel_pwritev(ch, iov, 2, UINT64_MAX - 1), ==, -EFBIG);
}

static void test_eof_inside(void)
{
    g_autoptr(IoChannel) ch = io_channel_new_buffer("abc", 3);
    g_autoptr(GError) err = NULL;
    char buf[8];
    bool eof = false;

    g_assert_false(io_channel_read_all_eof(ch, buf, 4, &eof, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_CLOSED);
    g_assert_cmpstr(err->message, ==,
                    "buffer: read failed: unexpected end of file");
}

/* Many small elements and one of a megabyte: far above any socket buffer. */
enum { BIG_NIOV = 3000, BIG_ELEM = 577, BIG_LAST = 1 << 20 };

static void fill(uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf[i] = (i * 7 + i / 251) & 0xff;
    }
}

static size_t big_vector(uint8_t *buf, struct iovec *iov)
{
    size_t off = 0;

    for (size_t i = 0; i < BIG_NIOV; i++) {
        size_t len = i % 5 ? BIG_ELEM : 0;

        iov[i] = (struct iovec){ .iov_base = buf + off, .iov_len = len };
        off += len;
    }
    iov[BIG_NIOV] =
        (struct iovec){ .iov_base = buf + off, .iov_len = BIG_LAST };
    return off + BIG_LAST;
}

static void *big_writer(void *opaque)
{
    static struct iovec iov[BIG_NIOV + 1];
    g_autoptr(GError) err = NULL;
    IoChannel *ch = opaque;
    g_autofree uint8_t *buf = g_malloc(BIG_NIOV * BIG_ELEM + BIG_LAST);
    size_t len = big_vector(buf, iov);

    fill(buf, len);
    io_channel_writev_all(ch, iov, BIG_NIOV + 1, &err);
    g_assert_no_error(err);
    io_channel_shutdown(ch, IO_SHUTDOWN_WRITE);
    return NULL;
}

static void check_big(Pair *p, bool vector)
{
    static struct iovec iov[BIG_NIOV + 1];
    g_autofree uint8_t *want = g_malloc(BIG_NIOV * BIG_ELEM + BIG_LAST);
    g_autofree uint8_t *got = g_malloc0(BIG_NIOV * BIG_ELEM + BIG_LAST);
    g_autoptr(GError) err = NULL;
    size_t len = big_vector(got, iov);
    Thread t = { 0 };

    fill(want, len);
    g_assert_true(thread_create(&t, "writer", big_writer, p->b, &err));
    if (vector) {
        io_channel_readv_all(p->a, iov, BIG_NIOV + 1, &err);
    } else {
        io_channel_read_all(p->a, got, len, &err);
    }
    g_assert_no_error(err);
    thread_join(&t);
    g_assert_cmpmem(got, len, want, len);
}

static void test_big_writev(void)
{
    for (int i = 0; i < 8; i++) {
        Pair p;

        if (i & 4) {
            pair_init_pipe(&p);
        } else {
            pair_init(&p);
        }
        g_assert_cmpint(io_channel_set_blocking(p.a, !(i & 1)), ==, 0);
        g_assert_cmpint(io_channel_set_blocking(p.b, !(i & 2)), ==, 0);
        check_big(&p, i & 1);
        if (!(i & 4)) {
            uint8_t c;

            g_assert_cmpint(io_channel_read(p.a, &c, 1), ==, 0);
        }
        pair_fini(&p);
    }
}

/* The limited path waits in poll, the other in the kernel. */
static void test_big_limited(void)
{
    Pair p;

    pair_init(&p);
    io_channel_set_io_timeout(p.a, 60 * 1000);
    io_channel_set_deadline_us(p.b, g_get_monotonic_time() + 60 * 1000000);
    check_big(&p, true);
    pair_fini(&p);
}

static void test_nonblocking(void)
{
    g_autofree char *buf = g_malloc0(1 << 20);
    Pair p;

    for (int i = 0; i < 2; i++) {
        if (i) {
            pair_init_pipe(&p);
        } else {
            pair_init(&p);
        }
        io_channel_set_blocking(p.a, false);
        io_channel_set_blocking(p.b, false);
        g_assert_cmpint(io_channel_read(p.a, buf, 1), ==, -EAGAIN);
        g_assert_cmpint(io_channel_write(p.b, buf, 1 << 20), <, 1 << 20);
        while (io_channel_write(p.b, buf, 1 << 20) > 0) {
            /* until it is full */
        }
        g_assert_cmpint(io_channel_write(p.b, buf, 1), ==, -EAGAIN);
        g_assert_cmpint(io_channel_wait(p.b, G_IO_OUT, 0), ==, 0);
        g_assert_cmpint(io_channel_wait(p.a, G_IO_IN, -1), ==, 1);
        pair_fini(&p);
    }
}

typedef struct Blocked {
    IoChannel *ch;
    bool write;
    GError *err;
} Blocked;

static void *blocked_thread(void *opaque)
{
    Blocked *b = opaque;
    g_autofree char *buf = g_malloc0(64 << 20);

    if (b->write) {
        io_channel_write_all(b->ch, buf, 64 << 20, &b->err);
    } else {
        io_channel_read_all(b->ch, buf, 1, &b->err);
    }
    return NULL;
}

/* Without the wake-up the join would wait for ever. */
static void test_shutdown_unblocks(void)
{
    for (int i = 0; i < 8; i++) {
        Blocked b = { .write = i & 1 };
        g_autofree char *want = NULL;
        Thread t = { 0 };
        Pair p;

        if (i & 2) {
            pair_init_pipe(&p);
        } else {
            pair_init(&p);
        }
        b.ch = b.write ? p.b : p.a;
        if (i & 4) {
            io_channel_set_io_timeout(b.ch, 3600 * 1000);
        }
        g_assert_true(thread_create(&t, "blocked", blocked_thread, &b, NULL));
        if (b.write) {
            /* It has filled the buffer, or is about to. */
            g_assert_cmpint(io_channel_wait(p.a, G_IO_IN, -1), ==, 1);
        }
        g_assert_cmpint(io_channel_shutdown(b.ch, IO_SHUTDOWN_BOTH), ==, 0);
        g_assert_cmpint(io_channel_shutdown(b.ch, IO_SHUTDOWN_BOTH), ==, 0);
        thread_join(&t);
        g_assert_error(b.err, IO_ERROR, IO_ERROR_CLOSED);
        want =
            g_strdup_printf("%s: %s failed: channel was shut down",
                            io_channel_name(b.ch), b.write ? "write" : "read");
        g_assert_cmpstr(b.err->message, ==, want);
        g_clear_error(&b.err);
        pair_fini(&p);
    }
}

/* One direction ended: the other goes on, and doesn't spin. */
static void test_half_shutdown(void)
{
    Pair p;
    char c = 'x';

    pair_init(&p);
    g_assert_cmpint(io_channel_shutdown(p.a, IO_SHUTDOWN_WRITE), ==, 0);
    g_assert_cmpint(io_channel_read(p.b, &c, 1), ==, 0);
    g_assert_cmpint(io_channel_write(p.b, "y", 1), ==, 1);
    g_assert_cmpint(io_channel_read(p.a, &c, 1), ==, 1);
    g_assert_cmpint(c, ==, 'y');
    g_assert_cmpint(io_channel_write(p.a, "z", 1), ==, -EPIPE);
    g_assert_true(io_channel_is_shutdown(p.a, IO_SHUTDOWN_WRITE));
    g_assert_false(io_channel_is_shutdown(p.a, IO_SHUTDOWN_READ));
    pair_fini(&p);
}

static void test_timeout(void)
{
    for (int i = 0; i < 4; i++) {
        g_autoptr(GError) err = NULL;
        g_autofree char *big = g_malloc0(16 << 20);
        char c;
        Pair p;

        if (i & 2) {
            pair_init_pipe(&p);
        } else {
            pair_init(&p);
        }
        io_channel_set_io_timeout(p.a, 10);
        if (i & 1) {
            io_channel_set_deadline_us(p.b, g_get_monotonic_time() + 10000);
        } else {
            io_channel_set_io_timeout(p.b, 10);
        }
        g_assert_false(io_channel_read_all(p.a, &c, 1, &err));
        g_assert_error(err, IO_ERROR, IO_ERROR_TIMED_OUT);
        g_clear_error(&err);
        g_assert_cmpint(io_channel_read(p.a, &c, 1), ==, -ETIMEDOUT);
        g_assert_false(io_channel_write_all(p.b, big, 16 << 20, &err));
        g_assert_error(err, IO_ERROR, IO_ERROR_TIMED_OUT);
        g_assert_true(g_str_has_prefix(err->message, io_channel_name(p.b)));
        pair_fini(&p);
    }
}

static void test_peer_gone(void)
{
    for (int i = 0; i < 2; i++) {
        g_autoptr(GError) err = NULL;
        Pair p;

        if (i) {
            pair_init_pipe(&p);
        } else {
            pair_init(&p);
        }
        g_assert_true(io_channel_close(p.a, &err));
        g_assert_true(io_channel_close(p.a, &err));
        g_assert_cmpint(io_channel_fd(p.a, G_IO_IN), ==, -1);
        g_assert_cmpint(io_channel_read(p.a, &i, 1), ==, -EBADF);
        g_assert_false(io_channel_write_all(p.b, "x", 1, &err));
        g_assert_error(err, IO_ERROR, IO_ERROR_CLOSED);
        g_assert_nonnull(strstr(err->message, "write failed: Broken pipe"));
        pair_fini(&p);
    }
}

static void test_fd_pass(void)
{
    struct iovec iov = { .iov_base = (char[1]){ 'x' }, .iov_len = 1 };
    g_autoptr(GError) err = NULL;
    int pipe_fds[2], got[4];
    size_t ngot = 4;
    char c = 0;
    Pair p;

    pair_init(&p);
    g_assert_true(io_channel_has_feature(p.a, IO_FEATURE_FD_PASS));
    g_assert_cmpint(pipe2(pipe_fds, O_CLOEXEC), ==, 0);
    g_assert_true(io_channel_writev_fds_all(p.a, &iov, 1, pipe_fds, 2, &err));
    g_assert_cmpint(io_channel_readv_fds(p.b, &iov, 1, got, &ngot), ==, 1);
    g_assert_cmpint(ngot, ==, 2);
    g_assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    g_assert_cmpint(write(got[1], "p", 1), ==, 1);
    g_assert_cmpint(read(pipe_fds[0], &c, 1), ==, 1);
    g_assert_cmpint(c, ==, 'p');
    close(got[0]);
    close(got[1]);

    /* None sent. */
    ngot = 4;
    g_assert_cmpint(io_channel_write(p.a, "x", 1), ==, 1);
    g_assert_cmpint(io_channel_readv_fds(p.b, &iov, 1, got, &ngot), ==, 1);
    g_assert_cmpint(ngot, ==, 0);

    /* More than there is room for. */
    ngot = 1;
    g_assert_cmpint(io_channel_writev_fds(p.a, &iov, 1, pipe_fds, 2), ==, 1);
    g_assert_cmpint(io_channel_readv_fds(p.b, &iov, 1, got, &ngot), ==,
                    -EMSGSIZE);
    g_assert_cmpint(ngot, ==, 0);

    /* More than anybody may send. */
    g_assert_cmpint(io_channel_writev_fds(p.a, &iov, 1, pipe_fds,
                                          IO_MAX_FDS + 1),
                    ==, -EINVAL);
    pair_fini(&p);

    pair_init_pipe(&p);
    g_assert_false(io_channel_writev_fds_all(p.b, &iov, 1, pipe_fds, 1, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_UNSUPPORTED);
    pair_fini(&p);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

typedef struct Watch {
    GMainLoop *loop;
    GIOCondition got;
    int ncalls;
    bool destroyed;
} Watch;

static gboolean watch_cb(IoChannel *ch, GIOCondition cond, gpointer opaque)
{
    Watch *w = opaque;

    w->got = cond;
    w->ncalls++;
    g_main_loop_quit(w->loop);
    return G_SOURCE_REMOVE;
}

static void watch_destroy(gpointer opaque)
{
    ((Watch *)opaque)->destroyed = true;
}

static void *shutdown_thread(void *opaque)
{
    io_channel_shutdown(opaque, IO_SHUTDOWN_READ);
    return NULL;
}

static void test_watch(void)
{
    for (int i = 0; i < 2; i++) {
        Watch w = { .loop = g_main_loop_new(NULL, false) };
        Thread t = { 0 };
        Pair p;

        if (i) {
            pair_init_pipe(&p);
        } else {
            pair_init(&p);
        }
        io_channel_add_watch(p.b, G_IO_OUT, watch_cb, &w, watch_destroy);
        g_main_loop_run(w.loop);
        g_assert_cmpint(w.got, ==, G_IO_OUT);
        g_assert_true(w.destroyed);

        io_channel_add_watch(p.a, G_IO_IN, watch_cb, &w, NULL);
        g_assert_false(g_main_context_iteration(NULL, false));
        g_assert_cmpint(io_channel_write(p.b, "x", 1), ==, 1);
        g_main_loop_run(w.loop);
        g_assert_cmpint(w.got, ==, G_IO_IN);
        g_assert_cmpint(io_channel_read(p.a, &w.got, 1), ==, 1);

        /* A shutdown by another thread wakes the loop, pipe or socket. */
        io_channel_add_watch(p.a, G_IO_IN, watch_cb, &w, NULL);
        g_assert_true(thread_create(&t, "shut", shutdown_thread, p.a, NULL));
        g_main_loop_run(w.loop);
        thread_join(&t);
        g_assert_cmpint(io_channel_read(p.a, &w.got, 1), ==, 0);
        g_assert_cmpint(w.ncalls, ==, 3);
        pair_fini(&p);
        g_main_loop_unref(w.loop);
    }
}

static void test_watch_buffer(void)
{
    g_autoptr(IoChannel) ch = io_channel_new_buffer("x", 1);
    Watch w = { .loop = g_main_loop_new(NULL, false) };

    io_channel_add_watch(ch, G_IO_IN, watch_cb, &w, NULL);
    g_main_loop_run(w.loop);
    g_assert_cmpint(w.got, ==, G_IO_IN);
    g_main_loop_unref(w.loop);
}

static void test_refs(void)
{
    IoChannel *ch = io_channel_new_buffer(NULL, 0);

    g_assert_true(io_channel_ref(ch) == ch);
    io_channel_unref(ch);
    io_channel_set_name(ch, "other");
    g_assert_cmpstr(io_channel_name(ch), ==, "other");
    g_assert_cmpint(io_channel_set_nodelay(ch, true), ==, -ENOTSUP);
    g_assert_cmpint(io_channel_set_cork(ch, true), ==, -ENOTSUP);
    io_channel_unref(ch);
    io_channel_unref(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/channel/buffer", test_buffer);
    g_test_add_func("/io/channel/unread", test_unread);
    g_test_add_func("/io/channel/buffer-pwrite", test_buffer_pwrite);
    g_test_add_func("/io/channel/eof-inside", test_eof_inside);
    g_test_add_func("/io/channel/big-writev", test_big_writev);
    g_test_add_func("/io/channel/big-limited", test_big_limited);
    g_test_add_func("/io/channel/nonblocking", test_nonblocking);
    g_test_add_func("/io/channel/shutdown-unblocks", test_shutdown_unblocks);
    g_test_add_func("/io/channel/half-shutdown", test_half_shutdown);
    g_test_add_func("/io/channel/timeout", test_timeout);
    g_test_add_func("/io/channel/peer-gone", test_peer_gone);
    g_test_add_func("/io/channel/fd-pass", test_fd_pass);
    g_test_add_func("/io/channel/watch", test_watch);
    g_test_add_func("/io/channel/watch-buffer", test_watch_buffer);
    g_test_add_func("/io/channel/refs", test_refs);
    return g_test_run();
}
