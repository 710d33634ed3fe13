/*
 * Memory regions: what the files of memory.h share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_MEMORY_PRIV_H
#define SYSTEM_MEMORY_PRIV_H

#include "system/memory.h"

/* An eventfd or coalesced range where a flat view shows it. */
typedef struct FlatEventFd {
    MemorySection at; /* addr and size of the eventfd; its region */
    MemoryEventFd e;
} FlatEventFd;

/* Bytes of a region; the whole space is 2^64. */
static inline unsigned __int128 region_size128(const MemoryRegion *mr)
{
    return mr->size == UINT64_MAX ? (unsigned __int128)1 << 64 : mr->size;
}

/* Last address of a range; size 0 never. */
static inline uint64_t range_last(const FlatRange *r)
{
    return r->addr + (r->size - 1);
}

/* A new view of a tree; log_migration: RAM ranges carry DIRTY_MIGRATION. */
FlatView *flat_view_new(MemoryRegion *root, bool log_migration);
void flat_view_free(FlatView *view);
/*
 * Index of the range that holds addr; if there is none, of the first range
 * behind it (nranges at the end), and *ret_hit is false.
 */
unsigned flat_view_index(const FlatView *view, uint64_t addr, bool *ret_hit);
MemorySection flat_range_section(AddressSpace *as, const FlatRange *r);

void address_space_init(AddressSpace *as, Memory *mem, const char *name,
                        MemoryRegion *root);
void address_space_fini(AddressSpace *as);
/* Rebuilds the view, if it has any, and tells the listeners; vm_lock held. */
void address_space_update(AddressSpace *as);
/* Rebuilds all spaces if the tree has changed, whatever is open. */
void memory_update(Memory *mem);

#endif
