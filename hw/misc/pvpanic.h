/*
 * The PCI form of pvpanic; the ISA one is in hw/isa/isa-devices.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_PVPANIC_H
#define HW_MISC_PVPANIC_H

#include "hw/core/device.h"

extern const DeviceType pvpanic_pci_type; /* pvpanic-pci */

#endif
