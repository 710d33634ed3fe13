/*
 * Live migration: the state machine, and what monitors ask of it.
 *
 * Locking: the functions are called from the main thread with vm_lock held.
 * `lock` guards what the migration thread and queries share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_MIGRATION_H
#define MIGRATION_MIGRATION_H

#include "migration/caps.h"
#include "migration/params.h"
#include "system/vm.h"

typedef struct Migration Migration;

/* What the engine needs of the layers above; one const table in main. */
typedef struct MigrationHooks {
    void (*event_status)(Vm *vm, MigrationStatus status);
    void (*event_pass)(Vm *vm, int64_t pass);
    /* A descriptor given with getfd or a number; owned by the caller. */
    int (*take_fd)(Vm *vm, const char *name, GError **errp);
    /* The machine type's name as it stands in the stream. */
    const char *(*machine_name)(Vm *vm);
    /* Appends lines on CPU and disks (facts.h); NULL: nothing is told. */
    void (*facts)(Vm *vm, GString *text);
    /* Gets all vCPUs' state from the accelerator once / puts what a stream
     * brought, ahead of the resume, each time it is called. */
    bool (*cpus_sync)(Vm *vm, GError **errp);
    bool (*cpus_put)(Vm *vm, GError **errp);
    /*
     * An outgoing migration begins or ends: lets vCPUs save their state as
     * they pause, and says whether the clock device reads the TSC alone.
     */
    void (*prepare)(Vm *vm, bool active, bool single_cpu_sync);
    /* The index of the vCPU that this thread runs; -1: none.  Any thread. */
    int (*cpu_of_thread)(Vm *vm, pid_t tid);
    /* The guest's CPUs rest for so many percent (0 to 99) of the time from now
     * on.  Without vm_lock. */
    bool (*throttle)(Vm *vm, unsigned percent, GError **errp);
    /* AccelType.dirtied() of the guest's CPUs; may be NULL. */
    bool (*dirtied)(Vm *vm, uint64_t *ret, bool arm);
} MigrationHooks;

/* Registers the "timer" and "globalstate" sections too. */
Migration *migration_new(Vm *vm, const MigrationHooks *hooks);
/* Cancels, waits for the threads. */
void migration_free(Migration *m);

/* Outgoing.  The connection is made in the background: an unreachable
 * destination shows up in the status.  Errors: what is wrong with `uri`, a
 * migration that runs, a device that can't migrate. */
bool migration_start(Migration *m, const char *uri, GError **errp);
/* Asks; the guest goes on here.  Nothing happens if none runs. */
void migration_cancel(Migration *m);
/* From the state pre-switchover, which `state` must name. */
bool migration_continue(Migration *m, MigrationStatus state, GError **errp);

/*
 * The guest is to go now, and what is left of its memory to follow.  Errors:
 * the capability is off, or no migration was started.
 */
bool migration_start_postcopy(Migration *m, GError **errp);

/*
 * Breaks the connection of a postcopy: it is paused then, at both ends.
 * Errors: there is none.
 */
bool migration_pause(Migration *m, GError **errp);
/* Source: goes on with a paused postcopy over a new connection to `uri`. */
bool migration_resume(Migration *m, const char *uri, GError **errp);
/* Destination: waits for that connection at `uri`. */
bool migration_recover(Migration *m, const char *uri, GError **errp);

/* -incoming URI or "defer"; later migrate-incoming. */
bool migration_incoming_start(Migration *m, const char *uri, GError **errp);
bool migration_incoming_deferred(Migration *m, const char *uri, GError **errp);

/* Refused while a migration runs. */
bool migration_set_capability(Migration *m, MigrationCapability cap, bool on,
                              GError **errp);
/* All together or none. */
bool migration_set_capabilities(Migration *m, MigCapSet mask, MigCapSet on,
                                GError **errp);
MigCapSet migration_capabilities(Migration *m);
/* Also while it runs: bandwidth and downtime limit take effect at once. */
bool migration_set_params(Migration *m, const JsonValue *obj, GError **errp);
/* As HMP spells it: sizes without a suffix are MiB. */
bool migration_set_param_text(Migration *m, const char *name, const char *val,
                              GError **errp);
JsonValue *migration_params_json(Migration *m);
/* The announce-* parameters as they are; ms, and packets. */
typedef struct MigAnnounce {
    uint64_t initial, max, step, rounds;
} MigAnnounce;
void migration_announce_params(Migration *m, MigAnnounce *ret);
/*
 * -global migration.NAME=VALUE: a capability or a parameter; sizes without a
 * suffix are bytes.
 */
bool migration_set_global(Migration *m, const char *name, const char *val,
                          GError **errp);
/* -only-migratable: devices that block migration are refused at start. */
void migration_set_only_migratable(Migration *m, bool on);
bool migration_only_migratable(const Migration *m);

/* calc-dirty-rate (dirty-rate.h) */
struct DirtyRate *migration_dirty_rate(Migration *m);

MigrationInfo *migration_query(Migration *m);
MigrationStatus migration_status(Migration *m);
/* Neither running nor being set up, in either direction. */
bool migration_is_idle(Migration *m);
/*
 * Devices and back ends may come and go: no migration runs, or it is one that
 * no source has connected to yet.
 */
bool migration_allows_changes(Migration *m);

#endif
