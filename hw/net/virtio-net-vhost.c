/*
 * virtio-net: rings that a vhost-user back end works with.
 *
 * The back end has the rings while the driver is up, the guest runs, the link
 * is up and there is a connection; otherwise they are here, and stand still.
 * What is asked of the back end is posted: see net/vhost-user.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/virtio-net-priv.h"

#include <linux/virtio_ring.h>

#include "system/vm.h"
#include "util/error.h"
#include "util/log.h"

/* What a driver may only have if the back end has it. */
static const uint8_t back_end_bits[] = {
    VIRTIO_F_NOTIFY_ON_EMPTY,    VIRTIO_F_ANY_LAYOUT,
    VIRTIO_F_VERSION_1,          VIRTIO_RING_F_INDIRECT_DESC,
    VIRTIO_RING_F_EVENT_IDX,     VIRTIO_NET_F_CSUM,
    VIRTIO_NET_F_GUEST_CSUM,     VIRTIO_NET_F_GSO,
    VIRTIO_NET_F_GUEST_TSO4,     VIRTIO_NET_F_GUEST_TSO6,
    VIRTIO_NET_F_GUEST_ECN,      VIRTIO_NET_F_GUEST_UFO,
    VIRTIO_NET_F_HOST_TSO4,      VIRTIO_NET_F_HOST_TSO6,
    VIRTIO_NET_F_HOST_ECN,       VIRTIO_NET_F_HOST_UFO,
    VIRTIO_NET_F_MRG_RXBUF,      VIRTIO_NET_F_MTU,
    VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_MQ,
};

uint64_t vnet_vhost_features(const VirtioNet *n, uint64_t offered)
{
    uint64_t theirs;

    if (n->vhost == NULL) {
        return offered;
    }
    theirs = vhost_user_features(n->vhost);
    for (unsigned i = 0; i < G_N_ELEMENTS(back_end_bits); i++) {
        uint64_t bit = VIRTIO_BIT(back_end_bits[i]);

        if (!(theirs & bit)) {
            offered &= ~bit;
        }
    }
    /* One ring alone can't be taken from a back end and given again. */
    return offered & ~VIRTIO_BIT(VIRTIO_F_RING_RESET);
}

static unsigned vnet_vhost_nrings(const VirtioNet *n)
{
    return 2 * (n->multiqueue ? n->max_pairs : 1);
}

/* Is the ring one that the driver uses now? */
static bool ring_is_on(const VirtioNet *n, unsigned i)
{
    return i / 2 < n->curr_pairs;
}

/* False with errp: no descriptors are left. */
static bool describe_ring(VirtioNet *n, unsigned i, VhostRing *r, GError **errp)
{
    VirtQueue *q = virtio_queue(&n->vdev, i);
    VirtQueuePlace at = virtqueue_place(q);

    *r = (VhostRing){
        .index = i,
        .size = virtqueue_size(q),
        .desc = at.desc,
        .avail = at.avail,
        .used = at.used,
        .kick = virtio_queue_kick_fd(q, errp),
        .call = virtio_queue_call_fd(q),
        .base = virtqueue_last_avail(q),
        .on = ring_is_on(n, i),
    };
    return r->kick >= 0;
}

static bool start_rings(VirtioNet *n, GError **errp)
{
    g_autofree VhostRing *rings = g_new0(VhostRing, vnet_vhost_nrings(n));
    VhostStart s = {
        .features = n->vdev.features & vhost_user_features(n->vhost) &
                    ~VIRTIO_BIT(VHOST_FEATURE_PROTOCOL),
        .status = n->vdev.status,
        .mtu = virtio_has_feature(&n->vdev, VIRTIO_NET_F_MTU) ? n->host_mtu : 0,
        .go_on = n->vhost_go_on,
        .rings = rings,
    };

    n->vhost_rings = 0;
    for (unsigned i = 0; i < vnet_vhost_nrings(n); i++) {
        if (!virtqueue_ready(virtio_queue(&n->vdev, i))) {
            break; /* rings are placed in order */
        }
        if (!describe_ring(n, i, &rings[s.n++], errp)) {
            return false;
        }
    }
    if (s.n > 0 && !vhost_user_start(n->vhost, &s, errp)) {
        return false;
    }
    n->vhost_rings = s.n;
    n->vhost_on = s.n > 0;
    n->vhost_go_on = n->vhost_go_on && s.n == 0;
    return true;
}

static void stop_rings(VirtioNet *n)
{
    vhost_user_stop(n->vhost);
    n->vhost_on = false;
    n->vhost_go_on = true;
    /* A driver that stopped the device gets its memory back first. */
    if (n->vdev.running) {
        vhost_user_wait_later(n->vhost);
    }
}

void vnet_vhost_update(VirtioNet *n)
{
    GError *err = NULL;
    bool on;

    if (n->vhost == NULL) {
        return;
    }
    if (virtio_running(&n->vdev) && n->vhost_came) {
        /* At the source the driver may have been told of a link that's down. */
        n->vhost_came = false;
        virtio_notify_config(&n->vdev);
    }
    if (virtio_running(&n->vdev) && !vhost_user_is_up(n->vhost) &&
        !n->nic.port.link_down) {
        /* It came from a place where there was a back end. */
        net_port_set_link(&n->nic.port, false);
    }
    on = virtio_running(&n->vdev) && vhost_user_is_up(n->vhost) &&
         !n->nic.port.link_down;
    if (n->vhost_on && !on) {
        stop_rings(n);
    } else if (!n->vhost_on && on && !start_rings(n, &err)) {
        virtio_error(&n->vdev, "%s", err->message);
        g_error_free(err);
    }
}

/*
 * The rings are here: where they stand is a part of the device's state, and so
 * is an interrupt that the back end has asked for.
 */
static void rings_settled(void *opaque)
{
    VirtioNet *n = opaque;

    if (n->vhost_on || !n->vhost_go_on) {
        return;
    }
    for (unsigned i = 0; i < n->vhost_rings; i++) {
        VirtQueue *q = virtio_queue(&n->vdev, i);

        virtqueue_set_last_avail(q, vhost_user_base(n->vhost, i));
        virtio_queue_settle_call(q);
    }
    n->vhost_go_on = false;
}

void vnet_vhost_link_changed(VirtioNet *n)
{
    n->vhost_lost = n->nic.port.link_down && n->vhost != NULL &&
                    !vhost_user_is_up(n->vhost);
}

static void connection_changed(void *opaque)
{
    vnet_vhost_update(opaque);
}

void vnet_vhost_reset(VirtioNet *n)
{
    if (n->vhost == NULL) {
        return;
    }
    /* The device has been stopped by its status; queues are new now. */
    n->vhost_go_on = false;
    n->vhost_rings = 0;
    vhost_user_reset(n->vhost);
    vhost_user_wait_later(n->vhost);
}

void vnet_vhost_set_pairs(VirtioNet *n)
{
    for (unsigned i = 0; n->vhost_on && i < n->vhost_rings; i++) {
        vhost_user_enable(n->vhost, i, ring_is_on(n, i));
    }
}

void vnet_vhost_call_changed(VirtioDevice *d, VirtQueue *q)
{
    VirtioNet *n = vnet_of(d);
    unsigned i = virtqueue_index(q);

    if (n->vhost_on && i < n->vhost_rings) {
        vhost_user_set_call(n->vhost, i, virtio_queue_call_fd(q));
    }
}

void vnet_vhost_loaded(VirtioNet *n)
{
    n->vhost_lost = false;
    n->vhost_came = n->vhost != NULL && !n->nic.port.link_down;
    for (unsigned i = 0; n->vhost != NULL && i < vnet_vhost_nrings(n); i++) {
        VirtQueue *q = virtio_queue(&n->vdev, i);

        if (virtqueue_ready(q)) {
            virtio_queue_call_fd(q);
            virtio_queue_kick_fd(q, NULL);
        }
    }
}

bool vnet_vhost_realize(VirtioNet *n, GError **errp)
{
    const VhostUserCard card = {
        .changed = connection_changed,
        .settled = rings_settled,
        .opaque = n,
    };

    n->vhost = vhost_user_of_port(n->nic.netdev);
    n->external = n->vhost != NULL;
    if (n->vhost == NULL) {
        return true;
    }
    if (!vhost_user_set_card(n->vhost, &card, errp)) {
        n->vhost = NULL;
        return false;
    }
    n->nic.port.link_down = !vhost_user_is_up(n->vhost);
    vnet_vhost_link_changed(n);
    return true;
}

void vnet_vhost_unrealize(VirtioNet *n)
{
    if (n->vhost != NULL) {
        vhost_user_set_card(n->vhost, NULL, NULL);
        vnet_vhost_gone(n);
    }
}

void vnet_vhost_gone(VirtioNet *n)
{
    n->vhost = NULL;
    n->vhost_on = false;
    n->vhost_go_on = false;
    n->vhost_lost = false;
}
