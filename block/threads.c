/*
 * aio=threads: each request is a system call that some thread waits for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

#include "util/error.h"
#include "util/thread.h"

#define MAX_THREADS 64

/* Bytes that a node's driver is given at once. */
#define WORK_CHUNK ((size_t)(2 * MiB))
#define WORK_ALIGN 4096

typedef struct ThreadEngine {
    BlockEngine e;
    Lock lock;
    Cond work;
    GQueue queue;  /* BlockReq.link; `lock` */
    unsigned idle; /* threads that wait for work; `lock` */
    bool stopping; /* `lock` */
    Thread threads[MAX_THREADS];
    unsigned nthreads; /* vm_lock: who submits */
} ThreadEngine;

static ssize_t retry_read(const BlockReq *r)
{
    ssize_t n;

    do {
        n = preadv(r->img->fd, r->iov, MIN(r->niov, (unsigned)IOV_MAX),
                   (off_t)r->off);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t retry_write(const BlockReq *r)
{
    ssize_t n;

    do {
        n = pwritev2(r->img->fd, r->iov, MIN(r->niov, (unsigned)IOV_MAX),
                     (off_t)r->off, r->dsync ? RWF_DSYNC : 0);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Bytes [from, to) of the bounce buffer, all in one block, from the image. */
static int fill_part(const BlockReq *r, void *block, size_t from, size_t to)
{
    unsigned align = r->img->align;
    size_t start = ROUND_DOWN(from, align);
    ssize_t n;

    do {
        n = pread(r->img->fd, block, align, (off_t)(r->off + start));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return -errno;
    }
    /* Past the end of the file are zeros. */
    memset((char *)block + n, 0, align - n);
    memcpy((char *)r->bounce + from, (char *)block + from - start, to - from);
    return 0;
}

/*
 * A write that begins or ends inside a block: what stands around it first.
 * io.c keeps everybody else out of these blocks meanwhile.
 */
static ssize_t read_modify_write(BlockReq *r)
{
    size_t end = r->head_pad + r->req_len;
    void *block = NULL;
    int ret = 0;

    if (posix_memalign(&block, r->img->mem_align, r->img->align) != 0) {
        return -ENOMEM;
    }
    if (r->head_pad != 0) {
        ret = fill_part(r, block, 0, r->head_pad);
    }
    if (ret == 0 && end < r->left) {
        ret = fill_part(r, block, end, r->left);
    }
    free(block);
    if (ret < 0) {
        return ret;
    }
    r->filled = true;
    return retry_write(r);
}

static ssize_t carry_out(BlockReq *r)
{
    switch (r->op) {
    case BLOCK_READ:
        return retry_read(r);
    case BLOCK_WRITE:
        return r->rmw && !r->filled ? read_modify_write(r) : retry_write(r);
    case BLOCK_FLUSH:
    default:
        return block_image_flush(r->img);
    }
}

/* What a node's driver does itself: all of it in one turn. */
static ssize_t work_vector(BlockReq *r)
{
    void *buf = NULL;
    size_t done = 0;
    int ret = 0;

    if (posix_memalign(&buf, WORK_ALIGN, MIN(r->req_len, WORK_CHUNK)) != 0) {
        return -ENOMEM;
    }
    while (done < r->req_len && ret == 0) {
        size_t n = MIN(r->req_len - done, WORK_CHUNK);

        if (r->op == BLOCK_READ) {
            ret = block_node_pread(r->node, r->req_off + done, buf, n);
            if (ret == 0) {
                iov_from_buf(r->req_iov, r->req_niov, done, buf, n);
            }
        } else {
            iov_to_buf(r->req_iov, r->req_niov, done, buf, n);
            ret = block_node_pwrite(r->node, r->req_off + done, buf, n);
        }
        done += n;
    }
    free(buf);
    return ret;
}

static ssize_t threads_work(BlockReq *r)
{
    int ret;

    switch (r->op) {
    case BLOCK_READ:
        return work_vector(r);
    case BLOCK_WRITE:
        ret = work_vector(r);
        break;
    case BLOCK_DISCARD:
        ret = block_node_discard(r->node, r->req_off, r->req_len);
        break;
    case BLOCK_WRITE_ZEROES:
        ret =
            block_node_write_zeroes(r->node, r->req_off, r->req_len, r->unmap);
        break;
    case BLOCK_FLUSH:
    default:
        return block_node_flush(r->node);
    }
    return ret == 0 && r->dsync ? block_node_flush(r->node) : ret;
}

static void *threads_worker(void *opaque)
{
    ThreadEngine *t = opaque;

    lock_acquire(&t->lock);
    for (;;) {
        GList *l = g_queue_pop_head_link(&t->queue);
        BlockReq *r;

        if (l == NULL && t->stopping) {
            break;
        }
        if (l == NULL) {
            t->idle++;
            cond_wait(&t->work, &t->lock);
            t->idle--;
            continue;
        }
        lock_release(&t->lock);
        r = container_of(l, BlockReq, link);
        r->ret = r->img != NULL ? carry_out(r) : threads_work(r);
        block_aio_finished(r);
        lock_acquire(&t->lock);
    }
    lock_release(&t->lock);
    return NULL;
}

static BlockEngine *threads_new(BlockAio *aio, GError **errp)
{
    ThreadEngine *t = g_new0(ThreadEngine, 1);

    t->e.ops = &block_threads_ops;
    t->e.aio = aio;
    lock_init(&t->lock);
    cond_init(&t->work);
    g_queue_init(&t->queue);
    return &t->e;
}

static void threads_free(BlockEngine *e)
{
    ThreadEngine *t = container_of(e, ThreadEngine, e);

    lock_acquire(&t->lock);
    t->stopping = true;
    cond_broadcast(&t->work);
    lock_release(&t->lock);
    for (unsigned i = 0; i < t->nthreads; i++) {
        thread_join(&t->threads[i]);
    }
    cond_fini(&t->work);
    lock_fini(&t->lock);
    g_free(t);
}

/* More work than threads that wait for it? */
static void threads_submit(BlockEngine *e, BlockReq *req)
{
    ThreadEngine *t = container_of(e, ThreadEngine, e);
    bool more;

    lock_acquire(&t->lock);
    g_queue_push_tail_link(&t->queue, &req->link);
    more = t->queue.length > t->idle && t->nthreads < MAX_THREADS;
    cond_signal(&t->work);
    lock_release(&t->lock);
    if (more && thread_create(&t->threads[t->nthreads], "worker",
                              threads_worker, t, NULL)) {
        t->nthreads++;
    }
    if (t->nthreads > 0) {
        return;
    }
    /* The first one couldn't be made: nobody else knows of the request. */
    g_queue_unlink(&t->queue, &req->link);
    req->ret = -EAGAIN;
    block_aio_finished(req);
}

const BlockEngineOps block_threads_ops = {
    .name = "threads",
    .new_engine = threads_new,
    .free_engine = threads_free,
    .submit = threads_submit,
};
