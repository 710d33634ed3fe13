/*
 * -object tls-creds-anon, tls-creds-psk, tls-creds-x509.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef SYSTEM_TLS_CREDS_H
#define SYSTEM_TLS_CREDS_H

#include "io/tls.h"
#include "qom/object.h"

/* The types, for object_types_add(). */
const ObjectType *const *tls_creds_object_types(void);
/*
 * The credentials with that id under `root`; the caller's to unref.  NULL with
 * errp if there is none, it is something else, or for the other end.
 */
TlsCreds *tls_creds_lookup(Object *root, const char *id, bool server,
                           GError **errp);

#endif
