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
    GQueue handlers; /* InputHandler, who is asked first */
    unsigned last_index;
    GQueue watchers; /* InputWatcher */
    bool absolute;   /* as the watchers know it */
    GQueue steps;    /* KeyStep */
    Timer timer;     /* armed while there are steps */
    int dx, dy, dz;  /* not told yet */
    int x, y;        /* where a pointer was put last */
    unsigned buttons;
    bool moved, placed, clicked; /* not told yet */
};

static void input_arm(Inputs *in)
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
    input_arm(in);
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

static InputHandler *first_pointer(const Inputs *in, bool moves, bool places)
{
    for (GList *l = in->handlers.head; l; l = l->next) {
        InputHandler *h = l->data;

        if ((moves && h->move) || (places && h->place)) {
            return h;
        }
    }
    return NULL;
}

bool input_is_absolute(const Inputs *in)
{
    const InputHandler *h = first_pointer(in, true, true);

    return h && h->place;
}

void input_watcher_add(Inputs *in, InputWatcher *w)
{
    g_queue_push_tail_link(&in->watchers, &w->link);
}

void input_watcher_del(Inputs *in, InputWatcher *w)
{
    g_queue_unlink(&in->watchers, &w->link);
}

/* After each change of the handlers. */
static void tell_watchers(Inputs *in)
{
    bool absolute = input_is_absolute(in);

    if (absolute == in->absolute) {
        return;
    }
    in->absolute = absolute;
    for (GList *l = in->watchers.head; l; l = l->next) {
        InputWatcher *w = container_of(l, InputWatcher, link);

        w->changed(w->opaque, absolute);
    }
}

static bool is_added(Inputs *in, InputHandler *h)
{
    return in && g_queue_link_index(&in->handlers, &h->link) >= 0;
}

void input_handler_add(Inputs *in, InputHandler *h)
{
    h->index = ++in->last_index;
    h->link.data = h;
    g_queue_push_tail_link(&in->handlers, &h->link);
    tell_watchers(in);
}

void input_handler_del(Inputs *in, InputHandler *h)
{
    if (is_added(in, h)) {
        g_queue_unlink(&in->handlers, &h->link);
        tell_watchers(in);
    }
}

void input_handler_activate(Inputs *in, InputHandler *h)
{
    if (is_added(in, h)) {
        g_queue_unlink(&in->handlers, &h->link);
        g_queue_push_head_link(&in->handlers, &h->link);
        tell_watchers(in);
    }
}

void input_handler_deactivate(Inputs *in, InputHandler *h)
{
    if (is_added(in, h)) {
        g_queue_unlink(&in->handlers, &h->link);
        g_queue_push_tail_link(&in->handlers, &h->link);
        tell_watchers(in);
    }
}

InputHandler *input_handler_find(Inputs *in, unsigned index)
{
    for (GList *l = in->handlers.head; l; l = l->next) {
        InputHandler *h = l->data;

        if (h->index == index) {
            return h;
        }
    }
    return NULL;
}

const GQueue *input_handlers(const Inputs *in)
{
    return &in->handlers;
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
    for (GList *l = in->handlers.head; l; l = l->next) {
        InputHandler *h = l->data;

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
    in->moved |= dx != 0 || dy != 0;
}

bool input_place(Inputs *in, InputAxis axis, int to)
{
    if (!first_pointer(in, false, true)) {
        return false;
    }
    *(axis == INPUT_AXIS_X ? &in->x : &in->y) = CLAMP(to, 0, INPUT_ABS_MAX);
    in->placed = true;
    return true;
}

void input_button(Inputs *in, unsigned button, bool down)
{
    in->buttons = down ? in->buttons | button : in->buttons & ~button;
    in->clicked = true;
}

/*
 * Distances and places go to the first that takes them; buttons and the wheel
 * to the first of all pointers, alone if need be.
 */
static void tell_pointers(Inputs *in)
{
    InputHandler *mover = first_pointer(in, true, false);
    InputHandler *placer = first_pointer(in, false, true);
    InputHandler *first = first_pointer(in, true, true);
    bool moved = in->moved, placed = in->placed;

    if (!first) {
        return;
    }
    if (in->dz != 0 || in->clicked) {
        moved |= first == mover;
        placed |= first == placer;
    }
    if (moved && mover) {
        bool all = mover == first;

        mover->move(mover->opaque, in->dx, in->dy, all ? in->dz : 0,
                    all ? in->buttons : 0);
    }
    if (placed && placer) {
        bool all = placer == first;

        placer->place(placer->opaque, in->x, in->y, all ? in->dz : 0,
                      all ? in->buttons : 0);
    }
}

void input_sync(Inputs *in)
{
    if (input_wanted(in)) {
        tell_pointers(in);
    }
    in->dx = in->dy = in->dz = 0;
    in->moved = in->placed = in->clicked = false;
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
        input_arm(in);
    }
    return true;
}
