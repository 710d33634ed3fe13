/*
 * C values of schema types to JSON.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/visit.h"

#include "qapi/visit-priv.h"

static JsonValue *scalar_to_json(const QapiType *type, const void *val)
{
    switch (type->kind) {
    case QAPI_BOOL:
        return json_bool_new(*(const bool *)val);
    case QAPI_INT8:
        return json_int_new(*(const int8_t *)val);
    case QAPI_INT16:
        return json_int_new(*(const int16_t *)val);
    case QAPI_INT32:
        return json_int_new(*(const int32_t *)val);
    case QAPI_INT64:
        return json_int_new(*(const int64_t *)val);
    case QAPI_UINT8:
        return json_int_new(*(const uint8_t *)val);
    case QAPI_UINT16:
        return json_int_new(*(const uint16_t *)val);
    case QAPI_UINT32:
        return json_int_new(*(const uint32_t *)val);
    case QAPI_UINT64:
    case QAPI_SIZE:
        return json_uint_new(*(const uint64_t *)val);
    case QAPI_NUMBER:
        return json_double_new(*(const double *)val);
    case QAPI_ENUM:
        return json_string_new(qapi_enum_str(type, *(const int *)val));
    default:
        return json_null_new();
    }
}

static void fields_to_json(const QapiType *type, const void *p, JsonValue *o)
{
    for (unsigned i = 0; i < type->n; i++) {
        const QapiField *f = &type->fields[i];

        if (qapi_field_present(f, p)) {
            json_object_set(o, f->name,
                            qapi_value_to_json(f->type,
                                               (const char *)p + f->offset));
        }
    }
    if (type->kind == QAPI_UNION) {
        const QapiType *branch = qapi_union_branch(type, p);
        const void *b =
            branch ? *(void *const *)((const char *)p + type->union_offset)
                   : NULL;

        if (b) {
            fields_to_json(branch, b, o);
        }
    }
}

static JsonValue *list_to_json(const QapiType *type, const QapiList *l)
{
    JsonValue *a = json_array_new();
    size_t size = qapi_value_size(type->elem);

    for (size_t i = 0; i < l->n; i++) {
        json_array_add(a, qapi_value_to_json(type->elem,
                                             (char *)l->items + i * size));
    }
    return a;
}

/* A pointer that must be there but isn't: what comes nearest to it. */
static JsonValue *empty_to_json(const QapiType *type)
{
    switch (type->kind) {
    case QAPI_STR:
        return json_string_new("");
    case QAPI_LIST:
        return json_array_new();
    case QAPI_ANY:
        return json_null_new();
    default:
        return json_object_new();
    }
}

JsonValue *qapi_to_json(const QapiType *type, const void *p)
{
    const QapiField *f;
    JsonValue *o;

    if (!p) {
        return empty_to_json(type);
    }
    switch (type->kind) {
    case QAPI_STR:
        return json_string_new(p);
    case QAPI_ANY:
        return json_ref(p);
    case QAPI_LIST:
        return list_to_json(type, p);
    case QAPI_ALTERNATE:
        f = qapi_alternate_branch(type, p);
        return f ? qapi_value_to_json(f->type, (const char *)p + f->offset)
                 : json_null_new();
    default:
        o = json_object_new();
        fields_to_json(type, p, o);
        return o;
    }
}

JsonValue *qapi_value_to_json(const QapiType *type, const void *val)
{
    if (type->kind >= QAPI_STR) {
        return qapi_to_json(type, *(void *const *)val);
    }
    return scalar_to_json(type, val);
}
