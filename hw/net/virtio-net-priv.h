/*
 * virtio-net: what its files share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_VIRTIO_NET_PRIV_H
#define HW_NET_VIRTIO_NET_PRIV_H

#include <linux/virtio_net.h>

#include "hw/net/nic.h"
#include "hw/virtio/virtio.h"
#include "net/vhost-user.h"
#include "system/clock.h"

enum {
    VNET_MAC_ENTRIES = 64, /* of the filter's table */
    VNET_VLAN_WORDS = 4096 / 32,
    VNET_FEATURE_PROPS = 20,
};

typedef struct VirtioNet VirtioNet;

/* A pair of queues. */
typedef struct VnetPair {
    VirtioNet *net;
    unsigned index;
    VirtQueue *rx, *tx;
    Timer tx_timer;      /* sending goes on: after a burst, or tx=timer */
    uint32_t tx_waiting; /* it is armed; migrated */
    bool tx_blocked;     /* the back end said "later" */
    bool in_tx;          /* a send is under way: not entered again */
} VnetPair;

struct VirtioNet {
    VirtioDevice vdev;
    Nic nic;

    /* Properties. */
    bool feature_props[VNET_FEATURE_PROPS]; /* see virtio-net.c */
    bool opt_mq, opt_rss, opt_hash, opt_rsc, opt_failover, opt_mtu_bypass;
    uint32_t opt_rsc_interval, tx_timer_ns;
    int32_t tx_burst, speed;
    char *opt_tx, *opt_duplex;
    uint16_t rx_queue_size, tx_queue_size, host_mtu;

    unsigned max_pairs;
    VnetPair *pairs; /* max_pairs of them */
    VirtQueue *ctrl;
    uint16_t curr_pairs; /* that the driver uses; migrated */
    bool multiqueue;     /* the driver knows of them */

    /* Migrated from here on. */
    NetMac mac; /* may be changed by the driver */
    uint16_t status;
    uint32_t mergeable; /* negotiated: a packet may fill several chains */
    uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
    uint32_t mac_in_use;  /* entries; unicast first */
    uint32_t first_multi; /* index of the first multicast entry */
    uint8_t multi_overflow, uni_overflow;
    uint8_t macs[VNET_MAC_ENTRIES * ETH_ADDR_LEN];
    uint32_t vlans[VNET_VLAN_WORDS]; /* a bit for each; little endian words */
    uint64_t guest_offloads; /* VIRTIO_NET_F_GUEST_*, as the driver set them */

    VhostUser *vhost;     /* works with the rings; NULL: this process does */
    bool external;        /* there was one when the card was made */
    bool vhost_on;        /* the rings are handed over … */
    unsigned vhost_rings; /* … so many of them */
    bool vhost_go_on; /* given back, but where they stand isn't known here */
    bool vhost_lost;  /* the link is down since the back end isn't there */
    bool vhost_came;  /* from a source where it may have been lost */

    bool filter_event; /* NIC_RX_FILTER_CHANGED is due at a change */
};

static inline VirtioNet *vnet_of(VirtioDevice *d)
{
    return container_of(d, VirtioNet, vdev);
}
static inline VirtioNet *vnet_of_port(NetPort *p)
{
    return container_of(p, VirtioNet, nic.port);
}
/* Bytes of the header before each packet. */
static inline size_t vnet_hdr_len(const VirtioNet *n)
{
    return n->mergeable || virtio_has_feature(&n->vdev, VIRTIO_F_VERSION_1)
               ? sizeof(struct virtio_net_hdr_mrg_rxbuf)
               : sizeof(struct virtio_net_hdr);
}

/* virtio-net.c */
/* What the peer may leave to the driver, by guest_offloads. */
void vnet_apply_offloads(VirtioNet *n);
/* Features decide on the number of queues. */
void vnet_set_multiqueue(VirtioNet *n, bool on);

/* virtio-net-rx.c */
bool vnet_receive(NetPort *p, const NetPacket *pkt);
void vnet_rx_kick(VirtioDevice *d, VirtQueue *q);

/* virtio-net-tx.c */
void vnet_tx_kick(VirtioDevice *d, VirtQueue *q);
void vnet_tx_resume(NetPort *p, unsigned queue);
void vnet_tx_timer(void *opaque); /* VnetPair */
/* The driver is gone, or the VM stands; and the opposite. */
void vnet_tx_stop(VnetPair *p);
void vnet_tx_start(VnetPair *p);

/* virtio-net-ctrl.c */
void vnet_ctrl_kick(VirtioDevice *d, VirtQueue *q);
/* One command, class and number first; false: VIRTIO_NET_ERR. */
bool vnet_ctrl_command(VirtioNet *n, const uint8_t *buf, size_t len);
void vnet_filter_reset(VirtioNet *n);
/* Is the frame (its first bytes, at least 18) for the guest? */
bool vnet_filter_accepts(const VirtioNet *n, const uint8_t *frame);
RxFilterInfo *vnet_filter_info(NetPort *p);

/* virtio-net-vhost.c */
bool vnet_vhost_realize(VirtioNet *n, GError **errp);
void vnet_vhost_unrealize(VirtioNet *n);
/* The back end was deleted. */
void vnet_vhost_gone(VirtioNet *n);
/* Of `offered` what a back end has, too. */
uint64_t vnet_vhost_features(const VirtioNet *n, uint64_t offered);
/* Driver, run state or link changed: hands the rings over, or takes them. */
void vnet_vhost_update(VirtioNet *n);
void vnet_vhost_reset(VirtioNet *n);
/* The card's link went up or down, by whomever. */
void vnet_vhost_link_changed(VirtioNet *n);
void vnet_vhost_set_pairs(VirtioNet *n);
void vnet_vhost_call_changed(VirtioDevice *d, VirtQueue *q);
/* After a migration: makes what costs time before the guest runs. */
void vnet_vhost_loaded(VirtioNet *n);

/* virtio-net-vmstate.c */
extern const Vmstate vnet_own_vmstate;
bool vnet_post_load(VirtioDevice *d, GError **errp);
void vnet_load_queues(VirtioDevice *d, unsigned n);

#endif
