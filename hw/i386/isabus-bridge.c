/*
 * An ISA bus on a board without a PCI bridge for it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/isabus-bridge.h"

#include "hw/isa/isa.h"

typedef struct IsabusBridge {
    Device dev;
    IsaBus isa;
} IsabusBridge;

static bool isabus_bridge_realize(Device *dev, GError **errp)
{
    isa_bus_init(&DEVICE_CAST(IsabusBridge, dev)->isa, dev, dev->machine->gsi);
    return true;
}

const DeviceType isabus_bridge_type = {
    .name = "isabus-bridge",
    .size = sizeof(IsabusBridge),
    .bus = BUS_SYSTEM,
    .realize = isabus_bridge_realize,
    .vmstate = VMSTATE_NONE,
};

Bus *isabus_bridge_create(Machine *m, GError **errp)
{
    Device *dev = device_create(m->vm, &isabus_bridge_type, NULL, errp);

    return dev != NULL ? &DEVICE_CAST(IsabusBridge, dev)->isa.bus : NULL;
}
