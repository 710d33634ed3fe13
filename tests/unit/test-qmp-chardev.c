/*
 * QMP on a real character device: monitor/qmp-chardev.c over a unix socket.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "chardev/chardev.h"
#include "monitor/qmp-priv.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "util/lock.h"

enum { BIG = 3 * 1024 * 1024 };

/* How often "echo" was carried out. */
static unsigned nechoes;

typedef struct Fixture {
    char *dir, *path;
    Chardevs *chardevs;
    Monitors *monitors;
} Fixture;

static bool fn_echo(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                    GError **errp)
{
    nechoes++;
    *ret = json_ref(args);
    return true;
}

/* An answer that fills every buffer on the way. */
static bool fn_big(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                   GError **errp)
{
    g_autofree char *s = g_malloc(BIG + 1);

    memset(s, 'x', BIG);
    s[BIG] = '\0';
    *ret = json_string_new(s);
    return true;
}

static bool fn_fd_flags(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                        GError **errp)
{
    int fd = qmp_ctx_take_fd(ctx);

    *ret = json_int_new(fd < 0 ? fd : fcntl(fd, F_GETFL) & O_ACCMODE);
    if (fd >= 0) {
        close(fd);
    }
    return true;
}

static bool fn_negotiate(QmpCtx *ctx, const JsonValue *args, JsonValue **ret,
                         GError **errp)
{
    ctx->session->negotiated = true;
    return true;
}

const QmpCommand qmp_commands[] = {
    { "big", 0, fn_big },
    { "echo", 0, fn_echo },
    { "fd-flags", 0, fn_fd_flags },
    { "qmp_capabilities", 0, fn_negotiate },
};
const size_t qmp_ncommands = G_N_ELEMENTS(qmp_commands);

ACQUIRE(&vm_lock) static void setup(Fixture *f, const void *data)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;
    Chardev *cd = NULL;

    vm_lock_acquire();
    f->dir = g_dir_make_tmp("test-qmp-XXXXXX", &err);
    g_assert_no_error(err);
    f->path = g_build_filename(f->dir, "qmp", NULL);
    text = g_strdup_printf("unix:%s,server=on,wait=off", f->path);
    f->chardevs = chardevs_new();
    chardev_new_from_text(f->chardevs, "mon0", text, &cd, &err);
    g_assert_no_error(err);
    f->monitors = monitors_new(NULL);
    g_assert_true(qmp_session_on_chardev(f->monitors, cd, false, &err));
    /* One front end at a time. */
    g_assert_false(qmp_session_on_chardev(f->monitors, cd, false, &err));
    g_assert_nonnull(err);
}

RELEASE(&vm_lock) static void teardown(Fixture *f, const void *data)
{
    monitors_free(f->monitors);
    chardevs_free(f->chardevs);
    g_unlink(f->path);
    g_rmdir(f->dir);
    g_free(f->path);
    g_free(f->dir);
    vm_lock_release();
}

static int connect_to(Fixture *f)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_strlcpy(sa.sun_path, f->path, sizeof(sa.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    return fd;
}

/* The next line, without its end; the main loop runs meanwhile. */
static char *read_line(int fd)
{
    GString *line = g_string_new(NULL);
    g_autofree char *buf = g_malloc(65536);

    while (!g_str_has_suffix(line->str, "\r\n")) {
        /* Not beyond the line: look first, then take. */
        ssize_t n = recv(fd, buf, 65536, MSG_PEEK);
        const char *end = n > 0 ? memchr(buf, '\n', (size_t)n) : NULL;

        if (n > 0) {
            n = recv(fd, buf, end ? (size_t)(end - buf) + 1 : (size_t)n, 0);
            g_string_append_len(line, buf, n);
            continue;
        }
        g_assert_true(n < 0 && errno == EAGAIN);
        g_main_context_iteration(NULL, true);
    }
    g_string_truncate(line, line->len - 2);
    return g_string_free(line, false);
}

static void expect(int fd, const char *want)
{
    g_autofree char *line = read_line(fd);

    g_assert_cmpstr(line, ==, want);
}

static void send_text(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==,
                    strlen(text));
}

static void greet(int fd)
{
    g_autofree char *line = read_line(fd);

    g_assert_true(g_str_has_prefix(line, "{\"QMP\": {\"version\": "));
    send_text(fd, "{'execute':'qmp_capabilities'}");
    expect(fd, "{\"return\": {}}");
}

static void test_talk(Fixture *f, const void *data)
{
    /* One client after the other. */
    for (int i = 0; i < 3; i++) {
        int fd = connect_to(f);

        greet(fd);
        send_text(fd, "{'execute':'echo','id':1}{'execute':'ec");
        expect(fd, "{\"return\": {}, \"id\": 1}");
        send_text(fd, "ho','id':2}");
        expect(fd, "{\"return\": {}, \"id\": 2}");
        /* Leaves with half a request said. */
        send_text(fd, "{'execute':");
        close(fd);
    }
}

static void test_event(Fixture *f, const void *data)
{
    int fd = connect_to(f);
    g_autofree char *line = NULL;

    greet(fd);
    qapi_event_stop(monitors_event_sink(f->monitors));
    line = read_line(fd);
    g_assert_true(g_str_has_suffix(line, "\"event\": \"STOP\"}"));
    close(fd);
}

/* More than the socket holds, to a client that asks again and again. */
static void test_big(Fixture *f, const void *data)
{
    int fd = connect_to(f);

    greet(fd);
    for (int i = 0; i < 4; i++) {
        send_text(fd, "{'execute':'big'}");
    }
    for (int i = 0; i < 4; i++) {
        g_autofree char *line = read_line(fd);

        g_assert_cmpuint(strlen(line), ==, BIG + strlen("{\"return\": \"\"}"));
    }
    send_text(fd, "{'execute':'echo'}");
    expect(fd, "{\"return\": {}}");
    close(fd);
}

/* It goes while its answer is being written; the next client is served. */
static void test_big_gone(Fixture *f, const void *data)
{
    int fd = connect_to(f);
    int next;

    greet(fd);
    send_text(fd, "{'execute':'big'}{'execute':'big'}");
    while (g_main_context_iteration(NULL, false)) {
    }
    close(fd);
    next = connect_to(f);
    greet(next);
    close(next);
}

static void send_with_fd(int sock, const char *text, int fd)
{
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    struct iovec iov = { .iov_base = (char *)(uintptr_t)text,
                         .iov_len = strlen(text) };
    struct msghdr msg = { .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control.buf,
                          .msg_controllen = sizeof(control.buf) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    g_assert_cmpint(sendmsg(sock, &msg, MSG_NOSIGNAL), ==, strlen(text));
}

static void expect_end(int fd)
{
    char c;
    ssize_t n;

    while ((n = recv(fd, &c, 1, 0)) < 0 && errno == EAGAIN) {
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpint(n, ==, 0);
}

/* As "nc -N" does: says all it has to say, and then listens. */
static void test_half_close(Fixture *f, const void *data)
{
    int fd = connect_to(f);
    int next;

    send_text(fd, "{'execute':'qmp_capabilities'}");
    for (int i = 0; i < 12; i++) {
        g_autofree char *s = g_strdup_printf("{'execute':'%s','id':%d}",
                                             i % 4 ? "echo" : "big", i);

        send_text(fd, s);
    }
    send_text(fd, "{'execute':'ec"); /* not finished: never carried out */
    g_assert_cmpint(shutdown(fd, SHUT_WR), ==, 0);
    next = connect_to(f);
    g_free(read_line(fd)); /* the greeting */
    expect(fd, "{\"return\": {}}");
    for (int i = 0; i < 12; i++) {
        g_autofree char *line = read_line(fd);
        g_autofree char *end = g_strdup_printf(", \"id\": %d}", i);

        g_assert_true(g_str_has_suffix(line, end));
    }
    expect_end(fd);
    greet(next);
    close(next);
    close(fd);
}

/* Says more than is taken at once, and leaves. */
static void test_gone(Fixture *f, const void *data)
{
    const unsigned n = 200;
    int fd = connect_to(f);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int next;

    greet(fd);
    nechoes = 0;
    for (unsigned i = 0; i < n; i++) {
        send_text(fd, "{'execute':'big'}{'execute':'echo'}");
    }
    send_with_fd(fd, "{'execute':'echo'}", null);
    close(fd);
    next = connect_to(f);
    greet(next);
    /* All of it, before the next client, and nothing of it for that one. */
    g_assert_cmpuint(nechoes, ==, n + 1);
    send_text(next, "{'execute':'fd-flags','id':'mine'}");
    expect(next, "{\"return\": -1, \"id\": \"mine\"}");
    g_assert_cmpuint(nechoes, ==, n + 1);
    close(next);
    close(null);
}

static void test_fd(Fixture *f, const void *data)
{
    int fd = connect_to(f);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char want[32];

    greet(fd);
    send_with_fd(fd, "{'execute':'fd-flags'}", null);
    g_snprintf(want, sizeof(want), "{\"return\": %d}", O_WRONLY);
    expect(fd, want);
    send_text(fd, "{'execute':'fd-flags'}");
    expect(fd, "{\"return\": -1}");
    close(null);
    close(fd);
}

static void add(const char *path, void (*fn)(Fixture *f, const void *data))
{
    g_test_add(path, Fixture, NULL, setup, fn, teardown);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/qmp-chardev/talk", test_talk);
    add("/qmp-chardev/event", test_event);
    add("/qmp-chardev/big", test_big);
    add("/qmp-chardev/big-gone", test_big_gone);
    add("/qmp-chardev/fd", test_fd);
    add("/qmp-chardev/half-close", test_half_close);
    add("/qmp-chardev/gone", test_gone);
    return g_test_run();
}
