/*
 * The ACPI tables of the machines, from numbers alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_PC_TABLES_H
#define HW_ACPI_PC_TABLES_H

#include "hw/acpi/aml.h"
#include "hw/acpi/tables.h"

typedef struct AcpiCpu {
    uint32_t apic_id;
    bool present;
    unsigned node; /* if there are NUMA nodes */
} AcpiCpu;

/* An I/O APIC. */
typedef struct AcpiIoapic {
    uint8_t id;
    uint32_t addr;
    uint32_t gsi_base;
} AcpiIoapic;

/* A PCI function that the tables speak of, and what is behind it. */
typedef struct AcpiPciFunction {
    uint8_t devfn;
    bool fixed; /* it can't be unplugged */
    int bsel;   /* of the bus behind it; -1: nothing comes and goes there */
    unsigned nslots; /* that bus has, for what comes and goes */
    struct AcpiPciFunction *below;
    unsigned nbelow;
} AcpiPciFunction;

typedef struct AcpiConfig {
    AcpiIds ids;
    const AcpiCpu *cpus;
    unsigned ncpus; /* that there may ever be */
    AcpiIoapic ioapics[2];
    unsigned nioapics;
    bool rtc, i8042, fdc, hpet, parallel;
    bool vmgenid;
    uint16_t pvpanic_port; /* 0: there is none */
    uint8_t serials;       /* bit n: COM n + 1 */
    /* pc: */
    uint32_t pci_hole;       /* where PCI memory begins below 4 GiB */
    uint64_t pci_hole64;     /* and above it; 0: nowhere */
    uint64_t pci_hole64_len; /* bytes */
    uint16_t pm_base;        /* of PM1 and PM timer, as firmware has set it */
    uint16_t pcihp_base, cpuhp_base; /* of the registers of hot-plug */
    bool smm; /* the SMI command port is there for ACPI */
    bool s3, s4;
    uint8_t s4_type;      /* SLP_TYP value */
    uint8_t floppies[2];  /* drive types as in the CMOS */
    AcpiPciFunction root; /* for its bus; below g_malloc()ed, all the way */
    /* NUMA, if there are nodes: */
    unsigned nnodes;
    const uint64_t *node_sizes; /* bytes of each */
    const uint8_t *distances;   /* nnodes rows; NULL: nothing is said */
    uint64_t ram_below_4g;      /* what is more begins at 4 GiB */
    /* q35: */
    uint64_t mmconfig, mmconfig_len; /* 0 bytes: it is off */
    uint16_t gpe0_base;
    uint8_t gpe0_len;
    /* microvm: */
    bool ged;
} AcpiConfig;

/* Tables of pc-i440fx-7.2, pc-q35-7.2 and microvm; `t` is initialised. */
void acpi_build_pc(AcpiTables *t, const AcpiConfig *c);
void acpi_build_q35(AcpiTables *t, const AcpiConfig *c);
void acpi_build_microvm(AcpiTables *t, const AcpiConfig *c);

enum {
    ACPI_STA_HIDDEN = 0x0b, /* _STA: present, enabled, works */
    ACPI_PCIHP_LEN = 0x18,  /* ports of PCI hot-plug */
};

/* Parts of them. */
void acpi_put_madt(AcpiTables *t, const AcpiConfig *c, bool pc);
void acpi_put_hpet(AcpiTables *t);
void acpi_put_srat(AcpiTables *t, const AcpiConfig *c);
void acpi_put_slit(AcpiTables *t, const AcpiConfig *c);
void acpi_put_waet(AcpiTables *t);
void dsdt_put_pc(Aml *a, const AcpiConfig *c);
void dsdt_put_q35(Aml *a, const AcpiConfig *c);
void dsdt_put_microvm(Aml *a, const AcpiConfig *c);
/* Devices on the ISA bus, in the scope that is open. */
void dsdt_put_isa(Aml *a, const AcpiConfig *c);
void dsdt_put_rtc(Aml *a);
void dsdt_put_serial(Aml *a, unsigned n);
void dsdt_put_fw_cfg(Aml *a);
/* Links of PCI interrupts: what they all use; one by its routing register. */
void dsdt_put_link_methods(Aml *a);
void dsdt_put_link(Aml *a, const char *name, unsigned uid, const char *reg);
/* _PRS of a link: level-triggered interrupts, one of which it can be. */
void dsdt_put_possible(Aml *a, const uint32_t *irqs, unsigned n);
/* In the root's scope: what slots that take functions at run time call. */
void dsdt_put_pci_hotplug(Aml *a, const AcpiConfig *c);
/* In a slot's scope, on a bus with BSEL: what it says of its function. */
void dsdt_put_slot_dsm(Aml *a, unsigned slot);
/*
 * In the root's scope: its functions, those behind bridges, and PCNT, which
 * tells slots of events.  `isa`: what function `isa_devfn` of the root bus has
 * in its scope.
 */
void dsdt_put_functions(Aml *a, const AcpiConfig *c, uint8_t isa_devfn,
                        void (*isa)(Aml *a, const AcpiConfig *c));
/* General-purpose event 1: calls PCNT of the root. */
void dsdt_put_pci_events(Aml *a);
/* A device that keeps ports for itself. */
void dsdt_put_reserved(Aml *a, const char *name, const char *uid, uint16_t base,
                       uint8_t len);
void dsdt_put_hpet(Aml *a);
/* The container of the processors, and what _STA of one asks. */
void dsdt_put_cpus(Aml *a, const AcpiConfig *c);
/* _Sx: what to write to both PM1 control blocks. */
void dsdt_put_sleep(Aml *a, unsigned n, uint8_t type, uint8_t type_b);

/* Where the generic event device of microvm is. */
enum {
    ACPI_GED_IRQ = 9,
    ACPI_GED_POWER = 1 << 1, /* event: the power button */
    ACPI_GED_RESET_VALUE = 0x42,
    ACPI_GED_S5 = 5, /* sleep type */
};
#define ACPI_GED_ADDR  UINT32_C(0xfea00000)
#define ACPI_GED_SLEEP UINT32_C(0xfea00200) /* control, status, reset */

#endif
