/*
 * Pages that the guest says it doesn't use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/free-hints.h"

void free_hints_init(FreeHints *h)
{
    *h = (FreeHints){ 0 };
    lock_init(&h->lock);
}

void free_hints_fini(FreeHints *h)
{
    lock_fini(&h->lock);
}

void free_hints_set_source(FreeHints *h, const FreeHintSource *s, void *opaque)
{
    h->source = s;
    h->source_opaque = opaque;
}

bool free_hints_may_begin(FreeHints *h)
{
    VM_LOCK_GUARD();
    return h->source != NULL;
}

static void hints_set_sink(FreeHints *h, FreeHintSink *sink, void *opaque)
{
    LOCK_GUARD(&h->lock);
    h->sink = sink;
    h->sink_opaque = opaque;
}

bool free_hints_begin(FreeHints *h, FreeHintSink *sink, void *opaque)
{
    VM_LOCK_GUARD();

    if (h->source == NULL) {
        return false;
    }
    hints_set_sink(h, sink, opaque);
    if (!h->source->start(h->source_opaque)) {
        hints_set_sink(h, NULL, NULL);
        return false;
    }
    return true;
}

void free_hints_end(FreeHints *h)
{
    VM_LOCK_GUARD();

    hints_set_sink(h, NULL, NULL);
    if (h->source != NULL) {
        h->source->stop(h->source_opaque);
    }
}

void free_hints_report(FreeHints *h, const RamBlock *rb, uint64_t off,
                       uint64_t len)
{
    LOCK_GUARD(&h->lock);

    if (h->sink != NULL) {
        h->sink(h->sink_opaque, rb, off, len);
    }
}
