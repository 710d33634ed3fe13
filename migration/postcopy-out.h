/*
 * Guest memory that goes after the guest, outgoing: the pages that have not
 * been sent, or not as they are now, and who wants which of them first.
 *
 * The guest stands for good: nobody writes to them any more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_POSTCOPY_OUT_H
#define MIGRATION_POSTCOPY_OUT_H

#include "system/memory.h"
#include "vmstate/stream.h"

typedef struct PostcopyOut PostcopyOut;

/* Since it was made; any thread reads. */
typedef struct PostcopyOutStats {
    uint64_t pending_pages; /* not put yet */
    uint64_t normal_pages, zero_pages;
    uint64_t requests; /* of the destination */
} PostcopyOutStats;

/* features: WIRE_F_* in use. */
PostcopyOut *postcopy_out_new(uint64_t features);
void postcopy_out_free(PostcopyOut *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PostcopyOut, postcopy_out_free)
/*
 * A block, of which a reference is taken, with its pages that are due
 * (`pending`, which is taken).  Of a large page all is due or nothing.
 */
void postcopy_out_add(PostcopyOut *p, RamBlock *rb, unsigned long *pending);
/* Commands that tell the destination to drop what it has of those pages. */
void postcopy_out_put_discards(const PostcopyOut *p, StreamOut *out);

/*
 * The destination waits for that range: it goes first.  Any thread.  False
 * with errp: it can't mean that.  What was put already isn't put again.
 */
bool postcopy_out_request(PostcopyOut *p, const char *name, uint64_t off,
                          uint64_t len, GError **errp);
bool postcopy_out_has_requests(PostcopyOut *p);
/* A part of the section begins: its first record names its block. */
void postcopy_out_begin_part(PostcopyOut *p);
/* Puts what was asked for; false: nothing was. */
bool postcopy_out_put_requested(PostcopyOut *p, StreamOut *out);
/* Puts some more, those behind what was asked for last; false: none is left. */
bool postcopy_out_put_some(PostcopyOut *p, StreamOut *out);

/* For each block, in the order of `i`, its name; NULL: no more. */
const char *postcopy_out_block(const PostcopyOut *p, unsigned i);
/* Bytes of the bitmap of block i on the wire. */
uint64_t postcopy_out_bitmap_len(const PostcopyOut *p, unsigned i);
/*
 * The destination has these pages (a bitmap of the wire) and no others: all
 * that it lacks is due, and nothing was asked for.  False with errp: it lacks
 * one that was released.
 */
bool postcopy_out_set_received(PostcopyOut *p, unsigned i,
                               const uint8_t *bitmap, GError **errp);
/*
 * release-ram: memory that the destination has is given back to the host.
 * From now on; then what was put until here is `number`'s, which grows; and
 * all up to a number has been taken there.  The sender's.
 */
void postcopy_out_keep_sent(PostcopyOut *p);
void postcopy_out_mark_sent(PostcopyOut *p, uint32_t number);
void postcopy_out_release(PostcopyOut *p, uint32_t number);
void postcopy_out_get_stats(const PostcopyOut *p, PostcopyOutStats *ret);

#endif
