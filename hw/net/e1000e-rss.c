/*
 * Intel 82574L: what a frame carries, and which queue it goes to.
 *
 * Facts: data sheet, section 7.1.10 (RSS); the hash is Microsoft's, as its
 * "Scalable Networking" specification gives it with examples.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000e-priv.h"

#include "util/bswap.h"

enum {
    IP4_HEADER = 20,
    IP4_TOTAL = 2,
    IP4_FRAGMENT = 6,
    IP4_FRAGMENT_BITS = 0x3fff, /* more to come, or an offset */
    IP4_PROTO = 9,
    IP4_ADDRS = 12,
    IP4_ADDRS_LEN = 8,
    IP6_HEADER = 40,
    IP6_PAYLOAD = 4,
    IP6_NEXT = 6,
    IP6_ADDRS = 8,
    IP6_ADDRS_LEN = 32,
    IP6_HOP_BY_HOP = 0,
    IP6_ROUTING = 43,
    IP6_FRAGMENT = 44,
    IP6_OPTIONS = 60,
    IP6_EXTENSIONS_MAX = 8,
    TCP_HEADER = 20,
    TCP_OFFSET = 12,
    UDP_HEADER = 8,
    UDP_SUM = 6,
    PORTS_LEN = 4,

    MRQC_RSS = 1, /* of the two bits that say what is done */
    MRQC_TCP4 = 1 << 16,
    MRQC_IP4 = 1 << 17,
    MRQC_TCP6 = 1 << 18,
    MRQC_IP6 = 1 << 20,
    RSS_TCP4 = 1, /* in a descriptor */
    RSS_IP4 = 2,
    RSS_TCP6 = 3,
    RSS_IP6 = 5,
    RETA_ENTRIES = 128,
    RETA_QUEUE_BIT = 7,
    RSS_INPUT_MAX = IP6_ADDRS_LEN + PORTS_LEN,
    RSS_KEY_LEN = 40,
};

/* ----------------------------------------------------------- what it is --- */

static void parse_l4(E1000eFlow *f, const uint8_t *d, size_t len, uint8_t proto)
{
    size_t header;

    if (proto == IP_PROTO_TCP && f->l4 + TCP_HEADER <= len) {
        header = (size_t)(d[f->l4 + TCP_OFFSET] >> 4) * 4;
        if (header >= TCP_HEADER && f->l4 + header <= len) {
            f->tcp = true;
            f->l4_sum = true;
            f->payload = f->l4 + header;
        }
    } else if (proto == IP_PROTO_UDP && f->l4 + UDP_HEADER <= len) {
        f->udp = true;
        f->l4_sum = lduw_be_p(d + f->l4 + UDP_SUM) != 0;
        f->payload = f->l4 + UDP_HEADER;
    }
}

static void parse_ip4(E1000eFlow *f, const uint8_t *d, size_t len)
{
    const uint8_t *ip = d + f->l3;
    size_t header, total;

    if (f->l3 + IP4_HEADER > len || ip[0] >> 4 != 4) {
        return;
    }
    header = (size_t)(ip[0] & 15) * 4;
    total = lduw_be_p(ip + IP4_TOTAL);
    if (header < IP4_HEADER || total < header || f->l3 + total > len) {
        return;
    }
    f->ip4 = true;
    f->fragment = lduw_be_p(ip + IP4_FRAGMENT) & IP4_FRAGMENT_BITS;
    f->l4 = f->l3 + header;
    if (!f->fragment) {
        parse_l4(f, d, f->l3 + total, ip[IP4_PROTO]);
    }
}

static void parse_ip6(E1000eFlow *f, const uint8_t *d, size_t len)
{
    const uint8_t *ip = d + f->l3;
    size_t end, at = f->l3 + IP6_HEADER;
    uint8_t next;

    if (at > len || ip[0] >> 4 != 6) {
        return;
    }
    end = at + lduw_be_p(ip + IP6_PAYLOAD);
    if (end > len) {
        return;
    }
    f->ip6 = true;
    next = ip[IP6_NEXT];
    for (unsigned i = 0; i < IP6_EXTENSIONS_MAX && at + 8 <= end; i++) {
        if (next == IP6_FRAGMENT) {
            f->fragment = true;
            return;
        }
        if (next != IP6_HOP_BY_HOP && next != IP6_ROUTING &&
            next != IP6_OPTIONS) {
            break;
        }
        next = d[at];
        at += 8 + (size_t)d[at + 1] * 8;
    }
    if (at <= end) {
        f->l4 = at;
        parse_l4(f, d, end, next);
    }
}

E1000eFlow e1000e_parse(const uint8_t *frame, size_t len)
{
    E1000eFlow f = { .l3 = ETH_HEADER_LEN };
    uint16_t type;

    if (len < ETH_HEADER_LEN) {
        return (E1000eFlow){ 0 };
    }
    type = lduw_be_p(frame + 12);
    if (type == ETH_TYPE_VLAN && len >= ETH_HEADER_LEN + ETH_VLAN_LEN) {
        type = lduw_be_p(frame + 12 + ETH_VLAN_LEN);
        f.l3 += ETH_VLAN_LEN;
    }
    if (type == ETH_TYPE_IPV4) {
        parse_ip4(&f, frame, len);
    } else if (type == ETH_TYPE_IPV6) {
        parse_ip6(&f, frame, len);
    }
    return f;
}

/* ----------------------------------------------------------------- RSS --- */

uint32_t e1000e_toeplitz(const uint8_t *key, const uint8_t *data, size_t len)
{
    uint32_t window = ldl_be_p(key), hash = 0;

    for (size_t i = 0; i < len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            if (data[i] & 0x80 >> bit) {
                hash ^= window;
            }
            window = window << 1 | (key[i + 4] >> (7 - bit) & 1);
        }
    }
    return hash;
}

/* Of what is hashed: its type, and its bytes in `in`; 0: nothing. */
static unsigned rss_input(uint32_t mrqc, const uint8_t *frame,
                          const E1000eFlow *f, uint8_t *in, size_t *ret_len)
{
    const uint8_t *ip = frame + f->l3;
    bool ports = f->tcp && (mrqc & (f->ip4 ? MRQC_TCP4 : MRQC_TCP6));
    size_t n = f->ip4 ? IP4_ADDRS_LEN : IP6_ADDRS_LEN;

    if (!f->ip4 && !f->ip6) {
        return 0;
    }
    if (!ports && !(mrqc & (f->ip4 ? MRQC_IP4 : MRQC_IP6))) {
        return 0;
    }
    memcpy(in, ip + (f->ip4 ? IP4_ADDRS : IP6_ADDRS), n);
    if (ports) {
        memcpy(in + n, frame + f->l4, PORTS_LEN);
        n += PORTS_LEN;
    }
    *ret_len = n;
    if (f->ip4) {
        return ports ? RSS_TCP4 : RSS_IP4;
    }
    return ports ? RSS_TCP6 : RSS_IP6;
}

E1000eRss e1000e_rss(const E1000e *s, const uint8_t *frame,
                     const E1000eFlow *flow)
{
    uint32_t mrqc = E1000E_MAC(s, E1000E_MRQC), entry;
    uint8_t in[RSS_INPUT_MAX], key[RSS_KEY_LEN];
    E1000eRss rss = { 0 };
    size_t len = 0;

    /* The hash is where the checksum would be. */
    if ((mrqc & 3) != MRQC_RSS ||
        !(E1000E_MAC(s, E1000E_RXCSUM) & E1000E_RXCSUM_PCSD) ||
        !(E1000E_MAC(s, E1000E_RFCTL) & E1000E_RFCTL_EXSTEN)) {
        return rss;
    }
    rss.type = rss_input(mrqc, frame, flow, in, &len);
    if (rss.type == 0) {
        return rss;
    }
    for (unsigned i = 0; i < sizeof(key) / 4; i++) {
        stl_le_p(key + 4 * i, E1000E_MAC(s, E1000E_RSSRK + 4 * i));
    }
    rss.hash = e1000e_toeplitz(key, in, len);
    entry = rss.hash % RETA_ENTRIES;
    rss.queue = E1000E_MAC(s, E1000E_RETA + (entry & ~3u)) >>
                    (8 * (entry & 3) + RETA_QUEUE_BIT) &
                1;
    return rss;
}
