/*
 * Guest memory, incoming.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RAM_LOAD_H
#define MIGRATION_RAM_LOAD_H

#include "system/memory.h"
#include "vmstate/stream.h"

typedef struct RamLoad RamLoad;

RamLoad *ram_load_new(Memory *mem);
void ram_load_free(RamLoad *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RamLoad, ram_load_free)
/*
 * Makes every block that travels read as zero, so that the source need not
 * send what was never touched.  False: it can't be promised, or not before
 * `until_ns` (CLOCK_MONOTONIC): the source waits for the answer.
 */
bool ram_load_make_pristine(RamLoad *r, int64_t until_ns);
/*
 * Reads the records of one section of the stream up to its end mark.  Errors
 * name the block, the offset in it and what is wrong.
 */
bool ram_load_section(RamLoad *r, StreamIn *s, GError **errp);
/* Has the list of blocks arrived? */
bool ram_load_ready(const RamLoad *r);

#endif
