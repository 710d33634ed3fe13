/*
 * Types of USB host controllers and devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_USB_USB_DEVICES_H
#define HW_USB_USB_DEVICES_H

#include "hw/core/device.h"

extern const DeviceType qemu_xhci_type;
extern const DeviceType usb_hub_type;
extern const DeviceType usb_kbd_type;
extern const DeviceType usb_mouse_type;
extern const DeviceType usb_tablet_type;

#endif
