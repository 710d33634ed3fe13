/*
 * Ethernet frames (IEEE 802.3-2018, clause 3), addresses and what rides on
 * them as far as devices look into it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_ETH_H
#define NET_ETH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#define ETH_ADDR_LEN   6
#define ETH_HEADER_LEN 14
#define ETH_MIN_LEN    60 /* without the checksum */
#define ETH_MAX_LEN    1514
#define ETH_FCS_LEN    4
#define ETH_VLAN_LEN   4

enum {
    ETH_TYPE_IPV4 = 0x0800,
    ETH_TYPE_ARP = 0x0806,
    ETH_TYPE_RARP = 0x8035,
    ETH_TYPE_VLAN = 0x8100,
    ETH_TYPE_IPV6 = 0x86dd,
    IP_PROTO_TCP = 6,
    IP_PROTO_UDP = 17,
};

typedef struct NetMac {
    uint8_t a[ETH_ADDR_LEN];
} NetMac;

#define NET_MAC_FMT "%02x:%02x:%02x:%02x:%02x:%02x"
#define NET_MAC_ARGS(m) \
    (m).a[0], (m).a[1], (m).a[2], (m).a[3], (m).a[4], (m).a[5]

static inline bool net_mac_is_zero(const NetMac *m)
{
    static const NetMac zero;

    return memcmp(m, &zero, sizeof(zero)) == 0;
}

static inline bool eth_is_multicast(const uint8_t *addr)
{
    return (addr[0] & 1) != 0;
}

static inline bool eth_is_broadcast(const uint8_t *addr)
{
    static const uint8_t ones[] = { 255, 255, 255, 255, 255, 255 };

    return memcmp(addr, ones, sizeof(ones)) == 0;
}

/* "52:54:00:12:34:56", also with "-"; each part one or two hex digits. */
bool net_mac_parse(const char *s, NetMac *ret_mac);

/* Sum of 16-bit words (RFC 1071), not complemented; @odd: starts at the
 * second byte of a word. */
uint32_t net_sum(const void *buf, size_t len, bool odd, uint32_t sum);
/* The same over bytes [off, off + len) of a list. */
uint32_t net_sum_iov(const struct iovec *iov, unsigned n, size_t off,
                     size_t len);
/* Folded and complemented: as it is written, most significant byte first. */
uint16_t net_sum_finish(uint32_t sum);

#endif
