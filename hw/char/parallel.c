/*
 * A printer port on the ISA bus, with a printer that takes whatever comes.
 *
 * Registers and handshake: IEEE 1284-1994, compatibility mode; the bits as
 * the IBM PC AT Technical Reference has them.  The extended registers (EPP)
 * are not there and read as ones.  A byte goes to the back end when STROBE
 * begins; the port is busy until it has been taken.
 * Stream: "parallel_isa" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/char/frontend.h"
#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"
#include "util/error.h"

#define UNSET UINT32_MAX

enum { REG_DATA, REG_STATUS, REG_CONTROL };
enum {
    STATUS_TIMEOUT = 0x01, /* of EPP; set until the first command */
    STATUS_NO_ERROR = 0x08,
    STATUS_ONLINE = 0x10,
    STATUS_NO_ACK = 0x40,
    STATUS_READY = 0x80, /* 0: busy */
    STATUS_IDLE =
        STATUS_READY | STATUS_NO_ACK | STATUS_ONLINE | STATUS_NO_ERROR,
};
enum {
    CONTROL_STROBE = 0x01,
    CONTROL_INIT = 0x04, /* 0: the printer is being initialised */
    CONTROL_SELECT = 0x08,
    CONTROL_IRQ = 0x10,
    CONTROL_IN = 0x20, /* the data lines are the other side's */
    CONTROL_ONES = 0xc0,
};

typedef struct ParallelIsa {
    Device dev;
    IoRange io;
    IrqLine irq;
    CharFrontend chr;
    /* Migrated. */
    struct {
        uint8_t dataw, datar, status, control;
        int32_t irq_pending, epp_timeout;
    } state;
    bool unsent; /* the back end has no room for `dataw` as it was then */
    uint8_t byte;
    char *chardev;
    uint32_t index; /* 0..2 */
    uint32_t iobase, isairq;
} ParallelIsa;

static void parallel_set_pending(ParallelIsa *s, bool pending)
{
    s->state.irq_pending = pending;
    irq_set(&s->irq, pending);
}

static void parallel_send(void *opaque)
{
    ParallelIsa *s = opaque;

    s->unsent = char_frontend_write(&s->chr, &s->byte, 1) == 0 &&
                char_frontend_watch(&s->chr, parallel_send, s);
}

/* The printer has the byte: it acknowledges, and is ready after that. */
static void parallel_acknowledge(ParallelIsa *s)
{
    if (s->unsent || (s->state.status & STATUS_READY) ||
        (s->state.control & CONTROL_STROBE)) {
        return;
    }
    if (s->state.status & STATUS_NO_ACK) {
        s->state.status &= ~STATUS_NO_ACK;
    } else {
        s->state.status |= STATUS_NO_ACK | STATUS_READY;
    }
}

static void parallel_command(ParallelIsa *s, uint8_t val)
{
    uint8_t old = s->state.control;

    s->state.control = val | CONTROL_ONES;
    if (!(val & CONTROL_INIT)) {
        s->state.status = STATUS_IDLE;
    } else if (!(val & CONTROL_SELECT)) {
        return;
    } else if (val & CONTROL_STROBE) {
        s->state.status &= ~STATUS_READY;
        if (!(old & CONTROL_STROBE) && !s->unsent) {
            s->byte = s->state.dataw;
            parallel_send(s);
        }
    } else if (old & CONTROL_IRQ) {
        parallel_set_pending(s, true);
    }
}

static void parallel_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    ParallelIsa *s = DEVICE_CAST(ParallelIsa, dev);

    if (off == REG_DATA) {
        s->state.dataw = val;
    } else if (off == REG_CONTROL) {
        parallel_command(s, val);
    }
}

static uint64_t parallel_read(Device *dev, uint64_t off, unsigned size)
{
    ParallelIsa *s = DEVICE_CAST(ParallelIsa, dev);
    uint8_t status = s->state.status;

    switch (off) {
    case REG_DATA:
        return s->state.control & CONTROL_IN ? s->state.datar : s->state.dataw;
    case REG_STATUS:
        parallel_set_pending(s, false);
        parallel_acknowledge(s);
        return status;
    case REG_CONTROL:
        return s->state.control;
    default:
        return 0xff;
    }
}

static const IoOps parallel_io = {
    .read = parallel_read,
    .write = parallel_write,
    .max_size = 1,
};

static void parallel_reset(Device *dev)
{
    ParallelIsa *s = DEVICE_CAST(ParallelIsa, dev);

    char_frontend_unwatch(&s->chr);
    s->unsent = false;
    s->state.dataw = s->state.datar = 0xff;
    s->state.status = STATUS_IDLE | STATUS_TIMEOUT;
    s->state.control = CONTROL_ONES | CONTROL_SELECT | CONTROL_INIT;
    s->state.epp_timeout = 0;
    parallel_set_pending(s, false);
}

static bool parallel_defaults(ParallelIsa *s, GError **errp)
{
    static const uint16_t ports[] = { 0x378, 0x278, 0x3bc };

    if (s->index == UNSET) {
        s->index = 0;
        /* The first that is free. */
        for (GList *l = s->dev.parent_bus->devices.head; l; l = l->next) {
            const Device *d = l->data;

            if (d != &s->dev && d->type == s->dev.type) {
                s->index =
                    MAX(s->index, DEVICE_CAST(ParallelIsa, d)->index + 1);
            }
        }
    }
    if (s->index >= G_N_ELEMENTS(ports)) {
        error_setf(errp, "index %u: at most %zu parallel ports", s->index,
                   G_N_ELEMENTS(ports));
        return false;
    }
    if (s->iobase == UNSET) {
        s->iobase = ports[s->index];
    }
    if (s->iobase > 0xfff8) {
        error_setf(errp, "iobase 0x%x: at most 0xfff8", s->iobase);
        return false;
    }
    return true;
}

static bool parallel_realize(Device *dev, GError **errp)
{
    static const ChardevFrontend fe = { 0 };
    ParallelIsa *s = DEVICE_CAST(ParallelIsa, dev);
    unsigned nports;

    if (s->chardev == NULL) {
        error_setf(errp, "Can't create parallel device, empty char device");
        return false;
    }
    if (!parallel_defaults(s, errp)) {
        return false;
    }
    irq_out_init(dev, &s->irq, "sysbus-irq");
    if (!isa_connect_irq(dev, &s->irq, s->isairq, errp) ||
        !char_frontend_open(&s->chr, dev, s->chardev, &fe, errp)) {
        return false;
    }
    /* The third port has no room for EPP: video registers are behind it. */
    nports = s->iobase == 0x3bc ? 3 : 8;
    if (!device_claim_io(dev, &s->io, &parallel_io, "parallel", s->iobase,
                         nports, errp)) {
        char_frontend_close(&s->chr);
        return false;
    }
    return true;
}

static void parallel_unrealize(Device *dev)
{
    char_frontend_close(&DEVICE_CAST(ParallelIsa, dev)->chr);
}

static bool parallel_post_load(void *opaque, int version, GError **errp)
{
    ParallelIsa *s = opaque;

    irq_set(&s->irq, s->state.irq_pending != 0);
    return true;
}

static const Vmstate parallel_vmstate = {
    .name = "parallel_isa",
    .version = 1,
    .oldest = 1,
    .post_load = parallel_post_load,
    .fields =
        (const VmstateField[]){ VMSTATE_U8(ParallelIsa, state.dataw),
                                VMSTATE_U8(ParallelIsa, state.datar),
                                VMSTATE_U8(ParallelIsa, state.status),
                                VMSTATE_U8(ParallelIsa, state.control),
                                VMSTATE_I32(ParallelIsa, state.irq_pending),
                                VMSTATE_I32(ParallelIsa, state.epp_timeout),
                                VMSTATE_END },
};

static const Property parallel_props[] = {
    PROP(PROP_U32, ParallelIsa, index, "index", .def = UNSET),
    PROP(PROP_U32, ParallelIsa, iobase, "iobase", .def = UNSET),
    PROP(PROP_U32, ParallelIsa, isairq, "irq", .def = 7),
    PROP(PROP_STR, ParallelIsa, chardev, "chardev",
         .help = "ID of a chardev to use as a backend"),
    PROP_END,
};

const DeviceType parallel_isa_type = {
    .name = "isa-parallel",
    .category = "Input",
    .size = sizeof(ParallelIsa),
    .bus = BUS_ISA,
    .user_creatable = true,
    .props = parallel_props,
    .realize = parallel_realize,
    .unrealize = parallel_unrealize,
    .reset = parallel_reset,
    .vmstate = &parallel_vmstate,
};
