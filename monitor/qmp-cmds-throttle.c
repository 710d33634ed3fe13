/*
 * QMP: I/O limits of drives.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle.h"
#include "monitor/qmp-cmds-block.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/error.h"

/* Each kind with its name in QMP. */
#define EACH_KIND(X)     \
    X(BPS_TOTAL, bps)    \
    X(BPS_READ, bps_rd)  \
    X(BPS_WRITE, bps_wr) \
    X(IOPS_TOTAL, iops) X(IOPS_READ, iops_rd) X(IOPS_WRITE, iops_wr)

static IoLimits limits_of(const BlockIOThrottle *arg)
{
    IoLimits l = IO_NO_LIMITS;

#define TAKE(kind_, name_)                                         \
    l.kind[THROTTLE_##kind_].avg = arg->name_;                     \
    if (arg->has_##name_##_max) {                                  \
        l.kind[THROTTLE_##kind_].max = arg->name_##_max;           \
    }                                                              \
    if (arg->has_##name_##_max_length) {                           \
        l.kind[THROTTLE_##kind_].length = arg->name_##_max_length; \
    }
    EACH_KIND(TAKE)
#undef TAKE
    if (arg->has_iops_size) {
        l.iops_size = arg->iops_size;
    }
    return l;
}

bool qmp_block_set_io_throttle(QmpCtx *ctx, const BlockIOThrottle *arg,
                               GError **errp)
{
    IoLimits l = limits_of(arg);
    BlockBackend *b =
        block_find_for_user(ctx->vm->blocks, arg->device, arg->id, errp);

    if (b == NULL) {
        return false;
    }
    if (!block_is_inserted(b)) {
        error_setf(errp, "Device has no medium");
        return false;
    }
    return block_set_throttle(b, arg->group,
                              arg->device != NULL ? arg->device : arg->id, &l,
                              errp);
}

void qmp_add_throttle(BlockDeviceInfo *info, const BlockBackend *b)
{
    const char *group;
    IoLimits l;

    if (!block_get_throttle(b, &l, &group)) {
        return;
    }
#define TELL(kind_, name_)                                       \
    info->name_ = l.kind[THROTTLE_##kind_].avg;                  \
    info->has_##name_##_max = l.kind[THROTTLE_##kind_].max != 0; \
    info->name_##_max = l.kind[THROTTLE_##kind_].max;            \
    info->has_##name_##_max_length = info->has_##name_##_max;    \
    info->name_##_max_length = l.kind[THROTTLE_##kind_].length;
    EACH_KIND(TELL)
#undef TELL
    info->has_iops_size = l.iops_size != 0;
    info->iops_size = l.iops_size;
    info->group = g_strdup(group);
}
