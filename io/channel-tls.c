/*
 * TLS channels: GnuTLS over another channel.
 *
 * GnuTLS is only ever called with a channel below that doesn't wait, under a
 * lock: so that a reader and a writer can be two threads although reading may
 * have to answer (a key update), and neither waits for the other's peer.  All
 * waiting is done where every channel's is.
 *
 * A record that the channel below took by half is finished by the next write,
 * which has to be the same again, and by nothing else: who gives up a write has
 * not said what was in it, and the peer has to go on not knowing it when the
 * channel is closed.  (The bytes of a page that a guest has written to since
 * are those of before: the page is dirty.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <errno.h>

#include "io/channel-priv.h"
#include "io/error.h"
#include "io/tls-priv.h"
#include "util/error.h"
#include "util/lock.h"

enum {
    TLS_RECORD = 16384, /* bytes of ours in one; RFC 8446, 5.1 */
    /* What the channel below can and this one can't. */
    TLS_UNLIKE = IO_FEATURE_FD_PASS | IO_FEATURE_TCP,
};

typedef struct IoChannelTls {
    IoChannel ch;
    IoChannel *inner;
    TlsCreds *creds;
    char *hostname;
    Lock lock;                /* of all that follows */
    gnutls_session_t session; /* NULL: there is none yet */
    bool up;                  /* hands were shaken */
    size_t half; /* bytes of ours in a record that is under way; or 0 */
    uint8_t out[TLS_RECORD]; /* the record under way, before encryption */
} IoChannelTls;

static IoChannelTls *tls_of(const IoChannel *ch)
{
    return container_of(ch, IoChannelTls, ch);
}

/* ------------------------------------------------------- the channel below */

static ssize_t tls_below(IoChannelTls *t, ssize_t n)
{
    if (n < 0) {
        gnutls_transport_set_errno(t->session, -n);
        return -1;
    }
    return n;
}

static ssize_t tls_pull(gnutls_transport_ptr_t opaque, void *buf, size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    IoChannelTls *t = opaque;

    return tls_below(t,
                     t->inner->ops->readv(t->inner, &iov, 1, NULL, NULL, true));
}

static ssize_t tls_push(gnutls_transport_ptr_t opaque, const void *buf,
                        size_t len)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
    IoChannelTls *t = opaque;

    return tls_below(t,
                     t->inner->ops->writev(t->inner, &iov, 1, NULL, 0, true));
}

/* -errno for GnuTLS's negative code. */
static ssize_t tls_errno(ssize_t ret)
{
    switch (ret) {
    case GNUTLS_E_AGAIN:
    case GNUTLS_E_REHANDSHAKE: /* not with us: as if it had said nothing */
        return -EAGAIN;
    case GNUTLS_E_INTERRUPTED:
        return -EINTR;
    case GNUTLS_E_PREMATURE_TERMINATION:
        return -ECONNABORTED; /* cut, perhaps by somebody in the middle */
    case GNUTLS_E_PUSH_ERROR:
        return -EPIPE;
    case GNUTLS_E_PULL_ERROR:
        return -ECONNRESET;
    case GNUTLS_E_DECRYPTION_FAILED:
        return -EBADMSG;
    default:
        return -EPROTO;
    }
}

/* --------------------------------------------------------------- transfers */

static ssize_t tls_readv(IoChannel *ch, const struct iovec *iov, size_t niov,
                         int *fds, size_t *nfds, bool dontwait)
{
    IoChannelTls *t = tls_of(ch);
    size_t done = 0;
    LOCK_GUARD(&t->lock);

    for (size_t i = 0; i < niov; i++) {
        size_t at = 0;

        while (at < iov[i].iov_len) {
            ssize_t n;

            /* What has been decrypted already, and once what there is. */
            if (done > 0 && gnutls_record_check_pending(t->session) == 0) {
                return done;
            }
            n = gnutls_record_recv(t->session, (char *)iov[i].iov_base + at,
                                   iov[i].iov_len - at);
            if (n <= 0) {
                return done > 0 ? (ssize_t)done : n == 0 ? 0 : tls_errno(n);
            }
            at += n;
            done += n;
        }
    }
    return done;
}

/* Copies what comes `skip` bytes into the vector; up to a record. */
static size_t tls_gather(uint8_t *to, const struct iovec *iov, size_t niov,
                         size_t skip)
{
    size_t len = 0;

    for (size_t i = 0; i < niov && len < TLS_RECORD; i++) {
        size_t n;

        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        n = MIN(iov[i].iov_len - skip, TLS_RECORD - len);
        memcpy(to + len, (const uint8_t *)iov[i].iov_base + skip, n);
        len += n;
        skip = 0;
    }
    return len;
}

/* Is there room in the vector for what was given up? */
static bool tls_is_again(const IoChannelTls *t, const struct iovec *iov,
                         size_t niov)
{
    size_t len = 0;

    for (size_t i = 0; i < niov && len < t->half; i++) {
        len += iov[i].iov_len;
    }
    return len >= t->half;
}

static ssize_t tls_writev(IoChannel *ch, const struct iovec *iov, size_t niov,
                          const int *fds, size_t nfds, bool dontwait)
{
    IoChannelTls *t = tls_of(ch);
    size_t done = 0, len;
    LOCK_GUARD(&t->lock);

    if (t->half > 0 && !tls_is_again(t, iov, niov)) {
        return -EINVAL; /* nothing else can come in between */
    }
    for (;;) {
        ssize_t n;

        if (t->half > 0) {
            len = t->half;
            n = gnutls_record_send(t->session, NULL, 0);
        } else {
            len = tls_gather(t->out, iov, niov, done);
            if (len == 0) {
                return done;
            }
            n = gnutls_record_send(t->session, t->out, len);
        }
        if (n < 0) {
            n = tls_errno(n);
            t->half = n == -EAGAIN || n == -EINTR ? len : 0;
            return done > 0 ? (ssize_t)done : n;
        }
        t->half = 0;
        done += n;
    }
}

static bool tls_pending(IoChannel *ch)
{
    IoChannelTls *t = tls_of(ch);
    LOCK_GUARD(&t->lock);

    return gnutls_record_check_pending(t->session) > 0;
}

/* --------------------------------------------------------------------- end */

static int tls_shutdown(IoChannel *ch, IoShutdown how)
{
    return io_channel_shutdown(tls_of(ch)->inner, how);
}

static bool tls_close(IoChannel *ch, GError **errp)
{
    IoChannelTls *t = tls_of(ch);

    lock_acquire(&t->lock);
    /* It would finish a record that was given up; see above. */
    if (t->up && t->half == 0 &&
        !io_channel_is_shutdown(ch, IO_SHUTDOWN_WRITE)) {
        gnutls_bye(t->session, GNUTLS_SHUT_WR);
    }
    lock_release(&t->lock);
    return io_channel_close(t->inner, errp);
}

static void tls_fini(IoChannel *ch)
{
    IoChannelTls *t = tls_of(ch);

    if (t->session != NULL) {
        gnutls_deinit(t->session);
    }
    tls_creds_unref(t->creds);
    io_channel_unref(t->inner);
    lock_fini(&t->lock);
    g_free(t->hostname);
}

static int tls_set_nodelay(IoChannel *ch, bool on)
{
    return io_channel_set_nodelay(tls_of(ch)->inner, on);
}

static int tls_set_cork(IoChannel *ch, bool on)
{
    return io_channel_set_cork(tls_of(ch)->inner, on);
}

static int tls_fd(const IoChannel *ch, GIOCondition cond)
{
    return io_channel_fd(tls_of(ch)->inner, cond);
}

static const IoChannelOps tls_ops = {
    .size = sizeof(IoChannelTls),
    .readv = tls_readv,
    .writev = tls_writev,
    .pending = tls_pending,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .fini = tls_fini,
    .set_nodelay = tls_set_nodelay,
    .set_cork = tls_set_cork,
    .fd = tls_fd,
};

/* ------------------------------------------------------------- hand-shake */

/* Why a certificate wasn't trusted, in GnuTLS's words; or NULL. */
static char *tls_verdict(IoChannelTls *t)
{
    unsigned status = gnutls_session_get_verify_cert_status(t->session);
    gnutls_datum_t text = { 0 };
    char *copy;

    if (tls_creds_kind(t->creds) != TLS_X509 || status == 0 ||
        gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509,
                                                     &text, 0) < 0) {
        return NULL;
    }
    copy = status & GNUTLS_CERT_UNEXPECTED_OWNER
               ? g_strdup_printf("%s ('%s' was expected)",
                                 g_strchomp((char *)text.data), t->hostname)
               : g_strdup(g_strchomp((char *)text.data));
    gnutls_free(text.data);
    return copy;
}

static void tls_handshake_failed(IoChannelTls *t, int ret, GError **errp)
{
    const char *alert = NULL;
    g_autofree char *verdict = NULL;

    if (ret == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
        verdict = tls_verdict(t);
    }
    if (ret == GNUTLS_E_FATAL_ALERT_RECEIVED) {
        alert = gnutls_alert_get_name(gnutls_alert_get(t->session));
    }
    g_set_error(errp, IO_ERROR, IO_ERROR_FAILED,
                "%s: TLS handshake failed: %s%s%s", t->ch.name,
                gnutls_strerror(ret), verdict || alert ? ": " : "",
                verdict ? verdict
                : alert ? alert
                        : "");
}

static bool tls_handshake(IoChannelTls *t, const IoCancel *cancel,
                          int64_t end_us, GError **errp)
{
    for (;;) {
        int n, ret = gnutls_handshake(t->session);

        if (ret == GNUTLS_E_SUCCESS) {
            t->up = true;
            return true;
        }
        if (ret != GNUTLS_E_AGAIN && ret != GNUTLS_E_INTERRUPTED) {
            if (gnutls_error_is_fatal(ret)) {
                gnutls_alert_send_appropriate(t->session, ret);
                tls_handshake_failed(t, ret, errp);
                return false;
            }
            continue; /* a warning */
        }
        n = io_channel_wait_until(t->inner,
                                  gnutls_record_get_direction(t->session)
                                      ? G_IO_OUT
                                      : G_IO_IN,
                                  end_us, cancel);
        if (n <= 0) {
            io_channel_set_error(&t->ch, errp, "TLS handshake",
                                 n == 0 ? -ETIMEDOUT : n);
            return false;
        }
    }
}

static bool tls_session_init(IoChannelTls *t, GError **errp)
{
    unsigned end =
        tls_creds_is_server(t->creds) ? GNUTLS_SERVER : GNUTLS_CLIENT;
    int ret = gnutls_init(&t->session, end | GNUTLS_NONBLOCK);

    if (ret < 0) {
        t->session = NULL;
        error_setf(errp, "%s: TLS: %s", t->ch.name, gnutls_strerror(ret));
        return false;
    }
    gnutls_transport_set_ptr(t->session, t);
    gnutls_transport_set_pull_function(t->session, tls_pull);
    gnutls_transport_set_push_function(t->session, tls_push);
    gnutls_handshake_set_timeout(t->session, 0); /* waited for here */
    return tls_creds_apply(t->creds, t->session, t->hostname, errp);
}

IoChannel *io_channel_tls_new(IoChannel *ch, TlsCreds *creds,
                              const char *hostname, const IoCancel *cancel,
                              int64_t end_us, GError **errp)
{
    IoChannelTls *t =
        io_channel_alloc(&tls_ops, ch->features & ~(unsigned)TLS_UNLIKE,
                         ch->name);
    g_autoptr(IoChannel) own = &t->ch;

    lock_init(&t->lock);
    t->inner = io_channel_ref(ch);
    t->creds = tls_creds_ref(creds);
    t->hostname = g_strdup(hostname);
    if (!tls_session_init(t, errp) || !tls_handshake(t, cancel, end_us, errp)) {
        return NULL;
    }
    return g_steal_pointer(&own);
}
