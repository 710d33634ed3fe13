/*
 * Intel 82540EM: sending.
 *
 * Facts: software developer's manual, sections 3.3 (descriptors), 3.4 (ring),
 * 3.5 (segmentation), 3.6 (checksums), 13.7 (statistics).
 *
 * Frames are cut up and their checksums filled in here, so that every back
 * end gets whole ones.  Sending stops between two packets while the back end
 * has frames that it couldn't pass on yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-priv.h"

#include "util/bswap.h"

enum {
    TCTL_EN = 1 << 1,

    /* Command byte, bits 24 to 31 of the descriptor's second half. */
    CMD_EOP = 1 << 0,
    CMD_IC = 1 << 2,  /* legacy: insert a checksum */
    CMD_TSE = 1 << 2, /* data: segment it */
    CMD_RS = 1 << 3,
    CMD_RPS = 1 << 4,
    CMD_DEXT = 1 << 5,
    CMD_VLE = 1 << 6,
    DTYP_CONTEXT = 0,
    DTYP_DATA = 1,
    TUCMD_TCP = 1 << 0,
    TUCMD_IP = 1 << 1,
    POPTS_IXSM = 1 << 0,
    POPTS_TXSM = 1 << 1,
    DESC_DD = 1 << 0,

    IP4_LEN = 2,
    IP4_ID = 4,
    IP6_LEN = 4,
    UDP_LEN = 4,
    TCP_SEQ = 4,
    TCP_FLAGS = 13,
    TCP_FIN_PSH = 0x09,

    /* Far above what a driver's ring takes: one that migrates is never cut. */
    TX_TURN_NS = 20 * 1000 * 1000,
};

typedef struct TxDesc {
    uint64_t addr;
    uint32_t lower; /* length, type, command */
    uint32_t upper; /* status, options, special */
} TxDesc;

static uint8_t desc_cmd(const TxDesc *d)
{
    return d->lower >> 24;
}

/* ------------------------------------------------------------ checksums --- */

/* Sums from css to cse (0: the end) and stores at cso; wild places don't. */
static void tx_insert_sum(uint8_t *data, size_t len, unsigned css, unsigned cso,
                          unsigned cse)
{
    size_t end = cse != 0 && cse < len ? (size_t)cse + 1 : len;

    if (css < end && (size_t)cso + 1 < len) {
        stw_be_p(data + cso,
                 net_sum_finish(net_sum(data + css, end - css, false, 0)));
    }
}

static void tx_send_frame(E1000 *s, const uint8_t *data, size_t len)
{
    E1000Tx *tx = &s->tx;
    struct iovec iov[3];
    uint8_t tag[ETH_VLAN_LEN];
    NetPacket pkt = { .iov = iov, .niov = 1, .size = len };

    if (tx->vlan && len >= ETH_HEADER_LEN) {
        stw_be_p(tag, E1000_MAC(s, E1000_VET));
        stw_be_p(tag + 2, tx->vlan_tag);
        iov[0] = (struct iovec){ (void *)(uintptr_t)data, 12 };
        iov[1] = (struct iovec){ tag, sizeof(tag) };
        iov[2] = (struct iovec){ (void *)(uintptr_t)(data + 12), len - 12 };
        pkt.niov = 3;
        pkt.size += ETH_VLAN_LEN;
    } else {
        iov[0] = (struct iovec){ (void *)(uintptr_t)data, len };
    }
    net_send_queued(&s->nic.port, &pkt);
    e1000_count(s, E1000_TPT);
    e1000_count(s, E1000_GPTC);
    e1000_count64(s, E1000_TOTL, pkt.size + ETH_FCS_LEN);
    e1000_count64(s, E1000_GOTCL, pkt.size + ETH_FCS_LEN);
    e1000_count_size(s, E1000_PTC64, pkt.size + ETH_FCS_LEN);
    if (len >= ETH_ADDR_LEN && eth_is_broadcast(data)) {
        e1000_count(s, E1000_BPTC);
    } else if (len >= ETH_ADDR_LEN && eth_is_multicast(data)) {
        e1000_count(s, E1000_MPTC);
    }
}

/* --------------------------------------------------------- segmentation --- */

/* Header fields of the next segment, of which the driver wrote a pattern. */
static void tso_fix_headers(E1000 *s, uint8_t *d, size_t len, bool last)
{
    const E1000Context *c = &s->tx.tso_props;
    unsigned n = s->tx.tso_frames;
    size_t ip = c->ipcss, l4 = c->tucss;
    uint32_t sum;

    if (ip + 20 > len || l4 + 14 > len || l4 < ip) {
        return;
    }
    if (c->ip) {
        stw_be_p(d + ip + IP4_LEN, len - ip);
        stw_be_p(d + ip + IP4_ID, lduw_be_p(d + ip + IP4_ID) + n);
    } else {
        stw_be_p(d + ip + IP6_LEN, len - ip - 40);
    }
    if (c->tcp) {
        stl_be_p(d + l4 + TCP_SEQ,
                 ldl_be_p(d + l4 + TCP_SEQ) + n * (uint32_t)c->mss);
        if (!last) {
            d[l4 + TCP_FLAGS] &= ~TCP_FIN_PSH;
        }
    } else {
        stw_be_p(d + l4 + UDP_LEN, len - l4);
    }
    /* The driver summed the pseudo header without the length. */
    if ((s->tx.sum_needed & POPTS_TXSM) && (size_t)c->tucso + 1 < len) {
        sum = lduw_be_p(d + c->tucso) + (uint32_t)(len - l4);
        while (sum >> 16 != 0) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        stw_be_p(d + c->tucso, sum);
    }
}

static void tx_finish_frame(E1000 *s, bool last)
{
    E1000Tx *tx = &s->tx;
    const E1000Context *c = tx->tso ? &tx->tso_props : &tx->props;

    if (tx->tso) {
        tso_fix_headers(s, tx->data, tx->size, last);
        tx->tso_frames++;
        if (tx->tso_frames == 1) {
            e1000_count(s, E1000_TSCTC);
        }
    }
    if (tx->sum_needed & POPTS_TXSM) {
        tx_insert_sum(tx->data, tx->size, c->tucss, c->tucso, c->tucse);
    }
    if (tx->sum_needed & POPTS_IXSM) {
        tx_insert_sum(tx->data, tx->size, c->ipcss, c->ipcso, c->ipcse);
    }
    tx_send_frame(s, tx->data, tx->size);
}

/* Bytes of a packet that is to be cut up; each full segment is sent. */
static void tx_add_segments(E1000 *s, uint64_t addr, size_t len, bool eop)
{
    E1000Tx *tx = &s->tx;
    size_t header = tx->tso_props.hdr_len;
    size_t full = header + tx->tso_props.mss;

    while (len > 0) {
        size_t part = MIN(len, full - MIN(full, (size_t)tx->size));

        pci_dma_read(&s->pci, addr, tx->data + tx->size, part);
        if (tx->size < header && tx->size + part >= header) {
            memcpy(tx->header, tx->data, header);
        }
        tx->size += part;
        addr += part;
        len -= part;
        /* The last one is sent at the end of the packet. */
        if (tx->size >= full && (len > 0 || !eop)) {
            tx_finish_frame(s, false);
            memcpy(tx->data, tx->header, header);
            tx->size = header;
        }
    }
}

static void tx_add_plain(E1000 *s, uint64_t addr, size_t len)
{
    E1000Tx *tx = &s->tx;
    size_t part = MIN(len, sizeof(tx->data) - 1 - tx->size);

    pci_dma_read(&s->pci, addr, tx->data + tx->size, part);
    tx->size += part;
}

/* ---------------------------------------------------------- descriptors --- */

static void tx_context(E1000 *s, const TxDesc *d)
{
    bool tso = desc_cmd(d) & CMD_TSE;
    E1000Context *c = tso ? &s->tx.tso_props : &s->tx.props;

    c->ipcss = d->addr;
    c->ipcso = d->addr >> 8;
    c->ipcse = d->addr >> 16;
    c->tucss = d->addr >> 32;
    c->tucso = d->addr >> 40;
    c->tucse = d->addr >> 48;
    c->paylen = d->lower & 0xfffff;
    c->hdr_len = d->upper >> 8;
    c->mss = d->upper >> 16;
    c->ip = (desc_cmd(d) & TUCMD_IP) != 0;
    c->tcp = (desc_cmd(d) & TUCMD_TCP) != 0;
    s->tx.tso_frames = 0;
}

/* A packet's first descriptor says what is done to all of it. */
static void tx_begin(E1000 *s, const TxDesc *d, bool extended)
{
    E1000Tx *tx = &s->tx;
    bool vme = E1000_MAC(s, E1000_CTRL) & E1000_CTRL_VME;

    tx->started = true;
    tx->size = 0;
    tx->tso_frames = 0;
    tx->sum_needed = extended ? d->upper >> 8 & 0xff : 0;
    tx->vlan = vme && (desc_cmd(d) & CMD_VLE);
    tx->vlan_tag = d->upper >> 16;
}

static void tx_end(E1000 *s, const TxDesc *d, bool extended)
{
    E1000Tx *tx = &s->tx;

    /* Legacy: from css (bits 8 to 15 above) to the end, at cso. */
    if (!extended && (desc_cmd(d) & CMD_IC)) {
        tx_insert_sum(tx->data, tx->size, d->upper >> 8 & 0xff,
                      d->lower >> 16 & 0xff, 0);
    }
    if (tx->size > (tx->tso ? tx->tso_props.hdr_len : 0)) {
        tx_finish_frame(s, true);
    }
    tx->started = false;
    tx->size = 0;
    tx->tso_frames = 0;
    tx->sum_needed = 0;
    tx->tso = false;
    tx->vlan = false;
}

static void tx_data(E1000 *s, const TxDesc *d)
{
    bool extended = desc_cmd(d) & CMD_DEXT;
    bool eop = desc_cmd(d) & CMD_EOP;
    size_t len = d->lower & (extended ? 0xfffff : 0xffff);

    if (!s->tx.started) {
        tx_begin(s, d, extended);
    }
    /* Not in the stream, but in each descriptor of a packet. */
    s->tx.tso = extended && (desc_cmd(d) & CMD_TSE) &&
                s->tx.tso_props.mss != 0 && s->tx.tso_props.hdr_len != 0;
    if (s->tx.tso) {
        tx_add_segments(s, d->addr, len, eop);
    } else {
        tx_add_plain(s, d->addr, len);
    }
    if (eop) {
        tx_end(s, d, extended);
    }
}

static void tx_desc(E1000 *s, const TxDesc *d)
{
    bool extended = desc_cmd(d) & CMD_DEXT;
    unsigned type = d->lower >> 20 & 0xf;

    if (extended && type == DTYP_CONTEXT) {
        tx_context(s, d);
    } else if (!extended || type == DTYP_DATA) {
        tx_data(s, d);
    }
}

/* ----------------------------------------------------------------- ring --- */

/* One descriptor; the causes of an interrupt that it asks for. */
static uint32_t tx_step(E1000 *s)
{
    uint64_t ring = (uint64_t)E1000_MAC(s, E1000_TDBAH) << 32 |
                    (E1000_MAC(s, E1000_TDBAL) & ~15u);
    uint64_t addr = ring + (uint64_t)E1000_MAC(s, E1000_TDH) * E1000_DESC_SIZE;
    uint8_t raw[E1000_DESC_SIZE] = { 0 };
    TxDesc d;

    pci_dma_read(&s->pci, addr, raw, sizeof(raw));
    d.addr = ldq_le_p(raw);
    d.lower = ldl_le_p(raw + 8);
    d.upper = ldl_le_p(raw + 12);
    tx_desc(s, &d);
    if (++E1000_MAC(s, E1000_TDH) >=
        E1000_MAC(s, E1000_TDLEN) / E1000_DESC_SIZE) {
        E1000_MAC(s, E1000_TDH) = 0;
    }
    if (!(desc_cmd(&d) & (CMD_RS | CMD_RPS))) {
        return 0;
    }
    raw[12] |= DESC_DD;
    pci_dma_write(&s->pci, addr + 12, raw + 12, 1);
    return E1000_INT_TXDW;
}

/*
 * At most once round the ring: what the guest adds meanwhile tells itself.  A
 * ring of 65528 descriptors with a million segments in each would take hours:
 * after a while others have their turn.
 */
void e1000_tx_run(E1000 *s)
{
    int64_t end_ns = clock_monotonic_ns() + TX_TURN_NS;
    unsigned n = E1000_MAC(s, E1000_TDLEN) / E1000_DESC_SIZE;
    uint32_t causes = 0;
    unsigned left = n;

    if (!(E1000_MAC(s, E1000_TCTL) & TCTL_EN) || s->in_tx ||
        E1000_MAC(s, E1000_TDH) >= n ||
        E1000_MAC(s, E1000_TDH) == E1000_MAC(s, E1000_TDT)) {
        return;
    }
    s->in_tx = true;
    while (E1000_MAC(s, E1000_TDH) != E1000_MAC(s, E1000_TDT) && left > 0 &&
           (s->tx.started || net_out_empty(&s->nic.port))) {
        causes |= tx_step(s);
        left--;
        if (clock_monotonic_ns() >= end_ns) {
            timer_mod(&s->tx_more, 0);
            break;
        }
    }
    s->in_tx = false;
    if (E1000_MAC(s, E1000_TDH) == E1000_MAC(s, E1000_TDT)) {
        causes |= E1000_INT_TXQE;
    }
    e1000_interrupt(s, causes);
}
