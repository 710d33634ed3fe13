/*
 * VGA: the registers of the Bochs extension, for modes with many colors.
 *
 * While it is on, what its registers are given is made to fit: the mode into
 * the video memory, and the offsets into the picture.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga-priv.h"

#include "system/vm.h"

static unsigned vbe_bits(const Vga *s)
{
    return s->vbe_regs[VBE_BPP] == 15 ? 16 : s->vbe_regs[VBE_BPP];
}

/* Bytes of a line of that many pixels. */
static uint32_t vbe_line(const Vga *s, unsigned width)
{
    return width * vbe_bits(s) / 8;
}

/* Makes the registers fit each other and the memory. */
static void vbe_fit(Vga *s)
{
    uint16_t *r = s->vbe_regs;
    uint32_t line, lines, offset;

    if (r[VBE_BPP] != 4 && r[VBE_BPP] != 8 && r[VBE_BPP] != 15 &&
        r[VBE_BPP] != 16 && r[VBE_BPP] != 24 && r[VBE_BPP] != 32) {
        r[VBE_BPP] = 8;
    }
    r[VBE_XRES] = CLAMP(r[VBE_XRES] & ~7U, 8, VBE_MAX_XRES);
    r[VBE_VIRT_WIDTH] =
        CLAMP(r[VBE_VIRT_WIDTH] & ~7U, r[VBE_XRES], VBE_MAX_XRES);
    line = vbe_line(s, r[VBE_VIRT_WIDTH]);
    lines = s->vram_size / line;
    r[VBE_YRES] = CLAMP(r[VBE_YRES], 1, MIN(lines, VBE_MAX_YRES));
    r[VBE_X_OFFSET] = MIN(r[VBE_X_OFFSET], VBE_MAX_XRES);
    r[VBE_Y_OFFSET] = MIN(r[VBE_Y_OFFSET], VBE_MAX_YRES);
    offset = vbe_line(s, r[VBE_X_OFFSET]) + r[VBE_Y_OFFSET] * line;
    if (offset + r[VBE_YRES] * line > s->vram_size) {
        r[VBE_Y_OFFSET] = 0;
        offset = vbe_line(s, r[VBE_X_OFFSET]);
        if (offset + r[VBE_YRES] * line > s->vram_size) {
            r[VBE_X_OFFSET] = 0;
            offset = 0;
        }
    }
    r[VBE_VIRT_HEIGHT] = lines; /* modulo 65536 */
    s->vbe_line_offset = line;
    s->vbe_start_addr = offset / 4;
}

/* The VGA's own registers follow the mode, for firmware that looks at them. */
static void vbe_set_vga(Vga *s)
{
    unsigned w = s->vbe_regs[VBE_XRES], h = s->vbe_regs[VBE_YRES] - 1U;
    uint8_t *cr = s->cr;

    s->gr[VGA_GR_MISC] = (s->gr[VGA_GR_MISC] & ~0x0c) | 0x05;
    cr[VGA_CR_MODE] |= 3;
    cr[VGA_CR_OFFSET] = s->vbe_line_offset >> 3;
    cr[VGA_CR_H_DISPLAY] = (w >> 3) - 1;
    cr[VGA_CR_V_DISPLAY] = h;
    cr[VGA_CR_OVERFLOW] =
        (cr[VGA_CR_OVERFLOW] & ~0x42) | ((h >> 7) & 0x02) | ((h >> 3) & 0x40);
    /* No part of the screen shows the start of memory. */
    cr[VGA_CR_LINE_COMPARE] = 0xff;
    cr[VGA_CR_OVERFLOW] |= 0x10;
    cr[VGA_CR_MAX_SCAN] = (cr[VGA_CR_MAX_SCAN] & ~0x9f) | 0x40;
    s->gr[VGA_GR_MODE] &= ~0x60;
    if (s->vbe_regs[VBE_BPP] != 4) {
        s->gr[VGA_GR_MODE] |= 0x40;
    }
}

void vbe_update(Vga *s)
{
    if (vbe_enabled(s)) {
        vbe_set_vga(s);
    }
}

void vbe_loaded(Vga *s)
{
    if (vbe_enabled(s)) {
        vbe_fit(s);
    }
}

uint16_t vbe_read(const Vga *s, unsigned reg)
{
    bool caps = s->vbe_regs[VBE_ENABLE] & VBE_GETCAPS;

    if (reg == VBE_MEMORY_64K) {
        return s->vram_size / (64 * KiB);
    }
    if (reg >= VBE_NREGS) {
        return 0;
    }
    if (caps && reg == VBE_XRES) {
        return VBE_MAX_XRES;
    }
    if (caps && reg == VBE_YRES) {
        return VBE_MAX_YRES;
    }
    if (caps && reg == VBE_BPP) {
        return 32;
    }
    return s->vbe_regs[reg];
}

static void vbe_enable(Vga *s, uint16_t val)
{
    bool was = vbe_enabled(s);

    s->vbe_regs[VBE_ENABLE] = val;
    /* Also when it is on already. */
    if (was || !(val & VBE_ENABLED)) {
        s->bank_offset = 0;
        return;
    }
    s->vbe_regs[VBE_VIRT_WIDTH] = 0;
    s->vbe_regs[VBE_X_OFFSET] = 0;
    s->vbe_regs[VBE_Y_OFFSET] = 0;
    vbe_fit(s);
    if (!(val & VBE_NOCLEARMEM)) {
        uint64_t n = (uint64_t)s->vbe_regs[VBE_YRES] * s->vbe_line_offset;

        memset(s->vram.ram->host, 0, n);
        ram_block_set_dirty(&s->dev->vm->mem.ram, s->vram.ram, 0, n);
    }
    vbe_update(s);
}

void vbe_write(Vga *s, unsigned reg, uint16_t val)
{
    switch (reg) {
    case VBE_ID:
        if (val >= VBE_ID0 && val <= VBE_ID5) {
            s->vbe_regs[reg] = val;
        }
        break;
    case VBE_XRES:
    case VBE_YRES:
    case VBE_BPP:
    case VBE_VIRT_WIDTH:
    case VBE_X_OFFSET:
    case VBE_Y_OFFSET:
        s->vbe_regs[reg] = val;
        if (vbe_enabled(s)) {
            vbe_fit(s);
            vbe_update(s);
        }
        break;
    case VBE_BANK:
        val &= s->vbe_bank_mask;
        s->vbe_regs[reg] = val;
        s->bank_offset = (int32_t)val * 0x10000;
        break;
    case VBE_ENABLE:
        vbe_enable(s, val);
        break;
    default:
        break;
    }
}
