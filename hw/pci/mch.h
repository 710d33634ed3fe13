/*
 * The host bridge of q35 machines: memory map, MMCONFIG, root bus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_MCH_H
#define HW_PCI_MCH_H

#include "hw/core/machine.h"
#include "hw/pci/pci.h"

extern const DeviceType q35_pcihost_type; /* q35-pcihost */
extern const DeviceType mch_type;         /* mch */

/*
 * Makes the host bridge on the system bus, its function 00.0, the "pci"
 * region (behind everything else in the memory space), the PAM, SMRAM and
 * TSEG windows, MMCONFIG and the configuration ports 0xcf8 and 0xcfc.
 *
 * `ram` is all of the guest's RAM, of which the first `below_4g` bytes start
 * at address 0; the caller maps it.  smm: CPUs in system management mode see
 * SMRAM.  Returns the root bus "pcie.0", which lives as long as the bridge;
 * NULL with errp.
 */
PciBus *q35_host_create(Machine *m, MemoryRegion *ram, uint64_t below_4g,
                        bool smm, GError **errp);
/* Where MMCONFIG is, as firmware has set it; false: it is off. */
bool q35_host_mmconfig(const PciBus *root, uint64_t *ret_base,
                       uint64_t *ret_size);
/* How much room there is for PCI memory above 4 GiB, bytes. */
uint64_t q35_host_hole64(const PciBus *root);

#endif
