/*
 * Every machine type, in the order of -machine help.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-none.h"
#include "hw/i386/microvm.h"
#include "hw/i386/pc.h"

const MachineType *const machine_table[] = {
    &machine_microvm_type,
    &machine_none_type,
    &machine_pc_i440fx_type,
    &machine_pc_q35_type,
    NULL,
};
