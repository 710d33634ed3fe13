/*
 * virtio input devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_INPUT_VIRTIO_INPUT_H
#define HW_INPUT_VIRTIO_INPUT_H

#include "hw/core/device.h"

extern const DeviceType virtio_keyboard_pci_type;
extern const DeviceType virtio_mouse_pci_type;
extern const DeviceType virtio_tablet_pci_type;

#endif
