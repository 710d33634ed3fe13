/*
 * Offsets and bits of the configuration header that the bus code and the
 * functions share beyond linux/pci_regs.h, which has the rest.
 * (PCI Local Bus Specification 3.0, chapter 6.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_PCI_REGS_H
#define HW_PCI_PCI_REGS_H

#include <linux/pci_regs.h>

enum {
    PCI_DEFAULT_SUBVENDOR = 0x1af4, /* of functions that have none */
    PCI_DEFAULT_SUBSYSTEM = 0x1100,
    PCI_PINS = 4,
    PCI_ACPI_INDEX_MAX = 16383, /* that names of network cards allow */
    PCI_ROM_SIZE_MIN = 2048,    /* the BAR's lowest address bit is 11 */
};

/* Base class << 8 | sub-class (PCI Code and ID Assignment Specification). */
enum {
    PCI_CLASS_STORAGE_SCSI = 0x0100,
    PCI_CLASS_STORAGE_IDE = 0x0101,
    PCI_CLASS_NETWORK_ETHERNET = 0x0200,
    PCI_CLASS_BRIDGE_HOST = 0x0600,
    PCI_CLASS_BRIDGE_ISA = 0x0601,
    PCI_CLASS_BRIDGE_PCI = 0x0604,
    PCI_CLASS_BRIDGE_OTHER = 0x0680,
};

#define PCI_SLOT_OF(devfn_) (((devfn_) >> 3) & 31)
#define PCI_FUNC_OF(devfn_) ((devfn_)&7)

#endif
