/*
 * Buses: where devices are plugged, and how they are found.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device-priv.h"
#include "hw/core/machine.h"
#include "util/error.h"

static char *bus_auto_name(Bus *bus)
{
    g_autofree char *lower = NULL;

    if (bus->owner != NULL && bus->owner->id != NULL) {
        return g_strdup_printf("%s.%u", bus->owner->id,
                               bus->owner->child_buses.length);
    }
    lower = g_ascii_strdown(bus->type_name, -1);
    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("%s.%u", lower, n);

        if (bus_find(bus->vm, name) == NULL) {
            return g_steal_pointer(&name);
        }
    }
}

void bus_init(Bus *bus, BusKind kind, const char *type_name, const char *name,
              Device *owner, Vm *vm)
{
    bus->type_name = type_name;
    bus->kind = kind;
    bus->owner = owner;
    bus->vm = vm;
    bus->link.data = bus;
    g_queue_init(&bus->devices);
    bus->name = name != NULL ? g_strdup(name) : bus_auto_name(bus);
    if (owner != NULL) {
        g_queue_push_tail_link(&owner->child_buses, &bus->link);
    }
}

void bus_delete_devices(Bus *bus)
{
    Device *dev;

    while ((dev = g_queue_peek_tail(&bus->devices)) != NULL) {
        device_delete(dev);
    }
}

void bus_fini(Bus *bus)
{
    if (bus->name == NULL) {
        return;
    }
    bus_delete_devices(bus);
    if (bus->owner != NULL) {
        g_queue_unlink(&bus->owner->child_buses, &bus->link);
    }
    g_clear_pointer(&bus->name, g_free);
}

/* Plugging */

static bool bus_takes(Bus *bus, Device *dev, GError **errp)
{
    if (bus->kind != dev->type->bus) {
        error_setf(errp, "Device '%s' can't go on %s bus", dev->type->name,
                   bus->type_name);
        return false;
    }
    if (bus->max_devices != 0 && bus->devices.length >= bus->max_devices) {
        error_setf(errp, "Bus '%s' is full", bus->name);
        return false;
    }
    return bus->plug == NULL || bus->plug(bus, dev, errp);
}

bool device_plug(Device *dev, Bus *bus, GError **errp)
{
    dev->link.data = dev;
    if (bus == NULL && dev->machine != NULL) {
        if (dev->type->bus != BUS_SYSTEM) {
            g_queue_push_tail_link(&dev->machine->busless, &dev->link);
            return true;
        }
        bus = &dev->machine->sysbus;
    }
    if (bus == NULL) {
        return true;
    }
    if (!bus_takes(bus, dev, errp)) {
        return false;
    }
    dev->parent_bus = bus;
    g_queue_push_tail_link(&bus->devices, &dev->link);
    return true;
}

void device_unplug(Device *dev)
{
    Bus *bus = dev->parent_bus;

    if (bus != NULL) {
        if (bus->unplug != NULL) {
            bus->unplug(bus, dev);
        }
        g_queue_unlink(&bus->devices, &dev->link);
        dev->parent_bus = NULL;
    } else if (dev->machine != NULL) {
        g_queue_unlink(&dev->machine->busless, &dev->link);
    }
}

/* Finding */

static bool bus_walk(Bus *bus, bool (*fn)(Bus *, void *), void *opaque)
{
    if (fn(bus, opaque)) {
        return true;
    }
    for (GList *d = bus->devices.head; d != NULL; d = d->next) {
        Device *dev = d->data;

        for (GList *b = dev->child_buses.head; b != NULL; b = b->next) {
            if (bus_walk(b->data, fn, opaque)) {
                return true;
            }
        }
    }
    return false;
}

bool bus_foreach(Vm *vm, bool (*fn)(Bus *bus, void *opaque), void *opaque)
{
    Machine *m = vm->machine;

    if (m == NULL) {
        return false;
    }
    if (bus_walk(&m->sysbus, fn, opaque)) {
        return true;
    }
    for (GList *d = m->busless.head; d != NULL; d = d->next) {
        Device *dev = d->data;

        for (GList *b = dev->child_buses.head; b != NULL; b = b->next) {
            if (bus_walk(b->data, fn, opaque)) {
                return true;
            }
        }
    }
    return false;
}

typedef struct BusQuery {
    const char *name;
    BusKind kind;
    Bus *found;
} BusQuery;

static bool bus_match(Bus *bus, void *opaque)
{
    BusQuery *q = opaque;

    if (g_str_equal(bus->name, q->name)) {
        q->found = bus;
        return true;
    }
    return false;
}

/*
 * The first with room; of several that one device has the last, which is
 * where QEMU puts devices without bus=.
 */
static bool bus_match_kind(Bus *bus, void *opaque)
{
    BusQuery *q = opaque;

    if (bus->kind == q->kind &&
        (bus->max_devices == 0 || bus->devices.length < bus->max_devices) &&
        (q->found == NULL || q->found->owner == bus->owner)) {
        q->found = bus;
    }
    return false;
}

static Device *bus_child_named(Bus *bus, const char *name)
{
    for (GList *d = bus->devices.head; d != NULL; d = d->next) {
        Device *dev = d->data;

        if (dev->id != NULL && g_str_equal(dev->id, name)) {
            return dev;
        }
    }
    for (GList *d = bus->devices.head; d != NULL; d = d->next) {
        Device *dev = d->data;

        if (g_str_equal(dev->type->name, name) ||
            (dev->type->alias != NULL && g_str_equal(dev->type->alias, name))) {
            return dev;
        }
    }
    return NULL;
}

static Bus *device_bus_named(Device *dev, const char *name)
{
    for (GList *b = dev->child_buses.head; b != NULL; b = b->next) {
        Bus *bus = b->data;

        if (g_str_equal(bus->name, name)) {
            return bus;
        }
    }
    return NULL;
}

/* Devices and buses take turns; a device at the end stands for its one bus. */
static Bus *bus_follow_path(Bus *bus, char **elems)
{
    while (bus != NULL && *elems != NULL) {
        Device *dev = bus_child_named(bus, *elems++);

        if (dev == NULL) {
            return NULL;
        }
        if (*elems == NULL) {
            return dev->child_buses.length == 1
                       ? g_queue_peek_head(&dev->child_buses)
                       : NULL;
        }
        bus = device_bus_named(dev, *elems++);
    }
    return bus;
}

Bus *bus_find(Vm *vm, const char *name)
{
    BusQuery q = { .name = name };
    g_auto(GStrv) elems = NULL;

    if (strchr(name, '/') == NULL) {
        bus_foreach(vm, bus_match, &q);
        return q.found;
    }
    elems = g_strsplit(name, "/", -1);
    if (*elems[0] == '\0') {
        return vm->machine == NULL
                   ? NULL
                   : bus_follow_path(&vm->machine->sysbus, elems + 1);
    }
    q.name = elems[0];
    bus_foreach(vm, bus_match, &q);
    return bus_follow_path(q.found, elems + 1);
}

Bus *bus_find_kind(Vm *vm, BusKind kind)
{
    BusQuery q = { .kind = kind };

    bus_foreach(vm, bus_match_kind, &q);
    return q.found;
}
