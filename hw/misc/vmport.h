/*
 * VMware's backdoor port, which the mouse on the same bus is behind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_MISC_VMPORT_H
#define HW_MISC_VMPORT_H

#include "hw/isa/isa-devices.h"

struct X86Cpu;

/* Answers a command: changes registers, returns the new EAX. */
typedef uint32_t VmportFn(void *opaque, struct X86Cpu *cpu);

#define VMPORT_COMMANDS 0x2c

/* On an ISA bus. */
Device *vmport_create(Bus *isa, GError **errp);
/* The command must be below VMPORT_COMMANDS. */
void vmport_register(Device *vmport, unsigned command, VmportFn *fn,
                     void *opaque);

#endif
