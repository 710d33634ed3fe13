/*
 * TLS around a migration's stream.
 *
 * The parameters tls-creds and tls-hostname as they are when the migration
 * begins count for all of it, so that taking the credentials' object away
 * changes nothing under way.  A postcopy that is resumed goes by what they are
 * then.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "migration/tls.h"

#include "system/tls-creds.h"
#include "util/error.h"

/* The name that the destination's certificate has to have. */
static const char *peer_name(const Migration *m, const IoUri *uri)
{
    if (*m->params.tls_hostname != '\0') {
        return m->params.tls_hostname;
    }
    return uri->type == IO_URI_SOCKET && uri->addr->type == IO_ADDRESS_INET
               ? uri->addr->u.inet.host
               : NULL;
}

/* Both ways are needed, and somebody on the other side. */
static bool check_way(const IoUri *uri, GError **errp)
{
    if (uri->type == IO_URI_SOCKET) {
        return true;
    }
    error_setf(errp, "Parameter 'tls-creds': TLS needs a socket, not '%s:'",
               uri->type == IO_URI_EXEC ? "exec" : "file");
    return false;
}

bool mig_tls_wanted(const Migration *m)
{
    return *m->params.tls_creds != '\0';
}

bool mig_tls_find(Migration *m, const IoUri *uri, bool incoming, TlsCreds **ret,
                  char **ret_hostname, GError **errp)
{
    const char *host = incoming ? NULL : peer_name(m, uri);
    TlsCreds *creds;

    *ret = NULL;
    *ret_hostname = NULL;
    if (*m->params.tls_creds == '\0') {
        return true;
    }
    if (!check_way(uri, errp)) {
        return false;
    }
    creds = tls_creds_lookup(m->vm->root, m->params.tls_creds, incoming, errp);
    if (creds == NULL) {
        return false;
    }
    if (!incoming && host == NULL && tls_creds_kind(creds) == TLS_X509) {
        tls_creds_unref(creds);
        error_setf(errp, "Parameter 'tls-hostname': needed to check the "
                         "destination's certificate, as the URI has no name");
        return false;
    }
    *ret = creds;
    *ret_hostname = g_strdup(host);
    return true;
}

bool mig_tls_choose(Migration *m, const IoUri *uri, bool incoming,
                    GError **errp)
{
    mig_tls_forget(m);
    return mig_tls_find(m, uri, incoming, &m->tls, &m->tls_hostname, errp);
}

void mig_tls_forget(Migration *m)
{
    g_clear_pointer(&m->tls, tls_creds_unref);
    g_clear_pointer(&m->tls_hostname, g_free);
}

IoChannel *mig_tls_wrap_channel(Migration *m, IoChannel *ch, int64_t end_ns,
                                GError **errp)
{
    if (m->tls == NULL) {
        return io_channel_ref(ch);
    }
    return io_channel_tls_new(ch, m->tls, m->tls_hostname, m->cancel,
                              end_ns / NS_PER_US, errp);
}

IoChannel *mig_tls_wrap(Migration *m, IoChannel *ch, IoChannel **shown,
                        const IoCancel *cancel, int64_t end_ns, GError **errp)
{
    g_autoptr(IoChannel) inside = NULL;
    g_autoptr(IoChannel) before = NULL;

    if (m->tls == NULL) {
        return io_channel_ref(ch);
    }
    if (!io_channel_has_feature(ch, IO_FEATURE_BIDIRECTIONAL)) {
        error_setf(errp, "%s: TLS needs a channel that goes both ways",
                   io_channel_name(ch));
        return NULL;
    }
    inside = io_channel_tls_new(ch, m->tls, m->tls_hostname, cancel,
                                end_ns / NS_PER_US, errp);
    if (inside == NULL) {
        return NULL;
    }
    LOCK_GUARD(&m->lock);
    before = *shown;
    *shown = io_channel_ref(inside);
    /* Whoever ended it meanwhile saw the one below. */
    if (io_channel_is_shutdown(before, IO_SHUTDOWN_BOTH)) {
        io_channel_shutdown(inside, IO_SHUTDOWN_BOTH);
    }
    return g_steal_pointer(&inside);
}
