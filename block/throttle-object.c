/*
 * -object throttle-group: limits that drives and throttle nodes share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"
#include "qapi/qapi-types-qom.h"
#include "qapi/visit.h"
#include "system/vm.h"
#include "util/error.h"

typedef struct ThrottleObject {
    Object obj;
    IoLimits limits;      /* as the user gave them, or what they are now */
    ThrottleGroup *group; /* once it is complete */
} ThrottleObject;

static void throttle_object_refresh(ThrottleObject *t)
{
    if (t->group != NULL) {
        throttle_group_get(t->group, &t->limits);
    }
}

static JsonValue *get_number(Object *obj, const Property *p, GError **errp)
{
    throttle_object_refresh(OBJECT_CAST(ThrottleObject, obj));
    return object_prop_load(obj, p);
}

/* Each member of the schema's struct, and where it is here. */
#define EACH_LIMIT(X)       \
    X(BPS_TOTAL, bps_total) \
    X(BPS_READ, bps_read)   \
    X(BPS_WRITE, bps_write) \
    X(IOPS_TOTAL, iops_total) X(IOPS_READ, iops_read) X(IOPS_WRITE, iops_write)

/* What is given replaces what is there. */
static void merge_limits(IoLimits *l, const ThrottleLimits *from)
{
#define MERGE(kind_, name_)                                          \
    if (from->has_##name_) {                                         \
        l->kind[THROTTLE_##kind_].avg = from->name_;                 \
    }                                                                \
    if (from->has_##name_##_max) {                                   \
        l->kind[THROTTLE_##kind_].max = from->name_##_max;           \
    }                                                                \
    if (from->has_##name_##_max_length) {                            \
        l->kind[THROTTLE_##kind_].length = from->name_##_max_length; \
    }
    EACH_LIMIT(MERGE)
#undef MERGE
    if (from->has_iops_size) {
        l->iops_size = from->iops_size;
    }
}

static bool set_limits(Object *obj, const Property *p, const JsonValue *val,
                       GError **errp)
{
    ThrottleObject *t = OBJECT_CAST(ThrottleObject, obj);
    g_autoptr(ThrottleLimits) given =
        qapi_from_json(&qapi_type_throttle_limits, val, 0, errp);
    IoLimits l;

    if (given == NULL) {
        return false;
    }
    throttle_object_refresh(t);
    l = t->limits;
    merge_limits(&l, given);
    if (t->group != NULL) {
        if (!io_limits_check(&l, errp)) {
            return false;
        }
        throttle_group_set(t->group, &l);
    }
    t->limits = l;
    return true;
}

static JsonValue *get_limits(Object *obj, const Property *p, GError **errp)
{
    ThrottleObject *t = OBJECT_CAST(ThrottleObject, obj);
    const IoLimits *l = &t->limits;
    g_autoptr(ThrottleLimits) is = throttle_limits_new();

    throttle_object_refresh(t);
#define TELL(kind_, name_)                           \
    is->has_##name_ = is->has_##name_##_max = true;  \
    is->has_##name_##_max_length = true;             \
    is->name_ = l->kind[THROTTLE_##kind_].avg;       \
    is->name_##_max = l->kind[THROTTLE_##kind_].max; \
    is->name_##_max_length = l->kind[THROTTLE_##kind_].length;
    EACH_LIMIT(TELL)
#undef TELL
    is->has_iops_size = true;
    is->iops_size = l->iops_size;
    return throttle_limits_to_json(is);
}

static void throttle_object_init(Object *obj)
{
    OBJECT_CAST(ThrottleObject, obj)->limits = (IoLimits)IO_NO_LIMITS;
}

static bool throttle_object_complete(Object *obj, GError **errp)
{
    ThrottleObject *t = OBJECT_CAST(ThrottleObject, obj);
    BlockBackends *bs = vm_of_object(obj)->blocks;

    if (throttle_group_find(bs, obj->name) != NULL) {
        error_setf(errp, "A group with this name already exists");
        return false;
    }
    if (!io_limits_check(&t->limits, errp)) {
        return false;
    }
    t->group = throttle_group_new(bs, obj->name, true);
    throttle_group_set(t->group, &t->limits);
    return true;
}

static bool throttle_object_can_delete(Object *obj, GError **errp)
{
    return !throttle_group_is_used(OBJECT_CAST(ThrottleObject, obj)->group);
}

static void throttle_object_fini(Object *obj)
{
    throttle_group_unref(OBJECT_CAST(ThrottleObject, obj)->group);
}

#define NUMBER(field_, name_, ...)                                           \
    PROP(PROP_I64, ThrottleObject, limits.field_, name_, .type_name = "int", \
         .get = get_number, __VA_ARGS__)
#define LIMIT(kind_, name_)                               \
    NUMBER(kind[THROTTLE_##kind_].avg, name_),            \
        NUMBER(kind[THROTTLE_##kind_].max, name_ "-max"), \
        NUMBER(kind[THROTTLE_##kind_].length, name_ "-max-length", .def = 1)

static const Property throttle_props[] = {
    LIMIT(IOPS_TOTAL, "x-iops-total"),
    LIMIT(IOPS_READ, "x-iops-read"),
    LIMIT(IOPS_WRITE, "x-iops-write"),
    LIMIT(BPS_TOTAL, "x-bps-total"),
    LIMIT(BPS_READ, "x-bps-read"),
    LIMIT(BPS_WRITE, "x-bps-write"),
    NUMBER(iops_size, "x-iops-size"),
    { .name = "limits",
      .kind = PROP_CUSTOM,
      .type_name = "ThrottleLimits",
      .run_time = true,
      .set = set_limits,
      .get = get_limits },
    PROP_END,
};

static const ObjectType throttle_type = {
    .name = "throttle-group",
    .parent = "object",
    .size = sizeof(ThrottleObject),
    .props = throttle_props,
    .user_creatable = true,
    .init = throttle_object_init,
    .complete = throttle_object_complete,
    .can_delete = throttle_object_can_delete,
    .fini = throttle_object_fini,
};

const ObjectType *const *throttle_object_types(void)
{
    static const ObjectType *const types[] = { &throttle_type, NULL };

    return types;
}
