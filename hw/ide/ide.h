/*
 * IDE: the PIIX3's controller and the drives on its two channels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IDE_IDE_H
#define HW_IDE_IDE_H

#include "hw/core/machine.h"
#include "hw/pci/pci.h"

extern const DeviceType piix3_ide_type; /* piix3-ide */
extern const DeviceType ide_hd_type;    /* ide-hd */
extern const DeviceType ide_cd_type;    /* ide-cd */

/*
 * Makes function 01.1 with the buses "ide.0" and "ide.1", which drive
 * m->gsi[14] and m->gsi[15].  NULL with errp.
 */
Device *piix3_ide_create(Machine *m, PciBus *bus, GError **errp);
/*
 * Makes a drive for each block back end that -drive if=ide (and -hda, -cdrom)
 * named for a slot of the two buses.
 */
bool piix3_ide_create_drives(Device *ide, GError **errp);

/* What the CMOS says of a hard disk; cylinders 0: no disk there. */
typedef struct IdeGeometry {
    unsigned cylinders, heads, sectors;
    unsigned translation; /* the CMOS's code: 0 none, 1 LBA, 2 large, 3 rechs */
} IdeGeometry;
/* drive 0..3: primary master, slave, secondary master, slave. */
IdeGeometry piix3_ide_geometry(Device *ide, unsigned drive);
/*
 * What firmware is told of logical geometries (lcyls, lheads, lsecs): lines
 * of path and numbers.  NULL: no drive has one.  The caller frees it.
 */
char *piix3_ide_bios_geometry(Device *ide);

#endif
