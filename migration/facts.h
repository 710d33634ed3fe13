/*
 * What two Godwits tell each other of their machines (docs/devel/migration.md).
 *
 * A text of lines:
 *
 *   accel NAME       the accelerator
 *   flag NAME        a CPU flag that guests see
 *   device NAME      something that is saved, with its instance
 *   disk SIZE NAME   bytes of a disk, and whose it is
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_FACTS_H
#define MIGRATION_FACTS_H

#include "migration/migration.h"

/*
 * Of this machine, to be freed; NULL: it can't be told.  ignore_shared: with
 * the names of the RAM blocks that don't travel as they are shared.  vm_lock
 * held.
 */
char *mig_facts(Vm *vm, const MigrationHooks *hooks, bool ignore_shared);
/*
 * False with errp, which names what a guest from there would miss here: CPU
 * flags, devices, memory that is shared on one side only.  *ret_differs, to be
 * freed: devices that only this machine has, and disks of another size; NULL:
 * there are none.  `there` is a peer's: anything may stand in it.
 */
bool mig_facts_check(const char *there, const char *here, char **ret_differs,
                     GError **errp);

#endif
