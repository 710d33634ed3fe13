/*
 * Devices that a user asks for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device-add.h"

#include "hw/core/device-priv.h"
#include "hw/core/machine.h"
#include "qom/known-types.h"
#include "system/vm.h"
#include "util/cutils.h"
#include "util/error.h"

/* The three keys that are not properties. */
typedef struct DeviceRequest {
    const DeviceType *type;
    const char *id, *bus_name; /* NULL: not given */
    Bus *bus;                  /* NULL: the type takes none */
} DeviceRequest;

static bool is_abstract_type(const char *name)
{
    const ObjectType *ot = object_type_find(name);

    return ot != NULL && ot->abstract && object_type_is_a(ot, "device");
}

static bool request_find_type(DeviceRequest *rq, const char *driver,
                              GError **errp)
{
    if (driver == NULL || *driver == '\0') {
        error_setf(errp, "Parameter 'driver' is missing");
        return false;
    }
    rq->type = device_type_find(driver);
    if (rq->type == NULL && is_abstract_type(driver)) {
        error_setf(errp, "Parameter 'driver' expects a non-abstract device "
                         "type");
        return false;
    }
    if (rq->type == NULL) {
        error_setf(errp,
                   object_type_is_known(driver)
                       ? "device '%s' is not in this version"
                       : "'%s' is not a valid device model name",
                   driver);
        return false;
    }
    if (!rq->type->user_creatable) {
        error_setf(errp, "Parameter 'driver' expects a pluggable device type");
        return false;
    }
    return true;
}

static bool request_find_bus(Vm *vm, DeviceRequest *rq, GError **errp)
{
    const DeviceType *type = rq->type;

    if (rq->bus_name != NULL) {
        rq->bus = bus_find(vm, rq->bus_name);
        if (rq->bus == NULL) {
            error_setf(errp, "Bus '%s' not found", rq->bus_name);
            return false;
        }
        if (rq->bus->kind != type->bus) {
            error_setf(errp, "Device '%s' can't go on %s bus", type->name,
                       rq->bus->type_name);
            return false;
        }
    } else if (type->bus != BUS_NONE) {
        rq->bus = bus_find_kind(vm, type->bus);
        if (rq->bus == NULL) {
            error_setf(errp, "No '%s' bus found for device '%s'",
                       bus_kind_name(type->bus), type->name);
            return false;
        }
    }
    return true;
}

static bool request_check_hotplug(const Vm *vm, const DeviceRequest *rq,
                                  GError **errp)
{
    if (vm->machine == NULL || !vm->machine->ready) {
        return true;
    }
    if (rq->bus == NULL || !rq->bus->hotplug) {
        error_setf(errp, "Bus '%s' does not support hotplugging",
                   rq->bus != NULL ? rq->bus->name : "none");
        return false;
    }
    if (!rq->type->hotpluggable) {
        error_setf(errp, "Device '%s' does not support hotplugging",
                   rq->type->name);
        return false;
    }
    return true;
}

static bool request_check_id(Vm *vm, const DeviceRequest *rq, GError **errp)
{
    if (rq->id == NULL) {
        return true;
    }
    if (!id_is_valid(rq->id)) {
        error_setf(errp,
                   "Parameter 'id' expects an identifier\n"
                   "Identifiers consist of letters, digits, '-', '.', '_', "
                   "starting with a letter.");
        return false;
    }
    if (object_child(device_container(vm, "peripheral"), rq->id) != NULL) {
        error_setf(errp, "Duplicate device ID '%s'", rq->id);
        return false;
    }
    return true;
}

/* A new device at its place in the tree. */
static Device *request_make(Vm *vm, const DeviceRequest *rq)
{
    Device *dev = device_new(vm, rq->type);

    dev->user_created = true;
    if (rq->id != NULL) {
        dev->id = g_strdup(rq->id);
        object_add_child(device_container(vm, "peripheral"), rq->id, &dev->obj);
    } else {
        device_add_numbered(device_container(vm, "peripheral-anon"), dev);
    }
    return dev;
}

static bool is_request_key(const char *key)
{
    return g_str_equal(key, "driver") || g_str_equal(key, "id") ||
           g_str_equal(key, "bus");
}

static const char *request_string(const JsonValue *args, const char *key,
                                  GError **errp)
{
    const JsonValue *v = json_object_get(args, key);
    const char *s = json_get_string(v);

    if (v != NULL && s == NULL) {
        error_setf(errp, "Invalid parameter type for '%s', expected: string",
                   key);
    }
    return s;
}

static bool request_parse(Vm *vm, const JsonValue *args, DeviceRequest *rq,
                          GError **errp)
{
    GError *err = NULL;
    const char *driver = request_string(args, "driver", &err);

    if (err == NULL) {
        rq->id = request_string(args, "id", &err);
    }
    if (err == NULL) {
        rq->bus_name = request_string(args, "bus", &err);
    }
    if (err != NULL) {
        g_propagate_error(errp, err);
        return false;
    }
    return request_find_type(rq, driver, errp) &&
           request_find_bus(vm, rq, errp) &&
           request_check_hotplug(vm, rq, errp) &&
           request_check_id(vm, rq, errp);
}

/* text: values are strings of the command line, whatever the property. */
static bool request_set_props(Device *dev, const JsonValue *args, bool text,
                              GError **errp)
{
    for (size_t i = 0; i < json_object_len(args); i++) {
        JsonValue *val;
        const char *key = json_object_at(args, i, &val);
        bool ok;

        if (is_request_key(key)) {
            continue;
        }
        ok = text ? device_prop_set(dev, key, json_get_string(val), errp)
                  : object_prop_set(&dev->obj, key, val, errp);
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* The guest can eject a bridge, with its bus, while nobody holds the lock. */
static bool request_await(Vm *vm, DeviceRequest *rq, Device *dev, GError **errp)
{
    if (rq->type->await == NULL) {
        return true;
    }
    rq->type->await(dev);
    return request_find_bus(vm, rq, errp) &&
           request_check_hotplug(vm, rq, errp);
}

static Device *device_new_from(Vm *vm, const JsonValue *args, bool text,
                               GError **errp)
{
    DeviceRequest rq = { 0 };
    Device *dev;

    if (json_type(args) != JSON_OBJECT) {
        error_setf(errp, "a device is described by a JSON object, not by a %s",
                   json_type_name(args));
        return NULL;
    }
    if (!request_parse(vm, args, &rq, errp)) {
        return NULL;
    }
    dev = request_make(vm, &rq);
    if (!request_set_props(dev, args, text, errp) ||
        !request_await(vm, &rq, dev, errp)) {
        device_delete(dev);
        return NULL;
    }
    return device_realize(dev, rq.bus, errp) ? dev : NULL;
}

Device *device_new_from_json(Vm *vm, const JsonValue *args, GError **errp)
{
    return device_new_from(vm, args, false, errp);
}

Device *device_new_from_text(Vm *vm, const JsonValue *args, GError **errp)
{
    return device_new_from(vm, args, true, errp);
}

/* Last one wins, as a key given twice does in the text. */
Device *device_new_from_keyval(Vm *vm, const KeyVal *kv, GError **errp)
{
    g_autoptr(JsonValue) args = json_object_new();

    for (unsigned i = 0; i < keyval_count(kv); i++) {
        json_object_set_string(args, keyval_key_at(kv, i),
                               keyval_value_at(kv, i));
    }
    return device_new_from(vm, args, true, errp);
}

bool device_del_by_id(Vm *vm, const char *id, GError **errp)
{
    Device *dev = device_find(vm, id);
    int64_t now;

    if (dev == NULL) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Device '%s' not found", id);
        return false;
    }
    if (dev->parent_bus == NULL || !dev->parent_bus->hotplug) {
        error_setf(errp, "Bus '%s' does not support hotplugging",
                   dev->parent_bus != NULL ? dev->parent_bus->name : "none");
        return false;
    }
    if (!dev->type->hotpluggable) {
        error_setf(errp, "Device '%s' does not support hotplugging",
                   dev->type->name);
        return false;
    }
    now = clock_get_ns(vm->clocks, CLOCK_TYPE_VIRTUAL);
    if (dev->unplug_asked && now < dev->unplug_again_ns) {
        error_setf(errp, "Device %s is already in the process of unplug", id);
        return false;
    }
    if (dev->parent_bus->unplug_ask == NULL) {
        device_delete(dev);
        return true;
    }
    /* One that was starting has not heard it, or has said no. */
    dev->unplug_asked = true;
    dev->unplug_again_ns = now + dev->parent_bus->unplug_again_ns;
    dev->parent_bus->unplug_ask(dev->parent_bus, dev);
    return true;
}
