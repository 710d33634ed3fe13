/*
 * Threads that work for devices beside the main loop.
 *
 * Before a thread sleeps it looks at its descriptors and at the memory that
 * its users point to for a while, as a wake-up costs more than that.  How long
 * follows from what came: the time grows up to poll-max-ns if a longer look
 * would have met the event, and shrinks if even that would have missed it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/iothread.h"

#include <errno.h>

#include "util/error.h"
#include "util/lock.h"
#include "util/thread.h"
#include "util/tsan.h"

#define POLL_START_NS   4000 /* the first step of a growing time */
#define POLL_GROW_BY    2    /* without poll-grow */
#define DEFAULT_POLL_NS 32768
#define DEFAULT_WORKERS 64

typedef struct IoThreadCall {
    void (*fn)(void *opaque);
    void *opaque;
    Lock lock;
    Cond done_cond;
    bool done; /* lock */
} IoThreadCall;

struct IoThread {
    Object obj;
    unsigned users; /* main thread */
    GMainContext *ctx;
    Thread thread;
    bool stop; /* atomic */
    /* Each is read and written atomically, by any thread. */
    IoThreadParams params;
    int64_t parsed; /* main thread, while a parameter is set */
    /* The thread's own: */
    GPtrArray *polls; /* IoThreadPoll *, borrowed */
    int64_t poll_ns;  /* how long it looks now */
    GArray *fds;      /* GPollFD, reused */
};

static _Thread_local const IoThread *self; /* the thread's own object */

/* The thread's loop */

static bool any_ready(const IoThread *t)
{
    for (unsigned i = 0; i < t->polls->len; i++) {
        const IoThreadPoll *p = t->polls->pdata[i];

        if (p->ready(p->opaque)) {
            return true;
        }
    }
    return false;
}

/* A handler may take itself, or another one, off the list. */
static void run_ready(IoThread *t)
{
    for (unsigned i = t->polls->len; i > 0; i--) {
        IoThreadPoll *p = i <= t->polls->len ? t->polls->pdata[i - 1] : NULL;

        if (p != NULL && p->ready(p->opaque)) {
            p->run(p->opaque);
        }
    }
}

static int iothread_look(GArray *fds, int timeout_ms)
{
    int n;

    do {
        n = g_poll((GPollFD *)(void *)fds->data, fds->len, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* After a sleep of `slept` ns that an event ended. */
static void iothread_adapt(IoThread *t, const IoThreadParams *p, int64_t slept)
{
    int64_t grow = p->poll_grow != 0 ? p->poll_grow : POLL_GROW_BY;

    if (slept > p->poll_max_ns) {
        /* No look would have been long enough. */
        t->poll_ns = p->poll_shrink != 0 ? t->poll_ns / p->poll_shrink : 0;
        return;
    }
    if (t->poll_ns == 0) {
        t->poll_ns = POLL_START_NS;
    } else if (__builtin_mul_overflow(t->poll_ns, grow, &t->poll_ns)) {
        t->poll_ns = p->poll_max_ns;
    }
    t->poll_ns = MIN(t->poll_ns, p->poll_max_ns);
}

/* Waits for something to do, at most timeout_ms (-1: for ever). */
static void wait_events(IoThread *t, int timeout_ms)
{
    IoThreadParams p = iothread_params(t);
    int64_t start, now;

    t->poll_ns = MIN(t->poll_ns, p.poll_max_ns);
    if (timeout_ms == 0 || p.poll_max_ns == 0) {
        iothread_look(t->fds, any_ready(t) ? 0 : timeout_ms);
        return;
    }
    start = now = clock_monotonic_ns();
    do {
        if (any_ready(t) || iothread_look(t->fds, 0) != 0) {
            return;
        }
        now = clock_monotonic_ns();
    } while (now - start < t->poll_ns);
    if (iothread_look(t->fds, timeout_ms) > 0) {
        iothread_adapt(t, &p, clock_monotonic_ns() - start);
    }
}

static void run_once(IoThread *t)
{
    int priority, timeout_ms, n;

    g_main_context_prepare(t->ctx, &priority);
    for (;;) {
        n = g_main_context_query(t->ctx, priority, &timeout_ms,
                                 (GPollFD *)(void *)t->fds->data, t->fds->len);
        if ((unsigned)n <= t->fds->len) {
            break;
        }
        g_array_set_size(t->fds, n);
    }
    g_array_set_size(t->fds, n);
    wait_events(t, timeout_ms);
    if (g_main_context_check(t->ctx, priority, (GPollFD *)(void *)t->fds->data,
                             n)) {
        g_main_context_dispatch(t->ctx);
    }
    run_ready(t);
}

static void *thread_main(void *opaque)
{
    IoThread *t = opaque;

    self = t;
    g_main_context_push_thread_default(t->ctx);
    while (!__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE)) {
        run_once(t);
    }
    g_main_context_pop_thread_default(t->ctx);
    return NULL;
}

bool iothread_is_self(const IoThread *t)
{
    return self == t;
}

static gboolean run_call(gpointer opaque)
{
    IoThreadCall *c = opaque;

    tsan_acquire(c);
    c->fn(c->opaque);
    LOCK_GUARD(&c->lock);
    c->done = true;
    cond_signal(&c->done_cond);
    return G_SOURCE_REMOVE;
}

void iothread_run(IoThread *t, void (*fn)(void *opaque), void *opaque)
{
    IoThreadCall c = { .fn = fn, .opaque = opaque };
    GSource *source;

    if (iothread_is_self(t)) {
        fn(opaque);
        return;
    }
    lock_init(&c.lock);
    cond_init(&c.done_cond);
    source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_HIGH);
    g_source_set_callback(source, run_call, &c, NULL);
    tsan_release(&c);
    g_source_attach(source, t->ctx);
    g_source_unref(source);
    lock_acquire(&c.lock);
    while (!c.done) {
        cond_wait(&c.done_cond, &c.lock);
    }
    lock_release(&c.lock);
    cond_fini(&c.done_cond);
    lock_fini(&c.lock);
}

void iothread_add_poll(IoThread *t, IoThreadPoll *p)
{
    g_ptr_array_add(t->polls, p);
}

void iothread_del_poll(IoThread *t, IoThreadPoll *p)
{
    g_ptr_array_remove(t->polls, p);
}

/* What others ask */

const char *iothread_id(const IoThread *t)
{
    return t->obj.name;
}

pid_t iothread_tid(const IoThread *t)
{
    return thread_tid(&t->thread);
}

GMainContext *iothread_context(const IoThread *t)
{
    return t->ctx;
}

IoThreadParams iothread_params(const IoThread *t)
{
    const IoThreadParams *p = &t->params;

#define GET(field_) .field_ = __atomic_load_n(&p->field_, __ATOMIC_RELAXED)
    return (IoThreadParams){
        GET(poll_max_ns),   GET(poll_grow),       GET(poll_shrink),
        GET(aio_max_batch), GET(thread_pool_min), GET(thread_pool_max),
    };
#undef GET
}

void iothread_claim(IoThread *t)
{
    if (t != NULL) {
        t->users++;
        object_ref(&t->obj);
    }
}

void iothread_release(IoThread *t)
{
    if (t != NULL) {
        t->users--;
        object_unref(&t->obj);
    }
}

/* The object */

static int64_t *param_at(IoThreadParams *params, const Property *p)
{
    return (int64_t *)(void *)((char *)params + p->offset -
                               offsetof(IoThread, params));
}

static bool check_pool(const IoThreadParams *p, GError **errp)
{
    if (p->thread_pool_max > 0 && p->thread_pool_min <= p->thread_pool_max) {
        return true;
    }
    error_setf(errp, "bad thread-pool-min/thread-pool-max values");
    return false;
}

static bool set_param(Object *obj, const Property *p, const JsonValue *val,
                      GError **errp)
{
    IoThread *t = OBJECT_CAST(IoThread, obj);
    IoThreadParams new = t->params;
    Property parser = *p;

    /* The thread reads its own at any time: they never hold a wrong value. */
    parser.offset = offsetof(IoThread, parsed);
    if (!object_prop_store(obj, &parser, val, errp)) {
        return false;
    }
    if (t->parsed < 0) {
        error_setf(errp, "%s value must be in range [0, %" PRId64 "]", p->name,
                   INT64_MAX);
        return false;
    }
    *param_at(&new, p) = t->parsed;
    if (obj->complete && !check_pool(&new, errp)) {
        return false;
    }
    __atomic_store_n(param_at(&t->params, p), t->parsed, __ATOMIC_RELAXED);
    return true;
}

static JsonValue *get_param(Object *obj, const Property *p, GError **errp)
{
    return json_int_new(*param_at(&OBJECT_CAST(IoThread, obj)->params, p));
}

static void iothread_init(Object *obj)
{
    IoThread *t = OBJECT_CAST(IoThread, obj);

    t->params.poll_max_ns = DEFAULT_POLL_NS;
    t->params.thread_pool_max = DEFAULT_WORKERS;
    t->ctx = g_main_context_new();
    t->polls = g_ptr_array_new();
    t->fds = g_array_new(false, true, sizeof(GPollFD));
}

static void iothread_nothing(void *opaque)
{
}

static bool iothread_complete(Object *obj, GError **errp)
{
    IoThread *t = OBJECT_CAST(IoThread, obj);
    g_autofree char *name = g_strdup_printf("IO %s", obj->name);

    if (!check_pool(&t->params, errp) ||
        !thread_create(&t->thread, name, thread_main, t, errp)) {
        return false;
    }
    iothread_run(t, iothread_nothing, NULL); /* it has a number from now on */
    return true;
}

static bool iothread_can_delete(Object *obj, GError **errp)
{
    return OBJECT_CAST(IoThread, obj)->users == 0;
}

static void iothread_fini(Object *obj)
{
    IoThread *t = OBJECT_CAST(IoThread, obj);

    __atomic_store_n(&t->stop, true, __ATOMIC_RELEASE);
    g_main_context_wakeup(t->ctx);
    thread_join(&t->thread);
    g_main_context_unref(t->ctx);
    g_ptr_array_unref(t->polls);
    g_array_unref(t->fds);
}

#define PARAM(field_, name_)                                           \
    PROP(PROP_I64, IoThread, params.field_, name_, .type_name = "int", \
         .run_time = true, .set = set_param, .get = get_param)

static const Property iothread_props[] = {
    PARAM(thread_pool_min, "thread-pool-min"),
    PARAM(aio_max_batch, "aio-max-batch"),
    PARAM(thread_pool_max, "thread-pool-max"),
    PARAM(poll_max_ns, "poll-max-ns"),
    PARAM(poll_grow, "poll-grow"),
    PARAM(poll_shrink, "poll-shrink"),
    PROP_END,
};

static const ObjectType loop_type = {
    .name = "event-loop-base",
    .parent = "object",
    .abstract = true,
};

static const ObjectType iothread_type = {
    .name = "iothread",
    .parent = "event-loop-base",
    .size = sizeof(IoThread),
    .props = iothread_props,
    .user_creatable = true,
    .init = iothread_init,
    .complete = iothread_complete,
    .can_delete = iothread_can_delete,
    .fini = iothread_fini,
};

const ObjectType *const *iothread_object_types(void)
{
    static const ObjectType *const types[] = { &loop_type, &iothread_type,
                                               NULL };

    return types;
}

IoThread *iothread_from_object(Object *obj)
{
    return obj != NULL && obj->type == &iothread_type
               ? OBJECT_CAST(IoThread, obj)
               : NULL;
}

IoThread *iothread_find(Object *root, const char *id, GError **errp)
{
    Object *objects = object_child(root, "objects");
    IoThread *t = objects != NULL
                      ? iothread_from_object(object_child(objects, id))
                      : NULL;

    if (t == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", id);
    }
    return t;
}
