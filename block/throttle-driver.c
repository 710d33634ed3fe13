/*
 * throttle: a node that lets requests through as fast as its group allows.
 *
 * It only says which group that is: a back end takes its requests through the
 * gates of all throttle nodes on top of its image before they begin
 * (throttle.c).  So one below a format is refused: nothing would wait there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"
#include "util/error.h"

/* Takes a reference. */
static ThrottleGroup *find_group(BlockBackends *bs, const char *name,
                                 GError **errp)
{
    VM_LOCK_GUARD();
    ThrottleGroup *g = throttle_group_find(bs, name);

    if (g == NULL || !throttle_group_is_object(g)) {
        error_setf(errp, "Throttle group '%s' does not exist", name);
        return NULL;
    }
    return throttle_group_ref(g);
}

static bool throttle_open(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                          GError **errp)
{
    const char *name = keyval_get(kv, "throttle-group");

    if (name == NULL) {
        error_setf(errp, "Parameter 'throttle-group' is missing");
        return false;
    }
    n->state = find_group(n->all, name, errp);
    if (n->state == NULL) {
        return false;
    }
    n->size = n->file->size;
    n->filename = g_strdup_printf(
        "json:{\"throttle-group\": \"%s\", \"driver\": \"throttle\", "
        "\"file\": {\"driver\": \"%s\", \"filename\": \"%s\"}}",
        name, n->file->drv->name, n->file->filename);
    return true;
}

static void throttle_close(BlockNode *n)
{
    VM_LOCK_GUARD();
    throttle_group_unref(n->state);
}

static BlockMapKind throttle_map(BlockNode *n, uint64_t off, uint64_t len,
                                 bool write, BlockMap *m)
{
    return block_node_map(n->file, off, len, write, m);
}

static int throttle_pread(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    return block_node_pread(n->file, off, buf, len);
}

static int throttle_pwrite(BlockNode *n, uint64_t off, const void *buf,
                           size_t len)
{
    return block_node_pwrite(n->file, off, buf, len);
}

static int throttle_flush(BlockNode *n)
{
    return block_node_flush(n->file);
}

static int throttle_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    return block_node_discard(n->file, off, len);
}

static int throttle_write_zeroes(BlockNode *n, uint64_t off, uint64_t len,
                                 bool unmap)
{
    return block_node_write_zeroes(n->file, off, len, unmap);
}

static bool throttle_resize(BlockNode *n, uint64_t size, GError **errp)
{
    if (n->file->drv->resize == NULL) {
        error_setf(errp, "Block driver '%s' does not support resizing",
                   n->file->drv->name);
        return false;
    }
    if (!n->file->drv->resize(n->file, size, errp)) {
        return false;
    }
    block_node_set_size(n, size);
    return true;
}

static bool throttle_activate(BlockNode *n, GError **errp)
{
    VM_LOCK_GUARD();
    n->size = n->file->size;
    return true;
}

ThrottleGroup *throttle_node_group(const BlockNode *n)
{
    return n->state;
}

BlockNode *throttle_node_in(BlockNode *n)
{
    while (n != NULL && n->drv != &block_throttle_driver) {
        n = n->drv->is_filter || n->drv == &block_raw_driver ? n->file : NULL;
    }
    return n;
}

const BlockDriver block_throttle_driver = {
    .name = "throttle",
    .is_filter = true,
    .open = throttle_open,
    .close = throttle_close,
    .map = throttle_map,
    .pread = throttle_pread,
    .pwrite = throttle_pwrite,
    .flush = throttle_flush,
    .discard = throttle_discard,
    .write_zeroes = throttle_write_zeroes,
    .resize = throttle_resize,
    .activate = throttle_activate,
};
