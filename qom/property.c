/*
 * Properties: from text or JSON into the fields of an object, and back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qom/known-props.h"
#include "qom/object-priv.h"
#include "util/cutils.h"
#include "util/error.h"

/* The names of OnOffAuto, by value. */
static const char *const on_off_auto_names[] = { "auto", "on", "off", NULL };

/* The width and range of an integer kind. */
typedef struct IntKind {
    uint8_t bytes;
    bool is_signed;
    const char *type_name;
} IntKind;

static const IntKind int_kinds[] = {
    [PROP_U8] = { 1, false, "uint8" },   [PROP_U16] = { 2, false, "uint16" },
    [PROP_U32] = { 4, false, "uint32" }, [PROP_U64] = { 8, false, "uint64" },
    [PROP_I32] = { 4, true, "int32" },   [PROP_I64] = { 8, true, "int64" },
    [PROP_SIZE] = { 8, false, "size" },
};

static void *property_field(Object *obj, const Property *p)
{
    return (char *)obj + p->offset;
}

static bool kind_is_int(PropKind kind)
{
    return kind >= PROP_U8 && kind <= PROP_SIZE;
}

static const char *const *enum_names(const Property *p)
{
    return p->kind == PROP_ON_OFF_AUTO ? on_off_auto_names : p->names;
}

/* The low bytes of v; x86 is little endian. */
static void store_int(Object *obj, const Property *p, uint64_t v)
{
    memcpy(property_field(obj, p), &v, int_kinds[p->kind].bytes);
}

static uint64_t load_int(Object *obj, const Property *p)
{
    const IntKind *k = &int_kinds[p->kind];
    uint64_t v = 0;

    memcpy(&v, property_field(obj, p), k->bytes);
    return k->is_signed ? (uint64_t)sextract64(v, 0, k->bytes * 8) : v;
}

void object_props_init(Object *obj)
{
    for (const Property *p = obj->type->props; p && p->name; p++) {
        if (kind_is_int(p->kind)) {
            store_int(obj, p, p->def);
        } else if (p->kind == PROP_BOOL) {
            *(bool *)property_field(obj, p) = p->def != 0;
        } else if (p->kind == PROP_ENUM || p->kind == PROP_ON_OFF_AUTO) {
            *(int *)property_field(obj, p) = p->def;
        } else if (p->kind == PROP_STR) {
            *(char **)property_field(obj, p) = g_strdup(p->def_str);
        }
    }
}

void object_props_fini(Object *obj)
{
    for (const Property *p = obj->type->props; p && p->name; p++) {
        if (p->kind == PROP_STR) {
            g_clear_pointer((char **)property_field(obj, p), g_free);
        }
    }
}

const Property *object_prop_find(const ObjectType *t, const char *name)
{
    for (const Property *p = t->props; p && p->name; p++) {
        if (!strcmp(p->name, name)) {
            return p;
        }
    }
    return NULL;
}

const char *object_prop_type_name(const Property *p)
{
    if (p->type_name) {
        return p->type_name;
    }
    if (kind_is_int(p->kind)) {
        return int_kinds[p->kind].type_name;
    }
    switch (p->kind) {
    case PROP_BOOL:
        return "bool";
    case PROP_ON_OFF_AUTO:
        return "OnOffAuto";
    case PROP_ENUM:
        return "enum";
    default:
        return "str";
    }
}

/* "Property 'memory-backend-ram.size'": what errors are about. */
static char *prop_what(const Object *obj, const Property *p)
{
    return g_strdup_printf("Property '%s.%s'", obj->type->name, p->name);
}

static bool wrong_type(const char *what, const JsonValue *val, const char *want,
                       GError **errp)
{
    g_autofree char *text = json_to_string(val, false);

    error_setf(errp, "%s: %s is not %s", what, text, want);
    return false;
}

static bool set_bool(Object *obj, const Property *p, const char *what,
                     const JsonValue *val, GError **errp)
{
    const char *s = json_get_string(val);
    bool v;

    if (s) {
        return parse_bool(what, s, property_field(obj, p), errp);
    }
    if (!json_get_bool(val, &v)) {
        return wrong_type(what, val, "a boolean", errp);
    }
    *(bool *)property_field(obj, p) = v;
    return true;
}

static bool set_signed(Object *obj, const Property *p, const char *what,
                       const JsonValue *val, GError **errp)
{
    int64_t max = p->kind == PROP_I32 ? INT32_MAX : INT64_MAX;
    int64_t min = -max - 1;
    const char *s = json_get_string(val);
    int64_t v;

    if (p->max) {
        min = (int64_t)p->min;
        max = (int64_t)p->max;
    }
    if (s) {
        if (!parse_int(what, s, min, max, &v, errp)) {
            return false;
        }
    } else if (!json_get_int(val, &v)) {
        return wrong_type(what, val, "an integer", errp);
    }
    if (v < min || v > max) {
        error_setf(errp, "%s: %" PRId64 " is not in %" PRId64 "..%" PRId64,
                   what, v, min, max);
        return false;
    }
    store_int(obj, p, v);
    return true;
}

static bool set_unsigned(Object *obj, const Property *p, const char *what,
                         const JsonValue *val, GError **errp)
{
    uint64_t max = MAKE_64BIT_MASK(0, int_kinds[p->kind].bytes * 8);
    const char *s = json_get_string(val);
    uint64_t v;

    if (p->max) {
        max = p->max;
    }
    if (s && p->kind == PROP_SIZE) {
        if (!parse_size(what, s, 1, &v, errp)) {
            return false;
        }
    } else if (s) {
        if (!parse_uint(what, s, p->min, max, &v, errp)) {
            return false;
        }
    } else if (!json_get_uint(val, &v)) {
        return wrong_type(what, val, int_kinds[p->kind].type_name, errp);
    }
    if (v < p->min || v > max) {
        error_setf(errp, "%s: %" PRIu64 " is not in %" PRIu64 "..%" PRIu64,
                   what, v, p->min, max);
        return false;
    }
    store_int(obj, p, v);
    return true;
}

static bool set_enum(Object *obj, const Property *p, const char *what,
                     const JsonValue *val, GError **errp)
{
    const char *const *names = enum_names(p);
    const char *s = json_get_string(val);
    bool b;

    if (!s && p->kind == PROP_ON_OFF_AUTO && json_get_bool(val, &b)) {
        s = b ? "on" : "off";
    }
    if (!s) {
        return wrong_type(what, val, "a string", errp);
    }
    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], s)) {
            *(int *)property_field(obj, p) = i;
            return true;
        }
    }
    {
        g_autofree char *all = g_strjoinv(", ", (char **)names);

        error_setf(errp, "%s: '%s' is none of %s", what, s, all);
    }
    return false;
}

static void store_string(Object *obj, const Property *p, const char *s)
{
    char **at = property_field(obj, p);

    g_free(*at);
    *at = g_strdup(s);
}

bool object_prop_store(Object *obj, const Property *p, const JsonValue *val,
                       GError **errp)
{
    g_autofree char *what = prop_what(obj, p);
    const char *s = json_get_string(val);

    switch (p->kind) {
    case PROP_BOOL:
        return set_bool(obj, p, what, val, errp);
    case PROP_I32:
    case PROP_I64:
        return set_signed(obj, p, what, val, errp);
    case PROP_STR:
        if (!s) {
            return wrong_type(what, val, "a string", errp);
        }
        store_string(obj, p, s);
        return true;
    case PROP_ENUM:
    case PROP_ON_OFF_AUTO:
        return set_enum(obj, p, what, val, errp);
    case PROP_CUSTOM:
        error_setf(errp, "%s is read-only", what);
        return false;
    default:
        return set_unsigned(obj, p, what, val, errp);
    }
}

/* The property, if it is there and may be set now. */
static const Property *find_settable(Object *obj, const char *name,
                                     GError **errp)
{
    const Property *p = object_prop_find(obj->type, name);

    if (!p) {
        object_prop_missing(obj->type->name, name, errp);
        return NULL;
    }
    if (p->read_only) {
        error_setf(errp, "Property '%s.%s' is read-only", obj->type->name,
                   name);
        return NULL;
    }
    if (obj->complete && !p->run_time) {
        error_setf(errp, "cannot change property '%s' of %s '%s' any more",
                   name, obj->type->name, obj->name ? obj->name : "");
        return NULL;
    }
    return p;
}

bool object_prop_set(Object *obj, const char *name, const JsonValue *val,
                     GError **errp)
{
    const Property *p = find_settable(obj, name, errp);

    if (!p) {
        return false;
    }
    if (p->set) {
        return p->set(obj, p, val, errp);
    }
    return object_prop_store(obj, p, val, errp);
}

bool object_prop_set_str(Object *obj, const char *name, const char *val,
                         GError **errp)
{
    const Property *p = find_settable(obj, name, errp);
    g_autoptr(JsonValue) json = NULL;

    if (!p) {
        return false;
    }
    if (p->kind == PROP_STR && !p->set) {
        /* Not through JSON: a file's name need not be UTF-8. */
        store_string(obj, p, val);
        return true;
    }
    json = json_string_new(val);
    return object_prop_set(obj, name, json, errp);
}

JsonValue *object_prop_load(Object *obj, const Property *p)
{
    const char *s;

    switch (p->kind) {
    case PROP_BOOL:
        return json_bool_new(*(bool *)property_field(obj, p));
    case PROP_I32:
    case PROP_I64:
        return json_int_new((int64_t)load_int(obj, p));
    case PROP_STR:
        s = *(char **)property_field(obj, p);
        return json_string_new(s ? s : "");
    case PROP_ENUM:
    case PROP_ON_OFF_AUTO:
        return json_string_new(enum_names(p)[*(int *)property_field(obj, p)]);
    case PROP_CUSTOM:
        return json_null_new();
    default:
        return json_uint_new(load_int(obj, p));
    }
}

JsonValue *object_prop_get(Object *obj, const char *name, GError **errp)
{
    const Property *p = object_prop_find(obj->type, name);

    if (!p) {
        object_prop_missing(obj->type->name, name, errp);
        return NULL;
    }
    if (p->get) {
        return p->get(obj, p, errp);
    }
    if (p->kind == PROP_CUSTOM) {
        error_setf(errp, "Property '%s.%s' is not readable", obj->type->name,
                   name);
        return NULL;
    }
    return object_prop_load(obj, p);
}
