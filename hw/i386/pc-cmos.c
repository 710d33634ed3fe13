/*
 * What firmware reads in the battery-backed memory of a PC.
 *
 * Places up to 0x33: IBM PC AT technical reference, "real-time clock/CMOS
 * RAM"; those of memory above 16 MiB, boot order and CPU count are
 * SeaBIOS's, as its documentation of QEMU lists them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/pc-cmos.h"

#include "util/bswap.h"
#include "util/error.h"

enum {
    CMOS_FLOPPIES = 0x10,
    CMOS_DISK_TYPES = 0x12,
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KIB = 0x15,   /* 16 bits, below 640 KiB */
    CMOS_EXT_KIB = 0x17,    /* above 1 MiB, at most 64 MiB - 1 KiB */
    CMOS_DISK_EXT = 0x19,   /* types beyond 15, one byte each */
    CMOS_DISK_GEOM = 0x1b,  /* user-defined types, nine bytes each */
    CMOS_EXT_KIB2 = 0x30,   /* again */
    CMOS_HIGH_UNITS = 0x34, /* 64 KiB units above 16 MiB, below 4 GiB */
    CMOS_BOOT2 = 0x38,      /* third boot device; bit 0: no floppy check */
    CMOS_TRANSLATION = 0x39,
    CMOS_BOOT1 = 0x3d,       /* first and second boot device */
    CMOS_ABOVE_UNITS = 0x5b, /* 24 bits, 64 KiB units above 4 GiB */
    CMOS_CPUS = 0x5f,        /* CPUs less one */

    EQUIPMENT_FLOPPY = 1 << 0,
    EQUIPMENT_FPU = 1 << 1,
    EQUIPMENT_MOUSE = 1 << 2,
    EQUIPMENT_FLOPPIES_SHIFT = 6,

    DISK_TYPE_EXT = 0xf,
    DISK_TYPE_USER = 47,
    DISK_GEOM_SIZE = 9,
    UNIT = 64 * 1024,
};

static void cmos_put_memory(uint8_t *cmos, const PcCmos *c)
{
    uint64_t ext = c->below_4g > MiB ? (c->below_4g - MiB) / KiB : 0;
    uint64_t high =
        c->below_4g > 16 * MiB ? (c->below_4g - 16 * MiB) / UNIT : 0;
    uint64_t above = MIN(c->above_4g / UNIT, UINT64_C(0xffffff));

    stw_le_p(cmos + CMOS_BASE_KIB, MIN(c->below_4g / KiB, 640));
    stw_le_p(cmos + CMOS_EXT_KIB, MIN(ext, UINT16_MAX));
    stw_le_p(cmos + CMOS_EXT_KIB2, MIN(ext, UINT16_MAX));
    stw_le_p(cmos + CMOS_HIGH_UNITS, MIN(high, UINT16_MAX));
    stw_le_p(cmos + CMOS_ABOVE_UNITS, above);
    cmos[CMOS_ABOVE_UNITS + 2] = above >> 16;
}

/* Disks of the first channel have a user-defined type with their geometry. */
void pc_cmos_put_disks(uint8_t cmos[PC_CMOS_SIZE], const IdeGeometry disks[4])
{
    cmos[CMOS_DISK_TYPES] = 0;
    cmos[CMOS_TRANSLATION] = 0;
    for (unsigned i = 0; i < 2; i++) {
        const IdeGeometry *g = &disks[i];
        uint8_t *p = cmos + CMOS_DISK_GEOM + i * DISK_GEOM_SIZE;

        if (g->cylinders == 0) {
            continue;
        }
        cmos[CMOS_DISK_TYPES] |= DISK_TYPE_EXT << (i == 0 ? 4 : 0);
        cmos[CMOS_DISK_EXT + i] = DISK_TYPE_USER;
        stw_le_p(p, g->cylinders);
        p[2] = g->heads;
        stw_le_p(p + 3, UINT16_MAX);               /* no precompensation */
        p[5] = 0xc0 | (g->heads > 8 ? 1 << 3 : 0); /* control byte */
        stw_le_p(p + 6, g->cylinders);             /* landing zone */
        p[8] = g->sectors;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (disks[i].cylinders != 0) {
            cmos[CMOS_TRANSLATION] |= disks[i].translation << (2 * i);
        }
    }
}

static void cmos_put_floppies(uint8_t *cmos, const PcCmos *c)
{
    unsigned n = (c->floppies[0] != 0) + (c->floppies[1] != 0);

    cmos[CMOS_FLOPPIES] = c->floppies[0] << 4 | c->floppies[1];
    cmos[CMOS_EQUIPMENT] = EQUIPMENT_FPU | EQUIPMENT_MOUSE;
    if (n > 0) {
        cmos[CMOS_EQUIPMENT] |=
            EQUIPMENT_FLOPPY | (n - 1) << EQUIPMENT_FLOPPIES_SHIFT;
    }
}

void pc_cmos_fill(uint8_t cmos[PC_CMOS_SIZE], const PcCmos *c)
{
    cmos_put_memory(cmos, c);
    cmos_put_floppies(cmos, c);
    cmos[CMOS_CPUS] = MIN(c->ncpus - 1, UINT8_MAX);
}

/* Codes of the boot devices; 0: none. */
static uint8_t boot_device_code(char letter)
{
    switch (letter) {
    case 'a':
    case 'b':
        return 1;
    case 'c':
        return 2;
    case 'd':
        return 3;
    case 'n':
        return 4;
    default:
        return 0;
    }
}

bool pc_cmos_boot_order(uint8_t cmos[PC_CMOS_SIZE], const char *order,
                        bool fd_bootchk, GError **errp)
{
    uint8_t code[3] = { 0 };
    size_t n = strlen(order);

    if (n > G_N_ELEMENTS(code)) {
        error_setf(errp, "boot order '%s': at most %zu devices", order,
                   G_N_ELEMENTS(code));
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        code[i] = boot_device_code(order[i]);
        if (code[i] == 0) {
            error_setf(errp, "boot order '%s': no device '%c' here", order,
                       order[i]);
            return false;
        }
    }
    cmos[CMOS_BOOT1] = code[1] << 4 | code[0];
    cmos[CMOS_BOOT2] = code[2] << 4 | (fd_bootchk ? 0 : 1);
    return true;
}
