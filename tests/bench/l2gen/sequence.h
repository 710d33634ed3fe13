/*
 * Which of the numbers that were sent have come back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef L2GEN_SEQUENCE_H
#define L2GEN_SEQUENCE_H

#include "util/base.h"

typedef enum SequenceVerdict {
    SEQUENCE_IN_ORDER,
    SEQUENCE_LATE,      /* a greater number was here before */
    SEQUENCE_DUPLICATE, /* was here before, or is too old to tell */
    SEQUENCE_NEVER_SENT,
} SequenceVerdict;

/*
 * A window of the last numbers, one bit each. What is missing when it
 * leaves the window is lost.
 */
typedef struct Sequence {
    uint64_t *bits;
    uint64_t size;     /* numbers in the window, a power of two */
    uint64_t next;     /* one more than the greatest number seen */
    uint64_t received; /* different ones */
} Sequence;

/* `size` is a power of two, 64 at least. */
void sequence_init(Sequence *s, uint64_t size);
void sequence_fini(Sequence *s);

/* Number `number` came; `sent` is how many were sent, from 0. */
SequenceVerdict sequence_receive(Sequence *s, uint64_t number, uint64_t sent);

/* Whether a number below `sent` is missing; false for one too old to tell. */
bool sequence_missing(const Sequence *s, uint64_t number, uint64_t sent);

/*
 * The next range of missing numbers from *start on: sets *start to its
 * beginning, *ret_count to its length. False if there is none below `sent`.
 */
bool sequence_next_missing(const Sequence *s, uint64_t sent, uint64_t *start,
                           uint64_t *ret_count);

#endif
