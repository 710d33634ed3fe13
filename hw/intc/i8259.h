/*
 * The pair of 8259A interrupt controllers of a PC, modelled here (isa-i8259)
 * or in the accelerator (kvm-i8259).  vm_lock held for all calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_INTC_I8259_H
#define HW_INTC_I8259_H

#include "hw/isa/isa-devices.h"

typedef struct I8259Pair {
    Device *master, *slave;
} I8259Pair;

/*
 * Makes both on an ISA bus, the slave on the master's input 2.  `kernel`: the
 * accelerator has them.
 */
bool i8259_create_pair(I8259Pair *ret_pair, Bus *isa, bool kernel,
                       GError **errp);
/* Input 0..15; 2 is taken by the slave.  NULL if they are in the kernel. */
IrqInput *i8259_input(const I8259Pair *p, unsigned irq);
/* The master's INT pin, to be connected to the CPU. */
IrqLine *i8259_output(const I8259Pair *p);
/* The CPU's interrupt acknowledge cycles: a vector, always. */
uint8_t i8259_acknowledge(Device *master);
/* `info pic`: one line for each. */
void i8259_print(const I8259Pair *p, GString *out);
/* `info irq`: how often inputs were raised; the kernel doesn't tell. */
void i8259_print_counts(const I8259Pair *p, GString *out);

#endif
