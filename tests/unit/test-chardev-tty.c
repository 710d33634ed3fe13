/*
 * Character devices on terminals: pty, serial line, stdio; and mux.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>

#include "io/socket.h"
#include "tests/unit/chardev-fe.h"

static void test_pty(void)
{
    Chardevs *cs = chardevs_new();
    Chardev *cd = NULL;
    g_autofree char *name = NULL, *want = NULL;
    char buf[4];
    TestFe fe;
    int fd;

    g_assert_true(chardev_new_from_text(cs, "p", "pty", &cd, NULL));
    name = chardev_filename(cd);
    want = g_strconcat("pty:", chardev_pty_path(cd), NULL);
    g_assert_cmpstr(name, ==, want);
    g_assert_true(g_str_has_prefix(chardev_pty_path(cd), "/dev/pts/"));
    test_fe_attach(&fe, cd);
    g_assert_cmpint(chardev_write(cd, "lost", 4), ==, 4);
    for (int i = 0; i < 2; i++) {
        fd = open(chardev_pty_path(cd), O_RDWR | O_NOCTTY | O_CLOEXEC);
        g_assert_cmpint(fd, >=, 0);
        /* Nobody has looked yet, and still it arrives. */
        g_assert_cmpint(chardev_write(cd, "ab\n", 3), ==, 3);
        g_assert_cmpint(read(fd, buf, 4), ==, 3);
        g_assert_cmpmem(buf, 3, "ab\n", 3);
        WAIT_FOR(chardev_is_open(cd));
        g_assert_cmpint(write(fd, "hello\003", 6), ==, 6);
        WAIT_FOR(fe.got->len == 6);
        g_string_truncate(fe.got, 0);
        g_assert_cmpint(chardev_write(cd, "cd", 2), ==, 2);
        g_assert_cmpint(read(fd, buf, 4), ==, 2);
        close(fd);
        WAIT_FOR(!chardev_is_open(cd));
    }
    g_assert_cmpstr(fe.events->str, ==, "OCOC");
    test_fe_detach(&fe);
    chardevs_free(cs);
}

/*
 * The C library's, for all of this program: a pty knows no breaks.  What is
 * asked of the line is noted.
 */
static unsigned breaks_begun, breaks_ended;

int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    breaks_begun += request == TIOCSBRK;
    breaks_ended += request == TIOCCBRK;
    return syscall(SYS_ioctl, fd, request, arg);
}

int tcsendbreak(int fd, int duration)
{
    g_error("waits until the break is over");
}

/* The guest goes on meanwhile; another one that comes makes it longer. */
static void check_break(Chardev *cd)
{
    g_assert_cmpint(chardev_send_break(cd), ==, 0);
    g_assert_cmpint(chardev_send_break(cd), ==, 0);
    g_assert_cmpuint(breaks_begun, ==, 2);
    g_assert_cmpuint(breaks_ended, ==, 0);
    WAIT_FOR(breaks_ended > 0);
    g_assert_cmpuint(breaks_ended, ==, 1);
    g_assert_cmpint(chardev_send_break(cd), ==, 0); /* it goes with the line */
}

static void test_serial(void)
{
    Chardevs *cs = chardevs_new();
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    ChardevLine line = {
        .speed = 9601, .parity = 'E', .data_bits = 7, .stop_bits = 2
    };
    struct termios tio;
    Chardev *cd = NULL;
    char buf[8];
    TestFe fe;

    g_assert_cmpint(grantpt(master), ==, 0);
    g_assert_cmpint(unlockpt(master), ==, 0);
    g_assert_true(
        chardev_new_from_text(cs, "serial0", ptsname(master), &cd, NULL));
    test_fe_attach(&fe, cd);
    g_assert_cmpint(write(master, "hello", 5), ==, 5);
    WAIT_FOR(fe.got->len == 5);
    g_assert_cmpint(chardev_write(cd, "x\n", 2), ==, 2);
    g_assert_cmpint(read(master, buf, 8), ==, 2);
    g_assert_cmpint(chardev_set_line(cd, &line), ==, 0);
    g_assert_cmpint(tcgetattr(master, &tio), ==, 0);
    g_assert_cmpint(cfgetospeed(&tio), ==, B9600);
    g_assert_true(tio.c_cflag & CSTOPB);
    check_break(cd);
    test_fe_detach(&fe);
    chardevs_free(cs);
    close(master);
}

/* In a process of its own, whose terminal is a pty. */
static void test_stdio_child(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    Chardevs *cs = chardevs_new();
    struct termios before, raw, after;
    g_autoptr(GError) err = NULL;
    Chardev *cd = NULL, *second = NULL;
    int slave;
    char c;
    TestFe fe;

    g_assert_cmpint(grantpt(master), ==, 0);
    g_assert_cmpint(unlockpt(master), ==, 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    g_assert_cmpint(dup2(slave, 0), ==, 0);
    g_assert_cmpint(dup2(slave, 1), ==, 1);
    g_assert_cmpint(tcgetattr(0, &before), ==, 0);
    chardev_new_from_text(cs, "s", "stdio", &cd, &err);
    g_assert_no_error(err);
    g_assert_cmpint(tcgetattr(0, &raw), ==, 0);
    g_assert_cmpint(raw.c_lflag & (ICANON | ECHO), ==, 0);
    g_assert_cmpint(raw.c_lflag & ISIG, ==, ISIG);
    g_assert_true(fcntl(0, F_GETFL) & O_NONBLOCK);
    g_assert_false(chardev_new_from_text(cs, "t", "stdio", &second, &err));
    g_assert_nonnull(strstr(err->message, "stdio by multiple"));

    test_fe_attach(&fe, cd);
    g_assert_cmpint(write(master, "k", 1), ==, 1);
    WAIT_FOR(fe.got->len == 1);
    g_assert_cmpint(chardev_write(cd, "z", 1), ==, 1);
    g_assert_cmpint(read(master, &c, 1), ==, 1);
    g_assert_cmpint(c, ==, 'z');
    test_fe_detach(&fe);
    chardev_delete(cs, cd);
    g_assert_cmpint(tcgetattr(0, &after), ==, 0);
    g_assert_cmpint(after.c_lflag, ==, before.c_lflag);
    g_assert_false(fcntl(0, F_GETFL) & O_NONBLOCK);

    chardev_new_from_text(cs, "s", "mon:stdio", &cd, NULL);
    g_assert_cmpint(tcgetattr(0, &raw), ==, 0);
    g_assert_cmpint(raw.c_lflag & ISIG, ==, 0);
    chardevs_free(cs);
}

static void test_stdio(void)
{
    if (g_test_subprocess()) {
        test_stdio_child();
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

/* A mux on a socket pair's worth of socket chardev. */
typedef struct Mux {
    char *dir;
    char *path;
    Chardevs *cs;
    Chardev *cd;
    IoChannel *peer;
    int quits;
} Mux;

static void mux_quit(void *opaque)
{
    ((Mux *)opaque)->quits++;
}

static void mux_setup(Mux *m, gconstpointer data)
{
    ChardevHooks hooks = { .quit = mux_quit, .opaque = m };
    g_autoptr(IoSocketAddress) addr = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) err = NULL;

    m->dir = g_dir_make_tmp("test-chardev-XXXXXX", NULL);
    m->path = g_build_filename(m->dir, "sock", NULL);
    m->cs = chardevs_new();
    chardevs_set_hooks(m->cs, &hooks);
    text = g_strdup_printf("mon:unix:%s,server=on,wait=off", m->path);
    chardev_new_from_text(m->cs, "m", text, &m->cd, &err);
    g_assert_no_error(err);
    addr = io_socket_address_new_unix(m->path);
    m->peer = io_socket_connect(addr, NULL, 0, NULL);
    WAIT_FOR(chardev_is_open(m->cd));
}

static void mux_teardown(Mux *m, gconstpointer data)
{
    chardevs_free(m->cs);
    io_channel_unref(m->peer);
    g_rmdir(m->dir);
    g_free(m->path);
    g_free(m->dir);
}

static void mux_type(Mux *m, const char *keys)
{
    g_assert_true(io_channel_write_all(m->peer, keys, strlen(keys), NULL));
}

static void test_mux(Mux *m, gconstpointer data)
{
    TestFe a, b;
    char buf[8];

    g_assert_nonnull(chardev_find(m->cs, "m-base"));
    g_assert_true(chardev_is_busy(chardev_find(m->cs, "m-base")));
    g_assert_false(chardev_is_busy(m->cd));
    test_fe_attach(&a, m->cd);
    g_assert_cmpstr(a.events->str, ==, "OI");
    test_fe_attach(&b, m->cd);
    g_assert_cmpstr(a.events->str, ==, "OIU");
    g_assert_cmpstr(b.events->str, ==, "OI");

    mux_type(m, "12\001c3\001b\001\0014");
    WAIT_FOR(a.got->len == 3);
    g_assert_cmpstr(b.got->str, ==, "12");
    g_assert_cmpstr(a.got->str, ==, "3\0014");
    g_assert_cmpstr(a.events->str, ==, "OIUIB");
    g_assert_cmpstr(b.events->str, ==, "OIU");

    mux_type(m, "\001x");
    WAIT_FOR(m->quits);
    g_assert_true(io_channel_read_all(m->peer, buf, 2, NULL));
    test_fe_detach(&a);
    g_assert_cmpstr(b.events->str, ==, "OIUI");
    test_fe_detach(&b);
    g_assert_false(chardev_is_busy(m->cd));
}

static void test_mux_help(Mux *m, gconstpointer data)
{
    g_autoptr(GString) got = g_string_new(NULL);
    TestFe a;
    char c;

    test_fe_attach(&a, m->cd);
    chardevs_set_escape(m->cs, 2);
    mux_type(m, "\001\002hx");
    WAIT_FOR(a.got->len == 2);
    g_assert_cmpstr(a.got->str, ==, "\001x");
    while (!strstr(got->str, "send C-b\r\n")) {
        g_assert_cmpint(io_channel_read(m->peer, &c, 1), ==, 1);
        g_string_append_c(got, c);
    }
    g_assert_nonnull(strstr(got->str, "C-b x"));
    test_fe_detach(&a);
}

/*
 * A peer that asks for help without end and reads none of it: what it types
 * afterwards gets through, and what waits for it has a bound.
 */
static void test_mux_deaf_peer(Mux *m, gconstpointer data)
{
    g_autofree char *big = g_malloc0(1 << 20);
    size_t nhelp = 0, len = 0;
    ssize_t n;
    TestFe a;

    test_fe_attach(&a, m->cd);
    while (chardev_write(m->cd, big, 1 << 20) > 0) {
        /* until it is full */
    }
    for (int i = 0; i < 1000; i++) {
        mux_type(m, "\001h");
        g_main_context_iteration(NULL, false);
    }
    mux_type(m, "x");
    WAIT_FOR(a.got->len == 1);
    io_channel_set_blocking(m->peer, false);
    while (len == 0 || big[len - 1] == '\0' || nhelp == 0) {
        len = 0;
        n = io_channel_read(m->peer, big, 1 << 20);
        if (n > 0) {
            len = n;
            nhelp += memchr(big, 'C', len) != NULL;
        }
        g_main_context_iteration(NULL, false);
    }
    while (g_main_context_iteration(NULL, false)) {
        n = io_channel_read(m->peer, big, 1 << 20);
        len += MAX(n, 0);
    }
    g_assert_cmpuint(len, <=, 8192);
    test_fe_detach(&a);
}

/* One that takes nothing keeps neither the other nor the escapes from
 * getting through. */
static void test_mux_blocked(Mux *m, gconstpointer data)
{
    TestFe a, b;

    test_fe_attach(&a, m->cd);
    test_fe_attach(&b, m->cd);
    b.room = 0;
    mux_type(m, "123\001c4");
    WAIT_FOR(a.got->len == 1);
    g_assert_cmpstr(a.got->str, ==, "4");
    g_assert_cmpint(b.got->len, ==, 0);
    mux_type(m, "\001c");
    WAIT_FOR(g_str_has_suffix(b.events->str, "I"));
    b.room = -1;
    chardev_accept_input(m->cd);
    g_assert_cmpstr(b.got->str, ==, "123");
    test_fe_detach(&a);
    test_fe_detach(&b);
}

static void test_mux_timestamps(Mux *m, gconstpointer data)
{
    TestFe a;
    char buf[64] = "";

    test_fe_attach(&a, m->cd);
    mux_type(m, "\001t1");
    WAIT_FOR(a.got->len);
    /* A line at a time. */
    g_assert_cmpint(chardev_write(m->cd, "a\nb\n", 4), ==, 2);
    g_assert_cmpint(chardev_write(m->cd, "b\n", 2), ==, 2);
    g_assert_true(io_channel_read_all(m->peer, buf, 2 + 15 + 2, NULL));
    g_assert_true(g_str_has_prefix(buf, "a\n[00:00:"));
    g_assert_true(g_str_has_suffix(buf, "] b\n"));
    test_fe_detach(&a);
}

static void on_writable(void *opaque)
{
    ++*(int *)opaque;
}

/* The watch is for the room that the back end has. */
static void test_mux_write_watch(Mux *m, gconstpointer data)
{
    g_autofree char *big = g_malloc0(1 << 20);
    int fired = 0;
    unsigned id;

    while (chardev_write(m->cd, big, 1 << 20) > 0) {
        /* until it is full */
    }
    id = chardev_add_write_watch(m->cd, on_writable, &fired);
    chardev_del_watch(m->cd, id);
    chardev_add_write_watch(m->cd, on_writable, &fired);
    g_assert_false(g_main_context_iteration(NULL, false));
    g_assert_cmpint(fired, ==, 0);
    io_channel_set_blocking(m->peer, false);
    while (io_channel_read(m->peer, big, 1 << 20) > 0) {
        /* until it is empty */
    }
    WAIT_FOR(fired);
    g_assert_cmpint(chardev_write(m->cd, "x", 1), ==, 1);
}

static void test_mux_full(Mux *m, gconstpointer data)
{
    ChardevFrontend none = { 0 };
    g_autoptr(GError) err = NULL;
    void *h[5];

    for (int i = 0; i < 4; i++) {
        g_assert_true(chardev_attach(m->cd, &none, &h[i], NULL));
    }
    g_assert_false(chardev_attach(m->cd, &none, &h[4], &err));
    g_assert_nonnull(strstr(err->message, "'m'"));
    mux_type(m, "abc\001c");
    for (int i = 0; i < 4; i++) {
        chardev_detach(m->cd, h[i]);
    }
}

#define ADD(name_, func_) \
    g_test_add("/chardev/mux/" name_, Mux, NULL, mux_setup, func_, mux_teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chardev/pty", test_pty);
    g_test_add_func("/chardev/serial", test_serial);
    g_test_add_func("/chardev/stdio", test_stdio);
    ADD("focus", test_mux);
    ADD("help", test_mux_help);
    ADD("deaf-peer", test_mux_deaf_peer);
    ADD("blocked", test_mux_blocked);
    ADD("timestamps", test_mux_timestamps);
    ADD("write-watch", test_mux_write_watch);
    ADD("full", test_mux_full);
    return g_test_run();
}
