/*
 * QMP and HMP commands that tell what drives have done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block.h"
#include "block/stats.h"
#include "monitor/hmp-priv.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"
#include "util/lock.h"

static BlockDeviceStats *to_qapi(const BlockStats *s, bool counts)
{
    BlockDeviceStats *q = block_device_stats_new();

#define COUNTS(k_, name_)                                          \
    q->name_##_operations = (int64_t)s->kind[k_].ops;              \
    q->name_##_total_time_ns = (int64_t)s->kind[k_].total_ns;      \
    q->failed_##name_##_operations = (int64_t)s->kind[k_].nfailed; \
    q->invalid_##name_##_operations = (int64_t)s->kind[k_].ninvalid
    COUNTS(BLOCK_STATS_READ, rd);
    COUNTS(BLOCK_STATS_WRITE, wr);
    COUNTS(BLOCK_STATS_FLUSH, flush);
    COUNTS(BLOCK_STATS_DISCARD, unmap);
#undef COUNTS
    q->rd_bytes = (int64_t)s->kind[BLOCK_STATS_READ].bytes;
    q->wr_bytes = (int64_t)s->kind[BLOCK_STATS_WRITE].bytes;
    q->unmap_bytes = (int64_t)s->kind[BLOCK_STATS_DISCARD].bytes;
    q->wr_highest_offset = (int64_t)s->wr_highest_offset;
    q->has_idle_time_ns = s->last_ns != 0;
    if (q->has_idle_time_ns) {
        q->idle_time_ns = clock_monotonic_ns() - s->last_ns;
    }
    q->account_invalid = q->account_failed = counts;
    q->timed_stats = block_device_timed_stats_list_new();
    return q;
}

static void add_drive(BlockBackend *b, void *opaque)
{
    BlockStatistics *q = block_statistics_new();
    BlockStats stats;
    BlockInfo info;

    block_get_info(b, &info);
    block_get_stats(b, &stats);
    q->device = g_strdup(info.name != NULL ? info.name : "");
    q->qdev = g_strdup(info.device_path);
    q->node_name = info.root != NULL ? g_strdup(info.node.name) : NULL;
    q->stats = to_qapi(&stats, true);
    block_statistics_list_append(opaque, q);
}

typedef struct NodeStats {
    BlockStatisticsList *list;
    BlockBackends *blocks;
    const struct BlockNode *node;
    BlockStats stats;
} NodeStats;

/* A drive on the node has written to it. */
static void add_highest(BlockBackend *b, void *opaque)
{
    NodeStats *n = opaque;
    BlockStats stats;
    BlockInfo info;

    block_get_info(b, &info);
    if (info.root == n->node) {
        block_get_stats(b, &stats);
        n->stats.wr_highest_offset =
            MAX(n->stats.wr_highest_offset, stats.wr_highest_offset);
    }
}

static void add_node(const struct BlockNode *node, void *opaque)
{
    NodeStats *n = opaque;
    BlockStatistics *q = block_statistics_new();
    BlockNodeInfo info;

    block_node_get_info(node, &info);
    n->node = node;
    n->stats = (BlockStats){ 0 };
    block_foreach(n->blocks, add_highest, n);
    q->node_name = g_strdup(info.name);
    q->stats = to_qapi(&n->stats, false);
    block_statistics_list_append(n->list, q);
}

bool qmp_query_blockstats(QmpCtx *ctx, bool has_query_nodes, bool query_nodes,
                          BlockStatisticsList **ret, GError **errp)
{
    NodeStats n = { .list = block_statistics_list_new(),
                    .blocks = ctx->vm->blocks };

    if (ctx->vm->blocks == NULL) {
        /* Nothing to count. */
    } else if (has_query_nodes && query_nodes) {
        block_node_foreach(ctx->vm->blocks, add_node, &n);
    } else {
        block_foreach(ctx->vm->blocks, add_drive, n.list);
    }
    *ret = n.list;
    return true;
}

void hmp_info_blockstats(HmpOut *out, const HmpArgs *a)
{
    QmpCtx ctx = { .vm = out->vm, .monitors = out->vm->monitors };
    g_autoptr(BlockStatisticsList) list = NULL;

    qmp_query_blockstats(&ctx, false, false, &list, NULL);
    for (size_t i = 0; i < list->n; i++) {
        const BlockStatistics *q = list->items[i];
        const BlockDeviceStats *s = q->stats;

        hmp_printf(out,
                   "%s: rd_bytes=%" PRId64 " wr_bytes=%" PRId64
                   " rd_operations=%" PRId64 " wr_operations=%" PRId64
                   " flush_operations=%" PRId64 " wr_total_time_ns=%" PRId64
                   " rd_total_time_ns=%" PRId64 " flush_total_time_ns=%" PRId64
                   " rd_merged=%" PRId64 " wr_merged=%" PRId64
                   " idle_time_ns=%" PRId64 "\n",
                   q->device, s->rd_bytes, s->wr_bytes, s->rd_operations,
                   s->wr_operations, s->flush_operations, s->wr_total_time_ns,
                   s->rd_total_time_ns, s->flush_total_time_ns, s->rd_merged,
                   s->wr_merged, s->has_idle_time_ns ? s->idle_time_ns : 0);
    }
}
