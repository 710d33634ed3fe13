/*
 * usb-hub: a full-speed hub.
 *
 * (Universal Serial Bus Specification 2.0, chapter 11.)
 * Stream: "usb-hub" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/usb-devices.h"
#include "hw/usb/usb.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

/* wPortStatus (11.24.2.7.1); wPortChange has the first five. */
enum {
    PORT_CONNECTION = 1 << 0,
    PORT_ENABLE = 1 << 1,
    PORT_SUSPEND = 1 << 2,
    PORT_RESET = 1 << 4,
    PORT_POWER = 1 << 8,
    PORT_LOW_SPEED = 1 << 9,
    PORT_CHANGES = 0x1f,
};

/* Features of a port (11.24.2, table 11-17). */
enum {
    FEATURE_ENABLE = 1,
    FEATURE_SUSPEND = 2,
    FEATURE_RESET = 4,
    FEATURE_POWER = 8,
    FEATURE_C_CONNECTION = 16,
    FEATURE_C_ENABLE = 17,
    FEATURE_C_SUSPEND = 18,
    FEATURE_C_OVER_CURRENT = 19,
    FEATURE_C_RESET = 20,
};

enum {
    DT_HUB = 0x29,
    HUB_NO_POWER_SWITCH = 0x02, /* wHubCharacteristics (11.23.2.1) */
    HUB_PORT_POWER = 0x01,
    HUB_PORT_OVER_CURRENT = 0x08,
    HUB_ENDPOINT = 1,
    STRING_VENDOR = 1,
    STRING_PRODUCT,
    STRING_SERIAL,
};

typedef struct HubPort {
    UsbPort usb;
    uint16_t wPortStatus, wPortChange; /* named as in the stream */
} HubPort;

typedef struct UsbHub {
    UsbDevice usb;
    uint32_t nports;
    bool port_power;  /* ports have a switch each */
    Timer port_timer; /* of the stream only: who sent it waits to look */
    HubPort ports[USB_HUB_PORTS];
} UsbHub;

static const uint8_t hub_device[] = {
    18,
    USB_DT_DEVICE,
    0x10,
    0x01,
    9,
    0,
    0,
    8,
    0x09,
    0x04,
    0xaa,
    0x55, /* 0409:55aa */
    0x01,
    0x01,
    STRING_VENDOR,
    STRING_PRODUCT,
    STRING_SERIAL,
    1,
};
static const uint8_t hub_config[] = {
    9,    USB_DT_CONFIG,
    25,   0,
    1,    1,
    0,    0xe0,
    0, /* self-powered, wakes up */
    9,    4,
    0,    0,
    1,    9,
    0,    0,
    0, /* interface: a hub */
    7,    5,
    0x81, 3,
    2,    0,
    0xff, /* endpoint 1 IN: interrupt */
};

static const UsbDesc hub_desc = {
    .full_device = hub_device,
    .full_config = hub_config,
    .strings = { [STRING_VENDOR] = "QEMU",
                 [STRING_PRODUCT] = "QEMU USB Hub",
                 [STRING_SERIAL] = "314159" },
    .serial = STRING_SERIAL,
};

static UsbHub *hub_of(UsbDevice *d)
{
    return container_of(d, UsbHub, usb);
}

static UsbHub *hub_of_device(Device *dev)
{
    return hub_of(USB_DEVICE(dev));
}

static HubPort *hub_port_at(UsbHub *s, unsigned n)
{
    return n >= 1 && n <= s->nports ? &s->ports[n - 1] : NULL;
}

static UsbPort *hub_usb_port(UsbDevice *d, unsigned n)
{
    HubPort *p = hub_port_at(hub_of(d), n);

    return p != NULL ? &p->usb : NULL;
}

static bool hub_port_enabled(UsbDevice *d, unsigned n)
{
    const HubPort *p = hub_port_at(hub_of(d), n);

    return p != NULL &&
           (p->wPortStatus & (PORT_ENABLE | PORT_SUSPEND)) == PORT_ENABLE;
}

static void port_changed(UsbHub *s, HubPort *p, uint16_t bit)
{
    p->wPortChange |= bit;
    usb_wakeup(&s->usb, HUB_ENDPOINT);
}

/* What is plugged in, seen from the port. */
static void set_connection(UsbHub *s, HubPort *p)
{
    const UsbDevice *d = p->usb.dev;

    p->wPortStatus &= PORT_POWER;
    if (d != NULL && (p->wPortStatus & PORT_POWER)) {
        p->wPortStatus |= PORT_CONNECTION;
        if (d->speed == USB_SPEED_LOW) {
            p->wPortStatus |= PORT_LOW_SPEED;
        }
    }
}

static void connection_changed(UsbPort *usb)
{
    HubPort *p = container_of(usb, HubPort, usb);
    UsbHub *s = usb->opaque;
    uint16_t was = p->wPortStatus;

    set_connection(s, p);
    if ((was ^ p->wPortStatus) & PORT_CONNECTION) {
        port_changed(s, p, PORT_CONNECTION);
    }
    if (was & ~p->wPortStatus & PORT_ENABLE) {
        port_changed(s, p, PORT_ENABLE);
    }
}

static void port_resume(UsbHub *s, HubPort *p)
{
    if (p->wPortStatus & PORT_SUSPEND) {
        p->wPortStatus &= ~PORT_SUSPEND;
        port_changed(s, p, PORT_SUSPEND);
    }
}

static void hub_wakeup(UsbPort *usb, UsbDevice *d, unsigned ep)
{
    UsbHub *s = usb->opaque;

    if (usb_may_resume(usb, d)) {
        port_resume(s, container_of(usb, HubPort, usb));
    }
    if (s->usb.attached) {
        s->usb.port->ops->wakeup(s->usb.port, d, ep);
    }
}

static void hub_forget(UsbPort *usb, const UsbDevice *d)
{
    UsbHub *s = usb->opaque;

    if (s->usb.port != NULL) {
        s->usb.port->ops->forget(s->usb.port, d);
    }
}

static const UsbPortOps hub_port_ops = {
    .attached = connection_changed,
    .detached = connection_changed,
    .wakeup = hub_wakeup,
    .forget = hub_forget,
};

/* Requests */

static UsbResult hub_descriptor(const UsbHub *s, const UsbSetup *setup,
                                uint8_t *data, size_t *ret_len)
{
    /* Up to 7 ports take a byte of each mask; the 0 stands for the hub. */
    unsigned bytes = (s->nports + 8) / 8;
    uint8_t d[7 + 2 * 2] = { 7 + 2 * bytes, DT_HUB, s->nports };

    d[3] = HUB_PORT_OVER_CURRENT |
           (s->port_power ? HUB_PORT_POWER : HUB_NO_POWER_SWITCH);
    d[5] = 1;                           /* 2 ms to power on */
    memset(d + 7 + bytes, 0xff, bytes); /* PortPwrCtrlMask */
    *ret_len = usb_give(data, setup->length, d, d[0]);
    return USB_OK;
}

static UsbResult port_status(HubPort *p, const UsbSetup *setup, uint8_t *data,
                             size_t *ret_len)
{
    uint8_t b[4];

    stw_le_p(b, p->wPortStatus);
    stw_le_p(b + 2, p->wPortChange);
    *ret_len = usb_give(data, setup->length, b, sizeof(b));
    return USB_OK;
}

static void port_reset(UsbHub *s, HubPort *p)
{
    if (p->usb.dev == NULL || !(p->wPortStatus & PORT_POWER)) {
        return;
    }
    usb_device_reset(p->usb.dev);
    p->wPortStatus |= PORT_ENABLE;
    port_changed(s, p, PORT_RESET);
}

static UsbResult set_feature(UsbHub *s, HubPort *p, unsigned feature)
{
    switch (feature) {
    case FEATURE_SUSPEND:
        p->wPortStatus |= PORT_SUSPEND;
        return USB_OK;
    case FEATURE_RESET:
        port_reset(s, p);
        return USB_OK;
    case FEATURE_POWER:
        if (s->port_power && !(p->wPortStatus & PORT_POWER)) {
            p->wPortStatus |= PORT_POWER;
            connection_changed(&p->usb);
        }
        return USB_OK;
    default:
        return USB_STALL;
    }
}

static UsbResult clear_feature(UsbHub *s, HubPort *p, unsigned feature)
{
    switch (feature) {
    case FEATURE_ENABLE:
        p->wPortStatus &= ~PORT_ENABLE;
        return USB_OK;
    case FEATURE_SUSPEND:
        port_resume(s, p);
        return USB_OK;
    case FEATURE_POWER:
        if (s->port_power) {
            p->wPortStatus &= ~PORT_POWER;
            set_connection(s, p);
            p->wPortChange = 0;
        }
        return USB_OK;
    case FEATURE_C_CONNECTION:
    case FEATURE_C_ENABLE:
    case FEATURE_C_SUSPEND:
    case FEATURE_C_OVER_CURRENT:
    case FEATURE_C_RESET:
        p->wPortChange &= ~(1u << (feature - FEATURE_C_CONNECTION));
        return USB_OK;
    default:
        return USB_STALL;
    }
}

static UsbResult hub_control(UsbDevice *d, const UsbSetup *setup, uint8_t *data,
                             size_t *ret_len)
{
    enum {
        HUB = USB_REQ_CLASS << 8,
        PORT = (USB_REQ_CLASS | USB_REQ_OTHER) << 8,
        IN = USB_REQ_IN << 8,
    };
    UsbHub *s = hub_of(d);
    HubPort *p = hub_port_at(s, setup->index & 0xff);

    switch (setup->type << 8 | setup->request) {
    case HUB | IN | USB_GET_DESCRIPTOR:
        return hub_descriptor(s, setup, data, ret_len);
    case HUB | IN | USB_GET_STATUS:
        *ret_len = MIN(4, setup->length);
        memset(data, 0, *ret_len);
        return USB_OK;
    case HUB | USB_SET_FEATURE: /* changes of the hub's own supply */
    case HUB | USB_CLEAR_FEATURE:
        return setup->value <= 1 ? USB_OK : USB_STALL;
    case PORT | IN | USB_GET_STATUS:
        return p != NULL ? port_status(p, setup, data, ret_len) : USB_STALL;
    case PORT | USB_SET_FEATURE:
        return p != NULL ? set_feature(s, p, setup->value) : USB_STALL;
    case PORT | USB_CLEAR_FEATURE:
        return p != NULL ? clear_feature(s, p, setup->value) : USB_STALL;
    default:
        return USB_STALL;
    }
}

/* A bit for each port that has changed, from bit 1 on (11.12.4). */
static UsbResult hub_in(UsbDevice *d, unsigned ep, uint8_t *data, size_t len,
                        size_t *ret_len)
{
    UsbHub *s = hub_of(d);
    size_t bytes = (s->nports + 8) / 8;
    unsigned changed = 0;
    uint8_t b[2];

    if (ep != HUB_ENDPOINT) {
        return USB_STALL;
    }
    for (unsigned i = 0; i < s->nports; i++) {
        changed |= (s->ports[i].wPortChange != 0) << (i + 1);
    }
    if (changed == 0) {
        return USB_NAK;
    }
    stw_le_p(b, changed);
    *ret_len = usb_give(data, len, b, bytes);
    return USB_OK;
}

/* Life */

static void reset_ports(UsbHub *s, bool powered)
{
    for (unsigned i = 0; i < s->nports; i++) {
        HubPort *p = &s->ports[i];

        p->wPortStatus = powered ? PORT_POWER : 0;
        p->wPortChange = 0;
        set_connection(s, p);
        if (p->wPortStatus & PORT_CONNECTION) {
            p->wPortChange = PORT_CONNECTION;
        }
    }
}

/* Ports with a switch are off then (11.11). */
static void hub_bus_reset(UsbDevice *d)
{
    UsbHub *s = hub_of(d);

    reset_ports(s, !s->port_power);
}

static void hub_power_on(Device *dev)
{
    reset_ports(hub_of_device(dev), true);
}

static unsigned tier_of(const UsbPort *port)
{
    unsigned n = 1;

    for (const char *c = port->path; *c != '\0'; c++) {
        n += *c == '.';
    }
    return n;
}

static void port_timer_over(void *opaque)
{
    UsbHub *s = opaque;

    for (unsigned i = 0; i < s->nports; i++) {
        connection_changed(&s->ports[i].usb);
    }
}

static bool hub_realize(Device *dev, GError **errp)
{
    UsbHub *s = hub_of_device(dev);

    if (s->nports < 1 || s->nports > USB_HUB_PORTS) {
        error_setf(errp, "ports=%u: 1 to %d", s->nports, USB_HUB_PORTS);
        return false;
    }
    if (tier_of(s->usb.port) > USB_TIERS) {
        error_setf(errp, "port %s: at most %d hubs behind one another",
                   s->usb.port->path, USB_TIERS);
        return false;
    }
    if (!usb_device_init(&s->usb, USB_MASK_FULL, errp)) {
        return false;
    }
    for (unsigned i = 0; i < s->nports; i++) {
        usb_port_add(s->usb.port->bus, &s->ports[i].usb, s->usb.port, i + 1,
                     USB_MASK_FULL | USB_MASK_LOW, &hub_port_ops, s);
    }
    timer_init(&s->port_timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL,
               port_timer_over, s);
    reset_ports(s, true);
    return true;
}

static void hub_unrealize(Device *dev)
{
    UsbHub *s = hub_of_device(dev);

    timer_del(&s->port_timer);
    for (unsigned i = 0; i < s->nports; i++) {
        usb_port_del(&s->ports[i].usb);
    }
}

static const Property hub_props[] = {
    PROP(PROP_U32, UsbHub, nports, "ports", .def = USB_HUB_PORTS),
    PROP(PROP_BOOL, UsbHub, port_power, "port-power"),
    PROP_END,
};

static bool hub_post_load(void *opaque, int version, GError **errp)
{
    UsbHub *s = opaque;

    for (unsigned i = 0; i < USB_HUB_PORTS; i++) {
        s->ports[i].wPortChange &= PORT_CHANGES;
    }
    return true;
}

static const Vmstate port_vmstate = {
    .name = "usb-hub-port",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U16(HubPort, wPortStatus),
            VMSTATE_U16(HubPort, wPortChange),
            VMSTATE_END,
        },
};

static bool has_port_power(void *opaque)
{
    return ((UsbHub *)opaque)->port_power;
}

static const Vmstate port_timer_vmstate = {
    .name = "usb-hub/port-timer",
    .version = 1,
    .oldest = 1,
    .needed = has_port_power,
    .fields =
        (const VmstateField[]){
            VMSTATE_TIMER(UsbHub, port_timer),
            VMSTATE_END,
        },
};

static const Vmstate hub_vmstate = {
    .name = "usb-hub",
    .version = 1,
    .oldest = 1,
    .post_load = hub_post_load,
    .fields =
        (const VmstateField[]){
            { .name = "dev",
              .kind = VMS_STRUCT,
              .offset = offsetof(UsbHub, usb),
              .size = sizeof(UsbDevice),
              .vms = &usb_device_vmstate,
              .struct_version = 1 },
            VMSTATE_STRUCT_ARRAY(UsbHub, ports, USB_HUB_PORTS, port_vmstate, 0),
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &port_timer_vmstate, NULL },
};

static const UsbType hub_usb = {
    .product = "QEMU USB Hub",
    .desc = &hub_desc,
    .control = hub_control,
    .in = hub_in,
    .bus_reset = hub_bus_reset,
    .hub_port = hub_usb_port,
    .hub_port_enabled = hub_port_enabled,
};

const DeviceType usb_hub_type = {
    .name = "usb-hub",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(UsbHub),
    .bus = BUS_USB,
    .user_creatable = true,
    .hotpluggable = true,
    .props = hub_props,
    .usb = &hub_usb,
    .realize = hub_realize,
    .unrealize = hub_unrealize,
    .reset = hub_power_on,
    .vmstate = &hub_vmstate,
};
