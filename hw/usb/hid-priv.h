/*
 * Inside the human interface devices: hid.c has pointers, hid-kbd.c has
 * keyboards.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_USB_HID_PRIV_H
#define HW_USB_HID_PRIV_H

#include "hw/usb/hid.h"

size_t hid_keyboard_report(Hid *h, uint8_t *buf);
/* The queue of a state that was loaded. */
bool hid_check(const Hid *h, GError **errp);

#endif
