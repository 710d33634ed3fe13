/*
 * The states of a migration, and what may follow what.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/states.h"

#define ST(name_) (1U << MIGRATION_STATUS_##name_)

/* How every outgoing migration may end before it is committed. */
#define ENDS (ST(CANCELLING) | ST(CANCELLED) | ST(FAILED))

/* The next attempt, or an incoming migration, begins from any end. */
#define BEGINS (ST(SETUP) | ST(ACTIVE))

static const unsigned may_follow[MIGRATION_STATUS__MAX] = {
    [MIGRATION_STATUS_NONE] = BEGINS,
    [MIGRATION_STATUS_SETUP] = ST(ACTIVE) | ENDS,
    [MIGRATION_STATUS_ACTIVE] = ST(PRE_SWITCHOVER) | ST(DEVICE) |
                                ST(POSTCOPY_ACTIVE) | ST(COMPLETED) | ENDS,
    /* On by migrate-continue only, and never back to active from there. */
    [MIGRATION_STATUS_PRE_SWITCHOVER] = ST(DEVICE) | ENDS,
    /* Active: an attempt was undone. */
    [MIGRATION_STATUS_DEVICE] =
        ST(ACTIVE) | ST(POSTCOPY_ACTIVE) | ST(COMPLETED) | ENDS,
    /* The guest is given: nothing leads back, and nothing cancels it. */
    [MIGRATION_STATUS_POSTCOPY_ACTIVE] =
        ST(POSTCOPY_PAUSED) | ST(COMPLETED) | ST(FAILED),
    [MIGRATION_STATUS_POSTCOPY_PAUSED] = ST(POSTCOPY_RECOVER) | ST(FAILED),
    [MIGRATION_STATUS_POSTCOPY_RECOVER] =
        ST(POSTCOPY_ACTIVE) | ST(POSTCOPY_PAUSED) | ST(FAILED),
    [MIGRATION_STATUS_CANCELLING] = ST(CANCELLED) | ST(FAILED),
    [MIGRATION_STATUS_CANCELLED] = BEGINS,
    [MIGRATION_STATUS_COMPLETED] = BEGINS | ST(FAILED),
    [MIGRATION_STATUS_FAILED] = BEGINS,
};

bool mig_status_busy(MigrationStatus st)
{
    switch (st) {
    case MIGRATION_STATUS_NONE:
    case MIGRATION_STATUS_CANCELLED:
    case MIGRATION_STATUS_COMPLETED:
    case MIGRATION_STATUS_FAILED:
        return false;
    default:
        return true;
    }
}

bool mig_status_may_follow(MigrationStatus st, MigrationStatus next)
{
    return st != next && (may_follow[st] & (1U << next));
}
