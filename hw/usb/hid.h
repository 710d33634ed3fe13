/*
 * Human interface devices: what waits to be reported of a pointer or a
 * keyboard, and the reports.
 *
 * (Device Class Definition for HID 1.11; HID Usage Tables 1.12.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_USB_HID_H
#define HW_USB_HID_H

#include "vmstate/vmstate.h"

#define HID_QUEUE      16
#define HID_REPORT_MAX 8 /* bytes of the longest */
#define HID_KEYS       16

/* A movement (or place), with the buttons that are down. */
typedef struct HidPointerEvent {
    int32_t xdx, ydy;
    int32_t dz; /* towards the user */
    int32_t buttons_state;
} HidPointerEvent;

/*
 * `n` events wait, from `head` on.  The entry behind them holds where the
 * pointer is then, and its buttons, with nothing that has moved.
 */
typedef struct HidPointer {
    HidPointerEvent queue[HID_QUEUE];
    bool absolute;
} HidPointer;

typedef struct HidKeyboard {
    uint32_t keycodes[HID_QUEUE]; /* bytes of set 1 */
    uint16_t modifiers; /* as in reports; bit 8: the prefix 0xe0 came */
    uint8_t leds;
    uint8_t key[HID_KEYS]; /* usages that are down, as they were pressed */
    int32_t keys;
} HidKeyboard;

typedef struct Hid {
    bool is_keyboard;
    HidPointer ptr;
    HidKeyboard kbd;
    uint32_t head, n;
    int32_t protocol; /* 0: boot, 1: report (7.2.6) */
    uint8_t idle;     /* unit: 4 ms; 0: reports come with changes only */
} Hid;

void hid_reset(Hid *h);
/* Something waits to be reported. */
static inline bool hid_has_events(const Hid *h)
{
    return h->n > 0;
}
/* Input; a queue that is full forgets the oldest distances, never a place. */
void hid_pointer_move(Hid *h, int x, int y, int dz, unsigned buttons);
/* code: as of InputHandler.key.  Without room it is dropped. */
void hid_keyboard_key(Hid *h, uint16_t code, bool down);
/*
 * Takes the next event, if there is one, and makes the report: at most
 * HID_REPORT_MAX bytes.
 */
size_t hid_report(Hid *h, uint8_t *buf);
/* The keyboard's output report: its lights. */
void hid_keyboard_set_leds(Hid *h, uint8_t leds);

/* "HIDPointerDevice" and "HIDKeyboardDevice", version 1. */
extern const Vmstate hid_pointer_vmstate, hid_keyboard_vmstate;

#endif
