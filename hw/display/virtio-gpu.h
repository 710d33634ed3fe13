/*
 * virtio graphics cards.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_DISPLAY_VIRTIO_GPU_H
#define HW_DISPLAY_VIRTIO_GPU_H

#include "hw/core/device.h"

extern const DeviceType virtio_gpu_pci_type;
extern const DeviceType virtio_vga_type;

#endif
