/*
 * A driver for xHCI, for tests of it: rings, commands, control transfers.
 * One slot, whose device is in port `port` of the root hub.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_XHCI_H
#define TESTS_QTEST_XHCI_H

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

#define XHCI_BASE UINT64_C(0xe0000000)

enum {
    XHCI_DEVFN = 3 << 3,
    /* Registers. */
    OPER = 0x40,
    USBCMD = OPER,
    USBSTS = OPER + 4,
    CRCR = OPER + 0x18,
    DCBAAP = OPER + 0x30,
    CONFIG = OPER + 0x38,
    PORTSC = OPER + 0x400,
    INTR0 = 0x1020,
    DOORBELL = 0x2000,
    /* Memory. */
    DCBAA = 0x10000,
    INPUT = 0x11000,
    OUTPUT = 0x12000,
    CMD_RING = 0x20000,
    EVENT_RING = 0x21000,
    ERST = 0x22000,
    EP_RINGS = 0x24000, /* 4 KiB for each index */
    DATA = 0x80000,
    EVENTS = 32, /* in the ring */
    /* Types of TRBs, bits, completion codes. */
    T_NORMAL = 1 << 10,
    T_SETUP = 2 << 10,
    T_DATA = 3 << 10,
    T_STATUS = 4 << 10,
    T_LINK = 6 << 10,
    T_NOOP = 8 << 10,
    T_ENABLE_SLOT = 9 << 10,
    T_DISABLE_SLOT = 10 << 10,
    T_ADDRESS = 11 << 10,
    T_CONFIGURE = 12 << 10,
    T_RESET_EP = 14 << 10,
    T_STOP_EP = 15 << 10,
    T_SET_DEQUEUE = 16 << 10,
    T_NOOP_CMD = 23 << 10,
    EV_TRANSFER = 32,
    EV_COMMAND = 33,
    EV_PORT = 34,
    B_CYCLE = 1,
    B_ISP = 1 << 2,
    B_CHAIN = 1 << 4,
    B_IOC = 1 << 5,
    B_IDT = 1 << 6,
    B_IN = 1 << 16,
    CODE_SUCCESS = 1,
    CODE_TRB = 5,
    CODE_STALL = 6,
    CODE_SHORT = 13,
    CODE_STOPPED = 26,
};

typedef struct XhciTest {
    QTest *q;
    unsigned nports, port, slot;
    unsigned cmds, trbs[32]; /* put on the rings so far, by index */
    unsigned event;          /* the next one's place */
    bool cycle;              /* of the next event */
} XhciTest;

typedef struct XhciEvent {
    uint64_t param;
    uint32_t status, control;
    unsigned type, code, len, slot, ep;
} XhciEvent;

static inline uint32_t xhci_get(XhciTest *x, unsigned reg)
{
    return qtest_readl(x->q, XHCI_BASE + reg);
}

static inline void xhci_set(XhciTest *x, unsigned reg, uint32_t val)
{
    qtest_writel(x->q, XHCI_BASE + reg, val);
}

static inline void xhci_put_trb(XhciTest *x, uint64_t at, uint64_t param,
                                uint32_t status, uint32_t control)
{
    qtest_writeq(x->q, at, param);
    qtest_writel(x->q, at + 8, status);
    qtest_writel(x->q, at + 12, control | B_CYCLE);
}

/* Takes an event, which has to be there. */
static inline XhciEvent xhci_event(XhciTest *x)
{
    uint64_t at = EVENT_RING + 16 * x->event;
    XhciEvent e = {
        .param = qtest_readq(x->q, at),
        .status = qtest_readl(x->q, at + 8),
        .control = qtest_readl(x->q, at + 12),
    };

    g_assert_cmpint(e.control & B_CYCLE, ==, x->cycle);
    e.type = e.control >> 10 & 0x3f;
    e.code = e.status >> 24;
    e.len = e.status & 0xffffff;
    e.slot = e.control >> 24;
    e.ep = e.control >> 16 & 0x1f;
    if (++x->event == EVENTS) {
        x->event = 0;
        x->cycle = !x->cycle;
    }
    xhci_set(x, INTR0 + 0x18, (EVENT_RING + 16 * x->event) | 8);
    xhci_set(x, INTR0 + 0x1c, 0);
    return e;
}

static inline bool xhci_has_event(XhciTest *x)
{
    return (qtest_readl(x->q, EVENT_RING + 16 * x->event + 12) & B_CYCLE) ==
           x->cycle;
}

/* A command, and its completion code. */
static inline unsigned xhci_command(XhciTest *x, uint64_t param,
                                    uint32_t control)
{
    uint64_t at = CMD_RING + 16 * x->cmds++;
    XhciEvent e;

    xhci_put_trb(x, at, param, 0, control);
    xhci_set(x, DOORBELL, 0);
    /* What a stopped endpoint tells comes before. */
    do {
        e = xhci_event(x);
    } while (e.type != EV_COMMAND);
    g_assert_cmphex(e.param, ==, at);
    x->slot = (control >> 10 & 0x3f) == 9 ? e.slot : x->slot;
    return e.code;
}

/* The controller runs: rings and one interrupter. */
static inline void xhci_start(XhciTest *x)
{
    x->nports = xhci_get(x, 4) >> 24;
    x->cycle = true;
    x->event = x->cmds = 0;
    memset(x->trbs, 0, sizeof(x->trbs));
    qtest_memset(x->q, DCBAA, 0, EP_RINGS + 0x20000 - DCBAA);
    xhci_set(x, CONFIG, 64);
    xhci_set(x, DCBAAP, DCBAA);
    xhci_set(x, DCBAAP + 4, 0);
    xhci_set(x, CRCR, CMD_RING | 1);
    xhci_set(x, CRCR + 4, 0);
    qtest_writeq(x->q, ERST, EVENT_RING);
    qtest_writel(x->q, ERST + 8, EVENTS);
    xhci_set(x, INTR0 + 8, 1);
    xhci_set(x, INTR0 + 0x18, EVENT_RING);
    xhci_set(x, INTR0 + 0x1c, 0);
    xhci_set(x, INTR0 + 0x10, ERST);
    xhci_set(x, INTR0 + 0x14, 0);
    xhci_set(x, INTR0, 2);
    xhci_set(x, USBCMD, 5);
}

static inline XhciTest *xhci_new(const char *args)
{
    XhciTest *x = g_new0(XhciTest, 1);

    x->q = qtest_startf("-m 16 -device qemu-xhci,id=usb,addr=3 %s", args);
    qtest_outl(x->q, 0xcf8, 0x80000000 | XHCI_DEVFN << 8 | 0x10);
    qtest_outl(x->q, 0xcfc, XHCI_BASE);
    qtest_outl(x->q, 0xcf8, 0x80000000 | XHCI_DEVFN << 8 | 4);
    qtest_outl(x->q, 0xcfc, 6);
    xhci_start(x);
    return x;
}

static inline void xhci_free(XhciTest *x)
{
    qtest_quit(x->q);
    g_free(x);
}

static inline uint64_t xhci_ep_ring(unsigned dci)
{
    return EP_RINGS + 0x1000 * dci;
}

/* A TRB on an endpoint's ring; its address. */
static inline uint64_t xhci_queue(XhciTest *x, unsigned dci, uint64_t param,
                                  uint32_t status, uint32_t control)
{
    uint64_t at = xhci_ep_ring(dci) + 16 * x->trbs[dci]++;

    xhci_put_trb(x, at, param, status, control);
    return at;
}

static inline void xhci_ring(XhciTest *x, unsigned dci)
{
    xhci_set(x, DOORBELL + 4 * x->slot, dci);
}

static inline void xhci_ep_context(XhciTest *x, unsigned dci, unsigned type,
                                   unsigned packet)
{
    uint64_t at = INPUT + 32 * (dci + 1);

    qtest_writel(x->q, at, 0);
    qtest_writel(x->q, at + 4, 3 << 1 | type << 3 | packet << 16);
    qtest_writeq(x->q, at + 8,
                 (xhci_ep_ring(dci) + 16 * x->trbs[dci]) | B_CYCLE);
}

/* Resets the port (from 1 on) and gives its device a slot and an address. */
static inline void xhci_address(XhciTest *x, unsigned port)
{
    unsigned reg = PORTSC + 16 * (port - 1);

    x->port = port;
    xhci_set(x, reg, 1 << 4 | 1 << 9);
    g_assert_cmpint(xhci_event(x).type, ==, EV_PORT);
    g_assert_cmphex(xhci_get(x, reg) & 0x3, ==, 0x3);
    g_assert_cmpint(xhci_command(x, 0, T_ENABLE_SLOT), ==, CODE_SUCCESS);
    qtest_writeq(x->q, DCBAA + 8 * x->slot, OUTPUT);
    qtest_writel(x->q, INPUT + 4, 3);
    qtest_writel(x->q, INPUT + 32, 1 << 27);
    qtest_writel(x->q, INPUT + 36, port << 16);
    xhci_ep_context(x, 1, 4, 64);
    g_assert_cmpint(xhci_command(x, INPUT, T_ADDRESS | x->slot << 24), ==,
                    CODE_SUCCESS);
}

/* Bytes of an IN transfer, which come to DATA; the code in *ret_code. */
static inline unsigned xhci_control(XhciTest *x, uint64_t setup,
                                    unsigned *ret_code)
{
    unsigned len = setup >> 48, got = len;
    bool in = setup & 0x80;
    XhciEvent e;

    xhci_queue(x, 1, setup, 8, T_SETUP | B_IDT);
    if (len > 0) {
        xhci_queue(x, 1, DATA, len, T_DATA | B_ISP | (in ? B_IN : 0));
    }
    xhci_queue(x, 1, 0, 0, T_STATUS | B_IOC | (in ? 0 : B_IN));
    xhci_ring(x, 1);
    e = xhci_event(x);
    if (e.code == CODE_SHORT) {
        got -= e.len;
        e = xhci_event(x);
    }
    g_assert_cmpint(e.type, ==, EV_TRANSFER);
    *ret_code = e.code;
    return got;
}

#endif
