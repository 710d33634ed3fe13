/*
 * Schema types at run time: const tables that scripts/qapi-gen writes, and
 * the functions that turn C values into JSON and back by walking them.
 *
 * How a schema type looks in C (docs/devel/qapi.md has examples):
 *   bool, integers, number, enums   the value itself
 *   str                             char *, UTF-8
 *   any                             JsonValue *
 *   struct, union, alternate        a pointer to the generated struct
 *   a list                          a pointer to { size_t n; T *items; }
 * An optional member that isn't a pointer has a bool has_NAME before it; an
 * optional pointer is NULL when absent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QAPI_VISIT_H
#define QAPI_VISIT_H

#include "qapi/json.h"

typedef enum QapiKind {
    QAPI_BOOL,
    QAPI_INT8,
    QAPI_INT16,
    QAPI_INT32,
    QAPI_INT64,
    QAPI_UINT8,
    QAPI_UINT16,
    QAPI_UINT32,
    QAPI_UINT64,
    QAPI_SIZE, /* as QAPI_UINT64; as text it may have a suffix */
    QAPI_NUMBER,
    QAPI_NULL, /* only in alternates; takes no room */
    QAPI_ENUM,
    QAPI_STR, /* from here on the C value is a pointer */
    QAPI_ANY,
    QAPI_STRUCT,
    QAPI_UNION,
    QAPI_ALTERNATE,
    QAPI_LIST,
} QapiKind;

typedef struct QapiType QapiType;

typedef struct QapiField {
    const char *name; /* in JSON */
    const QapiType *type;
    uint32_t offset;     /* of the value in the C struct */
    uint32_t has_offset; /* of its has_NAME; used if optional and no pointer */
    bool optional;
} QapiField;

struct QapiType {
    const char *name; /* in the schema */
    QapiKind kind;
    uint32_t size; /* of the C struct, or of the value if it's no pointer */

    const char *const *names; /* enum: of each value */
    const QapiField *fields;  /* struct, union: members; alternate: branches */
    uint32_t n;               /* names or fields */

    /*
     * Union: which field selects the branch, and for each of its values the
     * branch's struct, whose pointer is at union_offset; NULL: no members.
     * Alternate: the C struct begins with the index of the branch.
     */
    uint32_t tag;
    const QapiType *const *branches;
    uint32_t union_offset;

    const QapiType *elem; /* list */
};

/* All lists look like this; items is an array of the element's C values. */
typedef struct QapiList {
    size_t n;
    void *items;
} QapiList;

extern const QapiType qapi_type_bool, qapi_type_int8, qapi_type_int16,
    qapi_type_int32, qapi_type_int64, qapi_type_uint8, qapi_type_uint16,
    qapi_type_uint32, qapi_type_uint64, qapi_type_size, qapi_type_number,
    qapi_type_null, qapi_type_str, qapi_type_any;

typedef enum QapiInFlags {
    QAPI_IN_JSON = 0,
    /* Scalars may also be strings, as the command line gives them. */
    QAPI_IN_TEXT = 1 << 0,
} QapiInFlags;

/*
 * A new C value (for pointer types) from JSON. Strict: an unknown member, a
 * missing one, a wrong type or a value out of range is an error that names
 * the member by its path. NULL with *errp set on failure.
 */
void *qapi_from_json(const QapiType *type, const JsonValue *v,
                     QapiInFlags flags, GError **errp);
/* Any type's value, into memory of its C size; nothing to free on failure. */
bool qapi_value_from_json(const QapiType *type, const JsonValue *v,
                          QapiInFlags flags, void *ret_val, GError **errp);
/* p: a C struct or list (for a pointer type). */
JsonValue *qapi_to_json(const QapiType *type, const void *p);
/* val: where the C value is stored, a pointer to a pointer for those types. */
JsonValue *qapi_value_to_json(const QapiType *type, const void *val);
/* Frees a C struct or list and all it holds; NULL does nothing. */
void qapi_free(const QapiType *type, void *p);
/* Frees what the stored value owns and clears it. */
void qapi_value_clear(const QapiType *type, void *val);
/* Frees what the members of a C struct own; not the struct. */
void qapi_struct_clear(const QapiType *type, void *p);
/* Deep copy of a C struct or list; NULL for NULL. */
void *qapi_clone(const QapiType *type, const void *p);
/* Makes room for one more item, zeroed; returns where it is. */
void *qapi_list_grow(const QapiType *type, void *list);

/* Name of an enum's value; "?" if it is none. */
const char *qapi_enum_str(const QapiType *type, int value);
/* False if s names none of its values. */
bool qapi_enum_parse(const QapiType *type, const char *s, int *ret_value);

/* Lists of the builtin types. */
#define QAPI_DECLARE_LIST(Name, prefix, Elem)                   \
    typedef struct Name {                                       \
        size_t n;                                               \
        Elem *items;                                            \
    } Name;                                                     \
    extern const QapiType qapi_type_##prefix;                   \
    static inline Name *prefix##_new(void)                      \
    {                                                           \
        return g_new0(Name, 1);                                 \
    }                                                           \
    static inline void prefix##_free(Name *l)                   \
    {                                                           \
        qapi_free(&qapi_type_##prefix, l);                      \
    }                                                           \
    /* Takes over what item points to. */                       \
    static inline void prefix##_append(Name *l, Elem item)      \
    {                                                           \
        *(Elem *)qapi_list_grow(&qapi_type_##prefix, l) = item; \
    }                                                           \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(Name, prefix##_free)

QAPI_DECLARE_LIST(BoolList, bool_list, bool)
QAPI_DECLARE_LIST(Int8List, int8_list, int8_t)
QAPI_DECLARE_LIST(Int16List, int16_list, int16_t)
QAPI_DECLARE_LIST(Int32List, int32_list, int32_t)
QAPI_DECLARE_LIST(Int64List, int64_list, int64_t)
QAPI_DECLARE_LIST(Uint8List, uint8_list, uint8_t)
QAPI_DECLARE_LIST(Uint16List, uint16_list, uint16_t)
QAPI_DECLARE_LIST(Uint32List, uint32_list, uint32_t)
QAPI_DECLARE_LIST(Uint64List, uint64_list, uint64_t)
QAPI_DECLARE_LIST(SizeList, size_list, uint64_t)
QAPI_DECLARE_LIST(NumberList, number_list, double)
QAPI_DECLARE_LIST(StrList, str_list, char *)
QAPI_DECLARE_LIST(AnyList, any_list, JsonValue *)

#endif
