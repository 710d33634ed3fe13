/*
 * Every device type, by folder.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/device.h"

const DeviceType *const device_table[] = {
    NULL,
};
