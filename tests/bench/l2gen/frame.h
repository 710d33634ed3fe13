/*
 * Test frames: a number, a time and a content that follows from the number.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef L2GEN_FRAME_H
#define L2GEN_FRAME_H

#include "util/base.h"

enum {
    FRAME_FCS = 4, /* counted on the wire, not there in memory */
    FRAME_MIN = 64,
    FRAME_MAX = 1518,
    FRAME_ETHERNET = 14,
    ETHERTYPE_TEST = 0x88b5, /* IEEE 802: local experiments */
    ETHERTYPE_RARP = 0x8035,
};

/* Behind the Ethernet header; host byte order: who sends it receives it. */
typedef struct __attribute__((packed)) FrameHead {
    uint32_t magic;
    uint8_t port; /* where it was sent */
    uint8_t queue;
    uint16_t length; /* of the whole frame, without FCS */
    uint64_t number;
    uint64_t sent; /* time, in the sender's ticks */
} FrameHead;

/*
 * Write a frame of `length` bytes (60 at least, without FCS): from the
 * tester to the guest behind `port`.
 */
void frame_write(uint8_t *frame, const FrameHead *head);

/* Its type; 0 if it is shorter than an Ethernet header. */
uint16_t frame_type(const uint8_t *frame, size_t length);

/* Take a test frame apart; false if a byte of it is wrong. */
bool frame_read(const uint8_t *frame, size_t length, FrameHead *ret_head);

#endif
