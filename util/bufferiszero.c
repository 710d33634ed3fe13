/*
 * Is this memory all zero? One implementation per width of the host's
 * registers, chosen once.
 *
 * All have the same shape. Three probes come first, at the front, the middle
 * and the end, as a page that is not zero mostly has data there. Then blocks
 * of eight registers are ORed together as a tree and tested once, so that
 * loads, and not the chain of ORs or the branches, set the pace. What is left
 * at the end is read as one more block that overlaps the one before: no byte
 * outside the buffer is ever read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bufferiszero.h"

#include "util/cpuid.h"

#include <immintrin.h>

/* First address at or after p that is a multiple of n, a power of two. */
static inline const uint8_t *align_up(const uint8_t *p, size_t n)
{
    return p + (-(uintptr_t)p & (n - 1));
}

static inline uint64_t buffer_load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t buffer_load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* Data at the front, the middle or the end? len >= 8. */
static inline bool probes_hit(const uint8_t *p, size_t len)
{
    return (buffer_load64(p) | buffer_load64(p + len / 2 - 4) |
            buffer_load64(p + len - 8)) != 0;
}

/* Complete for len < 16. */
static inline bool short_is_zero(const uint8_t *p, size_t len)
{
    if (len >= 8) {
        return (buffer_load64(p) | buffer_load64(p + len - 8)) == 0;
    }
    if (len >= 4) {
        return (buffer_load32(p) | buffer_load32(p + len - 4)) == 0;
    }
    return len == 0 || (p[0] | p[len / 2] | p[len - 1]) == 0;
}

static bool zero_portable(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    const uint8_t *end = p + len;
    uint64_t rest = 0;

    if (len < 16) {
        return short_is_zero(p, len);
    }
    if (probes_hit(p, len)) {
        return false;
    }
    for (; end - p >= 64; p += 64) {
        uint64_t a = buffer_load64(p) | buffer_load64(p + 8);
        uint64_t b = buffer_load64(p + 16) | buffer_load64(p + 24);
        uint64_t c = buffer_load64(p + 32) | buffer_load64(p + 40);
        uint64_t d = buffer_load64(p + 48) | buffer_load64(p + 56);

        if ((a | b) | (c | d)) {
            return false;
        }
    }
    for (; end - p > 8; p += 8) {
        rest |= buffer_load64(p);
    }
    return (rest | buffer_load64(end - 8)) == 0;
}

static inline __m128i buffer_load16(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)p);
}

/* 128 bytes as one register, unaligned or not. */
static inline __m128i buffer_or128(const uint8_t *p)
{
    __m128i a = _mm_or_si128(buffer_load16(p), buffer_load16(p + 16));
    __m128i b = _mm_or_si128(buffer_load16(p + 32), buffer_load16(p + 48));
    __m128i c = _mm_or_si128(buffer_load16(p + 64), buffer_load16(p + 80));
    __m128i d = _mm_or_si128(buffer_load16(p + 96), buffer_load16(p + 112));

    return _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
}

static inline bool is_zero16(__m128i v)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) == 0xffff;
}

/* Complete for 16 <= len < 128. */
static inline bool middle_is_zero(const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    __m128i v = buffer_load16(end - 16);

    for (; end - p > 16; p += 16) {
        v = _mm_or_si128(v, buffer_load16(p));
    }
    return is_zero16(v);
}

static bool zero_sse2(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    const uint8_t *end = p + len;

    if (len < 16) {
        return short_is_zero(p, len);
    }
    if (probes_hit(p, len)) {
        return false;
    }
    if (len < 128) {
        return middle_is_zero(p, len);
    }
    if (!is_zero16(buffer_load16(p))) {
        return false;
    }
    for (p = align_up(p, 16); end - p >= 128; p += 128) {
        if (!is_zero16(buffer_or128(p))) {
            return false;
        }
    }
    return p == end || is_zero16(buffer_or128(end - 128));
}

#define TARGET_AVX2 __attribute__((target("avx2")))

TARGET_AVX2 static inline __m256i load32v(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

/* 256 bytes as one register, unaligned or not. */
TARGET_AVX2 static inline __m256i or256(const uint8_t *p)
{
    __m256i a = _mm256_or_si256(load32v(p), load32v(p + 32));
    __m256i b = _mm256_or_si256(load32v(p + 64), load32v(p + 96));
    __m256i c = _mm256_or_si256(load32v(p + 128), load32v(p + 160));
    __m256i d = _mm256_or_si256(load32v(p + 192), load32v(p + 224));

    return _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
}

TARGET_AVX2 static bool zero_avx2(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    const uint8_t *end = p + len;
    __m256i v;

    if (len < 256) {
        return zero_sse2(buf, len);
    }
    if (probes_hit(p, len)) {
        return false;
    }
    v = load32v(p);
    if (!_mm256_testz_si256(v, v)) {
        return false;
    }
    for (p = align_up(p, 32); end - p >= 256; p += 256) {
        v = or256(p);
        if (!_mm256_testz_si256(v, v)) {
            return false;
        }
    }
    if (p == end) {
        return true;
    }
    v = or256(end - 256);
    return _mm256_testz_si256(v, v);
}

#define TARGET_AVX512 __attribute__((target("avx512f")))

TARGET_AVX512 static inline __m512i load64v(const uint8_t *p)
{
    return _mm512_loadu_si512(p);
}

/* 512 bytes as one register, unaligned or not. */
TARGET_AVX512 static inline __m512i or512(const uint8_t *p)
{
    __m512i a = _mm512_or_si512(load64v(p), load64v(p + 64));
    __m512i b = _mm512_or_si512(load64v(p + 128), load64v(p + 192));
    __m512i c = _mm512_or_si512(load64v(p + 256), load64v(p + 320));
    __m512i d = _mm512_or_si512(load64v(p + 384), load64v(p + 448));

    return _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d));
}

TARGET_AVX512 static bool zero_avx512(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    const uint8_t *end = p + len;
    __m512i v;

    if (len < 512) {
        return zero_avx2(buf, len);
    }
    if (probes_hit(p, len)) {
        return false;
    }
    v = load64v(p);
    if (_mm512_test_epi64_mask(v, v)) {
        return false;
    }
    for (p = align_up(p, 64); end - p >= 512; p += 512) {
        v = or512(p);
        if (_mm512_test_epi64_mask(v, v)) {
            return false;
        }
    }
    if (p == end) {
        return true;
    }
    v = or512(end - 512);
    return !_mm512_test_epi64_mask(v, v);
}

static bool usable_always(void)
{
    return true;
}

static bool usable_sse2(void)
{
    return host_cpu()->sse2;
}

static bool usable_avx2(void)
{
    return host_cpu()->avx2;
}

static bool usable_avx512(void)
{
    return host_cpu()->avx2 && host_cpu()->avx512f;
}

enum { IMPL_PORTABLE, IMPL_SSE2, IMPL_AVX2, IMPL_AVX512, IMPL__MAX };

static const BufferZeroImpl impls[IMPL__MAX] = {
    [IMPL_PORTABLE] = { "portable", zero_portable, usable_always },
    [IMPL_SSE2] = { "sse2", zero_sse2, usable_sse2 },
    [IMPL_AVX2] = { "avx2", zero_avx2, usable_avx2 },
    [IMPL_AVX512] = { "avx512", zero_avx512, usable_avx512 },
};

/* The widest usable one, up to the given. */
static BufferZeroFn *buffer_pick(unsigned widest)
{
    while (!impls[widest].usable()) {
        widest--;
    }
    return impls[widest].fn;
}

static bool zero_first_call(const void *buf, size_t len);

/*
 * Starts as a function that chooses, and is what it chose from then on: a call
 * costs one indirect jump and no test. Threads that race choose the same.
 */
static BufferZeroFn *active = zero_first_call;

static bool zero_first_call(const void *buf, size_t len)
{
    BufferZeroFn *fn = buffer_zero_scanner(true);

    __atomic_store_n(&active, fn, __ATOMIC_RELAXED);
    return fn(buf, len);
}

bool buffer_is_zero(const void *buf, size_t len)
{
    return __atomic_load_n(&active, __ATOMIC_RELAXED)(buf, len);
}

BufferZeroFn *buffer_zero_scanner(bool allow_wide)
{
    return buffer_pick(allow_wide ? IMPL__MAX - 1 : IMPL_SSE2);
}

const BufferZeroImpl *buffer_zero_impl(unsigned i)
{
    return i < IMPL__MAX ? &impls[i] : NULL;
}

bool buffer_zero_set_impl(const char *name)
{
    BufferZeroFn *fn = name ? NULL : buffer_zero_scanner(true);

    for (unsigned i = 0; name && i < IMPL__MAX; i++) {
        if (!strcmp(impls[i].name, name) && impls[i].usable()) {
            fn = impls[i].fn;
        }
    }
    if (!fn) {
        return false;
    }
    __atomic_store_n(&active, fn, __ATOMIC_RELAXED);
    return true;
}
