/*
 * qcow2: counting all references anew.
 *
 * Programs that keep refcounts in memory only ("lazy refcounts") leave an
 * image marked dirty if they die: what is on disk counts too little, and
 * nothing may be allocated before it is right again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"
#include "util/error.h"

/* Clusters of a file that can be counted: 8 bytes of memory for each. */
#define MAX_CLUSTERS (UINT64_C(1) << 27)

typedef struct Count {
    Qcow2 *s;
    uint64_t *refs;   /* by cluster */
    uint64_t n;       /* of refs */
    uint64_t l2_left; /* tables that a sound image of that length may have */
} Count;

/* Beyond the end of the file there is nothing to be lost. */
static void check_count(Count *c, uint64_t off, uint64_t len)
{
    uint64_t first = off >> c->s->cluster_bits;
    uint64_t last = (off + MAX(len, 1u) - 1) >> c->s->cluster_bits;

    for (uint64_t i = first; len > 0 && i <= last && i < c->n; i++) {
        c->refs[i]++;
    }
}

static void count_entry(Count *c, uint64_t entry)
{
    uint64_t off, len;

    if (entry & QCOW2_COMPRESSED) {
        qcow2_compressed_range(c->s, entry, &off, &len);
        check_count(c, off, len);
    } else if (entry & QCOW2_OFFSET_MASK) {
        check_count(c, entry & QCOW2_OFFSET_MASK, c->s->cluster_size);
    }
}

static int count_l2(Count *c, uint64_t off)
{
    Qcow2 *s = c->s;
    g_autofree uint8_t *l2 = g_malloc(s->cluster_size);
    int ret = block_file_pread(s->node->file, off, l2, s->cluster_size);

    check_count(c, off, s->cluster_size);
    for (uint64_t i = 0; i < s->cluster_size && ret == 0; i += s->entry_size) {
        count_entry(c, ldq_be_p(l2 + i));
    }
    return ret;
}

static int count_l1(Count *c, uint64_t off, uint64_t n)
{
    Qcow2 *s = c->s;
    g_autofree uint64_t *l1 = NULL;
    int ret;

    if (n > QCOW2_MAX_L1 / 8 || off % s->cluster_size != 0 ||
        off >= QCOW2_MAX_OFFSET) {
        return -EINVAL;
    }
    l1 = g_new0(uint64_t, MAX(n, 1u));
    ret = block_file_pread(s->node->file, off, l1, n * 8);
    check_count(c, off, n * 8);
    for (uint64_t i = 0; i < n && ret == 0; i++) {
        uint64_t l2 = ldq_be_p(&l1[i]) & QCOW2_OFFSET_MASK;

        if (l2 == 0) {
            continue;
        }
        if (l2 % s->cluster_size != 0 || c->l2_left == 0) {
            return -EINVAL;
        }
        c->l2_left--;
        ret = count_l2(c, l2);
    }
    return ret;
}

static int count_snapshots(Count *c)
{
    Qcow2 *s = c->s;
    uint64_t at = s->snapshots_offset;

    for (unsigned i = 0; i < s->nsnapshots; i++) {
        uint8_t h[40];
        int ret = block_file_pread(s->node->file, at, h, sizeof(h));

        if (ret == 0) {
            ret = count_l1(c, ldq_be_p(h), ldl_be_p(h + 8));
        }
        if (ret < 0) {
            return ret;
        }
        at = ROUND_UP(at + sizeof(h) + ldl_be_p(h + 36) + lduw_be_p(h + 12) +
                          lduw_be_p(h + 14),
                      8);
        if (at - s->snapshots_offset > 64 * MiB) {
            return -EINVAL;
        }
    }
    check_count(c, s->snapshots_offset, at - s->snapshots_offset);
    return 0;
}

static int count_bitmap(Count *c, const uint8_t *entry)
{
    Qcow2 *s = c->s;
    uint64_t off = ldq_be_p(entry), n = ldl_be_p(entry + 8);
    g_autofree uint64_t *table = NULL;
    int ret;

    if (n > MiB || off >= QCOW2_MAX_OFFSET) {
        return -EINVAL;
    }
    table = g_new0(uint64_t, MAX(n, 1u));
    ret = block_file_pread(s->node->file, off, table, n * 8);
    check_count(c, off, n * 8);
    for (uint64_t i = 0; i < n && ret == 0; i++) {
        uint64_t data = ldq_be_p(&table[i]) & QCOW2_OFFSET_MASK;

        if (data != 0) {
            check_count(c, data, s->cluster_size);
        }
    }
    return ret;
}

static int count_bitmaps(Count *c)
{
    Qcow2 *s = c->s;
    g_autofree uint8_t *dir = g_malloc0(s->bitmaps_size + 1);
    uint64_t at = 0;
    int ret = block_file_pread(s->node->file, s->bitmaps_offset, dir,
                               s->bitmaps_size);

    check_count(c, s->bitmaps_offset, s->bitmaps_size);
    for (unsigned i = 0; i < s->nbitmaps && ret == 0; i++) {
        if (!range_fits(at, 24, s->bitmaps_size)) {
            return -EINVAL;
        }
        ret = count_bitmap(c, dir + at);
        at += ROUND_UP(UINT64_C(24) + lduw_be_p(dir + at + 18) +
                           ldl_be_p(dir + at + 20),
                       8);
    }
    return ret;
}

static int count_all(Count *c)
{
    Qcow2 *s = c->s;
    int ret;

    check_count(c, 0, s->cluster_size);
    check_count(c, s->rt_offset, s->rt_size * 8);
    for (uint64_t i = 0; i < s->rt_size; i++) {
        if (s->rt[i] % s->cluster_size != 0) {
            return -EINVAL;
        }
        if (s->rt[i] != 0) {
            check_count(c, s->rt[i], s->cluster_size);
        }
    }
    ret = count_l1(c, s->l1_offset, s->l1_size);
    ret = ret < 0 ? ret : count_snapshots(c);
    return ret < 0 ? ret : count_bitmaps(c);
}

/* A block that is missing takes a cluster behind all that is there. */
static int need_blocks(Count *c, uint64_t *next)
{
    Qcow2 *s = c->s;

    for (uint64_t b = 0; b * s->rb_entries < *next; b++) {
        if (b >= s->rt_size) {
            return -EFBIG;
        }
        if (s->rt[b] != 0) {
            continue;
        }
        if (*next >= c->n) {
            return -EFBIG;
        }
        s->rt[b] = *next * s->cluster_size;
        qcow2_range_add(&s->rt_dirty, b);
        c->refs[(*next)++]++;
    }
    return 0;
}

static int write_counts(Qcow2 *s, Count *c, uint64_t used) REQUIRES(&s->lock)
{
    g_autofree uint8_t *block = g_malloc(s->cluster_size);
    uint64_t max = s->refcount_order == 6
                       ? UINT64_MAX
                       : (BIT_ULL(1u << s->refcount_order) - 1);
    uint64_t next = used;
    int ret = need_blocks(c, &next);

    for (uint64_t b = 0; b < s->rt_size && ret == 0; b++) {
        if (s->rt[b] == 0) {
            continue;
        }
        memset(block, 0, s->cluster_size);
        for (uint64_t i = 0; i < s->rb_entries; i++) {
            uint64_t k = b * s->rb_entries + i;
            uint64_t n = k < next ? c->refs[k] : 0;

            if (n > max) {
                return -ERANGE;
            }
            qcow2_refcount_put(s, block, i, n);
        }
        ret =
            block_file_pwrite(s->node->file, s->rt[b], block, s->cluster_size);
    }
    s->dirty_data = true;
    return ret < 0 ? ret : qcow2_flush_locked(s, true);
}

static int check_rebuild(Qcow2 *s, uint64_t used) REQUIRES(&s->lock)
{
    /* Room for blocks, and for blocks that describe blocks. */
    uint64_t spare = used / s->rb_entries * 2 + 8;
    Count c = { .s = s,
                .n = used + spare,
                .l2_left = used * MIN(s->nsnapshots + 1, 256u) };
    g_autofree uint64_t *refs = g_try_new0(uint64_t, c.n);
    uint64_t be;
    int ret;

    if (refs == NULL) {
        return -ENOMEM;
    }
    c.refs = refs;
    ret = count_all(&c);
    if (ret == 0) {
        ret = write_counts(s, &c, used);
    }
    if (ret < 0) {
        return ret;
    }
    s->incompatible &= ~QCOW2_DIRTY;
    stq_be_p(&be, s->incompatible);
    return qcow2_write_header(s, QCOW2_H_INCOMPATIBLE, &be, sizeof(be));
}

bool qcow2_rebuild_refcounts(Qcow2 *s, GError **errp)
{
    int64_t len = block_file_length(s->node->file);
    uint64_t used;
    int ret = len < 0 ? (int)len : 0;

    used = DIV_ROUND_UP((uint64_t)MAX(len, 0), s->cluster_size);
    if (ret == 0 && used > MAX_CLUSTERS) {
        ret = -EFBIG;
    }
    if (ret == 0) {
        lock_acquire(&s->lock);
        ret = check_rebuild(s, used);
        lock_release(&s->lock);
    }
    if (ret < 0) {
        error_setf_errno(errp, ret,
                         "Could not repair the dirty image '%s'; 'qemu-img "
                         "check -r all' may",
                         s->node->file->filename);
    }
    return ret == 0;
}
