/*
 * Input of VNC clients, to the guest: in the main thread, under vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/input.h"
#include "ui/vnc-priv.h"

#include "system/vm.h"

enum {
    TURN_INPUTS = 64,       /* at most in one turn of the main loop … */
    TURN_MS = 5,            /* … and then not for so long */
    RELATIVE_ZERO = 0x7fff, /* of a client that was told to send distances */
};

/* Buttons as RFB numbers them (RFC 6143, 7.5.5). */
enum {
    RFB_LEFT = 1,
    RFB_MIDDLE = 2,
    RFB_RIGHT = 4,
    RFB_WHEEL_UP = 8,
    RFB_WHEEL_DOWN = 16,
};

static Inputs *inputs_of(VncClient *c)
{
    return consoles_inputs(c->server->vm->consoles);
}

static unsigned key_bit(uint16_t code)
{
    return (code & 0x7f) | (code & 0xe000 ? 0x80 : 0);
}

static void pass_key(VncClient *c, const VncInput *e)
{
    unsigned bit = key_bit(e->code);

    if (e->down) {
        c->keys[bit / 8] |= 1 << bit % 8;
    } else {
        c->keys[bit / 8] &= ~(1 << bit % 8);
    }
    input_key(inputs_of(c), e->code, e->down);
}

static void pass_buttons(VncClient *c, uint8_t buttons)
{
    static const struct {
        uint8_t rfb;
        unsigned button;
    } map[] = { { RFB_LEFT, INPUT_LEFT },
                { RFB_MIDDLE, INPUT_MIDDLE },
                { RFB_RIGHT, INPUT_RIGHT } };
    uint8_t changed = buttons ^ c->buttons, pressed = changed & buttons;
    Inputs *in = inputs_of(c);

    for (size_t i = 0; i < G_N_ELEMENTS(map); i++) {
        if (changed & map[i].rfb) {
            input_button(in, map[i].button, buttons & map[i].rfb);
        }
    }
    if (pressed & (RFB_WHEEL_UP | RFB_WHEEL_DOWN)) {
        input_move(in, 0, 0,
                   !!(pressed & RFB_WHEEL_DOWN) - !!(pressed & RFB_WHEEL_UP));
    }
    c->buttons = buttons;
}

/* Of `size` pixels, to 0 … INPUT_ABS_MAX. */
static unsigned vnc_input_scale(unsigned at, unsigned size)
{
    return size > 1 ? MIN(at, size - 1) * (uint64_t)INPUT_ABS_MAX / (size - 1)
                    : 0;
}

static void pass_pointer(VncClient *c, const VncInput *e)
{
    Inputs *in = inputs_of(c);

    pass_buttons(c, e->buttons);
    if (input_is_absolute(in)) {
        input_place(in, INPUT_AXIS_X, vnc_input_scale(e->x, e->width));
        input_place(in, INPUT_AXIS_Y, vnc_input_scale(e->y, e->height));
    } else if (e->relative) {
        input_move(in, e->x - RELATIVE_ZERO, e->y - RELATIVE_ZERO, 0);
    } else if (c->has_place) {
        input_move(in, e->x - c->x, e->y - c->y, 0);
    }
    c->has_place = !e->relative;
    c->x = e->x;
    c->y = e->y;
    input_sync(in);
}

static bool take_input(VncClient *c, VncInput *ret_e)
{
    LOCK_GUARD(&c->lock);
    if (c->ninputs == 0) {
        return false;
    }
    *ret_e = c->inputs[c->first_input];
    c->first_input = (c->first_input + 1) % VNC_INPUTS;
    c->ninputs--;
    cond_signal(&c->inputs_cond);
    return true;
}

void vnc_input_pump(void *client)
{
    VncClient *c = client;
    uint64_t wait_ms = TURN_MS;
    VncInput e;

    for (unsigned i = 0; i < TURN_INPUTS; i++) {
        if (!take_input(c, &e)) {
            return;
        }
        if (!e.is_key) {
            pass_pointer(c, &e);
            continue;
        }
        /* A keyboard's queue is short. */
        pass_key(c, &e);
        wait_ms = c->server->o->key_delay_ms;
        if (wait_ms > 0) {
            break;
        }
    }
    timer_mod(&c->pump, clock_get_ns(c->pump.clocks, CLOCK_TYPE_REALTIME) +
                            wait_ms * NS_PER_MS);
}

void vnc_input_init(VncClient *c)
{
    timer_init(&c->pump, c->server->vm->clocks, CLOCK_TYPE_REALTIME,
               vnc_input_pump, c);
}

void vnc_input_release(VncClient *c)
{
    for (unsigned bit = 0; bit < VNC_KEY_CODES; bit++) {
        if (c->keys[bit / 8] & 1 << bit % 8) {
            input_key(inputs_of(c), bit & 0x80 ? 0xe000 | (bit & 0x7f) : bit,
                      false);
        }
    }
    memset(c->keys, 0, sizeof(c->keys));
    if (c->buttons != 0) {
        pass_buttons(c, 0);
        input_sync(inputs_of(c));
    }
}
