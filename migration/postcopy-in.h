/*
 * Guest memory that comes after the guest, incoming: which pages are here, and
 * who waits for those that aren't.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_POSTCOPY_IN_H
#define MIGRATION_POSTCOPY_IN_H

#include "migration/postcopy-times.h"
#include "system/memory.h"

typedef struct PostcopyIn PostcopyIn;

/*
 * Somebody waits for these bytes, one page of the block's backing.  Called by
 * a thread of its own, which may wait.
 */
typedef void PostcopyAskFn(void *opaque, const RamBlock *rb, uint64_t off,
                           uint64_t len);
/* The vCPU whose thread that is; -1: none's. */
typedef int PostcopyCpuFn(void *opaque, pid_t tid);

/* The sizes of pages that back the blocks which travel, or-ed (ADVISE). */
uint64_t postcopy_page_sizes(Memory *mem);
/*
 * Can missing pages of each block be waited for?  Errors name the block and
 * what its memory lacks.
 */
bool postcopy_in_supported(Memory *mem, GError **errp);
/*
 * For a stream that may become a postcopy; before the first page.  Memory of
 * the host is no longer made in pieces larger than the backing's pages.
 * `zero`: all memory is zero, and a page that isn't sent stays so; otherwise
 * each page is sent at least once.
 */
PostcopyIn *postcopy_in_new(Memory *mem, bool zero, GError **errp);
/* Ends it, if nobody has.  NULL is fine. */
void postcopy_in_free(PostcopyIn *p);

/*
 * Before it listens: `times`, borrowed, is told how long vCPUs wait.  False
 * with errp: the kernel doesn't say who waits.
 */
bool postcopy_in_set_times(PostcopyIn *p, PostcopyTimes *times,
                           PostcopyCpuFn *cpu, void *opaque, GError **errp);
/* The list of blocks (RamBlock, borrowed) has come; sizes stay. */
void postcopy_in_set_blocks(PostcopyIn *p, const GPtrArray *blocks);
/* While pages are still stored as they come: these have come. */
void postcopy_in_stored(PostcopyIn *p, const RamBlock *rb, uint64_t off,
                        uint64_t len);
/* These are to come once more: old by now, or never sent (RAM_DISCARD). */
bool postcopy_in_discard(PostcopyIn *p, const char *name, uint64_t off,
                         uint64_t len, GError **errp);
/*
 * From here on who touches a page that isn't here waits for it, and `ask` is
 * called once for it.  Pages come by postcopy_in_place() only.
 */
bool postcopy_in_listen(PostcopyIn *p, PostcopyAskFn *ask, void *opaque,
                        GError **errp);
bool postcopy_in_listening(const PostcopyIn *p);
/*
 * A new connection: asks again for what is waited for.  To be called by the
 * one who places.
 */
void postcopy_in_ask_again(PostcopyIn *p);

/* One for each stream of pages. */
typedef struct PostcopyPlacer {
    PostcopyIn *in;
    /* A large page that has come in part. */
    uint8_t *part;
    const RamBlock *part_rb;
    uint64_t part_off, part_len; /* bytes: of the page; so far */
    uint64_t part_room;          /* bytes of `part` */
} PostcopyPlacer;

void postcopy_placer_init(PostcopyPlacer *pl, PostcopyIn *p);
void postcopy_placer_fini(PostcopyPlacer *pl);
/* Forgets a page that has come in part. */
void postcopy_placer_restart(PostcopyPlacer *pl);
/*
 * Pages have come: `data`, or zeros if that is NULL.  What is here already
 * stays as it is: the guest may have written it.  `off` and `len` are
 * multiples of RAM_PAGE_SIZE inside of the block; those of a larger page come
 * in order, one behind the other.
 */
bool postcopy_in_place(PostcopyPlacer *pl, const RamBlock *rb, uint64_t off,
                       const uint8_t *data, uint64_t len, GError **errp);

/* Pages that have not come. */
uint64_t postcopy_in_missing(const PostcopyIn *p);
/* The pages that have, for RECV_BITMAP; NULL: no such block. */
const unsigned long *postcopy_in_bitmap(const PostcopyIn *p, const char *name,
                                        uint64_t *ret_npages);
/* Nobody waits any more: what has not come reads as zero. */
void postcopy_in_end(PostcopyIn *p);

#endif
