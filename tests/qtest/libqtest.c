/*
 * The client side of qtest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/libqtest.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define QTEST_IRQS 256
/* For a program that hangs; nothing is measured by it. */
#define QTEST_LIMIT_MS 60000

struct QTest {
    pid_t pid;
    int pidfd;
    char *dir;
    int fd; /* qtest */
    GString *in;
    int qmp_fd;
    JsonParser *parser;
    GQueue messages; /* JsonValue from the parser, not yet looked at */
    GQueue events;   /* JsonValue */
    bool level[QTEST_IRQS];
    unsigned count[QTEST_IRQS];
};

static const char *qtest_binary(void)
{
    const char *b = g_getenv("GODWIT_BINARY");

    if (b == NULL) {
        b = g_getenv("QTEST_QEMU_BINARY");
    }
    if (b == NULL) {
        g_error("GODWIT_BINARY does not name the program under test");
    }
    return b;
}

/* The program and its end */

static int qtest_reap(QTest *q)
{
    int status = 0;

    g_assert_cmpint(waitpid(q->pid, &status, 0), ==, q->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Until fd can be read; ends the test if the program ends first. */
static void qtest_wait_fd(QTest *q, int fd, const char *what)
{
    struct pollfd p[2] = {
        { .fd = fd, .events = POLLIN },
        { .fd = q->pidfd, .events = POLLIN },
    };
    int n;

    do {
        n = poll(p, 2, QTEST_LIMIT_MS);
    } while (n < 0 && errno == EINTR);
    if (n == 0) {
        g_error("%s: no answer", what);
    }
    if (!(p[0].revents & POLLIN) && p[1].revents != 0) {
        g_error("%s: the program ended with status %d", what, qtest_reap(q));
    }
}

static int qtest_listen(QTest *q, const char *name, char **ret_path)
{
    struct sockaddr_un sa = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *ret_path = g_build_filename(q->dir, name, NULL);
    g_assert_cmpuint(strlen(*ret_path), <, sizeof(sa.sun_path));
    g_strlcpy(sa.sun_path, *ret_path, sizeof(sa.sun_path));
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    return fd;
}

static int qtest_accept(QTest *q, int listener, const char *path)
{
    int fd;

    qtest_wait_fd(q, listener, path);
    fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    close(listener);
    unlink(path);
    return fd;
}

/* A test that is killed doesn't leave the program behind. */
static void qtest_child_setup(gpointer opaque)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void qtest_spawn(QTest *q, const char *line)
{
    g_auto(GStrv) argv = NULL;
    g_autoptr(GError) err = NULL;

    g_test_message("%s", line);
    if (!g_shell_parse_argv(line, NULL, &argv, &err) ||
        !g_spawn_async(NULL, argv, NULL,
                       G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL,
                       qtest_child_setup, NULL, &q->pid, &err)) {
        g_error("%s", err->message);
    }
    q->pidfd = syscall(SYS_pidfd_open, q->pid, 0);
    g_assert_cmpint(q->pidfd, >=, 0);
}

static void qtest_message(void *opaque, JsonValue *v, const GError *err)
{
    QTest *q = opaque;

    if (v == NULL) {
        g_error("QMP: %s", err->message);
    }
    g_queue_push_tail(&q->messages, v);
}

static JsonValue *qtest_qmp_receive(QTest *q)
{
    char buf[4096];

    while (g_queue_is_empty(&q->messages)) {
        ssize_t n;

        qtest_wait_fd(q, q->qmp_fd, "QMP");
        n = read(q->qmp_fd, buf, sizeof(buf));
        if (n <= 0) {
            g_error("QMP: the program closed its connection");
        }
        json_parser_feed(q->parser, buf, n);
    }
    return g_queue_pop_head(&q->messages);
}

QTest *qtest_start(const char *args)
{
    g_autofree char *path = NULL, *qmp_path = NULL, *line = NULL;
    QTest *q = g_new0(QTest, 1);
    int fd, qmp_fd;

    q->dir = g_dir_make_tmp("qtest-XXXXXX", NULL);
    g_assert_nonnull(q->dir);
    fd = qtest_listen(q, "qtest", &path);
    qmp_fd = qtest_listen(q, "qmp", &qmp_path);
    line = g_strdup_printf(
        "'%s' -qtest unix:%s -qtest-log none "
        "-chardev socket,path=%s,id=char0 -mon chardev=char0,mode=control "
        "-display none -nodefaults -accel qtest %s",
        qtest_binary(), path, qmp_path, args);
    qtest_spawn(q, line);
    q->in = g_string_new(NULL);
    q->parser = json_parser_new(qtest_message, q);
    q->fd = qtest_accept(q, fd, path);
    q->qmp_fd = qtest_accept(q, qmp_fd, qmp_path);
    json_unref(qtest_qmp_receive(q)); /* the greeting */
    json_unref(qtest_qmp(q, "{\"execute\":\"qmp_capabilities\"}"));
    return q;
}

QTest *qtest_startf(const char *fmt, ...)
{
    g_autofree char *args = NULL;
    va_list ap;

    va_start(ap, fmt);
    args = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return qtest_start(args);
}

static void qtest_free(QTest *q)
{
    close(q->fd);
    close(q->qmp_fd);
    close(q->pidfd);
    rmdir(q->dir);
    g_free(q->dir);
    g_string_free(q->in, TRUE);
    json_parser_free(q->parser);
    g_queue_clear_full(&q->messages, (GDestroyNotify)json_unref);
    g_queue_clear_full(&q->events, (GDestroyNotify)json_unref);
    g_free(q);
}

void qtest_quit(QTest *q)
{
    kill(q->pid, SIGTERM);
    qtest_wait_exit(q, 0);
}

void qtest_wait_exit(QTest *q, int status)
{
    struct pollfd p = { .fd = q->pidfd, .events = POLLIN };

    if (poll(&p, 1, QTEST_LIMIT_MS) == 0) {
        kill(q->pid, SIGKILL);
        g_error("the program does not end");
    }
    g_assert_cmpint(qtest_reap(q), ==, status);
    qtest_free(q);
}

char *qtest_run(const char *args, int *ret_status)
{
    g_autofree char *line = g_strdup_printf("'%s' %s", qtest_binary(), args);
    g_auto(GStrv) argv = NULL;
    g_autoptr(GError) err = NULL;
    char *text = NULL;
    int status = 0;

    g_test_message("%s", line);
    if (!g_shell_parse_argv(line, NULL, &argv, &err) ||
        !g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
                      NULL, &text, &status, &err)) {
        g_error("%s", err->message);
    }
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return text;
}

int64_t qtest_pid(const QTest *q)
{
    return q->pid;
}

/* Lines */

static void qtest_note_irq(QTest *q, const char *line)
{
    bool raise = g_str_has_prefix(line, "IRQ raise ");
    uint64_t n = g_ascii_strtoull(strrchr(line, ' '), NULL, 10);

    g_assert_cmpuint(n, <, QTEST_IRQS);
    q->level[n] = raise;
    q->count[n] += raise;
}

static char *qtest_line(QTest *q)
{
    char *nl;

    while ((nl = memchr(q->in->str, '\n', q->in->len)) == NULL) {
        char buf[65536];
        ssize_t n;

        qtest_wait_fd(q, q->fd, "qtest");
        n = read(q->fd, buf, sizeof(buf));
        if (n <= 0) {
            g_error("qtest: the program closed its connection");
        }
        g_string_append_len(q->in, buf, n);
    }
    {
        size_t len = nl - q->in->str;
        char *line = g_strndup(q->in->str, len);

        g_string_erase(q->in, 0, len + 1);
        return line;
    }
}

char *qtest_raw(QTest *q, const char *line)
{
    g_autofree char *text = g_strconcat(line, "\n", NULL);
    size_t len = strlen(text), done = 0;

    while (done < len) {
        ssize_t n = send(q->fd, text + done, len - done, MSG_NOSIGNAL);

        if (n < 0) {
            g_error("qtest: %s", g_strerror(errno));
        }
        done += n;
    }
    for (;;) {
        g_autofree char *reply = qtest_line(q);

        if (!g_str_has_prefix(reply, "IRQ ")) {
            return g_steal_pointer(&reply);
        }
        qtest_note_irq(q, reply);
    }
}

/* Returns what follows "OK ". */
static char *qtest_ok(QTest *q, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

static char *qtest_ok(QTest *q, const char *fmt, ...)
{
    g_autofree char *line = NULL, *reply = NULL;
    va_list ap;

    va_start(ap, fmt);
    line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    reply = qtest_raw(q, line);
    if (!g_str_has_prefix(reply, "OK")) {
        g_error("'%.200s': %s", line, reply);
    }
    return g_strdup(reply[2] == ' ' ? reply + 3 : "");
}

static uint64_t qtest_get(QTest *q, const char *cmd, uint64_t addr)
{
    g_autofree char *v = qtest_ok(q, "%s 0x%" PRIx64, cmd, addr);

    return g_ascii_strtoull(v, NULL, 0);
}

static void qtest_put(QTest *q, const char *cmd, uint64_t addr, uint64_t v)
{
    g_free(qtest_ok(q, "%s 0x%" PRIx64 " 0x%" PRIx64, cmd, addr, v));
}

uint8_t qtest_inb(QTest *q, uint16_t port)
{
    return qtest_get(q, "inb", port);
}

uint16_t qtest_inw(QTest *q, uint16_t port)
{
    return qtest_get(q, "inw", port);
}

uint32_t qtest_inl(QTest *q, uint16_t port)
{
    return qtest_get(q, "inl", port);
}

void qtest_outb(QTest *q, uint16_t port, uint8_t v)
{
    qtest_put(q, "outb", port, v);
}

void qtest_outw(QTest *q, uint16_t port, uint16_t v)
{
    qtest_put(q, "outw", port, v);
}

void qtest_outl(QTest *q, uint16_t port, uint32_t v)
{
    qtest_put(q, "outl", port, v);
}

uint8_t qtest_readb(QTest *q, uint64_t addr)
{
    return qtest_get(q, "readb", addr);
}

uint16_t qtest_readw(QTest *q, uint64_t addr)
{
    return qtest_get(q, "readw", addr);
}

uint32_t qtest_readl(QTest *q, uint64_t addr)
{
    return qtest_get(q, "readl", addr);
}

uint64_t qtest_readq(QTest *q, uint64_t addr)
{
    return qtest_get(q, "readq", addr);
}

void qtest_writeb(QTest *q, uint64_t addr, uint8_t v)
{
    qtest_put(q, "writeb", addr, v);
}

void qtest_writew(QTest *q, uint64_t addr, uint16_t v)
{
    qtest_put(q, "writew", addr, v);
}

void qtest_writel(QTest *q, uint64_t addr, uint32_t v)
{
    qtest_put(q, "writel", addr, v);
}

void qtest_writeq(QTest *q, uint64_t addr, uint64_t v)
{
    qtest_put(q, "writeq", addr, v);
}

void qtest_memread(QTest *q, uint64_t addr, void *buf, size_t len)
{
    g_autofree char *v = qtest_ok(q, "b64read 0x%" PRIx64 " 0x%zx", addr, len);
    gsize got = 0;
    g_autofree guchar *data = g_base64_decode(v, &got);

    g_assert_cmpuint(got, ==, len);
    memcpy(buf, data, len);
}

void qtest_memwrite(QTest *q, uint64_t addr, const void *buf, size_t len)
{
    g_autofree char *b64 = g_base64_encode(buf, len);

    g_free(qtest_ok(q, "b64write 0x%" PRIx64 " 0x%zx %s", addr, len, b64));
}

void qtest_memset(QTest *q, uint64_t addr, uint8_t v, size_t len)
{
    g_free(qtest_ok(q, "memset 0x%" PRIx64 " 0x%zx 0x%x", addr, len, v));
}

static int64_t qtest_clock(QTest *q, const char *cmd, int64_t ns)
{
    g_autofree char *v =
        ns < 0 ? qtest_ok(q, "%s", cmd) : qtest_ok(q, "%s %" PRId64, cmd, ns);

    return g_ascii_strtoll(v, NULL, 0);
}

int64_t qtest_clock_step(QTest *q, int64_t ns)
{
    return qtest_clock(q, "clock_step", ns);
}

int64_t qtest_clock_step_next(QTest *q)
{
    return qtest_clock(q, "clock_step", -1);
}

int64_t qtest_clock_set(QTest *q, int64_t ns)
{
    return qtest_clock(q, "clock_set", ns);
}

void qtest_irq_intercept_in(QTest *q, const char *path)
{
    g_free(qtest_ok(q, "irq_intercept_in %s", path));
}

void qtest_irq_intercept_out(QTest *q, const char *path)
{
    g_free(qtest_ok(q, "irq_intercept_out %s", path));
}

bool qtest_get_irq(QTest *q, unsigned n)
{
    /* Lines sent so far come before this answer. */
    g_free(qtest_ok(q, "endianness"));
    return q->level[n];
}

unsigned qtest_irq_count(QTest *q, unsigned n)
{
    g_free(qtest_ok(q, "endianness"));
    return q->count[n];
}

void qtest_set_irq_in(QTest *q, const char *path, unsigned n, int level)
{
    g_free(qtest_ok(q, "set_irq_in %s unnamed-gpio-in %u %d", path, n, level));
}

/* QMP */

JsonValue *qtest_qmp(QTest *q, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_assert_cmpint(send(q->qmp_fd, text, strlen(text), MSG_NOSIGNAL), ==,
                    (ssize_t)strlen(text));
    for (;;) {
        g_autoptr(JsonValue) v = qtest_qmp_receive(q);

        if (json_object_has(v, "event")) {
            g_queue_push_tail(&q->events, g_steal_pointer(&v));
        } else if (json_object_has(v, "error")) {
            return g_steal_pointer(&v);
        } else {
            return json_ref(json_object_get(v, "return"));
        }
    }
}

static bool event_is(const JsonValue *v, const char *name)
{
    return name == NULL ||
           g_strcmp0(json_get_string(json_object_get(v, "event")), name) == 0;
}

JsonValue *qtest_qmp_event(QTest *q, const char *name)
{
    for (GList *l = q->events.head; l != NULL; l = l->next) {
        JsonValue *v = l->data;

        if (event_is(v, name)) {
            g_queue_delete_link(&q->events, l);
            return v;
        }
    }
    for (;;) {
        JsonValue *v = qtest_qmp_receive(q);

        if (event_is(v, name)) {
            return v;
        }
        g_queue_push_tail(&q->events, v);
    }
}

char *qtest_hmp(QTest *q, const char *line)
{
    g_autoptr(JsonValue) text = json_string_new(line);
    g_autofree char *quoted = json_to_string(text, false);
    g_autoptr(JsonValue) v =
        qtest_qmp(q,
                  "{\"execute\":\"human-monitor-command\",\"arguments\":"
                  "{\"command-line\":%s}}",
                  quoted);

    if (json_get_string(v) == NULL) {
        g_autofree char *answer = json_to_string(v, false);

        g_error("'%s': %s", line, answer);
    }
    return g_strdup(json_get_string(v));
}
