/*
 * The keyboard controller with its two devices, and port 92.
 *
 * Both i8042 and port92 have an output "a20" that drives the gate of address
 * line 20 of all vCPUs; see hw/isa/a20.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_I8042_H
#define HW_ISA_I8042_H

#include "hw/isa/isa-devices.h"

/* On an ISA bus, with keyboard and mouse below it. */
Device *i8042_create(Bus *isa, GError **errp);
/* The devices, for those who have input for them. */
Device *i8042_keyboard(Device *i8042);
Device *i8042_mouse(Device *i8042);

#endif
