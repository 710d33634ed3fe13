/*
 * QMP commands on drives and their media.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block.h"
#include "monitor/qmp-priv.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/error.h"

static BlockDeviceInfo *block_inserted(const BlockInfo *b)
{
    BlockDeviceInfo *info = block_device_info_new();

    info->file = g_strdup(b->filename);
    info->ro = b->read_only;
    info->drv = g_strdup(b->driver);
    info->image = image_info_new();
    info->image->filename = g_strdup(b->filename);
    info->image->format = g_strdup(b->driver);
    info->image->virtual_size = (int64_t)b->size;
    info->image->has_actual_size = true;
    info->image->actual_size = (int64_t)b->allocated;
    info->image->has_dirty_flag = true;
    info->cache = blockdev_cache_info_new();
    info->cache->writeback = b->writeback;
    info->cache->direct = b->direct;
    info->cache->no_flush = b->no_flush;
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
    /* Errors are the guest's: none is kept here. */
    info->has_io_status = bi.device_path != NULL;
    info->io_status = BLOCK_DEVICE_IO_STATUS_OK;
    if (bi.inserted) {
        info->inserted = block_inserted(&bi);
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

/* Media */

static BlockBackend *find_drive(QmpCtx *ctx, const char *device, const char *id,
                                GError **errp)
{
    return block_find_for_user(ctx->vm->blocks, device, id, errp);
}

bool qmp_eject(QmpCtx *ctx, const char *device, const char *id, bool has_force,
               bool force, GError **errp)
{
    BlockBackend *b = find_drive(ctx, device, id, errp);

    return b != NULL && block_eject(b, has_force && force, errp);
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
    BlockBackend *b = find_drive(ctx, NULL, id, errp);

    return b != NULL && block_remove_medium(b, errp);
}

bool qmp_blockdev_insert_medium(QmpCtx *ctx, const char *id,
                                const char *node_name, GError **errp)
{
    if (find_drive(ctx, NULL, id, errp) == NULL) {
        return false;
    }
    error_setf(errp,
               "Node '%s' not found: there are no block nodes, use "
               "blockdev-change-medium",
               node_name);
    return false;
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
    BlockBackend *b = find_drive(ctx, device, id, errp);

    return b != NULL &&
           block_change_medium(b, filename, format,
                               has_read_only_mode ? medium_mode(read_only_mode)
                                                  : BLOCK_MEDIUM_RETAIN,
                               has_force && force, errp);
}
