/*
 * Option ROM that starts a Linux kernel given by -kernel: firmware calls its
 * bootstrap entry vector in real mode, it fetches the parts of the kernel from
 * fw_cfg and enters the kernel's own setup code.
 *
 * Sources: Plug and Play BIOS Specification 1.0A, sections 3.2 and 3.3 (header
 * and return values); BIOS Boot Specification 1.01, section 3.3 (entry vector);
 * the firmware configuration interface as QEMU documents it (keys, DMA); the
 * kernel's Documentation/arch/x86/boot.rst ("Running the kernel").
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
#define DMA_ERROR     1
#define DMA_READ      0x0a /* select the item and read it */

#define KERNEL_ADDR   0x07
#define KERNEL_SIZE   0x08
#define INITRD_ADDR   0x0a
#define INITRD_SIZE   0x0b
#define KERNEL_DATA   0x11
#define INITRD_DATA   0x12
#define CMDLINE_ADDR  0x13
#define CMDLINE_SIZE  0x14
#define CMDLINE_DATA  0x15
#define SETUP_ADDR    0x16
#define SETUP_SIZE    0x17
#define SETUP_DATA    0x18

/* The stack, and above it the DMA request: free once firmware boots. */
#define STACK         0x7c00
#define REQUEST       0x7c00
/* End of the setup code's heap: boot-firmware.c tells the kernel the same. */
#define HEAP_END      0xe000

    .section .rodata
    .code16
    .balign 16
    .globl linuxboot_rom
    .globl linuxboot_rom_end

linuxboot_rom:
    .byte 0x55, 0xaa
    .byte (linuxboot_rom_end - linuxboot_rom) / 512
    jmp init
    .org linuxboot_rom + 0x1a
    .word pnp - linuxboot_rom

    .balign 16
pnp:
    .ascii "$PnP"
    .byte 1                         /* revision */
    .byte 2                         /* length in units of 16 bytes */
    .word 0                         /* no other header */
    .byte 0
    .byte 0                         /* checksum */
    .long 0
    .word maker - linuxboot_rom
    .word product - linuxboot_rom
    .byte 2, 0, 0                   /* class: none that needs to be known */
    .byte 0x02                      /* an initial program load device */
    .word 0                         /* boot connection vector */
    .word 0                         /* disconnect vector */
    .word boot - linuxboot_rom      /* bootstrap entry vector */
    .word 0
    .word 0                         /* static resources */

maker:
    .asciz "Godwit"
product:
    .asciz "Linux loader"

/* Called when firmware finds the ROM: it may boot from this device. */
init:
    movw $0x20, %ax
    lret

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
 * Item SI into memory: to the address in item DI, as many bytes as item BP
 * says.  Fields of the request are big endian.
 */
load:
    movw %bp, %ax
    call item
    testl %eax, %eax
    jz 3f
    bswapl %eax
    movl %eax, REQUEST + 4
    movw %di, %ax
    call item
    bswapl %eax
    movl %eax, REQUEST + 12
    xorl %eax, %eax
    movl %eax, REQUEST + 8
    movw %si, %ax
    shll $16, %eax
    movb $DMA_READ, %al
    bswapl %eax
    movl %eax, REQUEST
    xorl %eax, %eax
    movw $PORT_DMA_HIGH, %dx
    outl %eax, %dx
    movl $REQUEST, %eax
    bswapl %eax
    movw $PORT_DMA_LOW, %dx
    outl %eax, %dx
1:
    pause
    movl REQUEST, %eax
    testl %eax, %eax
    jz 3f
    bswapl %eax
    testb $DMA_ERROR, %al
    jz 1b
    /* Memory that isn't there: firmware tries the next device. */
    movw $message - linuxboot_rom, %si
2:
    movb %cs:(%si), %al
    incw %si
    testb %al, %al
    jz 4f
    movb $0x0e, %ah                 /* INT 10h: one character */
    movw $7, %bx
    int $0x10
    jmp 2b
3:
    ret
4:
    int $0x18

message:
    .asciz "Kernel not loaded: no memory where it belongs\r\n"

    /* The last byte is the checksum. */
    .byte 0
    .balign 512
linuxboot_rom_end:

    .code64
    .section .note.GNU-stack, "", @progbits
