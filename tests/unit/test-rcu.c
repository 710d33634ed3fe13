/*
 * Grace periods: what a reader can still see is not freed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/rcu.h"
#include "util/thread.h"

enum {
    READERS = 2,
    VERSIONS = 300,
    ALIVE = 0x600d,
    DEAD = 0xdead,
};

typedef struct View {
    RcuHead head;
    int state; /* ALIVE until it is reclaimed */
    int version;
} View;

static View *current_view; /* atomic: RCU */
static bool stop;          /* atomic */
static int nfreed;         /* atomic */

static View *view_new(int version)
{
    View *v = g_new0(View, 1);

    v->state = ALIVE;
    v->version = version;
    return v;
}

static void view_free(RcuHead *head)
{
    View *v = container_of(head, View, head);

    rcu_callback_begin();
    __atomic_store_n(&v->state, DEAD, __ATOMIC_RELAXED);
    g_free(v);
    __atomic_fetch_add(&nfreed, 1, __ATOMIC_SEQ_CST);
    rcu_callback_end();
}

static void *reader(void *opaque G_GNUC_UNUSED)
{
    int last = 0;

    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        RCU_READ_GUARD();
        const View *v = rcu_dereference(current_view);

        for (int i = 0; i < 50; i++) {
            RCU_READ_GUARD(); /* nests */
            if (__atomic_load_n(&v->state, __ATOMIC_RELAXED) != ALIVE) {
                g_error("version %d was freed under a reader", v->version);
            }
        }
        /* Versions are published in order. */
        g_assert_cmpint(v->version, >=, last);
        last = v->version;
    }
    return NULL;
}

static void test_publish(void)
{
    g_autoptr(GError) err = NULL;
    Thread t[READERS];

    current_view = view_new(0);
    for (int i = 0; i < READERS; i++) {
        g_assert_true(thread_create(&t[i], "reader", reader, NULL, &err));
    }
    for (int i = 1; i <= VERSIONS; i++) {
        View *old = current_view;

        rcu_assign_pointer(current_view, view_new(i));
        if (i % 3) {
            call_rcu(&old->head, view_free);
        } else {
            synchronize_rcu();
            view_free(&old->head);
        }
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (int i = 0; i < READERS; i++) {
        thread_join(&t[i]);
    }
    rcu_barrier();
    g_assert_cmpint(__atomic_load_n(&nfreed, __ATOMIC_SEQ_CST), ==, VERSIONS);
    rcu_free(&current_view->head);
    rcu_free(NULL);
    rcu_barrier();
}

/* A reader that stays inside holds the call back; leaving lets it run. */
static void mark(void *opaque)
{
    __atomic_store_n((bool *)opaque, true, __ATOMIC_SEQ_CST);
}

static void test_call(void)
{
    bool called = false;

    rcu_read_lock();
    rcu_call(mark, &called);
    for (int i = 0; i < 1000; i++) {
        g_assert_false(__atomic_load_n(&called, __ATOMIC_SEQ_CST));
        g_thread_yield();
    }
    rcu_read_unlock();
    rcu_barrier();
    g_assert_true(__atomic_load_n(&called, __ATOMIC_SEQ_CST));
}

static void *read_once(void *opaque)
{
    RCU_READ_GUARD();
    return rcu_dereference(*(void **)opaque);
}

/* Threads that come and go need no registration. */
static void test_short_threads(void)
{
    int x = 0;
    void *p = &x;

    for (int i = 0; i < 20; i++) {
        g_autoptr(GError) err = NULL;
        Thread t;

        g_assert_true(thread_create(&t, "short", read_once, &p, &err));
        g_assert_true(thread_join(&t) == &x);
        synchronize_rcu();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rcu/publish", test_publish);
    g_test_add_func("/rcu/call", test_call);
    g_test_add_func("/rcu/short-threads", test_short_threads);
    return g_test_run();
}
