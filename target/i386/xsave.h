/*
 * The XSAVE area in its standard form: SDM volume 1, 13.4.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_I386_XSAVE_H
#define TARGET_I386_XSAVE_H

#include "target/i386/cpu.h"

/* Legacy region and header. */
#define X86_XSAVE_BASE_SIZE 576

/*
 * Asks CPUID leaf 0xd about the user components in `xcr0`.  Answers that
 * don't make sense (overlap, too large) leave a component out.
 */
void x86_xsave_layout_init(X86XsaveLayout *layout, uint64_t xcr0,
                           void (*cpuid)(void *opaque, uint32_t leaf,
                                         uint32_t subleaf, uint32_t regs[4]),
                           void *opaque);
/*
 * Area → cpu.  Components whose XSTATE_BV bit is clear get their initial
 * state.  len: at least X86_XSAVE_BASE_SIZE; components that lie beyond it
 * are taken as initial.
 */
void x86_xsave_load(X86Cpu *cpu, const X86XsaveLayout *layout, const void *area,
                    size_t len);
/*
 * cpu → area, zeroed first.  XSTATE_BV gets cpu->xstate_bv and every
 * component that isn't in its initial state, as far as the layout has it.
 */
void x86_xsave_store(const X86Cpu *cpu, const X86XsaveLayout *layout,
                     void *area, size_t len);
/* Sets all of the x87 and SIMD state to what XINIT (FNINIT) gives. */
void x86_fpu_init(X86Cpu *cpu);
/* Where Intel's processors have the components in `xcr0`. */
void x86_xsave_layout_default(X86XsaveLayout *layout, uint64_t xcr0);

#endif
