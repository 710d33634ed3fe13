/*
 * Machine "none".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_MACHINE_NONE_H
#define HW_CORE_MACHINE_NONE_H

#include "hw/core/machine.h"

extern const MachineType machine_none_type;

#endif
