/*
 * qcow2: which clusters of the file are in use.
 *
 * A refcount block lies in the range that it describes, as its first cluster,
 * so that making one needs no other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"

uint64_t qcow2_refcount_in(const Qcow2 *s, const uint8_t *block, uint64_t i)
{
    unsigned bits = 1u << s->refcount_order;

    switch (s->refcount_order) {
    case 4:
        return lduw_be_p(block + i * 2);
    case 5:
        return ldl_be_p(block + i * 4);
    case 6:
        return ldq_be_p(block + i * 8);
    case 3:
        return block[i];
    default:
        /* The lowest bits of a byte are its first entry. */
        return (block[i * bits / 8] >> (i * bits % 8)) & ((1u << bits) - 1);
    }
}

void qcow2_refcount_put(const Qcow2 *s, uint8_t *block, uint64_t i, uint64_t n)
{
    unsigned bits = 1u << s->refcount_order, shift = i * bits % 8;

    switch (s->refcount_order) {
    case 4:
        stw_be_p(block + i * 2, n);
        break;
    case 5:
        stl_be_p(block + i * 4, n);
        break;
    case 6:
        stq_be_p(block + i * 8, n);
        break;
    case 3:
        block[i] = n;
        break;
    default:
        block[i * bits / 8] &= ~(((1u << bits) - 1) << shift);
        block[i * bits / 8] |= n << shift;
        break;
    }
}

/* The slice with the cluster's refcount; NULL: there is no block, so it is 0.
 * *ret_i: which of the slice's entries. */
static int get_slice(Qcow2 *s, uint64_t cluster, Qcow2Slice **ret_slice,
                     uint64_t *ret_i) REQUIRES(&s->lock)
{
    uint64_t block = cluster / s->rb_entries, i = cluster % s->rb_entries;
    uint64_t per_slice =
        ((uint64_t)s->refcounts.slice_size * 8) >> s->refcount_order;
    uint64_t off;

    *ret_slice = NULL;
    if (block >= s->rt_size || s->rt[block] == 0) {
        return 0;
    }
    off = s->rt[block];
    if (off % s->cluster_size != 0 || off >= QCOW2_MAX_OFFSET) {
        return qcow2_is_corrupt(s, "refcount block at 0x%" PRIx64, off);
    }
    *ret_i = i % per_slice;
    return qcow2_cache_get_locked(s, &s->refcounts,
                                  off + i / per_slice * s->refcounts.slice_size,
                                  ret_slice);
}

int qcow2_refcount_get_locked(Qcow2 *s, uint64_t cluster, uint64_t *ret_n)
{
    Qcow2Slice *slice;
    uint64_t i;
    int ret = get_slice(s, cluster, &slice, &i);

    if (ret == 0) {
        *ret_n = slice != NULL ? qcow2_refcount_in(s, slice->data, i) : 0;
    }
    return ret;
}

int qcow2_refcount_set_locked(Qcow2 *s, uint64_t cluster, uint64_t n)
{
    uint64_t i = 0;
    Qcow2Slice *slice;
    int ret = get_slice(s, cluster, &slice, &i);
    uint8_t bytes[8];
    unsigned at, len;

    if (ret < 0 || slice == NULL) {
        return ret < 0 ? ret : -EIO;
    }
    len = MAX((1u << s->refcount_order) / 8, 1u);
    at = ((i << s->refcount_order) / 8) / len * len;
    qcow2_refcount_put(s, slice->data, i, n);
    memcpy(bytes, slice->data + at, len);
    qcow2_cache_put_locked(s, &s->refcounts, slice, at, bytes, len);
    return 0;
}

/* Blocks and the table */

/* A block for clusters that have none, in the first of them. */
static int make_block(Qcow2 *s, uint64_t block) REQUIRES(&s->lock)
{
    uint64_t off = block * s->rb_entries * s->cluster_size;
    g_autofree uint8_t *bytes = NULL;
    int ret;

    if (off >= QCOW2_MAX_OFFSET) {
        return -EFBIG;
    }
    bytes = g_malloc0(s->cluster_size);
    qcow2_refcount_put(s, bytes, 0, 1);
    ret = block_file_pwrite(s->node->file, off, bytes, s->cluster_size);
    if (ret < 0) {
        return ret;
    }
    qcow2_cache_forget_locked(s, &s->refcounts, off, s->cluster_size);
    s->dirty_data = true;
    s->rt[block] = off;
    qcow2_range_add(&s->rt_dirty, block);
    return 0;
}

/* k blocks and the new table behind each other, right behind what the old
 * table can describe. */
static int write_new_table(Qcow2 *s, uint64_t *rt, uint64_t size, uint64_t k,
                           uint64_t table_clusters) REQUIRES(&s->lock)
{
    uint64_t base = s->rt_size * s->rb_entries, used = k + table_clusters;
    g_autofree uint8_t *block = g_malloc(s->cluster_size);
    g_autofree uint64_t *be = g_new(uint64_t, size);
    int ret = 0;

    for (uint64_t b = 0; b < k && ret == 0; b++) {
        memset(block, 0, s->cluster_size);
        for (uint64_t i = 0; i < s->rb_entries; i++) {
            qcow2_refcount_put(s, block, i, b * s->rb_entries + i < used);
        }
        rt[s->rt_size + b] = (base + b) * s->cluster_size;
        ret = block_file_pwrite(s->node->file, rt[s->rt_size + b], block,
                                s->cluster_size);
    }
    for (uint64_t i = 0; i < size; i++) {
        stq_be_p(&be[i], rt[i]);
    }
    if (ret == 0) {
        ret = block_file_pwrite(s->node->file, (base + k) * s->cluster_size, be,
                                size * 8);
    }
    return ret < 0 ? ret : block_node_flush(s->node->file);
}

static int grow_table(Qcow2 *s, uint64_t need) REQUIRES(&s->lock)
{
    uint64_t per_cluster = s->cluster_size / 8;
    uint64_t want = MAX(need + 1, s->rt_size + s->rt_size / 2);
    uint64_t clusters, k, size, old_off = s->rt_offset, old_n;
    g_autofree uint64_t *rt = NULL;
    uint8_t head[12];
    int ret;

    /* The blocks for the table are in the table. */
    clusters = DIV_ROUND_UP(want, per_cluster) + 1;
    k = DIV_ROUND_UP(clusters + 1, s->rb_entries - 1);
    while (clusters * per_cluster < MAX(want, s->rt_size + k)) {
        clusters++;
        k = DIV_ROUND_UP(clusters + 1, s->rb_entries - 1);
    }
    size = clusters * per_cluster;
    if (size * 8 > QCOW2_MAX_RT) {
        return -EFBIG;
    }
    ret = qcow2_flush_locked(s, true);
    if (ret < 0) {
        return ret;
    }
    rt = g_new0(uint64_t, size);
    memcpy(rt, s->rt, s->rt_size * 8);
    ret = write_new_table(s, rt, size, k, clusters);
    if (ret < 0) {
        return ret;
    }
    stq_be_p(head, (s->rt_size * s->rb_entries + k) * s->cluster_size);
    stl_be_p(head + 8, clusters);
    ret = qcow2_write_header(s, QCOW2_H_RT_OFFSET, head, sizeof(head));
    if (ret < 0) {
        return ret;
    }
    old_n = DIV_ROUND_UP(s->rt_size, per_cluster);
    lock_acquire(&s->map_lock);
    s->rt_offset = ldq_be_p(head);
    s->rt_size = size;
    g_free(s->rt);
    s->rt = g_steal_pointer(&rt);
    lock_release(&s->map_lock);
    qcow2_unref_locked(s, old_off, old_n);
    return 0;
}

/* Allocation */

static int need_block(Qcow2 *s, uint64_t cluster) REQUIRES(&s->lock)
{
    uint64_t block = cluster / s->rb_entries;

    if (block >= s->rt_size) {
        int ret = grow_table(s, block);

        if (ret < 0) {
            return ret;
        }
    }
    return s->rt[block] == 0 ? make_block(s, block) : 0;
}

static int find_free(Qcow2 *s, uint64_t n, uint64_t *ret_first)
    REQUIRES(&s->lock)
{
    uint64_t i = s->free_hint, run = 0, count = 0;

    while (run < n) {
        int ret = need_block(s, i);

        if (ret == 0) {
            ret = qcow2_refcount_get_locked(s, i, &count);
        }
        if (ret < 0) {
            return ret;
        }
        i++;
        run = count == 0 ? run + 1 : 0;
        if (i > QCOW2_MAX_OFFSET >> s->cluster_bits) {
            return -EFBIG;
        }
    }
    *ret_first = i - n;
    return 0;
}

int64_t qcow2_alloc_locked(Qcow2 *s, uint64_t n)
{
    uint64_t first = 0, off;
    int ret;

    if (s->broken) {
        return -EIO;
    }
    if (n >= s->rb_entries) {
        return -EFBIG; /* each block stands between what it describes */
    }
    ret = find_free(s, n, &first);
    off = first << s->cluster_bits;
    if (ret == 0 &&
        (off == 0 || qcow2_overlaps_tables(s, off, n << s->cluster_bits))) {
        ret = qcow2_is_corrupt(s,
                               "cluster 0x%" PRIx64 " is in use and not "
                               "counted",
                               off);
    }
    for (uint64_t i = first; i < first + n && ret == 0; i++) {
        ret = qcow2_refcount_set_locked(s, i, 1);
    }
    if (ret < 0) {
        return ret;
    }
    if (n == 1) {
        s->free_hint = first + 1;
    }
    return (int64_t)off;
}

void qcow2_compressed_range(const Qcow2 *s, uint64_t entry, uint64_t *ret_off,
                            uint64_t *ret_len)
{
    unsigned x = 62 - (s->cluster_bits - 8);
    uint64_t off = entry & MAKE_64BIT_MASK(0, x);
    uint64_t more = extract64(entry, x, 62 - x);

    *ret_off = off;
    *ret_len = (more + 1) * 512 - off % 512;
}

void qcow2_unref_locked(Qcow2 *s, uint64_t off, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        Qcow2Free f = { ROUND_DOWN(off, s->cluster_size) + i * s->cluster_size,
                        0 };

        lock_acquire(&s->map_lock);
        f.epoch = s->epoch;
        lock_release(&s->map_lock);
        g_array_append_val(s->freed, f);
    }
}

/* The epoch goes on when nobody is left in the one before. */
static uint64_t advance_epoch(Qcow2 *s)
{
    uint64_t now;

    lock_acquire(&s->map_lock);
    for (unsigned i = 0; i < 2 && s->pins[(s->epoch + 1) % 2] == 0; i++) {
        s->epoch++;
    }
    now = s->epoch;
    lock_release(&s->map_lock);
    return now;
}

int qcow2_refcount_lower_locked(Qcow2 *s, uint64_t off)
{
    uint64_t cluster = off >> s->cluster_bits, n = 0;
    int ret = qcow2_refcount_get_locked(s, cluster, &n);

    if (ret == 0 && n == 0) {
        return qcow2_is_corrupt(s, "cluster 0x%" PRIx64 " is freed twice", off);
    }
    if (ret == 0) {
        ret = qcow2_refcount_set_locked(s, cluster, n - 1);
    }
    if (ret < 0 || n > 1) {
        return ret;
    }
    s->free_hint = MIN(s->free_hint, cluster);
    qcow2_cache_forget_locked(s, &s->l2, off, s->cluster_size);
    qcow2_cache_forget_locked(s, &s->refcounts, off, s->cluster_size);
    block_file_discard(s->node->file, off, s->cluster_size);
    return 0;
}

int qcow2_free_flushed_locked(Qcow2 *s)
{
    uint64_t epoch = advance_epoch(s);
    guint done = 0;
    int ret = 0;

    while (done < s->flushed->len && ret == 0) {
        const Qcow2Free *f = &g_array_index(s->flushed, Qcow2Free, done);

        if (f->epoch + 2 > epoch) {
            break;
        }
        ret = qcow2_refcount_lower_locked(s, f->off);
        done++;
    }
    g_array_remove_range(s->flushed, 0, done);
    return ret;
}
