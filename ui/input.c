/*
 * Input: routes keys and movements to the guest's devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/input.h"

#include "system/vm.h"
#include "util/error.h"

enum { QUEUE_MAX = 1024 };

/* A key of input_send_keys() that waits. */
typedef struct KeyStep {
    uint16_t code;
    bool down;
    unsigned wait_ms; /* before it */
} KeyStep;

struct Inputs {
    Vm *vm;
    GQueue handlers; /* InputHandler, as they were added */
    GQueue steps;    /* KeyStep */
    Timer timer;     /* armed while there are steps */
    int dx, dy, dz;  /* not told yet */
    unsigned buttons;
    bool moved;
};

static void arm(Inputs *in)
{
    const KeyStep *s = g_queue_peek_head(&in->steps);

    if (s) {
        timer_mod(&in->timer, clock_get_ns(in->vm->clocks, CLOCK_TYPE_VIRTUAL) +
                                  s->wait_ms * NS_PER_MS);
    }
}

static void next_steps(void *opaque)
{
    Inputs *in = opaque;
    KeyStep *s = g_queue_pop_head(&in->steps);

    while (s) {
        input_key(in, s->code, s->down);
        g_free(s);
        s = g_queue_peek_head(&in->steps);
        if (s && s->wait_ms > 0) {
            break;
        }
        s = g_queue_pop_head(&in->steps);
    }
    arm(in);
}

Inputs *inputs_new(Vm *vm)
{
    Inputs *in = g_new0(Inputs, 1);

    in->vm = vm;
    timer_init(&in->timer, vm->clocks, CLOCK_TYPE_VIRTUAL, next_steps, in);
    return in;
}

void inputs_free(Inputs *in)
{
    if (!in) {
        return;
    }
    timer_del(&in->timer);
    g_queue_clear_full(&in->steps, g_free);
    g_free(in);
}

void input_handler_add(Inputs *in, InputHandler *h)
{
    g_queue_push_tail_link(&in->handlers, &h->link);
}

void input_handler_del(Inputs *in, InputHandler *h)
{
    if (in && g_queue_link_index(&in->handlers, &h->link) >= 0) {
        g_queue_unlink(&in->handlers, &h->link);
    }
}

bool input_wanted(const Inputs *in)
{
    return in->vm->run_state == RUN_STATE_RUNNING ||
           in->vm->run_state == RUN_STATE_SUSPENDED;
}

void input_key(Inputs *in, uint16_t code, bool down)
{
    if (code == 0 || !input_wanted(in)) {
        return;
    }
    for (GList *l = in->handlers.tail; l; l = l->prev) {
        InputHandler *h = container_of(l, InputHandler, link);

        if (h->key) {
            h->key(h->opaque, code, down);
            return;
        }
    }
}

void input_move(Inputs *in, int dx, int dy, int dz)
{
    in->dx = CLAMP(in->dx + (int64_t)dx, INT16_MIN, INT16_MAX);
    in->dy = CLAMP(in->dy + (int64_t)dy, INT16_MIN, INT16_MAX);
    in->dz = CLAMP(in->dz + (int64_t)dz, INT16_MIN, INT16_MAX);
    in->moved = true;
}

void input_button(Inputs *in, unsigned button, bool down)
{
    in->buttons = down ? in->buttons | button : in->buttons & ~button;
    in->moved = true;
}

void input_sync(Inputs *in)
{
    bool tell = in->moved && input_wanted(in);

    for (GList *l = in->handlers.tail; l && tell; l = l->prev) {
        InputHandler *h = container_of(l, InputHandler, link);

        if (h->move) {
            h->move(h->opaque, in->dx, in->dy, in->dz, in->buttons);
            tell = false;
        }
    }
    in->dx = in->dy = in->dz = 0;
    in->moved = false;
}

static void add_step(Inputs *in, uint16_t code, bool down, unsigned wait_ms)
{
    KeyStep *s = g_new(KeyStep, 1);

    *s = (KeyStep){ code, down, wait_ms };
    g_queue_push_tail(&in->steps, s);
}

bool input_send_keys(Inputs *in, const uint16_t *codes, unsigned n,
                     unsigned hold_ms, GError **errp)
{
    bool idle = in->steps.length == 0;

    if (!input_wanted(in)) {
        return true;
    }
    if (n > QUEUE_MAX || in->steps.length + 2 * n > QUEUE_MAX) {
        error_setf(errp, "%u keys: too many wait to be sent, at most %d", n,
                   QUEUE_MAX / 2);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (idle) {
            input_key(in, codes[i], true);
        } else {
            add_step(in, codes[i], true, i == 0 ? hold_ms : 0);
        }
    }
    for (unsigned i = n; i-- > 0;) {
        add_step(in, codes[i], false, i == n - 1 ? hold_ms : 0);
    }
    if (idle) {
        arm(in);
    }
    return true;
}
