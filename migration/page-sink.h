/*
 * Where the pages of a pass over guest memory go.
 *
 * ram-send.c finds out which pages are due; a sink finds the zero pages among
 * them and brings them to the destination.  Each way to do so is a table of
 * hooks: one stream is the first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PAGE_SINK_H
#define MIGRATION_PAGE_SINK_H

#include "migration/ram-send.h"

enum { PAGE_WINDOW_MAX = 65536 /* pages: 256 MiB */ };

/* Pages of one block that are due. */
typedef struct PageWindow {
    const RamBlock *rb;
    uint64_t first, npages;    /* of the block; at most PAGE_WINDOW_MAX */
    const unsigned long *todo; /* bit 0: page `first` */
    uint64_t n;                /* bits set in todo */
} PageWindow;

/* Since the sink was made. */
typedef struct PageSinkStats {
    uint64_t normal_pages; /* put with their bytes */
    uint64_t zero_pages;   /* put as zero, or left out as never touched */
    XbzrleStats xbzrle;    /* its deltas are no normal_pages */
} PageSinkStats;

typedef struct PageSink PageSink;

typedef enum PagePass {
    PASS_FIRST, /* of what it finds nothing was sent before */
    PASS_NEXT,
    PASS_LAST, /* the guest stands */
} PagePass;

/* The migration thread calls all of them but `stats`; false sets errp. */
typedef struct PageSinkOps {
    void (*begin)(PageSink *k, PagePass pass);
    /* Takes a window; w->todo is the caller's again when it returns. */
    bool (*pages)(PageSink *k, const PageWindow *w, GError **errp);
    /* `n` pages that are zero, as nobody ever touched them. */
    bool (*zero)(PageSink *k, const RamBlock *rb, uint64_t page, uint64_t n,
                 GError **errp);
    /*
     * A pass is over, or the list of blocks, which is before the first.  No
     * page that is given from now on arrives before one that was given until
     * now.
     */
    bool (*end)(PageSink *k, GError **errp);
    /* What the destination has isn't what was given, as it had the guest, or
     * was told to drop pages.  NULL: that makes no difference. */
    void (*forget)(PageSink *k);
    void (*stats)(const PageSink *k, PageSinkStats *ret); /* any thread */
    void (*free)(PageSink *k);
} PageSinkOps;

struct PageSink {
    const PageSinkOps *ops;
};

/*
 * Records in the section's own stream, in which the caller frames them.  `out`
 * is borrowed, *opts copied.
 */
PageSink *page_sink_stream_new(StreamOut *out, const RamSendOptions *opts,
                               GError **errp);
/* Takes a run of pages that has data; false sets errp. */
typedef bool PageRunFn(void *opaque, const RamBlock *rb, uint64_t page,
                       uint64_t n, GError **errp);
/* What isn't zero goes there from now on; NULL: into the stream. */
void page_sink_stream_divert(PageSink *k, PageRunFn *fn, void *opaque);
/* NULL is fine. */
void page_sink_free(PageSink *k);

#endif
