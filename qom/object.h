/*
 * Objects: const type tables with properties, and the object tree that QMP
 * sees as paths (/machine/peripheral/net0, /objects/mem0).
 *
 * An object is a struct whose first member is `Object`.  Its type is one
 * const ObjectType; there are no classes, constructors or registration
 * macros.  Types that a user can name are listed by hand in a table that is
 * given to object_types_add().
 *
 * Locking: the tree belongs to the main thread.  Property values may be read
 * by other threads only where the property's owner says so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef QOM_OBJECT_H
#define QOM_OBJECT_H

#include "qapi/json.h"

typedef struct Object Object;
typedef struct ObjectType ObjectType;
typedef struct Property Property;

/* How a property's value is stored at its offset, and parsed from text. */
typedef enum PropKind {
    PROP_BOOL, /* bool; on|off|yes|no|true|false */
    PROP_U8,
    PROP_U16,
    PROP_U32,
    PROP_U64,
    PROP_I32,
    PROP_I64,
    PROP_SIZE,        /* uint64_t bytes; accepts K, M, G, T suffixes */
    PROP_STR,         /* char *, owned by the object, may be NULL */
    PROP_ENUM,        /* int; index into Property.names */
    PROP_ON_OFF_AUTO, /* OnOffAuto */
    PROP_CUSTOM,      /* set and get do it all; offset unused */
} PropKind;

typedef enum OnOffAuto {
    ON_OFF_AUTO_AUTO,
    ON_OFF_AUTO_ON,
    ON_OFF_AUTO_OFF
} OnOffAuto;

struct Property {
    const char *name; /* NULL ends a table */
    PropKind kind;
    size_t offset;            /* of the field in the object */
    int64_t def;              /* default; PROP_U64/SIZE: cast to uint64_t */
    const char *def_str;      /* default of a PROP_STR, copied; may be NULL */
    uint64_t min, max;        /* inclusive range; max 0: the kind's own */
    const char *const *names; /* PROP_ENUM: NULL-terminated */
    const char *type_name;    /* shown by introspection; NULL: by kind */
    const char *help;         /* one short line; may be NULL */
    bool read_only;           /* qom-set refuses */
    bool run_time;            /* may be set after the object is complete */
    /*
     * Called instead of the plain store (any kind).  `val` is what the user
     * gave: a string from the command line, or any JSON value from QMP.
     */
    bool (*set)(Object *obj, const Property *p, const JsonValue *val,
                GError **errp);
    /* Returns a new value; NULL with `errp` set on failure. */
    JsonValue *(*get)(Object *obj, const Property *p, GError **errp);
};

#define PROP(kind_, type_, field_, name_, ...)                               \
    {                                                                        \
        .name = (name_), .kind = (kind_), .offset = offsetof(type_, field_), \
        __VA_ARGS__                                                          \
    }
#define PROP_END     \
    {                \
        .name = NULL \
    }

struct ObjectType {
    const char *name;
    const char *parent; /* abstract parent's name, for qom-list-types */
    size_t size;        /* of the whole object struct */
    const Property *props;
    bool abstract;
    bool user_creatable;       /* by -object and object-add */
    void (*init)(Object *obj); /* after defaults were stored; may be NULL */
    /* All properties are set: acquire resources.  May be NULL. */
    bool (*complete)(Object *obj, GError **errp);
    /* object-del asks; NULL: yes.  `errp`, if set, says more than "in use". */
    bool (*can_delete)(Object *obj, GError **errp);
    void (*fini)(Object *obj); /* half-built objects included; may be NULL */
};

struct Object {
    const ObjectType *type;
    Object *parent;      /* borrowed; NULL for a root or an orphan */
    char *name;          /* in its parent; NULL for an orphan */
    GPtrArray *children; /* Object *, owned references; may be NULL */
    unsigned refs;       /* main thread only */
    bool complete;
    bool heap; /* object_new() allocated it */
};

#define OBJECT_CAST(type_, obj_) container_of(obj_, type_, obj)

/* Adds a NULL-terminated table of types; the table must outlive everything. */
void object_types_add(const ObjectType *const *types);
/* Looks a type up by name; NULL if there is none. */
const ObjectType *object_type_find(const char *name);
/* Calls `fn` for every type, in the order in which they were added. */
void object_types_foreach(void (*fn)(const ObjectType *t, void *opaque),
                          void *opaque);
/* True if `name` is `t` itself or one of its parents. */
bool object_type_is_a(const ObjectType *t, const char *name);

/* A new object with defaults stored and init() called; reference count 1. */
Object *object_new(const ObjectType *type);
/* As object_new(), into zeroed memory that the caller owns. */
void object_init_at(Object *obj, const ObjectType *type);
Object *object_ref(Object *obj);
/* Drops a reference; at zero: children, fini(), string properties, memory. */
void object_unref(Object *obj);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Object, object_unref)

/* Calls complete() once; false with `errp` set leaves the object as it was. */
bool object_complete(Object *obj, GError **errp);

/* A plain container for the tree (/machine, /objects, …). */
Object *object_new_container(const char *type_name);
/* Takes a reference of `child`.  The name must be free. */
void object_add_child(Object *parent, const char *name, Object *child);
void object_remove_child(Object *parent, const char *name);
Object *object_child(Object *parent, const char *name);
/*
 * Resolves an absolute path from `root`, or a partial one ("ioapic",
 * "peripheral/net0") by searching the whole tree; NULL if there is none, or
 * with *ret_ambiguous set if a partial path has several matches.
 */
Object *object_resolve(Object *root, const char *path, bool *ret_ambiguous);
/* The top of the tree that the object is in; itself for an orphan. */
Object *object_root(Object *obj);
/* The absolute path; the caller frees it. */
char *object_path(const Object *obj);

const Property *object_prop_find(const ObjectType *t, const char *name);
/*
 * Sets a property from text or from a JSON value.  Errors name the object's
 * type or id, the property and the value.
 */
bool object_prop_set_str(Object *obj, const char *name, const char *val,
                         GError **errp);
bool object_prop_set(Object *obj, const char *name, const JsonValue *val,
                     GError **errp);
/* A new JsonValue; NULL with `errp` set on failure. */
JsonValue *object_prop_get(Object *obj, const char *name, GError **errp);
/*
 * What a property without `set` and `get` does: parses, checks the range,
 * stores; loads.  For hooks that only add to it.
 */
bool object_prop_store(Object *obj, const Property *p, const JsonValue *val,
                       GError **errp);
JsonValue *object_prop_load(Object *obj, const Property *p);
/* The type that introspection shows: type_name, or by kind ("uint32"). */
const char *object_prop_type_name(const Property *p);

#endif
