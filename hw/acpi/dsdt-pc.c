/*
 * The DSDT of pc-i440fx machines: the PCI root, interrupt links, slots that
 * take functions at run time.
 *
 * ACPI specification 6.4, chapters 6.1 to 6.3; PIRQ routing registers: Intel
 * 82371SB (290550-002), 2.2.8.  The devices' names and places are those that
 * guests of the machine type see.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/pc-tables.h"

#include "hw/acpi/piix4-pm.h"

enum {
    PCI_SLOTS = 32,
    PCI_PINS = 4,
    ISA_SLOT = 1, /* of the PIIX3 and all its functions */
    PIRQ_REGS = 0x60,
    IOAPIC_START = 0xfec00000U,
};

/* Interrupt links */

/* The power management function's interrupt is always 9. */
static void put_link_sci(Aml *a)
{
    static const uint32_t irqs[] = { PIIX4_SCI_IRQ };
    size_t dev = aml_begin_device(a, "LNKS"), m;

    aml_name_eisaid(a, "_HID", "PNP0C0F");
    aml_name_int(a, "_UID", 4);
    dsdt_put_possible(a, irqs, 1);
    m = aml_begin_method(a, "_STA", 0, false);
    aml_op(a, AML_RETURN);
    aml_int(a, ACPI_STA_HIDDEN);
    aml_end(a, m);
    aml_end(a, aml_begin_method(a, "_DIS", 0, false));
    m = aml_begin_method(a, "_CRS", 0, false);
    aml_op(a, AML_RETURN);
    aml_path(a, "_PRS");
    aml_end(a, m);
    aml_end(a, aml_begin_method(a, "_SRS", 1, false));
    aml_end(a, dev);
}

/* Pin INTA# of slot s is PIRQ (s - 1) mod 4, and so on round. */
static void put_routing(Aml *a)
{
    static const char *const links[] = { "LNKD", "LNKA", "LNKB", "LNKC" };
    size_t all, one;

    aml_name(a, "_PRT");
    all = aml_begin_package(a, PCI_SLOTS * PCI_PINS);
    for (unsigned i = 0; i < PCI_SLOTS * PCI_PINS; i++) {
        unsigned slot = i / PCI_PINS, pin = i % PCI_PINS;

        one = aml_begin_package(a, 4);
        aml_int(a, slot << 16 | 0xffff);
        aml_int(a, pin);
        aml_path(a, slot == ISA_SLOT && pin == 0
                        ? "LNKS"
                        : links[(slot + pin) % PCI_PINS]);
        aml_int(a, 0);
        aml_end(a, one);
    }
    aml_end(a, all);
}

/* Slots */

/* PRQ0 to PRQ3, for the links beside the root. */
static void put_pirq_registers(Aml *a)
{
    size_t sb, f;

    aml_region(a, "P40C", AML_PCI_CONFIG, PIRQ_REGS, 4);
    sb = aml_begin_scope(a, "\\_SB");
    f = aml_begin_field(a, "PCI0.S08.P40C", AML_BYTE_ACC | AML_PRESERVE);
    aml_field_bits(a, "PRQ0", 8);
    aml_field_bits(a, "PRQ1", 8);
    aml_field_bits(a, "PRQ2", 8);
    aml_field_bits(a, "PRQ3", 8);
    aml_end(a, f);
    aml_end(a, sb);
}

static void put_isa_bridge(Aml *a, const AcpiConfig *c)
{
    put_pirq_registers(a);
    dsdt_put_isa(a, c);
}

static void put_slots(Aml *a, const AcpiConfig *c)
{
    size_t pci = aml_begin_scope(a, "\\_SB.PCI0");

    dsdt_put_functions(a, c, ISA_SLOT << 3, put_isa_bridge);
    aml_end(a, pci);
}

/* The root */

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
    aml_res_memory_window32(a, c->pci_hole, IOAPIC_START - 1, false);
    if (c->pci_hole64 != 0) {
        aml_res_memory_window64(a, c->pci_hole64,
                                c->pci_hole64 + c->pci_hole64_len - 1, true);
    }
    aml_end_resources(a, crs);
}

static void put_root(Aml *a, const AcpiConfig *c)
{
    size_t sb = aml_begin_scope(a, "\\_SB"), pci;

    pci = aml_begin_device(a, "PCI0");
    aml_name_eisaid(a, "_HID", "PNP0A03");
    aml_name_int(a, "_ADR", 0);
    aml_name_int(a, "_UID", 0);
    put_root_windows(a, c);
    put_routing(a);
    dsdt_put_pci_hotplug(a, c);
    dsdt_put_reserved(a, "GPE0", "GPE0 resources", PIIX4_GPE0_BASE,
                      PIIX4_GPE0_LEN);
    dsdt_put_reserved(a, "PHPR", "PCI Hotplug resources", c->pcihp_base,
                      PIIX4_PCIHP_LEN);
    dsdt_put_fw_cfg(a);
    aml_end(a, pci);
    aml_end(a, sb);
}

static void put_links(Aml *a)
{
    size_t sb = aml_begin_scope(a, "\\_SB");

    dsdt_put_link_methods(a);
    dsdt_put_link(a, "LNKA", 0, "PRQ0");
    dsdt_put_link(a, "LNKB", 1, "PRQ1");
    dsdt_put_link(a, "LNKC", 2, "PRQ2");
    dsdt_put_link(a, "LNKD", 3, "PRQ3");
    put_link_sci(a);
    aml_end(a, sb);
}

void dsdt_put_pc(Aml *a, const AcpiConfig *c)
{
    /* Routing refers to the links: some interpreters look them up at once. */
    put_links(a);
    put_root(a, c);
    put_slots(a, c);
    if (c->hpet) {
        dsdt_put_hpet(a);
    }
    dsdt_put_cpus(a, c);
    dsdt_put_pci_events(a);
    if (c->s3) {
        dsdt_put_sleep(a, 3, 1, 1);
    }
    if (c->s4) {
        dsdt_put_sleep(a, 4, c->s4_type, c->s4_type);
    }
    dsdt_put_sleep(a, 5, 0, 0);
}
