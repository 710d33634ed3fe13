/*
 * Pages go into the one stream of the migration: extents and runs of zeros to
 * a peer that knows them, single records to any other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/page-sink.h"
#include "migration/scan-pool.h"
#include "migration/wire.h"
#include "util/bitmap.h"

enum {
    EXTENT_PAGES = 256, /* 1 MiB: bandwidth is checked in between */
    FLUSH_BYTES = 1 << 20,
};

typedef struct StreamSink {
    PageSink sink;
    StreamOut *out;
    RamSendOptions opts;
    ScanPool *pool;
    PageSinkStats stats;
    bool fresh;              /* this pass is the first */
    const RamBlock *last_rb; /* named in this section already */
    uint64_t flushed;        /* stream offset at the last flush */
    PageRunFn *divert;       /* where data go; NULL: into the stream */
    void *divert_opaque;
    unsigned long *zero; /* PAGE_WINDOW_MAX bits: of the window */
} StreamSink;

static void stat_add(uint64_t *field, uint64_t v)
{
    /* single writer */
    __atomic_store_n(field, *field + v, __ATOMIC_RELAXED);
}

/* One page or extent header; the block's name where it changes. */
static void put_record(StreamSink *k, const RamBlock *rb, uint64_t page,
                       uint64_t flags)
{
    if (k->last_rb == rb) {
        flags |= RAM_REC_CONTINUE;
    }
    stream_put_be64(k->out, (page << RAM_PAGE_BITS) | flags);
    if (k->last_rb != rb) {
        stream_put_str8(k->out, rb->name);
        k->last_rb = rb;
    }
}

static bool flush_if_due(StreamSink *k, GError **errp)
{
    if (stream_out_bytes(k->out) - k->flushed < FLUSH_BYTES) {
        return true;
    }
    k->flushed = stream_out_bytes(k->out);
    return stream_out_flush(k->out, errp) &&
           k->opts.pace(k->opts.opaque, k->flushed, errp);
}

static bool put_zero_run(StreamSink *k, const RamBlock *rb, uint64_t page,
                         uint64_t n, GError **errp)
{
    stat_add(&k->stats.zero_pages, n);
    if (k->fresh && (k->opts.features & WIRE_F_ABSENT)) {
        return true;
    }
    if (k->opts.features & WIRE_F_EXTENTS) {
        put_record(k, rb, page, RAM_REC_EXTENT | RAM_REC_FILL);
        stream_put_be32(k->out, n);
        return true;
    }
    for (uint64_t i = 0; i < n; i++) {
        put_record(k, rb, page + i, RAM_REC_FILL);
        stream_put_u8(k->out, 0);
    }
    return flush_if_due(k, errp);
}

static bool put_data_run(StreamSink *k, const RamBlock *rb, uint64_t page,
                         uint64_t n, GError **errp)
{
    const uint8_t *p = rb->host + (page << RAM_PAGE_BITS);
    uint64_t step = k->opts.features & WIRE_F_EXTENTS ? EXTENT_PAGES : 1;

    stat_add(&k->stats.normal_pages, n);
    if (k->divert != NULL) {
        return k->divert(k->divert_opaque, rb, page, n, errp);
    }
    while (n > 0 && !stream_out_is_late(k->out)) {
        uint64_t part = MIN(n, step);

        if (step == 1) {
            put_record(k, rb, page, RAM_REC_PAGE);
        } else {
            put_record(k, rb, page, RAM_REC_EXTENT);
            stream_put_be32(k->out, part);
        }
        stream_put_ref(k->out, p, part << RAM_PAGE_BITS);
        if (!flush_if_due(k, errp)) {
            return false;
        }
        page += part;
        p += part << RAM_PAGE_BITS;
        n -= part;
    }
    return true;
}

/* Puts the pages of the window, in runs of zero pages and of data. */
static bool put_window(StreamSink *k, const PageWindow *w, GError **errp)
{
    uint64_t i = bitmap_find_next(w->todo, w->npages, 0);

    while (i < w->npages && !stream_out_is_late(k->out)) {
        bool zero = bitmap_test(k->zero, i);
        uint64_t end = bitmap_find_next_zero(w->todo, w->npages, i);
        uint64_t turn = zero ? bitmap_find_next_zero(k->zero, w->npages, i)
                             : bitmap_find_next(k->zero, w->npages, i);
        uint64_t n = MIN(end, turn) - i;

        if (!(zero ? put_zero_run(k, w->rb, w->first + i, n, errp)
                   : put_data_run(k, w->rb, w->first + i, n, errp))) {
            return false;
        }
        i = bitmap_find_next(w->todo, w->npages, i + n);
    }
    return true;
}

static void stream_sink_begin(PageSink *sink, PagePass pass)
{
    StreamSink *k = (StreamSink *)sink;

    k->fresh = pass == PASS_FIRST;
    k->last_rb = NULL;
    k->flushed = stream_out_bytes(k->out);
}

static bool stream_sink_pages(PageSink *sink, const PageWindow *w,
                              GError **errp)
{
    StreamSink *k = (StreamSink *)sink;

    scan_pool_run(k->pool, w->rb->host + (w->first << RAM_PAGE_BITS), w->npages,
                  w->n, w->todo, k->zero);
    return put_window(k, w, errp);
}

static bool stream_sink_zero(PageSink *sink, const RamBlock *rb, uint64_t page,
                             uint64_t n, GError **errp)
{
    return put_zero_run((StreamSink *)sink, rb, page, n, errp);
}

/* One stream is in order anyhow. */
static bool stream_sink_end(PageSink *sink, GError **errp)
{
    return true;
}

static void stream_sink_stats(const PageSink *sink, PageSinkStats *ret)
{
    const StreamSink *k = (const StreamSink *)sink;

    ret->normal_pages =
        __atomic_load_n(&k->stats.normal_pages, __ATOMIC_RELAXED);
    ret->zero_pages = __atomic_load_n(&k->stats.zero_pages, __ATOMIC_RELAXED);
}

static void stream_sink_free(PageSink *sink)
{
    StreamSink *k = (StreamSink *)sink;

    scan_pool_free(k->pool);
    bitmap_free(k->zero);
    g_free(k);
}

static const PageSinkOps stream_sink_ops = {
    .begin = stream_sink_begin,
    .pages = stream_sink_pages,
    .zero = stream_sink_zero,
    .end = stream_sink_end,
    .stats = stream_sink_stats,
    .free = stream_sink_free,
};

PageSink *page_sink_stream_new(StreamOut *out, const RamSendOptions *opts,
                               GError **errp)
{
    StreamSink *k = g_new0(StreamSink, 1);

    k->sink.ops = &stream_sink_ops;
    k->out = out;
    k->opts = *opts;
    k->zero = bitmap_new(PAGE_WINDOW_MAX);
    k->pool = scan_pool_new(opts->nscanners,
                            buffer_zero_scanner(opts->wide_scanner), errp);
    if (k->pool == NULL) {
        stream_sink_free(&k->sink);
        return NULL;
    }
    return &k->sink;
}

void page_sink_stream_divert(PageSink *sink, PageRunFn *fn, void *opaque)
{
    StreamSink *k = (StreamSink *)sink;

    k->divert = fn;
    k->divert_opaque = opaque;
}

void page_sink_free(PageSink *k)
{
    if (k != NULL) {
        k->ops->free(k);
    }
}
