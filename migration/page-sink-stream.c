/*
 * Pages go into the one stream of the migration: extents and runs of zeros to
 * a peer that knows them, single records to any other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/page-cache.h"
#include "migration/page-sink.h"
#include "migration/scan-pool.h"
#include "migration/wire.h"
#include "migration/xbzrle.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/log.h"

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
    /* xbzrle: what the destination has; or NULL. */
    PageCache *cache;
    bool cache_fills; /* this pass puts pages there */
    XbzrleDiffFn *differ;
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
    if (k->cache != NULL) {
        page_cache_drop(k->cache, rb, page, n);
    }
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

/* A page as it is in the cache, and will be at the destination. */
static void put_copy(StreamSink *k, const RamBlock *rb, uint64_t page,
                     const uint8_t *copy)
{
    stat_add(&k->stats.normal_pages, 1);
    put_record(k, rb, page, RAM_REC_PAGE);
    stream_put(k->out, copy, RAM_PAGE_SIZE);
}

/* What is different from the cached page, which then has it, too. */
static void put_delta(StreamSink *k, const RamBlock *rb, uint64_t page,
                      uint8_t *cached)
{
    uint8_t now[XBZRLE_PAGE], delta[XBZRLE_PAGE];
    XbzrleStats *st = &k->stats.xbzrle;
    int len;

    memcpy(now, rb->host + (page << RAM_PAGE_BITS), sizeof(now));
    len = xbzrle_encode(k->differ, cached, now, delta, sizeof(delta));
    stat_add(&st->pages, 1);
    if (len != 0) {
        memcpy(cached, now, sizeof(now));
    }
    if (len < 0) {
        stat_add(&st->overflows, 1);
        stat_add(&st->bytes, RAM_PAGE_SIZE);
        put_copy(k, rb, page, cached);
        return;
    }
    stat_add(&st->deltas, 1);
    stat_add(&st->bytes, len);
    if (len > 0) { /* else it was written with what was there */
        put_record(k, rb, page, RAM_REC_XBZRLE);
        stream_put_u8(k->out, RAM_XBZRLE_DELTA);
        stream_put_be16(k->out, len);
        stream_put(k->out, delta, len);
    }
}

/*
 * With a cache.  The guest may write to the page meanwhile: what is sent is a
 * copy, or the cache might have something else than the destination.
 */
static bool put_cached_run(StreamSink *k, const RamBlock *rb, uint64_t page,
                           uint64_t n, GError **errp)
{
    for (uint64_t i = page; i < page + n && !stream_out_is_late(k->out); i++) {
        uint8_t *cached = page_cache_find(k->cache, rb, i);

        if (cached != NULL) {
            put_delta(k, rb, i, cached);
        } else {
            stat_add(&k->stats.xbzrle.misses, 1);
            if (k->cache_fills) {
                cached = page_cache_insert(k->cache, rb, i);
            }
            if (cached != NULL) {
                memcpy(cached, rb->host + (i << RAM_PAGE_BITS), RAM_PAGE_SIZE);
                put_copy(k, rb, i, cached);
            } else {
                stat_add(&k->stats.normal_pages, 1);
                put_record(k, rb, i, RAM_REC_PAGE);
                stream_put_ref(k->out, rb->host + (i << RAM_PAGE_BITS),
                               RAM_PAGE_SIZE);
            }
        }
        if (!flush_if_due(k, errp)) {
            return false;
        }
    }
    return true;
}

static bool put_plain_run(StreamSink *k, const RamBlock *rb, uint64_t page,
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

static bool put_data_run(StreamSink *k, const RamBlock *rb, uint64_t page,
                         uint64_t n, GError **errp)
{
    if (k->cache != NULL && !k->fresh && k->divert == NULL) {
        return put_cached_run(k, rb, page, n, errp);
    }
    return put_plain_run(k, rb, page, n, errp);
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

/* The user may want another size than before; without memory it stays. */
static void size_cache(StreamSink *k)
{
    uint64_t bytes = k->opts.cache_bytes(k->opts.opaque);
    g_autoptr(GError) err = NULL;
    PageCache *c;

    if (bytes == page_cache_bytes(k->cache)) {
        return;
    }
    c = page_cache_new(bytes, &err);
    if (c == NULL) {
        log_warn("%s", err->message);
        return;
    }
    page_cache_free(k->cache);
    k->cache = c;
    __atomic_store_n(&k->stats.xbzrle.cache_bytes, bytes, __ATOMIC_RELAXED);
}

static void stream_sink_forget(PageSink *sink)
{
    StreamSink *k = (StreamSink *)sink;

    if (k->cache != NULL) {
        page_cache_drop_all(k->cache);
    }
}

static void stream_sink_begin(PageSink *sink, PagePass pass)
{
    StreamSink *k = (StreamSink *)sink;

    k->fresh = pass == PASS_FIRST;
    k->cache_fills = pass == PASS_NEXT;
    if (k->cache != NULL) {
        size_cache(k);
        page_cache_age(k->cache);
    }
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
    const uint64_t *src = (const uint64_t *)&k->stats;
    uint64_t *dst = (uint64_t *)ret;

    for (size_t i = 0; i < sizeof(*ret) / sizeof(*dst); i++) {
        dst[i] = __atomic_load_n(&src[i], __ATOMIC_RELAXED);
    }
}

static void stream_sink_free(PageSink *sink)
{
    StreamSink *k = (StreamSink *)sink;

    scan_pool_free(k->pool);
    page_cache_free(k->cache);
    bitmap_free(k->zero);
    g_free(k);
}

static const PageSinkOps stream_sink_ops = {
    .begin = stream_sink_begin,
    .pages = stream_sink_pages,
    .zero = stream_sink_zero,
    .end = stream_sink_end,
    .forget = stream_sink_forget,
    .stats = stream_sink_stats,
    .free = stream_sink_free,
};

/* If there is to be one. */
static bool make_cache(StreamSink *k, GError **errp)
{
    if (k->opts.cache_bytes == NULL) {
        return true;
    }
    k->differ = xbzrle_differ();
    k->cache = page_cache_new(k->opts.cache_bytes(k->opts.opaque), errp);
    if (k->cache == NULL) {
        return false;
    }
    k->stats.xbzrle.cache_bytes = page_cache_bytes(k->cache);
    return true;
}

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
    if (k->pool == NULL || !make_cache(k, errp)) {
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
