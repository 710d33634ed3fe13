/*
 * Making and deleting back ends.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/net-priv.h"
#include "util/cutils.h"
#include "util/error.h"

#include <fcntl.h>

static bool (*const makers[])(Networks *nets, const Netdev *nd,
                              GError **errp) = {
    [NET_CLIENT_DRIVER_USER] = netdev_new_user,
    [NET_CLIENT_DRIVER_TAP] = netdev_new_tap,
    [NET_CLIENT_DRIVER_SOCKET] = netdev_new_socket,
    [NET_CLIENT_DRIVER_STREAM] = netdev_new_stream,
    [NET_CLIENT_DRIVER_DGRAM] = netdev_new_dgram,
    [NET_CLIENT_DRIVER_VHOST_USER] = netdev_new_vhost_user,
    [NET_CLIENT_DRIVER_HUBPORT] = netdev_new_hubport,
};

bool netdev_add(Networks *nets, const Netdev *nd, GError **errp)
{
    NetPort *p;

    if (net_port_find(nets, nd->id) != NULL) {
        error_setf(errp, "Duplicate ID '%s' for netdev", nd->id);
        return false;
    }
    if (nd->type >= G_N_ELEMENTS(makers) || makers[nd->type] == NULL) {
        error_setf(errp, "Parameter 'type' does not accept value '%s'",
                   net_client_driver_str(nd->type));
        return false;
    }
    if (!makers[nd->type](nets, nd, errp)) {
        return false;
    }
    p = net_port_find(nets, nd->id);
    p->is_netdev = true;
    return true;
}

bool netdev_del(Networks *nets, const char *id, GError **errp)
{
    NetPort *p = net_port_find(nets, id);

    if (p == NULL || p->ops->is_nic) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", id);
        return false;
    }
    if (!p->is_netdev) {
        error_setf(errp, "Device '%s' is not a netdev", id);
        return false;
    }
    net_port_delete(p);
    return true;
}

int net_get_fd(Networks *nets, const char *str, GError **errp)
{
    const NetHooks *h = networks_hooks(nets);
    uint64_t num;
    int fd;

    if (g_ascii_isdigit(str[0])) {
        if (!parse_uint("file descriptor", str, 0, INT_MAX, &num, errp)) {
            return -1;
        }
        if (fcntl((int)num, F_GETFD) < 0) {
            error_setf_errno(errp, errno, "file descriptor %s", str);
            return -1;
        }
        fcntl((int)num, F_SETFD, FD_CLOEXEC);
        return (int)num;
    }
    fd = h->fd_by_name != NULL ? h->fd_by_name(h->opaque, str) : -ENOENT;
    if (fd < 0) {
        error_setf(errp, "File descriptor named '%s' has not been found", str);
        return -1;
    }
    return fd;
}

static IoTristate to_tristate(bool has, bool on)
{
    return !has ? IO_TRISTATE_AUTO : on ? IO_TRISTATE_ON : IO_TRISTATE_OFF;
}

static IoSocketAddress *inet_address(const InetSocketAddress *in, GError **errp)
{
    IoSocketAddress *addr = io_socket_address_new_inet(in->host, in->port);

    if (in->has_to) {
        addr->u.inet.to = in->to;
    }
    addr->u.inet.ipv4 = to_tristate(in->has_ipv4, in->ipv4);
    addr->u.inet.ipv6 = to_tristate(in->has_ipv6, in->ipv6);
    addr->u.inet.keep_alive = in->has_keep_alive && in->keep_alive;
    return addr;
}

IoSocketAddress *net_socket_address(const SocketAddress *sa, GError **errp)
{
    IoSocketAddress *addr;

    switch (sa->type) {
    case SOCKET_ADDRESS_TYPE_INET:
        return inet_address(sa->u.inet, errp);
    case SOCKET_ADDRESS_TYPE_UNIX:
        addr = io_socket_address_new_unix(sa->u.unix_->path);
        addr->u.un.abstract =
            sa->u.unix_->has_abstract && sa->u.unix_->abstract;
        addr->u.un.tight = !sa->u.unix_->has_tight || sa->u.unix_->tight;
        return addr;
    case SOCKET_ADDRESS_TYPE_FD:
        addr = g_new0(IoSocketAddress, 1);
        addr->type = IO_ADDRESS_FD;
        addr->u.fd.str = g_strdup(sa->u.fd->str);
        return addr;
    default:
        error_setf(errp, "address type '%s' is not supported by networks",
                   socket_address_type_str(sa->type));
        return NULL;
    }
}
