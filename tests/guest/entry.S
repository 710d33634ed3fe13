/*
 * From whatever started us to 64-bit code at CPL 3.
 *
 * The loads run at CPL 3 with an open I/O bitmap: on a KVM that runs CPL 3
 * natively and emulates the rest this is the difference between full speed
 * and a thousandth of it, and on any other it makes none. CPL 0 code is kept
 * short for the same reason.
 *
 * Sources: Intel SDM vol. 3A, 9.8 (mode switching), 8.2.3/8.7 (TSS), 10.4.4
 * (INIT/SIPI); the PVH boot ABI (xen/include/public/arch-x86/hvm/start_info.h
 * describes it): 32-bit entry, flat segments, EBX = start info.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define ASSEMBLY
#include "layout.h"

        .section .note.pvh, "a", @note
        .align 4
        .long   4                       /* name size */
        .long   4                       /* descriptor size */
        .long   18                      /* XEN_ELFNOTE_PHYS32_ENTRY */
        .asciz  "Xen"
        .long   start32

        /* Switches paging and long mode on; then 64-bit code at \target. */
        .macro  enter_long target
        movw    $SEL_DATA0, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $0x620, %eax            /* PAE, OSFXSR, OSXMMEXCPT */
        movl    %eax, %cr4
        movl    $PT_BASE, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER */
        rdmsr
        orl     $0x100, %eax            /* LME */
        wrmsr
        movl    $0x80010033, %eax       /* PG, WP, NE, ET, MP, PE */
        movl    %eax, %cr0
        ljmp    $SEL_CODE0, $\target
        .endm

        .section .start, "ax", @progbits
        .code32
        .globl  start32
start32:
        cli
        cld
        movl    %eax, boot_magic
        movl    %ebx, boot_info
        lgdt    boot_gdtr
        ljmp    $SEL_CODE32, $1f
1:      movw    $SEL_DATA0, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss

        /* Legacy interrupt controllers: all masked. A20: open. */
        movb    $0xff, %al
        outb    %al, $0x21
        outb    %al, $0xa1
        movb    $0x02, %al
        outb    %al, $0x92

        /* Tables: cleared, first 16 MiB, and the APICs below 4 GiB. */
        xorl    %eax, %eax
        movl    $PT_BASE, %edi
        movl    $(6 * 4096 / 4), %ecx
        rep stosl
        movl    $(PT_PDPT + PT_TABLE), PT_BASE
        movl    $(PT_PD(0) + PT_TABLE), PT_PDPT
        movl    $(PT_PD(3) + PT_TABLE), PT_PDPT + 3 * 8
        movl    $PT_LEAF, %eax
        movl    $PT_PD(0), %edi
        movl    $8, %ecx
2:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        decl    %ecx
        jnz     2b
        movl    $(IOAPIC_BASE + PT_MMIO), PT_PD(3) + 502 * 8
        movl    $(LAPIC_BASE + PT_MMIO), PT_PD(3) + 503 * 8
        enter_long start64

        .text
        .code64
start64:
        movl    $(CPU_BASE + CPU_STACK0), %esp
        movl    $CPU_BASE, %edi
        xorl    %esi, %esi
        call    cpu_prepare
        movl    $guest_main, %esi
        jmp     enter_user

        /*
         * RSP lies in the CPU's block; RSI = where to go on at CPL 3.
         */
enter_user:
        movq    %rsp, %rdi
        decq    %rdi
        andq    $-CPU_SIZE, %rdi
        lgdt    CPU_OFF_GDTR(%rdi)
        lidt    CPU_OFF_IDTR(%rdi)
        movl    $SEL_DATA0, %eax
        movw    %ax, %ss
        xorl    %eax, %eax
        movw    %ax, %fs
        movw    %ax, %gs
        lldt    %ax
        movl    $SEL_TSS, %eax
        ltr     %ax
        movl    $SEL_DATA3, %eax
        movw    %ax, %ds
        movw    %ax, %es
        pushq   $SEL_DATA3
        leaq    (CPU_STACK3 - 8)(%rdi), %rax /* as after a call */
        pushq   %rax
        pushq   $0x202
        pushq   $SEL_CODE3
        pushq   %rsi
        iretq

        /* Application processors: copied to TRAMP_BASE. */
        .code16
        .globl  trampoline, trampoline_end
trampoline:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   TRAMP_BASE + (tramp_gdtr - trampoline)
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $ap_start32
        .align  4
tramp_gdtr:
        .word   boot_gdt_end - boot_gdt - 1
        .long   boot_gdt
trampoline_end:

        .code32
ap_start32:
        enter_long ap_start64
        .code64
ap_start64:
        movl    $(LAPIC_BASE + 0x20), %eax
        movl    (%rax), %eax            /* APIC id in bits 31:24 */
        shrl    $24, %eax
        shll    $CPU_SHIFT, %eax
        leal    (CPU_BASE + CPU_STACK0)(%rax), %esp
        movl    $guest_ap_main, %esi
        jmp     enter_user

        /* ---- interrupts ------------------------------------------------ */

        .globl  irq_timer, irq_doorbell, irq_spurious, trap_service, trap_stubs

        /* The CPL 0 stack lies in the CPU's block. */
irq_timer:
        pushq   %rax
        movq    %rsp, %rax
        andq    $-CPU_SIZE, %rax
        incq    CPU_OFF_TICKS(%rax)
        movl    $(LAPIC_BASE + 0xb0), %eax
        movl    $0, (%rax)
        popq    %rax
irq_spurious:
        iretq

irq_doorbell:
        pushq   %rax
        incq    doorbells
        movl    $(LAPIC_BASE + 0xb0), %eax
        movl    $0, (%rax)
        popq    %rax
        iretq

        /* The instruction is UD2 (0f 0b) in service(); others are told. */
trap_service:
        movq    (%rsp), %rcx
        cmpw    $0x0b0f, (%rcx)
        jne     6f
        addq    $2, (%rsp)
        cmpl    $SVC_RDMSR, %eax
        je      1f
        cmpl    $SVC_WRMSR, %eax
        je      2f
        cmpl    $SVC_HALT, %eax
        je      3f
        cmpl    $SVC_CRASH, %eax
        je      5f
        /* SVC_IDLE. Interrupts are off here, so no tick can slip between. */
        movq    %rsp, %rcx
        andq    $-CPU_SIZE, %rcx
        cmpq    %rdi, CPU_OFF_TICKS(%rcx)
        jne     4f
        sti
        hlt
        cli
4:      movq    CPU_OFF_TICKS(%rcx), %rax
        iretq
1:      movl    %edi, %ecx
        rdmsr
        shlq    $32, %rdx
        orq     %rdx, %rax
        iretq
2:      movl    %edi, %ecx
        movl    %esi, %eax
        movq    %rsi, %rdx
        shrq    $32, %rdx
        wrmsr
        iretq
3:      cli
        hlt
        jmp     3b
5:      pushq   $0
        pushq   $0
        lidt    (%rsp)
        int3
6:      pushq   $0
        pushq   $VECTOR_UD
        jmp     trap_common

        /* Exceptions 0..31: nothing is expected, everything is told. */
        .align  16
trap_stubs:
        .set    i, 0
        .rept   32
        .align  16
        /* Vectors with an error code: SDM vol. 3A, table 6-1. */
        .if !(i == 8 || (i >= 10 && i <= 14) || i == 17 || i == 21 || \
              i == 29 || i == 30)
        pushq   $0
        .endif
        pushq   $i
        jmp     trap_common
        .set    i, i + 1
        .endr

trap_common:
        cld
        popq    %rdi                    /* vector */
        popq    %rsi                    /* error code */
        movq    (%rsp), %rdx            /* RIP */
        movq    8(%rsp), %rcx           /* CS */
        movq    %cr2, %r8
        andq    $-16, %rsp
        call    trap_report
        jmp     3b

        /* ---- data ------------------------------------------------------ */

        .data
        .align  8
        .globl  boot_info, boot_magic
boot_info:
        .long   0
boot_magic:
        .long   0
        .align  8
boot_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff      /* 0x08: 32-bit code */
        .quad   0x00cf93000000ffff      /* 0x10: data */
        .quad   0x00af9b000000ffff      /* 0x18: 64-bit code */
boot_gdt_end:
boot_gdtr:
        .word   boot_gdt_end - boot_gdt - 1
        .long   boot_gdt

        .section .note.GNU-stack, "", @progbits
