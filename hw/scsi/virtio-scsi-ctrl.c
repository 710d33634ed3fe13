/*
 * Task management and events of the virtio SCSI adapter.
 * (Virtual I/O Device 1.2, 5.6.6.2 and 5.6.6.3; SAM-5, chapter 7.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/virtio-scsi-priv.h"
#include "util/bswap.h"

enum {
    TMF_BYTES = sizeof(struct virtio_scsi_ctrl_tmf_req),
    AN_BYTES = sizeof(struct virtio_scsi_ctrl_an_req),
    AN_RESP_BYTES = sizeof(struct virtio_scsi_ctrl_an_resp),
    EVENT_BYTES = sizeof(struct virtio_scsi_event),
    TYPE_BYTES = 4,
};

/* Task management */

static void tmf_unref(VscsiTmf *t)
{
    if (--t->refs > 0) {
        return;
    }
    if (t->s != NULL) {
        g_queue_unlink(&t->s->tmfs, &t->link);
        iov_from_buf(t->e->in, t->e->nin, 0, &t->response, 1);
        virtqueue_push(t->q, t->e, 1);
        virtqueue_notify(t->q);
    }
    g_free(t);
}

GSList *vscsi_steal_tmfs(VscsiReq *req)
{
    return g_steal_pointer(&req->tmfs);
}

void vscsi_tell_tmfs(GSList *tmfs)
{
    for (; tmfs != NULL; tmfs = tmfs->next) {
        tmf_unref(tmfs->data);
    }
}

void vscsi_drop_tmfs(VirtioScsi *s)
{
    GList *l;

    while ((l = g_queue_pop_head_link(&s->tmfs)) != NULL) {
        VscsiTmf *t = l->data;

        virtqueue_detach(t->q, t->e);
        t->s = NULL; /* those that it waits for free it */
    }
}

/* The function ends when that request has. */
static void tmf_await(VscsiTmf *t, VscsiReq *req)
{
    req->tmfs = g_slist_prepend(req->tmfs, t);
    t->refs++;
}

/* What a function is about: a unit's tasks, or one of them (by its tag). */
typedef struct TaskFilter {
    const ScsiDevice *d;
    const uint64_t *tag; /* NULL: all */
} TaskFilter;

static bool is_task(const VscsiReq *req, const TaskFilter *f)
{
    return req->r.dev == f->d && (f->tag == NULL || req->r.tag == *f->tag);
}

static bool has_task(const VirtioScsi *s, const TaskFilter *f)
{
    for (const GList *l = s->active.head; l != NULL; l = l->next) {
        if (is_task(l->data, f)) {
            return true;
        }
    }
    return false;
}

static void abort_tasks(VscsiTmf *t, const TaskFilter *f)
{
    for (GList *l = t->s->active.head, *next; l != NULL; l = next) {
        VscsiReq *req = l->data;

        next = l->next;
        if (is_task(req, f)) {
            tmf_await(t, req);
            scsi_request_cancel(&req->r, SCSI_ABORTED);
        }
    }
}

static void reset_unit(VscsiTmf *t, ScsiDevice *d)
{
    const TaskFilter all = { .d = d };

    for (GList *l = t->s->active.head; l != NULL; l = l->next) {
        if (is_task(l->data, &all)) {
            tmf_await(t, l->data);
        }
    }
    scsi_device_reset_unit(d);
}

typedef struct TargetReset {
    VscsiTmf *t;
    uint32_t id;
} TargetReset;

static void reset_of_target(ScsiDevice *d, void *opaque)
{
    const TargetReset *what = opaque;

    if (d->id == what->id) {
        reset_unit(what->t, d);
    }
}

static uint8_t tmf_of_unit(VscsiTmf *t, uint32_t subtype, ScsiDevice *d,
                           uint64_t tag)
{
    const TaskFilter one = { .d = d, .tag = &tag }, all = { .d = d };

    switch (subtype) {
    case VIRTIO_SCSI_T_TMF_ABORT_TASK:
        abort_tasks(t, &one);
        return VIRTIO_SCSI_S_OK;
    case VIRTIO_SCSI_T_TMF_ABORT_TASK_SET:
    case VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET:
        abort_tasks(t, &all);
        return VIRTIO_SCSI_S_OK;
    case VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET:
        reset_unit(t, d);
        return VIRTIO_SCSI_S_OK;
    case VIRTIO_SCSI_T_TMF_QUERY_TASK:
    case VIRTIO_SCSI_T_TMF_QUERY_TASK_SET:
    default:
        return has_task(t->s,
                        subtype == VIRTIO_SCSI_T_TMF_QUERY_TASK ? &one : &all)
                   ? VIRTIO_SCSI_S_FUNCTION_SUCCEEDED
                   : VIRTIO_SCSI_S_OK;
    }
}

static uint8_t tmf_run(VscsiTmf *t, const uint8_t *req)
{
    uint32_t subtype = ldl_le_p(req + 4);
    const uint8_t *field = req + 8;
    TargetReset target = { .t = t, .id = field[1] };
    ScsiDevice *d;
    VscsiLun lun;

    switch (subtype) {
    case VIRTIO_SCSI_T_TMF_CLEAR_ACA:
        return VIRTIO_SCSI_S_FUNCTION_REJECTED;
    case VIRTIO_SCSI_T_TMF_I_T_NEXUS_RESET:
        scsi_bus_foreach(&t->s->bus, reset_of_target, &target);
        return VIRTIO_SCSI_S_OK;
    case VIRTIO_SCSI_T_TMF_ABORT_TASK:
    case VIRTIO_SCSI_T_TMF_ABORT_TASK_SET:
    case VIRTIO_SCSI_T_TMF_CLEAR_TASK_SET:
    case VIRTIO_SCSI_T_TMF_LOGICAL_UNIT_RESET:
    case VIRTIO_SCSI_T_TMF_QUERY_TASK:
    case VIRTIO_SCSI_T_TMF_QUERY_TASK_SET:
        break;
    default:
        return VIRTIO_SCSI_S_FUNCTION_REJECTED;
    }
    if (!vscsi_parse_lun(field, &lun) ||
        (d = scsi_bus_find(&t->s->bus, lun.id, lun.lun)) == NULL) {
        return VIRTIO_SCSI_S_BAD_TARGET;
    }
    if (d->lun != lun.lun) {
        return VIRTIO_SCSI_S_INCORRECT_LUN;
    }
    return tmf_of_unit(t, subtype, d, ldq_le_p(req + 16));
}

static void tmf_begin(VirtioScsi *s, VirtQueue *q, VirtQueueElem *e,
                      const uint8_t *req)
{
    VscsiTmf *t = g_new0(VscsiTmf, 1);

    t->s = s;
    t->q = q;
    t->e = e;
    t->refs = 1;
    t->link.data = t;
    g_queue_push_tail_link(&s->tmfs, &t->link);
    t->response = tmf_run(t, req);
    tmf_unref(t);
}

/* Nothing that there is to ask for, or to subscribe to, ever happens. */
static void an_answer(VirtQueue *q, VirtQueueElem *e)
{
    const uint8_t resp[AN_RESP_BYTES] = { 0, 0, 0, 0, VIRTIO_SCSI_S_OK };

    iov_from_buf(e->in, e->nin, 0, resp, sizeof(resp));
    virtqueue_push(q, e, sizeof(resp));
    virtqueue_notify(q);
}

static void control_request(VirtioScsi *s, VirtQueue *q, VirtQueueElem *e)
{
    uint8_t req[TMF_BYTES] = { 0 };
    size_t have = iov_to_buf(e->out, e->nout, 0, req, sizeof(req));
    uint32_t type = ldl_le_p(req);
    bool tmf = type == VIRTIO_SCSI_T_TMF;

    if (have >= TYPE_BYTES && !tmf && type != VIRTIO_SCSI_T_AN_QUERY &&
        type != VIRTIO_SCSI_T_AN_SUBSCRIBE) {
        virtqueue_push(q, e, 0);
        virtqueue_notify(q);
    } else if (have < (size_t)(tmf ? TMF_BYTES : AN_BYTES) ||
               e->in_bytes < (size_t)(tmf ? 1 : AN_RESP_BYTES)) {
        virtio_error(&s->vdev, "wrong size for virtio-scsi headers");
        virtqueue_detach(q, e);
    } else if (tmf) {
        tmf_begin(s, q, e, req);
    } else {
        an_answer(q, e);
    }
}

void vscsi_control_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtQueueElem *e;

    while ((e = virtio_turn_pop(&turn)) != NULL) {
        control_request(vscsi_of(d), q, e);
    }
}

/* Events */

static void event_put_lun(uint8_t *p, const ScsiDevice *d)
{
    p[0] = 1;
    p[1] = d->id;
    p[2] = d->lun >> 8 | (d->lun >= 256 ? 0x40 : 0);
    p[3] = d->lun;
}

/* Whether or not vCPUs run: that an event was missed isn't migrated. */
static void push_event(VirtioScsi *s, const ScsiDevice *d, uint32_t event,
                       uint32_t reason)
{
    VirtQueue *q = virtio_queue(&s->vdev, VSCSI_EVENTS);
    uint8_t p[EVENT_BYTES] = { 0 };
    VirtQueueElem *e;

    if (!(s->vdev.status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return;
    }
    e = virtqueue_pop(q);
    if (e == NULL) {
        s->events_missed = true;
        return;
    }
    if (e->in_bytes < sizeof(p)) {
        virtio_error(&s->vdev, "wrong size for virtio-scsi headers");
        virtqueue_detach(q, e);
        return;
    }
    stl_le_p(p, event | (s->events_missed ? VIRTIO_SCSI_T_EVENTS_MISSED : 0));
    s->events_missed = false;
    if (d != NULL) {
        event_put_lun(p + 4, d);
    }
    stl_le_p(p + 12, reason);
    iov_from_buf(e->in, e->nin, 0, p, sizeof(p));
    virtqueue_push(q, e, sizeof(p));
    virtqueue_notify(q);
}

void vscsi_event_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioScsi *s = vscsi_of(d);

    if (s->events_missed && virtio_running(d)) {
        push_event(s, NULL, VIRTIO_SCSI_T_NO_EVENT, 0);
    }
}

static void units_changed(ScsiBus *bus, ScsiDevice *d, uint32_t reason)
{
    VirtioScsi *s = container_of(bus, VirtioScsi, bus);

    if (virtio_has_feature(&s->vdev, VIRTIO_SCSI_F_HOTPLUG)) {
        push_event(s, d, VIRTIO_SCSI_T_TRANSPORT_RESET, reason);
        scsi_raise_attention(&bus->unit_attention, SCSI_UA_LUNS_CHANGED);
    }
}

void vscsi_plugged(ScsiBus *bus, ScsiDevice *d)
{
    units_changed(bus, d, VIRTIO_SCSI_EVT_RESET_RESCAN);
}

void vscsi_unplugged(ScsiBus *bus, ScsiDevice *d)
{
    units_changed(bus, d, VIRTIO_SCSI_EVT_RESET_REMOVED);
}

void vscsi_changed(ScsiBus *bus, ScsiDevice *d, ScsiSense sense)
{
    VirtioScsi *s = container_of(bus, VirtioScsi, bus);

    if (virtio_has_feature(&s->vdev, VIRTIO_SCSI_F_CHANGE)) {
        push_event(s, d, VIRTIO_SCSI_T_PARAM_CHANGE,
                   sense.asc | sense.ascq << 8);
    }
}
