/*
 * Connecting and listening.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/socket.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "io/error.h"
#include "io/file.h"
#include "util/thread.h"

static IoSocketAddress *parse(const char *str)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(IoUri) uri = NULL;

    io_uri_parse(str, &uri, &err);
    g_assert_no_error(err);
    return g_steal_pointer(&uri->addr);
}

static IoListener *listen_on(const char *str)
{
    g_autoptr(IoSocketAddress) addr = parse(str);
    g_autoptr(GError) err = NULL;
    IoListener *l = io_listener_new(addr, 4, &err);

    g_assert_no_error(err);
    return l;
}

static void check_talk(IoChannel *a, IoChannel *b)
{
    char buf[4];

    g_assert_true(io_channel_write_all(a, "ping", 4, NULL));
    g_assert_true(io_channel_read_all(b, buf, 4, NULL));
    g_assert_cmpmem(buf, 4, "ping", 4);
    g_assert_true(io_channel_write_all(b, "pong", 4, NULL));
    g_assert_true(io_channel_read_all(a, buf, 4, NULL));
    g_assert_cmpmem(buf, 4, "pong", 4);
}

static bool have_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 sa = { .sin6_family = AF_INET6,
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static void test_tcp(void)
{
    static const char *const hosts[] = { "tcp:127.0.0.1:0", "tcp:[::1]:0" };

    for (size_t i = 0; i < (have_ipv6() ? 2 : 1); i++) {
        g_autoptr(IoListener) l = listen_on(hosts[i]);
        g_autoptr(IoSocketAddress) local = io_listener_local_address(l, 0);
        g_autofree char *uri = io_socket_address_to_string(local);
        g_autoptr(GError) err = NULL;
        g_autoptr(IoChannel) a = io_socket_connect(local, NULL, 0, &err);
        g_autoptr(IoChannel) b = NULL;
        g_autoptr(IoSocketAddress) peer = NULL;

        g_assert_no_error(err);
        b = io_listener_accept(l, NULL, &err);
        g_assert_no_error(err);
        g_assert_cmpstr(io_channel_name(a), ==, uri);
        peer = io_channel_peer_address(a);
        g_assert_cmpstr(peer->u.inet.port, ==, local->u.inet.port);
        g_assert_cmpint(io_channel_set_nodelay(a, true), ==, 0);
        g_assert_cmpint(io_channel_set_cork(a, true), ==, 0);
        g_assert_cmpint(io_channel_set_cork(a, false), ==, 0);
        g_assert_false(io_channel_has_feature(a, IO_FEATURE_FD_PASS));
        check_talk(a, b);
    }
}

/* With and without a port: every address of a name gets the same port. */
static void test_tcp_any(void)
{
    g_autoptr(IoListener) l = listen_on("tcp::0");
    g_autoptr(IoSocketAddress) first = io_listener_local_address(l, 0);

    g_assert_cmpint(io_listener_count(l), >=, 1);
    for (size_t i = 1; i < io_listener_count(l); i++) {
        g_autoptr(IoSocketAddress) a = io_listener_local_address(l, i);

        g_assert_cmpstr(a->u.inet.port, ==, first->u.inet.port);
    }
    g_assert_null(io_listener_local_address(l, io_listener_count(l)));
}

static void test_reset(void)
{
    g_autoptr(IoListener) l = listen_on("tcp:127.0.0.1:0");
    g_autoptr(IoSocketAddress) local = io_listener_local_address(l, 0);
    g_autoptr(IoChannel) a = io_socket_connect(local, NULL, 0, NULL);
    g_autoptr(IoChannel) b = io_listener_accept(l, NULL, NULL);
    g_autofree char *want = g_strdup_printf(
        "tcp:127.0.0.1:%s: read failed: Connection reset by peer",
        local->u.inet.port);
    struct linger linger = { .l_onoff = 1 };
    g_autoptr(GError) err = NULL;
    char c;

    g_assert_cmpint(setsockopt(io_channel_fd(b, G_IO_IN), SOL_SOCKET, SO_LINGER,
                               &linger, sizeof(linger)),
                    ==, 0);
    io_channel_close(b, NULL);
    g_assert_false(io_channel_read_all(a, &c, 1, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_CLOSED);
    g_assert_cmpstr(err->message, ==, want);
}

static void test_in_use(void)
{
    g_autoptr(IoListener) l = listen_on("tcp:127.0.0.1:0");
    g_autoptr(IoSocketAddress) addr = io_listener_local_address(l, 0);
    g_autofree char *uri = io_socket_address_to_string(addr);
    g_autofree char *want =
        g_strdup_printf("%s: Failed to listen: Address already in use", uri);
    g_autoptr(IoSocketAddress) got = NULL;
    g_autoptr(GError) err = NULL;
    IoListener *l2 = io_listener_new(addr, 1, &err);
    unsigned first = atoi(addr->u.inet.port);

    g_assert_null(l2);
    g_assert_error(err, IO_ERROR, IO_ERROR_IN_USE);
    g_assert_cmpstr(err->message, ==, want);
    g_clear_error(&err);
    if (first > 65500) {
        return; /* no room for a range */
    }
    addr->u.inet.to = first + 30;
    l2 = io_listener_new(addr, 1, &err);
    g_assert_no_error(err);
    got = io_listener_local_address(l2, 0);
    g_assert_cmpint(atoi(got->u.inet.port), >, first);
    g_assert_cmpint(atoi(got->u.inet.port), <=, first + 30);
    io_listener_free(l2);

    addr->u.inet.to = first - 1;
    g_assert_null(io_listener_new(addr, 1, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_INVALID);
}

static void test_refused(void)
{
    IoListener *l = listen_on("tcp:127.0.0.1:0");
    g_autoptr(IoSocketAddress) addr = io_listener_local_address(l, 0);
    g_autofree char *want = NULL;
    g_autoptr(GError) err = NULL;

    io_listener_free(l);
    want = g_strdup_printf("Failed to connect to '127.0.0.1:%s': "
                           "Connection refused",
                           addr->u.inet.port);
    g_assert_null(io_socket_connect(addr, NULL, 0, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_NOT_FOUND);
    g_assert_cmpstr(err->message, ==, want);
    g_clear_error(&err);

    addr->u.inet.ipv4 = IO_TRISTATE_OFF;
    addr->u.inet.ipv6 = IO_TRISTATE_OFF;
    g_assert_null(io_socket_connect(addr, NULL, 0, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_INVALID);
}

static void test_no_such_service(void)
{
    g_autoptr(IoSocketAddress) addr =
        io_socket_address_new_inet("127.0.0.1", "no-such-service");
    g_autoptr(GError) err = NULL;

    g_assert_null(io_socket_connect(addr, NULL, 0, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(err->message, "127.0.0.1:no-such-service"));
}

static void test_unix(void)
{
    g_autofree char *dir = g_dir_make_tmp("test-io-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "sock", NULL);
    g_autoptr(IoSocketAddress) addr = io_socket_address_new_unix(path);
    g_autoptr(GError) err = NULL;
    IoListener *l;
    IoChannel *a, *b;

    /* What mktemp(1) leaves is replaced. */
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    l = io_listener_new(addr, 1, &err);
    g_assert_no_error(err);
    a = io_socket_connect(addr, NULL, 0, &err);
    g_assert_no_error(err);
    b = io_listener_accept(l, NULL, &err);
    g_assert_no_error(err);
    g_assert_true(io_channel_has_feature(b, IO_FEATURE_FD_PASS));
    g_assert_true(g_str_has_suffix(io_channel_name(b), path));
    check_talk(a, b);
    io_channel_unref(a);
    io_channel_unref(b);
    io_listener_free(l);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));

    g_assert_null(io_socket_connect(addr, NULL, 0, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(err->message, path));
    g_clear_error(&err);

    /* Somebody's data isn't. */
    g_assert_true(g_file_set_contents(path, "data", 4, NULL));
    g_assert_null(io_listener_new(addr, 1, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_IN_USE);
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    g_unlink(path);
    g_rmdir(dir);
}

static void test_unix_bad_path(void)
{
    char name[120];
    g_autoptr(IoSocketAddress) addr = NULL;
    g_autoptr(IoSocketAddress) nodir =
        io_socket_address_new_unix("/no-such-folder/sock");
    g_autoptr(GError) err = NULL;

    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    addr = io_socket_address_new_unix(name);
    g_assert_null(io_listener_new(addr, 1, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_INVALID);
    g_assert_nonnull(strstr(err->message, name));
    g_assert_nonnull(strstr(err->message, "less than 108 bytes"));
    g_clear_error(&err);
    g_assert_null(io_socket_connect(addr, NULL, 0, NULL));

    g_assert_null(io_listener_new(nodir, 1, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(err->message, "/no-such-folder/sock"));
}

static void test_abstract(void)
{
    for (int tight = 0; tight < 2; tight++) {
        g_autofree char *name = g_strdup_printf("test-io-%d", getpid());
        g_autoptr(IoSocketAddress) addr = io_socket_address_new_unix(name);
        g_autoptr(IoSocketAddress) local = NULL;
        g_autoptr(IoListener) l = NULL;
        g_autoptr(IoChannel) a = NULL;
        g_autoptr(IoChannel) b = NULL;

        addr->u.un.abstract = true;
        addr->u.un.tight = tight;
        l = io_listener_new(addr, 1, NULL);
        g_assert_nonnull(l);
        local = io_listener_local_address(l, 0);
        g_assert_true(local->u.un.abstract);
        g_assert_cmpstr(local->u.un.path, ==, name);
        a = io_socket_connect(addr, NULL, 0, NULL);
        g_assert_nonnull(a);
        b = io_listener_accept(l, NULL, NULL);
        check_talk(a, b);
    }
}

static void *trigger_thread(void *opaque)
{
    io_cancel_trigger(opaque);
    return NULL;
}

static void test_accept_cancel(void)
{
    g_autoptr(IoListener) l = listen_on("tcp:127.0.0.1:0");
    g_autoptr(IoCancel) cancel = io_cancel_new(NULL);
    g_autoptr(GError) err = NULL;
    Thread t = { 0 };

    g_assert_false(io_cancel_is_set(cancel));
    g_assert_true(thread_create(&t, "cancel", trigger_thread, cancel, NULL));
    g_assert_null(io_listener_accept(l, cancel, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_CANCELLED);
    thread_join(&t);
    g_assert_false(io_cancel_is_set(NULL));
}

/*
 * A unix listener whose queue is full gives EAGAIN, a TCP one lets the
 * connection hang: the connect must then end by cancel or time limit.
 */
static void test_connect_hangs(void)
{
    g_autoptr(IoSocketAddress) any = parse("tcp:127.0.0.1:0");
    g_autoptr(IoListener) l = io_listener_new(any, 0, NULL);
    g_autoptr(IoSocketAddress) addr = io_listener_local_address(l, 0);
    g_autoptr(IoCancel) cancel = io_cancel_new(NULL);
    IoChannel *fill[64];
    g_autoptr(GError) err = NULL;
    Thread t = { 0 };
    size_t n = 0;

    do {
        fill[n] = io_socket_connect(addr, NULL, 20, &err);
    } while (fill[n] && ++n < G_N_ELEMENTS(fill));
    g_assert_cmpint(n, <, G_N_ELEMENTS(fill));
    g_assert_error(err, IO_ERROR, IO_ERROR_TIMED_OUT);
    g_clear_error(&err);

    g_assert_true(thread_create(&t, "cancel", trigger_thread, cancel, NULL));
    g_assert_null(io_socket_connect(addr, cancel, 0, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_CANCELLED);
    thread_join(&t);
    while (n) {
        io_channel_unref(fill[--n]);
    }
}

typedef struct Async {
    GMainLoop *loop;
    IoChannel *client;
    IoChannel *server;
    GError *err;
    int ncalls;
} Async;

static void on_connect(IoChannel *ch, const GError *err, gpointer opaque)
{
    Async *s = opaque;

    s->client = ch;
    s->err = err ? g_error_copy(err) : NULL;
    s->ncalls++;
    if (!ch || s->server) {
        g_main_loop_quit(s->loop);
    }
}

static void on_client(IoListener *l, IoChannel *ch, gpointer opaque)
{
    Async *s = opaque;

    s->server = ch;
    io_listener_set_client_func(l, NULL, NULL, NULL);
    if (s->client) {
        g_main_loop_quit(s->loop);
    }
}

static void test_async(void)
{
    Async s = { .loop = g_main_loop_new(NULL, false) };
    IoListener *l = listen_on("tcp:localhost:0");
    g_autoptr(IoSocketAddress) addr = io_listener_local_address(l, 0);
    g_autoptr(IoCancel) cancel = io_cancel_new(NULL);

    io_listener_set_client_func(l, NULL, on_client, &s);
    io_socket_connect_async(addr, cancel, 0, NULL, on_connect, &s);
    g_assert_cmpint(s.ncalls, ==, 0);
    g_main_loop_run(s.loop);
    g_assert_cmpint(s.ncalls, ==, 1);
    check_talk(s.client, s.server);
    g_clear_pointer(&s.client, io_channel_unref);
    g_clear_pointer(&s.server, io_channel_unref);

    /* Cancelled: the callback still comes. */
    io_cancel_trigger(cancel);
    io_socket_connect_async(addr, cancel, 0, NULL, on_connect, &s);
    g_main_loop_run(s.loop);
    g_assert_error(s.err, IO_ERROR, IO_ERROR_CANCELLED);
    g_clear_error(&s.err);

    io_listener_free(l);
    io_socket_connect_async(addr, NULL, 0, NULL, on_connect, &s);
    g_main_loop_run(s.loop);
    g_assert_error(s.err, IO_ERROR, IO_ERROR_NOT_FOUND);
    g_clear_error(&s.err);
    g_assert_cmpint(s.ncalls, ==, 3);
    g_main_loop_unref(s.loop);
}

static void test_fd(void)
{
    g_autoptr(GError) err = NULL;
    IoSocketAddress fd_addr = { .type = IO_ADDRESS_FD };
    char num[16];
    int fds[2];
    IoChannel *a, *b;

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    g_snprintf(num, sizeof(num), "%d", fds[0]);
    fd_addr.u.fd.str = num;
    g_assert_null(io_listener_new(&fd_addr, 1, &err));
    g_assert_error(err, IO_ERROR, IO_ERROR_INVALID);
    g_clear_error(&err);
    a = io_socket_connect(&fd_addr, NULL, 0, &err);
    g_assert_no_error(err);
    b = io_channel_new_fd(fds[1], NULL, &err);
    g_assert_no_error(err);
    g_assert_true(io_channel_has_feature(b, IO_FEATURE_FD_PASS));
    check_talk(a, b);
    io_channel_unref(a);
    io_channel_unref(b);

    g_assert_null(io_socket_connect(&fd_addr, NULL, 0, &err));
    g_assert_nonnull(strstr(err->message, num));
    g_clear_error(&err);
    fd_addr.u.fd.str = (char *)"mig";
    g_assert_null(io_socket_connect(&fd_addr, NULL, 0, &err));
    g_assert_nonnull(strstr(err->message, "'mig'"));
    g_clear_error(&err);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), ==, 0);
    g_assert_null(io_channel_new_fd(fds[0], NULL, &err));
    g_assert_nonnull(strstr(err->message, "not a stream socket"));
    close(fds[0]);
    close(fds[1]);
}

static void *shut_it(void *opaque)
{
    io_channel_shutdown(opaque, IO_SHUTDOWN_BOTH);
    return NULL;
}

/*
 * A socket that takes the number of a closed one is not shut in its place.
 * The moment is short: it is ThreadSanitizer that sees it.
 */
static void test_shutdown_beside_close(void)
{
    for (unsigned i = 0; i < 500; i++) {
        int fds[2], other[2];
        IoChannel *ch;
        Thread thread;

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
        ch = io_channel_new_socket(fds[0], "one", NULL);
        g_assert_nonnull(ch);
        g_assert_true(thread_create(&thread, "shut", shut_it, ch, NULL));
        g_assert_true(io_channel_close(ch, NULL));
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, other), ==, 0);
        thread_join(&thread);
        g_assert_cmpint(send(other[0], "x", 1, MSG_NOSIGNAL), ==, 1);
        g_assert_cmpint(send(other[1], "x", 1, MSG_NOSIGNAL), ==, 1);
        io_channel_unref(ch);
        close(fds[1]);
        close(other[0]);
        close(other[1]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/io/socket/tcp", test_tcp);
    g_test_add_func("/io/socket/tcp-any", test_tcp_any);
    g_test_add_func("/io/socket/reset", test_reset);
    g_test_add_func("/io/socket/in-use", test_in_use);
    g_test_add_func("/io/socket/refused", test_refused);
    g_test_add_func("/io/socket/no-such-service", test_no_such_service);
    g_test_add_func("/io/socket/unix", test_unix);
    g_test_add_func("/io/socket/unix-bad-path", test_unix_bad_path);
    g_test_add_func("/io/socket/abstract", test_abstract);
    g_test_add_func("/io/socket/accept-cancel", test_accept_cancel);
    g_test_add_func("/io/socket/connect-hangs", test_connect_hangs);
    g_test_add_func("/io/socket/async", test_async);
    g_test_add_func("/io/socket/fd", test_fd);
    g_test_add_func("/io/socket/shutdown-beside-close",
                    test_shutdown_beside_close);
    return g_test_run();
}
