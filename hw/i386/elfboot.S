/*
 * Option ROM that starts a Multiboot or PVH kernel given by -kernel: it asks
 * firmware for the memory map, fetches the kernel from fw_cfg and enters it in
 * 32-bit protected mode.
 *
 * Where things go was decided before: see boot_offer_plan() in
 * boot-firmware.c, which makes the table that this reads.
 *
 * Sources: Multiboot Specification 0.6.96, 3.2 (machine state); x86/HVM direct
 * boot ABI (the same for PVH); ACPI 6.4, 15.1 (INT 15h, E820h) and 5.2.5.1
 * (where to look for the RSDP).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/i386/bootrom-common.S"

/* Offsets in the ROM's memory, whose address is in item SETUP_ADDR. */
#define REQUEST    0x000
#define LOWER      0x010 /* KiB of memory from 0 */
#define RSDP       0x014
#define MAP_COUNT  0x018
/* 0x01c: unused, for what nobody wants to know */
#define MAP        0x100 /* of 64 entries */
#define MAP_END    0x600
#define STACK      0x2000
#define TABLE      0x2000 /* item SETUP_DATA */

/* The table; fields that end in _AT are addresses to store at. */
#define EIP        (TABLE + 0)
#define EAX        (TABLE + 4)
#define EBX        (TABLE + 8)
#define MAP_AT     (TABLE + 12)
#define COUNT_AT   (TABLE + 16)
#define BYTES_AT   (TABLE + 20)
#define LOWER_AT   (TABLE + 24)
#define UPPER_AT   (TABLE + 28)
#define RSDP_AT    (TABLE + 32)
#define GDTR       (TABLE + 36)
#define NPIECES    (TABLE + 44)
#define PIECES     (TABLE + 48) /* each: address, bytes, zeros behind */
#define PIECE_SIZE 12

#define MAP_IN     20 /* bytes of an entry, as firmware has it */
#define MAP_OUT    24 /* as the kernel wants it */
#define SMAP       0x534d4150
#define CODE32     0x10
#define DATA32     0x18
#define TSS32      0x20
#define NO_ITEM    0xffff /* reads as zeros */

    bootrom_begin elfboot_rom, "Kernel loader"

boot:
    cli
    cld
    movw $SETUP_ADDR, %ax
    call item
    movl %eax, %ebp                 /* from here to the end */
    shrl $4, %eax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $STACK, %esp
    movw $SETUP_SIZE, %ax
    call item
    movl %eax, %ecx
    leal TABLE(%ebp), %edi
    movl $((SETUP_DATA << 16) | DMA_SELECT | DMA_READ), %eax
    call dma

    /* All that needs firmware, before the kernel may overwrite its data. */
    movw $0x2401, %ax               /* INT 15h: address line 20 open */
    int $0x15
    int $0x12
    movzwl %ax, %eax
    movl %eax, LOWER
    call get_map
    call get_rsdp

    call load_data
    call load_zeros

    lgdtl GDTR
    xorl %eax, %eax
    movw %cs, %ax
    shll $4, %eax
    addl $(protected - elfboot_rom), %eax
    movl $0x11, %ecx                /* ET, PE */
    movl %ecx, %cr0
    pushl $CODE32
    pushl %eax
    lretl

get_map:
    movl $0, MAP_COUNT
    movw $MAP, %di
    xorl %ebx, %ebx
1:
    movl $0xe820, %eax
    movl $SMAP, %edx
    movl $MAP_IN, %ecx
    pushl %ebp
    int $0x15
    popl %ebp
    jc 2f
    cmpl $SMAP, %eax
    jne 2f
    incl MAP_COUNT
    addw $MAP_IN, %di
    testl %ebx, %ebx
    jz 2f
    cmpw $MAP_END, %di
    jb 1b
2:
    cmpl $0, MAP_COUNT
    jne 3f
    movw $no_map - elfboot_rom, %si
    jmp fail
3:
    ret

/* First KiB of the extended BIOS data area, then 0xe0000 to 0xfffff. */
get_rsdp:
    pushw %es
    movl $0, RSDP
    xorw %ax, %ax
    movw %ax, %es
    movw %es:0x40e, %bx
    movw $64, %cx
    call find_rsdp
    je 1f
    movw $0xe000, %bx
    movw $0x2000, %cx
    call find_rsdp
    jne 2f
1:
    movzwl %bx, %ebx
    shll $4, %ebx
    movl %ebx, RSDP
2:
    popw %es
    ret

/* In CX paragraphs from segment BX; ZF and the segment in BX if found. */
find_rsdp:
    movw %bx, %es
    cmpl $0x20445352, %es:0         /* "RSD " */
    jne 2f
    cmpl $0x20525450, %es:4         /* "PTR " */
    jne 2f
    xorw %di, %di
    xorb %al, %al
1:
    addb %es:(%di), %al
    incw %di
    cmpw $20, %di
    jb 1b
    testb %al, %al
    jz 3f
2:
    incw %bx
    decw %cx
    jnz find_rsdp
    incw %cx                        /* clears ZF */
3:
    ret

/* The pieces follow each other in one item. */
load_data:
    movw $PIECES, %si
    movl NPIECES, %ebx
    movl $((KERNEL_DATA << 16) | DMA_SELECT | DMA_READ), %eax
1:
    movl (%si), %edi
    movl 4(%si), %ecx
    call dma
    movl $DMA_READ, %eax
    addw $PIECE_SIZE, %si
    decl %ebx
    jnz 1b
    ret

load_zeros:
    movw $PIECES, %si
    movl NPIECES, %ebx
1:
    movl 8(%si), %ecx
    testl %ecx, %ecx
    jz 2f
    movl (%si), %edi
    addl 4(%si), %edi
    movl $((NO_ITEM << 16) | DMA_SELECT | DMA_READ), %eax
    call dma
2:
    addw $PIECE_SIZE, %si
    decl %ebx
    jnz 1b
    ret

no_map:
    .asciz "Kernel not loaded: firmware has no memory map\r\n"

    .code32
    /* EBP: address of the ROM's memory. Flat segments from here on. */
protected:
    movl $DATA32, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    leal STACK(%ebp), %esp
    movl $TSS32, %eax
    ltr %ax

    xorl %ebx, %ebx                 /* KiB from 1 MiB */
    leal MAP(%ebp), %esi
    movl MAP_AT(%ebp), %edi
    movl MAP_COUNT(%ebp), %edx
1:
    cmpl $0x100000, (%esi)
    jne 2f
    cmpl $0, 4(%esi)
    jne 2f
    cmpl $1, 16(%esi)
    jne 2f
    movl 8(%esi), %ebx
    movl 12(%esi), %eax
    shrdl $10, %eax, %ebx
2:
    movl $(MAP_IN / 4), %ecx
    rep movsl
    addl $(MAP_OUT - MAP_IN), %edi
    decl %edx
    jnz 1b

    movl UPPER_AT(%ebp), %edi
    movl %ebx, (%edi)
    movl LOWER_AT(%ebp), %edi
    movl LOWER(%ebp), %eax
    movl %eax, (%edi)
    movl RSDP_AT(%ebp), %edi
    movl RSDP(%ebp), %eax
    movl %eax, (%edi)
    movl COUNT_AT(%ebp), %edi
    movl MAP_COUNT(%ebp), %eax
    movl %eax, (%edi)
    movl BYTES_AT(%ebp), %edi
    imull $MAP_OUT, %eax, %eax
    movl %eax, (%edi)

    movl EAX(%ebp), %eax
    movl EBX(%ebp), %ebx
    movl EIP(%ebp), %ecx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    pushl $2
    popfl
    jmp *%ecx

    .code16
    bootrom_end elfboot_rom, REQUEST
