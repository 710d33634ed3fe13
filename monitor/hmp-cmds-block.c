/*
 * Human monitor commands on drives and their media.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle.h"
#include "monitor/hmp-priv.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/cutils.h"
#include "util/error.h"

typedef struct BlockPrint {
    HmpOut *out;
    const char *name; /* of the only one to print; NULL: all */
} BlockPrint;

static void print_title(HmpOut *out, const BlockInfo *info)
{
    const char *device = info->name;

    if (*device == '\0' && info->inserted) {
        /* A device's own, on a node. */
        hmp_printf(out, "%s", info->node.name);
    } else if (info->inserted) {
        hmp_printf(out, "%s (%s)", device, info->node.name);
    } else {
        hmp_printf(out, "%s",
                   *device == '\0' && info->device_path != NULL
                       ? info->device_path
                       : device);
    }
    if (info->inserted) {
        hmp_printf(out, ": %s (%s%s)\n", info->node.filename, info->node.driver,
                   info->read_only ? ", read-only" : "");
    } else {
        hmp_printf(out, ": [not inserted]\n");
    }
}

static void print_node(HmpOut *out, const BlockNodeInfo *n, bool writeback)
{
    BlockNodeInfo at = *n;
    unsigned depth = 0;

    hmp_printf(out, "    Cache mode:       %s%s%s\n",
               writeback ? "writeback" : "writethrough",
               n->direct ? ", direct" : "",
               n->no_flush ? ", ignore flushes" : "");
    while (at.backing != NULL) {
        block_node_get_info(at.backing, &at);
        depth++;
    }
    if (depth > 0) {
        hmp_printf(out, "    Backing file:     %s (chain depth: %u)\n",
                   n->backing_file, depth);
    }
    if (n->detect_zeroes != BLOCK_DETECT_ZEROES_OFF) {
        hmp_printf(out, "    Detect zeroes:    %s\n",
                   n->detect_zeroes == BLOCK_DETECT_ZEROES_ON ? "on" : "unmap");
    }
}

static void print_throttle(HmpOut *out, const BlockBackend *b)
{
    static const struct {
        const char *name;
        ThrottleKind first; /* of three: total, read, write */
    } units[] = { { "bps", THROTTLE_BPS_TOTAL },
                  { "iops", THROTTLE_IOPS_TOTAL } };
    const char *group;
    IoLimits l;

    if (!block_get_throttle(b, &l, &group)) {
        return;
    }
    hmp_printf(out, "    I/O throttling:  ");
    for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
        const IoLimit *k = &l.kind[units[i].first];
        const char *name = units[i].name;

        hmp_printf(out,
                   " %s=%" PRIi64 " %s_rd=%" PRIi64 " %s_wr=%" PRIi64
                   " %s_max=%" PRIi64 " %s_rd_max=%" PRIi64
                   " %s_wr_max=%" PRIi64,
                   name, k[0].avg, name, k[1].avg, name, k[2].avg, name,
                   k[0].max, name, k[1].max, name, k[2].max);
    }
    hmp_printf(out, " iops_size=%" PRIi64 " group=%s\n", l.iops_size, group);
}

static void print_block(BlockBackend *b, void *opaque)
{
    const BlockPrint *p = opaque;
    HmpOut *out = p->out;
    BlockInfo info;

    block_get_info(b, &info);
    if (p->name != NULL && !g_str_equal(p->name, info.name)) {
        return;
    }
    if (out->text->len > 0) {
        hmp_printf(out, "\n");
    }
    print_title(out, &info);
    if (info.device_path != NULL) {
        hmp_printf(out, "    Attached to:      %s\n", info.device_path);
    }
    if (info.removable) {
        hmp_printf(out, "    Removable device: %slocked, tray %s\n",
                   info.locked ? "" : "not ",
                   info.tray_open ? "open" : "closed");
    }
    if (info.inserted) {
        print_node(out, &info.node, info.writeback);
        print_throttle(out, b);
    }
}

static void print_named_node(const struct BlockNode *n, void *opaque)
{
    const BlockPrint *p = opaque;
    BlockNodeInfo info;

    block_node_get_info(n, &info);
    if (p->name != NULL && !g_str_equal(p->name, info.name)) {
        return;
    }
    if (p->out->text->len > 0) {
        hmp_printf(p->out, "\n");
    }
    hmp_printf(p->out, "%s: %s (%s%s)\n", info.name, info.filename, info.driver,
               info.read_only ? ", read-only" : "");
    print_node(p->out, &info, true);
}

void hmp_info_block(HmpOut *out, const HmpArgs *a)
{
    BlockPrint p = { out, a->arg[0].given ? a->arg[0].text : NULL };

    if (a->flags & 1u << ('n' - 'a')) {
        block_node_foreach(out->vm->blocks, print_named_node, &p);
    } else {
        block_foreach(out->vm->blocks, print_block, &p);
    }
}

static bool is_forced(const HmpArgs *a)
{
    return a->flags & 1u << ('f' - 'a');
}

void hmp_cmd_eject(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm };
    GError *err = NULL;

    if (!qmp_eject(&ctx, a->arg[0].text, NULL, true, is_forced(a), &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_change(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm };
    GError *err = NULL;
    BlockdevChangeReadOnlyMode mode = BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN;
    const char *format = a->arg[2].given ? a->arg[2].text : NULL;

    if (g_str_equal(a->arg[0].text, "vnc")) {
        hmp_change_vnc(out, a->arg[1].text, format);
        return;
    }
    if (a->arg[3].given &&
        !blockdev_change_read_only_mode_parse(a->arg[3].text, &mode)) {
        error_setf(&err, "invalid parameter value: %s", a->arg[3].text);
        hmp_error(out, err);
        return;
    }
    if (!qmp_blockdev_change_medium(&ctx, a->arg[0].text, NULL, a->arg[1].text,
                                    format, true, is_forced(a), true, mode,
                                    &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_block_resize(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm };
    GError *err = NULL;
    uint64_t size;

    if (!parse_size("size", a->arg[1].text, MiB, &size, &err) ||
        !qmp_block_resize(&ctx, a->arg[0].text, NULL,
                          (int64_t)MIN(size, (uint64_t)INT64_MAX), &err)) {
        hmp_error(out, err);
    }
}

/* None of the jobs that there are copies a disk. */
void hmp_info_block_jobs(HmpOut *out, const HmpArgs *a)
{
    hmp_printf(out, "No active jobs\n");
}

void hmp_cmd_block_set_io_throttle(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm };
    char *name = a->arg[0].text;
    BlockIOThrottle limits = {
        .bps = a->arg[1].num,
        .bps_rd = a->arg[2].num,
        .bps_wr = a->arg[3].num,
        .iops = a->arg[4].num,
        .iops_rd = a->arg[5].num,
        .iops_wr = a->arg[6].num,
    };
    GError *err = NULL;

    if (block_find_for_user(out->vm->blocks, NULL, name, NULL) != NULL &&
        block_find(out->vm->blocks, name) == NULL) {
        limits.id = name;
    } else {
        limits.device = name;
    }
    if (!qmp_block_set_io_throttle(&ctx, &limits, &err)) {
        hmp_error(out, err);
    }
}
