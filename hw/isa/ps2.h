/*
 * PS/2 keyboard and mouse.  vm_lock held for all calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_PS2_H
#define HW_ISA_PS2_H

#include "hw/isa/isa-devices.h"

/* The line that is high while a device has bytes to send. */
IrqLine *ps2_output(Device *ps2);
/* The next byte it sends; the last one again if there is none. */
uint8_t ps2_read(Device *ps2);
/* A byte from the host. */
void ps2_write(Device *ps2, uint8_t val);

/* The controller turns scan codes of set 2 into those of set 1. */
void ps2_kbd_set_translate(Device *kbd, bool on);
/*
 * A key goes down or up.  `code`: its make code in set 1, with 0xe000 added
 * for those that have the prefix 0xe0; nothing else is known here of keys.
 */
void ps2_kbd_key(Device *kbd, uint16_t code, bool down);
/* Movement since the last call, right and up, wheel; buttons: left 1, right
 * 2, middle 4. */
void ps2_mouse_move(Device *mouse, int dx, int dy, int dz, uint8_t buttons);

#endif
