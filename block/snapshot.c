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
    BlockBackends *all;
    GPtrArray *nodes; /* BlockNode, references */
    GPtrArray *held;  /* BlockBackend, between block_change_begin() and end */
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

static bool set_add_node(BlockSnapshotSet *set, BlockNode *top,
                         const char *name, GError **errp)
{
    BlockNode *n = snapshot_node(top);

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

static bool set_add(BlockSnapshotSet *set, BlockBackend *b, GError **errp)
{
    return b->root == NULL || b->root->read_only ||
           set_add_node(set, b->root,
                        *b->name != '\0' ? b->name : b->root->name, errp);
}

static BlockSnapshotSet *set_new(BlockBackends *bs, GError **errp)
{
    BlockSnapshotSet *set;

    if (bs->inactive) {
        error_setf(errp, "The disk images belong to another process");
        return NULL;
    }
    set = g_new0(BlockSnapshotSet, 1);
    set->all = bs;
    set->nodes = g_ptr_array_new();
    set->held = g_ptr_array_new();
    return set;
}

BlockSnapshotSet *block_snapshot_set_new(BlockBackends *bs, GError **errp)
{
    g_autoptr(BlockSnapshotSet) set = set_new(bs, errp);

    if (set == NULL) {
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

static bool set_add_named(BlockSnapshotSet *set, const char *name,
                          GError **errp)
{
    BlockNode *n = block_node_find(set->all, name);

    if (n == NULL) {
        error_setf(errp, "No block device node '%s'", name);
        return false;
    }
    if (n->read_only) {
        error_setf(errp, "Device '%s' is read only", name);
        return false;
    }
    return set_add_node(set, n, name, errp);
}

static bool has_string(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (g_str_equal(names[i], name)) {
            return true;
        }
    }
    return false;
}

BlockSnapshotSet *block_snapshot_set_new_of(BlockBackends *bs,
                                            const char *vmstate,
                                            const char *const *names, size_t n,
                                            GError **errp)
{
    g_autoptr(BlockSnapshotSet) set = set_new(bs, errp);

    if (set == NULL) {
        return NULL;
    }
    if (n == 0) {
        error_setf(errp, "At least one device is required for snapshot");
        return NULL;
    }
    if (vmstate != NULL && !has_string(names, n, vmstate)) {
        error_setf(errp, "vmstate block device '%s' does not exist", vmstate);
        return NULL;
    }
    if (vmstate != NULL && !set_add_named(set, vmstate, errp)) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!set_add_named(set, names[i], errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&set);
}

BlockSnapshotSet *block_snapshot_set_new_disk(BlockBackends *bs,
                                              const char *device, GError **errp)
{
    g_autoptr(BlockSnapshotSet) set = set_new(bs, errp);
    const BlockBackend *b = block_find(bs, device);
    BlockNode *n = b != NULL ? b->root : block_node_find(bs, device);

    if (set == NULL) {
        return NULL;
    }
    if (n == NULL) {
        error_setf(errp,
                   b != NULL ? "Device '%s' has no medium"
                             : "Cannot find device='%s' nor node-name='%s'",
                   device, device);
        return NULL;
    }
    if (n->read_only) {
        error_setf(errp, "Device '%s' is read only", device);
        return NULL;
    }
    if (snapshot_node(n)->drv->snapshots == NULL) {
        error_setf(errp,
                   "Block format '%s' used by device '%s' does not support "
                   "internal snapshots",
                   n->drv->name, device);
        return NULL;
    }
    return set_add_node(set, n, device, errp) ? g_steal_pointer(&set) : NULL;
}

/* Do its requests go to that node? */
static bool leads_to(const BlockBackend *b, const BlockNode *n)
{
    const BlockNode *at = b->root;

    while (at != NULL && at != n) {
        at = at->file;
    }
    return at != NULL;
}

bool block_snapshot_set_hold(BlockSnapshotSet *set, GError **errp)
{
    for (GList *l = set->all->list.head; l != NULL; l = l->next) {
        BlockBackend *b = container_of(l, BlockBackend, link);
        bool uses = false;

        for (guint i = 0; i < set->nodes->len; i++) {
            uses |= leads_to(b, set->nodes->pdata[i]);
        }
        if (!uses) {
            continue;
        }
        if (!block_change_begin(b, errp)) {
            return false;
        }
        g_ptr_array_add(set->held, b);
    }
    return true;
}

void block_snapshot_set_free(BlockSnapshotSet *set)
{
    if (set == NULL) {
        return;
    }
    for (guint i = 0; i < set->held->len; i++) {
        block_change_end(set->held->pdata[i]);
    }
    g_ptr_array_unref(set->held);
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

bool block_snapshot_is_there(const BlockSnapshotSet *set, const char *name)
{
    for (guint i = 0; i < set->nodes->len; i++) {
        if (node_find(node_at(set, i), name) != NULL) {
            return true;
        }
    }
    return false;
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

/* One disk */

const BlockSnapshotInfo *block_snapshot_disk_find(const BlockSnapshotSet *set,
                                                  const char *id,
                                                  const char *name)
{
    const BlockSnapshotInfo *info = NULL;

    for (unsigned i = 0; (info = node_info(node_at(set, 0), i)) != NULL; i++) {
        if ((id == NULL || g_str_equal(info->id, id)) &&
            (name == NULL || g_str_equal(info->name, name))) {
            break;
        }
    }
    return info;
}

bool block_snapshot_disk_user(const BlockSnapshotSet *set, BlockBackend **ret,
                              GError **errp)
{
    if (set->held->len > 1) {
        error_setf(errp,
                   "an internal snapshot of '%s', which several devices use, "
                   "is not in this version",
                   set->name);
        return false;
    }
    *ret = set->held->len > 0 ? set->held->pdata[0] : NULL;
    return true;
}

typedef struct DiskCall {
    BlockSnapshotSet *set;
    BlockBackend *user; /* or NULL */
    const BlockSnapshotInfo *info;
    const char *id, *name;
    GError **errp;
    bool ok;
} DiskCall;

/* In the drive's thread, so that nothing begins in between. */
static void disk_begin(void *opaque)
{
    DiskCall *c = opaque;

    c->ok = c->user->root == NULL || block_check_quiet(c->user, c->errp);
    if (c->ok) {
        c->user->quiesced = true;
        __atomic_store_n(&c->user->writing, true, __ATOMIC_RELEASE);
    }
}

/* Without vm_lock. */
static void disk_create_now(void *opaque)
{
    DiskCall *c = opaque;

    c->ok = block_snapshot_create(c->set, c->info, c->errp);
    if (c->user != NULL) {
        __atomic_store_n(&c->user->writing, false, __ATOMIC_RELEASE);
    }
}

bool block_snapshot_disk_create(BlockSnapshotSet *set,
                                const BlockSnapshotInfo *info, GError **errp)
{
    DiskCall c = { .set = set, .info = info, .errp = errp, .ok = true };

    if (!block_snapshot_disk_user(set, &c.user, errp)) {
        return false;
    }
    if (c.user != NULL) {
        block_aio_run(block_aio_of(c.user), disk_begin, &c);
    }
    if (c.ok) {
        block_write_unlocked(set->all, disk_create_now, &c);
    }
    return c.ok;
}

static void disk_delete_now(void *opaque)
{
    DiskCall *c = opaque;
    BlockNode *n = node_at(c->set, 0);

    c->ok = n->drv->snapshots->remove(n, c->id, c->name, c->errp);
}

bool block_snapshot_disk_delete(BlockSnapshotSet *set, const char *id,
                                const char *name, GError **errp)
{
    DiskCall c = { .set = set, .id = id, .name = name, .errp = errp };

    block_write_unlocked(set->all, disk_delete_now, &c);
    return c.ok;
}
