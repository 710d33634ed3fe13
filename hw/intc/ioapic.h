/*
 * 82093AA I/O APIC, modelled here (ioapic) or in the accelerator
 * (kvm-ioapic).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include "hw/isa/isa-devices.h"

#define IOAPIC_ADDR UINT64_C(0xfec00000)

/*
 * Makes one at `addr`, placed as `name` below `parent` in the object tree
 * (NULL: unattached).  Its 24 inputs are irq_in(dev, n).
 */
Device *ioapic_create(struct Vm *vm, bool kernel, uint64_t addr, Object *parent,
                      const char *name, GError **errp);
/* The local APICs' EOI message, for level-triggered vectors. */
void ioapic_eoi(Device *ioapic, uint8_t vector);
/* `info pic`. */
void ioapic_print(Device *ioapic, GString *out);
/* `info irq`: how often inputs were raised; the kernel doesn't tell. */
void ioapic_print_counts(Device *ioapic, GString *out);

#endif
