/*
 * Packets that wait because their sender can't keep them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/net.h"

#include "util/iov.h"

/* Together about what a card's ring holds of the longest packets. */
enum {
    QUEUE_MAX_PACKETS = 1024,
    QUEUE_MAX_BYTES = 4 * 1024 * 1024,
};

typedef struct NetQueued {
    size_t size;
    unsigned queue;
    bool has_vnet;
    struct virtio_net_hdr vnet;
    uint8_t data[];
} NetQueued;

bool net_queue_push(NetQueue *q, const NetPacket *pkt)
{
    NetQueued *e;

    if (pkt->size > NET_PACKET_MAX || q->packets.length >= QUEUE_MAX_PACKETS ||
        q->bytes + pkt->size > QUEUE_MAX_BYTES) {
        return false;
    }
    e = g_malloc(sizeof(*e) + pkt->size);
    e->size = pkt->size;
    e->queue = pkt->queue;
    e->has_vnet = pkt->vnet != NULL;
    if (pkt->vnet != NULL) {
        e->vnet = *pkt->vnet;
    }
    iov_to_buf(pkt->iov, pkt->niov, 0, e->data, pkt->size);
    q->bytes += e->size;
    g_queue_push_tail(&q->packets, e);
    return true;
}

bool net_queue_flush(NetQueue *q,
                     bool (*fn)(void *opaque, const NetPacket *pkt),
                     void *opaque)
{
    NetQueued *e;

    while ((e = g_queue_pop_head(&q->packets)) != NULL) {
        struct iovec iov = { e->data, e->size };
        NetPacket pkt = {
            .iov = &iov,
            .niov = 1,
            .size = e->size,
            .vnet = e->has_vnet ? &e->vnet : NULL,
            .queue = e->queue,
        };

        if (!fn(opaque, &pkt)) {
            g_queue_push_head(&q->packets, e);
            return false;
        }
        q->bytes -= e->size;
        g_free(e);
    }
    return true;
}

void net_queue_clear(NetQueue *q)
{
    g_queue_clear_full(&q->packets, g_free);
    q->bytes = 0;
}
