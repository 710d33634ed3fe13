/*
 * Interrupt pins as a qtest sees them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_QTEST_PINS_H
#define HW_CORE_QTEST_PINS_H

#include "accel/qtest/qtest.h"

/* For qtest_server_new(): pins of the devices in the object tree. */
extern const QtestPins device_qtest_pins;

#endif
