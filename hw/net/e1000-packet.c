/*
 * Intel gigabit Ethernet controllers: frames out of transmit descriptors.
 *
 * Facts: software developer's manual of the 8254x family, sections 3.3
 * (descriptors), 3.5 (segmentation), 3.6 (checksums).
 *
 * Frames are cut up and their checksums filled in here, so that every back
 * end gets whole ones.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-mac.h"

#include "util/bswap.h"

enum {
    /* Command byte, bits 24 to 31 of the descriptor's second half. */
    CMD_EOP = 1 << 0,
    CMD_IC = 1 << 2,  /* legacy: insert a checksum */
    CMD_TSE = 1 << 2, /* data: segment it */
    CMD_DEXT = 1 << 5,
    CMD_VLE = 1 << 6,
    DTYP_CONTEXT = 0,
    DTYP_DATA = 1,
    TUCMD_TCP = 1 << 0,
    TUCMD_IP = 1 << 1,
    POPTS_IXSM = 1 << 0,
    POPTS_TXSM = 1 << 1,

    IP4_LEN = 2,
    IP4_ID = 4,
    IP6_LEN = 4,
    UDP_LEN = 4,
    TCP_SEQ = 4,
    TCP_FLAGS = 13,
    TCP_FIN_PSH = 0x09,
};

#define MAC(tx, reg) ((tx)->mac[(reg) / 4])

uint8_t e1000_tx_cmd(const E1000TxDesc *d)
{
    return d->lower >> 24;
}

void e1000_tx_reset(E1000Tx *tx)
{
    memset((char *)tx + offsetof(E1000Tx, props), 0,
           sizeof(*tx) - offsetof(E1000Tx, props));
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

static void tx_send_frame(E1000Tx *tx, const uint8_t *data, size_t len)
{
    struct iovec iov[3];
    uint8_t tag[ETH_VLAN_LEN];
    NetPacket pkt = { .iov = iov, .niov = 1, .size = len };

    if (tx->vlan && len >= ETH_HEADER_LEN) {
        stw_be_p(tag, MAC(tx, E1000_VET));
        stw_be_p(tag + 2, tx->vlan_tag);
        iov[0] = (struct iovec){ (void *)(uintptr_t)data, 12 };
        iov[1] = (struct iovec){ tag, sizeof(tag) };
        iov[2] = (struct iovec){ (void *)(uintptr_t)(data + 12), len - 12 };
        pkt.niov = 3;
        pkt.size += ETH_VLAN_LEN;
    } else {
        iov[0] = (struct iovec){ (void *)(uintptr_t)data, len };
    }
    net_send_queued(tx->port, &pkt);
    tx->frames++;
    e1000_count_tx(tx->mac, len >= ETH_ADDR_LEN ? data : NULL,
                   pkt.size + ETH_FCS_LEN);
}

/* ---------------------------------------------------------------- turns --- */

/*
 * A guest can ask for a frame of each byte.  Between two packets a turn ends
 * soon.  Inside of one it goes on for what no driver's packet needs, since
 * that can't travel to another host (e1000_tx_give_up()).
 */
enum {
    TURN_FRAMES = 256,
    TURN_FRAMES_MAX = 1024,
    TURN_NS = 20 * 1000 * 1000,
};

void e1000_tx_turn(E1000Tx *tx)
{
    tx->frames = 0;
    tx->turn_end = clock_monotonic_ns() + TURN_NS;
}

bool e1000_tx_turn_is_over(const E1000Tx *tx)
{
    return tx->frames >= (tx->started ? TURN_FRAMES_MAX : TURN_FRAMES) ||
           clock_monotonic_ns() >= tx->turn_end;
}

bool e1000_tx_give_up(E1000Tx *tx)
{
    if (tx->done == 0) {
        return false;
    }
    tx->done = 0;
    tx->size = 0;
    tx->skip = true;
    return true;
}

/* --------------------------------------------------------- segmentation --- */

/* Header fields of the next segment, of which the driver wrote a pattern. */
static void tso_fix_headers(E1000Tx *tx, uint8_t *d, size_t len, bool last)
{
    const E1000Context *c = &tx->tso_props;
    unsigned n = tx->tso_frames;
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
    if ((tx->sum_needed & POPTS_TXSM) && (size_t)c->tucso + 1 < len) {
        sum = lduw_be_p(d + c->tucso) + (uint32_t)(len - l4);
        while (sum >> 16 != 0) {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        stw_be_p(d + c->tucso, sum);
    }
}

static void tx_finish_frame(E1000Tx *tx, bool last)
{
    const E1000Context *c = tx->tso ? &tx->tso_props : &tx->props;

    if (tx->tso) {
        tso_fix_headers(tx, tx->data, tx->size, last);
        tx->tso_frames++;
        if (tx->tso_frames == 1) {
            e1000_count(tx->mac, E1000_TSCTC);
        }
    }
    if (tx->sum_needed & POPTS_TXSM) {
        tx_insert_sum(tx->data, tx->size, c->tucss, c->tucso, c->tucse);
    }
    if (tx->sum_needed & POPTS_IXSM) {
        tx_insert_sum(tx->data, tx->size, c->ipcss, c->ipcso, c->ipcse);
    }
    tx_send_frame(tx, tx->data, tx->size);
}

/*
 * Bytes of a packet that is to be cut up; each full segment is sent.  How many
 * were taken in this turn.
 */
static size_t tx_add_segments(E1000Tx *tx, uint64_t addr, size_t len, bool eop)
{
    size_t all = len;
    size_t header = tx->tso_props.hdr_len;
    size_t full = header + tx->tso_props.mss;

    while (len > 0) {
        size_t part = MIN(len, full - MIN(full, (size_t)tx->size));

        pci_dma_read(tx->pci, addr, tx->data + tx->size, part);
        if (tx->size < header && tx->size + part >= header) {
            memcpy(tx->header, tx->data, header);
        }
        tx->size += part;
        addr += part;
        len -= part;
        /* The last one is sent at the end of the packet. */
        if (tx->size >= full && (len > 0 || !eop)) {
            tx_finish_frame(tx, false);
            memcpy(tx->data, tx->header, header);
            tx->size = header;
            if (tx->frames >= TURN_FRAMES_MAX) {
                break;
            }
        }
    }
    return all - len;
}

static void tx_add_plain(E1000Tx *tx, uint64_t addr, size_t len)
{
    size_t part = MIN(len, sizeof(tx->data) - 1 - tx->size);

    pci_dma_read(tx->pci, addr, tx->data + tx->size, part);
    tx->size += part;
}

/* ---------------------------------------------------------- descriptors --- */

static void tx_context(E1000Tx *tx, const E1000TxDesc *d)
{
    bool tso = e1000_tx_cmd(d) & CMD_TSE;
    E1000Context *c = tso ? &tx->tso_props : &tx->props;

    c->ipcss = d->addr;
    c->ipcso = d->addr >> 8;
    c->ipcse = d->addr >> 16;
    c->tucss = d->addr >> 32;
    c->tucso = d->addr >> 40;
    c->tucse = d->addr >> 48;
    c->paylen = d->lower & 0xfffff;
    c->hdr_len = d->upper >> 8;
    c->mss = d->upper >> 16;
    c->ip = (e1000_tx_cmd(d) & TUCMD_IP) != 0;
    c->tcp = (e1000_tx_cmd(d) & TUCMD_TCP) != 0;
    c->tse = tso;
    if (tx->one_context) {
        tx->props = *c;
        tx->tso_props = *c;
    }
    tx->tso_frames = 0;
}

/* A packet's first descriptor says what is done to all of it. */
static void tx_begin(E1000Tx *tx, const E1000TxDesc *d, bool extended)
{
    bool vme = MAC(tx, E1000_CTRL) & E1000_CTRL_VME;

    tx->started = true;
    tx->size = 0;
    tx->tso_frames = 0;
    tx->sum_needed = extended ? d->upper >> 8 & 0xff : 0;
    tx->vlan = vme && (e1000_tx_cmd(d) & CMD_VLE);
    tx->vlan_tag = d->upper >> 16;
}

static void tx_end(E1000Tx *tx, const E1000TxDesc *d, bool extended)
{
    /* Legacy: from css (bits 8 to 15 above) to the end, at cso. */
    if (!extended && (e1000_tx_cmd(d) & CMD_IC)) {
        tx_insert_sum(tx->data, tx->size, d->upper >> 8 & 0xff,
                      d->lower >> 16 & 0xff, 0);
    }
    if (tx->size > (tx->tso ? tx->tso_props.hdr_len : 0)) {
        tx_finish_frame(tx, true);
    }
    tx->started = false;
    tx->size = 0;
    tx->tso_frames = 0;
    tx->sum_needed = 0;
    tx->tso = false;
    tx->vlan = false;
}

/* False: the turn is over. */
static bool tx_data(E1000Tx *tx, const E1000TxDesc *d)
{
    bool extended = e1000_tx_cmd(d) & CMD_DEXT;
    bool eop = e1000_tx_cmd(d) & CMD_EOP;
    size_t len = d->lower & (extended ? 0xfffff : 0xffff);

    if (tx->skip) {
        tx->skip = !eop;
        tx->started = !eop;
        return true;
    }
    if (!tx->started) {
        tx_begin(tx, d, extended);
    }
    /* Not in the stream, but in each descriptor of a packet. */
    tx->tso = extended && (e1000_tx_cmd(d) & CMD_TSE) &&
              tx->tso_props.mss != 0 && tx->tso_props.hdr_len != 0;
    if (tx->tso) {
        /* Between two turns the guest may have made it shorter. */
        size_t done = MIN(len, (size_t)tx->done);

        done += tx_add_segments(tx, d->addr + done, len - done, eop);
        if (done < len) {
            tx->done = done;
            return false;
        }
    } else {
        tx_add_plain(tx, d->addr, len);
    }
    if (eop) {
        tx_end(tx, d, extended);
    }
    return true;
}

bool e1000_tx_desc(E1000Tx *tx, const E1000TxDesc *d)
{
    bool extended = e1000_tx_cmd(d) & CMD_DEXT;
    unsigned type = d->lower >> 20 & 0xf;

    if (extended && type == DTYP_CONTEXT) {
        tx_context(tx, d);
    } else if ((!extended || type == DTYP_DATA) && !tx_data(tx, d)) {
        return false;
    }
    tx->done = 0;
    return true;
}
