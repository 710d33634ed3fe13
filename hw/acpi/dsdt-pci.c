/*
 * Parts of the DSDT that PCs have in common: interrupt links, the registers by
 * which functions come and go, what slots say of them, HPET.
 *
 * ACPI specification 6.4, chapters 6.1 to 6.3.  The devices' names are those
 * that guests of the machine types see.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/pc-tables.h"

enum {
    PIRQ_OFF = 1 << 7, /* in a routing register */
    STA_OFF = 0x09,    /* present, works */
};

static const uint32_t pirq_choices[] = { 5, 10, 11 };

/* Interrupt links */

/* Status from the routing register in Arg0. */
static void put_link_status_method(Aml *a)
{
    size_t m = aml_begin_method(a, "IQST", 1, false), cond;

    cond = aml_begin(a, AML_IF);
    aml_op(a, AML_AND);
    aml_arg(a, 0);
    aml_int(a, PIRQ_OFF);
    aml_op(a, AML_NULL_TARGET);
    aml_op(a, AML_RETURN);
    aml_int(a, STA_OFF);
    aml_end(a, cond);
    aml_op(a, AML_RETURN);
    aml_int(a, ACPI_STA_HIDDEN);
    aml_end(a, m);
}

/* What it is set to, as a resource; 0 while it is off. */
static void put_link_current_method(Aml *a)
{
    static const uint32_t none[] = { 0 };
    size_t m = aml_begin_method(a, "IQCR", 1, true), n;

    aml_name(a, "PRR0");
    n = aml_begin_resources(a);
    aml_res_interrupts(a, AML_IRQ_CONSUMER | AML_IRQ_SHARED, none, 1);
    aml_end_resources(a, n);
    /* The number is behind tag, length, flags and count. */
    aml_op(a, AML_CREATE_DWORD_FIELD);
    aml_path(a, "PRR0");
    aml_int(a, 5);
    aml_path(a, "PRRI");
    n = aml_begin(a, AML_IF);
    aml_op(a, AML_LLESS);
    aml_arg(a, 0);
    aml_int(a, PIRQ_OFF);
    aml_op(a, AML_STORE);
    aml_arg(a, 0);
    aml_path(a, "PRRI");
    aml_end(a, n);
    aml_op(a, AML_RETURN);
    aml_path(a, "PRR0");
    aml_end(a, m);
}

static void put_call1(Aml *a, const char *name, const char *callee,
                      const char *arg)
{
    size_t m = aml_begin_method(a, name, 0, false);

    aml_op(a, AML_RETURN);
    aml_path(a, callee);
    aml_path(a, arg);
    aml_end(a, m);
}

void dsdt_put_possible(Aml *a, const uint32_t *irqs, unsigned n)
{
    size_t r;

    aml_name(a, "_PRS");
    r = aml_begin_resources(a);
    aml_res_interrupts(a, AML_IRQ_CONSUMER | AML_IRQ_SHARED, irqs, n);
    aml_end_resources(a, r);
}

void dsdt_put_link_methods(Aml *a)
{
    put_link_status_method(a);
    put_link_current_method(a);
}

void dsdt_put_link(Aml *a, const char *name, unsigned uid, const char *reg)
{
    size_t dev = aml_begin_device(a, name), m;

    aml_name_eisaid(a, "_HID", "PNP0C0F");
    aml_name_int(a, "_UID", uid);
    dsdt_put_possible(a, pirq_choices, G_N_ELEMENTS(pirq_choices));
    put_call1(a, "_STA", "IQST", reg);
    m = aml_begin_method(a, "_DIS", 0, false);
    aml_op(a, AML_OR);
    aml_path(a, reg);
    aml_int(a, PIRQ_OFF);
    aml_path(a, reg);
    aml_end(a, m);
    put_call1(a, "_CRS", "IQCR", reg);
    m = aml_begin_method(a, "_SRS", 1, false);
    aml_op(a, AML_CREATE_DWORD_FIELD);
    aml_arg(a, 0);
    aml_int(a, 5);
    aml_path(a, "PRRI");
    aml_op(a, AML_STORE);
    aml_path(a, "PRRI");
    aml_path(a, reg);
    aml_end(a, m);
    aml_end(a, dev);
}

/* Slots */

/* Asks slot Arg1 of bus Arg0 to let go; and tells slots of an event. */
static void put_hotplug(Aml *a, uint16_t base)
{
    size_t n;

    aml_region(a, "PCST", AML_SYSTEM_IO, base, 8);
    n = aml_begin_field(a, "PCST", AML_DWORD_ACC | AML_WRITE_AS_ZEROS);
    aml_field_bits(a, "PCIU", 32);
    aml_field_bits(a, "PCID", 32);
    aml_end(a, n);
    aml_region(a, "SEJ", AML_SYSTEM_IO, base + 8, 4);
    n = aml_begin_field(a, "SEJ", AML_DWORD_ACC | AML_WRITE_AS_ZEROS);
    aml_field_bits(a, "B0EJ", 32);
    aml_end(a, n);
    aml_region(a, "BNMR", AML_SYSTEM_IO, base + 16, 8);
    n = aml_begin_field(a, "BNMR", AML_DWORD_ACC | AML_WRITE_AS_ZEROS);
    aml_field_bits(a, "BNUM", 32);
    aml_field_bits(a, "PIDX", 32);
    aml_end(a, n);
    aml_op(a, AML_MUTEX);
    aml_path(a, "BLCK");
    aml_byte(a, 0);
    n = aml_begin_method(a, "PCEJ", 2, false);
    aml_op(a, AML_ACQUIRE);
    aml_path(a, "BLCK");
    aml_word(a, 0xffff);
    aml_op(a, AML_STORE);
    aml_arg(a, 0);
    aml_path(a, "BNUM");
    aml_op(a, AML_SHIFT_LEFT);
    aml_int(a, 1);
    aml_arg(a, 1);
    aml_path(a, "B0EJ");
    aml_op(a, AML_RELEASE);
    aml_path(a, "BLCK");
    aml_end(a, n);
}

/* AIDX (bus, slot): the acpi-index of the function there; 0: none. */
static void put_index_method(Aml *a)
{
    size_t m = aml_begin_method(a, "AIDX", 2, false);

    aml_op(a, AML_ACQUIRE);
    aml_path(a, "BLCK");
    aml_word(a, 0xffff);
    aml_op(a, AML_STORE);
    aml_arg(a, 0);
    aml_path(a, "BNUM");
    aml_op(a, AML_SHIFT_LEFT);
    aml_int(a, 1);
    aml_arg(a, 1);
    aml_path(a, "PIDX");
    aml_op(a, AML_STORE);
    aml_path(a, "PIDX");
    aml_local(a, 0);
    aml_op(a, AML_RELEASE);
    aml_path(a, "BLCK");
    aml_op(a, AML_RETURN);
    aml_local(a, 0);
    aml_end(a, m);
}

static void put_return_buffer(Aml *a, uint8_t value)
{
    aml_op(a, AML_RETURN);
    aml_buffer(a, &value, 1);
}

static void begin_if_arg(Aml *a, unsigned arg, uint64_t value, size_t *ret_if)
{
    *ret_if = aml_begin(a, AML_IF);
    aml_op(a, AML_LEQUAL);
    aml_arg(a, arg);
    aml_int(a, value);
}

/*
 * PDSM (UUID, revision, function, arguments, {bus, slot}): what _DSM of a slot
 * says.  Function 7 is the name of a device under operating systems (PCI
 * Firmware Specification 3.2, section 4.6.7); 0 says whether there is 7.
 */
static void put_dsm_method(Aml *a)
{
    /* e5c937d0-3553-4d7a-9117-ea4d19c3434d */
    static const uint8_t uuid[] = { 0xd0, 0x37, 0xc9, 0xe5, 0x53, 0x35,
                                    0x7a, 0x4d, 0x91, 0x17, 0xea, 0x4d,
                                    0x19, 0xc3, 0x43, 0x4d };
    size_t m = aml_begin_method(a, "PDSM", 5, true), cond, pkg;

    cond = aml_begin(a, AML_IF);
    aml_op(a, AML_LOR);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_arg(a, 0);
    aml_buffer(a, uuid, sizeof(uuid));
    aml_op(a, AML_LLESS);
    aml_arg(a, 1);
    aml_int(a, 2);
    put_return_buffer(a, 0);
    aml_end(a, cond);
    aml_op(a, AML_STORE);
    aml_path(a, "AIDX");
    for (unsigned i = 0; i < 2; i++) {
        aml_op(a, AML_DEREF_OF);
        aml_op(a, AML_INDEX);
        aml_arg(a, 4);
        aml_int(a, i);
        aml_op(a, AML_NULL_TARGET);
    }
    aml_local(a, 0);
    cond = aml_begin(a, AML_IF);
    aml_op(a, AML_LEQUAL);
    aml_local(a, 0);
    aml_int(a, 0);
    put_return_buffer(a, 0);
    aml_end(a, cond);
    begin_if_arg(a, 2, 0, &cond);
    put_return_buffer(a, 1 << 7 | 1 << 0);
    aml_end(a, cond);
    begin_if_arg(a, 2, 7, &cond);
    aml_name(a, "PKG0");
    pkg = aml_begin_package(a, 2);
    aml_int(a, 0);
    aml_string(a, "");
    aml_end(a, pkg);
    aml_op(a, AML_STORE);
    aml_local(a, 0);
    aml_op(a, AML_INDEX);
    aml_path(a, "PKG0");
    aml_int(a, 0);
    aml_op(a, AML_NULL_TARGET);
    aml_op(a, AML_RETURN);
    aml_path(a, "PKG0");
    aml_end(a, cond);
    put_return_buffer(a, 0);
    aml_end(a, m);
}

void dsdt_put_pci_hotplug(Aml *a, const AcpiConfig *c)
{
    put_hotplug(a, c->pcihp_base);
    put_index_method(a);
    put_dsm_method(a);
}

/* _DSM of the slot ASUN. */
void dsdt_put_slot_dsm(Aml *a, unsigned slot)
{
    size_t m, pkg;

    aml_name_int(a, "ASUN", slot);
    m = aml_begin_method(a, "_DSM", 4, true);
    aml_op(a, AML_STORE);
    pkg = aml_begin_package(a, 2);
    aml_path(a, "BSEL");
    aml_path(a, "ASUN");
    aml_end(a, pkg);
    aml_local(a, 0);
    aml_op(a, AML_RETURN);
    aml_path(a, "PDSM");
    for (unsigned i = 0; i < 4; i++) {
        aml_arg(a, i);
    }
    aml_local(a, 0);
    aml_end(a, m);
}

/* General-purpose event 1: the PCI hot-plug registers changed. */
void dsdt_put_pci_events(Aml *a)
{
    size_t gpe = aml_begin_scope(a, "\\_GPE"), m;

    aml_name_string(a, "_HID", "ACPI0006");
    m = aml_begin_method(a, "_E01", 0, false);
    aml_op(a, AML_ACQUIRE);
    aml_path(a, "\\_SB.PCI0.BLCK");
    aml_word(a, 0xffff);
    aml_path(a, "\\_SB.PCI0.PCNT");
    aml_op(a, AML_RELEASE);
    aml_path(a, "\\_SB.PCI0.BLCK");
    aml_end(a, m);
    aml_end(a, gpe);
}

void dsdt_put_reserved(Aml *a, const char *name, const char *uid, uint16_t base,
                       uint8_t len)
{
    size_t dev = aml_begin_device(a, name), crs;

    aml_name_string(a, "_HID", "PNP0A06");
    aml_name_string(a, "_UID", uid);
    aml_name_int(a, "_STA", ACPI_STA_HIDDEN);
    aml_name(a, "_CRS");
    crs = aml_begin_resources(a);
    aml_res_io(a, base, 1, len);
    aml_end_resources(a, crs);
    aml_end(a, dev);
}

/* HPET */

/* HPET: there if its registers answer with a vendor and a sane period. */
static void put_hpet_status(Aml *a)
{
    size_t m = aml_begin_method(a, "_STA", 0, false), cond;

    cond = aml_begin(a, AML_IF);
    aml_op(a, AML_LOR);
    aml_op(a, AML_LEQUAL);
    aml_path(a, "VEND");
    aml_int(a, 0);
    aml_op(a, AML_LEQUAL);
    aml_path(a, "VEND");
    aml_int(a, 0xffff);
    aml_op(a, AML_RETURN);
    aml_int(a, 0);
    aml_end(a, cond);
    /* Femtoseconds: at most 100 ns (HPET specification, 2.3.4). */
    cond = aml_begin(a, AML_IF);
    aml_op(a, AML_LOR);
    aml_op(a, AML_LEQUAL);
    aml_path(a, "PRD");
    aml_int(a, 0);
    aml_op(a, AML_LGREATER);
    aml_path(a, "PRD");
    aml_int(a, 100000000);
    aml_op(a, AML_RETURN);
    aml_int(a, 0);
    aml_end(a, cond);
    aml_op(a, AML_RETURN);
    aml_int(a, 0x0f);
    aml_end(a, m);
}

void dsdt_put_hpet(Aml *a)
{
    size_t sb = aml_begin_scope(a, "\\_SB"), dev, n;

    dev = aml_begin_device(a, "HPET");
    aml_name_eisaid(a, "_HID", "PNP0103");
    aml_name_int(a, "_UID", 0);
    aml_region(a, "HPTM", AML_SYSTEM_MEMORY, 0xfed00000, 0x400);
    n = aml_begin_field(a, "HPTM", AML_DWORD_ACC | AML_LOCK | AML_PRESERVE);
    aml_field_bits(a, NULL, 16); /* capabilities */
    aml_field_bits(a, "VEND", 16);
    aml_field_bits(a, "PRD", 32);
    aml_end(a, n);
    put_hpet_status(a);
    aml_name(a, "_CRS");
    n = aml_begin_resources(a);
    aml_res_memory32(a, 0xfed00000, 0x400, false);
    aml_end_resources(a, n);
    aml_end(a, dev);
    aml_end(a, sb);
}
