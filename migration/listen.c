/*
 * Incoming migration: where the stream comes from.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/candidates.h"
#include "migration/migration-priv.h"
#include "migration/multifd-listen.h"

#include <fcntl.h>

#include "io/file.h"
#include "io/socket.h"
#include "migration/tls.h"
#include "util/error.h"
#include "util/log.h"

enum { MULTIFD_BACKLOG = 256 /* channels, and the stream */ };

/* Connections that have said nothing, beyond those that are expected. */
enum { STRANGERS_MAX = 8 };

static bool load_begin(Migration *m, IoChannel *ch, GError **errp)
{
    io_channel_set_nodelay(ch, true);
    lock_acquire(&m->lock);
    m->load_ch = ch;
    lock_release(&m->lock);
    m->vm->loading = true;
    mig_set_status(m, MIGRATION_STATUS_ACTIVE);
    if (!thread_create(&m->load_thread, "mig-load", mig_load_thread, m, errp)) {
        return false;
    }
    m->load_made = true;
    return true;
}

/* From what was opened here: hands are yet to be shaken, if they are to be. */
static bool load_begin_opened(Migration *m, IoChannel *ch, GError **errp)
{
    if (!mig_tls_choose(m, m->incoming_uri, true, errp)) {
        io_channel_unref(ch);
        return false;
    }
    return load_begin(m, ch, errp);
}

/* The program ends. */
static void load_cannot_begin(Migration *m, const GError *err)
{
    log_error("%s", err->message);
    vm_request_exit(m->vm, EXIT_FAILURE);
}

/*
 * All that is expected has come: whoever is next is refused by the kernel and
 * knows at once, and the address is free for the next destination.
 */
static void check_complete(Migration *m)
{
    if (m->load_made && (m->multifd_listen == NULL ||
                         multifd_listen_complete(m->multifd_listen))) {
        g_clear_pointer(&m->listener, io_listener_free);
        mig_candidates_drop(m->candidates);
    }
}

/* With multifd; by the parameters as they are when the first one speaks. */
static bool multifd_begin(Migration *m, GError **errp)
{
    if (m->multifd_listen == NULL &&
        (migration_capabilities(m) & CAP(MULTIFD))) {
        m->multifd_listen = multifd_listen_new(m, errp);
        return m->multifd_listen != NULL;
    }
    return true;
}

/* The stream; a second source is turned away. */
static bool stream_connected(Migration *m, IoChannel *ch, TlsCreds *tls,
                             GError **errp)
{
    if (m->load_made) {
        io_channel_unref(ch);
        return true;
    }
    mig_tls_forget(m);
    m->tls = tls != NULL ? tls_creds_ref(tls) : NULL;
    m->load_secured = true;
    return load_begin(m, ch, errp);
}

static void candidate_chosen(IoChannel *ch, MigCandidateKind kind,
                             TlsCreds *tls, void *opaque)
{
    g_autoptr(GError) err = NULL;
    Migration *m = opaque;

    if (tls == NULL && mig_tls_wanted(m)) {
        log_warn("migration: %s: connected before there was a parameter "
                 "'tls-creds'; the destination waits on",
                 io_channel_name(ch));
        io_channel_unref(ch);
        return;
    }
    if (!multifd_begin(m, &err)) {
        io_channel_unref(ch);
        load_cannot_begin(m, err);
        return;
    }
    if (kind == MIG_CANDIDATE_STREAM) {
        if (!stream_connected(m, ch, tls, &err)) {
            load_cannot_begin(m, err);
        }
    } else if (m->multifd_listen != NULL) {
        multifd_listen_channel(m->multifd_listen, ch);
    } else {
        log_warn("migration: %s: a channel of capability 'multifd', which is "
                 "off here",
                 io_channel_name(ch));
        io_channel_unref(ch);
    }
    check_complete(m);
}

static void client_connected(IoListener *l, IoChannel *ch, gpointer opaque)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(TlsCreds) tls = NULL;
    g_autofree char *host = NULL; /* a source's only */
    Migration *m = opaque;
    VM_LOCK_GUARD();

    if (!mig_tls_find(m, m->incoming_uri, true, &tls, &host, &err)) {
        io_channel_unref(ch);
        load_cannot_begin(m, err);
        return;
    }
    mig_candidates_add(m->candidates, ch, tls);
}

static IoChannel *open_incoming(Migration *m, const IoUri *uri, GError **errp)
{
    IoChannel *ch;
    int64_t at;
    int fd;

    switch (uri->type) {
    case IO_URI_EXEC:
        return io_channel_new_command(uri->command, O_RDONLY, errp);
    case IO_URI_SOCKET:
        fd = m->hooks->take_fd(m->vm, uri->addr->u.fd.str, errp);
        return fd < 0 ? NULL : io_channel_new_fd_for(fd, O_RDONLY, NULL, errp);
    case IO_URI_FILE:
        break;
    }
    ch = io_channel_open_file(uri->path, O_RDONLY, 0, NULL, errp);
    at = ch && uri->offset ? io_channel_seek(ch, uri->offset, SEEK_SET) : 0;
    if (at < 0) {
        io_channel_set_error(ch, errp, "seek", at);
        g_clear_pointer(&ch, io_channel_unref);
    }
    return ch;
}

/* Channels can come only where somebody listens. */
static bool check_multifd(Migration *m, GError **errp)
{
    const IoUri *uri = m->incoming_uri;
    g_autofree char *from = io_uri_to_string(uri);

    if ((uri->type == IO_URI_SOCKET && uri->addr->type != IO_ADDRESS_FD) ||
        !(migration_capabilities(m) & CAP(MULTIFD))) {
        return true;
    }
    error_setf(errp,
               "%s: capability 'multifd' needs an address to listen at: tcp:, "
               "unix: or vsock:",
               from);
    return false;
}

/* Begins once the main loop runs: the machine is complete by then. */
static gboolean load_idle(gpointer opaque)
{
    g_autoptr(GError) err = NULL;
    Migration *m = opaque;
    VM_LOCK_GUARD();
    IoChannel *ch;

    if (!check_multifd(m, &err)) { /* it may have been switched on since */
        load_cannot_begin(m, err);
        return G_SOURCE_REMOVE;
    }
    ch = g_steal_pointer(&m->incoming_ch);
    if (ch == NULL) {
        ch = open_incoming(m, m->incoming_uri, &err);
    }
    if (ch == NULL || !load_begin_opened(m, ch, &err)) {
        load_cannot_begin(m, err);
    }
    return G_SOURCE_REMOVE;
}

/*
 * `now`: somebody waits for the answer, and may try another address.  While the
 * program starts, the open of a FIFO would wait for its writer.
 */
static bool listen_on(Migration *m, bool now, GError **errp)
{
    const IoUri *uri = m->incoming_uri;
    unsigned expected;

    if (!check_multifd(m, errp)) {
        return false;
    }
    if (uri->type != IO_URI_SOCKET || uri->addr->type == IO_ADDRESS_FD) {
        if (now) {
            m->incoming_ch = open_incoming(m, uri, errp);
            if (m->incoming_ch == NULL) {
                return false;
            }
        }
        g_idle_add(load_idle, m);
        return true;
    }
    expected = migration_capabilities(m) & CAP(MULTIFD) ? MULTIFD_BACKLOG : 1;
    m->listener = io_listener_new(uri->addr, expected, errp);
    if (m->listener == NULL) {
        return false;
    }
    m->candidates = mig_candidates_new(expected + STRANGERS_MAX,
                                       m->waits.answer_ns, candidate_chosen, m);
    io_listener_set_client_func(m->listener, NULL, client_connected, m);
    return true;
}

static bool incoming_from(Migration *m, const char *uri, bool now,
                          GError **errp)
{
    if (!io_uri_parse(uri, &m->incoming_uri, errp) ||
        !listen_on(m, now, errp)) {
        g_clear_pointer(&m->incoming_uri, io_uri_free);
        return false;
    }
    mig_set_status(m, MIGRATION_STATUS_SETUP);
    return true;
}

bool migration_incoming_start(Migration *m, const char *uri, GError **errp)
{
    m->incoming = true;
    if (strcmp(uri, "defer") == 0) {
        m->incoming_deferred = true;
        return true;
    }
    return incoming_from(m, uri, false, errp);
}

bool migration_incoming_deferred(Migration *m, const char *uri, GError **errp)
{
    if (!m->incoming) {
        error_setf(errp, "'-incoming' was not specified on the command line");
        return false;
    }
    if (!m->incoming_deferred) {
        error_setf(errp, "The incoming migration has already been started");
        return false;
    }
    if (strcmp(uri, "defer") == 0) {
        error_setf(errp, "Parameter 'uri' expects a valid migration protocol");
        return false;
    }
    if (!incoming_from(m, uri, true, errp)) {
        return false;
    }
    m->incoming_deferred = false;
    return true;
}

/* The load thread gives up the address that it waits at. */
static void recover_listen_end_locked(Migration *m) REQUIRES(&m->lock)
{
    while (m->recover_listener != NULL) {
        io_cancel_trigger(m->recover_cancel);
        cond_wait(&m->cond, &m->lock);
    }
}

static bool recover_listens(Migration *m)
{
    LOCK_GUARD(&m->lock);

    return m->recover_listener != NULL;
}

/* `instead`: of an address that came meanwhile; else that stays. */
static void recover_listen_begin(Migration *m, IoListener *l, IoCancel *c,
                                 bool instead)
{
    LOCK_GUARD(&m->lock);

    if (instead) {
        recover_listen_end_locked(m);
    }
    if (m->recover_listener != NULL) {
        io_listener_free(l);
        io_cancel_unref(c);
        return;
    }
    m->recover_listener = l;
    m->recover_cancel = c;
    cond_broadcast(&m->cond);
}

static bool recover_listen_at(Migration *m, const IoSocketAddress *addr,
                              bool instead, GError **errp)
{
    IoListener *l = io_listener_new(addr, 1, errp);
    IoCancel *c = l != NULL ? io_cancel_new(errp) : NULL;

    if (c == NULL) {
        g_clear_pointer(&l, io_listener_free);
        return false;
    }
    recover_listen_begin(m, l, c, instead);
    return true;
}

bool mig_recover_listen(Migration *m, const IoSocketAddress *addr,
                        GError **errp)
{
    return recover_listens(m) || recover_listen_at(m, addr, false, errp);
}

void mig_recover_listen_end(Migration *m)
{
    LOCK_GUARD(&m->lock);

    g_clear_pointer(&m->recover_listener, io_listener_free);
    g_clear_pointer(&m->recover_cancel, io_cancel_unref);
    cond_broadcast(&m->cond);
}

bool migration_recover(Migration *m, const char *uri, GError **errp)
{
    g_autoptr(IoUri) parsed = NULL;

    if (m->thread_made ||
        migration_status(m) != MIGRATION_STATUS_POSTCOPY_PAUSED) {
        error_setf(errp,
                   "Migrate recover can only be run when postcopy is paused.");
        return false;
    }
    if (!io_uri_parse(uri, &parsed, errp)) {
        return false;
    }
    if (parsed->type != IO_URI_SOCKET || parsed->addr->type == IO_ADDRESS_FD) {
        error_setf(errp,
                   "'%s': a postcopy goes on over a socket that is "
                   "listened on",
                   uri);
        return false;
    }
    /* First, as it may be the same address. */
    lock_acquire(&m->lock);
    recover_listen_end_locked(m);
    lock_release(&m->lock);
    return recover_listen_at(m, parsed->addr, true, errp);
}

void mig_incoming_stop(Migration *m)
{
    g_clear_pointer(&m->listener, io_listener_free);
    g_clear_pointer(&m->candidates, mig_candidates_free);
    if (m->multifd_listen != NULL) {
        multifd_listen_stop(m->multifd_listen);
    }
    LOCK_GUARD(&m->lock);
    m->load_ends = true;
    if (m->recover_cancel != NULL) {
        io_cancel_trigger(m->recover_cancel);
    }
    cond_broadcast(&m->cond);
    if (m->load_made && m->load_ch != NULL && !m->load_owes_shut) {
        io_channel_shutdown(m->load_ch, IO_SHUTDOWN_BOTH);
    }
}

void mig_incoming_join(Migration *m)
{
    if (m->load_made) {
        mig_thread_join(&m->load_thread);
        m->load_made = false;
    }
    mig_recover_listen_end(m);
    g_clear_pointer(&m->multifd_listen, multifd_listen_free);
    g_clear_pointer(&m->incoming_ch, io_channel_unref);
    g_clear_pointer(&m->incoming_uri, io_uri_free);
}
