/*
 * The debugger's server: breakpoints, letting the guest run, saying why it
 * stopped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "gdbstub/gdbstub-priv.h"

#include "util/log.h"

/* GDB's own numbers of signals (gdb/signals.def lists them). */
enum {
    GDB_SIGNAL_INT = 2,
    GDB_SIGNAL_QUIT = 3,
    GDB_SIGNAL_TRAP = 5,
    GDB_SIGNAL_ABRT = 6,
    GDB_SIGNAL_ALRM = 14,
    GDB_SIGNAL_IO = 23,
    GDB_SIGNAL_XCPU = 24,
};

/* Breakpoints */

static bool cpu_apply(GdbServer *g, Vcpu *cpu, bool step, GError **errp)
{
    const DebugState d = {
        .points = (const DebugPoint *)g->points->data,
        .npoints = g->points->len,
        .step = step,
        .step_no_irq = g->step_bits & GDB_STEP_NO_IRQ,
    };
    bool any = d.npoints || step;

    if (!any && !cpu->debug) {
        return true; /* also with an accelerator that can't debug */
    }
    return vcpu_set_debug(cpu, any ? &d : NULL, errp);
}

/* To all vCPUs, the client's first: its page tables find the address. */
static bool points_apply(GdbServer *g, GError **errp)
{
    Vcpu *first = gdb_cpu(g, g->g_cpu);

    if (first && !cpu_apply(g, first, false, errp)) {
        return false;
    }
    for (unsigned i = 0; i < g->vm->nvcpus; i++) {
        if (g->vm->vcpus[i] != first &&
            !cpu_apply(g, g->vm->vcpus[i], false, errp)) {
            return false;
        }
    }
    return true;
}

static int point_find(const GdbServer *g, const DebugPoint *p)
{
    for (guint i = 0; i < g->points->len; i++) {
        const DebugPoint *q = &g_array_index(g->points, DebugPoint, i);

        if (q->kind == p->kind && q->addr == p->addr && q->len == p->len) {
            return (int)i;
        }
    }
    return -1;
}

int gdb_point_add(GdbServer *g, const DebugPoint *p)
{
    g_autoptr(GError) err = NULL;

    /* The protocol asks that inserting twice is inserting once. */
    if (point_find(g, p) >= 0) {
        return 0;
    }
    if (g->points->len >= DEBUG_POINTS_MAX) {
        return -ENOSPC;
    }
    g_array_append_vals(g->points, p, 1);
    if (points_apply(g, &err)) {
        return 0;
    }
    log_warn("gdbstub: breakpoint at 0x%" PRIx64 ": %s", p->addr, err->message);
    g_array_set_size(g->points, g->points->len - 1);
    points_apply(g, NULL);
    return -EINVAL;
}

int gdb_point_remove(GdbServer *g, const DebugPoint *p)
{
    int i = point_find(g, p);

    if (i < 0) {
        return -ENOENT;
    }
    g_array_remove_index(g->points, i);
    return points_apply(g, NULL) ? 0 : -EINVAL;
}

void gdb_points_clear(GdbServer *g)
{
    g_array_set_size(g->points, 0);
    points_apply(g, NULL);
}

/* Stop replies */

static unsigned stop_signal(const GdbServer *g)
{
    switch (runstate_get(g->vm)) {
    case RUN_STATE_PAUSED:
        return GDB_SIGNAL_INT;
    case RUN_STATE_SHUTDOWN:
        return GDB_SIGNAL_QUIT;
    case RUN_STATE_INTERNAL_ERROR:
        return GDB_SIGNAL_ABRT;
    case RUN_STATE_IO_ERROR:
        return GDB_SIGNAL_IO;
    case RUN_STATE_WATCHDOG:
        return GDB_SIGNAL_ALRM;
    case RUN_STATE_FINISH_MIGRATE:
    case RUN_STATE_POSTMIGRATE:
        return GDB_SIGNAL_XCPU;
    default:
        return GDB_SIGNAL_TRAP;
    }
}

static void append_reason(const GdbServer *g, GString *out, const DebugStop *s)
{
    static const char *const watch[DEBUG_KINDS] = {
        [DEBUG_WATCH_WRITE] = "watch",
        [DEBUG_WATCH_READ] = "rwatch",
        [DEBUG_WATCH_ACCESS] = "awatch",
    };

    if (s->reason == DEBUG_STOP_WATCHPOINT && watch[s->kind]) {
        g_string_append_printf(out, "%s:%" PRIx64 ";", watch[s->kind], s->addr);
    } else if (s->reason == DEBUG_STOP_BREAKPOINT) {
        if (s->kind == DEBUG_BREAK_SOFT && g->swbreak) {
            g_string_append(out, "swbreak:;");
        } else if (s->kind == DEBUG_BREAK_HARD && g->hwbreak) {
            g_string_append(out, "hwbreak:;");
        }
    }
}

static void send_stop(GdbServer *g, unsigned sig)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const Vcpu *cpu = gdb_cpu(g, g->c_cpu);

    g_string_append_printf(text, "T%02xthread:", sig);
    gdb_append_thread(g, text, g->c_cpu);
    g_string_append_c(text, ';');
    if (cpu && runstate_get(g->vm) == RUN_STATE_DEBUG) {
        append_reason(g, text, &cpu->debug_stop);
    }
    g->awaiting = false;
    gdb_send(g, text->str);
}

void gdb_send_stop_reply(GdbServer *g)
{
    /* What a client that has just come expects of a guest that stands. */
    send_stop(g, GDB_SIGNAL_TRAP);
}

/* The vCPU that the stop is about: one that came upon something. */
static void choose_cpu(GdbServer *g)
{
    unsigned n = g->vm->nvcpus;

    for (unsigned i = 0; i < n; i++) {
        unsigned at = (g->c_cpu + i) % n;

        if (g->vm->vcpus[at]->debug_stop.reason != DEBUG_NOT_STOPPED) {
            g->c_cpu = g->g_cpu = at;
            return;
        }
    }
}

void gdb_state_changed(RunStateListener *l, bool running, RunState state)
{
    GdbServer *g = container_of(l, GdbServer, listener);

    if (running) {
        return;
    }
    for (unsigned i = 0; i < g->vm->nvcpus; i++) {
        Vcpu *cpu = g->vm->vcpus[i];

        /* A step is for one run; others may let the guest run next. */
        cpu->held = false;
        if (cpu->debug && cpu->debug->step) {
            cpu_apply(g, cpu, false, NULL);
        }
    }
    if (state == RUN_STATE_DEBUG) {
        choose_cpu(g);
    }
    /* A snapshot lets it run again by itself. */
    if (g->awaiting && state != RUN_STATE_SAVE_VM &&
        state != RUN_STATE_RESTORE_VM) {
        send_stop(g, stop_signal(g));
    }
}

/* Running */

bool gdb_may_run(const GdbServer *g)
{
    RunState s = runstate_get(g->vm);

    /* From `postmigrate` only the user's `cont` leads back. */
    return vm_busy(g->vm) == NULL && s != RUN_STATE_INMIGRATE &&
           s != RUN_STATE_FINISH_MIGRATE && s != RUN_STATE_POSTMIGRATE &&
           s != RUN_STATE_SAVE_VM && s != RUN_STATE_RESTORE_VM &&
           s != RUN_STATE_SUSPENDED &&
           runstate_may_change(s, RUN_STATE_RUNNING);
}

/*
 * The images may not have been taken over yet after a migration.  Others are
 * served while they are, and may change what holds; this server stays.
 */
static bool gdb_take_images(GdbServer *g, GError **errp)
{
    bool outer = g->stopping, ok;

    g->stopping = true;
    ok = vm_block_activate(g->vm, errp);
    g->stopping = outer;
    return ok && gdb_may_run(g) && !vm_is_ending(g->vm);
}

void gdb_resume(GdbServer *g, const GdbAction *actions)
{
    unsigned client = g->client;
    g_autoptr(GError) err = NULL;

    if (!gdb_may_run(g) || !gdb_take_images(g, &err)) {
        log_warn("gdbstub: the guest can't run in state '%s'%s%s",
                 run_state_str(runstate_get(g->vm)), err != NULL ? ": " : "",
                 err != NULL ? err->message : "");
        if (g->client == client) {
            send_stop(g, stop_signal(g));
        }
        return;
    }
    if (g->client != client) {
        return; /* the one that asked has gone */
    }
    for (unsigned i = 0; i < g->vm->nvcpus; i++) {
        Vcpu *cpu = g->vm->vcpus[i];
        bool step =
            actions[i] == GDB_ACTION_STEP && (g->step_bits & GDB_STEP_ENABLE);

        if (!cpu_apply(g, cpu, step, &err)) {
            log_warn("gdbstub: CPU %u: %s", i, err->message);
            points_apply(g, NULL);
            gdb_send_error(g, EINVAL);
            return;
        }
    }
    for (unsigned i = 0; i < g->vm->nvcpus; i++) {
        g->vm->vcpus[i]->held = actions[i] == GDB_ACTION_HOLD;
    }
    g->awaiting = true;
    vm_start(g->vm);
}
