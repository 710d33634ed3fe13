/*
 * The registers as GDB sees them: numbers, layout, description.
 *
 * "Debugging with GDB", appendix G.5.15 (i386 features); numbers and order
 * are those that clients of the program of the same name rely on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GDBSTUB_REGISTERS_H
#define GDBSTUB_REGISTERS_H

#include "target/i386/cpu.h"

/* A CPU's registers, and how it keeps the x87 stack; see X86Cpu.fpregs. */
typedef struct GdbRegs {
    X86Cpu *cpu;
    bool fpregs_physical;
} GdbRegs;

/* Those that the CPU's model has; their numbers have no gaps. */
unsigned gdb_regs_count(const X86Cpu *c);
/* Bytes of a register; 0: no such number. */
unsigned gdb_reg_size(unsigned n);
/* Its value, little endian, gdb_reg_size(n) bytes (16 at most). */
void gdb_reg_get(const GdbRegs *r, unsigned n, uint8_t *ret);
/* Those that follow from others, or that a CPU doesn't have, ignore it. */
void gdb_reg_set(const GdbRegs *r, unsigned n, const uint8_t *value);
/* The document for qXfer:features:read:target.xml; g_free(). */
char *gdb_target_xml(const X86Cpu *c);

#endif
