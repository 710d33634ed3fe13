/*
 * PCI test device of the platform tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_PCI_TESTDEV_H
#define HW_MISC_PCI_TESTDEV_H

#include "hw/core/device.h"

extern const DeviceType pci_testdev_type;

#endif
