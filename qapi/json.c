/*
 * JSON values: construction, access, lifetime. See qapi/json.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/json.h"

#include <math.h>

/*
 * Objects with more members than this get an index. A tree and not a hash
 * table: a client can't choose keys that make it slow.
 */
enum { OBJECT_INDEX_MIN = 16 };

typedef struct JsonMember {
    char *key;
    JsonValue *val;
} JsonMember;

struct JsonValue {
    gatomicrefcount refs;
    JsonType type;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double d;
        char *s;
        struct {
            JsonValue **items;
            size_t n, cap;
        } array;
        struct {
            JsonMember *members;
            size_t n, cap;
            GTree *index; /* borrowed key -> position + 1; NULL if small */
        } object;
    };
};

static JsonValue *value_new(JsonType type)
{
    JsonValue *v = g_new0(JsonValue, 1);

    g_atomic_ref_count_init(&v->refs);
    v->type = type;
    return v;
}

JsonValue *json_null_new(void)
{
    return value_new(JSON_NULL);
}

JsonValue *json_bool_new(bool b)
{
    JsonValue *v = value_new(JSON_BOOL);

    v->b = b;
    return v;
}

JsonValue *json_int_new(int64_t i)
{
    JsonValue *v = value_new(JSON_INT);

    v->i = i;
    return v;
}

JsonValue *json_uint_new(uint64_t u)
{
    JsonValue *v = value_new(u <= INT64_MAX ? JSON_INT : JSON_UINT);

    v->u = u;
    return v;
}

JsonValue *json_double_new(double d)
{
    JsonValue *v = value_new(JSON_DOUBLE);

    v->d = isfinite(d) ? d : 0;
    return v;
}

/* U+0000 as C0 80 is ours; g_utf8_validate() rightly calls it invalid. */
static bool string_is_valid(const char *s)
{
    const char *end;

    while (!g_utf8_validate(s, -1, &end)) {
        if ((uint8_t)end[0] != 0xc0 || (uint8_t)end[1] != 0x80) {
            return false;
        }
        s = end + 2;
    }
    return true;
}

JsonValue *json_string_new(const char *s)
{
    JsonValue *v = value_new(JSON_STRING);

    v->s = string_is_valid(s) ? g_strdup(s) : g_utf8_make_valid(s, -1);
    return v;
}

JsonValue *json_string_printf(const char *fmt, ...)
{
    g_autofree char *s = NULL;
    va_list ap;

    va_start(ap, fmt);
    s = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    return json_string_new(s);
}

JsonValue *json_array_new(void)
{
    return value_new(JSON_ARRAY);
}

JsonValue *json_object_new(void)
{
    return value_new(JSON_OBJECT);
}

JsonValue *json_ref(const JsonValue *v)
{
    JsonValue *mut = (JsonValue *)(uintptr_t)v;

    g_atomic_ref_count_inc(&mut->refs);
    return mut;
}

static void object_free_members(JsonValue *v)
{
    g_clear_pointer(&v->object.index, g_tree_unref);
    for (size_t i = 0; i < v->object.n; i++) {
        g_free(v->object.members[i].key);
        json_unref(v->object.members[i].val);
    }
    g_free(v->object.members);
}

void json_unref(JsonValue *v)
{
    if (!v || !g_atomic_ref_count_dec(&v->refs)) {
        return;
    }
    if (v->type == JSON_STRING) {
        g_free(v->s);
    } else if (v->type == JSON_ARRAY) {
        for (size_t i = 0; i < v->array.n; i++) {
            json_unref(v->array.items[i]);
        }
        g_free(v->array.items);
    } else if (v->type == JSON_OBJECT) {
        object_free_members(v);
    }
    g_free(v);
}

JsonType json_type(const JsonValue *v)
{
    return v->type;
}

const char *json_type_name(const JsonValue *v)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean",
        [JSON_INT] = "integer",   [JSON_UINT] = "integer",
        [JSON_DOUBLE] = "number", [JSON_STRING] = "string",
        [JSON_ARRAY] = "array",   [JSON_OBJECT] = "object",
    };

    return names[v->type];
}

static bool array_equal(const JsonValue *a, const JsonValue *b)
{
    if (a->array.n != b->array.n) {
        return false;
    }
    for (size_t i = 0; i < a->array.n; i++) {
        if (!json_equal(a->array.items[i], b->array.items[i])) {
            return false;
        }
    }
    return true;
}

static bool object_equal(const JsonValue *a, const JsonValue *b)
{
    if (a->object.n != b->object.n) {
        return false;
    }
    for (size_t i = 0; i < a->object.n; i++) {
        const JsonMember *m = &a->object.members[i];
        const JsonValue *other = json_object_get(b, m->key);

        if (!other || !json_equal(m->val, other)) {
            return false;
        }
    }
    return true;
}

bool json_equal(const JsonValue *a, const JsonValue *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return a->b == b->b;
    case JSON_INT:
    case JSON_UINT:
        return a->u == b->u;
    case JSON_DOUBLE:
        return a->d == b->d;
    case JSON_STRING:
        return !strcmp(a->s, b->s);
    case JSON_ARRAY:
        return array_equal(a, b);
    case JSON_OBJECT:
        return object_equal(a, b);
    }
    return false;
}

bool json_get_bool(const JsonValue *v, bool *ret_b)
{
    if (!v || v->type != JSON_BOOL) {
        return false;
    }
    *ret_b = v->b;
    return true;
}

bool json_get_int(const JsonValue *v, int64_t *ret_i)
{
    if (!v || v->type != JSON_INT) {
        return false;
    }
    *ret_i = v->i;
    return true;
}

bool json_get_uint(const JsonValue *v, uint64_t *ret_u)
{
    if (!v || (v->type != JSON_UINT && (v->type != JSON_INT || v->i < 0))) {
        return false;
    }
    *ret_u = v->u;
    return true;
}

bool json_get_double(const JsonValue *v, double *ret_d)
{
    if (!v) {
        return false;
    }
    switch (v->type) {
    case JSON_INT:
        *ret_d = (double)v->i;
        return true;
    case JSON_UINT:
        *ret_d = (double)v->u;
        return true;
    case JSON_DOUBLE:
        *ret_d = v->d;
        return true;
    default:
        return false;
    }
}

const char *json_get_string(const JsonValue *v)
{
    return v && v->type == JSON_STRING ? v->s : NULL;
}

size_t json_array_len(const JsonValue *v)
{
    return v && v->type == JSON_ARRAY ? v->array.n : 0;
}

JsonValue *json_array_at(const JsonValue *v, size_t i)
{
    return i < json_array_len(v) ? v->array.items[i] : NULL;
}

void json_array_add(JsonValue *array, JsonValue *item)
{
    g_assert(array->type == JSON_ARRAY);
    if (array->array.n == array->array.cap) {
        array->array.cap = MAX(4, array->array.cap * 2);
        array->array.items =
            g_renew(JsonValue *, array->array.items, array->array.cap);
    }
    array->array.items[array->array.n++] = item;
}

size_t json_object_len(const JsonValue *v)
{
    return v && v->type == JSON_OBJECT ? v->object.n : 0;
}

/* Position of the member, or object.n if there is none. */
static size_t object_find(const JsonValue *v, const char *key)
{
    if (v->object.index) {
        size_t pos = GPOINTER_TO_SIZE(g_tree_lookup(v->object.index, key));

        return pos ? pos - 1 : v->object.n;
    }
    for (size_t i = 0; i < v->object.n; i++) {
        if (!strcmp(v->object.members[i].key, key)) {
            return i;
        }
    }
    return v->object.n;
}

JsonValue *json_object_get(const JsonValue *v, const char *key)
{
    size_t i;

    if (!v || v->type != JSON_OBJECT) {
        return NULL;
    }
    i = object_find(v, key);
    return i < v->object.n ? v->object.members[i].val : NULL;
}

bool json_object_has(const JsonValue *v, const char *key)
{
    return json_object_get(v, key) != NULL;
}

const char *json_object_at(const JsonValue *v, size_t i, JsonValue **ret_val)
{
    if (i >= json_object_len(v)) {
        return NULL;
    }
    if (ret_val) {
        *ret_val = v->object.members[i].val;
    }
    return v->object.members[i].key;
}

static int compare_keys(const void *a, const void *b, void *opaque)
{
    return strcmp(a, b);
}

static void object_index_from(JsonValue *v, size_t first)
{
    if (!v->object.index) {
        v->object.index = g_tree_new_full(compare_keys, NULL, NULL, NULL);
    }
    for (size_t i = first; i < v->object.n; i++) {
        g_tree_insert(v->object.index, v->object.members[i].key,
                      GSIZE_TO_POINTER(i + 1));
    }
}

void json_object_set(JsonValue *object, const char *key, JsonValue *val)
{
    size_t i;

    g_assert(object->type == JSON_OBJECT);
    i = object_find(object, key);
    if (i < object->object.n) {
        json_unref(object->object.members[i].val);
        object->object.members[i].val = val;
        return;
    }
    if (object->object.n == object->object.cap) {
        object->object.cap = MAX(4, object->object.cap * 2);
        object->object.members =
            g_renew(JsonMember, object->object.members, object->object.cap);
    }
    object->object.members[object->object.n++] =
        (JsonMember){ .key = g_strdup(key), .val = val };
    if (object->object.index) {
        object_index_from(object, i);
    } else if (object->object.n > OBJECT_INDEX_MIN) {
        object_index_from(object, 0);
    }
}

bool json_object_remove(JsonValue *object, const char *key)
{
    JsonMember *m;
    size_t i;

    g_assert(object->type == JSON_OBJECT);
    i = object_find(object, key);
    if (i == object->object.n) {
        return false;
    }
    g_clear_pointer(&object->object.index, g_tree_unref);
    m = &object->object.members[i];
    g_free(m->key);
    json_unref(m->val);
    object->object.n--;
    memmove(m, m + 1, (object->object.n - i) * sizeof(*m));
    if (object->object.n > OBJECT_INDEX_MIN) {
        object_index_from(object, 0);
    }
    return true;
}

void json_object_set_string(JsonValue *object, const char *key, const char *s)
{
    if (s) {
        json_object_set(object, key, json_string_new(s));
    }
}

void json_object_set_int(JsonValue *object, const char *key, int64_t i)
{
    json_object_set(object, key, json_int_new(i));
}

void json_object_set_uint(JsonValue *object, const char *key, uint64_t u)
{
    json_object_set(object, key, json_uint_new(u));
}

void json_object_set_bool(JsonValue *object, const char *key, bool b)
{
    json_object_set(object, key, json_bool_new(b));
}
