/*
 * PCI Express: capabilities of ports and devices, slots, error reporting.
 * (PCI Express Base Specification 5.0, chapter 7.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_PCIE_H
#define HW_PCI_PCIE_H

#include "hw/pci/pci.h"

/* What a PCI Express capability says of its function's link. */
typedef struct PcieLink {
    uint8_t speed; /* as in Link Capabilities: 1: 2.5 GT/s … 4: 16 GT/s */
    uint8_t width; /* lanes */
    uint8_t port;
} PcieLink;

/* 4 KiB of configuration space, on a bus where that can be reached. */
void pcie_make_express(PciDevice *d);
/*
 * The PCI Express capability, version 2, at `off` (0: the first free place).
 * `type` is PCI_EXP_TYPE_…, `slot` whether a slot register set is there.
 * Returns its offset, or 0 with errp.
 */
uint8_t pcie_add_capability(PciDevice *d, uint8_t off, uint8_t type, bool slot,
                            const PcieLink *link, GError **errp);
/*
 * The capability of version 1 of the specification, of an endpoint that has
 * nothing in it to be written.
 */
uint8_t pcie_add_capability_v1(PciDevice *d, uint8_t off, uint8_t type,
                               const PcieLink *link, GError **errp);
/* The capability of power management, as PCI Express devices have to have. */
bool pcie_add_pm(PciDevice *d, bool writable, GError **errp);
/* Both capabilities' controls to power-on state, if they are there. */
void pcie_reset(PciDevice *d);
/*
 * An extended capability of `size` bytes at `off`, behind those that are
 * there; read-only until wmask says otherwise.  Places are the caller's own
 * business: constants.
 */
void pcie_add_ext_capability(PciDevice *d, uint16_t id, uint8_t version,
                             uint16_t off, uint16_t size);
/* Advanced Error Reporting; `root`: with the registers of root ports. */
void pcie_add_aer(PciDevice *d, uint16_t off, bool root);
void pcie_reset_aer(PciDevice *d, uint16_t off);
/* Access Control Services: what a root port can check, it says it does. */
void pcie_add_acs(PciDevice *d, uint16_t off);
/* Function Level Reset, if that is what the guest has just asked for. */
bool pcie_reset_asked(PciDevice *d, unsigned addr, unsigned len);

#endif
