/*
 * Option ROM that starts a Linux kernel given by -kernel: it fetches the parts
 * of the kernel from fw_cfg and enters the kernel's own setup code.
 *
 * Source: the kernel's Documentation/arch/x86/boot.rst ("Running the kernel").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/i386/bootrom-common.S"

/* The stack, and above it the DMA request: free once firmware boots. */
#define STACK    0x7c00
#define REQUEST  0x7c00
/* End of the setup code's heap: boot-firmware.c tells the kernel the same. */
#define HEAP_END 0xe000

    bootrom_begin linuxboot_rom, "Linux loader"

boot:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $STACK, %esp

    movw $SETUP_DATA, %si
    movw $SETUP_ADDR, %di
    movw $SETUP_SIZE, %bp
    call load
    movw $KERNEL_DATA, %si
    movw $KERNEL_ADDR, %di
    movw $KERNEL_SIZE, %bp
    call load
    movw $INITRD_DATA, %si
    movw $INITRD_ADDR, %di
    movw $INITRD_SIZE, %bp
    call load
    movw $CMDLINE_DATA, %si
    movw $CMDLINE_ADDR, %di
    movw $CMDLINE_SIZE, %bp
    call load

    movw $SETUP_ADDR, %ax
    call item
    shrl $4, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movl $HEAP_END, %esp
    addw $0x20, %ax
    pushw %ax
    pushw $0
    lret

/*
 * Item SI into memory: to the address in item DI, as many bytes as item BP
 * says.
 */
load:
    movw %bp, %ax
    call item
    testl %eax, %eax
    jz 1f
    movl %eax, %ebx
    movw %di, %ax
    call item
    movl %eax, %edi
    movl %ebx, %ecx
    movw %si, %ax
    shll $16, %eax
    movw $(DMA_SELECT | DMA_READ), %ax
    call dma
1:
    ret

    bootrom_end linuxboot_rom, REQUEST
