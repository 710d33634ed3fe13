/*
 * QMP commands that dump guest memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>

#include "monitor/dump.h"
#include "monitor/qmp-fds.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* "file:PATH" or "fd:NAME"; -1 on failure. */
static int open_target(QmpCtx *ctx, const char *protocol, GError **errp)
{
    const char *name;
    int fd;

    if (g_str_has_prefix(protocol, "fd:")) {
        name = protocol + strlen("fd:");
        fd = qmp_fds_take(monitors_fds(ctx->monitors), name);
        if (fd < 0) {
            error_setf(errp, "File descriptor named '%s' has not been found",
                       name);
        }
        return fd;
    }
    if (!g_str_has_prefix(protocol, "file:")) {
        error_setf(errp, "Invalid parameter 'protocol'");
        return -1;
    }
    name = protocol + strlen("file:");
    /* Memory holds secrets: for its owner alone. */
    fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK,
              S_IRUSR);
    if (fd < 0) {
        error_setf_errno(errp, errno, "Could not open '%s'", name);
    }
    return fd;
}

bool qmp_dump_guest_memory(QmpCtx *ctx, bool paging, const char *protocol,
                           bool has_detach, bool detach, bool has_begin,
                           int64_t begin, bool has_length, int64_t length,
                           bool has_format, DumpGuestMemoryFormat format,
                           GError **errp)
{
    const DumpOptions opts = {
        .paging = paging,
        .has_range = has_begin,
        .begin = (uint64_t)begin,
        .length = (uint64_t)length,
        .detach = has_detach && detach,
    };
    int fd;

    if (has_begin != has_length) {
        error_setf(errp, "Parameter '%s' is missing",
                   has_begin ? "length" : "begin");
        return false;
    }
    if (has_begin && (begin < 0 || length < 0)) {
        error_setf(errp, "Parameter '%s' expects a number of bytes",
                   begin < 0 ? "begin" : "length");
        return false;
    }
    fd = open_target(ctx, protocol, errp);
    return fd >= 0 && dump_start(monitors_dump(ctx->monitors), fd, &opts, errp);
}

bool qmp_query_dump(QmpCtx *ctx, DumpQueryResult **ret, GError **errp)
{
    static const DumpStatus status[] = {
        [DUMP_NONE] = DUMP_STATUS_NONE,
        [DUMP_ACTIVE] = DUMP_STATUS_ACTIVE,
        [DUMP_DONE] = DUMP_STATUS_COMPLETED,
        [DUMP_FAILED] = DUMP_STATUS_FAILED,
    };
    DumpProgress p;

    dump_query(monitors_dump(ctx->monitors), &p);
    *ret = dump_query_result_new();
    (*ret)->status = status[p.state];
    (*ret)->completed = (int64_t)p.completed;
    (*ret)->total = (int64_t)p.total;
    return true;
}

bool qmp_query_dump_guest_memory_capability(QmpCtx *ctx,
                                            DumpGuestMemoryCapability **ret,
                                            GError **errp)
{
    *ret = dump_guest_memory_capability_new();
    (*ret)->formats = dump_guest_memory_format_list_new();
    dump_guest_memory_format_list_append((*ret)->formats,
                                         DUMP_GUEST_MEMORY_FORMAT_ELF);
    return true;
}
