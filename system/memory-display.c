/*
 * The display's dirty log of video memory: while somebody looks.
 *
 * It shares the accelerator's log with the migration, and must take nothing
 * from it.  What an accelerator reports goes into the bitmaps of all clients
 * before it arms the pages again (kvm_slot_log_sync(), kvm_ring_sync()), and
 * the display then takes bits out of its own bitmap only.  So a page that the
 * display has seen stays dirty for the migration.
 *
 * Taking is one operation: report and arm, take the bits; the caller reads the
 * pages afterwards.  A store in between is reported the next time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/memory-priv.h"
#include "util/bitmap.h"
#include "util/log.h"

static bool any_logs(const Memory *mem)
{
    return mem->display_logs > 0;
}

bool memory_display_log_set(MemoryRegion *mr, bool on)
{
    Memory *mem = mr->mem;
    bool was = mr->dirty_log & (1U << DIRTY_DISPLAY);
    g_autoptr(GError) err = NULL;

    if (on == was) {
        return true;
    }
    if (!on) {
        memory_region_set_log(mr, DIRTY_DISPLAY, false);
        mem->display_logs--;
        if (!any_logs(mem)) {
            ram_dirty_stop(&mem->ram, DIRTY_DISPLAY);
        }
        return true;
    }
    /* The bitmaps first: a listener may report pages at once. */
    if (!any_logs(mem) &&
        !ram_dirty_start(&mem->ram, DIRTY_DISPLAY, false, &err)) {
        log_warn("display: %s", err->message);
        return false;
    }
    mem->display_logs++;
    memory_region_set_log(mr, DIRTY_DISPLAY, true);
    return true;
}

/* Brings what accelerators know of the region into all bitmaps. */
static void sync_region(const MemoryRegion *mr)
{
    AddressSpace *as = &mr->mem->memory;

    for (GList *l = as->listeners.head; l; l = l->next) {
        MemoryListener *m = container_of(l, MemoryListener, link);

        if (!m->log_sync) {
            if (m->log_sync_all) {
                m->log_sync_all(m, false);
            }
            continue;
        }
        for (unsigned i = 0; i < as->view->nranges; i++) {
            const FlatRange *r = &as->view->ranges[i];

            if (r->ram == mr->ram && (r->dirty_log & (1U << DIRTY_DISPLAY))) {
                MemorySection s = flat_range_section(as, r);

                m->log_sync(m, &s);
            }
        }
    }
}

uint64_t memory_display_log_take(MemoryRegion *mr, unsigned long *ret_bits)
{
    uint64_t npages = ram_block_npages(mr->ram), n = 0;
    unsigned long *map;

    sync_region(mr);
    RCU_READ_GUARD();
    map = rcu_dereference(mr->ram->dirty[DIRTY_DISPLAY]);
    if (!map) {
        bitmap_set(ret_bits, 0, npages);
        return npages;
    }
    for (uint64_t w = 0; w < bitmap_words(npages); w++) {
        ret_bits[w] = bitmap_xchg_word(map, w, 0);
        n += __builtin_popcountl(ret_bits[w]);
    }
    return n;
}
