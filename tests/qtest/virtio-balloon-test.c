/*
 * qtest: the memory balloon, through its legacy interface.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>
#include <sys/stat.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    DEVFN = 2 << 3,
    IO = 0xc000,
    CONFIG = IO + 20, /* no MSI-X */
    NUM_PAGES = CONFIG,
    ACTUAL = CONFIG + 4,
    HINT_ID = CONFIG + 8,
    POISON = CONFIG + 12,
    RINGS = 0x100000, /* 16 KiB each */
    PFNS = 0x200000,
    VICTIM = 0x300000,
    SECOND = 1000000000,
    INFLATE = 0,
    DEFLATE = 1,
    STATS = 2,
    HINT_OR_REPORT = 3,
};

/* What the driver knows of a queue. */
typedef struct Ring {
    unsigned index, size;
    uint64_t desc, avail, used;
    uint16_t next;
} Ring;

static void cfg_writel(QTest *q, unsigned reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000u | DEVFN << 8 | reg);
    qtest_outl(q, 0xcfc, val);
}

static Ring ring_init(QTest *q, unsigned index)
{
    Ring r = { .index = index, .desc = RINGS + index * 0x10000u };

    qtest_outw(q, IO + VIRTIO_PCI_QUEUE_SEL, index);
    r.size = qtest_inw(q, IO + VIRTIO_PCI_QUEUE_NUM);
    g_assert_cmpuint(r.size, >, 0);
    r.avail = r.desc + 16 * r.size;
    r.used = ROUND_UP(r.avail + 4 + 2 * r.size, 4096);
    qtest_memset(q, r.desc, 0, r.used + 4 + 8 * r.size - r.desc);
    qtest_outl(q, IO + VIRTIO_PCI_QUEUE_PFN, r.desc >> 12);
    return r;
}

/* The device isn't told. */
static void ring_add(QTest *q, Ring *r, uint64_t addr, uint32_t len,
                     uint16_t flags)
{
    unsigned n = r->next % r->size;

    qtest_writeq(q, r->desc + 16 * n, addr);
    qtest_writel(q, r->desc + 16 * n + 8, len);
    qtest_writel(q, r->desc + 16 * n + 12, flags);
    qtest_writew(q, r->avail + 4 + 2 * n, n);
    qtest_writew(q, r->avail + 2, ++r->next);
}

static void ring_kick(QTest *q, const Ring *r)
{
    qtest_outw(q, IO + VIRTIO_PCI_QUEUE_NOTIFY, r->index);
}

static void ring_offer(QTest *q, Ring *r, uint64_t addr, uint32_t len,
                       uint16_t flags)
{
    ring_add(q, r, addr, len, flags);
    ring_kick(q, r);
}

static unsigned ring_used(QTest *q, const Ring *r)
{
    return qtest_readw(q, r->used + 2);
}

static void driver_ok(QTest *q)
{
    qtest_outb(q, IO + VIRTIO_PCI_STATUS, 7);
}

static void driver_start(QTest *q, uint32_t features)
{
    qtest_outb(q, IO + VIRTIO_PCI_STATUS, 0);
    qtest_outb(q, IO + VIRTIO_PCI_STATUS, 3);
    qtest_outl(q, IO + VIRTIO_PCI_GUEST_FEATURES, features);
}

static QTest *start(const char *more)
{
    QTest *q = qtest_startf("-machine pc -m 128 -nodefaults -device "
                            "virtio-balloon-pci,id=b,addr=2%s",
                            more);

    cfg_writel(q, PCI_BASE_ADDRESS_0, IO);
    cfg_writel(q, PCI_COMMAND,
               PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    return q;
}

static void check_return(JsonValue *answer)
{
    g_assert_null(json_object_get(answer, "error"));
    json_unref(answer);
}

static void check_error(JsonValue *answer, const char *desc)
{
    const JsonValue *e = json_object_get(answer, "error");

    g_assert_cmpstr(json_get_string(json_object_get(e, "desc")), ==, desc);
    json_unref(answer);
}

static int64_t get_actual(QTest *q)
{
    g_autoptr(JsonValue) v = qtest_qmp(q, "{'execute': 'query-balloon'}");
    int64_t n = 0;

    g_assert_true(json_get_int(json_object_get(v, "actual"), &n));
    return n;
}

static void give_page(QTest *q, Ring *r, uint64_t addr)
{
    qtest_writel(q, PFNS, addr >> 12);
    ring_offer(q, r, PFNS, 4, 0);
}

static void test_pages(void)
{
    QTest *q = start("");
    Ring in, out;

    driver_start(q, 0);
    in = ring_init(q, INFLATE);
    out = ring_init(q, DEFLATE);
    driver_ok(q);
    qtest_memset(q, VICTIM, 0x5a, 8192);
    give_page(q, &in, VICTIM);
    g_assert_cmpuint(ring_used(q, &in), ==, 1);
    g_assert_cmphex(qtest_readq(q, VICTIM), ==, 0);
    g_assert_cmphex(qtest_readb(q, VICTIM + 4095), ==, 0);
    g_assert_cmphex(qtest_readb(q, VICTIM + 4096), ==, 0x5a);
    qtest_memset(q, VICTIM, 0xa5, 16);
    give_page(q, &out, VICTIM);
    g_assert_cmpuint(ring_used(q, &out), ==, 1);
    g_assert_cmphex(qtest_readb(q, VICTIM), ==, 0xa5);
    /* Nowhere, in a device, in ROM: nothing happens. */
    give_page(q, &in, UINT64_C(0xfffffffff000));
    give_page(q, &in, 0xfee00000);
    give_page(q, &in, 0xfffff000);
    g_assert_cmpuint(ring_used(q, &in), ==, 4);
    /* Half a number is none. */
    ring_offer(q, &in, PFNS, 3, 0);
    g_assert_cmpuint(ring_used(q, &in), ==, 5);
    qtest_quit(q);
}

/* A long request lets others have their turn, and outlives a stop. */
static void test_turns(void)
{
    enum { LIST = 0x1000000, BYTES = 1024 * KiB };
    QTest *q = start("");
    Ring in;

    driver_start(q, 0);
    in = ring_init(q, INFLATE);
    driver_ok(q);
    qtest_memset(q, VICTIM, 0x5a, 4096);
    qtest_memset(q, LIST, 0, BYTES); /* the first page, again and again */
    qtest_writel(q, LIST + BYTES - 4, VICTIM >> 12);
    ring_offer(q, &in, LIST, BYTES, 0);
    g_assert_cmpuint(ring_used(q, &in), ==, 0);
    check_return(qtest_qmp(q, "{'execute': 'stop'}"));
    g_assert_cmpuint(ring_used(q, &in), ==, 0);
    check_return(qtest_qmp(q, "{'execute': 'cont'}"));
    while (ring_used(q, &in) == 0) {
    }
    g_assert_cmphex(qtest_readq(q, VICTIM), ==, 0);
    /* A reset in the middle of one: it's nobody's. */
    ring_offer(q, &in, LIST, BYTES, 0);
    g_assert_cmpuint(ring_used(q, &in), ==, 1);
    driver_start(q, 0);
    in = ring_init(q, INFLATE);
    driver_ok(q);
    give_page(q, &in, VICTIM);
    g_assert_cmpuint(ring_used(q, &in), ==, 1);
    qtest_quit(q);
}

static void test_target(void)
{
    QTest *q = start("");
    JsonValue *event;
    char *text;

    driver_start(q, 0);
    driver_ok(q);
    g_assert_cmpint(get_actual(q), ==, 128 * MiB);
    check_return(qtest_qmp(q, "{'execute': 'balloon', 'arguments':"
                              " {'value': 67108864}}"));
    g_assert_cmpuint(qtest_inl(q, NUM_PAGES), ==, 64 * MiB / 4096);
    g_assert_cmphex(qtest_inb(q, IO + VIRTIO_PCI_ISR), ==, 3);
    check_return(qtest_qmp(q, "{'execute': 'balloon', 'arguments':"
                              " {'value': 1099511627776}}"));
    g_assert_cmpuint(qtest_inl(q, NUM_PAGES), ==, 0);
    check_error(qtest_qmp(q, "{'execute': 'balloon', 'arguments':"
                             " {'value': 0}}"),
                "Parameter 'target' expects a size");
    text = qtest_hmp(q, "balloon 100");
    g_assert_cmpstr(text, ==, "");
    g_free(text);
    g_assert_cmpuint(qtest_inl(q, NUM_PAGES), ==, 28 * MiB / 4096);
    qtest_outl(q, ACTUAL, 28 * MiB / 4096);
    event = qtest_qmp_event(q, "BALLOON_CHANGE");
    json_unref(event);
    text = qtest_hmp(q, "info balloon");
    g_assert_cmpstr(text, ==, "balloon: actual=100\r\n");
    g_free(text);
    /* More than there is. */
    qtest_outl(q, ACTUAL, UINT32_MAX);
    g_assert_cmpint(get_actual(q), ==, 0);
    qtest_quit(q);
}

static uint64_t get_stat(QTest *q, const char *name)
{
    g_autoptr(JsonValue) v =
        qtest_qmp(q, "{'execute': 'qom-get', 'arguments': {'path':"
                     " '/machine/peripheral/b', 'property': 'guest-stats'}}");
    const JsonValue *s = json_object_get(v, "stats");
    uint64_t n = 0;

    g_assert_true(json_get_uint(json_object_get(s, name), &n));
    return n;
}

static void put_stat(QTest *q, unsigned n, uint16_t tag, uint64_t val)
{
    qtest_writew(q, PFNS + 10 * n, tag);
    qtest_writeq(q, PFNS + 10 * n + 2, val);
}

static void test_stats(void)
{
    QTest *q = start(",guest-stats-polling-interval=2");
    Ring r;

    driver_start(q, 1 << VIRTIO_BALLOON_F_STATS_VQ);
    r = ring_init(q, STATS);
    driver_ok(q);
    put_stat(q, 0, VIRTIO_BALLOON_S_MEMFREE, 12345);
    put_stat(q, 1, 999, 1); /* a tag of the future */
    put_stat(q, 2, VIRTIO_BALLOON_S_AVAIL, 67890);
    ring_offer(q, &r, PFNS, 30, 0);
    g_assert_cmpuint(get_stat(q, "stat-free-memory"), ==, 12345);
    g_assert_cmpuint(get_stat(q, "stat-available-memory"), ==, 67890);
    g_assert_cmpuint(get_stat(q, "stat-swap-in"), ==, UINT64_MAX);
    g_assert_cmpuint(ring_used(q, &r), ==, 0);
    qtest_clock_step(q, INT64_C(2) * SECOND);
    g_assert_cmpuint(ring_used(q, &r), ==, 1);
    put_stat(q, 0, VIRTIO_BALLOON_S_MEMFREE, 54321);
    ring_offer(q, &r, PFNS, 10, 0);
    g_assert_cmpuint(get_stat(q, "stat-free-memory"), ==, 54321);
    g_assert_cmpuint(get_stat(q, "stat-available-memory"), ==, UINT64_MAX);
    /* A second buffer: the first goes back. */
    ring_offer(q, &r, PFNS, 10, 0);
    g_assert_cmpuint(ring_used(q, &r), ==, 2);
    check_error(qtest_qmp(q, "{'execute': 'qom-set', 'arguments': {'path':"
                             " '/machine/peripheral/b', 'value': -1,"
                             " 'property': 'guest-stats-polling-interval'}}"),
                "timer value must be greater than zero");
    check_return(qtest_qmp(q, "{'execute': 'qom-set', 'arguments': {'path':"
                              " '/machine/peripheral/b', 'value': 0,"
                              " 'property': 'guest-stats-polling-interval'}}"));
    qtest_clock_step(q, INT64_C(10) * SECOND);
    g_assert_cmpuint(ring_used(q, &r), ==, 2);
    qtest_quit(q);
}

static void report(QTest *q, uint32_t poison)
{
    Ring r;

    driver_start(q, 1 << VIRTIO_BALLOON_F_REPORTING |
                        1 << VIRTIO_BALLOON_F_PAGE_POISON);
    r = ring_init(q, HINT_OR_REPORT);
    driver_ok(q);
    qtest_outl(q, POISON, poison);
    qtest_memset(q, VICTIM, 0x5a, 3 * 4096);
    /* From the middle of one page to the middle of the third. */
    ring_offer(q, &r, VICTIM + 2048, 8192, VRING_DESC_F_WRITE);
    g_assert_cmpuint(ring_used(q, &r), ==, 1);
    g_assert_cmphex(qtest_readb(q, VICTIM + 4095), ==, 0x5a);
    g_assert_cmphex(qtest_readb(q, VICTIM + 4096), ==, poison ? 0x5a : 0);
    g_assert_cmphex(qtest_readb(q, VICTIM + 8191), ==, poison ? 0x5a : 0);
    g_assert_cmphex(qtest_readb(q, VICTIM + 8192), ==, 0x5a);
}

/* Free pages lose what is in them, unless it is a pattern to be checked. */
static void test_reporting(void)
{
    QTest *q = start(",free-page-reporting=on");

    report(q, 0);
    report(q, 0xaaaaaaaa);
    report(q, 0); /* forgotten at the reset */
    qtest_quit(q);
}

/* Free page hints: a migration that waits where the test wants it to. */

enum {
    FIRST_ID = 0x80000000, /* nobody was asked with this one */
    COMMAND = 0x200000,
    FILLER = 0x400000, /* pages that are in use, and come first */
    FILLER_PAGES = 512,
    FREE = 0x2000000,
    FREE_PAGES = 4096,
};

typedef struct Hints {
    QTest *q;
    Ring r;
    char *dir, *fifo;
} Hints;

static void hints_driver(Hints *h, uint32_t more_features)
{
    driver_start(h->q, 1 << VIRTIO_BALLOON_F_FREE_PAGE_HINT | more_features);
    h->r = ring_init(h->q, HINT_OR_REPORT);
    driver_ok(h->q);
    g_assert_cmphex(qtest_inl(h->q, HINT_ID), ==, 0);
}

static Hints hints_start(uint32_t more_features)
{
    Hints h = { .dir = g_dir_make_tmp("balloon-XXXXXX", NULL) };

    h.fifo = g_build_filename(h.dir, "go", NULL);
    g_assert_cmpint(mkfifo(h.fifo, 0600), ==, 0);
    h.q = start(",free-page-hint=on,iothread=io1 -object iothread,id=io1");
    hints_driver(&h, more_features);
    qtest_memset(h.q, FILLER, 0x5a, FILLER_PAGES * 4096);
    qtest_memset(h.q, FREE, 0x5a, FREE_PAGES * 4096);
    return h;
}

static void hints_quit(Hints *h)
{
    qtest_quit(h->q);
    unlink(h->fifo);
    rmdir(h->dir);
    g_free(h->fifo);
    g_free(h->dir);
}

/* It takes no more than the filler until hints_complete(). */
static void hints_migrate(Hints *h)
{
    check_return(qtest_qmp(h->q,
                           "{'execute': 'migrate', 'arguments': {'uri':"
                           " 'exec:read x < %s; cat > /dev/null'}}",
                           h->fifo));
}

static void await_id(Hints *h, uint32_t id)
{
    while (qtest_inl(h->q, HINT_ID) != id) {
        g_usleep(1000);
    }
}

static void await_used(Hints *h, unsigned n)
{
    while (ring_used(h->q, &h->r) != n) {
        g_usleep(1000);
    }
}

/* The pages that were sent with their bytes. */
static int64_t hints_complete(Hints *h)
{
    g_autoptr(JsonValue) v = NULL;
    int64_t n = 0;
    int fd = open(h->fifo, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(write(fd, "go\n", 3), ==, 3);
    close(fd);
    json_unref(qtest_qmp_event(h->q, "STOP"));
    do {
        g_clear_pointer(&v, json_unref);
        v = qtest_qmp(h->q, "{'execute': 'query-migrate'}");
    } while (strcmp(json_get_string(json_object_get(v, "status")),
                    "completed") != 0);
    g_assert_true(
        json_get_int(json_object_get(json_object_get(v, "ram"), "normal"), &n));
    return n;
}

static void offer_command(Hints *h, uint32_t id)
{
    qtest_writel(h->q, COMMAND, id);
    ring_offer(h->q, &h->r, COMMAND, 4, 0);
}

static void offer_free(Hints *h)
{
    ring_offer(h->q, &h->r, FREE, FREE_PAGES * 4096, VRING_DESC_F_WRITE);
}

static void hints_go_on(Hints *h)
{
    check_return(qtest_qmp(h->q, "{'execute': 'cont'}"));
}

/* What isn't used isn't sent, if the guest says so when it is asked. */
static void test_hints(void)
{
    Hints h = hints_start(0);
    int64_t sent;

    /* Nobody has asked. */
    offer_command(&h, FIRST_ID);
    offer_free(&h);
    await_used(&h, 2);
    hints_migrate(&h);
    await_id(&h, FIRST_ID + 1);
    sent = hints_complete(&h);
    g_assert_cmpint(sent, >=, FILLER_PAGES + FREE_PAGES);
    await_id(&h, VIRTIO_BALLOON_CMD_ID_DONE);
    hints_go_on(&h);
    hints_migrate(&h);
    await_id(&h, FIRST_ID + 2);
    offer_command(&h, FIRST_ID + 2);
    offer_free(&h);
    qtest_writeb(h.q, FREE, 1); /* it uses one after all */
    await_used(&h, 4);
    g_assert_cmphex(qtest_inl(h.q, HINT_ID), ==, FIRST_ID + 2);
    /* Enough, it says, and goes on all the same. */
    offer_command(&h, 0);
    ring_offer(h.q, &h.r, FILLER, FILLER_PAGES * 4096, VRING_DESC_F_WRITE);
    await_used(&h, 6);
    g_assert_cmphex(qtest_inl(h.q, HINT_ID), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    sent = hints_complete(&h);
    g_assert_cmpint(sent, >, FILLER_PAGES);
    g_assert_cmpint(sent, <, FREE_PAGES);
    g_assert_cmphex(qtest_inl(h.q, HINT_ID), ==, VIRTIO_BALLOON_CMD_ID_DONE);
    hints_quit(&h);
}

/* Hints of an older round aren't those of the next, whatever id they show. */
static void test_old_hints(void)
{
    Hints h = hints_start(0);

    hints_migrate(&h);
    await_id(&h, FIRST_ID + 1);
    hints_complete(&h);
    await_id(&h, VIRTIO_BALLOON_CMD_ID_DONE);
    hints_go_on(&h);
    ring_add(h.q, &h.r, COMMAND, 4, 0);
    ring_add(h.q, &h.r, FREE, FREE_PAGES * 4096, VRING_DESC_F_WRITE);
    qtest_writel(h.q, COMMAND, FIRST_ID + 2);
    hints_migrate(&h);
    await_id(&h, FIRST_ID + 2);
    ring_kick(h.q, &h.r);
    await_used(&h, 2);
    g_assert_cmpint(hints_complete(&h), >=, FILLER_PAGES + FREE_PAGES);
    hints_quit(&h);
}

/* The guest starts anew in the middle of a round. */
static void test_hints_reset(void)
{
    Hints h = hints_start(0);

    hints_migrate(&h);
    await_id(&h, FIRST_ID + 1);
    hints_driver(&h, 0);
    offer_command(&h, FIRST_ID + 1);
    offer_free(&h);
    await_used(&h, 2);
    g_assert_cmpint(hints_complete(&h), >=, FILLER_PAGES + FREE_PAGES);
    hints_quit(&h);
}

/* Who looks at what is in free pages isn't asked for them. */
static void test_hints_poison(void)
{
    Hints h = hints_start(1 << VIRTIO_BALLOON_F_PAGE_POISON);

    hints_migrate(&h);
    g_assert_cmpint(hints_complete(&h), >=, FILLER_PAGES + FREE_PAGES);
    g_assert_cmphex(qtest_inl(h.q, HINT_ID), ==, VIRTIO_BALLOON_CMD_ID_STOP);
    hints_quit(&h);
}

static void test_hints_hostile(void)
{
    Hints h = hints_start(0);

    hints_migrate(&h);
    await_id(&h, FIRST_ID + 1);
    offer_command(&h, FIRST_ID + 1);
    /* No memory, a device, ROM, all there is and more: the device breaks. */
    ring_offer(h.q, &h.r, UINT64_C(0xfffffffff000), 4096, VRING_DESC_F_WRITE);
    ring_offer(h.q, &h.r, 0, UINT32_MAX, VRING_DESC_F_WRITE);
    hints_driver(&h, 0);
    /* Half a command is none. */
    ring_offer(h.q, &h.r, COMMAND, 3, 0);
    offer_free(&h);
    g_assert_cmpint(hints_complete(&h), >=, FILLER_PAGES + FREE_PAGES);
    g_assert_cmpuint(ring_used(h.q, &h.r), ==, 0);
    hints_quit(&h);
}

static void test_features(void)
{
    QTest *q = start(",page-poison=off,deflate-on-oom=on");
    uint32_t f = qtest_inl(q, IO + VIRTIO_PCI_HOST_FEATURES);

    g_assert_cmphex(f & 0x3f, ==,
                    1 << VIRTIO_BALLOON_F_STATS_VQ |
                        1 << VIRTIO_BALLOON_F_DEFLATE_ON_OOM);
    /* The configuration ends here. */
    g_assert_cmphex(qtest_inl(q, HINT_ID), ==, UINT32_MAX);
    qtest_quit(q);
}

static void test_too_long(void)
{
    QTest *q = start("");
    Ring r;

    driver_start(q, 0);
    r = ring_init(q, INFLATE);
    driver_ok(q);
    ring_offer(q, &r, PFNS, 64 * MiB, 0);
    give_page(q, &r, VICTIM);
    g_assert_cmpuint(ring_used(q, &r), ==, 0);
    driver_start(q, 0);
    r = ring_init(q, INFLATE);
    driver_ok(q);
    give_page(q, &r, VICTIM);
    g_assert_cmpuint(ring_used(q, &r), ==, 1);
    qtest_quit(q);
}

static void test_command_line(void)
{
    QTest *q = qtest_start("-machine pc -nodefaults -balloon "
                           "virtio,id=b,addr=2");
    int status = 0;
    char *text;

    g_assert_cmpint(get_actual(q), ==, 128 * MiB);
    qtest_quit(q);
    q = qtest_start("-machine pc -nodefaults -balloon none");
    check_error(qtest_qmp(q, "{'execute': 'query-balloon'}"),
                "No balloon device has been activated");
    check_error(qtest_qmp(q, "{'execute': 'balloon', 'arguments':"
                             " {'value': 0}}"),
                "No balloon device has been activated");
    qtest_quit(q);
    text = qtest_run("-machine pc -nodefaults -device virtio-balloon-pci "
                     "-device virtio-balloon-pci",
                     &status);
    g_assert_nonnull(strstr(text, "Only one balloon device is supported"));
    g_assert_cmpint(status, ==, 1);
    g_free(text);
    text = qtest_run("-machine pc -nodefaults -device "
                     "virtio-balloon-pci,free-page-hint=on",
                     &status);
    g_assert_nonnull(
        strstr(text, "'free-page-hint' requires 'iothread' to be set"));
    g_assert_cmpint(status, ==, 1);
    g_free(text);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-balloon/pages", test_pages);
    g_test_add_func("/virtio-balloon/turns", test_turns);
    g_test_add_func("/virtio-balloon/target", test_target);
    g_test_add_func("/virtio-balloon/stats", test_stats);
    g_test_add_func("/virtio-balloon/reporting", test_reporting);
    g_test_add_func("/virtio-balloon/hints", test_hints);
    g_test_add_func("/virtio-balloon/old-hints", test_old_hints);
    g_test_add_func("/virtio-balloon/hints-reset", test_hints_reset);
    g_test_add_func("/virtio-balloon/hints-poison", test_hints_poison);
    g_test_add_func("/virtio-balloon/hints-hostile", test_hints_hostile);
    g_test_add_func("/virtio-balloon/features", test_features);
    g_test_add_func("/virtio-balloon/too-long", test_too_long);
    g_test_add_func("/virtio-balloon/command-line", test_command_line);
    return g_test_run();
}
