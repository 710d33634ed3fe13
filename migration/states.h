/*
 * The states of a migration, and what may follow what.
 *
 * Pure functions on both sides' MigrationStatus.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_STATES_H
#define MIGRATION_STATES_H

#include "util/base.h"
#include "qapi/qapi-types-migration.h"

/* A migration is under way, in either direction. */
bool mig_status_busy(MigrationStatus st);
/* False for st == next, too. */
bool mig_status_may_follow(MigrationStatus st, MigrationStatus next);

#endif
