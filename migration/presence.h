/*
 * Which pages of a RAM block exist: pages that were never touched are neither
 * read nor sent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PRESENCE_H
#define MIGRATION_PRESENCE_H

#include "system/ramblock.h"

typedef struct Presence {
    int pagemap_fd; /* /proc/self/pagemap; -1: everything counts as present */
    bool has_scan;  /* the kernel has PAGEMAP_SCAN */
} Presence;

/* Never fails: without /proc every page is present. */
void presence_init(Presence *p);
void presence_fini(Presence *p);
/*
 * Clears the bits of pages of [first, first + npages) that read as zero
 * because nothing was ever stored there; bit 0 of `map` is page `first`.
 * A page that is touched meanwhile may be judged either way: the dirty log
 * has to be armed before.
 */
void presence_mask(Presence *p, const RamBlock *rb, uint64_t first,
                   uint64_t npages, unsigned long *map);

#endif
