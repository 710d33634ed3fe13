/*
 * USB: the bus, its ports and its devices, as a host controller sees them.
 *
 * A transfer is done at once or not at all: a device that has nothing to say
 * answers USB_NAK, and calls usb_wakeup() when it has.  Whoever waits for it
 * keeps what he needs to ask again.
 *
 * (Universal Serial Bus Specification 2.0.)
 *
 * Locking: vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_USB_USB_H
#define HW_USB_USB_H

#include "hw/core/device.h"

typedef struct UsbBus UsbBus;
typedef struct UsbDevice UsbDevice;
typedef struct UsbPort UsbPort;

/* Numbers as in a PORTSC of xHCI; a mask has 1 << speed. */
typedef enum UsbSpeed {
    USB_SPEED_NONE,
    USB_SPEED_FULL,
    USB_SPEED_LOW,
    USB_SPEED_HIGH,
    USB_SPEED_SUPER,
} UsbSpeed;

#define USB_MASK_FULL  (1u << USB_SPEED_FULL)
#define USB_MASK_LOW   (1u << USB_SPEED_LOW)
#define USB_MASK_HIGH  (1u << USB_SPEED_HIGH)
#define USB_MASK_SUPER (1u << USB_SPEED_SUPER)

/* How a transfer has ended. */
typedef enum UsbResult {
    USB_OK,
    USB_NAK,   /* nothing yet */
    USB_STALL, /* the device doesn't do that */
    USB_GONE,  /* there is no device */
} UsbResult;

/* bmRequestType (9.3.1). */
enum {
    USB_REQ_IN = 0x80,
    USB_REQ_CLASS = 0x20,
    USB_REQ_VENDOR = 0x40,
    USB_REQ_TYPE = 0x60,
    USB_REQ_INTERFACE = 1,
    USB_REQ_ENDPOINT = 2,
    USB_REQ_OTHER = 3,
    USB_REQ_RECIPIENT = 0x1f,
};

/* bRequest (9.4). */
enum {
    USB_GET_STATUS = 0,
    USB_CLEAR_FEATURE = 1,
    USB_SET_FEATURE = 3,
    USB_SET_ADDRESS = 5,
    USB_GET_DESCRIPTOR = 6,
    USB_GET_CONFIGURATION = 8,
    USB_SET_CONFIGURATION = 9,
    USB_GET_INTERFACE = 10,
    USB_SET_INTERFACE = 11,
};

/* Descriptors (9.4, table 9-5). */
enum {
    USB_DT_DEVICE = 1,
    USB_DT_CONFIG = 2,
    USB_DT_STRING = 3,
    USB_DT_QUALIFIER = 6,
    USB_DT_OTHER_SPEED = 7,
};

#define USB_SETUP_SIZE   8
#define USB_CONTROL_MAX  4096 /* bytes of a control transfer's data */
#define USB_STRINGS      12
#define USB_STRING_MSOS  0xee /* index, see usb-msos.c */
#define USB_TIERS        5    /* hubs that a route can name */
#define USB_HUB_PORTS    8
#define USB_STATE_ATTACH 1 /* UsbDevice.state: plugged, not reset yet */
#define USB_STATE_RESET  3 /* it was reset */

/* The 8 bytes that begin a control transfer (9.3). */
typedef struct UsbSetup {
    uint8_t type, request;
    uint16_t value, index, length;
} UsbSetup;

/*
 * What a device says of itself, as bytes.  A descriptor's own first bytes say
 * how long it is.  High speed or full speed may be missing.
 */
typedef struct UsbDesc {
    const uint8_t *full_device, *full_config;
    const uint8_t *high_device, *high_config;
    const char *strings[USB_STRINGS]; /* by index; [0] isn't used */
    unsigned serial;                  /* index of the serial number */
    bool idle_suspend; /* msos-desc=on tells Windows that this is fine */
} UsbDesc;

/* Part of a device's const DeviceType. */
typedef struct UsbType {
    const char *product; /* as monitors name it */
    const UsbDesc *desc;
    /*
     * Requests that aren't standard ones of every device.  `data` has
     * setup->length bytes, at most USB_CONTROL_MAX; *ret_len of an IN transfer
     * is how many it gives, 0 when it is called.  May be NULL.
     */
    UsbResult (*control)(UsbDevice *d, const UsbSetup *setup, uint8_t *data,
                         size_t *ret_len);
    /* Data from an endpoint, at most `len` bytes, in one go. */
    UsbResult (*in)(UsbDevice *d, unsigned ep, uint8_t *data, size_t len,
                    size_t *ret_len);
    void (*bus_reset)(UsbDevice *d); /* its port was reset; may be NULL */
    /* A hub's port, from 1 on; NULL: it has no such port.  May be NULL. */
    UsbPort *(*hub_port)(UsbDevice *d, unsigned n);
    /* Does a port that it has pass packets on?  With hub_port only. */
    bool (*hub_port_enabled)(UsbDevice *d, unsigned n);
} UsbType;

/* What a port's owner does. */
typedef struct UsbPortOps {
    void (*attached)(UsbPort *port); /* port->dev has come */
    void (*detached)(UsbPort *port); /* port->dev has gone */
    /* A device at the port, or below it, goes: nobody may hold it. */
    void (*forget)(UsbPort *port, const UsbDevice *d);
    /* A device at the port, or below it, has data at an endpoint. */
    void (*wakeup)(UsbPort *port, UsbDevice *d, unsigned ep);
} UsbPortOps;

struct UsbPort {
    UsbBus *bus;
    const UsbPortOps *ops;
    void *opaque;
    unsigned index;      /* the owner's number of it */
    unsigned speed_mask; /* which devices it takes */
    char *path;          /* "1.2": its number, behind those of the hubs */
    UsbDevice *dev;      /* NULL: empty, or not attached yet */
    Device *taken;       /* has been plugged in */
    GList link;          /* in bus->ports */
};

struct UsbBus {
    Bus bus;
    unsigned number; /* among all of the machine, as monitors show it */
    GQueue ports;    /* UsbPort, as they were added */
};
#define USB_BUS(b) container_of(b, UsbBus, bus)

struct UsbDevice {
    Device dev;
    UsbPort *port;
    UsbSpeed speed;
    unsigned speed_mask; /* set in realize() */
    bool attached;
    uint8_t configuration; /* not migrated: see usb_device_vmstate */
    /* Of a control transfer that comes in packets; not migrated, either. */
    uint8_t control_data[USB_CONTROL_MAX];
    bool control_lost; /* control_data isn't what the state speaks of */

    /* Properties. */
    char *port_path, *serial, *pcap;
    bool msos_desc;

    /* Migrated. */
    uint8_t addr;
    int32_t state, remote_wakeup;
    int32_t setup_state, setup_len, setup_index;
    uint8_t setup_buf[USB_SETUP_SIZE];
};
#define USB_DEVICE(dev_) DEVICE_CAST(UsbDevice, dev_)

/* usb-bus.c */
/* Of a host controller; named by its id. */
void usb_bus_init(UsbBus *bus, Device *owner);
/*
 * `above`: the hub's port, NULL for a port of the controller; `number` is that
 * which users see.  What is plugged in goes before the port.
 */
void usb_port_add(UsbBus *bus, UsbPort *port, const UsbPort *above,
                  unsigned number, unsigned speed_mask, const UsbPortOps *ops,
                  void *opaque);
void usb_port_del(UsbPort *port);
/*
 * Who is reached from a controller's port by a route string: a hub's port in
 * each 4 bits, from the lowest up, 0 ends it (USB 3.2, 8.9).  NULL: nobody.
 */
UsbDevice *usb_device_at(const UsbPort *root, uint32_t route);
/*
 * Who answers to an address at an enabled port of a controller, or behind
 * enabled ports of hubs there.  NULL: nobody.
 */
UsbDevice *usb_device_addressed(const UsbPort *root, unsigned addr);
/*
 * An endpoint that has answered USB_NAK has something to say.  Ports that are
 * suspended resume, if the driver allows that.
 */
void usb_wakeup(UsbDevice *d, unsigned ep);
/*
 * May `d`, which is at the port or below it, end its suspension (7.1.7.7)?
 * Hubs pass on what comes from below if they may do so themselves.
 */
static inline bool usb_may_resume(const UsbPort *port, const UsbDevice *d)
{
    return d->remote_wakeup && port->dev->remote_wakeup;
}
/* Properties that every USB device has. */
extern const Property usb_props[];
/* Common part of realize(); false: a property has no effect here. */
bool usb_device_init(UsbDevice *d, unsigned speed_mask, GError **errp);
/* Text for `info usb`; false: there is no USB. */
bool usb_print_info(struct Vm *vm, GString *out);

/* usb-control.c */
/* An answer of `len` bytes, as much as there is room for: that many. */
size_t usb_give(uint8_t *data, size_t room, const void *from, size_t len);
/* The port was reset: the device has no address any more. */
void usb_device_reset(UsbDevice *d);
/*
 * One whole control transfer.  `data` has room for USB_CONTROL_MAX bytes; of an
 * OUT transfer it holds setup->length.  *ret_len: bytes of an IN transfer.
 */
UsbResult usb_control(UsbDevice *d, const uint8_t *setup, uint8_t *data,
                      size_t *ret_len);
/* One transfer from an interrupt or bulk endpoint. */
UsbResult usb_in(UsbDevice *d, unsigned ep, uint8_t *data, size_t len,
                 size_t *ret_len);

/*
 * usb-packet.c: the same by single packets, for controllers whose drivers see
 * them.  Endpoint 0 takes the stages of control transfers, one packet after the
 * other; each packet of another endpoint is a transfer.
 *
 * `len` is the most that the host takes, or what it sends; a call without
 * USB_OK moves nothing.
 */
UsbResult usb_packet_setup(UsbDevice *d, const uint8_t *setup);
UsbResult usb_packet_in(UsbDevice *d, unsigned ep, uint8_t *data, size_t len,
                        size_t *ret_len);
UsbResult usb_packet_out(UsbDevice *d, unsigned ep, const uint8_t *data,
                         size_t len);
/* Checks a control transfer that was under way when state was sent. */
bool usb_packet_load(UsbDevice *d, GError **errp);

/* usb-msos.c; both as UsbType.control */
UsbResult usb_msos_string(const UsbDevice *d, uint8_t *data, size_t room,
                          size_t *ret_len);
UsbResult usb_msos_request(const UsbDevice *d, const UsbSetup *setup,
                           uint8_t *data, size_t *ret_len);

/* "USBDevice" version 1: to be the first part of a device's state, "dev". */
extern const Vmstate usb_device_vmstate;
#define VMSTATE_USB_DEVICE(T, f) VMSTATE_STRUCT(T, f, usb_device_vmstate, 1)

#endif
