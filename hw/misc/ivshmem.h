/*
 * Memory and doorbells that guests share.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_IVSHMEM_H
#define HW_MISC_IVSHMEM_H

#include "hw/core/device.h"

extern const DeviceType ivshmem_doorbell_type;
extern const DeviceType ivshmem_plain_type;

#endif
