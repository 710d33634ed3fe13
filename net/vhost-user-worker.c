/*
 * vhost-user: the thread that talks to one back end.
 *
 * Jobs are posted under vm_lock and carried out one after another without it.
 * A job that fails ends the connection, and the ones behind it find none; but
 * a stop says where the rings stand in any case: the used index, which is in
 * the guest's memory, tells what the back end has given back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/vhost-user-priv.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include "util/error.h"

enum { USED_IDX_OFFSET = 2 }; /* bytes, in the used ring */

typedef struct VhostJob VhostJob;
struct VhostJob {
    bool (*run)(VhostWorker *w, VhostJob *j, GError **errp);
    bool always; /* also without a connection */
    unsigned connection;
    uint64_t a, b;   /* what the function says */
    int fd, hang_up; /* owned; -1: none */
    VhostTable table;
    VhostRing *rings; /* n of them; their descriptors are owned */
    unsigned n;
    uint8_t mac[6];
    bool on;
};

struct VhostWorker {
    VmOutside outside; /* how others wait for it */
    unsigned refs;     /* atomic */
    VhostWorkerHooks hooks;
    char *name;
    pthread_t thread;

    Lock lock; /* of all up to the next line */
    Cond work, done;
    GQueue jobs;     /* VhostJob */
    unsigned nstops; /* of them, and the one under way */
    bool busy, quit;
    int64_t busy_ns;          /* since when there is something to do */
    unsigned last_connection; /* number that was given out last */
    int live_hang_up;         /* a copy of the present one's; -1: none */
    VhostNews news;
    bool have_news;
    uint16_t bases[VHOST_MAX_RINGS];

    /* The thread's own. */
    VhostConn conn;
    unsigned connection;
    VhostTable table;
    bool table_set, table_told;
    bool rings_out; /* the back end has rings, and has not given them back */
    int log_fd;     /* -1: nothing is logged */
    uint64_t log_bytes;
    uint64_t features;
    VhostRing *rings; /* started, whether there is a connection or not */
    unsigned nrings;
};

/* -------------------------------------------------------------- jobs --- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static int copy_fd(int fd)
{
    return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

static void close_table(VhostTable *t)
{
    for (unsigned i = 0; i < t->n; i++) {
        close_fd(&t->r[i].fd);
    }
    t->n = 0;
}

static void close_rings(VhostRing *rings, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        close_fd(&rings[i].kick);
        close_fd(&rings[i].call);
    }
}

static VhostJob *job_new(bool (*run)(VhostWorker *w, VhostJob *j,
                                     GError **errp))
{
    VhostJob *j = g_new0(VhostJob, 1);

    j->run = run;
    j->fd = j->hang_up = -1;
    return j;
}

static void job_free(VhostJob *j)
{
    close_fd(&j->fd);
    close_fd(&j->hang_up);
    close_table(&j->table);
    close_rings(j->rings, j->n);
    g_free(j->rings);
    g_free(j);
}

static void post_locked(VhostWorker *w, VhostJob *j) REQUIRES(&w->lock)
{
    if (!w->busy && g_queue_is_empty(&w->jobs)) {
        w->busy_ns = clock_monotonic_ns();
    }
    g_queue_push_tail(&w->jobs, j);
    cond_signal(&w->work);
}

static void worker_post(VhostWorker *w, VhostJob *j)
{
    LOCK_GUARD(&w->lock);

    post_locked(w, j);
}

/* ------------------------------------------------------- connection --- */

/*
 * A back end that has rings may go on with them as long as it has not closed
 * its end, whatever is done here.
 */
static void end_connection(VhostWorker *w, const char *why)
{
    if (w->rings_out && vhost_conn_is_open(&w->conn)) {
        w->hooks.stray(w->hooks.opaque, why, vhost_conn_release(&w->conn));
    }
    w->rings_out = false;
    vhost_conn_close(&w->conn);
}

static bool run_connect(VhostWorker *w, VhostJob *j, GError **errp)
{
    bool ok;

    end_connection(w, "another one came");
    w->connection = j->connection;
    if (j->hang_up < 0) {
        error_setf(errp, "no descriptor for the connection");
        return false;
    }
    vhost_conn_open(&w->conn, j->fd, j->hang_up, w->hooks.request_ms);
    j->fd = j->hang_up = -1;
    w->table_told = false;
    ok = vhost_conn_greet(&w->conn, errp);
    if (ok && w->table_set) {
        ok = vhost_conn_set_table(&w->conn, &w->table, errp);
        w->table_told = ok;
    }
    if (ok) {
        LOCK_GUARD(&w->lock);
        g_clear_error(&w->news.err);
        w->news = (VhostNews){ .connection = w->connection,
                               .greeted = true,
                               .features = w->conn.offered,
                               .protocol = w->conn.protocol,
                               .max_queues = w->conn.max_queues };
        w->have_news = true;
    }
    return ok;
}

unsigned vhost_worker_connect(VhostWorker *w, int fd)
{
    VhostJob *j = job_new(run_connect);
    LOCK_GUARD(&w->lock);

    close_fd(&w->live_hang_up);
    j->always = true;
    j->fd = fd;
    j->hang_up = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->live_hang_up = copy_fd(j->hang_up);
    j->connection = ++w->last_connection;
    post_locked(w, j);
    return j->connection;
}

static void hang_up_locked(VhostWorker *w) REQUIRES(&w->lock)
{
    static const uint64_t one = 1;

    if (w->live_hang_up >= 0) {
        (void)!write(w->live_hang_up, &one, sizeof(one));
    }
}

static bool run_close(VhostWorker *w, VhostJob *j, GError **errp)
{
    if (w->connection == j->connection) {
        end_connection(w, "it was disconnected");
    }
    return true;
}

void vhost_worker_hang_up(VhostWorker *w)
{
    VhostJob *j = job_new(run_close);
    LOCK_GUARD(&w->lock);

    hang_up_locked(w); /* what is under way ends at once */
    close_fd(&w->live_hang_up);
    j->always = true;
    j->connection = w->last_connection;
    post_locked(w, j);
}

/* ---------------------------------------------------- memory and log --- */

static bool run_table(VhostWorker *w, VhostJob *j, GError **errp)
{
    close_table(&w->table);
    w->table = j->table;
    j->table.n = 0;
    w->table_set = true;
    w->table_told = false;
    if (!vhost_conn_is_open(&w->conn)) {
        return true;
    }
    w->table_told = vhost_conn_set_table(&w->conn, &w->table, errp);
    return w->table_told;
}

void vhost_worker_set_table(VhostWorker *w, const VhostTable *t)
{
    VhostJob *j = job_new(run_table);

    j->always = true;
    j->table = *t;
    for (unsigned i = 0; i < t->n; i++) {
        j->table.r[i].fd = copy_fd(t->r[i].fd);
    }
    worker_post(w, j);
}

static uint64_t features_to_set(const VhostWorker *w)
{
    uint64_t f = w->features;

    f |= w->conn.offered & UINT64_C(1) << VHOST_FEATURE_PROTOCOL;
    return f | (w->conn.logging ? UINT64_C(1) << VHOST_FEATURE_LOG_ALL : 0);
}

/* The rings that run follow a change of the log. */
static bool tell_logging(VhostWorker *w, GError **errp)
{
    if (w->nrings == 0) {
        return true;
    }
    if (!vhost_conn_set_features(&w->conn, features_to_set(w), errp)) {
        return false;
    }
    for (unsigned i = 0; i < w->nrings; i++) {
        if (!vhost_conn_set_ring_addr(&w->conn, &w->rings[i], errp)) {
            return false;
        }
    }
    return vhost_conn_barrier(&w->conn, errp);
}

static bool log_on(VhostWorker *w, GError **errp)
{
    if (!vhost_conn_set_log(&w->conn, w->log_fd, w->log_bytes, errp)) {
        return false;
    }
    w->conn.logging = true;
    return true;
}

static bool run_log(VhostWorker *w, VhostJob *j, GError **errp)
{
    close_fd(&w->log_fd);
    w->log_fd = j->fd;
    w->log_bytes = j->a;
    j->fd = -1;
    if (!vhost_conn_is_open(&w->conn)) {
        return true;
    }
    w->conn.logging = false;
    if (w->log_fd >= 0 && !log_on(w, errp)) {
        return false;
    }
    return tell_logging(w, errp);
}

void vhost_worker_set_log(VhostWorker *w, int fd, uint64_t bytes)
{
    VhostJob *j = job_new(run_log);

    j->always = true;
    j->fd = copy_fd(fd);
    j->a = bytes;
    worker_post(w, j);
}

/* ------------------------------------------------------------- rings --- */

static void set_base(VhostWorker *w, unsigned index, uint16_t base)
{
    LOCK_GUARD(&w->lock);

    w->bases[index] = base;
}

uint16_t vhost_worker_base(VhostWorker *w, unsigned index)
{
    LOCK_GUARD(&w->lock);

    return w->bases[index];
}

static void drop_rings(VhostWorker *w)
{
    close_rings(w->rings, w->nrings);
    g_clear_pointer(&w->rings, g_free);
    w->nrings = 0;
}

static bool start_device(VhostWorker *w, const VhostJob *j, GError **errp)
{
    /* With a log, nothing may be written before it is told. */
    if (w->log_fd >= 0 && !w->conn.logging && !log_on(w, errp)) {
        return false;
    }
    if (!vhost_conn_set_features(&w->conn, features_to_set(w), errp)) {
        return false;
    }
    if (w->table_set && !w->table_told) {
        w->table_told = vhost_conn_set_table(&w->conn, &w->table, errp);
    }
    return w->table_told &&
           (j->b == 0 || vhost_conn_set_mtu(&w->conn, j->b, errp));
}

static bool run_start(VhostWorker *w, VhostJob *j, GError **errp)
{
    drop_rings(w);
    w->rings = g_steal_pointer(&j->rings);
    w->nrings = j->n;
    w->features = j->a;
    j->n = 0;
    for (unsigned i = 0; j->on && i < w->nrings; i++) {
        w->rings[i].base = vhost_worker_base(w, w->rings[i].index);
    }
    if (!vhost_conn_is_open(&w->conn)) {
        return true;
    }
    if (!start_device(w, j, errp)) {
        return false;
    }
    w->rings_out = true;
    for (unsigned i = 0; i < w->nrings; i++) {
        if (!vhost_conn_start_ring(&w->conn, &w->rings[i], errp)) {
            return false;
        }
    }
    return vhost_conn_set_status(&w->conn, j->mac[0], errp);
}

void vhost_worker_start(VhostWorker *w, uint64_t features, uint8_t status,
                        uint16_t mtu, bool go_on, const VhostRing *rings,
                        unsigned n)
{
    VhostJob *j = job_new(run_start);

    j->always = true;
    j->a = features;
    j->b = mtu;
    j->mac[0] = status;
    j->on = go_on;
    j->n = n;
    j->rings = g_memdup2(rings, n * sizeof(*rings));
    for (unsigned i = 0; i < n; i++) {
        j->rings[i].kick = copy_fd(rings[i].kick);
        j->rings[i].call = copy_fd(rings[i].call);
    }
    worker_post(w, j);
}

/* What the back end has given back; it doesn't hold more. */
static uint16_t used_index(const VhostRing *r)
{
    const uint16_t *idx =
        (const uint16_t *)(uintptr_t)(r->used + USED_IDX_OFFSET);

    return __atomic_load_n(idx, __ATOMIC_ACQUIRE);
}

static bool run_stop(VhostWorker *w, VhostJob *j, GError **errp)
{
    int64_t end = clock_monotonic_ns() + w->hooks.stop_ms * NSEC_PER_MSEC;
    bool ok = true;

    for (unsigned i = 0; i < w->nrings; i++) {
        int64_t left = DIV_ROUND_UP(end - clock_monotonic_ns(), NSEC_PER_MSEC);
        const VhostRing *r = &w->rings[i];
        uint16_t base;

        if (ok && vhost_conn_is_open(&w->conn)) {
            ok = vhost_conn_stop_ring(&w->conn, r->index, MAX(left, 1), &base,
                                      errp);
        }
        if (!ok || !vhost_conn_is_open(&w->conn)) {
            base = used_index(r);
        }
        set_base(w, r->index, base);
    }
    w->rings_out = w->rings_out && !ok; /* all have been given back */
    drop_rings(w);
    __atomic_store_n(&w->outside.answered_ns, clock_monotonic_ns(),
                     __ATOMIC_RELAXED);
    LOCK_GUARD(&w->lock);
    w->nstops--;
    return ok;
}

void vhost_worker_stop(VhostWorker *w)
{
    VhostJob *j = job_new(run_stop);
    LOCK_GUARD(&w->lock);

    j->always = true;
    w->outside.asked_ns = clock_monotonic_ns();
    w->nstops++;
    post_locked(w, j);
}

static VhostRing *find_ring(VhostWorker *w, unsigned index)
{
    for (unsigned i = 0; i < w->nrings; i++) {
        if (w->rings[i].index == index) {
            return &w->rings[i];
        }
    }
    return NULL;
}

static bool run_call(VhostWorker *w, VhostJob *j, GError **errp)
{
    VhostRing *r = find_ring(w, j->a);

    if (r == NULL) {
        return true;
    }
    close_fd(&r->call);
    r->call = j->fd;
    j->fd = -1;
    return vhost_conn_set_call(&w->conn, r->index, r->call, errp);
}

void vhost_worker_set_call(VhostWorker *w, unsigned index, int fd)
{
    VhostJob *j = job_new(run_call);

    j->a = index;
    j->fd = copy_fd(fd);
    worker_post(w, j);
}

static bool run_enable(VhostWorker *w, VhostJob *j, GError **errp)
{
    VhostRing *r = find_ring(w, j->a);

    if (r == NULL || r->on == j->on) {
        return true;
    }
    r->on = j->on;
    return vhost_conn_enable_ring(&w->conn, r->index, r->on, errp);
}

void vhost_worker_enable(VhostWorker *w, unsigned index, bool on)
{
    VhostJob *j = job_new(run_enable);

    j->a = index;
    j->on = on;
    worker_post(w, j);
}

static bool run_status(VhostWorker *w, VhostJob *j, GError **errp)
{
    return vhost_conn_set_status(&w->conn, j->a, errp);
}

void vhost_worker_set_status(VhostWorker *w, uint8_t status)
{
    VhostJob *j = job_new(run_status);

    j->a = status;
    worker_post(w, j);
}

static bool run_rarp(VhostWorker *w, VhostJob *j, GError **errp)
{
    return vhost_conn_send_rarp(&w->conn, j->mac, errp);
}

void vhost_worker_send_rarp(VhostWorker *w, const uint8_t mac[6])
{
    VhostJob *j = job_new(run_rarp);

    memcpy(j->mac, mac, sizeof(j->mac));
    worker_post(w, j);
}

/* ------------------------------------------------------------ thread --- */

/* The connection is lost; what waits behind the job finds none. */
static void lose_connection(VhostWorker *w, GError *err)
{
    end_connection(w, err->message);
    LOCK_GUARD(&w->lock);
    g_clear_error(&w->news.err);
    w->news = (VhostNews){ .connection = w->connection, .err = err };
    w->have_news = true;
}

static void run_job(VhostWorker *w, VhostJob *j)
{
    GError *err = NULL;

    if ((j->always || vhost_conn_is_open(&w->conn)) && !j->run(w, j, &err)) {
        lose_connection(w, err);
    }
    job_free(j);
}

static VhostJob *next_job(VhostWorker *w)
{
    LOCK_GUARD(&w->lock);

    w->busy = false;
    if (g_queue_is_empty(&w->jobs)) {
        cond_broadcast(&w->done);
    }
    while (g_queue_is_empty(&w->jobs) && !w->quit) {
        cond_wait(&w->work, &w->lock);
    }
    w->busy = !w->quit;
    return w->quit ? NULL : g_queue_pop_head(&w->jobs);
}

static bool news_wait(VhostWorker *w)
{
    LOCK_GUARD(&w->lock);

    return w->have_news;
}

static void *worker_run(void *opaque)
{
    VhostWorker *w = opaque;
    VhostJob *j;

    while ((j = next_job(w)) != NULL) {
        run_job(w, j);
        if (news_wait(w)) {
            w->hooks.tell(w->hooks.opaque);
        }
    }
    end_connection(w, "its netdev was removed");
    return NULL;
}

bool vhost_worker_busy(VhostWorker *w)
{
    LOCK_GUARD(&w->lock);

    return w->busy || !g_queue_is_empty(&w->jobs);
}

/*
 * Each request has its deadline, and there may be several: all of them have
 * one, too.  Past it the connection is shut, so that the rest fails at once.
 * Who began to wait for what has been done since, a vCPU that was paused, has
 * no less patience with what came then.
 */
void vhost_worker_wait(VhostWorker *w, int64_t since_ns)
{
    vm_lock_check_wait("a vhost-user back end");
    LOCK_GUARD(&w->lock);
    while (!w->quit && (w->busy || !g_queue_is_empty(&w->jobs))) {
        unsigned ms = w->nstops > 0 ? w->hooks.stop_ms : w->hooks.request_ms;
        int64_t end = MAX(since_ns, w->busy_ns) + ms * NSEC_PER_MSEC;

        if (clock_monotonic_ns() < end) {
            cond_wait_until(&w->done, &w->lock, end);
        } else {
            hang_up_locked(w);
            cond_wait(&w->done, &w->lock);
        }
    }
}

bool vhost_worker_news(VhostWorker *w, VhostNews *ret)
{
    LOCK_GUARD(&w->lock);

    if (!w->have_news) {
        return false;
    }
    *ret = w->news;
    w->news.err = NULL;
    w->have_news = false;
    return true;
}

/* -------------------------------------------------------------- life --- */

static void outside_ref(VmOutside *o)
{
    vhost_worker_ref(container_of(o, VhostWorker, outside));
}

static void outside_unref(VmOutside *o)
{
    vhost_worker_unref(container_of(o, VhostWorker, outside));
}

static bool outside_busy(VmOutside *o)
{
    return vhost_worker_busy(container_of(o, VhostWorker, outside));
}

static void outside_wait(VmOutside *o, int64_t since_ns)
{
    vhost_worker_wait(container_of(o, VhostWorker, outside), since_ns);
}

static void outside_settled(VmOutside *o)
{
    VhostWorker *w = container_of(o, VhostWorker, outside);

    w->hooks.settled(w->hooks.opaque);
}

static const VmOutsideOps outside_ops = {
    .ref = outside_ref,
    .unref = outside_unref,
    .busy = outside_busy,
    .wait = outside_wait,
    .settled = outside_settled,
};

VmOutside *vhost_worker_outside(VhostWorker *w)
{
    return &w->outside;
}

VhostWorker *vhost_worker_new(const VhostWorkerHooks *hooks, GError **errp)
{
    VhostWorker *w = g_new0(VhostWorker, 1);
    g_autofree char *thread_name = g_strdup_printf("vhost-%.9s", hooks->name);
    int err;

    w->refs = 1;
    w->hooks = *hooks;
    w->outside.ops = &outside_ops;
    w->outside.name = w->name = g_strdup(hooks->name);
    w->live_hang_up = w->log_fd = w->conn.fd = -1;
    lock_init(&w->lock);
    cond_init(&w->work);
    cond_init(&w->done);
    err = pthread_create(&w->thread, NULL, worker_run, w);
    if (err != 0) {
        error_setf_errno(errp, err, "vhost-user: no thread for '%s'",
                         hooks->name);
        vhost_worker_unref(w);
        return NULL;
    }
    pthread_setname_np(w->thread, thread_name);
    return w;
}

void vhost_worker_quit(VhostWorker *w)
{
    vhost_worker_hang_up(w);
    lock_acquire(&w->lock);
    w->quit = true;
    cond_broadcast(&w->work);
    cond_broadcast(&w->done);
    lock_release(&w->lock);
    pthread_join(w->thread, NULL);
}

void vhost_worker_ref(VhostWorker *w)
{
    __atomic_fetch_add(&w->refs, 1, __ATOMIC_RELAXED);
}

void vhost_worker_unref(VhostWorker *w)
{
    VhostJob *j;

    if (__atomic_sub_fetch(&w->refs, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    while ((j = g_queue_pop_head(&w->jobs)) != NULL) {
        job_free(j);
    }
    drop_rings(w);
    close_table(&w->table);
    close_fd(&w->log_fd);
    close_fd(&w->live_hang_up);
    g_clear_error(&w->news.err);
    lock_fini(&w->lock);
    cond_fini(&w->work);
    cond_fini(&w->done);
    g_free(w->name);
    g_free(w);
}
