/*
 * The ISA bus of a machine: port claims and its sixteen interrupt inputs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_ISA_ISA_H
#define HW_ISA_ISA_H

#include "hw/core/device.h"

typedef struct IsaBus {
    Bus bus;
    IrqInput *irqs;        /* 16 inputs, owned by the board */
    struct Device *dma[2]; /* 8237 controllers, NULL: none */
} IsaBus;

#define ISA_BUS(b) container_of(b, IsaBus, bus)

/* Makes "isa.0" below `owner`. */
void isa_bus_init(IsaBus *isa, Device *owner, IrqInput *irqs);
/* The bus that a BUS_ISA device sits on. */
IsaBus *isa_bus_of(Device *dev);
/* Claims ports in the I/O space; false with both owners named on overlap. */
bool isa_claim_io(Device *dev, IoRange *io, const IoOps *ops, uint16_t base,
                  unsigned len, GError **errp);
/* Connects a device's output to ISA interrupt 0..15. */
bool isa_connect_irq(Device *dev, IrqLine *line, unsigned irq, GError **errp);

#endif
