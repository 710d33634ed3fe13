/*
 * Display devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_DISPLAY_VGA_H
#define HW_DISPLAY_VGA_H

#include "hw/core/device.h"

struct PciBus;

extern const DeviceType vga_type;

/*
 * The card of -vga (m->vga) on the board's bus; nothing if there is to be
 * none.
 */
bool board_vga_create(struct Machine *m, struct PciBus *bus, GError **errp);

#endif
