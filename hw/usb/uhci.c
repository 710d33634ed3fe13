/*
 * UHCI controllers of full and low speed: registers, life, state.
 *
 * A function's class-specific registers are those of 7.2's: the legacy support
 * register traps no access to the 8042, which boards have.
 *
 * Stream: "uhci" version 3, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/uhci-priv.h"

#include "hw/pci/pci-regs.h"
#include "hw/usb/usb-devices.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

/* I/O registers (UHCI 2.1). */
enum {
    REG_CMD = 0x00,
    REG_STS = 0x02,
    REG_INTR = 0x04,
    REG_FRNUM = 0x06,
    REG_FLBASE = 0x08,
    REG_SOFMOD = 0x0c,
    REG_PORTS = 0x10,
    IO_SIZE = 0x20,
    IO_BAR = 4,
    STS_W1C = 0x3f,
    INTR_BITS = 0xf,
    FLBASE_LOW = 0xf000, /* of its lower half */
    SOFMOD_DEFAULT = 64,
};

/* Configuration space (82371SB, 2.4). */
enum {
    CFG_SBRN = 0x60, /* release number */
    SBRN_USB1 = 0x10,
    CFG_MISC = 0x6a, /* as 7.2 has it at a reset */
    MISC_DEFAULT = 1,
    CFG_LEGSUP = 0xc0, /* 16 bits */
    LEGSUP_WRITABLE = 0x20bf,
    LEGSUP_W1C = 0x8f00,
};

static Uhci *uhci_of(Device *dev)
{
    PciDevice *pci = PCI_DEVICE(dev);

    return container_of(pci, Uhci, pci);
}

void uhci_update_irq(Uhci *s)
{
    bool level =
        ((s->status2 & UHCI_INT_IOC) && (s->intr & UHCI_INTR_IOC)) ||
        ((s->status2 & UHCI_INT_SHORT) && (s->intr & UHCI_INTR_SHORT)) ||
        ((s->status & UHCI_STS_ERROR) && (s->intr & UHCI_INTR_ERROR)) ||
        ((s->status & UHCI_STS_RESUME) && (s->intr & UHCI_INTR_RESUME)) ||
        (s->status & (UHCI_STS_HSE | UHCI_STS_HCPE));

    pci_set_irq(&s->pci, level);
}

static void uhci_stop(Uhci *s)
{
    s->cmd &= ~UHCI_CMD_RS;
    s->status |= UHCI_STS_HALTED;
    timer_del(&s->frame_timer);
}

void uhci_die(Uhci *s, uint16_t why)
{
    uhci_stop(s);
    s->status |= why;
    uhci_update_irq(s);
}

static void uhci_reset(Uhci *s)
{
    s->cmd = 0;
    s->status = UHCI_STS_HALTED;
    s->status2 = 0;
    s->intr = 0;
    s->frnum = 0;
    s->fl_base_addr = 0;
    s->sof_timing = SOFMOD_DEFAULT;
    s->pending_int_mask = 0;
    timer_del(&s->frame_timer);
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        uhci_port_init(&s->ports[i]);
    }
    uhci_update_irq(s);
}

/* What is plugged in is driven to reset, as by 7.2 at the power-on, too. */
static void reset_bus(Uhci *s)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        if (s->ports[i].usb.dev != NULL) {
            usb_device_reset(s->ports[i].usb.dev);
        }
    }
}

/* Registers */

static void write_cmd(Uhci *s, uint16_t val)
{
    bool was = uhci_is_running(s);

    if (val & UHCI_CMD_GRESET) {
        reset_bus(s);
    }
    if (val & (UHCI_CMD_GRESET | UHCI_CMD_HCRESET)) {
        uhci_reset(s);
        return;
    }
    s->cmd = val & UHCI_CMD_BITS;
    if (!uhci_is_running(s)) {
        uhci_stop(s);
    } else if (!was) {
        s->status &= ~UHCI_STS_HALTED;
        uhci_start_frames(s);
    }
}

static uint16_t read_word(const Uhci *s, unsigned off)
{
    switch (off) {
    case REG_CMD:
        return s->cmd;
    case REG_STS:
        return s->status;
    case REG_INTR:
        return s->intr;
    case REG_FRNUM:
        return s->frnum;
    case REG_FLBASE:
        return s->fl_base_addr;
    case REG_FLBASE + 2:
        return s->fl_base_addr >> 16;
    case REG_SOFMOD:
        return s->sof_timing;
    case REG_PORTS:
    case REG_PORTS + 2:
        return s->ports[(off - REG_PORTS) / 2].ctrl;
    default:
        return 0xff7f; /* a port that isn't there, as drivers know it */
    }
}

static void write_word(Uhci *s, unsigned off, uint16_t val)
{
    switch (off) {
    case REG_CMD:
        write_cmd(s, val);
        break;
    case REG_STS:
        s->status &= ~(val & STS_W1C);
        if (val & UHCI_STS_USBINT) {
            s->status2 = 0;
        }
        uhci_update_irq(s);
        break;
    case REG_INTR:
        s->intr = val & INTR_BITS;
        uhci_update_irq(s);
        break;
    case REG_FRNUM:
        if (s->status & UHCI_STS_HALTED) {
            s->frnum = val & UHCI_FRNUM_MASK;
        }
        break;
    case REG_FLBASE:
        s->fl_base_addr = (s->fl_base_addr & 0xffff0000) | (val & FLBASE_LOW);
        break;
    case REG_FLBASE + 2:
        s->fl_base_addr = (s->fl_base_addr & 0xffff) | (uint32_t)val << 16;
        break;
    case REG_SOFMOD:
        s->sof_timing = val;
        break;
    case REG_PORTS:
    case REG_PORTS + 2:
        uhci_port_write(&s->ports[(off - REG_PORTS) / 2], val);
        break;
    default:
        break;
    }
}

static uint64_t uhci_read(Device *dev, uint64_t off, unsigned size)
{
    return read_word(uhci_of(dev), off);
}

static void uhci_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    write_word(uhci_of(dev), off, val);
}

/* Words, two at a time for the frame list's address. */
static const IoOps uhci_io_ops = {
    .read = uhci_read,
    .write = uhci_write,
    .min_size = 2,
    .max_size = 2,
};

/* Life */

static bool check_options(const Uhci *s, GError **errp)
{
    if (s->masterbus != NULL) {
        error_setf(errp,
                   "masterbus=%s: companions of an EHCI controller are not in "
                   "this version",
                   s->masterbus);
        return false;
    }
    if (s->firstport != 0) {
        error_setf(errp, "firstport=%u: needs masterbus=", s->firstport);
        return false;
    }
    return true;
}

static bool uhci_realize(Device *dev, GError **errp, unsigned pin)
{
    Uhci *s = uhci_of(dev);

    if (!check_options(s, errp)) {
        return false;
    }
    s->num_ports_vmstate = UHCI_PORTS;
    s->pci.config[PCI_INTERRUPT_PIN] = pin;
    s->pci.config[CFG_SBRN] = SBRN_USB1;
    stw_le_p(s->pci.wmask + CFG_LEGSUP, LEGSUP_WRITABLE);
    stw_le_p(s->pci.w1cmask + CFG_LEGSUP, LEGSUP_W1C);
    timer_init(&s->frame_timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL,
               uhci_frames_due, s);
    memory_region_init_io(&s->io, &dev->vm->mem, "uhci", IO_SIZE, &uhci_io_ops,
                          dev);
    device_own_region(dev, &s->io);
    pci_register_bar(&s->pci, IO_BAR, PCI_BASE_ADDRESS_SPACE_IO, &s->io);
    usb_bus_init(&s->bus, dev);
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        usb_port_add(&s->bus, &s->ports[i].usb, NULL, i + 1,
                     USB_MASK_LOW | USB_MASK_FULL, &uhci_port_ops, s);
    }
    uhci_reset(s);
    return true;
}

static void uhci_unrealize(Device *dev)
{
    Uhci *s = uhci_of(dev);

    timer_del(&s->frame_timer);
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        usb_port_del(&s->ports[i].usb);
    }
}

static void uhci_power_on(Device *dev)
{
    Uhci *s = uhci_of(dev);

    s->pci.config[CFG_MISC] = MISC_DEFAULT;
    s->pci.config[CFG_MISC + 1] = 0;
    reset_bus(s);
    uhci_reset(s);
}

/* State */

static bool uhci_post_load(void *opaque, int version, GError **errp)
{
    Uhci *s = opaque;

    s->frnum &= UHCI_FRNUM_MASK;
    s->fl_base_addr &= 0xffff0000 | FLBASE_LOW;
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        uhci_port_check(&s->ports[i]);
    }
    if (!uhci_is_running(s)) {
        timer_del(&s->frame_timer);
    }
    return true;
}

static const Vmstate port_vmstate = {
    .name = "uhci port",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U16(UhciPort, ctrl),
            VMSTATE_END,
        },
};

static const Vmstate uhci_vmstate = {
    .name = "uhci",
    .version = 3,
    .oldest = 3,
    .post_load = uhci_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Uhci, pci, "dev"),
            VMSTATE_FIELD_(Uhci, num_ports_vmstate, VMS_U8_EQUAL),
            VMSTATE_STRUCT_ARRAY(Uhci, ports, UHCI_PORTS, port_vmstate, 1),
            VMSTATE_U16(Uhci, cmd),
            VMSTATE_U16(Uhci, status),
            VMSTATE_U16(Uhci, intr),
            VMSTATE_U16(Uhci, frnum),
            VMSTATE_U32(Uhci, fl_base_addr),
            VMSTATE_U8(Uhci, sof_timing),
            VMSTATE_U8(Uhci, status2),
            VMSTATE_TIMER(Uhci, frame_timer),
            VMSTATE_I64(Uhci, expire_time),
            VMSTATE_U32(Uhci, pending_int_mask),
            VMSTATE_END,
        },
};

/* Functions */

static const Property uhci_props[] = {
    PROP(PROP_U32, Uhci, bandwidth, "bandwidth", .def = 1280),
    PROP(PROP_U32, Uhci, maxframes, "maxframes", .def = 128),
    PROP_END,
};

static const Property companion_props[] = {
    PROP(PROP_STR, Uhci, masterbus, "masterbus"),
    PROP(PROP_U32, Uhci, firstport, "firstport"),
    PROP(PROP_U32, Uhci, bandwidth, "bandwidth", .def = 1280),
    PROP(PROP_U32, Uhci, maxframes, "maxframes", .def = 128),
    PROP_END,
};

#define UHCI_TYPE(var_, name_, device_, revision_, pin_, props_) \
    static bool var_##_realize(Device *dev, GError **errp)       \
    {                                                            \
        return uhci_realize(dev, errp, (pin_));                  \
    }                                                            \
    static const PciInfo var_##_pci = {                          \
        .vendor_id = 0x8086,                                     \
        .device_id = (device_),                                  \
        .class_id = 0x0c03, /* USB; its interface is 0 */        \
        .revision = (revision_),                                 \
    };                                                           \
    const DeviceType var_##_type = {                             \
        .name = (name_),                                         \
        .parent = "pci-uhci-usb",                                \
        .category = "USB",                                       \
        .size = sizeof(Uhci),                                    \
        .bus = BUS_PCI,                                          \
        .user_creatable = true,                                  \
        .props = (props_),                                       \
        .pci = &var_##_pci,                                      \
        .realize = var_##_realize,                               \
        .unrealize = uhci_unrealize,                             \
        .reset = uhci_power_on,                                  \
        .vmstate = &uhci_vmstate,                                \
    }

UHCI_TYPE(piix3_usb_uhci, "piix3-usb-uhci", 0x7020, 1, 4, uhci_props);
UHCI_TYPE(piix4_usb_uhci, "piix4-usb-uhci", 0x7112, 1, 4, uhci_props);
UHCI_TYPE(ich9_usb_uhci1, "ich9-usb-uhci1", 0x2934, 3, 1, companion_props);
UHCI_TYPE(ich9_usb_uhci2, "ich9-usb-uhci2", 0x2935, 3, 2, companion_props);
UHCI_TYPE(ich9_usb_uhci3, "ich9-usb-uhci3", 0x2936, 3, 3, companion_props);
UHCI_TYPE(ich9_usb_uhci4, "ich9-usb-uhci4", 0x2937, 3, 1, companion_props);
UHCI_TYPE(ich9_usb_uhci5, "ich9-usb-uhci5", 0x2938, 3, 2, companion_props);
UHCI_TYPE(ich9_usb_uhci6, "ich9-usb-uhci6", 0x2939, 3, 3, companion_props);
