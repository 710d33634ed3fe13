/*
 * A flag that wakes a poll(): an eventfd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/event-notifier.h"

#include "util/error.h"

#include <fcntl.h>
#include <sys/eventfd.h>

bool event_notifier_init(EventNotifier *e, bool active, GError **errp)
{
    e->fd = eventfd(active ? 1 : 0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (e->fd < 0) {
        error_setf_errno(errp, errno, "can't create an eventfd");
        return false;
    }
    return true;
}

bool event_notifier_init_fd(EventNotifier *e, int fd, GError **errp)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        error_setf_errno(errp, errno, "event file descriptor %d", fd);
        e->fd = -1;
        return false;
    }
    e->fd = fd;
    return true;
}

void event_notifier_fini(EventNotifier *e)
{
    if (e->fd >= 0) {
        close(e->fd);
        e->fd = -1;
    }
}

int event_notifier_fd(const EventNotifier *e)
{
    return e->fd;
}

void event_notifier_set(EventNotifier *e)
{
    const uint64_t one = 1;
    ssize_t n;

    do {
        n = write(e->fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, hence set. */
}

bool event_notifier_test_and_clear(EventNotifier *e)
{
    uint64_t count;
    ssize_t n;

    do {
        n = read(e->fd, &count, sizeof(count));
    } while (n < 0 && errno == EINTR);
    return n == sizeof(count);
}
