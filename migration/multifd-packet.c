/*
 * The greeting and the packets of multifd channels: bytes, and what they say.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/multifd-packet.h"

#include "util/bswap.h"
#include "util/error.h"

/* Offsets of the fields. */
enum {
    AT_MAGIC = 0,
    AT_VERSION = 4,
    GREETING_UUID = 8,
    GREETING_ID = 24,
    PACKET_FLAGS = 8,
    PACKET_ROOM = 12,
    PACKET_NPAGES = 16,
    PACKET_BYTES = 20,
    PACKET_NUMBER = 24,
    PACKET_NAME = 64,
    PACKET_OFFSETS = 320,
};

static void put_head(uint8_t *buf, size_t len)
{
    memset(buf, 0, len);
    stl_be_p(buf + AT_MAGIC, MULTIFD_MAGIC);
    stl_be_p(buf + AT_VERSION, MULTIFD_VERSION);
}

static bool check_head(const uint8_t *buf, const char *what, GError **errp)
{
    uint32_t magic = ldl_be_p(buf + AT_MAGIC);
    uint32_t version = ldl_be_p(buf + AT_VERSION);

    if (magic != MULTIFD_MAGIC) {
        error_setf(errp, "%s: magic 0x%08x instead of 0x%08x", what, magic,
                   MULTIFD_MAGIC);
        return false;
    }
    if (version != MULTIFD_VERSION) {
        error_setf(errp, "%s: version %u, this program takes %d", what, version,
                   MULTIFD_VERSION);
        return false;
    }
    return true;
}

void multifd_greeting_put(const MultifdGreeting *g,
                          uint8_t buf[MULTIFD_GREETING_LEN])
{
    put_head(buf, MULTIFD_GREETING_LEN);
    memcpy(buf + GREETING_UUID, g->uuid, sizeof(g->uuid));
    buf[GREETING_ID] = g->id;
}

bool multifd_greeting_parse(const uint8_t buf[MULTIFD_GREETING_LEN],
                            MultifdGreeting *ret, GError **errp)
{
    if (!check_head(buf, "greeting", errp)) {
        return false;
    }
    memcpy(ret->uuid, buf + GREETING_UUID, sizeof(ret->uuid));
    ret->id = buf[GREETING_ID];
    return true;
}

void multifd_packet_put(const MultifdPacket *p, uint8_t buf[MULTIFD_HEADER_LEN])
{
    put_head(buf, MULTIFD_HEADER_LEN);
    stl_be_p(buf + PACKET_FLAGS, p->flags);
    stl_be_p(buf + PACKET_ROOM, MULTIFD_PACKET_PAGES);
    stl_be_p(buf + PACKET_NPAGES, p->npages);
    stl_be_p(buf + PACKET_BYTES, p->bytes);
    stq_be_p(buf + PACKET_NUMBER, p->number);
    g_strlcpy((char *)buf + PACKET_NAME, p->block, MULTIFD_NAME_LEN);
    for (uint32_t i = 0; i < p->npages; i++) {
        stq_be_p(buf + PACKET_OFFSETS + 8 * i, p->offsets[i]);
    }
}

static bool check_numbers(const MultifdPacket *p, uint32_t room, GError **errp)
{
    if (p->flags & ~(uint32_t)(MULTIFD_SYNC | MULTIFD_PACKED)) {
        error_setf(errp, "packet: unknown flags 0x%x", p->flags);
        return false;
    }
    if (room > MULTIFD_PACKET_PAGES || p->npages > room) {
        error_setf(errp, "packet: %u pages of %u, at most %d", p->npages, room,
                   MULTIFD_PACKET_PAGES);
        return false;
    }
    if (p->npages > 0 && (p->bytes == 0 || p->bytes > MULTIFD_PACKED_MAX)) {
        error_setf(errp, "packet: %u bytes for %u pages, at most %d", p->bytes,
                   p->npages, MULTIFD_PACKED_MAX);
        return false;
    }
    return true;
}

bool multifd_packet_parse(const uint8_t buf[MULTIFD_HEADER_LEN],
                          MultifdPacket *ret, GError **errp)
{
    if (!check_head(buf, "packet", errp)) {
        return false;
    }
    ret->flags = ldl_be_p(buf + PACKET_FLAGS);
    ret->npages = ldl_be_p(buf + PACKET_NPAGES);
    ret->bytes = ldl_be_p(buf + PACKET_BYTES);
    ret->number = ldq_be_p(buf + PACKET_NUMBER);
    if (!check_numbers(ret, ldl_be_p(buf + PACKET_ROOM), errp)) {
        return false;
    }
    memcpy(ret->block, buf + PACKET_NAME, MULTIFD_NAME_LEN);
    if (memchr(ret->block, '\0', MULTIFD_NAME_LEN) == NULL) {
        error_setf(errp, "packet: block name of %d bytes without an end",
                   MULTIFD_NAME_LEN);
        return false;
    }
    for (uint32_t i = 0; i < ret->npages; i++) {
        ret->offsets[i] = ldq_be_p(buf + PACKET_OFFSETS + 8 * i);
    }
    return true;
}
