/*
 * The DSDT of q35 machines: a PCI Express root, its interrupts by links and
 * by I/O APIC pins, bridges whose functions come and go at run time.
 *
 * ACPI specification 6.4, chapters 6.1 to 6.3; PCI Firmware Specification 3.2,
 * 4.5 (_OSC); PIRQ routing registers: Intel ICH9 (316972-004), 13.1.  The
 * devices' names and places are those that guests of the machine type see.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/pc-tables.h"

enum {
    PCI_SLOTS = 32,
    LPC_DEVFN = 0x1f << 3,
    PCI_PINS = 4,
    PIRQS = 8,
    PIRQ_REGS = 0x60, /* A to D, four others, E to H */
    PIRQ_REGS_LEN = 12,
    PIRQ_GSI = 16,
    IOAPIC_START = 0xfec00000U,
    /* _OSC: bits of the first dword, and what guests may take over. */
    OSC_BAD_UUID = 1 << 2,
    OSC_BAD_REVISION = 1 << 3,
    OSC_MASKED = 1 << 4,
    OSC_NATIVE_HOTPLUG = 1 << 0,
    OSC_CONTROL = 0x1f,
};

/* The root */

static void put_field(Aml *a, unsigned off, const char *name)
{
    aml_op(a, AML_CREATE_DWORD_FIELD);
    aml_arg(a, 3);
    aml_int(a, off);
    aml_path(a, name);
}

static void put_or(Aml *a, const char *name, unsigned bits)
{
    aml_op(a, AML_OR);
    aml_path(a, name);
    aml_int(a, bits);
    aml_path(a, name);
}

static void put_osc_grant(Aml *a, const AcpiConfig *c)
{
    uint32_t control =
        c->pcihp_base != 0 ? OSC_CONTROL & ~OSC_NATIVE_HOTPLUG : OSC_CONTROL;
    size_t n;

    put_field(a, 4, "CDW2");
    put_field(a, 8, "CDW3");
    aml_op(a, AML_AND);
    aml_path(a, "CDW3");
    aml_int(a, control);
    aml_local(a, 0);
    n = aml_begin(a, AML_IF);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_arg(a, 1);
    aml_int(a, 1);
    put_or(a, "CDW1", OSC_BAD_REVISION);
    aml_end(a, n);
    n = aml_begin(a, AML_IF);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_path(a, "CDW3");
    aml_local(a, 0);
    put_or(a, "CDW1", OSC_MASKED);
    aml_end(a, n);
    aml_op(a, AML_STORE);
    aml_local(a, 0);
    aml_path(a, "CDW3");
}

/* _OSC: functions behind bridges go by ACPI, where the board has that. */
static void put_osc(Aml *a, const AcpiConfig *c)
{
    /* 33db4d5b-1ff7-401c-9657-7441c03dd766 */
    static const uint8_t uuid[] = { 0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f,
                                    0x1c, 0x40, 0x96, 0x57, 0x74, 0x41,
                                    0xc0, 0x3d, 0xd7, 0x66 };
    size_t m = aml_begin_method(a, "_OSC", 4, false), cond;

    put_field(a, 0, "CDW1");
    cond = aml_begin(a, AML_IF);
    aml_op(a, AML_LEQUAL);
    aml_arg(a, 0);
    aml_buffer(a, uuid, sizeof(uuid));
    put_osc_grant(a, c);
    aml_end(a, cond);
    cond = aml_begin(a, AML_ELSE);
    put_or(a, "CDW1", OSC_BAD_UUID);
    aml_end(a, cond);
    aml_op(a, AML_RETURN);
    aml_arg(a, 3);
    aml_end(a, m);
}

/* What PCI has below 4 GiB: all above RAM, but for MMCONFIG. */
static void put_memory_windows(Aml *a, const AcpiConfig *c)
{
    uint64_t from = c->pci_hole, end = c->mmconfig + c->mmconfig_len;

    if (c->mmconfig_len != 0 && end > from && c->mmconfig < IOAPIC_START) {
        if (c->mmconfig > from) {
            aml_res_memory_window32(a, from, c->mmconfig - 1, false);
        }
        from = end;
    }
    if (from < IOAPIC_START) {
        aml_res_memory_window32(a, from, IOAPIC_START - 1, false);
    }
    if (c->pci_hole64_len != 0) {
        aml_res_memory_window64(a, c->pci_hole64,
                                c->pci_hole64 + c->pci_hole64_len - 1, true);
    }
}

static void put_root_windows(Aml *a, const AcpiConfig *c)
{
    size_t crs;

    aml_name(a, "_CRS");
    crs = aml_begin_resources(a);
    aml_res_bus(a, 0, 0xff);
    aml_res_io(a, 0xcf8, 1, 8);
    aml_res_io_window(a, 0, 0xcf7);
    aml_res_io_window(a, 0xd00, 0xffff);
    aml_res_memory_window32(a, 0xa0000, 0xbffff, true);
    put_memory_windows(a, c);
    aml_end_resources(a, crs);
}

/* MMCONFIG is the motherboard's, or operating systems don't use it. */
static void put_mmconfig(Aml *a, const AcpiConfig *c)
{
    size_t dev, crs;

    if (c->mmconfig_len == 0) {
        return;
    }
    dev = aml_begin_device(a, "DRAC");
    aml_name_string(a, "_HID", "PNP0C01");
    aml_name(a, "_CRS");
    crs = aml_begin_resources(a);
    aml_res_memory_window32(a, c->mmconfig, c->mmconfig + c->mmconfig_len - 1,
                            false);
    aml_end_resources(a, crs);
    aml_end(a, dev);
}

static void put_root(Aml *a, const AcpiConfig *c)
{
    size_t sb = aml_begin_scope(a, "\\_SB"), pci;

    pci = aml_begin_device(a, "PCI0");
    aml_name_eisaid(a, "_HID", "PNP0A08");
    aml_name_eisaid(a, "_CID", "PNP0A03");
    aml_name_int(a, "_ADR", 0);
    aml_name_int(a, "_UID", 0);
    put_osc(a, c);
    put_root_windows(a, c);
    dsdt_put_reserved(a, "GPE0", "GPE0 resources", c->gpe0_base, c->gpe0_len);
    if (c->pcihp_base != 0) {
        dsdt_put_pci_hotplug(a, c);
        dsdt_put_reserved(a, "PHPR", "PCI Hotplug resources", c->pcihp_base,
                          ACPI_PCIHP_LEN);
    }
    dsdt_put_fw_cfg(a);
    aml_end(a, pci);
    put_mmconfig(a, c);
    aml_end(a, sb);
}

/* Interrupts */

/* PIRQ of a pin, as the chip routes it after a reset. */
static unsigned slot_pirq(unsigned slot, unsigned pin)
{
    if (slot < 25) {
        return 4 + (slot + pin) % 4;
    }
    return slot == 30 ? 4 + pin : pin;
}

/* `prefix` with A to H: the links, or devices for pins of the I/O APIC. */
static void put_routing(Aml *a, const char *name, const char *prefix)
{
    char source[5];
    size_t all, one;

    aml_name(a, name);
    all = aml_begin_package(a, PCI_SLOTS * PCI_PINS);
    for (unsigned i = 0; i < PCI_SLOTS * PCI_PINS; i++) {
        unsigned slot = i / PCI_PINS, pin = i % PCI_PINS;

        one = aml_begin_package(a, 4);
        aml_int(a, slot << 16 | 0xffff);
        aml_int(a, pin);
        g_snprintf(source, sizeof(source), "%s%c", prefix,
                   'A' + slot_pirq(slot, pin));
        aml_path(a, source);
        aml_int(a, 0);
        aml_end(a, one);
    }
    aml_end(a, all);
}

/* By what _PIC said last: 8259As, or I/O APICs. */
static void put_routing_method(Aml *a)
{
    size_t pci = aml_begin_scope(a, "\\_SB.PCI0"), m, n;

    put_routing(a, "PRTP", "LNK");
    put_routing(a, "PRTA", "GSI");
    m = aml_begin_method(a, "_PRT", 0, false);
    n = aml_begin(a, AML_IF);
    aml_op(a, AML_LEQUAL);
    aml_path(a, "PICF");
    aml_int(a, 0);
    aml_op(a, AML_RETURN);
    aml_path(a, "PRTP");
    aml_end(a, n);
    aml_op(a, AML_RETURN);
    aml_path(a, "PRTA");
    aml_end(a, m);
    aml_end(a, pci);
}

static void put_pic_method(Aml *a)
{
    size_t m;

    aml_name_int(a, "PICF", 0);
    m = aml_begin_method(a, "_PIC", 1, false);
    aml_op(a, AML_STORE);
    aml_arg(a, 0);
    aml_path(a, "PICF");
    aml_end(a, m);
}

/* A pin of the I/O APIC: wired. */
static void put_gsi(Aml *a, unsigned n)
{
    const uint32_t irqs[] = { PIRQ_GSI + n };
    const char name[5] = { 'G', 'S', 'I', (char)('A' + n), '\0' };
    size_t dev = aml_begin_device(a, name), crs;

    aml_name_eisaid(a, "_HID", "PNP0C0F");
    aml_name_int(a, "_UID", PIRQ_GSI + n);
    dsdt_put_possible(a, irqs, 1);
    aml_name(a, "_CRS");
    crs = aml_begin_resources(a);
    aml_res_interrupts(a, AML_IRQ_CONSUMER | AML_IRQ_SHARED, irqs, 1);
    aml_end_resources(a, crs);
    aml_end(a, aml_begin_method(a, "_DIS", 0, false));
    aml_end(a, aml_begin_method(a, "_SRS", 1, false));
    aml_end(a, dev);
}

static void put_links(Aml *a)
{
    size_t sb = aml_begin_scope(a, "\\_SB");

    dsdt_put_link_methods(a);
    for (unsigned n = 0; n < PIRQS; n++) {
        const char link[5] = { 'L', 'N', 'K', (char)('A' + n), '\0' };
        const char reg[5] = { 'P', 'R', 'Q', (char)('A' + n), '\0' };

        dsdt_put_link(a, link, n, reg);
    }
    for (unsigned n = 0; n < PIRQS; n++) {
        put_gsi(a, n);
    }
    aml_end(a, sb);
}

/* PRQA to PRQH, for the links beside the root. */
static void put_pirq_registers(Aml *a)
{
    size_t sb, f;

    aml_region(a, "PIRQ", AML_PCI_CONFIG, PIRQ_REGS, PIRQ_REGS_LEN);
    sb = aml_begin_scope(a, "\\_SB");
    f = aml_begin_field(a, "PCI0.SF8.PIRQ", AML_BYTE_ACC | AML_PRESERVE);
    for (unsigned n = 0; n < PIRQS; n++) {
        const char reg[5] = { 'P', 'R', 'Q', (char)('A' + n), '\0' };

        if (n == PIRQS / 2) {
            aml_field_bits(a, NULL, 32);
        }
        aml_field_bits(a, reg, 8);
    }
    aml_end(a, f);
    aml_end(a, sb);
}

/* Functions */

static void put_lpc(Aml *a, const AcpiConfig *c)
{
    put_pirq_registers(a);
    dsdt_put_isa(a, c);
}

static void put_functions(Aml *a, const AcpiConfig *c)
{
    size_t pci = aml_begin_scope(a, "\\_SB.PCI0");

    dsdt_put_functions(a, c, LPC_DEVFN, put_lpc);
    aml_end(a, pci);
}

void dsdt_put_q35(Aml *a, const AcpiConfig *c)
{
    /* Routing refers to the links: some interpreters look them up at once. */
    put_pic_method(a);
    put_links(a);
    put_root(a, c);
    put_routing_method(a);
    put_functions(a, c);
    if (c->hpet) {
        dsdt_put_hpet(a);
    }
    dsdt_put_cpus(a, c);
    if (c->pcihp_base != 0) {
        dsdt_put_pci_events(a);
    }
    if (c->s3) {
        dsdt_put_sleep(a, 3, 1, 1);
    }
    if (c->s4) {
        dsdt_put_sleep(a, 4, c->s4_type, c->s4_type);
    }
    dsdt_put_sleep(a, 5, 0, 0);
}
