/*
 * The VM generation ID: by it a guest learns that it goes on from an older
 * state of itself, so that what it took for unique may not be.
 *
 * (Microsoft, "Virtual Machine Generation ID", 2012; QEMU's documented files
 * "etc/vmgenid_guid" and "etc/vmgenid_addr".)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_VMGENID_H
#define HW_ACPI_VMGENID_H

#include "hw/acpi/tables.h"
#include "hw/core/device.h"

extern const DeviceType vmgenid_type;

/* The ID as text, for the caller to free; NULL: there is no such device. */
char *vmgenid_text(const struct Vm *vm);
/* The table that says where the guest finds it. */
void acpi_put_vmgenid(AcpiTables *t);

#endif
