/*
 * What the destination has of pages that were sent not long ago: each page has
 * one place, so that looking for it costs one access.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/page-cache.h"

#include <sys/mman.h>

#include "util/error.h"

enum { PAGE_CACHE_LIFE = 2 /* passes that a page stays without being used */ };

typedef struct CachePlace {
    const RamBlock *rb; /* only compared; NULL: nobody's */
    uint64_t page;
    uint64_t used; /* the last pass that did */
} CachePlace;

struct PageCache {
    uint64_t bytes;
    uint64_t nplaces; /* a power of two */
    uint64_t nused;
    uint64_t pass;
    CachePlace *places;
    uint8_t *data; /* RAM_PAGE_SIZE each; memory comes with its first use */
};

PageCache *page_cache_new(uint64_t bytes, GError **errp)
{
    PageCache *c = g_new0(PageCache, 1);

    g_assert(bytes >= RAM_PAGE_SIZE && (bytes & (bytes - 1)) == 0);
    c->bytes = bytes;
    c->nplaces = bytes >> RAM_PAGE_BITS;
    c->pass = PAGE_CACHE_LIFE;
    c->places = g_try_new0(CachePlace, c->nplaces);
    c->data = c->places == NULL ? MAP_FAILED
                                : mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (c->data == MAP_FAILED) {
        error_setf(errp, "xbzrle: no memory for a cache of %" PRIu64 " bytes",
                   bytes);
        g_free(c->places);
        g_free(c);
        return NULL;
    }
    return c;
}

void page_cache_free(PageCache *c)
{
    if (c != NULL) {
        munmap(c->data, c->bytes);
        g_free(c->places);
        g_free(c);
    }
}

uint64_t page_cache_bytes(const PageCache *c)
{
    return c->bytes;
}

static CachePlace *place_of(PageCache *c, const RamBlock *rb, uint64_t page)
{
    uint64_t offset = (uintptr_t)rb->host >> RAM_PAGE_BITS;

    return &c->places[(offset + page) & (c->nplaces - 1)];
}

static uint8_t *place_data(const PageCache *c, const CachePlace *p)
{
    return c->data + ((uint64_t)(p - c->places) << RAM_PAGE_BITS);
}

static bool place_has(const CachePlace *p, const RamBlock *rb, uint64_t page)
{
    return p->rb == rb && p->page == page;
}

uint8_t *page_cache_find(PageCache *c, const RamBlock *rb, uint64_t page)
{
    CachePlace *p = place_of(c, rb, page);

    if (!place_has(p, rb, page)) {
        return NULL;
    }
    p->used = c->pass;
    return place_data(c, p);
}

uint8_t *page_cache_insert(PageCache *c, const RamBlock *rb, uint64_t page)
{
    CachePlace *p = place_of(c, rb, page);

    if (p->rb != NULL && c->pass - p->used < PAGE_CACHE_LIFE) {
        return NULL;
    }
    c->nused += p->rb == NULL;
    *p = (CachePlace){ .rb = rb, .page = page, .used = c->pass };
    return place_data(c, p);
}

void page_cache_drop(PageCache *c, const RamBlock *rb, uint64_t page,
                     uint64_t n)
{
    for (uint64_t i = 0; i < n && c->nused > 0; i++) {
        CachePlace *p = place_of(c, rb, page + i);

        if (place_has(p, rb, page + i)) {
            p->rb = NULL;
            c->nused--;
        }
    }
}

void page_cache_drop_all(PageCache *c)
{
    if (c->nused > 0) {
        memset(c->places, 0, c->nplaces * sizeof(*c->places));
        c->nused = 0;
    }
}

void page_cache_age(PageCache *c)
{
    c->pass++;
}
