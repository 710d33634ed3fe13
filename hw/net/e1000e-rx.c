/*
 * Intel 82574L: receiving, into two rings.
 *
 * Descriptors are legacy ones, extended ones, or those that split a packet:
 * its headers go to the first of four buffers.
 *
 * Facts: data sheet, sections 7.1 (descriptors, splitting, checksums), 10.2.5
 * (registers).
 *
 * What a frame's checksum would be nobody computes here: where the guest
 * wants it kept, four zero bytes stand for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000e-priv.h"

#include "util/bswap.h"
#include "util/iov.h"

enum {
    RX_STATUS_DD = 1 << 0,
    RX_STATUS_EOP = 1 << 1,
    RX_STATUS_IXSM = 1 << 2, /* no checksum was looked at */
    RX_STATUS_VP = 1 << 3,
    RX_STATUS_UDPCS = 1 << 4,
    RX_STATUS_L4CS = 1 << 5,
    RX_STATUS_IPCS = 1 << 6,
    RX_ERROR_L4 = 1 << 5, /* of the byte of a legacy descriptor */
    RX_ERROR_IP = 1 << 6,
    RX_EXT_ERROR_SHIFT = 24, /* the same bits, of an extended one */
    RX_SPLIT = 1 << 15,      /* in its header status: SPH */

    SPLIT_DESC_SIZE = 32,
    DESC_MAX = SPLIT_DESC_SIZE,
    RX_MAX = E1000_RX_MAX_LONG + ETH_FCS_LEN,
};

/* A frame on its way into a ring. */
typedef struct RxFrame {
    const uint8_t *data;
    size_t len; /* with what stands for the checksum, if it is kept */
    uint8_t status, errors;
    uint16_t special, sum, ip_id;
    size_t header; /* bytes that split from the rest; 0: it isn't split */
    E1000eRss rss;
} RxFrame;

/* ------------------------------------------------------------ geometry --- */

static bool is_extended(const E1000e *s)
{
    return E1000E_MAC(s, E1000E_RFCTL) & E1000E_RFCTL_EXSTEN;
}

static bool is_split(const E1000e *s)
{
    return is_extended(s) && (E1000E_MAC(s, E1000_RCTL) & E1000E_RCTL_DTYP) ==
                                 E1000E_RCTL_DTYP_SPLIT;
}

void e1000e_rx_configure(E1000e *s)
{
    uint32_t rctl = E1000E_MAC(s, E1000_RCTL);
    uint32_t ps = E1000E_MAC(s, E1000E_PSRCTL);
    unsigned flex = rctl >> E1000E_RCTL_FLXBUF_SHIFT & 15;

    memset(s->rxbuf_sizes, 0, sizeof(s->rxbuf_sizes));
    if (is_split(s)) {
        s->rx_desc_len = SPLIT_DESC_SIZE;
        s->rxbuf_sizes[0] = (ps & 0x7f) * 128;
        for (unsigned i = 1; i < E1000E_PS_BUFFERS; i++) {
            s->rxbuf_sizes[i] = (ps >> (8 * i) & 0x3f) * 1024;
        }
    } else {
        s->rx_desc_len = E1000_DESC_SIZE;
        s->rxbuf_sizes[0] =
            flex != 0 ? flex * 1024 : e1000_rx_buffer_size(rctl);
    }
    s->rx_desc_buf_size = 0;
    for (unsigned i = 0; i < E1000E_PS_BUFFERS; i++) {
        s->rx_desc_buf_size += s->rxbuf_sizes[i];
    }
    s->rxbuf_min_shift = (rctl >> E1000_RCTL_RDMTS_SHIFT & 3) + 1;
}

/*
 * RDH and RDT count 16 bytes each, also where a descriptor is two of these;
 * an odd one is the guest's fault, and reads what it finds.
 */
static unsigned ring_units(const E1000e *s, unsigned q)
{
    return E1000E_RING(s, E1000_RDLEN, q) / E1000_DESC_SIZE;
}

static unsigned desc_units(const E1000e *s)
{
    return s->rx_desc_len / E1000_DESC_SIZE;
}

/* Descriptors of a ring; those that the guest has handed to us. */
static unsigned ring_len(const E1000e *s, unsigned q)
{
    return s->rx_desc_len == 0 ? 0 : ring_units(s, q) / desc_units(s);
}

static unsigned rx_free(const E1000e *s, unsigned q)
{
    unsigned n = ring_units(s, q);
    unsigned head = E1000E_RING(s, E1000_RDH, q);
    unsigned tail = E1000E_RING(s, E1000_RDT, q);

    if (head >= n || tail >= n || s->rx_desc_len == 0) {
        return 0;
    }
    return (tail >= head ? tail - head : n - head + tail) / desc_units(s);
}

/* ----------------------------------------------------------- checksums --- */

static uint32_t pseudo_sum(const uint8_t *d, const E1000eFlow *f, size_t l4_len)
{
    uint32_t sum = (f->tcp ? IP_PROTO_TCP : IP_PROTO_UDP) + (uint32_t)l4_len;

    return f->ip4 ? net_sum(d + f->l3 + 12, 8, false, sum)
                  : net_sum(d + f->l3 + 8, 32, false, sum);
}

static size_t l3_end(const uint8_t *d, const E1000eFlow *f)
{
    return f->ip4 ? f->l3 + lduw_be_p(d + f->l3 + 2)
                  : f->l3 + 40 + lduw_be_p(d + f->l3 + 4);
}

/* A sum over data with its checksum in it: all ones if that is right. */
static bool sum_is_good(uint32_t sum)
{
    uint16_t rest = net_sum_finish(sum);

    return rest == 0 || rest == 0xffff;
}

static void rx_checksums(const E1000e *s, RxFrame *f, const E1000eFlow *flow)
{
    uint32_t rxcsum = E1000E_MAC(s, E1000E_RXCSUM);
    const uint8_t *d = f->data;

    if (flow->ip4 && (rxcsum & E1000E_RXCSUM_IPOFL)) {
        f->status |= RX_STATUS_IPCS;
        if (!sum_is_good(
                net_sum(d + flow->l3, flow->l4 - flow->l3, false, 0))) {
            f->errors |= RX_ERROR_IP;
        }
    }
    if (flow->l4_sum && (rxcsum & E1000E_RXCSUM_TUOFL)) {
        size_t l4_len = l3_end(d, flow) - flow->l4;

        f->status |= RX_STATUS_L4CS | (flow->udp ? RX_STATUS_UDPCS : 0);
        if (!sum_is_good(net_sum(d + flow->l4, l4_len, false,
                                 pseudo_sum(d, flow, l4_len)))) {
            f->errors |= RX_ERROR_L4;
        }
    }
    if (!(f->status & (RX_STATUS_IPCS | RX_STATUS_L4CS))) {
        f->status |= RX_STATUS_IXSM;
    }
}

/* The packet checksum: from RXCSUM.PCSS to the end. */
static uint16_t packet_sum(const E1000e *s, const RxFrame *f)
{
    size_t start = E1000E_MAC(s, E1000E_RXCSUM) & 0xff;
    uint16_t sum;

    if (start >= f->len) {
        return 0;
    }
    sum = ~net_sum_finish(net_sum(f->data + start, f->len - start, false, 0));
    return sum;
}

/* --------------------------------------------------------- descriptors --- */

static void put_legacy(uint8_t *desc, const RxFrame *f, size_t len,
                       uint8_t status)
{
    stw_le_p(desc + 8, len);
    stw_le_p(desc + 10, f->sum);
    desc[12] = status;
    desc[13] = f->errors;
    stw_le_p(desc + 14, f->special);
}

/* What extended descriptors and those that split have in common. */
static void put_extended(const E1000e *s, uint8_t *desc, const RxFrame *f,
                         uint8_t status)
{
    stl_le_p(desc, f->rss.type | f->rss.queue << 8);
    if (E1000E_MAC(s, E1000E_RXCSUM) & E1000E_RXCSUM_PCSD) {
        stl_le_p(desc + 4, f->rss.hash);
    } else {
        stw_le_p(desc + 4, f->ip_id);
        stw_le_p(desc + 6, f->sum);
    }
    stl_le_p(desc + 8, status | (uint32_t)f->errors << RX_EXT_ERROR_SHIFT);
    stw_le_p(desc + 14, f->special);
}

/* Fills a descriptor's buffers from `off` on; bytes that went there. */
static size_t fill_buffers(E1000e *s, const RxFrame *f, size_t off,
                           const uint8_t *desc, uint16_t *lens)
{
    size_t at = off;

    for (unsigned i = 0; i < E1000E_PS_BUFFERS && at < f->len; i++) {
        uint64_t addr = ldq_le_p(desc + 8 * i);
        size_t part = MIN(f->len - at, (size_t)s->rxbuf_sizes[i]);

        if (s->rxbuf_sizes[i] == 0) {
            continue;
        }
        if (i == 0 && off == 0 && f->header != 0) {
            part = f->header;
        }
        /* A descriptor without a buffer is used up all the same. */
        if (addr != 0) {
            pci_dma_write(&s->pci, addr, f->data + at, part);
        }
        lens[i] = part;
        at += part;
    }
    return at - off;
}

/* Fills one descriptor from `off` on and gives it back. */
static size_t rx_fill(E1000e *s, unsigned q, const RxFrame *f, size_t off)
{
    uint64_t ring = (uint64_t)E1000E_RING(s, E1000_RDBAH, q) << 32 |
                    E1000E_RING(s, E1000_RDBAL, q);
    uint32_t head = E1000E_RING(s, E1000_RDH, q);
    unsigned size = s->rx_desc_len, status_at = is_extended(s) ? 8 : 12;
    uint64_t addr = ring + (uint64_t)head * E1000_DESC_SIZE;
    uint8_t desc[DESC_MAX] = { 0 }, done;
    uint16_t lens[E1000E_PS_BUFFERS] = { 0 };
    size_t len;

    pci_dma_read(&s->pci, addr, desc, size);
    len = fill_buffers(s, f, off, desc, lens);
    done = f->status | RX_STATUS_DD | (off + len == f->len ? RX_STATUS_EOP : 0);
    if (!is_extended(s)) {
        put_legacy(desc, f, len, 0);
    } else {
        memset(desc, 0, size);
        put_extended(s, desc, f, 0);
        stw_le_p(desc + 12, lens[0]);
    }
    if (is_split(s)) {
        stw_le_p(desc + 16,
                 off == 0 && f->header != 0 ? f->header | RX_SPLIT : 0);
        for (unsigned i = 1; i < E1000E_PS_BUFFERS; i++) {
            stw_le_p(desc + 16 + 2 * i, lens[i]);
        }
    }
    pci_dma_write(&s->pci, addr, desc, size);
    /* The rest is there when the status says so. */
    pci_dma_write(&s->pci, addr + status_at, &done, 1);
    head += desc_units(s);
    E1000E_RING(s, E1000_RDH, q) = head >= ring_units(s, q) ? 0 : head;
    return len;
}

/* --------------------------------------------------------------- frames --- */

static void rx_store(E1000e *s, unsigned q, const RxFrame *f)
{
    unsigned low = ring_len(s, q) >> s->rxbuf_min_shift;
    uint32_t causes = E1000_INT_RXT0 | (uint32_t)E1000E_INT_RXQ0 << q;

    for (size_t off = 0; off < f->len;) {
        off += rx_fill(s, q, f, off);
    }
    if (rx_free(s, q) <= low) {
        causes |= E1000_INT_RXDMT0;
    }
    if (f->len <= E1000E_MAC(s, E1000E_RSRPD)) {
        causes |= E1000E_INT_SRPD;
    }
    e1000e_interrupt_rx(s, causes);
}

/* Takes the tag out if the guest wants it beside the frame. */
static void rx_strip_vlan(E1000e *s, uint8_t *buf, RxFrame *f)
{
    if (!(E1000E_MAC(s, E1000_CTRL) & E1000_CTRL_VME) ||
        !e1000_is_vlan(s->mac, buf, f->len)) {
        return;
    }
    f->special = lduw_be_p(buf + 14);
    f->status |= RX_STATUS_VP;
    memmove(buf + ETH_VLAN_LEN, buf, 12);
    f->data = buf + ETH_VLAN_LEN;
    f->len -= ETH_VLAN_LEN;
    f->header -= f->header != 0 ? ETH_VLAN_LEN : 0;
}

/* Does it go into the ring now, or not yet, or never? */
typedef enum RxRoom { RX_NOW, RX_LATER, RX_NEVER } RxRoom;

static RxRoom rx_room(const E1000e *s, unsigned q, size_t len)
{
    uint64_t each = s->rx_desc_buf_size;
    /* A header that splits leaves some of its buffer unused. */
    uint64_t need = len + ETH_FCS_LEN + (is_split(s) ? s->rxbuf_sizes[0] : 0);

    if (each == 0 || ring_len(s, q) * each < need + each) {
        return RX_NEVER;
    }
    return rx_free(s, q) * each < need ? RX_LATER : RX_NOW;
}

/* What its descriptors say of it, and where it goes. */
static void rx_describe(const E1000e *s, RxFrame *f)
{
    E1000eFlow flow = e1000e_parse(f->data, f->len);

    f->rss = e1000e_rss(s, f->data, &flow);
    rx_checksums(s, f, &flow);
    if (!(E1000E_MAC(s, E1000E_RXCSUM) & E1000E_RXCSUM_PCSD)) {
        f->sum = packet_sum(s, f);
        f->ip_id = flow.ip4 ? lduw_be_p(f->data + flow.l3 + 4) : 0;
    }
    if (is_split(s) && flow.payload != 0 && flow.payload <= s->rxbuf_sizes[0]) {
        f->header = flow.payload;
    }
}

static bool rx_enabled(const E1000e *s)
{
    return (E1000E_MAC(s, E1000_RCTL) & E1000_RCTL_EN) &&
           (E1000E_MAC(s, E1000_STATUS) & E1000_STATUS_LU);
}

static bool rx_is_too_long(E1000e *s, size_t len)
{
    bool is_long = len > E1000_RX_MAX_STANDARD - ETH_FCS_LEN;

    return len > E1000_RX_MAX_LONG ||
           (is_long &&
            !(E1000E_MAC(s, E1000_RCTL) & (E1000_RCTL_LPE | E1000_RCTL_SBP)));
}

/* Puts a frame that has passed the filters into its ring; false: later. */
static bool rx_take(E1000e *s, uint8_t *buf, RxFrame *f)
{
    RxRoom room;

    rx_describe(s, f);
    room = rx_room(s, f->rss.queue, f->len);
    if (room == RX_NEVER) {
        e1000_count(s->mac, E1000_MPC);
        return true;
    }
    if (room == RX_LATER) {
        e1000e_interrupt_rx(s, E1000_INT_RXO);
        return false;
    }
    e1000_count_rx(s->mac, buf, f->len + ETH_FCS_LEN);
    if (!(E1000E_MAC(s, E1000_RCTL) & E1000_RCTL_SECRC)) {
        memset(buf + f->len, 0, ETH_FCS_LEN);
        f->len += ETH_FCS_LEN;
    }
    rx_strip_vlan(s, buf, f);
    rx_store(s, f->rss.queue, f);
    return true;
}

bool e1000e_receive(NetPort *p, const NetPacket *pkt)
{
    E1000e *s = container_of(p, E1000e, nic.port);
    uint8_t buf[RX_MAX];
    RxFrame f = { .data = buf };

    if (!rx_enabled(s)) {
        return true;
    }
    if (rx_is_too_long(s, pkt->size)) {
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
    return rx_take(s, buf, &f);
}
