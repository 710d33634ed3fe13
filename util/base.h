/*
 * What every source file may rely on: the standard headers and a few pure
 * macros. Included first by each .c file, before its own header.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_BASE_H
#define UTIL_BASE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <glib.h>

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)
#define TiB (UINT64_C(1) << 40)

#define NSEC_PER_SEC  INT64_C(1000000000)
#define NSEC_PER_MSEC INT64_C(1000000)
#define NSEC_PER_USEC INT64_C(1000)

/* Bit n as the type that registers of that width want. */
#define BIT(n)     (1UL << (n))
#define BIT_ULL(n) (UINT64_C(1) << (n))

/* len ones from bit pos up; len 1..64, pos + len <= 64. */
#define MAKE_64BIT_MASK(pos, len) ((~UINT64_C(0) >> (64 - (len))) << (pos))

#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))

/* Any multiple m > 0; the value must leave room below the type's maximum. */
#define ROUND_UP(n, m)   (DIV_ROUND_UP(n, m) * (m))
#define ROUND_DOWN(n, m) ((n) / (m) * (m))

#define BASE_PASTE_(a, b) a##b
#define BASE_PASTE(a, b)  BASE_PASTE_(a, b)

/*
 * GLib's evaluate the larger (smaller) argument twice, which has made a
 * virtual CPU carry out each port access twice.  MIN_CONST and MAX_CONST are
 * for array sizes and the like.
 */
#undef MIN
#undef MAX
#define PICK_(a, op, b, x, y)              \
    ({                                     \
        const __typeof__((a) + 0) x = (a); \
        const __typeof__((b) + 0) y = (b); \
        x op y ? x : y;                    \
    })
#define MIN(a, b)                                   \
    PICK_(a, <, b, BASE_PASTE(min_a_, __COUNTER__), \
          BASE_PASTE(min_b_, __COUNTER__))
#define MAX(a, b)                                   \
    PICK_(a, >, b, BASE_PASTE(max_a_, __COUNTER__), \
          BASE_PASTE(max_b_, __COUNTER__))
#define MIN_CONST(a, b) ((a) < (b) ? (a) : (b))
#define MAX_CONST(a, b) ((a) > (b) ? (a) : (b))

/* The struct of the given type of which ptr is the given member. */
#define container_of(ptr, type, member) \
    CONTAINER_OF_(ptr, type, member, BASE_PASTE(member_ptr_, __COUNTER__))
#define CONTAINER_OF_(ptr, type, member, p)                      \
    ({                                                           \
        const __typeof__(((type *)NULL)->member) *p = (ptr);     \
        (type *)((char *)(uintptr_t)p - offsetof(type, member)); \
    })

#ifndef likely
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/* Size of a cache line on every host that is supported. */
#define CACHE_LINE    64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE)))

/* Power of two? Zero is none. */
static inline bool is_pow2(uint64_t v)
{
    return v && !(v & (v - 1));
}

/* Largest power of two that is <= v; 0 for 0. */
static inline uint64_t pow2_floor(uint64_t v)
{
    return v ? UINT64_C(1) << (63 - __builtin_clzll(v)) : 0;
}

/* Smallest power of two that is >= v; 0 if that is 2^64, 1 for 0. */
static inline uint64_t pow2_ceil(uint64_t v)
{
    unsigned bits;

    if (v <= 1) {
        return 1;
    }
    bits = 64 - __builtin_clzll(v - 1);
    return bits == 64 ? 0 : UINT64_C(1) << bits;
}

/* Bits start .. start+len-1 of v; len 1..32, start + len <= 32. */
static inline uint32_t extract32(uint32_t v, unsigned start, unsigned len)
{
    return (v >> start) & (~UINT32_C(0) >> (32 - len));
}

/* Bits start .. start+len-1 of v; len 1..64, start + len <= 64. */
static inline uint64_t extract64(uint64_t v, unsigned start, unsigned len)
{
    return (v >> start) & (~UINT64_C(0) >> (64 - len));
}

/* As extract64(), with the field's top bit as the sign. */
static inline int64_t sextract64(uint64_t v, unsigned start, unsigned len)
{
    return (int64_t)(v << (64 - len - start)) >> (64 - len);
}

/* v with the field start .. start+len-1 replaced by the low bits of field. */
static inline uint32_t deposit32(uint32_t v, unsigned start, unsigned len,
                                 uint32_t field)
{
    uint32_t mask = (~UINT32_C(0) >> (32 - len)) << start;

    return (v & ~mask) | ((field << start) & mask);
}

/* v with the field start .. start+len-1 replaced by the low bits of field. */
static inline uint64_t deposit64(uint64_t v, unsigned start, unsigned len,
                                 uint64_t field)
{
    uint64_t mask = MAKE_64BIT_MASK(start, len);

    return (v & ~mask) | ((field << start) & mask);
}

/* Does [off, off + len) lie within [0, max)? No overflow whatever is asked. */
static inline bool range_fits(uint64_t off, uint64_t len, uint64_t max)
{
    return off <= max && len <= max - off;
}

#endif /* UTIL_BASE_H */
