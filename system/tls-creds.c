/*
 * TLS credentials as objects: who a user's connections trust, and what they
 * show.  The files are read once, when the object is made.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "system/tls-creds.h"

#include "system/secret.h"
#include "util/error.h"

enum { TLS_END_CLIENT, TLS_END_SERVER };

typedef struct TlsCredsObject {
    Object obj;
    int endpoint; /* TLS_END_* */
    bool verify_peer, sanity_check;
    char *dir, *priority, *username, *passwordid;
    TlsCreds *creds; /* NULL: not complete */
} TlsCredsObject;

static const char *const endpoint_names[] = { "client", "server", NULL };

static const char *set_or_null(const char *s)
{
    return s != NULL && *s != '\0' ? s : NULL;
}

static bool creds_complete(TlsCredsObject *t, TlsKind kind,
                           const char *password, GError **errp)
{
    const TlsConfig cfg = {
        .password = password,
        .kind = kind,
        .server = t->endpoint == TLS_END_SERVER,
        .verify_peer = t->verify_peer,
        .sanity_check = t->sanity_check,
        .dir = set_or_null(t->dir),
        .priority = set_or_null(t->priority),
        .username = set_or_null(t->username),
    };

    t->creds = tls_creds_new(&cfg, errp);
    return t->creds != NULL;
}

static bool anon_complete(Object *obj, GError **errp)
{
    return creds_complete(OBJECT_CAST(TlsCredsObject, obj), TLS_ANON, NULL,
                          errp);
}

static bool psk_complete(Object *obj, GError **errp)
{
    return creds_complete(OBJECT_CAST(TlsCredsObject, obj), TLS_PSK, NULL,
                          errp);
}

static bool x509_complete(Object *obj, GError **errp)
{
    TlsCredsObject *t = OBJECT_CAST(TlsCredsObject, obj);
    const char *id = set_or_null(t->passwordid);
    const char *password = NULL;
    size_t len;

    if (id != NULL) {
        password =
            (const char *)secret_lookup(object_root(obj), id, &len, errp);
        if (password == NULL) {
            return false;
        }
        if (strlen(password) != len) {
            error_setf(errp, "passwordid=%s: a password has no NUL in it", id);
            return false;
        }
    }
    return creds_complete(t, TLS_X509, password, errp);
}

static void creds_fini(Object *obj)
{
    tls_creds_unref(OBJECT_CAST(TlsCredsObject, obj)->creds);
}

#define TLS_COMMON_PROPS                                                   \
    PROP(PROP_ENUM, TlsCredsObject, endpoint, "endpoint",                  \
         .names = endpoint_names, .type_name = "QCryptoTLSCredsEndpoint"), \
        PROP(PROP_STR, TlsCredsObject, dir, "dir", .type_name = "string"), \
        PROP(PROP_BOOL, TlsCredsObject, verify_peer, "verify-peer",        \
             .def = true),                                                 \
        PROP(PROP_STR, TlsCredsObject, priority, "priority",               \
             .type_name = "string")

static const Property anon_props[] = {
    TLS_COMMON_PROPS,
    PROP_END,
};

static const Property psk_props[] = {
    TLS_COMMON_PROPS,
    PROP(PROP_STR, TlsCredsObject, username, "username", .type_name = "string"),
    PROP_END,
};

static const Property x509_props[] = {
    TLS_COMMON_PROPS,
    PROP(PROP_BOOL, TlsCredsObject, sanity_check, "sanity-check", .def = true),
    PROP(PROP_STR, TlsCredsObject, passwordid, "passwordid",
         .type_name = "string"),
    PROP_END,
};

static const ObjectType creds_type = {
    .name = "tls-creds",
    .parent = "object",
    .size = sizeof(TlsCredsObject),
    .abstract = true,
};

#define TLS_TYPE(name_, kind_)                                                \
    {                                                                         \
        .name = name_, .parent = "tls-creds", .size = sizeof(TlsCredsObject), \
        .props = kind_##_props, .user_creatable = true,                       \
        .complete = kind_##_complete, .fini = creds_fini                      \
    }

static const ObjectType anon_type = TLS_TYPE("tls-creds-anon", anon);
static const ObjectType psk_type = TLS_TYPE("tls-creds-psk", psk);
static const ObjectType x509_type = TLS_TYPE("tls-creds-x509", x509);

const ObjectType *const *tls_creds_object_types(void)
{
    static const ObjectType *const types[] = { &creds_type, &anon_type,
                                               &psk_type, &x509_type, NULL };

    return types;
}

TlsCreds *tls_creds_lookup(Object *root, const char *id, bool server,
                           GError **errp)
{
    Object *objects = object_child(root, "objects");
    Object *obj = objects != NULL ? object_child(objects, id) : NULL;
    TlsCreds *creds;

    if (obj == NULL) {
        error_setf(errp, "No TLS credentials with id '%s'", id);
        return NULL;
    }
    if (!object_type_is_a(obj->type, "tls-creds")) {
        error_setf(errp, "Object with id '%s' is not TLS credentials", id);
        return NULL;
    }
    creds = OBJECT_CAST(TlsCredsObject, obj)->creds;
    if (tls_creds_is_server(creds) != server) {
        error_setf(errp, "Expected TLS credentials for a %s endpoint",
                   server ? "server" : "client");
        return NULL;
    }
    return tls_creds_ref(creds);
}
