/*
 * What option ROMs that start a kernel have in common: the header by which
 * firmware finds them, and access to fw_cfg.  Their sources include it.
 *
 * Sources: Plug and Play BIOS Specification 1.0A, sections 3.2 and 3.3 (header
 * and return values); BIOS Boot Specification 1.01, section 3.3 (entry vector);
 * the firmware configuration interface as QEMU documents it (keys, DMA).
 *
 * boot-firmware.c fills in the two checksums.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

/* Ports and keys of fw_cfg, see hw/i386/fw-cfg.h. */
#define PORT_SELECT   0x510
#define PORT_DATA     0x511
#define PORT_DMA_HIGH 0x514
#define PORT_DMA_LOW  0x518
#define DMA_ERROR     0x01
#define DMA_READ      0x02
#define DMA_SELECT    0x08

#define KERNEL_ADDR  0x07
#define KERNEL_SIZE  0x08
#define INITRD_ADDR  0x0a
#define INITRD_SIZE  0x0b
#define KERNEL_DATA  0x11
#define INITRD_DATA  0x12
#define CMDLINE_ADDR 0x13
#define CMDLINE_SIZE 0x14
#define CMDLINE_DATA 0x15
#define SETUP_ADDR   0x16
#define SETUP_SIZE   0x17
#define SETUP_DATA   0x18

    /* Begins the ROM; firmware calls `boot` in real mode. */
    .macro bootrom_begin rom, text
    .section .rodata
    .code16
    .balign 16
    .globl \rom
    .globl \rom\()_end

\rom:
    .byte 0x55, 0xaa
    .byte (\rom\()_end - \rom) / 512
    jmp init
    .org \rom + 0x1a
    .word pnp - \rom

    .balign 16
pnp:
    .ascii "$PnP"
    .byte 1                         /* revision */
    .byte 2                         /* length in units of 16 bytes */
    .word 0                         /* no other header */
    .byte 0
    .byte 0                         /* checksum */
    .long 0
    .word maker - \rom
    .word product - \rom
    .byte 2, 0, 0                   /* class: none that needs to be known */
    .byte 0x02                      /* an initial program load device */
    .word 0                         /* boot connection vector */
    .word 0                         /* disconnect vector */
    .word boot - \rom               /* bootstrap entry vector */
    .word 0
    .word 0                         /* static resources */

maker:
    .asciz "Godwit"
product:
    .asciz "\text"

/* Called when firmware finds the ROM: it may boot from this device. */
init:
    movw $0x20, %ax
    lret
    .endm

    /* Ends it; the routines use the 16 bytes at DS:request. */
    .macro bootrom_end rom, request

/* The four bytes of item AX, little endian, into EAX. Spoils ECX, DX. */
item:
    movw $PORT_SELECT, %dx
    outw %ax, %dx
    movw $PORT_DATA, %dx
    movw $4, %cx
1:
    inb %dx, %al
    rorl $8, %eax
    loop 1b
    ret

/*
 * ECX bytes of an item to the address EDI; EAX is the request's first word.
 * The request, whose fields are big endian, lies at DS:request. Does not come
 * back if there is no memory. Spoils EAX, DX.
 */
dma:
    bswapl %eax
    movl %eax, \request
    movl %ecx, %eax
    bswapl %eax
    movl %eax, \request + 4
    xorl %eax, %eax
    movl %eax, \request + 8
    movw $PORT_DMA_HIGH, %dx
    outl %eax, %dx
    movl %edi, %eax
    bswapl %eax
    movl %eax, \request + 12
    xorl %eax, %eax
    movw %ds, %ax
    shll $4, %eax
    addl $\request, %eax
    bswapl %eax
    movw $PORT_DMA_LOW, %dx
    outl %eax, %dx
1:
    pause
    movl \request, %eax
    testl %eax, %eax
    jz 2f
    bswapl %eax
    testb $DMA_ERROR, %al
    jz 1b
    movw $no_memory - \rom, %si
    jmp fail
2:
    ret

/* Says what is at CS:SI; firmware tries the next device. */
fail:
    movb %cs:(%si), %al
    incw %si
    testb %al, %al
    jz 1f
    movb $0x0e, %ah                 /* INT 10h: one character */
    movw $7, %bx
    int $0x10
    jmp fail
1:
    int $0x18

no_memory:
    .asciz "Kernel not loaded: no memory where it belongs\r\n"

    /* The last byte is the checksum. */
    .byte 0
    .balign 512
\rom\()_end:

    .code64
    .section .note.GNU-stack, "", @progbits
    .endm
