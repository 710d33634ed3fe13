/*
 * aio=io_uring: requests and their ends go through rings that the kernel
 * shares.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

#include <liburing.h>

#include "util/error.h"
#include "util/log.h"

#define RING_ENTRIES 128

typedef struct Uring {
    BlockEngine e;
    struct io_uring ring;
    unsigned in_flight; /* never more than what has a place at its end */
    unsigned in_kernel; /* of those, the ones that it has taken */
    GQueue in_ring;     /* BlockReq.link: those that it has not, in order */
    GQueue pending;     /* BlockReq.link: for which there was no room */
    bool broken;        /* the kernel takes no more: worker threads do it */
} Uring;

static BlockEngine *uring_new(BlockAio *aio, GError **errp)
{
    Uring *u = g_new0(Uring, 1);
    int ret = io_uring_queue_init(RING_ENTRIES, &u->ring, 0);

    if (ret < 0) {
        error_setf_errno(errp, -ret, "aio=io_uring: failed to set up the ring");
        g_free(u);
        return NULL;
    }
    ret = io_uring_register_eventfd(&u->ring, event_notifier_fd(&aio->event));
    if (ret < 0) {
        error_setf_errno(errp, -ret, "aio=io_uring: failed to set an eventfd");
        io_uring_queue_exit(&u->ring);
        g_free(u);
        return NULL;
    }
    u->e.ops = &block_io_uring_ops;
    u->e.aio = aio;
    g_queue_init(&u->in_ring);
    g_queue_init(&u->pending);
    return &u->e;
}

static void uring_free(BlockEngine *e)
{
    Uring *u = container_of(e, Uring, e);

    io_uring_queue_exit(&u->ring);
    g_free(u);
}

static void uring_prepare(struct io_uring_sqe *sqe, const BlockReq *r)
{
    unsigned niov = MIN(r->niov, (unsigned)IOV_MAX);

    switch (r->op) {
    case BLOCK_READ:
        io_uring_prep_readv(sqe, r->img->fd, r->iov, niov, r->off);
        break;
    case BLOCK_WRITE:
        io_uring_prep_writev(sqe, r->img->fd, r->iov, niov, r->off);
        sqe->rw_flags = r->dsync ? RWF_DSYNC : 0;
        break;
    case BLOCK_FLUSH:
    default:
        io_uring_prep_fsync(sqe, r->img->fd, IORING_FSYNC_DATASYNC);
        break;
    }
}

static void to_threads(Uring *u, GQueue *q)
{
    BlockEngine *threads = u->e.aio->engines[BLOCK_ENGINE_THREADS];
    GList *l;

    while ((l = g_queue_pop_head_link(q)) != NULL) {
        threads->ops->submit(threads, container_of(l, BlockReq, link));
    }
}

/*
 * What the kernel doesn't take now stays in the ring, and is offered again
 * when something ends.  If nothing will, or the kernel refuses, the ring is
 * not entered again, and so never gives away what others do now.
 */
static void uring_enter(Uring *u)
{
    int ret;

    do {
        ret = io_uring_submit(&u->ring);
    } while (ret == -EINTR);
    for (int i = 0; i < ret; i++) {
        g_queue_pop_head_link(&u->in_ring);
        u->in_kernel++;
    }
    if (ret > 0 || u->in_ring.length == 0 ||
        ((ret == -EAGAIN || ret == -EBUSY) && u->in_kernel > 0)) {
        return;
    }
    log_warn_once("aio=io_uring: the kernel takes no requests (%s): worker "
                  "threads do",
                  g_strerror(-ret));
    u->broken = true;
    u->in_flight -= u->in_ring.length;
    to_threads(u, &u->in_ring);
    to_threads(u, &u->pending);
}

static void submit_pending(Uring *u)
{
    GList *head;

    while ((head = u->pending.head) != NULL && u->in_flight < RING_ENTRIES) {
        BlockReq *r = container_of(head, BlockReq, link);
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

        if (sqe == NULL) {
            break;
        }
        g_queue_unlink(&u->pending, head);
        uring_prepare(sqe, r);
        io_uring_sqe_set_data(sqe, r);
        u->in_flight++;
        g_queue_push_tail_link(&u->in_ring, head);
    }
    uring_enter(u);
}

static void uring_submit(BlockEngine *e, BlockReq *req)
{
    Uring *u = container_of(e, Uring, e);

    g_queue_push_tail_link(&u->pending, &req->link);
    if (u->broken) {
        to_threads(u, &u->pending);
    } else {
        submit_pending(u);
    }
}

static void uring_reap(BlockEngine *e)
{
    Uring *u = container_of(e, Uring, e);
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        BlockReq *r = io_uring_cqe_get_data(cqe);
        int res = cqe->res;

        io_uring_cqe_seen(&u->ring, cqe);
        u->in_flight--;
        u->in_kernel--;
        if (res == -EINTR || res == -EAGAIN) {
            g_queue_push_tail_link(&u->pending, &r->link);
            continue;
        }
        r->ret = res;
        block_aio_finished(r);
    }
    if (u->broken) {
        to_threads(u, &u->pending);
    } else if (u->pending.length > 0 || u->in_ring.length > 0) {
        submit_pending(u);
    }
}

const BlockEngineOps block_io_uring_ops = {
    .name = "io_uring",
    .new_engine = uring_new,
    .free_engine = uring_free,
    .submit = uring_submit,
    .reap = uring_reap,
};
