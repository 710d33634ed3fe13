/*
 * virtio-net: its own state, behind that of the virtio core.
 *
 * Big-endian, as from a 7.2 machine:
 *
 *   MAC address 6 bytes, send timer armed u32 (pair 0), merging u32,
 *   status u16, promiscuous u8, all multicast u8,
 *   table: u32 entries, 6 bytes each; VLANs 512 bytes,
 *   packets have a header u32, multicast overflow u8, unicast overflow u8,
 *   all unicast u8, no multicast u8, no unicast u8, no broadcast u8,
 *   UFO u8
 *   more than one pair: pairs u16, in use u16, u32 for each of these but the
 *   first: send timer armed
 *   VIRTIO_NET_F_CTRL_GUEST_OFFLOADS: offloads u64
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/virtio-net-priv.h"

#include "util/bswap.h"
#include "util/error.h"

static bool peer_has_vnet(const VirtioNet *n)
{
    return n->nic.port.peer != NULL && n->nic.port.peer->has_vnet;
}

static bool has_offloads(const VirtioNet *n)
{
    return virtio_has_feature(&n->vdev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
}

static void put_filter(StreamOut *s, const VirtioNet *n)
{
    stream_put_u8(s, n->promisc);
    stream_put_u8(s, n->allmulti);
    stream_put_be32(s, n->mac_in_use);
    stream_put(s, n->macs, (size_t)n->mac_in_use * ETH_ADDR_LEN);
    for (unsigned i = 0; i < VNET_VLAN_WORDS; i++) {
        uint8_t word[4];

        stl_le_p(word, n->vlans[i]);
        stream_put(s, word, sizeof(word));
    }
}

static bool put_own(StreamOut *s, const void *field, size_t size, GError **errp)
{
    const VirtioNet *n = field;
    bool ufo =
        peer_has_vnet(n) && (n->nic.port.peer->takes & NET_OFFLOAD_UFO) != 0;

    stream_put(s, n->mac.a, ETH_ADDR_LEN);
    stream_put_be32(s, n->pairs[0].tx_waiting);
    stream_put_be32(s, n->mergeable);
    /* A cable that only lacks its other end has one where the guest goes. */
    stream_put_be16(s, n->status | (n->vhost_lost ? VIRTIO_NET_S_LINK_UP : 0));
    put_filter(s, n);
    stream_put_be32(s, peer_has_vnet(n));
    stream_put_u8(s, n->multi_overflow);
    stream_put_u8(s, n->uni_overflow);
    stream_put_u8(s, n->alluni);
    stream_put_u8(s, n->nomulti);
    stream_put_u8(s, n->nouni);
    stream_put_u8(s, n->nobcast);
    stream_put_u8(s, ufo);
    if (n->max_pairs > 1) {
        stream_put_be16(s, n->max_pairs);
        stream_put_be16(s, n->curr_pairs);
        for (unsigned i = 1; i < n->curr_pairs; i++) {
            stream_put_be32(s, n->pairs[i].tx_waiting);
        }
    }
    if (has_offloads(n)) {
        stream_put_be64(s, n->guest_offloads);
    }
    return true;
}

static bool get_filter(StreamIn *s, VirtioNet *n, GError **errp)
{
    n->promisc = stream_get_u8(s);
    n->allmulti = stream_get_u8(s);
    n->mac_in_use = stream_get_be32(s);
    if (n->mac_in_use > VNET_MAC_ENTRIES) {
        error_setf(errp, "%" PRIu32 " MAC addresses: at most %d", n->mac_in_use,
                   VNET_MAC_ENTRIES);
        n->mac_in_use = 0;
        return false;
    }
    stream_get(s, n->macs, (size_t)n->mac_in_use * ETH_ADDR_LEN);
    for (unsigned i = 0; i < VNET_VLAN_WORDS; i++) {
        uint8_t word[4];

        stream_get(s, word, sizeof(word));
        n->vlans[i] = ldl_le_p(word);
    }
    n->first_multi = 0;
    while (n->first_multi < n->mac_in_use &&
           !eth_is_multicast(n->macs + n->first_multi * ETH_ADDR_LEN)) {
        n->first_multi++;
    }
    return true;
}

static bool get_pairs(StreamIn *s, VirtioNet *n, GError **errp)
{
    unsigned max = stream_get_be16(s), curr = stream_get_be16(s);

    if (stream_in_error(s) == 0 && max != n->max_pairs) {
        error_setf(errp, "%u pairs of queues in the stream, %u here", max,
                   n->max_pairs);
        return false;
    }
    if (stream_in_error(s) == 0 && (curr == 0 || curr > n->max_pairs)) {
        error_setf(errp, "%u pairs of queues in use, of %u", curr,
                   n->max_pairs);
        return false;
    }
    n->curr_pairs = MAX(curr, 1u);
    for (unsigned i = 1; i < curr && i < n->max_pairs; i++) {
        n->pairs[i].tx_waiting = stream_get_be32(s) != 0;
    }
    return true;
}

static bool get_own(StreamIn *s, void *field, size_t size, GError **errp)
{
    VirtioNet *n = field;
    uint32_t has_vnet;

    stream_get(s, n->mac.a, ETH_ADDR_LEN);
    n->pairs[0].tx_waiting = stream_get_be32(s) != 0;
    n->mergeable = stream_get_be32(s) != 0;
    n->status = stream_get_be16(s);
    if (!get_filter(s, n, errp)) {
        return false;
    }
    has_vnet = stream_get_be32(s);
    n->multi_overflow = stream_get_u8(s);
    n->uni_overflow = stream_get_u8(s);
    n->alluni = stream_get_u8(s);
    n->nomulti = stream_get_u8(s);
    n->nouni = stream_get_u8(s);
    n->nobcast = stream_get_u8(s);
    stream_get_u8(s);
    if (has_vnet && !peer_has_vnet(n)) {
        error_setf(errp, "the source's back end has headers (vnet_hdr=on), "
                         "the one here has none");
        return false;
    }
    if (n->max_pairs > 1 && !get_pairs(s, n, errp)) {
        return false;
    }
    if (has_offloads(n)) {
        n->guest_offloads = stream_get_be64(s) & n->vdev.features;
    }
    return true;
}

static const VmstateInfo own_info = {
    .name = "virtio-net",
    .put = put_own,
    .get = get_own,
};

const Vmstate vnet_own_vmstate = {
    .name = "virtio-net-device",
    .version = 11,
    .oldest = 11,
    .fields =
        (const VmstateField[]){
            { .name = "own", .kind = VMS_CUSTOM, .info = &own_info },
            VMSTATE_END,
        },
};

/* The driver's features have said the same already, but for broken streams. */
void vnet_load_queues(VirtioDevice *d, unsigned n)
{
    VirtioNet *net = vnet_of(d);

    vnet_set_multiqueue(net, n > 3);
}

/* The cable is where the source's user had it. */
bool vnet_post_load(VirtioDevice *d, GError **errp)
{
    VirtioNet *n = vnet_of(d);

    n->nic.port.mac = n->mac;
    n->nic.port.link_down = (n->status & VIRTIO_NET_S_LINK_UP) == 0;
    vnet_apply_offloads(n);
    vnet_vhost_loaded(n);
    return true;
}
