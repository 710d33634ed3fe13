/*
 * How the lower layers call up: events to the monitors, vCPUs, block I/O.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MONITOR_HOOKS_H
#define MONITOR_HOOKS_H

#include "block/block.h"
#include "migration/migration.h"
#include "net/net.h"
#include "system/job.h"
#include "system/vm.h"
#include "ui/vnc.h"

extern const VmHooks monitor_vm_hooks;
extern const VncHooks monitor_vnc_hooks;
extern const NetHooks monitor_net_hooks; /* opaque: the Vm */
extern const MigrationHooks monitor_migration_hooks;
/* For block_set_error_hook(); opaque: the Vm. */
void monitor_block_error(void *opaque, const BlockErrorReport *r);
/* For jobs_new(); opaque: the Vm. */
void monitor_job_changed(void *opaque, const char *id, JobStatus status);

#endif
