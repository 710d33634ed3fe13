/*
 * Bitmaps: arrays of unsigned long, bit i in word i / 64 at place i % 64.
 *
 * All positions and lengths are in bits. The functions on ranges do nothing
 * for an empty one. Those called _atomic may run against each other and
 * against readers in any thread; the others need a lock around them. Bits past
 * the length in the last word stay as they are, and are never reported.
 *
 * A bitmap of dirty pages is set by the thread that dirtied (atomic set, after
 * the data) and harvested with an atomic clear or exchange before the data is
 * read: both are full barriers, each the other's partner.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_BITMAP_H
#define UTIL_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_WORD_BITS 64

_Static_assert(sizeof(unsigned long) * 8 == BITMAP_WORD_BITS,
               "bitmaps need 64-bit words");

/* Words that hold nbits bits. */
static inline size_t bitmap_words(uint64_t nbits)
{
    return nbits / BITMAP_WORD_BITS + (nbits % BITMAP_WORD_BITS != 0);
}

/* All clear; g_free() or bitmap_free() it. Untouched parts take no memory. */
unsigned long *bitmap_new(uint64_t nbits);
/* NULL where there isn't the memory. */
unsigned long *bitmap_try_new(uint64_t nbits);
void bitmap_free(unsigned long *map);

static inline bool bitmap_test(const unsigned long *map, uint64_t bit)
{
    return (map[bit / BITMAP_WORD_BITS] >> (bit % BITMAP_WORD_BITS)) & 1;
}

static inline void bitmap_set_bit(unsigned long *map, uint64_t bit)
{
    map[bit / BITMAP_WORD_BITS] |= 1UL << (bit % BITMAP_WORD_BITS);
}

static inline void bitmap_clear_bit(unsigned long *map, uint64_t bit)
{
    map[bit / BITMAP_WORD_BITS] &= ~(1UL << (bit % BITMAP_WORD_BITS));
}

/* As bitmap_test(), for a bit that other threads change meanwhile. */
static inline bool bitmap_test_atomic(const unsigned long *map, uint64_t bit)
{
    unsigned long w =
        __atomic_load_n(&map[bit / BITMAP_WORD_BITS], __ATOMIC_ACQUIRE);

    return (w >> (bit % BITMAP_WORD_BITS)) & 1;
}

/* Sets the bit; was it set before? */
static inline bool bitmap_test_and_set_atomic(unsigned long *map, uint64_t bit)
{
    unsigned long mask = 1UL << (bit % BITMAP_WORD_BITS);

    return __atomic_fetch_or(&map[bit / BITMAP_WORD_BITS], mask,
                             __ATOMIC_SEQ_CST) &
           mask;
}

/* Clears the bit; was it set before? */
static inline bool bitmap_test_and_clear_atomic(unsigned long *map,
                                                uint64_t bit)
{
    unsigned long mask = 1UL << (bit % BITMAP_WORD_BITS);

    return __atomic_fetch_and(&map[bit / BITMAP_WORD_BITS], ~mask,
                              __ATOMIC_SEQ_CST) &
           mask;
}

/* Puts a whole word in place of word number `word`; returns the old one. */
static inline unsigned long bitmap_xchg_word(unsigned long *map, size_t word,
                                             unsigned long v)
{
    return __atomic_exchange_n(&map[word], v, __ATOMIC_SEQ_CST);
}

void bitmap_set(unsigned long *map, uint64_t start, uint64_t n);
void bitmap_clear(unsigned long *map, uint64_t start, uint64_t n);
void bitmap_set_atomic(unsigned long *map, uint64_t start, uint64_t n);
void bitmap_clear_atomic(unsigned long *map, uint64_t start, uint64_t n);
/* Clears the range; was any bit of it set? */
bool bitmap_test_and_clear_range_atomic(unsigned long *map, uint64_t start,
                                        uint64_t n);
/* Is any, are all, of the bits of the range set? (empty: false, true) */
bool bitmap_test_any(const unsigned long *map, uint64_t start, uint64_t n);
bool bitmap_test_all(const unsigned long *map, uint64_t start, uint64_t n);

/* First set (clear) bit at or after from; nbits if there is none. */
uint64_t bitmap_find_next(const unsigned long *map, uint64_t nbits,
                          uint64_t from);
uint64_t bitmap_find_next_zero(const unsigned long *map, uint64_t nbits,
                               uint64_t from);
/* Last set bit before end; UINT64_MAX if there is none. */
uint64_t bitmap_find_last(const unsigned long *map, uint64_t end);

/* How many bits of the range are set? */
uint64_t bitmap_count(const unsigned long *map, uint64_t start, uint64_t n);
/* Of bits 0 .. nbits-1, those that `mask` doesn't have; map may be changing. */
uint64_t bitmap_count_andnot(const unsigned long *map,
                             const unsigned long *mask, uint64_t nbits);

/* dst = src, dst = dst | src, for bits 0 .. nbits-1. */
void bitmap_copy(unsigned long *dst, const unsigned long *src, uint64_t nbits);
void bitmap_or(unsigned long *dst, const unsigned long *src, uint64_t nbits);
bool bitmap_equal(const unsigned long *a, const unsigned long *b,
                  uint64_t nbits);
/*
 * Adds bits 0 .. nbits-1 of src to dst from bit dst_start up. Atomic towards
 * dst; src is the caller's own. Returns how many bits of dst became set.
 */
uint64_t bitmap_merge_atomic(unsigned long *dst, uint64_t dst_start,
                             const unsigned long *src, uint64_t nbits);
/*
 * Moves bits start .. start+n-1 of src to the same places of dst (adding to
 * what is there) and clears them in src, atomically towards src; dst is the
 * caller's own. Returns how many bits of dst became set.
 */
uint64_t bitmap_move_atomic(unsigned long *dst, unsigned long *src,
                            uint64_t start, uint64_t n);

#endif /* UTIL_BITMAP_H */
