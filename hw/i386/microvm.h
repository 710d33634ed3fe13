/*
 * Machine "microvm".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_MICROVM_H
#define HW_I386_MICROVM_H

#include "hw/core/machine.h"

extern const MachineType machine_microvm_type;

#endif
