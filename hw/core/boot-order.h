/*
 * What firmware is to boot from, in which order: the `bootindex` of devices.
 *
 * Firmware gets it as Open Firmware paths, one device a line.  A device names
 * its part below its node ("/disk@0"); the buses above it name the nodes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_BOOT_ORDER_H
#define HW_CORE_BOOT_ORDER_H

#include "hw/core/machine.h"

/*
 * Puts an entry at `index` (negative: nowhere); what it had before is gone.
 * `dev` NULL: an entry of the machine, whose whole path is `suffix`.  It may
 * be NULL: the device's node itself.  False and nothing changed: `index` is
 * another's.  vm_lock held.
 */
bool boot_order_set(Machine *m, Device *dev, int32_t index, const char *suffix,
                    GError **errp);
/* The device goes away; no error if it has no entry. */
void boot_order_remove(Machine *m, const Device *dev);
/*
 * The list as firmware reads it: lines without one at the end, a NUL.
 * `strict`: ended by "HALT", no other device is tried.  NULL and length 0
 * if no device has an index.  The caller frees it.
 */
char *boot_order_text(const Machine *m, bool strict, size_t *ret_len);
/* The device's path, from the buses above it ("/pci@i0cf8/ide@1,1"). */
char *device_firmware_path(Device *dev);

#endif
