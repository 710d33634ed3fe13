/*
 * Listening sockets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/socket.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/stat.h>

#include "io/channel-priv.h"
#include "io/error.h"
#include "io/socket-priv.h"
#include "util/lock.h"

/* A host name rarely has more than an IPv4 and an IPv6 address. */
enum { LISTENER_MAX_FDS = 16 };

struct IoListener {
    char *name;
    char *unlink_path; /* unix: the path we made, or NULL */
    bool keep_alive;
    bool v6only; /* an IPv6 socket takes no IPv4 */
    size_t nfds;
    int fds[LISTENER_MAX_FDS];
    GSource *sources[LISTENER_MAX_FDS]; /* or NULL */
    IoClientFunc cb;
    gpointer opaque;
};

static void listener_close_fds(IoListener *l)
{
    while (l->nfds) {
        close(l->fds[--l->nfds]);
    }
}

/* The listening descriptor or -errno.  `v6only`: IPv4 is somebody else's. */
static int listener_bind(const struct sockaddr *sa, socklen_t len, bool v6only,
                         int backlog)
{
    int fd =
        socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, only = v6only, err;

    if (fd < 0) {
        return -errno;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (sa->sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0) ||
        bind(fd, sa, len) < 0 || listen(fd, backlog) < 0) {
        err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

static uint16_t sockaddr_port(const struct sockaddr *sa)
{
    return ntohs(sa->sa_family == AF_INET6
                     ? ((const struct sockaddr_in6 *)sa)->sin6_port
                     : ((const struct sockaddr_in *)sa)->sin_port);
}

static void sockaddr_set_port(struct sockaddr *sa, uint16_t port)
{
    if (sa->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
    }
}

/* All addresses on one port: 0 or -errno. */
static int listener_try_port(IoListener *l, struct addrinfo *list,
                             uint16_t port, int backlog)
{
    int err = -EADDRNOTAVAIL;

    for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        struct sockaddr_storage ss;
        socklen_t len = sizeof(ss);
        int fd;

        if (l->nfds == LISTENER_MAX_FDS) {
            break;
        }
        sockaddr_set_port(ai->ai_addr, port);
        fd = listener_bind(ai->ai_addr, ai->ai_addrlen, l->v6only, backlog);
        if (fd < 0) {
            err = fd;
            if (fd == -EADDRINUSE || fd == -EACCES) {
                listener_close_fds(l);
                return err;
            }
            continue; /* a family that this host lacks */
        }
        l->fds[l->nfds++] = fd;
        if (!port && getsockname(fd, (struct sockaddr *)&ss, &len) == 0) {
            port = sockaddr_port((struct sockaddr *)&ss);
        }
    }
    return l->nfds ? 0 : err;
}

/*
 * "[::]" alone is every address that the host has, of both families, as libvirt
 * writes it; with "ipv6=on" (or "ipv4=off") those of IPv6.  Where a name has
 * addresses of both, each gets a socket of its own.
 */
static bool listener_is_dual(const struct addrinfo *list,
                             const IoSocketAddress *addr)
{
    const struct sockaddr_in6 *in6 = (const void *)list->ai_addr;
    IoTristate v4 = addr->u.inet.ipv4, v6 = addr->u.inet.ipv6;

    return list->ai_next == NULL && list->ai_family == AF_INET6 &&
           IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr) && v4 != IO_TRISTATE_OFF &&
           !(v6 == IO_TRISTATE_ON && v4 == IO_TRISTATE_AUTO);
}

static bool listener_open_inet(IoListener *l, const IoSocketAddress *addr,
                               int backlog, GError **errp)
{
    struct addrinfo *list = io_resolve(addr, true, NULL, errp);
    unsigned first, last;
    int err = 0;

    if (!list) {
        return false;
    }
    l->v6only = !listener_is_dual(list, addr);
    first = sockaddr_port(list->ai_addr);
    last = MAX(first, (unsigned)addr->u.inet.to);
    if (addr->u.inet.to && addr->u.inet.to < first) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "%s: 'to' port %u is below the first port", l->name,
                    addr->u.inet.to);
        freeaddrinfo(list);
        return false;
    }
    for (unsigned port = first; port <= last; port++) {
        err = listener_try_port(l, list, port, backlog);
        if (err != -EADDRINUSE) {
            break;
        }
    }
    freeaddrinfo(list);
    if (err == -EADDRINUSE && last > first) {
        g_set_error(errp, IO_ERROR, IO_ERROR_IN_USE,
                    "%s: Failed to find an available port up to %u: %s",
                    l->name, last, g_strerror(EADDRINUSE));
    } else if (err) {
        io_error_set_errno(errp, -err, "%s: Failed to listen", l->name);
    }
    return !err;
}

/*
 * Makes room at @path: for a socket of a program that is gone, and for the
 * empty file that mktemp(1) leaves.  Anything else is somebody's data.
 */
static bool listener_clear_path(const char *path, GError **errp)
{
    struct stat st;

    if (lstat(path, &st) < 0) {
        return true; /* bind() says it better */
    }
    if (!S_ISSOCK(st.st_mode) && !(S_ISREG(st.st_mode) && !st.st_size)) {
        g_set_error(errp, IO_ERROR, IO_ERROR_IN_USE,
                    "Failed to bind socket to %s: it exists and isn't a "
                    "socket",
                    path);
        return false;
    }
    if (unlink(path) < 0 && errno != ENOENT) {
        io_error_set_errno(errp, errno, "Failed to remove socket %s", path);
        return false;
    }
    return true;
}

static bool listener_open_path(IoListener *l, const IoSocketAddress *addr,
                               int backlog, GError **errp)
{
    bool file = addr->type == IO_ADDRESS_UNIX && !addr->u.un.abstract;
    g_autofree char *display = io_address_display(addr);
    struct sockaddr_storage ss;
    socklen_t len;
    int fd;

    if (!io_address_to_sockaddr(addr, &ss, &len, errp) ||
        (file && !listener_clear_path(addr->u.un.path, errp))) {
        return false;
    }
    fd = listener_bind((struct sockaddr *)&ss, len, true, backlog);
    if (fd < 0) {
        io_error_set_errno(errp, -fd, "Failed to bind socket to %s", display);
        return false;
    }
    l->fds[l->nfds++] = fd;
    if (file) {
        l->unlink_path = g_strdup(addr->u.un.path);
    }
    return true;
}

static bool listener_open_fd(IoListener *l, const IoSocketAddress *addr,
                             GError **errp)
{
    int listening = 0, fd;
    socklen_t len = sizeof(listening);

    if (!io_address_get_fd(addr, &fd, errp)) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 ||
        !listening) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "fd:%d: not a listening socket", fd);
        return false;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
        io_fd_set_nonblock(fd, true) < 0) {
        io_error_set_errno(errp, errno, "fd:%d: cannot set flags", fd);
        return false;
    }
    l->fds[l->nfds++] = fd;
    return true;
}

IoListener *io_listener_new(const IoSocketAddress *addr, int backlog,
                            GError **errp)
{
    g_autoptr(IoListener) l = g_new0(IoListener, 1);
    bool ok = false;

    l->name = io_socket_address_to_string(addr);
    switch (addr->type) {
    case IO_ADDRESS_INET:
        l->keep_alive = addr->u.inet.keep_alive;
        ok = listener_open_inet(l, addr, backlog, errp);
        break;
    case IO_ADDRESS_UNIX:
    case IO_ADDRESS_VSOCK:
        ok = listener_open_path(l, addr, backlog, errp);
        break;
    case IO_ADDRESS_FD:
        ok = listener_open_fd(l, addr, errp);
        break;
    }
    return ok ? g_steal_pointer(&l) : NULL;
}

void io_listener_free(IoListener *l)
{
    if (!l) {
        return;
    }
    io_listener_set_client_func(l, NULL, NULL, NULL);
    listener_close_fds(l);
    if (l->unlink_path) {
        unlink(l->unlink_path);
    }
    g_free(l->unlink_path);
    g_free(l->name);
    g_free(l);
}

const char *io_listener_name(const IoListener *l)
{
    return l->name;
}

size_t io_listener_count(const IoListener *l)
{
    return l->nfds;
}

IoSocketAddress *io_listener_local_address(const IoListener *l, size_t i)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof(ss);

    if (i >= l->nfds ||
        getsockname(l->fds[i], (struct sockaddr *)&ss, &len) < 0) {
        return NULL;
    }
    return io_address_from_sockaddr(&ss, MIN(len, sizeof(ss)));
}

/* NULL without an error when there is nothing to accept after all. */
static IoChannel *listener_accept_fd(IoListener *l, int fd, GError **errp)
{
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    int on = 1;
    IoChannel *ch;

    if (client < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
            errno == ENOBUFS || errno == EBADF || errno == EINVAL) {
            io_error_set_errno(errp, errno, "%s: accept failed", l->name);
        }
        return NULL;
    }
    if (l->keep_alive) {
        setsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    ch = io_channel_new_socket(client, NULL, errp);
    if (!ch) {
        close(client);
    }
    return ch;
}

IoChannel *io_listener_accept(IoListener *l, IoCancel *cancel, GError **errp)
{
    struct pollfd fds[LISTENER_MAX_FDS + 1];

    vm_lock_check_wait(l->name);
    for (size_t i = 0; i < l->nfds; i++) {
        fds[i] = (struct pollfd){ .fd = l->fds[i], .events = POLLIN };
    }
    fds[l->nfds] =
        (struct pollfd){ .fd = io_cancel_fd(cancel), .events = POLLIN };
    for (;;) {
        int n = poll(fds, l->nfds + 1, -1);

        if (n < 0 && errno != EINTR) {
            io_error_set_errno(errp, errno, "%s: accept failed", l->name);
            return NULL;
        }
        if (io_cancel_is_set(cancel)) {
            io_error_set_errno(errp, ECANCELED, "%s: accept failed", l->name);
            return NULL;
        }
        for (size_t i = 0; n > 0 && i < l->nfds; i++) {
            GError *err = NULL;
            IoChannel *ch =
                fds[i].revents ? listener_accept_fd(l, fds[i].fd, &err) : NULL;

            if (ch) {
                return ch;
            }
            if (err) {
                g_propagate_error(errp, err);
                return NULL;
            }
        }
    }
}

static gboolean listener_ready(gint fd, GIOCondition cond, gpointer opaque)
{
    IoListener *l = opaque;
    IoChannel *ch = listener_accept_fd(l, fd, NULL);

    if (ch) {
        l->cb(l, ch, l->opaque); /* may free the listener */
    }
    return G_SOURCE_CONTINUE;
}

void io_listener_set_client_func(IoListener *l, GMainContext *context,
                                 IoClientFunc cb, gpointer opaque)
{
    for (size_t i = 0; i < l->nfds; i++) {
        if (l->sources[i]) {
            g_source_destroy(l->sources[i]);
            g_source_unref(l->sources[i]);
            l->sources[i] = NULL;
        }
    }
    l->cb = cb;
    l->opaque = opaque;
    for (size_t i = 0; cb && i < l->nfds; i++) {
        l->sources[i] = g_unix_fd_source_new(l->fds[i], G_IO_IN);
        g_source_set_callback(l->sources[i],
                              (GSourceFunc)(void *)listener_ready, l, NULL);
        g_source_attach(l->sources[i], context);
    }
}
