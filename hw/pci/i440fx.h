/*
 * The 82441FX host bridge of `pc` machines: memory map and root bus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_I440FX_H
#define HW_PCI_I440FX_H

#include "hw/core/machine.h"
#include "hw/pci/pci.h"

extern const DeviceType i440fx_pcihost_type; /* i440FX-pcihost */
extern const DeviceType i440fx_type;         /* i440FX */

/*
 * Makes the host bridge on the system bus, its function 00.0, the "pci"
 * region (behind everything else in the memory space), the PAM and SMRAM
 * windows and the configuration ports 0xcf8 and 0xcfc.
 *
 * `ram` is all of the guest's RAM, of which the first `below_4g` bytes start
 * at address 0; the caller maps it.  smm: CPUs in system management mode see
 * SMRAM.  Returns the root bus "pci.0", which
 * lives as long as the bridge; NULL with errp.
 */
PciBus *i440fx_create(Machine *m, MemoryRegion *ram, uint64_t below_4g,
                      bool smm, GError **errp);
/* PCI memory space, where "pc.bios" and "pc.rom" go too. */
MemoryRegion *i440fx_pci_memory(PciBus *root);

#endif
