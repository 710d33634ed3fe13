/*
 * qcow2: tables in memory, and the order in which they are written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"
#include "util/bswap.h"

void qcow2_cache_init(Qcow2Cache *c, unsigned max, unsigned slice_size)
{
    c->slices = g_hash_table_new(g_int64_hash, g_int64_equal);
    g_queue_init(&c->lru);
    c->max = MAX(max, 4u);
    c->slice_size = slice_size;
}

static void cache_drop(Qcow2Cache *c, Qcow2Slice *slice)
{
    g_hash_table_remove(c->slices, &slice->off);
    g_queue_unlink(&c->lru, &slice->link);
    if (slice->dirty) {
        c->ndirty--;
    }
    g_free(slice);
}

static void drop_all(Qcow2Cache *c)
{
    while (c->lru.head != NULL) {
        cache_drop(c, c->lru.head->data);
    }
}

void qcow2_cache_clear(Qcow2 *s, Qcow2Cache *c)
{
    lock_acquire(&s->map_lock);
    drop_all(c);
    lock_release(&s->map_lock);
}

void qcow2_cache_fini(Qcow2Cache *c)
{
    if (c->slices != NULL) {
        drop_all(c);
        g_hash_table_destroy(c->slices);
    }
}

Qcow2Slice *qcow2_cache_peek_locked(Qcow2Cache *c, uint64_t off)
{
    Qcow2Slice *slice = g_hash_table_lookup(c->slices, &off);

    if (slice != NULL && c->lru.head != &slice->link) {
        g_queue_unlink(&c->lru, &slice->link);
        g_queue_push_head_link(&c->lru, &slice->link);
    }
    return slice;
}

/* Room for one more. */
static int make_room(Qcow2 *s, Qcow2Cache *c) REQUIRES(&s->lock)
{
    Qcow2Slice *last;
    int ret = 0;

    lock_acquire(&s->map_lock);
    last = c->lru.length < c->max ? NULL : c->lru.tail->data;
    lock_release(&s->map_lock);
    if (last == NULL) {
        return 0;
    }
    if (last->dirty) {
        ret = qcow2_flush_locked(s, false);
    }
    if (ret == 0) {
        lock_acquire(&s->map_lock);
        cache_drop(c, last);
        lock_release(&s->map_lock);
    }
    return ret;
}

int qcow2_cache_get_locked(Qcow2 *s, Qcow2Cache *c, uint64_t off,
                           Qcow2Slice **ret_slice)
{
    Qcow2Slice *slice;
    int ret;

    lock_acquire(&s->map_lock);
    slice = qcow2_cache_peek_locked(c, off);
    lock_release(&s->map_lock);
    if (slice != NULL) {
        *ret_slice = slice;
        return 0;
    }
    ret = make_room(s, c);
    if (ret < 0) {
        return ret;
    }
    slice = g_malloc0(sizeof(*slice) + c->slice_size);
    ret = block_file_pread(s->node->file, off, slice->data, c->slice_size);
    if (ret < 0) {
        g_free(slice);
        return ret;
    }
    slice->off = off;
    slice->link.data = slice;
    lock_acquire(&s->map_lock);
    g_hash_table_insert(c->slices, &slice->off, slice);
    g_queue_push_head_link(&c->lru, &slice->link);
    lock_release(&s->map_lock);
    *ret_slice = slice;
    return 0;
}

void qcow2_cache_put_locked(Qcow2 *s, Qcow2Cache *c, Qcow2Slice *slice,
                            unsigned at, const void *bytes, size_t len)
{
    lock_acquire(&s->map_lock);
    memcpy(slice->data + at, bytes, len);
    lock_release(&s->map_lock);
    if (!slice->dirty) {
        slice->dirty = true;
        c->ndirty++;
    }
}

void qcow2_cache_forget_locked(Qcow2 *s, Qcow2Cache *c, uint64_t off,
                               uint64_t len)
{
    lock_acquire(&s->map_lock);
    for (uint64_t at = off; at < off + len; at += c->slice_size) {
        Qcow2Slice *slice = g_hash_table_lookup(c->slices, &at);

        if (slice != NULL) {
            cache_drop(c, slice);
        }
    }
    lock_release(&s->map_lock);
}

/* Writing */

void qcow2_range_add(Qcow2Range *r, uint64_t i)
{
    r->first = r->end == 0 ? i : MIN(r->first, i);
    r->end = MAX(r->end, i + 1);
}

/* The list's order may change while slices are written. */
static GPtrArray *dirty_slices(Qcow2 *s, const Qcow2Cache *c)
{
    GPtrArray *all = g_ptr_array_new();

    lock_acquire(&s->map_lock);
    for (GList *l = c->lru.head; l != NULL; l = l->next) {
        Qcow2Slice *slice = l->data;

        if (slice->dirty) {
            g_ptr_array_add(all, slice);
        }
    }
    lock_release(&s->map_lock);
    return all;
}

static int write_slices(Qcow2 *s, Qcow2Cache *c)
{
    g_autoptr(GPtrArray) all = NULL;
    int ret = 0;

    if (c->ndirty == 0) {
        return 0;
    }
    all = dirty_slices(s, c);
    for (guint i = 0; i < all->len && ret == 0; i++) {
        Qcow2Slice *slice = all->pdata[i];

        ret = block_file_pwrite(s->node->file, slice->off, slice->data,
                                c->slice_size);
        if (ret == 0) {
            slice->dirty = false;
            c->ndirty--;
            s->dirty_data = true;
        }
    }
    return ret;
}

static int write_range(Qcow2 *s, Qcow2Range *r, const uint64_t *table,
                       uint64_t off)
{
    size_t n = r->end - r->first;
    g_autofree uint64_t *be = NULL;
    int ret;

    if (r->end == 0) {
        return 0;
    }
    be = g_new(uint64_t, n);
    for (size_t i = 0; i < n; i++) {
        stq_be_p(&be[i], table[r->first + i]);
    }
    ret = block_file_pwrite(s->node->file, off + r->first * 8, be, n * 8);
    if (ret == 0) {
        *r = (Qcow2Range){ 0 };
        s->dirty_data = true;
    }
    return ret;
}

/* What was written so far comes before what is written from now on. */
static int cache_barrier(Qcow2 *s)
{
    int ret = s->dirty_data ? block_node_flush(s->node->file) : 0;

    if (ret == 0) {
        s->dirty_data = false;
    }
    return ret;
}

static int write_tables(Qcow2 *s)
{
    int ret = write_slices(s, &s->refcounts);

    if (ret == 0 && s->rt_dirty.end != 0) {
        ret = cache_barrier(s);
        ret = ret < 0 ? ret : write_range(s, &s->rt_dirty, s->rt, s->rt_offset);
    }
    if (ret == 0 && (s->l2.ndirty > 0 || s->l1_dirty.end != 0)) {
        /* Data too: in-place writes don't say that they were made. */
        s->dirty_data = true;
        ret = cache_barrier(s);
    }
    if (ret == 0) {
        ret = write_slices(s, &s->l2);
    }
    if (ret == 0 && s->l1_dirty.end != 0) {
        ret = cache_barrier(s);
        ret = ret < 0 ? ret : write_range(s, &s->l1_dirty, s->l1, s->l1_offset);
    }
    return ret;
}

int qcow2_flush_locked(Qcow2 *s, bool sync)
{
    int ret = s->broken ? -EIO : write_tables(s);

    if (ret == 0 && sync) {
        s->dirty_data = true;
        ret = cache_barrier(s);
    }
    if (ret == 0 && sync) {
        g_array_append_vals(s->flushed, s->freed->data, s->freed->len);
        g_array_set_size(s->freed, 0);
    }
    return ret;
}
