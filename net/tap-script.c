/*
 * Scripts that set up and take down a tap interface.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/tap.h"

#include <unistd.h>

#include "util/error.h"
#include "util/lock.h"
#include "util/log.h"

bool tap_is_script(const char *script)
{
    return *script != '\0' && !g_str_equal(script, "no");
}

/* A script that nobody waits for. */
typedef struct TapScript {
    char *script, *id;
    int *fds;
    unsigned n;
} TapScript;

static void close_fds(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        close(fds[i]);
    }
}

static bool check_status(const char *script, int status, GError **errp)
{
    if (status != 0) {
        error_setf(errp, "network script %s failed with status %d", script,
                   status);
        return false;
    }
    return true;
}

static void script_ended(GPid pid, gint status, gpointer opaque)
{
    TapScript *s = opaque;
    g_autoptr(GError) err = NULL;

    if (!check_status(s->script, status, &err)) {
        log_error("netdev %s: %s", s->id, err->message);
    }
    close_fds(s->fds, s->n);
    g_spawn_close_pid(pid);
    g_free(s->script);
    g_free(s->id);
    g_free(s->fds);
    g_free(s);
}

bool tap_run_script(const char *script, const char *ifname, const char *id,
                    const int *fds, unsigned n, GError **errp)
{
    char *argv[] = { (char *)(uintptr_t)script, (char *)(uintptr_t)ifname,
                     NULL };
    bool waits = vm_lock_may_wait();
    g_autoptr(GError) err = NULL;
    GSpawnFlags flags = G_SPAWN_CHILD_INHERITS_STDIN;
    TapScript *s;
    int status;
    GPid pid;
    bool ok;

    ok = waits ? g_spawn_sync(NULL, argv, NULL, flags, NULL, NULL, NULL, NULL,
                              &status, &err)
               : g_spawn_async(NULL, argv, NULL,
                               flags | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                               &pid, &err);
    if (!ok || waits) {
        close_fds(fds, n);
    }
    if (!ok) {
        error_setf(errp, "network script %s: %s", script, err->message);
        return false;
    }
    if (waits) {
        return check_status(script, status, errp);
    }
    s = g_new0(TapScript, 1);
    s->script = g_strdup(script);
    s->id = g_strdup(id);
    s->fds = g_memdup2(fds, n * sizeof(*fds));
    s->n = n;
    g_child_watch_add(pid, script_ended, s);
    return true;
}
