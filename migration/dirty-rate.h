/*
 * How fast the guest writes to its memory: calc-dirty-rate.
 *
 * Locking: called by the main thread with vm_lock held, unless said otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_DIRTY_RATE_H
#define MIGRATION_DIRTY_RATE_H

#include "migration/migration.h"

struct DirtyRate;

/* hooks: of the migration; borrowed. */
struct DirtyRate *dirty_rate_new(Vm *vm, const MigrationHooks *hooks);
/* Ends a measurement; waits for its thread with vm_lock dropped. */
void dirty_rate_free(struct DirtyRate *d);
/*
 * Measures from now on, for calc_time seconds (1 to 60).  sample_pages: of
 * each GiB, for page-sampling and for no other mode; 0: not given.  Errors: a
 * value out of its range, a mode that this machine can't, one that runs.
 */
bool dirty_rate_start(struct DirtyRate *d, int64_t calc_time,
                      bool has_sample_pages, int64_t sample_pages,
                      DirtyRateMeasureMode mode, GError **errp);
/* The last one, or that under way; to be freed. */
DirtyRateInfo *dirty_rate_query(struct DirtyRate *d);

#endif
