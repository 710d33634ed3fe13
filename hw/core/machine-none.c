/*
 * Machine "none": no memory, no devices, no CPU.  Tools start it to ask the
 * program what it can do.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-none.h"

const MachineType machine_none_type = {
    .name = "none",
    .desc = "empty machine",
    .max_cpus = 1,
    .ram_id = "ram",
    .size = sizeof(Machine),
};
