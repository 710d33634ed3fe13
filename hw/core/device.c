/*
 * The life of a device: made, plugged and realized, deleted.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device.h"

#include "hw/core/device-priv.h"
#include "hw/core/machine.h"
#include "system/vm.h"
#include "util/error.h"

static JsonValue *device_get_parent_bus(Object *obj, const Property *p,
                                        GError **errp)
{
    const Bus *bus = OBJECT_CAST(Device, obj)->parent_bus;

    return json_string_new(bus != NULL ? bus->name : "");
}

static JsonValue *device_get_hotpluggable(Object *obj, const Property *p,
                                          GError **errp)
{
    return json_bool_new(OBJECT_CAST(Device, obj)->type->hotpluggable);
}

const Property device_props[] = {
    { .name = "parent_bus",
      .kind = PROP_CUSTOM,
      .type_name = "link<bus>",
      .read_only = true,
      .get = device_get_parent_bus },
    PROP(PROP_BOOL, Device, realized, "realized", .read_only = true),
    PROP(PROP_BOOL, Device, hotplugged, "hotplugged", .read_only = true),
    { .name = "hotpluggable",
      .kind = PROP_CUSTOM,
      .type_name = "bool",
      .read_only = true,
      .get = device_get_hotpluggable },
    PROP_END,
};

static void device_output_clear(gpointer p)
{
    g_free(((DeviceOutput *)p)->name);
}

void device_object_init(Object *obj)
{
    Device *dev = OBJECT_CAST(Device, obj);

    g_queue_init(&dev->child_buses);
    dev->regions = g_ptr_array_new();
    dev->inputs = g_ptr_array_new();
    dev->pins = g_ptr_array_new_with_free_func(g_free);
    dev->outputs = g_array_new(FALSE, FALSE, sizeof(DeviceOutput));
    g_array_set_clear_func(dev->outputs, device_output_clear);
}

void device_object_fini(Object *obj)
{
    Device *dev = OBJECT_CAST(Device, obj);

    device_release_claims(dev);
    g_ptr_array_free(dev->regions, TRUE);
    g_ptr_array_free(dev->inputs, TRUE);
    g_ptr_array_free(dev->pins, TRUE);
    g_array_free(dev->outputs, TRUE);
    g_clear_error(&dev->init_error);
    g_free(dev->id);
}

Device *device_new(Vm *vm, const DeviceType *type)
{
    Device *dev = OBJECT_CAST(Device, object_new(device_object_type(type)));

    dev->type = type;
    dev->vm = vm;
    dev->machine = vm->machine;
    if (type->init != NULL) {
        type->init(dev);
    }
    device_apply_globals(dev);
    return dev;
}

const char *device_name(const Device *dev)
{
    return dev->id != NULL ? dev->id : dev->type->name;
}

bool device_prop_set(Device *dev, const char *name, const char *val,
                     GError **errp)
{
    return object_prop_set_str(&dev->obj, name, val, errp);
}

/* Its place in the tree */

Object *device_container(Vm *vm, const char *name)
{
    Object *base = vm->machine != NULL ? &vm->machine->obj : vm->root;
    Object *c = object_child(base, name);

    if (c == NULL) {
        c = object_new_container("container");
        object_add_child(base, name, c);
        object_unref(c);
    }
    return c;
}

void device_add_numbered(Object *container, Device *dev)
{
    char name[32];
    unsigned n = container->children != NULL ? container->children->len : 0;

    /* Free from there on unless something has been removed. */
    do {
        g_snprintf(name, sizeof(name), "device[%u]", n++);
    } while (object_child(container, name) != NULL);
    object_add_child(container, name, &dev->obj);
}

/* What is sent of it */

static char *device_vmstate_path(Device *dev)
{
    Bus *bus = dev->parent_bus;

    if (dev->type->vmstate_path != NULL) {
        return dev->type->vmstate_path(dev);
    }
    if (bus != NULL && bus->dev_path != NULL) {
        return bus->dev_path(bus, dev);
    }
    return NULL;
}

static bool device_check_migratable(Device *dev, GError **errp)
{
    const Vmstate *vms = dev->type->vmstate;

    if (dev->machine == NULL || !dev->machine->only_migratable ||
        (vms != NULL && !vms->unmigratable)) {
        return true;
    }
    error_setf(errp,
               "Device %s is not migratable, but --only-migratable was "
               "specified",
               dev->type->name);
    return false;
}

static void device_register_vmstate(Device *dev)
{
    VmstateRegistry *r = dev->vm->vmstates;
    const DeviceType *type = dev->type;
    g_autofree char *path = NULL;

    if (r == NULL || type->vmstate == VMSTATE_NONE) {
        return;
    }
    if (type->vmstate == NULL) {
        dev->blocker = vmstate_add_blocker(
            r, "State blocked by non-migratable device '%s'", device_name(dev));
        return;
    }
    path = device_vmstate_path(dev);
    dev->vmstate_entry = vmstate_register(r, path, type->vmstate_instance - 1,
                                          type->vmstate, dev);
    if (type->more_vmstate != NULL) {
        dev->more_vmstate_entry =
            vmstate_register(r, path, -1, type->more_vmstate, dev);
    }
}

static void device_unregister_vmstate(Device *dev)
{
    VmstateRegistry *r = dev->vm->vmstates;

    if (dev->vmstate_entry != NULL) {
        vmstate_unregister(r, dev->vmstate_entry);
        dev->vmstate_entry = NULL;
    }
    if (dev->more_vmstate_entry != NULL) {
        vmstate_unregister(r, dev->more_vmstate_entry);
        dev->more_vmstate_entry = NULL;
    }
    if (dev->blocker != 0) {
        vmstate_del_blocker(r, dev->blocker);
        dev->blocker = 0;
    }
}

/* Realize and delete */

/* From the tree and from memory: the tree may have the last reference. */
static void device_drop(Device *dev, bool own_ref)
{
    Object *obj = object_ref(&dev->obj);

    if (obj->parent != NULL) {
        object_remove_child(obj->parent, obj->name);
    }
    if (own_ref) {
        object_unref(obj);
    }
    object_unref(obj);
}

static void device_do_unrealize(Device *dev)
{
    for (GList *l = dev->child_buses.head; l != NULL; l = l->next) {
        bus_delete_devices(l->data);
    }
    if (dev->type->unrealize != NULL) {
        dev->type->unrealize(dev);
    }
    device_release_claims(dev);
    device_unplug(dev);
}

static bool device_do_realize(Device *dev, Bus *bus, GError **errp)
{
    dev->hotplugged = dev->machine != NULL && dev->machine->ready;
    if (!device_check_migratable(dev, errp) || !device_plug(dev, bus, errp)) {
        return false;
    }
    if (dev->type->realize != NULL && !dev->type->realize(dev, errp)) {
        device_release_claims(dev);
        device_unplug(dev);
        return false;
    }
    bus = dev->parent_bus;
    if (bus != NULL && bus->realized != NULL &&
        !bus->realized(bus, dev, errp)) {
        device_do_unrealize(dev);
        return false;
    }
    return true;
}

bool device_realize(Device *dev, Bus *bus, GError **errp)
{
    GError *err = NULL;

    if (dev->obj.parent == NULL) {
        device_add_numbered(device_container(dev->vm, "unattached"), dev);
    }
    if (dev->init_error != NULL) {
        err = g_steal_pointer(&dev->init_error);
    } else if (!device_do_realize(dev, bus, &err) && !dev->user_created) {
        /* What the user asked for is named by the option or the command. */
        error_prefix(&err, "%s: ", device_name(dev));
    }
    if (err != NULL) {
        g_propagate_error(errp, err);
        device_drop(dev, true);
        return false;
    }
    dev->obj.complete = true;
    dev->realized = true;
    device_register_vmstate(dev);
    if (dev->hotplugged) {
        device_reset_tree(dev);
    }
    object_unref(&dev->obj);
    return true;
}

Device *device_create(Vm *vm, const DeviceType *type, Bus *bus, GError **errp)
{
    Device *dev = device_new(vm, type);

    return device_realize(dev, bus, errp) ? dev : NULL;
}

/* One of the user's that goes while the machine is up. */
static void device_tell_deleted(const Device *dev)
{
    const VmHooks *hooks = dev->vm->hooks;
    g_autofree char *path = NULL;

    if (!dev->user_created || dev->machine == NULL || !dev->machine->ready ||
        hooks == NULL || hooks->event_device_deleted == NULL) {
        return;
    }
    path = object_path(&dev->obj);
    hooks->event_device_deleted(dev->vm, dev->id, path);
}

void device_delete(Device *dev)
{
    if (dev == NULL) {
        return;
    }
    if (dev->realized) {
        device_unregister_vmstate(dev);
        device_do_unrealize(dev);
        dev->realized = false;
        device_tell_deleted(dev);
        device_drop(dev, false);
    } else {
        device_drop(dev, true);
    }
}

Device *device_find(Vm *vm, const char *id)
{
    Object *c = device_container(vm, "peripheral");
    Object *obj = object_child(c, id);
    bool ambiguous = false;

    if (obj == NULL && strchr(id, '/') != NULL) {
        obj = object_resolve(vm->root, id, &ambiguous);
    }
    return ambiguous ? NULL : device_from_object(obj);
}
