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

#endif
