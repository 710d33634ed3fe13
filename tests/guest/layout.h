/*
 * Guest-physical memory layout, shared by C, assembly and linker script.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

/* Application processors start here in real mode (SIPI vector 8). */
#define TRAMP_BASE 0x8000

/* Pages below 640 KiB that the loads may use as ordinary RAM. */
#define LOW_FREE_START 0x10000
#define LOW_FREE_END   0x80000

/* The program: text, data, bss. Must end below PT_BASE. */
#define IMAGE_BASE 0x100000

/*
 * Page tables: PML4, PDPT, then one page directory per GiB. Everything is
 * mapped with 2 MiB leaves, user accessible, accessed and dirty preset, so
 * that running never writes to a table.
 */
#define PT_BASE  0x200000
#define PT_PDPT  (PT_BASE + 0x1000)
#define PT_PD(i) (PT_BASE + 0x2000 + (i)*0x1000)
#define PT_PDS   510
#define PT_TABLE 0x67 /* P, W, U, A, D */
#define PT_LEAF  0xe7 /* the same and PS */
#define PT_MMIO  0xff /* the same and PWT, PCD */

/* One 32 KiB block per CPU, indexed by APIC id. */
#define CPU_BASE   0x400000
#define CPU_SHIFT  15
#define CPU_SIZE   (1 << CPU_SHIFT)
#define CPU_TSS    0x1000 /* 104 bytes, 8192 of I/O bitmap, one 0xff */
#define CPU_STACK0 0x6000 /* top of the CPL 0 stack */
#define CPU_STACK3 0x8000 /* top of the CPL 3 stack */
#define CPU_MAX    255

/* Offsets into struct Cpu that assembly uses; cpu.c checks them. */
#define CPU_OFF_GDTR  0
#define CPU_OFF_IDTR  16
#define CPU_OFF_TICKS 32

#define SEL_CODE32 0x08
#define SEL_DATA0  0x10
#define SEL_CODE0  0x18
#define SEL_DATA3  0x2b
#define SEL_CODE3  0x33
#define SEL_TSS    0x38

#define LAPIC_BASE      0xfee00000
#define IOAPIC_BASE     0xfec00000
#define VECTOR_UD       6
#define VECTOR_TIMER    0x40
#define VECTOR_DOORBELL 0x60
#define VECTOR_SPUR     0xff

/* Services behind UD2, number in RAX; see entry.S. */
#define SVC_IDLE  0 /* RDI: ticks seen; returns once there are more */
#define SVC_RDMSR 1 /* RDI: MSR; returns its value */
#define SVC_WRMSR 2 /* RDI: MSR, RSI: value */
#define SVC_HALT  3 /* never returns */
#define SVC_CRASH 4 /* neither: a triple fault */

#endif
