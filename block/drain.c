/*
 * All images at once: drained, given up for another process, taken again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

static void drain_done(void *opaque, int ret)
{
    int *first = opaque;

    if (*first == 0) {
        *first = ret;
    }
}

typedef struct FlushCall {
    BlockBackend *b;
    int *first;
} FlushCall;

static void flush_one(void *opaque)
{
    const FlushCall *c = opaque;

    block_aio_flush(c->b, drain_done, c->first);
}

/* What was written is on its way to the disk; *first: the first error. */
static void flush_begin(BlockBackends *bs, int *first)
{
    *first = 0;
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);
        FlushCall call = { .b = b, .first = first };

        if (b->root != NULL && b->unflushed) {
            block_aio_run(block_aio_of(b), flush_one, &call);
        }
    }
}

static void flush_end(BlockBackends *bs, int ret)
{
    for (GList *l = bs->list.head; l != NULL && ret == 0; l = l->next) {
        container_of(l, BlockBackend, link)->unflushed = false;
    }
}

/* Who stops the guest, or ends it, doesn't wait for who changes a medium. */
static void unquiesce_all(BlockBackends *bs)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        block_quiesce_end(container_of(l, BlockBackend, link));
    }
}

static void drain_aio(BlockAio *aio, void *opaque)
{
    block_aio_drain(aio);
}

int block_drain_all(BlockBackends *bs, bool flush)
{
    int ret;

    unquiesce_all(bs);
    block_aio_foreach(bs, drain_aio, NULL);
    if (!flush) {
        return 0;
    }
    flush_begin(bs, &ret);
    block_aio_foreach(bs, drain_aio, NULL);
    flush_end(bs, ret);
    return ret;
}

typedef struct BusyCall {
    BlockAio *aio;
    bool *busy;
} BusyCall;

static void reap_now(void *opaque)
{
    const BusyCall *c = opaque;

    if (c->aio->in_flight > 0) {
        block_aio_reap(c->aio);
    }
    *c->busy |= c->aio->in_flight > 0;
}

static void aio_is_busy(BlockAio *aio, void *opaque)
{
    BusyCall call = { .aio = aio, .busy = opaque };

    block_aio_run(aio, reap_now, &call);
}

/* Is anything in flight, when what has ended has been told? */
static bool block_is_busy(BlockBackends *bs)
{
    bool busy = false;

    unquiesce_all(bs);
    block_aio_foreach(bs, aio_is_busy, &busy);
    return busy;
}

bool block_drain_step(BlockBackends *bs, bool first, int *ret)
{
    if (first) {
        bs->flushing = false; /* one that nobody waited for to the end */
    }
    if (block_is_busy(bs)) {
        return false;
    }
    if (!bs->flushing) {
        bs->flushing = true;
        flush_begin(bs, &bs->flush_error);
        if (block_is_busy(bs)) {
            return false;
        }
    }
    bs->flushing = false;
    flush_end(bs, bs->flush_error);
    *ret = bs->flush_error;
    return true;
}

void block_set_inactive(BlockBackends *bs)
{
    bs->inactive = true;
}

/* Below before above: formats read what their files have now. */
static bool nodes_activate(BlockBackends *bs, GError **errp)
{
    for (GList *l = bs->nodes.head; l != NULL; l = l->next) {
        BlockNode *n = l->data;

        if (n->drv->activate != NULL && !n->drv->activate(n, errp)) {
            return false;
        }
    }
    return true;
}

/* Tables are written, which may take as long as storage likes. */
static NO_TSA int node_inactivate(BlockNode *n)
{
    bool held = vm_lock_held();
    int ret;

    if (held) {
        vm_lock_release();
    }
    ret = n->drv->inactivate(n);
    if (held) {
        vm_lock_acquire();
    }
    return ret;
}

/* Above before below. */
static int nodes_inactivate(BlockBackends *bs)
{
    g_autoptr(GPtrArray) nodes = g_ptr_array_new();
    int ret = 0;

    for (GList *l = bs->nodes.tail; l != NULL; l = l->prev) {
        g_ptr_array_add(nodes, block_node_ref(l->data));
    }
    for (guint i = 0; i < nodes->len; i++) {
        BlockNode *n = nodes->pdata[i];

        if (ret == 0 && n->drv->inactivate != NULL && !n->read_only) {
            ret = node_inactivate(n);
        }
        block_node_unref(n);
    }
    return ret;
}

bool block_inactivate_step(BlockBackends *bs, bool first, int *ret)
{
    *ret = 0;
    if (bs->inactive) {
        return true;
    }
    if (!block_drain_step(bs, first, ret)) {
        return false;
    }
    if (*ret < 0) {
        return true;
    }
    bs->inactive = true; /* nothing more is written, while others run, too */
    *ret = nodes_inactivate(bs);
    if (*ret < 0) {
        bs->inactive = false;
    } else {
        block_graph_update(bs, NULL);
    }
    return true;
}

bool block_activate_all(BlockBackends *bs, GError **errp)
{
    if (!bs->inactive) {
        return true;
    }
    bs->inactive = false;
    if (!block_graph_update(bs, errp) || !nodes_activate(bs, errp)) {
        bs->inactive = true;
        block_graph_update(bs, NULL);
        return false;
    }
    return true;
}
