/*
 * Character devices on sockets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "io/socket.h"
#include "tests/unit/chardev-fe.h"
#include "util/thread.h"

typedef struct Fixture {
    char *dir;
    char *path;
    Chardevs *cs;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
    f->dir = g_dir_make_tmp("test-chardev-XXXXXX", NULL);
    f->path = g_build_filename(f->dir, "sock", NULL);
    f->cs = chardevs_new();
}

static void teardown(Fixture *f, gconstpointer data)
{
    chardevs_free(f->cs);
    g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
    g_rmdir(f->dir);
    g_free(f->path);
    g_free(f->dir);
}

static Chardev *make(Fixture *f, const char *fmt)
{
    g_autofree char *opts =
        g_strdup_printf("socket,id=s,path=%s,%s", f->path, fmt);

    return test_chardev(f->cs, opts);
}

static IoChannel *dial(Fixture *f)
{
    g_autoptr(IoSocketAddress) addr = io_socket_address_new_unix(f->path);
    g_autoptr(GError) err = NULL;
    IoChannel *ch = io_socket_connect(addr, NULL, 0, &err);

    g_assert_no_error(err);
    return ch;
}

static void check_filename(Chardev *cd, const char *fmt, const char *arg)
{
    g_autofree char *got = chardev_filename(cd);
    g_autofree char *want = g_strdup_printf("%s%s%s", fmt, arg, ",server=on");

    g_assert_cmpstr(got, ==, want);
}

static void test_server(Fixture *f, gconstpointer data)
{
    Chardev *cd = make(f, "server=on,wait=off");
    IoChannel *a;
    char buf[4];
    TestFe fe;

    check_filename(cd, "disconnected:unix:", f->path);
    test_fe_attach(&fe, cd);
    g_assert_cmpstr(fe.events->str, ==, "");
    /* Nobody there: as a cable that isn't plugged in. */
    g_assert_cmpint(chardev_write(cd, "lost", 4), ==, 4);

    for (int i = 0; i < 2; i++) {
        g_string_truncate(fe.events, 0);
        g_string_truncate(fe.got, 0);
        a = dial(f);
        WAIT_FOR(fe.events->len);
        g_assert_cmpstr(fe.events->str, ==, "O");
        g_assert_true(chardev_is_open(cd));
        check_filename(cd, "unix:", f->path);
        g_assert_cmpint(chardev_write(cd, "abcd", 4), ==, 4);
        g_assert_true(io_channel_read_all(a, buf, 4, NULL));
        g_assert_cmpmem(buf, 4, "abcd", 4);
        g_assert_true(io_channel_write_all(a, "hello", 5, NULL));
        WAIT_FOR(fe.got->len == 5);
        io_channel_unref(a);
        WAIT_FOR(fe.events->len == 2);
        g_assert_cmpstr(fe.events->str, ==, "OC");
        g_assert_false(chardev_is_open(cd));
    }
    test_fe_detach(&fe);
}

/* A client sees an offer first, and never a command made of data. */
static void test_telnet(Fixture *f, gconstpointer data)
{
    static const char hello[] = "\xff\xfb\x01\xff\xfb\x03\xff\xfb\x00"
                                "\xff\xfd\x00"
                                "a\xff\xff\xff\xff"
                                "b";
    Chardev *cd = make(f, "server=on,wait=off,telnet=on");
    char buf[sizeof(hello) - 1];
    IoChannel *a;
    TestFe fe;

    test_fe_attach(&fe, cd);
    a = dial(f);
    WAIT_FOR(chardev_is_open(cd));
    g_assert_cmpint(chardev_write(cd,
                                  "a\xff\xff"
                                  "b",
                                  4),
                    ==, 4);
    g_assert_true(io_channel_read_all(a, buf, sizeof(buf), NULL));
    g_assert_cmpmem(buf, sizeof(buf), hello, sizeof(buf));
    g_assert_true(io_channel_write_all(a, "\xff\xfd\x03", 3, NULL));
    g_assert_true(io_channel_write_all(a,
                                       "x\xff\xff\xff\xf3"
                                       "y",
                                       6, NULL));
    WAIT_FOR(fe.got->len == 3);
    g_assert_cmpmem(fe.got->str, 3,
                    "x\xff"
                    "y",
                    3);
    g_assert_cmpstr(fe.events->str, ==, "OB");
    /* What a peer that is gone had sent is taken apart, too. */
    fe.room = 0;
    chardev_accept_input(cd);
    g_assert_true(io_channel_write_all(a,
                                       "1\xff\xf1\xff\xff"
                                       "2",
                                       6, NULL));
    io_channel_unref(a);
    WAIT_FOR(!chardev_is_open(cd));
    fe.room = -1;
    chardev_accept_input(cd);
    WAIT_FOR(fe.got->len == 6);
    g_assert_cmpmem(fe.got->str + 3, 3,
                    "1\xff"
                    "2",
                    3);
    test_fe_detach(&fe);
}

/* The front end ends the connection; the next may come. */
static void test_disconnect(Fixture *f, gconstpointer data)
{
    Chardev *cd = make(f, "server=on,wait=off");
    IoChannel *a, *b;
    TestFe fe;
    char c;

    test_fe_attach(&fe, cd);
    a = dial(f);
    WAIT_FOR(chardev_is_open(cd));
    b = dial(f); /* waits in the queue */
    chardev_disconnect(cd);
    g_assert_cmpint(io_channel_read(a, &c, 1), ==, 0);
    WAIT_FOR(chardev_is_open(cd));
    g_assert_cmpstr(fe.events->str, ==, "OCO");
    g_assert_cmpint(chardev_write(cd, "x", 1), ==, 1);
    g_assert_cmpint(io_channel_read(b, &c, 1), ==, 1);
    io_channel_unref(a);
    io_channel_unref(b);
    test_fe_detach(&fe);
}

/* A peer that is gone leaves what it sent, and its place. */
static void test_hangup_unread(Fixture *f, gconstpointer data)
{
    Chardev *cd = make(f, "server=on,wait=off");
    IoChannel *a;
    TestFe fe;

    test_fe_attach(&fe, cd);
    fe.room = 0;
    chardev_accept_input(cd);
    a = dial(f);
    WAIT_FOR(chardev_is_open(cd));
    g_assert_true(io_channel_write_all(a, "0123456789", 10, NULL));
    io_channel_unref(a);
    WAIT_FOR(!chardev_is_open(cd));
    a = dial(f);
    WAIT_FOR(chardev_is_open(cd));
    g_assert_true(io_channel_write_all(a, "abc", 3, NULL));
    fe.room = 4;
    chardev_accept_input(cd);
    WAIT_FOR(fe.got->len == 4);
    fe.room = -1;
    chardev_accept_input(cd);
    WAIT_FOR(fe.got->len == 13);
    g_assert_cmpstr(fe.got->str, ==, "0123456789abc");
    io_channel_unref(a);
    test_fe_detach(&fe);
}

static void *waiting_thread(void *opaque)
{
    IoChannel *a;
    Fixture *f = opaque;

    /* The socket appears when the other thread has got that far. */
    do {
        g_autoptr(IoSocketAddress) addr = io_socket_address_new_unix(f->path);

        a = io_socket_connect(addr, NULL, 0, NULL);
    } while (!a);
    return a;
}

static void test_wait(Fixture *f, gconstpointer data)
{
    Thread t = { 0 };
    IoChannel *a;
    Chardev *cd;

    g_assert_true(thread_create(&t, "dial", waiting_thread, f, NULL));
    cd = make(f, "server=on");
    g_assert_true(chardev_is_open(cd));
    a = thread_join(&t);
    io_channel_unref(a);
}

static void test_client(Fixture *f, gconstpointer data)
{
    g_autoptr(IoSocketAddress) addr = io_socket_address_new_unix(f->path);
    IoListener *l = io_listener_new(addr, 1, NULL);
    Chardev *cd = make(f, "server=off");
    IoChannel *a = io_listener_accept(l, NULL, NULL);
    g_autofree char *want = g_strconcat("unix:", f->path, NULL);
    g_autofree char *name = chardev_filename(cd);
    TestFe fe;

    g_assert_cmpstr(name, ==, want);
    test_fe_attach(&fe, cd);
    g_assert_cmpstr(fe.events->str, ==, "O");
    io_channel_unref(a);
    WAIT_FOR(!chardev_is_open(cd));
    g_assert_cmpint(chardev_write(cd, "x", 1), ==, 1);
    test_fe_detach(&fe);
    io_listener_free(l);
}

static void test_reconnect(Fixture *f, gconstpointer data)
{
    g_autoptr(IoSocketAddress) addr = io_socket_address_new_unix(f->path);
    IoListener *l = io_listener_new(addr, 1, NULL);
    Chardev *cd = make(f, "reconnect=1");
    IoChannel *a;
    TestFe fe;

    test_fe_attach(&fe, cd);
    for (int i = 0; i < 2; i++) {
        a = io_listener_accept(l, NULL, NULL);
        WAIT_FOR(chardev_is_open(cd));
        io_channel_unref(a);
        WAIT_FOR(!chardev_is_open(cd));
        if (!i) {
            WAIT_FOR(chardev_is_open(cd)); /* the kernel took it already */
        }
    }
    g_assert_cmpstr(fe.events->str, ==, "OCOC");
    test_fe_detach(&fe);
    io_listener_free(l);
}

/* Deleting while a connect or its timer is under way. */
static void test_delete_connecting(Fixture *f, gconstpointer data)
{
    Chardev *cd = make(f, "reconnect=1");

    chardev_delete(f->cs, cd);
    while (g_main_context_iteration(NULL, false)) {
        /* the attempt's report, if it came already */
    }
}

static void test_fd_pass(Fixture *f, gconstpointer data)
{
    struct iovec iov = { .iov_base = (char[1]){ 'x' }, .iov_len = 1 };
    Chardev *cd = make(f, "server=on,wait=off");
    IoChannel *a = dial(f);
    int fds[2], got;
    TestFe fe;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    test_fe_attach(&fe, cd);
    g_assert_true(io_channel_writev_fds_all(a, &iov, 1, fds, 2, NULL));
    WAIT_FOR(fe.got->len == 1);
    got = chardev_take_fd(cd);
    g_assert_cmpint(got, >=, 0);
    g_assert_cmpint(write(got, "y", 1), ==, 1);
    close(got);
    /* The other one is closed with the device or the next message. */
    g_assert_true(io_channel_writev_fds_all(a, &iov, 1, fds, 1, NULL));
    WAIT_FOR(fe.got->len == 2);
    got = chardev_take_fd(cd);
    g_assert_cmpint(got, >=, 0);
    close(got);
    g_assert_cmpint(chardev_take_fd(cd), ==, -1);
    io_channel_unref(a);
    close(fds[0]);
    close(fds[1]);
    test_fe_detach(&fe);
}

/* As libvirt does it: somebody else made the listening socket. */
static void test_listening_fd(Fixture *f, gconstpointer data)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_autofree char *opts =
        g_strdup_printf("socket,id=s,fd=%d,server=on,wait=off", fd);
    IoChannel *a;
    Chardev *cd;

    g_strlcpy(un.sun_path, f->path, sizeof(un.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    cd = test_chardev(f->cs, opts);
    check_filename(cd, "disconnected:unix:", f->path);
    a = dial(f);
    WAIT_FOR(chardev_is_open(cd));
    check_filename(cd, "unix:", f->path);
    io_channel_unref(a);
    g_unlink(f->path); /* not ours to remove */
}

static void test_tcp(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) err = NULL;
    Chardev *cd = NULL, *client = NULL;
    g_autofree char *name = NULL, *text = NULL, *name2 = NULL, *name3 = NULL;
    char *port;

    chardev_new_from_text(f->cs, "serial0", "tcp:127.0.0.1:0,server,nowait",
                          &cd, &err);
    g_assert_no_error(err);
    name = chardev_filename(cd);
    g_assert_true(g_str_has_prefix(name, "disconnected:tcp:127.0.0.1:"));
    g_assert_true(g_str_has_suffix(name, ",server=on"));
    *strrchr(name, ',') = '\0';
    port = strrchr(name, ':') + 1;
    text = g_strconcat("tcp:127.0.0.1:", port, ",nodelay", NULL);
    chardev_new_from_text(f->cs, "serial1", text, &client, &err);
    g_assert_no_error(err);
    WAIT_FOR(chardev_is_open(cd));
    name2 = chardev_filename(cd);
    g_assert_nonnull(strstr(name2, ",server=on <-> 127.0.0.1:"));
    name3 = chardev_filename(client);
    g_assert_true(g_str_has_suffix(name3, port));
    g_assert_nonnull(strstr(name3, " <-> 127.0.0.1:"));
}

static void on_writable(void *opaque)
{
    ++*(int *)opaque;
}

/* A peer that doesn't read: 0, and the watch says when to go on. */
static void test_write_watch(Fixture *f, gconstpointer data)
{
    Chardev *cd = make(f, "server=on,wait=off");
    g_autofree char *big = g_malloc0(1 << 20);
    IoChannel *a = dial(f);
    int fired = 0;
    unsigned id;

    WAIT_FOR(chardev_is_open(cd));
    while (chardev_write(cd, big, 1 << 20) > 0) {
        /* until it is full */
    }
    g_assert_cmpint(chardev_write(cd, big, 1), ==, 0);
    id = chardev_add_write_watch(cd, on_writable, &fired);
    chardev_del_watch(cd, id);
    chardev_add_write_watch(cd, on_writable, &fired);
    g_assert_false(g_main_context_iteration(NULL, false));
    g_assert_cmpint(fired, ==, 0);
    io_channel_set_blocking(a, false);
    while (io_channel_read(a, big, 1 << 20) > 0) {
        /* until it is empty */
    }
    WAIT_FOR(fired);
    g_assert_cmpint(chardev_write(cd, big, 1), ==, 1);

    /* Full again, and the peer goes: whoever waits is told. */
    while (chardev_write(cd, big, 1 << 20) > 0) {
        /* until it is full */
    }
    fired = 0;
    chardev_add_write_watch(cd, on_writable, &fired);
    io_channel_unref(a);
    WAIT_FOR(fired);
    g_assert_cmpint(fired, ==, 1);
    WAIT_FOR(!chardev_is_open(cd));
    g_assert_cmpint(chardev_write(cd, big, 1 << 20), ==, 1 << 20);
}

#define ADD(name_, func_) \
    g_test_add("/chardev/socket/" name_, Fixture, NULL, setup, func_, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("server", test_server);
    ADD("telnet", test_telnet);
    ADD("disconnect", test_disconnect);
    ADD("hangup-unread", test_hangup_unread);
    ADD("wait", test_wait);
    ADD("client", test_client);
    ADD("reconnect", test_reconnect);
    ADD("delete-connecting", test_delete_connecting);
    ADD("fd-pass", test_fd_pass);
    ADD("listening-fd", test_listening_fd);
    ADD("tcp", test_tcp);
    ADD("write-watch", test_write_watch);
    return g_test_run();
}
