/*
 * qcow2: from guest offsets to clusters of the file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"
#include "util/log.h"

int qcow2_is_corrupt(Qcow2 *s, const char *fmt, ...)
{
    g_autofree char *what = NULL;
    uint64_t be = 0;
    va_list ap;

    if (s->broken || (s->node->read_only && s->incompatible & QCOW2_CORRUPT)) {
        return -EIO;
    }
    va_start(ap, fmt);
    what = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_warn("qcow2: image '%s' is corrupt: %s", s->node->filename, what);
    s->incompatible |= QCOW2_CORRUPT;
    if (!s->node->read_only) {
        lock_acquire(&s->map_lock);
        s->broken = true;
        lock_release(&s->map_lock);
        if (s->version >= 3) {
            stq_be_p(&be, s->incompatible);
            (void)qcow2_write_header(s, QCOW2_H_INCOMPATIBLE, &be, sizeof(be));
        }
    }
    return -EIO;
}

bool qcow2_overlaps_tables(const Qcow2 *s, uint64_t host, uint64_t len)
{
    uint64_t end = host + len;

    return host < s->cluster_size ||
           (host < s->l1_offset + s->l1_size * 8 && end > s->l1_offset) ||
           (host < s->rt_offset + s->rt_size * 8 && end > s->rt_offset);
}

/* Look-ups */

static uint64_t l1_index(const Qcow2 *s, uint64_t off)
{
    return off >> (s->cluster_bits + s->l2_bits);
}

/* Byte offset in the whole L2 table. */
static uint64_t l2_byte(const Qcow2 *s, uint64_t off)
{
    uint64_t i = (off >> s->cluster_bits) & (BIT_ULL(s->l2_bits) - 1);

    return i * s->entry_size;
}

unsigned qcow2_l2_at(const Qcow2 *s, uint64_t off)
{
    return l2_byte(s, off) % s->l2.slice_size;
}

/* The offset in the file of the slice, in a table at l2. */
static uint64_t slice_off(const Qcow2 *s, uint64_t l2, uint64_t off)
{
    return l2 + ROUND_DOWN(l2_byte(s, off), (uint64_t)s->l2.slice_size);
}

/* What one subcluster (a cluster, if there are none) is. */
static Qcow2Kind kind_of(const Qcow2 *s, uint64_t entry, uint64_t bitmap,
                         unsigned sub)
{
    uint64_t host = entry & QCOW2_OFFSET_MASK;
    bool data, zeros;

    if (entry & QCOW2_COMPRESSED) {
        return QCOW2_K_COMPRESSED;
    }
    if (host % s->cluster_size != 0) {
        return QCOW2_K_BAD;
    }
    if (s->extended_l2) {
        data = bitmap & BIT_ULL(sub);
        zeros = bitmap & BIT_ULL(32 + sub);
        if ((data && zeros) || (data && host == 0)) {
            return QCOW2_K_BAD;
        }
    } else {
        zeros = s->version >= 3 && (entry & QCOW2_ZERO);
        data = host != 0 && !zeros;
    }
    if (zeros) {
        return QCOW2_K_ZEROS;
    }
    if (!data) {
        return QCOW2_K_UNALLOCATED;
    }
    return entry & QCOW2_COPIED ? QCOW2_K_DATA : QCOW2_K_SHARED;
}

static void read_entry(const Qcow2 *s, const Qcow2Slice *slice, uint64_t off,
                       uint64_t *ret_entry, uint64_t *ret_bitmap)
{
    const uint8_t *p;

    g_assert(slice->data);
    p = slice->data + qcow2_l2_at(s, off);
    *ret_entry = ldq_be_p(p);
    *ret_bitmap = s->extended_l2 ? ldq_be_p(p + 8) : 0;
}

void qcow2_extent(const Qcow2 *s, const Qcow2Slice *slice, uint64_t off,
                  uint64_t len, Qcow2Extent *ret)
{
    uint64_t sub_size = BIT_ULL(s->sub_bits), at = off, entry, bitmap;
    /* No further than the slice. */
    uint64_t span = s->l2.slice_size / s->entry_size * s->cluster_size;
    uint64_t end = MIN(off + len, ROUND_DOWN(off, span) + span);

    while (at < end) {
        uint64_t in = at % s->cluster_size;
        Qcow2Kind kind;
        uint64_t host;

        read_entry(s, slice, at, &entry, &bitmap);
        kind = kind_of(s, entry, bitmap, in >> s->sub_bits);
        host = kind == QCOW2_K_COMPRESSED ? entry
                                          : (entry & QCOW2_OFFSET_MASK) + in;
        if (at == off) {
            ret->kind = kind;
            ret->host = host;
        } else if (kind != ret->kind ||
                   ((kind == QCOW2_K_DATA || kind == QCOW2_K_SHARED) &&
                    host != ret->host + (at - off))) {
            break;
        }
        at = kind == QCOW2_K_COMPRESSED
                 ? ROUND_DOWN(at, s->cluster_size) + s->cluster_size
                 : ROUND_DOWN(at, sub_size) + sub_size;
        if (kind == QCOW2_K_COMPRESSED) {
            break;
        }
    }
    ret->len = MIN(at, end) - off;
}

/* The L2 table of a guest offset: 0 if there is none. */
static int l2_table(Qcow2 *s, uint64_t off, uint64_t *ret_l2)
{
    uint64_t i = l1_index(s, off);
    uint64_t l2 = i < s->l1_size ? s->l1[i] & QCOW2_OFFSET_MASK : 0;

    if (l2 % s->cluster_size != 0) {
        return qcow2_is_corrupt(s, "L2 table at 0x%" PRIx64, l2);
    }
    *ret_l2 = l2;
    return 0;
}

int qcow2_l2_get_locked(Qcow2 *s, uint64_t off, Qcow2Slice **ret_slice)
{
    uint64_t l2 = 0;
    int ret = l2_table(s, off, &l2);

    if (ret < 0 || l2 == 0) {
        return ret;
    }
    ret = qcow2_cache_get_locked(s, &s->l2, slice_off(s, l2, off), ret_slice);
    return ret < 0 ? ret : 1;
}

/* A table of its own, with the content of the old one if there is one. */
static int new_table(Qcow2 *s, uint64_t off, uint64_t old) REQUIRES(&s->lock)
{
    g_autofree uint8_t *bytes = NULL;
    uint64_t i = l1_index(s, off);
    int64_t l2;
    int ret = 0;

    if (old != 0) {
        /* What is to be copied may be in memory only. */
        ret = qcow2_flush_locked(s, false);
    }
    if (ret < 0) {
        return ret;
    }
    l2 = qcow2_alloc_locked(s, 1);
    if (l2 < 0) {
        return (int)l2;
    }
    bytes = g_malloc0(s->cluster_size);
    if (old != 0) {
        ret = block_file_pread(s->node->file, old, bytes, s->cluster_size);
    }
    if (ret == 0) {
        ret = block_file_pwrite(s->node->file, l2, bytes, s->cluster_size);
    }
    if (ret < 0) {
        qcow2_unref_locked(s, l2, 1);
        return ret;
    }
    s->dirty_data = true;
    lock_acquire(&s->map_lock);
    s->l1[i] = (uint64_t)l2 | QCOW2_COPIED;
    lock_release(&s->map_lock);
    qcow2_range_add(&s->l1_dirty, i);
    if (old != 0) {
        qcow2_unref_locked(s, old, 1);
    }
    return 0;
}

int qcow2_l2_need_locked(Qcow2 *s, uint64_t off, Qcow2Slice **ret_slice)
{
    uint64_t i = l1_index(s, off), l2 = 0;
    int ret = l2_table(s, off, &l2);

    if (ret == 0 && i >= s->l1_size) {
        ret = -EIO;
    }
    if (ret == 0 && (l2 == 0 || !(s->l1[i] & QCOW2_COPIED))) {
        ret = new_table(s, off, l2);
    }
    if (ret < 0) {
        return ret;
    }
    return qcow2_cache_get_locked(
        s, &s->l2, slice_off(s, s->l1[i] & QCOW2_OFFSET_MASK, off), ret_slice);
}

int qcow2_find_locked(Qcow2 *s, uint64_t off, uint64_t len, Qcow2Extent *ret)
{
    uint64_t span = s->cluster_size << s->l2_bits;
    Qcow2Slice *slice = NULL;
    int found = qcow2_l2_get_locked(s, off, &slice);

    if (found < 0) {
        return found;
    }
    if (found == 0) {
        *ret = (Qcow2Extent){ .kind = QCOW2_K_UNALLOCATED,
                              .len = MIN(len, span - off % span) };
        return 0;
    }
    qcow2_extent(s, slice, off, len, ret);
    if (ret->kind == QCOW2_K_BAD) {
        return qcow2_is_corrupt(s, "L2 entry of guest offset 0x%" PRIx64, off);
    }
    return 0;
}

/* Without waiting */

unsigned qcow2_pin(Qcow2 *s)
{
    unsigned epoch;

    lock_acquire(&s->map_lock);
    epoch = s->epoch % 2;
    s->pins[epoch]++;
    lock_release(&s->map_lock);
    return epoch;
}

void qcow2_unpin(BlockNode *n, unsigned epoch)
{
    Qcow2 *s = n->state;

    lock_acquire(&s->map_lock);
    s->pins[epoch]--;
    lock_release(&s->map_lock);
}

/* What is in memory of it; false if that isn't all. */
static bool cluster_peek(Qcow2 *s, uint64_t off, uint64_t len, Qcow2Extent *ret)
{
    uint64_t i = l1_index(s, off), l2 = i < s->l1_size ? s->l1[i] : 0;
    Qcow2Slice *slice;

    l2 &= QCOW2_OFFSET_MASK;
    if (l2 == 0) {
        uint64_t span = s->cluster_size << s->l2_bits;

        *ret = (Qcow2Extent){ .kind = QCOW2_K_UNALLOCATED,
                              .len = MIN(len, span - off % span) };
        return ret->len == len;
    }
    slice = qcow2_cache_peek_locked(&s->l2, slice_off(s, l2, off));
    if (slice == NULL) {
        return false;
    }
    qcow2_extent(s, slice, off, len, ret);
    return ret->len == len;
}

BlockMapKind qcow2_map(BlockNode *n, uint64_t off, uint64_t len, bool write,
                       BlockMap *m)
{
    Qcow2 *s = n->state;
    BlockMapKind kind = BLOCK_MAP_WORK;
    bool in_backing = false;
    Qcow2Extent e = { .kind = QCOW2_K_BAD };

    lock_acquire(&s->map_lock);
    if (cluster_peek(s, off, len, &e)) {
        bool here =
            e.kind == QCOW2_K_DATA || (e.kind == QCOW2_K_SHARED && !write);

        if (here && n->file->img != NULL &&
            !(write && (s->broken || !s->bitmaps_marked ||
                        qcow2_overlaps_tables(s, e.host, len)))) {
            *m = (BlockMap){ n->file->img, e.host, n, s->epoch % 2 };
            s->pins[m->epoch]++;
            kind = BLOCK_MAP_FILE;
        } else if (e.kind == QCOW2_K_ZEROS && !write) {
            kind = BLOCK_MAP_ZERO;
        } else if (e.kind == QCOW2_K_UNALLOCATED && !write) {
            kind = n->backing != NULL ? BLOCK_MAP_WORK : BLOCK_MAP_ZERO;
            in_backing = n->backing != NULL;
        }
    }
    lock_release(&s->map_lock);
    return in_backing ? block_node_map(n->backing, off, len, false, m) : kind;
}
