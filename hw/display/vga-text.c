/*
 * VGA: text, drawn with the fonts that the guest put into plane 2.
 *
 * Only what is another character, color or font than what was drawn last is
 * drawn.  The cursor blinks, 16 frames on and off; characters don't blink:
 * the attribute's bit 7 is always the background's intensity.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga-priv.h"

#include "system/vm.h"

#define BLINK_NS (16 * NS_PER_S / 60)

enum {
    CURSOR_OFF = 0x20,
    LINE_GRAPHICS = 0x04, /* column 9 of 0xc0 to 0xdf is column 8 */
    NO_CURSOR = UINT_MAX,
};

static uint8_t plane_byte(const Vga *s, uint32_t a, unsigned plane)
{
    return s->vram.ram->host[(a * 4 + plane) & (s->vram_size - 1)];
}

/* Copies both fonts; true if they were others. */
static bool update_fonts(Vga *s)
{
    uint8_t now[2][VGA_FONT_BYTES];
    uint8_t v = s->sr[VGA_SR_FONTS];
    /* Font of characters with attribute bit 3 clear, and set. */
    unsigned n[2] = {
        (v & 3) | (v >> 2 & 4),
        (v >> 2 & 3) | (v >> 3 & 4),
    };

    for (unsigned f = 0; f < 2; f++) {
        /* Numbers 4 to 7 lie 8 KiB behind 0 to 3. */
        uint32_t base = (n[f] & 3) * 0x4000 + (n[f] >> 2) * 0x2000;

        for (unsigned i = 0; i < VGA_FONT_BYTES; i++) {
            now[f][i] = plane_byte(s, base + i, 2);
        }
    }
    if (memcmp(now, s->drawn->fonts, sizeof(now)) == 0) {
        return false;
    }
    memcpy(s->drawn->fonts, now, sizeof(now));
    return true;
}

/* A cell's character in bits 0 to 7, attribute in 8 to 15. */
static uint16_t cell_at(const Vga *s, const VgaMode *m, unsigned col,
                        unsigned row)
{
    uint32_t a = (m->start + row * m->line_bytes) / 4 + col;

    /* Below the line compare there is what is at the start of memory. */
    if (row * m->cell_h > m->line_compare) {
        unsigned first = m->line_compare / m->cell_h + 1;

        a = (row - first) * m->line_bytes / 4 + col;
    }
    return plane_byte(s, a, 0) | plane_byte(s, a, 1) << 8;
}

/* Where the cursor is to be seen; NO_CURSOR: nowhere. */
static unsigned cursor_cell(const Vga *s, const VgaMode *m)
{
    uint32_t pos = s->cr[VGA_CR_CURSOR_HI] << 8 | s->cr[VGA_CR_CURSOR_LO];
    int64_t now = clock_get_ns(s->dev->vm->clocks, CLOCK_TYPE_REALTIME);
    unsigned per_line = m->line_bytes / 4;

    pos -= m->start / 4;
    if ((s->cr[VGA_CR_CURSOR_START] & CURSOR_OFF) || per_line == 0 ||
        now / BLINK_NS % 2 != 0 || pos % per_line >= m->cols ||
        pos / per_line >= m->rows) {
        return NO_CURSOR;
    }
    return pos / per_line * m->cols + pos % per_line;
}

static void draw_cell(Vga *s, const VgaMode *m, unsigned cell, uint16_t what)
{
    unsigned x0 = cell % m->cols * m->cell_w, y0 = cell / m->cols * m->cell_h;
    unsigned ch = what & 0xff, attr = what >> 8;
    const uint8_t *glyph = &s->drawn->fonts[attr >> 3 & 1][ch * 32];
    uint32_t fg = s->drawn->colors[attr & 15];
    uint32_t bg = s->drawn->colors[attr >> 4];
    bool nine = m->cell_w == 9 && (s->ar[VGA_AR_MODE] & LINE_GRAPHICS) &&
                ch >= 0xc0 && ch <= 0xdf;

    for (unsigned y = 0; y < m->cell_h; y++) {
        uint32_t *to =
            s->con->surface.pixels + (size_t)(y0 + y) * m->width + x0;
        unsigned bits = glyph[y] << 1;

        if (nine) {
            bits |= glyph[y] & 1;
        }
        for (unsigned x = 0; x < m->cell_w; x++) {
            unsigned dot = m->cell_w == 16 ? x / 2 : x;

            to[x] = bits >> (8 - dot) & 1 ? fg : bg;
        }
    }
}

static void draw_cursor(Vga *s, const VgaMode *m, unsigned cell, uint8_t attr)
{
    unsigned x0 = cell % m->cols * m->cell_w, y0 = cell / m->cols * m->cell_h;
    unsigned first = s->cr[VGA_CR_CURSOR_START] & 0x1f;
    unsigned last = s->cr[VGA_CR_CURSOR_END] & 0x1f;
    uint32_t fg = s->drawn->colors[attr & 15];

    for (unsigned y = first; y <= last && y < m->cell_h; y++) {
        uint32_t *to =
            s->con->surface.pixels + (size_t)(y0 + y) * m->width + x0;

        for (unsigned x = 0; x < m->cell_w; x++) {
            to[x] = fg;
        }
    }
}

/* Is the cursor drawn as it is to be? */
static bool cursor_changed(const Vga *s, unsigned cell)
{
    const VgaDrawn *d = s->drawn;

    return d->cursor != (cell != NO_CURSOR) ||
           (d->cursor && (d->cursor_cell != cell ||
                          d->cursor_shape[0] != s->cr[VGA_CR_CURSOR_START] ||
                          d->cursor_shape[1] != s->cr[VGA_CR_CURSOR_END]));
}

void vga_draw_text(Vga *s, const VgaMode *m, bool all, Rect *damage)
{
    VgaDrawn *d = s->drawn;
    unsigned cursor = cursor_cell(s, m), ncells = m->cols * m->rows;
    unsigned old = d->cursor ? d->cursor_cell : NO_CURSOR;
    bool moved = cursor_changed(s, cursor);

    all |= update_fonts(s);
    for (unsigned i = 0; i < ncells; i++) {
        uint16_t now = cell_at(s, m, i % m->cols, i / m->cols);

        if (!all && now == d->cells[i] &&
            !(moved && (i == old || i == cursor))) {
            continue;
        }
        d->cells[i] = now;
        draw_cell(s, m, i, now);
        if (i == cursor) {
            draw_cursor(s, m, i, now >> 8);
        }
        vga_rect_add(damage, i % m->cols * m->cell_w, i / m->cols * m->cell_h,
                     m->cell_w, m->cell_h);
    }
    d->cursor = cursor != NO_CURSOR;
    d->cursor_cell = cursor;
    d->cursor_shape[0] = s->cr[VGA_CR_CURSOR_START];
    d->cursor_shape[1] = s->cr[VGA_CR_CURSOR_END];
}
