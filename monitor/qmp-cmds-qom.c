/*
 * QMP commands of qapi/qom.json: the object tree, types, -object's like.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "qom/object-make.h"
#include "system/vm.h"
#include "util/error.h"

static Object *qom_path_resolve(QmpCtx *ctx, const char *path, GError **errp)
{
    bool ambiguous = false;
    Object *obj = object_resolve(ctx->vm->root, path, &ambiguous);

    if (ambiguous) {
        error_setf(errp, "Path '%s' does not uniquely identify an object",
                   path);
    } else if (!obj) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", path);
    }
    return obj;
}

/* Takes type. */
static ObjectPropertyInfo *add_info(ObjectPropertyInfoList *list,
                                    const char *name, char *type)
{
    ObjectPropertyInfo *info = object_property_info_new();

    info->name = g_strdup(name);
    info->type = type;
    object_property_info_list_append(list, info);
    return info;
}

bool qmp_qom_list(QmpCtx *ctx, const char *path, ObjectPropertyInfoList **ret,
                  GError **errp)
{
    Object *obj = qom_path_resolve(ctx, path, errp);
    ObjectPropertyInfoList *list;

    if (!obj) {
        return false;
    }
    list = object_property_info_list_new();
    add_info(list, "type", g_strdup("string"));
    for (const Property *p = obj->type->props; p && p->name; p++) {
        add_info(list, p->name, g_strdup(object_prop_type_name(p)));
    }
    for (unsigned i = 0; obj->children && i < obj->children->len; i++) {
        const Object *child = g_ptr_array_index(obj->children, i);

        add_info(list, child->name,
                 g_strdup_printf("child<%s>", child->type->name));
    }
    *ret = list;
    return true;
}

bool qmp_qom_get(QmpCtx *ctx, const char *path, const char *property,
                 JsonValue **ret, GError **errp)
{
    Object *obj = qom_path_resolve(ctx, path, errp);
    Object *child;

    if (!obj) {
        return false;
    }
    if (!strcmp(property, "type")) {
        *ret = json_string_new(obj->type->name);
        return true;
    }
    child = object_child(obj, property);
    if (child) {
        g_autofree char *child_path = object_path(child);

        *ret = json_string_new(child_path);
        return true;
    }
    *ret = object_prop_get(obj, property, errp);
    return *ret != NULL;
}

bool qmp_qom_set(QmpCtx *ctx, const char *path, const char *property,
                 const JsonValue *value, GError **errp)
{
    Object *obj = qom_path_resolve(ctx, path, errp);

    if (!obj) {
        return false;
    }
    if (!strcmp(property, "type") || object_child(obj, property)) {
        error_setf(errp, "Property '%s.%s' is not writable", obj->type->name,
                   property);
        return false;
    }
    return object_prop_set(obj, property, value, errp);
}

typedef struct TypeFilter {
    const char *implements; /* NULL: any */
    bool abstract;          /* abstract ones too */
    ObjectTypeInfoList *list;
} TypeFilter;

static void add_type(const ObjectType *t, void *opaque)
{
    TypeFilter *f = opaque;
    ObjectTypeInfo *info;

    if ((t->abstract && !f->abstract) ||
        (f->implements && !object_type_is_a(t, f->implements))) {
        return;
    }
    info = object_type_info_new();
    info->name = g_strdup(t->name);
    info->has_abstract = t->abstract;
    info->abstract = t->abstract;
    info->parent = g_strdup(t->parent);
    object_type_info_list_append(f->list, info);
}

bool qmp_qom_list_types(QmpCtx *ctx, const char *implements, bool has_abstract,
                        bool abstract, ObjectTypeInfoList **ret, GError **errp)
{
    TypeFilter f = {
        .implements = implements,
        .abstract = has_abstract && abstract,
        .list = object_type_info_list_new(),
    };

    object_types_foreach(add_type, &f);
    *ret = f.list;
    return true;
}

/* What a property is before anyone sets it; NULL: not known beforehand. */
static JsonValue *default_value(const Property *p)
{
    static const char *const on_off_auto[] = {
        [ON_OFF_AUTO_AUTO] = "auto",
        [ON_OFF_AUTO_ON] = "on",
        [ON_OFF_AUTO_OFF] = "off",
    };

    if (p->set || p->get) {
        return NULL;
    }
    switch (p->kind) {
    case PROP_BOOL:
        return json_bool_new(p->def != 0);
    case PROP_U8:
    case PROP_U16:
    case PROP_U32:
    case PROP_I32:
    case PROP_I64:
        return json_int_new(p->def);
    case PROP_U64:
    case PROP_SIZE:
        return json_uint_new((uint64_t)p->def);
    case PROP_STR:
        return p->def_str ? json_string_new(p->def_str) : NULL;
    case PROP_ENUM:
        return json_string_new(p->names[p->def]);
    case PROP_ON_OFF_AUTO:
        return json_string_new(on_off_auto[p->def]);
    default:
        return NULL;
    }
}

static void add_type_props(ObjectPropertyInfoList *list, const ObjectType *t,
                           bool (*skip)(const char *name))
{
    for (const Property *p = t->props; p && p->name; p++) {
        ObjectPropertyInfo *info;

        if (skip && skip(p->name)) {
            continue;
        }
        info = add_info(list, p->name, g_strdup(object_prop_type_name(p)));
        info->description = g_strdup(p->help);
        info->default_value = default_value(p);
    }
}

bool qmp_qom_list_properties(QmpCtx *ctx, const char *name,
                             ObjectPropertyInfoList **ret, GError **errp)
{
    const ObjectType *t = object_type_find(name);
    ObjectPropertyInfoList *list;

    if (!t) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Class '%s' not found", name);
        return false;
    }
    list = object_property_info_list_new();
    add_info(list, "type", g_strdup("string"));
    add_type_props(list, t, NULL);
    *ret = list;
    return true;
}

/* What tells of a device's place and life, and is nothing to be set. */
static bool is_of_any_device(const char *name)
{
    static const char *const names[] = { "parent_bus", "realized", "hotplugged",
                                         "hotpluggable", NULL };

    return g_strv_contains(names, name);
}

bool qmp_device_list_properties(QmpCtx *ctx, const char *name,
                                ObjectPropertyInfoList **ret, GError **errp)
{
    const ObjectType *t = object_type_find(name);

    if (!t) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", name);
        return false;
    }
    if (t->abstract || !object_type_is_a(t, "device")) {
        error_setf(errp, "Parameter 'typename' expects a non-abstract device "
                         "type");
        return false;
    }
    *ret = object_property_info_list_new();
    add_type_props(*ret, t, is_of_any_device);
    return true;
}

bool qmp_object_add(QmpCtx *ctx, const ObjectOptions *arg, GError **errp)
{
    return object_make(ctx->vm->root, ctx->args, false, errp);
}

bool qmp_object_del(QmpCtx *ctx, const char *id, GError **errp)
{
    return object_unmake(ctx->vm->root, id, errp);
}
