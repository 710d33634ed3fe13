/*
 * qemu-xhci with a tablet, a keyboard and a hub, as a driver sees them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/qtest/xhci.h"

#define GET_DEVICE    UINT64_C(0x0012000001000680)
#define GET_STRING(n) (UINT64_C(0x00ff040903000680) | (uint64_t)(n) << 16)
#define SET_CONFIG    UINT64_C(0x0000000000010900)
#define SET_IDLE(n)   (UINT64_C(0x0000000000000a21) | (uint64_t)(n) << 24)

enum { TABLET_PORT = 5 }; /* ports 1 to 4 are those of USB 3 */

static void qmp(XhciTest *x, const char *command)
{
    g_autoptr(JsonValue) answer = qtest_qmp(x->q, "%s", command);

    g_assert_false(json_object_has(answer, "error"));
}

static void place(XhciTest *x, unsigned px, unsigned py)
{
    g_autofree char *s = g_strdup_printf(
        "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":["
        "{\"type\":\"abs\",\"data\":{\"axis\":\"x\",\"value\":%u}},"
        "{\"type\":\"abs\",\"data\":{\"axis\":\"y\",\"value\":%u}}]}}",
        px, py);

    qmp(x, s);
}

/* Configured, with endpoint 1 IN. */
static void configure(XhciTest *x, unsigned port)
{
    unsigned code;

    xhci_address(x, port);
    xhci_control(x, SET_CONFIG, &code);
    g_assert_cmpint(code, ==, CODE_SUCCESS);
    qtest_writel(x->q, INPUT + 4, 1 | 1 << 3);
    qtest_writel(x->q, INPUT + 32, 3U << 27);
    xhci_ep_context(x, 3, 7, 8);
    g_assert_cmpint(xhci_command(x, INPUT, T_CONFIGURE | x->slot << 24), ==,
                    CODE_SUCCESS);
}

/* SET_FEATURE DEVICE_REMOTE_WAKEUP */
#define SET_WAKEUP UINT64_C(0x0000000000010300)

static void request(XhciTest *x, uint64_t setup)
{
    unsigned code;

    xhci_control(x, setup, &code);
    g_assert_cmpint(code, ==, CODE_SUCCESS);
}

/* Link state 3 (U3); then what PORTSC says is checked by the caller. */
static void suspend_port(XhciTest *x)
{
    unsigned reg = PORTSC + 16 * (TABLET_PORT - 1);

    xhci_set(x, reg, 0x7f << 17 | 1 << 9);
    xhci_set(x, reg, 1 << 16 | 3 << 5 | 1 << 9);
    g_assert_cmphex(xhci_get(x, reg) & 0x4001e0, ==, 3 << 5);
}

/* The port resumes (15), and the driver is told so by PLC. */
static void check_resumed(XhciTest *x)
{
    unsigned reg = PORTSC + 16 * (TABLET_PORT - 1);

    g_assert_cmphex(xhci_get(x, reg) & 0x4001e0, ==, 1 << 22 | 15 << 5);
    g_assert_cmpint(xhci_event(x).type, ==, EV_PORT);
    xhci_set(x, reg, 1 << 22 | 1 << 9);
    xhci_set(x, reg, 1 << 16 | 1 << 9);
    g_assert_cmphex(xhci_get(x, reg) & 0x4001e0, ==, 1 << 22);
    g_assert_cmpint(xhci_event(x).type, ==, EV_PORT);
}

/* A suspended device wakes the host if it may. */
static void test_wakeup(void)
{
    XhciTest *x = xhci_new("-device usb-tablet,port=1");

    configure(x, TABLET_PORT);
    request(x, SET_IDLE(0)); /* gets input from now on */
    suspend_port(x);
    place(x, 1, 2);
    g_assert_cmphex(xhci_get(x, PORTSC + 16 * (TABLET_PORT - 1)) & 0x4001e0, ==,
                    3 << 5);
    g_assert_false(xhci_has_event(x));
    request(x, SET_WAKEUP);
    place(x, 3, 4);
    check_resumed(x);
    xhci_queue(x, 3, DATA, 6, T_NORMAL | B_IOC);
    xhci_ring(x, 3);
    g_assert_cmpint(xhci_event(x).code, ==, CODE_SUCCESS);
    g_assert_cmphex(qtest_readw(x->q, DATA + 1), ==, 3);
    xhci_free(x);
}

/* The other slot's endpoint 0 goes on behind what this one has done. */
static void switch_slot(XhciTest *x, unsigned slot)
{
    unsigned to = slot << 24 | 1 << 16;

    x->slot = slot;
    g_assert_cmpint(xhci_command(x, 0, T_STOP_EP | to), ==, CODE_SUCCESS);
    g_assert_cmpint(xhci_command(x,
                                 (xhci_ep_ring(1) + 16 * x->trbs[1]) | B_CYCLE,
                                 T_SET_DEQUEUE | to),
                    ==, CODE_SUCCESS);
}

/* From below a hub: the hub's port, then that of the controller. */
static void test_hub_wakeup(void)
{
    XhciTest *x = xhci_new("-device usb-hub,port=1 "
                           "-device usb-tablet,port=1.1");

    configure(x, TABLET_PORT);
    request(x, SET_WAKEUP);
    request(x, UINT64_C(0x0000000100020323)); /* SET_FEATURE PORT_SUSPEND */
    g_assert_cmpint(xhci_command(x, 0, T_ENABLE_SLOT), ==, CODE_SUCCESS);
    qtest_writeq(x->q, DCBAA + 8 * x->slot, OUTPUT + 0x1000);
    qtest_writel(x->q, INPUT + 4, 3);
    qtest_writel(x->q, INPUT + 32, 1 << 27 | 1); /* route: port 1 */
    xhci_ep_context(x, 1, 4, 8);
    g_assert_cmpint(xhci_command(x, INPUT, T_ADDRESS | x->slot << 24), ==,
                    CODE_SUCCESS);
    request(x, SET_IDLE(0));
    request(x, SET_WAKEUP);
    suspend_port(x);
    place(x, 1, 2);
    check_resumed(x);
    switch_slot(x, 1);
    request(x, UINT64_C(0x00040001000000a3)); /* GET_STATUS of port 1 */
    /* Not suspended any more, which is new. */
    g_assert_cmphex(qtest_readl(x->q, DATA) & 0x40004, ==, 0x40000);
    xhci_free(x);
}

/* What Windows asks for, as 7.2 answers it. */
static const uint8_t msos_string[] = {
    0x12, 3, 'M', 0, 'S', 0, 'F', 0, 'T', 0, '1', 0, '0', 0, '0', 0, 'Q', 0,
};
static const uint8_t msos_compat_id[40] = {
    [0] = 40, [5] = 1, [6] = 4, [8] = 1, [17] = 1,
};
static const uint8_t msos_properties[82] =
    "\x52\0\0\0\0\1\5\0\1\0\x48\0\0\0\4\0\0\0\x30\0"
    "S\0e\0l\0e\0c\0t\0i\0v\0e\0S\0u\0s\0p\0e\0n\0d\0"
    "E\0n\0a\0b\0l\0e\0d\0\0\0\4\0\0\0\1";

#define GET_MSOS_STRING UINT64_C(0x00ff000003ee0680)
/* `index`: 4: compatible IDs, 5: properties */
#define GET_MSOS(index) (UINT64_C(0x01f40000000051c0) | (uint64_t)(index) << 32)

static void check_answer(XhciTest *x, uint64_t setup, const uint8_t *want,
                         size_t len)
{
    uint8_t b[512];
    unsigned code;

    qtest_memset(x->q, DATA, 0xaa, sizeof(b));
    g_assert_cmpint(xhci_control(x, setup, &code), ==, len);
    g_assert_cmpint(code, ==, CODE_SUCCESS);
    qtest_memread(x->q, DATA, b, len);
    g_assert_cmpmem(b, len, want, len);
}

static void check_stall(XhciTest *x, uint64_t setup)
{
    unsigned code, ep0 = x->slot << 24 | 1 << 16;

    xhci_control(x, setup, &code);
    g_assert_cmpint(code, ==, CODE_STALL);
    g_assert_cmpint(xhci_command(x, 0, T_RESET_EP | ep0), ==, CODE_SUCCESS);
    g_assert_cmpint(xhci_command(x,
                                 (xhci_ep_ring(1) + 16 * x->trbs[1]) | B_CYCLE,
                                 T_SET_DEQUEUE | ep0),
                    ==, CODE_SUCCESS);
}

static void test_msos(void)
{
    static const char *const with[] = { "usb-tablet", "usb-mouse",
                                        "usb-kbd,msos-desc=on" };
    static const char *const without[] = { "usb-tablet,msos-desc=off",
                                           "usb-mouse,msos-desc=off",
                                           "usb-kbd,msos-desc=off", "usb-hub" };

    for (size_t i = 0; i < G_N_ELEMENTS(with); i++) {
        g_autofree char *args = g_strdup_printf("-device %s,port=1", with[i]);
        XhciTest *x = xhci_new(args);

        xhci_address(x, TABLET_PORT);
        check_answer(x, GET_MSOS_STRING, msos_string, sizeof(msos_string));
        check_answer(x, GET_MSOS(4), msos_compat_id, sizeof(msos_compat_id));
        check_answer(x, GET_MSOS(5), msos_properties, sizeof(msos_properties));
        /* As one of the interface, and shorter than it is. */
        check_answer(x, GET_MSOS(5) | 1, msos_properties,
                     sizeof(msos_properties));
        check_answer(x, (GET_MSOS(5) & UINT64_MAX >> 16) | UINT64_C(10) << 48,
                     msos_properties, 10);
        xhci_free(x);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(without); i++) {
        g_autofree char *args =
            g_strdup_printf("-device %s,port=1", without[i]);
        XhciTest *x = xhci_new(args);

        xhci_address(x, TABLET_PORT);
        check_stall(x, GET_MSOS(4));
        check_stall(x, GET_MSOS(5));
        check_stall(x, GET_MSOS_STRING);
        xhci_free(x);
    }
}

static uint64_t ep_dequeue(XhciTest *x, unsigned dci)
{
    return qtest_readq(x->q, OUTPUT + 32 * dci + 8);
}

static unsigned ep_state(XhciTest *x, unsigned dci)
{
    return qtest_readl(x->q, OUTPUT + 32 * dci) & 7;
}

static void test_registers(void)
{
    XhciTest *x = xhci_new("-device usb-tablet,port=1");

    g_assert_cmphex(xhci_get(x, 0), ==, 0x01000040);
    g_assert_cmphex(xhci_get(x, 4), ==, 0x08001040);
    g_assert_cmphex(xhci_get(x, USBSTS) & 1, ==, 0);
    /* Port 1 of the bus: a high-speed device, at a USB 2 port. */
    g_assert_cmphex(xhci_get(x, PORTSC), ==, 0x202a0);
    g_assert_cmphex(xhci_get(x, PORTSC + 16 * (TABLET_PORT - 1)), ==, 0x20ee1);
    /* MFINDEX counts 125 us. */
    qtest_clock_step(x->q, 125000 * 10);
    g_assert_cmpint(xhci_get(x, 0x1000), ==, 10);
    xhci_set(x, USBCMD, 0);
    g_assert_cmphex(xhci_get(x, USBSTS) & 1, ==, 1);
    xhci_set(x, USBCMD, 2);
    g_assert_cmphex(xhci_get(x, DCBAAP), ==, 0);
    xhci_free(x);
}

static void test_commands(void)
{
    XhciTest *x = xhci_new("");

    g_assert_cmpint(xhci_command(x, 0, T_NOOP_CMD), ==, CODE_SUCCESS);
    g_assert_cmpint(xhci_command(x, 0, 63 << 10), ==, CODE_TRB);
    /* Slots that aren't there; an endpoint that isn't. */
    g_assert_cmpint(xhci_command(x, 0, T_DISABLE_SLOT | 1 << 24), ==, 11);
    g_assert_cmpint(xhci_command(x, 0, T_DISABLE_SLOT | 200U << 24), ==, 11);
    g_assert_cmpint(xhci_command(x, 0, T_ENABLE_SLOT), ==, CODE_SUCCESS);
    g_assert_cmpint(x->slot, ==, 1);
    g_assert_cmpint(xhci_command(x, 0, T_STOP_EP | 1 << 24 | 3 << 16), ==, 12);
    g_assert_cmpint(xhci_command(x, 0, T_STOP_EP | 1 << 24), ==, CODE_TRB);
    /* Nobody is plugged in there. */
    qtest_writeq(x->q, DCBAA + 8, OUTPUT);
    qtest_writel(x->q, INPUT + 4, 3);
    qtest_writel(x->q, INPUT + 36, 6 << 16);
    xhci_ep_context(x, 1, 4, 64);
    g_assert_cmpint(xhci_command(x, INPUT, T_ADDRESS | 1 << 24), ==, 4);
    qtest_writel(x->q, INPUT + 36, 255 << 16);
    g_assert_cmpint(xhci_command(x, INPUT, T_ADDRESS | 1 << 24), ==, 4);
    xhci_free(x);
}

static void test_control(void)
{
    XhciTest *x = xhci_new("-device usb-tablet,port=1,serial=ab");
    uint8_t b[18];
    unsigned code;

    xhci_address(x, TABLET_PORT);
    g_assert_cmpint(xhci_control(x, GET_DEVICE, &code), ==, 18);
    g_assert_cmpint(code, ==, CODE_SUCCESS);
    qtest_memread(x->q, DATA, b, sizeof(b));
    g_assert_cmphex(lduw_le_p(b + 8), ==, 0x0627);
    g_assert_cmpint(b[7], ==, 64);
    /* Shorter than asked for. */
    g_assert_cmpint(xhci_control(x, GET_STRING(10), &code), ==, 6);
    g_assert_cmpint(code, ==, CODE_SUCCESS);
    g_assert_cmphex(qtest_readl(x->q, DATA), ==, 0x00610306);
    /* A string that there isn't: the endpoint halts, and goes on. */
    xhci_control(x, GET_STRING(200), &code);
    g_assert_cmpint(code, ==, CODE_STALL);
    g_assert_cmpint(ep_state(x, 1), ==, 2);
    g_assert_cmpint(xhci_command(x, 0, T_RESET_EP | x->slot << 24 | 1 << 16),
                    ==, CODE_SUCCESS);
    g_assert_cmpint(xhci_command(x,
                                 (xhci_ep_ring(1) + 16 * x->trbs[1]) | B_CYCLE,
                                 T_SET_DEQUEUE | x->slot << 24 | 1 << 16),
                    ==, CODE_SUCCESS);
    g_assert_cmpint(xhci_control(x, GET_DEVICE, &code), ==, 18);
    g_assert_cmpint(code, ==, CODE_SUCCESS);
    xhci_free(x);
}

static void test_tablet(void)
{
    XhciTest *x = xhci_new("-device usb-tablet,port=1");
    uint8_t b[6];
    XhciEvent e;
    uint64_t at;

    configure(x, TABLET_PORT);
    at = xhci_queue(x, 3, DATA, 8, T_NORMAL | B_IOC | B_ISP);
    xhci_ring(x, 3);
    g_assert_false(xhci_has_event(x));
    /* It is the one that gets input now, and the TD that waits gets it. */
    place(x, 0x1234, 0x4321);
    e = xhci_event(x);
    g_assert_cmphex(e.param, ==, at);
    g_assert_cmpint(e.code, ==, CODE_SHORT);
    g_assert_cmpint(e.len, ==, 2);
    g_assert_cmpint(e.ep, ==, 3);
    qtest_memread(x->q, DATA, b, sizeof(b));
    g_assert_cmphex(lduw_le_p(b + 1), ==, 0x1234);
    g_assert_cmphex(lduw_le_p(b + 3), ==, 0x4321);
    g_assert_cmphex(ep_dequeue(x, 3), ==, (at + 16) | B_CYCLE);
    /* A place is told in two parts if buffers are smaller. */
    xhci_queue(x, 3, DATA + 16, 3, T_NORMAL | B_CHAIN);
    xhci_queue(x, 3, DATA + 32, 3, T_NORMAL | B_IOC);
    place(x, 0x0102, 0x0304);
    xhci_ring(x, 3);
    g_assert_cmpint(xhci_event(x).code, ==, CODE_SUCCESS);
    g_assert_cmphex(qtest_readw(x->q, DATA + 17), ==, 0x0102);
    g_assert_cmphex(qtest_readw(x->q, DATA + 32), ==, 0x0304);
    /* What waits is told of when the endpoint is stopped. */
    xhci_queue(x, 3, DATA, 8, T_NORMAL | B_IOC);
    xhci_ring(x, 3);
    xhci_put_trb(x, CMD_RING + 16 * x->cmds++, 0, 0,
                 T_STOP_EP | x->slot << 24 | 3 << 16);
    xhci_set(x, DOORBELL, 0);
    e = xhci_event(x);
    g_assert_cmpint(e.type, ==, EV_TRANSFER);
    g_assert_cmpint(e.code, ==, CODE_STOPPED);
    g_assert_cmpint(xhci_event(x).code, ==, CODE_SUCCESS);
    g_assert_cmpint(ep_state(x, 3), ==, 3);
    /* No report goes to an endpoint that stands. */
    place(x, 5, 6);
    g_assert_false(xhci_has_event(x));
    xhci_ring(x, 3);
    g_assert_cmpint(xhci_event(x).code, ==, CODE_SHORT);
    xhci_free(x);
}

static void test_keyboard(void)
{
    XhciTest *x = xhci_new("-device usb-kbd,port=1");
    unsigned code;

    configure(x, TABLET_PORT);
    xhci_queue(x, 3, DATA, 8, T_NORMAL | B_IOC);
    xhci_queue(x, 3, DATA + 8, 8, T_NORMAL | B_IOC);
    xhci_ring(x, 3);
    qmp(x, "{\"execute\":\"send-key\",\"arguments\":{\"keys\":["
           "{\"type\":\"qcode\",\"data\":\"ctrl_r\"},"
           "{\"type\":\"qcode\",\"data\":\"a\"}]}}");
    xhci_event(x);
    xhci_event(x);
    g_assert_cmphex(qtest_readq(x->q, DATA), ==, 0x10);
    g_assert_cmphex(qtest_readq(x->q, DATA + 8), ==, 0x00040010);
    /* Lights, by an OUT transfer. */
    qtest_writeb(x->q, DATA, 7);
    xhci_control(x, UINT64_C(0x0001000002000921), &code);
    g_assert_cmpint(code, ==, CODE_SUCCESS);
    /* An idle rate of 8 ms: the same report again. */
    xhci_control(x, SET_IDLE(2), &code);
    qtest_clock_step(x->q, 200 * 1000000);
    for (unsigned i = 0; i < 2; i++) {
        xhci_queue(x, 3, DATA + 64, 8, T_NORMAL | B_IOC);
    }
    xhci_ring(x, 3);
    qtest_memset(x->q, DATA + 64, 0xff, 8);
    xhci_event(x);
    xhci_event(x);
    xhci_queue(x, 3, DATA + 64, 8, T_NORMAL | B_IOC);
    xhci_ring(x, 3);
    g_assert_false(xhci_has_event(x));
    qtest_clock_step(x->q, 8 * 1000000);
    g_assert_cmpint(xhci_event(x).code, ==, CODE_SUCCESS);
    g_assert_cmphex(qtest_readq(x->q, DATA + 64), ==, 0);
    xhci_free(x);
}

/* Devices come and go while the guest runs; what held them is told. */
static void test_hot_plug(void)
{
    XhciTest *x = xhci_new("");
    unsigned reg = PORTSC + 16 * (TABLET_PORT - 1), code;
    g_autofree char *usb = NULL;

    xhci_set(x, reg, 1 << 17 | 1 << 9);
    qmp(x, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":"
           "\"usb-tablet\",\"id\":\"t\",\"bus\":\"usb.0\",\"port\":\"1\"}}");
    g_assert_cmpint(xhci_event(x).type, ==, EV_PORT);
    g_assert_cmphex(xhci_get(x, reg) & 1, ==, 1);
    xhci_set(x, reg, 1 << 17 | 1 << 9);
    configure(x, TABLET_PORT);
    usb = qtest_hmp(x->q, "info usb");
    g_assert_nonnull(strstr(usb, "Device 0.1, Port 1, Speed 480 Mb/s, Product "
                                 "QEMU USB Tablet, ID: t"));
    xhci_queue(x, 3, DATA, 8, T_NORMAL | B_IOC);
    xhci_ring(x, 3);
    qmp(x, "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"t\"}}");
    g_assert_cmpint(xhci_event(x).type, ==, EV_PORT);
    g_assert_cmphex(xhci_get(x, reg) & 3, ==, 0);
    xhci_control(x, GET_DEVICE, &code);
    g_assert_cmpint(code, ==, 4);
    xhci_free(x);
}

/* The controller goes with all that hangs below it. */
static void test_unplug_all(void)
{
    QTest *q = qtest_start("-m 16 -device qemu-xhci,id=usb,addr=3 "
                           "-device usb-hub,port=1,id=h "
                           "-device usb-hub,port=1.1 "
                           "-device usb-kbd,port=1.1.2,id=k");
    g_autoptr(JsonValue) del =
        qtest_qmp(q, "%s",
                  "{\"execute\":\"device_del\",\"arguments\":{\"id\":\"h\"}}");
    g_autofree char *usb = qtest_hmp(q, "info usb");

    g_assert_false(json_object_has(del, "error"));
    g_assert_cmpstr(usb, ==, "");
    qtest_quit(q);
}

static void run_dead(XhciTest *x)
{
    g_assert_cmphex(xhci_get(x, USBSTS) & 5, ==, 5);
    /* A reset brings it back. */
    xhci_set(x, USBCMD, 2);
    g_assert_cmphex(xhci_get(x, USBSTS) & 5, ==, 1);
    xhci_start(x);
    g_assert_cmpint(xhci_command(x, 0, T_NOOP_CMD), ==, CODE_SUCCESS);
}

/* Rings that lead nowhere or never end, events that nobody takes. */
static void test_bad_rings(void)
{
    XhciTest *x = xhci_new("-device usb-tablet,port=1");

    /* A link to itself. */
    xhci_put_trb(x, CMD_RING, CMD_RING, 0, T_LINK);
    xhci_set(x, DOORBELL, 0);
    run_dead(x);
    /* Memory that isn't there. */
    xhci_put_trb(x, CMD_RING + 16, UINT64_C(1) << 40, 0, T_LINK);
    xhci_set(x, DOORBELL, 0);
    run_dead(x);
    /* More events than there is room for: the rest waits. */
    for (unsigned i = 0; i < 2 * EVENTS; i++) {
        xhci_put_trb(x, CMD_RING + 16 * (i + 1), 0, 0, T_NOOP_CMD);
    }
    x->cmds = 1;
    xhci_set(x, DOORBELL, 0);
    for (unsigned i = 0; i < 2 * EVENTS; i++) {
        XhciEvent e = xhci_event(x);

        g_assert_cmpint(e.code, ==, CODE_SUCCESS);
        g_assert_cmphex(e.param, ==, CMD_RING + 16 * (i + 1));
    }
    g_assert_false(xhci_has_event(x));
    xhci_free(x);
}

enum { INTR1 = INTR0 + 0x20, EVENT_RING1 = 0x23000, EVENTS1 = 16 };

static void start_intr1(XhciTest *x)
{
    qtest_writeq(x->q, ERST + 64, EVENT_RING1);
    qtest_writel(x->q, ERST + 64 + 8, EVENTS1);
    xhci_set(x, INTR1 + 8, 1);
    xhci_set(x, INTR1 + 0x18, EVENT_RING1);
    xhci_set(x, INTR1 + 0x1c, 0);
    xhci_set(x, INTR1 + 0x10, ERST + 64);
    xhci_set(x, INTR1 + 0x14, 0);
}

/* The nth event of interrupter 1, taken from its ring: which TRB, and code. */
static uint64_t event1(XhciTest *x, unsigned n, unsigned *ret_code)
{
    uint64_t at = EVENT_RING1 + 16 * (n % EVENTS1);
    uint64_t next = EVENT_RING1 + 16 * ((n + 1) % EVENTS1);
    uint64_t trb = qtest_readq(x->q, at);

    g_assert_cmpint(qtest_readl(x->q, at + 12) & B_CYCLE, ==,
                    (n / EVENTS1 & 1) == 0);
    *ret_code = qtest_readl(x->q, at + 8) >> 24;
    xhci_set(x, INTR1 + 0x18, next | 8);
    xhci_set(x, INTR1 + 0x1c, 0);
    return trb;
}

/* Transfers wait for room on the ring that they name, however many events. */
static void test_event_room(void)
{
    XhciTest *x = xhci_new("-device usb-tablet,port=1");
    unsigned code;
    uint64_t at;

    configure(x, TABLET_PORT);
    start_intr1(x);
    for (unsigned i = 0; i < 4 * EVENTS1; i++) {
        xhci_queue(x, 3, 0, 1 << 22, T_NOOP | B_IOC);
    }
    xhci_ring(x, 3);
    for (unsigned i = 0; i < 4 * EVENTS1; i++) {
        g_assert_cmphex(event1(x, i, &code), ==, xhci_ep_ring(3) + 16 * i);
        g_assert_cmpint(code, ==, CODE_SUCCESS);
    }
    /* TDs that tell of each of their TRBs. */
    for (unsigned i = 1; i <= 36; i++) {
        at = xhci_queue(x, 3, 0, 0,
                        T_NOOP | B_IOC | (i % 12 != 0 ? B_CHAIN : 0));
    }
    xhci_ring(x, 3);
    for (unsigned i = 1; i <= 36; i++) {
        g_assert_cmphex(xhci_event(x).param, ==, at - (36 - i) * 16);
    }
    g_assert_false(xhci_has_event(x));
    xhci_free(x);
}

/* So does the command that stops an endpoint, which is told of there. */
static void test_stop_room(void)
{
    XhciTest *x = xhci_new("-device usb-tablet,port=1");
    unsigned code, n = 0;
    uint64_t stop;

    configure(x, TABLET_PORT);
    start_intr1(x);
    for (unsigned i = 0; i < EVENTS1; i++) {
        xhci_queue(x, 3, 0, 1 << 22, T_NOOP | B_IOC);
    }
    xhci_ring(x, 3);
    stop = CMD_RING + 16 * x->cmds++;
    xhci_put_trb(x, stop, 0, 0, T_STOP_EP | x->slot << 24 | 3 << 16);
    xhci_set(x, DOORBELL, 0);
    g_assert_false(xhci_has_event(x));
    do {
        event1(x, n++, &code);
    } while (code == CODE_SUCCESS);
    g_assert_cmpint(code, ==, CODE_STOPPED);
    g_assert_cmphex(xhci_event(x).param, ==, stop);
    g_assert_cmpint(ep_state(x, 3), ==, 3);
    xhci_free(x);
}

/* A TD that never ends, and one of what it can't consist of. */
static void test_bad_td(void)
{
    XhciTest *x = xhci_new("-device usb-tablet,port=1");
    XhciEvent e;

    configure(x, TABLET_PORT);
    xhci_queue(x, 3, DATA, 8, T_NORMAL | B_CHAIN);
    xhci_queue(x, 3, xhci_ep_ring(3), 0, T_LINK);
    xhci_ring(x, 3);
    e = xhci_event(x);
    g_assert_cmpint(e.code, ==, CODE_TRB);
    g_assert_cmpint(ep_state(x, 3), ==, 4);
    g_assert_cmpint(xhci_command(x,
                                 (xhci_ep_ring(3) + 16 * x->trbs[3]) | B_CYCLE,
                                 T_SET_DEQUEUE | x->slot << 24 | 3 << 16),
                    ==, CODE_SUCCESS);
    xhci_queue(x, 3, 0, 8, T_SETUP | B_IDT);
    xhci_ring(x, 3);
    g_assert_cmpint(xhci_event(x).code, ==, CODE_TRB);
    xhci_free(x);
}

/* What isn't there is refused by its name. */
static void test_refused(void)
{
    static const struct {
        const char *args, *with;
    } rows[] = {
        { "-device usb-tablet", "No 'usb-bus' bus found" },
        { "-device qemu-xhci -device usb-tablet,port=9", "usb port 9 " },
        { "-device qemu-xhci -device usb-kbd,port=1 -device usb-kbd,port=1",
          "usb port 1 " },
        { "-device qemu-xhci,p2=1 -device usb-kbd,port=2",
          "port 2 of bus 'usb-bus.0' takes no device of its speed" },
        { "-device qemu-xhci -device usb-tablet,pcap=x", "pcap=x" },
        { "-device qemu-xhci -device usb-tablet,head=1", "head=" },
        { "-device qemu-xhci -device usb-mouse,usb_version=3",
          "usb_version=3" },
        { "-device qemu-xhci -device usb-hub,ports=9", "ports=9" },
        { "-device qemu-xhci -device usb-hub,port=1 -device usb-hub,port=1.1 "
          "-device usb-hub,port=1.1.1 -device usb-hub,port=1.1.1.1 "
          "-device usb-hub,port=1.1.1.1.1 -device usb-hub,port=1.1.1.1.1.1",
          "at most 5 hubs" },
        { "-usbdevice tablet", "usbdevice" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        int status;
        g_autofree char *text = qtest_run(rows[i].args, &status);

        g_assert_cmpint(status, ==, 1);
        g_assert_nonnull(strstr(text, rows[i].with));
    }
}

/* The last port is given to a hub, so that there always is another one. */
static void test_auto_hub(void)
{
    QTest *q = qtest_start("-device qemu-xhci,p2=1,p3=1 -device usb-tablet "
                           "-device usb-kbd,id=k");
    g_autofree char *usb = qtest_hmp(q, "info usb");

    g_assert_cmpstr(
        usb, ==,
        "  Device 0.0, Port 1, Speed 12 Mb/s, Product QEMU USB Hub\r\n"
        "  Device 0.0, Port 1.1, Speed 12 Mb/s, Product QEMU USB Tablet\r\n"
        "  Device 0.0, Port 1.2, Speed 12 Mb/s, Product QEMU USB Keyboard, "
        "ID: k\r\n");
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xhci/registers", test_registers);
    g_test_add_func("/xhci/commands", test_commands);
    g_test_add_func("/xhci/control", test_control);
    g_test_add_func("/xhci/tablet", test_tablet);
    g_test_add_func("/xhci/keyboard", test_keyboard);
    g_test_add_func("/xhci/hot-plug", test_hot_plug);
    g_test_add_func("/xhci/unplug-all", test_unplug_all);
    g_test_add_func("/xhci/bad-rings", test_bad_rings);
    g_test_add_func("/xhci/msos", test_msos);
    g_test_add_func("/xhci/wakeup", test_wakeup);
    g_test_add_func("/xhci/hub-wakeup", test_hub_wakeup);
    g_test_add_func("/xhci/event-room", test_event_room);
    g_test_add_func("/xhci/stop-room", test_stop_room);
    g_test_add_func("/xhci/bad-td", test_bad_td);
    g_test_add_func("/xhci/refused", test_refused);
    g_test_add_func("/xhci/auto-hub", test_auto_hub);
    return g_test_run();
}
