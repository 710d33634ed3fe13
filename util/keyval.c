/*
 * Option strings.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "util/keyval.h"

#include "util/cutils.h"
#include "util/error.h"

typedef struct KeyValItem {
    char *key;
    char *value;
    bool flag;    /* written without "=" */
    bool implied; /* value alone, in first place */
    bool used;
} KeyValItem;

struct KeyVal {
    GArray *items; /* of KeyValItem, in the order given */
};

static void item_clear(void *p)
{
    KeyValItem *item = p;

    g_free(item->key);
    g_free(item->value);
}

static KeyValItem *item_at(const KeyVal *kv, unsigned i)
{
    return &g_array_index(kv->items, KeyValItem, i);
}

KeyVal *keyval_new(void)
{
    KeyVal *kv = g_new0(KeyVal, 1);

    kv->items = g_array_new(false, false, sizeof(KeyValItem));
    g_array_set_clear_func(kv->items, item_clear);
    return kv;
}

void keyval_free(KeyVal *kv)
{
    if (kv) {
        g_array_unref(kv->items);
        g_free(kv);
    }
}

/* Reads up to a single comma or the end, making ",," one comma. */
static char *take_value(const char **p)
{
    g_autoptr(GString) value = g_string_new(NULL);
    const char *s = *p;

    while (*s && (*s != ',' || s[1] == ',')) {
        g_string_append_c(value, *s);
        s += *s == ',' ? 2 : 1;
    }
    *p = s;
    return g_string_free(g_steal_pointer(&value), false);
}

/* One item at *p; on success *p is at a comma or at the end. */
static bool parse_item(KeyVal *kv, const char **p, const char *implied,
                       GError **errp)
{
    size_t len = strcspn(*p, "=,");
    KeyValItem item = { 0 };

    if ((*p)[len] == '=') {
        if (len == 0) {
            error_setf(errp, "option name missing before '%s'", *p);
            return false;
        }
        item.key = g_strndup(*p, len);
        *p += len + 1;
        item.value = take_value(p);
    } else if (implied) {
        item.implied = true;
        item.key = g_strdup(implied);
        item.value = take_value(p);
    } else {
        if (len == 0) {
            error_setf(errp, "option name missing before '%s'", *p);
            return false;
        }
        item.flag = true;
        item.key = g_strndup(*p, len);
        item.value = g_strdup("on");
        *p += len;
    }
    g_array_append_val(kv->items, item);
    return true;
}

KeyVal *keyval_parse(const char *s, const char *implied, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_new();
    const char *p = s;

    while (*p) {
        if (!parse_item(kv, &p, p == s ? implied : NULL, errp)) {
            return NULL;
        }
        if (*p == ',') {
            p++;
        }
    }
    return g_steal_pointer(&kv);
}

void keyval_add(KeyVal *kv, const char *key, const char *value)
{
    KeyValItem item = { .key = g_strdup(key), .value = g_strdup(value) };

    g_array_append_val(kv->items, item);
}

static bool is_help(const char *s)
{
    return !strcmp(s, "help") || !strcmp(s, "?");
}

bool keyval_wants_help(const KeyVal *kv)
{
    for (unsigned i = 0; i < kv->items->len; i++) {
        const KeyValItem *item = item_at(kv, i);

        if ((item->flag && is_help(item->key)) ||
            (item->implied && is_help(item->value))) {
            return true;
        }
    }
    return false;
}

const char *keyval_get(KeyVal *kv, const char *key)
{
    const char *value = NULL;

    for (unsigned i = 0; i < kv->items->len; i++) {
        KeyValItem *item = item_at(kv, i);

        if (!strcmp(item->key, key)) {
            item->used = true;
            value = item->value;
        }
    }
    return value;
}

bool keyval_has(const KeyVal *kv, const char *key)
{
    for (unsigned i = 0; i < kv->items->len; i++) {
        if (!strcmp(item_at(kv, i)->key, key)) {
            return true;
        }
    }
    return false;
}

const char **keyval_get_all(KeyVal *kv, const char *key)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new();

    for (unsigned i = 0; i < kv->items->len; i++) {
        KeyValItem *item = item_at(kv, i);

        if (!strcmp(item->key, key)) {
            item->used = true;
            g_ptr_array_add(values, item->value);
        }
    }
    g_ptr_array_add(values, NULL);
    return (const char **)g_ptr_array_free(g_steal_pointer(&values), false);
}

/* The old way to say no: a flag "noKEY". */
static bool is_negation(const KeyValItem *item, const char *key)
{
    return item->flag && g_str_has_prefix(item->key, "no") &&
           !strcmp(item->key + 2, key);
}

static char *keyval_describe(const char *key)
{
    return g_strdup_printf("option '%s'", key);
}

bool keyval_get_bool(KeyVal *kv, const char *key, bool *ret_v, GError **errp)
{
    g_autofree char *what = keyval_describe(key);
    const char *value = NULL;

    for (unsigned i = 0; i < kv->items->len; i++) {
        KeyValItem *item = item_at(kv, i);

        if (!strcmp(item->key, key)) {
            item->used = true;
            value = item->value;
        } else if (is_negation(item, key)) {
            item->used = true;
            value = "off";
        }
    }
    return !value || parse_bool(what, value, ret_v, errp);
}

bool keyval_get_uint(KeyVal *kv, const char *key, uint64_t min, uint64_t max,
                     uint64_t *ret_v, GError **errp)
{
    g_autofree char *what = keyval_describe(key);
    const char *value = keyval_get(kv, key);

    return !value || parse_uint(what, value, min, max, ret_v, errp);
}

bool keyval_get_int(KeyVal *kv, const char *key, int64_t min, int64_t max,
                    int64_t *ret_v, GError **errp)
{
    g_autofree char *what = keyval_describe(key);
    const char *value = keyval_get(kv, key);

    return !value || parse_int(what, value, min, max, ret_v, errp);
}

bool keyval_get_size(KeyVal *kv, const char *key, uint64_t default_unit,
                     uint64_t *ret_bytes, GError **errp)
{
    g_autofree char *what = keyval_describe(key);
    const char *value = keyval_get(kv, key);

    return !value || parse_size(what, value, default_unit, ret_bytes, errp);
}

bool keyval_get_enum(KeyVal *kv, const char *key, const char *const *names,
                     int *ret_index, GError **errp)
{
    const char *value = keyval_get(kv, key);
    g_autofree char *all = NULL;

    if (!value) {
        return true;
    }
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], value)) {
            *ret_index = i;
            return true;
        }
    }
    all = g_strjoinv(", ", (char **)(uintptr_t)names);
    error_setf(errp, "option '%s': '%s' is none of %s", key, value, all);
    return false;
}

const char *keyval_get_required(KeyVal *kv, const char *key, const char *what,
                                GError **errp)
{
    const char *value = keyval_get(kv, key);

    if (!value) {
        error_setf(errp, "%s: option '%s' is missing", what, key);
    }
    return value;
}

unsigned keyval_count(const KeyVal *kv)
{
    return kv->items->len;
}

const char *keyval_key_at(const KeyVal *kv, unsigned i)
{
    return item_at(kv, i)->key;
}

const char *keyval_value_at(const KeyVal *kv, unsigned i)
{
    return item_at(kv, i)->value;
}

bool keyval_is_flag_at(const KeyVal *kv, unsigned i)
{
    return item_at(kv, i)->flag;
}

void keyval_mark_used_at(KeyVal *kv, unsigned i)
{
    item_at(kv, i)->used = true;
}

bool keyval_check_all_used(const KeyVal *kv, const char *what, GError **errp)
{
    for (unsigned i = 0; i < kv->items->len; i++) {
        if (!item_at(kv, i)->used) {
            error_setf(errp, "%s: unknown option '%s'", what,
                       item_at(kv, i)->key);
            return false;
        }
    }
    return true;
}
