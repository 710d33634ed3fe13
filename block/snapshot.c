/*
 * Snapshots of all disks at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/snapshot.h"

#include "block/block-priv.h"
#include "util/error.h"

/* Of the state, at once: whole clusters of any size. */
#define CHUNK ((size_t)(2 * MiB))

struct BlockSnapshotSet {
    GPtrArray *nodes; /* BlockNode, references */
    char *name;       /* of the drive that has nodes[0] */
    uint8_t *chunk;
    size_t filled; /* of chunk */
    uint64_t done; /* bytes of the state */
    uint64_t size; /* of the state, while it is read */
};

/* Filters show their child's bytes: its snapshots are theirs. */
static BlockNode *snapshot_node(BlockNode *n)
{
    while (n->drv->is_filter && n->file != NULL) {
        n = n->file;
    }
    return n;
}

static bool set_add(BlockSnapshotSet *set, BlockBackend *b, GError **errp)
{
    BlockNode *n;
    const char *name =
        *b->name != '\0' || b->root == NULL ? b->name : b->root->name;

    if (b->root == NULL || b->root->read_only) {
        return true;
    }
    n = snapshot_node(b->root);
    if (n->drv->snapshots == NULL) {
        error_setf(errp,
                   "Device '%s' is writable but does not support snapshots",
                   name);
        return false;
    }
    if (g_ptr_array_find(set->nodes, n, NULL)) {
        return true;
    }
    if (set->nodes->len == 0) {
        set->name = g_strdup(name);
    }
    g_ptr_array_add(set->nodes, block_node_ref(n));
    return true;
}

BlockSnapshotSet *block_snapshot_set_new(BlockBackends *bs, GError **errp)
{
    g_autoptr(BlockSnapshotSet) set = g_new0(BlockSnapshotSet, 1);

    set->nodes = g_ptr_array_new();
    if (bs->inactive) {
        error_setf(errp, "The disk images belong to another process");
        return NULL;
    }
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        if (!set_add(set, container_of(l, BlockBackend, link), errp)) {
            return NULL;
        }
    }
    if (set->nodes->len == 0) {
        error_setf(errp, "no block device can store vmstate for snapshot");
        return NULL;
    }
    return g_steal_pointer(&set);
}

void block_snapshot_set_free(BlockSnapshotSet *set)
{
    if (set == NULL) {
        return;
    }
    for (guint i = 0; i < set->nodes->len; i++) {
        block_node_unref(set->nodes->pdata[i]);
    }
    g_ptr_array_unref(set->nodes);
    g_free(set->name);
    g_free(set->chunk);
    g_free(set);
}

static BlockNode *node_at(const BlockSnapshotSet *set, guint i)
{
    return set->nodes->pdata[i];
}

const char *block_snapshot_set_name(const BlockSnapshotSet *set)
{
    return set->name;
}

static const BlockSnapshotInfo *node_info(const BlockNode *n, unsigned i)
{
    return n->drv->snapshots->info(n, i);
}

const BlockSnapshotInfo *block_snapshot_at(const BlockSnapshotSet *set,
                                           unsigned i)
{
    return node_info(node_at(set, 0), i);
}

static const BlockSnapshotInfo *node_find(const BlockNode *n, const char *name)
{
    const BlockSnapshotInfo *info = NULL;

    for (unsigned i = 0; (info = node_info(n, i)) != NULL; i++) {
        if (g_str_equal(info->name, name)) {
            break;
        }
    }
    return info;
}

const BlockSnapshotInfo *block_snapshot_find(const BlockSnapshotSet *set,
                                             const char *name)
{
    return node_find(node_at(set, 0), name);
}

bool block_snapshot_check_all(const BlockSnapshotSet *set, const char *name,
                              GError **errp)
{
    for (guint i = 0; i < set->nodes->len; i++) {
        const BlockNode *n = node_at(set, i);
        const BlockSnapshotInfo *info = node_find(n, name);

        if (info == NULL) {
            error_setf(errp,
                       "Snapshot '%s' does not exist in one or more devices",
                       name);
            return false;
        }
        if (info->disk_size != n->size) {
            error_setf(errp,
                       "Snapshot '%s' of '%s' is of a disk of %" PRIu64
                       " bytes, which has %" PRIu64 " now",
                       name, n->filename, info->disk_size, n->size);
            return false;
        }
    }
    return true;
}

/* What is there in memory of the list, by a thread without the lock. */
static char *node_find_id(const BlockNode *n, const char *name)
{
    VM_LOCK_GUARD();
    const BlockSnapshotInfo *info = node_find(n, name);

    return info != NULL ? g_strdup(info->id) : NULL;
}

/* All or none. */
bool block_snapshot_create(BlockSnapshotSet *set, const BlockSnapshotInfo *info,
                           GError **errp)
{
    for (guint i = 0; i < set->nodes->len; i++) {
        BlockNode *n = node_at(set, i);
        BlockSnapshotInfo mine = *info;

        mine.vm_state_size = i == 0 ? info->vm_state_size : 0;
        if (!n->drv->snapshots->create(n, &mine, errp)) {
            for (guint k = 0; k < i; k++) {
                BlockNode *done = node_at(set, k);

                done->drv->snapshots->remove(done, NULL, info->name, NULL);
            }
            return false;
        }
    }
    return true;
}

bool block_snapshot_go_back(BlockSnapshotSet *set, const char *name,
                            GError **errp)
{
    for (guint i = 0; i < set->nodes->len; i++) {
        BlockNode *n = node_at(set, i);
        g_autofree char *id = node_find_id(n, name);

        if (id == NULL) {
            error_setf(errp, "Snapshot '%s' of '%s' has gone", name,
                       n->filename);
            return false;
        }
        if (!n->drv->snapshots->go_back(n, id, errp)) {
            return false;
        }
    }
    return true;
}

bool block_snapshot_delete(BlockSnapshotSet *set, const char *name,
                           GError **errp)
{
    for (guint i = 0; i < set->nodes->len; i++) {
        BlockNode *n = node_at(set, i);
        g_autofree char *id = node_find_id(n, name);

        if (id != NULL && !n->drv->snapshots->remove(n, NULL, name, errp)) {
            return false;
        }
    }
    return true;
}

/* State */

int block_snapshot_begin_write(BlockSnapshotSet *set)
{
    BlockNode *n = node_at(set, 0);

    if (set->chunk == NULL) {
        set->chunk = g_malloc(CHUNK);
    }
    set->filled = 0;
    set->done = 0;
    return n->drv->snapshots->state_drop(n);
}

/* What is in the chunk, up to the end of a cluster. */
static int write_chunk(BlockSnapshotSet *set)
{
    BlockNode *n = node_at(set, 0);
    BlockNodeInfo info = { 0 };
    size_t len;
    int ret;

    n->drv->info(n, &info);
    len = ROUND_UP(set->filled, (size_t)info.cluster_size);
    memset(set->chunk + set->filled, 0, len - set->filled);
    ret = len > 0
              ? n->drv->snapshots->state_write(n, set->done, set->chunk, len)
              : 0;
    if (ret == 0) {
        set->done += set->filled;
        set->filled = 0;
    }
    return ret;
}

ssize_t block_snapshot_write(BlockSnapshotSet *set, const void *buf, size_t len)
{
    size_t n = MIN(len, CHUNK - set->filled);
    int ret = 0;

    memcpy(set->chunk + set->filled, buf, n);
    set->filled += n;
    if (set->filled == CHUNK) {
        ret = write_chunk(set);
    }
    return ret < 0 ? ret : (ssize_t)n;
}

int block_snapshot_end_write(BlockSnapshotSet *set, uint64_t *ret_bytes)
{
    int ret = write_chunk(set);

    *ret_bytes = set->done;
    return ret;
}

void block_snapshot_begin_read(BlockSnapshotSet *set, uint64_t size)
{
    set->done = 0;
    set->size = size;
}

ssize_t block_snapshot_read(BlockSnapshotSet *set, void *buf, size_t len)
{
    BlockNode *n = node_at(set, 0);
    size_t part = MIN(len, set->size - set->done);
    int ret =
        part > 0 ? n->drv->snapshots->state_read(n, set->done, buf, part) : 0;

    if (ret < 0) {
        return ret;
    }
    set->done += part;
    return (ssize_t)part;
}
