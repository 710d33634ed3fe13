/*
 * Choosing and starting an accelerator.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/accel.h"
#include "accel/dirty-limit.h"

#include "qom/type-cache.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/log.h"

/* What users may name because others have it; see accel_missing(). */
static const char *const known_names[] = { "xen", NULL };

const AccelType *accel_type_find(const char *name)
{
    for (unsigned i = 0; accel_table[i] != NULL; i++) {
        if (g_str_equal(accel_table[i]->name, name)) {
            return accel_table[i];
        }
    }
    return NULL;
}

static ObjectType *accel_make_object_type(const void *key)
{
    const AccelType *type = key;
    ObjectType *ot = g_new0(ObjectType, 1);

    ot->name = g_strdup_printf("%s-accel", type->name);
    ot->parent = "accel";
    ot->size = type->size;
    ot->props = type->props;
    return ot;
}

const ObjectType *accel_object_type(const AccelType *type)
{
    return object_type_cached(type, accel_make_object_type);
}

const ObjectType *const *accel_object_types(void)
{
    static const ObjectType base = {
        .name = "accel",
        .parent = "object",
        .size = sizeof(Accel),
    };
    static const ObjectType *const *table; /* once */

    if (g_once_init_enter(&table)) {
        GPtrArray *all = g_ptr_array_new();

        g_ptr_array_add(all, (gpointer)&base);
        for (unsigned i = 0; accel_table[i] != NULL; i++) {
            g_ptr_array_add(all, (gpointer)accel_object_type(accel_table[i]));
        }
        g_ptr_array_add(all, NULL);
        g_once_init_leave(&table, (const ObjectType *const *)(void *)
                                      g_ptr_array_free(all, FALSE));
    }
    return table;
}

Accel *accel_new(Vm *vm, const AccelType *type)
{
    Accel *acc = OBJECT_CAST(Accel, object_new(accel_object_type(type)));

    acc->type = type;
    acc->vm = vm;
    acc->single_cpu_sync = true;
    cond_init(&acc->vcpu_cond);
    return acc;
}

void accel_free(Accel *acc)
{
    if (acc == NULL) {
        return;
    }
    vcpu_dirty_limit_end(acc);
    if (acc->vm->accel == acc) {
        if (acc->type->fini != NULL) {
            acc->type->fini(acc);
        }
        acc->vm->accel = NULL;
    }
    cond_fini(&acc->vcpu_cond);
    object_unref(&acc->obj);
}

static void accel_missing(const char *name, GError **errp)
{
    if (g_strv_contains(known_names, name)) {
        error_setf(errp, "accelerator '%s' is not available in this build",
                   name);
    } else {
        error_setf(errp, "invalid accelerator %s", name);
    }
}

/* Properties as given; a wrong one ends the search. */
static bool accel_set_options(Accel *acc, const char *opts, GError **errp)
{
    g_autoptr(KeyVal) kv = keyval_parse(opts, NULL, errp);

    if (kv == NULL) {
        return false;
    }
    for (unsigned i = 0; i < keyval_count(kv); i++) {
        if (!object_prop_set_str(&acc->obj, keyval_key_at(kv, i),
                                 keyval_value_at(kv, i), errp)) {
            return false;
        }
    }
    return true;
}

typedef enum AccelTry {
    ACCEL_STARTED,
    ACCEL_TRY_NEXT,
    ACCEL_BAD_OPTION,
} AccelTry;

static AccelTry accel_try(Vm *vm, const char *name, const char *opts,
                          Accel **ret_acc, GError **errp)
{
    const AccelType *type = accel_type_find(name);
    Accel *acc;

    if (type == NULL) {
        accel_missing(name, errp);
        return ACCEL_TRY_NEXT;
    }
    acc = accel_new(vm, type);
    if (opts != NULL && *opts && !accel_set_options(acc, opts, errp)) {
        accel_free(acc);
        return ACCEL_BAD_OPTION;
    }
    /* init() may need it; accel_free() takes it as the sign of success. */
    vm->accel = acc;
    if (type->init != NULL && !type->init(acc, errp)) {
        vm->accel = NULL;
        accel_free(acc);
        return ACCEL_TRY_NEXT;
    }
    *ret_acc = acc;
    return ACCEL_STARTED;
}

Accel *accel_start(Vm *vm, const char *const *names, const char *const *opts,
                   GError **errp)
{
    g_autoptr(GError) last = NULL;
    Accel *acc = NULL;

    for (unsigned i = 0; names[i] != NULL; i++) {
        const char *o = opts != NULL ? opts[i] : NULL;
        GError *err = NULL;
        AccelTry r = accel_try(vm, names[i], o, &acc, &err);

        if (opts != NULL) {
            error_prefix(&err, "-accel %s%s%s: ", names[i], *o ? "," : "", o);
        }
        if (r == ACCEL_BAD_OPTION) {
            g_propagate_error(errp, err);
            return NULL;
        }
        if (last != NULL) {
            log_take_error(g_steal_pointer(&last));
        }
        if (r == ACCEL_STARTED) {
            if (i > 0) {
                log_error("falling back to %s", names[i]);
            }
            return acc;
        }
        last = err;
    }
    if (last != NULL) {
        g_propagate_error(errp, g_steal_pointer(&last));
    } else {
        error_setf(errp, "no accelerator found");
    }
    return NULL;
}
