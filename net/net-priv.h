/*
 * Inner parts of the networks: how a type of back end is made.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef NET_NET_PRIV_H
#define NET_NET_PRIV_H

#include "io/address.h"
#include "net/net.h"

/* net_port_fini() and ops->free(). */
void net_port_delete(NetPort *p);
/* What waits for the peer goes on: the port's own queue, then resume(). */
void net_port_resume(NetPort *p, unsigned queue);

/* Announcements under way; each is freed when it is removed. */
GPtrArray *networks_jobs(Networks *nets);
GPtrArray *net_announce_jobs_new(void);

/*
 * One for each type: a port that is in @nets under nd->id, or an error that
 * names what is wrong, and nothing left behind.
 */
bool netdev_new_user(Networks *nets, const Netdev *nd, GError **errp);
bool netdev_new_tap(Networks *nets, const Netdev *nd, GError **errp);
bool netdev_new_socket(Networks *nets, const Netdev *nd, GError **errp);
bool netdev_new_stream(Networks *nets, const Netdev *nd, GError **errp);
bool netdev_new_dgram(Networks *nets, const Netdev *nd, GError **errp);
bool netdev_new_vhost_user(Networks *nets, const Netdev *nd, GError **errp);
bool netdev_new_hubport(Networks *nets, const Netdev *nd, GError **errp);

/* A number, or a name that "getfd" gave; -1 with an error that names it. */
int net_get_fd(Networks *nets, const char *str, GError **errp);
/* QMP's form of an address as the one that io/ takes; NULL: an error. */
IoSocketAddress *net_socket_address(const SocketAddress *addr, GError **errp);

#endif
