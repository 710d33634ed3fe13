/*
 * qtest: storage that takes its time.  Whoever waits for it, a stop, a reset or
 * the end of a device, keeps nobody else waiting.
 *
 * No time is measured: what is waited for hasn't come when something else has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>
#include <linux/pci_regs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    DEVFN = 2 << 3,
    MODERN = 0xfd000000,
    NOTIFY = MODERN + 0x3000,
    DESC = 0x10000,
    AVAIL = 0x11000,
    USED = 0x12000,
    HEADER = 0x20000,
    STATUS = 0x20010,
    DATA = 0x21000,
    LATENCY_S = 3, /* of a request */
};

typedef struct Slow {
    QTest *q;
    char *dir, *path;
    int fd;       /* a second monitor */
    GString *got; /* what came from there */
} Slow;

static void cfg_write(QTest *q, unsigned reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    qtest_outl(q, 0xcfc, val);
}

static void drive(QTest *q)
{
    cfg_write(q, PCI_BASE_ADDRESS_4, MODERN);
    cfg_write(q, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 3);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GFSELECT, 1);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GF, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xb);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_DESCLO, DESC);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_AVAILLO, AVAIL);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_Q_USEDLO, USED);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xf);
}

static void describe(QTest *q, unsigned i, uint64_t at, uint32_t len,
                     unsigned flags)
{
    qtest_writeq(q, DESC + 16 * i, at);
    qtest_writel(q, DESC + 16 * i + 8, len);
    qtest_writew(q, DESC + 16 * i + 12, flags);
    qtest_writew(q, DESC + 16 * i + 14, i + 1);
}

/* The first request. */
static void begin(QTest *q, uint32_t type)
{
    describe(q, 0, HEADER, 16, 1);
    describe(q, 1, DATA, 512, type == VIRTIO_BLK_T_IN ? 3 : 1);
    describe(q, 2, STATUS, 1, 2);
    qtest_writel(q, HEADER, type);
    qtest_writew(q, AVAIL + 2, 1);
    qtest_writew(q, NOTIFY, 0);
}

static void begin_read(QTest *q)
{
    begin(q, VIRTIO_BLK_T_IN);
}

static bool has_ended(QTest *q)
{
    return qtest_readw(q, USED + 2) == 1;
}

static void second_send(Slow *s, const char *text)
{
    g_assert_cmpint(send(s->fd, text, strlen(text), MSG_NOSIGNAL), ==,
                    strlen(text));
}

/* Takes what is there; waits until that has `want`, if it isn't NULL. */
static void second_read(Slow *s, const char *want)
{
    struct pollfd p = { .fd = s->fd, .events = POLLIN };
    char buf[4096];

    while (poll(&p, 1, want != NULL && !strstr(s->got->str, want) ? -1 : 0) >
           0) {
        ssize_t n = read(s->fd, buf, sizeof(buf));

        g_assert_cmpint(n, >, 0);
        g_string_append_len(s->got, buf, n);
    }
}

static void second_open(Slow *s)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(un.sun_path, s->path, sizeof(un.sun_path));
    g_assert_cmpint(connect(s->fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    s->got = g_string_new(NULL);
    second_send(s, "{'execute': 'qmp_capabilities', 'id': 'hello'}");
    second_read(s, "hello");
}

/* `storage`: the options that make d0, of which the latency is left out. */
static Slow *start_with(const char *storage, const char *more)
{
    Slow *s = g_new0(Slow, 1);

    s->dir = g_dir_make_tmp("slow-storage-XXXXXX", NULL);
    g_assert_nonnull(s->dir);
    s->path = g_build_filename(s->dir, "qmp", NULL);
    s->q = qtest_startf("-qmp unix:%s,server=on,wait=off "
                        "%s,latency-ns=%d000000000 "
                        "-device virtio-blk-pci,id=v0,addr=2,drive=d0%s",
                        s->path, storage, LATENCY_S, more);
    second_open(s);
    drive(s->q);
    return s;
}

static Slow *start(const char *more)
{
    return start_with("-drive if=none,id=d0,driver=null-aio,size=1M", more);
}

static void stop(Slow *s)
{
    close(s->fd);
    qtest_quit(s->q);
    g_unlink(s->path);
    g_rmdir(s->dir);
    g_string_free(s->got, true);
    g_free(s->path);
    g_free(s->dir);
    g_free(s);
}

static bool query_running(Slow *s)
{
    g_autoptr(JsonValue) r = qtest_qmp(s->q, "{'execute': 'query-status'}");
    bool running;

    g_assert_true(json_get_bool(json_object_get(r, "running"), &running));
    return running;
}

/* The user who stops the guest waits; another one doesn't. */
static void test_stop(void)
{
    Slow *s = start("");

    begin_read(s->q);
    second_send(s, "{'execute': 'stop', 'id': 'stopped'}");
    while (query_running(s)) {
    }
    second_read(s, NULL);
    g_assert_null(strstr(s->got->str, "stopped"));
    g_assert_false(has_ended(s->q));
    second_read(s, "stopped");
    g_assert_true(has_ended(s->q));
    stop(s);
}

/* Who starts the guest again meanwhile ends the wait. */
static void test_stop_cont(void)
{
    Slow *s = start("");

    begin_read(s->q);
    second_send(s, "{'execute': 'stop', 'id': 'stopped'}");
    while (query_running(s)) {
    }
    json_unref(qtest_qmp(s->q, "{'execute': 'cont'}"));
    second_read(s, "stopped");
    g_assert_false(has_ended(s->q));
    g_assert_true(query_running(s));
    stop(s);
}

/*
 * The guest doesn't go on before nobody writes into its memory any more; but
 * the user is answered.
 */
static void test_reset(void)
{
    Slow *s = start("");
    g_autoptr(JsonValue) r = NULL;

    begin_read(s->q);
    json_unref(qtest_qmp(s->q, "{'execute': 'system_reset'}"));
    g_assert_true(query_running(s));
    /* The main loop is to be in it before a stop comes: nothing tells. */
    g_usleep(LATENCY_S * G_USEC_PER_SEC / 6);
    /* It waits for the same request; who asks beside it is answered. */
    second_send(s, "{'execute': 'stop', 'id': 'stopped'}");
    while (query_running(s)) {
    }
    r = qtest_qmp(s->q, "{'execute': 'cont'}");
    g_assert_true(json_object_has(r, "error"));
    second_read(s, NULL);
    g_assert_null(strstr(s->got->str, "RESET"));
    json_unref(qtest_qmp_event(s->q, "RESET"));
    second_read(s, "stopped");
    g_assert_false(query_running(s));
    g_assert_false(has_ended(s->q));
    stop(s);
}

/* A program that is to end doesn't wait in a reset. */
static void test_reset_quit(void)
{
    Slow *s = start("");

    begin_read(s->q);
    json_unref(qtest_qmp(s->q, "{'execute': 'system_reset'}"));
    json_unref(qtest_qmp(s->q, "{'execute': 'quit'}"));
    second_read(s, "SHUTDOWN");
    g_assert_null(strstr(s->got->str, "RESET"));
    qtest_wait_exit(g_steal_pointer(&s->q), 0);
    close(s->fd);
    g_unlink(s->path);
    g_rmdir(s->dir);
    g_string_free(s->got, true);
    g_free(s->path);
    g_free(s->dir);
    g_free(s);
}

/* The guest lets go of the disk when it is asked to. */
static void take_out(QTest *q)
{
    enum { EJECT = 0xae08, EJECT_BUS = 0xae10 };

    json_unref(qtest_qmp(q, "{'execute': 'device_del', "
                            "'arguments': {'id': 'v0'}}"));
    qtest_outl(q, EJECT_BUS, 0);
    qtest_outl(q, EJECT, 1 << 2);
    json_unref(qtest_qmp_event(q, "DEVICE_DELETED"));
}

/*
 * A disk that is taken out while its storage works goes at once; what it left
 * keeps the drive until it has ended, and a reset of the machine waits.
 */
static void unplug(const char *more, const char *prop)
{
    Slow *s = start(more);
    g_autofree char *again =
        g_strdup_printf("{'execute': 'device_add', 'arguments': {'driver': "
                        "'virtio-blk-pci', 'id': 'v1', 'drive': 'd0', "
                        "'addr': '3'%s}}",
                        prop);
    g_autoptr(JsonValue) refused = NULL;
    const char *why;

    begin_read(s->q);
    /* An I/O thread takes it when it has its turn: nothing tells. */
    g_usleep(LATENCY_S * G_USEC_PER_SEC / 6);
    take_out(s->q);
    refused = qtest_qmp(s->q, "%s", again);
    why = json_get_string(
        json_object_get(json_object_get(refused, "error"), "desc"));
    g_assert_cmpstr(why, ==,
                    "Drive 'd0' still has requests of the device that had it");
    json_unref(qtest_qmp(s->q, "{'execute': 'system_reset'}"));
    json_unref(qtest_qmp(s->q, "{'execute': 'query-status'}"));
    second_read(s, NULL);
    g_assert_null(strstr(s->got->str, "RESET"));
    json_unref(qtest_qmp_event(s->q, "RESET"));
    for (bool done = false; !done; g_usleep(1000)) {
        g_autoptr(JsonValue) r = qtest_qmp(s->q, "%s", again);

        done = !json_object_has(r, "error");
    }
    stop(s);
}

static void test_unplug(void)
{
    unplug("", "");
}

static void test_unplug_iothread(void)
{
    unplug(",iothread=io0 -object iothread,id=io0", ", 'iothread': 'io0'");
}

/*
 * A stop flushes what a disk that has gone has written.  Its back end, which
 * nobody else has a name for, goes behind that.
 */
static void unplug_stop(const char *storage, const char *more)
{
    Slow *s = start_with(storage, more);
    g_autoptr(JsonValue) left = NULL;

    begin(s->q, VIRTIO_BLK_T_OUT);
    g_usleep(LATENCY_S * G_USEC_PER_SEC / 6);
    take_out(s->q);
    second_send(s, "{'execute': 'stop', 'id': 'stopped'}");
    second_read(s, "stopped");
    do {
        g_clear_pointer(&left, json_unref);
        left = qtest_qmp(s->q, "{'execute': 'blockdev-del', "
                               "'arguments': {'node-name': 'd0'}}");
    } while (json_object_has(left, "error"));
    stop(s);
}

static const char node[] =
    "-blockdev driver=null-aio,node-name=d0,size=1048576";

static void test_unplug_stop(void)
{
    unplug_stop(node, "");
}

static void test_unplug_stop_iothread(void)
{
    unplug_stop(node, ",iothread=io0 -object iothread,id=io0");
}

static void test_unplug_stop_no_flush(void)
{
    g_autofree char *storage = g_strconcat(node, ",cache.no-flush=on", NULL);

    unplug_stop(storage, "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/slow-storage/stop", test_stop);
    g_test_add_func("/slow-storage/stop-cont", test_stop_cont);
    g_test_add_func("/slow-storage/reset", test_reset);
    g_test_add_func("/slow-storage/reset-quit", test_reset_quit);
    g_test_add_func("/slow-storage/unplug", test_unplug);
    g_test_add_func("/slow-storage/unplug-iothread", test_unplug_iothread);
    g_test_add_func("/slow-storage/unplug-stop", test_unplug_stop);
    g_test_add_func("/slow-storage/unplug-stop-iothread",
                    test_unplug_stop_iothread);
    g_test_add_func("/slow-storage/unplug-stop-no-flush",
                    test_unplug_stop_no_flush);
    return g_test_run();
}
