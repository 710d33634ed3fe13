/*
 * Requests that wait for limits of I/O: groups, their members, whose turn it
 * is.
 *
 * Members take turns, request by request, in each direction.  A member's
 * source, in the thread of its back end, wakes it when it is its turn and the
 * buckets have room.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"
#include "util/error.h"

/* Those of a member that wait, of one direction. */
typedef struct ThrottleQueue {
    ThrottleMember *member;
    bool write;
    GQueue reqs;     /* BlockReq.throttle_link; the member's thread */
    GList turn_link; /* in ThrottleGroup.turns while there are any; its lock */
} ThrottleQueue;

struct ThrottleMember {
    BlockBackend *backend;
    ThrottleGroup *group;   /* NULL: all may pass; changed in its thread */
    ThrottleQueue queue[2]; /* reads, writes */
    GSource *source;        /* in its thread; NULL: nothing has waited yet */
};

struct ThrottleGroup {
    BlockBackends *all; /* NULL: not found by name any more; vm_lock */
    GList link;         /* in all->throttle_groups */
    char *name;
    unsigned refs; /* vm_lock */
    bool by_object;
    Lock lock;
    IoLimits limits;         /* `lock` */
    ThrottleBuckets buckets; /* `lock` */
    GQueue turns;            /* ThrottleQueue.turn_link; `lock` */
};

/* Groups */

ThrottleGroup *throttle_group_find(BlockBackends *bs, const char *name)
{
    for (GList *l = bs->throttle_groups.head; l != NULL; l = l->next) {
        ThrottleGroup *g = container_of(l, ThrottleGroup, link);

        if (g_str_equal(g->name, name)) {
            return g;
        }
    }
    return NULL;
}

ThrottleGroup *throttle_group_new(BlockBackends *bs, const char *name,
                                  bool by_object)
{
    ThrottleGroup *g = g_new0(ThrottleGroup, 1);

    g->all = bs;
    g->name = g_strdup(name);
    g->refs = 1;
    g->by_object = by_object;
    g->limits = (IoLimits)IO_NO_LIMITS;
    g->buckets.leaked_ns = clock_monotonic_ns();
    lock_init(&g->lock);
    g_queue_init(&g->turns);
    if (bs != NULL) {
        g_queue_push_tail_link(&bs->throttle_groups, &g->link);
    }
    return g;
}

ThrottleGroup *throttle_group_ref(ThrottleGroup *g)
{
    g->refs++;
    return g;
}

void throttle_group_unref(ThrottleGroup *g)
{
    if (g == NULL || --g->refs > 0) {
        return;
    }
    if (g->all != NULL) {
        g_queue_unlink(&g->all->throttle_groups, &g->link);
    }
    lock_fini(&g->lock);
    g_free(g->name);
    g_free(g);
}

bool throttle_group_is_used(const ThrottleGroup *g)
{
    return g->refs > 1;
}

bool throttle_group_is_object(const ThrottleGroup *g)
{
    return g->by_object;
}

const char *throttle_group_name(const ThrottleGroup *g)
{
    return g->name;
}

void throttle_groups_forget(BlockBackends *bs)
{
    GList *l;

    while ((l = g_queue_pop_head_link(&bs->throttle_groups)) != NULL) {
        container_of(l, ThrottleGroup, link)->all = NULL;
    }
}

/* Turns */

/* When that member is to look again; it may be in another thread. */
static void wake_at(const ThrottleQueue *q, int64_t now, int64_t wait_ns)
{
    int64_t us = wait_ns == 0 ? 0 : (now + wait_ns) / 1000 + 1;

    g_source_set_ready_time(q->member->source, us);
}

/*
 * The queue that is to begin a request now.  NULL: none; then the first one of
 * each direction is woken in time.
 */
static ThrottleQueue *group_next_locked(ThrottleGroup *g) REQUIRES(&g->lock)
{
    int64_t now = clock_monotonic_ns(), wait[2];
    bool seen[2] = { false, false };

    for (unsigned w = 0; w < 2; w++) {
        wait[w] = throttle_buckets_wait(&g->buckets, &g->limits, w, now);
    }
    for (GList *l = g->turns.head; l != NULL; l = l->next) {
        ThrottleQueue *q = container_of(l, ThrottleQueue, turn_link);

        if (wait[q->write] == 0) {
            return q;
        }
        if (!seen[q->write]) {
            seen[q->write] = true;
            wake_at(q, now, wait[q->write]);
        }
    }
    return NULL;
}

/* Whoever is to go on now does, in his own thread. */
static void group_wake_locked(ThrottleGroup *g) REQUIRES(&g->lock)
{
    const ThrottleQueue *q = group_next_locked(g);

    if (q != NULL) {
        wake_at(q, 0, 0);
    }
}

void throttle_group_get(ThrottleGroup *g, IoLimits *ret)
{
    LOCK_GUARD(&g->lock);
    *ret = g->limits;
}

void throttle_group_set(ThrottleGroup *g, const IoLimits *l)
{
    LOCK_GUARD(&g->lock);
    g->limits = *l;
    g->buckets = (ThrottleBuckets){ .leaked_ns = clock_monotonic_ns() };
    group_wake_locked(g);
}

/* Members */

static gboolean member_dispatch(GSource *source, GSourceFunc fn,
                                gpointer opaque);

static GSourceFuncs member_funcs = { .dispatch = member_dispatch };

/* In the member's thread, where it stays. */
static void member_need_source(ThrottleMember *m)
{
    const BlockAio *aio = block_aio_of(m->backend);

    if (m->source != NULL) {
        return;
    }
    m->source = g_source_new(&member_funcs, sizeof(GSource));
    g_source_set_static_name(m->source, "throttle");
    g_source_set_callback(m->source, NULL, m, NULL);
    g_source_set_ready_time(m->source, -1);
    g_source_attach(m->source,
                    aio->thread != NULL ? iothread_context(aio->thread) : NULL);
}

static void member_drop_source(ThrottleMember *m)
{
    if (m->source != NULL) {
        g_source_destroy(m->source);
        g_clear_pointer(&m->source, g_source_unref);
    }
}

static ThrottleMember *member_new(BlockBackend *b)
{
    ThrottleMember *m = g_new0(ThrottleMember, 1);

    m->backend = b;
    for (unsigned w = 0; w < 2; w++) {
        m->queue[w].member = m;
        m->queue[w].write = w;
        g_queue_init(&m->queue[w].reqs);
    }
    return m;
}

/* It waits for nothing, or is in no group. */
static void queue_leave_locked(ThrottleQueue *q, ThrottleGroup *g)
    REQUIRES(&g->lock)
{
    if (q->turn_link.data != NULL) {
        g_queue_unlink(&g->turns, &q->turn_link);
        q->turn_link.data = NULL;
    }
}

static void queue_enter_locked(ThrottleQueue *q, ThrottleGroup *g)
    REQUIRES(&g->lock)
{
    if (q->turn_link.data == NULL && !g_queue_is_empty(&q->reqs)) {
        q->turn_link.data = q;
        g_queue_push_tail_link(&g->turns, &q->turn_link);
    }
}

/* The first one of the queue waits no longer. */
static BlockReq *queue_pop(ThrottleQueue *q)
{
    GList *l = g_queue_pop_head_link(&q->reqs);
    BlockReq *r = l != NULL ? container_of(l, BlockReq, throttle_link) : NULL;

    if (r != NULL) {
        r->throttle_queue = NULL;
    }
    return r;
}

/* Of this member's the next that may begin; NULL: none now. */
static BlockReq *member_take(ThrottleMember *m)
{
    ThrottleGroup *g = m->group;
    ThrottleQueue *q;
    BlockReq *r;

    LOCK_GUARD(&g->lock);
    q = group_next_locked(g);
    if (q == NULL) {
        return NULL;
    }
    if (q->member != m) {
        wake_at(q, 0, 0);
        return NULL;
    }
    queue_leave_locked(q, g);
    r = queue_pop(q);
    queue_enter_locked(q, g); /* behind all others */
    throttle_buckets_add(&g->buckets, &g->limits, q->write, r->req_len);
    return r;
}

/* It is through this gate. */
static void req_go_on(BlockReq *r)
{
    if (block_throttle_admit(r)) {
        block_throttle_passed(r);
    }
}

static gboolean member_dispatch(GSource *source, GSourceFunc fn,
                                gpointer opaque)
{
    ThrottleMember *m = opaque;
    BlockReq *r;

    g_source_set_ready_time(source, -1);
    while (m->group != NULL && (r = member_take(m)) != NULL) {
        req_go_on(r);
    }
    return G_SOURCE_CONTINUE;
}

/* Requests */

static bool req_writes(const BlockReq *r)
{
    return r->op == BLOCK_WRITE || r->op == BLOCK_WRITE_ZEROES;
}

/* May a request of that direction begin, and not overtake another one? */
static bool group_is_open_locked(ThrottleGroup *g, bool write)
    REQUIRES(&g->lock)
{
    for (GList *l = g->turns.head; l != NULL; l = l->next) {
        if (container_of(l, ThrottleQueue, turn_link)->write == write) {
            return false;
        }
    }
    return group_next_locked(g) == NULL &&
           throttle_buckets_wait(&g->buckets, &g->limits, write,
                                 clock_monotonic_ns()) == 0;
}

/* False: it waits there. */
static bool member_admit(ThrottleMember *m, BlockReq *r)
{
    ThrottleGroup *g = m->group;
    bool write = req_writes(r);
    ThrottleQueue *q = &m->queue[write];

    LOCK_GUARD(&g->lock);
    if (group_is_open_locked(g, write)) {
        throttle_buckets_add(&g->buckets, &g->limits, write, r->req_len);
        return true;
    }
    member_need_source(m);
    r->throttle_queue = q;
    g_queue_push_tail_link(&q->reqs, &r->throttle_link);
    queue_enter_locked(q, g);
    group_wake_locked(g);
    return false;
}

bool block_throttle_admit(BlockReq *r)
{
    const GPtrArray *gates = r->backend->throttles;

    if (gates == NULL || (r->op != BLOCK_READ && !req_writes(r)) ||
        __atomic_load_n(&r->backend->all->draining, __ATOMIC_RELAXED)) {
        return true;
    }
    while (r->throttle_gate < gates->len) {
        ThrottleMember *m = gates->pdata[r->throttle_gate++];

        if (m->group != NULL && !member_admit(m, r)) {
            return false;
        }
    }
    return true;
}

void block_throttle_forget(BlockReq *r)
{
    ThrottleQueue *q = g_steal_pointer(&r->throttle_queue);
    ThrottleGroup *g;

    if (q == NULL) {
        return;
    }
    g = q->member->group;
    g_queue_unlink(&q->reqs, &r->throttle_link);
    LOCK_GUARD(&g->lock);
    if (g_queue_is_empty(&q->reqs)) {
        queue_leave_locked(q, g);
    }
    group_wake_locked(g);
}

/* All of the queue's; what comes later pays for it. */
static void queue_release(ThrottleQueue *q)
{
    ThrottleGroup *g = q->member->group;
    uint64_t bytes;
    BlockReq *r;

    while ((r = queue_pop(q)) != NULL) {
        bytes = r->req_len;
        block_throttle_passed(r);
        LOCK_GUARD(&g->lock);
        throttle_buckets_add(&g->buckets, &g->limits, q->write, bytes);
    }
    LOCK_GUARD(&g->lock);
    queue_leave_locked(q, g);
    group_wake_locked(g);
}

void block_throttle_release(BlockBackend *b)
{
    for (guint i = 0; b->throttles != NULL && i < b->throttles->len; i++) {
        ThrottleMember *m = b->throttles->pdata[i];

        for (unsigned w = 0; m->group != NULL && w < 2; w++) {
            queue_release(&m->queue[w]);
        }
    }
}

/* Back ends */

/* In its thread: what waits there goes on, or waits in another group. */
static void member_move(ThrottleMember *m, ThrottleGroup *to)
{
    for (unsigned w = 0; m->group != NULL && w < 2; w++) {
        ThrottleGroup *g = m->group;

        LOCK_GUARD(&g->lock);
        queue_leave_locked(&m->queue[w], g);
        group_wake_locked(g);
    }
    m->group = to;
    for (unsigned w = 0; w < 2; w++) {
        BlockReq *r;

        if (to != NULL) {
            LOCK_GUARD(&to->lock);
            queue_enter_locked(&m->queue[w], to);
            group_wake_locked(to);
            continue;
        }
        while ((r = queue_pop(&m->queue[w])) != NULL) {
            req_go_on(r);
        }
    }
}

typedef struct ThrottleCall {
    BlockBackend *b;
    ThrottleGroup *to;
} ThrottleCall;

static void move_now(void *opaque)
{
    const ThrottleCall *c = opaque;

    if (c->b->throttles == NULL) {
        c->b->throttles = g_ptr_array_new();
        g_ptr_array_add(c->b->throttles, member_new(c->b));
    }
    member_move(c->b->throttles->pdata[0], c->to);
}

/* The group of its own limits; NULL: none. */
static ThrottleGroup *backend_group(const BlockBackend *b)
{
    return b->throttles != NULL
               ? ((const ThrottleMember *)b->throttles->pdata[0])->group
               : NULL;
}

/* `to`: a reference that is taken over. */
static void backend_join(BlockBackend *b, ThrottleGroup *to)
{
    ThrottleGroup *from = backend_group(b);
    ThrottleCall call = { .b = b, .to = to };

    if (from != to) {
        block_aio_run(block_aio_of(b), move_now, &call);
    }
    throttle_group_unref(from);
}

bool block_set_throttle(BlockBackend *b, const char *group, const char *name,
                        const IoLimits *l, GError **errp)
{
    ThrottleGroup *g = backend_group(b);

    if (!io_limits_check(l, errp)) {
        return false;
    }
    if (!io_limits_any(l)) {
        backend_join(b, NULL);
        return true;
    }
    if (g != NULL && (group == NULL || g_str_equal(group, g->name))) {
        throttle_group_set(g, l);
        return true;
    }
    name = group != NULL ? group : name;
    g = throttle_group_find(b->all, name);
    g = g != NULL ? throttle_group_ref(g)
                  : throttle_group_new(b->all, name, false);
    throttle_group_set(g, l);
    backend_join(b, g);
    return true;
}

bool block_get_throttle(const BlockBackend *b, IoLimits *ret,
                        const char **ret_group)
{
    ThrottleGroup *g = backend_group(b);

    if (g == NULL) {
        return false;
    }
    throttle_group_get(g, ret);
    *ret_group = g->name;
    return true;
}

static void member_free(ThrottleMember *m)
{
    member_drop_source(m);
    throttle_group_unref(m->group);
    g_free(m);
}

/* In its thread: the gates of its nodes, after its own. */
static void follow_now(void *opaque)
{
    BlockBackend *b = opaque;

    while (b->throttles != NULL && b->throttles->len > 1) {
        member_free(g_ptr_array_remove_index(b->throttles, 1));
    }
    for (BlockNode *n = throttle_node_in(b->root); n != NULL;
         n = throttle_node_in(n->file)) {
        ThrottleMember *m = member_new(b);

        if (b->throttles == NULL) {
            b->throttles = g_ptr_array_new();
            g_ptr_array_add(b->throttles, member_new(b));
        }
        m->group = throttle_group_ref(throttle_node_group(n));
        g_ptr_array_add(b->throttles, m);
    }
}

void block_throttle_follow(BlockBackend *b)
{
    if (b->throttles != NULL || throttle_node_in(b->root) != NULL) {
        block_aio_run(block_aio_of(b), follow_now, b);
    }
}

static void stop_now(void *opaque)
{
    const BlockBackend *b = opaque;

    for (guint i = 0; i < b->throttles->len; i++) {
        member_drop_source(b->throttles->pdata[i]);
    }
}

void block_throttle_stop(BlockBackend *b)
{
    if (b->throttles != NULL) {
        block_aio_run(block_aio_of(b), stop_now, b);
    }
}

void block_throttle_free(BlockBackend *b)
{
    block_throttle_stop(b);
    while (b->throttles != NULL && b->throttles->len > 0) {
        member_free(g_ptr_array_remove_index(b->throttles, 0));
    }
    g_clear_pointer(&b->throttles, g_ptr_array_unref);
}
