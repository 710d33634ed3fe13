/*
 * Event notifiers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/event-notifier.h"
#include "util/thread.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

static bool readable(const EventNotifier *e, int timeout_ms)
{
    struct pollfd p = { .fd = event_notifier_fd(e), .events = POLLIN };

    return poll(&p, 1, timeout_ms) == 1 && (p.revents & POLLIN);
}

static void test_set_and_clear(void)
{
    g_autoptr(GError) err = NULL;
    EventNotifier e;

    g_assert_true(event_notifier_init(&e, false, &err));
    g_assert_no_error(err);
    g_assert_false(readable(&e, 0));
    g_assert_false(event_notifier_test_and_clear(&e));
    event_notifier_set(&e);
    event_notifier_set(&e);
    g_assert_true(readable(&e, 0));
    g_assert_true(event_notifier_test_and_clear(&e));
    g_assert_false(event_notifier_test_and_clear(&e));
    g_assert_false(readable(&e, 0));
    g_assert_cmpint(fcntl(event_notifier_fd(&e), F_GETFD) & FD_CLOEXEC, ==,
                    FD_CLOEXEC);
    event_notifier_fini(&e);
    g_assert_cmpint(event_notifier_fd(&e), ==, -1);
    event_notifier_fini(&e);
}

static void test_active(void)
{
    EventNotifier e = EVENT_NOTIFIER_NONE;

    event_notifier_fini(&e);
    g_assert_true(event_notifier_init(&e, true, NULL));
    g_assert_true(event_notifier_test_and_clear(&e));
    event_notifier_fini(&e);
}

/* A full counter is still set, and setting it doesn't block. */
static void test_full(void)
{
    const uint64_t almost = UINT64_MAX - 1;
    EventNotifier e;

    g_assert_true(event_notifier_init(&e, false, NULL));
    g_assert_cmpint(write(e.fd, &almost, sizeof(almost)), ==, sizeof(almost));
    event_notifier_set(&e);
    g_assert_true(event_notifier_test_and_clear(&e));
    g_assert_false(event_notifier_test_and_clear(&e));
    event_notifier_fini(&e);
}

static void test_take_fd(void)
{
    g_autoptr(GError) err = NULL;
    EventNotifier e;

    g_assert_true(event_notifier_init_fd(&e, eventfd(1, 0), &err));
    g_assert_true(event_notifier_test_and_clear(&e));
    g_assert_false(event_notifier_test_and_clear(&e));
    event_notifier_fini(&e);
    g_assert_false(event_notifier_init_fd(&e, -1, &err));
    g_assert_nonnull(err);
    g_assert_cmpint(e.fd, ==, -1);
}

static void *set_it(void *opaque)
{
    event_notifier_set(opaque);
    return NULL;
}

static void test_wakes(void)
{
    EventNotifier e;
    Thread t;

    g_assert_true(event_notifier_init(&e, false, NULL));
    g_assert_true(thread_create(&t, "set", set_it, &e, NULL));
    g_assert_true(readable(&e, -1));
    thread_join(&t);
    event_notifier_fini(&e);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/event-notifier/set-and-clear", test_set_and_clear);
    g_test_add_func("/event-notifier/active", test_active);
    g_test_add_func("/event-notifier/full", test_full);
    g_test_add_func("/event-notifier/take-fd", test_take_fd);
    g_test_add_func("/event-notifier/wakes", test_wakes);
    return g_test_run();
}
