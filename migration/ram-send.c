/*
 * Guest memory, outgoing.
 *
 * Each block is walked in windows.  For a window: take its dirty bits, arm
 * the dirty log again for those pages, find the zero pages, send the rest by
 * reference.  A store that comes after the log was armed is found by the next
 * sync, so what is read after that may be torn but is never the last word.
 *
 * Pages that nobody ever touched are not armed at all: arming costs the kernel
 * time for each of them, and that a page came to exist tells as well that it
 * was written.  Their dirty bits mean nothing; each sync asks the host which
 * of them exist by now.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/presence.h"
#include "migration/ram-send.h"
#include "migration/scan-pool.h"
#include "migration/wire.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/rcu.h"

enum {
    WINDOW_PAGES = 65536, /* 256 MiB: one clear and one scan call each */
    EXTENT_PAGES = 256,   /* 1 MiB: bandwidth is checked in between */
    FLUSH_BYTES = 1 << 20,
    WORD_BITS = 64,
    ARM_GAP = 512,      /* pages between two runs that are armed at once */
    PRESENCE_GAP = 128, /* pages that are walked rather than left out */
};

typedef struct SendBlock {
    RamBlock *rb;          /* borrowed: none can go while a migration runs */
    unsigned long *absent; /* pages that did not exist when last looked at */
} SendBlock;

struct RamSend {
    Memory *mem;
    GPtrArray *blocks; /* SendBlock */
    StreamOut *out;
    RamSendOptions opts;
    Presence presence;
    ScanPool *pool;
    RamSendStats stats;
    uint64_t counted;           /* pages put that remaining_pages knows of */
    bool first;                 /* the next pass is the first */
    bool final;                 /* the guest has stopped: nothing to arm */
    const RamBlock *last_rb;    /* named in this section already */
    uint64_t flushed;           /* stream offset at the last flush */
    unsigned long *todo, *zero; /* WINDOW_PAGES bits each */
};

static void send_block_free(void *p)
{
    SendBlock *b = p;

    bitmap_free(b->absent);
    g_free(b);
}

static void stat_set(uint64_t *field, uint64_t v)
{
    __atomic_store_n(field, v, __ATOMIC_RELAXED);
}

static void stat_add(uint64_t *field, uint64_t v)
{
    stat_set(field, *field + v); /* single writer */
}

RamSend *ram_send_new(Memory *mem, StreamOut *out, const RamSendOptions *opts,
                      GError **errp)
{
    g_autoptr(RamSend) r = g_new0(RamSend, 1);
    RamBlock *rb;

    r->mem = mem;
    r->out = out;
    r->opts = *opts;
    r->first = true;
    presence_init(&r->presence);
    r->todo = bitmap_new(WINDOW_PAGES);
    r->zero = bitmap_new(WINDOW_PAGES);
    r->pool = scan_pool_new(opts->nscanners,
                            buffer_zero_scanner(opts->wide_scanner), errp);
    if (r->pool == NULL) {
        return NULL;
    }
    r->blocks = g_ptr_array_new_with_free_func(send_block_free);
    RCU_READ_GUARD();
    RAM_BLOCK_FOREACH(rb, &mem->ram)
    {
        SendBlock *b;

        if (!rb->migratable) {
            continue;
        }
        b = g_new0(SendBlock, 1);
        b->rb = rb;
        b->absent = bitmap_new(ram_block_npages(rb));
        g_ptr_array_add(r->blocks, b);
        r->stats.total_bytes += rb->used_length;
    }
    r->stats.remaining_pages = r->stats.total_bytes >> RAM_PAGE_BITS;
    return g_steal_pointer(&r);
}

void ram_send_free(RamSend *r)
{
    if (r == NULL) {
        return;
    }
    scan_pool_free(r->pool);
    if (r->blocks != NULL) {
        g_ptr_array_unref(r->blocks);
    }
    presence_fini(&r->presence);
    bitmap_free(r->todo);
    bitmap_free(r->zero);
    g_free(r);
}

bool ram_send_setup(RamSend *r, GError **errp)
{
    stream_put_be64(r->out, r->stats.total_bytes | RAM_REC_MEM_SIZE);
    for (guint i = 0; i < r->blocks->len; i++) {
        const RamBlock *rb = ((SendBlock *)r->blocks->pdata[i])->rb;

        stream_put_str8(r->out, rb->name);
        stream_put_be64(r->out, rb->used_length);
    }
    stream_put_be64(r->out, RAM_REC_EOS);
    return stream_out_check(r->out, errp);
}

/* Pages exist; those that were absent before have been written. */
static void add_arrivals(void *opaque, uint64_t first, uint64_t npages)
{
    SendBlock *b = opaque;
    unsigned long *dirty = b->rb->dirty[DIRTY_MIGRATION];
    uint64_t end = first + npages;

    for (uint64_t i = bitmap_find_next(b->absent, end, first); i < end;) {
        uint64_t stop = MIN(bitmap_find_next_zero(b->absent, end, i), end);

        bitmap_clear(b->absent, i, stop - i);
        bitmap_set_atomic(dirty, i, stop - i);
        i = bitmap_find_next(b->absent, end, stop);
    }
}

/*
 * Absent pages that exist by now: dirty, and to be armed.  Only what was
 * absent is asked for: this is in the switch-over, and to walk page tables
 * that are full takes milliseconds for each GiB.
 */
static void find_arrivals(RamSend *r, SendBlock *b)
{
    uint64_t npages = ram_block_npages(b->rb);
    uint64_t lo = bitmap_find_next(b->absent, npages, 0);

    while (lo < npages) {
        uint64_t hi = lo, next = lo;

        while (next < npages && next - hi <= PRESENCE_GAP) {
            hi = bitmap_find_next_zero(b->absent, npages, next);
            next = bitmap_find_next(b->absent, npages, hi);
        }
        presence_foreach(&r->presence, b->rb, lo, hi - lo, add_arrivals, b);
        lo = next;
    }
}

/* Dirty pages of a block, absent ones not counted. */
static uint64_t count_block(const SendBlock *b)
{
    /* vCPUs go on setting bits, unless this is the last look. */
    return bitmap_count_andnot(b->rb->dirty[DIRTY_MIGRATION], b->absent,
                               ram_block_npages(b->rb));
}

static uint64_t count_dirty(RamSend *r)
{
    uint64_t n = 0;

    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];

        if (!r->first) {
            find_arrivals(r, b);
        }
        n += count_block(b);
    }
    return n;
}

/* remaining_pages now has what was put so far. */
static void count_put(RamSend *r, uint64_t remaining)
{
    stat_set(&r->stats.remaining_pages, remaining);
    stat_set(&r->counted, r->stats.normal_pages + r->stats.zero_pages);
}

uint64_t ram_send_sync(RamSend *r, bool last)
{
    uint64_t n;

    {
        VM_LOCK_GUARD();
        memory_dirty_log_sync(r->mem, last);
    }
    n = count_dirty(r);
    r->final = last;
    stat_add(&r->stats.syncs, 1);
    stat_set(&r->stats.dirtied_pages, n);
    count_put(r, n);
    return n;
}

/* One page or extent header; the block's name where it changes. */
static void put_record(RamSend *r, const RamBlock *rb, uint64_t page,
                       uint64_t flags)
{
    if (r->last_rb == rb) {
        flags |= RAM_REC_CONTINUE;
    }
    stream_put_be64(r->out, (page << RAM_PAGE_BITS) | flags);
    if (r->last_rb != rb) {
        stream_put_str8(r->out, rb->name);
        r->last_rb = rb;
    }
}

static bool flush_if_due(RamSend *r, GError **errp)
{
    if (stream_out_bytes(r->out) - r->flushed < FLUSH_BYTES) {
        return true;
    }
    r->flushed = stream_out_bytes(r->out);
    return stream_out_flush(r->out, errp) &&
           r->opts.pace(r->opts.opaque, r->flushed, errp);
}

static bool put_zero_run(RamSend *r, const RamBlock *rb, uint64_t page,
                         uint64_t n, GError **errp)
{
    stat_add(&r->stats.zero_pages, n);
    if (r->first && (r->opts.features & WIRE_F_ABSENT)) {
        return true;
    }
    if (r->opts.features & WIRE_F_EXTENTS) {
        put_record(r, rb, page, RAM_REC_EXTENT | RAM_REC_FILL);
        stream_put_be32(r->out, n);
        return true;
    }
    for (uint64_t i = 0; i < n; i++) {
        put_record(r, rb, page + i, RAM_REC_FILL);
        stream_put_u8(r->out, 0);
    }
    return flush_if_due(r, errp);
}

static bool put_data_run(RamSend *r, const RamBlock *rb, uint64_t page,
                         uint64_t n, GError **errp)
{
    const uint8_t *p = rb->host + (page << RAM_PAGE_BITS);
    uint64_t step = r->opts.features & WIRE_F_EXTENTS ? EXTENT_PAGES : 1;

    stat_add(&r->stats.normal_pages, n);
    while (n > 0 && !stream_out_is_late(r->out)) {
        uint64_t k = MIN(n, step);

        if (step == 1) {
            put_record(r, rb, page, RAM_REC_PAGE);
        } else {
            put_record(r, rb, page, RAM_REC_EXTENT);
            stream_put_be32(r->out, k);
        }
        stream_put_ref(r->out, p, k << RAM_PAGE_BITS);
        if (!flush_if_due(r, errp)) {
            return false;
        }
        page += k;
        p += k << RAM_PAGE_BITS;
        n -= k;
    }
    return true;
}

/* Puts the pages of `todo`, in runs of zero pages and of data. */
static bool put_window(RamSend *r, const RamBlock *rb, uint64_t first,
                       uint64_t npages, GError **errp)
{
    uint64_t i = bitmap_find_next(r->todo, npages, 0);

    while (i < npages && !stream_out_is_late(r->out)) {
        bool zero = bitmap_test(r->zero, i);
        uint64_t end = bitmap_find_next_zero(r->todo, npages, i);
        uint64_t turn = zero ? bitmap_find_next_zero(r->zero, npages, i)
                             : bitmap_find_next(r->zero, npages, i);
        uint64_t n = MIN(end, turn) - i;

        if (!(zero ? put_zero_run(r, rb, first + i, n, errp)
                   : put_data_run(r, rb, first + i, n, errp))) {
            return false;
        }
        i = bitmap_find_next(r->todo, npages, i + n);
    }
    return true;
}

/* A peer that wants to be told: absent pages are runs of zeros. */
static bool put_absent(RamSend *r, const SendBlock *b, uint64_t first,
                       uint64_t npages, GError **errp)
{
    const unsigned long *absent = b->absent + first / WORD_BITS;

    for (uint64_t i = bitmap_find_next(absent, npages, 0); i < npages;) {
        uint64_t end = bitmap_find_next_zero(absent, npages, i);

        if (!put_zero_run(r, b->rb, first + i, end - i, errp)) {
            return false;
        }
        i = bitmap_find_next(absent, npages, end);
    }
    return true;
}

static void mark_present(void *opaque, uint64_t first, uint64_t npages)
{
    bitmap_clear(((SendBlock *)opaque)->absent, first, npages);
}

/* First pass: learns which pages there are; the others stay out of it. */
static void find_absent(RamSend *r, SendBlock *b, uint64_t first,
                        uint64_t npages)
{
    bitmap_set(b->absent, first, npages);
    presence_foreach(&r->presence, b->rb, first, npages, mark_present, b);
}

/* Moves the dirty bits of a window to todo; returns how many there are. */
static uint64_t take_bits(RamSend *r, SendBlock *b, uint64_t first,
                          uint64_t npages)
{
    const unsigned long *absent = b->absent + first / WORD_BITS;
    unsigned long *dirty = b->rb->dirty[DIRTY_MIGRATION] + first / WORD_BITS;
    uint64_t n = 0;

    for (uint64_t w = 0; w < bitmap_words(npages); w++) {
        unsigned long mask = ~absent[w];

        r->todo[w] = 0;
        if (__atomic_load_n(&dirty[w], __ATOMIC_RELAXED) & mask) {
            r->todo[w] =
                __atomic_fetch_and(&dirty[w], ~mask, __ATOMIC_SEQ_CST) & mask;
            n += __builtin_popcountl(r->todo[w]);
        }
    }
    return n;
}

/* The window was not sent to its end: all of it is due again. */
static void give_bits_back(RamSend *r, RamBlock *rb, uint64_t first,
                           uint64_t npages)
{
    bitmap_merge_atomic(rb->dirty[DIRTY_MIGRATION], first, r->todo, npages);
}

/* Arms the log for todo, in runs; small gaps are cheaper than calls. */
static void arm_log(RamSend *r, RamBlock *rb, uint64_t first, uint64_t npages)
{
    uint64_t lo = bitmap_find_next(r->todo, npages, 0);

    RCU_READ_GUARD();
    while (lo < npages) {
        uint64_t hi = lo, next = lo;

        while (next < npages && next - hi <= ARM_GAP) {
            hi = bitmap_find_next_zero(r->todo, npages, next);
            next = bitmap_find_next(r->todo, npages, hi);
        }
        memory_dirty_log_clear(r->mem, rb, first + lo, hi - lo);
        lo = next;
    }
}

static bool send_window(RamSend *r, SendBlock *b, uint64_t first,
                        uint64_t npages, GError **errp)
{
    uint64_t taken, left = r->stats.remaining_pages;

    if (r->first) {
        uint64_t before = r->stats.zero_pages;

        find_absent(r, b, first, npages);
        if (!put_absent(r, b, first, npages, errp)) {
            return false;
        }
        left -= MIN(left, r->stats.zero_pages - before);
    }
    count_put(r, left);
    taken = take_bits(r, b, first, npages);
    if (taken == 0) {
        return true;
    }
    if (!r->final) {
        arm_log(r, b->rb, first, npages);
    }
    scan_pool_run(r->pool, b->rb->host + (first << RAM_PAGE_BITS), npages,
                  taken, r->todo, r->zero);
    if (!put_window(r, b->rb, first, npages, errp)) {
        return false;
    }
    if (stream_out_is_late(r->out)) {
        give_bits_back(r, b->rb, first, npages);
        count_put(r, left);
        return true;
    }
    count_put(r, left - MIN(taken, left));
    return true;
}

/* The records of one part of the section, up to their end mark. */
static bool send_dirty(RamSend *r, GError **errp)
{
    r->last_rb = NULL;
    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];
        uint64_t npages = ram_block_npages(b->rb);

        for (uint64_t p = 0; p < npages && !stream_out_is_late(r->out);
             p += WINDOW_PAGES) {
            uint64_t n = MIN(npages - p, (uint64_t)WINDOW_PAGES);

            if (!send_window(r, b, p, n, errp) ||
                !stream_out_check(r->out, errp)) {
                return false;
            }
        }
    }
    stream_put_be64(r->out, RAM_REC_EOS);
    return true;
}

bool ram_send_pass(RamSend *r, GError **errp)
{
    r->flushed = stream_out_bytes(r->out);
    if (!send_dirty(r, errp)) {
        return false;
    }
    r->first = false;
    return stream_out_check(r->out, errp);
}

bool ram_send_finish(RamSend *r, GError **errp)
{
    if (!send_dirty(r, errp)) {
        return false;
    }
    r->final = false;
    return stream_out_check(r->out, errp);
}

void ram_send_get_stats(const RamSend *r, RamSendStats *ret)
{
    const uint64_t *src = (const uint64_t *)&r->stats;
    uint64_t *dst = (uint64_t *)ret;
    uint64_t put;

    for (size_t i = 0; i < sizeof(*ret) / sizeof(*dst); i++) {
        dst[i] = __atomic_load_n(&src[i], __ATOMIC_RELAXED);
    }
    /* A window is long: what was put of it so far counts at once. */
    put = ret->normal_pages + ret->zero_pages -
          __atomic_load_n(&r->counted, __ATOMIC_RELAXED);
    ret->remaining_pages -= MIN(put, ret->remaining_pages);
}
