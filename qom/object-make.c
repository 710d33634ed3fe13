/*
 * Objects that a user asks for: -object and object_add.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "qom/object-make.h"

#include "qom/known-types.h"
#include "util/cutils.h"
#include "util/error.h"

JsonValue *object_args_from_keyval(const KeyVal *kv)
{
    JsonValue *v = json_object_new();

    for (unsigned i = 0; i < keyval_count(kv); i++) {
        const char *key = keyval_key_at(kv, i);
        const char *old = json_get_string(json_object_get(v, key));
        g_autofree char *list = NULL;

        /* The one list among objects' options: given again, it grows. */
        if (old != NULL && g_str_equal(key, "host-nodes")) {
            list = g_strdup_printf("%s,%s", old, keyval_value_at(kv, i));
        }
        json_object_set_string(v, key,
                               list != NULL ? list : keyval_value_at(kv, i));
    }
    return v;
}

static bool object_set_props(Object *obj, const JsonValue *args, bool text,
                             GError **errp)
{
    for (size_t i = 0; i < json_object_len(args); i++) {
        JsonValue *val;
        const char *key = json_object_at(args, i, &val);

        if (g_str_equal(key, "qom-type") || g_str_equal(key, "id")) {
            continue;
        }
        if (text ? !object_prop_set_str(obj, key, json_get_string(val), errp)
                 : !object_prop_set(obj, key, val, errp)) {
            return false;
        }
    }
    return true;
}

bool object_make(Object *root, const JsonValue *args, bool text, GError **errp)
{
    const char *type_name = json_get_string(json_object_get(args, "qom-type"));
    const char *id = json_get_string(json_object_get(args, "id"));
    Object *objects = object_child(root, "objects");
    const ObjectType *t;
    g_autoptr(Object) obj = NULL;

    if (type_name == NULL) {
        error_setf(errp, "Parameter 'qom-type' is missing");
        return false;
    }
    t = object_type_find(type_name);
    if (t == NULL || !t->user_creatable) {
        error_setf(errp,
                   t == NULL && object_type_is_known(type_name)
                       ? "object type '%s' is not in this version"
                       : "Parameter 'qom-type' does not accept value '%s'",
                   type_name);
        return false;
    }
    if (id == NULL) {
        error_setf(errp, "Parameter 'id' is missing");
        return false;
    }
    if (!id_is_valid(id)) {
        error_setf(errp, "Parameter 'id' expects an identifier");
        return false;
    }
    if (object_child(objects, id) != NULL) {
        error_setf(errp,
                   "attempt to add duplicate property '%s' to object "
                   "(type 'container')",
                   id);
        return false;
    }
    obj = object_new(t);
    if (!object_set_props(obj, args, text, errp)) {
        return false;
    }
    object_add_child(objects, id, obj);
    if (!object_complete(obj, errp)) {
        object_remove_child(objects, id);
        return false;
    }
    return true;
}

bool object_unmake(Object *root, const char *id, GError **errp)
{
    Object *objects = object_child(root, "objects");
    Object *obj = object_child(objects, id);
    g_autoptr(GError) why = NULL;

    if (obj == NULL) {
        error_setf(errp, "object '%s' not found", id);
        return false;
    }
    if (obj->type->can_delete != NULL && !obj->type->can_delete(obj, &why)) {
        error_setf(errp, "object '%s' is in use, can not be deleted%s%s", id,
                   why != NULL ? ": " : "", why != NULL ? why->message : "");
        return false;
    }
    object_remove_child(objects, id);
    return true;
}
