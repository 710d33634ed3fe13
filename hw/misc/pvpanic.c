/*
 * pvpanic: by it a guest says that it has crashed, as an ISA device and as a
 * PCI function.  (Public specification "PVPANIC DEVICE": one byte; reading it
 * gives the events that the device takes, writing reports those that are set.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/misc/pvpanic.h"

#include "hw/core/machine.h"
#include "hw/i386/fw-cfg.h"
#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"
#include "hw/pci/pci.h"
#include "system/guest-event.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    EVENT_PANICKED = 1 << 0,
    EVENT_CRASH_LOADED = 1 << 1,
    EVENTS_KNOWN = EVENT_PANICKED | EVENT_CRASH_LOADED,
    PCI_BAR_SIZE = 2, /* bytes; the second one reads as 0 */
};

static void pvpanic_report(Vm *vm, uint8_t events, uint8_t offered)
{
    events &= offered & EVENTS_KNOWN;
    if (events & EVENT_PANICKED) {
        guest_panicked(vm);
    } else if (events & EVENT_CRASH_LOADED) {
        guest_crash_loaded(vm);
    }
}

/* ISA */

typedef struct PvpanicIsa {
    Device dev;
    IoRange io;
    uint16_t ioport;
    uint8_t events;
} PvpanicIsa;

static uint64_t pvpanic_isa_read(Device *dev, uint64_t off, unsigned size)
{
    return DEVICE_CAST(PvpanicIsa, dev)->events;
}

static void pvpanic_isa_write(Device *dev, uint64_t off, uint64_t val,
                              unsigned size)
{
    pvpanic_report(dev->vm, val, DEVICE_CAST(PvpanicIsa, dev)->events);
}

static const IoOps pvpanic_isa_io = {
    .read = pvpanic_isa_read,
    .write = pvpanic_isa_write,
    .max_size = 1,
};

static bool pvpanic_isa_realize(Device *dev, GError **errp)
{
    PvpanicIsa *s = DEVICE_CAST(PvpanicIsa, dev);
    uint8_t port_le[2];

    stw_le_p(port_le, s->ioport);
    return isa_claim_io(dev, &s->io, &pvpanic_isa_io, s->ioport, 1, errp) &&
           (dev->machine->fw_cfg == NULL ||
            fw_cfg_add_file(dev->machine->fw_cfg, "etc/pvpanic-port", port_le,
                            sizeof(port_le), errp));
}

static const Property pvpanic_isa_props[] = {
    PROP(PROP_U16, PvpanicIsa, ioport, "ioport", .def = 0x505),
    PROP(PROP_U8, PvpanicIsa, events, "events", .def = EVENTS_KNOWN),
    PROP_END,
};

const DeviceType pvpanic_isa_type = {
    .name = "pvpanic",
    .category = "Misc",
    .size = sizeof(PvpanicIsa),
    .bus = BUS_ISA,
    .user_creatable = true,
    .props = pvpanic_isa_props,
    .realize = pvpanic_isa_realize,
    .vmstate = VMSTATE_NONE,
};

/* PCI */

typedef struct PvpanicPci {
    PciDevice pci;
    MemoryRegion bar;
    uint8_t events;
} PvpanicPci;

static PvpanicPci *pvpanic_pci_of(Device *dev)
{
    return container_of(dev, PvpanicPci, pci.dev);
}

static uint64_t pvpanic_pci_read(Device *dev, uint64_t off, unsigned size)
{
    return off == 0 ? pvpanic_pci_of(dev)->events : 0;
}

static void pvpanic_pci_write(Device *dev, uint64_t off, uint64_t val,
                              unsigned size)
{
    if (off == 0) {
        pvpanic_report(dev->vm, val, pvpanic_pci_of(dev)->events);
    }
}

static const IoOps pvpanic_pci_io = {
    .read = pvpanic_pci_read,
    .write = pvpanic_pci_write,
    .max_size = 1,
};

static bool pvpanic_pci_realize(Device *dev, GError **errp)
{
    PvpanicPci *s = pvpanic_pci_of(dev);

    memory_region_init_io(&s->bar, &dev->vm->mem, "pvpanic", PCI_BAR_SIZE,
                          &pvpanic_pci_io, dev);
    device_own_region(dev, &s->bar);
    pci_register_bar(&s->pci, 0, 0, &s->bar);
    return true;
}

static const Property pvpanic_pci_props[] = {
    PROP(PROP_U8, PvpanicPci, events, "events", .def = EVENTS_KNOWN),
    PROP_END,
};

static const PciInfo pvpanic_pci_info = {
    .vendor_id = 0x1b36,
    .device_id = 0x0011,
    .class_id = 0x0880,
    .revision = 1,
};

static const Vmstate pvpanic_pci_vmstate = {
    .name = "pvpanic-pci",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(PvpanicPci, pci, "dev"),
            VMSTATE_END,
        },
};

const DeviceType pvpanic_pci_type = {
    .name = "pvpanic-pci",
    .category = "Misc",
    .size = sizeof(PvpanicPci),
    .bus = BUS_PCI,
    .user_creatable = true,
    .hotpluggable = true,
    .props = pvpanic_pci_props,
    .pci = &pvpanic_pci_info,
    .realize = pvpanic_pci_realize,
    .vmstate = &pvpanic_pci_vmstate,
};
