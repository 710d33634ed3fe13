/*
 * What a PC's firmware and operating system read about it through fw_cfg:
 * ACPI and SMBIOS tables, sleep states, boot menu.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_PC_TABLES_H
#define HW_I386_PC_TABLES_H

#include "hw/i386/pc.h"

/* When all devices of the board are there. */
bool pc_init_tables(PcMachine *p, GError **errp);
/* When the user's devices are there: SMBIOS, which may tell where they are. */
bool pc_complete_tables(PcMachine *p, GError **errp);

#endif
