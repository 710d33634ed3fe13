/*
 * virtio-net over PCI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_VIRTIO_NET_H
#define HW_NET_VIRTIO_NET_H

#include "hw/core/device.h"

extern const DeviceType virtio_net_pci_type;
extern const DeviceType virtio_net_pci_transitional_type;
extern const DeviceType virtio_net_pci_non_transitional_type;

#endif
