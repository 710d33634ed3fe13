/*
 * What the configuration space tells MSI and MSI-X.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_MSIX_PRIV_H
#define HW_PCI_MSIX_PRIV_H

#include "hw/pci/pci.h"

/* The guest has written `len` bytes at `addr`. */
void msix_config_written(PciDevice *d, unsigned addr, unsigned len);
/* After the configuration space was loaded. */
void msix_config_loaded(PciDevice *d);

#endif
