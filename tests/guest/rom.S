/*
 * The guest as a 64 KiB firmware image for -bios: reset vector, protected
 * mode, copy to 1 MiB, on to start32. Nothing else: each instruction here
 * may be emulated.
 *
 * Sources: Intel SDM vol. 3A, 9.1.4 (first instruction at 0xfffffff0),
 * 9.9.1 (switching to protected mode).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "layout.h"

#define ROM_SIZE 0x10000
#define ROM_BASE 0xffff0000
#define AT(sym)  (ROM_BASE + (sym) - rom)

        .text
rom:
        .incbin GUEST_BIN
payload_end:
        .org    0xff00
        .code16
rom_start16:
        cli
        cld
        lgdtl   %cs:(rom_gdtr - rom)
        movl    %cr0, %eax
        orl     $1, %eax
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $AT(rom_start32)
        .code32
rom_start32:
        movl    $SEL_DATA0, %eax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movl    $ROM_BASE, %esi
        movl    $IMAGE_BASE, %edi
        movl    $((payload_end - rom) / 4), %ecx
        rep movsl
        xorl    %eax, %eax              /* no loader, no information */
        xorl    %ebx, %ebx
        movl    $IMAGE_BASE, %ecx       /* start32 comes first */
        jmp     *%ecx
        .align  8
rom_gdt:
        .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
rom_gdt_end:
rom_gdtr:
        .word   rom_gdt_end - rom_gdt - 1
        .long   AT(rom_gdt)
        .org    0xfff0
        .code16
        jmp     rom_start16
        .org    ROM_SIZE
        .section .note.GNU-stack, "", @progbits
