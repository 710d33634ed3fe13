/*
 * Guest code as text, in AT&T syntax, for the monitor and the log.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_I386_DISAS_H
#define TARGET_I386_DISAS_H

#include "target/i386/cpu.h"

enum { X86_INSN_MAX = 15 };

/* 16, 32 or 64: the size of the code that the CPU runs now. */
unsigned x86_code_bits(const X86Cpu *cpu);
/* Can this build do it?  Without, all bytes come out as ".byte". */
bool x86_disas_available(void);
/*
 * Appends the instruction at buf, whose address is addr, as a line: address,
 * bytes, text.  Returns its length, 1..len; what is no instruction is a byte
 * of data.  0: the instruction goes on behind len (< X86_INSN_MAX) bytes.
 */
unsigned x86_disas(GString *out, unsigned bits, uint64_t addr,
                   const uint8_t *buf, size_t len);

#endif
