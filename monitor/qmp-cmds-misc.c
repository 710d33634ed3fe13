/*
 * QMP commands on descriptors, threads, options.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp-fds.h"
#include "monitor/qmp-priv.h"
#include "qapi/qapi-commands.h"
#include "system/iothread.h"
#include "system/vm.h"
#include "util/error.h"

/* The descriptor that came with the command; -1 with *errp set. */
static int take_fd(QmpCtx *ctx, GError **errp)
{
    int fd = qmp_ctx_take_fd(ctx);

    if (fd < 0) {
        error_setf(errp, "No file descriptor supplied via SCM_RIGHTS");
    }
    return fd;
}

bool qmp_getfd(QmpCtx *ctx, const char *fdname, GError **errp)
{
    int fd = take_fd(ctx, errp);

    return fd >= 0 &&
           qmp_fds_name(monitors_fds(ctx->monitors), fdname, fd, errp);
}

bool qmp_closefd(QmpCtx *ctx, const char *fdname, GError **errp)
{
    return qmp_fds_close(monitors_fds(ctx->monitors), fdname, errp);
}

bool qmp_add_fd(QmpCtx *ctx, bool has_fdset_id, int64_t fdset_id,
                const char *opaque, AddfdInfo **ret, GError **errp)
{
    int fd = take_fd(ctx, errp);

    return fd >= 0 && qmp_fdset_add(monitors_fds(ctx->monitors), has_fdset_id,
                                    fdset_id, fd, opaque, ret, errp);
}

bool qmp_remove_fd(QmpCtx *ctx, int64_t fdset_id, bool has_fd, int64_t fd,
                   GError **errp)
{
    return qmp_fdset_remove(monitors_fds(ctx->monitors), fdset_id, has_fd, fd,
                            errp);
}

bool qmp_query_fdsets(QmpCtx *ctx, FdsetInfoList **ret, GError **errp)
{
    *ret = qmp_fdset_query(monitors_fds(ctx->monitors));
    return true;
}

bool qmp_query_iothreads(QmpCtx *ctx, IothreadInfoList **ret, GError **errp)
{
    Object *objects = object_child(ctx->vm->root, "objects");

    *ret = iothread_info_list_new();
    for (unsigned i = 0; objects->children && i < objects->children->len; i++) {
        const IoThread *t = iothread_from_object(objects->children->pdata[i]);
        IothreadInfo *info;
        IoThreadParams p;

        if (t == NULL) {
            continue;
        }
        p = iothread_params(t);
        info = iothread_info_new();
        info->id = g_strdup(iothread_id(t));
        info->thread_id = iothread_tid(t);
        info->poll_max_ns = p.poll_max_ns;
        info->poll_grow = p.poll_grow;
        info->poll_shrink = p.poll_shrink;
        info->aio_max_batch = p.aio_max_batch;
        iothread_info_list_append(*ret, info);
    }
    return true;
}

bool qmp_query_command_line_options(QmpCtx *ctx, const char *option,
                                    CommandLineOptionInfoList **ret,
                                    GError **errp)
{
    if (!ctx->monitors->options) {
        error_setf(errp, "query-command-line-options: not available");
        return false;
    }
    *ret = ctx->monitors->options(option, errp);
    return *ret != NULL;
}
