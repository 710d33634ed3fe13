/*
 * Bitmaps: arrays of unsigned long.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/bitmap.h"

enum {
    WORD = BITMAP_WORD_BITS,
    GROUP = 8, /* words looked at together where most have nothing */
};

/* A range cut at word boundaries: walked one word at a time. */
typedef struct Span {
    size_t word;        /* current word */
    unsigned long mask; /* its bits that belong to the range */
    uint64_t bit;       /* first bit of the range not yet visited */
    uint64_t end;       /* first bit after the range */
} Span;

static inline Span span_start(uint64_t start, uint64_t n)
{
    return (Span){ .bit = start, .end = start + n };
}

/* Goes to the next word of the range; false at its end. */
static inline bool span_next(Span *s)
{
    unsigned off;
    uint64_t len;

    if (s->bit >= s->end) {
        return false;
    }
    off = s->bit % WORD;
    len = MIN(WORD - off, s->end - s->bit);
    s->word = s->bit / WORD;
    s->mask = (~0UL >> (WORD - len)) << off;
    s->bit += len;
    return true;
}

unsigned long *bitmap_new(uint64_t nbits)
{
    return g_new0(unsigned long, MAX(bitmap_words(nbits), 1));
}

unsigned long *bitmap_try_new(uint64_t nbits)
{
    return g_try_new0(unsigned long, MAX(bitmap_words(nbits), 1));
}

void bitmap_free(unsigned long *map)
{
    g_free(map);
}

void bitmap_set(unsigned long *map, uint64_t start, uint64_t n)
{
    for (Span s = span_start(start, n); span_next(&s);) {
        map[s.word] |= s.mask;
    }
}

void bitmap_clear(unsigned long *map, uint64_t start, uint64_t n)
{
    for (Span s = span_start(start, n); span_next(&s);) {
        map[s.word] &= ~s.mask;
    }
}

void bitmap_set_atomic(unsigned long *map, uint64_t start, uint64_t n)
{
    for (Span s = span_start(start, n); span_next(&s);) {
        if (s.mask == ~0UL) {
            __atomic_store_n(&map[s.word], ~0UL, __ATOMIC_RELEASE);
        } else {
            __atomic_fetch_or(&map[s.word], s.mask, __ATOMIC_SEQ_CST);
        }
    }
    /* Plain stores above: order them before what the caller reads next. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void bitmap_clear_atomic(unsigned long *map, uint64_t start, uint64_t n)
{
    (void)bitmap_test_and_clear_range_atomic(map, start, n);
}

bool bitmap_test_and_clear_range_atomic(unsigned long *map, uint64_t start,
                                        uint64_t n)
{
    unsigned long seen = 0;

    for (Span s = span_start(start, n); span_next(&s);) {
        unsigned long now = __atomic_load_n(&map[s.word], __ATOMIC_RELAXED);

        /* A locked write to each word of a clean bitmap would cost most. */
        if (!(now & s.mask)) {
            continue;
        }
        if (s.mask == ~0UL) {
            seen |= __atomic_exchange_n(&map[s.word], 0, __ATOMIC_SEQ_CST);
        } else {
            seen |= s.mask &
                    __atomic_fetch_and(&map[s.word], ~s.mask, __ATOMIC_SEQ_CST);
        }
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return seen != 0;
}

bool bitmap_test_any(const unsigned long *map, uint64_t start, uint64_t n)
{
    for (Span s = span_start(start, n); span_next(&s);) {
        if (__atomic_load_n(&map[s.word], __ATOMIC_RELAXED) & s.mask) {
            return true;
        }
    }
    return false;
}

bool bitmap_test_all(const unsigned long *map, uint64_t start, uint64_t n)
{
    for (Span s = span_start(start, n); span_next(&s);) {
        if (~__atomic_load_n(&map[s.word], __ATOMIC_RELAXED) & s.mask) {
            return false;
        }
    }
    return true;
}

/* From word i on: the first group with a bit that differs, or the last few. */
static inline size_t skip_same(const unsigned long *map, size_t i,
                               size_t nwords, unsigned long invert)
{
    for (; i + GROUP <= nwords; i += GROUP) {
        unsigned long any = 0;

        for (unsigned k = 0; k < GROUP; k++) {
            any |= __atomic_load_n(&map[i + k], __ATOMIC_RELAXED) ^ invert;
        }
        if (any) {
            break;
        }
    }
    return i;
}

/* From word i on: the first group with a bit dst lacks, or the last few. */
static inline size_t skip_known(const unsigned long *dst,
                                const unsigned long *src, size_t i,
                                size_t nwords)
{
    for (; i + GROUP <= nwords; i += GROUP) {
        unsigned long any = 0;

        for (unsigned k = 0; k < GROUP; k++) {
            any |= __atomic_load_n(&src[i + k], __ATOMIC_RELAXED) &
                   ~__atomic_load_n(&dst[i + k], __ATOMIC_RELAXED);
        }
        if (any) {
            break;
        }
    }
    return i;
}

/* First bit at or after from that differs from those of invert's words. */
static inline uint64_t find_from(const unsigned long *map, uint64_t nbits,
                                 uint64_t from, unsigned long invert)
{
    size_t word = from / WORD;
    size_t nwords = bitmap_words(nbits);
    unsigned long w;

    if (from >= nbits) {
        return nbits;
    }
    w = __atomic_load_n(&map[word], __ATOMIC_RELAXED) ^ invert;
    w &= ~0UL << (from % WORD);
    if (!w) {
        word = skip_same(map, word + 1, nwords, invert) - 1;
    }
    while (!w) {
        if (++word >= nwords) {
            return nbits;
        }
        w = __atomic_load_n(&map[word], __ATOMIC_RELAXED) ^ invert;
    }
    return MIN(word * WORD + __builtin_ctzl(w), nbits);
}

uint64_t bitmap_find_next(const unsigned long *map, uint64_t nbits,
                          uint64_t from)
{
    return find_from(map, nbits, from, 0);
}

uint64_t bitmap_find_next_zero(const unsigned long *map, uint64_t nbits,
                               uint64_t from)
{
    return find_from(map, nbits, from, ~0UL);
}

uint64_t bitmap_find_last(const unsigned long *map, uint64_t end)
{
    size_t word = bitmap_words(end);
    unsigned long mask = end % WORD ? ~(~0UL << (end % WORD)) : ~0UL;

    while (word > 0) {
        unsigned long w;

        word--;
        w = __atomic_load_n(&map[word], __ATOMIC_RELAXED) & mask;
        if (w) {
            return word * WORD + (WORD - 1 - __builtin_clzl(w));
        }
        mask = ~0UL;
    }
    return UINT64_MAX;
}

uint64_t bitmap_count(const unsigned long *map, uint64_t start, uint64_t n)
{
    uint64_t sum = 0;

    for (Span s = span_start(start, n); span_next(&s);) {
        sum += __builtin_popcountl(
            __atomic_load_n(&map[s.word], __ATOMIC_RELAXED) & s.mask);
    }
    return sum;
}

uint64_t bitmap_count_andnot(const unsigned long *map,
                             const unsigned long *mask, uint64_t nbits)
{
    size_t whole = nbits / WORD;
    unsigned long rest = nbits % WORD ? ~(~0UL << (nbits % WORD)) : 0;
    uint64_t sum = 0;
    unsigned long w;

    for (size_t i = 0; (i = skip_known(mask, map, i, whole)) < whole; i++) {
        w = __atomic_load_n(&map[i], __ATOMIC_RELAXED) & ~mask[i];
        sum += __builtin_popcountl(w);
    }
    if (rest) {
        w = __atomic_load_n(&map[whole], __ATOMIC_RELAXED) & ~mask[whole];
        sum += __builtin_popcountl(w & rest);
    }
    return sum;
}

void bitmap_copy(unsigned long *dst, const unsigned long *src, uint64_t nbits)
{
    uint64_t whole = ROUND_DOWN(nbits, WORD);

    memcpy(dst, src, whole / 8);
    for (Span s = span_start(whole, nbits - whole); span_next(&s);) {
        dst[s.word] = (dst[s.word] & ~s.mask) | (src[s.word] & s.mask);
    }
}

void bitmap_or(unsigned long *dst, const unsigned long *src, uint64_t nbits)
{
    for (Span s = span_start(0, nbits); span_next(&s);) {
        dst[s.word] |= src[s.word] & s.mask;
    }
}

bool bitmap_equal(const unsigned long *a, const unsigned long *b,
                  uint64_t nbits)
{
    for (Span s = span_start(0, nbits); span_next(&s);) {
        if ((a[s.word] ^ b[s.word]) & s.mask) {
            return false;
        }
    }
    return true;
}

/* Sets bits of one word atomically; returns how many became set. */
static inline unsigned or_word_atomic(unsigned long *word, unsigned long bits)
{
    /* A locked operation costs more than finding that it isn't needed. */
    if (!(bits & ~__atomic_load_n(word, __ATOMIC_RELAXED))) {
        return 0;
    }
    return __builtin_popcountl(
        bits & ~__atomic_fetch_or(word, bits, __ATOMIC_SEQ_CST));
}

/* Of the same place in a word: the switch-over waits for this one. */
static uint64_t merge_whole_words(unsigned long *dst, const unsigned long *src,
                                  size_t nwords)
{
    uint64_t sum = 0;

    for (size_t i = 0; (i = skip_known(dst, src, i, nwords)) < nwords; i++) {
        sum += or_word_atomic(&dst[i], src[i]);
    }
    return sum;
}

uint64_t bitmap_merge_atomic(unsigned long *dst, uint64_t dst_start,
                             const unsigned long *src, uint64_t nbits)
{
    unsigned shift = dst_start % WORD;
    uint64_t whole = shift ? 0 : ROUND_DOWN(nbits, WORD);
    uint64_t sum;

    dst += dst_start / WORD;
    sum = merge_whole_words(dst, src, whole / WORD);
    for (Span s = span_start(whole, nbits - whole); span_next(&s);) {
        unsigned long w = src[s.word] & s.mask;

        if (!w) {
            continue;
        }
        sum += or_word_atomic(&dst[s.word], w << shift);
        if (shift && w >> (WORD - shift)) {
            /* Without bits left over dst may end with the word before. */
            sum += or_word_atomic(&dst[s.word + 1], w >> (WORD - shift));
        }
    }
    return sum;
}

uint64_t bitmap_move_atomic(unsigned long *dst, unsigned long *src,
                            uint64_t start, uint64_t n)
{
    uint64_t sum = 0;

    for (Span s = span_start(start, n); span_next(&s);) {
        unsigned long w = __atomic_load_n(&src[s.word], __ATOMIC_RELAXED);

        if (!(w & s.mask)) {
            continue;
        }
        w = __atomic_fetch_and(&src[s.word], ~s.mask, __ATOMIC_SEQ_CST);
        w &= s.mask;
        sum += __builtin_popcountl(w & ~dst[s.word]);
        dst[s.word] |= w;
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return sum;
}
