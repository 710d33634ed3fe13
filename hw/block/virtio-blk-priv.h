/*
 * Insides of the virtio disk.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_VIRTIO_BLK_PRIV_H
#define HW_BLOCK_VIRTIO_BLK_PRIV_H

#include "hw/block/disk-conf.h"
#include "hw/block/orphans.h"
#include "hw/virtio/virtio.h"

#define VBLK_SECTOR 512

typedef struct VirtioBlk {
    VirtioDevice vdev;
    BlockBackend *blk;
    bool original_wce; /* the write cache after a reset */
    unsigned nqueues;
    GQueue active;       /* VblkReq.link: with the block layer */
    BlkOrphans *orphans; /* still there after a reset */
    GQueue stopped; /* VblkReq.link: failed, tried again when the VM goes on */
    GArray *loaded; /* VblkLoaded: between loading and post_load() */

    /* Properties. */
    DiskConf conf;
    Geometry geo;
    Geometry lgeo; /* of BIOSes: nobody asks this device */
    char *serial;
    uint32_t max_discard, max_write_zeroes; /* sectors */
    uint16_t num_queues, queue_size;
    bool config_wce, discard, write_zeroes, seg_max_adjust;
    bool request_merging, report_granularity, scsi, wce_if_config_wce;
    char *iothread;
} VirtioBlk;

/* A request that came with a migration. */
typedef struct VblkLoaded {
    uint32_t queue, head;
} VblkLoaded;

/* A request of the driver's. */
typedef struct VblkReq {
    VirtioBlk *s;
    VirtQueue *q;
    VirtQueueElem *e;
    uint32_t type;
    uint64_t sector;
    uint8_t *status;     /* in guest memory */
    BlkOrphans *orphans; /* set: the driver doesn't wait for it any more */
    uint64_t from, len;  /* bytes: of a discard */
    bool unmap;
    GList link;
} VblkReq;

static inline VirtioBlk *vblk_of(VirtioDevice *d)
{
    return container_of(d, VirtioBlk, vdev);
}

/* virtio-blk-req.c */
void vblk_output(VirtioDevice *d, VirtQueue *q);
/* One that came with a migration: it waits for the VM to go on. */
void vblk_take_stopped(VirtioBlk *s, VirtQueue *q, VirtQueueElem *e);
/* Those that failed while errors stop the VM. */
void vblk_restart(VirtioBlk *s);
/* Forgets all of a queue's, or of all queues' (NULL); doesn't wait. */
void vblk_give_up(VirtioBlk *s, const VirtQueue *q);
/* The same for those that wait for the VM to go on; no I/O is under way. */
void vblk_give_up_stopped(VirtioBlk *s, const VirtQueue *q);

/* virtio-blk-vmstate.c */
extern const Vmstate vblk_own_vmstate;

#endif
