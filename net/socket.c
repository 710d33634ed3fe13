/*
 * Back end "socket": one name for connections and datagrams.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/dgram.h"
#include "net/net-priv.h"
#include "net/stream.h"
#include "util/error.h"

static bool socket_by_fd(Networks *nets, const Netdev *nd, GError **errp)
{
    int type = 0, fd = net_get_fd(nets, nd->u.socket->fd, errp);
    socklen_t len = sizeof(type);
    g_autofree char *info = NULL;

    if (fd < 0) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) {
        error_setf_errno(errp, errno,
                         "can't get socket option SO_TYPE of "
                         "fd=%d",
                         fd);
        return false;
    }
    if (type == SOCK_STREAM) {
        return net_stream_open_fd(nets, nd->id, fd, true, errp);
    }
    if (type != SOCK_DGRAM) {
        error_setf(errp,
                   "socket type=%d for fd=%d must be either SOCK_DGRAM "
                   "or SOCK_STREAM",
                   type, fd);
        return false;
    }
    info = g_strdup_printf("socket: fd=%d", fd);
    net_dgram_open(nets, nd->id, "socket", fd, NULL, info);
    return true;
}

static bool socket_by_stream(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevSocketOptions *o = nd->u.socket;
    g_autoptr(IoSocketAddress) addr = NULL;

    return io_socket_address_parse_inet(o->listen ? o->listen : o->connect,
                                        &addr, errp) &&
           net_stream_open(nets, nd->id, addr, o->listen != NULL, true, errp);
}

static bool socket_by_mcast(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevSocketOptions *o = nd->u.socket;
    NetSockaddr group = { 0 }, from = { 0 };
    g_autofree char *info = NULL, *text = NULL;
    int fd;

    if (!net_resolve_str(nets, o->mcast, &group, errp) ||
        (o->localaddr != NULL &&
         !net_resolve(nets, o->localaddr, "0", &from, errp))) {
        return false;
    }
    fd = net_dgram_join(&group, o->localaddr != NULL ? &from : NULL, errp);
    if (fd < 0) {
        return false;
    }
    text = net_sockaddr_str(&group);
    info = g_strdup_printf("socket: mcast=%s", text);
    net_dgram_open(nets, nd->id, "socket", fd, &group, info);
    return true;
}

static bool socket_by_udp(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevSocketOptions *o = nd->u.socket;
    NetSockaddr local = { 0 }, remote = { 0 };
    g_autofree char *info = NULL, *text = NULL;
    int fd;

    if (o->localaddr == NULL) {
        error_setf(errp, "localaddr= is mandatory with udp=");
        return false;
    }
    if (!net_resolve_str(nets, o->udp, &remote, errp) ||
        !net_resolve_str(nets, o->localaddr, &local, errp)) {
        return false;
    }
    fd = net_dgram_bind(&local, errp);
    if (fd < 0) {
        return false;
    }
    text = net_sockaddr_str(&remote);
    info = g_strdup_printf("socket: udp=%s", text);
    net_dgram_open(nets, nd->id, "socket", fd, &remote, info);
    return true;
}

bool netdev_new_socket(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevSocketOptions *o = nd->u.socket;

    if (!!o->fd + !!o->listen + !!o->connect + !!o->mcast + !!o->udp != 1) {
        error_setf(errp, "exactly one of listen=, connect=, mcast= or udp= is "
                         "required");
        return false;
    }
    if (o->localaddr != NULL && o->mcast == NULL && o->udp == NULL) {
        error_setf(errp, "localaddr= is only valid with mcast= or udp=");
        return false;
    }
    if (o->fd != NULL) {
        return socket_by_fd(nets, nd, errp);
    }
    if (o->mcast != NULL) {
        return socket_by_mcast(nets, nd, errp);
    }
    return o->udp != NULL ? socket_by_udp(nets, nd, errp)
                          : socket_by_stream(nets, nd, errp);
}
