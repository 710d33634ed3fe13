/*
 * virtio-net: packets of the guest.
 * (Virtual I/O Device 1.2, section 5.1.6.2.)
 *
 * A packet that the back end takes later goes back into the queue, so that
 * nothing of a guest's is held here when it migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/virtio-net-priv.h"

#include "system/vm.h"
#include "util/bswap.h"
#include "util/iov.h"

static int64_t now_ns(const VirtioNet *n)
{
    return clock_get_ns(n->vdev.pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
}

/* Which feature a kind of segmentation needs; 0: there is no such kind. */
static uint64_t gso_feature(uint8_t type)
{
    switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
        return VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4);
    case VIRTIO_NET_HDR_GSO_TCPV6:
        return VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6);
    case VIRTIO_NET_HDR_GSO_UDP:
        return VIRTIO_BIT(VIRTIO_NET_F_HOST_UFO);
    default:
        return 0;
    }
}

/*
 * The header, checked: *ret_plain if nothing is left to do.  False: it asks
 * for what wasn't negotiated.
 */
static bool check_header(const VirtioNet *n, const struct virtio_net_hdr *h,
                         bool *ret_plain)
{
    uint64_t features = n->vdev.features;

    *ret_plain = !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
                 h->gso_type == VIRTIO_NET_HDR_GSO_NONE;
    if ((h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) &&
        !(features & VIRTIO_BIT(VIRTIO_NET_F_CSUM))) {
        return false;
    }
    if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
        return true;
    }
    if ((h->gso_type & VIRTIO_NET_HDR_GSO_ECN) &&
        !(features & VIRTIO_BIT(VIRTIO_NET_F_HOST_ECN))) {
        return false;
    }
    return (features &
            (gso_feature(h->gso_type) | VIRTIO_BIT(VIRTIO_NET_F_GSO))) != 0 &&
           gso_feature(h->gso_type) != 0;
}

/* True: done with; false: later, or the device is broken. */
static bool send_one(VnetPair *p, VirtQueueElem *e)
{
    VirtioNet *n = p->net;
    size_t hdr_len = vnet_hdr_len(n);
    struct virtio_net_hdr h = { 0 };
    NetPacket pkt = { .queue = p->index };
    bool plain;

    if (e->out_bytes < hdr_len || e->in_bytes != 0) {
        virtio_error(&n->vdev, "send queue: a chain of %zu and %zu bytes",
                     e->out_bytes, e->in_bytes);
        return false;
    }
    iov_to_buf(e->out, e->nout, 0, &h, sizeof(h));
    iov_discard_front(&e->out, &e->nout, hdr_len);
    pkt.iov = e->out;
    pkt.niov = e->nout;
    pkt.size = e->out_bytes - hdr_len;
    if (!check_header(n, &h, &plain)) {
        return true; /* and it is lost */
    }
    if (!plain && net_port_peer_takes(&n->nic.port) != 0) {
        pkt.vnet = &h;
    }
    return net_send(&n->nic.port, &pkt);
}

/* Sends what there is in this turn; true: nothing is left. */
static bool tx_flush(VnetPair *p, VirtioTurn *turn)
{
    VirtioNet *n = p->net;
    VirtQueueElem *e;
    bool any = false;

    p->in_tx = true;
    while (!p->tx_blocked && (e = virtio_turn_pop(turn)) != NULL) {
        if (!send_one(p, e)) {
            p->tx_blocked = virtio_running(&n->vdev);
            if (p->tx_blocked) {
                virtqueue_unpop(p->tx, e);
            } else {
                virtqueue_detach(p->tx, e);
            }
            break;
        }
        virtqueue_push(p->tx, e, 0);
        any = true;
    }
    p->in_tx = false;
    if (any) {
        virtqueue_notify(p->tx);
    }
    return !turn->cut && !p->tx_blocked;
}

/*
 * Sends until the queue is empty, and then asks for kicks; less if the burst
 * is over or the back end is full, and then this is called again.
 */
static void tx_run(VnetPair *p)
{
    VirtioTurn turn = virtio_turn_begin(p->tx);
    VirtioNet *n = p->net;

    if (n->external || p->in_tx || p->tx_blocked || !virtio_running(&n->vdev)) {
        return;
    }
    turn.left = n->tx_burst;
    p->tx_waiting = 0;
    do {
        virtqueue_set_notification(p->tx, false);
        if (!tx_flush(p, &turn)) {
            p->tx_waiting = turn.cut;
            return;
        }
        virtqueue_set_notification(p->tx, true);
    } while (virtio_running(&n->vdev) && !virtqueue_empty(p->tx));
}

void vnet_tx_timer(void *opaque)
{
    VnetPair *p = opaque;

    p->tx_waiting = 0;
    tx_run(p);
}

static bool by_timer(const VirtioNet *n)
{
    return g_strcmp0(n->opt_tx, "timer") == 0;
}

void vnet_tx_kick(VirtioDevice *d, VirtQueue *q)
{
    VirtioNet *n = vnet_of(d);
    unsigned i = virtqueue_index(q) / 2;
    VnetPair *p = &n->pairs[MIN(i, n->max_pairs - 1)];

    if (n->external) {
        virtio_queue_pass_kick(q);
        return;
    }
    if (by_timer(n) && virtio_running(d) && !timer_pending(&p->tx_timer)) {
        virtqueue_set_notification(q, false);
        p->tx_waiting = 1;
        timer_mod(&p->tx_timer, now_ns(n) + n->tx_timer_ns);
    } else if (!by_timer(n)) {
        tx_run(p);
    }
}

void vnet_tx_resume(NetPort *port, unsigned queue)
{
    VirtioNet *n = vnet_of_port(port);
    VnetPair *p = &n->pairs[queue % n->max_pairs];

    if (p->tx_blocked) {
        p->tx_blocked = false;
        tx_run(p);
    }
}

/* tx_waiting stays: it is a part of the state. */
void vnet_tx_stop(VnetPair *p)
{
    timer_del(&p->tx_timer);
    p->tx_blocked = false;
}

void vnet_tx_start(VnetPair *p)
{
    if (p->tx_waiting) {
        timer_mod(&p->tx_timer, now_ns(p->net));
    }
}
