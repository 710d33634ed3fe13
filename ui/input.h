/*
 * Input: from monitors and screens to the guest's keyboards and pointers.
 * vm_lock held for all calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UI_INPUT_H
#define UI_INPUT_H

#include "qapi/qapi-types-ui.h"
#include "system/clock.h"

struct Vm;

/* Bits of a pointer's buttons, as PS/2 has them. */
enum {
    INPUT_LEFT = 1,
    INPUT_RIGHT = 2,
    INPUT_MIDDLE = 4,
    INPUT_SIDE = 8,
    INPUT_EXTRA = 16,
};

#define INPUT_ABS_MAX 0x7fff /* right or lower edge of the screen */

/* What a device does with input; the first one that takes a kind gets it. */
typedef struct InputHandler {
    const char *name; /* as users see it; not copied */
    /* code: of set 1, with 0xe000 added for the prefix 0xe0; NULL: no keys. */
    void (*key)(void *opaque, uint16_t code, bool down);
    /*
     * A pointer has one of both; the wheel turns towards the user.  By a
     * distance, right and down, or to a place, 0 to INPUT_ABS_MAX.
     */
    void (*move)(void *opaque, int dx, int dy, int dz, unsigned buttons);
    void (*place)(void *opaque, int x, int y, int dz, unsigned buttons);
    void *opaque;
    unsigned index; /* given by input_handler_add(), never again */
    GList link;
} InputHandler;

typedef struct Inputs Inputs;

/* Told when input_is_absolute() is another one; both are set by its owner. */
typedef struct InputWatcher {
    void (*changed)(void *opaque, bool absolute);
    void *opaque;
    GList link;
} InputWatcher;

Inputs *inputs_new(struct Vm *vm);
void inputs_free(Inputs *in);
/* Behind those that there are. */
void input_handler_add(Inputs *in, InputHandler *h);
/* Fine for one that wasn't added. */
void input_handler_del(Inputs *in, InputHandler *h);
/* The guest uses it, or the user wants it: it comes first. */
void input_handler_activate(Inputs *in, InputHandler *h);
/* The guest has forgotten it: it comes last. */
void input_handler_deactivate(Inputs *in, InputHandler *h);
static inline bool input_handler_is_pointer(const InputHandler *h)
{
    return h->move != NULL || h->place != NULL;
}
/* By its index; NULL: there is none. */
InputHandler *input_handler_find(Inputs *in, unsigned index);
/* Those that there are, InputHandler: the first one comes first. */
const GQueue *input_handlers(const Inputs *in);

void input_watcher_add(Inputs *in, InputWatcher *w);
void input_watcher_del(Inputs *in, InputWatcher *w);
/* Does the pointer that comes first take places? */
bool input_is_absolute(const Inputs *in);

/* Does the guest run, and so take input?  Else what is sent is dropped. */
bool input_wanted(const Inputs *in);
void input_key(Inputs *in, uint16_t code, bool down);
/* Moves and turns the wheel: told at the next input_sync(). */
void input_move(Inputs *in, int dx, int dy, int dz);
/*
 * Puts the pointer to a place along one axis, 0 to INPUT_ABS_MAX, told by
 * input_sync().  False: no device takes places.
 */
bool input_place(Inputs *in, InputAxis axis, int to);
void input_button(Inputs *in, unsigned button, bool down);
void input_sync(Inputs *in);
/*
 * Presses keys in their order, and lets go of them after hold_ms of the
 * guest's time; behind what was asked for before.
 */
bool input_send_keys(Inputs *in, const uint16_t *codes, unsigned n,
                     unsigned hold_ms, GError **errp);

/* The key's code of set 1, 0xe000 added for the prefix; 0: there is none. */
uint16_t key_code_set1(QKeyCode key);

#endif
