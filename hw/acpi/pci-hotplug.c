/*
 * PCI hot-plug registers of ACPI, 24 bytes.
 *
 * Stream: "acpi_pcihp_pci_status" version 1, ABI, as part of the chip's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/acpi/hotplug.h"

#include "hw/pci/pci-regs.h"

enum {
    REG_UP = 0x00,        /* slots with something new */
    REG_DOWN = 0x04,      /* slots that are asked to go */
    REG_EJECT = 0x08,     /* W: the guest let go of these */
    REG_REMOVABLE = 0x0c, /* slots that can be ejected */
    REG_SELECT = 0x10,    /* W: bus that the registers above speak of */
    REG_INDEX = 0x14,
};

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

static uint32_t read_reg(const AcpiPcihp *hp, unsigned reg)
{
    if (hp->select >= ACPI_PCIHP_BUSES) {
        return 0;
    }
    switch (reg) {
    case REG_UP:
        return hp->status[hp->select].up;
    case REG_DOWN:
        return hp->status[hp->select].down;
    case REG_REMOVABLE:
        return hp->select == 0 ? removable_slots(hp->root) : 0;
    case REG_INDEX:
        return hp->acpi_index;
    default:
        return 0;
    }
}

/* Reading which slots are new is also what acknowledges them. */
uint64_t acpi_pcihp_read(AcpiPcihp *hp, unsigned off, unsigned size)
{
    unsigned reg = off & ~3u;
    uint32_t val = read_reg(hp, reg);

    if (reg == REG_UP && hp->select < ACPI_PCIHP_BUSES) {
        hp->status[hp->select].up = 0;
    }
    return val >> ((off & 3) * 8);
}

void acpi_pcihp_write(AcpiPcihp *hp, unsigned off, uint32_t val, unsigned size)
{
    switch (off) {
    case REG_SELECT:
        hp->select = val;
        break;
    case REG_INDEX:
        /* Asks for the index of the function in a slot: none has one. */
        hp->acpi_index = 0;
        break;
    default:
        /* REG_EJECT too: no slot was asked to go. */
        break;
    }
}

void acpi_pcihp_reset(AcpiPcihp *hp)
{
    hp->select = 0;
    hp->acpi_index = 0;
    memset(hp->status, 0, sizeof(hp->status));
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
