/*
 * The 82371SB (PIIX3) PCI-to-ISA bridge of `pc` machines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_PIIX3_H
#define HW_ISA_PIIX3_H

#include "hw/core/machine.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"

extern const DeviceType piix3_type; /* PIIX3 */

/*
 * Makes function 01.0 with the bus "isa.0" and reset control at 0xcf9, and
 * routes the interrupts of `bus` to m->gsi, of which at least the sixteen
 * ISA inputs have to be there.  NULL with errp.
 */
Device *piix3_create(Machine *m, PciBus *bus, GError **errp);
/* The bus "isa.0" that it provides. */
IsaBus *piix3_isa_bus(Device *piix3);

#endif
