/*
 * Back ends as users write them.
 *
 * The text becomes the JSON that QMP has, so that both go through the same
 * checks: "a.b=c" is a member of a member, and a few keys may be repeated.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "net/netdev-opts.h"

#include "qapi/visit.h"
#include "util/cutils.h"
#include "util/error.h"

static bool is_list(const char *key)
{
    static const char *const lists[] = { "hostfwd", "guestfwd", "dnssearch",
                                         NULL };

    return g_strv_contains(lists, key);
}

static void add_to_list(JsonValue *obj, const char *key, const char *value)
{
    JsonValue *item = json_object_new();

    if (!json_object_has(obj, key)) {
        json_object_set(obj, key, json_array_new());
    }
    json_object_set_string(item, "str", value);
    json_array_add(json_object_get(obj, key), item);
}

/* "a.b": member b of member a. */
static bool add_nested(JsonValue *obj, const char *key, const char *value,
                       GError **errp)
{
    g_auto(GStrv) part = g_strsplit(key, ".", 2);
    JsonValue *inner = json_object_get(obj, part[0]);

    if (inner == NULL) {
        inner = json_object_new();
        json_object_set(obj, part[0], inner);
    }
    if (json_type(inner) != JSON_OBJECT) {
        error_setf(errp, "Parameters '%s' and '%s' used inconsistently",
                   part[0], key);
        return false;
    }
    json_object_set_string(inner, part[1], value);
    return true;
}

/* ipv6-net=PREFIX/LENGTH: the older way to say two things. */
static bool add_ipv6_net(JsonValue *obj, const char *value, GError **errp)
{
    g_auto(GStrv) part = g_strsplit(value, "/", 2);
    uint64_t len = 64;

    if (part[0] != NULL && part[1] != NULL &&
        !parse_uint("ipv6-net", part[1], 0, 128, &len, NULL)) {
        error_setf(errp, "parameter 'ipv6-net' expects a number after '/'");
        return false;
    }
    json_object_set_string(obj, "ipv6-prefix", part[0] ? part[0] : "");
    if (part[0] != NULL && part[1] != NULL) {
        json_object_set_string(obj, "ipv6-prefixlen", part[1]);
    }
    return true;
}

/* "… is unexpected", as QMP says it, is "Invalid parameter …" in text. */
static void say_as_text(GError *err, GError **errp)
{
    if (g_str_has_suffix(err->message, "is unexpected")) {
        g_auto(GStrv) part = g_strsplit(err->message, "'", 3);

        error_setf(errp, "Invalid parameter '%s'",
                   part[0] != NULL && part[1] != NULL ? part[1] : "");
        g_error_free(err);
        return;
    }
    g_propagate_error(errp, err);
}

static bool check_id(const Netdev *nd, GError **errp)
{
    if (!id_is_valid(nd->id)) {
        error_setf(errp,
                   "Parameter 'id' expects an identifier\n"
                   "Identifiers consist of letters, digits, '-', '.', '_', "
                   "starting with a letter.");
        return false;
    }
    return true;
}

Netdev *netdev_from_keyval(const KeyVal *kv, GError **errp)
{
    g_autoptr(JsonValue) obj = json_object_new();
    GError *err = NULL;
    Netdev *nd;

    for (unsigned i = 0; i < keyval_count(kv); i++) {
        const char *key = keyval_key_at(kv, i);
        const char *value = keyval_value_at(kv, i);

        if (is_list(key)) {
            add_to_list(obj, key, value);
        } else if (g_str_equal(key, "ipv6-net")) {
            if (!add_ipv6_net(obj, value, errp)) {
                return NULL;
            }
        } else if (strchr(key, '.') != NULL) {
            if (!add_nested(obj, key, value, errp)) {
                return NULL;
            }
        } else {
            json_object_set_string(obj, key, value);
        }
    }
    nd = qapi_from_json(&qapi_type_netdev, obj, QAPI_IN_TEXT, &err);
    if (nd == NULL) {
        say_as_text(err, errp);
    }
    return nd;
}

Netdev *netdev_from_json_text(const char *json, GError **errp)
{
    g_autoptr(JsonValue) obj = json_parse(json, -1, errp);
    g_autoptr(Netdev) nd =
        obj != NULL ? qapi_from_json(&qapi_type_netdev, obj, 0, errp) : NULL;

    return nd != NULL && check_id(nd, errp) ? g_steal_pointer(&nd) : NULL;
}

void netdev_print_types(GString *out)
{
    g_string_append(out, "Available netdev backend types:\n");
    for (int t = 0; t < NET_CLIENT_DRIVER__MAX; t++) {
        g_string_append_printf(out, "%s\n", net_client_driver_str(t));
    }
}
