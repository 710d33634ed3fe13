/*
 * Devices that a user asks for: -device, device_add, and their help.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_DEVICE_ADD_H
#define HW_CORE_DEVICE_ADD_H

#include "hw/core/device.h"
#include "system/vm.h"
#include "util/keyval.h"

/*
 * Makes, plugs and realizes the device that a -device text describes (parsed
 * with "driver" as implied key): driver=, id=, bus=, and its properties.
 * NULL with `errp` set, and nothing left behind, on failure.  vm_lock held.
 */
Device *device_new_from_keyval(Vm *vm, const KeyVal *kv, GError **errp);
/* The same from a JSON object with typed values. */
Device *device_new_from_json(Vm *vm, const JsonValue *args, GError **errp);
/* The same, with strings for values as in a -device text. */
Device *device_new_from_text(Vm *vm, const JsonValue *args, GError **errp);
/*
 * device_del: by id or QOM path, of a device that can leave while the machine
 * is up.  It is deleted at once, or when the guest has let go of it: the hook
 * event_device_deleted tells.
 */
bool device_del_by_id(Vm *vm, const char *id, GError **errp);

/* Text of -device help, and of -device NAME,help. */
void device_print_list(GString *out);
bool device_print_help(const char *name, GString *out, GError **errp);
/* The same for any type of object, called `name` in it. */
void object_type_print_help(const ObjectType *type, const char *name,
                            GString *out);

#endif
