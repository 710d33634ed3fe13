/*
 * Scripts that set up and take down a tap interface.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/tap.h"

#include "util/error.h"

bool tap_is_script(const char *script)
{
    return *script != '\0' && !g_str_equal(script, "no");
}

bool tap_run_script(const char *script, const char *ifname, GError **errp)
{
    char *argv[] = { (char *)(uintptr_t)script, (char *)(uintptr_t)ifname,
                     NULL };
    g_autoptr(GError) err = NULL;
    int status;

    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_CHILD_INHERITS_STDIN, NULL,
                      NULL, NULL, NULL, &status, &err)) {
        error_setf(errp, "network script %s: %s", script, err->message);
        return false;
    }
    if (status != 0) {
        error_setf(errp, "network script %s failed with status %d", script,
                   status);
        return false;
    }
    return true;
}
