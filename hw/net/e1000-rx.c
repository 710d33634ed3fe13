/*
 * Intel 82540EM: receiving.
 *
 * Facts: software developer's manual, sections 3.2 (descriptors, filters),
 * 13.4.22 (RCTL), 13.5 (filters), 13.7 (statistics).
 *
 * What a frame's checksum would be nobody computes here: where the guest
 * wants it kept, four zero bytes stand for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-priv.h"

#include "util/bswap.h"
#include "util/iov.h"

enum {
    RX_STATUS_DD = 1 << 0,
    RX_STATUS_EOP = 1 << 1,
    RX_STATUS_IXSM = 1 << 2, /* no checksum was looked at */
    RX_STATUS_VP = 1 << 3,

    RX_MAX = E1000_RX_MAX_LONG + ETH_FCS_LEN,
};

/* A frame on its way into the ring. */
typedef struct RxFrame {
    const uint8_t *data;
    size_t len; /* with what stands for the checksum, if it is kept */
    uint8_t status;
    uint16_t special;
} RxFrame;

static unsigned rx_ring_len(const E1000 *s)
{
    return E1000_MAC(s, E1000_RDLEN) / E1000_DESC_SIZE;
}

/* Descriptors that the guest has handed to us. */
static unsigned rx_free(const E1000 *s)
{
    unsigned n = rx_ring_len(s);
    unsigned head = E1000_MAC(s, E1000_RDH), tail = E1000_MAC(s, E1000_RDT);

    if (head >= n || tail >= n) {
        return 0;
    }
    return tail >= head ? tail - head : n - head + tail;
}

/* ---------------------------------------------------------------- ring --- */

/* Fills one buffer from `off` on and gives its descriptor back. */
static size_t rx_fill(E1000 *s, const RxFrame *f, size_t off, unsigned bufsize)
{
    uint64_t ring = (uint64_t)E1000_MAC(s, E1000_RDBAH) << 32 |
                    (E1000_MAC(s, E1000_RDBAL) & ~15u);
    uint64_t addr = ring + (uint64_t)E1000_MAC(s, E1000_RDH) * E1000_DESC_SIZE;
    size_t len = MIN(f->len - off, (size_t)bufsize);
    uint8_t desc[E1000_DESC_SIZE] = { 0 };
    bool last = off + len == f->len;
    uint64_t buffer;

    pci_dma_read(&s->pci, addr, desc, sizeof(desc));
    buffer = ldq_le_p(desc);
    /* A descriptor without a buffer is used up all the same. */
    if (buffer != 0) {
        pci_dma_write(&s->pci, buffer, f->data + off, len);
    }
    stw_le_p(desc + 8, len);
    stw_le_p(desc + 10, 0);
    desc[13] = 0;
    stw_le_p(desc + 14, f->special);
    desc[12] = 0;
    pci_dma_write(&s->pci, addr, desc, sizeof(desc));
    /* The rest is there when the status says so. */
    desc[12] = f->status | RX_STATUS_DD | (last ? RX_STATUS_EOP : 0);
    pci_dma_write(&s->pci, addr + 12, desc + 12, 1);
    E1000_MAC(s, E1000_RDH)++;
    if (E1000_MAC(s, E1000_RDH) >= rx_ring_len(s)) {
        E1000_MAC(s, E1000_RDH) = 0;
    }
    return len;
}

static void rx_store(E1000 *s, const RxFrame *f)
{
    uint32_t rctl = E1000_MAC(s, E1000_RCTL), causes = E1000_INT_RXT0;
    unsigned bufsize = e1000_rx_buffer_size(rctl);
    unsigned low = rx_ring_len(s) >> ((rctl >> E1000_RCTL_RDMTS_SHIFT & 3) + 1);

    for (size_t off = 0; off < f->len;) {
        off += rx_fill(s, f, off, bufsize);
    }
    if (rx_free(s) <= low) {
        causes |= E1000_INT_RXDMT0;
    }
    e1000_interrupt(s, causes);
}

/* Takes the tag out if the guest wants it beside the frame. */
static void rx_strip_vlan(E1000 *s, uint8_t *buf, RxFrame *f)
{
    if (!(E1000_MAC(s, E1000_CTRL) & E1000_CTRL_VME) ||
        !e1000_is_vlan(s->mac, buf, f->len)) {
        return;
    }
    f->special = lduw_be_p(buf + 14);
    f->status |= RX_STATUS_VP;
    memmove(buf + ETH_VLAN_LEN, buf, 12);
    f->data = buf + ETH_VLAN_LEN;
    f->len -= ETH_VLAN_LEN;
}

bool e1000_receive(NetPort *p, const NetPacket *pkt)
{
    E1000 *s = container_of(p, E1000, nic.port);
    uint32_t rctl = E1000_MAC(s, E1000_RCTL);
    uint8_t buf[RX_MAX];
    RxFrame f = { .data = buf, .status = RX_STATUS_IXSM };
    bool is_long = pkt->size > E1000_RX_MAX_STANDARD - ETH_FCS_LEN;

    if (!(rctl & E1000_RCTL_EN) ||
        !(E1000_MAC(s, E1000_STATUS) & E1000_STATUS_LU)) {
        return true;
    }
    if (pkt->size > E1000_RX_MAX_LONG ||
        (is_long && !(rctl & (E1000_RCTL_LPE | E1000_RCTL_SBP)))) {
        e1000_count(s->mac, E1000_ROC);
        return true;
    }
    f.len = iov_to_buf(pkt->iov, pkt->niov, 0, buf, pkt->size);
    if (f.len < ETH_MIN_LEN) {
        memset(buf + f.len, 0, ETH_MIN_LEN - f.len);
        f.len = ETH_MIN_LEN;
    }
    if (!e1000_rx_accept(s->mac, buf, f.len)) {
        return true;
    }
    if ((uint64_t)rx_ring_len(s) * e1000_rx_buffer_size(rctl) <
        f.len + ETH_FCS_LEN + e1000_rx_buffer_size(rctl)) {
        /* It will never fit, however long it waits. */
        e1000_count(s->mac, E1000_MPC);
        return true;
    }
    if (rx_free(s) * (uint64_t)e1000_rx_buffer_size(rctl) <
        f.len + ETH_FCS_LEN) {
        e1000_interrupt(s, E1000_INT_RXO);
        return false;
    }
    e1000_count_rx(s->mac, buf, f.len + ETH_FCS_LEN);
    if (!(rctl & E1000_RCTL_SECRC)) {
        memset(buf + f.len, 0, ETH_FCS_LEN);
        f.len += ETH_FCS_LEN;
    }
    rx_strip_vlan(s, buf, &f);
    rx_store(s, &f);
    return true;
}
