/*
 * State that travels in several parts while the guest runs: one row each.
 *
 * A row is a const table of hooks; "ram" is the first.  The engine writes the
 * frame of each part (type, section id, name, version, footer), flushes and
 * keeps to the bandwidth; a row puts what stands in between.  It knows no
 * name: the rows' order is that of the stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_ITERATIVE_H
#define MIGRATION_ITERATIVE_H

#include "migration/ram-send.h"
#include "system/memory.h"
#include "vmstate/stream.h"

/* What a row's source side works with; outlives its opaque. */
typedef struct IterativeEnv {
    Memory *mem;
    StreamOut *out;
    RamSendOptions opts; /* features, scanners, pace */
} IterativeEnv;

typedef struct IterativeOps {
    const char *name;    /* of the section, at most 255 bytes */
    uint32_t version;    /* of the section */
    uint32_t section_id; /* in streams that this program writes */

    /*
     * Source; the migration thread, without vm_lock.  What a hook puts is the
     * content of one part.  `opaque` is the row's own, as setup made it; false
     * or NULL sets errp.
     */
    /* Content of the first part (SECTION_START).  Before the dirty log. */
    void *(*setup)(const IterativeEnv *env, GError **errp);
    /*
     * Brings what changed up to date; may take vm_lock.  `last`: the guest
     * stands, and complete may follow.  Returns the bytes that are due.
     */
    uint64_t (*pending)(void *opaque, bool last);
    /*
     * Sends what is due once (SECTION_PART); calls opts.pace now and then.
     * False, here and below: it was cancelled, or writing failed.  The content
     * is ended all the same, so that a last word can follow.
     */
    bool (*iterate)(void *opaque, GError **errp);
    /*
     * Sends the rest after pending(last) (SECTION_END).  If the switch-over is
     * undone, pending(false) and iterate follow.
     */
    bool (*complete)(void *opaque, GError **errp);
    /*
     * Instead of that: what follows when the guest has gone (ram-send.h); the
     * caller frees it.  NULL: a row that has no such thing.
     */
    PostcopyOut *(*postcopy)(void *opaque, GError **errp);
    /* Any thread: adds to *stats, which counts over all rows. */
    void (*stats)(const void *opaque, RamSendStats *stats);
    void (*cleanup)(void *opaque);

    /*
     * Destination, without vm_lock: loads the content of one part of any kind,
     * up to the footer; `version` is that of the section's start.  `opaque` is
     * what the loader keeps for this row.
     */
    bool (*load)(void *opaque, StreamIn *in, uint32_t version, GError **errp);
} IterativeOps;

/* The rows of this program, in the stream's order. */
const IterativeOps *const *iterative_rows(size_t *ret_n);
/* The row of that name, or NULL. */
const IterativeOps *iterative_find(const char *name);

/* All rows of one outgoing migration. */
typedef struct IterativeSet IterativeSet;

/* `rows` (`n` of them) and `env` are borrowed. */
IterativeSet *iterative_new(const IterativeOps *const *rows, size_t n,
                            const IterativeEnv *env);
/* Accepts NULL, and a set whose setup failed or was never called. */
void iterative_free(IterativeSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IterativeSet, iterative_free)
/* Puts all first parts and flushes.  Once. */
bool iterative_setup(IterativeSet *set, GError **errp);
/* Bytes due in all rows; see pending above. */
uint64_t iterative_pending(IterativeSet *set, bool last);
/* A part of each row, flushed, paced. */
bool iterative_pass(IterativeSet *set, GError **errp);
/* The last part of each row; guest stopped.  Nothing is flushed. */
bool iterative_complete(IterativeSet *set, GError **errp);
/* What is left of the row that can follow the guest; guest stopped. */
PostcopyOut *iterative_postcopy(IterativeSet *set, GError **errp);
/* The sum over all rows; zeros before setup. */
void iterative_stats(const IterativeSet *set, RamSendStats *ret);

#endif
