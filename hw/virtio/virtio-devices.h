/*
 * The virtio devices of this folder.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_DEVICES_H
#define HW_VIRTIO_VIRTIO_DEVICES_H

#include "hw/core/device.h"

extern const DeviceType virtconsole_type;
extern const DeviceType virtserialport_type;
extern const DeviceType virtio_balloon_pci_type;
extern const DeviceType virtio_balloon_pci_transitional_type;
extern const DeviceType virtio_balloon_pci_non_transitional_type;
extern const DeviceType virtio_rng_pci_type;
extern const DeviceType virtio_rng_pci_transitional_type;
extern const DeviceType virtio_rng_pci_non_transitional_type;
extern const DeviceType virtio_serial_pci_type;
extern const DeviceType virtio_serial_pci_transitional_type;
extern const DeviceType virtio_serial_pci_non_transitional_type;

#endif
