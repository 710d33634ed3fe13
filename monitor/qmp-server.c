/*
 * What the monitors of a VM share: the turn-taking, the clean-up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"

#include "monitor/qmp-fds.h"
#include "monitor/qmp-priv.h"
#include "qapi/version.h"

typedef struct Cleanup {
    void (*fn)(void *opaque);
    void *opaque;
} Cleanup;

typedef struct MonitorSource {
    GSource source;
    Monitors *monitors;
} MonitorSource;

void monitors_kick(Monitors *m)
{
    /* Pairs with monitors_run(): the flag first, then the time. */
    g_atomic_int_set(&m->kicked, 1);
    g_source_set_ready_time(m->source, 0);
}

void monitors_run(Monitors *m)
{
    bool more = false;

    g_atomic_int_set(&m->kicked, 0);
    events_run(m);
    for (unsigned i = 0; i < m->sessions->len; i++) {
        qmp_session_run(g_ptr_array_index(m->sessions, i));
    }
    /* Not before: this may have been called again from inside. */
    for (unsigned i = 0; i < m->sessions->len; i++) {
        more |= qmp_session_has_work(g_ptr_array_index(m->sessions, i));
    }
    g_source_set_ready_time(m->source, more ? 0 : events_next_us(m));
    if (g_atomic_int_get(&m->kicked)) {
        g_source_set_ready_time(m->source, 0);
    }
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback,
                                gpointer data)
{
    VM_LOCK_GUARD();

    monitors_run(((MonitorSource *)source)->monitors);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_funcs = { .dispatch = source_dispatch };

static int64_t clock_default(void *opaque)
{
    return g_get_monotonic_time();
}

void monitors_set_clock(Monitors *m, int64_t (*now_us)(void *opaque),
                        void *opaque)
{
    m->now_us = now_us;
    m->clock_opaque = opaque;
}

Monitors *monitors_new(struct Vm *vm)
{
    Monitors *m = g_new0(Monitors, 1);

    m->vm = vm;
    m->sessions = g_ptr_array_new();
    m->thread = g_thread_self();
    m->now_us = clock_default;
    m->fds = qmp_fds_new();
    m->cleanups = g_array_new(false, false, sizeof(Cleanup));
    events_init(m);
    m->source = g_source_new(&source_funcs, sizeof(MonitorSource));
    ((MonitorSource *)m->source)->monitors = m;
    g_source_set_name(m->source, "monitors");
    g_source_set_can_recurse(m->source, true); /* see system/serve.h */
    g_source_attach(m->source, g_main_context_get_thread_default());
    return m;
}

void monitors_free(Monitors *m)
{
    if (!m) {
        return;
    }
    while (m->cleanups->len) {
        Cleanup c = g_array_index(m->cleanups, Cleanup, m->cleanups->len - 1);

        g_array_set_size(m->cleanups, m->cleanups->len - 1);
        c.fn(c.opaque);
    }
    while (m->sessions->len) {
        qmp_session_free(g_ptr_array_index(m->sessions, 0));
    }
    g_source_destroy(m->source);
    g_source_unref(m->source);
    events_fini(m);
    qmp_fds_free(m->fds);
    g_ptr_array_unref(m->sessions);
    g_array_unref(m->cleanups);
    g_free(m);
}

void monitors_at_free(Monitors *m, void (*fn)(void *opaque), void *opaque)
{
    Cleanup c = { .fn = fn, .opaque = opaque };

    g_array_append_val(m->cleanups, c);
}

void monitors_set_options(Monitors *m, MonitorsOptionsFn fn)
{
    m->options = fn;
}

struct Dump *monitors_dump(Monitors *m)
{
    return m->dump;
}

void monitors_set_dump(Monitors *m, struct Dump *dump)
{
    m->dump = dump;
}

struct QmpFds *monitors_fds(Monitors *m)
{
    return m->fds;
}

JsonValue *qmp_version_json(void)
{
    JsonValue *v = json_object_new();
    JsonValue *qemu = json_object_new();

    json_object_set_int(qemu, "micro", COMPAT_VERSION_MICRO);
    json_object_set_int(qemu, "minor", COMPAT_VERSION_MINOR);
    json_object_set_int(qemu, "major", COMPAT_VERSION_MAJOR);
    json_object_set(v, "qemu", qemu);
    json_object_set_string(v, "package", COMPAT_PACKAGE);
    return v;
}
