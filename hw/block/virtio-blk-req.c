/*
 * The virtio disk's requests.  (Virtual I/O Device 1.2, section 5.2.6.)
 *
 *   out: type le32, reserved le32, sector le64, data of a write
 *   in:  data of a read, status byte
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/block/virtio-blk-priv.h"

#include <linux/virtio_blk.h>

#include "util/bswap.h"

enum {
    HEADER_BYTES = 16,
    RANGE_BYTES = 16,
    TRANSFER_MAX = INT32_MAX, /* bytes; more is an error of the driver's */
};

static void req_end(VblkReq *r, uint8_t status)
{
    VirtQueue *q = r->q;

    *r->status = status;
    virtqueue_push(q, r->e, r->e->in_bytes);
    g_free(r);
    virtqueue_notify(q);
}

static bool is_read(const VblkReq *r)
{
    return r->type == VIRTIO_BLK_T_IN;
}

static void req_done(void *opaque, int ret)
{
    VblkReq *r = opaque;
    VirtioBlk *s = r->s;

    if (r->orphans != NULL) {
        /* The device may be gone. */
        virtqueue_free_disowned(r->e);
        blk_orphans_end(r->orphans);
        g_free(r);
        return;
    }
    g_queue_unlink(&s->active, &r->link);
    if (ret < 0) {
        switch (block_error_action(s->blk, is_read(r), -ret)) {
        case BLOCK_ERROR_STOP:
            g_queue_push_tail_link(&s->stopped, &r->link);
            return;
        case BLOCK_ERROR_IGNORE:
            break;
        case BLOCK_ERROR_REPORT:
            req_end(r, VIRTIO_BLK_S_IOERR);
            return;
        }
    }
    req_end(r, VIRTIO_BLK_S_OK);
}

/* To the block layer. */
static void req_submit(VblkReq *r)
{
    VirtioBlk *s = r->s;
    VirtQueueElem *e = r->e;

    g_queue_push_tail_link(&s->active, &r->link);
    switch (r->type) {
    case VIRTIO_BLK_T_IN:
        block_aio_readv(s->blk, r->sector * VBLK_SECTOR, e->in, (int)e->nin,
                        req_done, r);
        break;
    case VIRTIO_BLK_T_OUT:
        block_aio_writev(s->blk, r->sector * VBLK_SECTOR, e->out, (int)e->nout,
                         req_done, r);
        break;
    case VIRTIO_BLK_T_DISCARD:
        block_aio_discard(s->blk, r->from, r->len, req_done, r);
        break;
    case VIRTIO_BLK_T_WRITE_ZEROES:
        block_aio_write_zeroes(s->blk, r->from, r->len, r->unmap, req_done, r);
        break;
    case VIRTIO_BLK_T_FLUSH:
    default:
        block_aio_flush(s->blk, req_done, r);
        break;
    }
}

/* Whole blocks, inside the disk. */
static bool range_is_good(const VirtioBlk *s, uint64_t sector, uint64_t bytes)
{
    uint64_t nsectors = block_size(s->blk) / VBLK_SECTOR;

    return bytes <= TRANSFER_MAX && bytes % s->conf.logical_block == 0 &&
           sector % (s->conf.logical_block / VBLK_SECTOR) == 0 &&
           range_fits(sector, bytes / VBLK_SECTOR, nsectors);
}

static void begin_transfer(VblkReq *r, size_t bytes)
{
    if (!range_is_good(r->s, r->sector, bytes)) {
        req_end(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    req_submit(r);
}

static void begin_get_id(VblkReq *r)
{
    const char *serial = r->s->serial != NULL ? r->s->serial : "";
    char id[VIRTIO_BLK_ID_BYTES] = { 0 };

    memcpy(id, serial, strnlen(serial, sizeof(id)));
    iov_from_buf(r->e->in, r->e->nin, 0, id, sizeof(id));
    req_end(r, VIRTIO_BLK_S_OK);
}

/* One range: sector le64, number of sectors le32, flags le32. */
static void begin_range(VblkReq *r, bool offered, uint32_t max_sectors)
{
    VirtioBlk *s = r->s;
    bool zeroes = r->type == VIRTIO_BLK_T_WRITE_ZEROES;
    uint8_t range[RANGE_BYTES];
    uint32_t n, flags;
    uint64_t sector;

    if (!offered || iov_size(r->e->out, r->e->nout) != sizeof(range) ||
        iov_to_buf(r->e->out, r->e->nout, 0, range, sizeof(range)) !=
            sizeof(range)) {
        req_end(r, VIRTIO_BLK_S_UNSUPP);
        return;
    }
    sector = ldq_le_p(range);
    n = ldl_le_p(range + 8);
    flags = ldl_le_p(range + 12);
    if (flags & ~(zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0u)) {
        req_end(r, VIRTIO_BLK_S_UNSUPP);
        return;
    }
    if (n > max_sectors ||
        !range_is_good(s, sector, (uint64_t)n * VBLK_SECTOR)) {
        req_end(r, VIRTIO_BLK_S_IOERR);
        return;
    }
    r->from = sector * VBLK_SECTOR;
    r->len = (uint64_t)n * VBLK_SECTOR;
    r->unmap = flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
    req_submit(r);
}

static void req_dispatch(VblkReq *r)
{
    VirtioBlk *s = r->s;
    bool read_only = block_read_only(s->blk);

    switch (r->type) {
    case VIRTIO_BLK_T_IN:
        begin_transfer(r, iov_size(r->e->in, r->e->nin));
        break;
    case VIRTIO_BLK_T_OUT:
        if (read_only) {
            req_end(r, VIRTIO_BLK_S_IOERR);
            break;
        }
        begin_transfer(r, iov_size(r->e->out, r->e->nout));
        break;
    case VIRTIO_BLK_T_FLUSH:
        req_submit(r);
        break;
    case VIRTIO_BLK_T_GET_ID:
        begin_get_id(r);
        break;
    case VIRTIO_BLK_T_DISCARD:
        begin_range(r, s->discard && !read_only, s->max_discard);
        break;
    case VIRTIO_BLK_T_WRITE_ZEROES:
        begin_range(r, s->write_zeroes && !read_only, s->max_write_zeroes);
        break;
    default:
        req_end(r, VIRTIO_BLK_S_UNSUPP);
        break;
    }
}

/* NULL: it is none, and the device is broken. */
static VblkReq *req_new(VirtioBlk *s, VirtQueue *q, VirtQueueElem *e)
{
    uint8_t header[HEADER_BYTES];
    const struct iovec *last;
    VblkReq *r;

    if (e->out_bytes < sizeof(header) || e->in_bytes < 1) {
        virtio_error(&s->vdev, "a request without header or status byte");
        virtqueue_detach(q, e);
        return NULL;
    }
    iov_to_buf(e->out, e->nout, 0, header, sizeof(header));
    iov_discard_front(&e->out, &e->nout, sizeof(header));
    r = g_new0(VblkReq, 1);
    r->s = s;
    r->q = q;
    r->e = e;
    r->link.data = r;
    r->type = ldl_le_p(header) & ~VIRTIO_BLK_T_BARRIER;
    r->sector = ldq_le_p(header + 8);
    last = &e->in[e->nin - 1];
    r->status = (uint8_t *)last->iov_base + last->iov_len - 1;
    iov_discard_back(e->in, &e->nin, 1);
    return r;
}

void vblk_take_stopped(VirtioBlk *s, VirtQueue *q, VirtQueueElem *e)
{
    VblkReq *r = req_new(s, q, e);

    if (r != NULL) {
        g_queue_push_tail_link(&s->stopped, &r->link);
    }
}

void vblk_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtQueueElem *e;
    VblkReq *r;

    do {
        virtqueue_set_notification(q, false);
        while ((e = virtio_turn_pop(&turn)) != NULL) {
            r = req_new(vblk_of(d), q, e);
            if (r != NULL) {
                req_dispatch(r);
            }
        }
        /* Also if the turn was cut: who gets the VM then may rely on kicks. */
        virtqueue_set_notification(q, true);
    } while (!turn.cut && virtio_running(d) && !virtqueue_empty(q));
}

/* What is begun and ends in the I/O thread is touched there only. */
static void run_in_thread(VirtioBlk *s, void (*fn)(void *opaque), void *opaque)
{
    IoThread *t = virtio_iothread(&s->vdev);

    if (t != NULL) {
        iothread_run(t, fn, opaque);
    } else {
        fn(opaque);
    }
}

static void restart_now(void *opaque)
{
    VirtioBlk *s = opaque;
    GQueue again = s->stopped;
    GList *l;

    g_queue_init(&s->stopped);
    while ((l = g_queue_pop_head_link(&again)) != NULL) {
        req_dispatch(l->data);
    }
}

void vblk_restart(VirtioBlk *s)
{
    run_in_thread(s, restart_now, s);
}

static bool is_of(const VblkReq *r, const VirtQueue *q)
{
    return q == NULL || r->q == q;
}

void vblk_give_up_stopped(VirtioBlk *s, const VirtQueue *q)
{
    for (GList *l = s->stopped.head, *next; l != NULL; l = next) {
        VblkReq *r = l->data;

        next = l->next;
        if (is_of(r, q)) {
            g_queue_unlink(&s->stopped, l);
            virtqueue_detach(r->q, r->e);
            g_free(r);
        }
    }
}

typedef struct GiveUpCall {
    VirtioBlk *s;
    const VirtQueue *q;
} GiveUpCall;

static void give_up_now(void *opaque)
{
    const GiveUpCall *c = opaque;
    VirtioBlk *s = c->s;

    vblk_give_up_stopped(s, c->q);
    for (GList *l = s->active.head, *next; l != NULL; l = next) {
        VblkReq *r = l->data;

        next = l->next;
        if (is_of(r, c->q)) {
            g_queue_unlink(&s->active, l);
            r->orphans = s->orphans;
            virtqueue_disown(r->q, r->e);
            blk_orphans_add(s->orphans);
            block_aio_abandon(s->blk, r);
        }
    }
}

void vblk_give_up(VirtioBlk *s, const VirtQueue *q)
{
    GiveUpCall call = { .s = s, .q = q };

    run_in_thread(s, give_up_now, &call);
    blk_orphans_wait_later(s->orphans);
}
