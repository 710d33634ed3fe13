/*
 * What the files of hw/core share about machines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_MACHINE_PRIV_H
#define HW_CORE_MACHINE_PRIV_H

#include "hw/core/machine.h"
#include "system/vm.h"

/* The memory that -m or memory-backend= asks for. */
bool machine_build_ram(Machine *m, GError **errp);
/* The CPU model, the in-kernel interrupt controllers and all vCPUs. */
bool machine_build_cpus(Machine *m, GError **errp);
/* vCPUs to their power-on state; the first one is going to run. */
void machine_reset_cpus(Machine *m);
/* In this order, the devices in between. */
void machine_stop_cpus(Machine *m);
void machine_free_cpus(Machine *m);

#endif
