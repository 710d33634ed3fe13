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
    RCTL_EN = 1 << 1,
    RCTL_SBP = 1 << 2,
    RCTL_UPE = 1 << 3,
    RCTL_MPE = 1 << 4,
    RCTL_LPE = 1 << 5,
    RCTL_RDMTS_SHIFT = 8,
    RCTL_MO_SHIFT = 12,
    RCTL_BAM = 1 << 15,
    RCTL_BSIZE_SHIFT = 16,
    RCTL_VFE = 1 << 18,
    RCTL_BSEX = 1 << 25,
    RCTL_SECRC = 1 << 26,

    RX_STATUS_DD = 1 << 0,
    RX_STATUS_EOP = 1 << 1,
    RX_STATUS_IXSM = 1 << 2, /* no checksum was looked at */
    RX_STATUS_VP = 1 << 3,

    RX_MAX_STANDARD = 1522, /* bytes, without LPE */
    RX_MAX_LONG = 16384,
    RX_MAX = RX_MAX_LONG + ETH_FCS_LEN,
};

/* A frame on its way into the ring. */
typedef struct RxFrame {
    const uint8_t *data;
    size_t len; /* with what stands for the checksum, if it is kept */
    uint8_t status;
    uint16_t special;
} RxFrame;

unsigned e1000_rx_buffer_size(uint32_t rctl)
{
    unsigned shift = rctl >> RCTL_BSIZE_SHIFT & 3;

    if (rctl & RCTL_BSEX) {
        return shift == 0 ? 2048 : 32768 >> shift;
    }
    return 2048 >> shift;
}

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

/* ------------------------------------------------------------- filters --- */

static uint16_t vlan_type(const E1000 *s)
{
    return E1000_MAC(s, E1000_VET) & 0xffff;
}

static bool is_vlan(const E1000 *s, const uint8_t *frame, size_t len)
{
    return len >= ETH_HEADER_LEN + ETH_VLAN_LEN &&
           lduw_be_p(frame + 12) == vlan_type(s);
}

static bool match_exact(const E1000 *s, const uint8_t *dest)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t low = E1000_MAC(s, E1000_RA + 8 * i);
        uint32_t high = E1000_MAC(s, E1000_RA + 8 * i + 4);

        if ((high & E1000_RAH_AV) && ldl_le_p(dest) == low &&
            lduw_le_p(dest + 4) == (high & 0xffff)) {
            return true;
        }
    }
    return false;
}

static bool match_multicast(const E1000 *s, const uint8_t *dest)
{
    static const uint8_t shifts[] = { 4, 3, 2, 0 };
    unsigned mo = E1000_MAC(s, E1000_RCTL) >> RCTL_MO_SHIFT & 3;
    unsigned bit = lduw_le_p(dest + 4) >> shifts[mo] & 0xfff;

    return E1000_MAC(s, E1000_MTA + bit / 32 * 4) >> (bit % 32) & 1;
}

static bool rx_accept(E1000 *s, const uint8_t *frame, size_t len)
{
    uint32_t rctl = E1000_MAC(s, E1000_RCTL);

    if ((rctl & RCTL_VFE) && is_vlan(s, frame, len)) {
        unsigned vid = lduw_be_p(frame + 14) & 0xfff;

        if (!(E1000_MAC(s, E1000_VFTA + vid / 32 * 4) >> (vid % 32) & 1)) {
            return false;
        }
    }
    if (eth_is_broadcast(frame)) {
        return (rctl & (RCTL_BAM | RCTL_MPE)) || match_exact(s, frame);
    }
    if (match_exact(s, frame)) {
        return true;
    }
    if (eth_is_multicast(frame)) {
        return (rctl & RCTL_MPE) || match_multicast(s, frame);
    }
    return rctl & RCTL_UPE;
}

/* ---------------------------------------------------------------- ring --- */

static void rx_count(E1000 *s, const uint8_t *frame, size_t len)
{
    e1000_count(s, E1000_TPR);
    e1000_count(s, E1000_GPRC);
    e1000_count64(s, E1000_TORL, len);
    e1000_count64(s, E1000_GORCL, len);
    e1000_count_size(s, E1000_PRC64, len);
    if (eth_is_broadcast(frame)) {
        e1000_count(s, E1000_BPRC);
    } else if (eth_is_multicast(frame)) {
        e1000_count(s, E1000_MPRC);
    }
}

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
    unsigned low = rx_ring_len(s) >> ((rctl >> RCTL_RDMTS_SHIFT & 3) + 1);

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
        !is_vlan(s, buf, f->len)) {
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
    bool is_long = pkt->size > RX_MAX_STANDARD - ETH_FCS_LEN;

    if (!(rctl & RCTL_EN) || !(E1000_MAC(s, E1000_STATUS) & E1000_STATUS_LU)) {
        return true;
    }
    if (pkt->size > RX_MAX_LONG ||
        (is_long && !(rctl & (RCTL_LPE | RCTL_SBP)))) {
        e1000_count(s, E1000_ROC);
        return true;
    }
    f.len = iov_to_buf(pkt->iov, pkt->niov, 0, buf, pkt->size);
    if (f.len < ETH_MIN_LEN) {
        memset(buf + f.len, 0, ETH_MIN_LEN - f.len);
        f.len = ETH_MIN_LEN;
    }
    if (!rx_accept(s, buf, f.len)) {
        return true;
    }
    if ((uint64_t)rx_ring_len(s) * e1000_rx_buffer_size(rctl) <
        f.len + ETH_FCS_LEN + e1000_rx_buffer_size(rctl)) {
        /* It will never fit, however long it waits. */
        e1000_count(s, E1000_MPC);
        return true;
    }
    if (rx_free(s) * (uint64_t)e1000_rx_buffer_size(rctl) <
        f.len + ETH_FCS_LEN) {
        e1000_interrupt(s, E1000_INT_RXO);
        return false;
    }
    rx_count(s, buf, f.len + ETH_FCS_LEN);
    if (!(rctl & RCTL_SECRC)) {
        memset(buf + f.len, 0, ETH_FCS_LEN);
        f.len += ETH_FCS_LEN;
    }
    rx_strip_vlan(s, buf, &f);
    rx_store(s, &f);
    return true;
}
