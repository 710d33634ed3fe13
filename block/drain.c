/*
 * All images at once: drained, given up for another process, taken again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"
#include "util/error.h"
#include "util/thread.h"

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

        if (b->root != NULL && b->root->unflushed) {
            block_aio_run(block_aio_of(b), flush_one, &call);
        }
    }
}

static void flush_end(BlockBackends *bs, int ret)
{
    for (GList *l = bs->list.head; l != NULL && ret == 0; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);

        if (b->root != NULL) {
            b->root->unflushed = false;
        }
    }
}

static void release_now(void *opaque)
{
    block_throttle_release(opaque);
}

/*
 * Who stops the guest, or ends it, waits neither for who changes a medium nor
 * for limits of I/O.
 */
static void unquiesce_all(BlockBackends *bs)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);

        block_quiesce_end(b);
        if (b->throttles != NULL) {
            block_aio_run(block_aio_of(b), release_now, b);
        }
    }
}

static void drain_aio(BlockAio *aio, void *opaque)
{
    block_aio_drain(aio);
}

int block_drain_all(BlockBackends *bs, bool flush)
{
    int ret = 0;

    __atomic_store_n(&bs->draining, true, __ATOMIC_RELAXED);
    unquiesce_all(bs);
    block_aio_foreach(bs, drain_aio, NULL);
    if (flush) {
        flush_begin(bs, &ret);
        block_aio_foreach(bs, drain_aio, NULL);
        flush_end(bs, ret);
    }
    __atomic_store_n(&bs->draining, false, __ATOMIC_RELAXED);
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
    return busy || __atomic_load_n(&bs->nwriters, __ATOMIC_ACQUIRE) > 0;
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

/*
 * Nodes whose tables are being written, by a thread of its own: that takes as
 * long as storage likes.
 */
typedef struct BlockTables {
    BlockBackends *bs;
    Thread thread;
    GPtrArray *nodes; /* BlockNode, references; above before below */
    bool dropped;     /* the images stay ours, nobody waits for it */
    bool done;        /* `ret` is valid; atomic */
    int ret;          /* 0 or -errno */
    GSource *end;     /* of the main loop: it is done */
} BlockTables;

/* What its tables and the host's cache have is on the medium. */
static int node_settle(BlockNode *n)
{
    return n->drv->inactivate != NULL ? n->drv->inactivate(n)
                                      : block_node_flush(n);
}

static void *tables_write(void *opaque)
{
    BlockTables *t = opaque;

    for (guint i = 0; i < t->nodes->len && t->ret == 0; i++) {
        t->ret = node_settle(t->nodes->pdata[i]);
    }
    __atomic_store_n(&t->done, true, __ATOMIC_RELEASE);
    g_source_attach(t->end, NULL);
    return NULL;
}

/* Its thread ends; or never began. */
static int tables_end(BlockTables *t)
{
    int ret;

    thread_join(&t->thread);
    t->bs->tables = NULL;
    ret = t->ret;
    for (guint i = 0; i < t->nodes->len; i++) {
        BlockNode *n = t->nodes->pdata[i];

        /* Behind an attempt that was dropped its device goes on writing. */
        if (ret == 0 && !t->dropped) {
            n->unflushed = false;
        }
        block_node_unref(n);
    }
    g_ptr_array_free(t->nodes, TRUE);
    g_source_destroy(t->end);
    g_source_unref(t->end);
    g_free(t);
    return ret;
}

static bool tables_done(const BlockTables *t)
{
    return __atomic_load_n(&t->done, __ATOMIC_ACQUIRE);
}

/* Nobody may be there any more who waits. */
static gboolean tables_at_end(gpointer opaque)
{
    VM_LOCK_GUARD();
    BlockBackends *bs = opaque;

    if (bs->tables != NULL && bs->tables->dropped && tables_done(bs->tables)) {
        tables_end(bs->tables);
    }
    return G_SOURCE_REMOVE;
}

/* Above before below. */
static GPtrArray *nodes_to_settle(BlockBackends *bs)
{
    GPtrArray *nodes = g_ptr_array_new();

    for (GList *l = bs->nodes.tail; l != NULL; l = l->prev) {
        BlockNode *n = l->data;

        if (!n->read_only && (n->drv->inactivate != NULL || n->unflushed)) {
            g_ptr_array_add(nodes, block_node_ref(n));
        }
    }
    return nodes;
}

/* 0: bs->tables are on their way, or there are none; -errno. */
static int tables_begin(BlockBackends *bs)
{
    BlockTables *t;
    g_autoptr(GError) err = NULL;
    GPtrArray *nodes = nodes_to_settle(bs);

    if (nodes->len == 0) {
        g_ptr_array_free(nodes, TRUE);
        return 0;
    }
    t = g_new0(BlockTables, 1);
    t->bs = bs;
    t->nodes = nodes;
    t->end = g_idle_source_new();
    g_source_set_priority(t->end, G_PRIORITY_DEFAULT);
    g_source_set_callback(t->end, tables_at_end, bs, NULL);
    bs->tables = t;
    if (!thread_create(&t->thread, "tables", tables_write, t, &err)) {
        t->ret = -EAGAIN;
        return tables_end(t);
    }
    return 0;
}

void block_tables_wait(BlockBackends *bs)
{
    if (bs->tables != NULL) {
        tables_end(bs->tables);
    }
}

/* Nobody may write to the images any more. */
static int inactivate_end(BlockBackends *bs, int ret)
{
    if (ret < 0) {
        bs->inactive = false;
    } else {
        block_graph_update(bs, NULL);
    }
    return ret;
}

static bool inactivate_begin(BlockBackends *bs, bool first, int *ret)
{
    if (!block_drain_step(bs, first, ret)) {
        return false;
    }
    if (*ret < 0) {
        return true;
    }
    bs->inactive = true; /* nothing more is written, while others run, too */
    *ret = tables_begin(bs);
    if (*ret == 0 && bs->tables != NULL) {
        return false;
    }
    inactivate_end(bs, *ret);
    return true;
}

bool block_inactivate_step(BlockBackends *bs, bool first, int *ret)
{
    *ret = 0;
    if (bs->activating) {
        return false; /* inactive still, and written already */
    }
    if (bs->tables != NULL) {
        bool dropped = bs->tables->dropped;

        if (!tables_done(bs->tables)) {
            return false;
        }
        *ret = tables_end(bs->tables);
        if (!dropped) {
            inactivate_end(bs, *ret);
            return true;
        }
        first = true;
    }
    return bs->inactive || inactivate_begin(bs, first, ret);
}

typedef struct ActivateCall {
    BlockBackends *bs;
    GError **errp;
    bool ok;
} ActivateCall;

/* With a reference; below before above: formats read what their files have. */
static BlockNode *next_to_activate(BlockBackends *bs)
{
    VM_LOCK_GUARD();

    for (GList *l = bs->nodes.head; l != NULL; l = l->next) {
        BlockNode *n = l->data;

        if (n->activation != bs->activation) {
            n->activation = bs->activation;
            return block_node_ref(n);
        }
    }
    return NULL;
}

static void node_put(BlockNode *n)
{
    VM_LOCK_GUARD();
    block_node_unref(n);
}

/* Without vm_lock; nodes may come and go meanwhile. */
static void activate_nodes(void *opaque)
{
    ActivateCall *c = opaque;
    BlockNode *n;

    while (c->ok && (n = next_to_activate(c->bs)) != NULL) {
        c->ok = n->drv->activate == NULL || n->drv->activate(n, c->errp);
        node_put(n);
    }
}

bool block_activate_all(BlockBackends *bs, GError **errp)
{
    ActivateCall call = { .bs = bs, .errp = errp };

    if (!bs->inactive) {
        return true;
    }
    if (bs->tables != NULL) {
        bs->inactive = false;
        bs->tables->dropped = true; /* they never were another's */
        return true;
    }
    if (bs->activating) {
        error_setf(errp, "The disk images are being taken over already");
        return false;
    }
    bs->activating = true;
    bs->activation++;
    call.ok = block_graph_update(bs, errp);
    if (call.ok) {
        block_unlocked(bs, activate_nodes, &call);
    }
    bs->activating = false;
    bs->inactive = !call.ok;
    if (!call.ok) {
        block_graph_update(bs, NULL);
    }
    return call.ok;
}
