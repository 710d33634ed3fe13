/*
 * Guest memory, outgoing: the passes over dirty pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RAM_SEND_H
#define MIGRATION_RAM_SEND_H

#include "migration/postcopy-out.h"
#include "migration/presence.h"
#include "system/memory.h"
#include "vmstate/stream.h"

typedef struct RamSend RamSend;

typedef struct RamSendOptions {
    uint64_t features;           /* WIRE_F_* that both sides agreed on */
    bool wide_scanner;           /* avx2-zero-page */
    unsigned nscanners;          /* threads beside the caller's */
    struct MultifdSend *multifd; /* channels for the pages; or NULL */
    /* ADVISE was said: the list of blocks has the sizes of pages, and a pass
     * that is broken off leaves what was not sent dirty. */
    bool postcopy;
    /* Shared blocks are listed only: the destination has the same memory. */
    bool ignore_shared;
    /* xbzrle: bytes of the cache as they are to be now; NULL: there is none. */
    uint64_t (*cache_bytes)(void *opaque);
    const PresenceOps *presence; /* NULL: the system's */
    /* Called after each flush with the bytes put so far; may sleep (limit of
     * bandwidth).  False ends the pass: the migration was cancelled. */
    bool (*pace)(void *opaque, uint64_t bytes, GError **errp);
    void *opaque;
} RamSendOptions;

/* Since the beginning, as the user knows them. */
typedef struct XbzrleStats {
    uint64_t cache_bytes; /* 0: there is no cache */
    uint64_t pages;       /* that were in it */
    uint64_t bytes;       /* that went for these */
    uint64_t misses;      /* pages that were not */
    uint64_t overflows;   /* of `pages`: their delta was too long */
    uint64_t deltas; /* of `pages`: those that went as one, or not at all */
} XbzrleStats;

/* One writer (the migration thread); readers get each word atomically. */
typedef struct RamSendStats {
    uint64_t total_bytes;     /* of all blocks that are sent */
    uint64_t remaining_pages; /* dirty, as far as is known */
    uint64_t normal_pages;    /* sent with their bytes */
    uint64_t zero_pages;      /* sent as zero, or not at all as never touched */
    uint64_t free_pages;      /* not sent, as the guest said it's free */
    uint64_t syncs;           /* passes begun */
    uint64_t dirtied_pages;   /* found by the last sync */
    XbzrleStats xbzrle;
} RamSendStats;

RamSend *ram_send_new(Memory *mem, StreamOut *out, const RamSendOptions *opts,
                      GError **errp);
void ram_send_free(RamSend *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RamSend, ram_send_free)
/*
 * Content of the section's first part: the list of blocks.  Here and below the
 * caller puts the frame around it (iterative.h).
 */
bool ram_send_setup(RamSend *r, GError **errp);
/*
 * Brings the dirty bits in; takes vm_lock.  `last`: the guest has stopped.
 * Returns the pages now known to be dirty.
 */
uint64_t ram_send_sync(RamSend *r, bool last);
/*
 * Sends what is dirty once, and has the log armed for it.  The first call
 * treats all pages as new.
 */
bool ram_send_pass(RamSend *r, GError **errp);
/*
 * Sends the rest after the last sync and ends the section; guest stopped.  All
 * of it stays dirty until the log stops: if the guest isn't handed over, the
 * next pass sends it again.  If the stream becomes late the section ends
 * early.
 */
bool ram_send_finish(RamSend *r, GError **errp);
/*
 * After the last sync, instead of that: all that was never sent, or not as it
 * is now.  Guest stopped, for good unless the migration fails.
 */
PostcopyOut *ram_send_postcopy(RamSend *r, GError **errp);
void ram_send_get_stats(const RamSend *r, RamSendStats *ret);

#endif
