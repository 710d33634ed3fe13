/*
 * VGA: the guest's window into video memory, 0xa0000 to 0xbffff.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga-priv.h"

#include "system/vm.h"

enum {
    CHAIN4 = 0x08,   /* VGA_SR_MEM_MODE */
    ODD_EVEN = 0x10, /* VGA_GR_MODE */
    READ_COMPARE = 0x08,
    NO_OFFSET = -1,
};

/* Bits 0 to 3 of n, each as a byte of ones or zeros. */
static uint32_t vga_planes(unsigned n)
{
    uint32_t v = 0;

    for (unsigned p = 0; p < 4; p++) {
        if (n & (1U << p)) {
            v |= UINT32_C(0xff) << (8 * p);
        }
    }
    return v;
}

static uint32_t all_planes(uint8_t byte)
{
    return byte * UINT32_C(0x01010101);
}

static bool vga_chain4(const Vga *s)
{
    return vbe_enabled(s) ? s->vbe_regs[VBE_BPP] != 4
                          : s->sr[VGA_SR_MEM_MODE] & CHAIN4;
}

static unsigned map_mask(const Vga *s)
{
    return vbe_enabled(s) ? 0x0f : s->sr[VGA_SR_MAP_MASK];
}

/* From the start of the window to an address of video memory; or NO_OFFSET */
static int64_t window_address(const Vga *s, uint32_t off)
{
    switch ((s->gr[VGA_GR_MISC] >> 2) & 3) {
    case 0:
        return off;
    case 1:
        return off < 0x10000 ? (int64_t)off + s->bank_offset : NO_OFFSET;
    case 2:
        return off >= 0x10000 && off < 0x18000 ? (int64_t)off - 0x10000
                                               : NO_OFFSET;
    default:
        return off >= 0x18000 ? (int64_t)off - 0x18000 : NO_OFFSET;
    }
}

static uint8_t *vga_vram(const Vga *s)
{
    return s->vram.ram->host;
}

uint8_t vga_mem_read(Vga *s, uint32_t off)
{
    int64_t a = window_address(s, off);
    unsigned plane = s->gr[VGA_GR_READ_MAP] & 3; /* a stream may have more */
    uint32_t diff;

    if (a < 0) {
        return 0xff;
    }
    if (vga_chain4(s)) {
        return a < s->vram_size ? vga_vram(s)[a] : 0xff;
    }
    if (s->gr[VGA_GR_MODE] & ODD_EVEN) {
        a = (a >> 1) * 4 + ((plane & 2) | (a & 1));
        return a < s->vram_size ? vga_vram(s)[a] : 0xff;
    }
    if (a * 4 >= s->vram_size) {
        return 0xff;
    }
    memcpy(&s->latch, vga_vram(s) + a * 4, 4);
    if (!(s->gr[VGA_GR_MODE] & READ_COMPARE)) {
        return s->latch >> (8 * plane);
    }
    diff = (s->latch ^ vga_planes(s->gr[VGA_GR_COLOR_COMPARE])) &
           vga_planes(s->gr[VGA_GR_DONT_CARE]);
    return ~(diff | diff >> 8 | diff >> 16 | diff >> 24);
}

/* What the four planes get, before the map mask. */
static uint32_t planar_data(const Vga *s, uint8_t val)
{
    const uint8_t *gr = s->gr;
    unsigned count = gr[VGA_GR_ROTATE] & 7;
    uint8_t rotated = (val >> count) | (val << (8 - count));
    uint32_t bits = all_planes(gr[VGA_GR_BIT_MASK]);
    uint32_t data = all_planes(rotated);

    switch (gr[VGA_GR_MODE] & 3) {
    case 0: {
        uint32_t set = vga_planes(gr[VGA_GR_ENABLE_SET_RESET]);

        data = (data & ~set) | (vga_planes(gr[VGA_GR_SET_RESET]) & set);
        break;
    }
    case 1:
        return s->latch;
    case 2:
        data = vga_planes(val);
        break;
    default:
        bits &= data;
        data = vga_planes(gr[VGA_GR_SET_RESET]);
        break;
    }
    switch (gr[VGA_GR_ROTATE] >> 3) {
    case 1:
        data &= s->latch;
        break;
    case 2:
        data |= s->latch;
        break;
    case 3:
        data ^= s->latch;
        break;
    default:
        break;
    }
    return (data & bits) | (s->latch & ~bits);
}

/* Migration and the screen are told of it. */
static void vga_written(Vga *s, uint64_t off, unsigned len)
{
    ram_block_set_dirty(&s->dev->vm->mem.ram, s->vram.ram, off, len);
}

void vga_mem_write(Vga *s, uint32_t off, uint8_t val)
{
    int64_t a = window_address(s, off);
    uint32_t mask = vga_planes(map_mask(s));
    uint32_t old;

    if (a < 0) {
        return;
    }
    if (vga_chain4(s)) {
        if (a < s->vram_size && (map_mask(s) & (1U << (a & 3)))) {
            vga_vram(s)[a] = val;
            vga_written(s, a, 1);
        }
        return;
    }
    if (s->gr[VGA_GR_MODE] & ODD_EVEN) {
        unsigned plane = (s->gr[VGA_GR_READ_MAP] & 2) | (a & 1);

        a = (a >> 1) * 4 + plane;
        if (a < s->vram_size && (map_mask(s) & (1U << plane))) {
            vga_vram(s)[a] = val;
            vga_written(s, a, 1);
        }
        return;
    }
    if (a * 4 >= s->vram_size) {
        return;
    }
    memcpy(&old, vga_vram(s) + a * 4, 4);
    old = (planar_data(s, val) & mask) | (old & ~mask);
    memcpy(vga_vram(s) + a * 4, &old, 4);
    vga_written(s, a * 4, 4);
}
