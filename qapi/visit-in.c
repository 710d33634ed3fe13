/*
 * JSON to C values of schema types.
 *
 * The error texts are those that QMP clients know (asked of the installed
 * emulator); a path like "capabilities[0].state" says where.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/visit.h"

#include "qapi/visit-priv.h"
#include "util/cutils.h"
#include "util/error.h"

/* Where in the input a value is; on the stack, innermost first. */
typedef struct Path {
    const struct Path *up;
    const char *name; /* NULL: list item */
    size_t index;
} Path;

static bool value_in(const QapiType *type, const JsonValue *v,
                     QapiInFlags flags, const Path *path, void *ret_val,
                     GError **errp);

static void path_append(const Path *path, GString *out)
{
    if (!path) {
        return;
    }
    path_append(path->up, out);
    if (!path->name) {
        g_string_append_printf(out, "[%zu]", path->index);
        return;
    }
    if (out->len) {
        g_string_append_c(out, '.');
    }
    g_string_append(out, path->name);
}

static char *path_to_string(const Path *path)
{
    GString *out = g_string_new(NULL);

    path_append(path, out);
    if (!out->len) {
        g_string_append(out, "arguments");
    }
    return g_string_free(out, false);
}

static bool fail_type(const Path *path, const char *expected, GError **errp)
{
    g_autofree char *where = path_to_string(path);

    error_setf(errp, "Invalid parameter type for '%s', expected: %s", where,
               expected);
    return false;
}

static bool fail_member(const Path *path, const char *is_what, GError **errp)
{
    g_autofree char *where = path_to_string(path);

    error_setf(errp, "Parameter '%s' is %s", where, is_what);
    return false;
}

static bool fail_range(const Path *path, const QapiType *type, GError **errp)
{
    g_autofree char *where = path_to_string(path);

    error_setf(errp, "Parameter '%s' expects %s", where, type->name);
    return false;
}

static bool signed_in(const QapiType *type, const JsonValue *v,
                      const Path *path, int64_t *ret_i, GError **errp)
{
    unsigned bits = type->size * 8;

    if (!json_get_int(v, ret_i)) {
        return fail_type(path, "integer", errp);
    }
    if (bits < 64 && (*ret_i < -(INT64_C(1) << (bits - 1)) ||
                      *ret_i >= INT64_C(1) << (bits - 1))) {
        return fail_range(path, type, errp);
    }
    return true;
}

static bool unsigned_in(const QapiType *type, const JsonValue *v,
                        const Path *path, uint64_t *ret_u, GError **errp)
{
    int64_t i;

    /* Clients that know no unsigned numbers send large ones as negative. */
    if (json_get_int(v, &i)) {
        *ret_u = (uint64_t)i;
    } else if (!json_get_uint(v, ret_u)) {
        return fail_range(path, &qapi_type_uint64, errp);
    }
    if (type->size < 8 && *ret_u >> (type->size * 8)) {
        return fail_range(path, type, errp);
    }
    return true;
}

/* From the command line: a number as text becomes a number. */
static JsonValue *number_from_text(const QapiType *type, const char *s)
{
    uint64_t u;
    int64_t i;
    double d;

    switch (type->kind) {
    case QAPI_BOOL: {
        bool b;

        return parse_bool("", s, &b, NULL) ? json_bool_new(b) : NULL;
    }
    case QAPI_SIZE:
        return parse_size("", s, 1, &u, NULL) ? json_uint_new(u) : NULL;
    case QAPI_NUMBER:
        return parse_double("", s, &d, NULL) ? json_double_new(d) : NULL;
    default:
        if (parse_int("", s, INT64_MIN, INT64_MAX, &i, NULL)) {
            return json_int_new(i);
        }
        return parse_uint("", s, 0, UINT64_MAX, &u, NULL) ? json_uint_new(u)
                                                          : NULL;
    }
}

/* Values of enums that QEMU 7.2 has and this program hasn't. */
static const struct {
    const char *type;
    const char *values[40];
} missing_values[] = {
    { "BlockdevDriver",
      { "blklogwrites",
        "blkreplay",
        "blkverify",
        "bochs",
        "cloop",
        "compress",
        "copy-before-write",
        "copy-on-read",
        "dmg",
        "ftp",
        "ftps",
        "gluster",
        "host_cdrom",
        "http",
        "https",
        "iscsi",
        "luks",
        "nbd",
        "nfs",
        "nvme",
        "parallels",
        "preallocate",
        "qcow",
        "qed",
        "quorum",
        "rbd",
        "replication",
        "snapshot-access",
        "ssh",
        "throttle",
        "vdi",
        "vhdx",
        "vmdk",
        "vpc",
        "vvfat" } },
    { "NetClientDriver",
      { "bridge", "l2tpv3", "netmap", "vde", "vhost-vdpa" } },
};

static bool value_is_missing(const QapiType *type, const char *value)
{
    for (size_t i = 0; i < G_N_ELEMENTS(missing_values); i++) {
        if (!strcmp(missing_values[i].type, type->name)) {
            return g_strv_contains(missing_values[i].values, value);
        }
    }
    return false;
}

static bool enum_in(const QapiType *type, const JsonValue *v, const Path *path,
                    int *ret_value, GError **errp)
{
    const char *s = json_get_string(v);
    g_autofree char *whole = NULL;

    if (!s) {
        return fail_type(path, "string", errp);
    }
    if (!qapi_enum_parse(type, s, ret_value)) {
        /* This one text has always named only the member itself. */
        whole = path && path->name ? NULL : path_to_string(path);
        error_setf(errp,
                   value_is_missing(type, s)
                       ? "Parameter '%s': '%s' is not in this version"
                       : "Parameter '%s' does not accept value '%s'",
                   whole ? whole : path->name, s);
        return false;
    }
    return true;
}

static bool integer_in(const QapiType *type, const JsonValue *v,
                       const Path *path, void *ret_val, GError **errp)
{
    bool is_signed = type->kind <= QAPI_INT64;
    int64_t i = 0;
    uint64_t u = 0;

    if (is_signed ? !signed_in(type, v, path, &i, errp)
                  : !unsigned_in(type, v, path, &u, errp)) {
        return false;
    }
    u = is_signed ? (uint64_t)i : u;
    /* The low bytes come first on the only hosts that there are. */
    memcpy(ret_val, &u, type->size);
    return true;
}

static bool scalar_in(const QapiType *type, const JsonValue *v,
                      QapiInFlags flags, const Path *path, void *ret_val,
                      GError **errp)
{
    g_autoptr(JsonValue) number = NULL;

    if (type->kind == QAPI_ENUM) {
        return enum_in(type, v, path, ret_val, errp);
    }
    if ((flags & QAPI_IN_TEXT) && json_get_string(v) &&
        type->kind != QAPI_NULL) {
        number = number_from_text(type, json_get_string(v));
        v = number ? number : v;
    }
    switch (type->kind) {
    case QAPI_BOOL:
        return json_get_bool(v, ret_val) || fail_type(path, "boolean", errp);
    case QAPI_NUMBER:
        return json_get_double(v, ret_val) || fail_type(path, "number", errp);
    case QAPI_NULL:
        return json_type(v) == JSON_NULL || fail_type(path, "null", errp);
    default:
        return integer_in(type, v, path, ret_val, errp);
    }
}

/* Is there a member of that name, in the struct or the branch selected? */
static bool struct_knows(const QapiType *type, const void *p, const char *key)
{
    const QapiType *branch;

    for (unsigned i = 0; i < type->n; i++) {
        if (!strcmp(type->fields[i].name, key)) {
            return true;
        }
    }
    branch = type->kind == QAPI_UNION ? qapi_union_branch(type, p) : NULL;
    return branch &&
           struct_knows(branch,
                        *(void *const *)((const char *)p + type->union_offset),
                        key);
}

static bool field_in(const QapiField *f, const JsonValue *o, QapiInFlags flags,
                     const Path *path, char *p, GError **errp)
{
    const Path here = { .up = path, .name = f->name };
    const JsonValue *v = json_object_get(o, f->name);

    if (!v) {
        return f->optional || fail_member(&here, "missing", errp);
    }
    if (!value_in(f->type, v, flags, &here, p + f->offset, errp)) {
        return false;
    }
    if (f->optional && f->type->kind < QAPI_STR) {
        *(bool *)(p + f->has_offset) = true;
    }
    return true;
}

/* Fills the zeroed struct p; what was filled stays there on failure. */
static bool fields_in(const QapiType *type, const JsonValue *o,
                      QapiInFlags flags, const Path *path, char *p,
                      GError **errp)
{
    const QapiType *branch = NULL;
    void **slot;

    /* The tag first: the branch must be known whatever else is wrong. */
    if (type->kind == QAPI_UNION &&
        !field_in(&type->fields[type->tag], o, flags, path, p, errp)) {
        return false;
    }
    for (unsigned i = 0; i < type->n; i++) {
        if ((type->kind != QAPI_UNION || i != type->tag) &&
            !field_in(&type->fields[i], o, flags, path, p, errp)) {
            return false;
        }
    }
    if (type->kind == QAPI_UNION) {
        branch = qapi_union_branch(type, p);
    }
    if (!branch) {
        return true;
    }
    slot = (void **)(p + type->union_offset);
    *slot = g_malloc0(branch->size);
    return fields_in(branch, o, flags, path, *slot, errp);
}

static void *struct_in(const QapiType *type, const JsonValue *v,
                       QapiInFlags flags, const Path *path, GError **errp)
{
    void *p;

    if (json_type(v) != JSON_OBJECT) {
        fail_type(path, "object", errp);
        return NULL;
    }
    p = g_malloc0(MAX(type->size, 1));
    if (!fields_in(type, v, flags, path, p, errp)) {
        qapi_free(type, p);
        return NULL;
    }
    for (size_t i = 0; i < json_object_len(v); i++) {
        const Path here = { .up = path, .name = json_object_at(v, i, NULL) };

        if (!struct_knows(type, p, here.name)) {
            fail_member(&here, "unexpected", errp);
            qapi_free(type, p);
            return NULL;
        }
    }
    return p;
}

static void *list_in(const QapiType *type, const JsonValue *v,
                     QapiInFlags flags, const Path *path, GError **errp)
{
    QapiList *l;

    if (json_type(v) != JSON_ARRAY) {
        fail_type(path, "array", errp);
        return NULL;
    }
    l = g_new0(QapiList, 1);
    for (size_t i = 0; i < json_array_len(v); i++) {
        const Path here = { .up = path, .index = i };
        void *item = qapi_list_grow(type, l);

        if (!value_in(type->elem, json_array_at(v, i), flags, &here, item,
                      errp)) {
            qapi_free(type, l);
            return NULL;
        }
    }
    return l;
}

/* Can a value of that JSON type be of the schema type? */
static bool kind_accepts(const QapiType *type, JsonType json)
{
    switch (type->kind) {
    case QAPI_BOOL:
        return json == JSON_BOOL;
    case QAPI_NULL:
        return json == JSON_NULL;
    case QAPI_NUMBER:
        return json == JSON_INT || json == JSON_UINT || json == JSON_DOUBLE;
    case QAPI_STR:
    case QAPI_ENUM:
        return json == JSON_STRING;
    case QAPI_LIST:
        return json == JSON_ARRAY;
    case QAPI_STRUCT:
    case QAPI_UNION:
        return json == JSON_OBJECT;
    case QAPI_ANY:
    case QAPI_ALTERNATE:
        return false; /* the generator refuses them here */
    default:
        return json == JSON_INT || json == JSON_UINT;
    }
}

static void *alternate_in(const QapiType *type, const JsonValue *v,
                          QapiInFlags flags, const Path *path, GError **errp)
{
    for (unsigned i = 0; i < type->n; i++) {
        const QapiField *f = &type->fields[i];
        char *p;

        if (!kind_accepts(f->type, json_type(v))) {
            continue;
        }
        p = g_malloc0(type->size);
        if (!value_in(f->type, v, flags, path, p + f->offset, errp)) {
            g_free(p);
            return NULL;
        }
        *(int *)(void *)p = (int)i;
        return p;
    }
    fail_type(path, type->name, errp);
    return NULL;
}

static bool value_in(const QapiType *type, const JsonValue *v,
                     QapiInFlags flags, const Path *path, void *ret_val,
                     GError **errp)
{
    void *p;

    switch (type->kind) {
    case QAPI_STR:
        p = g_strdup(json_get_string(v));
        if (!p) {
            fail_type(path, "string", errp);
        }
        break;
    case QAPI_ANY:
        p = json_ref(v);
        break;
    case QAPI_STRUCT:
    case QAPI_UNION:
        p = struct_in(type, v, flags, path, errp);
        break;
    case QAPI_ALTERNATE:
        p = alternate_in(type, v, flags, path, errp);
        break;
    case QAPI_LIST:
        p = list_in(type, v, flags, path, errp);
        break;
    default:
        return scalar_in(type, v, flags, path, ret_val, errp);
    }
    *(void **)ret_val = p;
    return p != NULL;
}

bool qapi_value_from_json(const QapiType *type, const JsonValue *v,
                          QapiInFlags flags, void *ret_val, GError **errp)
{
    return value_in(type, v, flags, NULL, ret_val, errp);
}

void *qapi_from_json(const QapiType *type, const JsonValue *v,
                     QapiInFlags flags, GError **errp)
{
    void *p = NULL;

    g_assert(type->kind >= QAPI_STR);
    value_in(type, v, flags, NULL, &p, errp);
    return p;
}
