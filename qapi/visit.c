/*
 * What C values of schema types have in common: tables of the builtin types,
 * enums, lists, freeing. The conversions are in visit-in.c and visit-out.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qapi/visit.h"

#include "qapi/visit-priv.h"

/* The name is what an error calls the type; see visit-in.c. */
#define BUILTIN(name_, kind_, ctype_, str_)     \
    const QapiType qapi_type_##name_ = {        \
        .name = (str_),                         \
        .kind = (kind_),                        \
        .size = sizeof(ctype_),                 \
    };                                          \
    const QapiType qapi_type_##name_##_list = { \
        .name = "list of " str_,                \
        .kind = QAPI_LIST,                      \
        .size = sizeof(QapiList),               \
        .elem = &qapi_type_##name_,             \
    }

BUILTIN(bool, QAPI_BOOL, bool, "boolean");
BUILTIN(int8, QAPI_INT8, int8_t, "int8_t");
BUILTIN(int16, QAPI_INT16, int16_t, "int16_t");
BUILTIN(int32, QAPI_INT32, int32_t, "int32_t");
BUILTIN(int64, QAPI_INT64, int64_t, "integer");
BUILTIN(uint8, QAPI_UINT8, uint8_t, "uint8_t");
BUILTIN(uint16, QAPI_UINT16, uint16_t, "uint16_t");
BUILTIN(uint32, QAPI_UINT32, uint32_t, "uint32_t");
BUILTIN(uint64, QAPI_UINT64, uint64_t, "uint64");
BUILTIN(size, QAPI_SIZE, uint64_t, "uint64");
BUILTIN(number, QAPI_NUMBER, double, "number");
BUILTIN(str, QAPI_STR, char *, "string");
BUILTIN(any, QAPI_ANY, JsonValue *, "any");

const QapiType qapi_type_null = { .name = "null", .kind = QAPI_NULL };

const char *qapi_enum_str(const QapiType *type, int value)
{
    return value >= 0 && (unsigned)value < type->n ? type->names[value] : "?";
}

bool qapi_enum_parse(const QapiType *type, const char *s, int *ret_value)
{
    for (unsigned i = 0; i < type->n; i++) {
        if (!strcmp(type->names[i], s)) {
            *ret_value = (int)i;
            return true;
        }
    }
    return false;
}

size_t qapi_value_size(const QapiType *type)
{
    return type->kind >= QAPI_STR ? sizeof(void *) : type->size;
}

bool qapi_field_present(const QapiField *f, const void *p)
{
    const char *base = p;

    if (!f->optional) {
        return true;
    }
    if (f->type->kind >= QAPI_STR) {
        return *(void *const *)(base + f->offset) != NULL;
    }
    return *(const bool *)(base + f->has_offset);
}

const QapiType *qapi_union_branch(const QapiType *type, const void *p)
{
    const QapiField *tag = &type->fields[type->tag];
    int value = *(const int *)((const char *)p + tag->offset);

    if (value < 0 || (unsigned)value >= tag->type->n) {
        return NULL;
    }
    return type->branches[value];
}

const QapiField *qapi_alternate_branch(const QapiType *type, const void *p)
{
    int value = *(const int *)p;

    return value >= 0 && (unsigned)value < type->n ? &type->fields[value]
                                                   : NULL;
}

/* Room grows at each power of two, so that none need be remembered. */
void *qapi_list_grow(const QapiType *type, void *list)
{
    QapiList *l = list;
    size_t size = qapi_value_size(type->elem);
    char *item;

    if (l->n == 0 || is_pow2(l->n)) {
        l->items = g_realloc_n(l->items, l->n ? l->n * 2 : 1, size);
    }
    item = (char *)l->items + l->n++ * size;
    memset(item, 0, size);
    return item;
}

void qapi_struct_clear(const QapiType *type, void *p)
{
    if (type->kind == QAPI_ALTERNATE) {
        const QapiField *f = qapi_alternate_branch(type, p);

        if (f) {
            qapi_value_clear(f->type, (char *)p + f->offset);
        }
        return;
    }
    if (type->kind == QAPI_UNION) {
        const QapiType *branch = qapi_union_branch(type, p);

        if (branch) {
            qapi_value_clear(branch, (char *)p + type->union_offset);
        }
    }
    for (unsigned i = 0; i < type->n; i++) {
        const QapiField *f = &type->fields[i];

        qapi_value_clear(f->type, (char *)p + f->offset);
    }
}

void qapi_free(const QapiType *type, void *p)
{
    if (!p) {
        return;
    }
    if (type->kind == QAPI_ANY) {
        json_unref(p);
        return;
    }
    if (type->kind == QAPI_LIST) {
        QapiList *l = p;
        size_t size = qapi_value_size(type->elem);

        for (size_t i = 0; i < l->n; i++) {
            qapi_value_clear(type->elem, (char *)l->items + i * size);
        }
        g_free(l->items);
    } else if (type->kind != QAPI_STR) {
        qapi_struct_clear(type, p);
    }
    g_free(p);
}

void qapi_value_clear(const QapiType *type, void *val)
{
    if (type->kind >= QAPI_STR) {
        qapi_free(type, *(void **)val);
    }
    if (type->kind != QAPI_NULL) {
        memset(val, 0, qapi_value_size(type));
    }
}

/* By way of JSON: not fast, but never wrong. */
void *qapi_clone(const QapiType *type, const void *p)
{
    g_autoptr(JsonValue) v = NULL;

    if (!p) {
        return NULL;
    }
    v = qapi_to_json(type, p);
    return qapi_from_json(type, v, QAPI_IN_JSON, NULL);
}
