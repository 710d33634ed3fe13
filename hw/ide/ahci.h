/*
 * AHCI: the ICH9's SATA controller with six ports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IDE_AHCI_H
#define HW_IDE_AHCI_H

#include "hw/core/machine.h"
#include "hw/pci/pci.h"

#define AHCI_PORTS 6

extern const DeviceType ich9_ahci_type; /* ich9-ahci */

/*
 * Makes the function that a board has at `devfn`, with the buses "ide.0" to
 * "ide.5", each for one drive.  NULL with errp.
 */
Device *ahci_create(Machine *m, PciBus *bus, unsigned devfn, bool multifunction,
                    GError **errp);
/*
 * Makes a drive for each block back end that -drive if=ide (and -hda, -cdrom)
 * named for a port: bus=PORT, unit=0.
 */
bool ahci_create_drives(Device *ahci, GError **errp);

#endif
