/*
 * Reads and writes of nodes by whoever may wait, and where their bytes are.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

/* Zeros that are written at once. */
#define ZERO_CHUNK (UINT64_C(1) << 20)

int block_node_pread(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    if (!range_fits(off, len, n->size)) {
        return -EIO;
    }
    return len > 0 ? n->drv->pread(n, off, buf, len) : 0;
}

static int check_write(const BlockNode *n, uint64_t off, uint64_t len)
{
    if (n->read_only) {
        return -EPERM;
    }
    return range_fits(off, len, n->size) ? 0 : -EIO;
}

int block_node_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len)
{
    int ret = check_write(n, off, len);

    return ret == 0 && len > 0 ? n->drv->pwrite(n, off, buf, len) : ret;
}

int block_node_flush(BlockNode *n)
{
    return n->read_only || n->no_flush ? 0 : n->drv->flush(n);
}

int block_node_discard(BlockNode *n, uint64_t off, uint64_t len)
{
    int ret = check_write(n, off, len);

    if (ret < 0 || len == 0 || n->drv->discard == NULL) {
        return ret;
    }
    return n->drv->discard(n, off, len);
}

static int write_zero_buffers(BlockNode *n, uint64_t off, uint64_t len)
{
    g_autofree uint8_t *zeros = g_try_malloc0(MIN(len, ZERO_CHUNK));
    int ret = 0;

    if (zeros == NULL) {
        return -ENOMEM;
    }
    while (len > 0 && ret == 0) {
        size_t part = MIN(len, ZERO_CHUNK);

        ret = n->drv->pwrite(n, off, zeros, part);
        off += part;
        len -= part;
    }
    return ret;
}

int block_node_write_zeroes(BlockNode *n, uint64_t off, uint64_t len,
                            bool unmap)
{
    int ret = check_write(n, off, len);

    if (ret < 0 || len == 0) {
        return ret;
    }
    if (n->drv->write_zeroes == NULL) {
        return write_zero_buffers(n, off, len);
    }
    return n->drv->write_zeroes(n, off, len, unmap);
}

BlockMapKind block_node_map(BlockNode *n, uint64_t off, uint64_t len,
                            bool write, BlockMap *ret_m)
{
    if (n->drv->map == NULL || !range_fits(off, len, n->size) ||
        (write && n->read_only)) {
        return BLOCK_MAP_WORK;
    }
    return n->drv->map(n, off, len, write, ret_m);
}
