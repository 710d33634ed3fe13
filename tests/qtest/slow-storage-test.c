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
#include <signal.h>
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
    QUEUE_SIZE = 8,
    AVAIL_EVENT = USED + 4 + 8 * QUEUE_SIZE,
};

/* How long a request takes: others do a lot meanwhile, or something. */
#define LONG_LATENCY  ",latency-ns=2000000000"
#define SHORT_LATENCY ",latency-ns=300000000"

/* Another monitor. */
typedef struct Other {
    char *path;
    int fd;
    GString *got; /* what came from there */
} Other;

typedef struct Slow {
    QTest *q;
    char *dir;
    Other second; /* of QMP */
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
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GFSELECT, 0);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GF, 1 << 29); /* event index */
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GFSELECT, 1);
    qtest_writel(q, MODERN + VIRTIO_PCI_COMMON_GF, 1);
    qtest_writeb(q, MODERN + VIRTIO_PCI_COMMON_STATUS, 0xb);
    qtest_writew(q, MODERN + VIRTIO_PCI_COMMON_Q_SIZE, QUEUE_SIZE);
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
    while (qtest_readw(q, AVAIL_EVENT) != 1) {
    }
}

static void begin_read(QTest *q)
{
    begin(q, VIRTIO_BLK_T_IN);
}

static bool has_ended(QTest *q)
{
    return qtest_readw(q, USED + 2) == 1;
}

static void other_send(Other *o, const char *text)
{
    g_assert_cmpint(send(o->fd, text, strlen(text), MSG_NOSIGNAL), ==,
                    strlen(text));
}

/* Takes what is there; waits until that has `want`, if it isn't NULL. */
static void other_read(Other *o, const char *want)
{
    struct pollfd p = { .fd = o->fd, .events = POLLIN };
    char buf[4096];

    while (poll(&p, 1, want != NULL && !strstr(o->got->str, want) ? -1 : 0) >
           0) {
        ssize_t n = read(o->fd, buf, sizeof(buf));

        g_assert_cmpint(n, >, 0);
        g_string_append_len(o->got, buf, n);
    }
}

static void other_connect(Other *o)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    o->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(un.sun_path, o->path, sizeof(un.sun_path));
    g_assert_cmpint(connect(o->fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    g_string_truncate(o->got, 0);
}

static void other_init(Other *o, const char *dir, const char *name)
{
    o->path = g_build_filename(dir, name, NULL);
    o->got = g_string_new(NULL);
}

static void other_fini(Other *o)
{
    close(o->fd);
    g_unlink(o->path);
    g_string_free(o->got, true);
    g_free(o->path);
}

static void second_hello(Slow *s)
{
    other_connect(&s->second);
    other_send(&s->second, "{'execute': 'qmp_capabilities', 'id': 'hello'}");
    other_read(&s->second, "hello");
}

/* `storage`: the options that make d0. */
static Slow *start_with(const char *storage, const char *more)
{
    Slow *s = g_new0(Slow, 1);

    s->dir = g_dir_make_tmp("slow-storage-XXXXXX", NULL);
    g_assert_nonnull(s->dir);
    other_init(&s->second, s->dir, "qmp");
    s->q = qtest_startf("-qmp unix:%s,server=on,wait=off "
                        "%s "
                        "-device virtio-blk-pci,id=v0,addr=2,drive=d0%s",
                        s->second.path, storage, more);
    second_hello(s);
    drive(s->q);
    return s;
}

static Slow *start(const char *more)
{
    return start_with(
        "-drive if=none,id=d0,driver=null-aio,size=1M" LONG_LATENCY, more);
}

/* The machine has gone. */
static void forget(Slow *s)
{
    other_fini(&s->second);
    g_rmdir(s->dir);
    g_free(s->dir);
    g_free(s);
}

static void stop(Slow *s)
{
    qtest_quit(s->q);
    forget(s);
}

/* Without waiting for its storage once more. */
static void stop_now(Slow *s)
{
    kill(qtest_pid(s->q), SIGKILL);
    qtest_wait_exit(s->q, -SIGKILL);
    forget(s);
}

static bool query_running(Slow *s)
{
    g_autoptr(JsonValue) r = qtest_qmp(s->q, "{'execute': 'query-status'}");
    bool running;

    g_assert_true(json_get_bool(json_object_get(r, "running"), &running));
    return running;
}

/* The user who stops the guest waits, at any monitor; others don't. */
static void test_stop(void)
{
    g_autofree char *dir = g_dir_make_tmp("slow-storage-XXXXXX", NULL);
    g_autofree char *more =
        g_strdup_printf(" -monitor unix:%s/hmp,server=on,wait=off", dir);
    Slow *s = start(more);
    Other hmp = { 0 };

    other_init(&hmp, dir, "hmp");
    other_connect(&hmp);
    other_read(&hmp, "(qemu) ");
    g_string_truncate(hmp.got, 0);
    begin_read(s->q);
    other_send(&hmp, "stop\n");
    while (query_running(s)) {
    }
    other_send(&s->second, "{'execute': 'stop', 'id': 'stopped'}");
    g_assert_false(query_running(s));
    other_read(&s->second, NULL);
    g_assert_null(strstr(s->second.got->str, "stopped"));
    other_read(&hmp, NULL);
    g_assert_null(strstr(hmp.got->str, "(qemu)"));
    g_assert_false(has_ended(s->q));
    other_read(&s->second, "stopped");
    other_read(&hmp, "(qemu)");
    g_assert_true(has_ended(s->q));
    other_fini(&hmp);
    stop(s);
    g_rmdir(dir);
}

/* Who loses his connection while he waits gets another one. */
static void test_stop_again(void)
{
    Slow *s = start("");

    begin_read(s->q);
    other_send(&s->second, "{'execute': 'stop', 'id': 'lost'}");
    while (query_running(s)) {
    }
    close(s->second.fd);
    second_hello(s);
    other_send(&s->second, "{'execute': 'stop', 'id': 'stopped'}");
    g_assert_false(query_running(s));
    g_assert_false(has_ended(s->q));
    other_read(&s->second, "stopped");
    g_assert_true(has_ended(s->q));
    other_read(&s->second, NULL);
    g_assert_null(strstr(s->second.got->str, "lost"));
    stop(s);
}

/* Who starts the guest again meanwhile ends the wait. */
static void test_stop_cont(void)
{
    Slow *s = start("");

    begin_read(s->q);
    other_send(&s->second, "{'execute': 'stop', 'id': 'stopped'}");
    while (query_running(s)) {
    }
    json_unref(qtest_qmp(s->q, "{'execute': 'cont'}"));
    other_read(&s->second, "stopped");
    g_assert_false(has_ended(s->q));
    g_assert_true(query_running(s));
    stop_now(s);
}

static bool cont_refused(Slow *s)
{
    g_autoptr(JsonValue) r = qtest_qmp(s->q, "{'execute': 'cont'}");

    return json_object_has(r, "error");
}

/*
 * The guest doesn't go on before nobody writes into its memory any more; but
 * the user is answered.
 */
static void test_reset(void)
{
    Slow *s = start("");

    begin_read(s->q);
    json_unref(qtest_qmp(s->q, "{'execute': 'system_reset'}"));
    g_assert_true(query_running(s));
    /* The main loop is to be in it before a stop comes. */
    while (!cont_refused(s)) {
    }
    /* It waits for the same request; who asks beside it is answered. */
    other_send(&s->second, "{'execute': 'stop', 'id': 'stopped'}");
    while (query_running(s)) {
    }
    g_assert_true(cont_refused(s));
    other_read(&s->second, NULL);
    g_assert_null(strstr(s->second.got->str, "RESET"));
    json_unref(qtest_qmp_event(s->q, "RESET"));
    other_read(&s->second, "stopped");
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
    other_read(&s->second, "SHUTDOWN");
    g_assert_null(strstr(s->second.got->str, "RESET"));
    stop_now(s);
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
    take_out(s->q);
    refused = qtest_qmp(s->q, "%s", again);
    why = json_get_string(
        json_object_get(json_object_get(refused, "error"), "desc"));
    g_assert_cmpstr(why, ==,
                    "Drive 'd0' still has requests of the device that had it");
    json_unref(qtest_qmp(s->q, "{'execute': 'system_reset'}"));
    json_unref(qtest_qmp(s->q, "{'execute': 'query-status'}"));
    other_read(&s->second, NULL);
    g_assert_null(strstr(s->second.got->str, "RESET"));
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
    take_out(s->q);
    other_send(&s->second, "{'execute': 'stop', 'id': 'stopped'}");
    other_read(&s->second, "stopped");
    do {
        g_clear_pointer(&left, json_unref);
        left = qtest_qmp(s->q, "{'execute': 'blockdev-del', "
                               "'arguments': {'node-name': 'd0'}}");
    } while (json_object_has(left, "error"));
    stop(s);
}

static const char node[] =
    "-blockdev driver=null-aio,node-name=d0,size=1048576" SHORT_LATENCY;

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

enum { CD_BASE = 0x170 }; /* the second IDE channel */

/* A packet command with 2 KiB of data at most. */
static void cd_packet(QTest *q, const uint8_t *cdb)
{
    qtest_outb(q, CD_BASE + 6, 0xa0);
    qtest_outb(q, CD_BASE + 1, 0);
    qtest_outb(q, CD_BASE + 4, 0);
    qtest_outb(q, CD_BASE + 5, 8);
    qtest_outb(q, CD_BASE + 7, 0xa0);
    for (unsigned i = 0; i < 12; i += 2) {
        qtest_outw(q, CD_BASE, cdb[i] | cdb[i + 1] << 8);
    }
}

/* The medium of a drive that reads can be changed, when that has been read. */
static void test_eject(void)
{
    static const uint8_t ready[12] = { 0 };
    static const uint8_t read_one[12] = { 0x28, 0, 0, 0, 0, 1, 0, 0, 1 };
    Slow *s = start(" -drive if=none,id=cd,media=cdrom,readonly=on,"
                    "driver=null-aio,size=1M" LONG_LATENCY
                    " -device ide-cd,bus=ide.1,drive=cd");

    do {
        cd_packet(s->q, ready);
    } while (qtest_inb(s->q, CD_BASE + 7) & 1); /* a new medium, at first */
    cd_packet(s->q, read_one);
    g_assert_cmphex(qtest_inb(s->q, CD_BASE + 7) & 0x80, ==, 0x80);
    other_send(&s->second, "{'execute': 'eject', 'id': 'out', "
                           "'arguments': {'device': 'cd', 'force': true}}");
    /* It has reached the program when another one's word of it comes back. */
    for (unsigned i = 0; i < 20; i++) {
        g_assert_true(query_running(s));
    }
    other_read(&s->second, NULL);
    g_assert_null(strstr(s->second.got->str, "out"));
    g_assert_cmphex(qtest_inb(s->q, CD_BASE + 7) & 0x80, ==, 0x80);
    other_read(&s->second, "out");
    g_assert_null(strstr(s->second.got->str, "error"));
    g_assert_cmphex(qtest_inb(s->q, CD_BASE + 7) & 0x80, ==, 0);
    stop(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/slow-storage/stop", test_stop);
    g_test_add_func("/slow-storage/stop-again", test_stop_again);
    g_test_add_func("/slow-storage/stop-cont", test_stop_cont);
    g_test_add_func("/slow-storage/reset", test_reset);
    g_test_add_func("/slow-storage/reset-quit", test_reset_quit);
    g_test_add_func("/slow-storage/eject", test_eject);
    g_test_add_func("/slow-storage/unplug", test_unplug);
    g_test_add_func("/slow-storage/unplug-iothread", test_unplug_iothread);
    g_test_add_func("/slow-storage/unplug-stop", test_unplug_stop);
    g_test_add_func("/slow-storage/unplug-stop-iothread",
                    test_unplug_stop_iothread);
    g_test_add_func("/slow-storage/unplug-stop-no-flush",
                    test_unplug_stop_no_flush);
    return g_test_run();
}
