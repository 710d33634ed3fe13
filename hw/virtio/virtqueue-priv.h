/*
 * Insides of a virtqueue, for the core of virtio, the transport and tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTQUEUE_PRIV_H
#define HW_VIRTIO_VIRTQUEUE_PRIV_H

#include <linux/virtio_ring.h>

#include "hw/core/dma.h"
#include "hw/virtio/virtqueue.h"

/* What a queue needs of its device; the core embeds it in each. */
typedef struct VirtQueueHost {
    DmaSpace *dma;
    uint64_t features; /* negotiated */
    bool broken;       /* atomic: all queues are empty */
    bool ram_only;     /* no buffers in registers: its thread can't go there */
    /* Raises the queue's interrupt. */
    void (*interrupt)(struct VirtQueueHost *h, VirtQueue *q);
    /* The guest broke the rules; sets broken.  May take vm_lock. */
    void (*error)(struct VirtQueueHost *h, const char *msg);
} VirtQueueHost;

/* A ring's memory, valid while the view that it was found in is current. */
typedef struct VqRing {
    uint8_t *host;
    RamBlock *rb;
    uint64_t off; /* of host in rb */
} VqRing;

/* A piece of a buffer. */
typedef struct VqSeg {
    RamBlock *rb; /* with a reference; NULL: a bounce buffer, ours */
    uint64_t off; /* in rb */
    uint64_t gpa;
    void *host;
    size_t len;
} VqSeg;

typedef struct VqElem {
    VirtQueueElem pub;
    struct VqElem *next; /* in the queue's pool */
    unsigned cap, n;     /* of iov and segs */
    unsigned first_in;   /* of segs */
    struct iovec *iov;   /* pub.out, then pub.in */
    VqSeg *segs;
    size_t bounced; /* bytes */
    Memory *mem;    /* of one that is disowned */
} VqElem;

struct VirtQueue {
    VirtQueueHost *host;
    uint16_t index;
    uint16_t size, size_max;    /* entries now, and as the device made it */
    uint64_t desc, avail, used; /* guest-physical; desc 0: not placed */
    uint64_t generation;        /* of the view that the rings are from */
    VqRing desc_ring, avail_ring, used_ring;
    uint16_t last_avail;   /* next to pop; migrated */
    uint16_t shadow_avail; /* the driver's index as last read */
    uint16_t used_idx;
    uint16_t signalled; /* used_idx at the last interrupt */
    bool signalled_valid, notification;
    bool resync; /* used_idx has to be read from the ring */
    unsigned inuse;
    VqElem *pool;
    char error[160]; /* found in an RCU section, told after it */
};

/* One descriptor, read once. */
typedef struct VqDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} VqDesc;

/* A walk along a chain, perhaps in an indirect table. */
typedef struct VqChain {
    const uint8_t *table;
    unsigned entries; /* of the table */
    unsigned steps;
    unsigned at;
    bool ended;
} VqChain;

/*
 * Makes the host pointers current; RCU read section.  False: the queue can't
 * be used, with q->error filled if that is the guest's fault.
 */
bool vq_rings_open(VirtQueue *q, const FlatView **ret_view);
void vq_set_error(VirtQueue *q, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
bool vq_chain_begin(VirtQueue *q, const FlatView *view, unsigned head,
                    VqChain *c);
/* False at the end, or with q->error. */
bool vq_chain_next(VirtQueue *q, VqChain *c, VqDesc *ret);
uint16_t vq_read_avail_idx(VirtQueue *q);
uint16_t vq_avail_entry(const VirtQueue *q, uint16_t n);
/* The driver's flags or its event index, per what was negotiated. */
uint16_t vq_avail_flags(const VirtQueue *q);
uint16_t vq_used_event(const VirtQueue *q);
uint16_t vq_read_used_idx(const VirtQueue *q);
void vq_write_used(VirtQueue *q, uint16_t n, uint32_t id, uint32_t len);
void vq_write_used_idx(VirtQueue *q, uint16_t idx);
void vq_write_avail_event(VirtQueue *q, uint16_t idx);
void vq_write_used_flags(VirtQueue *q, uint16_t flags);

void virtqueue_init(VirtQueue *q, VirtQueueHost *host, unsigned index,
                    unsigned size);
void virtqueue_fini(VirtQueue *q);
/* Not placed, all indexes 0, its full size. */
void virtqueue_reset(VirtQueue *q);
/* A power of two up to its full size. */
void virtqueue_set_size(VirtQueue *q, unsigned size);
/* The driver has placed it; size stays. */
void virtqueue_set_rings(VirtQueue *q, uint64_t desc, uint64_t avail,
                         uint64_t used);
/*
 * After a migration: the n chains popped last, and not given back, are there
 * for the next pop again.  False: there aren't so many.
 */
bool virtqueue_rewind(VirtQueue *q, unsigned n);
/* The driver's index as it is now; false if the queue can't be used. */
bool virtqueue_peek_avail(VirtQueue *q, uint16_t *ret);

#endif
