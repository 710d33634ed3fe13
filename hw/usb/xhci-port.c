/*
 * xHCI: ports of the root hub (4.19, 5.4.8).
 *
 * Where a device is plugged in there are up to two registers, one for USB 3 and
 * one for USB 2: the device shows at that of its speed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

enum {
    PLS_U0 = 0,
    PLS_U3 = 3,
    PLS_RX_DETECT = 5,
    PLS_POLLING = 7,
    PLS_RESUME = 15,
};

static unsigned link_state(const XhciPort *p)
{
    return (p->portsc & PORTSC_PLS) >> PORTSC_PLS_SHIFT;
}

static void set_link_state(XhciPort *p, unsigned state)
{
    p->portsc = (p->portsc & ~PORTSC_PLS) | state << PORTSC_PLS_SHIFT;
}

static unsigned port_id(const Xhci *s, const XhciPort *p)
{
    return p - s->ports + 1;
}

/* The device, if it is one that shows at this register. */
static UsbDevice *port_device(const XhciPort *p)
{
    UsbDevice *d = p->usb->dev;

    return d != NULL && (d->speed == USB_SPEED_SUPER) == p->super ? d : NULL;
}

/* Tells the driver of a change, once until it has cleared the bit (4.19.2). */
static void port_notify(Xhci *s, XhciPort *p, uint32_t changes)
{
    if ((p->portsc & changes) == changes) {
        return;
    }
    p->portsc |= changes;
    if (!xhci_is_running(s)) {
        return;
    }
    s->usbsts |= USBSTS_PCD;
    xhci_post(s, 0, (uint64_t)port_id(s, p) << 24, (uint32_t)CC_SUCCESS << 24,
              EVENT_PORT << TRB_TYPE_SHIFT);
}

static void set_connection(XhciPort *p)
{
    const UsbDevice *d = port_device(p);

    p->portsc &= PORTSC_CHANGES | PORTSC_WAKES;
    p->portsc |= PORTSC_PP;
    set_link_state(p, PLS_RX_DETECT);
    if (d == NULL) {
        return;
    }
    p->portsc |= PORTSC_CCS | (uint32_t)d->speed << PORTSC_SPEED_SHIFT;
    if (p->super) {
        p->portsc |= PORTSC_PED;
        set_link_state(p, PLS_U0);
    } else {
        set_link_state(p, PLS_POLLING);
    }
}

void xhci_port_init(Xhci *s, XhciPort *p)
{
    p->portsc = PORTSC_CSC; /* in any case, so that drivers look */
    set_connection(p);
}

static void connection_changed(Xhci *s, XhciPort *p)
{
    set_connection(p);
    port_notify(s, p, PORTSC_CSC);
}

void xhci_port_check(Xhci *s, XhciPort *p)
{
    bool there = port_device(p) != NULL;

    if (there != ((p->portsc & PORTSC_CCS) != 0)) {
        connection_changed(s, p);
    }
}

static void port_reset(Xhci *s, XhciPort *p, bool warm)
{
    UsbDevice *d = port_device(p);

    if (d == NULL) {
        return;
    }
    usb_device_reset(d);
    if (p->super && warm) {
        p->portsc |= PORTSC_WRC;
    }
    set_link_state(p, PLS_U0);
    p->portsc |= PORTSC_PED;
    p->portsc &= ~(uint32_t)PORTSC_PR;
    port_notify(s, p, PORTSC_PRC);
}

/* PLS was written together with LWS. */
static void link_written(Xhci *s, XhciPort *p, unsigned want)
{
    unsigned old = link_state(p);

    if (!(p->portsc & PORTSC_PED)) {
        return;
    }
    switch (want) {
    case PLS_U0:
        set_link_state(p, PLS_U0);
        if (old != PLS_U0) {
            port_notify(s, p, PORTSC_PLC);
        }
        break;
    case PLS_U3:
        set_link_state(p, PLS_U3);
        break;
    case PLS_RESUME:
        if (old == PLS_U3 && !p->super) {
            set_link_state(p, PLS_RESUME);
        }
        break;
    default:
        break;
    }
}

void xhci_port_write(Xhci *s, XhciPort *p, uint32_t val)
{
    if ((val & PORTSC_WPR) && p->super) {
        port_reset(s, p, true);
        return;
    }
    if (val & PORTSC_PR) {
        port_reset(s, p, false);
        return;
    }
    p->portsc &= ~(val & PORTSC_CHANGES);
    p->portsc = (p->portsc & ~(uint32_t)PORTSC_WAKES) | (val & PORTSC_WAKES);
    if ((val & PORTSC_PED) && !p->super) {
        p->portsc &= ~(uint32_t)PORTSC_PED;
        set_link_state(p, p->portsc & PORTSC_CCS ? PLS_POLLING : PLS_RX_DETECT);
    }
    if (val & PORTSC_LWS) {
        link_written(s, p, (val & PORTSC_PLS) >> PORTSC_PLS_SHIFT);
    }
}

/* What is plugged in */

static XhciPort *register_of(UsbPort *usb, bool super)
{
    Xhci *s = usb->opaque;

    for (unsigned i = 0; i < s->nports; i++) {
        if (s->ports[i].usb == usb && s->ports[i].super == super) {
            return &s->ports[i];
        }
    }
    return NULL;
}

static void usb_attached(UsbPort *usb)
{
    XhciPort *p = register_of(usb, usb->dev->speed == USB_SPEED_SUPER);

    connection_changed(usb->opaque, p);
}

static void usb_detached(UsbPort *usb)
{
    Xhci *s = usb->opaque;

    for (unsigned i = 0; i < s->nports; i++) {
        if (s->ports[i].usb == usb && (s->ports[i].portsc & PORTSC_CCS)) {
            connection_changed(s, &s->ports[i]);
        }
    }
}

/* Ended by the driver, which is told that it has begun (4.15.2.2). */
static void port_resume(Xhci *s, XhciPort *p)
{
    if (link_state(p) == PLS_U3) {
        set_link_state(p, PLS_RESUME);
        port_notify(s, p, PORTSC_PLC);
    }
}

static void usb_port_wakeup(UsbPort *usb, UsbDevice *d, unsigned ep)
{
    Xhci *s = usb->opaque;

    if (usb_may_resume(usb, d)) {
        port_resume(s, register_of(usb, usb->dev->speed == USB_SPEED_SUPER));
    }
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        XhciSlot *slot = &s->slots[i];

        if (slot->enabled && slot->dev == d) {
            xhci_ep_kick(xhci_ep(slot, 2 * ep + 1));
        }
    }
}

static void usb_forget(UsbPort *usb, const UsbDevice *d)
{
    xhci_slots_forget(usb->opaque, d);
}

const UsbPortOps xhci_port_ops = {
    .attached = usb_attached,
    .detached = usb_detached,
    .forget = usb_forget,
    .wakeup = usb_port_wakeup,
};
