/*
 * 8042 keyboard controller.
 *
 * Behaviour: IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller"; commands 0xdd and 0xdf as chip sets add them.
 * Stream: "pckbd" version 3 with subsections, ABI.
 *
 * A byte stays with its sender until the guest reads it; the output buffer
 * only says whose turn it is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/i8042.h"

#include "hw/core/machine.h"
#include "hw/isa/a20.h"
#include "hw/isa/isa.h"
#include "hw/isa/ps2.h"
#include "util/error.h"

enum {
    CMD_READ_MODE = 0x20,
    CMD_WRITE_MODE = 0x60,
    CMD_AUX_OFF = 0xa7,
    CMD_AUX_ON = 0xa8,
    CMD_AUX_TEST = 0xa9,
    CMD_SELF_TEST = 0xaa,
    CMD_KBD_TEST = 0xab,
    CMD_KBD_OFF = 0xad,
    CMD_KBD_ON = 0xae,
    CMD_READ_INPUT = 0xc0,
    CMD_READ_OUTPUT = 0xd0,
    CMD_WRITE_OUTPUT = 0xd1,
    CMD_WRITE_KBD_BUFFER = 0xd2,
    CMD_WRITE_AUX_BUFFER = 0xd3,
    CMD_WRITE_AUX = 0xd4,
    CMD_A20_OFF = 0xdd,
    CMD_A20_ON = 0xdf,
    CMD_PULSE = 0xf0, /* to 0xff: low bits are the lines to pull low */
};

enum {
    STATUS_OBF = 1 << 0,
    STATUS_TESTED = 1 << 2,
    STATUS_CMD = 1 << 3,
    STATUS_UNLOCKED = 1 << 4,
    STATUS_AUX_OBF = 1 << 5,
};

enum {
    MODE_KBD_INT = 1 << 0,
    MODE_AUX_INT = 1 << 1,
    MODE_KBD_OFF = 1 << 4,
    MODE_AUX_OFF = 1 << 5,
    MODE_TRANSLATE = 1 << 6,
};

enum {
    OUT_RESET = 1 << 0, /* low: resets the CPUs */
    OUT_A20 = 1 << 1,
    OUT_KBD_OBF = 1 << 4,
    OUT_AUX_OBF = 1 << 5,
    OUT_DEFAULT = 0xcf,
};

/* pending_tmp: who has bytes. */
enum {
    PENDING_CTRL_KBD = 1 << 2,
    PENDING_CTRL_AUX = 1 << 3,
    PENDING_KBD = 1 << 4,
    PENDING_AUX = 1 << 5,
};

/* obsrc: whose byte the output buffer stands for. */
enum { SOURCE_KBD = 1, SOURCE_AUX = 2, SOURCE_CTRL = 4 };

typedef struct Kbc {
    uint8_t write_cmd; /* the command that port 60 completes; 0: none */
    uint8_t status, mode;
    uint8_t pending_tmp;
    uint8_t outport;
    uint32_t migration_flags; /* always 0 here */
    uint32_t obsrc;
    uint8_t obdata; /* last byte read */
    uint8_t cbdata; /* the controller's own byte */
    bool outport_loaded;
} Kbc;

typedef struct I8042 {
    Device dev;
    IoRange data_io, cmd_io;
    IrqLine irqs[2]; /* keyboard, mouse */
    IrqLine a20;
    IrqInput gate;
    Kbc kbd;
    Device *ps2[2]; /* keyboard, mouse */
    bool extended_state, kbd_throttle;
    uint8_t kbd_irq, mouse_irq;
} I8042;

static void kbc_drive(IrqLine *line, bool level)
{
    if (line->level != level) {
        irq_set(line, level);
    }
}

/* Interrupts as the byte in the output buffer wants them. */
static void kbc_update_irqs(I8042 *s)
{
    const Kbc *k = &s->kbd;
    bool obf = k->status & STATUS_OBF;
    bool aux = k->status & STATUS_AUX_OBF;

    kbc_drive(&s->irqs[0], obf && !aux && (k->mode & MODE_KBD_INT));
    kbc_drive(&s->irqs[1], obf && aux && (k->mode & MODE_AUX_INT));
}

/* The output port at rest; it shows that the buffer is full. */
static uint8_t kbc_outport_default(const Kbc *k)
{
    return OUT_DEFAULT | (k->status & STATUS_OBF ? OUT_KBD_OBF : 0) |
           (k->status & STATUS_AUX_OBF ? OUT_AUX_OBF : 0);
}

static void kbc_update_outport(Kbc *k)
{
    k->outport &= ~(OUT_KBD_OBF | OUT_AUX_OBF);
    k->outport |= kbc_outport_default(k) & (OUT_KBD_OBF | OUT_AUX_OBF);
}

/* Fills the output buffer, if it is empty, from who comes first. */
static void kbc_update(I8042 *s)
{
    Kbc *k = &s->kbd;

    if (k->status & STATUS_OBF) {
        kbc_update_outport(k);
        kbc_update_irqs(s);
        return;
    }
    k->status &= ~STATUS_AUX_OBF;
    if (k->pending_tmp & (PENDING_CTRL_KBD | PENDING_CTRL_AUX)) {
        k->obsrc = SOURCE_CTRL;
        k->status |= STATUS_OBF;
        if (k->pending_tmp & PENDING_CTRL_AUX) {
            k->status |= STATUS_AUX_OBF;
        }
    } else if ((k->pending_tmp & PENDING_KBD) && !(k->mode & MODE_KBD_OFF)) {
        k->obsrc = SOURCE_KBD;
        k->status |= STATUS_OBF;
    } else if ((k->pending_tmp & PENDING_AUX) && !(k->mode & MODE_AUX_OFF)) {
        k->obsrc = SOURCE_AUX;
        k->status |= STATUS_OBF | STATUS_AUX_OBF;
    }
    kbc_update_outport(k);
    kbc_update_irqs(s);
}

static void kbc_set_input(void *opaque, unsigned n, bool level)
{
    I8042 *s = DEVICE_CAST(I8042, (Device *)opaque);
    uint8_t bit = n == 0 ? PENDING_KBD : PENDING_AUX;

    if (level) {
        s->kbd.pending_tmp |= bit;
    } else {
        s->kbd.pending_tmp &= ~bit;
    }
    kbc_update(s);
}

static void kbc_reply(I8042 *s, uint8_t b, bool aux)
{
    s->kbd.cbdata = b;
    s->kbd.pending_tmp &= ~(PENDING_CTRL_KBD | PENDING_CTRL_AUX);
    s->kbd.pending_tmp |= aux ? PENDING_CTRL_AUX : PENDING_CTRL_KBD;
    kbc_update(s);
}

static void kbc_write_output(I8042 *s, uint8_t val)
{
    s->kbd.outport = val;
    irq_set(&s->a20, val & OUT_A20);
    if (!(val & OUT_RESET)) {
        machine_request_reset(s->dev.machine, RESET_BY_GUEST);
    }
}

static void kbc_write_mode(I8042 *s, uint8_t mode)
{
    s->kbd.mode = mode;
    ps2_kbd_set_translate(s->ps2[0], mode & MODE_TRANSLATE);
    kbc_update(s);
}

static uint64_t kbc_read_status(Device *dev, uint64_t off, unsigned size)
{
    return DEVICE_CAST(I8042, dev)->kbd.status;
}

static void kbc_write_cmd(Device *dev, uint64_t off, uint64_t val,
                          unsigned size)
{
    I8042 *s = DEVICE_CAST(I8042, dev);
    Kbc *k = &s->kbd;

    switch (val) {
    case CMD_READ_MODE:
        kbc_reply(s, k->mode, false);
        break;
    case CMD_WRITE_MODE:
    case CMD_WRITE_KBD_BUFFER:
    case CMD_WRITE_AUX_BUFFER:
    case CMD_WRITE_AUX:
    case CMD_WRITE_OUTPUT:
        k->write_cmd = val;
        break;
    case CMD_AUX_OFF:
        kbc_write_mode(s, k->mode | MODE_AUX_OFF);
        break;
    case CMD_AUX_ON:
        kbc_write_mode(s, k->mode & ~MODE_AUX_OFF);
        break;
    case CMD_KBD_OFF:
        kbc_write_mode(s, k->mode | MODE_KBD_OFF);
        break;
    case CMD_KBD_ON:
        kbc_write_mode(s, k->mode & ~MODE_KBD_OFF);
        break;
    case CMD_SELF_TEST:
        k->status |= STATUS_TESTED;
        kbc_reply(s, 0x55, false);
        break;
    case CMD_AUX_TEST:
    case CMD_KBD_TEST:
        kbc_reply(s, 0x00, false);
        break;
    case CMD_READ_INPUT: /* bit 7: not locked */
        kbc_reply(s, 0x80, false);
        break;
    case CMD_READ_OUTPUT:
        kbc_reply(s, k->outport, false);
        break;
    case CMD_A20_OFF:
        kbc_write_output(s, k->outport & ~OUT_A20);
        break;
    case CMD_A20_ON:
        kbc_write_output(s, k->outport | OUT_A20);
        break;
    case CMD_PULSE ... CMD_PULSE + 0xf:
        if (!(val & OUT_RESET)) {
            machine_request_reset(dev->machine, RESET_BY_GUEST);
        }
        break;
    default:
        break;
    }
}

static uint64_t kbc_read_data(Device *dev, uint64_t off, unsigned size)
{
    I8042 *s = DEVICE_CAST(I8042, dev);
    Kbc *k = &s->kbd;

    if (!(k->status & STATUS_OBF)) {
        return k->obdata;
    }
    /* The sender's line changes, and that must find the buffer occupied. */
    if (k->obsrc == SOURCE_CTRL) {
        k->obdata = k->cbdata;
        k->pending_tmp &= ~(PENDING_CTRL_KBD | PENDING_CTRL_AUX);
    } else {
        k->obdata = ps2_read(s->ps2[k->obsrc == SOURCE_AUX]);
    }
    k->status &= ~(STATUS_OBF | STATUS_AUX_OBF);
    kbc_update_irqs(s); /* an edge for each byte */
    kbc_update(s);
    return k->obdata;
}

static void kbc_write_data(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    I8042 *s = DEVICE_CAST(I8042, dev);
    uint8_t cmd = s->kbd.write_cmd;

    s->kbd.write_cmd = 0;
    switch (cmd) {
    case CMD_WRITE_MODE:
        kbc_write_mode(s, val);
        break;
    case CMD_WRITE_KBD_BUFFER:
        kbc_reply(s, val, false);
        break;
    case CMD_WRITE_AUX_BUFFER:
        kbc_reply(s, val, true);
        break;
    case CMD_WRITE_OUTPUT:
        kbc_write_output(s, val);
        break;
    case CMD_WRITE_AUX:
        ps2_write(s->ps2[1], val);
        s->kbd.mode &= ~MODE_AUX_OFF;
        kbc_update(s);
        break;
    default:
        ps2_write(s->ps2[0], val);
        s->kbd.mode &= ~MODE_KBD_OFF;
        kbc_update(s);
        break;
    }
}

static const IoOps kbc_data_io = {
    .read = kbc_read_data,
    .write = kbc_write_data,
    .max_size = 1,
};

static const IoOps kbc_cmd_io = {
    .read = kbc_read_status,
    .write = kbc_write_cmd,
    .max_size = 1,
};

static Device *kbc_add_device(I8042 *s, const DeviceType *type,
                              const char *name, unsigned n, GError **errp)
{
    Device *dev = device_new(s->dev.vm, type);

    object_add_child(&s->dev.obj, name, &dev->obj);
    if (!device_realize(dev, NULL, errp)) {
        return NULL;
    }
    irq_connect(ps2_output(dev), irq_in(&s->dev, n));
    return dev;
}

static bool kbc_realize(Device *dev, GError **errp)
{
    I8042 *s = DEVICE_CAST(I8042, dev);

    if (s->kbd_throttle || !s->extended_state) {
        error_setf(errp,
                   "kbd-throttle=on and extended-state=off are not supported");
        return false;
    }
    irq_in_init(dev, kbc_set_input, 2);
    irq_out_init(dev, &s->irqs[0], "");
    irq_out_init(dev, &s->irqs[1], "");
    irq_out_init(dev, &s->a20, "a20");
    a20_input_init(&s->gate, dev);
    irq_connect(&s->a20, &s->gate);
    if (!isa_connect_irq(dev, &s->irqs[0], s->kbd_irq, errp) ||
        !isa_connect_irq(dev, &s->irqs[1], s->mouse_irq, errp) ||
        !device_claim_io(dev, &s->data_io, &kbc_data_io, "i8042-data", 0x60, 1,
                         errp) ||
        !device_claim_io(dev, &s->cmd_io, &kbc_cmd_io, "i8042-cmd", 0x64, 1,
                         errp)) {
        return false;
    }
    s->ps2[0] = kbc_add_device(s, &ps2_kbd_type, "ps2kbd", 0, errp);
    if (s->ps2[0] == NULL) {
        return false;
    }
    s->ps2[1] = kbc_add_device(s, &ps2_mouse_type, "ps2mouse", 1, errp);
    if (s->ps2[1] == NULL) {
        device_delete(s->ps2[0]);
        return false;
    }
    return true;
}

/* They sit on the system bus, which may have let go of them before. */
static void kbc_unrealize(Device *dev)
{
    static const char *const names[] = { "ps2mouse", "ps2kbd" };

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        device_delete(device_from_object(object_child(&dev->obj, names[i])));
    }
}

static void kbc_reset(Device *dev)
{
    I8042 *s = DEVICE_CAST(I8042, dev);

    memset(&s->kbd, 0, sizeof(s->kbd));
    s->kbd.mode = MODE_KBD_INT | MODE_AUX_INT;
    s->kbd.status = STATUS_CMD | STATUS_UNLOCKED;
    s->kbd.outport = OUT_DEFAULT;
    irq_raise(&s->a20);
    kbc_update_irqs(s);
}

static bool kbc_outport_needed(void *opaque)
{
    const Kbc *k = opaque;

    return k->outport != kbc_outport_default(k);
}

static bool kbc_outport_post_load(void *opaque, int version, GError **errp)
{
    ((Kbc *)opaque)->outport_loaded = true;
    return true;
}

static const Vmstate vmstate_outport = {
    .name = "pckbd_outport",
    .version = 1,
    .oldest = 1,
    .needed = kbc_outport_needed,
    .post_load = kbc_outport_post_load,
    .fields = (const VmstateField[]){ VMSTATE_U8(Kbc, outport), VMSTATE_END },
};

static const Vmstate vmstate_extended = {
    .name = "pckbd/extended_state",
    .fields = (const VmstateField[]){ VMSTATE_U32(Kbc, migration_flags),
                                      VMSTATE_U32(Kbc, obsrc),
                                      VMSTATE_U8(Kbc, obdata),
                                      VMSTATE_U8(Kbc, cbdata), VMSTATE_END },
};

static bool kbc_pre_load(void *opaque, GError **errp)
{
    ((Kbc *)opaque)->outport_loaded = false;
    ((Kbc *)opaque)->obsrc = 0;
    return true;
}

/* A full buffer without a source: an empty one. */
static bool kbc_post_load(void *opaque, int version, GError **errp)
{
    Kbc *k = opaque;

    if (!k->outport_loaded) {
        k->outport = kbc_outport_default(k);
    }
    if (k->obsrc != SOURCE_KBD && k->obsrc != SOURCE_AUX &&
        k->obsrc != SOURCE_CTRL) {
        if (k->obsrc != 0) {
            error_setf(errp, "obsrc %u: nobody's number", k->obsrc);
            return false;
        }
        k->status &= ~(STATUS_OBF | STATUS_AUX_OBF);
    }
    return true;
}

static const Vmstate vmstate_kbc = {
    .name = "pckbd",
    .version = 3,
    .oldest = 3,
    .pre_load = kbc_pre_load,
    .post_load = kbc_post_load,
    .fields =
        (const VmstateField[]){ VMSTATE_U8(Kbc, write_cmd),
                                VMSTATE_U8(Kbc, status), VMSTATE_U8(Kbc, mode),
                                VMSTATE_U8(Kbc, pending_tmp), VMSTATE_END },
    .subsections =
        (const Vmstate *const[]){ &vmstate_outport, &vmstate_extended, NULL },
};

static bool i8042_post_load(void *opaque, int version, GError **errp)
{
    I8042 *s = opaque;

    /* The CPUs bring their own mask, which port 92 may have set. */
    s->a20.level = s->kbd.outport & OUT_A20;
    return true;
}

static const Vmstate i8042_vmstate = {
    .name = "pckbd",
    .version = 3,
    .oldest = 3,
    .post_load = i8042_post_load,
    .fields =
        (const VmstateField[]){ VMSTATE_STRUCT(I8042, kbd, vmstate_kbc, 3),
                                VMSTATE_END },
};

static const Property i8042_props[] = {
    PROP(PROP_BOOL, I8042, extended_state, "extended-state", .def = true),
    PROP(PROP_BOOL, I8042, kbd_throttle, "kbd-throttle"),
    PROP(PROP_U8, I8042, kbd_irq, "kbd-irq", .def = 1),
    PROP(PROP_U8, I8042, mouse_irq, "mouse-irq", .def = 12),
    PROP_END,
};

const DeviceType i8042_type = {
    .name = "i8042",
    .category = "Input",
    .size = sizeof(I8042),
    .bus = BUS_ISA,
    .user_creatable = true,
    .props = i8042_props,
    .realize = kbc_realize,
    .unrealize = kbc_unrealize,
    .reset = kbc_reset,
    .vmstate = &i8042_vmstate,
};

Device *i8042_create(Bus *isa, GError **errp)
{
    return device_create(isa->vm, &i8042_type, isa, errp);
}

Device *i8042_keyboard(Device *i8042)
{
    return DEVICE_CAST(I8042, i8042)->ps2[0];
}

Device *i8042_mouse(Device *i8042)
{
    return DEVICE_CAST(I8042, i8042)->ps2[1];
}
