/*
 * Nodes that are files and block devices of the host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

#include <sys/stat.h>

#include "util/error.h"

static const char *const engine_names[] = { "threads", "native", "io_uring",
                                            NULL };

static bool take_engine(KeyVal *kv, BlockImageOpts *o, GError **errp)
{
    const char *name = keyval_get(kv, "aio");

    o->engine = BLOCK_ENGINE_THREADS;
    if (name == NULL) {
        return true;
    }
    for (unsigned i = 0; engine_names[i] != NULL; i++) {
        if (g_str_equal(engine_names[i], name)) {
            o->engine = i;
            if (o->engine != BLOCK_ENGINE_LINUX_AIO || o->direct) {
                return true;
            }
            error_setf(errp, "aio=native was specified, but it requires "
                             "cache.direct=on, which was not specified");
            return false;
        }
    }
    error_setf(errp, "aio=%s: invalid aio option", name);
    return false;
}

static bool take_locking(KeyVal *kv, BlockImageOpts *o, GError **errp)
{
    static const char *const names[] = { "auto", "on", "off", NULL };
    int mode = 0;

    if (!keyval_get_enum(kv, "locking", names, &mode, errp)) {
        return false;
    }
    o->locking = mode != 2;
    return true;
}

static bool file_open(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                      GError **errp)
{
    BlockImageOpts o = {
        .filename = keyval_get(kv, "filename"),
        .host_device = n->drv == &block_host_device_driver,
        .read_only = n->read_only,
        .auto_read_only = inh->auto_read_only,
        .direct = n->direct,
        .no_flush = n->no_flush,
    };

    if (o.filename == NULL || *o.filename == '\0') {
        error_setf(errp, "The '%s' block driver requires a file name",
                   n->drv->name);
        return false;
    }
    if (strlen(o.filename) >= PATH_MAX) {
        error_setf(errp, "file: the name is longer than %d", PATH_MAX);
        return false;
    }
    if (!take_engine(kv, &o, errp) || !take_locking(kv, &o, errp) ||
        !block_aio_need_engine(n->all->aio, o.engine, errp)) {
        return false;
    }
    n->img = block_image_open(n->all, &o, errp);
    if (n->img == NULL) {
        return false;
    }
    n->filename = g_strdup(o.filename);
    n->read_only = n->img->read_only;
    n->size = n->img->size;
    n->align = n->img->align;
    return true;
}

static void file_close(BlockNode *n)
{
    block_image_close(n->img);
}

static BlockMapKind file_map(BlockNode *n, uint64_t off, uint64_t len,
                             bool write, BlockMap *m)
{
    m->img = n->img;
    m->off = off;
    return BLOCK_MAP_FILE;
}

static int file_pread(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    return block_image_pread(n->img, off, buf, len);
}

static int file_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len)
{
    return block_image_pwrite(n->img, off, buf, len);
}

static int file_flush(BlockNode *n)
{
    return block_image_flush(n->img);
}

static int file_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    return n->discard ? block_image_discard(n->img, off, len) : 0;
}

static int file_write_zeroes(BlockNode *n, uint64_t off, uint64_t len,
                             bool unmap)
{
    return block_image_write_zeroes(n->img, off, len, unmap && n->discard);
}

static bool file_resize(BlockNode *n, uint64_t size, GError **errp)
{
    uint64_t is;

    if (n->img->is_device) {
        if (!block_image_get_size(n->img, &is, errp)) {
            return false;
        }
        if (size > is) {
            error_setf(errp, "Cannot grow device files");
            return false;
        }
        block_node_set_size(n, size);
        return true;
    }
    if (size > INT64_MAX || ftruncate(n->img->fd, (off_t)size) < 0) {
        error_setf_errno(errp, size > INT64_MAX ? EFBIG : errno,
                         "Failed to resize the file '%s'", n->filename);
        return false;
    }
    block_node_set_size(n, size);
    return true;
}

static bool file_activate(BlockNode *n, GError **errp)
{
    uint64_t size;

    if (!block_image_get_size(n->img, &size, errp)) {
        return false;
    }
    block_node_set_size(n, size);
    return true;
}

static void file_info(const BlockNode *n, BlockNodeInfo *ret)
{
    ret->allocated = block_image_allocated(n->img);
}

#define FILE_OPS                                                 \
    .is_protocol = true, .open = file_open, .close = file_close, \
    .map = file_map, .pread = file_pread, .pwrite = file_pwrite, \
    .flush = file_flush, .discard = file_discard,                \
    .write_zeroes = file_write_zeroes, .resize = file_resize,    \
    .activate = file_activate, .info = file_info

const BlockDriver block_file_driver = {
    .name = "file",
    FILE_OPS,
};

const BlockDriver block_host_device_driver = {
    .name = "host_device",
    FILE_OPS,
};

int block_file_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len)
{
    if (n->img != NULL) {
        return block_image_pwrite(n->img, off, buf, len);
    }
    /* Filters pass on what is beyond the end, too. */
    return n->drv->is_filter ? n->drv->pwrite(n, off, buf, len)
                             : block_node_pwrite(n, off, buf, len);
}

int block_file_pread(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    size_t have;
    int ret;

    if (n->img != NULL) {
        return block_image_pread(n->img, off, buf, len);
    }
    if (n->drv->is_filter) {
        return n->drv->pread(n, off, buf, len);
    }
    have = off < n->size ? MIN(len, n->size - off) : 0;
    ret = have > 0 ? block_node_pread(n, off, buf, have) : 0;
    memset((char *)buf + have, 0, len - have);
    return ret;
}

void block_file_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    if (n->img != NULL && n->discard) {
        (void)block_image_discard(n->img, off, len);
    } else if (n->img == NULL) {
        (void)block_node_discard(n, off, len);
    }
}

int64_t block_file_length(const BlockNode *n)
{
    struct stat st;

    while (n->drv->is_filter) {
        n = n->file;
    }
    if (n->img == NULL || n->img->is_device) {
        return (int64_t)n->size;
    }
    return fstat(n->img->fd, &st) < 0 ? -errno : st.st_size;
}
