/*
 * Entry of the guest that reports how it was started (handover.c), with the
 * header that its form needs:
 *
 *   MULTIBOOT       32-bit ELF with a Multiboot header
 *   MULTIBOOT_FLAT  no ELF: the header says where the bytes go
 *   neither         ELF with a PVH note
 *
 * Sources: Multiboot Specification 0.6.96, 3.1; x86/HVM direct boot ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define MULTIBOOT_MAGIC 0x1badb002
#ifdef MULTIBOOT_FLAT
#define MULTIBOOT_FLAGS 0x10003     /* modules on pages, memory, addresses */
#else
#define MULTIBOOT_FLAGS 0x00003
#endif

        .section .header, "a", @progbits
#if defined(MULTIBOOT) || defined(MULTIBOOT_FLAT)
        .align 4
header:
        .long   MULTIBOOT_MAGIC
        .long   MULTIBOOT_FLAGS
        .long   -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)
#ifdef MULTIBOOT_FLAT
        .long   header
        .long   image_start
        .long   image_end
        .long   memory_end
        .long   start
#endif
#else
        .section .note.pvh, "a", @note
        .align 4
        .long   4                       /* name size */
        .long   4                       /* descriptor size */
        .long   18                      /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   start
#endif

        .section .start, "ax", @progbits
        .code32
        .globl  start
start:
        /* All that is worth a report, before anything changes it. */
        movl    %eax, entry_state + 0
        movl    %ebx, entry_state + 4
        movl    %cr0, %eax
        movl    %eax, entry_state + 8
        movl    %cr4, %eax
        movl    %eax, entry_state + 12
        movl    $stack_end, %esp
        pushfl
        popl    entry_state + 16
        str     entry_state + 20
        call    handover_main
1:      cli
        hlt
        jmp     1b

        /* Not in .bss: what the loader clears is checked. */
        .section .noinit, "aw", @nobits
        .align 16
        .globl  entry_state
entry_state:
        .skip   32
        .skip   8192
stack_end:
        .section .note.GNU-stack, "", @progbits
