/*
 * VGA: the registers behind ports 0x3b4 to 0x3da.
 *
 * Bits that a register doesn't have read as zero.  What the DAC is given is
 * kept in full: only the screen shows six bits of it.  The two bits of input
 * status that change with the beam change with each look at them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga-priv.h"

enum {
    MSR_COLOR = 0x01, /* CRT controller at 0x3d4, else 0x3b4 */
    ST01_BEAM = 0x09, /* display disabled, vertical retrace */
    CR_PROTECT = 0x80,
    CR7_LINE_COMPARE = 0x10,
};

static const uint8_t sr_mask[8] = { 0x03, 0x3d, 0x0f, 0x3f,
                                    0x0e, 0x00, 0x00, 0xff };
static const uint8_t gr_mask[16] = { 0x0f, 0x0f, 0x0f, 0x1f, 0x03,
                                     0x7b, 0x0f, 0x0f, 0xff };

static uint8_t ar_mask(unsigned i)
{
    switch (i) {
    case VGA_AR_MODE:
        return 0xef;
    case VGA_AR_OVERSCAN:
        return 0xff;
    case VGA_AR_PAN:
    case VGA_AR_COLOR_SELECT:
        return 0x0f;
    default:
        return 0x3f;
    }
}

/* Is the port one of the pair that is switched off? */
static bool port_is_off(const Vga *s, unsigned port)
{
    return s->msr & MSR_COLOR ? port >= 0x3b0 && port <= 0x3bf
                              : port >= 0x3d0 && port <= 0x3df;
}

static uint8_t dac_read(Vga *s)
{
    uint8_t val = s->palette[s->dac_read_index * 3 + s->dac_sub_index];

    if (++s->dac_sub_index == 3) {
        s->dac_sub_index = 0;
        s->dac_read_index++;
    }
    return val;
}

static void dac_write(Vga *s, uint8_t val)
{
    s->dac_cache[s->dac_sub_index] = val;
    if (++s->dac_sub_index == 3) {
        memcpy(&s->palette[s->dac_write_index * 3], s->dac_cache, 3);
        s->dac_sub_index = 0;
        s->dac_write_index++;
    }
}

uint8_t vga_port_read(Vga *s, unsigned port)
{
    if (port_is_off(s, port)) {
        return 0xff;
    }
    switch (port) {
    case 0x3c0:
        return s->ar_flip_flop ? 0 : s->ar_index;
    case 0x3c1: {
        unsigned i = s->ar_index & 0x1f;

        return i < sizeof(s->ar) ? s->ar[i] : 0;
    }
    case 0x3c2:
        return s->st00;
    case 0x3c4:
        return s->sr_index;
    case 0x3c5:
        return s->sr[s->sr_index];
    case 0x3c7:
        return s->dac_state;
    case 0x3c8:
        return s->dac_write_index;
    case 0x3c9:
        return dac_read(s);
    case 0x3ca:
        return s->fcr;
    case 0x3cc:
        return s->msr;
    case 0x3ce:
        return s->gr_index;
    case 0x3cf:
        return s->gr[s->gr_index];
    case 0x3b4:
    case 0x3d4:
        return s->cr_index;
    case 0x3b5:
    case 0x3d5:
        return s->cr[s->cr_index];
    case 0x3ba:
    case 0x3da:
        s->st01 ^= ST01_BEAM;
        s->ar_flip_flop = 0;
        return s->st01;
    default:
        return 0;
    }
}

static void ar_write(Vga *s, uint8_t val)
{
    unsigned i = s->ar_index & 0x1f;

    if (!s->ar_flip_flop) {
        s->ar_index = val & 0x3f;
    } else if (i < sizeof(s->ar)) {
        s->ar[i] = val & ar_mask(i);
    }
    s->ar_flip_flop ^= 1;
}

static void cr_write(Vga *s, uint8_t val)
{
    unsigned i = s->cr_index;

    if ((s->cr[VGA_CR_V_SYNC_END] & CR_PROTECT) && i <= VGA_CR_OVERFLOW) {
        if (i == VGA_CR_OVERFLOW) {
            s->cr[i] =
                (s->cr[i] & ~CR7_LINE_COMPARE) | (val & CR7_LINE_COMPARE);
        }
        return;
    }
    s->cr[i] = val;
}

void vga_port_write(Vga *s, unsigned port, uint8_t val)
{
    if (port_is_off(s, port)) {
        return;
    }
    switch (port) {
    case 0x3c0:
        ar_write(s, val);
        break;
    case 0x3c2:
        s->msr = val & ~0x10;
        break;
    case 0x3c4:
        s->sr_index = val & 7;
        break;
    case 0x3c5:
        s->sr[s->sr_index] = val & sr_mask[s->sr_index];
        break;
    case 0x3c7:
        s->dac_read_index = val;
        s->dac_sub_index = 0;
        s->dac_state = 3;
        break;
    case 0x3c8:
        s->dac_write_index = val;
        s->dac_sub_index = 0;
        s->dac_state = 0;
        break;
    case 0x3c9:
        dac_write(s, val);
        break;
    case 0x3ce:
        s->gr_index = val & 0x0f;
        break;
    case 0x3cf:
        s->gr[s->gr_index] = val & gr_mask[s->gr_index];
        vbe_update(s);
        break;
    case 0x3b4:
    case 0x3d4:
        s->cr_index = val;
        break;
    case 0x3b5:
    case 0x3d5:
        cr_write(s, val);
        vbe_update(s);
        break;
    case 0x3ba:
    case 0x3da:
        s->fcr = val & 0x10;
        break;
    default:
        break;
    }
}
