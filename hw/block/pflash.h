/*
 * Flash memory of the kind that holds a PC's firmware and its variables.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_PFLASH_H
#define HW_BLOCK_PFLASH_H

#include "hw/core/device.h"

#define PFLASH_SECTOR 4096 /* bytes that are erased at once, of a board's */

extern const DeviceType pflash_cfi01_type;

/*
 * A chip of the board's in memory, which ends at `end`: "system.flashN" with
 * the back end or node `drive`.  Its size is the medium's, a multiple of
 * PFLASH_SECTOR and not more than `max`.  NULL: errp says why.
 */
Device *pflash_create(struct Machine *m, unsigned n, const char *drive,
                      uint64_t end, uint64_t max, GError **errp);
/* Its content, and that in bytes. */
const uint8_t *pflash_bytes(Device *dev, uint64_t *ret_size);

#endif
