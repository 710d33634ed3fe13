/*
 * aio=native: the kernel's asynchronous I/O (io_submit(2)), for O_DIRECT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

#include <libaio.h>

#include "util/error.h"

#define MAX_EVENTS 128

typedef struct LinuxAio {
    BlockEngine e;
    io_context_t ctx;
    unsigned in_flight;
    GQueue pending; /* BlockReq.link: for which there was no room */
    struct iocb iocbs[MAX_EVENTS];
    struct iocb *free[MAX_EVENTS];
    unsigned nfree;
} LinuxAio;

static BlockEngine *linux_aio_new(BlockAio *aio, GError **errp)
{
    LinuxAio *l = g_new0(LinuxAio, 1);
    int ret = io_setup(MAX_EVENTS, &l->ctx);

    if (ret < 0) {
        error_setf_errno(errp, -ret, "aio=native: io_setup");
        g_free(l);
        return NULL;
    }
    l->e.ops = &block_linux_aio_ops;
    l->e.aio = aio;
    g_queue_init(&l->pending);
    for (unsigned i = 0; i < MAX_EVENTS; i++) {
        l->free[l->nfree++] = &l->iocbs[i];
    }
    return &l->e;
}

static void linux_aio_free(BlockEngine *e)
{
    LinuxAio *l = container_of(e, LinuxAio, e);

    io_destroy(l->ctx);
    g_free(l);
}

/* -EAGAIN: later, when others are done. */
static int submit_one(LinuxAio *l, BlockReq *r)
{
    unsigned niov = MIN(r->niov, (unsigned)IOV_MAX);
    struct iocb *cb;
    int ret;

    if (l->nfree == 0) {
        return -EAGAIN;
    }
    cb = l->free[l->nfree - 1];
    if (r->op == BLOCK_READ) {
        io_prep_preadv(cb, r->img->fd, r->iov, (int)niov, (long long)r->off);
    } else {
        io_prep_pwritev(cb, r->img->fd, r->iov, (int)niov, (long long)r->off);
        cb->aio_rw_flags = r->dsync ? RWF_DSYNC : 0;
    }
    cb->data = r;
    io_set_eventfd(cb, event_notifier_fd(&l->e.aio->event));
    do {
        ret = io_submit(l->ctx, 1, &cb);
    } while (ret == -EINTR);
    if (ret == 0 || (ret == -EAGAIN && l->in_flight > 0)) {
        return -EAGAIN;
    }
    if (ret < 0) {
        return ret == -EAGAIN ? -ENOMEM : ret;
    }
    l->nfree--;
    l->in_flight++;
    return 0;
}

static void submit_pending(LinuxAio *l)
{
    GList *head;

    while ((head = l->pending.head) != NULL) {
        BlockReq *r = container_of(head, BlockReq, link);
        int ret = submit_one(l, r);

        if (ret == -EAGAIN) {
            return;
        }
        g_queue_unlink(&l->pending, head);
        if (ret < 0) {
            r->ret = ret;
            block_aio_finished(r);
        }
    }
}

static void linux_aio_submit(BlockEngine *e, BlockReq *req)
{
    LinuxAio *l = container_of(e, LinuxAio, e);

    g_queue_push_tail_link(&l->pending, &req->link);
    submit_pending(l);
}

static void linux_aio_reap(BlockEngine *e)
{
    LinuxAio *l = container_of(e, LinuxAio, e);
    struct timespec now = { 0 };
    struct io_event events[MAX_EVENTS];
    int n;

    do {
        n = io_getevents(l->ctx, 0, MAX_EVENTS, events, &now);
    } while (n == -EINTR);
    for (int i = 0; i < n; i++) {
        BlockReq *r = events[i].data;

        l->free[l->nfree++] = events[i].obj;
        l->in_flight--;
        r->ret = (ssize_t)events[i].res;
        block_aio_finished(r);
    }
    submit_pending(l);
}

const BlockEngineOps block_linux_aio_ops = {
    .name = "native",
    .new_engine = linux_aio_new,
    .free_engine = linux_aio_free,
    .submit = linux_aio_submit,
    .reap = linux_aio_reap,
};
