/*
 * Register blocks by which a guest's ACPI code learns of hot-plugged PCI
 * functions and CPUs.  No CPU is ever plugged or asked to go in this version:
 * that block shows what is there, and carries its state in a migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_HOTPLUG_H
#define HW_ACPI_HOTPLUG_H

#include "hw/acpi/acpi-pm.h"
#include "hw/pci/pci.h"

#define ACPI_PCIHP_BUSES 256
#define ACPI_CPUHP_MAX   1024

/* Bit n: slot n of that bus. */
typedef struct AcpiPcihpStatus {
    uint32_t up, down;
} AcpiPcihpStatus;

typedef struct AcpiPcihp {
    PciBus *buses[ACPI_PCIHP_BUSES]; /* by BSEL of the tables; NULL: none */
    AcpiPm *pm;                      /* raises the event */
    uint32_t select;                 /* bus; migrated, as all below */
    uint32_t acpi_index;
    AcpiPcihpStatus status[ACPI_PCIHP_BUSES];
} AcpiPcihp;

/*
 * From now on functions come to and go from `root` by these registers and
 * `pm`'s event.  NULL: what is on the root bus stays.
 */
void acpi_pcihp_init(AcpiPcihp *hp, PciBus *root, AcpiPm *pm);
/*
 * The same for the buses behind the bridges that there are below `root`: a
 * bridge that is plugged later has no number.
 */
void acpi_pcihp_add_bridges(AcpiPcihp *hp, PciBus *root);
/* The number of a bus; -1: it has none. */
int acpi_pcihp_bsel(const AcpiPcihp *hp, const PciBus *bus);
void acpi_pcihp_fini(AcpiPcihp *hp);
/* size: only whole dwords are registers. */
uint64_t acpi_pcihp_read(AcpiPcihp *hp, unsigned off, unsigned size);
void acpi_pcihp_write(AcpiPcihp *hp, unsigned off, uint32_t val, unsigned size);
/* What the guest was asked to let go of stays asked. */
void acpi_pcihp_reset(AcpiPcihp *hp);
/* In a reset, when no list of devices is walked: those are deleted. */
void acpi_pcihp_eject_pending(AcpiPcihp *hp);
extern const Vmstate acpi_pcihp_status_vmstate;

typedef struct AcpiCpuhpDev {
    bool is_inserting, is_removing;
    uint32_t ost_event, ost_status; /* what _OST said last */
} AcpiCpuhpDev;

typedef struct AcpiCpuhp {
    struct Vm *vm;
    bool modern; /* a bitmap of CPUs until the guest writes to it */
    uint32_t selector;
    uint8_t command;
    uint32_t ndevs; /* possible CPUs */
    AcpiCpuhpDev *devs;
} AcpiCpuhp;

/* The machine has them then: vm->acpi_cpuhp. */
void acpi_cpuhp_init(AcpiCpuhp *hp, struct Vm *vm);
void acpi_cpuhp_fini(AcpiCpuhp *hp);
void acpi_cpuhp_reset(AcpiCpuhp *hp);
uint64_t acpi_cpuhp_read(AcpiCpuhp *hp, unsigned off, unsigned size);
void acpi_cpuhp_write(AcpiCpuhp *hp, unsigned off, uint32_t val, unsigned size);
extern const Vmstate acpi_cpuhp_vmstate;

#endif
