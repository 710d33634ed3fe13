/*
 * I/O limits of drives, and the groups that share them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_THROTTLE_H
#define BLOCK_THROTTLE_H

#include "block/block.h"
#include "block/throttle-limits.h"

/*
 * The limits of a drive from now on, those of `group` for all that are in it;
 * no limit: it leaves its group.  group NULL: the one that it is in, or else a
 * new one that is called `name`.  vm_lock.
 */
bool block_set_throttle(BlockBackend *b, const char *group, const char *name,
                        const IoLimits *l, GError **errp);
/* False: it has none.  *ret_group is the drive's. */
bool block_get_throttle(const BlockBackend *b, IoLimits *ret,
                        const char **ret_group);
/* -object throttle-group. */
const ObjectType *const *throttle_object_types(void);

#endif
