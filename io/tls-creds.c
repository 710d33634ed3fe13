/*
 * TLS credentials: files become what GnuTLS wants.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <errno.h>
#include <unistd.h>

#include <gnutls/x509.h>

#include "io/error.h"
#include "io/tls-priv.h"
#include "util/error.h"
#include "util/open.h"

#define DEFAULT_PRIORITY "NORMAL"

enum {
    MAX_KEY_FILE = 1024 * 1024, /* bytes */
};

struct TlsCreds {
    gint refs; /* atomic */
    TlsKind kind;
    bool server, verify_peer;
    char *priority;
    union {
        gnutls_anon_client_credentials_t anon_client;
        gnutls_anon_server_credentials_t anon_server;
        gnutls_psk_client_credentials_t psk_client;
        gnutls_psk_server_credentials_t psk_server;
        gnutls_certificate_credentials_t x509;
    } u;
};

static bool tls_failed(int ret, GError **errp, const char *what)
{
    if (ret >= 0) {
        return false;
    }
    g_set_error(errp, IO_ERROR, IO_ERROR_FAILED, "TLS: %s: %s", what,
                gnutls_strerror(ret));
    return true;
}

/* All of a file, with a NUL behind it; NULL with errp, which names it. */
static char *creds_read(const char *path, size_t *ret_len, GError **errp)
{
    char *data = NULL;

    if (!read_user_file(path, MAX_KEY_FILE, &data, ret_len, errp)) {
        error_prefix(errp, "%s: ", path);
        return NULL;
    }
    return data;
}

/* NULL with errp if it isn't there, unless that is fine. */
static char *creds_file(const TlsConfig *cfg, const char *name, bool needed,
                        GError **errp)
{
    g_autofree char *path = g_build_filename(cfg->dir, name, NULL);

    if (access(path, R_OK) == 0) {
        return g_steal_pointer(&path);
    }
    if (needed || errno != ENOENT) {
        io_error_set_errno(errp, errno, "Unable to access credentials %s",
                           path);
    }
    return NULL;
}

/* --------------------------------------------------------------- anonymous */

static bool anon_load(TlsCreds *c, GError **errp)
{
    int ret = c->server
                  ? gnutls_anon_allocate_server_credentials(&c->u.anon_server)
                  : gnutls_anon_allocate_client_credentials(&c->u.anon_client);

    if (tls_failed(ret, errp, "credentials")) {
        return false;
    }
    if (!c->server) {
        return true;
    }
    ret = gnutls_anon_set_server_known_dh_params(c->u.anon_server,
                                                 GNUTLS_SEC_PARAM_MEDIUM);
    return !tls_failed(ret, errp, "Diffie-Hellman parameters");
}

/* -------------------------------------------------------------- shared key */

/* Lines of "USER:HEXKEY". */
static char *psk_find(const char *path, const char *user, GError **errp)
{
    size_t len = 0, nuser = strlen(user);
    g_autofree char *text = creds_read(path, &len, errp);
    g_auto(GStrv) lines = NULL;

    if (text == NULL) {
        return NULL;
    }
    lines = g_strsplit(text, "\n", -1);
    for (char **l = lines; *l != NULL; l++) {
        if (strncmp(*l, user, nuser) == 0 && (*l)[nuser] == ':') {
            return g_strstrip(g_strdup(*l + nuser + 1));
        }
    }
    error_setf(errp, "Username %s not found in PSK file %s", user, path);
    return NULL;
}

static bool psk_load_client(TlsCreds *c, const char *path, const char *user,
                            GError **errp)
{
    g_autofree char *key = psk_find(path, user, errp);
    gnutls_datum_t datum = { 0 };

    if (key == NULL ||
        tls_failed(gnutls_psk_allocate_client_credentials(&c->u.psk_client),
                   errp, "credentials")) {
        return false;
    }
    datum.data = (unsigned char *)key;
    datum.size = strlen(key);
    return !tls_failed(gnutls_psk_set_client_credentials(
                           c->u.psk_client, user, &datum, GNUTLS_PSK_KEY_HEX),
                       errp, path);
}

static bool psk_load_server(TlsCreds *c, const char *path, GError **errp)
{
    int ret;

    if (tls_failed(gnutls_psk_allocate_server_credentials(&c->u.psk_server),
                   errp, "credentials")) {
        return false;
    }
    gnutls_psk_set_server_known_dh_params(c->u.psk_server,
                                          GNUTLS_SEC_PARAM_MEDIUM);
    ret = gnutls_psk_set_server_credentials_file(c->u.psk_server, path);
    return !tls_failed(ret, errp, path);
}

static bool psk_load(TlsCreds *c, const TlsConfig *cfg, GError **errp)
{
    g_autofree char *path = creds_file(cfg, "keys.psk", true, errp);

    if (path == NULL) {
        return false;
    }
    return c->server
               ? psk_load_server(c, path, errp)
               : psk_load_client(c, path,
                                 cfg->username ? cfg->username : "qemu", errp);
}

/* ------------------------------------------------------------ certificates */

/* Only what a peer would refuse for sure. */
static bool x509_check_one(gnutls_x509_crt_t crt, const char *path,
                           GError **errp)
{
    time_t now = time(NULL);

    if (gnutls_x509_crt_get_expiration_time(crt) < now) {
        error_setf(errp, "The certificate %s has expired", path);
        return false;
    }
    if (gnutls_x509_crt_get_activation_time(crt) > now) {
        error_setf(errp, "The certificate %s is not yet active", path);
        return false;
    }
    return true;
}

static bool x509_sanity_check(const char *path, bool authority, GError **errp)
{
    size_t len = 0;
    g_autofree char *text = creds_read(path, &len, errp);
    gnutls_x509_crt_t *list = NULL;
    gnutls_datum_t datum = { 0 };
    unsigned n = 0;
    bool ok;

    if (text == NULL) {
        return false;
    }
    datum.data = (unsigned char *)text;
    datum.size = len;
    if (tls_failed(gnutls_x509_crt_list_import2(&list, &n, &datum,
                                                GNUTLS_X509_FMT_PEM, 0),
                   errp, path)) {
        return false;
    }
    ok = n > 0 && x509_check_one(list[0], path, errp);
    if (ok && authority && gnutls_x509_crt_get_ca_status(list[0], NULL) <= 0) {
        error_setf(errp,
                   "The certificate %s is not that of an authority "
                   "(basic constraints)",
                   path);
        ok = false;
    }
    for (unsigned i = 0; i < n; i++) {
        gnutls_x509_crt_deinit(list[i]);
    }
    gnutls_free(list);
    return ok;
}

static bool x509_load_own(TlsCreds *c, const TlsConfig *cfg, GError **errp)
{
    GError *err = NULL;
    g_autofree char *cert =
        creds_file(cfg, c->server ? "server-cert.pem" : "client-cert.pem",
                   c->server, &err);
    g_autofree char *key = NULL;

    if (err != NULL) {
        g_propagate_error(errp, err);
        return false;
    }
    if (cert == NULL) {
        return true; /* a client need not have any */
    }
    key = creds_file(cfg, c->server ? "server-key.pem" : "client-key.pem", true,
                     errp);
    if (key == NULL ||
        (cfg->sanity_check && !x509_sanity_check(cert, false, errp))) {
        return false;
    }
    return !tls_failed(gnutls_certificate_set_x509_key_file2(
                           c->u.x509, cert, key, GNUTLS_X509_FMT_PEM,
                           cfg->password, 0),
                       errp, cert);
}

static bool x509_load_authority(TlsCreds *c, const TlsConfig *cfg,
                                GError **errp)
{
    GError *err = NULL;
    g_autofree char *ca = creds_file(cfg, "ca-cert.pem", true, errp);
    g_autofree char *crl = NULL;

    if (ca == NULL ||
        (cfg->sanity_check && !x509_sanity_check(ca, true, errp)) ||
        tls_failed(gnutls_certificate_set_x509_trust_file(c->u.x509, ca,
                                                          GNUTLS_X509_FMT_PEM),
                   errp, ca)) {
        return false;
    }
    crl = creds_file(cfg, "ca-crl.pem", false, &err);
    if (err != NULL) {
        g_propagate_error(errp, err);
        return false;
    }
    return crl == NULL || !tls_failed(gnutls_certificate_set_x509_crl_file(
                                          c->u.x509, crl, GNUTLS_X509_FMT_PEM),
                                      errp, crl);
}

static bool x509_load(TlsCreds *c, const TlsConfig *cfg, GError **errp)
{
    if (tls_failed(gnutls_certificate_allocate_credentials(&c->u.x509), errp,
                   "credentials")) {
        return false;
    }
    gnutls_certificate_set_known_dh_params(c->u.x509, GNUTLS_SEC_PARAM_MEDIUM);
    return x509_load_authority(c, cfg, errp) && x509_load_own(c, cfg, errp);
}

/* --------------------------------------------------------------------- all */

static char *creds_priority(const TlsConfig *cfg)
{
    static const char *const suffix[] = {
        [TLS_ANON] = ":+ANON-DH",
        [TLS_PSK] = ":+ECDHE-PSK:+DHE-PSK:+PSK",
        [TLS_X509] = "",
    };

    return g_strconcat(cfg->priority ? cfg->priority : DEFAULT_PRIORITY,
                       suffix[cfg->kind], NULL);
}

TlsCreds *tls_creds_new(const TlsConfig *cfg, GError **errp)
{
    g_autoptr(TlsCreds) c = g_new0(TlsCreds, 1);
    bool ok = false;

    c->refs = 1;
    c->kind = cfg->kind;
    c->server = cfg->server;
    c->verify_peer = cfg->verify_peer;
    c->priority = creds_priority(cfg);
    if (cfg->dir == NULL && cfg->kind != TLS_ANON) {
        error_setf(errp, "Missing 'dir' property value");
        return NULL;
    }
    switch (cfg->kind) {
    case TLS_ANON:
        ok = anon_load(c, errp);
        break;
    case TLS_PSK:
        ok = psk_load(c, cfg, errp);
        break;
    case TLS_X509:
        ok = x509_load(c, cfg, errp);
        break;
    }
    return ok ? g_steal_pointer(&c) : NULL;
}

TlsCreds *tls_creds_ref(TlsCreds *c)
{
    g_atomic_int_inc(&c->refs);
    return c;
}

/* GnuTLS frees NULL only in some of these. */
static void creds_free_inner(TlsCreds *c)
{
    if (c->u.x509 == NULL) {
        return;
    }
    switch (c->kind) {
    case TLS_ANON:
        if (c->server) {
            gnutls_anon_free_server_credentials(c->u.anon_server);
        } else {
            gnutls_anon_free_client_credentials(c->u.anon_client);
        }
        break;
    case TLS_PSK:
        if (c->server) {
            gnutls_psk_free_server_credentials(c->u.psk_server);
        } else {
            gnutls_psk_free_client_credentials(c->u.psk_client);
        }
        break;
    case TLS_X509:
        gnutls_certificate_free_credentials(c->u.x509);
        break;
    }
}

void tls_creds_unref(TlsCreds *c)
{
    if (c == NULL || !g_atomic_int_dec_and_test(&c->refs)) {
        return;
    }
    creds_free_inner(c);
    g_free(c->priority);
    g_free(c);
}

bool tls_creds_is_server(const TlsCreds *c)
{
    return c->server;
}

TlsKind tls_creds_kind(const TlsCreds *c)
{
    return c->kind;
}

bool tls_creds_apply(TlsCreds *c, gnutls_session_t session,
                     const char *hostname, GError **errp)
{
    static const gnutls_credentials_type_t types[] = {
        [TLS_ANON] = GNUTLS_CRD_ANON,
        [TLS_PSK] = GNUTLS_CRD_PSK,
        [TLS_X509] = GNUTLS_CRD_CERTIFICATE,
    };
    const char *at = NULL;
    int ret = gnutls_priority_set_direct(session, c->priority, &at);

    if (ret < 0) {
        error_setf(errp, "TLS: priority '%s': %s at '%s'", c->priority,
                   gnutls_strerror(ret), at ? at : "");
        return false;
    }
    if (tls_failed(gnutls_credentials_set(session, types[c->kind], c->u.x509),
                   errp, "credentials")) {
        return false;
    }
    if (c->kind != TLS_X509) {
        return true;
    }
    if (!c->server) {
        gnutls_session_set_verify_cert(session, hostname, 0);
        return true;
    }
    gnutls_certificate_server_set_request(session, c->verify_peer
                                                       ? GNUTLS_CERT_REQUIRE
                                                       : GNUTLS_CERT_IGNORE);
    if (c->verify_peer) {
        gnutls_session_set_verify_cert(session, NULL, 0);
    }
    return true;
}
