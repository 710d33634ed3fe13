/*
 * PCI: a bus, its slots and its interrupt lines.
 * (PCI Local Bus Specification 3.0, sections 2.2.6 and 6.2; PCI-to-PCI Bridge
 * Architecture Specification 1.2, sections 3.1 and 9.1.)
 *
 * Stream: "PCIBUS" version 1: number of lines, asserted sources per line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci.h"

#include "hw/core/machine.h"
#include "hw/pci/pci-priv.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

PciBus *pci_bus_of(PciDevice *d)
{
    return PCI_BUS(d->dev.parent_bus);
}

/* The first free slot from devfn_min on; -1 if all are taken. */
static int free_devfn(const PciBus *bus)
{
    for (unsigned slot = bus->devfn_min; slot < 256; slot += 8) {
        bool taken = false;

        for (unsigned f = 0; f < 8; f++) {
            taken |= bus->devs[slot + f] != NULL;
        }
        if (!taken) {
            return slot;
        }
    }
    return -1;
}

static const char *id_text(const PciDevice *d)
{
    return d->dev.id != NULL ? d->dev.id : "(null)";
}

/*
 * Function 0 says in its header whether there are others; and a guest looks
 * for functions of a slot when function 0 is plugged.
 */
static bool check_functions(const PciBus *bus, const PciDevice *d, int devfn,
                            GError **errp)
{
    unsigned slot = PCI_SLOT_OF(devfn), func = PCI_FUNC_OF(devfn);
    const PciDevice *f0 = bus->devs[slot << 3];

    if (func != 0 && f0 != NULL && d->dev.hotplugged) {
        error_setf(errp,
                   "PCI: slot %u function 0 already occupied by %s, new func "
                   "%s cannot be exposed to guest.",
                   slot, f0->dev.type->name, d->dev.type->name);
        return false;
    }
    if (func != 0) {
        if (f0 == NULL || f0->multifunction) {
            return true;
        }
        error_setf(errp,
                   "PCI: single function device can't be populated in "
                   "function %x.%x",
                   slot, func);
        return false;
    }
    for (unsigned f = 1; f < 8 && !d->multifunction; f++) {
        if (bus->devs[devfn + f] != NULL) {
            error_setf(errp,
                       "PCI: %x.0 indicates single function, but %x.%x is "
                       "already populated.",
                       slot, slot, f);
            return false;
        }
    }
    return true;
}

static bool check_acpi_index(const PciBus *bus, const PciDevice *d,
                             GError **errp)
{
    if (d->acpi_index > PCI_ACPI_INDEX_MAX) {
        error_setf(errp, "acpi-index should be less or equal to %u",
                   PCI_ACPI_INDEX_MAX);
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bus->devs); i++) {
        if (d->acpi_index != 0 && bus->devs[i] != NULL &&
            bus->devs[i]->acpi_index == d->acpi_index) {
            error_setf(errp, "a PCI device with acpi-index = %u already exist",
                       d->acpi_index);
            return false;
        }
    }
    return true;
}

static bool bus_plug(Bus *b, Device *dev, GError **errp)
{
    PciDevice *d = PCI_DEVICE(dev);
    PciBus *bus = PCI_BUS(b);
    int devfn = d->addr_set ? d->devfn : free_devfn(bus);

    if (devfn < 0) {
        error_setf(errp,
                   "PCI: no slot/function available for %s, all in use or "
                   "reserved",
                   dev->type->name);
        return false;
    }
    if (bus->devs[devfn] != NULL) {
        error_setf(errp,
                   "PCI: slot %u function %u not available for %s, in use by "
                   "%s,id=%s",
                   PCI_SLOT_OF(devfn), PCI_FUNC_OF(devfn), dev->type->name,
                   bus->devs[devfn]->dev.type->name, id_text(bus->devs[devfn]));
        return false;
    }
    if (!check_functions(bus, d, devfn, errp) ||
        !check_acpi_index(bus, d, errp)) {
        return false;
    }
    d->devfn = devfn;
    pci_config_init(d);
    bus->devs[devfn] = d;
    return true;
}

/*
 * Its identity is what the option ROM is to be for.  The guest may look at
 * once: it sees what is there in full.
 */
static bool bus_realized(Bus *b, Device *dev, GError **errp)
{
    PciBus *bus = PCI_BUS(b);

    if (!pci_rom_load(PCI_DEVICE(dev), errp)) {
        return false;
    }
    if (dev->hotplugged && bus->hotplug != NULL) {
        bus->hotplug->plugged(bus->hotplug_opaque, PCI_DEVICE(dev));
    }
    return true;
}

static void bus_unplug_ask(Bus *b, Device *dev)
{
    PciBus *bus = PCI_BUS(b);

    bus->hotplug->unplug_asked(bus->hotplug_opaque, PCI_DEVICE(dev));
}

void pci_bus_set_hotplug(PciBus *bus, const PciHotplugOps *ops, void *opaque)
{
    bus->hotplug = ops;
    bus->hotplug_opaque = opaque;
    bus->bus.hotplug = ops != NULL;
    bus->bus.unplug_ask = ops != NULL ? bus_unplug_ask : NULL;
    bus->bus.unplug_again_ns = ops != NULL ? ops->again_ns : 0;
}

static void bus_unplug(Bus *b, Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);
    PciBus *bus = PCI_BUS(b);

    /* Of a machine that is taken down, who listens may be gone before. */
    if (dev->machine == NULL || dev->machine->ready) {
        pci_set_irq(d, false);
    }
    pci_unregister_bars(d);
    pci_rom_unload(d);
    bus->devs[d->devfn] = NULL;
}

/* Interrupt counts start over: each function's reset lowers its own pin. */
static void bus_reset(Bus *b)
{
    PciBus *bus = PCI_BUS(b);

    for (unsigned i = 0; i < G_N_ELEMENTS(bus->devs); i++) {
        if (bus->devs[i] != NULL) {
            pci_config_reset(bus->devs[i]);
        }
    }
}

void pci_function_reset(PciDevice *d)
{
    pci_config_reset(d);
    device_reset_tree(&d->dev);
}

/* By slots all the way down: bus numbers are the guest's. */
static char *bus_dev_path(Bus *b, Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev), *bridge = PCI_BUS(b)->parent;
    g_autofree char *above = NULL;

    if (bridge == NULL) {
        above = g_strdup("0000:00");
    } else {
        above = bus_dev_path(bridge->dev.parent_bus, &bridge->dev);
    }
    return g_strdup_printf("%s:%02x.%x", above, PCI_SLOT_OF(d->devfn),
                           PCI_FUNC_OF(d->devfn));
}

/* By class, else by what it is: "ide@1,1", "pci8086,7113@1,3". */
static char *bus_firmware_node(Bus *b, Device *dev)
{
    const PciDevice *d = PCI_DEVICE(dev);
    unsigned func = PCI_FUNC_OF(d->devfn);
    g_autofree char *name = NULL, *place = NULL;

    switch (lduw_le_p(d->config + PCI_CLASS_DEVICE)) {
    case PCI_CLASS_STORAGE_SCSI:
        name = g_strdup("scsi");
        break;
    case PCI_CLASS_STORAGE_IDE:
        name = g_strdup("ide");
        break;
    case PCI_CLASS_NETWORK_ETHERNET:
        name = g_strdup("ethernet");
        break;
    case PCI_CLASS_BRIDGE_HOST:
        name = g_strdup("host");
        break;
    case PCI_CLASS_BRIDGE_ISA:
        name = g_strdup("isa");
        break;
    case PCI_CLASS_BRIDGE_PCI:
        name = g_strdup("pci-bridge");
        break;
    default:
        name = g_strdup_printf("pci%04x,%04x",
                               lduw_le_p(d->config + PCI_VENDOR_ID),
                               lduw_le_p(d->config + PCI_DEVICE_ID));
        break;
    }
    place = func != 0 ? g_strdup_printf(",%x", func) : g_strdup("");
    return g_strdup_printf("%s@%x%s", name, PCI_SLOT_OF(d->devfn), place);
}

static void bus_print_dev(Bus *b, Device *dev, GString *out, int indent)
{
    PciDevice *d = PCI_DEVICE(dev);
    char class[64];

    pci_class_name(lduw_le_p(d->config + PCI_CLASS_DEVICE), class,
                   sizeof(class));
    g_string_append_printf(
        out,
        "%*sclass %s, addr %02x:%02x.%x, pci id %04x:%04x (sub %04x:%04x)\n",
        indent, "", class, pci_bus_number(PCI_BUS(b)), PCI_SLOT_OF(d->devfn),
        PCI_FUNC_OF(d->devfn), lduw_le_p(d->config + PCI_VENDOR_ID),
        lduw_le_p(d->config + PCI_DEVICE_ID),
        lduw_le_p(d->config + PCI_SUBSYSTEM_VENDOR_ID),
        lduw_le_p(d->config + PCI_SUBSYSTEM_ID));
}

static void bus_set_ops(PciBus *bus)
{
    bus->bus.plug = bus_plug;
    bus->bus.realized = bus_realized;
    bus->bus.unplug = bus_unplug;
    bus->bus.reset = bus_reset;
    bus->bus.dev_path = bus_dev_path;
    bus->bus.firmware_node = bus_firmware_node;
    bus->bus.print_dev = bus_print_dev;
}

void pci_bus_init(PciBus *bus, Device *owner, const char *name,
                  MemoryRegion *mem, MemoryRegion *io, unsigned devfn_min)
{
    bus_init(&bus->bus, BUS_PCI, "PCI", name, owner, owner->vm);
    bus_set_ops(bus);
    bus->mem = mem;
    bus->io = io;
    bus->devfn_min = devfn_min;
}

void pci_bus_init_secondary(PciBus *bus, PciDevice *bridge, bool express,
                            MemoryRegion *mem, MemoryRegion *io)
{
    bus_init(&bus->bus, BUS_PCI, express ? "PCIE" : "PCI", bridge->dev.id,
             &bridge->dev, bridge->dev.vm);
    bus_set_ops(bus);
    bus->mem = mem;
    bus->io = io;
    bus->express = express;
    bus->parent = bridge;
    bridge->secondary = bus;
}

void pci_bus_set_irqs(PciBus *bus, unsigned nirq,
                      unsigned (*map)(PciDevice *d, unsigned pin),
                      void (*set)(void *opaque, unsigned line, bool level),
                      void *opaque)
{
    g_assert(nirq <= G_N_ELEMENTS(bus->irq_count));
    bus->nirq = nirq;
    bus->map_irq = map;
    bus->set_irq = set;
    bus->irq_opaque = opaque;
}

static const Vmstate pci_bus_vmstate = {
    .name = "PCIBUS",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_FIELD_(PciBus, nirq, VMS_I32_EQUAL),
            { .name = "irq_count",
              .kind = VMS_I32,
              .offset = offsetof(PciBus, irq_count),
              .size = sizeof(int32_t),
              .num_offset = offsetof(PciBus, nirq),
              .num_max = 32,
              .flags = VMF_VARRAY_I32 },
            VMSTATE_END,
        },
};

VmstateEntry *pci_bus_register_vmstate(PciBus *bus)
{
    return vmstate_register(bus->bus.vm->vmstates, NULL, -1, &pci_bus_vmstate,
                            bus);
}

/* Counts a pin of a function in or out at the host's line that it drives. */
static void count_pin(PciDevice *d, unsigned pin, int by, bool drive)
{
    PciBus *bus = pci_bus_of(d);
    unsigned line;

    /* Bridges rotate the pins by the slot of who drives them. */
    while (bus->parent != NULL) {
        pin = (pin + PCI_SLOT_OF(d->devfn)) % PCI_PINS;
        d = bus->parent;
        bus = pci_bus_of(d);
    }
    if (bus->map_irq == NULL) {
        return;
    }
    line = bus->map_irq(d, pin);
    if (line >= (unsigned)bus->nirq) {
        return;
    }
    bus->irq_count[line] += by;
    if (drive) {
        bus->set_irq(bus->irq_opaque, line, bus->irq_count[line] != 0);
    }
}

void pci_irq_route(PciDevice *d, unsigned pin, bool level)
{
    count_pin(d, pin, level ? 1 : -1, true);
}

static void count_functions(PciBus *bus)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bus->devs); i++) {
        PciDevice *d = bus->devs[i];

        for (unsigned pin = 0; d != NULL && pin < PCI_PINS; pin++) {
            if (d->irq_state & (1U << pin)) {
                count_pin(d, pin, 1, false);
            }
        }
        if (d != NULL && d->secondary != NULL) {
            count_functions(d->secondary);
        }
    }
}

void pci_bus_recount_irqs(PciBus *root)
{
    memset(root->irq_count, 0, sizeof(root->irq_count));
    count_functions(root);
}

unsigned pci_bus_number(const PciBus *bus)
{
    return bus->parent != NULL ? bus->parent->config[PCI_SECONDARY_BUS] : 0;
}

/*
 * A bridge takes configuration cycles for its secondary bus, and passes on
 * those up to its subordinate one.  Numbers are the guest's: any, also twice.
 */
static PciBus *bus_below(PciBus *bus, unsigned number)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(bus->devs); i++) {
        PciDevice *d = bus->devs[i];
        PciBus *found;

        if (d == NULL || d->secondary == NULL ||
            d->config[PCI_SECONDARY_BUS] == 0 ||
            number < d->config[PCI_SECONDARY_BUS] ||
            number > d->config[PCI_SUBORDINATE_BUS] ||
            (d->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_CTL_BUS_RESET)) {
            continue;
        }
        if (number == d->config[PCI_SECONDARY_BUS]) {
            return d->secondary;
        }
        found = bus_below(d->secondary, number);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

PciDevice *pci_find(PciBus *root, unsigned bus, unsigned devfn)
{
    PciBus *found = bus == 0 ? root : bus_below(root, bus);

    return found != NULL && devfn < G_N_ELEMENTS(found->devs)
               ? found->devs[devfn]
               : NULL;
}

static uint32_t config_read(PciDevice *d, unsigned reg, unsigned len)
{
    if (d == NULL || len == 0 || len > 4 || reg + len > d->config_size) {
        return MAKE_64BIT_MASK(0, MIN(len, 4u) * 8);
    }
    return d->config_read(d, reg, len);
}

static void config_write(PciDevice *d, unsigned reg, uint32_t val, unsigned len)
{
    if (d != NULL && len >= 1 && len <= 4 && reg + len <= d->config_size) {
        d->config_write(d, reg, val, len);
    }
}

/* addr: bus << 16 | devfn << 8 | register; absent functions read as ones. */
uint32_t pci_host_config_read(PciBus *root, uint32_t addr, unsigned len)
{
    return config_read(pci_find(root, (addr >> 16) & 0xff, (addr >> 8) & 0xff),
                       addr & 0xff, len);
}

void pci_host_config_write(PciBus *root, uint32_t addr, uint32_t val,
                           unsigned len)
{
    config_write(pci_find(root, (addr >> 16) & 0xff, (addr >> 8) & 0xff),
                 addr & 0xff, val, len);
}

uint32_t pci_ecam_read(PciBus *root, uint32_t off, unsigned len)
{
    return config_read(pci_find(root, (off >> 20) & 0xff, (off >> 12) & 0xff),
                       off & 0xfff, len);
}

void pci_ecam_write(PciBus *root, uint32_t off, uint32_t val, unsigned len)
{
    config_write(pci_find(root, (off >> 20) & 0xff, (off >> 12) & 0xff),
                 off & 0xfff, val, len);
}
