/*
 * Human interface devices: keyboards.
 *
 * Input comes as codes of set 1, which the queue holds; they become usages when
 * they are reported, a key at a time, so that no press is lost.
 *
 * (HID Usage Tables 1.12, chapter 10; Microsoft "Keyboard Scan Code
 * Specification" (2000), appendix C; HID 1.11, appendix B.1.)
 * Stream: "HIDKeyboardDevice" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/hid-priv.h"

#include "util/error.h"

enum {
    PREFIX = 0xe0,
    RELEASED = 0x80,
    PREFIX_CAME = 1 << 8, /* of modifiers */
    USAGE_ROLL_OVER = 0x01,
    USAGE_MODIFIERS = 0xe0, /* eight, as the bits of the first byte */
    REPORT_KEYS = 6,
};

/* Usages by code; behind 0x80 those with the prefix.  0: no such key. */
static const uint8_t usages[256] = {
    [0x01] = 0x29, /* Esc */
    [0x02] = 0x1e, /* 1 to 0 */
    [0x03] = 0x1f,
    [0x04] = 0x20,
    [0x05] = 0x21,
    [0x06] = 0x22,
    [0x07] = 0x23,
    [0x08] = 0x24,
    [0x09] = 0x25,
    [0x0a] = 0x26,
    [0x0b] = 0x27,
    [0x0c] = 0x2d, /* - = backspace tab */
    [0x0d] = 0x2e,
    [0x0e] = 0x2a,
    [0x0f] = 0x2b,
    [0x10] = 0x14, /* Q to P */
    [0x11] = 0x1a,
    [0x12] = 0x08,
    [0x13] = 0x15,
    [0x14] = 0x17,
    [0x15] = 0x1c,
    [0x16] = 0x18,
    [0x17] = 0x0c,
    [0x18] = 0x12,
    [0x19] = 0x13,
    [0x1a] = 0x2f, /* [ ] Enter, left Ctrl */
    [0x1b] = 0x30,
    [0x1c] = 0x28,
    [0x1d] = 0xe0,
    [0x1e] = 0x04, /* A to L */
    [0x1f] = 0x16,
    [0x20] = 0x07,
    [0x21] = 0x09,
    [0x22] = 0x0a,
    [0x23] = 0x0b,
    [0x24] = 0x0d,
    [0x25] = 0x0e,
    [0x26] = 0x0f,
    [0x27] = 0x33, /* ; ' ` left Shift, backslash */
    [0x28] = 0x34,
    [0x29] = 0x35,
    [0x2a] = 0xe1,
    [0x2b] = 0x31,
    [0x2c] = 0x1d, /* Z to M */
    [0x2d] = 0x1b,
    [0x2e] = 0x06,
    [0x2f] = 0x19,
    [0x30] = 0x05,
    [0x31] = 0x11,
    [0x32] = 0x10,
    [0x33] = 0x36, /* , . / right Shift */
    [0x34] = 0x37,
    [0x35] = 0x38,
    [0x36] = 0xe5,
    [0x37] = 0x55, /* keypad *, left Alt, space, Caps Lock */
    [0x38] = 0xe2,
    [0x39] = 0x2c,
    [0x3a] = 0x39,
    [0x3b] = 0x3a, /* F1 to F10 */
    [0x3c] = 0x3b,
    [0x3d] = 0x3c,
    [0x3e] = 0x3d,
    [0x3f] = 0x3e,
    [0x40] = 0x3f,
    [0x41] = 0x40,
    [0x42] = 0x41,
    [0x43] = 0x42,
    [0x44] = 0x43,
    [0x45] = 0x53, /* Num Lock, Scroll Lock */
    [0x46] = 0x47,
    [0x47] = 0x5f, /* keypad: 7 8 9 - 4 5 6 + 1 2 3 0 . */
    [0x48] = 0x60,
    [0x49] = 0x61,
    [0x4a] = 0x56,
    [0x4b] = 0x5c,
    [0x4c] = 0x5d,
    [0x4d] = 0x5e,
    [0x4e] = 0x57,
    [0x4f] = 0x59,
    [0x50] = 0x5a,
    [0x51] = 0x5b,
    [0x52] = 0x62,
    [0x53] = 0x63,
    [0x54] = 0x46, /* SysRq: Print Screen with Alt */
    [0x56] = 0x64, /* the key beside left Shift, F11, F12 */
    [0x57] = 0x44,
    [0x58] = 0x45,
    [0x59] = 0x67, /* keypad = */
    [0x70] = 0x88, /* Japanese and Korean keyboards */
    [0x71] = 0x91,
    [0x72] = 0x90,
    [0x73] = 0x87,
    [0x77] = 0x93,
    [0x79] = 0x8a,
    [0x7b] = 0x8b,
    [0x7d] = 0x89,
    [0x7e] = 0x85,
    [RELEASED | 0x1c] = 0x58, /* keypad Enter, right Ctrl */
    [RELEASED | 0x1d] = 0xe4,
    [RELEASED | 0x20] = 0x7f, /* mute, volume down and up */
    [RELEASED | 0x2e] = 0x81,
    [RELEASED | 0x30] = 0x80,
    [RELEASED | 0x35] = 0x54, /* keypad /, Print Screen, right Alt */
    [RELEASED | 0x37] = 0x46,
    [RELEASED | 0x38] = 0xe6,
    [RELEASED | 0x45] = 0x53,
    [RELEASED | 0x46] = 0x48, /* Pause */
    [RELEASED | 0x47] = 0x4a, /* Home to Delete */
    [RELEASED | 0x48] = 0x52,
    [RELEASED | 0x49] = 0x4b,
    [RELEASED | 0x4b] = 0x50,
    [RELEASED | 0x4d] = 0x4f,
    [RELEASED | 0x4f] = 0x4d,
    [RELEASED | 0x50] = 0x51,
    [RELEASED | 0x51] = 0x4e,
    [RELEASED | 0x52] = 0x49,
    [RELEASED | 0x53] = 0x4c,
    [RELEASED | 0x5b] = 0xe3, /* the logo keys, Menu, Power */
    [RELEASED | 0x5c] = 0xe7,
    [RELEASED | 0x5d] = 0x65,
    [RELEASED | 0x5e] = 0x66,
};

void hid_keyboard_key(Hid *h, uint16_t code, bool down)
{
    unsigned bytes = code >> 8 == PREFIX ? 2 : 1;

    if (h->n + bytes > HID_QUEUE) {
        return;
    }
    if (bytes == 2) {
        h->kbd.keycodes[(h->head + h->n++) % HID_QUEUE] = PREFIX;
    }
    h->kbd.keycodes[(h->head + h->n++) % HID_QUEUE] =
        (code & 0x7f) | (down ? 0 : RELEASED);
}

static void hid_kbd_press(HidKeyboard *k, uint8_t usage)
{
    if (memchr(k->key, usage, k->keys) == NULL && k->keys < HID_KEYS) {
        k->key[k->keys++] = usage;
    }
}

static void hid_kbd_release(HidKeyboard *k, uint8_t usage)
{
    uint8_t *at = memchr(k->key, usage, k->keys);

    if (at != NULL) {
        k->keys--;
        memmove(at, at + 1, k->key + k->keys - at);
        k->key[k->keys] = 0;
    }
}

static void change_key(HidKeyboard *k, uint8_t usage, bool down)
{
    if (usage >= USAGE_MODIFIERS) {
        uint16_t bit = 1u << (usage - USAGE_MODIFIERS);

        k->modifiers = down ? k->modifiers | bit : k->modifiers & ~bit;
    } else if (usage != 0 && down) {
        hid_kbd_press(k, usage);
    } else if (usage != 0) {
        hid_kbd_release(k, usage);
    }
}

/* Up to the byte that says which key it is. */
static void take_key(Hid *h)
{
    HidKeyboard *k = &h->kbd;

    while (h->n > 0) {
        uint32_t code = k->keycodes[h->head];
        bool prefixed = k->modifiers & PREFIX_CAME;

        h->head = (h->head + 1) % HID_QUEUE;
        h->n--;
        if (code == PREFIX) {
            k->modifiers |= PREFIX_CAME;
            continue;
        }
        k->modifiers &= ~PREFIX_CAME;
        change_key(k, usages[(prefixed ? RELEASED : 0) | (code & 0x7f)],
                   !(code & RELEASED));
        return;
    }
}

size_t hid_keyboard_report(Hid *h, uint8_t *buf)
{
    HidKeyboard *k = &h->kbd;

    take_key(h);
    memset(buf, 0, HID_REPORT_MAX);
    buf[0] = k->modifiers & 0xff;
    if (k->keys > REPORT_KEYS) {
        memset(buf + 2, USAGE_ROLL_OVER, REPORT_KEYS);
    } else {
        memcpy(buf + 2, k->key, k->keys);
    }
    return HID_REPORT_MAX;
}

void hid_keyboard_set_leds(Hid *h, uint8_t leds)
{
    h->kbd.leds = leds;
}

static bool keyboard_post_load(void *opaque, int version, GError **errp)
{
    const Hid *h = opaque;

    if (!hid_check(h, errp)) {
        return false;
    }
    if (h->kbd.keys < 0 || h->kbd.keys > HID_KEYS) {
        error_setf(errp, "HID keyboard: %d keys down: at most %d", h->kbd.keys,
                   HID_KEYS);
        return false;
    }
    return true;
}

const Vmstate hid_keyboard_vmstate = {
    .name = "HIDKeyboardDevice",
    .version = 1,
    .oldest = 1,
    .post_load = keyboard_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32_ARRAY(Hid, kbd.keycodes, HID_QUEUE),
            VMSTATE_U32(Hid, head),
            VMSTATE_U32(Hid, n),
            VMSTATE_U16(Hid, kbd.modifiers),
            VMSTATE_U8(Hid, kbd.leds),
            VMSTATE_U8_ARRAY(Hid, kbd.key, HID_KEYS),
            VMSTATE_I32(Hid, kbd.keys),
            VMSTATE_I32(Hid, protocol),
            VMSTATE_U8(Hid, idle),
            VMSTATE_END,
        },
};
