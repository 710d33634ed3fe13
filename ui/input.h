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
};

/* What a device does with input; the last one that takes a kind gets it. */
typedef struct InputHandler {
    /* code: of set 1, with 0xe000 added for the prefix 0xe0; NULL: no keys. */
    void (*key)(void *opaque, uint16_t code, bool down);
    /* Right and down; the wheel: towards the user.  NULL: no pointer. */
    void (*move)(void *opaque, int dx, int dy, int dz, unsigned buttons);
    void *opaque;
    GList link;
} InputHandler;

typedef struct Inputs Inputs;

Inputs *inputs_new(struct Vm *vm);
void inputs_free(Inputs *in);
void input_handler_add(Inputs *in, InputHandler *h);
/* Fine for one that wasn't added. */
void input_handler_del(Inputs *in, InputHandler *h);

/* Does the guest run, and so take input?  Else what is sent is dropped. */
bool input_wanted(const Inputs *in);
void input_key(Inputs *in, uint16_t code, bool down);
/* Moves and turns the wheel: told at the next input_sync(). */
void input_move(Inputs *in, int dx, int dy, int dz);
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
