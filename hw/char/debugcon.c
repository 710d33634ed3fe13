/*
 * Debug console: one port whose writes are characters.  Reads give a number
 * by which firmware finds out that it is there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/char/frontend.h"
#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"
#include "util/error.h"

typedef struct Debugcon {
    Device dev;
    IoRange io;
    CharFrontend chr;
    char *chardev;
    uint32_t iobase;
    uint32_t readback; /* what reads give */
} Debugcon;

static uint64_t debugcon_read(Device *dev, uint64_t off, unsigned size)
{
    return DEVICE_CAST(Debugcon, dev)->readback;
}

/* The port says nothing of being busy: what finds no room is lost. */
static void debugcon_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    uint8_t b = val;

    char_frontend_write(&DEVICE_CAST(Debugcon, dev)->chr, &b, 1);
}

static const IoOps debugcon_io = {
    .read = debugcon_read,
    .write = debugcon_write,
    .max_size = 1,
};

static bool debugcon_realize(Device *dev, GError **errp)
{
    Debugcon *s = DEVICE_CAST(Debugcon, dev);
    const ChardevFrontend fe = { .opaque = s };

    if (s->chardev == NULL) {
        error_setf(errp, "it needs a character device (chardev=ID)");
        return false;
    }
    if (s->iobase > 0xffff) {
        error_setf(errp, "iobase 0x%x: at most 0xffff", s->iobase);
        return false;
    }
    if (!char_frontend_open(&s->chr, dev, s->chardev, &fe, errp)) {
        return false;
    }
    if (!isa_claim_io(dev, &s->io, &debugcon_io, s->iobase, 1, errp)) {
        char_frontend_close(&s->chr);
        return false;
    }
    return true;
}

static void debugcon_unrealize(Device *dev)
{
    char_frontend_close(&DEVICE_CAST(Debugcon, dev)->chr);
}

static const Property debugcon_props[] = {
    PROP(PROP_U32, Debugcon, iobase, "iobase", .def = 0xe9),
    PROP(PROP_STR, Debugcon, chardev, "chardev",
         .help = "ID of a chardev to use as a backend"),
    PROP(PROP_U32, Debugcon, readback, "readback", .def = 0xe9),
    PROP_END,
};

const DeviceType debugcon_type = {
    .name = "isa-debugcon",
    .category = "Misc",
    .size = sizeof(Debugcon),
    .bus = BUS_ISA,
    .user_creatable = true,
    .props = debugcon_props,
    .realize = debugcon_realize,
    .unrealize = debugcon_unrealize,
    .vmstate = VMSTATE_NONE,
};
