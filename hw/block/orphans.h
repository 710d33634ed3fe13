/*
 * Requests that a reset has given up while the host still works on them.
 *
 * They read and write the guest's memory until they end.  So a reset doesn't
 * wait for them under vm_lock, but who asked for it goes on when they have
 * ended: the driver's vCPU when it has left the device, a machine's reset
 * before its firmware runs.  As long as the host's storage takes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_BLOCK_ORPHANS_H
#define HW_BLOCK_ORPHANS_H

#include "block/block.h"

struct Vm;
typedef struct BlkOrphans BlkOrphans; /* of one device */

/* vm_lock, but for what says otherwise.  `name`: as users know the device. */
BlkOrphans *blk_orphans_new(struct Vm *vm, const char *name);
/* The device goes; what is left of its requests is counted to their end. */
void blk_orphans_free(BlkOrphans *o);
/* A request was given up; any thread. */
void blk_orphans_add(BlkOrphans *o);
/* One of them has ended; any thread. */
void blk_orphans_end(BlkOrphans *o);
/* See vm_outside_wait_later(). */
void blk_orphans_wait_later(BlkOrphans *o);

#endif
