/*
 * Processes that may still write into guest memory although nobody here talks
 * to them any more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/strays.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "util/error.h"
#include "util/lock.h"

enum {
    /* A peer that connects and hangs again and again costs no more. */
    MAX_KEPT = 16,
};

typedef struct Stray {
    char *name, *why;
    int fd; /* -1: too many, nobody can tell any more */
} Stray;

struct Strays {
    Lock lock; /* a leaf: nothing is taken inside */
    GQueue list GUARDED_BY(&lock);
};

static void stray_free(gpointer opaque)
{
    Stray *y = opaque;

    if (y->fd >= 0) {
        close(y->fd);
    }
    g_free(y->name);
    g_free(y->why);
    g_free(y);
}

/*
 * Has the peer closed its end?  Only our sending side is shut, so that the
 * kernel's "no more will come" is the peer's doing.
 */
static bool peer_closed(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLRDHUP };

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP));
}

Strays *strays_new(void)
{
    Strays *s = g_new0(Strays, 1);

    lock_init(&s->lock);
    g_queue_init(&s->list);
    return s;
}

void strays_free(Strays *s)
{
    if (s == NULL) {
        return;
    }
    g_queue_clear_full(&s->list, stray_free);
    lock_fini(&s->lock);
    g_free(s);
}

static void prune_locked(Strays *s) REQUIRES(&s->lock)
{
    for (GList *l = s->list.head, *next; l != NULL; l = next) {
        Stray *y = l->data;

        next = l->next;
        if (y->fd >= 0 && peer_closed(y->fd)) {
            stray_free(y);
            g_queue_delete_link(&s->list, l);
        }
    }
}

void strays_add(Strays *s, const char *name, const char *why, int fd)
{
    Stray *y = g_new0(Stray, 1);
    LOCK_GUARD(&s->lock);

    shutdown(fd, SHUT_WR);
    prune_locked(s);
    y->name = g_strdup(name);
    y->why = g_strdup(why);
    y->fd = fd;
    if (s->list.length >= MAX_KEPT) {
        /* The last entry stands for all that follow, for good. */
        close(fd);
        y->fd = -1;
    }
    if (s->list.length > MAX_KEPT) {
        stray_free(y);
    } else {
        g_queue_push_tail(&s->list, y);
    }
}

/* A copy of the first one's descriptor to wait with, and who it is. */
static bool find_one(Strays *s, int *ret_fd, GError **errp)
{
    const Stray *y;
    LOCK_GUARD(&s->lock);

    prune_locked(s);
    y = g_queue_peek_head(&s->list);
    if (y == NULL) {
        return false;
    }
    *ret_fd = y->fd >= 0 ? fcntl(y->fd, F_DUPFD_CLOEXEC, 0) : -1;
    error_setf(errp,
               "%s may still write into guest memory: its connection was "
               "ended here (%s), and it has not closed its end",
               y->name, y->why);
    return true;
}

bool strays_check(Strays *s, unsigned wait_ms, GError **errp)
{
    int64_t end = clock_monotonic_ns() + wait_ms * NSEC_PER_MSEC, left;
    g_autoptr(GError) err = NULL;
    int fd = -1;

    while (find_one(s, &fd, &err)) {
        struct pollfd p = { .fd = fd, .events = POLLRDHUP };

        left = end - clock_monotonic_ns();
        if (left > 0) {
            vm_lock_check_wait("a back end that has hung");
            poll(&p, 1, (int)(left / NSEC_PER_MSEC) + 1);
        }
        if (fd >= 0) {
            close(fd);
        }
        if (left <= 0) {
            g_propagate_error(errp, g_steal_pointer(&err));
            return false;
        }
        g_clear_error(&err);
    }
    return true;
}
