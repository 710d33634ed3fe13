/*
 * What a back end has done for its device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/stats.h"

#include "block/block-priv.h"

static BlockStatsKind kind_of(BlockOp op)
{
    switch (op) {
    case BLOCK_READ:
        return BLOCK_STATS_READ;
    case BLOCK_FLUSH:
        return BLOCK_STATS_FLUSH;
    case BLOCK_DISCARD:
        return BLOCK_STATS_DISCARD;
    default:
        return BLOCK_STATS_WRITE;
    }
}

void block_stats_add(BlockReq *r, int ret)
{
    BlockStats *s = &r->backend->stats;
    BlockStatsKind k = kind_of(r->op);

    if (r->invalid) {
        s->kind[k].ninvalid++;
        return;
    }
    s->last_ns = clock_monotonic_ns();
    s->kind[k].total_ns += (uint64_t)(s->last_ns - r->start_ns);
    if (ret < 0) {
        s->kind[k].nfailed++;
        return;
    }
    s->kind[k].ops++;
    s->kind[k].bytes += r->req_len;
    if (k == BLOCK_STATS_WRITE) {
        s->wr_highest_offset =
            MAX(s->wr_highest_offset, r->req_off + r->req_len);
    }
}

typedef struct StatsCall {
    const BlockBackend *b;
    BlockStats *ret;
} StatsCall;

static void get_stats(void *opaque)
{
    const StatsCall *c = opaque;

    *c->ret = c->b->stats;
}

void block_get_stats(const BlockBackend *b, BlockStats *ret)
{
    StatsCall call = { .b = b, .ret = ret };

    block_aio_run(block_aio_of(b), get_stats, &call);
}
