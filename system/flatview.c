/*
 * Flat views: a tree of regions drawn into a sorted array of ranges, and what
 * the listeners are told when it changes.
 *
 * A region's children are drawn first, highest priority first, then the region
 * itself; each is drawn only where nothing is yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory-priv.h"
#include "util/bitmap.h"

/*
 * Addresses while drawing: an alias with an offset beyond its own address
 * puts its target's start below zero.
 */
typedef __int128 Addr;

typedef struct Drawing {
    GArray *ranges; /* FlatRange, sorted */
    bool log_migration;
} Drawing;

/* A region as seen through what is above it. */
typedef struct Window {
    Addr base;   /* of the region's parent */
    Addr lo, hi; /* what may be drawn; hi exclusive */
    bool read_only, fetch_only;
} Window;

static unsigned range_search(const FlatRange *ranges, unsigned n, uint64_t addr)
{
    unsigned lo = 0;
    unsigned hi = n;

    /* The first range whose last byte is at or behind addr. */
    while (lo < hi) {
        unsigned mid = lo + (hi - lo) / 2;

        if (range_last(&ranges[mid]) < addr) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static FlatRange leaf_range(const Drawing *d, MemoryRegion *mr, const Window *w)
{
    FlatRange r = { .mr = mr, .ram = mr->ram, .fetch_only = w->fetch_only };

    if (mr->kind == MEMORY_ROMD && !mr->romd_mode) {
        r.ram = NULL;
    }
    if (!r.ram) {
        return r;
    }
    r.romd = mr->kind == MEMORY_ROMD;
    r.read_only = mr->kind == MEMORY_ROM || (w->read_only && !r.romd);
    r.dirty_log = mr->dirty_log;
    if (d->log_migration) {
        r.dirty_log |= 1U << DIRTY_MIGRATION;
    }
    return r;
}

/* Fills what is free of the window, whose base is the region's offset 0. */
static void draw_leaf(Drawing *d, MemoryRegion *mr, const Window *w)
{
    FlatRange r = leaf_range(d, mr, w);
    Addr lo = w->lo;
    Addr hi = w->hi;
    unsigned i = range_search((FlatRange *)d->ranges->data, d->ranges->len, lo);

    while (lo < hi) {
        Addr end = hi;
        Addr next = hi;

        if (i < d->ranges->len) {
            const FlatRange *have = &g_array_index(d->ranges, FlatRange, i);

            if ((Addr)have->addr < hi) {
                end = have->addr;
                next = (Addr)range_last(have) + 1;
            }
        }
        if (lo < end) {
            Addr len = end - lo;

            r.addr = lo;
            r.size = len > UINT64_MAX ? UINT64_MAX : (uint64_t)len;
            r.offset = lo - w->base;
            g_array_insert_val(d->ranges, i, r);
            i++;
        }
        lo = next;
        i++;
    }
}

static void flatview_draw(Drawing *d, MemoryRegion *mr, Window w)
{
    Addr size = region_size128(mr);

    if (!mr->enabled) {
        return;
    }
    w.base += mr->addr;
    w.lo = MAX(w.lo, w.base);
    w.hi = MIN(w.hi, w.base + size);
    w.read_only |= mr->read_only;
    w.fetch_only |= mr->fetch_only;
    if (w.lo >= w.hi) {
        return;
    }
    if (mr->kind == MEMORY_ALIAS) {
        /* The target's own address is added, and doesn't count here. */
        w.base -= (Addr)mr->alias->addr + mr->alias_off;
        flatview_draw(d, mr->alias, w);
        return;
    }
    for (GList *l = mr->children.head; l; l = l->next) {
        flatview_draw(d, container_of(l, MemoryRegion, link), w);
    }
    if (mr->kind != MEMORY_CONTAINER) {
        draw_leaf(d, mr, &w);
    }
}

static bool ranges_adjoin(const FlatRange *a, const FlatRange *b)
{
    return a->addr + a->size == b->addr && a->mr == b->mr &&
           a->offset + a->size == b->offset && a->ram == b->ram &&
           a->read_only == b->read_only && a->romd == b->romd &&
           a->fetch_only == b->fetch_only && a->dirty_log == b->dirty_log;
}

/* One range where neighbours show the same thing: fewer slots for KVM. */
static void merge_neighbours(GArray *ranges)
{
    FlatRange *r = (FlatRange *)ranges->data;
    unsigned n = 0;

    for (unsigned i = 0; i < ranges->len; i++) {
        if (n && ranges_adjoin(&r[n - 1], &r[i])) {
            r[n - 1].size += r[i].size;
        } else {
            r[n++] = r[i];
        }
    }
    g_array_set_size(ranges, n);
}

FlatView *flat_view_new(MemoryRegion *root, bool log_migration)
{
    FlatView *view = g_new0(FlatView, 1);
    Drawing d = {
        .ranges = g_array_sized_new(false, false, sizeof(FlatRange), 64),
        .log_migration = log_migration,
    };
    Window w = { .base = -(Addr)root->addr, .hi = (Addr)1 << 64 };

    flatview_draw(&d, root, w);
    merge_neighbours(d.ranges);
    view->nranges = d.ranges->len;
    view->ranges = (FlatRange *)g_array_free(d.ranges, false);
    return view;
}

void flat_view_free(FlatView *view)
{
    if (view) {
        g_free(view->ranges);
        g_free(view);
    }
}

unsigned flat_view_index(const FlatView *view, uint64_t addr, bool *ret_hit)
{
    unsigned i = range_search(view->ranges, view->nranges, addr);

    *ret_hit = i < view->nranges && view->ranges[i].addr <= addr;
    return i;
}

const FlatRange *flat_view_find(const FlatView *view, uint64_t addr)
{
    bool hit;
    unsigned i = flat_view_index(view, addr, &hit);

    return hit ? &view->ranges[i] : NULL;
}

const FlatView *address_space_view(AddressSpace *as)
{
    return rcu_dereference(as->view);
}

MemorySection flat_range_section(AddressSpace *as, const FlatRange *r)
{
    return (MemorySection){
        .as = as,
        .addr = r->addr,
        .size = r->size,
        .mr = r->mr,
        .offset = r->offset,
        .ram = r->ram,
        .read_only = r->read_only,
        .romd = r->romd,
        .dirty_log = r->dirty_log,
    };
}
