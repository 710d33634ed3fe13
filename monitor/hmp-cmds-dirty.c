/*
 * Human monitor: how fast the guest writes to its memory.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/hmp-priv.h"

#include "accel/dirty-limit.h"
#include "migration/dirty-rate.h"
#include "util/error.h"

static bool has_flag(const HmpArgs *a, char letter)
{
    return a->flags & (1u << (letter - 'a'));
}

void hmp_cmd_calc_dirty_rate(HmpOut *out, const HmpArgs *a)
{
    bool ring = has_flag(a, 'r'), bitmap = has_flag(a, 'b');
    DirtyRateMeasureMode mode = ring ? DIRTY_RATE_MEASURE_MODE_DIRTY_RING
                                : bitmap
                                    ? DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP
                                    : DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING;
    int64_t seconds = a->arg[0].num;
    GError *err = NULL;

    if (seconds <= 0) {
        hmp_printf(out, "Incorrect period length specified!\n");
        return;
    }
    if (ring && bitmap) {
        hmp_printf(out, "Either dirty ring or dirty bitmap can be "
                        "specified!\n");
        return;
    }
    if (!dirty_rate_start(migration_dirty_rate(out->vm->migration), seconds,
                          a->arg[1].given, a->arg[1].num, mode, &err)) {
        hmp_error(out, err);
        return;
    }
    hmp_printf(out,
               "Starting dirty rate measurement with period %" PRId64
               " seconds\n"
               "[Please use 'info dirty_rate' to check results]\n",
               seconds);
}

/* The start is in seconds, whatever unit scripts have come to expect here. */
void hmp_info_dirty_rate(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(DirtyRateInfo) i =
        dirty_rate_query(migration_dirty_rate(out->vm->migration));

    hmp_printf(out,
               "Status: %s\n"
               "Start Time: %" PRId64 " (ms)\n"
               "Sample Pages: %" PRIu64 " (per GB)\n"
               "Period: %" PRId64 " (sec)\n"
               "Mode: %s\n"
               "Dirty rate: ",
               dirty_rate_status_str(i->status), i->start_time, i->sample_pages,
               i->calc_time, dirty_rate_measure_mode_str(i->mode));
    if (!i->has_dirty_rate) {
        hmp_printf(out, "(not ready)\n");
        return;
    }
    hmp_printf(out, "%" PRId64 " (MB/s)\n", i->dirty_rate);
    for (size_t k = 0; i->vcpu_dirty_rate != NULL && k < i->vcpu_dirty_rate->n;
         k++) {
        const DirtyRateVcpu *v = i->vcpu_dirty_rate->items[k];

        hmp_printf(out, "vcpu[%" PRId64 "], Dirty rate: %" PRId64 " (MB/s)\n",
                   v->id, v->dirty_rate);
    }
}

static const char limit_hint[] = "[Please use 'info vcpu_dirty_limit' to query "
                                 "dirty limit for virtual CPU]\n";

void hmp_cmd_set_vcpu_dirty_limit(HmpOut *out, const HmpArgs *a)
{
    int64_t cpu = a->arg[1].given ? a->arg[1].num : -1;
    GError *err = NULL;

    if (a->arg[0].num < 0) {
        hmp_printf(out, "Error: dirty_rate %" PRId64 ": it is below 0\n",
                   a->arg[0].num);
        return;
    }
    if (!vcpu_dirty_limit_set(out->vm, cpu, a->arg[0].num, &err)) {
        hmp_error(out, err);
        return;
    }
    hmp_printf(out, "%s", limit_hint);
}

void hmp_cmd_cancel_vcpu_dirty_limit(HmpOut *out, const HmpArgs *a)
{
    int64_t cpu = a->arg[0].given ? a->arg[0].num : -1;
    GError *err = NULL;

    if (!vcpu_dirty_limit_cancel(out->vm, cpu, &err)) {
        hmp_error(out, err);
        return;
    }
    hmp_printf(out, "%s", limit_hint);
}

void hmp_info_vcpu_dirty_limit(HmpOut *out, const HmpArgs *a)
{
    unsigned n = 0;

    for (unsigned i = 0; i < out->vm->nvcpus; i++) {
        uint64_t limit, current;

        if (vcpu_dirty_limit_get(out->vm, i, &limit, &current)) {
            hmp_printf(out,
                       "vcpu[%u], limit rate %" PRIu64
                       " (MB/s), current rate %" PRIu64 " (MB/s)\n",
                       i, limit, current);
            n++;
        }
    }
    if (n == 0) {
        hmp_printf(out, "Dirty page limit not enabled!\n");
    }
}
