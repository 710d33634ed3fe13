/*
 * What becomes of failed requests: werror=, rerror=.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"

void block_set_error_hook(BlockBackends *bs, BlockErrorHook *fn, void *opaque)
{
    bs->error_hook = fn;
    bs->error_opaque = opaque;
}

void block_set_on_error(BlockBackend *b, BlockOnError on_read,
                        BlockOnError on_write)
{
    if (on_read != BLOCK_ON_ERROR_AUTO) {
        b->on_read_error = on_read;
    }
    if (on_write != BLOCK_ON_ERROR_AUTO) {
        b->on_write_error = on_write;
    }
}

bool block_reports_errors(const BlockBackend *b)
{
    return b->on_read_error <= BLOCK_ON_ERROR_REPORT &&
           b->on_write_error <= BLOCK_ON_ERROR_REPORT;
}

static BlockErrorChoice error_decide(BlockOnError on, bool is_read, int err)
{
    if (on == BLOCK_ON_ERROR_AUTO) {
        on = is_read ? BLOCK_ON_ERROR_REPORT : BLOCK_ON_ERROR_ENOSPC;
    }
    switch (on) {
    case BLOCK_ON_ERROR_IGNORE:
        return BLOCK_ERROR_IGNORE;
    case BLOCK_ON_ERROR_STOP:
        return BLOCK_ERROR_STOP;
    case BLOCK_ON_ERROR_ENOSPC:
        return err == ENOSPC ? BLOCK_ERROR_STOP : BLOCK_ERROR_REPORT;
    default:
        return BLOCK_ERROR_REPORT;
    }
}

BlockErrorChoice block_error_action(BlockBackend *b, bool is_read, int err)
{
    BlockErrorChoice action =
        error_decide(is_read ? b->on_read_error : b->on_write_error, is_read,
                     err);
    BlockErrorReport r = {
        .device = b->name,
        .node = b->root != NULL ? b->root->name : NULL,
        .is_read = is_read,
        .no_space = err == ENOSPC,
        .action = action,
        .reason = g_strerror(err),
    };

    if (action == BLOCK_ERROR_STOP && b->io_status == BLOCK_IO_OK) {
        b->io_status = err == ENOSPC ? BLOCK_IO_NO_SPACE : BLOCK_IO_FAILED;
    }
    if (b->all->error_hook != NULL) {
        b->all->error_hook(b->all->error_opaque, &r);
    }
    return action;
}

void block_reset_io_status(BlockBackends *bs)
{
    for (GList *l = bs->list.head; l != NULL; l = l->next) {
        container_of(l, BlockBackend, link)->io_status = BLOCK_IO_OK;
    }
}
