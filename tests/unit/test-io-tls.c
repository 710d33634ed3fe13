/*
 * Unit test: TLS channels (io/tls.h), over a pair of sockets, with a key that
 * both sides have in a file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/socket.h>

#include "io/socket.h"
#include "io/tls.h"
#include "util/error.h"
#include "util/thread.h"

#define KEYS       "joe:00\nqemu:00112233445566778899aabbccddeeff\n"
#define OTHER_KEYS "qemu:ffeeddccbbaa99887766554433221100\n"

enum { BIG = 3 * 1024 * 1024 + 77 };

static char *key_folder(const char *lines)
{
    g_autofree char *dir = g_dir_make_tmp("test-io-tls-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "keys.psk", NULL);

    g_assert_true(g_file_set_contents(path, lines, -1, NULL));
    return g_steal_pointer(&dir);
}

static void drop_folder(char *dir)
{
    g_autofree char *path = g_build_filename(dir, "keys.psk", NULL);

    g_unlink(path);
    g_rmdir(dir);
    g_free(dir);
}

/* Of the two keys; a server's file is read anew for each client. */
static char *key_dirs[2];

static TlsCreds *make_creds(bool server, bool other)
{
    const TlsConfig cfg = { .kind = TLS_PSK,
                            .server = server,
                            .dir = key_dirs[other] };
    GError *err = NULL;
    TlsCreds *c = tls_creds_new(&cfg, &err);

    g_assert_no_error(err);
    return c;
}

static void make_pair(IoChannel *ch[2])
{
    int fd[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), ==,
                    0);
    for (int i = 0; i < 2; i++) {
        ch[i] = io_channel_new_socket(fd[i], i ? "server" : "client", NULL);
        g_assert_nonnull(ch[i]);
    }
}

/* One end of a connection, in a thread of its own. */
typedef struct TlsEnd {
    IoChannel *plain, *ch;
    TlsCreds *creds;
    GError *err;
    Thread thread;
} TlsEnd;

static void *shake_hands(void *opaque)
{
    TlsEnd *e = opaque;

    e->ch = io_channel_tls_new(e->plain, e->creds, NULL, NULL, -1, &e->err);
    if (e->ch == NULL) {
        io_channel_shutdown(e->plain, IO_SHUTDOWN_BOTH);
    }
    return NULL;
}

/* [0]: client, [1]: server. */
static void ends_connect(TlsEnd e[2], bool other_key)
{
    IoChannel *plain[2];

    make_pair(plain);
    for (int i = 0; i < 2; i++) {
        e[i] = (TlsEnd){ .plain = plain[i],
                         .creds = make_creds(i, i == 0 && other_key) };
        g_assert_true(
            thread_create(&e[i].thread, "tls", shake_hands, &e[i], NULL));
    }
    for (int i = 0; i < 2; i++) {
        thread_join(&e[i].thread);
    }
}

static void ends_drop(TlsEnd e[2])
{
    for (int i = 0; i < 2; i++) {
        io_channel_unref(e[i].ch);
        io_channel_unref(e[i].plain);
        tls_creds_unref(e[i].creds);
        g_clear_error(&e[i].err);
    }
}

static void ends_check(const TlsEnd e[2])
{
    for (int i = 0; i < 2; i++) {
        g_assert_no_error(e[i].err);
        g_assert_nonnull(e[i].ch);
        g_assert_false(io_channel_has_feature(e[i].ch, IO_FEATURE_FD_PASS));
        g_assert_true(io_channel_has_feature(e[i].ch, IO_FEATURE_SHUTDOWN));
    }
}

static void fill(uint8_t *buf, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        buf[i] = (i * 31 + seed + (i >> 12)) & 0xff;
    }
}

static void *write_big(void *opaque)
{
    g_autofree uint8_t *buf = g_malloc(BIG);
    IoChannel *ch = opaque;
    struct iovec iov[3];

    fill(buf, BIG, 5);
    iov[0] = (struct iovec){ buf, 5 };
    iov[1] = (struct iovec){ buf + 5, 0 };
    iov[2] = (struct iovec){ buf + 5, BIG - 5 };
    g_assert_true(io_channel_writev_all(ch, iov, 3, NULL));
    return NULL;
}

static void *read_big(void *opaque)
{
    g_autofree uint8_t *buf = g_malloc(BIG), *want = g_malloc(BIG);
    IoChannel *ch = opaque;

    fill(want, BIG, 5);
    g_assert_true(io_channel_read_all(ch, buf, BIG, NULL));
    g_assert_cmpmem(buf, BIG, want, BIG);
    return NULL;
}

/* Both ways at once, by two threads on each end. */
static void test_both_ways(void)
{
    Thread t[4] = { 0 };
    TlsEnd e[2];

    ends_connect(e, false);
    ends_check(e);
    for (int i = 0; i < 4; i++) {
        g_assert_true(thread_create(&t[i], "copy", i & 1 ? read_big : write_big,
                                    e[i / 2].ch, NULL));
    }
    for (int i = 0; i < 4; i++) {
        thread_join(&t[i]);
    }
    ends_drop(e);
}

/* What has been decrypted already can't be polled for. */
static void test_pending(void)
{
    char buf[8] = { 0 };
    TlsEnd e[2];

    ends_connect(e, false);
    g_assert_true(io_channel_write_all(e[0].ch, "abcdefgh", 8, NULL));
    g_assert_true(io_channel_read_all(e[1].ch, buf, 3, NULL));
    g_assert_cmpint(io_channel_wait_until(e[1].ch, G_IO_IN, 0, NULL), ==, 1);
    g_assert_true(io_channel_read_all(e[1].ch, buf + 3, 5, NULL));
    g_assert_cmpmem(buf, 8, "abcdefgh", 8);
    g_assert_cmpint(io_channel_wait_until(e[1].ch, G_IO_IN, 0, NULL), ==, 0);
    ends_drop(e);
}

/* An end that says so is one; a cut connection is not. */
static void test_end(void)
{
    char c;
    TlsEnd e[2];

    ends_connect(e, false);
    g_assert_true(io_channel_close(e[0].ch, NULL));
    g_assert_cmpint(io_channel_read(e[1].ch, &c, 1), ==, 0);
    ends_drop(e);

    ends_connect(e, false);
    io_channel_shutdown(e[0].plain, IO_SHUTDOWN_BOTH);
    g_assert_cmpint(io_channel_read(e[1].ch, &c, 1), ==, -ECONNABORTED);
    ends_drop(e);

    /* One that was shut down here has just ended. */
    ends_connect(e, false);
    io_channel_shutdown(e[1].ch, IO_SHUTDOWN_BOTH);
    g_assert_cmpint(io_channel_read(e[1].ch, &c, 1), ==, 0);
    g_assert_cmpint(io_channel_write(e[1].ch, &c, 1), ==, -EPIPE);
    ends_drop(e);
}

/* Writes until nothing more goes; returns how many bytes were taken. */
static size_t write_until_full(IoChannel *ch, const uint8_t *buf, size_t len)
{
    size_t done = 0;
    ssize_t n;

    io_channel_set_blocking(ch, false);
    while ((n = io_channel_write(ch, buf + done, len - done)) > 0) {
        done += n;
        g_assert_cmpuint(done, <, len);
    }
    g_assert_cmpint(n, ==, -EAGAIN);
    return done;
}

static size_t read_to_end(IoChannel *ch, uint8_t *buf, size_t len)
{
    size_t done = 0;
    ssize_t n;

    while ((n = io_channel_read(ch, buf + done, len - done)) > 0) {
        done += n;
    }
    return done;
}

/*
 * Whoever gives up a write has not said it: the peer gets what was reported
 * as written and not a byte of the record that was under way.
 */
static void test_given_up(void)
{
    g_autofree uint8_t *buf = g_malloc(BIG), *got = g_malloc0(BIG);
    size_t done;
    TlsEnd e[2];

    fill(buf, BIG, 9);
    ends_connect(e, false);
    done = write_until_full(e[0].ch, buf, BIG);
    g_assert_true(io_channel_close(e[0].ch, NULL));
    g_assert_cmpuint(read_to_end(e[1].ch, got, BIG), ==, done);
    g_assert_cmpmem(got, done, buf, done);
    ends_drop(e);
}

/* One that goes on goes on with the same, all of it. */
static void test_goes_on(void)
{
    g_autofree uint8_t *buf = g_malloc(BIG);
    Thread t = { 0 };
    size_t done;
    TlsEnd e[2];

    fill(buf, BIG, 5);
    ends_connect(e, false);
    done = write_until_full(e[0].ch, buf, BIG);
    g_assert_cmpint(io_channel_write(e[0].ch, buf + done, 1), ==, -EINVAL);
    g_assert_true(thread_create(&t, "copy", read_big, e[1].ch, NULL));
    g_assert_true(io_channel_write_all(e[0].ch, buf + done, BIG - done, NULL));
    thread_join(&t);
    ends_drop(e);
}

static void test_wrong_key(void)
{
    TlsEnd e[2];

    ends_connect(e, true);
    for (int i = 0; i < 2; i++) {
        g_assert_null(e[i].ch);
        g_assert_nonnull(e[i].err);
        g_assert_nonnull(strstr(e[i].err->message, "TLS handshake failed"));
    }
    ends_drop(e);
}

static const struct {
    const char *says;
    bool server;
} strangers[] = {
    { "HTTP/1.1 400 Bad Request\r\n\r\n", false },
    { "QEVM0123456789", true },
    { "\x16\x03\x01\xff\xff", true },
    { "", true }, /* and goes */
    { "", false },
};

static void test_strangers(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++) {
        g_autoptr(TlsCreds) creds = make_creds(strangers[i].server, false);
        GError *err = NULL;
        IoChannel *ch[2];

        make_pair(ch);
        g_assert_true(io_channel_write_all(ch[0], strangers[i].says,
                                           strlen(strangers[i].says), NULL));
        io_channel_shutdown(ch[0], IO_SHUTDOWN_WRITE);
        g_assert_null(io_channel_tls_new(ch[1], creds, NULL, NULL, -1, &err));
        g_assert_nonnull(err);
        g_assert_nonnull(strstr(err->message, "server: TLS handshake failed"));
        g_clear_error(&err);
        io_channel_unref(ch[0]);
        io_channel_unref(ch[1]);
    }
}

/* Nobody waits for a silent peer longer than he wants to. */
static void test_silent(void)
{
    g_autoptr(TlsCreds) creds = make_creds(true, false);
    g_autoptr(IoCancel) cancel = io_cancel_new(NULL);
    GError *err = NULL;
    IoChannel *ch[2];

    make_pair(ch);
    g_assert_null(io_channel_tls_new(ch[1], creds, NULL, NULL,
                                     g_get_monotonic_time() + 1000, &err));
    g_assert_nonnull(strstr(err->message, "timed out"));
    g_clear_error(&err);
    io_channel_unref(ch[0]);
    io_channel_unref(ch[1]);

    make_pair(ch);
    io_cancel_trigger(cancel);
    g_assert_null(io_channel_tls_new(ch[1], creds, NULL, cancel, -1, &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    io_channel_unref(ch[0]);
    io_channel_unref(ch[1]);
}

static void check_refused(const TlsConfig *cfg, const char *why)
{
    GError *err = NULL;

    g_assert_null(tls_creds_new(cfg, &err));
    g_assert_nonnull(strstr(err->message, why));
    g_clear_error(&err);
}

static void test_bad_creds(void)
{
    char *dir = key_folder("joe:0011\nqemu:xyz\n");
    TlsConfig cfg = { .kind = TLS_PSK, .dir = dir };

    check_refused(&cfg, "keys.psk"); /* the key isn't hexadecimal */
    cfg.username = "jo";
    check_refused(&cfg, "Username jo not found in PSK file ");
    cfg.dir = "/nonexistent";
    check_refused(&cfg, "Unable to access credentials /nonexistent/keys.psk: "
                        "No such file or directory");
    cfg.kind = TLS_X509;
    check_refused(&cfg, "/nonexistent/ca-cert.pem: No such file");
    cfg.dir = NULL;
    check_refused(&cfg, "Missing 'dir' property value");
    drop_folder(dir);
}

static void test_bad_priority(void)
{
    const TlsConfig cfg = { .kind = TLS_ANON, .priority = "NORMAL:+NONSENSE" };
    g_autoptr(TlsCreds) creds = tls_creds_new(&cfg, NULL);
    GError *err = NULL;
    IoChannel *ch[2];

    g_assert_nonnull(creds);
    make_pair(ch);
    g_assert_null(io_channel_tls_new(ch[0], creds, NULL, NULL, -1, &err));
    g_assert_nonnull(strstr(err->message, "NONSENSE"));
    g_clear_error(&err);
    io_channel_unref(ch[0]);
    io_channel_unref(ch[1]);
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    key_dirs[0] = key_folder(KEYS);
    key_dirs[1] = key_folder(OTHER_KEYS);
    g_test_add_func("/io-tls/both-ways", test_both_ways);
    g_test_add_func("/io-tls/pending", test_pending);
    g_test_add_func("/io-tls/end", test_end);
    g_test_add_func("/io-tls/given-up", test_given_up);
    g_test_add_func("/io-tls/goes-on", test_goes_on);
    g_test_add_func("/io-tls/wrong-key", test_wrong_key);
    g_test_add_func("/io-tls/strangers", test_strangers);
    g_test_add_func("/io-tls/silent", test_silent);
    g_test_add_func("/io-tls/bad-creds", test_bad_creds);
    g_test_add_func("/io-tls/bad-priority", test_bad_priority);
    ret = g_test_run();
    drop_folder(key_dirs[0]);
    drop_folder(key_dirs[1]);
    return ret;
}
