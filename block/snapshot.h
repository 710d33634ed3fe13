/*
 * Snapshots of all disks at once, with the machine's state in one of them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef BLOCK_SNAPSHOT_H
#define BLOCK_SNAPSHOT_H

#include "block/block.h"

/* The images of all disks that are written; the first has the state. */
typedef struct BlockSnapshotSet BlockSnapshotSet;

/*
 * vm_lock.  NULL with errp: a disk's image has no snapshots, or there is no
 * disk.  The images stay open.
 */
BlockSnapshotSet *block_snapshot_set_new(BlockBackends *bs, GError **errp);
/*
 * The same of nodes by their names; vmstate: which of them has the state, NULL:
 * it doesn't matter.
 */
BlockSnapshotSet *block_snapshot_set_new_of(BlockBackends *bs,
                                            const char *vmstate,
                                            const char *const *names, size_t n,
                                            GError **errp);
/* One disk, by the name of a drive or a node.  One that is read only, too. */
BlockSnapshotSet *block_snapshot_set_new_disk(BlockBackends *bs,
                                              const char *device,
                                              GError **errp);
/* vm_lock. */
void block_snapshot_set_free(BlockSnapshotSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockSnapshotSet, block_snapshot_set_free)

/*
 * Nobody changes the media or the sizes of drives on these images until the set
 * is freed.  False with errp: somebody does.  vm_lock.
 */
bool block_snapshot_set_hold(BlockSnapshotSet *set, GError **errp);

/* Name of the image with the state: its drive's, or its own. */
const char *block_snapshot_set_name(const BlockSnapshotSet *set);
/* The i-th of the image with the state; NULL: no more.  vm_lock. */
const BlockSnapshotInfo *block_snapshot_at(const BlockSnapshotSet *set,
                                           unsigned i);
/* The one of that name there; NULL: none.  vm_lock. */
const BlockSnapshotInfo *block_snapshot_find(const BlockSnapshotSet *set,
                                             const char *name);
/* Has any image one of that name?  vm_lock. */
bool block_snapshot_is_there(const BlockSnapshotSet *set, const char *name);
/* Have all images one of that name?  Of the same disk size. vm_lock. */
bool block_snapshot_check_all(const BlockSnapshotSet *set, const char *name,
                              GError **errp);

/*
 * These block, without vm_lock.  The disks' requests have ended, and nobody
 * makes new ones, but for deleting.
 */
bool block_snapshot_create(BlockSnapshotSet *set, const BlockSnapshotInfo *info,
                           GError **errp);
bool block_snapshot_go_back(BlockSnapshotSet *set, const char *name,
                            GError **errp);
/* Where there is one; none is no error. */
bool block_snapshot_delete(BlockSnapshotSet *set, const char *name,
                           GError **errp);
/*
 * Of one disk, whose device goes on.  The set is held.
 *
 * The only drive whose requests go to the disk: they are to have ended, and new
 * ones to wait (block_quiesce_step()).  *ret NULL: there is none.  vm_lock.
 */
bool block_snapshot_disk_user(const BlockSnapshotSet *set, BlockBackend **ret,
                              GError **errp);
/* vm_lock; let go of while storage is waited for. */
bool block_snapshot_disk_create(BlockSnapshotSet *set,
                                const BlockSnapshotInfo *info, GError **errp);
/* By what isn't NULL; it is there. */
bool block_snapshot_disk_delete(BlockSnapshotSet *set, const char *id,
                                const char *name, GError **errp);
/* The one with that id, that name, or both; NULL: none. */
const BlockSnapshotInfo *block_snapshot_disk_find(const BlockSnapshotSet *set,
                                                  const char *id,
                                                  const char *name);

/*
 * The machine's state, from its beginning, in order.  Bytes or -errno; what was
 * written is kept by block_snapshot_create(), after block_snapshot_end_write().
 */
int block_snapshot_begin_write(BlockSnapshotSet *set);
ssize_t block_snapshot_write(BlockSnapshotSet *set, const void *buf,
                             size_t len);
int block_snapshot_end_write(BlockSnapshotSet *set, uint64_t *ret_bytes);
/* After block_snapshot_go_back(); no more than `size` bytes. */
void block_snapshot_begin_read(BlockSnapshotSet *set, uint64_t size);
ssize_t block_snapshot_read(BlockSnapshotSet *set, void *buf, size_t len);

#endif
