/*
 * 16550A on the ISA bus: COM1 to COM4.
 *
 * Ports and interrupts of the four: IBM PC AT Technical Reference; as every
 * PC since has them.
 * Stream: "serial" version 3 around the UART's own, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/char/serial.h"
#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"
#include "util/error.h"

#define UNSET UINT32_MAX

typedef struct SerialIsa {
    Device dev;
    IoRange io;
    IrqLine irq;
    Serial state;
    char *chardev;
    uint32_t index;          /* 0..3 */
    uint32_t iobase, isairq; /* UNSET: by index */
} SerialIsa;

static uint64_t serial_isa_read(Device *dev, uint64_t off, unsigned size)
{
    return serial_read(&DEVICE_CAST(SerialIsa, dev)->state, off & 7);
}

static void serial_isa_write(Device *dev, uint64_t off, uint64_t val,
                             unsigned size)
{
    serial_write(&DEVICE_CAST(SerialIsa, dev)->state, off & 7, val);
}

static const IoOps serial_isa_io = {
    .read = serial_isa_read,
    .write = serial_isa_write,
    .max_size = 1,
};

static bool serial_isa_defaults(SerialIsa *s, GError **errp)
{
    static const uint16_t ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    static const uint8_t irqs[] = { 4, 3, 4, 3 };

    if (s->index == UNSET) {
        s->index = 0;
        /* The first that is free. */
        for (GList *l = s->dev.parent_bus->devices.head; l; l = l->next) {
            const Device *d = l->data;

            if (d != &s->dev && d->type == s->dev.type) {
                s->index = MAX(s->index, DEVICE_CAST(SerialIsa, d)->index + 1);
            }
        }
    }
    if (s->index >= G_N_ELEMENTS(ports)) {
        error_setf(errp, "index %u: at most %zu serial ports", s->index,
                   G_N_ELEMENTS(ports));
        return false;
    }
    if (s->iobase == UNSET) {
        s->iobase = ports[s->index];
    }
    if (s->isairq == UNSET) {
        s->isairq = irqs[s->index];
    }
    return true;
}

static bool serial_isa_realize(Device *dev, GError **errp)
{
    SerialIsa *s = DEVICE_CAST(SerialIsa, dev);

    if (!serial_isa_defaults(s, errp)) {
        return false;
    }
    if (s->iobase > 0xfff8) {
        error_setf(errp, "iobase 0x%x: at most 0xfff8", s->iobase);
        return false;
    }
    irq_out_init(dev, &s->irq, "sysbus-irq");
    if (!isa_connect_irq(dev, &s->irq, s->isairq, errp) ||
        !serial_realize(&s->state, dev, &s->irq, s->chardev, errp)) {
        return false;
    }
    if (!device_claim_io(dev, &s->io, &serial_isa_io, "serial", s->iobase, 8,
                         errp)) {
        serial_unrealize(&s->state);
        return false;
    }
    return true;
}

static void serial_isa_unrealize(Device *dev)
{
    serial_unrealize(&DEVICE_CAST(SerialIsa, dev)->state);
}

static void serial_isa_reset(Device *dev)
{
    serial_reset(&DEVICE_CAST(SerialIsa, dev)->state);
}

static const Vmstate serial_isa_vmstate = {
    .name = "serial",
    .version = 3,
    .oldest = 3,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT(SerialIsa, state, vmstate_serial, 3), VMSTATE_END },
};

static const Property serial_isa_props[] = {
    PROP(PROP_U32, SerialIsa, index, "index", .def = UNSET),
    PROP(PROP_U32, SerialIsa, iobase, "iobase", .def = UNSET),
    PROP(PROP_U32, SerialIsa, isairq, "irq", .def = UNSET),
    PROP(PROP_STR, SerialIsa, chardev, "chardev",
         .help = "ID of a chardev to use as a backend"),
    PROP(PROP_U32, SerialIsa, state.baudbase, "baudbase", .def = 115200),
    PROP(PROP_BOOL, SerialIsa, state.wakeup, "wakeup"),
    PROP_END,
};

const DeviceType serial_isa_type = {
    .name = "isa-serial",
    .category = "Input",
    .size = sizeof(SerialIsa),
    .bus = BUS_ISA,
    .user_creatable = true,
    .props = serial_isa_props,
    .realize = serial_isa_realize,
    .unrealize = serial_isa_unrealize,
    .reset = serial_isa_reset,
    .vmstate = &serial_isa_vmstate,
};
