/*
 * Nodes that hold nothing: reads give zeros, writes are forgotten.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <time.h>

#include "block/block-priv.h"
#include "util/error.h"

#define DEFAULT_SIZE (UINT64_C(1) << 30)

typedef struct NullState {
    uint64_t latency_ns; /* of each request */
} NullState;

static bool null_open(BlockNode *n, KeyVal *kv, const BlockInherit *inh,
                      GError **errp)
{
    NullState *s = g_new0(NullState, 1);
    uint64_t size = DEFAULT_SIZE;
    bool zeroes;

    n->state = s;
    /* What a read gives is up to us: zeros tell nothing about this program. */
    if (!keyval_get_size(kv, "size", 1, &size, errp) ||
        !keyval_get_uint(kv, "latency-ns", 0, INT64_MAX, &s->latency_ns,
                         errp) ||
        !keyval_get_bool(kv, "read-zeroes", &zeroes, errp) ||
        !block_aio_need_engine(n->all->aio, BLOCK_ENGINE_THREADS, errp)) {
        return false;
    }
    if (size > INT64_MAX - BLOCK_SECTOR) {
        error_setf(errp, "%s: size %" PRIu64 " is too large", n->drv->name,
                   size);
        return false;
    }
    n->size = ROUND_UP(size, BLOCK_SECTOR);
    n->filename = g_strdup_printf("%s://", n->drv->name);
    return true;
}

static void null_close(BlockNode *n)
{
    g_free(n->state);
}

static BlockMapKind null_map(BlockNode *n, uint64_t off, uint64_t len,
                             bool write, BlockMap *m)
{
    const NullState *s = n->state;

    if (s->latency_ns != 0) {
        return BLOCK_MAP_WORK;
    }
    return write ? BLOCK_MAP_DONE : BLOCK_MAP_ZERO;
}

static int wait_latency(BlockNode *n)
{
    const NullState *s = n->state;
    struct timespec t = { s->latency_ns / NSEC_PER_SEC,
                          s->latency_ns % NSEC_PER_SEC };

    while (nanosleep(&t, &t) < 0 && errno == EINTR) {
    }
    return 0;
}

static int null_pread(BlockNode *n, uint64_t off, void *buf, size_t len)
{
    memset(buf, 0, len);
    return wait_latency(n);
}

static int null_pwrite(BlockNode *n, uint64_t off, const void *buf, size_t len)
{
    return wait_latency(n);
}

static int null_write_zeroes(BlockNode *n, uint64_t off, uint64_t len,
                             bool unmap)
{
    return wait_latency(n);
}

static void null_info(const BlockNode *n, BlockNodeInfo *ret)
{
    ret->is_null = true;
}

#define NULL_OPS                                                 \
    .is_protocol = true, .open = null_open, .close = null_close, \
    .map = null_map, .pread = null_pread, .pwrite = null_pwrite, \
    .flush = wait_latency, .write_zeroes = null_write_zeroes,    \
    .info = null_info

const BlockDriver block_null_co_driver = {
    .name = "null-co",
    NULL_OPS,
};

const BlockDriver block_null_aio_driver = {
    .name = "null-aio",
    NULL_OPS,
};
