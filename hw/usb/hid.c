/*
 * Human interface devices: pointers.  What input brings in between two
 * reports is added up, as long as no button changes.
 *
 * Stream: "HIDPointerDevice" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/hid-priv.h"

#include "util/bswap.h"
#include "util/error.h"

enum {
    STEP_MAX = 127, /* in one report */
    ADDED_MAX = 0x10000,
    PLACE_MAX = 0x7fff,
    MOUSE_BUTTONS = 0x1f,
    TABLET_BUTTONS = 0x07,
};

static HidPointerEvent *event_at(Hid *h, unsigned n)
{
    return &h->ptr.queue[(h->head + n) % HID_QUEUE];
}

void hid_reset(Hid *h)
{
    memset(h->ptr.queue, 0, sizeof(h->ptr.queue));
    memset(&h->kbd, 0, sizeof(h->kbd));
    h->head = h->n = 0;
    h->protocol = 1;
    h->idle = 0;
}

/* What comes next starts where this event ends. */
static void set_base(Hid *h)
{
    HidPointerEvent *last = event_at(h, h->n - 1), *base = event_at(h, h->n);

    *base = (HidPointerEvent){ .buttons_state = last->buttons_state };
    if (h->ptr.absolute) {
        base->xdx = last->xdx;
        base->ydy = last->ydy;
    }
}

static int32_t add_clamped(int32_t a, int b)
{
    return CLAMP((int64_t)a + b, -ADDED_MAX, ADDED_MAX);
}

void hid_pointer_move(Hid *h, int x, int y, int dz, unsigned buttons)
{
    HidPointerEvent *e;

    buttons &= h->ptr.absolute ? TABLET_BUTTONS : MOUSE_BUTTONS;
    /* The first always is a new one: what was told stays told. */
    if (h->n == 0 ||
        (h->n < HID_QUEUE - 1 &&
         event_at(h, h->n - 1)->buttons_state != (int32_t)buttons)) {
        h->n++;
        event_at(h, h->n - 1)->dz = 0;
    }
    e = event_at(h, h->n - 1);
    if (h->ptr.absolute) {
        e->xdx = CLAMP(x, 0, PLACE_MAX);
        e->ydy = CLAMP(y, 0, PLACE_MAX);
    } else {
        e->xdx = add_clamped(e->xdx, x);
        e->ydy = add_clamped(e->ydy, y);
    }
    e->dz = add_clamped(e->dz, dz);
    e->buttons_state = buttons;
    set_base(h);
}

/* As much as a report can say; the rest stays. */
static int take_step(int32_t *left)
{
    int step = CLAMP(*left, -STEP_MAX, STEP_MAX);

    *left -= step;
    return step;
}

/* Button, X, Y, wheel away from the user; the boot protocol has no wheel. */
static size_t pointer_report(Hid *h, uint8_t *buf)
{
    HidPointerEvent *e = event_at(h, 0);
    int dx = 0, dy = 0, dz = take_step(&e->dz);
    bool all;

    buf[0] = e->buttons_state;
    if (h->ptr.absolute) {
        stw_le_p(buf + 1, e->xdx);
        stw_le_p(buf + 3, e->ydy);
        buf[5] = -dz;
        all = e->dz == 0;
    } else {
        dx = take_step(&e->xdx);
        dy = take_step(&e->ydy);
        buf[1] = dx;
        buf[2] = dy;
        buf[3] = -dz;
        all = e->xdx == 0 && e->ydy == 0 && e->dz == 0;
    }
    if (h->n > 0 && all) {
        h->head = (h->head + 1) % HID_QUEUE;
        h->n--;
    }
    return h->ptr.absolute ? 6 : h->protocol == 0 ? 3 : 4;
}

size_t hid_report(Hid *h, uint8_t *buf)
{
    return h->is_keyboard ? hid_keyboard_report(h, buf)
                          : pointer_report(h, buf);
}

/* State */

bool hid_check(const Hid *h, GError **errp)
{
    if (h->head >= HID_QUEUE || h->n > HID_QUEUE) {
        error_setf(errp, "HID queue: %u events from %u on: at most %d", h->n,
                   h->head, HID_QUEUE);
        return false;
    }
    return true;
}

static bool pointer_post_load(void *opaque, int version, GError **errp)
{
    Hid *h = opaque;

    if (!hid_check(h, errp)) {
        return false;
    }
    /* A full queue has no entry for the base: the last two become one. */
    if (h->n == HID_QUEUE) {
        h->n--;
        set_base(h);
    }
    return true;
}

static const Vmstate event_vmstate = {
    .name = "HIDPointerEventQueue",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_I32(HidPointerEvent, xdx),
            VMSTATE_I32(HidPointerEvent, ydy),
            VMSTATE_I32(HidPointerEvent, dz),
            VMSTATE_I32(HidPointerEvent, buttons_state),
            VMSTATE_END,
        },
};

const Vmstate hid_pointer_vmstate = {
    .name = "HIDPointerDevice",
    .version = 1,
    .oldest = 1,
    .post_load = pointer_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT_ARRAY(Hid, ptr.queue, HID_QUEUE, event_vmstate, 0),
            VMSTATE_U32(Hid, head),
            VMSTATE_U32(Hid, n),
            VMSTATE_I32(Hid, protocol),
            VMSTATE_U8(Hid, idle),
            VMSTATE_END,
        },
};
