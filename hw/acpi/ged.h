/*
 * Generic event device of microvm: power button, sleep and reset registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_GED_H
#define HW_ACPI_GED_H

#include "hw/core/machine.h"

extern const DeviceType acpi_ged_type; /* acpi-ged-x86 */

/* At ACPI_GED_ADDR; its interrupt drives m->gsi[ACPI_GED_IRQ]. */
Device *acpi_ged_create(Machine *m, GError **errp);
/* The power button: MachineType.powerdown. */
void acpi_ged_press_button(Device *ged);

#endif
