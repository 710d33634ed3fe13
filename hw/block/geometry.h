/*
 * Cylinders, heads and sectors, as a disk tells software that asks for them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_GEOMETRY_H
#define HW_BLOCK_GEOMETRY_H

#include "block/block.h"

typedef struct Geometry {
    uint32_t cylinders, heads, sectors;
} Geometry;

/* Heads and sectors of who made the partitions; false: no telling. */
bool geometry_from_partitions(BlockBackend *b, Geometry *ret);
/* What disks of so many sectors of 512 bytes say. */
Geometry geometry_by_size(uint64_t nsectors);

#endif
