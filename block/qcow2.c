/*
 * qcow2: opening, closing, and the driver's table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/qcow2-priv.h"

#include <sys/stat.h>

#include "util/error.h"

#define DEFAULT_L2_CACHE    (32 * MiB)
#define MAX_CACHE           (4 * GiB)
#define SLICE_SIZE          4096
#define MIN_REFCOUNT_SLICES 8

/* Options */

/* Sizes of the caches, in slices. */
static bool take_caches(Qcow2 *s, KeyVal *kv, GError **errp)
{
    uint64_t slice = MIN(s->cluster_size, (uint64_t)SLICE_SIZE);
    uint64_t total = 0, l2 = 0, refcounts = 0, entry = slice, interval;
    uint64_t span = s->cluster_size / s->entry_size;
    /* What the whole disk needs. */
    uint64_t all = (s->disk_size / s->cluster_size / span + 2) *
                   MAX(s->cluster_size, slice);

    if (!keyval_get_size(kv, "cache-size", 1, &total, errp) ||
        !keyval_get_size(kv, "l2-cache-size", 1, &l2, errp) ||
        !keyval_get_size(kv, "refcount-cache-size", 1, &refcounts, errp) ||
        !keyval_get_size(kv, "l2-cache-entry-size", 1, &entry, errp) ||
        !keyval_get_uint(kv, "cache-clean-interval", 0, UINT32_MAX, &interval,
                         errp)) {
        return false;
    }
    if (entry < 512 || entry > s->cluster_size || !is_pow2(entry)) {
        error_setf(errp,
                   "L2 cache entry size must be a power of two between 512 "
                   "and the cluster size (%" PRIu64 ")",
                   s->cluster_size);
        return false;
    }
    if (keyval_has(kv, "cache-size") && total < l2 + refcounts) {
        error_setf(errp, "cache-size may not be less than l2-cache-size and "
                         "refcount-cache-size together");
        return false;
    }
    if (total > MAX_CACHE || l2 > MAX_CACHE || refcounts > MAX_CACHE) {
        error_setf(errp, "qcow2 caches of more than %" PRIu64 " bytes",
                   (uint64_t)MAX_CACHE);
        return false;
    }
    if (l2 == 0) {
        l2 = total > refcounts ? total - refcounts
                               : MIN((uint64_t)DEFAULT_L2_CACHE, all);
    }
    qcow2_cache_init(&s->l2, l2 / entry, entry);
    qcow2_cache_init(&s->refcounts,
                     MAX(refcounts / slice, (uint64_t)MIN_REFCOUNT_SLICES),
                     slice);
    return true;
}

static bool take_options(Qcow2 *s, KeyVal *kv, GError **errp)
{
    bool lazy = false, pass_request, pass_snapshot = true, pass_other = false;
    const char *overlap = keyval_get(kv, "overlap-check");

    /* Refcounts are always kept up to date: being lazy is a permission. */
    if (!keyval_get_bool(kv, "lazy-refcounts", &lazy, errp) ||
        !keyval_get_bool(kv, "pass-discard-request", &pass_request, errp) ||
        !keyval_get_bool(kv, "pass-discard-snapshot", &pass_snapshot, errp) ||
        !keyval_get_bool(kv, "pass-discard-other", &pass_other, errp)) {
        return false;
    }
    if (lazy && s->version < 3) {
        error_setf(errp, "Lazy refcounts require a qcow2 image with at least "
                         "qemu 1.1 compatibility level");
        return false;
    }
    if (overlap != NULL && !g_str_equal(overlap, "none") &&
        !g_str_equal(overlap, "constant") && !g_str_equal(overlap, "cached")) {
        error_setf(errp,
                   "overlap-check=%s is not supported, only 'none', "
                   "'constant' and 'cached'",
                   overlap);
        return false;
    }
    return take_caches(s, kv, errp);
}

/* Backing files */

/* Relative to the image's folder. */
static char *backing_path(const Qcow2 *s)
{
    const char *name = s->backing_file;
    const char *colon = strchr(name, ':'), *slash = strchr(name, '/');
    g_autofree char *dir = NULL;

    if (*name == '/' || (colon != NULL && (slash == NULL || colon < slash))) {
        return g_strdup(name);
    }
    if (strchr(s->node->file->filename, '/') == NULL) {
        return g_strdup(name);
    }
    dir = g_path_get_dirname(s->node->file->filename);
    return g_strconcat(dir, "/", name, NULL);
}

static bool is_same_file(const BlockNode *n, const struct stat *st)
{
    struct stat mine;

    return n->file != NULL && n->file->img != NULL &&
           fstat(n->file->img->fd, &mine) == 0 && mine.st_dev == st->st_dev &&
           mine.st_ino == st->st_ino;
}

static bool check_loop(const BlockNode *n, const char *path, GError **errp)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        return true; /* opening it says why */
    }
    for (const BlockNode *above = n; above != NULL; above = above->opened_for) {
        if (is_same_file(above, &st)) {
            error_setf(errp,
                       "Backing file '%s' of image '%s' creates an infinite "
                       "loop.",
                       path, n->file->filename);
            return false;
        }
    }
    return true;
}

static BlockNode *open_backing(BlockNode *n, KeyVal *kv,
                               const BlockInherit *inh, GError **errp)
{
    Qcow2 *s = n->state;
    g_autofree char *path = backing_path(s);
    g_autoptr(KeyVal) opts = block_opts_child(kv, "backing");
    const char *format = keyval_get(opts, "driver");

    if (!check_loop(n, path, errp)) {
        return NULL;
    }
    if (format == NULL && s->backing_format != NULL &&
        *s->backing_format != '\0') {
        format = s->backing_format;
    }
    return block_node_open_named(n->all, path, format, opts, inh, errp);
}

static bool take_backing(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                         GError **errp)
{
    Qcow2 *s = n->state;
    const char *name = keyval_get(kv, "backing");
    BlockInherit below = *inh;
    GError *err = NULL;

    below.read_only = true;
    below.auto_read_only = false;
    below.above = n;
    if (name != NULL && *name == '\0') {
        return true; /* null: none */
    }
    if (name != NULL || keyval_has(kv, "backing.driver")) {
        n->backing = block_node_open_child(n, kv, "backing", &below, &err);
    } else if (s->backing_file != NULL) {
        n->backing = open_backing(n, kv, &below, &err);
    }
    if (err != NULL) {
        error_prefix(&err, "Could not open backing file: ");
        g_propagate_error(errp, err);
    }
    return err == NULL;
}

/* Life */

static bool check_state(BlockNode *n, GError **errp)
{
    Qcow2 *s = n->state;

    if (n->read_only) {
        return true;
    }
    if (s->incompatible & QCOW2_CORRUPT) {
        error_setf(errp, "qcow2: Image is corrupt; cannot be opened "
                         "read/write");
        return false;
    }
    return true;
}

/* Whoever writes an image that was left dirty makes it clean first. */
static bool make_clean(BlockNode *n, GError **errp)
{
    Qcow2 *s = n->state;

    return n->read_only || !(s->incompatible & QCOW2_DIRTY) ||
           qcow2_rebuild_refcounts(s, errp);
}

static bool read_image(Qcow2 *s, GError **errp)
{
    return qcow2_read_header(s, errp) && qcow2_read_tables(s, errp) &&
           qcow2_read_snapshots(s, s->snapshots, errp);
}

/* Who takes an image over makes it clean then. */
static bool clean_opened(BlockNode *n, GError **errp)
{
    bool ok;

    if (!block_write_begin(n->all)) {
        return true;
    }
    ok = make_clean(n, errp);
    block_write_end(n->all);
    return ok;
}

static bool qcow2_open(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                       GError **errp)
{
    Qcow2 *s = g_new0(Qcow2, 1);

    n->state = s;
    s->node = n;
    lock_init(&s->lock);
    lock_init(&s->map_lock);
    s->freed = g_array_new(FALSE, FALSE, sizeof(Qcow2Free));
    s->flushed = g_array_new(FALSE, FALSE, sizeof(Qcow2Free));
    s->snapshots = qcow2_snapshots_new();
    if (!block_aio_need_engine(n->all->aio, BLOCK_ENGINE_THREADS, errp) ||
        !read_image(s, errp)) {
        return false;
    }
    n->size = s->disk_size;
    return take_options(s, kv, errp) && check_state(n, errp) &&
           take_backing(n, kv, inh, errp) && clean_opened(n, errp);
}

static void free_tables(Qcow2 *s)
{
    g_free(s->l1);
    g_free(s->rt);
    g_free(s->backing_file);
    g_free(s->backing_format);
    g_array_unref(s->snapshots);
}

static void qcow2_close(BlockNode *n)
{
    Qcow2 *s = n->state;

    if (s == NULL) {
        return;
    }
    qcow2_cache_fini(&s->l2);
    qcow2_cache_fini(&s->refcounts);
    g_array_free(s->freed, TRUE);
    g_array_free(s->flushed, TRUE);
    g_free(s->unpacked);
    free_tables(s);
    lock_fini(&s->lock);
    lock_fini(&s->map_lock);
    g_free(s);
}

static int qcow2_flush(BlockNode *n)
{
    Qcow2 *s = n->state;
    int ret;

    lock_acquire(&s->lock);
    ret = qcow2_flush_locked(s, true);
    if (ret == 0) {
        ret = qcow2_free_flushed_locked(s);
    }
    lock_release(&s->lock);
    return ret;
}

/* All of it: what is freed is counted as free. */
static int qcow2_inactivate(BlockNode *n)
{
    int ret = n->read_only ? 0 : qcow2_flush(n);

    return ret < 0 || n->read_only ? ret : qcow2_flush(n);
}

/* From now on it is the image that `fresh` was read from. */
static void take_over(Qcow2 *s, const Qcow2 *fresh)
{
    enum { FIRST = offsetof(Qcow2, version), END = offsetof(Qcow2, lock) };

    VM_LOCK_GUARD();
    LOCK_GUARD(&s->lock);
    qcow2_cache_clear(s, &s->l2);
    qcow2_cache_clear(s, &s->refcounts);
    lock_acquire(&s->map_lock);
    free_tables(s);
    memcpy((char *)s + FIRST, (const char *)fresh + FIRST, END - FIRST);
    s->l1 = fresh->l1;
    s->l1_size = fresh->l1_size;
    s->l1_offset = fresh->l1_offset;
    s->rt = fresh->rt;
    s->rt_size = fresh->rt_size;
    s->rt_offset = fresh->rt_offset;
    s->snapshots = fresh->snapshots;
    lock_release(&s->map_lock);
    g_array_set_size(s->freed, 0);
    g_array_set_size(s->flushed, 0);
    s->l1_dirty = s->rt_dirty = (Qcow2Range){ 0 };
    s->free_hint = 0;
    s->unpacked_entry = 0;
    s->node->size = s->disk_size;
}

static bool qcow2_activate(BlockNode *n, GError **errp)
{
    Qcow2 fresh = { .node = n, .snapshots = qcow2_snapshots_new() };

    if (!read_image(&fresh, errp)) {
        free_tables(&fresh);
        return false;
    }
    take_over(n->state, &fresh);
    return check_state(n, errp) && make_clean(n, errp);
}

static void qcow2_info(const BlockNode *n, BlockNodeInfo *ret)
{
    const Qcow2 *s = n->state;

    ret->cluster_size = s->cluster_size;
    ret->dirty = s->incompatible & QCOW2_DIRTY;
    ret->backing_file = s->backing_file;
    ret->backing_format = s->backing_format;
    ret->compat = s->version >= 3 ? "1.1" : "0.10";
    ret->compression = s->zstd ? "zstd" : "zlib";
    ret->refcount_bits = 1u << s->refcount_order;
    ret->lazy_refcounts = s->compatible & QCOW2_LAZY_REFCOUNTS;
    ret->corrupt = s->incompatible & QCOW2_CORRUPT;
    ret->extended_l2 = s->extended_l2;
}

static const BlockSnapshotOps snapshot_ops = {
    .info = qcow2_snapshot_info,
    .create = qcow2_snapshot_create,
    .go_back = qcow2_snapshot_goto,
    .remove = qcow2_snapshot_delete,
    .state_drop = qcow2_vmstate_drop,
    .state_write = qcow2_vmstate_write,
    .state_read = qcow2_vmstate_read,
};

const BlockDriver block_qcow2_driver = {
    .name = "qcow2",
    .open = qcow2_open,
    .close = qcow2_close,
    .map = qcow2_map,
    .unpin = qcow2_unpin,
    .pread = qcow2_pread,
    .pwrite = qcow2_pwrite,
    .flush = qcow2_flush,
    .discard = qcow2_discard,
    .write_zeroes = qcow2_write_zeroes,
    .resize = qcow2_resize,
    .activate = qcow2_activate,
    .inactivate = qcow2_inactivate,
    .info = qcow2_info,
    .snapshots = &snapshot_ops,
};
