/*
 * Threads for devices: calls, sources, looking before sleeping, parameters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/iothread.h"

#include <glib-unix.h>

#include "qom/object-make.h"
#include "util/event-notifier.h"
#include "util/lock.h"

static Object *thread_object(const char *first, ...)
{
    g_autoptr(GError) err = NULL;
    Object *obj = object_new(iothread_object_types()[1]);
    const char *name = first;
    va_list ap;

    va_start(ap, first);
    while (name != NULL) {
        const char *val = va_arg(ap, const char *);

        g_assert_true(object_prop_set_str(obj, name, val, &err));
        name = va_arg(ap, const char *);
    }
    va_end(ap);
    return obj;
}

static IoThread *thread_start(Object *obj)
{
    g_autoptr(GError) err = NULL;

    g_assert_true(object_complete(obj, &err));
    g_assert_no_error(err);
    return iothread_from_object(obj);
}

typedef struct Seen {
    IoThread *t;
    pid_t tid;
    bool self;
    unsigned n;
} Seen;

static void look_around(void *opaque)
{
    Seen *s = opaque;

    s->tid = gettid();
    s->self = iothread_is_self(s->t);
    s->n++;
}

static void nested(void *opaque)
{
    Seen *s = opaque;

    iothread_run(s->t, look_around, s);
}

static void test_run(void)
{
    g_autoptr(Object) obj = thread_object(NULL);
    Seen s = { .t = thread_start(obj) };

    g_assert_cmpint(iothread_tid(s.t), >, 0);
    g_assert_false(iothread_is_self(s.t));
    iothread_run(s.t, look_around, &s);
    g_assert_cmpint(s.tid, ==, iothread_tid(s.t));
    g_assert_true(s.self);
    /* Who has the device lock may wait for it, and it for itself. */
    vm_lock_acquire();
    iothread_run(s.t, nested, &s);
    vm_lock_release();
    g_assert_cmpuint(s.n, ==, 2);
}

typedef struct Bell {
    EventNotifier in, out;
    IoThread *t;
    bool in_thread;
} Bell;

static gboolean rung(gint fd, GIOCondition cond, gpointer opaque)
{
    Bell *b = opaque;

    g_assert_true(event_notifier_test_and_clear(&b->in));
    b->in_thread = iothread_is_self(b->t);
    event_notifier_set(&b->out);
    return G_SOURCE_CONTINUE;
}

static void wait_for(EventNotifier *e)
{
    GPollFD p = { .fd = event_notifier_fd(e), .events = G_IO_IN };

    g_assert_cmpint(g_poll(&p, 1, 60000), ==, 1);
    g_assert_true(event_notifier_test_and_clear(e));
}

static void ring_bells(const char *poll_max_ns, const char *shrink)
{
    g_autoptr(Object) obj =
        thread_object("poll-max-ns", poll_max_ns, "poll-shrink", shrink, NULL);
    Bell b = { .t = thread_start(obj) };
    GSource *source;

    g_assert_true(event_notifier_init(&b.in, false, NULL));
    g_assert_true(event_notifier_init(&b.out, false, NULL));
    source = g_unix_fd_source_new(event_notifier_fd(&b.in), G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(rung), &b, NULL);
    g_source_attach(source, iothread_context(b.t));
    for (unsigned i = 0; i < 200; i++) {
        if (i % 50 == 0) {
            g_usleep(2000); /* longer than any look: the time shrinks */
        }
        event_notifier_set(&b.in);
        wait_for(&b.out);
    }
    g_assert_true(b.in_thread);
    g_source_destroy(source);
    g_source_unref(source);
    event_notifier_fini(&b.in);
    event_notifier_fini(&b.out);
}

static void test_source(void)
{
    ring_bells("0", "0");
    ring_bells("32768", "0");
    ring_bells("100000", "3");
}

typedef struct Memory {
    IoThread *t;
    IoThreadPoll poll;
    unsigned asked, done; /* atomic */
    EventNotifier out;
} Memory;

static bool memory_ready(void *opaque)
{
    Memory *m = opaque;

    return __atomic_load_n(&m->asked, __ATOMIC_ACQUIRE) != m->done;
}

static void memory_run(void *opaque)
{
    Memory *m = opaque;

    m->done = __atomic_load_n(&m->asked, __ATOMIC_ACQUIRE);
    event_notifier_set(&m->out);
}

static void memory_add(void *opaque)
{
    Memory *m = opaque;

    iothread_add_poll(m->t, &m->poll);
}

static void memory_del(void *opaque)
{
    Memory *m = opaque;

    iothread_del_poll(m->t, &m->poll);
}

/* What was asked for before the thread slept isn't slept over. */
static void test_poll(void)
{
    g_autoptr(Object) obj = thread_object("poll-max-ns", "1000000", NULL);
    Memory m = { .t = thread_start(obj),
                 .poll = { .ready = memory_ready, .run = memory_run } };

    m.poll.opaque = &m;
    g_assert_true(event_notifier_init(&m.out, false, NULL));
    m.asked = 1;
    iothread_run(m.t, memory_add, &m);
    wait_for(&m.out);
    iothread_run(m.t, memory_del, &m);
    __atomic_store_n(&m.asked, 2, __ATOMIC_RELEASE);
    iothread_run(m.t, memory_del, &m);
    g_assert_false(event_notifier_test_and_clear(&m.out));
    g_assert_cmpuint(m.done, ==, 1);
    event_notifier_fini(&m.out);
}

static void test_params(void)
{
    static const struct {
        const char *name, *val, *message;
    } bad[] = {
        { "poll-max-ns", "-1",
          "poll-max-ns value must be in range [0, 9223372036854775807]" },
        { "aio-max-batch", "-9223372036854775808",
          "aio-max-batch value must be in range [0, 9223372036854775807]" },
        { "thread-pool-max", "0",
          "bad thread-pool-min/thread-pool-max values" },
        { "thread-pool-min", "65",
          "bad thread-pool-min/thread-pool-max values" },
    };
    g_autoptr(Object) obj = thread_object("poll-grow", "7", NULL);
    IoThread *t = thread_start(obj);
    IoThreadParams p;

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(object_prop_set_str(obj, bad[i].name, bad[i].val, &err));
        g_assert_nonnull(err);
        g_assert_cmpstr(err->message, ==, bad[i].message);
    }
    g_assert_true(object_prop_set_str(obj, "poll-max-ns", "5", NULL));
    p = iothread_params(t);
    g_assert_cmpint(p.poll_max_ns, ==, 5);
    g_assert_cmpint(p.poll_grow, ==, 7);
    g_assert_cmpint(p.poll_shrink, ==, 0);
    g_assert_cmpint(p.aio_max_batch, ==, 0);
    g_assert_cmpint(p.thread_pool_min, ==, 0);
    g_assert_cmpint(p.thread_pool_max, ==, 64);
}

/* A pool that can't be is found when all parameters are there. */
static void test_bad_pool(void)
{
    g_autoptr(Object) obj =
        thread_object("thread-pool-min", "5", "thread-pool-max", "4", NULL);
    g_autoptr(GError) err = NULL;

    g_assert_false(object_complete(obj, &err));
    g_assert_nonnull(err);
    g_assert_cmpstr(err->message, ==,
                    "bad thread-pool-min/thread-pool-max values");
}

static void test_claim(void)
{
    g_autoptr(Object) root = object_new_container("container");
    g_autoptr(Object) objects = object_new_container("container");
    g_autoptr(Object) obj = thread_object(NULL);
    g_autoptr(GError) err = NULL;
    IoThread *t;

    object_add_child(root, "objects", objects);
    object_add_child(objects, "io1", obj);
    t = thread_start(obj);
    g_assert_true(iothread_find(root, "io1", NULL) == t);
    g_assert_null(iothread_find(root, "io2", &err));
    g_assert_nonnull(err);
    g_assert_cmpstr(err->message, ==, "Device 'io2' not found");
    g_clear_error(&err);
    iothread_claim(t);
    g_assert_false(object_unmake(root, "io1", &err));
    g_assert_nonnull(err);
    g_assert_cmpstr(err->message, ==,
                    "object 'io1' is in use, can not be deleted");
    iothread_release(t);
    g_assert_true(object_unmake(root, "io1", NULL));
    g_assert_null(object_child(objects, "io1"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/iothread/run", test_run);
    g_test_add_func("/iothread/source", test_source);
    g_test_add_func("/iothread/poll", test_poll);
    g_test_add_func("/iothread/params", test_params);
    g_test_add_func("/iothread/bad-pool", test_bad_pool);
    g_test_add_func("/iothread/claim", test_claim);
    return g_test_run();
}
