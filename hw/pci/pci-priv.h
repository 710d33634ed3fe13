/*
 * Inner parts of the PCI code.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_PCI_PRIV_H
#define HW_PCI_PCI_PRIV_H

#include "hw/pci/pci.h"

/* Fills the header from the type's identity; before realize(). */
void pci_config_init(PciDevice *d);
/* The header's state after RST#: nothing decoded, no interrupt. */
void pci_config_reset(PciDevice *d);
/*
 * The option ROM that the properties or the type name, as a BAR or as a file
 * for firmware; after pci_config_init().
 */
bool pci_rom_load(PciDevice *d, GError **errp);
/* After pci_unregister_bars(). */
void pci_rom_unload(PciDevice *d);
/* Drives the host's line of a function's pin 0..3. */
void pci_irq_route(PciDevice *d, unsigned pin, bool level);
/* As `info pci` and `info qtree` call a class: pci_class_desc(), or its
 * number. */
void pci_class_name(uint16_t class_id, char *buf, size_t len);

#endif
