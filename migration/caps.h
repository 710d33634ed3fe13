/*
 * Migration capabilities: the one list of them, with defaults and rules.
 *
 * Locking: none; pure functions on sets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_CAPS_H
#define MIGRATION_CAPS_H

#include "util/base.h"
#include "migration/params.h"
#include "qapi/qapi-types-migration.h"

typedef uint64_t MigCapSet; /* bit n: MigrationCapability n */

#define CAP(name_) (UINT64_C(1) << MIGRATION_CAPABILITY_##name_)

/* What a new VM has: the three optimisations and switchover-abort. */
MigCapSet mig_caps_default(void);
/* Is the set allowed?  False with an error that names what isn't available. */
bool mig_caps_check(MigCapSet want, GError **errp);
/* Do they go with the parameters?  False with errp. */
bool mig_caps_check_params(MigCapSet caps, const MigParams *p, GError **errp);
static inline bool mig_caps_has(MigCapSet set, MigrationCapability cap)
{
    return (set >> cap) & 1;
}

#endif
