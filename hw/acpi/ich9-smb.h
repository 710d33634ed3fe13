/*
 * SMBus function of the ICH9.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_ICH9_SMB_H
#define HW_ACPI_ICH9_SMB_H

#include "hw/core/machine.h"
#include "hw/pci/pci.h"

extern const DeviceType ich9_smb_type; /* ICH9-SMB */

/* Makes function 1f.3.  NULL with errp. */
Device *ich9_smb_create(Machine *m, PciBus *bus, GError **errp);

#endif
