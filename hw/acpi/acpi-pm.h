/*
 * ACPI fixed hardware: the register blocks that chip sets share.  A chip
 * embeds an AcpiPm, decodes the ports and passes accesses on.
 * (ACPI Specification 6.4, section 4.8.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ACPI_ACPI_PM_H
#define HW_ACPI_ACPI_PM_H

#include "hw/core/device.h"

enum {
    ACPI_PM1_TMR_STS = 1 << 0, /* the timer's top bit changed */
    ACPI_PM1_GBL_STS = 1 << 5,
    ACPI_PM1_PWRBTN_STS = 1 << 8,
    ACPI_PM1_RTC_STS = 1 << 10,
    ACPI_PM1_WAK_STS = 1 << 15,
    ACPI_PM1_SCI_EN = 1 << 0,
    ACPI_PM1_SLP_EN = 1 << 13,
    ACPI_PM1_SLP_TYP_SHIFT = 10,
    ACPI_GPE_PCI_HOTPLUG = 1 << 1, /* _E01 of the tables */
    ACPI_GPE_VMGENID = 1 << 5,     /* _E05 */
};

typedef struct AcpiPm {
    Device *dev;
    IrqLine sci;
    uint16_t pm1_sts, pm1_en, pm1_cnt; /* migrated, as all below */
    uint64_t gpe_sts, gpe_en;
    unsigned gpe_bytes;     /* of each of them that there are: 2 or 8 */
    int64_t overflow_ticks; /* when the timer's top bit changes next */
    Timer timer;            /* armed if that has to raise the SCI */
    bool s3, s4;            /* SLP_TYP 1, s4_val are acted on */
    uint8_t s4_val;
} AcpiPm;

/*
 * `gpe_events`: how many there are, 16 or 64.  The chip connects `sci` itself.
 */
void acpi_pm_init(AcpiPm *pm, Device *dev, unsigned gpe_events);
void acpi_pm_fini(AcpiPm *pm);
void acpi_pm_reset(AcpiPm *pm);
/* Checks what was loaded. */
bool acpi_pm_post_load(AcpiPm *pm, GError **errp);
/* Drives the SCI by status and enable registers. */
void acpi_pm_update_sci(AcpiPm *pm);
/* Sets status bits ACPI_PM1_*_STS, with the interrupt they bring. */
void acpi_pm_raise(AcpiPm *pm, uint16_t sts);
/* The same for bits of the general-purpose events. */
void acpi_pm_raise_gpe(AcpiPm *pm, uint64_t sts);

/* off: in the block; size: 1, 2 or 4 bytes, any alignment. */
uint64_t acpi_pm_evt_read(AcpiPm *pm, unsigned off, unsigned size);
void acpi_pm_evt_write(AcpiPm *pm, unsigned off, uint32_t val, unsigned size);
uint64_t acpi_pm_cnt_read(AcpiPm *pm, unsigned off, unsigned size);
void acpi_pm_cnt_write(AcpiPm *pm, unsigned off, uint32_t val, unsigned size);
uint64_t acpi_pm_tmr_read(AcpiPm *pm, unsigned off, unsigned size);
uint64_t acpi_pm_gpe_read(AcpiPm *pm, unsigned off, unsigned size);
void acpi_pm_gpe_write(AcpiPm *pm, unsigned off, uint32_t val, unsigned size);

#endif
