/*
 * Which of the numbers that were sent have come back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/sequence.h"

void sequence_init(Sequence *s, uint64_t size)
{
    *s = (Sequence){ .bits = g_new0(uint64_t, size / 64), .size = size };
}

void sequence_fini(Sequence *s)
{
    g_clear_pointer(&s->bits, g_free);
}

static uint64_t *word_of(const Sequence *s, uint64_t number)
{
    return &s->bits[(number & (s->size - 1)) / 64];
}

static bool seen(const Sequence *s, uint64_t number)
{
    return *word_of(s, number) >> number % 64 & 1;
}

static bool in_window(const Sequence *s, uint64_t number)
{
    return s->next <= s->size || number >= s->next - s->size;
}

/* Let the window reach up to `number`; the new places are empty. */
static void advance(Sequence *s, uint64_t number)
{
    if (number - s->next >= s->size) {
        memset(s->bits, 0, s->size / 8);
    } else {
        for (uint64_t n = s->next; n <= number; n++) {
            *word_of(s, n) &= ~(UINT64_C(1) << n % 64);
        }
    }
    s->next = number + 1;
}

SequenceVerdict sequence_receive(Sequence *s, uint64_t number, uint64_t sent)
{
    bool late = number < s->next;

    if (number >= sent) {
        return SEQUENCE_NEVER_SENT;
    }
    if (!late) {
        advance(s, number);
    } else if (!in_window(s, number) || seen(s, number)) {
        return SEQUENCE_DUPLICATE;
    }
    *word_of(s, number) |= UINT64_C(1) << number % 64;
    s->received++;
    return late ? SEQUENCE_LATE : SEQUENCE_IN_ORDER;
}

bool sequence_missing(const Sequence *s, uint64_t number, uint64_t sent)
{
    if (number >= sent || !in_window(s, number)) {
        return false;
    }
    return number >= s->next || !seen(s, number);
}

bool sequence_next_missing(const Sequence *s, uint64_t sent, uint64_t *start,
                           uint64_t *ret_count)
{
    uint64_t n = *start, first;

    if (!in_window(s, n)) {
        n = s->next - s->size;
    }
    while (n < s->next && seen(s, n)) {
        n++;
    }
    if (n >= sent) {
        return false;
    }
    first = n;
    while (n < s->next && n < sent && !seen(s, n)) {
        n++;
    }
    *ret_count = (n < s->next ? n : sent) - first;
    *start = first;
    return true;
}
