/*
 * Back ends "dgram" and "socket" (udp=, mcast=): a frame is a datagram.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/dgram.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "net/net-priv.h"
#include "system/vm.h"
#include "util/error.h"
#include "util/iov.h"
#include "util/lock.h"

/* Datagrams that one turn of the main loop takes. */
enum { DGRAM_BURST = 64 };

typedef struct NetDgram {
    NetPort port;
    int fd;
    NetSockaddr dest;
    char *unlink_path; /* the local end of a unix socket */
    guint in_watch, out_watch;
    size_t kept; /* bytes in buf that the card didn't take; 0: none */
    uint8_t buf[NET_PACKET_MAX];
} NetDgram;

static NetDgram *dgram_of(NetPort *p)
{
    return container_of(p, NetDgram, port);
}

/* ------------------------------------------------------------- ports --- */

static gboolean dgram_readable(gint fd, GIOCondition cond, gpointer opaque);

static void dgram_watch(NetDgram *d)
{
    if (d->in_watch == 0) {
        d->in_watch = g_unix_fd_add(d->fd, G_IO_IN, dgram_readable, d);
    }
}

/* False: what was read waits for the card. */
static bool dgram_hand_on(NetDgram *d)
{
    if (d->kept != 0 && !net_send_buf(&d->port, d->buf, d->kept)) {
        return false;
    }
    d->kept = 0;
    return true;
}

static gboolean dgram_readable(gint fd, GIOCondition cond, gpointer opaque)
{
    NetDgram *d = opaque;
    VM_LOCK_GUARD();

    for (unsigned i = 0; i < DGRAM_BURST; i++) {
        ssize_t n = recv(fd, d->buf, sizeof(d->buf), MSG_TRUNC | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            break;
        }
        /* An error is what an earlier datagram met: it is lost. */
        if (n <= 0 || (size_t)n > sizeof(d->buf)) {
            continue;
        }
        d->kept = n;
        if (!dgram_hand_on(d)) {
            d->in_watch = 0;
            return G_SOURCE_REMOVE;
        }
    }
    return G_SOURCE_CONTINUE;
}

static void dgram_resume(NetPort *p, unsigned queue)
{
    NetDgram *d = dgram_of(p);

    if (dgram_hand_on(d)) {
        dgram_watch(d);
    }
}

static gboolean dgram_writable(gint fd, GIOCondition cond, gpointer opaque)
{
    NetDgram *d = opaque;
    VM_LOCK_GUARD();

    d->out_watch = 0;
    net_port_ready(&d->port, 0);
    return G_SOURCE_REMOVE;
}

static bool dgram_receive(NetPort *p, const NetPacket *pkt)
{
    NetDgram *d = dgram_of(p);
    struct msghdr msg = {
        .msg_name = d->dest.len != 0 ? &d->dest.ss : NULL,
        .msg_namelen = d->dest.len,
        .msg_iov = (struct iovec *)(uintptr_t)pkt->iov,
        .msg_iovlen = pkt->niov,
    };

    if (d->out_watch != 0) {
        return false;
    }
    if (sendmsg(d->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
        (errno != EAGAIN && errno != ENOBUFS)) {
        return true;
    }
    d->out_watch = g_unix_fd_add(d->fd, G_IO_OUT, dgram_writable, d);
    return false;
}

static void dgram_fini(NetPort *p)
{
    NetDgram *d = dgram_of(p);

    if (d->in_watch != 0) {
        g_source_remove(d->in_watch);
    }
    if (d->out_watch != 0) {
        g_source_remove(d->out_watch);
    }
    close(d->fd);
    if (d->unlink_path != NULL) {
        unlink(d->unlink_path);
    }
}

static void dgram_free(NetPort *p)
{
    NetDgram *d = dgram_of(p);

    g_free(d->unlink_path);
    g_free(d);
}

#define DGRAM_OPS(type_)                                                   \
    {                                                                      \
        .type = (type_), .receive = dgram_receive, .resume = dgram_resume, \
        .fini = dgram_fini, .free = dgram_free                             \
    }
static const NetPortOps dgram_ops = DGRAM_OPS("dgram");
static const NetPortOps socket_ops = DGRAM_OPS("socket");

void net_dgram_open(Networks *nets, const char *id, const char *type, int fd,
                    const NetSockaddr *dest, const char *info)
{
    NetDgram *d = g_new0(NetDgram, 1);
    struct sockaddr_un un;
    socklen_t len = sizeof(un);

    d->fd = fd;
    if (dest != NULL) {
        d->dest = *dest;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (getsockname(fd, (struct sockaddr *)&un, &len) == 0 &&
        un.sun_family == AF_UNIX &&
        len > offsetof(struct sockaddr_un, sun_path) &&
        un.sun_path[0] != '\0') {
        d->unlink_path = g_strndup(un.sun_path, sizeof(un.sun_path));
    }
    net_port_init(&d->port, nets,
                  g_str_equal(type, "dgram") ? &dgram_ops : &socket_ops, type,
                  id, 1);
    net_port_set_info(&d->port, "%s", info);
    dgram_watch(d);
}

/* --------------------------------------------------------- addresses --- */

bool net_resolve(Networks *nets, const char *host, const char *port,
                 NetSockaddr *ret_addr, GError **errp)
{
    struct Vm *vm = networks_vm(nets);
    bool may_ask = vm == NULL || !runstate_is_running(vm);
    struct addrinfo hints = {
        .ai_flags = AI_PASSIVE | (may_ask ? 0 : AI_NUMERICHOST),
        .ai_socktype = SOCK_DGRAM,
    };
    struct addrinfo *list;
    int err = getaddrinfo(*host != '\0' ? host : NULL, port, &hints, &list);

    if (err != 0) {
        error_setf(errp, "address %s:%s: %s%s", host, port, gai_strerror(err),
                   may_ask ? "" : " (while the guest runs, only numbers)");
        return false;
    }
    memcpy(&ret_addr->ss, list->ai_addr, list->ai_addrlen);
    ret_addr->len = list->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

bool net_resolve_str(Networks *nets, const char *str, NetSockaddr *ret_addr,
                     GError **errp)
{
    const char *colon = strrchr(str, ':');
    g_autofree char *host = NULL;

    if (colon == NULL || colon[1] == '\0') {
        error_setf(errp,
                   "host address '%s' doesn't contain ':' separating "
                   "host from port",
                   str);
        return false;
    }
    host = str[0] == '[' && colon > str + 1 && colon[-1] == ']'
               ? g_strndup(str + 1, colon - str - 2)
               : g_strndup(str, colon - str);
    return net_resolve(nets, host, colon + 1, ret_addr, errp);
}

char *net_sockaddr_str(const NetSockaddr *addr)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (addr->ss.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const void *)&addr->ss;

        return g_strndup(un->sun_path, sizeof(un->sun_path));
    }
    if (getnameinfo((const struct sockaddr *)&addr->ss, addr->len, host,
                    sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return g_strdup("?");
    }
    return g_strdup_printf(addr->ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                           host, port);
}

/* --------------------------------------------------------- the socket --- */

int net_dgram_bind(const NetSockaddr *local, GError **errp)
{
    int fd = socket(local->ss.ss_family,
                    SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_autofree char *name = net_sockaddr_str(local);
    struct stat st;
    int on = 1;

    if (fd < 0) {
        error_setf_errno(errp, errno, "can't create datagram socket");
        return -1;
    }
    /* A socket that a program left behind is replaced; nothing else is. */
    if (local->ss.ss_family == AF_UNIX && lstat(name, &st) == 0 &&
        S_ISSOCK(st.st_mode)) {
        unlink(name);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&local->ss, local->len) < 0) {
        error_setf_errno(errp, errno, "can't bind ip=%s to socket", name);
        close(fd);
        return -1;
    }
    return fd;
}

int net_dgram_join(const NetSockaddr *group, const NetSockaddr *from,
                   GError **errp)
{
    const struct sockaddr_in *in = (const void *)&group->ss;
    const struct sockaddr_in *local =
        from != NULL ? (const void *)&from->ss : NULL;
    g_autofree char *name = net_sockaddr_str(group);
    struct ip_mreq req = { 0 };
    uint8_t loop = 1;
    int fd;

    if (group->ss.ss_family != AF_INET ||
        !IN_MULTICAST(ntohl(in->sin_addr.s_addr))) {
        error_setf(errp,
                   "specified mcastaddr %s does not contain a multicast "
                   "address",
                   name);
        return -1;
    }
    if (local != NULL && local->sin_family != AF_INET) {
        error_setf(errp, "the local address of multicast has to be IPv4");
        return -1;
    }
    fd = net_dgram_bind(group, errp);
    if (fd < 0) {
        return -1;
    }
    req.imr_multiaddr = in->sin_addr;
    if (local != NULL) {
        req.imr_interface = local->sin_addr;
    }
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &req, sizeof(req)) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof(loop)) <
            0 ||
        (local != NULL &&
         setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &local->sin_addr,
                    sizeof(local->sin_addr)) < 0)) {
        error_setf_errno(errp, errno, "can't add socket to multicast group %s",
                         name);
        close(fd);
        return -1;
    }
    return fd;
}

/* --------------------------------------------------------- -netdev dgram */

static bool dgram_address(Networks *nets, const SocketAddress *sa,
                          NetSockaddr *ret, GError **errp)
{
    struct sockaddr_un *un = (void *)&ret->ss;

    if (sa->type == SOCKET_ADDRESS_TYPE_INET) {
        return net_resolve(nets, sa->u.inet->host, sa->u.inet->port, ret, errp);
    }
    if (sa->type != SOCKET_ADDRESS_TYPE_UNIX ||
        (sa->u.unix_->has_abstract && sa->u.unix_->abstract)) {
        error_setf(errp, "dgram only supports inet, unix paths or fd");
        return false;
    }
    if (strlen(sa->u.unix_->path) >= sizeof(un->sun_path)) {
        error_setf(errp, "UNIX socket path '%s' is too long",
                   sa->u.unix_->path);
        return false;
    }
    un->sun_family = AF_UNIX;
    g_strlcpy(un->sun_path, sa->u.unix_->path, sizeof(un->sun_path));
    ret->len = sizeof(*un);
    return true;
}

static bool is_multicast(const NetSockaddr *a)
{
    const struct sockaddr_in *in = (const void *)&a->ss;

    return a->ss.ss_family == AF_INET &&
           IN_MULTICAST(ntohl(in->sin_addr.s_addr));
}

/* local.type=fd: the socket is made, bound and connected by who gives it. */
static bool dgram_open_fd(Networks *nets, const Netdev *nd,
                          const NetSockaddr *dest, GError **errp)
{
    g_autofree char *info = NULL;
    int type, fd = net_get_fd(nets, nd->u.dgram->local->u.fd->str, errp);
    socklen_t len = sizeof(type);

    if (fd < 0) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
        type != SOCK_DGRAM) {
        error_setf(errp, "fd=%d is not a datagram socket", fd);
        return false;
    }
    info = g_strdup_printf("fd=%d", fd);
    net_dgram_open(nets, nd->id, "dgram", fd, dest, info);
    return true;
}

bool netdev_new_dgram(Networks *nets, const Netdev *nd, GError **errp)
{
    const NetdevDgramOptions *o = nd->u.dgram;
    NetSockaddr local = { 0 }, remote = { 0 };
    bool by_fd = o->local != NULL && o->local->type == SOCKET_ADDRESS_TYPE_FD;
    g_autofree char *ltext = NULL, *rtext = NULL, *info = NULL;
    int fd;

    if ((o->remote != NULL && !dgram_address(nets, o->remote, &remote, errp)) ||
        (o->local != NULL && !by_fd &&
         !dgram_address(nets, o->local, &local, errp))) {
        return false;
    }
    if (by_fd) {
        return dgram_open_fd(nets, nd, o->remote != NULL ? &remote : NULL,
                             errp);
    }
    if (o->local == NULL && !is_multicast(&remote)) {
        error_setf(errp, "dgram requires local= parameter");
        return false;
    }
    if (o->remote == NULL ||
        (o->local != NULL && remote.ss.ss_family != local.ss.ss_family)) {
        error_setf(errp, "both remote and local address must be of the same "
                         "type");
        return false;
    }
    rtext = net_sockaddr_str(&remote);
    if (is_multicast(&remote)) {
        fd = net_dgram_join(&remote, o->local != NULL ? &local : NULL, errp);
        info = g_strdup_printf("mcast=%s", rtext);
    } else {
        fd = net_dgram_bind(&local, errp);
        ltext = net_sockaddr_str(&local);
        info = g_strdup_printf("udp=%s/%s", ltext, rtext);
    }
    if (fd < 0) {
        return false;
    }
    net_dgram_open(nets, nd->id, "dgram", fd, &remote, info);
    return true;
}
