/*
 * The description of a monitor with 100 dots per inch.
 *
 * Guests keep per-monitor settings by what identifies it, so that this is
 * the machine type's: manufacturer "RHT", product 0x1234, made in 2014.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/edid.h"

#include "util/bswap.h"

enum {
    BLOCK = 128,
    DESCRIPTOR = 18,
    ESTABLISHED = 35, /* bytes of the base block */
    STANDARD = 38,
    DETAILED = 54,
    N_STANDARD = 8,
    REFRESH_MHZ = 75000,
    TAG_RANGES = 0xfd,
    TAG_NAME = 0xfc,
    TAG_ESTABLISHED_3 = 0xf7,
    TAG_DUMMY = 0x10,
};

/* A mode, and the bit or code that stands for it. */
typedef struct EdidMode {
    uint16_t xres, yres;
    uint8_t byte, val;
} EdidMode;

/* Bits of bytes from ESTABLISHED on, all at 60 Hz. */
static const EdidMode established[] = {
    { 640, 480, 0, 0x20 },
    { 800, 600, 0, 0x01 },
    { 1024, 768, 1, 0x08 },
};

/* Bits of the descriptor "established timings III", from its byte 6 on. */
static const EdidMode established_3[] = {
    { 1280, 768, 1, 0x40 },  { 1360, 768, 2, 0x80 },  { 1400, 1050, 2, 0x02 },
    { 1792, 1344, 4, 0x20 }, { 1856, 1392, 4, 0x08 }, { 1920, 1440, 5, 0x20 },
};

/* Aspect ratio in `val`; at 60 Hz.  2048 x 1152 and down. */
static const EdidMode standard[] = {
    { 2048, 1152, 0, 0xc0 }, { 1920, 1080, 0, 0xc0 }, { 1920, 1200, 0, 0x00 },
    { 1600, 1200, 0, 0x40 }, { 1680, 1050, 0, 0x00 }, { 1440, 900, 0, 0x00 },
    { 1280, 1024, 0, 0x80 }, { 1280, 960, 0, 0x40 },
};

/* Video identification codes of CTA-861. */
static const EdidMode cta[] = {
    { 5120, 2160, 0, 125 }, { 4096, 2160, 0, 101 }, { 3840, 2160, 0, 96 },
    { 2560, 1080, 0, 89 },  { 1920, 1080, 0, 31 },  { 3840, 2160, 0, 97 },
};

static bool edid_offered(const EdidInfo *info, const EdidMode *m)
{
    return (info->xmax == 0 || m->xres <= info->xmax) &&
           (info->ymax == 0 || m->yres <= info->ymax);
}

static void put_bits(uint8_t *to, const EdidInfo *info, const EdidMode *modes,
                     unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (edid_offered(info, &modes[i])) {
            to[modes[i].byte] |= modes[i].val;
        }
    }
}

static void put_standard(uint8_t *to, const EdidInfo *info)
{
    unsigned n = 0;

    memset(to, 0x01, 2 * N_STANDARD); /* unused */
    for (unsigned i = 0; i < G_N_ELEMENTS(standard); i++) {
        if (edid_offered(info, &standard[i])) {
            to[2 * n] = standard[i].xres / 8 - 31;
            to[2 * n + 1] = standard[i].val;
            n++;
        }
    }
}

/* The preferred mode, with blanking as a share of it. */
static void put_detailed(uint8_t *to, const EdidInfo *info)
{
    uint32_t x = info->xres, y = info->yres;
    uint32_t rate = info->refresh_rate != 0 ? info->refresh_rate : REFRESH_MHZ;
    uint32_t xblank = x * 35 / 100, yblank = y * 35 / 1000;
    uint32_t xfront = x * 25 / 100, yfront = y * 5 / 1000;
    uint32_t xsync = x * 3 / 100, ysync = y * 5 / 1000;
    uint32_t xmm = x * 254 / 1000, ymm = y * 254 / 1000;
    uint64_t clock = (uint64_t)rate * (x + xblank) * (y + yblank) / 10000000;

    stw_le_p(to, MIN(clock, UINT16_MAX)); /* 10 kHz */
    to[2] = x;
    to[3] = xblank;
    to[4] = (x >> 8) << 4 | (xblank >> 8 & 0x0f);
    to[5] = y;
    to[6] = yblank;
    to[7] = (y >> 8) << 4 | (yblank >> 8 & 0x0f);
    to[8] = xfront;
    to[9] = xsync;
    to[10] = (yfront & 0x0f) << 4 | (ysync & 0x0f);
    to[11] = (xfront >> 8 & 3) << 6 | (xsync >> 8 & 3) << 4 |
             (yfront >> 4 & 3) << 2 | (ysync >> 4 & 3);
    to[12] = xmm;
    to[13] = ymm;
    to[14] = (xmm >> 8 & 0x0f) << 4 | (ymm >> 8 & 0x0f);
    to[17] = 0x18; /* digital, separate sync */
}

static void put_ranges(uint8_t *to)
{
    /* 50 to 125 Hz, 30 to 160 kHz, up to 2550 MHz; no formula. */
    static const uint8_t ranges[] = { 50, 125, 30, 160, 255, 1, '\n' };

    to[3] = TAG_RANGES;
    memset(to + 5, ' ', DESCRIPTOR - 5);
    memcpy(to + 5, ranges, sizeof(ranges));
}

static void put_name(uint8_t *to)
{
    static const char name[] = "QEMU Monitor\n";

    to[3] = TAG_NAME;
    memcpy(to + 5, name, DESCRIPTOR - 5);
}

static void put_checksum(uint8_t *block)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < BLOCK - 1; i++) {
        sum += block[i];
    }
    block[BLOCK - 1] = -sum;
}

static void put_cta(uint8_t *to, const EdidInfo *info)
{
    unsigned n = 0, at;

    to[0] = 0x02;
    to[1] = 0x03;
    for (unsigned i = 0; i < G_N_ELEMENTS(cta); i++) {
        if (edid_offered(info, &cta[i])) {
            to[5 + n++] = cta[i].val;
        }
    }
    to[4] = 0x40 | n; /* video data */
    to[2] = 5 + n;
    for (at = to[2]; at + DESCRIPTOR < BLOCK; at += DESCRIPTOR) {
        to[at + 3] = TAG_DUMMY;
    }
    put_checksum(to);
}

void edid_make(uint8_t edid[EDID_SIZE], const EdidInfo *info)
{
    static const uint8_t head[] = {
        0x00, 0xff,        0xff, 0xff, 0xff, 0xff,
        0xff, 0x00,        0x49, 0x14,          /* "RHT", five bits a letter */
        0x34, 0x12,        0,    0,    0,    0, /* product, serial number */
        42,   2014 - 1990,                      /* week and year */
        1,    4,                                /* version */
        0xa5, /* digital, 8 bits, DisplayPort */
    };
    /* Gamma 2.2, preferred timing first; sRGB's colors and white. */
    static const uint8_t colors[] = { 0x78, 0x06, 0xee, 0x91, 0xa3, 0x54,
                                      0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54 };
    uint8_t *d = edid + DETAILED;

    memset(edid, 0, EDID_SIZE);
    memcpy(edid, head, sizeof(head));
    edid[21] = info->xres * 254 / 10000; /* cm */
    edid[22] = info->yres * 254 / 10000;
    memcpy(edid + 23, colors, sizeof(colors));
    put_bits(edid + ESTABLISHED, info, established, G_N_ELEMENTS(established));
    put_standard(edid + STANDARD, info);
    put_detailed(d, info);
    d += DESCRIPTOR;
    d[3] = TAG_ESTABLISHED_3;
    d[5] = 10; /* version */
    put_bits(d + 6, info, established_3, G_N_ELEMENTS(established_3));
    put_ranges(d + DESCRIPTOR);
    put_name(d + 2 * DESCRIPTOR);
    edid[126] = 1; /* extensions */
    put_checksum(edid);
    put_cta(edid + BLOCK, info);
}
