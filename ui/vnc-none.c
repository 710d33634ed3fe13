/*
 * Built without libvncserver: no VNC servers, and who asks for one is told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "ui/vnc.h"

#include "util/error.h"

VncServers *vnc_servers_new(struct Vm *vm, const VncHooks *hooks)
{
    return NULL;
}

void vnc_servers_free(VncServers *all)
{
}

VncServer *vnc_server_start(VncServers *all, VncOptions *o, GError **errp)
{
    error_setf(errp, "there are no VNC servers in this build (libvncserver)");
    return NULL;
}

char *vnc_server_where(const VncServer *s)
{
    return NULL;
}

bool vnc_set_password(VncServers *all, const char *id, const char *password,
                      GError **errp)
{
    error_setf(errp, "Could not set password");
    return false;
}

bool vnc_expire_password(VncServers *all, const char *id, int64_t at_s,
                         GError **errp)
{
    error_setf(errp, "Could not set password expire time");
    return false;
}

VncInfo *vnc_info(VncServers *all)
{
    return vnc_info_new();
}

VncInfo2List *vnc_info_all(VncServers *all)
{
    return vnc_info2_list_new();
}
