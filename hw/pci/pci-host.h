/*
 * What the host bridges of PCs share: a root bus, the PCI memory space, and
 * configuration mechanism #1 at ports 0xcf8 and 0xcfc.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_PCI_HOST_H
#define HW_PCI_PCI_HOST_H

#include "hw/pci/pci.h"

typedef struct PciHost {
    Device dev;
    PciBus bus;
    MemoryRegion pci; /* PCI memory space, behind everything else */
    IoRange index, data;
    uint32_t config_reg; /* CONFADD; migrated */
} PciHost;

/* In realize(): memory space, the root bus `name`, both ports. */
bool pci_host_init(PciHost *h, const char *name, GError **errp);
/* DeviceType.reset and .vmstate ("PCIHost" version 1) of types that are one. */
void pci_host_reset(Device *dev);
extern const Vmstate pci_host_vmstate;

#endif
