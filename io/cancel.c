/*
 * A flag that another thread raises to end a wait.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "io/cancel.h"

#include <sys/eventfd.h>

#include "io/error.h"

struct IoCancel {
    gint refs; /* atomic */
    gint set;  /* atomic */
    int fd;    /* eventfd */
};

IoCancel *io_cancel_new(GError **errp)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    IoCancel *c;

    if (fd < 0) {
        io_error_set_errno(errp, errno, "cannot create an event descriptor");
        return NULL;
    }
    c = g_new0(IoCancel, 1);
    c->refs = 1;
    c->fd = fd;
    return c;
}

IoCancel *io_cancel_ref(IoCancel *c)
{
    g_atomic_int_inc(&c->refs);
    return c;
}

void io_cancel_unref(IoCancel *c)
{
    if (c && g_atomic_int_dec_and_test(&c->refs)) {
        close(c->fd);
        g_free(c);
    }
}

void io_cancel_trigger(IoCancel *c)
{
    static const uint64_t one = 1;

    g_atomic_int_set(&c->set, 1);
    while (write(c->fd, &one, sizeof(one)) < 0 && errno == EINTR) {
        /* EAGAIN means that it is raised already. */
    }
}

bool io_cancel_is_set(const IoCancel *c)
{
    return c && g_atomic_int_get(&c->set);
}

int io_cancel_fd(const IoCancel *c)
{
    return c ? c->fd : -1;
}
