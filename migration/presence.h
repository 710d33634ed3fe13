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
/* A run of pages of the block, in ascending order. */
typedef void PresenceFn(void *opaque, uint64_t first, uint64_t npages);

/*
 * Calls fn for the runs of pages of [first, first + npages) that may hold
 * data; where fn isn't called nothing was ever stored, and zero is read. Costs
 * what the page tables of the range hold, so leave out what is known. A page
 * that is touched meanwhile may be judged either way: the dirty log has to be
 * armed before.
 */
void presence_foreach(Presence *p, const RamBlock *rb, uint64_t first,
                      uint64_t npages, PresenceFn *fn, void *opaque);

#endif
