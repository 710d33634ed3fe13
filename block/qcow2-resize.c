/*
 * qcow2: other sizes of the disk.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"
#include "util/error.h"

/* Elsewhere in the file. */
int qcow2_grow_l1_locked(Qcow2 *s, uint64_t entries)
{
    uint64_t per_cluster = s->cluster_size / 8;
    uint64_t n = DIV_ROUND_UP(entries, per_cluster), size = n * per_cluster;
    uint64_t old_off = s->l1_offset;
    uint64_t old_n = DIV_ROUND_UP(s->l1_size, per_cluster);
    g_autofree uint64_t *be = g_new0(uint64_t, size);
    g_autofree uint64_t *l1 = g_new0(uint64_t, size);
    uint8_t head[12];
    int64_t off;
    int ret;

    off = qcow2_alloc_locked(s, n);
    if (off < 0) {
        return (int)off;
    }
    for (uint64_t i = 0; i < s->l1_size; i++) {
        l1[i] = s->l1[i];
        stq_be_p(&be[i], l1[i]);
    }
    ret = block_file_pwrite(s->node->file, off, be, size * 8);
    if (ret == 0) {
        ret = qcow2_flush_locked(s, true);
    }
    stl_be_p(head, size);
    stq_be_p(head + 4, off);
    if (ret == 0) {
        ret = qcow2_write_header(s, QCOW2_H_L1_SIZE, head, sizeof(head));
    }
    if (ret < 0) {
        qcow2_unref_locked(s, off, n);
        return ret;
    }
    lock_acquire(&s->map_lock);
    g_free(s->l1);
    s->l1 = g_steal_pointer(&l1);
    s->l1_size = size;
    s->l1_offset = off;
    lock_release(&s->map_lock);
    if (old_n > 0) {
        qcow2_unref_locked(s, old_off, old_n);
    }
    return 0;
}

static int qcow2_do_resize(Qcow2 *s, uint64_t size) REQUIRES(&s->lock)
{
    uint64_t span = s->cluster_size << s->l2_bits;
    uint64_t entries = size / span + (size % span != 0);
    uint64_t be;
    int ret = qcow2_mark_bitmaps_locked(s);

    if (ret == 0 && entries > s->l1_size) {
        ret = entries > QCOW2_MAX_L1 / 8 ? -EFBIG
                                         : qcow2_grow_l1_locked(s, entries);
    }
    if (ret < 0) {
        return ret;
    }
    stq_be_p(&be, size);
    return qcow2_write_header(s, QCOW2_H_SIZE, &be, sizeof(be));
}

bool qcow2_resize(BlockNode *n, uint64_t size, GError **errp)
{
    Qcow2 *s = n->state;
    int ret;

    if (s->nsnapshots > 0 && s->version < 3) {
        error_setf(errp, "Can't resize a version 2 image which has snapshots");
        return false;
    }
    if (size < n->size) {
        error_setf(errp,
                   "qcow2 doesn't support shrinking '%s' (from %" PRIu64
                   " to %" PRIu64 " bytes)",
                   n->filename, n->size, size);
        return false;
    }
    lock_acquire(&s->lock);
    ret = s->broken ? -EIO : qcow2_do_resize(s, size);
    lock_release(&s->lock);
    if (ret < 0) {
        error_setf_errno(errp, ret, "Could not resize '%s'", n->filename);
        return false;
    }
    block_node_set_size(n, size);
    return true;
}
