/*
 * PCI hot-plug registers of ACPI, 24 bytes in dwords.
 *
 * A function that is plugged sets its slot's bit in UP, one that is to go in
 * DOWN, and both raise general-purpose event 1.  The guest's ACPI code reads
 * the bits, its driver lets go of the function, and _EJ0 writes the slot to
 * EJECT: only then the function is gone.  A reset does so for a guest that
 * never answered.
 *
 * Stream: "acpi_pcihp_pci_status" version 1, ABI, as part of the chip's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/hotplug.h"

#include "hw/pci/pci-regs.h"
#include "util/error.h"

enum {
    REG_UP = 0x00,        /* slots with something new; read once */
    REG_DOWN = 0x04,      /* slots that are asked to go */
    REG_EJECT = 0x08,     /* W: the guest let go of this slot */
    REG_REMOVABLE = 0x0c, /* slots that can be ejected */
    REG_SELECT = 0x10,    /* bus that the registers speak of */
    REG_INDEX = 0x14,     /* W: slot; R: its acpi-index, once */
};

static PciBus *selected_bus(const AcpiPcihp *hp)
{
    return hp->select < ACPI_PCIHP_BUSES ? hp->buses[hp->select] : NULL;
}

int acpi_pcihp_bsel(const AcpiPcihp *hp, const PciBus *bus)
{
    for (int i = 0; i < ACPI_PCIHP_BUSES; i++) {
        if (hp->buses[i] == bus) {
            return i;
        }
    }
    return -1;
}

/* A slot stays if one of its functions can't be unplugged. */
static uint32_t removable_slots(const PciBus *bus)
{
    uint32_t slots = UINT32_MAX;

    for (unsigned devfn = 0; devfn < G_N_ELEMENTS(bus->devs); devfn++) {
        const PciDevice *d = bus->devs[devfn];

        if (d != NULL && !d->dev.type->hotpluggable) {
            slots &= ~(UINT32_C(1) << PCI_SLOT_OF(devfn));
        }
    }
    return slots;
}

/* All functions of it; the slot has no business any more. */
static void eject_slot(AcpiPcihp *hp, unsigned bsel, unsigned slot)
{
    PciBus *bus = hp->buses[bsel];
    AcpiPcihpStatus *st = &hp->status[bsel];
    uint32_t bit = UINT32_C(1) << slot;

    st->up &= ~bit;
    st->down &= ~bit;
    for (unsigned devfn = slot << 3; bus != NULL && devfn < (slot + 1) << 3;
         devfn++) {
        PciDevice *d = bus->devs[devfn];

        if (d != NULL && d->dev.type->hotpluggable) {
            device_delete(&d->dev);
        }
    }
}

/* The index of a slot's function, which names its network card. */
static uint32_t slot_index(const PciBus *bus, uint32_t mask)
{
    const PciDevice *d = mask != 0 ? bus->devs[__builtin_ctz(mask) << 3] : NULL;

    return d != NULL ? d->acpi_index : 0;
}

uint64_t acpi_pcihp_read(AcpiPcihp *hp, unsigned off, unsigned size)
{
    const PciBus *bus = selected_bus(hp);
    AcpiPcihpStatus *st;
    uint32_t val = 0;

    if (size != 4 || hp->select >= ACPI_PCIHP_BUSES) {
        return 0;
    }
    st = &hp->status[hp->select];
    switch (off) {
    case REG_UP:
        val = st->up;
        st->up = 0;
        break;
    case REG_DOWN:
        val = st->down;
        break;
    case REG_REMOVABLE:
        val = bus != NULL ? removable_slots(bus) : UINT32_MAX;
        break;
    case REG_SELECT:
        val = hp->select;
        break;
    case REG_INDEX:
        val = hp->acpi_index;
        hp->acpi_index = 0;
        break;
    default:
        break;
    }
    return val;
}

void acpi_pcihp_write(AcpiPcihp *hp, unsigned off, uint32_t val, unsigned size)
{
    PciBus *bus = selected_bus(hp);

    if (size != 4) {
        return;
    }
    switch (off) {
    case REG_EJECT:
        if (bus != NULL && val != 0) {
            eject_slot(hp, hp->select, __builtin_ctz(val));
        }
        break;
    case REG_SELECT:
        hp->select = val;
        break;
    case REG_INDEX:
        hp->acpi_index = bus != NULL ? slot_index(bus, val) : 0;
        break;
    default:
        break;
    }
}

static AcpiPcihpStatus *status_of(AcpiPcihp *hp, PciDevice *d)
{
    int bsel = acpi_pcihp_bsel(hp, pci_bus_of(d));

    g_assert(bsel >= 0);
    return &hp->status[bsel];
}

static void function_plugged(void *opaque, PciDevice *d)
{
    AcpiPcihp *hp = opaque;

    status_of(hp, d)->up |= UINT32_C(1) << PCI_SLOT_OF(d->devfn);
    acpi_pm_raise_gpe(hp->pm, ACPI_GPE_PCI_HOTPLUG);
}

static void function_unplug_asked(void *opaque, PciDevice *d)
{
    AcpiPcihp *hp = opaque;

    status_of(hp, d)->down |= UINT32_C(1) << PCI_SLOT_OF(d->devfn);
    acpi_pm_raise_gpe(hp->pm, ACPI_GPE_PCI_HOTPLUG);
}

static void bus_gone(void *opaque, PciBus *bus)
{
    AcpiPcihp *hp = opaque;

    hp->buses[acpi_pcihp_bsel(hp, bus)] = NULL;
    pci_bus_set_hotplug(bus, NULL, NULL);
}

static const PciHotplugOps hotplug_ops = {
    .plugged = function_plugged,
    .unplug_asked = function_unplug_asked,
    .bus_gone = bus_gone,
};

/* Numbers follow each other; there are no more than the registers can name. */
static void add_bus(AcpiPcihp *hp, PciBus *bus)
{
    int bsel = acpi_pcihp_bsel(hp, NULL);

    if (bsel >= 0) {
        hp->buses[bsel] = bus;
        pci_bus_set_hotplug(bus, &hotplug_ops, hp);
    }
}

void acpi_pcihp_init(AcpiPcihp *hp, PciBus *root, AcpiPm *pm)
{
    hp->pm = pm;
    if (root != NULL) {
        add_bus(hp, root);
    }
}

/*
 * A bus before those below it, what was made last first: the numbers are
 * part of the stream.
 */
void acpi_pcihp_add_bridges(AcpiPcihp *hp, PciBus *root)
{
    for (const GList *l = root->bus.devices.tail; l != NULL; l = l->prev) {
        PciBus *below = PCI_DEVICE((Device *)l->data)->secondary;

        if (below == NULL) {
            continue;
        }
        if (below->hotplug_slots > 0) {
            add_bus(hp, below);
        }
        acpi_pcihp_add_bridges(hp, below);
    }
}

void acpi_pcihp_fini(AcpiPcihp *hp)
{
    for (unsigned i = 0; i < ACPI_PCIHP_BUSES; i++) {
        if (hp->buses[i] != NULL) {
            bus_gone(hp, hp->buses[i]);
        }
    }
}

void acpi_pcihp_reset(AcpiPcihp *hp)
{
    hp->select = 0;
    hp->acpi_index = 0;
    for (unsigned i = 0; i < ACPI_PCIHP_BUSES; i++) {
        hp->status[i].up = 0;
    }
}

void acpi_pcihp_eject_pending(AcpiPcihp *hp)
{
    for (unsigned i = 0; i < ACPI_PCIHP_BUSES; i++) {
        while (hp->status[i].down != 0) {
            eject_slot(hp, i, __builtin_ctz(hp->status[i].down));
        }
    }
}

const Vmstate acpi_pcihp_status_vmstate = {
    .name = "acpi_pcihp_pci_status",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(AcpiPcihpStatus, up),
            VMSTATE_U32(AcpiPcihpStatus, down),
            VMSTATE_END,
        },
};
