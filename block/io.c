/*
 * Requests: from a device's bytes to what an engine can do, and back.
 *
 * Where the graph knows a file and a place in it, the engine of the file does
 * it; what has to be looked up or made first is the work of a thread.
 *
 * O_DIRECT wants aligned offsets, lengths and buffers: other requests go
 * through an aligned copy.  A write that begins or ends inside a block reads
 * that block first, and nobody else may write there until it is done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"

#include <glib-unix.h>
#include <poll.h>

#include "util/bufferiszero.h"
#include "util/error.h"

/* Buffers of this alignment suit every device. */
#define BOUNCE_ALIGN 4096

static const BlockEngineOps *const engine_ops[BLOCK_ENGINES] = {
    [BLOCK_ENGINE_THREADS] = &block_threads_ops,
#ifdef CONFIG_LINUX_AIO
    [BLOCK_ENGINE_LINUX_AIO] = &block_linux_aio_ops,
#endif
#ifdef CONFIG_LINUX_IO_URING
    [BLOCK_ENGINE_IO_URING] = &block_io_uring_ops,
#endif
};

/* Completion */

void block_aio_finished(BlockReq *req)
{
    BlockAio *aio = req->aio;

    lock_acquire(&aio->lock);
    g_queue_push_tail_link(&aio->finished, &req->link);
    lock_release(&aio->lock);
    event_notifier_set(&aio->event);
}

static void req_submit(BlockReq *r)
{
    BlockAio *aio = r->aio;
    BlockEngineKind kind = BLOCK_ENGINE_THREADS;

    if (r->img != NULL && !(r->rmw && !r->filled) &&
        !(r->op == BLOCK_FLUSH && r->img->engine == BLOCK_ENGINE_LINUX_AIO)) {
        kind = r->img->engine;
    }
    aio->engines[kind]->ops->submit(aio->engines[kind], r);
}

static bool op_writes(const BlockReq *r)
{
    return r->op == BLOCK_WRITE || r->op == BLOCK_DISCARD ||
           r->op == BLOCK_WRITE_ZEROES;
}

/*
 * Does order matter between two requests?  They may touch one block of the
 * file, which begins anywhere before or in them.  Who gave a write up may
 * write there again, and look at the result.
 */
static bool req_conflicts(const BlockReq *a, const BlockReq *b)
{
    uint64_t more = a->node->align - 1;
    bool writes = op_writes(a) && op_writes(b);
    bool lost_write =
        (a->abandoned && op_writes(a)) || (b->abandoned && op_writes(b));

    if (a->op == BLOCK_FLUSH || b->op == BLOCK_FLUSH ||
        !(lost_write || (writes && (a->rmw || b->rmw)))) {
        return false;
    }
    return a->req_off < b->req_off + b->req_len + more &&
           b->req_off < a->req_off + a->req_len + more;
}

/* Must `r` wait for one of q, up to `end` (NULL: for any)? */
static bool req_must_wait(const BlockReq *r, const GQueue *q, const GList *end)
{
    for (const GList *l = q->head; l != end; l = l->next) {
        if (req_conflicts(r, container_of(l, BlockReq, node_link))) {
            return true;
        }
    }
    return false;
}

/* Preparing for an engine */

/* The place in the file, and the buffers. */
static bool req_is_aligned(const BlockReq *r)
{
    const BlockImage *img = r->img;

    for (unsigned i = 0; i < r->req_niov; i++) {
        if ((uintptr_t)r->req_iov[i].iov_base % img->mem_align != 0 ||
            r->req_iov[i].iov_len % img->align != 0) {
            return false;
        }
    }
    return r->off % img->align == 0;
}

static bool req_touches_block0(const BlockReq *r)
{
    return r->op == BLOCK_WRITE && r->node->probed && r->req_off < BLOCK_SECTOR;
}

/* The aligned copy that the engine works on; -errno. */
static int req_make_bounce(BlockReq *r)
{
    unsigned align = r->img->align;
    size_t len;

    r->head_pad = r->off % align;
    len = ROUND_UP(r->head_pad + r->req_len, align);
    if (posix_memalign(&r->bounce, BOUNCE_ALIGN, len) != 0) {
        r->bounce = NULL;
        return -ENOMEM;
    }
    if (r->op == BLOCK_WRITE) {
        iov_to_buf(r->req_iov, r->req_niov, 0, (char *)r->bounce + r->head_pad,
                   r->req_len);
        r->rmw = len != r->req_len;
    }
    r->iov_free = g_new(struct iovec, 1);
    *r->iov_free = (struct iovec){ .iov_base = r->bounce, .iov_len = len };
    r->iov = r->iov_free;
    r->niov = 1;
    r->off -= r->head_pad;
    r->left = len;
    return 0;
}

/*
 * An image without a given format must not become one of another format by
 * what the guest writes: whoever looked into it next would believe the guest.
 */
static bool req_block0_is_raw(const BlockReq *r)
{
    return r->req_off == 0 && r->req_len >= BLOCK_SECTOR &&
           g_str_equal(block_probe_format(r->bounce, BLOCK_SECTOR), "raw");
}

static int req_prepare(BlockReq *r)
{
    if (!req_is_aligned(r) || req_touches_block0(r)) {
        int ret = req_make_bounce(r);

        if (ret < 0) {
            return ret;
        }
        return req_touches_block0(r) && !req_block0_is_raw(r) ? -EPERM : 0;
    }
    r->iov_free = g_memdup2(r->req_iov, sizeof(*r->req_iov) * r->req_niov);
    r->iov = r->iov_free;
    r->niov = r->req_niov;
    return 0;
}

/* Done without an engine; told from the main loop, as all others. */
static void req_finish(BlockReq *r, int ret)
{
    r->img = NULL;
    r->left = 0;
    r->ret = ret;
    block_aio_finished(r);
}

/* The file that a flush of the node is a flush of; NULL: there's more to do. */
static BlockImage *flush_image(const BlockNode *n)
{
    while (n->drv == &block_raw_driver || n->drv == &block_throttle_driver) {
        n = n->file;
    }
    return n->img;
}

static void req_unpin(BlockReq *r)
{
    BlockNode *n = g_steal_pointer(&r->map.pinned);

    if (n != NULL) {
        n->drv->unpin(n, r->map.epoch);
    }
}

/* Its place in a file is known. */
static void req_to_file(BlockReq *r)
{
    int ret;

    r->img = r->map.img;
    r->off = r->map.off;
    if (r->map.pinned != NULL && (r->dsync || !req_is_aligned(r))) {
        /* Formats order their tables with it. */
        req_unpin(r);
        r->img = NULL;
        r->left = 0;
        req_submit(r);
        return;
    }
    ret = req_prepare(r);
    if (ret < 0) {
        req_finish(r, ret);
    } else {
        req_submit(r);
    }
}

static void req_begin(BlockReq *r)
{
    BlockMapKind kind = BLOCK_MAP_WORK;

    g_queue_push_tail_link(&r->node->in_flight, &r->node_link);
    r->backend->written |= op_writes(r);
    if (r->op == BLOCK_FLUSH) {
        r->img = flush_image(r->node);
        if (r->img != NULL && r->img->flush_error < 0) {
            req_finish(r, r->img->flush_error);
            return;
        }
        req_submit(r);
        return;
    }
    if (r->op == BLOCK_READ || r->op == BLOCK_WRITE) {
        kind = block_node_map(r->node, r->req_off, r->req_len,
                              r->op == BLOCK_WRITE, &r->map);
    }
    switch (kind) {
    case BLOCK_MAP_FILE:
        req_to_file(r);
        break;
    case BLOCK_MAP_ZERO:
        iov_memset(r->req_iov, r->req_niov, 0, 0, r->req_len);
        req_finish(r, 0);
        break;
    case BLOCK_MAP_DONE:
        req_finish(r, 0);
        break;
    case BLOCK_MAP_WORK:
        r->left = 0;
        req_submit(r);
        break;
    }
}

static void node_wake_waiting(BlockNode *n)
{
    GList *l = n->waiting.head;

    while (l != NULL) {
        BlockReq *r = container_of(l, BlockReq, node_link);
        GList *next = l->next;

        if (r->throttle_queue == NULL && !r->backend->quiesced &&
            !req_must_wait(r, &n->in_flight, NULL) &&
            !req_must_wait(r, &n->waiting, l)) {
            g_queue_unlink(&n->waiting, l);
            req_begin(r);
        }
        l = next;
    }
}

void block_throttle_passed(BlockReq *r)
{
    node_wake_waiting(r->node);
}

static void req_end(BlockReq *r, int ret)
{
    BlockBackend *b = r->backend;

    req_unpin(r);
    if (r->node != NULL && r->node_link.data != NULL) {
        g_queue_unlink(&r->node->in_flight, &r->node_link);
        node_wake_waiting(r->node);
    }
    if (ret == 0 && r->op == BLOCK_READ && r->bounce != NULL) {
        iov_from_buf(r->req_iov, r->req_niov, 0,
                     (char *)r->bounce + r->head_pad, r->req_len);
    }
    block_stats_add(r, ret);
    r->aio->in_flight--;
    b->in_flight--;
    r->done(r->opaque, ret);
    free(r->bounce);
    g_free(r->iov_free);
    g_free(r);
    block_request_ended(b);
}

/* An engine's turn is over: more to do, or done. */
static void req_turn(BlockReq *r)
{
    ssize_t n = r->ret;

    if (n < 0 || r->left == 0) {
        if (n < 0 && r->op == BLOCK_FLUSH && r->img != NULL &&
            !r->img->direct) {
            /* The host's cache forgets what it couldn't write. */
            __atomic_store_n(&r->img->flush_error, (int)n, __ATOMIC_RELAXED);
        }
        req_end(r, n < 0 ? n : 0);
        return;
    }
    if (r->op == BLOCK_WRITE && n == 0) {
        req_end(r, -ENOSPC);
        return;
    }
    n = MIN((size_t)n, r->left);
    iov_discard_front(&r->iov, &r->niov, n);
    r->off += n;
    r->left -= n;
    if (r->op == BLOCK_READ && (n == 0 || n % r->img->align != 0)) {
        /* The end of the file is inside the last sector, or was moved. */
        iov_memset(r->iov, r->niov, 0, 0, r->left);
        r->left = 0;
    }
    if (r->left == 0) {
        req_end(r, 0);
    } else {
        req_submit(r);
    }
}

static BlockReq *aio_take_finished(BlockAio *aio)
{
    GList *l;

    lock_acquire(&aio->lock);
    l = g_queue_pop_head_link(&aio->finished);
    lock_release(&aio->lock);
    return l != NULL ? container_of(l, BlockReq, link) : NULL;
}

unsigned block_aio_reap(BlockAio *aio)
{
    unsigned n = 0;
    BlockReq *r;

    event_notifier_test_and_clear(&aio->event);
    for (unsigned i = 0; i < BLOCK_ENGINES; i++) {
        BlockEngine *e = aio->engines[i];

        if (e != NULL && e->ops->reap != NULL) {
            e->ops->reap(e);
        }
    }
    while ((r = aio_take_finished(aio)) != NULL) {
        req_turn(r);
        n++;
    }
    return n;
}

static void drain_now(void *opaque)
{
    BlockAio *aio = opaque;
    struct pollfd pfd = { .fd = event_notifier_fd(&aio->event),
                          .events = POLLIN };

    while (aio->in_flight > 0) {
        if (block_aio_reap(aio) == 0) {
            (void)poll(&pfd, 1, -1);
        }
    }
}

void block_aio_drain(BlockAio *aio)
{
    block_aio_run(aio, drain_now, aio);
}

void block_wait_ends(BlockBackends *bs)
{
    /* Another thread may take the event, or have the request. */
    enum { WAIT_MS = 10 };
    BlockAio *aio = bs->aio;
    struct pollfd pfd = { .fd = event_notifier_fd(&aio->event),
                          .events = POLLIN };

    (void)poll(&pfd, 1, WAIT_MS);
    VM_LOCK_GUARD();
    block_aio_reap(aio);
}

/* One that no engine has is not begun any more. */
static void req_never_begin(BlockReq *r, int ret)
{
    block_throttle_forget(r);
    g_queue_unlink(&r->node->waiting, &r->node_link);
    r->node_link.data = NULL;
    req_finish(r, ret);
}

static void req_abandon(BlockReq *r, bool waits)
{
    r->abandoned = true;
    if (waits) {
        req_never_begin(r, -ECANCELED);
    }
}

void block_aio_abandon(BlockBackend *b, const void *opaque)
{
    GQueue *queues[2];

    if (b->root == NULL) {
        return;
    }
    queues[0] = &b->root->in_flight;
    queues[1] = &b->root->waiting;
    for (unsigned i = 0; i < G_N_ELEMENTS(queues); i++) {
        GList *l = queues[i]->head;

        while (l != NULL) {
            BlockReq *r = container_of(l, BlockReq, node_link);

            l = l->next;
            if (r->opaque == opaque) {
                req_abandon(r, i == 1);
            }
        }
    }
    node_wake_waiting(b->root);
}

static gboolean aio_event(gint fd, GIOCondition cond, gpointer opaque)
{
    block_aio_reap(opaque);
    return G_SOURCE_CONTINUE;
}

/* Requests */

static bool iov_is_zero(const struct iovec *iov, unsigned niov)
{
    for (unsigned i = 0; i < niov; i++) {
        if (!buffer_is_zero(iov[i].iov_base, iov[i].iov_len)) {
            return false;
        }
    }
    return true;
}

/* 0: begin it; 1: it is done already; -errno. */
static int req_check(const BlockBackend *b, BlockReq *r)
{
    const BlockNode *n = r->node;

    if (n == NULL) {
        return -ENOMEDIUM;
    }
    if (r->op != BLOCK_READ && b->all->inactive) {
        return r->op == BLOCK_FLUSH ? 1 : -EPERM;
    }
    if (r->op == BLOCK_FLUSH) {
        return n->no_flush || n->read_only ? 1 : 0;
    }
    if (r->op != BLOCK_READ && n->read_only) {
        return -EPERM;
    }
    if (!range_fits(r->req_off, r->req_len,
                    __atomic_load_n(&n->size, __ATOMIC_RELAXED))) {
        return -EIO;
    }
    if (r->op == BLOCK_WRITE && n->detect_zeroes != BLOCK_DETECT_ZEROES_OFF &&
        iov_is_zero(r->req_iov, r->req_niov)) {
        r->op = BLOCK_WRITE_ZEROES;
        r->unmap = n->detect_zeroes == BLOCK_DETECT_ZEROES_UNMAP;
    }
    r->rmw = (r->op == BLOCK_WRITE || r->op == BLOCK_WRITE_ZEROES) &&
             (r->req_off | r->req_len) % n->align != 0;
    return r->req_len == 0 ? 1 : 0;
}

static void req_start(BlockReq *r)
{
    BlockBackend *b = r->backend;
    int ret;

    r->aio = block_aio_of(b);
    r->start_ns = clock_monotonic_ns();
    r->node = b->root;
    r->off = r->req_off;
    r->left = r->req_len;
    r->dsync =
        op_writes(r) && !b->writeback && r->node != NULL && !r->node->no_flush;
    r->aio->in_flight++;
    b->in_flight++;
    if (r->node != NULL && op_writes(r)) {
        r->node->unflushed = true;
    }
    ret = req_check(b, r);
    if (ret != 0) {
        r->invalid = ret < 0;
        req_finish(r, MIN(ret, 0));
        return;
    }
    r->node_link.data = r;
    if (!block_throttle_admit(r) || b->quiesced ||
        req_must_wait(r, &r->node->in_flight, NULL) ||
        req_must_wait(r, &r->node->waiting, NULL)) {
        g_queue_push_tail_link(&r->node->waiting, &r->node_link);
        return;
    }
    req_begin(r);
}

/* Quiescing */

/* Of its waiting requests each one, which fn may take off the list. */
static void each_waiting(BlockBackend *b, void (*fn)(BlockReq *r, void *op),
                         void *opaque)
{
    GList *l = b->root != NULL ? b->root->waiting.head : NULL;

    while (l != NULL) {
        BlockReq *r = container_of(l, BlockReq, node_link);

        l = l->next;
        if (r->backend == b) {
            fn(r, opaque);
        }
    }
}

static void count_req(BlockReq *r, void *opaque)
{
    ++*(unsigned *)opaque;
}

bool block_is_quiet(const BlockBackend *b)
{
    unsigned n = 0;

    each_waiting((BlockBackend *)(uintptr_t)b, count_req, &n);
    return b->in_flight == n && (n == 0 || b->quiesced);
}

/* The node has another size, perhaps, and may be somebody else's. */
static void recheck_req(BlockReq *r, void *opaque)
{
    int ret = req_check(r->backend, r);

    if (ret != 0) {
        r->invalid = ret < 0;
        req_never_begin(r, MIN(ret, 0));
    }
}

void block_unquiesce(BlockBackend *b)
{
    if (b->quiesced && !block_is_changing(b)) {
        b->quiesced = false;
        each_waiting(b, recheck_req, NULL);
        if (b->root != NULL) {
            node_wake_waiting(b->root);
        }
    }
}

static void cancel_req(BlockReq *r, void *opaque)
{
    req_never_begin(r, -ENOMEDIUM);
    r->node = NULL;
}

void block_cancel_waiting(BlockBackend *b)
{
    each_waiting(b, cancel_req, NULL);
    if (b->root != NULL) {
        node_wake_waiting(b->root); /* another back end's, behind them */
    }
}

static BlockReq *req_new(BlockBackend *b, BlockOp op, uint64_t off,
                         uint64_t len, BlockDone *done, void *opaque)
{
    BlockReq *r = g_new0(BlockReq, 1);

    r->backend = b;
    r->op = op;
    r->req_off = off;
    r->req_len = len;
    r->done = done;
    r->opaque = opaque;
    return r;
}

static void req_start_iov(BlockBackend *b, BlockOp op, uint64_t off,
                          const struct iovec *iov, unsigned niov,
                          BlockDone *done, void *opaque)
{
    BlockReq *r = req_new(b, op, off, iov_size(iov, niov), done, opaque);

    r->req_iov = iov;
    r->req_niov = niov;
    req_start(r);
}

void block_aio_readv(BlockBackend *b, uint64_t off, const struct iovec *iov,
                     int niov, BlockDone *done, void *opaque)
{
    req_start_iov(b, BLOCK_READ, off, iov, niov, done, opaque);
}

void block_aio_writev(BlockBackend *b, uint64_t off, const struct iovec *iov,
                      int niov, BlockDone *done, void *opaque)
{
    req_start_iov(b, BLOCK_WRITE, off, iov, niov, done, opaque);
}

void block_aio_flush(BlockBackend *b, BlockDone *done, void *opaque)
{
    req_start(req_new(b, BLOCK_FLUSH, 0, 0, done, opaque));
}

void block_aio_discard(BlockBackend *b, uint64_t off, uint64_t len,
                       BlockDone *done, void *opaque)
{
    req_start(req_new(b, BLOCK_DISCARD, off, len, done, opaque));
}

void block_aio_write_zeroes(BlockBackend *b, uint64_t off, uint64_t len,
                            bool unmap, BlockDone *done, void *opaque)
{
    BlockReq *r = req_new(b, BLOCK_WRITE_ZEROES, off, len, done, opaque);

    r->unmap = unmap;
    req_start(r);
}

int block_read_sync(BlockBackend *b, uint64_t off, void *buf, size_t len)
{
    return b->root != NULL ? block_node_pread(b->root, off, buf, len)
                           : -ENOMEDIUM;
}

/* Life */

BlockAio *block_aio_new(void)
{
    BlockAio *aio = g_new0(BlockAio, 1);

    lock_init(&aio->lock);
    g_queue_init(&aio->finished);
    aio->event = (EventNotifier)EVENT_NOTIFIER_NONE;
    return aio;
}

/* In its thread, so that it isn't under way. */
static void stop_listening(void *opaque)
{
    BlockAio *aio = opaque;

    g_source_destroy(aio->source);
    g_clear_pointer(&aio->source, g_source_unref);
}

void block_aio_free(BlockAio *aio)
{
    if (aio == NULL) {
        return;
    }
    block_aio_drain(aio);
    if (aio->source != NULL) {
        block_aio_run(aio, stop_listening, aio);
    }
    for (unsigned i = 0; i < BLOCK_ENGINES; i++) {
        if (aio->engines[i] != NULL) {
            aio->engines[i]->ops->free_engine(aio->engines[i]);
        }
    }
    event_notifier_fini(&aio->event);
    lock_fini(&aio->lock);
    g_free(aio);
}

static bool aio_need_event(BlockAio *aio, GError **errp)
{
    if (aio->source != NULL) {
        return true;
    }
    if (!event_notifier_init(&aio->event, false, errp)) {
        return false;
    }
    aio->source = g_unix_fd_source_new(event_notifier_fd(&aio->event), G_IO_IN);
    g_source_set_callback(aio->source, G_SOURCE_FUNC(aio_event), aio, NULL);
    g_source_attach(aio->source,
                    aio->thread != NULL ? iothread_context(aio->thread) : NULL);
    return true;
}

static bool aio_make_engine(BlockAio *aio, BlockEngineKind kind, GError **errp)
{
    if (aio->engines[kind] == NULL) {
        aio->engines[kind] = engine_ops[kind]->new_engine(aio, errp);
    }
    return aio->engines[kind] != NULL;
}

bool block_aio_need_engine(BlockAio *aio, BlockEngineKind kind, GError **errp)
{
    static const char *const names[BLOCK_ENGINES] = { "threads", "native",
                                                      "io_uring" };
    VM_LOCK_GUARD();

    if (engine_ops[kind] == NULL) {
        error_setf(errp,
                   "aio=%s was specified, but is not supported in this "
                   "build",
                   names[kind]);
        return false;
    }
    return aio_need_event(aio, errp) &&
           aio_make_engine(aio, BLOCK_ENGINE_THREADS, errp) &&
           aio_make_engine(aio, kind, errp);
}
