/*
 * PS/2 keyboard.
 *
 * Commands: IBM PS/2 Hardware Interface Technical Reference, "Keyboards";
 * translation of set 2 to set 1: Microsoft "Keyboard Scan Code
 * Specification" (2000), appendix C.
 * Stream: "ps2kbd" version 3 with subsections, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/ps2-priv.h"

#include "util/error.h"

enum {
    KBD_SET_LEDS = 0xed,
    KBD_ECHO = 0xee,
    KBD_SCAN_SET = 0xf0,
    KBD_IDENTIFY = 0xf2,
    KBD_TYPEMATIC = 0xf3,
    KBD_ENABLE = 0xf4,
    KBD_DISABLE = 0xf5,
    KBD_DEFAULTS = 0xf6,
    KBD_ALL_KEYS = 0xf7, /* to 0xfa: what all keys send */
    KBD_ONE_KEY = 0xfb,  /* to 0xfd: what one key sends */
    KBD_RESET = 0xff,
    KBD_BREAK = 0xf0, /* prefix of a key going up, sets 2 and 3 */
};

typedef struct Ps2Kbd {
    Ps2 parent_obj;
    int32_t scan_enabled;
    int32_t translate;
    int32_t scancode_set; /* 1..3 */
    int32_t ledstate;
} Ps2Kbd;

#define KBD(ps2_)        container_of(ps2_, Ps2Kbd, parent_obj)
#define DEVICE_KBD(dev_) container_of(dev_, Ps2Kbd, parent_obj.dev)

/* Set 1 code for each code of set 2 below 0x80. */
static const uint8_t set2_to_1[128] = {
    0xff, 0x43, 0x41, 0x3f, 0x3d, 0x3b, 0x3c, 0x58, 0x64, 0x44, 0x42, 0x40,
    0x3e, 0x0f, 0x29, 0x59, 0x65, 0x38, 0x2a, 0x70, 0x1d, 0x10, 0x02, 0x5a,
    0x66, 0x71, 0x2c, 0x1f, 0x1e, 0x11, 0x03, 0x5b, 0x67, 0x2e, 0x2d, 0x20,
    0x12, 0x05, 0x04, 0x5c, 0x68, 0x39, 0x2f, 0x21, 0x14, 0x13, 0x06, 0x5d,
    0x69, 0x31, 0x30, 0x23, 0x22, 0x15, 0x07, 0x5e, 0x6a, 0x72, 0x32, 0x24,
    0x16, 0x08, 0x09, 0x5f, 0x6b, 0x33, 0x25, 0x17, 0x18, 0x0b, 0x0a, 0x60,
    0x6c, 0x34, 0x35, 0x26, 0x27, 0x19, 0x0c, 0x61, 0x6d, 0x73, 0x28, 0x74,
    0x1a, 0x0d, 0x62, 0x6e, 0x3a, 0x36, 0x1c, 0x1b, 0x75, 0x2b, 0x63, 0x76,
    0x55, 0x56, 0x77, 0x78, 0x79, 0x7a, 0x0e, 0x7b, 0x7c, 0x4f, 0x7d, 0x4b,
    0x47, 0x7e, 0x7f, 0x6f, 0x52, 0x53, 0x50, 0x4c, 0x4d, 0x48, 0x01, 0x45,
    0x57, 0x4e, 0x51, 0x4a, 0x37, 0x49, 0x46, 0x54,
};

static uint8_t translate_code(uint8_t b)
{
    if (b < 0x80) {
        return set2_to_1[b];
    }
    return b == 0x83 ? 0x41 : b == 0x84 ? 0x54 : b;
}

static uint8_t set1_to_2(uint8_t code)
{
    if (code == 0x41) {
        return 0x83;
    }
    for (unsigned i = 1; i < sizeof(set2_to_1); i++) {
        if (set2_to_1[i] == code) {
            return i;
        }
    }
    return 0;
}

static void kbd_reply(Ps2Kbd *s, uint8_t a)
{
    ps2_reply_first(&s->parent_obj, &a, 1);
}

static void kbd_reply2(Ps2Kbd *s, uint8_t a, uint8_t b)
{
    const uint8_t bytes[] = { a, b };

    ps2_reply_first(&s->parent_obj, bytes, 2);
}

static void kbd_defaults(Ps2Kbd *s)
{
    s->scan_enabled = 1;
    s->scancode_set = 2;
    s->ledstate = 0;
    ps2_clear(&s->parent_obj);
}

static void kbd_identify(Ps2Kbd *s)
{
    const uint8_t id[] = { PS2_ACK, 0xab, s->translate ? 0x41 : 0x83 };

    ps2_reply_first(&s->parent_obj, id, sizeof(id));
}

static void kbd_command(Ps2Kbd *s, uint8_t cmd)
{
    switch (cmd) {
    case 0x00:
        kbd_reply(s, PS2_ACK);
        break;
    case KBD_ECHO:
        kbd_reply(s, KBD_ECHO);
        break;
    case KBD_SET_LEDS:
    case KBD_SCAN_SET:
    case KBD_TYPEMATIC:
    case KBD_ONE_KEY ... KBD_ONE_KEY + 2:
        s->parent_obj.write_cmd = cmd;
        kbd_reply(s, PS2_ACK);
        break;
    case KBD_ALL_KEYS ... KBD_ALL_KEYS + 3:
        kbd_reply(s, PS2_ACK);
        break;
    case KBD_IDENTIFY:
        kbd_identify(s);
        break;
    case KBD_ENABLE:
        s->scan_enabled = 1;
        kbd_reply(s, PS2_ACK);
        break;
    case KBD_DISABLE:
        kbd_defaults(s);
        s->scan_enabled = 0;
        kbd_reply(s, PS2_ACK);
        break;
    case KBD_DEFAULTS:
        kbd_defaults(s);
        kbd_reply(s, PS2_ACK);
        break;
    case KBD_RESET:
        kbd_defaults(s);
        kbd_reply2(s, PS2_ACK, PS2_TEST_OK);
        break;
    default:
        kbd_reply(s, PS2_RESEND);
        break;
    }
}

static void kbd_scan_set(Ps2Kbd *s, uint8_t val)
{
    if (val == 0) {
        uint8_t set = s->scancode_set;

        kbd_reply2(s, PS2_ACK, s->translate ? translate_code(set) : set);
    } else if (val <= 3) {
        s->scancode_set = val;
        kbd_reply(s, PS2_ACK);
    } else {
        kbd_reply(s, PS2_RESEND);
    }
}

void ps2_kbd_write(Ps2 *ps2, uint8_t val)
{
    Ps2Kbd *s = KBD(ps2);
    int32_t cmd = ps2->write_cmd;

    ps2->write_cmd = -1;
    switch (cmd) {
    case KBD_SET_LEDS:
        s->ledstate = val & 7;
        kbd_reply(s, PS2_ACK);
        break;
    case KBD_SCAN_SET:
        kbd_scan_set(s, val);
        break;
    case KBD_TYPEMATIC:
    case KBD_ONE_KEY ... KBD_ONE_KEY + 2:
        kbd_reply(s, PS2_ACK);
        break;
    default:
        kbd_command(s, val);
        break;
    }
}

void ps2_kbd_set_translate(Device *kbd, bool on)
{
    DEVICE_KBD(kbd)->translate = on;
}

void ps2_kbd_key(Device *kbd, uint16_t code, bool down)
{
    Ps2 *ps2 = DEVICE_CAST(Ps2, kbd);
    Ps2Kbd *s = KBD(ps2);
    uint8_t b[3];
    unsigned n = 0;

    if (!s->scan_enabled || (code & 0x7f) == 0) {
        return;
    }
    if (code >> 8 == 0xe0) {
        b[n++] = 0xe0;
    }
    if (s->scancode_set == 1 || (s->scancode_set == 2 && s->translate)) {
        b[n++] = (code & 0x7f) | (down ? 0 : 0x80);
    } else {
        if (!down) {
            b[n++] = KBD_BREAK;
        }
        b[n++] = set1_to_2(code & 0x7f);
    }
    if (ps2_room(ps2, n)) {
        ps2_queue(ps2, b, n);
    }
}

static void kbd_input(void *opaque, uint16_t code, bool down)
{
    ps2_kbd_key(&((Ps2 *)opaque)->dev, code, down);
}

static bool kbd_realize(Device *dev, GError **errp)
{
    Ps2 *ps2 = DEVICE_CAST(Ps2, dev);

    ps2->input.name = "QEMU PS/2 Keyboard";
    ps2->input.key = kbd_input;
    ps2_take_input(ps2);
    irq_out_init(dev, &DEVICE_CAST(Ps2, dev)->out, "");
    return true;
}

static void kbd_reset(Device *dev)
{
    Ps2 *ps2 = DEVICE_CAST(Ps2, dev);

    ps2_reset(ps2);
    kbd_defaults(KBD(ps2));
    KBD(ps2)->translate = 0;
}

static bool kbd_ledstate_needed(void *opaque)
{
    return ((Ps2Kbd *)opaque)->ledstate != 0;
}

static bool kbd_reply_needed(void *opaque)
{
    return ((Ps2Kbd *)opaque)->parent_obj.queue.cwptr >= 0;
}

static const Vmstate vmstate_ledstate = {
    .name = "ps2kbd/ledstate",
    .version = 3,
    .oldest = 2,
    .needed = kbd_ledstate_needed,
    .fields =
        (const VmstateField[]){ VMSTATE_I32(Ps2Kbd, ledstate), VMSTATE_END },
};

static const Vmstate vmstate_reply = {
    .name = "ps2kbd/command_reply_queue",
    .needed = kbd_reply_needed,
    .fields =
        (const VmstateField[]){ VMSTATE_I32(Ps2Kbd, parent_obj.queue.cwptr),
                                VMSTATE_END },
};

static bool kbd_pre_load(void *opaque, GError **errp)
{
    Ps2Kbd *s = opaque;

    s->ledstate = 0;
    s->parent_obj.queue.cwptr = -1;
    return true;
}

/* The controller has its own copy of what the line says. */
static bool kbd_post_load(void *opaque, int version, GError **errp)
{
    Ps2Kbd *s = opaque;

    if (!ps2_check(&s->parent_obj, errp)) {
        return false;
    }
    if (s->scancode_set < 1 || s->scancode_set > 3) {
        error_setf(errp, "scancode_set %d: 1 to 3", s->scancode_set);
        return false;
    }
    s->parent_obj.out.level = s->parent_obj.queue.count > 0;
    return true;
}

static const Vmstate kbd_vmstate = {
    .name = "ps2kbd",
    .version = 3,
    .oldest = 3,
    .pre_load = kbd_pre_load,
    .post_load = kbd_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT(Ps2Kbd, parent_obj, vmstate_ps2, 3),
            VMSTATE_I32(Ps2Kbd, scan_enabled), VMSTATE_I32(Ps2Kbd, translate),
            VMSTATE_I32(Ps2Kbd, scancode_set), VMSTATE_END },
    .subsections =
        (const Vmstate *const[]){ &vmstate_ledstate, &vmstate_reply, NULL },
};

const DeviceType ps2_kbd_type = {
    .name = "ps2-kbd",
    .parent = "ps2-device",
    .size = sizeof(Ps2Kbd),
    .bus = BUS_SYSTEM,
    .realize = kbd_realize,
    .unrealize = ps2_unrealize,
    .reset = kbd_reset,
    .vmstate = &kbd_vmstate,
};
