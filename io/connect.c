/*
 * Connecting sockets.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/socket.h"

#include <fcntl.h>
#include <poll.h>

#include "io/channel-priv.h"
#include "io/error.h"
#include "io/socket-priv.h"
#include "util/lock.h"
#include "util/thread.h"
#include "util/tsan.h"

/* Waits for a connect(2) in progress: 0 or -errno. */
static int connect_wait(int fd, IoCancel *cancel, unsigned timeout_ms)
{
    int64_t end_us = g_get_monotonic_time() + (int64_t)timeout_ms * 1000;
    struct pollfd fds[] = {
        { .fd = fd, .events = POLLOUT },
        { .fd = io_cancel_fd(cancel), .events = POLLIN },
    };
    int err = 0;
    socklen_t len = sizeof(err);

    vm_lock_check_wait("connect");
    for (;;) {
        int left_ms = -1;
        int n;

        if (timeout_ms) {
            int64_t left_us = MAX(0, end_us - g_get_monotonic_time());

            left_ms = MIN(DIV_ROUND_UP(left_us, 1000), INT_MAX);
        }
        n = poll(fds, G_N_ELEMENTS(fds), left_ms);
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (io_cancel_is_set(cancel)) {
            return -ECANCELED;
        }
        if (n == 0) {
            return -ETIMEDOUT;
        }
        if (n > 0 && fds[0].revents) {
            break;
        }
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) {
        return -errno;
    }
    return -err;
}

/* A connected, blocking descriptor or -errno. */
static int connect_one(const struct sockaddr *sa, socklen_t len,
                       IoCancel *cancel, unsigned timeout_ms)
{
    int fd =
        socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int ret = 0;

    if (fd < 0) {
        return -errno;
    }
    if (io_cancel_is_set(cancel)) {
        ret = -ECANCELED;
    } else if (connect(fd, sa, len) < 0) {
        /* A unix listener with a full queue says EAGAIN, and only trying
         * again tells when that is over: so as an error. */
        ret = errno == EINPROGRESS || errno == EINTR
                  ? connect_wait(fd, cancel, timeout_ms)
                  : -errno;
    }
    if (!ret) {
        ret = io_fd_set_nonblock(fd, false);
    }
    if (ret < 0) {
        close(fd);
        return ret;
    }
    return fd;
}

static int connect_inet(const IoSocketAddress *addr, IoCancel *cancel,
                        unsigned timeout_ms, GError **errp)
{
    struct addrinfo *list = io_resolve(addr, false, cancel, errp);
    g_autofree char *display = io_address_display(addr);
    int on = 1, fd = -EADDRNOTAVAIL;

    if (!list) {
        return -1;
    }
    for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        fd = connect_one(ai->ai_addr, ai->ai_addrlen, cancel, timeout_ms);
        if (fd >= 0 || fd == -ECANCELED) {
            break;
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        io_error_set_errno(errp, -fd, "Failed to connect to '%s'", display);
        return -1;
    }
    if (addr->u.inet.keep_alive &&
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0) {
        io_error_set_errno(errp, errno, "Unable to set keep-alive for '%s'",
                           display);
        close(fd);
        return -1;
    }
    return fd;
}

static int connect_path(const IoSocketAddress *addr, IoCancel *cancel,
                        unsigned timeout_ms, GError **errp)
{
    g_autofree char *display = io_address_display(addr);
    struct sockaddr_storage ss;
    socklen_t len;
    int fd;

    if (!io_address_to_sockaddr(addr, &ss, &len, errp)) {
        return -1;
    }
    fd = connect_one((struct sockaddr *)&ss, len, cancel, timeout_ms);
    if (fd < 0) {
        io_error_set_errno(errp, -fd, "Failed to connect to '%s'", display);
        return -1;
    }
    return fd;
}

IoChannel *io_socket_connect(const IoSocketAddress *addr, IoCancel *cancel,
                             unsigned timeout_ms, GError **errp)
{
    g_autofree char *name = NULL;
    IoChannel *ch;
    int fd = -1;

    switch (addr->type) {
    case IO_ADDRESS_INET:
        fd = connect_inet(addr, cancel, timeout_ms, errp);
        break;
    case IO_ADDRESS_UNIX:
        name = io_socket_address_to_string(addr);
        G_GNUC_FALLTHROUGH;
    case IO_ADDRESS_VSOCK:
        fd = connect_path(addr, cancel, timeout_ms, errp);
        break;
    case IO_ADDRESS_FD:
        /* On an error the descriptor stays with whoever passed it. */
        return io_address_get_fd(addr, &fd, errp)
                   ? io_channel_new_socket(fd, NULL, errp)
                   : NULL;
    }
    if (fd < 0) {
        return NULL;
    }
    ch = io_channel_new_socket(fd, name, errp);
    if (!ch) {
        close(fd);
    }
    return ch;
}

typedef struct ConnectTask {
    IoSocketAddress *addr;
    IoCancel *cancel; /* or NULL */
    unsigned timeout_ms;
    GMainContext *context;
    IoConnectFunc cb;
    gpointer opaque;
    IoChannel *ch; /* the result, or NULL and */
    GError *err;   /* the reason */
} ConnectTask;

static gboolean connect_task_report(gpointer opaque)
{
    ConnectTask *t = opaque;

    tsan_acquire(t);
    if (t->ch && io_cancel_is_set(t->cancel)) {
        io_channel_unref(t->ch);
        t->ch = NULL;
        io_error_set_errno(&t->err, ECANCELED, "Failed to connect");
    }
    t->cb(t->ch, t->err, t->opaque);
    return G_SOURCE_REMOVE;
}

static void connect_task_free(gpointer opaque)
{
    ConnectTask *t = opaque;

    io_socket_address_free(t->addr);
    io_cancel_unref(t->cancel);
    if (t->context) {
        g_main_context_unref(t->context);
    }
    g_clear_error(&t->err);
    g_free(t);
}

/* From here on the task belongs to its context. */
static void connect_task_post(ConnectTask *t)
{
    g_autoptr(GMainContext) context =
        g_main_context_ref(t->context ? t->context : g_main_context_default());
    GSource *source = g_idle_source_new();

    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, connect_task_report, t, connect_task_free);
    tsan_release(t);
    g_source_attach(source, context);
    g_source_unref(source);
}

static void *connect_task_run(void *opaque)
{
    ConnectTask *t = opaque;

    t->ch = io_socket_connect(t->addr, t->cancel, t->timeout_ms, &t->err);
    connect_task_post(t);
    return NULL;
}

void io_socket_connect_async(const IoSocketAddress *addr, IoCancel *cancel,
                             unsigned timeout_ms, GMainContext *context,
                             IoConnectFunc cb, gpointer opaque)
{
    ConnectTask *t = g_new0(ConnectTask, 1);

    t->addr = io_socket_address_copy(addr);
    t->cancel = cancel ? io_cancel_ref(cancel) : NULL;
    t->timeout_ms = timeout_ms;
    t->context = context ? g_main_context_ref(context) : NULL;
    t->cb = cb;
    t->opaque = opaque;
    if (!thread_create_detached("io-connect", connect_task_run, t, &t->err)) {
        connect_task_post(t);
    }
}
