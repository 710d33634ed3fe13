/*
 * UHCI: ports of the root hub (2.1.7).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/uhci-priv.h"

enum {
    PORT_CHANGES = UHCI_PORT_CONNECT_CHANGE | UHCI_PORT_ENABLE_CHANGE,
    PORT_WRITABLE = UHCI_PORT_ENABLED | UHCI_PORT_RESUME | UHCI_PORT_RESET |
                    UHCI_PORT_SUSPEND,
};

static void set_connection(UhciPort *p)
{
    const UsbDevice *d = p->usb.dev;

    p->ctrl &= ~(UHCI_PORT_CONNECTED | UHCI_PORT_LOW_SPEED);
    if (d != NULL) {
        p->ctrl |= UHCI_PORT_CONNECTED;
        if (d->speed == USB_SPEED_LOW) {
            p->ctrl |= UHCI_PORT_LOW_SPEED;
        }
    } else if (p->ctrl & UHCI_PORT_ENABLED) {
        p->ctrl &= ~UHCI_PORT_ENABLED;
        p->ctrl |= UHCI_PORT_ENABLE_CHANGE;
    }
}

void uhci_port_init(UhciPort *p)
{
    p->ctrl = UHCI_PORT_ALWAYS;
    set_connection(p);
    if (p->ctrl & UHCI_PORT_CONNECTED) {
        p->ctrl |= UHCI_PORT_CONNECT_CHANGE;
    }
}

/* A bus that is suspended as a whole resumes; its driver ends that (2.1.1). */
static void resume_bus(Uhci *s)
{
    if (s->cmd & UHCI_CMD_EGSM) {
        s->cmd |= UHCI_CMD_FGR;
        s->status |= UHCI_STS_RESUME;
        uhci_update_irq(s);
    }
}

static void connection_changed(UsbPort *usb)
{
    UhciPort *p = container_of(usb, UhciPort, usb);

    p->ctrl |= UHCI_PORT_CONNECT_CHANGE;
    set_connection(p);
    resume_bus(usb->opaque);
}

void uhci_port_check(UhciPort *p)
{
    p->ctrl |= UHCI_PORT_ALWAYS;
    if ((p->usb.dev != NULL) != ((p->ctrl & UHCI_PORT_CONNECTED) != 0)) {
        connection_changed(&p->usb);
    }
}

void uhci_port_write(UhciPort *p, uint16_t val)
{
    uint16_t mask = PORT_WRITABLE;

    if (p->usb.dev == NULL) {
        mask &= ~UHCI_PORT_ENABLED;
    } else if (val & ~p->ctrl & UHCI_PORT_RESET) {
        usb_device_reset(p->usb.dev);
    }
    p->ctrl &= ~(val & PORT_CHANGES);
    p->ctrl = (p->ctrl & ~mask) | (val & mask);
}

static void port_wakeup(UsbPort *usb, UsbDevice *d, unsigned ep)
{
    UhciPort *p = container_of(usb, UhciPort, usb);
    Uhci *s = usb->opaque;

    /* Frames ask each endpoint anyway. */
    if (!usb_may_resume(usb, d)) {
        return;
    }
    if ((p->ctrl & (UHCI_PORT_SUSPEND | UHCI_PORT_RESUME)) ==
        UHCI_PORT_SUSPEND) {
        p->ctrl |= UHCI_PORT_RESUME;
        s->status |= UHCI_STS_RESUME;
        uhci_update_irq(s);
    }
    resume_bus(s);
}

static void port_forget(UsbPort *usb, const UsbDevice *d)
{
}

const UsbPortOps uhci_port_ops = {
    .attached = connection_changed,
    .detached = connection_changed,
    .forget = port_forget,
    .wakeup = port_wakeup,
};
