/*
 * usb-tablet, usb-mouse and usb-kbd.
 *
 * A device gets input, before others that take the same kind, once the guest
 * asks it for reports, or how they are to be.
 *
 * (Device Class Definition for HID 1.11; Universal Serial Bus 2.0, 9.6.)
 * Stream: "usb-ptr" and "usb-kbd", version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/hid.h"
#include "hw/usb/usb-devices.h"
#include "hw/usb/usb.h"
#include "system/vm.h"
#include "ui/console.h"
#include "ui/input.h"
#include "util/error.h"

/* Requests of the class (7.2). */
enum {
    HID_GET_REPORT = 1,
    HID_GET_IDLE = 2,
    HID_GET_PROTOCOL = 3,
    HID_SET_REPORT = 9,
    HID_SET_IDLE = 10,
    HID_SET_PROTOCOL = 11,
    HID_DT_HID = 0x21,
    HID_DT_REPORT = 0x22,
    HID_IDLE_NS = 4 * NS_PER_MS, /* unit of an idle rate */
    HID_ENDPOINT = 1,
};

/* Where the HID descriptor lies: behind those of configuration, interface. */
#define HID_DESC_AT   18
#define HID_DESC_SIZE 9

typedef struct UsbHid {
    UsbDevice usb;
    Hid hid;
    InputHandler input;
    bool active;      /* the guest uses it */
    Timer idle_timer; /* armed while `idle` is set: the next report is due */
    bool idle_due;

    uint32_t usb_version, head;
    char *display;
} UsbHid;

/* Descriptors: device; configuration, interface, HID, endpoint 1 IN. */

#define HID_DEVICE(mps_, product_, serial_)                                  \
    {                                                                        \
        18, USB_DT_DEVICE, 0x00, 0x02, 0, 0, 0, (mps_), 0x27, 0x06, 1, 0, 0, \
            0, 1, (product_), (serial_), 1                                   \
    }
#define HID_CONFIG(name_, subclass_, protocol_, version_, report_, mps_,       \
                   interval_)                                                  \
    {                                                                          \
        9, USB_DT_CONFIG, 34, 0, 1, 1, (name_), 0xa0, 50, 9, 4, 0, 0, 1, 3,    \
            (subclass_), (protocol_), 0, 9, HID_DT_HID, (version_)&0xff,       \
            (version_) >> 8, 0, 1, HID_DT_REPORT, (report_), 0, 7, 5, 0x81, 3, \
            (mps_), 0, (interval_)                                             \
    }

/* A pointer's report: buttons, X and Y, then what else is said of them. */
#define POINTER_REPORT(buttons_, ...)                       \
    {                                                       \
        0x05, 0x01,               /* page: desktop */       \
            0x09, 0x02,           /* usage: mouse */        \
            0xa1, 0x01,           /* application */         \
            0x09, 0x01,           /*   usage: pointer */    \
            0xa1, 0x00,           /*   physical */          \
            0x05, 0x09,           /*     page: buttons */   \
            0x19, 0x01,           /*     the first */       \
            0x29, (buttons_),     /*     the last */        \
            0x15, 0x00,           /*     from 0 */          \
            0x25, 0x01,           /*     to 1 */            \
            0x95, (buttons_),     /*     each of them */    \
            0x75, 0x01,           /*     1 bit */           \
            0x81, 0x02,           /*     input: variable */ \
            0x95, 0x01,           /*     1 of */            \
            0x75, 8 - (buttons_), /*     the other bits */  \
            0x81, 0x01,           /*     input: constant */ \
            0x05, 0x01,           /*     page: desktop */   \
            0x09, 0x30,           /*     X */               \
            0x09, 0x31,           /*     Y */               \
            __VA_ARGS__, 0xc0, 0xc0                         \
    }

static const uint8_t tablet_report[] =
    POINTER_REPORT(3,                            /* buttons */
                   0x15, 0x00, 0x26, 0xff, 0x7f, /* X, Y: 0 … 32767 */
                   0x35, 0x00, 0x46, 0xff, 0x7f, /* physical: the same */
                   0x75, 0x10, 0x95, 0x02,       /* 16 bits, 2 of them */
                   0x81, 0x02,                   /* input: variable, absolute */
                   0x05, 0x01, 0x09, 0x38,       /* wheel */
                   0x15, 0x81, 0x25, 0x7f,       /* -127 … 127 */
                   0x35, 0x00, 0x45, 0x00,       /* physical: no unit */
                   0x75, 0x08, 0x95, 0x01,       /* 8 bits */
                   0x81, 0x06);                  /* input: variable, relative */

static const uint8_t mouse_report[] =
    POINTER_REPORT(5,                      /* buttons */
                   0x09, 0x38,             /* wheel */
                   0x15, 0x81, 0x25, 0x7f, /* X, Y, wheel: -127 … 127 */
                   0x75, 0x08, 0x95, 0x03, /* 8 bits, 3 of them */
                   0x81, 0x06);            /* input: variable, relative */

static const uint8_t kbd_report[] = {
    0x05, 0x01,                         /* usage page: generic desktop */
    0x09, 0x06,                         /* usage: keyboard */
    0xa1, 0x01,                         /* collection: application */
    0x75, 0x01,                         /*   1 bit */
    0x95, 0x08,                         /*   8 of them */
    0x05, 0x07,                         /*   usage page: keys */
    0x19, 0xe0,                         /*   left Ctrl … */
    0x29, 0xe7,                         /*   … right logo */
    0x15, 0x00, 0x25, 0x01, 0x81, 0x02, /* input: variable */
    0x95, 0x01, 0x75, 0x08, 0x81, 0x01, /* a constant byte */
    0x95, 0x05,                         /* 5 of */
    0x75, 0x01,                         /* 1 bit */
    0x05, 0x08,                         /* usage page: lights */
    0x19, 0x01, 0x29, 0x05, 0x91, 0x02, /* output: variable */
    0x95, 0x01, 0x75, 0x03, 0x91, 0x01, /* 3 constant bits */
    0x95, 0x06,                         /* 6 of */
    0x75, 0x08,                         /* 8 bits */
    0x15, 0x00, 0x25, 0xff, 0x05, 0x07, /* usage page: keys */
    0x19, 0x00, 0x29, 0xff, 0x81, 0x00, /* input: array */
    0xc0,
};

enum {
    STRING_VENDOR = 1,
    STRING_MOUSE,
    STRING_TABLET,
    STRING_KBD,
    STRING_MOUSE_CONFIG = 6,
    STRING_TABLET_CONFIG,
    STRING_KBD_CONFIG,
    STRING_MOUSE_SERIAL,
    STRING_TABLET_SERIAL,
    STRING_KBD_SERIAL,
};

#define HID_STRINGS                                                            \
    {                                                                          \
        [STRING_VENDOR] = "QEMU", [STRING_MOUSE] = "QEMU USB Mouse",           \
        [STRING_TABLET] = "QEMU USB Tablet",                                   \
        [STRING_KBD] = "QEMU USB Keyboard",                                    \
        [STRING_MOUSE_CONFIG] = "HID Mouse",                                   \
        [STRING_TABLET_CONFIG] = "HID Tablet",                                 \
        [STRING_KBD_CONFIG] = "HID Keyboard", [STRING_MOUSE_SERIAL] = "89126", \
        [STRING_TABLET_SERIAL] = "28754", [STRING_KBD_SERIAL] = "68284",       \
    }

static const uint8_t tablet_full[] =
    HID_DEVICE(8, STRING_TABLET, STRING_TABLET_SERIAL),
                     tablet_high[] =
                         HID_DEVICE(64, STRING_TABLET, STRING_TABLET_SERIAL),
                     tablet_full_config[] =
                         HID_CONFIG(STRING_TABLET_CONFIG, 0, 0, 0x0001,
                                    sizeof(tablet_report), 8, 10),
                     tablet_high_config[] =
                         HID_CONFIG(STRING_TABLET_CONFIG, 0, 0, 0x0001,
                                    sizeof(tablet_report), 8, 4);
static const uint8_t mouse_full[] =
    HID_DEVICE(8, STRING_MOUSE, STRING_MOUSE_SERIAL),
                     mouse_high[] =
                         HID_DEVICE(64, STRING_MOUSE, STRING_MOUSE_SERIAL),
                     mouse_full_config[] =
                         HID_CONFIG(STRING_MOUSE_CONFIG, 1, 2, 0x0001,
                                    sizeof(mouse_report), 4, 10),
                     mouse_high_config[] =
                         HID_CONFIG(STRING_MOUSE_CONFIG, 1, 2, 0x0001,
                                    sizeof(mouse_report), 4, 7);
static const uint8_t kbd_full[] = HID_DEVICE(8, STRING_KBD, STRING_KBD_SERIAL),
                     kbd_high[] = HID_DEVICE(64, STRING_KBD, STRING_KBD_SERIAL),
                     kbd_full_config[] =
                         HID_CONFIG(STRING_KBD_CONFIG, 1, 1, 0x0111,
                                    sizeof(kbd_report), 8, 10),
                     kbd_high_config[] =
                         HID_CONFIG(STRING_KBD_CONFIG, 1, 1, 0x0111,
                                    sizeof(kbd_report), 8, 7);

static const UsbDesc tablet_desc = {
    .full_device = tablet_full,
    .full_config = tablet_full_config,
    .high_device = tablet_high,
    .high_config = tablet_high_config,
    .strings = HID_STRINGS,
    .serial = STRING_TABLET_SERIAL,
    .idle_suspend = true,
};
static const UsbDesc mouse_desc = {
    .full_device = mouse_full,
    .full_config = mouse_full_config,
    .high_device = mouse_high,
    .high_config = mouse_high_config,
    .strings = HID_STRINGS,
    .serial = STRING_MOUSE_SERIAL,
    .idle_suspend = true,
};
static const UsbDesc kbd_desc = {
    .full_device = kbd_full,
    .full_config = kbd_full_config,
    .high_device = kbd_high,
    .high_config = kbd_high_config,
    .strings = HID_STRINGS,
    .serial = STRING_KBD_SERIAL,
    .idle_suspend = true,
};

static UsbHid *hid_of(UsbDevice *d)
{
    return container_of(d, UsbHid, usb);
}

static UsbHid *hid_of_device(Device *dev)
{
    return hid_of(USB_DEVICE(dev));
}

/* Input */

static void hid_key(void *opaque, uint16_t code, bool down)
{
    UsbHid *s = opaque;

    hid_keyboard_key(&s->hid, code, down);
    usb_wakeup(&s->usb, HID_ENDPOINT);
}

static void hid_move(void *opaque, int x, int y, int dz, unsigned buttons)
{
    UsbHid *s = opaque;

    hid_pointer_move(&s->hid, x, y, dz, buttons);
    usb_wakeup(&s->usb, HID_ENDPOINT);
}

static Inputs *inputs_of(UsbHid *s)
{
    struct Consoles *cs = s->usb.dev.vm->consoles;

    return cs != NULL ? consoles_inputs(cs) : NULL;
}

static void usb_hid_activate(UsbHid *s)
{
    if (!s->active) {
        s->active = true;
        input_handler_activate(inputs_of(s), &s->input);
    }
}

/* Reports */

static void arm_idle(UsbHid *s)
{
    Clocks *c = s->usb.dev.vm->clocks;

    if (s->hid.idle == 0) {
        timer_del(&s->idle_timer);
    } else {
        timer_mod(&s->idle_timer, clock_get_ns(c, CLOCK_TYPE_VIRTUAL) +
                                      s->hid.idle * HID_IDLE_NS);
    }
}

static void idle_over(void *opaque)
{
    UsbHid *s = opaque;

    s->idle_due = true;
    usb_wakeup(&s->usb, HID_ENDPOINT);
}

static size_t make_report(UsbHid *s, uint8_t *data, size_t room)
{
    uint8_t buf[HID_REPORT_MAX];
    size_t len = hid_report(&s->hid, buf);

    return usb_give(data, room, buf, len);
}

static UsbResult hid_in(UsbDevice *d, unsigned ep, uint8_t *data, size_t len,
                        size_t *ret_len)
{
    UsbHid *s = hid_of(d);

    if (ep != HID_ENDPOINT) {
        return USB_STALL;
    }
    usb_hid_activate(s);
    if (!hid_has_events(&s->hid) && !s->idle_due) {
        return USB_NAK;
    }
    s->idle_due = false;
    *ret_len = make_report(s, data, len);
    arm_idle(s);
    return USB_OK;
}

static UsbResult get_class_descriptor(UsbHid *s, const UsbSetup *setup,
                                      uint8_t *data, size_t *ret_len)
{
    const DeviceType *type = s->usb.dev.type;
    const uint8_t *from = type->usb->desc->full_config + HID_DESC_AT;
    size_t len = HID_DESC_SIZE;

    switch (setup->value >> 8) {
    case HID_DT_HID:
        break;
    case HID_DT_REPORT:
        from = type == &usb_kbd_type     ? kbd_report
               : type == &usb_mouse_type ? mouse_report
                                         : tablet_report;
        len = type->usb->desc->full_config[HID_DESC_AT + 7];
        break;
    default:
        return USB_STALL;
    }
    *ret_len = usb_give(data, setup->length, from, len);
    return USB_OK;
}

static UsbResult set_report(UsbHid *s, const UsbSetup *setup,
                            const uint8_t *data)
{
    if (!s->hid.is_keyboard || setup->length == 0) {
        return USB_STALL;
    }
    hid_keyboard_set_leds(&s->hid, data[0]);
    return USB_OK;
}

static UsbResult give_byte(uint8_t b, const UsbSetup *setup, uint8_t *data,
                           size_t *ret_len)
{
    *ret_len = usb_give(data, setup->length, &b, 1);
    return USB_OK;
}

static UsbResult hid_control(UsbDevice *d, const UsbSetup *setup, uint8_t *data,
                             size_t *ret_len)
{
    enum {
        CLASS_IN = (USB_REQ_IN | USB_REQ_CLASS | USB_REQ_INTERFACE) << 8,
        CLASS_OUT = (USB_REQ_CLASS | USB_REQ_INTERFACE) << 8,
    };
    UsbHid *s = hid_of(d);

    switch (setup->type << 8 | setup->request) {
    case (USB_REQ_IN | USB_REQ_INTERFACE) << 8 | USB_GET_DESCRIPTOR:
        return get_class_descriptor(s, setup, data, ret_len);
    case CLASS_IN | HID_GET_REPORT:
        *ret_len = make_report(s, data, setup->length);
        return USB_OK;
    case CLASS_OUT | HID_SET_REPORT:
        return set_report(s, setup, data);
    case CLASS_IN | HID_GET_PROTOCOL:
        return give_byte(s->hid.protocol, setup, data, ret_len);
    case CLASS_OUT | HID_SET_PROTOCOL:
        s->hid.protocol = setup->value != 0;
        usb_hid_activate(s);
        return USB_OK;
    case CLASS_IN | HID_GET_IDLE:
        return give_byte(s->hid.idle, setup, data, ret_len);
    case CLASS_OUT | HID_SET_IDLE:
        s->hid.idle = setup->value >> 8;
        usb_hid_activate(s);
        arm_idle(s);
        return USB_OK;
    default:
        return USB_STALL;
    }
}

/* Life */

static void usb_hid_forget(UsbHid *s)
{
    hid_reset(&s->hid);
    timer_del(&s->idle_timer);
    s->idle_due = false;
}

static void hid_bus_reset(UsbDevice *d)
{
    usb_hid_forget(hid_of(d));
}

static bool hid_realize(Device *dev, GError **errp)
{
    UsbHid *s = hid_of_device(dev);
    unsigned mask = USB_MASK_FULL;

    if (s->usb_version != 1 && s->usb_version != 2) {
        error_setf(errp, "usb_version=%u: 1 or 2", s->usb_version);
        return false;
    }
    if (s->display != NULL || s->head != 0) {
        error_setf(errp, "display= and head=: not in this version");
        return false;
    }
    if (s->usb_version == 2) {
        mask |= USB_MASK_HIGH;
    }
    if (!usb_device_init(&s->usb, mask, errp)) {
        return false;
    }
    s->hid.is_keyboard = dev->type == &usb_kbd_type;
    s->hid.ptr.absolute = dev->type == &usb_tablet_type;
    s->input.opaque = s;
    if (s->hid.is_keyboard) {
        s->input.name = "QEMU HID Keyboard";
        s->input.key = hid_key;
    } else if (s->hid.ptr.absolute) {
        s->input.name = "QEMU HID Tablet";
        s->input.place = hid_move;
    } else {
        s->input.name = "QEMU HID Mouse";
        s->input.move = hid_move;
    }
    timer_init(&s->idle_timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL, idle_over,
               s);
    hid_reset(&s->hid);
    s->hid.protocol = 0; /* until its port is reset */
    if (inputs_of(s) != NULL) {
        input_handler_add(inputs_of(s), &s->input);
    }
    return true;
}

static void hid_unrealize(Device *dev)
{
    UsbHid *s = hid_of_device(dev);

    timer_del(&s->idle_timer);
    input_handler_del(inputs_of(s), &s->input);
}

/* Whoever boots next may not know it: other devices get the input. */
static void hid_power_on(Device *dev)
{
    UsbHid *s = hid_of_device(dev);
    int32_t protocol = s->hid.protocol;

    usb_hid_forget(s);
    s->hid.protocol = protocol; /* its port's reset is the controller's */
    if (s->active) {
        s->active = false;
        input_handler_deactivate(inputs_of(s), &s->input);
    }
}

static const Property kbd_props[] = {
    PROP(PROP_U32, UsbHid, usb_version, "usb_version", .def = 2),
    PROP(PROP_STR, UsbHid, display, "display"),
    PROP_END,
};

static const Property mouse_props[] = {
    PROP(PROP_U32, UsbHid, usb_version, "usb_version", .def = 2),
    PROP_END,
};

static const Property tablet_props[] = {
    PROP(PROP_U32, UsbHid, usb_version, "usb_version", .def = 2),
    PROP(PROP_STR, UsbHid, display, "display"),
    PROP(PROP_U32, UsbHid, head, "head"),
    PROP_END,
};

static bool hid_post_load(void *opaque, int version, GError **errp)
{
    arm_idle(opaque);
    return true;
}

static const Vmstate pointer_vmstate = {
    .name = "usb-ptr",
    .version = 1,
    .oldest = 1,
    .post_load = hid_post_load,
    .fields =
        (const VmstateField[]){
            { .name = "dev",
              .kind = VMS_STRUCT,
              .offset = offsetof(UsbHid, usb),
              .size = sizeof(UsbDevice),
              .vms = &usb_device_vmstate,
              .struct_version = 1 },
            VMSTATE_STRUCT(UsbHid, hid, hid_pointer_vmstate, 1),
            VMSTATE_END,
        },
};

static const Vmstate kbd_vmstate = {
    .name = "usb-kbd",
    .version = 1,
    .oldest = 1,
    .post_load = hid_post_load,
    .fields =
        (const VmstateField[]){
            { .name = "dev",
              .kind = VMS_STRUCT,
              .offset = offsetof(UsbHid, usb),
              .size = sizeof(UsbDevice),
              .vms = &usb_device_vmstate,
              .struct_version = 1 },
            VMSTATE_STRUCT(UsbHid, hid, hid_keyboard_vmstate, 1),
            VMSTATE_END,
        },
};

#define HID_TYPE(var_, name_, product_, desc_, props_, vmstate_) \
    static const UsbType var_##_usb = {                          \
        .product = (product_),                                   \
        .desc = &(desc_),                                        \
        .control = hid_control,                                  \
        .in = hid_in,                                            \
        .bus_reset = hid_bus_reset,                              \
    };                                                           \
    const DeviceType var_##_type = {                             \
        .name = (name_),                                         \
        .parent = "usb-hid",                                     \
        .category = "Input",                                     \
        .size = sizeof(UsbHid),                                  \
        .bus = BUS_USB,                                          \
        .user_creatable = true,                                  \
        .hotpluggable = true,                                    \
        .props = (props_),                                       \
        .usb = &var_##_usb,                                      \
        .realize = hid_realize,                                  \
        .unrealize = hid_unrealize,                              \
        .reset = hid_power_on,                                   \
        .vmstate = &(vmstate_),                                  \
    }

HID_TYPE(usb_tablet, "usb-tablet", "QEMU USB Tablet", tablet_desc, tablet_props,
         pointer_vmstate);
HID_TYPE(usb_mouse, "usb-mouse", "QEMU USB Mouse", mouse_desc, mouse_props,
         pointer_vmstate);
HID_TYPE(usb_kbd, "usb-kbd", "QEMU USB Keyboard", kbd_desc, kbd_props,
         kbd_vmstate);
