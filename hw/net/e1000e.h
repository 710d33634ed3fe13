/*
 * Intel 82574L.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_E1000E_H
#define HW_NET_E1000E_H

#include "hw/core/device.h"

extern const DeviceType e1000e_type;

#endif
