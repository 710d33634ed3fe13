/*
 * The state of a machine that stands, into a channel and out of one: what
 * snapshots keep.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SNAPSHOT_H
#define MIGRATION_SNAPSHOT_H

#include "io/channel.h"
#include "migration/migration.h"

/*
 * This machine's state is to be kept, or another to be put in its place: until
 * the end no migration begins, and no other snapshot.  False with errp: one is
 * under way or was, or a device can't travel, which matters if the `state` is
 * what it is about.  vm_lock.
 */
bool migration_snapshot_begin(Migration *m, bool state, GError **errp);
void migration_snapshot_end(Migration *m);
/*
 * A plain stream, as into a file.  `was`: the run state that it tells.  The
 * guest stands, its disks' requests have ended; without vm_lock.
 */
bool migration_save_state(Migration *m, RunState was, IoChannel *ch,
                          GError **errp);
/*
 * Of such a stream; the machine has been reset.  After a failure it is neither
 * what it was nor what it was to be.
 */
bool migration_load_state(Migration *m, IoChannel *ch, GError **errp);

#endif
