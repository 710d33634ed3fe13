/*
 * Human monitor commands on snapshots.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/snapshot.h"
#include "monitor/hmp-priv.h"
#include "monitor/snapshots.h"
#include "util/error.h"

#define ROW_FORMAT "%-9s %-16s %8s %19s %12s %10s\n"

void hmp_cmd_savevm(HmpOut *out, const HmpArgs *a)
{
    const char *name = a->arg[0].given ? a->arg[0].text : NULL;
    GError *err = NULL;

    if (!vm_snapshot_save(out->vm, name, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_loadvm(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!vm_snapshot_load(out->vm, a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_delvm(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!vm_snapshot_delete(out->vm, a->arg[0].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_snapshot_blkdev_internal(HmpOut *out, const HmpArgs *a)
{
    GError *err = NULL;

    if (!vm_snapshot_disk(out->vm, a->arg[0].text, a->arg[1].text, &err)) {
        hmp_error(out, err);
    }
}

void hmp_cmd_snapshot_delete_blkdev_internal(HmpOut *out, const HmpArgs *a)
{
    const char *id = a->arg[2].given ? a->arg[2].text : NULL;
    GError *err = NULL;
    g_autoptr(SnapshotInfo) info =
        vm_snapshot_disk_delete(out->vm, a->arg[0].text, id, a->arg[1].text,
                                &err);

    if (info == NULL) {
        hmp_error(out, err);
    }
}

/* "423 KiB": three digits that count. */
static char *short_size(uint64_t bytes)
{
    static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
                                         "TiB", "PiB", "EiB" };
    double n = (double)bytes;
    unsigned i = 0;

    while (n >= 1000 && i + 1 < G_N_ELEMENTS(units)) {
        n /= 1024;
        i++;
    }
    return g_strdup_printf("%.3g %s", n, units[i]);
}

static void print_snapshot(HmpOut *out, const char *id,
                           const BlockSnapshotInfo *i)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_local(i->date_sec);
    g_autofree char *day = g_date_time_format(date, "%Y-%m-%d %H:%M:%S");
    g_autofree char *size = short_size(i->vm_state_size);
    g_autofree char *icount = i->icount == UINT64_MAX
                                  ? g_strdup("")
                                  : g_strdup_printf("%" PRIu64, i->icount);
    uint64_t s = i->vm_clock_ns / NSEC_PER_SEC;
    g_autofree char *clock =
        g_strdup_printf("%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ".%03" PRIu64,
                        s / 3600, s / 60 % 60, s % 60,
                        i->vm_clock_ns / (NSEC_PER_SEC / 1000) % 1000);

    hmp_printf(out, ROW_FORMAT, id, i->name, size, day, clock, icount);
}

/* Those that are on all disks, or those that aren't. */
static unsigned print_snapshots(HmpOut *out, const BlockSnapshotSet *set,
                                bool all, const char *title)
{
    const BlockSnapshotInfo *info = NULL;
    unsigned n = 0;

    for (unsigned i = 0; (info = block_snapshot_at(set, i)) != NULL; i++) {
        if (block_snapshot_check_all(set, info->name, NULL) != all) {
            continue;
        }
        if (n++ == 0) {
            hmp_printf(out, "%s", title);
            hmp_printf(out, ROW_FORMAT, "ID", "TAG", "VM SIZE", "DATE",
                       "VM CLOCK", "ICOUNT");
        }
        print_snapshot(out, all ? "--" : info->id, info);
    }
    return n;
}

void hmp_info_snapshots(HmpOut *out, const HmpArgs *a)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(BlockSnapshotSet) set =
        block_snapshot_set_new(out->vm->blocks, &err);
    const char *all = "List of snapshots present on all disks:\n";
    g_autofree char *partial = NULL;

    if (set == NULL) {
        hmp_printf(out, "%s\n", err->message);
        return;
    }
    if (block_snapshot_at(set, 0) == NULL) {
        hmp_printf(out, "There is no snapshot available.\n");
        return;
    }
    if (print_snapshots(out, set, true, all) == 0) {
        hmp_printf(out, "%sNone\n", all);
    }
    partial =
        g_strdup_printf("\nList of partial (non-loadable) snapshots on '%s':\n",
                        block_snapshot_set_name(set));
    print_snapshots(out, set, false, partial);
}
