/*
 * Ethernet addresses and Internet checksums.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/eth.h"

bool net_mac_parse(const char *s, NetMac *ret_mac)
{
    NetMac mac;

    for (unsigned i = 0; i < ETH_ADDR_LEN; i++) {
        int hi = g_ascii_xdigit_value(s[0]);
        int lo = hi >= 0 ? g_ascii_xdigit_value(s[1]) : -1;

        if (hi < 0) {
            return false;
        }
        mac.a[i] = lo >= 0 ? hi << 4 | lo : hi;
        s += lo >= 0 ? 2 : 1;
        if (i + 1 < ETH_ADDR_LEN) {
            if (*s != ':' && *s != '-') {
                return false;
            }
            s++;
        }
    }
    if (*s != '\0') {
        return false;
    }
    *ret_mac = mac;
    return true;
}

uint32_t net_sum(const void *buf, size_t len, bool odd, uint32_t sum)
{
    const uint8_t *p = buf;
    uint64_t s = sum;

    for (size_t i = 0; i < len; i++) {
        s += (i & 1) == odd ? (uint64_t)p[i] << 8 : p[i];
    }
    while (s >> 32 != 0) {
        s = (s & UINT32_MAX) + (s >> 32);
    }
    return s;
}

uint32_t net_sum_iov(const struct iovec *iov, unsigned n, size_t off,
                     size_t len)
{
    uint32_t sum = 0;
    bool odd = false;

    for (unsigned i = 0; i < n && len > 0; i++) {
        size_t part;

        if (off >= iov[i].iov_len) {
            off -= iov[i].iov_len;
            continue;
        }
        part = MIN(iov[i].iov_len - off, len);
        sum = net_sum((const uint8_t *)iov[i].iov_base + off, part, odd, sum);
        odd ^= (part & 1) != 0;
        len -= part;
        off = 0;
    }
    return sum;
}

uint16_t net_sum_finish(uint32_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}
