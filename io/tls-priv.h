/*
 * Between TLS credentials and channels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef IO_TLS_PRIV_H
#define IO_TLS_PRIV_H

#include <gnutls/gnutls.h>

#include "io/tls.h"

/*
 * Gives a new session the credentials and what it is to check of the peer.
 * @hostname as for io_channel_tls_new(); both have to outlive the session.
 */
bool tls_creds_apply(TlsCreds *c, gnutls_session_t session,
                     const char *hostname, GError **errp);

#endif
