/*
 * Raw images: the file below, or a part of it (offset, size).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"
#include "util/error.h"

typedef struct RawState {
    uint64_t offset; /* bytes into the file */
    uint64_t given;  /* size=; bytes */
    bool has_size;
} RawState;

static bool take_range(BlockNode *n, GError **errp)
{
    const RawState *s = n->state;
    uint64_t below = n->file->size;

    if (s->offset > below) {
        error_setf(errp,
                   "Offset (%" PRIu64 ") cannot be greater than size of the "
                   "containing file (%" PRIu64 ")",
                   s->offset, below);
        return false;
    }
    if (s->has_size && s->given > below - s->offset) {
        error_setf(errp,
                   "The sum of offset (%" PRIu64 ") and size (%" PRIu64
                   ") has to be smaller or equal to the actual size of the "
                   "containing file (%" PRIu64 ")",
                   s->offset, s->given, below);
        return false;
    }
    n->size =
        s->has_size ? s->given : ROUND_DOWN(below - s->offset, BLOCK_SECTOR);
    return true;
}

static char *json_filename(const BlockNode *n)
{
    const RawState *s = n->state;
    g_autoptr(GString) t = g_string_new("json:{\"driver\": \"raw\"");

    if (s->offset != 0) {
        g_string_append_printf(t, ", \"offset\": %" PRIu64, s->offset);
    }
    if (s->has_size) {
        g_string_append_printf(t, ", \"size\": %" PRIu64, s->given);
    }
    g_string_append_printf(t,
                           ", \"file\": {\"driver\": \"%s\", "
                           "\"filename\": \"%s\"}}",
                           n->file->drv->name, n->file->filename);
    return g_strdup(t->str);
}

static bool raw_open(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                     GError **errp)
{
    RawState *s = g_new0(RawState, 1);

    n->state = s;
    s->has_size = keyval_has(kv, "size");
    if (!keyval_get_size(kv, "offset", 1, &s->offset, errp) ||
        !keyval_get_size(kv, "size", 1, &s->given, errp)) {
        return false;
    }
    if (s->has_size && s->given % BLOCK_SECTOR != 0) {
        error_setf(errp, "Specified size is not multiple of %d", BLOCK_SECTOR);
        return false;
    }
    if (s->offset != 0 || s->has_size) {
        n->filename = json_filename(n);
    }
    return take_range(n, errp);
}

static void raw_close(BlockNode *n)
{
    g_free(n->state);
}

static uint64_t raw_at(const BlockNode *n, uint64_t off)
{
    return ((const RawState *)n->state)->offset + off;
}

static BlockMapKind raw_map(BlockNode *n, uint64_t off, uint64_t len,
                            bool write, BlockMap *m)
{
    return block_node_map(n->file, raw_at(n, off), len, write, m);
}

static int raw_pread(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    return block_node_pread(n->file, raw_at(n, off), buf, len);
}

static int raw_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len)
{
    return block_node_pwrite(n->file, raw_at(n, off), buf, len);
}

static int raw_flush(BlockNode *n)
{
    return block_node_flush(n->file);
}

static int raw_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    return block_node_discard(n->file, raw_at(n, off), len);
}

static int raw_write_zeroes(BlockNode *n, uint64_t off, uint64_t len,
                            bool unmap)
{
    return block_node_write_zeroes(n->file, raw_at(n, off), len, unmap);
}

static bool raw_resize(BlockNode *n, uint64_t size, GError **errp)
{
    const RawState *s = n->state;

    if (s->has_size) {
        error_setf(errp, "Cannot resize fixed-size raw disks");
        return false;
    }
    if (size > INT64_MAX - s->offset) {
        error_setf(errp, "Disk size too large for the chosen offset");
        return false;
    }
    if (n->file->drv->resize == NULL) {
        error_setf(errp, "Block driver '%s' does not support resizing",
                   n->file->drv->name);
        return false;
    }
    if (!n->file->drv->resize(n->file, s->offset + size, errp)) {
        return false;
    }
    block_node_set_size(n, size);
    return true;
}

static bool raw_activate(BlockNode *n, GError **errp)
{
    VM_LOCK_GUARD();
    return take_range(n, errp);
}

const BlockDriver block_raw_driver = {
    .name = "raw",
    .open = raw_open,
    .close = raw_close,
    .map = raw_map,
    .pread = raw_pread,
    .pwrite = raw_pwrite,
    .flush = raw_flush,
    .discard = raw_discard,
    .write_zeroes = raw_write_zeroes,
    .resize = raw_resize,
    .activate = raw_activate,
};
