/*
 * How multifd channels pack pages ("multifd-compression").
 *
 * A codec is one direction of one channel: what it has seen before is part of
 * how it packs the next page, as in QEMU 7.2, whose zlib and zstd streams go
 * through all packets of a channel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MULTIFD_CODEC_H
#define MIGRATION_MULTIFD_CODEC_H

#include "util/base.h"

typedef struct MultifdCodec MultifdCodec;

/* Is there such a way to pack ("zlib", "zstd")?  Its MULTIFD_PACKED_*. */
bool multifd_codec_find(const char *name, uint32_t *ret_flag);
/* "zlib" for MULTIFD_PACKED_ZLIB; NULL for what isn't known. */
const char *multifd_codec_name(uint32_t flag);
/*
 * `flag`: MULTIFD_PACKED_*.  `level`: that of the parameter multifd-zlib-level
 * or multifd-zstd-level.
 */
MultifdCodec *multifd_packer_new(uint32_t flag, int level, GError **errp);
MultifdCodec *multifd_unpacker_new(uint32_t flag, GError **errp);
/* NULL is fine. */
void multifd_codec_free(MultifdCodec *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MultifdCodec, multifd_codec_free)
/*
 * Packs `n` pages, at most MULTIFD_PACKET_PAGES, which the guest may write
 * meanwhile.  The result is the codec's, until the next call; NULL with errp.
 */
const uint8_t *multifd_pack(MultifdCodec *c, const uint8_t *const *pages,
                            size_t n, size_t *ret_len, GError **errp);
/*
 * Unpacks exactly `n` pages to where they belong from exactly `len` bytes;
 * false with errp for anything else, which may have changed these pages.
 */
bool multifd_unpack(MultifdCodec *c, const uint8_t *data, size_t len,
                    uint8_t *const *pages, size_t n, GError **errp);

#endif
