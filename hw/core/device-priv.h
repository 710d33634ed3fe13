/*
 * What the files of hw/core share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_DEVICE_PRIV_H
#define HW_CORE_DEVICE_PRIV_H

#include "hw/core/device.h"
#include "system/vm.h"

/* Of every device: realized, hotplugged, … */
extern const Property device_props[];
void device_object_init(Object *obj);
void device_object_fini(Object *obj);
/* Regions, pins and whatever else realize claimed, in reverse order. */
void device_release_claims(Device *dev);
/* Puts the device on the bus; NULL: on none.  False with the reason. */
bool device_plug(Device *dev, Bus *bus, GError **errp);
void device_unplug(Device *dev);
/* Deletes the devices on it, the youngest first. */
void bus_delete_devices(Bus *bus);
/* Stores what -global says in the new device. */
void device_apply_globals(Device *dev);
/* A container below /machine, or below the root without a machine. */
Object *device_container(struct Vm *vm, const char *name);
/* Adds the device there as device[N]. */
void device_add_numbered(Object *container, Device *dev);

#endif
