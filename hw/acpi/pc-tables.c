/*
 * The ACPI tables of the machines, but for the DSDT.
 *
 * Layouts: ACPI specification 6.4, 5.2.9 (FADT), 5.2.10 (FACS), 5.2.12
 * (MADT); IA-PC HPET specification 1.0a, 3.2.4; Windows ACPI Emulated
 * Devices Table (Microsoft, 2009).  Which tables there are and their
 * revisions: as guests of the machine type see them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/pc-tables.h"

#include "hw/acpi/vmgenid.h"

#include "hw/acpi/ich9-pm.h"
#include "hw/acpi/piix4-pm.h"

#define LOCAL_APIC_ADDR UINT32_C(0xfee00000)
#define HPET_TABLE_ADDR UINT32_C(0xfed00000)

enum {
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_NO_SLEEP_BUTTON = 1 << 5, /* as a fixed feature */
    FADT_RTC_S4 = 1 << 7,
    FADT_RESET_REG = 1 << 10,
    FADT_PLATFORM_CLOCK = 1 << 15,
    FADT_HW_REDUCED = 1 << 20,
    FADT_PC_FLAGS = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON |
                    FADT_RTC_S4 | FADT_PLATFORM_CLOCK,
    FADT_BOOT_8042 = 1 << 1,
    RESET_PORT = 0xcf9,
    RESET_VALUE = 0x0f,
    PC_SCI_IRQ = 9,
    PC_SMI_CMD = 0xb2,
    FADT_LEN1 = 116,
    FADT_LEN3 = 244,
    FADT_LEN5 = 268,
    FADT_NO_CSTATE = 0xfff, /* latency that means there is none */

    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
    MADT_LEVEL_HIGH = 0xd, /* active high, level triggered */
    MADT_MAX_LAPIC = 255,  /* ids below have the short entry */

    WAET_PM_TIMER_GOOD = 1 << 1,
    HPET_ID = 0xa201, /* revision 1, three 64-bit timers, legacy */
};

/* A generic address: system memory, or I/O ports. */
static void put_gas_in(AcpiTables *t, uint8_t space, uint8_t bits,
                       uint64_t addr)
{
    acpi_put(t, space, 1);
    acpi_put(t, bits, 1);
    acpi_put(t, 0, 2);
    acpi_put(t, addr, 8);
}

static void put_gas(AcpiTables *t, uint8_t bits, uint64_t addr)
{
    put_gas_in(t, AML_SYSTEM_MEMORY, bits, addr);
}

static void put_gas_io(AcpiTables *t, uint8_t bits, uint64_t addr)
{
    put_gas_in(t, AML_SYSTEM_IO, bits, addr);
}

static uint32_t put_facs(AcpiTables *t)
{
    uint32_t off = t->tables->len;

    acpi_put_bytes(t, "FACS", 4);
    acpi_put(t, 64, 4);
    for (unsigned i = 8; i < 64; i += 8) {
        acpi_put(t, 0, 8);
    }
    return off;
}

static void put_zeros(AcpiTables *t, uint32_t up_to)
{
    while (t->tables->len < up_to) {
        acpi_put(t, 0, 1);
    }
}

/* What differs between the chip sets. */
typedef struct FadtChip {
    uint8_t acpi_enable, acpi_disable;
    uint16_t gpe0_base;
    uint8_t gpe0_len;
    uint16_t boot_flags;
    uint32_t flags;
} FadtChip;

/* All that revision 1 has. */
static void put_fadt_fixed(AcpiTables *t, const AcpiConfig *c,
                           const FadtChip *chip, uint32_t facs, uint32_t dsdt)
{
    acpi_put_pointer(t, facs, 4);
    acpi_put_pointer(t, dsdt, 4);
    acpi_put(t, 1, 1); /* two 8259As and the rest of a PC */
    acpi_put(t, 0, 1);
    acpi_put(t, PC_SCI_IRQ, 2);
    /* Without SMM, ACPI is on and nothing switches it. */
    acpi_put(t, c->smm ? PC_SMI_CMD : 0, 4);
    acpi_put(t, c->smm ? chip->acpi_enable : 0, 1);
    acpi_put(t, c->smm ? chip->acpi_disable : 0, 1);
    acpi_put(t, 0, 2);
    acpi_put(t, c->pm_base, 4); /* PM1a event */
    acpi_put(t, 0, 4);
    acpi_put(t, c->pm_base + 4, 4); /* PM1a control */
    acpi_put(t, 0, 8);
    acpi_put(t, c->pm_base + 8, 4); /* timer */
    acpi_put(t, chip->gpe0_base, 4);
    acpi_put(t, 0, 4);
    acpi_put(t, 4, 1); /* lengths, in the same order */
    acpi_put(t, 2, 1);
    acpi_put(t, 0, 1);
    acpi_put(t, 4, 1);
    acpi_put(t, chip->gpe0_len, 1);
    acpi_put(t, 0, 3);
    acpi_put(t, FADT_NO_CSTATE, 2);
    acpi_put(t, FADT_NO_CSTATE, 2);
    acpi_put(t, 0, 8);    /* flush size and stride, duty cycle, alarms */
    acpi_put(t, 0x32, 1); /* century in the CMOS */
    acpi_put(t, chip->boot_flags, 2);
    acpi_put(t, 0, 1);
    acpi_put(t, FADT_PC_FLAGS | chip->flags, 4);
}

/* Revision 1. */
static void put_fadt_pc(AcpiTables *t, const AcpiConfig *c, uint32_t facs,
                        uint32_t dsdt)
{
    uint32_t off = acpi_table_begin(t, "FACP", 1);
    const FadtChip chip = {
        .acpi_enable = PIIX4_ACPI_ENABLE,
        .acpi_disable = PIIX4_ACPI_DISABLE,
        .gpe0_base = PIIX4_GPE0_BASE,
        .gpe0_len = PIIX4_GPE0_LEN,
    };

    put_fadt_fixed(t, c, &chip, facs, dsdt);
    g_assert(t->tables->len - off == FADT_LEN1);
    acpi_table_end(t, off, true);
}

/* Revision 3: a reset register, and the blocks as generic addresses. */
static void put_fadt_q35(AcpiTables *t, const AcpiConfig *c, uint32_t facs,
                         uint32_t dsdt)
{
    uint32_t off = acpi_table_begin(t, "FACP", 3);
    const FadtChip chip = {
        .acpi_enable = ICH9_ACPI_ENABLE,
        .acpi_disable = ICH9_ACPI_DISABLE,
        .gpe0_base = c->gpe0_base,
        .gpe0_len = c->gpe0_len,
        .boot_flags = c->i8042 ? FADT_BOOT_8042 : 0,
        .flags = FADT_RESET_REG,
    };

    put_fadt_fixed(t, c, &chip, facs, dsdt);
    put_gas_io(t, 8, RESET_PORT);
    acpi_put(t, RESET_VALUE, 1);
    acpi_put(t, 0, 3);
    acpi_put(t, 0, 8); /* FACS: where the 32-bit pointer says */
    acpi_put_pointer(t, dsdt, 8);
    put_gas_io(t, 32, c->pm_base);
    put_gas(t, 0, 0);
    put_gas_io(t, 16, c->pm_base + 4);
    put_gas(t, 0, 0);
    put_gas(t, 0, 0);
    put_gas_io(t, 32, c->pm_base + 8);
    put_gas_io(t, 8 * c->gpe0_len, c->gpe0_base);
    put_gas(t, 0, 0);
    g_assert(t->tables->len - off == FADT_LEN3);
    acpi_table_end(t, off, true);
}

/* Revision 5, hardware-reduced: no fixed registers at all. */
static void put_fadt_microvm(AcpiTables *t, uint32_t dsdt)
{
    uint32_t off = acpi_table_begin(t, "FACP", 5);

    put_zeros(t, off + 112);
    acpi_put(t, FADT_HW_REDUCED | FADT_RESET_REG, 4);
    put_gas(t, 8, ACPI_GED_SLEEP + 2);
    acpi_put(t, ACPI_GED_RESET_VALUE, 1);
    put_zeros(t, off + 140);
    acpi_put_pointer(t, dsdt, 8);
    put_zeros(t, off + 244);
    put_gas(t, 8, ACPI_GED_SLEEP);
    put_gas(t, 8, ACPI_GED_SLEEP + 1);
    g_assert(t->tables->len - off == FADT_LEN5);
    acpi_table_end(t, off, true);
}

static void madt_put_cpu(AcpiTables *t, unsigned n, const AcpiCpu *cpu)
{
    if (cpu->apic_id < MADT_MAX_LAPIC) {
        acpi_put(t, MADT_LAPIC, 1);
        acpi_put(t, 8, 1);
        acpi_put(t, n, 1);
        acpi_put(t, cpu->apic_id, 1);
        acpi_put(t, cpu->present, 4);
    } else {
        acpi_put(t, MADT_X2APIC, 1);
        acpi_put(t, 16, 1);
        acpi_put(t, 0, 2);
        acpi_put(t, cpu->apic_id, 4);
        acpi_put(t, cpu->present, 4);
        acpi_put(t, n, 4);
    }
}

static void madt_put_override(AcpiTables *t, uint8_t irq, uint32_t gsi,
                              uint16_t flags)
{
    acpi_put(t, MADT_OVERRIDE, 1);
    acpi_put(t, 10, 1);
    acpi_put(t, 0, 1); /* ISA */
    acpi_put(t, irq, 1);
    acpi_put(t, gsi, 4);
    acpi_put(t, flags, 2);
}

/* Every processor's LINT1 is the NMI. */
static void madt_put_nmi(AcpiTables *t, bool x2apic)
{
    if (x2apic) {
        acpi_put(t, MADT_X2APIC_NMI, 1);
        acpi_put(t, 12, 1);
        acpi_put(t, 0, 2);
        acpi_put(t, UINT32_MAX, 4);
        acpi_put(t, 1, 1);
        acpi_put(t, 0, 3);
    } else {
        acpi_put(t, MADT_LAPIC_NMI, 1);
        acpi_put(t, 6, 1);
        acpi_put(t, 0xff, 1);
        acpi_put(t, 0, 2);
        acpi_put(t, 1, 1);
    }
}

void acpi_put_madt(AcpiTables *t, const AcpiConfig *c, bool pc)
{
    /* Interrupts that PCI may use are level triggered. */
    static const uint8_t level_irqs[] = { 5, 9, 10, 11 };
    uint32_t off = acpi_table_begin(t, "APIC", 1);
    bool x2apic = false;

    acpi_put(t, LOCAL_APIC_ADDR, 4);
    acpi_put(t, 1, 4); /* there are 8259As too */
    for (unsigned i = 0; i < c->ncpus; i++) {
        madt_put_cpu(t, i, &c->cpus[i]);
        x2apic = x2apic || c->cpus[i].apic_id >= MADT_MAX_LAPIC;
    }
    for (unsigned i = 0; i < c->nioapics; i++) {
        acpi_put(t, MADT_IOAPIC, 1);
        acpi_put(t, 12, 1);
        acpi_put(t, c->ioapics[i].id, 1);
        acpi_put(t, 0, 1);
        acpi_put(t, c->ioapics[i].addr, 4);
        acpi_put(t, c->ioapics[i].gsi_base, 4);
    }
    if (pc) {
        madt_put_override(t, 0, 2, 0);
        for (unsigned i = 0; i < G_N_ELEMENTS(level_irqs); i++) {
            madt_put_override(t, level_irqs[i], level_irqs[i], MADT_LEVEL_HIGH);
        }
    }
    madt_put_nmi(t, x2apic);
    acpi_table_end(t, off, true);
}

void acpi_put_hpet(AcpiTables *t)
{
    uint32_t off = acpi_table_begin(t, "HPET", 1);

    acpi_put(t, UINT32_C(0x80860000) | HPET_ID, 4);
    put_gas(t, 0, HPET_TABLE_ADDR);
    acpi_put(t, 0, 1); /* its number */
    acpi_put(t, 0, 2); /* shortest period, not said */
    acpi_put(t, 0, 1);
    acpi_table_end(t, off, true);
}

void acpi_put_waet(AcpiTables *t)
{
    uint32_t off = acpi_table_begin(t, "WAET", 1);

    acpi_put(t, WAET_PM_TIMER_GOOD, 4);
    acpi_table_end(t, off, true);
}

static uint32_t put_dsdt(AcpiTables *t, uint8_t revision, const AcpiConfig *c,
                         void (*fill)(Aml *a, const AcpiConfig *c))
{
    uint32_t off = acpi_table_begin(t, "DSDT", revision);
    Aml a;

    aml_init(&a);
    fill(&a, c);
    acpi_put_bytes(t, a.code->data, a.code->len);
    aml_fini(&a);
    acpi_table_end(t, off, false);
    return off;
}

static void put_numa(AcpiTables *t, const AcpiConfig *c)
{
    if (c->nnodes == 0) {
        return;
    }
    acpi_put_srat(t, c);
    if (c->distances != NULL) {
        acpi_put_slit(t, c);
    }
}

static void put_vmgenid(AcpiTables *t, const AcpiConfig *c)
{
    if (c->vmgenid) {
        acpi_put_vmgenid(t);
    }
}

void acpi_build_pc(AcpiTables *t, const AcpiConfig *c)
{
    uint32_t facs = put_facs(t);
    uint32_t dsdt = put_dsdt(t, 1, c, dsdt_put_pc);

    put_fadt_pc(t, c, facs, dsdt);
    acpi_put_madt(t, c, true);
    put_vmgenid(t, c);
    if (c->hpet) {
        acpi_put_hpet(t);
    }
    put_numa(t, c);
    acpi_put_waet(t);
    acpi_finish(t, false);
}

/* Where MMCONFIG is (PCI Firmware Specification 3.2, section 4.1.2). */
static void put_mcfg(AcpiTables *t, const AcpiConfig *c)
{
    uint32_t off;

    if (c->mmconfig_len == 0) {
        return;
    }
    off = acpi_table_begin(t, "MCFG", 1);
    acpi_put(t, 0, 8);
    acpi_put(t, c->mmconfig, 8);
    acpi_put(t, 0, 2); /* segment group */
    acpi_put(t, 0, 1); /* buses */
    acpi_put(t, c->mmconfig_len / MiB - 1, 1);
    acpi_put(t, 0, 4);
    acpi_table_end(t, off, true);
}

void acpi_build_q35(AcpiTables *t, const AcpiConfig *c)
{
    uint32_t facs = put_facs(t);
    uint32_t dsdt = put_dsdt(t, 1, c, dsdt_put_q35);

    put_fadt_q35(t, c, facs, dsdt);
    acpi_put_madt(t, c, true);
    put_vmgenid(t, c);
    if (c->hpet) {
        acpi_put_hpet(t);
    }
    put_numa(t, c);
    put_mcfg(t, c);
    acpi_put_waet(t);
    acpi_finish(t, false);
}

void acpi_build_microvm(AcpiTables *t, const AcpiConfig *c)
{
    uint32_t dsdt = put_dsdt(t, 2, c, dsdt_put_microvm);

    put_fadt_microvm(t, dsdt);
    acpi_put_madt(t, c, false);
    acpi_finish(t, true);
}
