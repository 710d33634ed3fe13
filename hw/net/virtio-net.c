/*
 * virtio-net: network card.  (Virtual I/O Device 1.2, section 5.1.)
 *
 *   queues  0 receive, 1 send, 2 receive, 3 send, …; the last: control
 *
 * There are as many pairs as the back end has, and one pair and the control
 * queue for drivers that don't know of several.
 *
 * Stream: "virtio-net" version 11 (virtio-net-vmstate.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/virtio-net.h"

#include "hw/net/virtio-net-priv.h"
#include "hw/virtio/virtio-pci.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    CTRL_QUEUE_SIZE = 64,
    QUEUE_SIZE_MIN = 256,
};

/* One property each; the order is that of VirtioNet.feature_props. */
static const uint8_t feature_bits[VNET_FEATURE_PROPS] = {
    VIRTIO_NET_F_CSUM,          VIRTIO_NET_F_GUEST_CSUM,
    VIRTIO_NET_F_GSO,           VIRTIO_NET_F_GUEST_TSO4,
    VIRTIO_NET_F_GUEST_TSO6,    VIRTIO_NET_F_GUEST_ECN,
    VIRTIO_NET_F_GUEST_UFO,     VIRTIO_NET_F_GUEST_ANNOUNCE,
    VIRTIO_NET_F_HOST_TSO4,     VIRTIO_NET_F_HOST_TSO6,
    VIRTIO_NET_F_HOST_ECN,      VIRTIO_NET_F_HOST_UFO,
    VIRTIO_NET_F_MRG_RXBUF,     VIRTIO_NET_F_STATUS,
    VIRTIO_NET_F_CTRL_VQ,       VIRTIO_NET_F_CTRL_RX,
    VIRTIO_NET_F_CTRL_VLAN,     VIRTIO_NET_F_CTRL_RX_EXTRA,
    VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
};

/* Guest's offloads as features, and as the ports say it. */
static const struct {
    uint64_t feature;
    unsigned takes;
} guest_offloads[] = {
    { VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM), NET_OFFLOAD_CSUM },
    { VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4), NET_OFFLOAD_TSO4 },
    { VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6), NET_OFFLOAD_TSO6 },
    { VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN), NET_OFFLOAD_ECN },
    { VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO), NET_OFFLOAD_UFO },
};

/* ------------------------------------------------------------- features --- */

/* What only makes sense with headers on the packets. */
static uint64_t vnet_features(void)
{
    return VIRTIO_BIT(VIRTIO_NET_F_CSUM) | VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO4) |
           VIRTIO_BIT(VIRTIO_NET_F_HOST_TSO6) |
           VIRTIO_BIT(VIRTIO_NET_F_HOST_ECN) |
           VIRTIO_BIT(VIRTIO_NET_F_HOST_UFO) |
           VIRTIO_BIT(VIRTIO_NET_F_GUEST_CSUM) |
           VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO4) |
           VIRTIO_BIT(VIRTIO_NET_F_GUEST_TSO6) |
           VIRTIO_BIT(VIRTIO_NET_F_GUEST_ECN) |
           VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO);
}

static uint64_t vnet_get_features(VirtioDevice *d, uint64_t offered)
{
    VirtioNet *n = vnet_of(d);
    const NetPort *peer = n->nic.port.peer;
    uint64_t f = VIRTIO_BIT(VIRTIO_NET_F_MAC);

    for (unsigned i = 0; i < VNET_FEATURE_PROPS; i++) {
        f |= n->feature_props[i] ? VIRTIO_BIT(feature_bits[i]) : 0;
    }
    if (n->opt_mq) {
        f |= VIRTIO_BIT(VIRTIO_NET_F_MQ);
    }
    if (n->host_mtu != 0) {
        f |= VIRTIO_BIT(VIRTIO_NET_F_MTU);
    }
    if (n->speed >= 0 || n->opt_duplex != NULL) {
        f |= VIRTIO_BIT(VIRTIO_NET_F_SPEED_DUPLEX);
    }
    if (peer == NULL || !peer->has_vnet) {
        f &= ~vnet_features();
    } else if (!(peer->takes & NET_OFFLOAD_UFO)) {
        f &= ~(VIRTIO_BIT(VIRTIO_NET_F_HOST_UFO) |
               VIRTIO_BIT(VIRTIO_NET_F_GUEST_UFO));
    }
    return vnet_vhost_features(n, offered | f);
}

void vnet_apply_offloads(VirtioNet *n)
{
    unsigned takes = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(guest_offloads); i++) {
        if (n->guest_offloads & guest_offloads[i].feature) {
            takes |= guest_offloads[i].takes;
        }
    }
    net_port_set_takes(&n->nic.port, takes);
}

static void add_pair(VirtioNet *n, unsigned i)
{
    VnetPair *p = &n->pairs[i];

    p->rx = virtio_add_queue(&n->vdev, n->rx_queue_size, vnet_rx_kick);
    p->tx = virtio_add_queue(&n->vdev, n->tx_queue_size, vnet_tx_kick);
    virtio_queue_set_doorbell(p->tx, true);
    if (n->external) {
        virtio_queue_set_doorbell(p->rx, true);
        virtio_queue_set_external(p->rx);
        virtio_queue_set_external(p->tx);
    }
}

/* The control queue is always the last. */
static void make_queues(VirtioNet *n, unsigned npairs)
{
    virtio_del_queues(&n->vdev, 0);
    for (unsigned i = 0; i < n->max_pairs; i++) {
        n->pairs[i].rx = NULL;
        n->pairs[i].tx = NULL;
    }
    for (unsigned i = 0; i < npairs; i++) {
        add_pair(n, i);
    }
    n->ctrl = virtio_add_queue(&n->vdev, CTRL_QUEUE_SIZE, vnet_ctrl_kick);
}

void vnet_set_multiqueue(VirtioNet *n, bool on)
{
    bool have = n->max_pairs > 1 && n->pairs[1].rx != NULL;

    n->multiqueue = on && n->max_pairs > 1;
    if (have != n->multiqueue) {
        make_queues(n, n->multiqueue ? n->max_pairs : 1);
    }
}

static void vnet_set_features(VirtioDevice *d)
{
    VirtioNet *n = vnet_of(d);
    uint64_t all = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(guest_offloads); i++) {
        all |= guest_offloads[i].feature;
    }
    n->mergeable = virtio_has_feature(d, VIRTIO_NET_F_MRG_RXBUF);
    n->guest_offloads = d->features & all;
    vnet_apply_offloads(n);
    memset(n->vlans, virtio_has_feature(d, VIRTIO_NET_F_CTRL_VLAN) ? 0 : 0xff,
           sizeof(n->vlans));
    vnet_set_multiqueue(n, virtio_has_feature(d, VIRTIO_NET_F_MQ));
}

/* -------------------------------------------------------- configuration --- */

static void vnet_get_config(VirtioDevice *d, uint8_t *config)
{
    VirtioNet *n = vnet_of(d);
    struct virtio_net_config c = { 0 };

    memcpy(c.mac, n->mac.a, ETH_ADDR_LEN);
    c.status = GUINT16_TO_LE(n->status);
    c.max_virtqueue_pairs = GUINT16_TO_LE((uint16_t)n->max_pairs);
    c.mtu = GUINT16_TO_LE(n->host_mtu);
    c.speed = GUINT32_TO_LE((uint32_t)n->speed);
    c.duplex = g_strcmp0(n->opt_duplex, "half") == 0   ? 0
               : g_strcmp0(n->opt_duplex, "full") == 0 ? 1
                                                       : 0xff;
    memcpy(config, &c, d->config_size);
}

/* Old drivers set the address by writing it. */
static void vnet_set_config(VirtioDevice *d, const uint8_t *config)
{
    VirtioNet *n = vnet_of(d);

    if (!virtio_has_feature(d, VIRTIO_NET_F_CTRL_MAC_ADDR) &&
        !virtio_has_feature(d, VIRTIO_F_VERSION_1)) {
        memcpy(n->mac.a, config, ETH_ADDR_LEN);
        n->nic.port.mac = n->mac;
    }
}

static unsigned config_size(const VirtioNet *n)
{
    if (n->speed >= 0 || n->opt_duplex != NULL) {
        return offsetof(struct virtio_net_config, duplex) + 1;
    }
    if (n->host_mtu != 0) {
        return offsetof(struct virtio_net_config, mtu) + 2;
    }
    if (n->opt_mq) {
        return offsetof(struct virtio_net_config, max_virtqueue_pairs) + 2;
    }
    return offsetof(struct virtio_net_config, status) + 2;
}

/* ----------------------------------------------------------------- port --- */

static void vnet_link_changed(NetPort *p)
{
    VirtioNet *n = vnet_of_port(p);
    uint16_t old = n->status;

    n->status &= ~VIRTIO_NET_S_LINK_UP;
    n->status |= p->link_down ? 0 : VIRTIO_NET_S_LINK_UP;
    vnet_vhost_link_changed(n);
    if (n->status != old) {
        virtio_notify_config(&n->vdev);
    }
    vnet_vhost_update(n);
}

static void vnet_peer_changed(NetPort *p)
{
    if (p->peer == NULL) {
        vnet_vhost_gone(vnet_of_port(p));
    }
}

/* The driver sends what tells the network where its addresses are now. */
static bool vnet_announce(NetPort *p)
{
    VirtioNet *n = vnet_of_port(p);

    if (!virtio_running(&n->vdev) ||
        !virtio_has_feature(&n->vdev, VIRTIO_NET_F_GUEST_ANNOUNCE) ||
        !virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_VQ)) {
        return false;
    }
    n->status |= VIRTIO_NET_S_ANNOUNCE;
    virtio_notify_config(&n->vdev);
    return true;
}

static const NetPortOps vnet_port_ops = {
    .type = "nic",
    .is_nic = true,
    .receive = vnet_receive,
    .resume = vnet_tx_resume,
    .peer_changed = vnet_peer_changed,
    .link_changed = vnet_link_changed,
    .rx_filter = vnet_filter_info,
    .announce = vnet_announce,
};

/* ----------------------------------------------------------------- life --- */

static void vnet_reset(VirtioDevice *d)
{
    VirtioNet *n = vnet_of(d);

    for (unsigned i = 0; i < n->max_pairs; i++) {
        vnet_tx_stop(&n->pairs[i]);
        n->pairs[i].tx_waiting = 0;
    }
    vnet_vhost_reset(n);
    vnet_filter_reset(n);
    n->curr_pairs = 1;
    n->mac = n->nic.mac;
    n->nic.port.mac = n->mac;
    n->status = n->nic.port.link_down ? 0 : VIRTIO_NET_S_LINK_UP;
    n->mergeable = 0;
    n->guest_offloads = 0;
    vnet_apply_offloads(n);
}

static void vnet_set_status(VirtioDevice *d, uint8_t old)
{
    VirtioNet *n = vnet_of(d);

    for (unsigned i = 0; i < n->max_pairs; i++) {
        if (virtio_running(d)) {
            vnet_tx_start(&n->pairs[i]);
        } else {
            vnet_tx_stop(&n->pairs[i]);
        }
    }
    vnet_vhost_update(n);
}

static bool check_queue_size(const char *name, uint16_t size, GError **errp)
{
    if (size < QUEUE_SIZE_MIN || size > VIRTQUEUE_MAX_SIZE || !is_pow2(size)) {
        error_setf(errp,
                   "Invalid %s (= %u), must be a power of 2 between %d and "
                   "%d.",
                   name, size, QUEUE_SIZE_MIN, VIRTQUEUE_MAX_SIZE);
        return false;
    }
    return true;
}

static bool vnet_check(const VirtioNet *n, GError **errp)
{
    const struct {
        bool on;
        const char *name;
    } missing[] = {
        { n->opt_rss, "rss" },
        { n->opt_hash, "hash" },
        { n->opt_rsc, "guest_rsc_ext" },
        { n->opt_failover, "failover" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(missing); i++) {
        if (missing[i].on) {
            error_setf(errp, "%s=on is not supported", missing[i].name);
            return false;
        }
    }
    if (n->opt_duplex != NULL && !g_str_equal(n->opt_duplex, "half") &&
        !g_str_equal(n->opt_duplex, "full")) {
        error_setf(errp, "'duplex' must be 'half' or 'full'");
        return false;
    }
    if (n->speed < -1) {
        error_setf(errp, "'speed' must be between 0 and INT_MAX");
        return false;
    }
    if (n->opt_tx != NULL && *n->opt_tx != '\0' &&
        !g_str_equal(n->opt_tx, "timer") && !g_str_equal(n->opt_tx, "bh")) {
        error_setf(errp, "tx=%s: 'timer' or 'bh'", n->opt_tx);
        return false;
    }
    if (n->tx_burst < 1) {
        error_setf(errp, "x-txburst=%d: at least 1", n->tx_burst);
        return false;
    }
    return check_queue_size("rx_queue_size", n->rx_queue_size, errp) &&
           check_queue_size("tx_queue_size", n->tx_queue_size, errp);
}

static bool vnet_realize(VirtioDevice *d, GError **errp)
{
    VirtioNet *n = vnet_of(d);
    Vm *vm = d->pci.dev.vm;

    if (!vnet_check(n, errp)) {
        return false;
    }
    n->max_pairs = n->nic.netdev != NULL ? n->nic.netdev->nqueues : 1;
    n->nic.port.has_vnet = true;
    n->nic.shares_rings = true;
    /* A network that runs calls its new port at once. */
    n->curr_pairs = 1;
    n->pairs = g_new0(VnetPair, n->max_pairs);
    for (unsigned i = 0; i < n->max_pairs; i++) {
        n->pairs[i].net = n;
        n->pairs[i].index = i;
        timer_init(&n->pairs[i].tx_timer, vm->clocks, CLOCK_TYPE_VIRTUAL,
                   vnet_tx_timer, &n->pairs[i]);
    }
    if (!nic_realize(&n->nic, &d->pci.dev, &vnet_port_ops, n->max_pairs,
                     errp)) {
        g_clear_pointer(&n->pairs, g_free);
        return false;
    }
    if (!vnet_vhost_realize(n, errp)) {
        nic_unrealize(&n->nic);
        g_clear_pointer(&n->pairs, g_free);
        return false;
    }
    if (d->props.vectors == VIRTIO_VECTORS_AUTO) {
        d->props.vectors = 2 * n->max_pairs + 2;
    }
    n->filter_event = true;
    n->mac = n->nic.mac;
    n->status = n->nic.port.link_down ? 0 : VIRTIO_NET_S_LINK_UP;
    make_queues(n, n->max_pairs);
    d->config_size = config_size(n);
    vnet_filter_reset(n);
    return true;
}

static void vnet_unrealize(VirtioDevice *d)
{
    VirtioNet *n = vnet_of(d);

    vnet_vhost_unrealize(n);
    nic_unrealize(&n->nic);
    for (unsigned i = 0; i < n->max_pairs; i++) {
        vnet_tx_stop(&n->pairs[i]);
    }
    g_clear_pointer(&n->pairs, g_free);
}

static const VirtioType virtio_net = {
    .name = "virtio-net",
    .id = VIRTIO_ID_NET,
    .vectors = 4,
    /* A modern driver has it implied by the single ones. */
    .legacy_features = VIRTIO_BIT(VIRTIO_NET_F_GSO),
    .realize = vnet_realize,
    .unrealize = vnet_unrealize,
    .get_features = vnet_get_features,
    .set_features = vnet_set_features,
    .get_config = vnet_get_config,
    .set_config = vnet_set_config,
    .set_status = vnet_set_status,
    .reset = vnet_reset,
    .call_changed = vnet_vhost_call_changed,
    .vmstate = &vnet_own_vmstate,
    .load_queues = vnet_load_queues,
    .post_load = vnet_post_load,
};

/* ----------------------------------------------------------- properties --- */

#define FEATURE(i, name_) \
    PROP(PROP_BOOL, VirtioNet, feature_props[i], name_, .def = true)

static const Property vnet_props[] = {
    FEATURE(0, "csum"),
    FEATURE(1, "guest_csum"),
    FEATURE(2, "gso"),
    FEATURE(3, "guest_tso4"),
    FEATURE(4, "guest_tso6"),
    FEATURE(5, "guest_ecn"),
    FEATURE(6, "guest_ufo"),
    FEATURE(7, "guest_announce"),
    FEATURE(8, "host_tso4"),
    FEATURE(9, "host_tso6"),
    FEATURE(10, "host_ecn"),
    FEATURE(11, "host_ufo"),
    FEATURE(12, "mrg_rxbuf"),
    FEATURE(13, "status"),
    FEATURE(14, "ctrl_vq"),
    FEATURE(15, "ctrl_rx"),
    FEATURE(16, "ctrl_vlan"),
    FEATURE(17, "ctrl_rx_extra"),
    FEATURE(18, "ctrl_mac_addr"),
    FEATURE(19, "ctrl_guest_offloads"),
    PROP(PROP_BOOL, VirtioNet, opt_mq, "mq"),
    PROP(PROP_BOOL, VirtioNet, opt_rss, "rss"),
    PROP(PROP_BOOL, VirtioNet, opt_hash, "hash"),
    PROP(PROP_BOOL, VirtioNet, opt_rsc, "guest_rsc_ext"),
    PROP(PROP_U32, VirtioNet, opt_rsc_interval, "rsc_interval", .def = 300000),
    NIC_PROPS(VirtioNet, nic),
    PROP(PROP_U32, VirtioNet, tx_timer_ns, "x-txtimer", .def = 150000),
    PROP(PROP_I32, VirtioNet, tx_burst, "x-txburst", .def = 256),
    PROP(PROP_STR, VirtioNet, opt_tx, "tx"),
    PROP(PROP_U16, VirtioNet, rx_queue_size, "rx_queue_size", .def = 256),
    PROP(PROP_U16, VirtioNet, tx_queue_size, "tx_queue_size", .def = 256),
    PROP(PROP_U16, VirtioNet, host_mtu, "host_mtu"),
    PROP(PROP_BOOL, VirtioNet, opt_mtu_bypass, "x-mtu-bypass-backend",
         .def = true),
    PROP(PROP_I32, VirtioNet, speed, "speed", .def = -1),
    PROP(PROP_STR, VirtioNet, opt_duplex, "duplex"),
    PROP(PROP_BOOL, VirtioNet, opt_failover, "failover"),
    PROP_END,
};

static const PciInfo vnet_pci = {
    .vendor_id = VIRTIO_PCI_VENDOR,
    .device_id = 0x1000,
    .class_id = 0x0200,
    .romfile = "efi-virtio.rom",
};

static const Vmstate vnet_vmstate = VIRTIO_VMSTATE("virtio-net", 11);

#define VNET_TYPE                                                            \
    VIRTIO_PCI_TYPE, .category = "Network", .size = sizeof(VirtioNet),       \
                     .props = vnet_props,                                    \
                     .more_props = virtio_pci_prop_tables, .pci = &vnet_pci, \
                     .virtio = &virtio_net, .vmstate = &vnet_vmstate

const DeviceType virtio_net_pci_type = {
    VNET_TYPE,
    .name = "virtio-net-pci",
    .parent = "virtio-net-pci-base",
    .alias = "virtio-net",
};

const DeviceType virtio_net_pci_transitional_type = {
    VNET_TYPE,
    .name = "virtio-net-pci-transitional",
    .parent = "virtio-net-pci-base",
    .init = virtio_pci_init_transitional,
};

const DeviceType virtio_net_pci_non_transitional_type = {
    VNET_TYPE,
    .name = "virtio-net-pci-non-transitional",
    .parent = "virtio-net-pci-base",
    .init = virtio_pci_init_non_transitional,
};
