/*
 * A flag that wakes a poll(): an eventfd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_EVENT_NOTIFIER_H
#define UTIL_EVENT_NOTIFIER_H

#include <glib.h>
#include <stdbool.h>

typedef struct EventNotifier {
    int fd; /* -1: not initialised */
} EventNotifier;

#define EVENT_NOTIFIER_NONE \
    {                       \
        .fd = -1            \
    }

/* Non-blocking, closed on exec; active: set from the start. */
bool event_notifier_init(EventNotifier *e, bool active, GError **errp);
/* Takes over an eventfd that somebody else made; sets it non-blocking. */
bool event_notifier_init_fd(EventNotifier *e, int fd, GError **errp);
/* Closes it; fine when it isn't open. */
void event_notifier_fini(EventNotifier *e);
/* To poll for reading, or to hand to KVM or vhost. */
int event_notifier_fd(const EventNotifier *e);
/* From any thread, and from signal handlers. */
void event_notifier_set(EventNotifier *e);
/* Was it set? Clears it. Never blocks. */
bool event_notifier_test_and_clear(EventNotifier *e);

#endif /* UTIL_EVENT_NOTIFIER_H */
