/*
 * RAM blocks: what ramblock.c needs of ramblock-map.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_RAMBLOCK_PRIV_H
#define SYSTEM_RAMBLOCK_PRIV_H

#include "system/ramblock.h"

/*
 * Fills in host, used_length, max_length, page_size, prealloc and fd of a
 * block whose other fields are set.  Takes over opts->fd, also on failure.
 */
bool ram_block_map(RamBlock *rb, const RamBlockOptions *opts, GError **errp);
void ram_block_unmap(RamBlock *rb);

/*
 * ramblock-lost.c: the block's file may get shorter from now on.  It is mapped,
 * and stays so until ram_block_unwatch().  False: there are too many.
 */
bool ram_block_watch(RamBlock *rb, GError **errp);
void ram_block_unwatch(RamBlock *rb);

#endif
