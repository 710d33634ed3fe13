/*
 * Block nodes as users write them.
 *
 * Dotted options become the JSON that QMP has, so that both go through the
 * same checks; what has passed them becomes dotted options, which is what
 * nodes are made from.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/blockdev-opts.h"

#include "qapi/visit.h"
#include "util/cutils.h"
#include "util/error.h"

/* "a.b.c": member c of member b of member a. */
static bool add_nested(JsonValue *obj, const char *key, const char *value,
                       GError **errp)
{
    const char *dot = strchr(key, '.');
    g_autofree char *first = NULL;
    JsonValue *inner;

    if (dot == NULL) {
        inner = json_object_get(obj, key);
        if (inner == NULL || json_type(inner) != JSON_OBJECT) {
            json_object_set_string(obj, key, value);
            return true;
        }
    } else {
        first = g_strndup(key, dot - key);
        inner = json_object_get(obj, first);
        if (inner == NULL) {
            inner = json_object_new();
            json_object_set(obj, first, inner);
        }
        if (json_type(inner) == JSON_OBJECT) {
            return add_nested(inner, dot + 1, value, errp);
        }
    }
    error_setf(errp, "Parameters '%s' and '%s.*' used inconsistently",
               first != NULL ? first : key, first != NULL ? first : key);
    return false;
}

/* Are its keys "0" to "N-1"? */
static bool is_list(const JsonValue *obj)
{
    size_t n = json_object_len(obj);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *key = g_strdup_printf("%zu", i);

        if (!json_object_has(obj, key)) {
            return false;
        }
    }
    return n > 0;
}

/* "a.0", "a.1": a list. */
static JsonValue *with_lists(const JsonValue *v)
{
    bool list = json_type(v) == JSON_OBJECT && is_list(v);
    JsonValue *to;

    if (json_type(v) != JSON_OBJECT) {
        return json_ref(v);
    }
    to = list ? json_array_new() : json_object_new();
    for (size_t i = 0; i < json_object_len(v); i++) {
        JsonValue *item;
        const char *key = json_object_at(v, i, &item);
        g_autofree char *number = g_strdup_printf("%zu", i);

        if (list) {
            json_array_add(to, with_lists(json_object_get(v, number)));
        } else {
            json_object_set(to, key, with_lists(item));
        }
    }
    return to;
}

/* A scalar as options have it; "" for null. */
static void add_scalar(KeyVal *kv, const char *key, const JsonValue *v)
{
    g_autofree char *text = NULL;
    bool on;

    if (json_type(v) == JSON_STRING) {
        keyval_add(kv, key, json_get_string(v));
    } else if (json_get_bool(v, &on)) {
        keyval_add(kv, key, on ? "on" : "off");
    } else if (json_type(v) == JSON_NULL) {
        keyval_add(kv, key, "");
    } else {
        text = json_to_string(v, false);
        keyval_add(kv, key, text);
    }
}

static void opts_flatten(KeyVal *kv, const char *prefix, const JsonValue *v)
{
    size_t n =
        json_type(v) == JSON_ARRAY ? json_array_len(v) : json_object_len(v);

    for (size_t i = 0; i < n; i++) {
        g_autofree char *number = g_strdup_printf("%zu", i);
        JsonValue *item = json_array_at(v, i);
        const char *key = number;
        g_autofree char *full = NULL;

        if (json_type(v) == JSON_OBJECT) {
            key = json_object_at(v, i, &item);
        }
        full = g_strconcat(prefix, key, NULL);
        if (json_type(item) == JSON_OBJECT || json_type(item) == JSON_ARRAY) {
            g_autofree char *below = g_strconcat(full, ".", NULL);

            opts_flatten(kv, below, item);
        } else {
            add_scalar(kv, full, item);
        }
    }
}

bool blockdev_add(BlockBackends *bs, const BlockdevOptions *o, GError **errp)
{
    g_autoptr(JsonValue) json = blockdev_options_to_json(o);
    g_autoptr(KeyVal) kv = keyval_new();

    opts_flatten(kv, "", json);
    return block_node_add(bs, kv, errp);
}

static bool add_from_json(BlockBackends *bs, const JsonValue *json,
                          unsigned flags, GError **errp)
{
    g_autoptr(BlockdevOptions) o =
        qapi_from_json(&qapi_type_blockdev_options, json, flags, errp);

    return o != NULL && blockdev_add(bs, o, errp);
}

bool blockdev_add_from_json_text(BlockBackends *bs, const char *text,
                                 GError **errp)
{
    g_autoptr(JsonValue) json = json_parse(text, -1, errp);

    return json != NULL && add_from_json(bs, json, 0, errp);
}

bool blockdev_add_from_keyval(BlockBackends *bs, const KeyVal *kv,
                              GError **errp)
{
    g_autoptr(JsonValue) obj = json_object_new();
    g_autoptr(JsonValue) nested = NULL;

    for (unsigned i = 0; i < keyval_count(kv); i++) {
        if (!add_nested(obj, keyval_key_at(kv, i), keyval_value_at(kv, i),
                        errp)) {
            return false;
        }
    }
    nested = with_lists(obj);
    return add_from_json(bs, nested, QAPI_IN_TEXT, errp);
}
