/*
 * The control queue of virtio-net: whatever commands a driver gives, the
 * filters stay within their bounds.
 *
 * Input: commands one after the other, each with its length (one byte) first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/virtio-net-priv.h"
#include "tests/fuzz/fuzz.h"

enum {
    PAIRS = 4,
    FRAME = 18, /* bytes that the filter looks at */
};

static const NetPortOps ops = { .type = "nic", .is_nic = true };

static void check(const VirtioNet *n)
{
    if (n->mac_in_use > VNET_MAC_ENTRIES || n->first_multi > n->mac_in_use) {
        fuzz_fail("%u addresses, multicast from %u on", n->mac_in_use,
                  n->first_multi);
    }
    if (n->curr_pairs == 0 || n->curr_pairs > PAIRS) {
        fuzz_fail("%u pairs of queues in use", n->curr_pairs);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Networks *nets = networks_new(NULL);
    VirtioNet *n = g_new0(VirtioNet, 1);

    net_port_init(&n->nic.port, nets, &ops, "virtio-net-pci", NULL, PAIRS);
    n->vdev.features = UINT64_MAX;
    n->max_pairs = PAIRS;
    n->curr_pairs = 1;
    n->multiqueue = true;
    vnet_filter_reset(n);
    while (len > 0) {
        size_t part = MIN((size_t)data[0], len - 1);
        /* A copy of its own, so that a read beyond its end is seen. */
        g_autofree uint8_t *cmd = g_memdup2(data + 1, part);

        vnet_ctrl_command(n, cmd, part);
        check(n);
        if (part >= FRAME) {
            vnet_filter_accepts(n, cmd);
        }
        data += 1 + part;
        len -= 1 + part;
    }
    rx_filter_info_free(vnet_filter_info(&n->nic.port));
    net_port_fini(&n->nic.port);
    g_free(n);
    networks_free(nets);
    return 0;
}
