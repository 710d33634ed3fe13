/*
 * VNC servers (RFC 6143): screens for viewers elsewhere, and their input.
 *
 * Each client has a thread, which alone waits for it; see vnc-priv.h.  All
 * calls are the main thread's, with vm_lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UI_VNC_H
#define UI_VNC_H

#include "qapi/qapi-types-ui.h"
#include "ui/vnc-opts.h"

struct Vm;

typedef struct VncServers VncServers; /* all of a VM's */
typedef struct VncServer VncServer;

/* What happens with clients, for those above. */
typedef struct VncHooks {
    void (*connected)(struct Vm *vm, const VncServerInfo *server,
                      const VncBasicInfo *client);
    void (*initialized)(struct Vm *vm, const VncServerInfo *server,
                        const VncClientInfo *client);
    void (*disconnected)(struct Vm *vm, const VncServerInfo *server,
                         const VncClientInfo *client);
} VncHooks;

/* NULL: this build has no VNC servers. */
VncServers *vnc_servers_new(struct Vm *vm, const VncHooks *hooks);
/* Ends all connections; before the consoles go.  NULL is fine. */
void vnc_servers_free(VncServers *all);

/*
 * Opens a server's sockets.  Takes over `o` if that works.  The first one
 * without a name is called "default", others "vncN".
 */
VncServer *vnc_server_start(VncServers *all, VncOptions *o, GError **errp);
/* Of "host:port", what it listens at first, for people; NULL: nothing. */
char *vnc_server_where(const VncServer *s);

/*
 * The password of a server (NULL: of the one called "default"); at most its
 * first eight bytes count.  "" lets nobody in.  Who is in stays.
 */
bool vnc_set_password(VncServers *all, const char *id, const char *password,
                      GError **errp);
/* From this second of the wall clock on nobody is let in; INT64_MAX: never. */
bool vnc_expire_password(VncServers *all, const char *id, int64_t at_s,
                         GError **errp);

/* For monitors: of the first server, and of all, the last one first. */
VncInfo *vnc_info(VncServers *all);
VncInfo2List *vnc_info_all(VncServers *all);

#endif
