/*
 * virtio-net: the control queue, and the filters that it sets.
 * (Virtual I/O Device 1.2, section 5.1.6.5.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/virtio-net-priv.h"

#include "util/bswap.h"
#include "util/iov.h"

/* Longest command: two tables, however much the driver thinks we hold. */
enum { CTRL_MAX_BYTES = 64 * 1024 };

/* What is left of a command's data. */
typedef struct CtrlData {
    const uint8_t *p;
    size_t len;
} CtrlData;

static const uint8_t *ctrl_take(CtrlData *d, size_t n)
{
    const uint8_t *p = d->p;

    if (n > d->len) {
        return NULL;
    }
    d->p += n;
    d->len -= n;
    return p;
}

/* -------------------------------------------------------------- filters --- */

void vnet_filter_reset(VirtioNet *n)
{
    n->promisc = 1;
    n->allmulti = 0;
    n->alluni = 0;
    n->nomulti = 0;
    n->nouni = 0;
    n->nobcast = 0;
    n->mac_in_use = 0;
    n->first_multi = 0;
    n->multi_overflow = 0;
    n->uni_overflow = 0;
    memset(n->macs, 0, sizeof(n->macs));
    /* Every VLAN, for a driver that doesn't choose. */
    memset(n->vlans, 0xff, sizeof(n->vlans));
}

static bool in_table(const VirtioNet *n, const uint8_t *mac, unsigned first,
                     unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        if (memcmp(mac, n->macs + i * ETH_ADDR_LEN, ETH_ADDR_LEN) == 0) {
            return true;
        }
    }
    return false;
}

bool vnet_filter_accepts(const VirtioNet *n, const uint8_t *frame)
{
    if (n->promisc) {
        return true;
    }
    if (lduw_be_p(frame + 12) == ETH_TYPE_VLAN) {
        unsigned vid = lduw_be_p(frame + 14) & 0xfff;

        if (!(n->vlans[vid / 32] >> (vid % 32) & 1)) {
            return false;
        }
    }
    if (eth_is_broadcast(frame)) {
        return !n->nobcast;
    }
    if (eth_is_multicast(frame)) {
        return !n->nomulti &&
               (n->allmulti || n->multi_overflow ||
                in_table(n, frame, n->first_multi, n->mac_in_use));
    }
    return !n->nouni && (n->alluni || n->uni_overflow ||
                         memcmp(frame, n->mac.a, ETH_ADDR_LEN) == 0 ||
                         in_table(n, frame, 0, n->first_multi));
}

/* At most one event until the filters are asked for. */
static void filter_changed(VirtioNet *n)
{
    const NetHooks *h = networks_hooks(n->nic.port.nets);
    Device *dev = &n->vdev.pci.dev;
    g_autofree char *path = NULL;

    if (!n->filter_event || h->rx_filter_changed == NULL) {
        return;
    }
    n->filter_event = false;
    path = object_path(&dev->obj);
    h->rx_filter_changed(h->opaque, dev->id, path);
}

static RxState rx_state(bool none, bool all)
{
    return none ? RX_STATE_NONE : all ? RX_STATE_ALL : RX_STATE_NORMAL;
}

static StrList *mac_list(const VirtioNet *n, unsigned first, unsigned end)
{
    StrList *list = str_list_new();

    for (unsigned i = first; i < end; i++) {
        const uint8_t *a = n->macs + i * ETH_ADDR_LEN;

        str_list_append(list, g_strdup_printf(NET_MAC_FMT, a[0], a[1], a[2],
                                              a[3], a[4], a[5]));
    }
    return list;
}

RxFilterInfo *vnet_filter_info(NetPort *p)
{
    VirtioNet *n = vnet_of_port(p);
    RxFilterInfo *info = rx_filter_info_new();
    bool by_vlan = virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_VLAN);

    info->name = g_strdup(p->name);
    info->promiscuous = n->promisc;
    info->multicast = rx_state(n->nomulti, n->allmulti);
    info->unicast = rx_state(n->nouni, n->alluni);
    info->vlan = rx_state(false, !by_vlan);
    info->broadcast_allowed = !n->nobcast;
    info->multicast_overflow = n->multi_overflow;
    info->unicast_overflow = n->uni_overflow;
    info->main_mac = g_strdup_printf(NET_MAC_FMT, NET_MAC_ARGS(n->mac));
    info->unicast_table = mac_list(n, 0, n->first_multi);
    info->multicast_table = mac_list(n, n->first_multi, n->mac_in_use);
    info->vlan_table = int64_list_new();
    for (unsigned v = 0; by_vlan && v < 4096; v++) {
        if (n->vlans[v / 32] >> (v % 32) & 1) {
            int64_list_append(info->vlan_table, v);
        }
    }
    n->filter_event = true;
    return info;
}

/* ------------------------------------------------------------- commands --- */

static bool ctrl_rx(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    uint8_t *const flags[] = {
        [VIRTIO_NET_CTRL_RX_PROMISC] = &n->promisc,
        [VIRTIO_NET_CTRL_RX_ALLMULTI] = &n->allmulti,
        [VIRTIO_NET_CTRL_RX_ALLUNI] = &n->alluni,
        [VIRTIO_NET_CTRL_RX_NOMULTI] = &n->nomulti,
        [VIRTIO_NET_CTRL_RX_NOUNI] = &n->nouni,
        [VIRTIO_NET_CTRL_RX_NOBCAST] = &n->nobcast,
    };
    const uint8_t *on = ctrl_take(d, 1);

    if (on == NULL || cmd >= G_N_ELEMENTS(flags) ||
        !virtio_has_feature(&n->vdev, cmd <= VIRTIO_NET_CTRL_RX_ALLMULTI
                                          ? VIRTIO_NET_F_CTRL_RX
                                          : VIRTIO_NET_F_CTRL_RX_EXTRA)) {
        return false;
    }
    *flags[cmd] = *on != 0;
    filter_changed(n);
    return true;
}

/* One table of the two; NULL: it is cut short. */
static const uint8_t *take_table(CtrlData *d, uint32_t *ret_n)
{
    const uint8_t *count = ctrl_take(d, 4);
    uint32_t n = count != NULL ? ldl_le_p(count) : 0;

    if (count == NULL || n > d->len / ETH_ADDR_LEN) {
        return NULL;
    }
    *ret_n = n;
    return ctrl_take(d, (size_t)n * ETH_ADDR_LEN);
}

static bool ctrl_mac_table(VirtioNet *n, CtrlData *d)
{
    uint32_t nuni, nmulti, used = 0;
    const uint8_t *uni = take_table(d, &nuni);
    const uint8_t *multi = uni != NULL ? take_table(d, &nmulti) : NULL;

    if (multi == NULL || d->len != 0) {
        return false;
    }
    memset(n->macs, 0, sizeof(n->macs));
    n->uni_overflow = nuni > VNET_MAC_ENTRIES;
    if (!n->uni_overflow) {
        memcpy(n->macs, uni, (size_t)nuni * ETH_ADDR_LEN);
        used = nuni;
    }
    n->first_multi = used;
    n->multi_overflow = nmulti > VNET_MAC_ENTRIES - used;
    if (!n->multi_overflow) {
        memcpy(n->macs + (size_t)used * ETH_ADDR_LEN, multi,
               (size_t)nmulti * ETH_ADDR_LEN);
        used += nmulti;
    }
    n->mac_in_use = used;
    filter_changed(n);
    return true;
}

static bool ctrl_mac(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    const uint8_t *mac;

    if (cmd == VIRTIO_NET_CTRL_MAC_TABLE_SET) {
        return virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_RX) &&
               ctrl_mac_table(n, d);
    }
    if (cmd != VIRTIO_NET_CTRL_MAC_ADDR_SET || d->len != ETH_ADDR_LEN ||
        !virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_MAC_ADDR)) {
        return false;
    }
    mac = ctrl_take(d, ETH_ADDR_LEN);
    memcpy(n->mac.a, mac, ETH_ADDR_LEN);
    n->nic.port.mac = n->mac;
    filter_changed(n);
    return true;
}

static bool ctrl_vlan(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    const uint8_t *p = ctrl_take(d, 2);
    unsigned vid = p != NULL ? lduw_le_p(p) : UINT_MAX;

    if (vid >= 4096 || !virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_VLAN)) {
        return false;
    }
    if (cmd == VIRTIO_NET_CTRL_VLAN_ADD) {
        n->vlans[vid / 32] |= 1u << (vid % 32);
    } else if (cmd == VIRTIO_NET_CTRL_VLAN_DEL) {
        n->vlans[vid / 32] &= ~(1u << (vid % 32));
    } else {
        return false;
    }
    filter_changed(n);
    return true;
}

static bool ctrl_announce(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    if (cmd != VIRTIO_NET_CTRL_ANNOUNCE_ACK ||
        !(n->status & VIRTIO_NET_S_ANNOUNCE)) {
        return false;
    }
    n->status &= ~VIRTIO_NET_S_ANNOUNCE;
    return true;
}

static bool ctrl_mq(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    const uint8_t *p = ctrl_take(d, 2);
    unsigned pairs = p != NULL ? lduw_le_p(p) : 0;

    if (cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET || pairs == 0 ||
        pairs > n->max_pairs || !n->multiqueue) {
        return false;
    }
    n->curr_pairs = pairs;
    vnet_vhost_set_pairs(n);
    return true;
}

static bool ctrl_offloads(VirtioNet *n, uint8_t cmd, CtrlData *d)
{
    const uint64_t known = VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) |
                           VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) |
                           VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6) |
                           VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN) |
                           VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO);
    const uint8_t *p = ctrl_take(d, 8);
    uint64_t offloads = p != NULL ? ldq_le_p(p) : 0;

    if (p == NULL || cmd != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET ||
        !virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
        (offloads & ~(known & n->vdev.features)) != 0) {
        return false;
    }
    n->guest_offloads = offloads;
    vnet_apply_offloads(n);
    return true;
}

bool vnet_ctrl_command(VirtioNet *n, const uint8_t *buf, size_t len)
{
    CtrlData data = { buf, len }, *d = &data;
    const uint8_t *hdr = ctrl_take(d, 2); /* class, command */

    if (hdr == NULL) {
        return false;
    }
    switch (hdr[0]) {
    case VIRTIO_NET_CTRL_RX:
        return ctrl_rx(n, hdr[1], d);
    case VIRTIO_NET_CTRL_MAC:
        return ctrl_mac(n, hdr[1], d);
    case VIRTIO_NET_CTRL_VLAN:
        return ctrl_vlan(n, hdr[1], d);
    case VIRTIO_NET_CTRL_ANNOUNCE:
        return ctrl_announce(n, hdr[1], d);
    case VIRTIO_NET_CTRL_MQ:
        return ctrl_mq(n, hdr[1], d);
    case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
        return ctrl_offloads(n, hdr[1], d);
    default:
        return false;
    }
}

void vnet_ctrl_kick(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtioNet *n = vnet_of(d);
    VirtQueueElem *e;

    while ((e = virtio_turn_pop(&turn)) != NULL) {
        g_autofree uint8_t *buf = NULL;
        size_t len = MIN(e->out_bytes, (size_t)CTRL_MAX_BYTES);
        uint8_t ack;

        if (e->in_bytes < 1 || e->out_bytes < 2) {
            virtio_error(d, "control queue: a chain of %zu and %zu bytes",
                         e->out_bytes, e->in_bytes);
            virtqueue_detach(q, e);
            return;
        }
        buf = g_malloc(len);
        iov_to_buf(e->out, e->nout, 0, buf, len);
        ack = e->out_bytes <= CTRL_MAX_BYTES && vnet_ctrl_command(n, buf, len)
                  ? VIRTIO_NET_OK
                  : VIRTIO_NET_ERR;
        iov_from_buf(e->in, e->nin, 0, &ack, 1);
        virtqueue_push(q, e, 1);
        virtqueue_notify(q);
    }
}
