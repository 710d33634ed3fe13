/*
 * The virtio disk's types.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_VIRTIO_BLK_H
#define HW_BLOCK_VIRTIO_BLK_H

#include "hw/core/device.h"

extern const DeviceType virtio_blk_pci_type;
extern const DeviceType virtio_blk_pci_transitional_type;
extern const DeviceType virtio_blk_pci_non_transitional_type;

#endif
