/*
 * QMP commands on drives and their media.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/blockdev-opts.h"
#include "monitor/qmp-cmds-block.h"
#include "monitor/snapshots.h"
#include "monitor/vm-control.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/error.h"

static ImageInfoSpecific *qcow2_info(const BlockNodeInfo *n)
{
    ImageInfoSpecific *spec = image_info_specific_new();
    ImageInfoSpecificQCow2 *i = image_info_specific_q_cow2_new();
    bool v3 = !g_str_equal(n->compat, "0.10");

    spec->type = IMAGE_INFO_SPECIFIC_KIND_QCOW2;
    spec->u.qcow2 = image_info_specific_q_cow2_wrapper_new();
    spec->u.qcow2->data = i;
    i->compat = g_strdup(n->compat);
    i->has_extended_l2 = i->has_lazy_refcounts = i->has_corrupt = v3;
    i->extended_l2 = n->extended_l2;
    i->lazy_refcounts = n->lazy_refcounts;
    i->corrupt = n->corrupt;
    i->refcount_bits = n->refcount_bits;
    i->compression_type = g_str_equal(n->compression, "zstd")
                              ? QCOW2_COMPRESSION_TYPE_ZSTD
                              : QCOW2_COMPRESSION_TYPE_ZLIB;
    return spec;
}

/* NULL: none. */
static SnapshotInfoList *snapshot_list(const struct BlockNode *n)
{
    const BlockSnapshotInfo *info;
    SnapshotInfoList *list = NULL;

    for (unsigned i = 0; (info = block_node_snapshot(n, i)) != NULL; i++) {
        if (list == NULL) {
            list = snapshot_info_list_new();
        }
        snapshot_info_list_append(list, vm_snapshot_info(info));
    }
    return list;
}

static ImageInfo *image_info(const BlockNodeInfo *n)
{
    ImageInfo *i = image_info_new();

    i->filename = g_strdup(n->filename);
    i->format = g_strdup(n->driver);
    i->virtual_size = (int64_t)n->size;
    i->has_actual_size = true;
    i->actual_size = (int64_t)n->allocated;
    i->has_dirty_flag = !n->is_null;
    i->dirty_flag = n->dirty;
    i->has_cluster_size = n->cluster_size != 0;
    i->cluster_size = (int64_t)n->cluster_size;
    i->backing_filename = g_strdup(n->backing_file);
    i->backing_filename_format = g_strdup(n->backing_format);
    i->snapshots = snapshot_list(n->node);
    i->format_specific = n->compat != NULL ? qcow2_info(n) : NULL;
    if (n->backing != NULL) {
        BlockNodeInfo below;

        block_node_get_info(n->backing, &below);
        i->full_backing_filename = g_strdup(below.filename);
    }
    return i;
}

/* The whole chain below it, unless `flat`. */
static ImageInfo *image_chain(const BlockNodeInfo *n, bool flat)
{
    BlockNodeInfo at = *n;
    ImageInfo *first = image_info(n), *last = first;

    while (!flat && at.backing != NULL) {
        block_node_get_info(at.backing, &at);
        last->backing_image = image_info(&at);
        last = last->backing_image;
    }
    return first;
}

static int64_t chain_depth(const BlockNodeInfo *n)
{
    BlockNodeInfo at = *n;
    int64_t depth = 0;

    while (at.backing != NULL) {
        block_node_get_info(at.backing, &at);
        depth++;
    }
    return depth;
}

static BlockDeviceInfo *device_info(const BlockNodeInfo *n, bool writeback,
                                    bool flat)
{
    BlockDeviceInfo *info = block_device_info_new();

    info->file = g_strdup(n->filename);
    info->node_name = g_strdup(n->name);
    info->ro = n->read_only;
    info->drv = g_strdup(n->driver);
    info->encrypted = n->encrypted;
    info->detect_zeroes = (BlockdevDetectZeroes)n->detect_zeroes;
    info->backing_file = g_strdup(n->backing_file);
    info->backing_file_depth = flat ? 0 : chain_depth(n);
    info->image = image_chain(n, flat);
    info->cache = blockdev_cache_info_new();
    info->cache->writeback = writeback;
    info->cache->direct = n->direct;
    info->cache->no_flush = n->no_flush;
    return info;
}

static void add_block(BlockBackend *b, void *opaque)
{
    BlockDriveInfoList *list = opaque;
    BlockDriveInfo *info = block_drive_info_new();
    BlockInfo bi = { 0 };

    block_get_info(b, &bi);
    info->device = g_strdup(bi.name);
    info->qdev = g_strdup(bi.device_path);
    info->type = g_strdup("unknown");
    info->removable = bi.removable;
    info->locked = bi.locked;
    info->has_tray_open = bi.has_tray;
    info->tray_open = bi.tray_open;
    info->has_io_status = bi.device_path != NULL;
    info->io_status = (BlockDeviceIoStatus)bi.io_status;
    if (bi.inserted) {
        info->inserted = device_info(&bi.node, bi.writeback, false);
        qmp_add_throttle(info->inserted, b);
    }
    block_drive_info_list_append(list, info);
}

bool qmp_query_block(QmpCtx *ctx, BlockDriveInfoList **ret, GError **errp)
{
    *ret = block_drive_info_list_new();
    if (ctx->vm->blocks) {
        block_foreach(ctx->vm->blocks, add_block, *ret);
    }
    return true;
}

/* Nodes */

typedef struct NodeQuery {
    BlockDeviceInfoList *list;
    bool flat;
} NodeQuery;

static void add_node(const struct BlockNode *n, void *opaque)
{
    NodeQuery *q = opaque;
    BlockNodeInfo info;

    block_node_get_info(n, &info);
    block_device_info_list_append(q->list, device_info(&info, true, q->flat));
}

bool qmp_query_named_block_nodes(QmpCtx *ctx, bool has_flat, bool flat,
                                 BlockDeviceInfoList **ret, GError **errp)
{
    NodeQuery q = { block_device_info_list_new(), has_flat && flat };

    if (ctx->vm->blocks) {
        block_node_foreach(ctx->vm->blocks, add_node, &q);
    }
    *ret = q.list;
    return true;
}

bool qmp_blockdev_add(QmpCtx *ctx, const BlockdevOptions *arg, GError **errp)
{
    return blockdev_add(ctx->vm->blocks, arg, errp);
}

bool qmp_blockdev_del(QmpCtx *ctx, const char *node_name, GError **errp)
{
    return block_node_del(ctx->vm->blocks, node_name, errp);
}

/* Media */

/* What a user calls it: two of them are NULL. */
typedef struct DriveName {
    Vm *vm;
    const char *device, *id, *node;
} DriveName;

static BlockBackend *find_drive(QmpCtx *ctx, const char *device, const char *id,
                                GError **errp)
{
    return block_find_for_user(ctx->vm->blocks, device, id, errp);
}

static BlockBackend *find_again(void *opaque, GError **errp)
{
    const DriveName *n = opaque;

    return block_find_for_user(n->vm->blocks, n->device, n->id, errp);
}

static BlockBackend *quiesce_drive(QmpCtx *ctx, const char *device,
                                   const char *id, GError **errp)
{
    DriveName name = { .vm = ctx->vm, .device = device, .id = id };

    return vm_control_quiesce(ctx->vm, find_again, &name, errp);
}

bool qmp_eject(QmpCtx *ctx, const char *device, const char *id, bool has_force,
               bool force, GError **errp)
{
    BlockBackend *b = quiesce_drive(ctx, device, id, errp);
    bool ok;

    if (b == NULL) {
        return false;
    }
    ok = block_eject(b, has_force && force, errp);
    block_quiesce_end(b);
    return ok;
}

bool qmp_blockdev_open_tray(QmpCtx *ctx, const char *device, const char *id,
                            bool has_force, bool force, GError **errp)
{
    BlockBackend *b = find_drive(ctx, device, id, errp);
    bool waits;

    return b != NULL && block_open_tray(b, has_force && force, &waits, errp);
}

bool qmp_blockdev_close_tray(QmpCtx *ctx, const char *device, const char *id,
                             GError **errp)
{
    BlockBackend *b = find_drive(ctx, device, id, errp);

    return b != NULL && block_close_tray(b, errp);
}

bool qmp_blockdev_remove_medium(QmpCtx *ctx, const char *id, GError **errp)
{
    BlockBackend *b = quiesce_drive(ctx, NULL, id, errp);
    bool ok;

    if (b == NULL) {
        return false;
    }
    ok = block_remove_medium(b, errp);
    block_quiesce_end(b);
    return ok;
}

bool qmp_blockdev_insert_medium(QmpCtx *ctx, const char *id,
                                const char *node_name, GError **errp)
{
    BlockBackend *b = find_drive(ctx, NULL, id, errp);

    return b != NULL && block_insert_node(b, node_name, errp);
}

static BlockMediumMode medium_mode(BlockdevChangeReadOnlyMode mode)
{
    switch (mode) {
    case BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_ONLY:
        return BLOCK_MEDIUM_READ_ONLY;
    case BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_WRITE:
        return BLOCK_MEDIUM_READ_WRITE;
    default:
        return BLOCK_MEDIUM_RETAIN;
    }
}

bool qmp_blockdev_change_medium(QmpCtx *ctx, const char *device, const char *id,
                                const char *filename, const char *format,
                                bool has_force, bool force,
                                bool has_read_only_mode,
                                BlockdevChangeReadOnlyMode read_only_mode,
                                GError **errp)
{
    BlockBackend *b = quiesce_drive(ctx, device, id, errp);
    bool ok;

    if (b == NULL) {
        return false;
    }
    ok = block_change_medium(b, filename, format,
                             has_read_only_mode ? medium_mode(read_only_mode)
                                                : BLOCK_MEDIUM_RETAIN,
                             has_force && force, errp);
    block_quiesce_end(b);
    return ok;
}

static BlockBackend *find_to_resize(void *opaque, GError **errp)
{
    const DriveName *n = opaque;
    BlockBackend *b = n->device != NULL
                          ? block_find(n->vm->blocks, n->device)
                          : block_find_of_node(n->vm->blocks, n->node);

    if (b == NULL) {
        error_setf(errp, "Cannot find device='%s' nor node-name='%s'",
                   n->device != NULL ? n->device : "",
                   n->node != NULL ? n->node : "");
    }
    return b;
}

bool qmp_block_resize(QmpCtx *ctx, const char *device, const char *node_name,
                      int64_t size, GError **errp)
{
    DriveName name = { .vm = ctx->vm, .device = device, .node = node_name };
    BlockBackend *b;
    bool ok;

    if ((device == NULL) == (node_name == NULL)) {
        error_setf(errp, "Need exactly one of 'device' and 'node-name'");
        return false;
    }
    if (size < 0) {
        error_setf(errp, "Parameter 'size' expects a >0 size");
        return false;
    }
    b = vm_control_quiesce(ctx->vm, find_to_resize, &name, errp);
    if (b == NULL) {
        return false;
    }
    ok = block_resize(b, size, errp);
    block_quiesce_end(b);
    return ok;
}
