/*
 * What PS/2 keyboard and mouse have in common: the queue of bytes to send.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_PS2_PRIV_H
#define HW_ISA_PS2_PRIV_H

#include "hw/isa/ps2.h"
#include "ui/input.h"

#define PS2_BUFFER 256 /* of the ring */
#define PS2_EVENTS 16  /* bytes of input that a device holds */

enum {
    PS2_ACK = 0xfa,
    PS2_RESEND = 0xfe,
    PS2_TEST_OK = 0xaa,
};

/*
 * data:  [ replies | events ]   replies go before all events
 *          ^rptr    ^cwptr  ^wptr
 */
typedef struct Ps2Queue {
    uint8_t data[PS2_BUFFER];
    int32_t rptr, wptr; /* 0..255 */
    int32_t count;      /* 0..256 */
    int32_t cwptr;      /* end of the replies; -1: there are none */
} Ps2Queue;

typedef struct Ps2 {
    Device dev;
    IrqLine out;
    int32_t write_cmd; /* command that waits for its data; -1 */
    Ps2Queue queue;
    InputHandler input;
} Ps2;

extern const Vmstate vmstate_ps2;

/* Takes input from now on; a device's unrealize() ends it. */
void ps2_take_input(Ps2 *s);
void ps2_unrealize(Device *dev);
void ps2_reset(Ps2 *s);
void ps2_clear(Ps2 *s);
/* Events are dropped when the device is full; replies never are. */
bool ps2_room(const Ps2 *s, unsigned n);
void ps2_queue(Ps2 *s, const uint8_t *b, unsigned n);
/* Replies of the keyboard overtake its events; the mouse's don't. */
void ps2_reply_first(Ps2 *s, const uint8_t *b, unsigned n);
bool ps2_check(const Ps2 *s, GError **errp);

void ps2_kbd_write(Ps2 *ps2, uint8_t val);
void ps2_mouse_write(Ps2 *ps2, uint8_t val);

#endif
