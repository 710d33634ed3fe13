/*
 * What firmware reads in the battery-backed memory of a PC.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_I386_PC_CMOS_H
#define HW_I386_PC_CMOS_H

#include "hw/ide/ide.h"

#define PC_CMOS_SIZE 128

/* Shutdown status: why the CPU was reset, for firmware to read. */
enum {
    CMOS_SHUTDOWN = 0x0f,
    CMOS_SHUTDOWN_RESUME = 0xfe, /* from a suspension to RAM */
};

typedef struct PcCmos {
    uint64_t below_4g, above_4g; /* bytes of RAM */
    unsigned ncpus;              /* 1.. */
    bool fd_bootchk;             /* floppies need a boot signature */
    uint8_t floppies[2];         /* drive types, 0: none */
} PcCmos;

/* The bytes from 14 up that a board sets; others are left as they are. */
void pc_cmos_fill(uint8_t cmos[PC_CMOS_SIZE], const PcCmos *c);
/* The same for hard disks, which may come later: both drives of 2 channels. */
void pc_cmos_put_disks(uint8_t cmos[PC_CMOS_SIZE], const IdeGeometry disks[4]);
/*
 * Boot order, of the letters a, c, d and n ("cad"); false with errp if there
 * is any other or more than three.
 */
bool pc_cmos_boot_order(uint8_t cmos[PC_CMOS_SIZE], const char *order,
                        bool fd_bootchk, GError **errp);

#endif
