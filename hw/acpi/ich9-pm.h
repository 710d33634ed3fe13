/*
 * Power management block of the ICH9, part of its LPC bridge: ACPI registers,
 * SMI, TCO, and the registers of hot-plug beside them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_ICH9_PM_H
#define HW_ACPI_ICH9_PM_H

#include "hw/acpi/hotplug.h"
#include "hw/acpi/ich9-tco.h"

/* What the board's ACPI tables say about it. */
enum {
    ICH9_PM_BLOCK_SIZE = 128,
    ICH9_PM_BASE = 0x600, /* where firmware puts the block */
    ICH9_GPE0_OFFSET = 0x20,
    ICH9_GPE0_LEN = 16,
    ICH9_PCIHP_BASE = 0x0cc0,
    ICH9_PCIHP_LEN = 0x18,
    ICH9_CPUHP_BASE = 0x0cd8,
    ICH9_CPUHP_LEN = 0x20,
    ICH9_SMI_CMD = 0xb2, /* FADT SMI_CMD */
    ICH9_ACPI_ENABLE = 2,
    ICH9_ACPI_DISABLE = 3,
    ICH9_SCI_IRQ = 9,

    ICH9_SMI_APMC = 1 << 5, /* bits of SMI_EN and SMI_STS */
    ICH9_SMI_TCO = 1 << 13,
};

typedef struct Ich9PmOps {
    void (*smi)(void *opaque); /* to the CPUs; whether it is enabled is known */
    bool (*tco_reboots)(void *opaque);
} Ich9PmOps;

typedef struct Ich9Pm {
    Device *dev;
    const Ich9PmOps *ops;
    void *opaque;
    AcpiPm pm;
    Ich9Tco tco;
    AcpiPcihp pcihp;
    AcpiCpuhp cpuhp;
    uint32_t smi_en, smi_sts; /* migrated */
    bool smi_locked;          /* GBL_SMI_EN can't be changed */
    bool smm;                 /* the board has SMM */
    uint32_t memhp_selector;  /* migrated; there is no memory hot plug */
    /* Of pm, only while it is saved or loaded. */
    uint8_t gpe_sts[ICH9_GPE0_LEN], gpe_en[ICH9_GPE0_LEN];
    MemoryRegion block, evt_io, cnt_io, tmr_io, gpe_io, smi_io, tco_io;
    IoRange pcihp_io, cpuhp_io;
    /* Properties. */
    uint8_t disable_s3, disable_s4, s4_val;
    bool enable_tco, bridge_hotplug;
} Ich9Pm;

/* The chip's struct starts with this. */
typedef struct Ich9Function {
    PciDevice pci;
    Ich9Pm pm;
} Ich9Function;

/*
 * In realize() of the chip, which connects `pm.sci` itself and frees what is
 * there with ich9_pm_fini().
 */
bool ich9_pm_init(Ich9Function *chip, const Ich9PmOps *ops, void *opaque,
                  GError **errp);
void ich9_pm_fini(Ich9Pm *s);
void ich9_pm_reset(Ich9Pm *s);
/* The block of ICH9_PM_BLOCK_SIZE ports. */
void ich9_pm_set_base(Ich9Pm *s, uint16_t base, bool enabled);
/* An event that makes an SMI if its bit ICH9_SMI_… is enabled. */
void ich9_pm_smi_event(Ich9Pm *s, uint32_t event);
/* What the chip's section holds of it. */
extern const Vmstate ich9_pm_vmstate;

#endif
