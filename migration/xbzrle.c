/*
 * Pages as what has changed in them: encoder and decoder.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/xbzrle.h"

#include <immintrin.h>

#include "util/cpuid.h"
#include "util/error.h"

enum {
    ULEB_MAX = 2, /* bytes of a length, at most 4096 */
    WORD_BITS = 64,
};

/* Bit i: byte i of x isn't zero. */
static unsigned nonzero_bytes(uint64_t x)
{
    const uint64_t low7 = UINT64_C(0x7f7f7f7f7f7f7f7f);

    x = (((x & low7) + low7) | x) & ~low7;
    /* The top bits of the bytes, gathered in the top byte. */
    return (x >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static void diff_portable(const uint8_t *a, const uint8_t *b,
                          uint64_t diff[XBZRLE_DIFF_WORDS])
{
    for (unsigned w = 0; w < XBZRLE_DIFF_WORDS; w++) {
        uint64_t bits = 0;

        for (unsigned i = 0; i < 8; i++) {
            uint64_t x, y;

            memcpy(&x, a + w * WORD_BITS + i * 8, sizeof(x));
            memcpy(&y, b + w * WORD_BITS + i * 8, sizeof(y));
            bits |= (uint64_t)nonzero_bytes(x ^ y) << (i * 8);
        }
        diff[w] = bits;
    }
}

#define TARGET_AVX2 __attribute__((target("avx2")))

TARGET_AVX2 static uint32_t diff32(const uint8_t *a, const uint8_t *b)
{
    __m256i x = _mm256_loadu_si256((const __m256i *)a);
    __m256i y = _mm256_loadu_si256((const __m256i *)b);

    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, y));
}

TARGET_AVX2 static void diff_avx2(const uint8_t *a, const uint8_t *b,
                                  uint64_t diff[XBZRLE_DIFF_WORDS])
{
    for (unsigned w = 0; w < XBZRLE_DIFF_WORDS; w++) {
        const uint8_t *p = a + w * WORD_BITS, *q = b + w * WORD_BITS;

        diff[w] = diff32(p, q) | (uint64_t)diff32(p + 32, q + 32) << 32;
    }
}

static bool usable_always(void)
{
    return true;
}

static bool usable_avx2(void)
{
    return host_cpu()->avx2;
}

static const XbzrleImpl impls[] = {
    { "portable", diff_portable, usable_always },
    { "avx2", diff_avx2, usable_avx2 },
};

const XbzrleImpl *xbzrle_impl(unsigned i)
{
    return i < G_N_ELEMENTS(impls) ? &impls[i] : NULL;
}

XbzrleDiffFn *xbzrle_differ(void)
{
    unsigned i = G_N_ELEMENTS(impls) - 1;

    while (!impls[i].usable()) {
        i--;
    }
    return impls[i].fn;
}

/* The first bit from `from` on that is `set`; XBZRLE_PAGE: there is none. */
static unsigned next_bit(const uint64_t *diff, unsigned from, bool set)
{
    const uint64_t flip = set ? 0 : UINT64_MAX;

    while (from < XBZRLE_PAGE) {
        uint64_t rest = (diff[from / WORD_BITS] ^ flip) >> (from % WORD_BITS);

        if (rest != 0) {
            return from + __builtin_ctzll(rest);
        }
        from = ROUND_DOWN(from, (unsigned)WORD_BITS) + WORD_BITS;
    }
    return XBZRLE_PAGE;
}

static size_t put_uleb(uint8_t *out, unsigned v)
{
    if (v < 0x80) {
        out[0] = v;
        return 1;
    }
    out[0] = (v & 0x7f) | 0x80;
    out[1] = v >> 7;
    return 2;
}

int xbzrle_encode(XbzrleDiffFn *differ, const uint8_t *before,
                  const uint8_t *after, uint8_t *out, size_t room)
{
    uint64_t diff[XBZRLE_DIFF_WORDS];
    unsigned at = 0, first;
    size_t len = 0;

    differ(before, after, diff);
    while ((first = next_bit(diff, at, true)) < XBZRLE_PAGE) {
        unsigned end = next_bit(diff, first, false);

        if (room - len < 2 * (size_t)ULEB_MAX + end - first) {
            return -1;
        }
        len += put_uleb(out + len, first - at);
        len += put_uleb(out + len, end - first);
        memcpy(out + len, after + first, end - first);
        len += end - first;
        at = end;
    }
    return len;
}

/* A length at *at, which is moved on; false: it isn't whole, or too long. */
static bool get_uleb(const uint8_t *p, size_t len, size_t *at, unsigned *ret)
{
    *ret = 0;
    for (unsigned i = 0; i < ULEB_MAX && *at < len; i++) {
        uint8_t byte = p[(*at)++];

        *ret |= (unsigned)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            return true;
        }
    }
    return false;
}

bool xbzrle_decode(const uint8_t *delta, size_t len, uint8_t *page,
                   GError **errp)
{
    size_t at = 0;
    unsigned pos = 0;

    while (at < len) {
        const size_t run = at;
        unsigned keep, n;

        if (!get_uleb(delta, len, &at, &keep) ||
            !get_uleb(delta, len, &at, &n)) {
            error_setf(errp, "xbzrle: no length in byte %zu of %zu", run, len);
            return false;
        }
        if (n == 0 || (keep == 0 && run > 0)) {
            error_setf(errp, "xbzrle: an empty run in byte %zu of %zu", run,
                       len);
            return false;
        }
        if (keep > XBZRLE_PAGE - pos || n > XBZRLE_PAGE - pos - keep ||
            n > len - at) {
            error_setf(errp,
                       "xbzrle: %u bytes behind %u at %u of the page, in byte "
                       "%zu of %zu",
                       n, keep, pos, run, len);
            return false;
        }
        pos += keep;
        memcpy(page + pos, delta + at, n);
        pos += n;
        at += n;
    }
    return true;
}
