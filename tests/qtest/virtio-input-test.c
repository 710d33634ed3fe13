/*
 * qtest: virtio keyboard, mouse and tablet: what they say of themselves, and
 * what comes of keys, movements and places.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>

#include "tests/qtest/virtio-modern.h"

enum {
    DEVFN = 2 << 3,
    EVENTS = 0,
    STATUS = 1,
    BUFFERS = 0x100000,
    BUFFER_SIZE = sizeof(struct virtio_input_event),
    DATA = 8, /* of the configuration */
};

typedef struct Event {
    uint16_t type, code;
    uint32_t value;
} Event;

static QTest *start(Virtio *v, const char *dev)
{
    QTest *q = qtest_startf("-machine pc -m 16 -device %s,addr=2", dev);

    virtio_find(v, q, DEVFN);
    virtio_start(v, 0, 2);
    return q;
}

static unsigned selected(Virtio *v, uint8_t select, uint8_t sub)
{
    qtest_writeb(v->q, v->config, select);
    qtest_writeb(v->q, v->config + 1, sub);
    return qtest_readb(v->q, v->config + 2);
}

static void offer_buffers(Virtio *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        virtio_offer(v, EVENTS, 0, 0,
                     BUFFERS + v->next[EVENTS] % 4 * BUFFER_SIZE, BUFFER_SIZE);
    }
}

/* The next event is this one, and there is no more if it ends a group. */
static void expect_event(Virtio *v, Event want)
{
    uint64_t at = BUFFERS + v->taken[EVENTS] % 4 * BUFFER_SIZE;

    g_assert_true(virtio_answered(v, EVENTS));
    g_assert_cmpuint(virtio_wait(v, EVENTS), ==, BUFFER_SIZE);
    g_assert_cmphex(qtest_readw(v->q, at), ==, want.type);
    g_assert_cmphex(qtest_readw(v->q, at + 2), ==, want.code);
    g_assert_cmphex(qtest_readl(v->q, at + 4), ==, want.value);
    offer_buffers(v, 1);
}

static void send(Virtio *v, const char *events)
{
    g_autoptr(JsonValue) r =
        qtest_qmp(v->q,
                  "{'execute': 'input-send-event', 'arguments':"
                  " {'events': [%s]}}",
                  events);

    g_assert_null(json_object_get(r, "error"));
}

static void send_key(Virtio *v, const char *qcode, bool down)
{
    g_autofree char *text =
        g_strdup_printf("{'type': 'key', 'data': {'down': %s, 'key':"
                        " {'type': 'qcode', 'data': '%s'}}}",
                        down ? "true" : "false", qcode);

    send(v, text);
}

static void test_config(void)
{
    char text[32] = "";
    Virtio v;
    QTest *q = start(&v, "virtio-tablet-pci,serial=abc");

    g_assert_cmphex(virtio_cfg_read(&v, 0), ==, 0x10521af4);
    g_assert_cmphex(virtio_cfg_read(&v, 8) >> 16, ==, 0x0980);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_ID_NAME, 0), ==, 19);
    qtest_memread(q, v.config + DATA, text, 18);
    g_assert_cmpstr(text, ==, "QEMU Virtio Tablet");
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_ID_SERIAL, 0), ==, 3);
    g_assert_cmphex(qtest_readw(q, v.config + DATA), ==, 'a' | 'b' << 8);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_ID_DEVIDS, 0), ==, 8);
    g_assert_cmphex(qtest_readl(q, v.config + DATA), ==, 0x06270006);
    g_assert_cmphex(qtest_readl(q, v.config + DATA + 4), ==, 0x00020003);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY), ==, 43);
    g_assert_cmphex(qtest_readb(q, v.config + DATA + BTN_LEFT / 8), ==, 0x1f);
    g_assert_cmphex(qtest_readb(q, v.config + DATA + 42), ==, 3);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_EV_BITS, EV_REL), ==, 2);
    g_assert_cmphex(qtest_readw(q, v.config + DATA), ==, 0x100);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_EV_BITS, EV_ABS), ==, 1);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_ABS_INFO, ABS_Y), ==, 20);
    g_assert_cmphex(qtest_readl(q, v.config + DATA + 4), ==, 0x7fff);
    /* What isn't there, by either number. */
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_ABS_INFO, 2), ==, 0);
    g_assert_cmphex(qtest_readl(q, v.config + DATA + 4), ==, 0);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_EV_BITS, 0xff), ==, 0);
    g_assert_cmpuint(selected(&v, 0xff, 0), ==, 0);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_ID_NAME, 1), ==, 0);
    qtest_quit(q);
    q = start(&v, "virtio-keyboard-pci");
    g_assert_cmphex(virtio_cfg_read(&v, 8) >> 16, ==, 0x0900);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_EV_BITS, EV_KEY), ==, 29);
    g_assert_cmphex(qtest_readl(q, v.config + DATA), ==, 0xfffffffe);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_EV_BITS, EV_LED), ==, 1);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_EV_BITS, EV_REP), ==, 1);
    g_assert_cmpuint(selected(&v, VIRTIO_INPUT_CFG_ID_SERIAL, 0), ==, 0);
    qtest_quit(q);
}

static void test_keyboard(void)
{
    Virtio v;
    QTest *q = start(&v, "virtio-keyboard-pci");

    offer_buffers(&v, 4);
    send_key(&v, "a", true);
    expect_event(&v, (Event){ EV_KEY, KEY_A, 1 });
    expect_event(&v, (Event){ EV_SYN, SYN_REPORT, 0 });
    g_assert_false(virtio_answered(&v, EVENTS));
    send(&v, "{'type': 'key', 'data': {'down': false, 'key':"
             " {'type': 'qcode', 'data': 'a'}}},"
             "{'type': 'key', 'data': {'down': true, 'key':"
             " {'type': 'qcode', 'data': 'right'}}}");
    expect_event(&v, (Event){ EV_KEY, KEY_A, 0 });
    expect_event(&v, (Event){ EV_SYN, SYN_REPORT, 0 });
    expect_event(&v, (Event){ EV_KEY, KEY_RIGHT, 1 });
    expect_event(&v, (Event){ EV_SYN, SYN_REPORT, 0 });
    /* Its lights. */
    qtest_memset(q, BUFFERS + 0x1000, 0, 8);
    virtio_offer(&v, STATUS, BUFFERS + 0x1000, 8, 0, 0);
    g_assert_cmpuint(virtio_wait(&v, STATUS), ==, 0);
    qtest_quit(q);
}

static void test_tablet(void)
{
    Virtio v;
    QTest *q = start(&v, "virtio-tablet-pci");

    offer_buffers(&v, 4);
    send(&v, "{'type': 'abs', 'data': {'axis': 'x', 'value': 100}},"
             "{'type': 'abs', 'data': {'axis': 'y', 'value': 32767}},"
             "{'type': 'btn', 'data': {'button': 'left', 'down': true}}");
    expect_event(&v, (Event){ EV_ABS, ABS_X, 100 });
    expect_event(&v, (Event){ EV_ABS, ABS_Y, 32767 });
    expect_event(&v, (Event){ EV_KEY, BTN_LEFT, 1 });
    expect_event(&v, (Event){ EV_SYN, SYN_REPORT, 0 });
    g_assert_false(virtio_answered(&v, EVENTS));
    qtest_quit(q);
}

static void test_mouse(void)
{
    Virtio v;
    QTest *q = start(&v, "virtio-mouse-pci");

    offer_buffers(&v, 4);
    send(&v, "{'type': 'rel', 'data': {'axis': 'x', 'value': -3}},"
             "{'type': 'btn', 'data': {'button': 'wheel-down', 'down': true}}");
    expect_event(&v, (Event){ EV_REL, REL_X, (uint32_t)-3 });
    expect_event(&v, (Event){ EV_REL, REL_WHEEL, (uint32_t)-1 });
    expect_event(&v, (Event){ EV_SYN, SYN_REPORT, 0 });
    qtest_quit(q);
    q = start(&v, "virtio-mouse-pci,wheel-axis=off");
    offer_buffers(&v, 4);
    send(&v, "{'type': 'btn', 'data': {'button': 'wheel-up', 'down': true}}");
    expect_event(&v, (Event){ EV_KEY, BTN_GEAR_UP, 1 });
    expect_event(&v, (Event){ EV_SYN, SYN_REPORT, 0 });
    expect_event(&v, (Event){ EV_KEY, BTN_GEAR_UP, 0 });
    expect_event(&v, (Event){ EV_SYN, SYN_REPORT, 0 });
    qtest_quit(q);
}

/* Without buffers events wait; too many are dropped in whole groups. */
static void test_no_buffers(void)
{
    enum { SENT = 600, KEPT = 512 };
    Virtio v;
    QTest *q = start(&v, "virtio-keyboard-pci");

    for (unsigned i = 0; i < SENT; i++) {
        send_key(&v, "b", i % 2 == 0);
    }
    offer_buffers(&v, 1);
    for (unsigned i = 0; i < KEPT; i++) {
        expect_event(&v, (Event){ EV_KEY, KEY_B, i % 2 == 0 });
        expect_event(&v, (Event){ EV_SYN, SYN_REPORT, 0 });
    }
    g_assert_false(virtio_answered(&v, EVENTS));
    /* A reset forgets what waits. */
    send_key(&v, "c", true);
    virtio_start(&v, 0, 2);
    offer_buffers(&v, 2);
    g_assert_false(virtio_answered(&v, EVENTS));
    /* A buffer that is too small. */
    virtio_start(&v, 0, 2);
    virtio_offer(&v, EVENTS, 0, 0, BUFFERS, 3);
    send_key(&v, "c", true);
    g_assert_cmpuint(virtio_wait(&v, EVENTS), ==, 3);
    qtest_quit(q);
}

/* The one whose driver is up comes first; without it others do. */
static void test_order(void)
{
    g_autofree char *before = NULL, *after = NULL;
    Virtio v;
    QTest *q =
        qtest_start("-machine pc -m 16 -device virtio-tablet-pci,addr=2");

    virtio_find(&v, q, DEVFN);
    before = qtest_hmp(q, "info mice");
    g_assert_nonnull(strstr(before, "* Mouse #2: QEMU PS/2 Mouse"));
    virtio_start(&v, 0, 2);
    after = qtest_hmp(q, "info mice");
    g_assert_nonnull(strstr(after, "QEMU Virtio Tablet (absolute)"));
    g_assert_null(strstr(after, "* Mouse #2"));
    qtest_quit(q);
}

static void test_refused(void)
{
    g_autofree char *text = NULL;
    int status;

    text =
        qtest_run("-machine pc -device virtio-tablet-pci,display=x", &status);
    g_assert_cmpint(status, ==, 1);
    g_assert_nonnull(strstr(text, "display is not supported"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-input/config", test_config);
    g_test_add_func("/virtio-input/keyboard", test_keyboard);
    g_test_add_func("/virtio-input/tablet", test_tablet);
    g_test_add_func("/virtio-input/mouse", test_mouse);
    g_test_add_func("/virtio-input/no-buffers", test_no_buffers);
    g_test_add_func("/virtio-input/order", test_order);
    g_test_add_func("/virtio-input/refused", test_refused);
    return g_test_run();
}
