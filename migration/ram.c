/*
 * Guest memory as a row of the table of iterative sections.
 *
 * Stream: "ram" version 4, section 2; its records are in wire.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/ram.h"

#include "migration/ram-load.h"
#include "migration/wire.h"
#include "util/error.h"

static void *ram_setup(const IterativeEnv *env, GError **errp)
{
    g_autoptr(RamSend) r = ram_send_new(env->mem, env->out, &env->opts, errp);

    if (r == NULL || !ram_send_setup(r, errp)) {
        return NULL;
    }
    return g_steal_pointer(&r);
}

static uint64_t ram_pending(void *opaque, bool last)
{
    return ram_send_sync(opaque, last) * RAM_PAGE_SIZE;
}

static bool ram_iterate(void *opaque, GError **errp)
{
    return ram_send_pass(opaque, errp);
}

static bool ram_complete(void *opaque, GError **errp)
{
    return ram_send_finish(opaque, errp);
}

static PostcopyOut *ram_postcopy(void *opaque, GError **errp)
{
    return ram_send_postcopy(opaque, errp);
}

static void ram_stats(const void *opaque, RamSendStats *stats)
{
    RamSendStats mine;

    ram_send_get_stats(opaque, &mine);
    stats->total_bytes += mine.total_bytes;
    stats->remaining_pages += mine.remaining_pages;
    stats->normal_pages += mine.normal_pages;
    stats->zero_pages += mine.zero_pages;
    stats->free_pages += mine.free_pages;
    stats->syncs += mine.syncs;
    stats->dirtied_pages += mine.dirtied_pages;
    stats->xbzrle = mine.xbzrle;
}

static void ram_cleanup(void *opaque)
{
    ram_send_free(opaque);
}

static bool ram_load(void *opaque, StreamIn *in, uint32_t version,
                     GError **errp)
{
    if (version != RAM_SECTION_VERSION) {
        error_setf(errp, "version %u: this program takes %d", version,
                   RAM_SECTION_VERSION);
        return false;
    }
    return ram_load_section(opaque, in, errp);
}

const IterativeOps ram_iterative = {
    .name = "ram",
    .version = RAM_SECTION_VERSION,
    .section_id = RAM_SECTION_ID,
    .setup = ram_setup,
    .pending = ram_pending,
    .iterate = ram_iterate,
    .complete = ram_complete,
    .postcopy = ram_postcopy,
    .stats = ram_stats,
    .cleanup = ram_cleanup,
    .load = ram_load,
};
