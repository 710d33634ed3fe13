/*
 * Inside UHCI: the controller, its ports and its schedule.
 *
 *   uhci.c        PCI functions, registers, life, state
 *   uhci-port.c   ports of the root hub
 *   uhci-sched.c  frames, queues, transfer descriptors
 *
 * Behaviour: Universal Host Controller Interface Design Guide 1.1 ("UHCI");
 * PCI functions: 82371SB (PIIX3) data sheet 290550-002, section 2.4.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_USB_UHCI_PRIV_H
#define HW_USB_UHCI_PRIV_H

#include "hw/pci/pci.h"
#include "hw/usb/usb.h"

#define UHCI_PORTS      2
#define UHCI_FRAME_NS   (1000 * 1000)
#define UHCI_FRNUM_MASK 0x7ff

/* USBCMD (UHCI 2.1.1). */
enum {
    UHCI_CMD_RS = 1 << 0,
    UHCI_CMD_HCRESET = 1 << 1,
    UHCI_CMD_GRESET = 1 << 2,
    UHCI_CMD_EGSM = 1 << 3,
    UHCI_CMD_FGR = 1 << 4,
    UHCI_CMD_BITS = 0xff,
};

/* USBSTS (2.1.2). */
enum {
    UHCI_STS_USBINT = 1 << 0,
    UHCI_STS_ERROR = 1 << 1,
    UHCI_STS_RESUME = 1 << 2,
    UHCI_STS_HSE = 1 << 3,
    UHCI_STS_HCPE = 1 << 4,
    UHCI_STS_HALTED = 1 << 5,
};

/* USBINTR (2.1.3). */
enum {
    UHCI_INTR_ERROR = 1 << 0,
    UHCI_INTR_RESUME = 1 << 1,
    UHCI_INTR_IOC = 1 << 2,
    UHCI_INTR_SHORT = 1 << 3,
};

/* Why USBSTS has USBINT, which one bit there doesn't say. */
enum {
    UHCI_INT_IOC = 1 << 0,
    UHCI_INT_SHORT = 1 << 1,
};

/* PORTSC (2.1.7). */
enum {
    UHCI_PORT_CONNECTED = 1 << 0,
    UHCI_PORT_CONNECT_CHANGE = 1 << 1,
    UHCI_PORT_ENABLED = 1 << 2,
    UHCI_PORT_ENABLE_CHANGE = 1 << 3,
    UHCI_PORT_RESUME = 1 << 6,
    UHCI_PORT_ALWAYS = 1 << 7,
    UHCI_PORT_LOW_SPEED = 1 << 8,
    UHCI_PORT_RESET = 1 << 9,
    UHCI_PORT_SUSPEND = 1 << 12,
};

typedef struct UhciPort {
    UsbPort usb;
    uint16_t ctrl; /* UHCI_PORT_*; named as in the stream */
} UhciPort;

typedef struct Uhci {
    PciDevice pci;
    UsbBus bus;
    MemoryRegion io;

    uint32_t bandwidth; /* bytes in a frame */
    uint32_t maxframes; /* that are caught up with */
    char *masterbus;    /* of a companion */
    uint32_t firstport;

    /* Migrated. */
    uint8_t num_ports_vmstate;
    UhciPort ports[UHCI_PORTS];
    uint16_t cmd, status, intr, frnum;
    uint32_t fl_base_addr;
    uint8_t sof_timing;
    uint8_t status2; /* UHCI_INT_* */
    Timer frame_timer;
    int64_t expire_time; /* ns of the virtual clock: the next frame's end */
    /* What the frame has brought and its end will tell: see uhci-sched.c. */
    uint32_t pending_int_mask;

    uint8_t data[USB_CONTROL_MAX]; /* of the packet in hand */
} Uhci;

static inline bool uhci_is_running(const Uhci *s)
{
    return s->cmd & UHCI_CMD_RS;
}

/* uhci.c */
void uhci_update_irq(Uhci *s);
/* Stops for good: `why` is UHCI_STS_HSE or UHCI_STS_HCPE. */
void uhci_die(Uhci *s, uint16_t why);

/* uhci-port.c */
extern const UsbPortOps uhci_port_ops;
void uhci_port_write(UhciPort *p, uint16_t val);
/* To what is plugged in, after a reset of the controller. */
void uhci_port_init(UhciPort *p);
/* A loaded state says otherwise than what is plugged in. */
void uhci_port_check(UhciPort *p);

/* uhci-sched.c */
/* From now on, a frame each millisecond. */
void uhci_start_frames(Uhci *s);
void uhci_frames_due(void *opaque);

#endif
