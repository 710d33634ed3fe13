/*
 * Cylinders, heads and sectors of a disk.
 *
 * Partitions: ATA-4 annex B (CHS translation), the table of a master boot
 * record.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/block/geometry.h"

#include "util/bswap.h"

#define MBR_ENTRY     16
#define MBR_TABLE     446
#define MBR_SIGNATURE 0xaa55

bool geometry_from_partitions(BlockBackend *b, Geometry *ret)
{
    uint8_t mbr[BLOCK_SECTOR];
    uint64_t n = block_size(b) / BLOCK_SECTOR;

    if (block_read_sync(b, 0, mbr, sizeof(mbr)) < 0 ||
        lduw_le_p(mbr + 510) != MBR_SIGNATURE) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *p = mbr + MBR_TABLE + MBR_ENTRY * i;
        unsigned heads = p[5] + 1, sectors = p[6] & 63;
        uint64_t cylinders;

        /* A partition ends with a cylinder. */
        if (ldl_le_p(p + 12) == 0 || p[5] == 0 || sectors == 0) {
            continue;
        }
        cylinders = n / (heads * sectors);
        if (cylinders >= 1 && cylinders <= 16383) {
            *ret = (Geometry){ cylinders, heads, sectors };
            return true;
        }
    }
    return false;
}

/* ATA limits both to 16 heads, 63 sectors. */
Geometry geometry_by_size(uint64_t nsectors)
{
    uint64_t cylinders = nsectors / (16 * 63);

    return (Geometry){ CLAMP(cylinders, UINT64_C(2), UINT64_C(16383)), 16, 63 };
}
