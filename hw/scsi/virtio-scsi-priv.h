/*
 * Insides of the virtio SCSI adapter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_SCSI_VIRTIO_SCSI_PRIV_H
#define HW_SCSI_VIRTIO_SCSI_PRIV_H

#include <linux/virtio_scsi.h>

#include "hw/block/orphans.h"
#include "hw/scsi/scsi.h"
#include "hw/virtio/virtio.h"

enum {
    VSCSI_CONTROL = 0, /* queues */
    VSCSI_EVENTS = 1,
    VSCSI_REQUESTS = 2, /* and on */
    VSCSI_MAX_TARGET = 255,
    VSCSI_MAX_LUN = 16383,
    VSCSI_CDB_BYTES_MAX = 255, /* of a request, as its driver may set it */
};

typedef struct VirtioScsi {
    VirtioDevice vdev;
    ScsiBus bus;
    unsigned nqueues;    /* of requests */
    GQueue active;       /* VscsiReq.link: all that have begun */
    GQueue tmfs;         /* VscsiTmf.link: not answered yet */
    BlkOrphans *orphans; /* still there after a reset */
    bool events_missed;  /* there was no buffer for one */
    /* Of the configuration; the driver may write them. */
    uint32_t sense_size, cdb_size;

    /* Properties. */
    uint32_t num_queues, queue_size, max_sectors, cmd_per_lun;
    bool seg_max_adjust, hotplug, param_change;
    char *iothread;
} VirtioScsi;

/* A task management function that waits for the ends of requests. */
typedef struct VscsiTmf {
    VirtioScsi *s; /* NULL: there is nobody to tell any more */
    VirtQueue *q;
    VirtQueueElem *e;
    unsigned refs;    /* who looks through requests, and those that it ends */
    uint8_t response; /* VIRTIO_SCSI_S_* */
    GList link;       /* in s->tmfs */
} VscsiTmf;

/* A request of the driver's. */
typedef struct VscsiReq {
    ScsiRequest r;
    VirtioScsi *s;
    VirtQueue *q;
    VirtQueueElem *e;
    BlkOrphans *orphans; /* set: the driver doesn't wait for it any more */
    struct iovec *resp;  /* where the answer goes, in guest memory */
    unsigned nresp;
    uint32_t sense_size; /* as it was when the request came */
    size_t data_bytes;   /* of its buffers */
    GSList *tmfs;        /* VscsiTmf: those that wait for its end */
    GList link;
} VscsiReq;

static inline VirtioScsi *vscsi_of(VirtioDevice *d)
{
    return container_of(d, VirtioScsi, vdev);
}

static inline VscsiReq *vscsi_req_of(const ScsiRequest *r)
{
    return container_of(r, VscsiReq, r);
}

/* What a request's LUN field says. */
typedef struct VscsiLun {
    uint32_t id, lun;
} VscsiLun;

/* virtio-scsi-req.c */
extern const ScsiAdapter vscsi_adapter;
void vscsi_request_output(VirtioDevice *d, VirtQueue *q);
/* False: it is none of this adapter's. */
bool vscsi_parse_lun(const uint8_t *lun, VscsiLun *ret);
/* Forgets all of a queue's, or of all queues' (NULL); doesn't wait. */
void vscsi_give_up(VirtioScsi *s, const VirtQueue *q);

/* virtio-scsi-ctrl.c */
void vscsi_control_output(VirtioDevice *d, VirtQueue *q);
void vscsi_event_output(VirtioDevice *d, VirtQueue *q);
/* The request ends; afterwards, who waited for that is told. */
GSList *vscsi_steal_tmfs(VscsiReq *req);
void vscsi_tell_tmfs(GSList *tmfs);
/* The control queue is reset. */
void vscsi_drop_tmfs(VirtioScsi *s);
/* A unit that came, goes (VIRTIO_SCSI_EVT_RESET_*), or changed. */
void vscsi_plugged(ScsiBus *bus, ScsiDevice *d);
void vscsi_unplugged(ScsiBus *bus, ScsiDevice *d);
void vscsi_changed(ScsiBus *bus, ScsiDevice *d, ScsiSense sense);

#endif
