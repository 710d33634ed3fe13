/*
 * Writes without the kernel's copy.
 *
 * The kernel numbers the calls of a socket from 0 and reports ranges of those
 * that are done, in any order, in the socket's error queue.  While a report is
 * there poll() says POLLERR whatever was asked for, so that each wait looks
 * there first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/zero-copy.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "io/channel-priv.h"
#include "io/error.h"
#include "util/error.h"

enum {
    /* Locked by one call: what a user's limit is to hold a few of. */
    CALL_BYTES = 256 * 1024,
};

struct ZeroCopy {
    IoChannel *ch;
    uint32_t calls; /* that took something */
    uint32_t done;  /* of these */
    bool copied;    /* some, since the last settle */
};

ZeroCopy *zero_copy_new(IoChannel *ch, GError **errp)
{
    int on = 1;
    ZeroCopy *z;

    if (!io_channel_has_feature(ch, IO_FEATURE_TCP) ||
        setsockopt(io_channel_fd(ch, G_IO_OUT), SOL_SOCKET, SO_ZEROCOPY, &on,
                   sizeof(on)) < 0) {
        error_setf(errp,
                   "%s: Zero copy send feature not detected in host kernel (it "
                   "needs a TCP connection)",
                   io_channel_name(ch));
        return NULL;
    }
    z = g_new0(ZeroCopy, 1);
    z->ch = io_channel_ref(ch);
    return z;
}

void zero_copy_free(ZeroCopy *z)
{
    if (z != NULL) {
        io_channel_unref(z->ch);
        g_free(z);
    }
}

static void zero_copy_done(ZeroCopy *z, const struct sock_extended_err *e)
{
    if (e->ee_origin != SO_EE_ORIGIN_ZEROCOPY || e->ee_errno != 0) {
        return;
    }
    z->done += e->ee_data - e->ee_info + 1; /* both are included */
    z->copied |= e->ee_code & SO_EE_CODE_ZEROCOPY_COPIED;
}

/* Reads the reports that there are; 0 or -errno. */
static int zero_copy_reap(ZeroCopy *z)
{
    for (;;) {
        char control[256];
        struct msghdr msg = { .msg_control = control,
                              .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(io_channel_fd(z->ch, G_IO_OUT), &msg,
                            MSG_ERRQUEUE | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno == EAGAIN ? 0 : -errno;
        }
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL;
             c = CMSG_NXTHDR(&msg, c)) {
            if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
                (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
                struct sock_extended_err e;

                memcpy(&e, CMSG_DATA(c), sizeof(e));
                zero_copy_done(z, &e);
            }
        }
    }
}

/* Until there is a report, or what `events` ask for; 0 or -errno. */
static int zero_copy_wait(ZeroCopy *z, short events)
{
    uint32_t before = z->done;
    int ret;

    ret = io_channel_wait_events(z->ch, events);
    if (ret < 0) {
        return ret;
    }
    if (io_channel_is_shutdown(z->ch, IO_SHUTDOWN_WRITE)) {
        return -EPIPE;
    }
    ret = zero_copy_reap(z);
    if (ret == 0 && before == z->done && events == 0) {
        socklen_t len = sizeof(ret);

        /* Awake for something else: the connection has ended. */
        getsockopt(io_channel_fd(z->ch, G_IO_OUT), SOL_SOCKET, SO_ERROR, &ret,
                   &len);
        return ret != 0 ? -ret : -EPIPE;
    }
    return ret;
}

/* At least a byte, or -errno. */
static ssize_t zero_copy_send(ZeroCopy *z, const void *buf, size_t len)
{
    for (;;) {
        ssize_t n;
        int ret;

        if (io_channel_is_shutdown(z->ch, IO_SHUTDOWN_WRITE)) {
            return -EPIPE;
        }
        n = send(io_channel_fd(z->ch, G_IO_OUT), buf, len,
                 MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n >= 0) {
            z->calls++;
            return n;
        }
        n = -errno;
        if (n == -EAGAIN) {
            ret = zero_copy_reap(z);
            ret = ret == 0 ? zero_copy_wait(z, POLLOUT) : ret;
        } else if (n == -ENOBUFS && z->calls != z->done) {
            ret = zero_copy_wait(z, 0); /* what is done is locked no more */
        } else if (n == -EINTR) {
            ret = 0;
        } else {
            ret = n;
        }
        if (ret < 0) {
            return ret;
        }
    }
}

bool zero_copy_write(ZeroCopy *z, const void *buf, size_t len, GError **errp)
{
    const uint8_t *p = buf;

    while (len > 0) {
        ssize_t n = zero_copy_send(z, p, MIN(len, (size_t)CALL_BYTES));

        if (n < 0) {
            io_channel_set_error(z->ch, errp, "write", n);
            if (n == -ENOBUFS) {
                error_prefix(errp, "Process can't lock enough memory for using "
                                   "MSG_ZEROCOPY (limit 'memlock'): ");
            }
            return false;
        }
        p += n;
        len -= n;
    }
    return true;
}

bool zero_copy_settle(ZeroCopy *z, bool *ret_copied, GError **errp)
{
    int ret = zero_copy_reap(z);

    while (ret == 0 && z->calls != z->done) {
        ret = zero_copy_wait(z, 0);
    }
    *ret_copied = z->copied;
    z->copied = false;
    if (ret < 0) {
        io_channel_set_error(z->ch, errp, "zero-copy write", ret);
    }
    return ret == 0;
}
