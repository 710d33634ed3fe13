/*
 * Pages that the guest says it doesn't use, between who hears of them (the
 * balloon) and who would send them (an outgoing migration).
 *
 * What makes it sound: a hint is taken only if the guest gave it after all
 * pages were armed in the dirty log.  The page was free at that moment, its
 * content worth nothing; whatever is stored there later is in the log, whoever
 * stores it, and is sent.  Hints never touch the log.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_FREE_HINTS_H
#define SYSTEM_FREE_HINTS_H

#include "system/ramblock.h"
#include "util/lock.h"

/* Who asks the guest; under vm_lock. */
typedef struct FreeHintSource {
    /*
     * False: the guest can't be asked.  Reports come from any thread, and
     * none of them is of what the guest had said before.
     */
    bool (*start)(void *opaque);
    void (*stop)(void *opaque);
} FreeHintSource;

/* Bytes off to off + len of a block are free; under FreeHints.lock. */
typedef void FreeHintSink(void *opaque, const RamBlock *rb, uint64_t off,
                          uint64_t len);

typedef struct FreeHints {
    const FreeHintSource *source; /* NULL: none; vm_lock */
    void *source_opaque;
    Lock lock;
    FreeHintSink *sink; /* NULL: nobody asks; lock */
    void *sink_opaque;
} FreeHints;

void free_hints_init(FreeHints *h);
void free_hints_fini(FreeHints *h);
/* vm_lock held; NULL: it goes away. */
void free_hints_set_source(FreeHints *h, const FreeHintSource *s, void *opaque);
/* Is there somebody who might be asked?  Takes vm_lock. */
bool free_hints_may_begin(FreeHints *h);
/*
 * Begins and ends a round; any thread, takes vm_lock.  All pages are armed.
 * The source reports only what the guest gives it after the begin; false: it
 * can't be asked.  After the end the sink isn't called any more.
 */
bool free_hints_begin(FreeHints *h, FreeHintSink *sink, void *opaque);
void free_hints_end(FreeHints *h);
/* From the source; any thread, without any lock. */
void free_hints_report(FreeHints *h, const RamBlock *rb, uint64_t off,
                       uint64_t len);

#endif
