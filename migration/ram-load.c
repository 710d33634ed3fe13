/*
 * Guest memory, incoming: every offset and length comes from the peer and is
 * checked against the block before a byte is stored.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-recv.h"
#include "migration/ram-load.h"
#include "migration/wire.h"
#include "migration/xbzrle.h"
#include "util/bufferiszero.h"
#include "util/error.h"
#include "util/rcu.h"

enum {
    SMALL_BLOCK = 64 << 20, /* bytes */
    CLEAR_STEP = 16 << 20,  /* bytes between two looks at the time */
    PLACE_ROOM = 256 << 10, /* bytes that are placed at once */
};

struct RamLoad {
    Memory *mem;
    BufferZeroFn *is_zero;
    /* RamBlock, borrowed: those of the stream's list.  None can go while a
     * migration comes in. */
    GPtrArray *blocks;
    RamBlock *last; /* of the record before, also across sections */
    bool ready;
    bool ignore_shared; /* what is shared is the source's, too */
    bool absent;        /* pages that never come are zero */
    /* Atomic, in the order of blocks: has any page come?  NULL before ready. */
    bool *came;
    struct MultifdRecv *multifd; /* borrowed; or NULL */
    bool marked;          /* records tell where its channels are in step */
    PostcopyIn *postcopy; /* NULL: it can't be one */
    PostcopyPlacer placer;
    uint8_t *place; /* PLACE_ROOM bytes */
};

RamLoad *ram_load_new(Memory *mem)
{
    RamLoad *r = g_new0(RamLoad, 1);

    r->mem = mem;
    r->blocks = g_ptr_array_new();
    r->is_zero = buffer_zero_scanner(true);
    return r;
}

void ram_load_free(RamLoad *r)
{
    if (r == NULL) {
        return;
    }
    postcopy_placer_fini(&r->placer);
    g_free(r->place);
    g_free(r->came);
    g_ptr_array_unref(r->blocks);
    g_free(r);
}

void ram_load_set_multifd(RamLoad *r, struct MultifdRecv *mr)
{
    r->multifd = mr;
}

void ram_load_set_marked(RamLoad *r)
{
    r->marked = true;
}

void ram_load_set_postcopy(RamLoad *r, PostcopyIn *p)
{
    r->postcopy = p;
    r->place = g_malloc(PLACE_ROOM);
    postcopy_placer_init(&r->placer, p);
}

void ram_load_set_ignore_shared(RamLoad *r)
{
    r->ignore_shared = true;
}

void ram_load_set_absent(RamLoad *r)
{
    r->absent = true;
}

void ram_load_restart(RamLoad *r)
{
    r->last = NULL;
    postcopy_placer_restart(&r->placer);
}

bool ram_load_ready(const RamLoad *r)
{
    return r->ready;
}

/* It is the source's memory as well: nothing of it travels. */
static bool is_ignored(const RamLoad *r, const RamBlock *rb)
{
    return r->ignore_shared && rb->shared;
}

static void zero_range(RamLoad *r, RamBlock *rb, uint64_t off, uint64_t len)
{
    for (uint64_t p = off; p < off + len; p += RAM_PAGE_SIZE) {
        uint64_t n = MIN(off + len - p, (uint64_t)RAM_PAGE_SIZE);

        if (!r->is_zero(rb->host + p, n)) {
            memset(rb->host + p, 0, n);
        }
    }
}

/*
 * Pages that were populated stay so; and those of a file that isn't to be
 * changed can't be dropped, only written over.
 */
static bool may_discard(const RamBlock *rb)
{
    return !rb->prealloc && (rb->shared || rb->backing != RAM_FILE);
}

/* Zeroes what may hold anything else; false: there was no time for all. */
static bool block_clear(RamLoad *r, RamBlock *rb, uint64_t off, uint64_t len,
                        int64_t until_ns)
{
    uint64_t lo = ROUND_DOWN(off, rb->page_size);
    uint64_t hi = ROUND_UP(off + len, rb->page_size);
    uint64_t step = MAX((uint64_t)CLEAR_STEP, (uint64_t)rb->page_size);
    bool discards = may_discard(rb);

    while (lo < hi) {
        uint64_t n = MIN(hi - lo, step);

        if (clock_monotonic_ns() >= until_ns) {
            return false;
        }
        discards = discards && ram_block_discard(rb, lo, n) == 0;
        if (!discards) {
            zero_range(r, rb, lo, n);
        }
        lo += n;
    }
    return true;
}

bool ram_load_make_pristine(RamLoad *r, int64_t until_ns)
{
    RamBlock *rb;

    RCU_READ_GUARD();
    RAM_BLOCK_FOREACH(rb, &r->mem->ram)
    {
        uint64_t lo, hi;

        if (!rb->migratable || is_ignored(r, rb)) {
            continue;
        }
        if (rb->read_only) {
            return false;
        }
        /* Firmware is put into small blocks through their pointers. */
        if (!rb->fresh || rb->max_length < SMALL_BLOCK) {
            lo = 0;
            hi = rb->max_length;
        } else if (!ram_block_host_written(rb, &lo, &hi)) {
            continue;
        }
        if (!block_clear(r, rb, lo, hi - lo, until_ns)) {
            return false;
        }
    }
    return true;
}

static bool check_block_size(RamLoad *r, RamBlock *rb, uint64_t len,
                             GError **errp)
{
    if (len == rb->used_length) {
        return true;
    }
    if (rb->resizable) {
        VM_LOCK_GUARD();
        return ram_block_resize(&r->mem->ram, rb, len, errp);
    }
    error_setf(errp,
               "RAM block '%s' is %" PRIu64 " bytes here but %" PRIu64
               " bytes in the stream",
               rb->name, rb->used_length, len);
    return false;
}

/* "'pc.ram' (64 bytes), ...": the blocks here that travel; RCU. */
static char *own_blocks(const RamLoad *r)
{
    g_autoptr(GString) s = g_string_new(NULL);
    RamBlock *rb;

    RAM_BLOCK_FOREACH(rb, &r->mem->ram)
    {
        if (rb->migratable) {
            g_string_append_printf(s, "%s'%s' (%" PRIu64 " bytes)",
                                   s->len > 0 ? ", " : "", rb->name,
                                   rb->used_length);
        }
    }
    return g_string_free(g_steal_pointer(&s), false);
}

/* A block of this machine, the first time that the list names it. */
static RamBlock *listed_block(RamLoad *r, const char *name, uint64_t len,
                              GError **errp)
{
    RamBlock *rb;
    RCU_READ_GUARD();

    rb = ram_block_find(&r->mem->ram, name);
    if (rb == NULL || !rb->migratable) {
        g_autofree char *own = own_blocks(r);

        error_setf(errp,
                   "RAM block '%s' of the stream, of %" PRIu64
                   " bytes, is not known here; here are %s",
                   name, len, own);
        return NULL;
    }
    if (g_ptr_array_find(r->blocks, rb, NULL)) {
        error_setf(errp, "RAM block '%s' is listed twice", name);
        return NULL;
    }
    return rb;
}

/* The list is at its end: a block that it lacks would never be written. */
static bool check_none_missing(RamLoad *r, GError **errp)
{
    RamBlock *rb;
    RCU_READ_GUARD();

    RAM_BLOCK_FOREACH(rb, &r->mem->ram)
    {
        if (rb->migratable && rb->used_length > 0 &&
            !g_ptr_array_find(r->blocks, rb, NULL)) {
            error_setf(errp,
                       "RAM block '%s' of %" PRIu64 " bytes is here, but not "
                       "among the %u of the stream",
                       rb->name, rb->used_length, r->blocks->len);
            return false;
        }
    }
    return true;
}

/* Pages are placed as a whole: their sizes have to be the same. */
static bool check_page_size(RamLoad *r, StreamIn *s, const RamBlock *rb,
                            GError **errp)
{
    uint64_t size;

    if (r->postcopy == NULL || rb->page_size == RAM_PAGE_SIZE) {
        return true;
    }
    size = stream_get_be64(s);
    if (!stream_in_check(s, errp)) {
        return false;
    }
    if (size != rb->page_size) {
        error_setf(errp,
                   "RAM block '%s' has pages of %zu bytes here but of "
                   "%" PRIu64 " bytes in the stream",
                   rb->name, rb->page_size, size);
        return false;
    }
    return true;
}

/* With x-ignore-shared the list tells where a block is. */
static bool check_address(RamLoad *r, StreamIn *s, const RamBlock *rb,
                          GError **errp)
{
    uint64_t there, here;

    if (!r->ignore_shared) {
        return true;
    }
    there = stream_get_be64(s);
    if (!stream_in_check(s, errp) || !rb->shared) {
        return stream_in_check(s, errp);
    }
    if (rb->backing != RAM_FILE) {
        error_setf(errp,
                   "RAM block '%s' is shared here (x-ignore-shared), but has "
                   "no file that the source could have",
                   rb->name);
        return false;
    }
    {
        VM_LOCK_GUARD();
        here = memory_ram_address(r->mem, rb);
    }
    if (there != here) {
        error_setf(errp,
                   "RAM block '%s' is at 0x%" PRIx64 " here and at 0x%" PRIx64
                   " at the source",
                   rb->name, here, there);
        return false;
    }
    return true;
}

static bool load_block_list(RamLoad *r, StreamIn *s, uint64_t total,
                            GError **errp)
{
    if (r->ready) {
        error_setf(errp, "the list of RAM blocks comes twice");
        return false;
    }
    while (total > 0) {
        char name[256];
        RamBlock *rb;
        uint64_t len;

        stream_get_str8(s, name);
        len = stream_get_be64(s);
        if (!stream_in_check(s, errp)) {
            return false;
        }
        rb = listed_block(r, name, len, errp);
        if (rb == NULL) {
            return false;
        }
        if (len == 0 || len > total) {
            error_setf(errp,
                       "RAM block '%s': %" PRIu64 " bytes, with %" PRIu64
                       " left of the total",
                       name, len, total);
            return false;
        }
        if (!check_block_size(r, rb, len, errp) ||
            !check_page_size(r, s, rb, errp) ||
            !check_address(r, s, rb, errp)) {
            return false;
        }
        g_ptr_array_add(r->blocks, rb);
        total -= len;
    }
    r->came = g_new0(bool, r->blocks->len);
    r->ready = check_none_missing(r, errp);
    if (r->ready && r->postcopy != NULL) {
        postcopy_in_set_blocks(r->postcopy, r->blocks);
    }
    return r->ready;
}

RamBlock *ram_load_block(RamLoad *r, const char *name, GError **errp)
{
    RamBlock *found = NULL;

    for (guint i = 0; i < r->blocks->len && found == NULL; i++) {
        RamBlock *rb = r->blocks->pdata[i];

        found = strcmp(rb->name, name) == 0 ? rb : NULL;
    }
    if (found == NULL) {
        error_setf(errp, "page record names RAM block '%s', not listed", name);
        return NULL;
    }
    if (is_ignored(r, found)) {
        error_setf(errp,
                   "RAM block '%s' is shared here (x-ignore-shared), but the "
                   "source sends it",
                   name);
        return NULL;
    }
    if (found->read_only) {
        error_setf(errp, "RAM block '%s' is read-only here", name);
        return NULL;
    }
    return found;
}

/* The block a record is about; its name follows unless "as before". */
static RamBlock *record_block(RamLoad *r, RamBlock **last, StreamIn *s,
                              uint64_t flags, GError **errp)
{
    char name[256];

    if (flags & RAM_REC_CONTINUE) {
        if (*last == NULL) {
            error_setf(errp, "page record continues no block");
        }
        return *last;
    }
    stream_get_str8(s, name);
    if (!stream_in_check(s, errp)) {
        return NULL;
    }
    *last = ram_load_block(r, name, errp);
    return *last;
}

bool ram_load_check_range(const RamBlock *rb, uint64_t off, uint64_t len,
                          GError **errp)
{
    /* The last page of a block may stick out of an odd length. */
    uint64_t end = ROUND_UP(rb->used_length, RAM_PAGE_SIZE);

    if (off > end || len > end - off || len == 0) {
        error_setf(errp,
                   "RAM block '%s': record of %" PRIu64
                   " bytes at offset 0x%" PRIx64 " of 0x%" PRIx64,
                   rb->name, len, off, rb->used_length);
        return false;
    }
    return true;
}

static void fill_pages(RamLoad *r, RamBlock *rb, uint64_t off, uint64_t len,
                       uint8_t byte)
{
    for (uint64_t p = off; p < off + len; p += RAM_PAGE_SIZE) {
        uint8_t *host = rb->host + p;

        /* Absent pages stay absent. */
        if (byte != 0 || !r->is_zero(host, RAM_PAGE_SIZE)) {
            memset(host, byte, RAM_PAGE_SIZE);
        }
    }
}

/* The guest may run: pages appear as a whole, and only where none is. */
static bool place_pages(RamLoad *r, StreamIn *s, RamBlock *rb, uint64_t off,
                        uint64_t len, GError **errp)
{
    while (len > 0) {
        uint64_t n = MIN(len, (uint64_t)PLACE_ROOM);

        if (!stream_get(s, r->place, n)) {
            return stream_in_check(s, errp);
        }
        if (!postcopy_in_place(&r->placer, rb, off, r->place, n, errp)) {
            return false;
        }
        off += n;
        len -= n;
    }
    return true;
}

static bool place_fill(RamLoad *r, RamBlock *rb, uint64_t off, uint64_t len,
                       uint8_t byte, GError **errp)
{
    if (byte == 0) {
        return postcopy_in_place(&r->placer, rb, off, NULL, len, errp);
    }
    memset(r->place, byte, RAM_PAGE_SIZE); /* no extent */
    return postcopy_in_place(&r->placer, rb, off, r->place, len, errp);
}

static bool store_pages(RamLoad *r, StreamIn *s, RamBlock *rb, uint64_t off,
                        uint64_t len, GError **errp)
{
    return stream_get(s, rb->host + off, len) || stream_in_check(s, errp);
}

/* For who is to know that none is missing as a whole. */
static void note_came(RamLoad *r, const RamBlock *rb)
{
    guint i = 0;

    if (r->ignore_shared && !r->absent && g_ptr_array_find(r->blocks, rb, &i)) {
        __atomic_store_n(&r->came[i], true, __ATOMIC_RELAXED);
    }
}

bool ram_load_finished(RamLoad *r, GError **errp)
{
    for (guint i = 0; r->ignore_shared && !r->absent && i < r->blocks->len;
         i++) {
        const RamBlock *rb = r->blocks->pdata[i];

        if (!is_ignored(r, rb) &&
            !__atomic_load_n(&r->came[i], __ATOMIC_RELAXED)) {
            error_setf(errp,
                       "RAM block '%s' isn't shared here, and the source sent "
                       "nothing of it (x-ignore-shared)",
                       rb->name);
            return false;
        }
    }
    return true;
}

void ram_load_stored(RamLoad *r, RamBlock *rb, uint64_t off, uint64_t len)
{
    note_came(r, rb);
    if (ram_dirty_enabled(&r->mem->ram)) {
        ram_block_set_dirty(&r->mem->ram, rb, off, len);
    }
}

bool ram_load_pages(RamLoad *r, RamBlock **last, StreamIn *s, uint64_t head,
                    GError **errp)
{
    uint64_t flags = head & RAM_REC_FLAGS;
    uint64_t off = head & ~(uint64_t)RAM_REC_FLAGS;
    bool places = r->postcopy != NULL && postcopy_in_listening(r->postcopy);
    RamBlock *rb = record_block(r, last, s, flags, errp);
    uint64_t len = RAM_PAGE_SIZE;
    bool ok = true;

    if (rb == NULL) {
        return false;
    }
    if (flags & RAM_REC_EXTENT) {
        len *= stream_get_be32(s);
    }
    if (!stream_in_check(s, errp) ||
        !ram_load_check_range(rb, off, len, errp)) {
        return false;
    }
    if (flags & RAM_REC_FILL) {
        uint8_t byte = flags & RAM_REC_EXTENT ? 0 : stream_get_u8(s);

        ok = stream_in_check(s, errp);
        if (ok && places) {
            ok = place_fill(r, rb, off, len, byte, errp);
        } else if (ok) {
            fill_pages(r, rb, off, len, byte);
        }
    } else {
        ok = places ? place_pages(r, s, rb, off, len, errp)
                    : store_pages(r, s, rb, off, len, errp);
    }
    if (ok && r->postcopy != NULL && !places) {
        postcopy_in_stored(r->postcopy, rb, off, len);
    }
    if (ok) {
        ram_load_stored(r, rb, off, len);
    }
    return ok;
}

/* What has changed in a page since it came last. */
static bool load_delta(RamLoad *r, StreamIn *s, uint64_t head, GError **errp)
{
    uint64_t off = head & ~(uint64_t)RAM_REC_FLAGS;
    RamBlock *rb = record_block(r, &r->last, s, head, errp);
    uint8_t delta[XBZRLE_PAGE];
    unsigned kind, len;

    if (rb == NULL || !ram_load_check_range(rb, off, RAM_PAGE_SIZE, errp)) {
        return false;
    }
    kind = stream_get_u8(s);
    len = stream_get_be16(s);
    if (!stream_in_check(s, errp)) {
        return false;
    }
    if (kind != RAM_XBZRLE_DELTA || len == 0 || len > sizeof(delta)) {
        error_setf(errp, "RAM block '%s': xbzrle of kind %u and %u bytes",
                   rb->name, kind, len);
        return false;
    }
    if (r->postcopy != NULL && postcopy_in_listening(r->postcopy)) {
        error_setf(errp,
                   "RAM block '%s': xbzrle of a page that follows the "
                   "guest",
                   rb->name);
        return false;
    }
    if (!stream_get(s, delta, len)) {
        return stream_in_check(s, errp);
    }
    if (!xbzrle_decode(delta, len, rb->host + off, errp)) {
        error_prefix(errp, "RAM block '%s', page 0x%" PRIx64 ": ", rb->name,
                     off);
        return false;
    }
    if (r->postcopy != NULL) {
        postcopy_in_stored(r->postcopy, rb, off, RAM_PAGE_SIZE);
    }
    ram_load_stored(r, rb, off, RAM_PAGE_SIZE);
    return true;
}

/* What came on any channel until here is in its place. */
static bool load_sync(RamLoad *r, bool mark, GError **errp)
{
    if (mark && (r->multifd == NULL || !r->marked)) {
        error_setf(errp, "mark of multifd channels, which was not agreed on");
        return false;
    }
    if (r->multifd == NULL || mark != r->marked) {
        return true;
    }
    if (!r->ready) {
        error_setf(errp, "multifd channels in step before the list of RAM "
                         "blocks");
        return false;
    }
    return multifd_recv_sync(r->multifd, errp);
}

static bool load_record(RamLoad *r, StreamIn *s, uint64_t head, bool *ret_end,
                        GError **errp)
{
    uint64_t flags = head & RAM_REC_FLAGS,
             off = head & ~(uint64_t)RAM_REC_FLAGS;

    switch (flags & ~(uint64_t)RAM_REC_CONTINUE) {
    case RAM_REC_EOS:
        *ret_end = true;
        return load_sync(r, false, errp);
    case RAM_REC_MULTIFD_FLUSH:
        return load_sync(r, true, errp);
    case RAM_REC_MEM_SIZE:
        return load_block_list(r, s, off, errp);
    case RAM_REC_FILL:
    case RAM_REC_PAGE:
    case RAM_REC_EXTENT:
    case RAM_REC_EXTENT | RAM_REC_FILL:
    case RAM_REC_XBZRLE:
        if (!r->ready) {
            error_setf(errp, "page record before the list of RAM blocks");
            return false;
        }
        if (flags & RAM_REC_XBZRLE) {
            return load_delta(r, s, head, errp);
        }
        return ram_load_pages(r, &r->last, s, head, errp);
    case RAM_REC_COMPRESSED:
        error_setf(errp, "page record uses compress, which is not available");
        return false;
    default:
        error_setf(errp, "page record with unknown flags 0x%" PRIx64, flags);
        return false;
    }
}

bool ram_load_section(RamLoad *r, StreamIn *s, GError **errp)
{
    bool end = false;

    while (!end) {
        uint64_t at = stream_in_bytes(s);
        uint64_t head = stream_get_be64(s);

        if (!stream_in_check(s, errp)) {
            return false;
        }
        if (!load_record(r, s, head, &end, errp)) {
            error_prefix(errp, "offset %" PRIu64 ": ", at);
            return false;
        }
    }
    return true;
}
