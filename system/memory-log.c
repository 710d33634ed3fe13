/*
 * Migration's dirty log over guest memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory-priv.h"
#include "util/error.h"

enum { LOG_MIGRATION = 1U << DIRTY_MIGRATION };

bool memory_dirty_log_start(Memory *mem, GError **errp)
{
    /* The bitmaps first: a listener may report pages at once. */
    if (!ram_dirty_start(&mem->ram, DIRTY_MIGRATION, true, errp)) {
        return false;
    }
    mem->dirty_log = true;
    for (GList *l = mem->memory.listeners.head; l; l = l->next) {
        MemoryListener *m = container_of(l, MemoryListener, link);

        if (m->log_global_start) {
            m->log_global_start(m);
        }
    }
    address_space_update(&mem->smm);
    address_space_update(&mem->memory);
    return true;
}

void memory_dirty_log_stop(Memory *mem)
{
    if (!mem->dirty_log) {
        return;
    }
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

void memory_dirty_log_clear(Memory *mem, RamBlock *rb, uint64_t page,
                            uint64_t npages)
{
    AddressSpace *as = &mem->memory;
    uint64_t first = page << RAM_PAGE_BITS;
    uint64_t end = (page + npages) << RAM_PAGE_BITS;
    const FlatView *view;

    RCU_READ_GUARD();
    view = address_space_view(as);
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
