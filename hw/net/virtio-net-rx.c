/*
 * virtio-net: packets for the guest.
 * (Virtual I/O Device 1.2, section 5.1.6.3.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/virtio-net-priv.h"

#include "util/bswap.h"
#include "util/iov.h"

enum {
    FILTER_BYTES = 18, /* addresses, type, VLAN */
};

/* Chains that one packet fills, in the order of popping. */
typedef struct RxChains {
    VirtQueueElem *e[VIRTQUEUE_MAX_SIZE];
    unsigned n;
    size_t room; /* bytes in them */
} RxChains;

/* Buffers came: whoever waits may send. */
void vnet_rx_kick(VirtioDevice *d, VirtQueue *q)
{
    if (vnet_of(d)->external) {
        virtio_queue_pass_kick(q);
        return;
    }
    net_port_ready(&vnet_of(d)->nic.port, virtqueue_index(q) / 2);
}

static void give_back(VirtQueue *q, RxChains *c)
{
    while (c->n > 0) {
        virtqueue_unpop(q, c->e[--c->n]);
    }
}

/*
 * As many chains as the packet needs: one, if the driver doesn't merge them.
 * False: there aren't enough.
 */
static bool take_chains(VirtioNet *n, VirtQueue *q, size_t need, RxChains *c)
{
    c->n = 0;
    c->room = 0;
    while (c->room < need && c->n < G_N_ELEMENTS(c->e)) {
        VirtQueueElem *e = virtqueue_pop(q);

        if (e == NULL) {
            give_back(q, c);
            return false;
        }
        c->e[c->n++] = e;
        c->room += e->in_bytes;
        if (e->nin == 0) {
            give_back(q, c);
            virtio_error(&n->vdev, "receive queue: a chain without room");
            return false;
        }
        if (!n->mergeable) {
            break;
        }
    }
    return true;
}

/* Bytes [from, from + len) of the packet to byte `off` of a chain. */
static void copy_payload(VirtQueueElem *e, size_t off, const NetPacket *pkt,
                         size_t from, size_t len)
{
    for (unsigned i = 0; i < pkt->niov && len > 0; i++) {
        const struct iovec *v = &pkt->iov[i];
        size_t part;

        if (from >= v->iov_len) {
            from -= v->iov_len;
            continue;
        }
        part = MIN(v->iov_len - from, len);
        iov_from_buf(e->in, e->nin, off, (const uint8_t *)v->iov_base + from,
                     part);
        off += part;
        len -= part;
        from = 0;
    }
}

static void fill_chains(VirtQueue *q, RxChains *c, const uint8_t *hdr,
                        size_t hdr_len, const NetPacket *pkt)
{
    size_t total = hdr_len + pkt->size, done = 0;

    for (unsigned i = 0; i < c->n; i++) {
        VirtQueueElem *e = c->e[i];
        size_t part = MIN(e->in_bytes, total - done);
        size_t off = 0;

        if (i == 0) {
            off = iov_from_buf(e->in, e->nin, 0, hdr, MIN(hdr_len, part));
        }
        copy_payload(e, off, pkt, done + off - hdr_len, part - off);
        virtqueue_fill(q, e, part, i);
        done += part;
    }
    virtqueue_flush(q, c->n);
    virtqueue_notify(q);
}

static void make_header(const VirtioNet *n, const NetPacket *pkt,
                        unsigned nchains, uint8_t *hdr)
{
    memset(hdr, 0, sizeof(struct virtio_net_hdr_mrg_rxbuf));
    if (pkt->vnet != NULL) {
        memcpy(hdr, pkt->vnet, sizeof(*pkt->vnet));
    }
    stw_le_p(hdr + offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers),
             nchains);
}

static bool rx_filtered(const VirtioNet *n, const NetPacket *pkt)
{
    uint8_t head[FILTER_BYTES] = { 0 };

    if (n->promisc) {
        return false;
    }
    iov_to_buf(pkt->iov, pkt->niov, 0, head, sizeof(head));
    return !vnet_filter_accepts(n, head);
}

bool vnet_receive(NetPort *p, const NetPacket *pkt)
{
    VirtioNet *n = vnet_of_port(p);
    VnetPair *pair = &n->pairs[pkt->queue % n->curr_pairs];
    size_t hdr_len = vnet_hdr_len(n), need = hdr_len + pkt->size;
    uint8_t hdr[sizeof(struct virtio_net_hdr_mrg_rxbuf)];
    RxChains c;

    if (n->external || !virtio_running(&n->vdev) ||
        !virtqueue_ready(pair->rx) || rx_filtered(n, pkt)) {
        return true;
    }
    if (!take_chains(n, pair->rx, need, &c)) {
        /* One that came in between the look and this isn't told. */
        virtqueue_set_notification(pair->rx, true);
        if (virtqueue_empty(pair->rx) || !take_chains(n, pair->rx, need, &c)) {
            return false;
        }
    }
    virtqueue_set_notification(pair->rx, false);
    if (c.room < need) {
        /* Longer than the driver has buffers for: lost. */
        give_back(pair->rx, &c);
        return true;
    }
    make_header(n, pkt, c.n, hdr);
    fill_chains(pair->rx, &c, hdr, hdr_len, pkt);
    return true;
}
