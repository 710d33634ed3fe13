/*
 * The ISA bus of a machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/isa/isa.h"

#include "util/error.h"

#define ISA_IRQS 16

void isa_bus_init(IsaBus *isa, Device *owner, IrqInput *irqs)
{
    bus_init(&isa->bus, BUS_ISA, "ISA", "isa.0", owner, owner->vm);
    isa->irqs = irqs;
}

IsaBus *isa_bus_of(Device *dev)
{
    return dev->parent_bus != NULL && dev->parent_bus->kind == BUS_ISA
               ? ISA_BUS(dev->parent_bus)
               : NULL;
}

bool isa_claim_io(Device *dev, IoRange *io, const IoOps *ops, uint16_t base,
                  unsigned len, GError **errp)
{
    return device_claim_io(dev, io, ops, dev->type->name, base, len, errp);
}

bool isa_connect_irq(Device *dev, IrqLine *line, unsigned irq, GError **errp)
{
    IsaBus *isa = isa_bus_of(dev);

    if (irq >= ISA_IRQS) {
        error_setf(errp, "%s: interrupt %u: the ISA bus has 0 to %u",
                   device_name(dev), irq, ISA_IRQS - 1);
        return false;
    }
    if (isa == NULL || isa->irqs == NULL) {
        error_setf(errp, "%s: interrupt %u: no ISA bus with interrupts",
                   device_name(dev), irq);
        return false;
    }
    irq_connect(line, &isa->irqs[irq]);
    return true;
}
