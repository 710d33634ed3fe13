/*
 * Objects: the table of types, the life of an object, and the tree.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qom/object.h"

#include "qom/object-priv.h"

/*
 * The types that were added, in order.  Process-wide as type names are;
 * written by the main thread at start, only read afterwards.
 */
static GPtrArray *all_types;

void object_types_add(const ObjectType *const *types)
{
    if (!all_types) {
        all_types = g_ptr_array_new();
    }
    for (; *types; types++) {
        if (object_type_find((*types)->name) != *types) {
            g_ptr_array_add(all_types, (gpointer)*types);
        }
    }
}

const ObjectType *object_type_find(const char *name)
{
    for (guint i = 0; all_types && i < all_types->len; i++) {
        const ObjectType *t = g_ptr_array_index(all_types, i);

        if (!strcmp(t->name, name)) {
            return t;
        }
    }
    return NULL;
}

void object_types_foreach(void (*fn)(const ObjectType *t, void *opaque),
                          void *opaque)
{
    for (guint i = 0; all_types && i < all_types->len; i++) {
        fn(g_ptr_array_index(all_types, i), opaque);
    }
}

bool object_type_is_a(const ObjectType *t, const char *name)
{
    if (!strcmp(name, "object")) {
        return true; /* what every type descends from */
    }
    while (t) {
        if (!strcmp(t->name, name)) {
            return true;
        }
        if (!t->parent) {
            return false;
        }
        if (!strcmp(t->parent, name)) {
            return true; /* also if the parent itself was never added */
        }
        t = object_type_find(t->parent);
    }
    return false;
}

void object_init_at(Object *obj, const ObjectType *type)
{
    obj->type = type;
    obj->refs = 1;
    object_props_init(obj);
    if (type->init) {
        type->init(obj);
    }
}

Object *object_new(const ObjectType *type)
{
    Object *obj = g_malloc0(type->size);

    obj->heap = true;
    object_init_at(obj, type);
    return obj;
}

Object *object_ref(Object *obj)
{
    obj->refs++;
    return obj;
}

/* Cuts the last child off and drops the tree's reference of it. */
static void drop_child(Object *parent, guint i)
{
    Object *child = g_ptr_array_index(parent->children, i);

    g_ptr_array_remove_index(parent->children, i);
    child->parent = NULL;
    g_clear_pointer(&child->name, g_free);
    object_unref(child);
}

void object_unref(Object *obj)
{
    bool heap;

    if (!obj || --obj->refs > 0) {
        return;
    }
    while (obj->children && obj->children->len) {
        drop_child(obj, obj->children->len - 1);
    }
    g_clear_pointer(&obj->children, g_ptr_array_unref);
    if (obj->type->fini) {
        obj->type->fini(obj);
    }
    object_props_fini(obj);
    g_clear_pointer(&obj->name, g_free);
    heap = obj->heap;
    if (heap) {
        g_free(obj);
    }
}

bool object_complete(Object *obj, GError **errp)
{
    if (!obj->complete) {
        if (obj->type->complete && !obj->type->complete(obj, errp)) {
            return false;
        }
        obj->complete = true;
    }
    return true;
}

/* A container carries its type's name itself, as there are so many. */
typedef struct Container {
    Object obj;
    ObjectType type;
    char *type_name;
} Container;

static void container_fini(Object *obj)
{
    g_free(OBJECT_CAST(Container, obj)->type_name);
}

Object *object_new_container(const char *type_name)
{
    Container *c = g_new0(Container, 1);

    c->type_name = g_strdup(type_name);
    c->type = (ObjectType){
        .name = c->type_name,
        .size = sizeof(Container),
        .fini = container_fini,
    };
    c->obj.heap = true;
    object_init_at(&c->obj, &c->type);
    return &c->obj;
}

void object_add_child(Object *parent, const char *name, Object *child)
{
    g_assert(!child->parent && !object_child(parent, name));
    if (!parent->children) {
        parent->children = g_ptr_array_new();
    }
    g_free(child->name);
    child->name = g_strdup(name);
    child->parent = parent;
    g_ptr_array_add(parent->children, object_ref(child));
}

void object_remove_child(Object *parent, const char *name)
{
    for (guint i = 0; parent->children && i < parent->children->len; i++) {
        Object *child = g_ptr_array_index(parent->children, i);

        if (!strcmp(child->name, name)) {
            drop_child(parent, i);
            return;
        }
    }
}

static Object *child_n(Object *parent, const char *name, size_t len)
{
    for (guint i = 0; parent->children && i < parent->children->len; i++) {
        Object *child = g_ptr_array_index(parent->children, i);

        if (!strncmp(child->name, name, len) && !child->name[len]) {
            return child;
        }
    }
    return NULL;
}

Object *object_child(Object *parent, const char *name)
{
    return child_n(parent, name, strlen(name));
}

/* Follows a relative path down; empty parts ("a//b") count for nothing. */
static Object *walk_down(Object *obj, const char *path)
{
    while (obj) {
        size_t len;

        path += strspn(path, "/");
        if (!*path) {
            return obj;
        }
        len = strcspn(path, "/");
        obj = child_n(obj, path, len);
        path += len;
    }
    return NULL;
}

typedef struct Search {
    const char *path;
    Object *found;
    bool ambiguous;
} Search;

static void search_tree(Object *obj, Search *s)
{
    Object *hit = walk_down(obj, s->path);

    if (hit && s->found && hit != s->found) {
        s->ambiguous = true;
    } else if (hit) {
        s->found = hit;
    }
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        if (s->ambiguous) {
            return;
        }
        search_tree(g_ptr_array_index(obj->children, i), s);
    }
}

Object *object_resolve(Object *root, const char *path, bool *ret_ambiguous)
{
    Search s = { .path = path };

    if (*path == '/') {
        s.found = walk_down(root, path);
    } else if (*path) {
        search_tree(root, &s);
    }
    if (ret_ambiguous) {
        *ret_ambiguous = s.ambiguous;
    }
    return s.ambiguous ? NULL : s.found;
}

char *object_path(const Object *obj)
{
    GString *s = g_string_new(NULL);

    for (; obj->parent; obj = obj->parent) {
        g_string_prepend(s, obj->name);
        g_string_prepend_c(s, '/');
    }
    if (!s->len) {
        g_string_append_c(s, '/');
    }
    return g_string_free(s, false);
}

Object *object_root(Object *obj)
{
    while (obj->parent) {
        obj = obj->parent;
    }
    return obj;
}
