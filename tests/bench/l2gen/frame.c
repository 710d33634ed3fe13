/*
 * Test frames: a number, a time and a content that follows from the number.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/bench/l2gen/frame.h"

enum {
    MAGIC = 0x4e473247,
    CONTENT = FRAME_ETHERNET + sizeof(FrameHead),
    HOST = 0, /* last but one byte of a MAC address */
    GUEST = 1,
};

/*
 * The same on all ports: a guest that swaps the addresses sends from its own,
 * so that a switch on the way learns where that is.
 */
static void write_address(uint8_t *at, uint8_t who)
{
    /* 0x02: locally administered. */
    memcpy(at, (uint8_t[]){ 0x02, 0, 0, 0, who, 0 }, 6);
}

/* Word `i` of the content. */
static uint64_t content_word(uint64_t number, size_t i)
{
    return (number + 1) * UINT64_C(0x9e3779b97f4a7c15) + i;
}

void frame_write(uint8_t *frame, const FrameHead *head)
{
    FrameHead h = *head;
    uint64_t word;
    size_t at, i = 0;

    h.magic = MAGIC;
    write_address(frame, GUEST);
    write_address(frame + 6, HOST);
    frame[12] = ETHERTYPE_TEST >> 8;
    frame[13] = ETHERTYPE_TEST & 0xff;
    memcpy(frame + FRAME_ETHERNET, &h, sizeof(h));
    for (at = CONTENT; at + sizeof(word) <= h.length; at += sizeof(word)) {
        word = content_word(h.number, i++);
        memcpy(frame + at, &word, sizeof(word));
    }
    word = content_word(h.number, i);
    memcpy(frame + at, &word, h.length - at);
}

uint16_t frame_type(const uint8_t *frame, size_t length)
{
    return length < FRAME_ETHERNET ? 0 : frame[12] << 8 | frame[13];
}

bool frame_read(const uint8_t *frame, size_t length, FrameHead *ret_head)
{
    FrameHead h;
    uint64_t word;
    size_t at, i = 0;

    if (length < CONTENT) {
        return false;
    }
    memcpy(&h, frame + FRAME_ETHERNET, sizeof(h));
    if (h.magic != MAGIC || h.length != length) {
        return false;
    }
    for (at = CONTENT; at + sizeof(word) <= length; at += sizeof(word)) {
        word = content_word(h.number, i++);
        if (memcmp(frame + at, &word, sizeof(word)) != 0) {
            return false;
        }
    }
    word = content_word(h.number, i);
    if (memcmp(frame + at, &word, length - at) != 0) {
        return false;
    }
    *ret_head = h;
    return true;
}
