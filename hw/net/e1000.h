/*
 * Intel 82540EM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_E1000_H
#define HW_NET_E1000_H

#include "hw/core/device.h"

extern const DeviceType e1000_type;

#endif
