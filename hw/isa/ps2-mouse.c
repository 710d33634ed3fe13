/*
 * PS/2 mouse with wheel and five buttons, once the guest asks for them.
 *
 * Commands: IBM PS/2 Hardware Interface Technical Reference, "Auxiliary
 * Device"; wheel: Microsoft "Intellimouse PS/2 protocol" as in its hardware
 * notes of 1998 (rates 200, 100, 80 and 200, 200, 80 in a row).
 * Stream: "ps2mouse" version 2, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/ps2-priv.h"

enum {
    AUX_SCALE11 = 0xe6,
    AUX_SCALE21 = 0xe7,
    AUX_RESOLUTION = 0xe8,
    AUX_STATUS = 0xe9,
    AUX_STREAM = 0xea,
    AUX_POLL = 0xeb,
    AUX_NO_WRAP = 0xec,
    AUX_WRAP = 0xee,
    AUX_REMOTE = 0xf0,
    AUX_IDENTIFY = 0xf2,
    AUX_RATE = 0xf3,
    AUX_ENABLE = 0xf4,
    AUX_DISABLE = 0xf5,
    AUX_DEFAULTS = 0xf6,
    AUX_RESET = 0xff,
};

enum {
    STATUS_SCALE21 = 1 << 4,
    STATUS_ENABLED = 1 << 5,
    STATUS_REMOTE = 1 << 6,
};

/* mouse_type: the identification byte. */
enum { TYPE_PS2 = 0, TYPE_WHEEL = 3, TYPE_FIVE = 4 };

typedef struct Ps2Mouse {
    Ps2 parent_obj;
    uint8_t mouse_status;
    uint8_t mouse_resolution;  /* log2 of counts per mm */
    uint8_t mouse_sample_rate; /* per second */
    uint8_t mouse_wrap;
    uint8_t mouse_type;
    uint8_t mouse_detect_state; /* how far into a row of magic rates */
    int32_t mouse_dx, mouse_dy, mouse_dz; /* moved and not sent yet */
    uint8_t mouse_buttons;
} Ps2Mouse;

#define MOUSE(ps2_)        container_of(ps2_, Ps2Mouse, parent_obj)
#define DEVICE_MOUSE(dev_) container_of(dev_, Ps2Mouse, parent_obj.dev)
#define MOUSE_MAX_MOVE     127 /* per packet */

static void mouse_send(Ps2Mouse *s, uint8_t b)
{
    ps2_queue(&s->parent_obj, &b, 1);
}

static void mouse_packet(Ps2Mouse *s)
{
    int dx = CLAMP(s->mouse_dx, -MOUSE_MAX_MOVE, MOUSE_MAX_MOVE);
    int dy = CLAMP(s->mouse_dy, -MOUSE_MAX_MOVE, MOUSE_MAX_MOVE);
    int dz = CLAMP(s->mouse_dz, -8, 7);
    uint8_t b[4] = {
        1 << 3 | (dx < 0) << 4 | (dy < 0) << 5 | (s->mouse_buttons & 7),
        dx,
        dy,
        dz,
    };

    if (s->mouse_type == TYPE_FIVE) {
        b[3] = (dz & 0xf) | (s->mouse_buttons & 0x18) << 1;
    }
    s->mouse_dx -= dx;
    s->mouse_dy -= dy;
    s->mouse_dz = s->mouse_type == TYPE_PS2 ? 0 : s->mouse_dz - dz;
    ps2_queue(&s->parent_obj, b, s->mouse_type == TYPE_PS2 ? 3 : 4);
}

static void mouse_defaults(Ps2Mouse *s)
{
    s->mouse_sample_rate = 100;
    s->mouse_resolution = 2;
    s->mouse_status = 0;
    s->mouse_wrap = 0;
    s->mouse_detect_state = 0;
    s->mouse_dx = s->mouse_dy = s->mouse_dz = 0;
}

static void mouse_set_rate(Ps2Mouse *s, uint8_t rate)
{
    s->mouse_sample_rate = rate;
    switch (s->mouse_detect_state) {
    case 1: /* 200 came */
        s->mouse_detect_state = rate == 100 ? 2 : rate == 200 ? 3 : 0;
        break;
    case 2: /* 200, 100 */
    case 3: /* 200, 200 */
        if (rate == 80) {
            s->mouse_type = s->mouse_detect_state == 2 ? TYPE_WHEEL : TYPE_FIVE;
        }
        s->mouse_detect_state = 0;
        break;
    default:
        s->mouse_detect_state = rate == 200 ? 1 : 0;
        break;
    }
}

static void mouse_status(Ps2Mouse *s)
{
    const uint8_t b[] = { PS2_ACK,
                          s->mouse_status | (s->mouse_buttons & 1) << 2 |
                              (s->mouse_buttons & 4) >> 1 |
                              (s->mouse_buttons & 2) >> 1,
                          s->mouse_resolution, s->mouse_sample_rate };

    ps2_queue(&s->parent_obj, b, sizeof(b));
}

static void mouse_command(Ps2Mouse *s, uint8_t cmd)
{
    switch (cmd) {
    case AUX_SCALE11:
        s->mouse_status &= ~STATUS_SCALE21;
        break;
    case AUX_SCALE21:
        s->mouse_status |= STATUS_SCALE21;
        break;
    case AUX_RESOLUTION:
    case AUX_RATE:
        s->parent_obj.write_cmd = cmd;
        break;
    case AUX_STATUS:
        mouse_status(s);
        return;
    case AUX_STREAM:
        s->mouse_status &= ~STATUS_REMOTE;
        break;
    case AUX_POLL:
        mouse_send(s, PS2_ACK);
        mouse_packet(s);
        return;
    case AUX_WRAP:
        s->mouse_wrap = 1;
        break;
    case AUX_REMOTE:
        s->mouse_status |= STATUS_REMOTE;
        break;
    case AUX_IDENTIFY:
        mouse_send(s, PS2_ACK);
        mouse_send(s, s->mouse_type);
        return;
    case AUX_ENABLE:
        s->mouse_status |= STATUS_ENABLED;
        break;
    case AUX_DISABLE:
        s->mouse_status &= ~STATUS_ENABLED;
        break;
    case AUX_DEFAULTS:
        mouse_defaults(s);
        break;
    case AUX_RESET:
        mouse_defaults(s);
        s->mouse_type = TYPE_PS2;
        ps2_clear(&s->parent_obj);
        mouse_send(s, PS2_ACK);
        mouse_send(s, PS2_TEST_OK);
        mouse_send(s, s->mouse_type);
        return;
    case AUX_NO_WRAP: /* means nothing outside of wrap mode */
        return;
    default:
        mouse_send(s, PS2_RESEND);
        return;
    }
    mouse_send(s, PS2_ACK);
}

void ps2_mouse_write(Ps2 *ps2, uint8_t val)
{
    Ps2Mouse *s = MOUSE(ps2);
    int32_t cmd = ps2->write_cmd;

    ps2->write_cmd = -1;
    if (cmd == AUX_RATE) {
        mouse_set_rate(s, val);
        mouse_send(s, PS2_ACK);
    } else if (cmd == AUX_RESOLUTION) {
        s->mouse_resolution = val;
        mouse_send(s, PS2_ACK);
    } else if (!s->mouse_wrap || val == AUX_RESET) {
        mouse_command(s, val);
    } else if (val == AUX_NO_WRAP) {
        s->mouse_wrap = 0;
        mouse_send(s, PS2_ACK);
    } else {
        mouse_send(s, val);
    }
}

static int32_t add_clamped(int32_t a, int b)
{
    return CLAMP((int64_t)a + b, -0x10000, 0x10000);
}

void ps2_mouse_move(Device *mouse, int dx, int dy, int dz, uint8_t buttons)
{
    Ps2 *ps2 = DEVICE_CAST(Ps2, mouse);
    Ps2Mouse *s = MOUSE(ps2);
    bool click = buttons != s->mouse_buttons;

    s->mouse_buttons = buttons;
    if (!(s->mouse_status & STATUS_ENABLED)) {
        return;
    }
    s->mouse_dx = add_clamped(s->mouse_dx, dx);
    s->mouse_dy = add_clamped(s->mouse_dy, dy);
    s->mouse_dz = add_clamped(s->mouse_dz, dz);
    if (s->mouse_status & STATUS_REMOTE) {
        return;
    }
    while ((click || s->mouse_dx || s->mouse_dy || s->mouse_dz) &&
           ps2_room(ps2, 4)) {
        mouse_packet(s);
        click = false;
    }
}

/* Input counts down the screen, the mouse up the table. */
static void mouse_input(void *opaque, int dx, int dy, int dz, unsigned buttons)
{
    ps2_mouse_move(&((Ps2 *)opaque)->dev, dx, -dy, dz, buttons);
}

static bool mouse_realize(Device *dev, GError **errp)
{
    Ps2 *ps2 = DEVICE_CAST(Ps2, dev);

    ps2->input.name = "QEMU PS/2 Mouse";
    ps2->input.move = mouse_input;
    ps2_take_input(ps2);
    irq_out_init(dev, &DEVICE_CAST(Ps2, dev)->out, "");
    return true;
}

static void mouse_reset(Device *dev)
{
    Ps2Mouse *s = DEVICE_MOUSE(dev);

    ps2_reset(&s->parent_obj);
    mouse_defaults(s);
    s->mouse_type = TYPE_PS2;
    s->mouse_buttons = 0;
}

static bool mouse_pre_load(void *opaque, GError **errp)
{
    ((Ps2Mouse *)opaque)->parent_obj.queue.cwptr = -1;
    return true;
}

static bool mouse_post_load(void *opaque, int version, GError **errp)
{
    Ps2Mouse *s = opaque;

    if (!ps2_check(&s->parent_obj, errp)) {
        return false;
    }
    s->mouse_dx = add_clamped(s->mouse_dx, 0);
    s->mouse_dy = add_clamped(s->mouse_dy, 0);
    s->mouse_dz = add_clamped(s->mouse_dz, 0);
    s->parent_obj.out.level = s->parent_obj.queue.count > 0;
    return true;
}

static const Vmstate mouse_vmstate = {
    .name = "ps2mouse",
    .version = 2,
    .oldest = 2,
    .pre_load = mouse_pre_load,
    .post_load = mouse_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT(Ps2Mouse, parent_obj, vmstate_ps2, 3),
            VMSTATE_U8(Ps2Mouse, mouse_status),
            VMSTATE_U8(Ps2Mouse, mouse_resolution),
            VMSTATE_U8(Ps2Mouse, mouse_sample_rate),
            VMSTATE_U8(Ps2Mouse, mouse_wrap),
            VMSTATE_U8(Ps2Mouse, mouse_type),
            VMSTATE_U8(Ps2Mouse, mouse_detect_state),
            VMSTATE_I32(Ps2Mouse, mouse_dx),
            VMSTATE_I32(Ps2Mouse, mouse_dy),
            VMSTATE_I32(Ps2Mouse, mouse_dz),
            VMSTATE_U8(Ps2Mouse, mouse_buttons),
            VMSTATE_END,
        },
};

const DeviceType ps2_mouse_type = {
    .name = "ps2-mouse",
    .parent = "ps2-device",
    .size = sizeof(Ps2Mouse),
    .bus = BUS_SYSTEM,
    .realize = mouse_realize,
    .unrealize = ps2_unrealize,
    .reset = mouse_reset,
    .vmstate = &mouse_vmstate,
};
