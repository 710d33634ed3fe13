/*
 * What stands on the additional channels of a multifd migration, as QEMU 7.2
 * writes it (docs/devel/stream.md): a greeting, then packets of pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MULTIFD_PACKET_H
#define MIGRATION_MULTIFD_PACKET_H

#include "util/base.h"

enum {
    MULTIFD_MAGIC = 0x11223344,
    MULTIFD_VERSION = 1,
    MULTIFD_GREETING_LEN = 64, /* bytes */
    MULTIFD_HEADER_LEN = 1344, /* bytes */
    MULTIFD_PACKET_PAGES = 128,
    MULTIFD_PACKED_MAX = MULTIFD_PACKET_PAGES * (4096 + 512), /* bytes */
    MULTIFD_NAME_LEN = 256, /* of a RAM block, with at least one NUL */
};

/* MultifdPacket.flags */
enum {
    MULTIFD_SYNC = 1 << 0, /* in step with the other channels behind this */
    /* How the pages are packed. */
    MULTIFD_PACKED = 7 << 1,
    MULTIFD_PACKED_ZLIB = 1 << 1,
    MULTIFD_PACKED_ZSTD = 2 << 1,
};

typedef struct MultifdGreeting {
    uint8_t uuid[16]; /* of the machine; zeros without -uuid */
    uint8_t id;       /* of the channel, from 0 */
} MultifdGreeting;

/* The header; `bytes` bytes of packed pages follow if there are any. */
typedef struct MultifdPacket {
    uint32_t flags;
    uint32_t npages; /* at most MULTIFD_PACKET_PAGES */
    uint32_t bytes;  /* means nothing when npages is 0 */
    uint64_t number; /* counts packets, over all channels */
    char block[MULTIFD_NAME_LEN];
    uint64_t offsets[MULTIFD_PACKET_PAGES]; /* in the block, bytes */
} MultifdPacket;

void multifd_greeting_put(const MultifdGreeting *g,
                          uint8_t buf[MULTIFD_GREETING_LEN]);
/* False with errp: not a greeting of this version. */
bool multifd_greeting_parse(const uint8_t buf[MULTIFD_GREETING_LEN],
                            MultifdGreeting *ret, GError **errp);
/* Bytes that say nothing are zero. */
void multifd_packet_put(const MultifdPacket *p,
                        uint8_t buf[MULTIFD_HEADER_LEN]);
/*
 * False with errp for what can't be taken apart: magic, version, numbers that
 * don't fit, a name without an end.  Whether there is such a block, and such
 * an offset in it, is for the caller to see.
 */
bool multifd_packet_parse(const uint8_t buf[MULTIFD_HEADER_LEN],
                          MultifdPacket *ret, GError **errp);

#endif
