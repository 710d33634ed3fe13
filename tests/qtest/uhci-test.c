/*
 * piix3-usb-uhci with a tablet, a keyboard and a hub, as a driver sees them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <glib/gstdio.h>
#include <linux/pci_regs.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    DEVFN = 1 << 3 | 2,
    BASE = 0xc000,
    /* Registers. */
    CMD = BASE,
    STS = BASE + 2,
    INTR = BASE + 4,
    FRNUM = BASE + 6,
    FLBASE = BASE + 8,
    SOFMOD = BASE + 12,
    PORT1 = BASE + 16,
    PORT2 = BASE + 18,
    STS_INT = 1,
    STS_ERROR = 2,
    STS_RESUME = 4,
    STS_HSE = 8,
    STS_HCPE = 16,
    STS_HALTED = 32,
    /* Memory. */
    LIST = 0x10000,
    QUEUES = 0x11000,
    TDS = 0x12000,
    DATA = 0x13000,
    /* Links. */
    END = 1,
    QUEUE = 2,
    DEPTH = 4,
    /* TDs. */
    IN = 0x69,
    OUT = 0xe1,
    SETUP = 0x2d,
    NAK = 1 << 19,
    STALLED = 1 << 22,
    TIMEOUT = 1 << 18,
    ACTIVE = 1 << 23,
    IOC = 1 << 24,
    TRIES = 3 << 27,
    SHORT = 1 << 29,
    NOTHING = 0x7ff, /* length in the status */
};
#define FRAME_NS   INT64_C(1000000)
#define GET_DEVICE UINT64_C(0x0012000001000680)
#define BAD_DESC   UINT64_C(0x0012000077000680)
#define SET_ADDR   UINT64_C(0x0000000000000500)
#define SET_CONFIG UINT64_C(0x0000000000010900)
#define SET_WAKEUP UINT64_C(0x0000000000010300)
#define SET_LEDS   UINT64_C(0x0001000002000921)

static void set_config(QTest *q, unsigned reg, uint32_t val)
{
    qtest_outl(q, 0xcf8, 0x80000000 | DEVFN << 8 | reg);
    qtest_outl(q, 0xcfc, val);
}

static bool interrupts(QTest *q)
{
    qtest_outl(q, 0xcf8, 0x80000000 | DEVFN << 8 | PCI_COMMAND);
    return qtest_inl(q, 0xcfc) >> 16 & PCI_STATUS_INTERRUPT;
}

static QTest *start(const char *args)
{
    QTest *q = qtest_startf("-machine pc,usb=on %s", args);

    set_config(q, PCI_BASE_ADDRESS_4, BASE | 1);
    set_config(q, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MASTER);
    return q;
}

static void put_td(QTest *q, unsigned n, uint32_t link, uint32_t ctrl,
                   unsigned pid, unsigned addr_ep, unsigned len,
                   uint32_t buffer)
{
    uint32_t at = TDS + 32 * n;

    qtest_writel(q, at, link);
    qtest_writel(q, at + 4, ctrl);
    qtest_writel(q, at + 8, ((len - 1) & 0x7ff) << 21 | addr_ep << 8 | pid);
    qtest_writel(q, at + 12, buffer);
}

static uint32_t td_ctrl(QTest *q, unsigned n)
{
    return qtest_readl(q, TDS + 32 * n + 4);
}

static void put_queue(QTest *q, unsigned n, uint32_t next, uint32_t element)
{
    qtest_writel(q, QUEUES + 16 * n, next);
    qtest_writel(q, QUEUES + 16 * n + 4, element);
}

static uint32_t element(QTest *q, unsigned n)
{
    return qtest_readl(q, QUEUES + 16 * n + 4);
}

static void put_list(QTest *q, uint32_t link)
{
    uint8_t list[4096];

    for (unsigned i = 0; i < sizeof(list); i += 4) {
        stl_le_p(list + i, link);
    }
    qtest_memwrite(q, LIST, list, sizeof(list));
}

/* The schedule runs; queue 0 is all that it has. */
static void run(QTest *q)
{
    put_list(q, QUEUES | QUEUE);
    put_queue(q, 0, END, END);
    qtest_outl(q, FLBASE, LIST);
    qtest_outw(q, CMD, 1);
}

static void enable_port(QTest *q, unsigned port)
{
    qtest_outw(q, port, 0x200);
    qtest_outw(q, port, 0);
    qtest_outw(q, port, 0xe);
}

static void frames(QTest *q, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        qtest_clock_step(q, FRAME_NS);
    }
}

/* One packet, and the status of its TD behind the next frame. */
static uint32_t packet(QTest *q, unsigned pid, unsigned addr_ep, unsigned len)
{
    put_td(q, 0, END, ACTIVE | TRIES, pid, addr_ep, len, DATA);
    put_queue(q, 0, END, TDS);
    frames(q, 1);
    return td_ctrl(q, 0) & ~(uint32_t)TRIES;
}

/* A request without data, or with data from the host in one packet. */
static void request(QTest *q, unsigned addr, uint64_t setup, uint8_t byte)
{
    qtest_writeq(q, DATA, setup);
    g_assert_cmphex(packet(q, SETUP, addr, 8), ==, 7);
    if (setup >> 48 != 0) {
        qtest_writeb(q, DATA, byte);
        g_assert_cmphex(packet(q, OUT, addr, 1), ==, 0);
    }
    g_assert_cmphex(packet(q, IN, addr, 0), ==, NOTHING);
}

/* The device at an enabled port gets an address. */
static void configure(QTest *q, unsigned addr)
{
    request(q, 0, SET_ADDR | addr << 16, 0);
    request(q, addr, SET_CONFIG, 0);
}

static void qmp(QTest *q, const char *command)
{
    g_autoptr(JsonValue) answer = qtest_qmp(q, "%s", command);

    g_assert_false(json_object_has(answer, "error"));
}

static void place(QTest *q, unsigned x)
{
    g_autofree char *s = g_strdup_printf(
        "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":["
        "{\"type\":\"abs\",\"data\":{\"axis\":\"x\",\"value\":%u}}]}}",
        x);

    qmp(q, s);
}

static void test_registers(void)
{
    static const struct {
        uint16_t reg, is, ones;
    } rows[] = {
        { INTR, 0, 0xf },        { FRNUM, 0, 0x7ff },
        { FLBASE, 0, 0xf000 },   { FLBASE + 2, 0, 0xffff },
        { SOFMOD, 0x40, 0xff },  { PORT1, 0x83, 0x12c5 },
        { PORT2, 0x80, 0x12c0 }, { BASE + 20, 0xff7f, 0xff7f },
        { STS, STS_HALTED, 0 },
    };
    QTest *q = start("-device usb-tablet,port=1");

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_assert_cmphex(qtest_inw(q, rows[i].reg), ==, rows[i].is);
        qtest_outw(q, rows[i].reg, 0xffff);
        g_assert_cmphex(qtest_inw(q, rows[i].reg), ==, rows[i].ones);
    }
    for (uint16_t how = 2; how <= 4; how += 2) {
        qtest_outw(q, CMD, how); /* HCRESET, GRESET */
        g_assert_cmphex(qtest_inw(q, CMD), ==, 0);
        for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
            g_assert_cmphex(qtest_inw(q, rows[i].reg), ==, rows[i].is);
        }
    }
    /* Frames come while it runs. */
    run(q);
    frames(q, 5);
    qtest_outw(q, FRNUM, 0x123);
    g_assert_cmphex(qtest_inw(q, FRNUM), ==, 5);
    g_assert_cmphex(qtest_inw(q, STS), ==, 0);
    qtest_outw(q, CMD, 0);
    frames(q, 5);
    g_assert_cmphex(qtest_inw(q, FRNUM), ==, 5);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_HALTED);
    /* Those that are late are caught up with. */
    qtest_outw(q, CMD, 1);
    qtest_clock_step(q, 10 * FRAME_NS);
    g_assert_cmphex(qtest_inw(q, FRNUM), ==, 15);
    qtest_quit(q);
}

/* SETUP, three INs of which the last is short, OUT. */
static void put_get_device(QTest *q, uint32_t depth, uint32_t flags)
{
    qtest_writeq(q, DATA, GET_DEVICE);
    qtest_memset(q, DATA + 0x100, 0, 32);
    put_td(q, 0, (TDS + 0x20) | depth, ACTIVE | TRIES, SETUP, 0, 8, DATA);
    for (unsigned i = 1; i < 4; i++) {
        put_td(q, i, (TDS + 32 * (i + 1)) | depth, ACTIVE | TRIES | flags, IN,
               0, 8, DATA + 0xf8 + 8 * i);
    }
    put_td(q, 4, END, ACTIVE | TRIES | IOC, OUT, 0, 0, 0);
    put_queue(q, 0, END, TDS);
}

static void test_control(void)
{
    QTest *q = start("-device usb-tablet,port=1");

    enable_port(q, PORT1);
    run(q);
    qtest_outw(q, INTR, 4);
    /* All of it in one frame. */
    put_get_device(q, DEPTH, 0);
    frames(q, 1);
    g_assert_cmphex(element(q, 0), ==, END);
    g_assert_cmphex(td_ctrl(q, 1), ==, TRIES | 7);
    g_assert_cmphex(td_ctrl(q, 3), ==, TRIES | 1);
    g_assert_cmphex(td_ctrl(q, 4), ==, TRIES | IOC | NOTHING);
    g_assert_cmphex(qtest_readl(q, DATA + 0x108), ==, 0x00010627);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_INT);
    g_assert_true(interrupts(q));
    qtest_outw(q, STS, STS_INT);
    g_assert_false(interrupts(q));
    /* One packet in a frame. */
    put_get_device(q, 0, 0);
    frames(q, 1);
    g_assert_cmphex(element(q, 0), ==, TDS + 0x20);
    g_assert_cmphex(td_ctrl(q, 1) & ACTIVE, ==, ACTIVE);
    frames(q, 4);
    g_assert_cmphex(element(q, 0), ==, END);
    qtest_outw(q, STS, STS_INT);
    /* The short packet holds the queue, and interrupts by its own bit. */
    put_get_device(q, DEPTH, SHORT);
    frames(q, 2);
    g_assert_cmphex(element(q, 0), ==, (TDS + 0x60) | DEPTH);
    g_assert_cmphex(td_ctrl(q, 4) & ACTIVE, ==, ACTIVE);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_INT);
    g_assert_false(interrupts(q));
    qtest_outw(q, INTR, 8);
    g_assert_true(interrupts(q));
    /* A TD that isn't active tells of the frame. */
    qtest_outw(q, STS, STS_INT);
    put_td(q, 0, END, IOC, IN, 0, 8, DATA);
    put_queue(q, 0, END, TDS);
    frames(q, 1);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_INT);
    qtest_quit(q);
}

static void test_errors(void)
{
    QTest *q = start("-device usb-tablet,port=1");

    run(q);
    qtest_outw(q, INTR, 1);
    /* Nobody is there while the port is disabled, or by another address. */
    g_assert_cmphex(packet(q, IN, 0, 8), ==, STALLED | TIMEOUT | NOTHING);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_ERROR);
    g_assert_true(interrupts(q));
    qtest_outw(q, STS, STS_ERROR);
    enable_port(q, PORT1);
    g_assert_cmphex(packet(q, IN, 9, 8), ==, STALLED | TIMEOUT | NOTHING);
    qtest_outw(q, STS, STS_ERROR);
    qtest_writeq(q, DATA, BAD_DESC);
    g_assert_cmphex(packet(q, SETUP, 0, 8), ==, STALLED | NOTHING);
    g_assert_cmphex(packet(q, OUT, 0, 0), ==, STALLED | NOTHING);
    g_assert_cmphex(packet(q, OUT, 5 << 7, 8), ==, STALLED | NOTHING);
    qtest_writeq(q, DATA, GET_DEVICE | UINT64_C(0xffff) << 48);
    g_assert_cmphex(packet(q, SETUP, 0, 8), ==, STALLED | NOTHING);
    /* What no driver may write stops it. */
    qtest_outw(q, STS, STS_ERROR);
    qtest_outw(q, INTR, 0);
    packet(q, 0x99, 0, 8);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_HCPE | STS_HALTED);
    g_assert_cmphex(qtest_inw(q, CMD), ==, 0);
    g_assert_true(interrupts(q));
    qtest_outw(q, CMD, 2);
    enable_port(q, PORT1);
    run(q);
    packet(q, IN, 0, 0x501);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_HCPE | STS_HALTED);
    /* Memory that isn't there does, too: list, queue, TD, buffer. */
    for (unsigned i = 0; i < 4; i++) {
        qtest_outw(q, CMD, 2);
        enable_port(q, PORT1);
        run(q);
        put_td(q, 0, END, ACTIVE, SETUP, 0, 8, i == 3 ? 0xe0000000 : DATA);
        put_queue(q, 0, END, i == 2 ? 0xe0000000 : TDS);
        put_list(q, (i == 1 ? 0xe0000000 : QUEUES) | QUEUE);
        qtest_outl(q, FLBASE, i == 0 ? 0xe0000000 : LIST);
        frames(q, 1);
        g_assert_cmphex(qtest_inw(q, STS), ==, STS_HSE | STS_HALTED);
    }
    qtest_quit(q);
}

/* Whatever leads to what, a frame ends. */
static void test_loops(void)
{
    QTest *q = start("-device usb-tablet,port=1");

    enable_port(q, PORT1);
    run(q);
    configure(q, 3);
    put_queue(q, 0, (QUEUES + 0x10) | QUEUE, END);
    put_queue(q, 1, (QUEUES + 0x20) | QUEUE, TDS);
    put_queue(q, 2, (QUEUES + 0x10) | QUEUE, END);
    put_td(q, 0, TDS, ACTIVE, IN, 3 | 1 << 7, 8, DATA);
    frames(q, 2);
    g_assert_cmphex(td_ctrl(q, 0), ==, ACTIVE | NAK);
    g_assert_cmphex(qtest_inw(q, STS), ==, 0);
    /* TDs that lead to themselves: direct, and through a queue. */
    put_td(q, 0, TDS, 0, IN, 0, 8, DATA);
    put_list(q, TDS);
    frames(q, 1);
    put_td(q, 0, TDS | DEPTH, ACTIVE, OUT, 3, 0, DATA);
    put_list(q, QUEUES | QUEUE);
    put_queue(q, 0, END, TDS);
    frames(q, 1);
    put_queue(q, 0, END, QUEUES | QUEUE);
    frames(q, 1);
    g_assert_cmphex(qtest_inw(q, STS) & STS_HALTED, ==, 0);
    /* A loop in which packets go through goes on to the frame's last byte. */
    put_queue(q, 0, QUEUES | QUEUE, TDS);
    qtest_writeq(q, DATA, GET_DEVICE);
    for (unsigned i = 0; i < 400; i++) {
        put_td(q, i, TDS + 32 * (i + 1), ACTIVE, SETUP, 3, 8, DATA);
    }
    frames(q, 1);
    g_assert_cmphex(element(q, 0), ==, TDS + 32 * (1280 / 8));
    qtest_quit(q);
}

static void test_tablet(void)
{
    QTest *q = start("-device usb-tablet,port=1");

    enable_port(q, PORT1);
    run(q);
    configure(q, 3);
    g_assert_cmphex(packet(q, IN, 3 | 1 << 7, 6), ==, ACTIVE | NAK);
    place(q, 0x1234);
    frames(q, 1);
    g_assert_cmphex(td_ctrl(q, 0), ==, TRIES | 5);
    g_assert_cmphex(qtest_readw(q, DATA + 1), ==, 0x1234);
    /* It goes, and the port says so. */
    qtest_outw(q, PORT1, qtest_inw(q, PORT1));
    qmp(q, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"usb-kbd\","
           "\"id\":\"k\",\"port\":\"2\"}}");
    g_assert_cmphex(qtest_inw(q, PORT2), ==, 0x83);
    enable_port(q, PORT2);
    configure(q, 4);
    request(q, 4, SET_LEDS, 2);
    qmp(q, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"k\"}}");
    g_assert_cmphex(qtest_inw(q, PORT2), ==, 0x8a);
    qtest_quit(q);
}

static void test_hub(void)
{
    QTest *q = start("-device usb-hub,port=1 -device usb-tablet,port=1.2");

    enable_port(q, PORT1);
    run(q);
    configure(q, 5);
    g_assert_cmphex(packet(q, IN, 0, 8), ==, STALLED | TIMEOUT | NOTHING);
    request(q, 5, UINT64_C(0x0000000200040323), 0); /* reset port 2 */
    configure(q, 6);
    g_assert_cmphex(packet(q, IN, 6 | 1 << 7, 6), ==, ACTIVE | NAK);
    request(q, 5, UINT64_C(0x0000000200020323), 0); /* suspend it */
    g_assert_cmphex(packet(q, IN, 6 | 1 << 7, 6), ==,
                    STALLED | TIMEOUT | NOTHING);
    qtest_quit(q);
}

static void test_wakeup(void)
{
    QTest *q = start("-device usb-tablet,port=1");

    enable_port(q, PORT1);
    run(q);
    configure(q, 3);
    packet(q, IN, 3 | 1 << 7, 6); /* gets input from now on */
    qtest_outw(q, PORT1, 0x1004);
    g_assert_cmphex(packet(q, IN, 3 | 1 << 7, 6), ==,
                    STALLED | TIMEOUT | NOTHING);
    qtest_outw(q, STS, STS_ERROR);
    qtest_outw(q, INTR, 2);
    place(q, 1);
    g_assert_cmphex(qtest_inw(q, PORT1), ==, 0x1085);
    qtest_outw(q, PORT1, 4);
    request(q, 3, SET_WAKEUP, 0);
    qtest_outw(q, PORT1, 0x1004);
    place(q, 2);
    g_assert_cmphex(qtest_inw(q, PORT1), ==, 0x10c5);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_RESUME);
    g_assert_true(interrupts(q));
    qtest_outw(q, PORT1, 4);
    qtest_outw(q, STS, STS_RESUME);
    /* The whole bus, stopped and suspended. */
    qtest_outw(q, CMD, 8);
    place(q, 3);
    g_assert_cmphex(qtest_inw(q, CMD), ==, 0x18);
    g_assert_cmphex(qtest_inw(q, STS), ==, STS_RESUME | STS_HALTED);
    qtest_quit(q);
}

static void expect_status(QTest *q, const char *want)
{
    for (;;) {
        g_autoptr(JsonValue) r = qtest_qmp(q, "{\"execute\":\"query-status\"}");

        if (g_strcmp0(json_get_string(json_object_get(r, "status")), want) ==
            0) {
            return;
        }
        g_usleep(1000);
    }
}

static QTest *move(QTest *q)
{
    g_autofree char *stream = NULL;
    int fd = g_file_open_tmp("uhci-XXXXXX", &stream, NULL);
    g_autofree char *go = g_strdup_printf(
        "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"exec:cat > %s\"}}",
        stream);

    close(fd);
    qmp(q, go);
    expect_status(q, "postmigrate");
    qtest_quit(q);
    q = qtest_startf("-machine pc,usb=on -device usb-kbd,port=1 "
                     "-incoming 'exec:cat %s'",
                     stream);
    expect_status(q, "running");
    g_unlink(stream);
    return q;
}

/* Between the packets of control transfers. */
static void test_move(void)
{
    QTest *q = start("-device usb-kbd,port=1");

    enable_port(q, PORT1);
    run(q);
    configure(q, 3);
    qtest_writeq(q, DATA, GET_DEVICE);
    g_assert_cmphex(packet(q, SETUP, 3, 8), ==, 7);
    g_assert_cmphex(packet(q, IN, 3, 8), ==, 7);
    q = move(q);
    g_assert_cmphex(qtest_inw(q, CMD), ==, 1);
    g_assert_cmphex(packet(q, IN, 3, 8), ==, 7);
    g_assert_cmphex(qtest_readl(q, DATA), ==, 0x00010627);
    g_assert_cmphex(packet(q, IN, 3, 8), ==, 1);
    g_assert_cmphex(packet(q, OUT, 3, 0), ==, NOTHING);
    /* What has no data goes on; what has lost some is refused. */
    qtest_writeq(q, DATA, SET_CONFIG);
    g_assert_cmphex(packet(q, SETUP, 3, 8), ==, 7);
    q = move(q);
    g_assert_cmphex(packet(q, IN, 3, 0), ==, NOTHING);
    qtest_writeq(q, DATA, SET_LEDS);
    g_assert_cmphex(packet(q, SETUP, 3, 8), ==, 7);
    g_assert_cmphex(packet(q, OUT, 3, 1), ==, 0);
    q = move(q);
    g_assert_cmphex(packet(q, IN, 3, 0), ==, STALLED | NOTHING);
    request(q, 3, SET_LEDS, 2);
    qtest_quit(q);
}

static void test_refused(void)
{
    static const struct {
        const char *args, *with;
    } rows[] = {
        { "-machine q35,usb=on", "usb=on: not in this version" },
        { "-device ich9-usb-uhci1,masterbus=usb.0", "masterbus=usb.0: " },
        { "-device ich9-usb-uhci1,firstport=2", "firstport=2" },
        { "-usb -device usb-tablet,port=3", "usb port 3 " },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int status;
        g_autofree char *text = qtest_run(rows[i].args, &status);

        g_assert_cmpint(status, ==, 1);
        g_assert_nonnull(strstr(text, rows[i].with));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uhci/registers", test_registers);
    g_test_add_func("/uhci/control", test_control);
    g_test_add_func("/uhci/errors", test_errors);
    g_test_add_func("/uhci/loops", test_loops);
    g_test_add_func("/uhci/tablet", test_tablet);
    g_test_add_func("/uhci/hub", test_hub);
    g_test_add_func("/uhci/wakeup", test_wakeup);
    g_test_add_func("/uhci/move", test_move);
    g_test_add_func("/uhci/refused", test_refused);
    return g_test_run();
}
