/*
 * Threads that work for devices beside the main loop: -object iothread.
 *
 * One thread runs one GMainContext.  Sources on it run in that thread,
 * without the device lock, and they may never wait for it: who holds the lock
 * waits for the thread in iothread_run().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_IOTHREAD_H
#define SYSTEM_IOTHREAD_H

#include <sys/types.h>

#include "qom/object.h"

typedef struct IoThread IoThread;

/*
 * Something that the thread looks at again and again for a while before it
 * sleeps (poll-max-ns), as memory shared with a guest.
 */
typedef struct IoThreadPoll {
    bool (*ready)(void *opaque); /* cheap: called in a tight loop */
    void (*run)(void *opaque);
    void *opaque;
} IoThreadPoll;

/* The parameters of a thread; times in ns. */
typedef struct IoThreadParams {
    int64_t poll_max_ns; /* 0: it sleeps at once */
    int64_t poll_grow, poll_shrink;
    int64_t aio_max_batch; /* requests submitted at once; 0: the engine's */
    int64_t thread_pool_min, thread_pool_max; /* workers of its requests */
} IoThreadParams;

/* Types for object_types_add(). */
const ObjectType *const *iothread_object_types(void);
/* The thread that an object is; NULL if it is none. */
IoThread *iothread_from_object(Object *obj);
/* The thread in /objects below `root`; NULL with `errp` set if none is. */
IoThread *iothread_find(Object *root, const char *id, GError **errp);
/* From here to iothread_release() it can't be deleted; NULL is fine. */
void iothread_claim(IoThread *t);
void iothread_release(IoThread *t);

const char *iothread_id(const IoThread *t);
pid_t iothread_tid(const IoThread *t);
/* May be asked for by any thread. */
IoThreadParams iothread_params(const IoThread *t);
/* Lives as long as the thread's object. */
GMainContext *iothread_context(const IoThread *t);
/* Does the caller run in that thread? */
bool iothread_is_self(const IoThread *t);

/*
 * Runs fn(opaque) in the thread, between two of its sources, and returns when
 * that is done.  With or without vm_lock held; fn and the thread's sources
 * never take it.
 */
void iothread_run(IoThread *t, void (*fn)(void *opaque), void *opaque);
/* In the thread: `p` belongs to the caller until it is taken off again. */
void iothread_add_poll(IoThread *t, IoThreadPoll *p);
void iothread_del_poll(IoThread *t, IoThreadPoll *p);

#endif
