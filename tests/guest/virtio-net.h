/*
 * A modern virtio-net card over PCI, polled.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GUEST_VIRTIO_NET_H
#define GUEST_VIRTIO_NET_H

#include "guest.h"

enum {
    NET_MAX_QUEUES = 8,
    NET_HEADER = 12, /* struct virtio_net_hdr with num_buffers */
    VIRTQ_NEXT = 1,
    VIRTQ_WRITE = 2,
};

/* Split virtqueue: virtio 1.1, 2.6. */
typedef struct VirtqDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} VirtqDesc;

typedef struct VirtqAvail {
    uint16_t flags, idx;
    uint16_t ring[];
} VirtqAvail;

typedef struct VirtqUsedElem {
    uint32_t id, len;
} VirtqUsedElem;

typedef struct VirtqUsed {
    uint16_t flags, idx;
    VirtqUsedElem ring[];
} VirtqUsed;

typedef struct Virtq {
    uint16_t size; /* a power of two */
    uint16_t index;
    VirtqDesc *desc;
    VirtqAvail *avail;
    VirtqUsed *used;
    volatile uint16_t *notify;
    uint16_t next_avail; /* not yet told to the device */
    uint16_t last_used;
    uint16_t free_head; /* transmission: chain of free descriptors */
    uint16_t nfree;
    volatile uint64_t frames; /* one writer, the queue's CPU */
    volatile uint64_t bad;
    volatile uint64_t kicks;
} Virtq;

typedef struct NetCard {
    uint8_t devfn;
    uint8_t mac[6];
    bool mergeable;
    uint64_t features;
    uintptr_t common, device, notify;
    uint32_t notify_multiplier;
    uint16_t queues; /* pairs in use */
    Virtq rx[NET_MAX_QUEUES], tx[NET_MAX_QUEUES], control;
} NetCard;

/* Bytes of memory_take() that one card's queues need, without buffers. */
uint64_t net_card_memory(unsigned queues, unsigned ring);

/*
 * Start the nth card of bus 0: false if there is none, or if it can't do
 * what the configuration asks, which is said on the console then.
 */
bool net_card_start(NetCard *card, unsigned nth);

/* Make what was put into the ring visible, and notify if that is wanted. */
void virtq_publish(Virtq *q);

/* How many buffers the device has given back. */
static inline uint16_t virtq_pending(const Virtq *q)
{
    return __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) - q->last_used;
}

static inline void virtq_put(Virtq *q, uint16_t head)
{
    q->avail->ring[q->next_avail++ & (q->size - 1)] = head;
}

#endif
