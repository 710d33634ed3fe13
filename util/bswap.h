/*
 * Loads and stores of numbers with a fixed byte order at any address.
 *
 * Names: ld or st, the width (b 1, w 2, l 4, q 8 bytes), the order (le, be),
 * and _p for "through a host pointer". ldub and lduw say that narrow loads
 * don't extend the sign; ldsb and ldsw do. Built on memcpy, which compilers
 * turn into one instruction, so that alignment and aliasing never matter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_BSWAP_H
#define UTIL_BSWAP_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bswap16(uint16_t v)
{
    return __builtin_bswap16(v);
}

static inline uint32_t bswap32(uint32_t v)
{
    return __builtin_bswap32(v);
}

static inline uint64_t bswap64(uint64_t v)
{
    return __builtin_bswap64(v);
}

static inline uint8_t ldub_p(const void *p)
{
    return *(const uint8_t *)p;
}

static inline int8_t ldsb_p(const void *p)
{
    return *(const int8_t *)p;
}

static inline void stb_p(void *p, uint8_t v)
{
    *(uint8_t *)p = v;
}

static inline uint16_t lduw_le_p(const void *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return le16toh(v);
}

static inline void stw_le_p(void *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof(v));
}

static inline uint32_t ldl_le_p(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static inline void stl_le_p(void *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static inline uint64_t ldq_le_p(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static inline void stq_le_p(void *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static inline int16_t ldsw_le_p(const void *p)
{
    return (int16_t)lduw_le_p(p);
}

static inline uint16_t lduw_be_p(const void *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return be16toh(v);
}

static inline void stw_be_p(void *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof(v));
}

static inline uint32_t ldl_be_p(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return be32toh(v);
}

static inline void stl_be_p(void *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof(v));
}

static inline uint64_t ldq_be_p(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return be64toh(v);
}

static inline void stq_be_p(void *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof(v));
}

static inline int16_t ldsw_be_p(const void *p)
{
    return (int16_t)lduw_be_p(p);
}

/* Little endian, size 1, 2, 4 or 8 bytes; for any other size, 0. */
static inline uint64_t ldn_le_p(const void *p, unsigned size)
{
    switch (size) {
    case 1:
        return ldub_p(p);
    case 2:
        return lduw_le_p(p);
    case 4:
        return ldl_le_p(p);
    case 8:
        return ldq_le_p(p);
    default:
        return 0;
    }
}

/* Little endian, size 1, 2, 4 or 8 bytes; for any other size, nothing. */
static inline void stn_le_p(void *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        stb_p(p, v);
        break;
    case 2:
        stw_le_p(p, v);
        break;
    case 4:
        stl_le_p(p, v);
        break;
    case 8:
        stq_le_p(p, v);
        break;
    default:
        break;
    }
}

#endif /* UTIL_BSWAP_H */
