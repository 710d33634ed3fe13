/*
 * The virtio SCSI adapter's requests.  (Virtual I/O Device 1.2, 5.6.6.1.)
 *
 *   out: LUN 8 bytes, tag le64, attribute, priority, CRN, CDB; data
 *   in:  bytes of sense data le32, of the buffer's rest le32, qualifier le16,
 *        status, response, sense data; data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/virtio-scsi-priv.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    HEAD_BYTES = offsetof(struct virtio_scsi_cmd_req, cdb),
    RESP_BYTES = offsetof(struct virtio_scsi_cmd_resp, sense),
    TAG_AT = offsetof(struct virtio_scsi_cmd_req, tag),
};

bool vscsi_parse_lun(const uint8_t *lun, VscsiLun *ret)
{
    /* A peripheral device address, or one in flat space (SAM-5, 4.7.7). */
    if (lun[0] != 1 || (lun[2] & 0x80)) {
        return false;
    }
    ret->id = lun[1];
    ret->lun = lduw_be_p(lun + 2) & VSCSI_MAX_LUN;
    return true;
}

/* Ends */

static void req_free(VscsiReq *req)
{
    g_free(req->resp);
    g_free(req);
}

static void req_answer(VscsiReq *req, uint8_t response)
{
    const ScsiRequest *r = &req->r;
    uint8_t p[RESP_BYTES + SCSI_SENSE_MAX] = { 0 };
    size_t sense = MIN(r->sense_len, req->sense_size);
    VirtQueue *q = req->q;

    if (response == VIRTIO_SCSI_S_OK) {
        stl_le_p(p, sense);
        stl_le_p(p + 4, req->data_bytes - MIN(r->done, req->data_bytes));
        p[10] = r->status;
        memcpy(p + RESP_BYTES, r->sense, sense);
    }
    p[11] = response;
    iov_from_buf(req->resp, req->nresp, 0, p,
                 RESP_BYTES + (response == VIRTIO_SCSI_S_OK ? sense : 0));
    /* What a read that failed has written counts as well. */
    virtqueue_push(q, req->e, req->e->in_bytes);
    virtqueue_notify(q);
    req_free(req);
}

static void req_done(ScsiRequest *r, ScsiEnd how)
{
    static const uint8_t responses[] = {
        [SCSI_ENDED] = VIRTIO_SCSI_S_OK,
        [SCSI_ABORTED] = VIRTIO_SCSI_S_ABORTED,
        [SCSI_RESET] = VIRTIO_SCSI_S_RESET,
    };
    VscsiReq *req = vscsi_req_of(r);
    g_autoptr(GSList) tmfs = NULL;

    g_queue_unlink(&req->s->active, &req->link);
    tmfs = vscsi_steal_tmfs(req);
    req_answer(req, responses[how]);
    vscsi_tell_tmfs(tmfs);
}

/* Beginnings */

/* NULL: it is none, and the device is broken. */
static VscsiReq *req_new(VirtioScsi *s, VirtQueue *q, VirtQueueElem *e,
                         uint8_t *head)
{
    size_t head_bytes = HEAD_BYTES + s->cdb_size;
    size_t resp_bytes = RESP_BYTES + s->sense_size;
    VscsiReq *req;
    bool in;

    if (e->out_bytes < head_bytes || e->in_bytes < resp_bytes) {
        virtio_error(&s->vdev, "wrong size for virtio-scsi headers");
        virtqueue_detach(q, e);
        return NULL;
    }
    iov_to_buf(e->out, e->nout, 0, head, head_bytes);
    iov_discard_front(&e->out, &e->nout, head_bytes);
    req = g_new0(VscsiReq, 1);
    req->s = s;
    req->q = q;
    req->e = e;
    req->sense_size = s->sense_size;
    req->resp = g_new(struct iovec, e->nin);
    req->nresp =
        iov_slice(req->resp, e->nin, e->in, e->nin, 0, resp_bytes, NULL);
    iov_discard_front(&e->in, &e->nin, resp_bytes);
    in = e->in_bytes > resp_bytes;
    req->data_bytes = in ? e->in_bytes - resp_bytes : e->out_bytes - head_bytes;
    req->link.data = req;
    req->r.bus = &s->bus;
    req->r.tag = ldq_le_p(head + TAG_AT);
    req->r.data = in ? e->in : e->out;
    req->r.ndata = in ? e->nin : e->nout;
    memcpy(req->r.cdb, head + HEAD_BYTES,
           MIN(s->cdb_size, (uint32_t)SCSI_CDB_MAX));
    return req;
}

/* Are the buffers those of its command? */
static bool data_fits(const VscsiReq *req)
{
    const ScsiRequest *r = &req->r;
    bool in = r->data == req->e->in;

    return r->dir == SCSI_NO_DATA ||
           (in == (r->dir == SCSI_TO_HOST) && r->xfer <= req->data_bytes);
}

static bool is_bidirectional(const VscsiReq *req)
{
    const VirtQueueElem *e = req->e;

    return req->r.data == e->in && iov_size(e->out, e->nout) > 0;
}

static void req_begin(VscsiReq *req, const uint8_t *head)
{
    VirtioScsi *s = req->s;
    ScsiDevice *d;
    VscsiLun lun;

    if (!vscsi_parse_lun(head, &lun) ||
        (d = scsi_bus_find(&s->bus, lun.id, lun.lun)) == NULL) {
        req_answer(req, VIRTIO_SCSI_S_BAD_TARGET);
        return;
    }
    if (is_bidirectional(req)) {
        req_answer(req, VIRTIO_SCSI_S_FAILURE);
        return;
    }
    req->r.lun = lun.lun;
    scsi_request_begin(&req->r, d);
    if (!data_fits(req)) {
        scsi_request_drop(&req->r, NULL);
        req_answer(req, VIRTIO_SCSI_S_OVERRUN);
        return;
    }
    g_queue_push_tail_link(&s->active, &req->link);
    scsi_request_run(&req->r);
}

void vscsi_request_output(VirtioDevice *d, VirtQueue *q)
{
    uint8_t head[HEAD_BYTES + VSCSI_CDB_BYTES_MAX];
    VirtioTurn turn = virtio_turn_begin(q);
    VirtQueueElem *e;
    VscsiReq *req;

    do {
        virtqueue_set_notification(q, false);
        while ((e = virtio_turn_pop(&turn)) != NULL) {
            req = req_new(vscsi_of(d), q, e, head);
            if (req != NULL) {
                req_begin(req, head);
            }
        }
        /* Also if the turn was cut: who gets the VM then may rely on kicks. */
        virtqueue_set_notification(q, true);
    } while (!turn.cut && virtio_running(d) && !virtqueue_empty(q));
}

/* Resets */

static void orphan_ended(ScsiRequest *r)
{
    VscsiReq *req = vscsi_req_of(r);

    /* The device may be gone. */
    virtqueue_free_disowned(req->e);
    blk_orphans_end(req->orphans);
    req_free(req);
}

static void req_give_up(VscsiReq *req)
{
    VirtioScsi *s = req->s;
    g_autoptr(GSList) tmfs = vscsi_steal_tmfs(req);

    g_queue_unlink(&s->active, &req->link);
    if (scsi_request_drop(&req->r, orphan_ended)) {
        req->orphans = s->orphans;
        virtqueue_disown(req->q, req->e);
        blk_orphans_add(s->orphans);
    } else {
        virtqueue_detach(req->q, req->e);
        req_free(req);
    }
    vscsi_tell_tmfs(tmfs);
}

void vscsi_give_up(VirtioScsi *s, const VirtQueue *q)
{
    for (GList *l = s->active.head, *next; l != NULL; l = next) {
        VscsiReq *req = l->data;

        next = l->next;
        if (q == NULL || req->q == q) {
            req_give_up(req);
        }
    }
    blk_orphans_wait_later(s->orphans);
}

/* State */

static void req_put(StreamOut *out, const ScsiRequest *r)
{
    const VscsiReq *req = vscsi_req_of(r);

    stream_put_be32(out, virtqueue_index(req->q) - VSCSI_REQUESTS);
    virtqueue_put_elem(out, req->e);
}

static bool req_get(StreamIn *in, ScsiLoaded *l, GError **errp)
{
    l->queue = stream_get_be32(in);
    return virtqueue_get_elem(in, &l->head, errp);
}

static unsigned count_of_queue(const VirtioScsi *s, const VirtQueue *q)
{
    unsigned n = 0;

    for (const GList *l = s->active.head; l != NULL; l = l->next) {
        n += ((const VscsiReq *)l->data)->q == q;
    }
    return n;
}

static VirtQueueElem *take_elem(VirtioScsi *s, VirtQueue *q,
                                const ScsiLoaded *l)
{
    VirtQueueElem *e = virtqueue_take(q, l->head);

    if (e != NULL && count_of_queue(s, q) >= virtqueue_inuse(q)) {
        virtqueue_detach(q, e);
        e = NULL;
    }
    return e;
}

static ScsiRequest *req_take(ScsiDevice *d, const ScsiLoaded *l, GError **errp)
{
    uint8_t head[HEAD_BYTES + VSCSI_CDB_BYTES_MAX];
    ScsiBus *bus = SCSI_BUS(d->dev.parent_bus);
    VirtioScsi *s = container_of(bus, VirtioScsi, bus);
    VirtQueueElem *e = NULL;
    VscsiReq *req = NULL;

    if (l->queue < s->nqueues) {
        VirtQueue *q = virtio_queue(&s->vdev, VSCSI_REQUESTS + l->queue);

        e = take_elem(s, q, l);
        req = e != NULL ? req_new(s, q, e, head) : NULL;
    }
    if (req == NULL) {
        error_setf(errp,
                   "virtio-scsi: request %" PRIu32 " of queue %" PRIu32
                   " isn't in its ring",
                   l->head, l->queue);
        return NULL;
    }
    g_queue_push_tail_link(&s->active, &req->link);
    memcpy(req->r.cdb, l->cdb, sizeof(l->cdb));
    if ((uint32_t)req->r.tag != l->tag) {
        req->r.tag = l->tag;
    }
    req->r.lun = l->lun;
    scsi_request_begin(&req->r, d);
    if (!data_fits(req) || is_bidirectional(req)) {
        req_give_up(req);
        error_setf(errp,
                   "virtio-scsi: request %" PRIu32 " of queue %" PRIu32
                   " has no room for its data",
                   l->head, l->queue);
        return NULL;
    }
    return &req->r;
}

static void req_forget(ScsiRequest *r)
{
    VscsiReq *req = vscsi_req_of(r);

    g_queue_unlink(&req->s->active, &req->link);
    virtqueue_detach(req->q, req->e);
    req_free(req);
}

const ScsiAdapter vscsi_adapter = {
    .max_target = VSCSI_MAX_TARGET,
    .max_lun = VSCSI_MAX_LUN,
    .done = req_done,
    .forget = req_forget,
    .plugged = vscsi_plugged,
    .unplugged = vscsi_unplugged,
    .changed = vscsi_changed,
    .put = req_put,
    .get = req_get,
    .take = req_take,
};
