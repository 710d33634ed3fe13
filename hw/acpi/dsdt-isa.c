/*
 * Parts of the DSDT that do not depend on PCI: ISA devices, processors, sleep
 * states, the events of microvm.
 *
 * Names and identifiers: ACPI specification 6.4, chapters 5.6, 6 and 8; PNP
 * identifiers of the legacy devices from its table 5.6.7.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/pc-tables.h"

enum {
    STA_PRESENT = 1 << 0,
    STA_ENABLED = 1 << 1,
    STA_SHOWN = 1 << 2,
    STA_WORKS = 1 << 3,
    STA_ALL = STA_PRESENT | STA_ENABLED | STA_SHOWN | STA_WORKS,
    STA_HIDDEN = STA_PRESENT | STA_ENABLED | STA_WORKS,
};

/* _CRS of one range of ports and one interrupt. */
static void put_crs_ports(Aml *a, uint16_t base, uint8_t align, uint8_t len,
                          int irq)
{
    size_t crs;

    aml_name(a, "_CRS");
    crs = aml_begin_resources(a);
    aml_res_io(a, base, align, len);
    if (irq >= 0) {
        aml_res_irq(a, irq);
    }
    aml_end_resources(a, crs);
}

void dsdt_put_rtc(Aml *a)
{
    size_t dev = aml_begin_device(a, "RTC");

    aml_name_eisaid(a, "_HID", "PNP0B00");
    put_crs_ports(a, 0x70, 1, 8, 8);
    aml_end(a, dev);
}

void dsdt_put_serial(Aml *a, unsigned n)
{
    static const uint16_t ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    static const uint8_t irqs[] = { 4, 3, 4, 3 };
    char name[5] = "COM1";
    size_t dev;

    name[3] = '1' + n;
    dev = aml_begin_device(a, name);
    aml_name_eisaid(a, "_HID", "PNP0501");
    aml_name_int(a, "_UID", n + 1);
    aml_name_int(a, "_STA", STA_ALL);
    put_crs_ports(a, ports[n], 0, 8, irqs[n]);
    aml_end(a, dev);
}

void dsdt_put_fw_cfg(Aml *a)
{
    size_t dev = aml_begin_device(a, "FWCF");

    aml_name_string(a, "_HID", "QEMU0002");
    aml_name_int(a, "_STA", STA_HIDDEN);
    put_crs_ports(a, 0x510, 1, 0x0c, -1);
    aml_end(a, dev);
}

static void put_keyboard(Aml *a)
{
    size_t dev = aml_begin_device(a, "KBD"), crs;

    aml_name_eisaid(a, "_HID", "PNP0303");
    aml_name_int(a, "_STA", STA_ALL);
    aml_name(a, "_CRS");
    crs = aml_begin_resources(a);
    aml_res_io(a, 0x60, 1, 1);
    aml_res_io(a, 0x64, 1, 1);
    aml_res_irq(a, 1);
    aml_end_resources(a, crs);
    aml_end(a, dev);
    dev = aml_begin_device(a, "MOU");
    aml_name_eisaid(a, "_HID", "PNP0F13");
    aml_name_int(a, "_STA", STA_ALL);
    aml_name(a, "_CRS");
    crs = aml_begin_resources(a);
    aml_res_irq(a, 12);
    aml_end_resources(a, crs);
    aml_end(a, dev);
}

/* _FDE: which of four drives there are, then whether there is a tape. */
static void put_floppies(Aml *a, const AcpiConfig *c)
{
    size_t dev = aml_begin_device(a, "FDC0"), crs;
    uint8_t fde[20] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(c->floppies); i++) {
        fde[4 * i] = c->floppies[i] != 0;
    }
    fde[16] = 2; /* a tape was not looked for */
    aml_name_eisaid(a, "_HID", "PNP0700");
    aml_name(a, "_CRS");
    crs = aml_begin_resources(a);
    aml_res_io(a, 0x3f2, 0, 4);
    aml_res_io(a, 0x3f7, 0, 1);
    aml_res_irq(a, 6);
    aml_res_dma(a, 2);
    aml_end_resources(a, crs);
    aml_name(a, "_FDE");
    aml_buffer(a, fde, sizeof(fde));
    aml_end(a, dev);
}

static void put_parallel(Aml *a)
{
    size_t dev = aml_begin_device(a, "LPT1");

    aml_name_eisaid(a, "_HID", "PNP0400");
    aml_name_int(a, "_UID", 1);
    aml_name_int(a, "_STA", STA_ALL);
    put_crs_ports(a, 0x378, 8, 8, 7);
    aml_end(a, dev);
}

/* How an operating system reports its crash; read and written by methods. */
static void put_pvpanic(Aml *a, uint16_t port)
{
    size_t dev = aml_begin_device(a, "PEVT"), part;

    aml_name_string(a, "_HID", "QEMU0001");
    put_crs_ports(a, port, 1, 1, -1);
    aml_region(a, "PEOR", AML_SYSTEM_IO, port, 1);
    part = aml_begin_field(a, "PEOR", AML_BYTE_ACC);
    aml_field_bits(a, "PEPT", 8);
    aml_end(a, part);
    aml_name_int(a, "_STA", STA_ALL);
    part = aml_begin_method(a, "RDPT", 0, false);
    aml_op(a, AML_STORE);
    aml_path(a, "PEPT");
    aml_local(a, 0);
    aml_op(a, AML_RETURN);
    aml_local(a, 0);
    aml_end(a, part);
    part = aml_begin_method(a, "WRPT", 1, false);
    aml_op(a, AML_STORE);
    aml_arg(a, 0);
    aml_path(a, "PEPT");
    aml_end(a, part);
    aml_end(a, dev);
}

void dsdt_put_isa(Aml *a, const AcpiConfig *c)
{
    if (c->pvpanic_port != 0) {
        put_pvpanic(a, c->pvpanic_port);
    }
    if (c->i8042) {
        put_keyboard(a);
    }
    if (c->fdc) {
        put_floppies(a, c);
    }
    for (unsigned i = 0; i < 4; i++) {
        if (c->serials & (1 << i)) {
            dsdt_put_serial(a, i);
        }
    }
    if (c->parallel) {
        put_parallel(a);
    }
    if (c->rtc) {
        dsdt_put_rtc(a);
    }
}

/* Processors */

/* Is processor Arg0 there?  The hot-plug registers say. */
static void put_cpu_status_method(Aml *a)
{
    static const char lock[] = "\\_SB.PCI0.PRES.CPLK";
    size_t m = aml_begin_method(a, "CSTA", 1, true), cond;

    aml_op(a, AML_ACQUIRE);
    aml_path(a, lock);
    aml_word(a, 0xffff);
    aml_op(a, AML_STORE);
    aml_arg(a, 0);
    aml_path(a, "\\_SB.PCI0.PRES.CSEL");
    aml_op(a, AML_STORE);
    aml_int(a, 0);
    aml_local(a, 0);
    cond = aml_begin(a, AML_IF);
    aml_path(a, "\\_SB.PCI0.PRES.CPEN");
    aml_op(a, AML_STORE);
    aml_int(a, STA_ALL);
    aml_local(a, 0);
    aml_end(a, cond);
    aml_op(a, AML_RELEASE);
    aml_path(a, lock);
    aml_op(a, AML_RETURN);
    aml_local(a, 0);
    aml_end(a, m);
}

/* Registers of hw/acpi/hotplug.h, as far as _STA needs them. */
static void put_cpu_registers(Aml *a, uint16_t base)
{
    size_t dev = aml_begin_device(a, "\\_SB.PCI0.PRES"), f;

    aml_name_eisaid(a, "_HID", "PNP0A06");
    aml_name_string(a, "_UID", "CPU Hotplug resources");
    aml_op(a, AML_MUTEX);
    aml_path(a, "CPLK");
    aml_byte(a, 0);
    put_crs_ports(a, base, 1, 0x0c, -1);
    aml_region(a, "PRST", AML_SYSTEM_IO, base, 0x0c);
    f = aml_begin_field(a, "PRST", AML_BYTE_ACC | AML_WRITE_AS_ZEROS);
    aml_field_bits(a, NULL, 32);
    aml_field_bits(a, "CPEN", 1);
    aml_end(a, f);
    f = aml_begin_field(a, "PRST", AML_DWORD_ACC | AML_PRESERVE);
    aml_field_bits(a, "CSEL", 32);
    aml_end(a, f);
    f = aml_begin_method(a, "_INI", 0, true);
    aml_op(a, AML_STORE);
    aml_int(a, 0);
    aml_path(a, "CSEL");
    aml_end(a, f);
    aml_end(a, dev);
}

/* The MADT's entry for this processor. */
static void put_cpu_mat(Aml *a, unsigned n, uint32_t apic_id)
{
    const uint8_t lapic[8] = { 0, 8, n, apic_id, 1 };
    const uint8_t x2apic[16] = {
        9, 16, 0, 0, apic_id, apic_id >> 8, apic_id >> 16, apic_id >> 24,
        1, 0,  0, 0, n,       n >> 8,       n >> 16,       n >> 24,
    };

    aml_name(a, "_MAT");
    if (apic_id < 255) {
        aml_buffer(a, lapic, sizeof(lapic));
    } else {
        aml_buffer(a, x2apic, sizeof(x2apic));
    }
}

static void put_cpu(Aml *a, unsigned n, const AcpiCpu *cpu, bool numa)
{
    char name[5];
    size_t dev, m;

    g_snprintf(name, sizeof(name), "C%03X", n);
    if (cpu->apic_id < 255) {
        dev = aml_begin(a, AML_PROCESSOR);
        aml_path(a, name);
        aml_byte(a, n);
        aml_word(a, 0); /* no processor register block */
        aml_word(a, 0);
        aml_byte(a, 0);
    } else {
        dev = aml_begin_device(a, name);
        aml_name_string(a, "_HID", "ACPI0007");
        aml_name_int(a, "_UID", n);
    }
    m = aml_begin_method(a, "_STA", 0, true);
    aml_op(a, AML_RETURN);
    aml_path(a, "CSTA");
    aml_int(a, n);
    aml_end(a, m);
    put_cpu_mat(a, n, cpu->apic_id);
    if (numa) {
        aml_name_int(a, "_PXM", cpu->node);
    }
    aml_end(a, dev);
}

void dsdt_put_cpus(Aml *a, const AcpiConfig *c)
{
    size_t sb = aml_begin_scope(a, "\\_SB"), dev;

    put_cpu_registers(a, c->cpuhp_base);
    dev = aml_begin_device(a, "\\_SB.CPUS");
    aml_name_string(a, "_HID", "ACPI0010");
    aml_name_eisaid(a, "_CID", "PNP0A05");
    put_cpu_status_method(a);
    for (unsigned i = 0; i < c->ncpus; i++) {
        put_cpu(a, i, &c->cpus[i], c->nnodes > 0);
    }
    aml_end(a, dev);
    aml_end(a, sb);
}

void dsdt_put_sleep(Aml *a, unsigned n, uint8_t type, uint8_t type_b)
{
    char name[5] = "_S0_";
    size_t p;

    name[2] = '0' + n;
    aml_name(a, name);
    p = aml_begin_package(a, 4);
    aml_int(a, type);
    aml_int(a, type_b);
    aml_int(a, 0);
    aml_int(a, 0);
    aml_end(a, p);
}

/* microvm */

/* Interrupt ACPI_GED_IRQ came: the register says for what. */
static void put_ged(Aml *a)
{
    static const uint32_t irqs[] = { ACPI_GED_IRQ };
    size_t dev = aml_begin_device(a, "GED"), n, cond;

    aml_name_string(a, "_HID", "ACPI0013");
    aml_name_string(a, "_UID", "GED");
    aml_name(a, "_CRS");
    n = aml_begin_resources(a);
    aml_res_interrupts(a, AML_IRQ_CONSUMER | AML_IRQ_EDGE, irqs, 1);
    aml_end_resources(a, n);
    aml_region(a, "EREG", AML_SYSTEM_MEMORY, ACPI_GED_ADDR, 4);
    n = aml_begin_field(a, "EREG", AML_DWORD_ACC | AML_WRITE_AS_ZEROS);
    aml_field_bits(a, "ESEL", 32);
    aml_end(a, n);
    n = aml_begin_method(a, "_EVT", 1, true);
    aml_op(a, AML_STORE);
    aml_path(a, "ESEL"); /* reading takes the events back */
    aml_local(a, 0);
    cond = aml_begin(a, AML_IF);
    aml_op(a, AML_AND);
    aml_local(a, 0);
    aml_int(a, ACPI_GED_POWER);
    aml_op(a, AML_NULL_TARGET);
    aml_op(a, AML_NOTIFY);
    aml_path(a, "PWRB");
    aml_int(a, 0x80);
    aml_end(a, cond);
    aml_end(a, n);
    aml_end(a, dev);
    dev = aml_begin_device(a, "PWRB");
    aml_name_string(a, "_HID", "PNP0C0C");
    aml_name_int(a, "_UID", 0);
    aml_end(a, dev);
}

void dsdt_put_microvm(Aml *a, const AcpiConfig *c)
{
    size_t sb = aml_begin_scope(a, "\\_SB");

    dsdt_put_fw_cfg(a);
    dsdt_put_isa(a, c);
    put_ged(a);
    aml_end(a, sb);
    dsdt_put_sleep(a, 5, ACPI_GED_S5, 0);
}
