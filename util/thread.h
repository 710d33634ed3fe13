/*
 * Threads with names, no signals, and errors that can be reported.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef UTIL_THREAD_H
#define UTIL_THREAD_H

#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Thread {
    pthread_t handle;
    pid_t tid;    /* kernel's id; 0 until it runs; atomic */
    bool created; /* and not yet joined; the creator's */
} Thread;

typedef void *(*ThreadFn)(void *opaque);

/*
 * Starts fn(opaque). The name (cut to 15 characters) is what "top -H" shows.
 * The thread starts with all signals blocked but those a fault of its own
 * raises (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP); a thread that wants
 * others unblocks them itself. *t must live until thread_join().
 */
bool thread_create(Thread *t, const char *name, ThreadFn fn, void *opaque,
                   GError **errp);
/* As thread_create(), for a thread that nobody will wait for. */
bool thread_create_detached(const char *name, ThreadFn fn, void *opaque,
                            GError **errp);
/*
 * Waits for the thread's end and returns what its function returned; NULL at
 * once if it was never created (t zeroed) or is joined already.
 */
void *thread_join(Thread *t);
/* The kernel's id of t, 0 if it doesn't run yet. */
pid_t thread_tid(const Thread *t);
/* Is t the calling thread? */
bool thread_is_self(const Thread *t);
/*
 * Lets t run only on the host CPUs whose bits are set in cpus (nbits bits, as
 * in util/bitmap.h).
 */
bool thread_set_affinity(Thread *t, const unsigned long *cpus, uint64_t nbits,
                         GError **errp);
/* Renames the calling thread; cut to 15 characters. */
void thread_set_name(const char *name);

#endif /* UTIL_THREAD_H */
