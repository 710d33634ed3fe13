/*
 * The state of a machine that stands, as snapshots keep it: the stream of a
 * migration to a file, in one go.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/snapshot.h"

#include "migration/migration-priv.h"
#include "migration/ram-load.h"
#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/states.h"
#include "migration/wire.h"
#include "system/outside.h"
#include "system/ramblock-lost.h"
#include "util/error.h"

bool migration_snapshot_begin(Migration *m, bool state, GError **errp)
{
    g_autofree char *why =
        state ? vmstate_blocked_reason(m->vm->vmstates) : NULL;
    RunState st = runstate_get(m->vm);

    if (mig_status_busy(migration_status(m))) {
        error_setf(errp, "There's a migration process in progress");
    } else if (st == RUN_STATE_INMIGRATE) {
        error_setf(errp, "Guest is waiting for an incoming migration");
    } else if (st == RUN_STATE_POSTMIGRATE) {
        error_setf(errp, "The guest has gone by a migration");
    } else if (vm_busy(m->vm) != NULL) {
        error_setf(errp, "No snapshots now: %s", vm_busy(m->vm));
    } else if (m->snapshot) {
        error_setf(errp, "A snapshot is being taken, loaded or deleted");
    } else if (why != NULL) {
        error_setf(errp, "%s", why);
    } else {
        m->snapshot = !state || ram_lost_check(&m->vm->mem.ram, errp);
        return m->snapshot;
    }
    return false;
}

void migration_snapshot_end(Migration *m)
{
    m->snapshot = false;
}

/* Saving */

static bool no_pace(void *opaque, uint64_t bytes, GError **errp)
{
    return true;
}

static bool save_begin(Migration *m, RunState was, GError **errp)
{
    VM_LOCK_GUARD();

    engine_state_store(m->state, was);
    if (!m->hooks->cpus_sync(m->vm, errp) ||
        !memory_dirty_log_start(&m->vm->mem, errp)) {
        return false;
    }
    vm_outside_settle(m->vm);
    return true;
}

static void save_end(Migration *m)
{
    VM_LOCK_GUARD();

    memory_dirty_log_stop(&m->vm->mem);
}

static bool save_memory(Migration *m, StreamOut *out, GError **errp)
{
    size_t nrows;
    const IterativeOps *const *rows = iterative_rows(&nrows);
    IterativeEnv env = { .mem = &m->vm->mem,
                         .out = out,
                         .opts = { .pace = no_pace } };
    g_autoptr(IterativeSet) set = iterative_new(rows, nrows, &env);

    if (!iterative_setup(set, errp)) {
        return false;
    }
    iterative_pending(set, false);
    if (!iterative_pass(set, errp)) {
        return false;
    }
    iterative_pending(set, true);
    return iterative_complete(set, errp) && stream_out_flush(out, errp);
}

static bool save_devices(Migration *m, StreamOut *out, GError **errp)
{
    g_autoptr(StreamOut) mem = stream_out_new(NULL);
    g_autofree char *text = NULL;
    const uint8_t *data;
    size_t len;

    {
        VM_LOCK_GUARD();
        if (!savevm_save_devices(mem, m->vm->vmstates, &text, errp)) {
            return false;
        }
    }
    data = stream_out_data(mem, &len);
    stream_put_ref(out, data, len);
    stream_put_u8(out, WIRE_EOF);
    savevm_put_description(out, text);
    return stream_out_flush(out, errp);
}

bool migration_save_state(Migration *m, RunState was, IoChannel *ch,
                          GError **errp)
{
    const StreamConfig config = { .machine = m->hooks->machine_name(m->vm) };
    g_autoptr(StreamOut) out = stream_out_new(ch);
    bool ok;

    if (!save_begin(m, was, errp)) {
        return false;
    }
    savevm_put_header(out, &config);
    ok = save_memory(m, out, errp);
    save_end(m);
    return ok && save_devices(m, out, errp);
}

/* Loading */

typedef struct SnapshotLoad {
    Migration *m;
    RamLoad *ram;
} SnapshotLoad;

static bool refuse_command(void *opaque, uint16_t cmd, uint16_t len,
                           GError **errp)
{
    error_setf(errp, "not part of a snapshot");
    return false;
}

static bool never_command(void *opaque, uint16_t cmd, const uint8_t *data,
                          uint16_t len, bool *ret_more, GError **errp)
{
    return refuse_command(opaque, cmd, len, errp);
}

static bool load_complete(void *opaque, bool *ret_more, GError **errp)
{
    const SnapshotLoad *l = opaque;
    VM_LOCK_GUARD();

    *ret_more = false;
    if (!ram_load_ready(l->ram)) {
        error_setf(errp, "end of the stream without guest memory");
        return false;
    }
    return ram_load_finished(l->ram, errp) &&
           l->m->hooks->cpus_put(l->m->vm, errp);
}

bool migration_load_state(Migration *m, IoChannel *ch, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new(ch);
    g_autoptr(RamLoad) ram = ram_load_new(&m->vm->mem);
    SnapshotLoad l = { .m = m, .ram = ram };
    const LoadvmRow rows[] = { { &ram_iterative, ram } };
    const LoadvmOps ops = { .command_begins = refuse_command,
                            .command = never_command,
                            .complete = load_complete,
                            .opaque = &l };
    const StreamConfig here = { .machine = m->hooks->machine_name(m->vm) };

    return loadvm_run(in, m->vm->vmstates, rows, G_N_ELEMENTS(rows), &here,
                      &ops, errp);
}
