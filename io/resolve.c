/*
 * Addresses as the kernel has them, and host names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "io/error.h"
#include "io/socket-priv.h"
#include "util/lock.h"
#include "util/thread.h"

/*
 * One look-up in a thread of its own, as getaddrinfo() can't be interrupted.
 * The one who waits may give up first, so both hold a reference.
 */
typedef struct Lookup {
    gint refs; /* atomic */
    char *host;
    char *port;
    struct addrinfo hints;
    int fd;                  /* eventfd: the look-up is done */
    int ret;                 /* of getaddrinfo(); valid once fd is raised */
    struct addrinfo *result; /* as ret */
} Lookup;

static void lookup_unref(Lookup *l)
{
    if (!g_atomic_int_dec_and_test(&l->refs)) {
        return;
    }
    if (l->result) {
        freeaddrinfo(l->result);
    }
    if (l->fd >= 0) {
        close(l->fd);
    }
    g_free(l->host);
    g_free(l->port);
    g_free(l);
}

static void *lookup_thread(void *opaque)
{
    static const uint64_t one = 1;
    Lookup *l = opaque;

    l->ret = getaddrinfo(l->host, l->port, &l->hints, &l->result);
    while (write(l->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        /* again */
    }
    lookup_unref(l);
    return NULL;
}

/* With the device lock held the guest stands: not for long. */
enum { LOOKUP_LOCKED_MS = 1000 };

/* 0 when done, or -errno. */
static int lookup_wait(Lookup *l, IoCancel *cancel)
{
    int limit_ms = vm_lock_may_wait() ? -1 : LOOKUP_LOCKED_MS;
    struct pollfd fds[] = {
        { .fd = l->fd, .events = POLLIN },
        { .fd = io_cancel_fd(cancel), .events = POLLIN },
    };
    eventfd_t done;

    for (;;) {
        int n = poll(fds, G_N_ELEMENTS(fds), limit_ms);

        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n == 0) {
            return -ETIMEDOUT;
        }
        if (io_cancel_is_set(cancel)) {
            return -ECANCELED;
        }
        if (fds[0].revents && eventfd_read(l->fd, &done) == 0) {
            return 0;
        }
    }
}

static bool lookup_run(const char *host, const char *port,
                       const struct addrinfo *hints, IoCancel *cancel,
                       struct addrinfo **ret, GError **errp)
{
    Lookup *l = g_new0(Lookup, 1);
    bool ok = false;
    int err;

    l->refs = 2;
    l->host = g_strdup(host);
    l->port = g_strdup(port);
    l->hints = *hints;
    l->fd = eventfd(0, EFD_CLOEXEC);
    if (l->fd < 0 ||
        !thread_create_detached("io-resolve", lookup_thread, l, NULL)) {
        lookup_unref(l); /* the thread's */
        err = -EAGAIN;
    } else {
        err = lookup_wait(l, cancel);
    }
    if (err) {
        io_error_set_errno(errp, -err, "address resolution failed for %s:%s",
                           host, port);
    } else if (l->ret) {
        g_set_error(errp, IO_ERROR, IO_ERROR_NOT_FOUND,
                    "address resolution failed for %s:%s: %s", host, port,
                    gai_strerror(l->ret));
    } else {
        *ret = l->result;
        l->result = NULL;
        ok = true;
    }
    lookup_unref(l);
    return ok;
}

struct addrinfo *io_resolve(const IoSocketAddress *addr, bool passive,
                            IoCancel *cancel, GError **errp)
{
    const char *host = addr->u.inet.host[0] ? addr->u.inet.host : NULL;
    IoTristate v4 = addr->u.inet.ipv4, v6 = addr->u.inet.ipv6;
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_family = AF_UNSPEC,
        .ai_flags = AI_NUMERICHOST | (passive ? AI_PASSIVE : 0),
    };
    struct addrinfo *res = NULL;

    if (v4 == IO_TRISTATE_OFF && v6 == IO_TRISTATE_OFF) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "cannot disable IPv4 and IPv6 at same time");
        return NULL;
    }
    if (v6 == IO_TRISTATE_OFF ||
        (v4 == IO_TRISTATE_ON && v6 == IO_TRISTATE_AUTO)) {
        hints.ai_family = AF_INET;
    } else if (v4 == IO_TRISTATE_OFF ||
               (v6 == IO_TRISTATE_ON && v4 == IO_TRISTATE_AUTO)) {
        hints.ai_family = AF_INET6;
    }
    /* Numbers need no name server, hence no thread. */
    if (getaddrinfo(host, addr->u.inet.port, &hints, &res) == 0) {
        return res;
    }
    hints.ai_flags &= ~AI_NUMERICHOST;
    if (!lookup_run(host ? host : "", addr->u.inet.port, &hints, cancel, &res,
                    errp)) {
        return NULL;
    }
    return res;
}

static bool unix_to_sockaddr(const IoSocketAddress *addr,
                             struct sockaddr_un *un, socklen_t *ret_len,
                             GError **errp)
{
    bool abstract = addr->u.un.abstract;
    size_t len = strlen(addr->u.un.path);
    /* A NUL before an abstract name, behind another. */
    size_t max = sizeof(un->sun_path) - 1;

    if (len > max) {
        g_set_error(errp, IO_ERROR, IO_ERROR_INVALID,
                    "UNIX socket path '%s' is too long: must be less than "
                    "%zu bytes",
                    addr->u.un.path, max + 1);
        return false;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + abstract, addr->u.un.path, len);
    if (abstract && addr->u.un.tight) {
        *ret_len = offsetof(struct sockaddr_un, sun_path) + 1 + len;
    } else {
        *ret_len = sizeof(*un);
    }
    return true;
}

bool io_address_to_sockaddr(const IoSocketAddress *addr,
                            struct sockaddr_storage *ret_ss, socklen_t *ret_len,
                            GError **errp)
{
    memset(ret_ss, 0, sizeof(*ret_ss));
    if (addr->type == IO_ADDRESS_VSOCK) {
        struct sockaddr_vm *vm = (struct sockaddr_vm *)ret_ss;

        vm->svm_family = AF_VSOCK;
        vm->svm_cid = addr->u.vsock.cid;
        vm->svm_port = addr->u.vsock.port;
        *ret_len = sizeof(*vm);
        return true;
    }
    return unix_to_sockaddr(addr, (struct sockaddr_un *)ret_ss, ret_len, errp);
}

static IoSocketAddress *inet_from_sockaddr(const struct sockaddr_storage *ss)
{
    char host[INET6_ADDRSTRLEN] = "";
    char port[8];

    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

        inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
        g_snprintf(port, sizeof(port), "%u", ntohs(in->sin_port));
    } else {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
        g_snprintf(port, sizeof(port), "%u", ntohs(in6->sin6_port));
    }
    return io_socket_address_new_inet(host, port);
}

static IoSocketAddress *unix_from_sockaddr(const struct sockaddr_un *un,
                                           socklen_t len)
{
    size_t path_len =
        len - MIN((size_t)len, offsetof(struct sockaddr_un, sun_path));
    bool abstract = path_len > 1 && !un->sun_path[0];
    g_autofree char *path =
        g_strndup(un->sun_path + abstract, path_len - (abstract ? 1 : 0));
    IoSocketAddress *addr = io_socket_address_new_unix(path);

    addr->u.un.abstract = abstract;
    return addr;
}

IoSocketAddress *io_address_from_sockaddr(const struct sockaddr_storage *ss,
                                          socklen_t len)
{
    IoSocketAddress *addr;

    switch (ss->ss_family) {
    case AF_INET:
    case AF_INET6:
        return inet_from_sockaddr(ss);
    case AF_UNIX:
        return unix_from_sockaddr((const struct sockaddr_un *)ss, len);
    case AF_VSOCK:
        addr = g_new0(IoSocketAddress, 1);
        addr->type = IO_ADDRESS_VSOCK;
        addr->u.vsock.cid = ((const struct sockaddr_vm *)ss)->svm_cid;
        addr->u.vsock.port = ((const struct sockaddr_vm *)ss)->svm_port;
        return addr;
    default:
        return NULL;
    }
}

bool io_address_get_fd(const IoSocketAddress *addr, int *ret_fd, GError **errp)
{
    uint64_t num;

    if (!io_parse_uint(addr->u.fd.str, INT_MAX, &num)) {
        g_set_error(errp, IO_ERROR, IO_ERROR_NOT_FOUND,
                    "file descriptor named '%s' has not been found",
                    addr->u.fd.str);
        return false;
    }
    if (fcntl(num, F_GETFD) < 0) {
        io_error_set_errno(errp, errno, "file descriptor '%s' cannot be used",
                           addr->u.fd.str);
        return false;
    }
    *ret_fd = num;
    return true;
}

char *io_address_display(const IoSocketAddress *addr)
{
    g_autofree char *uri = io_socket_address_to_string(addr);

    return g_strdup(strchr(uri, ':') + 1);
}
