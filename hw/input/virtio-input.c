/*
 * virtio input devices: a keyboard, a mouse and a tablet.
 * (Virtual I/O Device 1.2, section 5.8; codes: linux/input-event-codes.h.)
 *
 * Events go out in groups, each with a synchronization at its end.  What the
 * driver has no buffers for waits; a group that finds no room is dropped as a
 * whole.  A device comes first for its kind of input while its driver is up.
 *
 * Stream: "virtio-input" version 1, nothing of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/input/virtio-input.h"

#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>

#include "hw/virtio/virtio-pci.h"
#include "system/vm.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    QUEUE_SIZE = 64,
    HEAD_BYTES = 8, /* of the configuration, before an entry's data */
    PENDING_MAX = 1024,
    GROUP_MAX = 16,
    BUTTONS = 5,
    BUS_VIRTUAL_ID = 6,
    VENDOR = 0x0627,
};

/* What kind of device it is. */
typedef struct InputKind {
    const char *name;
    uint16_t product, version;
    bool keyboard, absolute;
} InputKind;

typedef struct VirtioInput {
    VirtioDevice vdev;
    const InputKind *kind;
    InputHandler handler;
    VirtQueue *events, *status;
    bool active; /* its driver is up */
    unsigned buttons;
    /* Whole groups that wait for buffers: a ring. */
    struct virtio_input_event pending[PENDING_MAX];
    unsigned first, npending;
    /* The group that is being made. */
    struct virtio_input_event group[GROUP_MAX];
    unsigned ngroup;
    /* Properties. */
    char *serial, *display;
    uint32_t head;
    bool wheel_axis;
} VirtioInput;

static VirtioInput *input_of(VirtioDevice *d)
{
    return container_of(d, VirtioInput, vdev);
}

/* Keys: codes of set 1, plain and behind the prefix, as Linux numbers them */

static const uint8_t plain_keys[0x80] = {
    /* The first ones have the same numbers, see linux_key(). */
    [0x54] = KEY_SYSRQ,    [0x56] = KEY_102ND,   [0x57] = KEY_F11,
    [0x58] = KEY_F12,      [0x59] = KEY_KPEQUAL, [0x70] = KEY_KATAKANAHIRAGANA,
    [0x71] = KEY_HANJA,    [0x72] = KEY_HANGEUL, [0x73] = KEY_RO,
    [0x77] = KEY_HIRAGANA, [0x79] = KEY_HENKAN,  [0x7b] = KEY_MUHENKAN,
    [0x7d] = KEY_YEN,      [0x7e] = KEY_KPCOMMA,
};

static const uint8_t prefixed_keys[0x80] = {
    [0x10] = KEY_PREVIOUSSONG, [0x19] = KEY_NEXTSONG,  [0x1c] = KEY_KPENTER,
    [0x1d] = KEY_RIGHTCTRL,    [0x20] = KEY_MUTE,      [0x21] = KEY_CALC,
    [0x22] = KEY_PLAYPAUSE,    [0x24] = KEY_STOPCD,    [0x2e] = KEY_VOLUMEDOWN,
    [0x30] = KEY_VOLUMEUP,     [0x32] = KEY_HOMEPAGE,  [0x35] = KEY_KPSLASH,
    [0x37] = KEY_SYSRQ,        [0x38] = KEY_RIGHTALT,  [0x46] = KEY_PAUSE,
    [0x47] = KEY_HOME,         [0x48] = KEY_UP,        [0x49] = KEY_PAGEUP,
    [0x4b] = KEY_LEFT,         [0x4d] = KEY_RIGHT,     [0x4f] = KEY_END,
    [0x50] = KEY_DOWN,         [0x51] = KEY_PAGEDOWN,  [0x52] = KEY_INSERT,
    [0x53] = KEY_DELETE,       [0x5b] = KEY_LEFTMETA,  [0x5c] = KEY_RIGHTMETA,
    [0x5d] = KEY_COMPOSE,      [0x5e] = KEY_POWER,     [0x5f] = KEY_SLEEP,
    [0x63] = KEY_WAKEUP,       [0x66] = KEY_BOOKMARKS, [0x67] = KEY_REFRESH,
    [0x69] = KEY_FORWARD,      [0x6a] = KEY_BACK,      [0x6b] = KEY_COMPUTER,
    [0x6c] = KEY_MAIL,         [0x6d] = KEY_MEDIA,
};

/* 0: it has none. */
static uint16_t linux_key(uint16_t code)
{
    if (code >> 8 == 0xe0) {
        return (code & 0x80) == 0 ? prefixed_keys[code & 0x7f] : 0;
    }
    if (code <= 0x53) {
        return code;
    }
    return code < 0x80 ? plain_keys[code] : 0;
}

/* Those that a 7.2 keyboard says it has, from key 0 on. */
static const uint8_t key_bits[] = {
    0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xcf, 0x7b, 0xff, 0xff, 0xbe, 0xfe, 0xff, 0xdf, 0x00, 0xf8,
    0x78, 0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04,
};

/* Events */

static void flush_events(VirtioInput *s)
{
    bool any = false;

    while (s->npending > 0 && virtio_running(&s->vdev)) {
        struct virtio_input_event *ev = &s->pending[s->first];
        VirtQueueElem *e = virtqueue_pop(s->events);

        if (e == NULL) {
            break;
        }
        virtqueue_push(s->events, e,
                       iov_from_buf(e->in, e->nin, 0, ev, sizeof(*ev)));
        s->first = (s->first + 1) % PENDING_MAX;
        s->npending--;
        any = true;
    }
    if (any) {
        virtqueue_notify(s->events);
    }
}

static void add_event(VirtioInput *s, uint16_t type, uint16_t code,
                      uint32_t value)
{
    g_assert(s->ngroup < GROUP_MAX);
    s->group[s->ngroup++] = (struct virtio_input_event){
        .type = htole16(type), .code = htole16(code), .value = htole32(value)
    };
}

static void end_group(VirtioInput *s)
{
    if (s->ngroup == 0) {
        return;
    }
    add_event(s, EV_SYN, SYN_REPORT, 0);
    if (s->ngroup <= PENDING_MAX - s->npending) {
        for (unsigned i = 0; i < s->ngroup; i++) {
            s->pending[(s->first + s->npending++) % PENDING_MAX] = s->group[i];
        }
    }
    s->ngroup = 0;
    flush_events(s);
}

static void input_key_event(void *opaque, uint16_t code, bool down)
{
    VirtioInput *s = opaque;
    uint16_t key = linux_key(code);

    if (key != 0) {
        add_event(s, EV_KEY, key, down);
        end_group(s);
    }
}

static void add_buttons(VirtioInput *s, unsigned buttons)
{
    static const struct {
        unsigned bit;
        uint16_t code;
    } all[BUTTONS] = {
        { INPUT_LEFT, BTN_LEFT },     { INPUT_RIGHT, BTN_RIGHT },
        { INPUT_MIDDLE, BTN_MIDDLE }, { INPUT_SIDE, BTN_SIDE },
        { INPUT_EXTRA, BTN_EXTRA },
    };

    for (unsigned i = 0; i < BUTTONS; i++) {
        if ((buttons ^ s->buttons) & all[i].bit) {
            add_event(s, EV_KEY, all[i].code, (buttons & all[i].bit) != 0);
        }
    }
    s->buttons = buttons;
}

/* Steps towards the user; without an axis they are a button's. */
static void add_wheel(VirtioInput *s, int dz)
{
    if (dz == 0) {
        return;
    }
    if (s->wheel_axis) {
        add_event(s, EV_REL, REL_WHEEL, -dz);
        return;
    }
    add_event(s, EV_KEY, dz > 0 ? BTN_GEAR_DOWN : BTN_GEAR_UP, 1);
    end_group(s);
    add_event(s, EV_KEY, dz > 0 ? BTN_GEAR_DOWN : BTN_GEAR_UP, 0);
}

static void input_move_event(void *opaque, int dx, int dy, int dz,
                             unsigned buttons)
{
    VirtioInput *s = opaque;

    if (dx != 0) {
        add_event(s, EV_REL, REL_X, dx);
    }
    if (dy != 0) {
        add_event(s, EV_REL, REL_Y, dy);
    }
    add_buttons(s, buttons);
    add_wheel(s, dz);
    end_group(s);
}

static void input_place_event(void *opaque, int x, int y, int dz,
                              unsigned buttons)
{
    VirtioInput *s = opaque;

    add_event(s, EV_ABS, ABS_X, x);
    add_event(s, EV_ABS, ABS_Y, y);
    add_buttons(s, buttons);
    add_wheel(s, dz);
    end_group(s);
}

static void events_output(VirtioDevice *d, VirtQueue *q)
{
    flush_events(input_of(d));
}

/* A keyboard's lights: there are none here. */
static void status_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtQueueElem *e;

    while ((e = virtio_turn_pop(&turn)) != NULL) {
        virtqueue_push(q, e, 0);
        virtqueue_notify(q);
    }
}

/* Configuration */

static void set_bit(uint8_t *bits, unsigned n)
{
    bits[n / 8] |= 1u << n % 8;
}

static unsigned trimmed_len(const uint8_t *bits, unsigned n)
{
    while (n > 0 && bits[n - 1] == 0) {
        n--;
    }
    return n;
}

static unsigned pointer_bits(const VirtioInput *s, uint8_t type, uint8_t *bits)
{
    if (type == EV_KEY) {
        for (unsigned i = 0; i < BUTTONS; i++) {
            set_bit(bits, BTN_LEFT + i);
        }
        set_bit(bits, BTN_GEAR_DOWN);
        set_bit(bits, BTN_GEAR_UP);
    } else if (type == EV_REL) {
        if (!s->kind->absolute) {
            set_bit(bits, REL_X);
            set_bit(bits, REL_Y);
        }
        if (s->wheel_axis) {
            set_bit(bits, REL_WHEEL);
        }
    } else if (type == EV_ABS && s->kind->absolute) {
        set_bit(bits, ABS_X);
        set_bit(bits, ABS_Y);
    }
    return trimmed_len(bits,
                       sizeof(((struct virtio_input_config *)0)->u.bitmap));
}

static unsigned key_board_bits(uint8_t type, uint8_t *bits)
{
    switch (type) {
    case EV_KEY:
        memcpy(bits, key_bits, sizeof(key_bits));
        return sizeof(key_bits);
    case EV_LED:
        bits[0] = 1 << LED_NUML | 1 << LED_CAPSL | 1 << LED_SCROLLL;
        return 1;
    case EV_REP:
        return 1; /* the driver repeats */
    default:
        return 0;
    }
}

static unsigned put_text(uint8_t *to, const char *text)
{
    unsigned n = MIN(strlen(text), 128);

    memcpy(to, text, n);
    return n;
}

/* The data of an entry; 0 bytes: there is none. */
static unsigned config_entry(const VirtioInput *s, uint8_t select, uint8_t sub,
                             uint8_t *to)
{
    const InputKind *k = s->kind;

    switch (select) {
    case VIRTIO_INPUT_CFG_ID_NAME:
        /* With the NUL behind it. */
        return sub == 0 ? put_text(to, k->name) + 1 : 0;
    case VIRTIO_INPUT_CFG_ID_SERIAL:
        return sub == 0 && s->serial != NULL ? put_text(to, s->serial) : 0;
    case VIRTIO_INPUT_CFG_ID_DEVIDS:
        stw_le_p(to, BUS_VIRTUAL_ID);
        stw_le_p(to + 2, VENDOR);
        stw_le_p(to + 4, k->product);
        stw_le_p(to + 6, k->version);
        return sub == 0 ? sizeof(struct virtio_input_devids) : 0;
    case VIRTIO_INPUT_CFG_EV_BITS:
        return k->keyboard ? key_board_bits(sub, to) : pointer_bits(s, sub, to);
    case VIRTIO_INPUT_CFG_ABS_INFO:
        if (!k->absolute || (sub != ABS_X && sub != ABS_Y)) {
            return 0;
        }
        stl_le_p(to + 4, INPUT_ABS_MAX);
        return sizeof(struct virtio_input_absinfo);
    default:
        return 0;
    }
}

static void input_get_config(VirtioDevice *d, uint8_t *config)
{
    uint8_t data[128] = { 0 };
    unsigned n = config_entry(input_of(d), config[0], config[1], data);

    config[2] = n;
    memset(config + 3, 0, HEAD_BYTES - 3);
    memcpy(config + HEAD_BYTES, data, d->config_size - HEAD_BYTES);
}

/* The core keeps what the driver selects. */
static void input_set_config(VirtioDevice *d, const uint8_t *config)
{
    input_get_config(d, d->config);
}

/* As large as the largest entry needs it. */
static unsigned config_bytes(const VirtioInput *s)
{
    unsigned max = 0;

    for (unsigned select = 0; select < 256; select++) {
        for (unsigned sub = 0; sub <= EV_MAX; sub++) {
            uint8_t data[128] = { 0 };

            max = MAX(max, config_entry(s, select, sub, data));
        }
    }
    return HEAD_BYTES + max;
}

/* Life */

static uint64_t input_features(VirtioDevice *d, uint64_t offered)
{
    return offered;
}

static void forget_events(VirtioInput *s)
{
    s->first = s->npending = s->ngroup = 0;
    s->buttons = 0;
}

static void input_set_status(VirtioDevice *d, uint8_t old)
{
    VirtioInput *s = input_of(d);
    Inputs *in = consoles_inputs(d->pci.dev.vm->consoles);
    bool active = d->status & VIRTIO_CONFIG_S_DRIVER_OK;

    if (active == s->active) {
        return;
    }
    s->active = active;
    if (active) {
        input_handler_activate(in, &s->handler);
    } else {
        input_handler_deactivate(in, &s->handler);
        forget_events(s);
    }
}

static const InputKind kinds[] = {
    { "QEMU Virtio Keyboard", 1, 1, .keyboard = true },
    { "QEMU Virtio Mouse", 2, 2 },
    { "QEMU Virtio Tablet", 3, 2, .absolute = true },
};

static bool input_realize(VirtioDevice *d, GError **errp)
{
    VirtioInput *s = input_of(d);
    const DeviceType *t = d->pci.dev.type;

    if (s->display != NULL || s->head != 0) {
        error_setf(errp, "%s is not supported: input comes from all screens",
                   s->display != NULL ? "display" : "head");
        return false;
    }
    s->kind = t == &virtio_keyboard_pci_type ? &kinds[0]
              : t == &virtio_mouse_pci_type  ? &kinds[1]
                                             : &kinds[2];
    d->config_size = config_bytes(s);
    s->events = virtio_add_queue(d, QUEUE_SIZE, events_output);
    s->status = virtio_add_queue(d, QUEUE_SIZE, status_output);
    s->handler = (InputHandler){ .name = s->kind->name, .opaque = s };
    if (s->kind->keyboard) {
        s->handler.key = input_key_event;
    } else if (s->kind->absolute) {
        s->handler.place = input_place_event;
    } else {
        s->handler.move = input_move_event;
    }
    input_handler_add(consoles_inputs(d->pci.dev.vm->consoles), &s->handler);
    return true;
}

static void input_unrealize(VirtioDevice *d)
{
    input_handler_del(consoles_inputs(d->pci.dev.vm->consoles),
                      &input_of(d)->handler);
}

static const VirtioType virtio_input = {
    .name = "virtio-input",
    .id = VIRTIO_ID_INPUT,
    .vectors = 2,
    .modern_only = true,
    .realize = input_realize,
    .unrealize = input_unrealize,
    .get_features = input_features,
    .get_config = input_get_config,
    .set_config = input_set_config,
    .set_status = input_set_status,
};

#define INPUT_PROPS                                      \
    PROP(PROP_STR, VirtioInput, serial, "serial"),       \
        PROP(PROP_STR, VirtioInput, display, "display"), \
        PROP(PROP_U32, VirtioInput, head, "head")

static const Property keyboard_props[] = { INPUT_PROPS, PROP_END };

static const Property pointer_props[] = {
    INPUT_PROPS,
    PROP(PROP_BOOL, VirtioInput, wheel_axis, "wheel-axis", .def = true),
    PROP_END,
};

static const Vmstate input_vmstate = VIRTIO_VMSTATE("virtio-input", 1);

#define INPUT_PCI(class_)                                                      \
    &(const PciInfo)                                                           \
    {                                                                          \
        .vendor_id = VIRTIO_PCI_VENDOR, .device_id = 0x1040 + VIRTIO_ID_INPUT, \
        .class_id = (class_)                                                   \
    }

#define INPUT_TYPE(name_, props_, class_)                                      \
    VIRTIO_PCI_TYPE, .name = "virtio-" name_ "-pci", .alias = "virtio-" name_, \
                     .parent = "virtio-" name_ "-pci-base-type",               \
                     .category = "Input", .size = sizeof(VirtioInput),         \
                     .props = (props_), .more_props = virtio_pci_prop_tables,  \
                     .pci = INPUT_PCI(class_), .virtio = &virtio_input,        \
                     .vmstate = &input_vmstate

const DeviceType virtio_keyboard_pci_type = {
    INPUT_TYPE("keyboard", keyboard_props, 0x0900),
};

const DeviceType virtio_mouse_pci_type = {
    INPUT_TYPE("mouse", pointer_props, 0x0902),
};

const DeviceType virtio_tablet_pci_type = {
    INPUT_TYPE("tablet", pointer_props, 0x0980),
};
