/*
 * Types of USB host controllers and devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_USB_USB_DEVICES_H
#define HW_USB_USB_DEVICES_H

#include "hw/core/device.h"

extern const DeviceType ich9_usb_uhci1_type;
extern const DeviceType ich9_usb_uhci2_type;
extern const DeviceType ich9_usb_uhci3_type;
extern const DeviceType ich9_usb_uhci4_type;
extern const DeviceType ich9_usb_uhci5_type;
extern const DeviceType ich9_usb_uhci6_type;
extern const DeviceType piix3_usb_uhci_type;
extern const DeviceType piix4_usb_uhci_type;
extern const DeviceType qemu_xhci_type;
extern const DeviceType usb_hub_type;
extern const DeviceType usb_kbd_type;
extern const DeviceType usb_mouse_type;
extern const DeviceType usb_tablet_type;

#endif
