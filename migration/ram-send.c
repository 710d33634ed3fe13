/*
 * Guest memory, outgoing.
 *
 * Each block is walked in windows.  For a window: take its dirty bits, which
 * arms the dirty log again for those pages, find the zero pages, send the rest
 * by reference.  A store that comes after the log was armed is found by the
 * next sync, so what is read after that may be torn but is never the last
 * word.
 *
 * With the guest stopped there is nothing to arm: the last pass sends what is
 * dirty and leaves the bits as they are.  If the guest is handed over nobody
 * needs them any more; if it has to go on here, all of it is still dirty.
 *
 * Pages that nobody ever touched are "absent": they are neither read nor sent.
 * Most are not armed either, which costs the kernel time for each of them:
 * that a page came to exist tells as well that it was written.  Their dirty
 * bits mean nothing; each sync asks the host which of them exist by now.  That
 * has to be cheap, since the last sync is part of the downtime.  So of many
 * ranges only the longest stay so, and none where the host can't be asked
 * cheaply: the others are armed once like any page, after which the log tells
 * when they are written.
 *
 * If the guest can tell which pages are free, the first pass begins by arming
 * all of them, which are "unsent" then, and asks the guest.  It leaves out
 * those that were hinted when it comes to them.  A hint changes nothing else:
 * what the log finds is sent, see system/free-hints.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-send.h"
#include "migration/page-sink.h"
#include "migration/ram-send.h"
#include "migration/wire.h"
#include "util/bitmap.h"
#include "util/error.h"
#include "util/rcu.h"

enum {
    WINDOW_PAGES = PAGE_WINDOW_MAX, /* one clear and one scan call each */
    HINT_WINDOW_PAGES = 1024, /* while hints come, which are asked for each */
    /* 16 MiB: where a pass is broken off, so much is sent twice. */
    SMALL_WINDOW = 4096,
    WORD_BITS = 64,
    PRESENCE_GAP = 1024, /* pages that are walked rather than left out */
    MAX_SPANS = 64,      /* of absent pages of a block that are asked about */
};

typedef struct SendBlock {
    RamBlock *rb;          /* a reference: the guest may eject its card */
    uint64_t length;       /* bytes; as it was announced to the peer */
    uint64_t npages;       /* that are sent: all of these, or none */
    unsigned long *absent; /* not armed: did not exist when last looked at */
    /* In a first pass with hints, else NULL: */
    unsigned long *unsent; /* were armed when it began */
    unsigned long *hinted; /* are free, as the guest says; atomic */
} SendBlock;

struct RamSend {
    Memory *mem;
    GPtrArray *blocks; /* SendBlock */
    StreamOut *out;
    RamSendOptions opts;
    Presence presence;
    PageSink *sink;
    uint64_t listed_bytes;    /* of all blocks */
    RamSendStats stats;       /* the sink's are added when asked for */
    uint64_t counted;         /* pages put before the last sync */
    bool first;               /* the next pass is the first */
    bool asked;               /* hints may come */
    SendBlock *reached_block; /* where that was broken off; NULL: wasn't */
    uint64_t reached_page;
    unsigned long *todo, *except; /* WINDOW_PAGES bits each */
};

static void send_block_free(void *p)
{
    SendBlock *b = p;

    bitmap_free(b->absent);
    bitmap_free(b->unsent);
    bitmap_free(b->hinted);
    ram_block_unref(b->rb);
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
    presence_init(&r->presence, opts->presence);
    r->todo = bitmap_new(WINDOW_PAGES);
    r->except = bitmap_new(WINDOW_PAGES);
    r->sink = opts->multifd != NULL
                  ? page_sink_multifd_new(opts->multifd, out, opts, errp)
                  : page_sink_stream_new(out, opts, errp);
    if (r->sink == NULL) {
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
        ram_block_ref(rb);
        b->rb = rb;
        b->length = rb->used_length;
        b->npages =
            opts->ignore_shared && rb->shared ? 0 : ram_block_npages(rb);
        b->absent = bitmap_new(b->npages);
        g_ptr_array_add(r->blocks, b);
        r->listed_bytes += b->length;
        r->stats.total_bytes += b->npages > 0 ? b->length : 0;
    }
    r->stats.remaining_pages = r->stats.total_bytes >> RAM_PAGE_BITS;
    return g_steal_pointer(&r);
}

/* None comes after this. */
static void end_hints(RamSend *r)
{
    if (r->asked) {
        free_hints_end(&r->mem->hints);
        r->asked = false;
    }
}

void ram_send_free(RamSend *r)
{
    if (r == NULL) {
        return;
    }
    end_hints(r);
    page_sink_free(r->sink);
    if (r->blocks != NULL) {
        g_ptr_array_unref(r->blocks);
    }
    presence_fini(&r->presence);
    bitmap_free(r->todo);
    bitmap_free(r->except);
    g_free(r);
}

static void put_listed(RamSend *r, const SendBlock *b)
{
    stream_put_str8(r->out, b->rb->name);
    stream_put_be64(r->out, b->length);
    if (r->opts.postcopy && b->rb->page_size != RAM_PAGE_SIZE) {
        stream_put_be64(r->out, b->rb->page_size);
    }
    if (r->opts.ignore_shared) {
        VM_LOCK_GUARD();
        stream_put_be64(r->out, memory_ram_address(r->mem, b->rb));
    }
}

bool ram_send_setup(RamSend *r, GError **errp)
{
    stream_put_be64(r->out, r->listed_bytes | RAM_REC_MEM_SIZE);
    for (guint i = 0; i < r->blocks->len; i++) {
        put_listed(r, r->blocks->pdata[i]);
    }
    if (!r->sink->ops->end(r->sink, errp)) {
        return false;
    }
    stream_put_be64(r->out, RAM_REC_EOS);
    return stream_out_check(r->out, errp);
}

/* Pages exist; those that were absent before have been written. */
static void add_arrivals(void *opaque, uint64_t first, uint64_t npages)
{
    SendBlock *b = opaque;
    uint64_t end = first + npages;

    for (uint64_t i = bitmap_find_next(b->absent, end, first); i < end;) {
        uint64_t stop = MIN(bitmap_find_next_zero(b->absent, end, i), end);

        bitmap_clear(b->absent, i, stop - i);
        memory_dirty_log_mark(b->rb, i, stop - i);
        i = bitmap_find_next(b->absent, end, stop);
    }
}

/*
 * The next absent pages from `from` on: a range that holds few others, which
 * are walked with them as that is cheaper than one more call.  False: none.
 */
static bool next_span(const SendBlock *b, uint64_t from, uint64_t *ret_lo,
                      uint64_t *ret_hi)
{
    uint64_t next = bitmap_find_next(b->absent, b->npages, from);
    uint64_t hi = next;

    *ret_lo = next;
    while (next < b->npages && next - hi <= PRESENCE_GAP) {
        hi = bitmap_find_next_zero(b->absent, b->npages, next);
        next = bitmap_find_next(b->absent, b->npages, hi);
    }
    *ret_hi = hi;
    return *ret_lo < b->npages;
}

/*
 * Absent pages that exist by now: dirty, and to be armed.  Only what was
 * absent is asked for: this is in the switch-over, and to walk page tables
 * that are full takes milliseconds for each GiB.
 */
static void find_arrivals(RamSend *r, SendBlock *b)
{
    for (uint64_t lo, hi = 0; next_span(b, hi, &lo, &hi);) {
        presence_foreach(&r->presence, b->rb, lo, hi - lo, add_arrivals, b);
    }
}

typedef struct Watch {
    SendBlock *b;
    const unsigned long *pages; /* bit 0: page `first` */
    uint64_t first;
} Watch;

/* Of the pages that are armed now these may have been written before. */
static void mark_existing(void *opaque, uint64_t first, uint64_t npages)
{
    const Watch *w = opaque;
    uint64_t end = first + npages - w->first;

    for (uint64_t i = bitmap_find_next(w->pages, end, first - w->first);
         i < end;) {
        uint64_t stop = MIN(bitmap_find_next_zero(w->pages, end, i), end);

        memory_dirty_log_mark(w->b->rb, w->first + i, stop - i);
        i = bitmap_find_next(w->pages, end, stop);
    }
}

/*
 * From now on the log tells when absent pages of [lo, hi) are written: armed
 * first, then looked at, so that each page is found by one or the other.
 */
static void watch_absent(RamSend *r, SendBlock *b, uint64_t lo, uint64_t hi)
{
    while (lo < hi) {
        uint64_t first = ROUND_DOWN(lo, (uint64_t)WINDOW_PAGES);
        uint64_t end = MIN(hi, first + WINDOW_PAGES);
        unsigned long *absent = b->absent + first / WORD_BITS;
        uint64_t nwords = bitmap_words(end - first);
        Watch w = { .b = b, .pages = r->todo, .first = first };

        for (uint64_t i = 0; i < nwords; i++) {
            r->except[i] = ~absent[i];
        }
        bitmap_set(r->except, 0, lo - first);
        memory_dirty_log_take(r->mem, b->rb, first, end - first, r->except,
                              r->todo);
        for (uint64_t i = 0; i < nwords; i++) {
            absent[i] &= ~r->todo[i];
        }
        presence_foreach(&r->presence, b->rb, lo, end - lo, mark_existing, &w);
        lo = end;
    }
}

typedef struct Span {
    uint64_t lo, hi;
} Span;

static gint longest_first(gconstpointer a, gconstpointer b)
{
    const Span *x = a, *y = b;
    uint64_t nx = x->hi - x->lo, ny = y->hi - y->lo;

    return nx < ny ? 1 : nx > ny ? -1 : 0;
}

/* Bounds what a sync has to ask. */
static void limit_spans(RamSend *r, SendBlock *b)
{
    g_autoptr(GArray) spans = g_array_new(false, false, sizeof(Span));
    Span s = { 0 };

    while (next_span(b, s.hi, &s.lo, &s.hi)) {
        g_array_append_val(spans, s);
    }
    g_array_sort(spans, longest_first);
    for (guint i = MAX_SPANS; i < spans->len; i++) {
        s = g_array_index(spans, Span, i);
        watch_absent(r, b, s.lo, s.hi);
    }
}

/* Dirty pages, absent ones not counted. */
static uint64_t count_dirty(RamSend *r)
{
    uint64_t n = 0;

    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];

        find_arrivals(r, b);
        n += memory_dirty_log_count(b->rb, b->npages, b->absent);
    }
    return n;
}

static uint64_t pages_put(const RamSend *r)
{
    PageSinkStats st = { 0 };

    r->sink->ops->stats(r->sink, &st);
    return st.normal_pages + st.zero_pages + st.xbzrle.deltas +
           r->stats.free_pages;
}

uint64_t ram_send_sync(RamSend *r, bool last)
{
    uint64_t n;

    memory_dirty_log_sync(r->mem, last);
    n = count_dirty(r);
    stat_add(&r->stats.syncs, 1);
    stat_set(&r->stats.dirtied_pages, n);
    stat_set(&r->stats.remaining_pages, n);
    stat_set(&r->counted, pages_put(r));
    return n;
}

/*
 * First pass: what was not taken, now or when it began, was never touched.  A
 * peer that wants to be told gets zeros.
 */
static bool put_untouched(RamSend *r, const SendBlock *b, uint64_t first,
                          uint64_t npages, GError **errp)
{
    const unsigned long *taken = r->todo;
    uint64_t i;

    if (b->unsent != NULL) {
        bitmap_copy(r->except, r->todo, npages);
        bitmap_or(r->except, b->unsent + first / WORD_BITS, npages);
        taken = r->except;
    }
    i = bitmap_find_next_zero(taken, npages, 0);
    while (i < npages) {
        uint64_t end = bitmap_find_next(taken, npages, i);

        if (!r->sink->ops->zero(r->sink, b->rb, first + i, end - i, errp)) {
            return false;
        }
        i = bitmap_find_next_zero(taken, npages, end);
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
    if (presence_is_cheap(&r->presence, b->rb)) {
        presence_foreach(&r->presence, b->rb, first, npages, mark_present, b);
    } else {
        watch_absent(r, b, first, first + npages);
    }
}

/* Sends the pages of todo, `n` of them. */
static bool send_todo(RamSend *r, SendBlock *b, uint64_t first, uint64_t npages,
                      uint64_t n, GError **errp)
{
    const PageWindow w = {
        .rb = b->rb, .first = first, .npages = npages, .todo = r->todo, .n = n
    };

    return r->sink->ops->pages(r->sink, &w, errp) &&
           stream_out_check(r->out, errp);
}

/* Adds to todo what is unsent and no free page; returns what is in it then. */
static uint64_t add_unsent(RamSend *r, SendBlock *b, uint64_t first,
                           uint64_t npages)
{
    const unsigned long *unsent = b->unsent + first / WORD_BITS;
    const unsigned long *hinted = b->hinted + first / WORD_BITS;

    for (uint64_t i = 0; i < bitmap_words(npages); i++) {
        unsigned long free_pages =
            unsent[i] & __atomic_load_n(&hinted[i], __ATOMIC_RELAXED);

        free_pages &= ~r->todo[i];
        r->todo[i] |= unsent[i] & ~free_pages;
        stat_add(&r->stats.free_pages, __builtin_popcountl(free_pages));
    }
    return bitmap_count(r->todo, 0, npages);
}

/*
 * A pass that is broken off in this window: how far it came isn't known, so
 * that all of it is to be sent.
 */
static void window_broken(RamSend *r, SendBlock *b, uint64_t first,
                          uint64_t npages)
{
    uint64_t i = r->first ? npages : bitmap_find_next(r->todo, npages, 0);

    if (r->first) {
        bitmap_clear(b->absent, first, npages);
        memory_dirty_log_mark(b->rb, first, npages);
        r->reached_block = b;
        r->reached_page = first;
    }
    while (i < npages) {
        uint64_t end = bitmap_find_next_zero(r->todo, npages, i);

        memory_dirty_log_mark(b->rb, first + i, end - i);
        i = bitmap_find_next(r->todo, npages, end);
    }
}

/* While the guest runs. */
static bool pass_window(RamSend *r, SendBlock *b, uint64_t first,
                        uint64_t npages, GError **errp)
{
    uint64_t n;
    bool ok;

    if (r->first && b->unsent == NULL) {
        find_absent(r, b, first, npages);
    }
    n = memory_dirty_log_take(r->mem, b->rb, first, npages,
                              b->absent + first / WORD_BITS, r->todo);
    if (b->unsent != NULL) {
        n = add_unsent(r, b, first, npages);
    }
    ok = (!r->first || put_untouched(r, b, first, npages, errp)) &&
         (n == 0 || send_todo(r, b, first, npages, n, errp));
    if (!ok && r->opts.postcopy) {
        window_broken(r, b, first, npages);
    }
    return ok;
}

/* While it stands: the bits stay, see above. */
static bool finish_window(RamSend *r, SendBlock *b, uint64_t first,
                          uint64_t npages, GError **errp)
{
    uint64_t n = memory_dirty_log_peek(b->rb, first, npages,
                                       b->absent + first / WORD_BITS, r->todo);

    return n == 0 || stream_out_is_late(r->out) ||
           send_todo(r, b, first, npages, n, errp);
}

typedef bool WindowFn(RamSend *r, SendBlock *b, uint64_t first, uint64_t npages,
                      GError **errp);

/* It is what was announced to the peer. */
static bool check_block(const SendBlock *b, GError **errp)
{
    if (__atomic_load_n(&b->rb->removed, __ATOMIC_RELAXED)) {
        error_setf(errp, "RAM block '%s' was removed during the migration",
                   b->rb->name);
        return false;
    }
    if (b->rb->used_length != b->length) {
        error_setf(errp,
                   "RAM block '%s' was resized from %" PRIu64 " to %" PRIu64
                   " bytes during the migration",
                   b->rb->name, b->length, b->rb->used_length);
        return false;
    }
    return true;
}

static bool walk_blocks(RamSend *r, WindowFn *fn, GError **errp)
{
    uint64_t step = r->asked           ? HINT_WINDOW_PAGES
                    : r->opts.postcopy ? SMALL_WINDOW
                                       : WINDOW_PAGES;

    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];

        if (!check_block(b, errp)) {
            return false;
        }
        for (uint64_t p = 0; p < b->npages; p += step) {
            uint64_t n = MIN(b->npages - p, step);

            if (!fn(r, b, p, n, errp)) {
                return false;
            }
        }
    }
    return true;
}

/* The records of one part of the section, and in any case their end mark. */
static bool foreach_window(RamSend *r, WindowFn *fn, PagePass pass,
                           GError **errp)
{
    bool ok;

    r->sink->ops->begin(r->sink, pass);
    ok = walk_blocks(r, fn, errp) && r->sink->ops->end(r->sink, errp);
    stream_put_be64(r->out, RAM_REC_EOS);
    return ok;
}

static bool arm_window(RamSend *r, SendBlock *b, uint64_t first,
                       uint64_t npages, GError **errp)
{
    uint64_t word = first / WORD_BITS;

    find_absent(r, b, first, npages);
    memory_dirty_log_take(r->mem, b->rb, first, npages, b->absent + word,
                          b->unsent + word);
    return true;
}

/* A FreeHintSink; the bytes may be any of the block's. */
static void note_free(void *opaque, const RamBlock *rb, uint64_t off,
                      uint64_t len)
{
    RamSend *r = opaque;

    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];
        uint64_t first = ROUND_UP(off, RAM_PAGE_SIZE) >> RAM_PAGE_BITS;
        uint64_t end =
            MIN((off + len) >> RAM_PAGE_BITS, b->length >> RAM_PAGE_BITS);

        end = MIN(end, b->npages);

        if (b->rb == rb && first < end) {
            bitmap_set_atomic(b->hinted, first, end - first);
        }
    }
}

/* All pages are armed, and then the guest is asked which of them are free. */
static bool begin_hints(RamSend *r, GError **errp)
{
    /* Behind a pass that is broken off, nobody would know what was left out:
     * a page that isn't sent has to be one that nobody wants. */
    if (r->opts.postcopy || !free_hints_may_begin(&r->mem->hints)) {
        return true;
    }
    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];

        b->unsent = bitmap_new(b->npages);
        b->hinted = bitmap_new(b->npages);
    }
    if (!walk_blocks(r, arm_window, errp)) {
        return false;
    }
    r->asked = free_hints_begin(&r->mem->hints, note_free, r);
    return true;
}

static void first_pass_done(RamSend *r)
{
    r->first = false;
    end_hints(r);
    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];

        g_clear_pointer(&b->unsent, bitmap_free);
        g_clear_pointer(&b->hinted, bitmap_free);
    }
}

/*
 * A first pass that was broken off is made anew, as the switch-over behind it
 * was undone: what it has sent is dirty again, or it would be taken for what
 * nobody ever touched.
 */
static void restart_first(RamSend *r)
{
    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];
        uint64_t n = b == r->reached_block ? r->reached_page : b->npages;

        bitmap_clear(b->absent, 0, n);
        memory_dirty_log_mark(b->rb, 0, n);
        if (b == r->reached_block) {
            break;
        }
    }
    r->reached_block = NULL;
}

bool ram_send_pass(RamSend *r, GError **errp)
{
    if (r->first && r->reached_block != NULL) {
        restart_first(r);
    }
    if (r->first && !begin_hints(r, errp)) {
        stream_put_be64(r->out, RAM_REC_EOS);
        return false;
    }
    if (!foreach_window(r, pass_window, r->first ? PASS_FIRST : PASS_NEXT,
                        errp)) {
        return false;
    }
    if (stream_out_is_late(r->out)) {
        error_setf(errp, "pass over memory: the stream is late"); /* not all */
        return false;
    }
    if (r->first) {
        first_pass_done(r);
    }
    for (guint i = 0; i < r->blocks->len; i++) {
        limit_spans(r, r->blocks->pdata[i]);
    }
    return stream_out_check(r->out, errp);
}

/*
 * The destination loads devices now, which may write to guest memory; if it
 * goes on here, nothing is known of what it has.
 */
static void forget_sent(RamSend *r)
{
    if (r->sink->ops->forget != NULL) {
        r->sink->ops->forget(r->sink);
    }
}

bool ram_send_finish(RamSend *r, GError **errp)
{
    bool ok = foreach_window(r, finish_window, PASS_LAST, errp) &&
              stream_out_check(r->out, errp);

    forget_sent(r);
    return ok;
}

/*
 * Behind where the first pass was broken off nobody has looked which pages
 * there are.  The guest stands: nothing has to be armed before that.
 */
static void find_rest(RamSend *r)
{
    bool behind = false;

    for (guint i = 0; r->first && i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];
        uint64_t lo = 0;

        if (b == r->reached_block) {
            behind = true;
            lo = r->reached_page;
        }
        if (behind && presence_is_cheap(&r->presence, b->rb)) {
            bitmap_set(b->absent, lo, b->npages - lo);
            presence_foreach(&r->presence, b->rb, lo, b->npages - lo,
                             mark_present, b);
        }
    }
}

PostcopyOut *ram_send_postcopy(RamSend *r, GError **errp)
{
    bool absent = r->opts.features & WIRE_F_ABSENT;
    g_autoptr(PostcopyOut) p = postcopy_out_new(r->opts.features);

    forget_sent(r);
    /* Others are to be told of each page. */
    if (absent) {
        find_rest(r);
    }
    for (guint i = 0; i < r->blocks->len; i++) {
        SendBlock *b = r->blocks->pdata[i];
        unsigned long *pending;

        if (!check_block(b, errp)) {
            return NULL;
        }
        pending = bitmap_new(b->npages);
        memory_dirty_log_peek(b->rb, 0, b->npages, b->absent, pending);
        postcopy_out_add(p, b->rb, pending);
    }
    return g_steal_pointer(&p);
}

void ram_send_get_stats(const RamSend *r, RamSendStats *ret)
{
    const uint64_t *src = (const uint64_t *)&r->stats;
    uint64_t *dst = (uint64_t *)ret;
    PageSinkStats st = { 0 };
    uint64_t put;

    for (size_t i = 0; i < sizeof(*ret) / sizeof(*dst); i++) {
        dst[i] = __atomic_load_n(&src[i], __ATOMIC_RELAXED);
    }
    r->sink->ops->stats(r->sink, &st);
    ret->normal_pages = st.normal_pages;
    ret->zero_pages = st.zero_pages;
    /* remaining_pages is of the last sync: what was put since isn't left. */
    ret->xbzrle = st.xbzrle;
    put = ret->normal_pages + ret->zero_pages + ret->xbzrle.deltas +
          ret->free_pages - __atomic_load_n(&r->counted, __ATOMIC_RELAXED);
    ret->remaining_pages -= MIN(put, ret->remaining_pages);
}
