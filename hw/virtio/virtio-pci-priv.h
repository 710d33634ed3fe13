/*
 * Virtio over PCI: what its files share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_PRIV_H
#define HW_VIRTIO_VIRTIO_PCI_PRIV_H

#include <linux/virtio_pci.h>

#include "hw/pci/msix.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-priv.h"

/* Where the parts of the modern interface lie in its BAR. */
enum {
    VIRTIO_PCI_BAR_LEGACY = 0,
    MODERN_DEVICE = 0x2000,
    MODERN_DEVICE_SIZE = 0x1000,
    MODERN_NOTIFY = 0x3000,
};

typedef struct VirtioPciState {
    MemoryRegion legacy;                              /* I/O */
    MemoryRegion modern, common, isr, config, notify; /* memory */
    uint32_t notify_multiplier;                       /* bytes a queue */
    uint32_t selectors[2];      /* of device and guest features; migrated */
    uint32_t guest_features[2]; /* as written; migrated */
    uint8_t cfg_cap;            /* offset; 0: no modern interface */
    bool has_legacy, has_modern;
    bool doorbells; /* are in place */
} VirtioPciState;

const VirtioPciPlaces *virtio_pci_places(const VirtioDevice *d);
void virtio_pci_legacy_init(VirtioDevice *d);
bool virtio_pci_modern_init(VirtioDevice *d, GError **errp);
/* The window in the configuration space; before and after an access there. */
void virtio_pci_cfg_read(VirtioDevice *d, unsigned addr, unsigned len);
void virtio_pci_cfg_written(VirtioDevice *d, unsigned addr, unsigned len);
/* The driver writes the status register; modern: it checks features. */
void virtio_pci_write_status(VirtioDevice *d, uint8_t val);
uint8_t virtio_pci_read_isr(VirtioDevice *d);

#endif
