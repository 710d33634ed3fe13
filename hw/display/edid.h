/*
 * The description that a monitor gives of itself.
 * (VESA Enhanced EDID Standard, release A, revision 2; CTA-861.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_DISPLAY_EDID_H
#define HW_DISPLAY_EDID_H

#include <stdint.h>

#define EDID_SIZE 256 /* the base block and one extension */

enum {
    EDID_XRES = 1280, /* where users say nothing */
    EDID_YRES = 800,
    EDID_RES_MAX = 4095, /* of a detailed timing */
};

typedef struct EdidInfo {
    uint32_t xres, yres;   /* preferred; 1 to EDID_RES_MAX */
    uint32_t xmax, ymax;   /* offers no larger mode; 0: no limit */
    uint32_t refresh_rate; /* 1/1000 Hz; 0: 75 Hz */
} EdidInfo;

void edid_make(uint8_t edid[EDID_SIZE], const EdidInfo *info);

#endif
