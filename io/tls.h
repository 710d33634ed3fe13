/*
 * TLS over another channel, and the credentials it needs (GnuTLS).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "io/channel.h"

typedef struct TlsCreds TlsCreds;

typedef enum TlsKind {
    TLS_ANON, /* no identity: encrypted, and anybody may be in the middle */
    TLS_PSK,  /* a key that both sides have in a file */
    TLS_X509, /* certificates */
} TlsKind;

/* What credentials are made of; strings are copied. */
typedef struct TlsConfig {
    TlsKind kind;
    bool server;          /* which end of a connection they are for */
    bool verify_peer;     /* x509: a server asks for the client's */
    bool sanity_check;    /* x509: its own certificates could be accepted */
    const char *dir;      /* of the files; TLS_ANON: NULL is fine */
    const char *priority; /* GnuTLS's priority string; NULL: its default */
    const char *username; /* a PSK client's; NULL: "qemu" */
    const char *password; /* x509: of an encrypted key; NULL: none */
} TlsConfig;

/*
 * Reads the files: x509: ca-cert.pem, (ca-crl.pem), server-cert.pem and
 * server-key.pem, or, where a client has them, client-cert.pem and
 * client-key.pem; PSK: keys.psk.  NULL with errp, which names the file.
 */
TlsCreds *tls_creds_new(const TlsConfig *config, GError **errp);
TlsCreds *tls_creds_ref(TlsCreds *c);
/* NULL is fine. */
void tls_creds_unref(TlsCreds *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsCreds, tls_creds_unref)
bool tls_creds_is_server(const TlsCreds *c);
TlsKind tls_creds_kind(const TlsCreds *c);

/*
 * Shakes hands over @ch, of which it takes a reference, and returns the
 * channel inside, blocking, whose shutdown is that of @ch.  A client with x509
 * checks that the server's certificate is for @hostname (else NULL is fine).
 * Waits until @end_us of g_get_monotonic_time() (-1: for ever), or until
 * @cancel (may be NULL) is raised.  NULL with errp: refused, not trusted, late,
 * or no TLS at all.
 */
IoChannel *io_channel_tls_new(IoChannel *ch, TlsCreds *creds,
                              const char *hostname, const IoCancel *cancel,
                              int64_t end_us, GError **errp);

#endif
