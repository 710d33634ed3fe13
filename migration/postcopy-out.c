/*
 * Guest memory that goes after the guest, outgoing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/postcopy-out.h"

#include "migration/savevm.h"
#include "migration/wire.h"
#include "util/bitmap.h"
#include "util/bswap.h"
#include "util/bufferiszero.h"
#include "util/error.h"

enum {
    SOME_PAGES = 64,    /* put at once: whoever asks waits for no more */
    DISCARD_RANGES = 12 /* in one command; as QEMU 7.2 */
};

typedef struct OutBlock {
    RamBlock *rb; /* a reference */
    uint64_t npages;
    uint64_t unit;           /* pages of RAM_PAGE_SIZE in one of the backing */
    unsigned long *pending;  /* atomic */
    unsigned long *asked;    /* lock; one bit for each unit, its first page */
    unsigned long *released; /* are no longer here; NULL: none is */
} OutBlock;

/* Pages that were put, and may be on their way. */
typedef struct OutSent {
    unsigned block;
    uint64_t page, npages;
    uint32_t number; /* of the mark behind them, once there is one */
} OutSent;

/* A unit that is waited for. */
typedef struct OutRequest {
    unsigned block;
    uint64_t page;
} OutRequest;

struct PostcopyOut {
    uint64_t features;
    BufferZeroFn *is_zero;
    GArray *blocks; /* OutBlock */
    Lock lock;
    GArray *queue; /* lock; OutRequest, from `head` on */
    guint head;
    /* The sender's own. */
    unsigned block; /* where it goes on */
    uint64_t page;
    const RamBlock *last_rb; /* named in this part */
    GArray *sent;            /* OutSent, from sent_head on; NULL: isn't kept */
    guint sent_head, sent_marked;
    PostcopyOutStats stats; /* atomic; one writer each */
};

static void out_block_clear(void *opaque)
{
    OutBlock *b = opaque;

    bitmap_free(b->pending);
    bitmap_free(b->asked);
    bitmap_free(b->released);
    ram_block_unref(b->rb);
}

PostcopyOut *postcopy_out_new(uint64_t features)
{
    PostcopyOut *p = g_new0(PostcopyOut, 1);

    p->features = features;
    p->is_zero = buffer_zero_scanner(true);
    p->blocks = g_array_new(false, true, sizeof(OutBlock));
    g_array_set_clear_func(p->blocks, out_block_clear);
    p->queue = g_array_new(false, true, sizeof(OutRequest));
    lock_init(&p->lock);
    return p;
}

void postcopy_out_free(PostcopyOut *p)
{
    if (p == NULL) {
        return;
    }
    g_array_unref(p->blocks);
    g_array_unref(p->queue);
    if (p->sent != NULL) {
        g_array_unref(p->sent);
    }
    lock_fini(&p->lock);
    g_free(p);
}

static OutBlock *out_block(const PostcopyOut *p, unsigned i)
{
    return &g_array_index(p->blocks, OutBlock, i);
}

static void stat_add(uint64_t *field, int64_t v)
{
    __atomic_fetch_add(field, v, __ATOMIC_RELAXED);
}

/* Of a large page all or nothing; sums up what is due. */
static void whole_units(PostcopyOut *p, OutBlock *b)
{
    uint64_t i = bitmap_find_next(b->pending, b->npages, 0);

    while (b->unit > 1 && i < b->npages) {
        uint64_t lo = ROUND_DOWN(i, b->unit);
        uint64_t hi = MIN(lo + b->unit, b->npages);

        bitmap_set(b->pending, lo, hi - lo);
        i = bitmap_find_next(b->pending, b->npages, hi);
    }
    stat_add(&p->stats.pending_pages, bitmap_count(b->pending, 0, b->npages));
}

void postcopy_out_add(PostcopyOut *p, RamBlock *rb, unsigned long *pending)
{
    OutBlock b = { .rb = rb,
                   .npages = ram_block_npages(rb),
                   .unit = rb->page_size >> RAM_PAGE_BITS,
                   .pending = pending };

    ram_block_ref(rb);
    b.asked = bitmap_new(b.npages);
    whole_units(p, &b);
    g_array_append_val(p->blocks, b);
}

/* ---- discards ---------------------------------------------------------- */

typedef struct DiscardCommand {
    StreamOut *out;
    uint8_t data[2 + 1 + RAM_BLOCK_NAME_MAX + DISCARD_RANGES * 16];
    size_t head, len; /* bytes: before the first range; in all */
} DiscardCommand;

static void discard_begin(DiscardCommand *c, StreamOut *out, const char *name)
{
    size_t n = strlen(name);

    c->out = out;
    c->data[0] = 0;
    c->data[1] = n;
    memcpy(c->data + 2, name, n);
    c->data[2 + n] = 0;
    c->head = c->len = 3 + n;
}

static void discard_end(DiscardCommand *c)
{
    if (c->len > c->head) {
        savevm_put_command(c->out, WIRE_CMD_RAM_DISCARD, c->data, c->len);
        c->len = c->head;
    }
}

static void discard_range(DiscardCommand *c, uint64_t off, uint64_t len)
{
    stq_be_p(c->data + c->len, off);
    stq_be_p(c->data + c->len + 8, len);
    c->len += 16;
    if (c->len == c->head + DISCARD_RANGES * 16) {
        discard_end(c);
    }
}

void postcopy_out_put_discards(const PostcopyOut *p, StreamOut *out)
{
    for (unsigned k = 0; k < p->blocks->len; k++) {
        const OutBlock *b = out_block(p, k);
        DiscardCommand c;
        uint64_t i = bitmap_find_next(b->pending, b->npages, 0);

        discard_begin(&c, out, b->rb->name);
        while (i < b->npages) {
            uint64_t end = bitmap_find_next_zero(b->pending, b->npages, i);

            discard_range(&c, i << RAM_PAGE_BITS,
                          (ROUND_UP(end, b->unit) - i) << RAM_PAGE_BITS);
            i = bitmap_find_next(b->pending, b->npages, end);
        }
        discard_end(&c);
    }
}

/* ---- requests ---------------------------------------------------------- */

static int block_index(const PostcopyOut *p, const char *name)
{
    for (unsigned i = 0; i < p->blocks->len; i++) {
        if (strcmp(out_block(p, i)->rb->name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool check_request(const OutBlock *b, uint64_t off, uint64_t len,
                          GError **errp)
{
    uint64_t end = ROUND_UP(b->npages, b->unit) << RAM_PAGE_BITS;

    if (len == 0 || off > end || len > end - off ||
        (off | len) & (b->rb->page_size - 1)) {
        error_setf(errp,
                   "request for 0x%" PRIx64 " bytes at 0x%" PRIx64
                   " of RAM block '%s', of 0x%" PRIx64 " in pages of 0x%zx",
                   len, off, b->rb->name, end, b->rb->page_size);
        return false;
    }
    return true;
}

bool postcopy_out_request(PostcopyOut *p, const char *name, uint64_t off,
                          uint64_t len, GError **errp)
{
    int i = block_index(p, name);
    OutBlock *b;

    if (i < 0) {
        error_setf(errp, "request for a page of RAM block '%s', not sent",
                   name);
        return false;
    }
    b = out_block(p, i);
    if (!check_request(b, off, len, errp)) {
        return false;
    }
    stat_add(&p->stats.requests, 1);
    LOCK_GUARD(&p->lock);
    for (uint64_t at = off; at < off + len; at += b->rb->page_size) {
        OutRequest r = { .block = i, .page = at >> RAM_PAGE_BITS };

        /* Each at most once: a destination can't make the queue grow. */
        if (bitmap_test_atomic(b->pending, r.page) &&
            !bitmap_test(b->asked, r.page)) {
            bitmap_set_bit(b->asked, r.page);
            g_array_append_val(p->queue, r);
        }
    }
    return true;
}

bool postcopy_out_has_requests(PostcopyOut *p)
{
    LOCK_GUARD(&p->lock);

    return p->head < p->queue->len;
}

/* ---- pages ------------------------------------------------------------- */

void postcopy_out_begin_part(PostcopyOut *p)
{
    p->last_rb = NULL;
}

static void put_head(PostcopyOut *p, StreamOut *out, const RamBlock *rb,
                     uint64_t page, uint64_t flags)
{
    bool same = p->last_rb == rb;

    stream_put_be64(out, (page << RAM_PAGE_BITS) | flags |
                             (same ? RAM_REC_CONTINUE : 0));
    if (!same) {
        stream_put_str8(out, rb->name);
        p->last_rb = rb;
    }
}

/* A run of pages that are all zero, or all not. */
static void put_alike(PostcopyOut *p, StreamOut *out, const RamBlock *rb,
                      uint64_t page, uint64_t n, bool zero)
{
    const uint8_t *host = rb->host + (page << RAM_PAGE_BITS);

    stat_add(zero ? &p->stats.zero_pages : &p->stats.normal_pages, n);
    if (p->features & WIRE_F_EXTENTS) {
        put_head(p, out, rb, page, RAM_REC_EXTENT | (zero ? RAM_REC_FILL : 0));
        stream_put_be32(out, n);
        if (!zero) {
            stream_put_ref(out, host, n << RAM_PAGE_BITS);
        }
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        put_head(p, out, rb, page + i, zero ? RAM_REC_FILL : RAM_REC_PAGE);
        if (zero) {
            stream_put_u8(out, 0);
        } else {
            stream_put_ref(out, host + (i << RAM_PAGE_BITS), RAM_PAGE_SIZE);
        }
    }
}

static bool page_is_zero(const PostcopyOut *p, const RamBlock *rb,
                         uint64_t page)
{
    return p->is_zero(rb->host + (page << RAM_PAGE_BITS), RAM_PAGE_SIZE);
}

static void note_sent(PostcopyOut *p, const OutBlock *b, uint64_t lo,
                      uint64_t hi)
{
    const OutSent s = { .block = b - out_block(p, 0),
                        .page = lo,
                        .npages = hi - lo };

    if (p->sent != NULL) {
        g_array_append_val(p->sent, s);
    }
}

/* Pages [lo, hi) are the caller's to put. */
static void put_run(PostcopyOut *p, StreamOut *out, const OutBlock *b,
                    uint64_t lo, uint64_t hi)
{
    const RamBlock *rb = b->rb;

    note_sent(p, b, lo, hi);
    while (lo < hi) {
        bool zero = page_is_zero(p, rb, lo);
        uint64_t end = lo + 1;

        while (end < hi && page_is_zero(p, rb, end) == zero) {
            end++;
        }
        put_alike(p, out, rb, lo, end - lo, zero);
        lo = end;
    }
}

/* A unit, if it hasn't been put; else 0.  Returns pages. */
static uint64_t put_unit(PostcopyOut *p, StreamOut *out, OutBlock *b,
                         uint64_t page)
{
    uint64_t end = MIN(page + b->unit, b->npages);

    if (!bitmap_test_and_clear_atomic(b->pending, page)) {
        return 0;
    }
    if (end > page + 1) {
        bitmap_clear_atomic(b->pending, page + 1, end - page - 1);
    }
    stat_add(&p->stats.pending_pages, -(int64_t)(end - page));
    put_run(p, out, b, page, end);
    return end - page;
}

static bool out_pop_request(PostcopyOut *p, OutRequest *ret)
{
    LOCK_GUARD(&p->lock);

    if (p->head == p->queue->len) {
        g_array_set_size(p->queue, 0);
        p->head = 0;
        return false;
    }
    *ret = g_array_index(p->queue, OutRequest, p->head++);
    return true;
}

bool postcopy_out_put_requested(PostcopyOut *p, StreamOut *out)
{
    OutRequest r;
    bool any = false;

    while (out_pop_request(p, &r)) {
        OutBlock *b = out_block(p, r.block);

        put_unit(p, out, b, r.page);
        /* What lies behind is what will be asked for next. */
        p->block = r.block;
        p->page = MIN(r.page + b->unit, b->npages);
        any = true;
    }
    return any;
}

/* From where it stands to the end of the blocks; false: nothing there. */
static bool find_next(PostcopyOut *p)
{
    while (p->block < p->blocks->len) {
        OutBlock *b = out_block(p, p->block);

        p->page = bitmap_find_next(b->pending, b->npages, p->page);
        if (p->page < b->npages) {
            return true;
        }
        p->block++;
        p->page = 0;
    }
    p->block = 0;
    return false;
}

bool postcopy_out_put_some(PostcopyOut *p, StreamOut *out)
{
    uint64_t n = 0, end;
    bool any = find_next(p);
    OutBlock *b;

    if (!any) {
        any = find_next(p); /* from the beginning */
    }
    if (!any) {
        return false;
    }
    b = out_block(p, p->block);
    if (b->unit > 1) {
        n = put_unit(p, out, b, ROUND_DOWN(p->page, b->unit));
        p->page = ROUND_DOWN(p->page, b->unit) + n;
        return true;
    }
    end = p->page;
    while (end < b->npages && n < SOME_PAGES &&
           bitmap_test_and_clear_atomic(b->pending, end)) {
        end++;
        n++;
    }
    stat_add(&p->stats.pending_pages, -(int64_t)n);
    put_run(p, out, b, p->page, end);
    p->page = end;
    return true;
}

/* ---- a new connection -------------------------------------------------- */

const char *postcopy_out_block(const PostcopyOut *p, unsigned i)
{
    return i < p->blocks->len ? out_block(p, i)->rb->name : NULL;
}

uint64_t postcopy_out_bitmap_len(const PostcopyOut *p, unsigned i)
{
    return ROUND_UP(DIV_ROUND_UP(out_block(p, i)->npages, 8), 8);
}

bool postcopy_out_set_received(PostcopyOut *p, unsigned i,
                               const uint8_t *bitmap, GError **errp)
{
    OutBlock *b = out_block(p, i);
    LOCK_GUARD(&p->lock);

    for (uint64_t n = 0; b->released != NULL && n < b->npages; n++) {
        if (bitmap_test(b->released, n) && !(bitmap[n / 8] & (1 << n % 8))) {
            error_setf(errp,
                       "RAM block '%s': page 0x%" PRIx64
                       " has been released here, and isn't there any more",
                       b->rb->name, n << RAM_PAGE_BITS);
            return false;
        }
    }
    if (p->sent != NULL) {
        g_array_set_size(p->sent, 0);
        p->sent_head = p->sent_marked = 0;
    }

    stat_add(&p->stats.pending_pages,
             -(int64_t)bitmap_count(b->pending, 0, b->npages));
    bitmap_clear(b->pending, 0, b->npages);
    bitmap_clear(b->asked, 0, b->npages);
    for (uint64_t n = 0; n < b->npages; n++) {
        if (!(bitmap[n / 8] & (1 << n % 8))) {
            bitmap_set_bit(b->pending, n);
        }
    }
    whole_units(p, b);
    g_array_set_size(p->queue, 0);
    p->head = 0;
    p->block = 0;
    p->page = 0;
    return true;
}

/* ---- memory that is needed no more ------------------------------------- */

void postcopy_out_keep_sent(PostcopyOut *p)
{
    p->sent = g_array_new(false, true, sizeof(OutSent));
    for (unsigned i = 0; i < p->blocks->len; i++) {
        OutBlock *b = out_block(p, i);

        b->released = bitmap_new(b->npages);
    }
}

void postcopy_out_mark_sent(PostcopyOut *p, uint32_t number)
{
    while (p->sent_marked < p->sent->len) {
        g_array_index(p->sent, OutSent, p->sent_marked++).number = number;
    }
}

static void release_pages(PostcopyOut *p, const OutSent *s)
{
    OutBlock *b = out_block(p, s->block);
    uint64_t len = ROUND_UP(s->npages, b->unit) << RAM_PAGE_BITS;

    /* Before it: what is gone by half must not be sent again. */
    bitmap_set(b->released, s->page, s->npages);
    ram_block_discard(b->rb, s->page << RAM_PAGE_BITS, len);
}

void postcopy_out_release(PostcopyOut *p, uint32_t number)
{
    while (p->sent_head < p->sent_marked) {
        const OutSent *s = &g_array_index(p->sent, OutSent, p->sent_head);

        if ((int32_t)(number - s->number) < 0) {
            return;
        }
        release_pages(p, s);
        p->sent_head++;
    }
    g_array_remove_range(p->sent, 0, p->sent_head);
    p->sent_marked -= p->sent_head;
    p->sent_head = 0;
}

void postcopy_out_get_stats(const PostcopyOut *p, PostcopyOutStats *ret)
{
    const uint64_t *src = (const uint64_t *)&p->stats;
    uint64_t *dst = (uint64_t *)ret;

    for (size_t i = 0; i < sizeof(*ret) / sizeof(*dst); i++) {
        dst[i] = __atomic_load_n(&src[i], __ATOMIC_RELAXED);
    }
}
