/*
 * qcow2: counting what a whole L1 table refers to.
 *
 * A cluster's refcount is how many L1 tables lead to it.  What only the disk's
 * own table leads to is marked (QCOW2_COPIED) there, and may be written in its
 * place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"

/* What is done with each cluster that a table leads to. */
typedef int RefFn(Qcow2 *s, uint64_t off);

static uint64_t refcount_max(const Qcow2 *s)
{
    return s->refcount_order == 6 ? UINT64_MAX
                                  : BIT_ULL(1u << s->refcount_order) - 1;
}

static int ref_check(Qcow2 *s, uint64_t off) REQUIRES(&s->lock)
{
    uint64_t n = 0;
    int ret = qcow2_refcount_get_locked(s, off >> s->cluster_bits, &n);

    if (ret == 0 && n == 0) {
        return qcow2_is_corrupt(
            s, "cluster 0x%" PRIx64 " is in use and not counted", off);
    }
    return ret == 0 && n >= refcount_max(s) ? -ERANGE : ret;
}

static int ref_add(Qcow2 *s, uint64_t off) REQUIRES(&s->lock)
{
    uint64_t cluster = off >> s->cluster_bits, n = 0;
    int ret = qcow2_refcount_get_locked(s, cluster, &n);

    if (ret == 0 && n >= refcount_max(s)) {
        ret = -ERANGE; /* many tables of it lead there */
    }
    return ret < 0 ? ret : qcow2_refcount_set_locked(s, cluster, n + 1);
}

static int ref_drop(Qcow2 *s, uint64_t off) REQUIRES(&s->lock)
{
    return qcow2_refcount_lower_locked(s, off);
}

static int each_cluster(Qcow2 *s, uint64_t entry, RefFn *fn) REQUIRES(&s->lock)
{
    uint64_t off = entry & QCOW2_OFFSET_MASK, len = s->cluster_size;
    int ret = 0;

    if (entry & QCOW2_COMPRESSED) {
        qcow2_compressed_range(s, entry, &off, &len);
        len += off % s->cluster_size;
        off = ROUND_DOWN(off, s->cluster_size);
    } else if (off == 0) {
        return 0;
    } else if (off % s->cluster_size != 0) {
        return qcow2_is_corrupt(s, "L2 entry 0x%" PRIx64, entry);
    }
    for (uint64_t at = 0; at < len && ret == 0; at += s->cluster_size) {
        ret = fn(s, off + at);
    }
    return ret;
}

/* Then the table itself; what it holds may be gone with it. */
static int each_in_l2(Qcow2 *s, uint64_t l2, RefFn *fn) REQUIRES(&s->lock)
{
    g_autofree uint8_t *copy = g_malloc(s->l2.slice_size);
    Qcow2Slice *slice = NULL;
    int ret = 0;

    for (uint64_t at = 0; at < s->cluster_size && ret == 0;
         at += s->l2.slice_size) {
        ret = qcow2_cache_get_locked(s, &s->l2, l2 + at, &slice);
        if (ret < 0) {
            return ret;
        }
        memcpy(copy, slice->data, s->l2.slice_size);
        for (unsigned i = 0; i < s->l2.slice_size && ret == 0;
             i += s->entry_size) {
            ret = each_cluster(s, ldq_be_p(copy + i), fn);
        }
    }
    return ret < 0 ? ret : fn(s, l2);
}

/* No more tables than a sound image of that length may have. */
static int tables_max(const Qcow2 *s, uint64_t *ret_n)
{
    int64_t len = block_file_length(s->node->file);

    if (len < 0) {
        return (int)len;
    }
    *ret_n = DIV_ROUND_UP((uint64_t)len, s->cluster_size);
    return 0;
}

static int each_ref(Qcow2 *s, const uint64_t *l1, uint64_t n, RefFn *fn)
    REQUIRES(&s->lock)
{
    uint64_t left = 0;
    int ret = tables_max(s, &left);

    for (uint64_t i = 0; i < n && ret == 0; i++) {
        uint64_t l2 = l1[i] & QCOW2_OFFSET_MASK;

        if (l2 == 0) {
            continue;
        }
        if (l2 % s->cluster_size != 0 || left-- == 0) {
            return qcow2_is_corrupt(s, "L2 table at 0x%" PRIx64, l2);
        }
        ret = each_in_l2(s, l2, fn);
    }
    return ret;
}

int qcow2_refs_check_locked(Qcow2 *s, const uint64_t *l1, uint64_t n)
{
    return each_ref(s, l1, n, ref_check);
}

int qcow2_refs_add_locked(Qcow2 *s, const uint64_t *l1, uint64_t n)
{
    return each_ref(s, l1, n, ref_add);
}

int qcow2_refs_drop_locked(Qcow2 *s, const uint64_t *l1, uint64_t n)
{
    return each_ref(s, l1, n, ref_drop);
}

/* Is the disk's table the only one that leads there? */
static int is_alone(Qcow2 *s, uint64_t off, bool *ret) REQUIRES(&s->lock)
{
    uint64_t n = 0;
    int err = qcow2_refcount_get_locked(s, off >> s->cluster_bits, &n);

    *ret = n == 1;
    return err;
}

static int mark_slice(Qcow2 *s, Qcow2Slice *slice, bool alone)
    REQUIRES(&s->lock)
{
    int ret = 0;

    for (unsigned i = 0; i < s->l2.slice_size && ret == 0; i += s->entry_size) {
        uint64_t entry = ldq_be_p(slice->data + i), is = entry & ~QCOW2_COPIED;
        bool own = alone;
        uint8_t be[8];

        if ((entry & QCOW2_COMPRESSED) || (entry & QCOW2_OFFSET_MASK) == 0) {
            continue;
        }
        if (alone) {
            ret = is_alone(s, entry & QCOW2_OFFSET_MASK, &own);
        }
        is |= own ? QCOW2_COPIED : 0;
        if (ret == 0 && is != entry) {
            stq_be_p(be, is);
            qcow2_cache_put_locked(s, &s->l2, slice, i, be, sizeof(be));
        }
    }
    return ret;
}

static int mark_table(Qcow2 *s, uint64_t i) REQUIRES(&s->lock)
{
    uint64_t l2 = s->l1[i] & QCOW2_OFFSET_MASK, is;
    Qcow2Slice *slice = NULL;
    bool alone = false;
    int ret = is_alone(s, l2, &alone);

    for (uint64_t at = 0; at < s->cluster_size && ret == 0;
         at += s->l2.slice_size) {
        ret = qcow2_cache_get_locked(s, &s->l2, l2 + at, &slice);
        ret = ret < 0 ? ret : mark_slice(s, slice, alone);
    }
    is = (s->l1[i] & ~QCOW2_COPIED) | (alone ? QCOW2_COPIED : 0);
    if (ret == 0 && is != s->l1[i]) {
        lock_acquire(&s->map_lock);
        s->l1[i] = is;
        lock_release(&s->map_lock);
        qcow2_range_add(&s->l1_dirty, i);
    }
    return ret;
}

int qcow2_refs_mark_locked(Qcow2 *s)
{
    int ret = 0;

    for (uint64_t i = 0; i < s->l1_size && ret == 0; i++) {
        if ((s->l1[i] & QCOW2_OFFSET_MASK) != 0) {
            ret = mark_table(s, i);
        }
    }
    return ret;
}

int qcow2_refs_begin_locked(Qcow2 *s)
{
    int ret = s->broken ? -EIO : qcow2_flush_locked(s, true);

    return ret < 0 ? ret : qcow2_free_flushed_locked(s);
}

int qcow2_refs_begin_alone_locked(Qcow2 *s)
{
    int ret = qcow2_refs_begin_locked(s);
    bool busy;

    lock_acquire(&s->map_lock);
    busy = s->pins[0] + s->pins[1] > 0;
    lock_release(&s->map_lock);
    return ret == 0 && busy ? -EBUSY : ret;
}

int qcow2_refs_end_locked(Qcow2 *s)
{
    int ret = qcow2_flush_locked(s, true);

    ret = ret < 0 ? ret : qcow2_free_flushed_locked(s);
    return ret < 0 ? ret : qcow2_flush_locked(s, true);
}
