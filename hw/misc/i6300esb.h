/*
 * Watchdog of the Intel 6300ESB I/O controller hub.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_I6300ESB_H
#define HW_MISC_I6300ESB_H

#include "hw/core/device.h"

extern const DeviceType i6300esb_type; /* i6300esb */

#endif
