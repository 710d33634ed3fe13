/*
 * Migration's dirty log over guest memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory-priv.h"
#include "util/bitmap.h"
#include "util/error.h"

enum {
    LOG_MIGRATION = 1U << DIRTY_MIGRATION,
    ARM_GAP = 512, /* pages between two runs that are armed in one call */
};

static void log_off(Memory *mem)
{
    mem->dirty_log = false;
    address_space_update(&mem->smm);
    address_space_update(&mem->memory);
    for (GList *l = mem->memory.listeners.tail; l; l = l->prev) {
        MemoryListener *m = container_of(l, MemoryListener, link);

        if (m->log_global_stop) {
            m->log_global_stop(m);
        }
    }
    ram_dirty_stop(&mem->ram, DIRTY_MIGRATION);
}

static bool log_on(Memory *mem, GError **errp)
{
    /* The bitmaps first: a listener may report pages at once. */
    if (!ram_dirty_start(&mem->ram, DIRTY_MIGRATION, true, errp)) {
        return false;
    }
    mem->dirty_log = true;
    for (GList *l = mem->memory.listeners.head; l; l = l->next) {
        MemoryListener *m = container_of(l, MemoryListener, link);

        if (m->log_global_start && !m->log_global_start(m, errp)) {
            log_off(mem);
            return false;
        }
    }
    address_space_update(&mem->smm);
    address_space_update(&mem->memory);
    return true;
}

bool memory_dirty_log_watch(Memory *mem, DirtyLogUser user, GError **errp)
{
    if (mem->log_users & user) {
        error_setf(errp, "dirty log %d is on already", (int)user);
        return false;
    }
    if (mem->log_users == 0 && !log_on(mem, errp)) {
        return false;
    }
    mem->log_users |= user;
    return true;
}

void memory_dirty_log_unwatch(Memory *mem, DirtyLogUser user)
{
    bool was = mem->log_users != 0;

    mem->log_users &= ~user;
    if (was && mem->log_users == 0) {
        log_off(mem);
    }
}

bool memory_dirty_log_start(Memory *mem, GError **errp)
{
    bool shared = mem->log_users != 0;
    RamBlock *rb;

    if (!memory_dirty_log_watch(mem, DIRTY_LOG_MIGRATION, errp)) {
        return false;
    }
    mem->log_migrations++;
    /* Somebody else may have taken bits of what was never sent. */
    if (shared) {
        RAM_BLOCK_FOREACH(rb, &mem->ram)
        {
            memory_dirty_log_mark(rb, 0, ram_block_max_pages(rb));
        }
    }
    return true;
}

void memory_dirty_log_stop(Memory *mem)
{
    memory_dirty_log_unwatch(mem, DIRTY_LOG_MIGRATION);
}

/* All logged sections, to one listener. */
static void sync_sections(MemoryListener *m, AddressSpace *as)
{
    for (unsigned i = 0; i < as->view->nranges; i++) {
        const FlatRange *r = &as->view->ranges[i];
        MemorySection s;

        if (r->dirty_log & LOG_MIGRATION) {
            s = flat_range_section(as, r);
            m->log_sync(m, &s);
        }
    }
}

void memory_dirty_log_sync(Memory *mem, bool last_stage)
{
    AddressSpace *as = &mem->memory;

    VM_LOCK_GUARD();
    for (GList *l = as->listeners.head; l; l = l->next) {
        MemoryListener *m = container_of(l, MemoryListener, link);

        if (m->log_sync) {
            sync_sections(m, as);
        } else if (m->log_sync_all) {
            m->log_sync_all(m, last_stage);
        }
    }
}

static void clear_section(AddressSpace *as, const MemorySection *s)
{
    for (GList *l = rcu_queue_head(&as->listeners); l; l = rcu_queue_next(l)) {
        MemoryListener *m = container_of(l, MemoryListener, link);

        if (m->log_clear) {
            m->log_clear(m, s);
        }
    }
}

/* Pages [page, page + npages) wherever the view shows them; RCU. */
static void clear_run(AddressSpace *as, RamBlock *rb, uint64_t page,
                      uint64_t npages)
{
    uint64_t first = page << RAM_PAGE_BITS;
    uint64_t end = (page + npages) << RAM_PAGE_BITS;
    const FlatView *view = address_space_view(as);

    for (unsigned i = 0; view && i < view->nranges; i++) {
        const FlatRange *r = &view->ranges[i];
        uint64_t from = MAX(first, r->offset);
        uint64_t to = MIN(end, r->offset + r->size);
        MemorySection s;

        if (r->ram != rb || from >= to || !(r->dirty_log & LOG_MIGRATION)) {
            continue;
        }
        s = flat_range_section(as, r);
        s.addr += from - r->offset;
        s.offset = from;
        s.size = to - from;
        clear_section(as, &s);
    }
}

/* Has stores to the pages of `bits`, and of gaps, reported again; RCU. */
static void memory_log_arm(Memory *mem, RamBlock *rb, uint64_t first,
                           uint64_t npages, const unsigned long *bits)
{
    AddressSpace *as = &mem->memory;
    uint64_t lo = bitmap_find_next(bits, npages, 0);

    for (GList *l = rcu_queue_head(&as->listeners); l; l = rcu_queue_next(l)) {
        MemoryListener *m = container_of(l, MemoryListener, link);

        if (m->log_protect) {
            m->log_protect(m);
        }
    }
    while (lo < npages) {
        uint64_t hi = lo, next = lo;

        while (next < npages && next - hi <= ARM_GAP) {
            hi = bitmap_find_next_zero(bits, npages, next);
            next = bitmap_find_next(bits, npages, hi);
        }
        clear_run(as, rb, first + lo, hi - lo);
        lo = next;
    }
}

/* Pages of word w of a range that were asked for. */
static unsigned long word_mask(const unsigned long *except, uint64_t npages,
                               uint64_t w)
{
    uint64_t left = npages - w * BITMAP_WORD_BITS;
    unsigned long mask = except ? ~except[w] : ~0UL;

    return left < BITMAP_WORD_BITS ? mask & ((1UL << left) - 1) : mask;
}

/* Copies a range of the bitmap, and takes it out of there; RCU. */
static uint64_t copy_bits(RamBlock *rb, uint64_t first, uint64_t npages,
                          const unsigned long *except, bool take,
                          unsigned long *ret_bits)
{
    unsigned long *map = rcu_dereference(rb->dirty[DIRTY_MIGRATION]);
    uint64_t n = 0;

    g_assert(first % BITMAP_WORD_BITS == 0);
    for (uint64_t w = 0; w < bitmap_words(npages); w++) {
        unsigned long mask = word_mask(except, npages, w);

        if (map) {
            unsigned long *p = &map[first / BITMAP_WORD_BITS + w];
            unsigned long bits = __atomic_load_n(p, __ATOMIC_ACQUIRE) & mask;

            mask = bits && take
                       ? __atomic_fetch_and(p, ~bits, __ATOMIC_SEQ_CST) & bits
                       : bits;
        }
        ret_bits[w] = mask;
        n += __builtin_popcountl(mask);
    }
    return n;
}

uint64_t memory_dirty_log_take(Memory *mem, RamBlock *rb, uint64_t first,
                               uint64_t npages, const unsigned long *except,
                               unsigned long *ret_bits)
{
    uint64_t n;
    RCU_READ_GUARD();

    n = copy_bits(rb, first, npages, except, true, ret_bits);
    if (n > 0) {
        memory_log_arm(mem, rb, first, npages, ret_bits);
    }
    return n;
}

uint64_t memory_dirty_log_peek(RamBlock *rb, uint64_t first, uint64_t npages,
                               const unsigned long *except,
                               unsigned long *ret_bits)
{
    RCU_READ_GUARD();

    return copy_bits(rb, first, npages, except, false, ret_bits);
}

uint64_t memory_dirty_log_count(RamBlock *rb, uint64_t npages,
                                const unsigned long *except)
{
    const unsigned long *map;
    RCU_READ_GUARD();

    map = rcu_dereference(rb->dirty[DIRTY_MIGRATION]);
    /* vCPUs go on setting bits, unless this is the last look. */
    return map ? bitmap_count_andnot(map, except, npages) : npages;
}

void memory_dirty_log_mark(RamBlock *rb, uint64_t first, uint64_t npages)
{
    unsigned long *map;
    RCU_READ_GUARD();

    map = rcu_dereference(rb->dirty[DIRTY_MIGRATION]);
    if (map) {
        bitmap_set_atomic(map, first, npages);
    }
}
