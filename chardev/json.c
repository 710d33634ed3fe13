/*
 * Character devices: QMP's description of a back end.
 *
 * It becomes the option list that the command line gives, so that both go
 * through the same checks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "chardev/chardev-priv.h"
#include "util/cutils.h"
#include "util/error.h"

/* One member of "data": the option it stands for. */
typedef struct JsonOption {
    const char *type;   /* of the back end; NULL: all of them */
    const char *member; /* in "data" */
    const char *key;    /* of -chardev */
} JsonOption;

static const JsonOption json_options[] = {
    { NULL, "logfile", "logfile" },
    { NULL, "logappend", "logappend" },
    { "file", "out", "path" },
    { "file", "in", "input-path" },
    { "file", "append", "append" },
    { "pipe", "device", "path" },
    { "serial", "device", "path" },
    { "stdio", "signal", "signal" },
    { "ringbuf", "size", "size" },
    { "mux", "chardev", "chardev" },
    { "socket", "server", "server" },
    { "socket", "wait", "wait" },
    { "socket", "nodelay", "nodelay" },
    { "socket", "telnet", "telnet" },
    { "socket", "tn3270", "tn3270" },
    { "socket", "websocket", "websocket" },
    { "socket", "reconnect", "reconnect" },
    { "socket", "tls-creds", "tls-creds" },
    { "socket", "tls-authz", "tls-authz" },
    { "inet", "host", "host" },
    { "inet", "port", "port" },
    { "inet", "to", "to" },
    { "inet", "ipv4", "ipv4" },
    { "inet", "ipv6", "ipv6" },
    { "inet", "keep-alive", "keep-alive" },
    { "unix", "path", "path" },
    { "unix", "abstract", "abstract" },
    { "unix", "tight", "tight" },
    { "fd", "str", "fd" },
};

static bool json_add_scalar(KeyVal *kv, const char *key, const JsonValue *val,
                            GError **errp)
{
    g_autofree char *text = NULL;
    bool b;

    if (json_type(val) == JSON_STRING) {
        keyval_add(kv, key, json_get_string(val));
        return true;
    }
    if (json_get_bool(val, &b)) {
        keyval_add(kv, key, b ? "on" : "off");
        return true;
    }
    if (json_type(val) == JSON_INT || json_type(val) == JSON_UINT) {
        text = json_to_string(val, false);
        keyval_add(kv, key, text);
        return true;
    }
    error_setf(errp, "Invalid parameter type for '%s', not %s", key,
               json_type_name(val));
    return false;
}

static const char *json_find_key(const char *type, const char *member)
{
    for (size_t i = 0; i < G_N_ELEMENTS(json_options); i++) {
        const JsonOption *o = &json_options[i];

        if ((!o->type || !strcmp(o->type, type)) &&
            !strcmp(o->member, member)) {
            return o->key;
        }
    }
    return NULL;
}

/* Every member of "data" but @skip, which the caller handles. */
static bool json_add_members(KeyVal *kv, const char *type,
                             const JsonValue *data, const char *skip,
                             GError **errp)
{
    for (size_t i = 0; i < json_object_len(data); i++) {
        JsonValue *val;
        const char *member = json_object_at(data, i, &val);
        const char *key = json_find_key(type, member);

        if (skip && !strcmp(member, skip)) {
            continue;
        }
        if (!key) {
            error_setf(errp, "Parameter '%s' is unexpected", member);
            return false;
        }
        if (!json_add_scalar(kv, key, val, errp)) {
            return false;
        }
    }
    return true;
}

/* {"type": …, "data": {…}}; "data" may be absent. */
static const char *json_split(const JsonValue *v, const char *what,
                              const JsonValue **ret_data, GError **errp)
{
    const char *type = json_get_string(json_object_get(v, "type"));
    const JsonValue *data = json_object_get(v, "data");

    if (!type || (data && json_type(data) != JSON_OBJECT)) {
        error_setf(errp, "Parameter '%s' needs members 'type' and 'data'",
                   what);
        return NULL;
    }
    *ret_data = data;
    return type;
}

static bool json_add_addr(KeyVal *kv, const JsonValue *addr, GError **errp)
{
    const JsonValue *data;
    const char *type = json_split(addr, "addr", &data, errp);

    if (!type) {
        return false;
    }
    if (!g_str_equal(type, "inet") && !g_str_equal(type, "unix") &&
        !g_str_equal(type, "fd")) {
        error_setf(errp, "chardev: socket address type '%s' is not supported",
                   type);
        return false;
    }
    return json_add_members(kv, type, data, NULL, errp);
}

Chardev *chardev_new_from_json(Chardevs *cs, const char *id,
                               const JsonValue *backend, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_new();
    const ChardevOps *ops;
    const JsonValue *data;
    const char *type = json_split(backend, "backend", &data, errp);
    bool server = true;
    Chardev *cd;

    ops = type ? chardev_type_find(type, errp) : NULL;
    if (!ops) {
        return NULL;
    }
    if (!id_is_valid(id)) {
        error_setf(errp, "Parameter 'id' expects an identifier, not '%s'", id);
        return NULL;
    }
    if (chardev_find(cs, id)) {
        error_setf(errp, "Chardev with id '%s' already exists", id);
        return NULL;
    }
    if (ops == &chardev_socket_ops) {
        /* Here a socket listens unless told otherwise, and never waits. */
        json_get_bool(json_object_get(data, "server"), &server);
        keyval_add(kv, "server", "on");
        if (server) {
            keyval_add(kv, "wait", "off");
        }
        if (!json_add_addr(kv, json_object_get(data, "addr"), errp)) {
            return NULL;
        }
    }
    if (!json_add_members(kv, ops->type, data,
                          ops == &chardev_socket_ops ? "addr" : NULL, errp)) {
        return NULL;
    }
    cd = chardev_create(cs, ops, id, kv, errp);
    if (!cd) {
        error_prefix(errp, "Failed to add chardev '%s': ", id);
    }
    return cd;
}
