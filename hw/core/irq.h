/*
 * Interrupt wires between devices.
 *
 * An IrqInput is a pin of the device that receives; an IrqLine is an output
 * pin that points at one input.  Lines that are shared count in the receiver
 * (see hw/pci).  Under vm_lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CORE_IRQ_H
#define HW_CORE_IRQ_H

#include "util/lock.h"

struct Device;
typedef void IrqHandler(void *opaque, unsigned n, bool level);

/* A receiver's pin.  qtest interception swaps fn and opaque in place. */
typedef struct IrqInput {
    IrqHandler *fn;
    void *opaque;
    unsigned n;
} IrqInput;

/* A sender's pin.  `level` is what was last driven. */
typedef struct IrqLine {
    const IrqInput *to; /* NULL: not connected */
    bool level;
} IrqLine;

/* Drives the line; the receiver hears every call, edges or not. */
static inline void irq_set(IrqLine *line, bool level)
{
    line->level = level;
    if (line->to != NULL) {
        line->to->fn(line->to->opaque, line->to->n, level);
    }
}
static inline void irq_raise(IrqLine *line)
{
    irq_set(line, true);
}
static inline void irq_lower(IrqLine *line)
{
    irq_set(line, false);
}
static inline void irq_pulse(IrqLine *line)
{
    irq_set(line, true);
    irq_set(line, false);
}
static inline void irq_connect(IrqLine *line, const IrqInput *to)
{
    line->to = to;
}

#endif
