/*
 * Power management function of the 82371AB (PIIX4), as `pc` machines have
 * it beside their PIIX3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_PIIX4_PM_H
#define HW_ACPI_PIIX4_PM_H

#include "hw/core/machine.h"
#include "hw/pci/pci.h"

/* What the board's ACPI tables say about it. */
enum {
    PIIX4_PM_BASE = 0x600, /* where firmware puts PM1, PM timer */
    PIIX4_GPE0_BASE = 0xafe0,
    PIIX4_GPE0_LEN = 4,
    PIIX4_PCIHP_BASE = 0xae00,
    PIIX4_PCIHP_LEN = 0x18,
    PIIX4_CPUHP_BASE = 0xaf00,
    PIIX4_CPUHP_LEN = 0x20,
    PIIX4_SMBUS_BASE = 0xb100,
    PIIX4_SMI_CMD = 0xb2, /* FADT SMI_CMD */
    PIIX4_ACPI_ENABLE = 0xf1,
    PIIX4_ACPI_DISABLE = 0xf0,
    PIIX4_SCI_IRQ = 9,
};

extern const DeviceType piix4_pm_type; /* PIIX4_PM */

/*
 * Makes function 01.3; its SCI drives m->gsi[9].  Boards without ACPI
 * (m->acpi false) don't call it.  NULL with errp.
 */
Device *piix4_pm_create(Machine *m, PciBus *bus, GError **errp);
/*
 * What firmware reads of the board's ports, when all devices are there:
 * whether it has a parallel port, and a bit for each serial port.
 */
void piix4_pm_set_ports(Device *pm, bool parallel, uint8_t serials);
/* The registers by which functions come and go. */
struct AcpiPcihp *piix4_pm_pcihp(Device *pm);
/*
 * When the board's bridges are there: functions come to and go from the buses
 * behind them, unless "acpi-pci-hotplug-with-bridge-support" is off.
 */
void piix4_pm_add_bridges(Device *pm, PciBus *root);
/* Last in a reset: what the guest was asked to let go of goes. */
void piix4_pm_eject_pending(Device *pm);
/* The power button: MachineType.powerdown. */
void piix4_pm_press_button(Device *pm);
/* Events ACPI_GPE_*. */
void piix4_pm_raise_gpe(Device *pm, uint64_t events);
/* Out of S3: MachineType.wakeup. */
void piix4_pm_wakeup(Device *pm, WakeupReason reason);
/* Whether that ends a suspension. */
bool piix4_pm_may_wake(Device *pm, WakeupReason reason);

#endif
