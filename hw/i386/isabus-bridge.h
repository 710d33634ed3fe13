/*
 * An ISA bus on a board without a PCI bridge for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_ISABUS_BRIDGE_H
#define HW_I386_ISABUS_BRIDGE_H

#include "hw/core/machine.h"

extern const DeviceType isabus_bridge_type;

/* Makes "isa.0" with the machine's first 16 GSIs as its interrupts. */
Bus *isabus_bridge_create(Machine *m, GError **errp);

#endif
