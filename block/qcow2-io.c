/*
 * qcow2: reads and writes by those who may wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"

/* References that are gone, kept until they are flushed. */
#define MAX_FREED 4096

/* Reading */

static int read_backing(const BlockNode *n, uint64_t off, void *buf, size_t len)
{
    const BlockNode *below = n->backing;
    size_t have = 0;
    int ret = 0;

    if (below != NULL && off < below->size) {
        have = MIN((uint64_t)len, below->size - off);
        ret = block_node_pread(n->backing, off, buf, have);
    }
    memset((char *)buf + have, 0, len - have);
    return ret;
}

/* s->unpacked is that cluster afterwards. */
static int cluster_unpack(Qcow2 *s, uint64_t entry) REQUIRES(&s->lock)
{
    g_autofree uint8_t *packed = NULL;
    uint64_t off, len;
    int ret;

    if (s->unpacked != NULL && s->unpacked_entry == entry) {
        return 0;
    }
    qcow2_compressed_range(s, entry, &off, &len);
    if (s->unpacked == NULL) {
        s->unpacked = g_malloc(s->cluster_size);
    }
    s->unpacked_entry = 0;
    packed = g_malloc(len);
    ret = block_file_pread(s->node->file, off, packed, len);
    if (ret == 0) {
        ret = qcow2_unpack(s->zstd, packed, len, s->unpacked, s->cluster_size);
    }
    if (ret == 0) {
        s->unpacked_entry = entry;
    }
    return ret;
}

/* What lies there; data is read by the caller without the lock. */
static int read_extent(Qcow2 *s, uint64_t off, uint8_t *buf,
                       const Qcow2Extent *e) REQUIRES(&s->lock)
{
    int ret;

    switch (e->kind) {
    case QCOW2_K_ZEROS:
        memset(buf, 0, e->len);
        return 0;
    case QCOW2_K_COMPRESSED:
        ret = cluster_unpack(s, e->host);
        if (ret == 0) {
            memcpy(buf, s->unpacked + off % s->cluster_size, e->len);
        }
        return ret;
    case QCOW2_K_DATA:
    case QCOW2_K_SHARED:
        return block_file_pread(s->node->file, e->host, buf, e->len);
    case QCOW2_K_UNALLOCATED:
        return read_backing(s->node, off, buf, e->len);
    case QCOW2_K_BAD:
    default:
        return -EIO;
    }
}

/* Zeros beyond the end of the disk. */
static int read_locked(Qcow2 *s, uint64_t off, uint8_t *buf, size_t len)
    REQUIRES(&s->lock)
{
    size_t inside = off < s->node->size ? MIN(len, s->node->size - off) : 0;

    memset(buf + inside, 0, len - inside);
    while (inside > 0) {
        Qcow2Extent e;
        int ret = qcow2_find_locked(s, off, inside, &e);

        if (ret == 0) {
            ret = read_extent(s, off, buf, &e);
        }
        if (ret < 0) {
            return ret;
        }
        off += e.len;
        buf += e.len;
        inside -= e.len;
    }
    return 0;
}

/* One extent; data without the lock. */
static int read_some(Qcow2 *s, uint64_t off, uint8_t *buf, size_t len,
                     size_t *ret_n)
{
    Qcow2Extent e = { .kind = QCOW2_K_BAD };
    unsigned epoch;
    bool outside;
    int ret;

    lock_acquire(&s->lock);
    ret = qcow2_find_locked(s, off, len, &e);
    outside = ret == 0 && e.kind != QCOW2_K_COMPRESSED;
    epoch = qcow2_pin(s);
    if (ret == 0 && !outside) {
        ret = read_extent(s, off, buf, &e);
    }
    lock_release(&s->lock);
    if (outside && (e.kind == QCOW2_K_DATA || e.kind == QCOW2_K_SHARED)) {
        ret = block_file_pread(s->node->file, e.host, buf, e.len);
    } else if (outside && e.kind == QCOW2_K_UNALLOCATED) {
        ret = read_backing(s->node, off, buf, e.len);
    } else if (outside) {
        memset(buf, 0, e.len);
    }
    qcow2_unpin(s->node, epoch);
    *ret_n = e.len;
    return ret;
}

int qcow2_pread(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    Qcow2 *s = n->state;
    uint8_t *at = buf;

    while (len > 0) {
        size_t part = 0;
        int ret = read_some(s, off, at, len, &part);

        if (ret < 0) {
            return ret;
        }
        off += part;
        at += part;
        len -= part;
    }
    return 0;
}

/* Writing */

/* An L2 entry that is about to change. */
typedef struct Change {
    Qcow2Slice *slice;
    unsigned at; /* in the slice */
    uint64_t entry, bitmap;
} Change;

static int change_begin(Qcow2 *s, uint64_t off, Change *c) REQUIRES(&s->lock)
{
    int ret = qcow2_l2_need_locked(s, off, &c->slice);

    if (ret < 0) {
        return ret;
    }
    c->at = qcow2_l2_at(s, off);
    c->entry = ldq_be_p(c->slice->data + c->at);
    c->bitmap = s->extended_l2 ? ldq_be_p(c->slice->data + c->at + 8) : 0;
    if (!(c->entry & QCOW2_COMPRESSED) &&
        (c->entry & QCOW2_OFFSET_MASK) % s->cluster_size != 0) {
        return qcow2_is_corrupt(s, "L2 entry of guest offset 0x%" PRIx64, off);
    }
    return 0;
}

static void change_put(Qcow2 *s, const Change *c, uint64_t entry,
                       uint64_t bitmap) REQUIRES(&s->lock)
{
    uint8_t be[16];

    stq_be_p(be, entry);
    stq_be_p(be + 8, bitmap);
    qcow2_cache_put_locked(s, &s->l2, c->slice, c->at, be, s->entry_size);
}

/* The references of the old entry are gone. */
static void unref_entry(Qcow2 *s, uint64_t entry) REQUIRES(&s->lock)
{
    uint64_t off, len;

    if (entry & QCOW2_COMPRESSED) {
        qcow2_compressed_range(s, entry, &off, &len);
        len += off % s->cluster_size;
        off = ROUND_DOWN(off, s->cluster_size);
        qcow2_unref_locked(s, off, DIV_ROUND_UP(len, s->cluster_size));
    } else if (entry & QCOW2_OFFSET_MASK) {
        qcow2_unref_locked(s, entry & QCOW2_OFFSET_MASK, 1);
    }
}

static bool may_write_in_place(const Qcow2 *s, const Change *c)
{
    uint64_t host = c->entry & QCOW2_OFFSET_MASK;

    return !(c->entry & QCOW2_COMPRESSED) && (c->entry & QCOW2_COPIED) &&
           host != 0;
}

/* Bits of the subclusters that [a, b) of a cluster touches. */
static uint64_t sub_mask(const Qcow2 *s, uint64_t a, uint64_t b)
{
    unsigned first = a >> s->sub_bits, last = (b - 1) >> s->sub_bits;

    return MAKE_64BIT_MASK(first, last - first + 1);
}

/*
 * What has to be written for [*a, *b) of a cluster: more than that, where
 * what stands around it isn't in the cluster yet.
 */
static void cluster_widen(const Qcow2 *s, const Change *c, bool in_place,
                          uint64_t *a, uint64_t *b)
{
    uint64_t sub = BIT_ULL(s->sub_bits), mask;
    bool zeros = s->version >= 3 && (c->entry & QCOW2_ZERO);

    if (!s->extended_l2) {
        if (!in_place || zeros) {
            *a = 0;
            *b = s->cluster_size;
        }
        return;
    }
    mask = sub_mask(s, *a, *b);
    if (in_place && (c->bitmap & mask) == mask) {
        return;
    }
    if (!in_place &&
        ((c->entry & QCOW2_COMPRESSED) || (uint32_t)c->bitmap != 0)) {
        /* The old cluster's data moves. */
        *a = 0;
        *b = s->cluster_size;
        return;
    }
    *a = ROUND_DOWN(*a, sub);
    *b = ROUND_UP(*b, sub);
}

/* [wa, wb) of the cluster at guest offset `start`: data in [a, b), around it
 * what is there now. */
static int write_widened(Qcow2 *s, uint64_t start, uint64_t host, uint64_t wa,
                         uint64_t wb, uint64_t a, const uint8_t *data,
                         uint64_t len) REQUIRES(&s->lock)
{
    void *buf = NULL;
    int ret = 0;

    if (wa == a && wb == a + len) {
        return block_file_pwrite(s->node->file, host + wa, data, len);
    }
    if (posix_memalign(&buf, 4096, wb - wa) != 0) {
        return -ENOMEM;
    }
    if (wa < a) {
        ret = read_locked(s, start + wa, buf, a - wa);
    }
    if (ret == 0 && a + len < wb) {
        ret = read_locked(s, start + a + len, (uint8_t *)buf + (a + len - wa),
                          wb - a - len);
    }
    if (ret == 0) {
        memcpy((uint8_t *)buf + (a - wa), data, len);
        ret = block_file_pwrite(s->node->file, host + wa, buf, wb - wa);
    }
    free(buf);
    return ret;
}

/* A part of one cluster, which may need a place. */
static int write_cluster(Qcow2 *s, uint64_t off, const uint8_t *data,
                         uint64_t len) REQUIRES(&s->lock)
{
    uint64_t start = ROUND_DOWN(off, s->cluster_size), a = off - start;
    uint64_t wa = a, wb = a + len, bitmap = 0;
    bool in_place;
    int64_t host;
    Change c;
    int ret = change_begin(s, off, &c);

    if (ret < 0) {
        return ret;
    }
    in_place = may_write_in_place(s, &c);
    cluster_widen(s, &c, in_place, &wa, &wb);
    host = in_place ? (int64_t)(c.entry & QCOW2_OFFSET_MASK)
                    : qcow2_alloc_locked(s, 1);
    if (host < 0) {
        return (int)host;
    }
    if (qcow2_overlaps_tables(s, host, s->cluster_size)) {
        return qcow2_is_corrupt(s, "guest data at 0x%" PRIx64, (uint64_t)host);
    }
    ret = write_widened(s, start, host, wa, wb, a, data, len);
    if (ret == 0) {
        /* Reading what stood around it may have used the cache. */
        ret = qcow2_l2_need_locked(s, off, &c.slice);
    }
    if (ret < 0) {
        if (!in_place) {
            qcow2_unref_locked(s, host, 1);
        }
        return ret;
    }
    if (s->extended_l2) {
        uint64_t mask = sub_mask(s, wa, wb);

        bitmap = c.entry & QCOW2_COMPRESSED ? 0 : c.bitmap;
        bitmap = (bitmap | mask) & ~(mask << 32);
    }
    change_put(s, &c, (uint64_t)host | QCOW2_COPIED, bitmap);
    if (!in_place) {
        unref_entry(s, c.entry);
    }
    return 0;
}

/* Before anything changes. */
static int begin_changes(Qcow2 *s) REQUIRES(&s->lock)
{
    int ret = s->broken ? -EIO : qcow2_mark_bitmaps_locked(s);

    if (ret == 0 && s->freed->len + s->flushed->len > MAX_FREED) {
        ret = qcow2_flush_locked(s, true);
        ret = ret < 0 ? ret : qcow2_free_flushed_locked(s);
    }
    return ret;
}

/* What is in its place already, without the lock; else one cluster. */
static int write_some(Qcow2 *s, uint64_t off, const uint8_t *buf, size_t len,
                      size_t *ret_n)
{
    Qcow2Extent e = { .kind = QCOW2_K_BAD };
    unsigned epoch;
    int ret;

    lock_acquire(&s->lock);
    ret = begin_changes(s);
    if (ret == 0) {
        ret = qcow2_find_locked(s, off, len, &e);
    }
    if (ret < 0 || e.kind != QCOW2_K_DATA ||
        qcow2_overlaps_tables(s, e.host, e.len)) {
        e.len = MIN((uint64_t)len, s->cluster_size - off % s->cluster_size);
        if (ret == 0) {
            ret = write_cluster(s, off, buf, e.len);
        }
        lock_release(&s->lock);
        *ret_n = e.len;
        return ret;
    }
    epoch = qcow2_pin(s);
    lock_release(&s->lock);
    ret = block_file_pwrite(s->node->file, e.host, buf, e.len);
    qcow2_unpin(s->node, epoch);
    *ret_n = e.len;
    return ret;
}

int qcow2_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len)
{
    const uint8_t *at = buf;

    while (len > 0) {
        size_t part = 0;
        int ret = write_some(n->state, off, at, len, &part);

        if (ret < 0) {
            return ret;
        }
        off += part;
        at += part;
        len -= part;
    }
    return 0;
}

/* Zeros, and nothing */

/* A whole cluster becomes zeros (or, if `forget`, what a discard leaves). */
static int zero_cluster(Qcow2 *s, uint64_t off, bool unmap, bool forget)
    REQUIRES(&s->lock)
{
    bool plain = s->node->backing == NULL && forget;
    uint64_t entry = 0, bitmap = 0;
    Qcow2Extent e;
    Change c;
    int ret = qcow2_find_locked(s, off, s->cluster_size, &e);

    if (ret < 0) {
        return ret;
    }
    if (e.kind == QCOW2_K_UNALLOCATED && e.len == s->cluster_size &&
        s->node->backing == NULL) {
        return 0;
    }
    ret = change_begin(s, off, &c);
    if (ret < 0) {
        return ret;
    }
    if (!unmap && may_write_in_place(s, &c)) {
        entry = c.entry & (QCOW2_OFFSET_MASK | QCOW2_COPIED);
    }
    if (!plain && s->extended_l2) {
        bitmap = MAKE_64BIT_MASK(32, 32);
    } else if (!plain) {
        entry |= QCOW2_ZERO;
    }
    if (entry == c.entry && bitmap == c.bitmap) {
        return 0;
    }
    change_put(s, &c, entry, bitmap);
    if ((entry & QCOW2_OFFSET_MASK) == 0) {
        unref_entry(s, c.entry);
    }
    return 0;
}

/* Version 2 has no zero clusters. */
static int zero_whole(Qcow2 *s, uint64_t off, uint64_t end, bool unmap,
                      bool forget)
{
    int ret = 0;

    for (; off < end && ret == 0; off += s->cluster_size) {
        lock_acquire(&s->lock);
        ret = begin_changes(s);
        if (ret == 0) {
            ret = zero_cluster(s, off, unmap, forget);
        }
        lock_release(&s->lock);
    }
    return ret;
}

static int write_zero_buffers(BlockNode *n, uint64_t off, uint64_t len)
{
    const Qcow2 *s = n->state;
    g_autofree uint8_t *zeros = NULL;
    int ret = 0;

    if (len == 0) {
        return 0;
    }
    zeros = g_malloc0(s->cluster_size);
    while (len > 0 && ret == 0) {
        size_t part = MIN(len, s->cluster_size);

        ret = qcow2_pwrite(n, off, zeros, part);
        off += part;
        len -= part;
    }
    return ret;
}

/* The clusters that lie in it as a whole; the last one of the disk may be
 * shorter. */
static void whole_clusters(const BlockNode *n, uint64_t off, uint64_t len,
                           uint64_t *ret_from, uint64_t *ret_to)
{
    const Qcow2 *s = n->state;
    uint64_t end = off + len;

    *ret_from = ROUND_UP(off, s->cluster_size);
    *ret_to = end == n->size ? end : ROUND_DOWN(end, s->cluster_size);
    if (*ret_to <= *ret_from) {
        *ret_from = *ret_to = end;
    }
}

int qcow2_write_zeroes(BlockNode *n, uint64_t off, uint64_t len, bool unmap)
{
    Qcow2 *s = n->state;
    uint64_t from, to;
    int ret;

    if (s->version < 3) {
        return write_zero_buffers(n, off, len);
    }
    whole_clusters(n, off, len, &from, &to);
    ret = write_zero_buffers(n, off, from - off);
    if (ret == 0) {
        ret = zero_whole(s, from, to, unmap, false);
    }
    return ret < 0 ? ret : write_zero_buffers(n, to, off + len - to);
}

int qcow2_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    Qcow2 *s = n->state;
    uint64_t from, to;

    /* Without zero clusters, the backing file would show through. */
    if (!n->discard || (s->version < 3 && n->backing != NULL)) {
        return 0;
    }
    whole_clusters(n, off, len, &from, &to);
    return zero_whole(s, from, to, true, true);
}
