/*
 * The migration object: states, settings, start and cancel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/dirty-rate.h"
#include "migration/migration-priv.h"
#include "migration/multifd-send.h"
#include "migration/postcopy-times.h"
#include "migration/states.h"
#include "migration/tls.h"

#include "io/socket.h"
#include "system/ramblock-lost.h"
#include "util/cutils.h"
#include "util/error.h"
#include "util/log.h"

static const MigWaits default_waits = {
    .answer_ns = 5 * NS_PER_S,
    .silence_ns = 30 * NS_PER_S,
    .channels_ns = 10 * NS_PER_S,
    .pristine_ns = 1 * NS_PER_S,
    .way_back_ns = 10 * NS_PER_S,
    .mark_ns = 1 * NS_PER_S,
    .last_word_ns = 10 * NS_PER_S,
    .why_ns = 100 * NS_PER_MS,
    .abort_ns = 250 * NS_PER_MS,
    .cancel_ms = 250,
};

Migration *migration_new(Vm *vm, const MigrationHooks *hooks)
{
    Migration *m = g_new0(Migration, 1);

    m->vm = vm;
    m->hooks = hooks;
    m->caps = mig_caps_default();
    m->fd = -1;
    m->waits = default_waits;
    lock_init(&m->lock);
    cond_init(&m->cond);
    mig_params_init(&m->params);
    m->state = engine_state_new(vm);
    m->dirty_rate = dirty_rate_new(vm, hooks);
    return m;
}

NO_TSA void mig_thread_join(Thread *thread)
{
    bool held = vm_lock_held();

    if (held) {
        vm_lock_release();
    }
    thread_join(thread);
    if (held) {
        vm_lock_acquire();
    }
}

static void drop_fd(Migration *m)
{
    if (m->fd >= 0) {
        close(m->fd);
        m->fd = -1;
    }
}

static void join_source(Migration *m)
{
    if (!m->thread_made) {
        return;
    }
    mig_thread_join(&m->thread);
    m->thread_made = false;
    __atomic_store_n(&m->thread_ended, false, __ATOMIC_RELAXED);
    mig_params_fini(&m->cfg.params);
    mig_tls_forget(m);
    g_clear_pointer(&m->uri, io_uri_free);
    g_clear_pointer(&m->resume_uri, io_uri_free);
    g_clear_pointer(&m->resume_tls, tls_creds_unref);
    g_clear_pointer(&m->resume_hostname, g_free);
    g_clear_pointer(&m->cancel, io_cancel_unref);
    g_clear_handle_id(&m->cancel_timer, g_source_remove);
    g_clear_handle_id(&m->join_idle, g_source_remove);
    drop_fd(m);
}

static void shut_channel(Migration *m)
{
    LOCK_GUARD(&m->lock);

    if (m->ch != NULL) {
        io_channel_shutdown(m->ch, IO_SHUTDOWN_BOTH);
    }
    if (m->multifd != NULL) {
        multifd_send_shutdown(m->multifd);
    }
}

/*
 * The program ends: the thread may say its last words, and is then left
 * without a channel, whatever it waits for.
 */
NO_TSA static void stop_source(Migration *m)
{
    int64_t until = clock_monotonic_ns() + m->waits.cancel_ms * NS_PER_MS;
    bool held = vm_lock_held();

    if (!m->thread_made) {
        return;
    }
    migration_cancel(m);
    if (held) {
        vm_lock_release();
    }
    lock_acquire(&m->lock);
    m->quits = true;
    cond_broadcast(&m->cond);
    io_cancel_trigger(m->cancel); /* a postcopy may be connecting again */
    while (!__atomic_load_n(&m->thread_ended, __ATOMIC_ACQUIRE) &&
           cond_wait_until(&m->cond, &m->lock, until)) {
    }
    lock_release(&m->lock);
    shut_channel(m);
    if (held) {
        vm_lock_acquire();
    }
}

void migration_free(Migration *m)
{
    if (m == NULL) {
        return;
    }
    stop_source(m);
    mig_incoming_stop(m);
    join_source(m);
    mig_incoming_join(m);
    mig_tls_forget(m);
    engine_state_free(m->state);
    dirty_rate_free(m->dirty_rate);
    mig_params_fini(&m->params);
    g_free(m->error_desc);
    backend_answer_list_free(m->answers);
    postcopy_times_free(m->times);
    cond_fini(&m->cond);
    lock_fini(&m->lock);
    g_free(m);
}

void mig_set_status(Migration *m, MigrationStatus status)
{
    MigrationStatus old;
    bool may;

    lock_acquire(&m->lock);
    old = m->status;
    may = mig_status_may_follow(old, status);
    if (may) {
        m->status = status;
    }
    lock_release(&m->lock);
    if (!may) {
        /* A thread may not have seen yet that it is cancelled. */
        if (old != status && old != MIGRATION_STATUS_CANCELLING) {
            log_error("invalid migration status: '%s' -> '%s'",
                      migration_status_str(old), migration_status_str(status));
        }
        return;
    }
    if (mig_caps_has(m->caps, MIGRATION_CAPABILITY_EVENTS)) {
        m->hooks->event_status(m->vm, status);
    }
}

void mig_set_error(Migration *m, GError *err)
{
    LOCK_GUARD(&m->lock);

    if (err != NULL && m->error_desc == NULL) {
        m->error_desc = g_strdup(err->message);
        log_error("%s", err->message);
    }
    g_clear_error(&err);
}

bool mig_cancel_asked(Migration *m)
{
    LOCK_GUARD(&m->lock);

    return m->cancel_asked;
}

uint64_t mig_max_bandwidth(Migration *m)
{
    LOCK_GUARD(&m->lock);

    return m->params.max_bandwidth;
}

ThrottleParams mig_throttle_params(Migration *m)
{
    LOCK_GUARD(&m->lock);

    return (ThrottleParams){
        .threshold = m->params.throttle_trigger_threshold,
        .initial = m->params.cpu_throttle_initial,
        .increment = m->params.cpu_throttle_increment,
        .max = m->params.max_cpu_throttle,
        .tailslow = m->params.cpu_throttle_tailslow,
    };
}

int64_t mig_downtime_limit_ns(Migration *m)
{
    LOCK_GUARD(&m->lock);

    return m->params.downtime_limit * NS_PER_MS;
}

MigrationStatus migration_status(Migration *m)
{
    LOCK_GUARD(&m->lock);

    return m->status;
}

bool migration_is_idle(Migration *m)
{
    return !mig_status_busy(migration_status(m));
}

static gboolean join_when_idle(gpointer opaque)
{
    Migration *m = opaque;

    lock_acquire(&m->lock); /* its id has been stored by now */
    m->join_idle = 0;
    lock_release(&m->lock);
    /* Whoever was faster may have started the next one already. */
    if (__atomic_load_n(&m->thread_ended, __ATOMIC_ACQUIRE)) {
        join_source(m);
    }
    return G_SOURCE_REMOVE;
}

void mig_thread_done(Migration *m)
{
    lock_acquire(&m->lock);
    __atomic_store_n(&m->thread_ended, true, __ATOMIC_RELEASE);
    cond_broadcast(&m->cond);
    m->join_idle = g_idle_add_full(G_PRIORITY_HIGH, join_when_idle, m, NULL);
    lock_release(&m->lock);
}

/*
 * Memory that isn't a file's is nobody's but this program's: left out, it
 * would be lost.
 */
static bool check_shared(Migration *m, GError **errp)
{
    RamBlock *rb;
    RCU_READ_GUARD();

    if (!mig_caps_has(m->caps, MIGRATION_CAPABILITY_X_IGNORE_SHARED)) {
        return true;
    }
    RAM_BLOCK_FOREACH(rb, &m->vm->mem.ram)
    {
        if (rb->migratable && rb->shared && rb->backing != RAM_FILE) {
            error_setf(errp,
                       "x-ignore-shared: RAM block '%s' is shared, but has no "
                       "file that another program could have: it would be "
                       "lost",
                       rb->name);
            return false;
        }
    }
    return true;
}

/* May this VM be migrated at all, now? */
static bool check_start(Migration *m, GError **errp)
{
    g_autofree char *why = vmstate_blocked_reason(m->vm->vmstates);
    MigrationStatus st = migration_status(m);

    if (mig_status_busy(st)) {
        error_setf(errp, "There's a migration process in progress");
        return false;
    }
    if (runstate_get(m->vm) == RUN_STATE_INMIGRATE) {
        error_setf(errp, "Guest is waiting for an incoming migration");
        return false;
    }
    if (runstate_get(m->vm) == RUN_STATE_POSTMIGRATE) {
        error_setf(errp, "Can't migrate the vm that was paused due to "
                         "previous migration");
        return false;
    }
    if (vm_busy(m->vm) != NULL) {
        error_setf(errp, "Can't migrate now: %s", vm_busy(m->vm));
        return false;
    }
    if (m->snapshot) {
        error_setf(errp, "Can't migrate now: there is a snapshot in process");
        return false;
    }
    if (why != NULL) {
        error_setf(errp, "%s", why);
        return false;
    }
    return ram_lost_check(&m->vm->mem.ram, errp);
}

/* Files and sockets that the URI names only for this side. */
static bool check_uri(Migration *m, const IoUri *uri, GError **errp)
{
    bool fd = uri->type == IO_URI_SOCKET && uri->addr->type == IO_ADDRESS_FD;

    if ((uri->type != IO_URI_SOCKET || fd) &&
        mig_caps_has(m->caps, MIGRATION_CAPABILITY_MULTIFD)) {
        g_autofree char *to = io_uri_to_string(uri);

        error_setf(errp,
                   "%s: capability 'multifd' needs a destination that takes "
                   "several connections: tcp:, unix: or vsock:",
                   to);
        return false;
    }
    if (!fd) {
        return true;
    }
    m->fd = m->hooks->take_fd(m->vm, uri->addr->u.fd.str, errp);
    return m->fd >= 0;
}

static void reset_for_start(Migration *m)
{
    LOCK_GUARD(&m->lock);

    g_clear_pointer(&m->error_desc, g_free);
    m->cancel_asked = false;
    m->committed = false;
    m->start_postcopy = false;
    m->resuming = false;
    m->closing = false;
    memset(&m->show, 0, sizeof(m->show));
    g_clear_pointer(&m->answers, backend_answer_list_free);
    m->show.start_ns = clock_monotonic_ns();
    m->cfg.caps = m->caps;
    mig_params_copy(&m->cfg.params, &m->params);
}

/* What was taken for a migration that doesn't begin. */
static bool start_refused(Migration *m)
{
    drop_fd(m);
    mig_tls_forget(m);
    return false;
}

bool migration_start(Migration *m, const char *uri, GError **errp)
{
    g_autoptr(IoUri) parsed = NULL;

    if (!check_start(m, errp) || !check_shared(m, errp) ||
        !io_uri_parse(uri, &parsed, errp)) {
        return false;
    }
    /* First: it closes what the one before has left, a descriptor too. */
    join_source(m);
    if (!mig_tls_choose(m, parsed, false, errp) ||
        !check_uri(m, parsed, errp)) {
        return start_refused(m);
    }
    g_clear_pointer(&m->cancel, io_cancel_unref);
    m->cancel = io_cancel_new(errp);
    if (m->cancel == NULL) {
        return start_refused(m);
    }
    reset_for_start(m);
    m->uri = g_steal_pointer(&parsed);
    mig_set_status(m, MIGRATION_STATUS_SETUP);
    if (!thread_create(&m->thread, "mig-src", mig_source_thread, m, errp)) {
        mig_set_status(m, MIGRATION_STATUS_FAILED);
        return start_refused(m);
    }
    m->thread_made = true;
    return true;
}

/* What was being written when it was cancelled has had its time. */
static gboolean cancel_overdue(gpointer opaque)
{
    Migration *m = opaque;

    m->cancel_timer = 0;
    shut_channel(m);
    return G_SOURCE_REMOVE;
}

/* Asks the thread; true if there is one, and it isn't too late. */
static bool ask_cancel(Migration *m)
{
    LOCK_GUARD(&m->lock);

    if (!mig_status_busy(m->status) || !m->thread_made || m->committed) {
        return false;
    }
    m->cancel_asked = true;
    cond_broadcast(&m->cond);
    return true;
}

void migration_cancel(Migration *m)
{
    if (!ask_cancel(m)) {
        bool closing;

        lock_acquire(&m->lock);
        closing = m->closing;
        lock_release(&m->lock);
        if (closing) {
            shut_channel(m); /* the guest is given, but who waits is freed */
        }
        return;
    }
    io_cancel_trigger(m->cancel);
    mig_set_status(m, MIGRATION_STATUS_CANCELLING);
    if (m->cancel_timer == 0) {
        m->cancel_timer = g_timeout_add(m->waits.cancel_ms, cancel_overdue, m);
    }
}

bool migration_continue(Migration *m, MigrationStatus state, GError **errp)
{
    LOCK_GUARD(&m->lock);

    if (m->status != state || state != MIGRATION_STATUS_PRE_SWITCHOVER) {
        error_setf(errp, "Migration not in expected state: %s",
                   migration_status_str(m->status));
        return false;
    }
    m->go_on = true;
    cond_broadcast(&m->cond);
    return true;
}

bool migration_start_postcopy(Migration *m, GError **errp)
{
    LOCK_GUARD(&m->lock);

    if (!mig_caps_has(m->caps, MIGRATION_CAPABILITY_POSTCOPY_RAM)) {
        error_setf(errp, "Enable postcopy with migrate_set_capability before "
                         "the start of migration");
        return false;
    }
    if (!m->thread_made && m->status != MIGRATION_STATUS_COMPLETED &&
        m->status != MIGRATION_STATUS_FAILED &&
        m->status != MIGRATION_STATUS_CANCELLED) {
        error_setf(errp, "Postcopy must be started after migration has been "
                         "started");
        return false;
    }
    m->start_postcopy = true;
    cond_broadcast(&m->cond);
    return true;
}

bool migration_pause(Migration *m, GError **errp)
{
    IoChannel *ch;
    LOCK_GUARD(&m->lock);

    ch = m->thread_made ? m->ch : m->load_ch;
    if ((m->status != MIGRATION_STATUS_POSTCOPY_ACTIVE &&
         m->status != MIGRATION_STATUS_POSTCOPY_RECOVER) ||
        ch == NULL) {
        error_setf(errp, "migrate-pause is currently only supported during "
                         "postcopy-active state");
        return false;
    }
    io_channel_shutdown(ch, IO_SHUTDOWN_BOTH);
    return true;
}

bool migration_resume(Migration *m, const char *uri, GError **errp)
{
    g_autoptr(IoUri) parsed = NULL;
    g_autofree char *hostname = NULL;
    TlsCreds *creds;

    if (!m->thread_made ||
        migration_status(m) != MIGRATION_STATUS_POSTCOPY_PAUSED) {
        error_setf(errp, "Cannot resume if there is no paused migration");
        return false;
    }
    if (!io_uri_parse(uri, &parsed, errp)) {
        return false;
    }
    if (parsed->type != IO_URI_SOCKET) {
        error_setf(errp, "'%s': a postcopy goes on over a socket", uri);
        return false;
    }
    LOCK_GUARD(&m->lock);
    if (m->resuming) {
        error_setf(errp, "The migration is being resumed already");
        return false;
    }
    drop_fd(m);
    if (!mig_tls_find(m, parsed, false, &creds, &hostname, errp)) {
        return false;
    }
    if (!check_uri(m, parsed, errp)) {
        tls_creds_unref(creds);
        return false;
    }
    m->resuming = true;
    m->resume_tls = creds;
    m->resume_hostname = g_steal_pointer(&hostname);
    m->resume_uri = g_steal_pointer(&parsed);
    cond_broadcast(&m->cond);
    return true;
}

bool mig_postcopy_asked(Migration *m)
{
    LOCK_GUARD(&m->lock);

    return m->start_postcopy;
}

bool mig_waits_for_source(const Migration *m)
{
    return m->incoming && !m->load_made;
}

bool migration_allows_changes(Migration *m)
{
    return migration_is_idle(m) || mig_waits_for_source(m);
}

bool migration_set_capabilities(Migration *m, MigCapSet mask, MigCapSet on,
                                GError **errp)
{
    MigCapSet want = (m->caps & ~mask) | (on & mask);

    if (!migration_allows_changes(m)) {
        error_setf(errp, "There's a migration process in progress");
        return false;
    }
    if (!mig_caps_check(want, errp)) {
        return false;
    }
    LOCK_GUARD(&m->lock);
    if (!mig_caps_check_params(want, &m->params, errp)) {
        return false;
    }
    m->caps = want;
    return true;
}

bool migration_set_capability(Migration *m, MigrationCapability cap, bool on,
                              GError **errp)
{
    MigCapSet bit = UINT64_C(1) << cap;

    return migration_set_capabilities(m, bit, on ? bit : 0, errp);
}

MigCapSet migration_capabilities(Migration *m)
{
    return m->caps;
}

/* Takes the new parameters if they are `ok` and go with the capabilities. */
static bool replace_params_locked(Migration *m, MigParams *want, bool ok,
                                  GError **errp) REQUIRES(&m->lock)
{
    if (!ok || !mig_caps_check_params(m->caps, want, errp)) {
        mig_params_fini(want);
        return false;
    }
    mig_params_fini(&m->params);
    m->params = *want;
    cond_broadcast(&m->cond); /* who waits for bandwidth looks again */
    return true;
}

bool migration_set_params(Migration *m, const JsonValue *obj, GError **errp)
{
    MigParams want;
    LOCK_GUARD(&m->lock);

    mig_params_copy(&want, &m->params);
    return replace_params_locked(m, &want, mig_params_set(&want, obj, errp),
                                 errp);
}

static bool set_param_text(Migration *m, const char *name, const char *val,
                           uint64_t size_unit, GError **errp)
{
    MigParams want;
    LOCK_GUARD(&m->lock);

    mig_params_copy(&want, &m->params);
    return replace_params_locked(
        m, &want, mig_params_set_text(&want, name, val, size_unit, errp), errp);
}

bool migration_set_param_text(Migration *m, const char *name, const char *val,
                              GError **errp)
{
    return set_param_text(m, name, val, MiB, errp);
}

JsonValue *migration_params_json(Migration *m)
{
    LOCK_GUARD(&m->lock);

    return mig_params_to_json(&m->params);
}

void migration_announce_params(Migration *m, MigAnnounce *ret)
{
    LOCK_GUARD(&m->lock);

    *ret = (MigAnnounce){ .initial = m->params.announce_initial,
                          .max = m->params.announce_max,
                          .step = m->params.announce_step,
                          .rounds = m->params.announce_rounds };
}

bool migration_set_global(Migration *m, const char *name, const char *val,
                          GError **errp)
{
    const char *plain = name;
    MigrationCapability cap;
    bool on;

    /* The peer's properties have an "x-" before the name, but for one. */
    if (g_str_has_prefix(plain, "x-") && !mig_params_known(plain) &&
        !migration_capability_parse(plain, &cap)) {
        plain += 2;
    }
    if (migration_capability_parse(plain, &cap)) {
        g_autofree char *what = g_strdup_printf("migration.%s", name);

        return parse_bool(what, val, &on, errp) &&
               migration_set_capability(m, cap, on, errp);
    }
    return set_param_text(m, plain, val, 1, errp);
}

struct DirtyRate *migration_dirty_rate(Migration *m)
{
    return m->dirty_rate;
}

void migration_set_only_migratable(Migration *m, bool on)
{
    m->only_migratable = on;
}

bool migration_only_migratable(const Migration *m)
{
    return m->only_migratable;
}
