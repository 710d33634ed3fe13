/*
 * Guest memory, incoming.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RAM_LOAD_H
#define MIGRATION_RAM_LOAD_H

#include "migration/postcopy-in.h"
#include "vmstate/stream.h"

typedef struct RamLoad RamLoad;
struct MultifdRecv;

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
 * The stream may become a postcopy (ADVISE): `p`, borrowed, is told which
 * pages have come, and from its listening on places them.  Before the list of
 * blocks, which has the sizes of pages then.
 */
void ram_load_set_postcopy(RamLoad *r, PostcopyIn *p);
/*
 * The stream broke off, and goes on at the beginning of a section: what had
 * come by half is forgotten.
 */
void ram_load_restart(RamLoad *r);
/*
 * Reads the records of one section of the stream up to its end mark.  Errors
 * name the block, the offset in it and what is wrong.
 */
bool ram_load_section(RamLoad *r, StreamIn *s, GError **errp);
/*
 * Pages come on the channels of `mr` too (borrowed): where the stream says
 * that they are in step it waits for them.  That is at the end of each section
 * or, with ram_load_set_marked(), where a record says so.
 */
void ram_load_set_multifd(RamLoad *r, struct MultifdRecv *mr);
void ram_load_set_marked(RamLoad *r);
/*
 * For threads of channels, once the list of blocks is there.
 *
 * A record of pages whose first be64, `head`, has been read; *last is the block
 * of the record before on this channel.
 */
bool ram_load_pages(RamLoad *r, RamBlock **last, StreamIn *s, uint64_t head,
                    GError **errp);
/* A listed block that may be written, or NULL with errp. */
RamBlock *ram_load_block(RamLoad *r, const char *name, GError **errp);
/* False with errp unless all of it lies in the block. */
bool ram_load_check_range(const RamBlock *rb, uint64_t off, uint64_t len,
                          GError **errp);
/* The range has been written. */
void ram_load_stored(RamLoad *r, RamBlock *rb, uint64_t off, uint64_t len);
/*
 * The capability x-ignore-shared: shared memory is the source's own, and is
 * neither cleared nor loaded.  Before anything else.
 */
void ram_load_set_ignore_shared(RamLoad *r);
/* Pages that never come are zero; else each of them comes. */
void ram_load_set_absent(RamLoad *r);
/*
 * All parts have come.  False with errp if the other side seems to have left
 * out a block that isn't shared here.
 */
bool ram_load_finished(RamLoad *r, GError **errp);
/* Has the list of blocks arrived? */
bool ram_load_ready(const RamLoad *r);

#endif
