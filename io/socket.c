/*
 * Socket channels.
 *
 * A blocking transfer blocks in the kernel, where shutdown(2) from another
 * thread ends it; a limited or non-blocking one passes MSG_DONTWAIT, so that
 * O_NONBLOCK of a descriptor that others share is never touched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "io/channel-priv.h"
#include "io/error.h"
#include "io/socket-priv.h"
#include "util/lock.h"

typedef struct IoChannelSocket {
    IoChannel ch;
    int fd;
    int family; /* AF_* */
    /* Held by a shutdown, and to take the descriptor away before its end:
     * it may be another socket's right after close(). */
    Lock shutdown_lock;
} IoChannelSocket;

/* Room for the most descriptors that one message may carry. */
typedef union FdMessage {
    struct cmsghdr hdr;
    char buf[CMSG_SPACE(IO_MAX_FDS * sizeof(int))];
} FdMessage;

/* Moves received descriptors to @fds; -EMSGSIZE if there were too many. */
static int socket_take_fds(struct msghdr *msg, int *fds, size_t *nfds)
{
    size_t max = *nfds, n = 0;
    bool surplus = msg->msg_flags & MSG_CTRUNC;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t len = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t i = 0; i < len; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (n < max) {
                fds[n++] = fd;
            } else {
                close(fd);
                surplus = true;
            }
        }
    }
    if (surplus) {
        while (n) {
            close(fds[--n]);
        }
    }
    *nfds = n;
    return surplus ? -EMSGSIZE : 0;
}

static ssize_t socket_readv(IoChannel *ch, const struct iovec *iov, size_t niov,
                            int *fds, size_t *nfds, bool dontwait)
{
    IoChannelSocket *s = container_of(ch, IoChannelSocket, ch);
    int flags = MSG_CMSG_CLOEXEC | (dontwait ? MSG_DONTWAIT : 0);
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = niov,
    };
    FdMessage fdmsg;
    ssize_t n;
    int ret;

    if (fds) {
        /* CMSG_LEN, not CMSG_SPACE: the kernel would use the padding. */
        msg.msg_control = &fdmsg;
        msg.msg_controllen =
            CMSG_LEN(MIN(*nfds, (size_t)IO_MAX_FDS) * sizeof(int));
    }
    n = recvmsg(s->fd, &msg, flags);
    if (n < 0) {
        return -errno;
    }
    if (fds) {
        ret = socket_take_fds(&msg, fds, nfds);
        if (ret < 0) {
            return ret;
        }
    }
    return n;
}

static ssize_t socket_writev(IoChannel *ch, const struct iovec *iov,
                             size_t niov, const int *fds, size_t nfds,
                             bool dontwait)
{
    IoChannelSocket *s = container_of(ch, IoChannelSocket, ch);
    int flags = MSG_NOSIGNAL | (dontwait ? MSG_DONTWAIT : 0);
    struct msghdr msg = {
        .msg_iov = (struct iovec *)iov,
        .msg_iovlen = niov,
    };
    FdMessage fdmsg;
    ssize_t n;

    if (nfds) {
        memset(&fdmsg, 0, CMSG_SPACE(nfds * sizeof(int)));
        fdmsg.hdr.cmsg_level = SOL_SOCKET;
        fdmsg.hdr.cmsg_type = SCM_RIGHTS;
        fdmsg.hdr.cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(&fdmsg.hdr), fds, nfds * sizeof(int));
        msg.msg_control = &fdmsg;
        msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
    }
    n = sendmsg(s->fd, &msg, flags);
    return n < 0 ? -errno : n;
}

static int socket_shutdown(IoChannel *ch, IoShutdown how)
{
    IoChannelSocket *s = container_of(ch, IoChannelSocket, ch);
    int sys = how == IO_SHUTDOWN_BOTH   ? SHUT_RDWR
              : how == IO_SHUTDOWN_READ ? SHUT_RD
                                        : SHUT_WR;

    LOCK_GUARD(&s->shutdown_lock);
    if (s->fd < 0) {
        return 0;
    }
    /* The peer may have gone first: that is what was wanted. */
    return shutdown(s->fd, sys) < 0 && errno != ENOTCONN ? -errno : 0;
}

static bool socket_close(IoChannel *ch, GError **errp)
{
    IoChannelSocket *s = container_of(ch, IoChannelSocket, ch);
    int fd, ret;

    lock_acquire(&s->shutdown_lock);
    fd = s->fd;
    s->fd = -1;
    lock_release(&s->shutdown_lock);
    ret = close(fd);
    if (ret < 0 && errno != EINTR) {
        io_channel_set_error(ch, errp, "close", -errno);
        return false;
    }
    return true;
}

static void socket_fini(IoChannel *ch)
{
    lock_fini(&container_of(ch, IoChannelSocket, ch)->shutdown_lock);
}

static int socket_set_tcp_option(IoChannel *ch, int opt, int val)
{
    IoChannelSocket *s = container_of(ch, IoChannelSocket, ch);

    if (s->family != AF_INET && s->family != AF_INET6) {
        return -ENOTSUP;
    }
    return setsockopt(s->fd, IPPROTO_TCP, opt, &val, sizeof(val)) < 0 ? -errno
                                                                      : 0;
}

static int socket_set_nodelay(IoChannel *ch, bool on)
{
    return socket_set_tcp_option(ch, TCP_NODELAY, on);
}

static int socket_set_cork(IoChannel *ch, bool on)
{
    return socket_set_tcp_option(ch, TCP_CORK, on);
}

static int socket_fd(const IoChannel *ch, GIOCondition cond)
{
    return container_of(ch, IoChannelSocket, ch)->fd;
}

static const IoChannelOps socket_ops = {
    .size = sizeof(IoChannelSocket),
    .readv = socket_readv,
    .writev = socket_writev,
    .shutdown = socket_shutdown,
    .close = socket_close,
    .fini = socket_fini,
    .set_nodelay = socket_set_nodelay,
    .set_cork = socket_set_cork,
    .fd = socket_fd,
};

static IoSocketAddress *socket_address(int fd,
                                       int (*get)(int, struct sockaddr *,
                                                  socklen_t *))
{
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof(ss);

    if (get(fd, (struct sockaddr *)&ss, &len) < 0) {
        return NULL;
    }
    return io_address_from_sockaddr(&ss, MIN(len, sizeof(ss)));
}

IoSocketAddress *io_channel_local_address(IoChannel *ch)
{
    return ch->ops == &socket_ops && !ch->closed
               ? socket_address(io_channel_fd(ch, G_IO_IN), getsockname)
               : NULL;
}

IoSocketAddress *io_channel_peer_address(IoChannel *ch)
{
    return ch->ops == &socket_ops && !ch->closed
               ? socket_address(io_channel_fd(ch, G_IO_IN), getpeername)
               : NULL;
}

/* The peer's address, ours if the peer has none (unix), or the number. */
static char *socket_name(int fd)
{
    g_autoptr(IoSocketAddress) peer = socket_address(fd, getpeername);
    g_autoptr(IoSocketAddress) local = socket_address(fd, getsockname);

    if (peer && (peer->type != IO_ADDRESS_UNIX || peer->u.un.path[0])) {
        return io_socket_address_to_string(peer);
    }
    if (local && local->type == IO_ADDRESS_UNIX && local->u.un.path[0]) {
        return io_socket_address_to_string(local);
    }
    return g_strdup_printf("fd:%d", fd);
}

IoChannel *io_channel_new_socket(int fd, const char *name, GError **errp)
{
    g_autofree char *own = NULL;
    int type = 0, family = 0;
    socklen_t len = sizeof(int);
    unsigned features = IO_FEATURE_SHUTDOWN | IO_FEATURE_BIDIRECTIONAL;
    IoChannelSocket *s;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0) {
        io_error_set_errno(errp, errno, "fd:%d: cannot be used as a socket",
                           fd);
        return NULL;
    }
    if (type != SOCK_STREAM) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "fd:%d: not a stream socket", fd);
        return NULL;
    }
    if (family == AF_UNIX) {
        features |= IO_FEATURE_FD_PASS;
    }
    if (family == AF_INET || family == AF_INET6) {
        features |= IO_FEATURE_TCP;
    }
    if (!name) {
        name = own = socket_name(fd);
    }
    s = io_channel_alloc(&socket_ops, features, name);
    s->fd = fd;
    lock_init(&s->shutdown_lock);
    s->family = family;
    return &s->ch;
}
