/*
 * What the destination has of pages that were sent not long ago.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PAGE_CACHE_H
#define MIGRATION_PAGE_CACHE_H

#include "system/ramblock.h"

typedef struct PageCache PageCache;

/* bytes: a power of two, RAM_PAGE_SIZE or more.  Errors: no memory. */
PageCache *page_cache_new(uint64_t bytes, GError **errp);
void page_cache_free(PageCache *c);
uint64_t page_cache_bytes(const PageCache *c);
/* The page's content, which the caller keeps up to date; NULL: not there. */
uint8_t *page_cache_find(PageCache *c, const RamBlock *rb, uint64_t page);
/*
 * Room for a page that isn't there, to be filled; NULL: another one that was
 * used in this pass or the last has its place.
 */
uint8_t *page_cache_insert(PageCache *c, const RamBlock *rb, uint64_t page);
/* The destination gets something else of n pages. */
void page_cache_drop(PageCache *c, const RamBlock *rb, uint64_t page,
                     uint64_t n);
/* Nothing of it is known any more. */
void page_cache_drop_all(PageCache *c);
/* A pass begins: places that were not used for two passes are free. */
void page_cache_age(PageCache *c);

#endif
