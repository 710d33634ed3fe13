/*
 * Threads with names, no signals, and errors that can be reported.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/thread.h"

#include "util/bitmap.h"
#include "util/error.h"

#include <sched.h>
#include <signal.h>

/* Including the end: the kernel's limit, prctl(2) PR_SET_NAME. */
enum { THREAD_NAME_SIZE = 16 };

typedef struct ThreadStart {
    Thread *thread; /* NULL: detached */
    ThreadFn fn;
    void *opaque;
    char name[THREAD_NAME_SIZE];
} ThreadStart;

void thread_set_name(const char *name)
{
    char cut[THREAD_NAME_SIZE];

    g_strlcpy(cut, name, sizeof(cut));
    pthread_setname_np(pthread_self(), cut);
}

static void *thread_main(void *opaque)
{
    g_autofree ThreadStart *start = opaque;
    ThreadFn fn = start->fn;
    void *arg = start->opaque;

    thread_set_name(start->name);
    if (start->thread) {
        __atomic_store_n(&start->thread->tid, gettid(), __ATOMIC_RELEASE);
    }
    /* Freed here: a thread may end by pthread_exit() inside fn. */
    g_clear_pointer(&start, g_free);
    return fn(arg);
}

static bool start_thread(pthread_t *handle, ThreadStart *start, bool detached,
                         GError **errp)
{
    pthread_attr_t attr;
    sigset_t blocked;
    sigset_t old;
    int err;

    sigfillset(&blocked);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGTRAP);

    pthread_attr_init(&attr);
    if (detached) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    }
    /* The new thread inherits the mask: no signal can slip in before. */
    pthread_sigmask(SIG_SETMASK, &blocked, &old);
    err = pthread_create(handle, &attr, thread_main, start);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (err) {
        error_setf_errno(errp, err, "can't create thread '%s'", start->name);
        g_free(start);
        return false;
    }
    return true;
}

static ThreadStart *thread_start_new(Thread *t, const char *name, ThreadFn fn,
                                     void *opaque)
{
    ThreadStart *start = g_new0(ThreadStart, 1);

    start->thread = t;
    start->fn = fn;
    start->opaque = opaque;
    g_strlcpy(start->name, name, sizeof(start->name));
    return start;
}

bool thread_create(Thread *t, const char *name, ThreadFn fn, void *opaque,
                   GError **errp)
{
    *t = (Thread){ 0 };
    if (!start_thread(&t->handle, thread_start_new(t, name, fn, opaque), false,
                      errp)) {
        return false;
    }
    t->created = true;
    return true;
}

bool thread_create_detached(const char *name, ThreadFn fn, void *opaque,
                            GError **errp)
{
    pthread_t handle;

    return start_thread(&handle, thread_start_new(NULL, name, fn, opaque), true,
                        errp);
}

void *thread_join(Thread *t)
{
    void *ret = NULL;

    if (t->created) {
        int err = pthread_join(t->handle, &ret);

        if (err) {
            g_error("thread_join: %s", strerror(err));
        }
        t->created = false;
        t->tid = 0;
    }
    return ret;
}

pid_t thread_tid(const Thread *t)
{
    return __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE);
}

bool thread_is_self(const Thread *t)
{
    return t->created && pthread_equal(t->handle, pthread_self());
}

bool thread_set_affinity(Thread *t, const unsigned long *cpus, uint64_t nbits,
                         GError **errp)
{
    uint64_t size = CPU_ALLOC_SIZE(nbits);
    g_autofree cpu_set_t *set = g_malloc0(size);
    int err;

    for (uint64_t i = bitmap_find_next(cpus, nbits, 0); i < nbits;
         i = bitmap_find_next(cpus, nbits, i + 1)) {
        CPU_SET_S(i, size, set);
    }
    err = pthread_setaffinity_np(t->handle, size, set);
    if (err) {
        error_setf_errno(errp, err, "can't set the host CPUs of thread %d",
                         (int)thread_tid(t));
        return false;
    }
    return true;
}
