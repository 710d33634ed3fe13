/*
 * The LPC bridge of the ICH9 on q35 machines: ISA bus, interrupt routing,
 * power management.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_ICH9_LPC_H
#define HW_ISA_ICH9_LPC_H

#include "hw/core/machine.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"

enum {
    ICH9_SLOT = 0x1f, /* of all built-in functions */
    ICH9_PIRQS = 8,   /* A to H, on I/O APIC pins 16 to 23 too */
    ICH9_PIRQ_GSI = 16,
};

extern const DeviceType ich9_lpc_type; /* ICH9-LPC */

/*
 * Makes function 1f.0 with the bus "isa.0" and reset control at 0xcf9, and
 * routes the interrupts of `bus` to m->gsi, of which there have to be 24.
 * NULL with errp.
 */
Device *ich9_lpc_create(Machine *m, PciBus *bus, GError **errp);
/* The bus "isa.0" that it provides. */
IsaBus *ich9_lpc_isa_bus(Device *lpc);
/*
 * What firmware reads of the board's ports, when all devices are there: a bit
 * for each serial port, whether there are a parallel port and a floppy
 * controller.
 */
void ich9_lpc_set_ports(Device *lpc, uint8_t serials, bool parallel, bool fdc);
/*
 * The registers of hot-plug behind bridges; NULL: that is left to the bridges.
 */
struct AcpiPcihp *ich9_lpc_pcihp(Device *lpc);
/* Last in a reset: what the guest was asked to let go of goes. */
void ich9_lpc_eject_pending(Device *lpc);
/* The power button: MachineType.powerdown. */
void ich9_lpc_press_button(Device *lpc);
/* Events ACPI_GPE_*. */
void ich9_lpc_raise_gpe(Device *lpc, uint64_t events);
/* Out of S3: MachineType.wakeup, and whether that ends a suspension. */
void ich9_lpc_wakeup(Device *lpc, WakeupReason reason);
bool ich9_lpc_may_wake(Device *lpc, WakeupReason reason);
/* I/O base of the ACPI registers, as firmware has set it. */
uint16_t ich9_lpc_pm_base(Device *lpc);

#endif
