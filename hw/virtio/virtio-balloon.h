/*
 * The memory balloon, as the monitors see it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_BALLOON_H
#define HW_VIRTIO_VIRTIO_BALLOON_H

#include <glib.h>
#include <stdint.h>

struct Vm;

/*
 * Asks the guest to keep `bytes` of its memory and give the rest back.  False
 * with the class DeviceNotActive if the machine has no balloon.  vm_lock held.
 */
bool virtio_balloon_set_target(struct Vm *vm, uint64_t bytes, GError **errp);
/* What the guest has now, in bytes. */
bool virtio_balloon_get_actual(struct Vm *vm, uint64_t *ret, GError **errp);

#endif
