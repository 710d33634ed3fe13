/*
 * MSI: up to 32 messages from one address and data in configuration space.
 * (PCI Local Bus Specification 3.0, section 6.8.1.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_MSI_H
#define HW_PCI_MSI_H

#include "hw/pci/pci.h"

#define MSI_VECTORS_MAX 32

typedef enum MsiFlags {
    MSI_64BIT = 1 << 0, /* of address */
    MSI_MASKS = 1 << 1, /* a mask and a pending bit for each vector */
} MsiFlags;

/*
 * In realize(): the capability at `cap_off` (0: the first free place) for a
 * power of two of vectors.  All of its state is in configuration space.
 */
bool msi_init(PciDevice *d, uint8_t cap_off, unsigned nvectors, MsiFlags flags,
              GError **errp);
/* To power-on state; the function's reset() calls it. */
void msi_reset(PciDevice *d);
bool msi_enabled(const PciDevice *d); /* by the driver */
/*
 * Raises a vector, of those that the driver allows the one that stands for
 * it; it waits as pending while it is masked.  vm_lock held.
 */
void msi_notify(PciDevice *d, unsigned vector);
/* The guest has written `len` bytes of configuration space at `addr`. */
void msi_config_written(PciDevice *d, unsigned addr, unsigned len);

/*
 * Raises a vector by what the driver has enabled, MSI-X or MSI.  False: it
 * has enabled neither, the function has its pin.  vm_lock held.
 */
bool pci_notify(PciDevice *d, unsigned vector);

#endif
