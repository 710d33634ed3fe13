/*
 * The forwardings of a user-mode network.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_USER_H
#define NET_USER_H

#include <netinet/in.h>

#include "net/net.h"

typedef struct Slirp Slirp;
typedef struct UserForward UserForward;

/* "[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport"; guest: the default
 * address in it. */
bool user_hostfwd_add(Slirp *slirp, struct in_addr guest, const char *rule,
                      GError **errp);
/* "[tcp|udp]:[hostaddr]:hostport" */
bool user_hostfwd_remove(Slirp *slirp, const char *rule, GError **errp);
/*
 * "[tcp]:server:port-DEV", DEV: a character device or cmd:COMMAND.  Of a
 * character device there is something to free; *ret is NULL for a command.
 */
bool user_guestfwd_add(Slirp *slirp, struct Vm *vm, const char *id,
                       const char *rule, UserForward **ret, GError **errp);
void user_forward_free(UserForward *f);

/* The network of that name, or the only one; NULL with errp: there is none. */
Slirp *net_user_find(Networks *nets, const char *id, GError **errp);
/* For the monitor: adds or removes one by its rule. */
bool net_user_hostfwd(Networks *nets, const char *id, const char *rule,
                      bool add, GError **errp);
/* Text of `info usernet`. */
void net_user_print(Networks *nets, GString *out);

#endif
