/*
 * VGA: what the registers and video memory show, as pixels.
 *
 * A refresh finds out the mode; if it, a color or the start of the picture is
 * another than last time, all of it is drawn.  Otherwise only the lines are
 * whose pages the display's dirty log reports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga-priv.h"

#include "system/memory.h"
#include "system/vm.h"
#include "util/bitmap.h"
#include "util/bswap.h"

enum {
    CRTC_ROW_SCAN_0 = 0x01, /* 0: bit 0 of the row scan is address bit 13 */
    CRTC_ROW_SCAN_1 = 0x02, /* the same with bit 1 and bit 14 */
    CRTC_BYTE_MODE = 0x40,
    PIXELS_PER_PASS = 8, /* of 16 colors, from one word of four planes */
};

static unsigned crtc_height(const Vga *s)
{
    const uint8_t *cr = s->cr;

    return (cr[VGA_CR_V_DISPLAY] | (cr[VGA_CR_OVERFLOW] & 0x02) << 7 |
            (cr[VGA_CR_OVERFLOW] & 0x40) << 3) +
           1U;
}

static void mode_text(const Vga *s, VgaMode *m)
{
    unsigned clocking = s->sr[VGA_SR_CLOCKING];

    m->kind = VGA_TEXT;
    m->cell_w = clocking & 8 ? 16 : clocking & 1 ? 8 : 9;
    m->cell_h = (s->cr[VGA_CR_MAX_SCAN] & 0x1f) + 1U;
    m->cols = s->cr[VGA_CR_H_DISPLAY] + 1U;
    m->rows = CLAMP(crtc_height(s) / m->cell_h, 1, 128);
    m->width = m->cols * m->cell_w;
    m->height = m->rows * m->cell_h;
}

static void mode_graphics(const Vga *s, VgaMode *m)
{
    m->width = (s->cr[VGA_CR_H_DISPLAY] + 1U) * 8;
    m->height = crtc_height(s);
    m->xscale = s->sr[VGA_SR_CLOCKING] & 8 ? 2 : 1;
    m->width *= m->xscale;
    switch ((s->gr[VGA_GR_MODE] >> 5) & 3) {
    case 0:
        m->kind = VGA_PLANAR;
        m->pan = s->ar[VGA_AR_PAN] & 7;
        break;
    case 1:
        m->kind = VGA_CGA;
        break;
    default:
        m->kind = VGA_PACKED;
        m->xscale = 2;
        m->pan = (s->ar[VGA_AR_PAN] & 7) / 2;
        break;
    }
}

static void mode_vbe(const Vga *s, VgaMode *m)
{
    m->bits = s->vbe_regs[VBE_BPP];
    m->kind = m->bits == 4 ? VGA_PLANAR : m->bits == 8 ? VGA_PACKED : VGA_RGB;
    m->width = s->vbe_regs[VBE_XRES];
    m->height = s->vbe_regs[VBE_YRES];
    m->xscale = 1;
    m->yscale = 1;
    m->start = s->vbe_start_addr * 4;
    m->line_bytes = s->vbe_line_offset;
    m->line_compare = UINT_MAX;
    m->big_endian = s->big_endian_fb;
    m->crtc_mode = CRTC_ROW_SCAN_0 | CRTC_ROW_SCAN_1;
}

VgaMode vga_mode(const Vga *s)
{
    const uint8_t *cr = s->cr;
    VgaMode m = { .kind = VGA_BLANK };

    m.width = s->con->surface.width;
    m.height = s->con->surface.height;
    if (!(s->ar_index & VGA_AR_PAS)) {
        return m;
    }
    if (vbe_enabled(s)) {
        mode_vbe(s, &m);
        return m;
    }
    m.start = (cr[VGA_CR_START_HI] << 8 | cr[VGA_CR_START_LO]) * 4U;
    m.line_bytes = cr[VGA_CR_OFFSET] * 8U;
    m.line_compare = cr[VGA_CR_LINE_COMPARE] |
                     (cr[VGA_CR_OVERFLOW] & 0x10) << 4 |
                     (cr[VGA_CR_MAX_SCAN] & 0x40) << 3;
    m.crtc_mode = cr[VGA_CR_MODE];
    m.yscale = cr[VGA_CR_MAX_SCAN] & 0x80 ? 2 : 1;
    if (s->gr[VGA_GR_MISC] & 1) {
        m.start += ((cr[VGA_CR_PRESET_SCAN] >> 5) & 3) * 4U;
        mode_graphics(s, &m);
    } else {
        mode_text(s, &m);
    }
    return m;
}

/* Colors */

static uint32_t dac_color(const Vga *s, unsigned i)
{
    bool wide = s->vbe_regs[VBE_ENABLE] & VBE_8BIT_DAC;
    uint32_t rgb = 0;

    for (unsigned c = 0; c < 3; c++) {
        uint8_t v = s->palette[i * 3 + c];

        if (!wide) {
            /* As pictures of 7.2 have it; white is white. */
            v &= 0x3f;
            v = v << 2 | (v & 1) * 3;
        }
        rgb = rgb << 8 | v;
    }
    return rgb;
}

/* The palette of 16 colors leads into the DAC's 256. */
static unsigned palette_index(const Vga *s, unsigned i)
{
    unsigned select = s->ar[VGA_AR_COLOR_SELECT];

    return s->ar[VGA_AR_MODE] & 0x80 ? (select & 0x0f) << 4 | (s->ar[i] & 0x0f)
                                     : (select & 0x0c) << 4 | (s->ar[i] & 0x3f);
}

/* True if one of them has changed. */
static bool update_colors(Vga *s, const VgaMode *m)
{
    uint32_t colors[256] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(colors); i++) {
        if (m->kind == VGA_PACKED) {
            colors[i] = dac_color(s, i);
        } else if (i < 16) {
            colors[i] = dac_color(s, palette_index(s, i));
        }
    }
    if (memcmp(colors, s->drawn->colors, sizeof(colors)) == 0) {
        return false;
    }
    memcpy(s->drawn->colors, colors, sizeof(colors));
    return true;
}

/* Lines */

/* Memory is read modulo its size: there is no address that isn't there. */
static uint8_t vram_byte(const Vga *s, uint32_t a)
{
    return s->vram.ram->host[a & (s->vram_size - 1)];
}

static uint32_t line_address(const Vga *s, const VgaMode *m, unsigned y)
{
    unsigned scans = (s->cr[VGA_CR_MAX_SCAN] & 0x1f) + 1U;
    uint32_t a = m->start;
    unsigned bit = m->crtc_mode & CRTC_BYTE_MODE ? 15 : 14;
    unsigned scan;

    if (m->line_compare == UINT_MAX) {
        return a + y * m->line_bytes;
    }
    if (y > m->line_compare) {
        y -= m->line_compare + 1;
        a = 0;
    }
    y /= m->yscale;
    scan = y % scans;
    a += y / scans * m->line_bytes;
    if (!(m->crtc_mode & CRTC_ROW_SCAN_0)) {
        a = (a & ~(1U << bit)) | (scan & 1) << bit;
    }
    if (!(m->crtc_mode & CRTC_ROW_SCAN_1)) {
        a = (a & ~(2U << bit)) | (scan >> 1 & 1) << (bit + 1);
    }
    return a;
}

/* Bytes of video memory that a line is made of. */
static uint32_t line_size(const VgaMode *m)
{
    unsigned pixels = m->width / m->xscale + m->pan;

    switch (m->kind) {
    case VGA_PACKED:
        return pixels;
    case VGA_RGB:
        return pixels * ((m->bits + 7) / 8);
    default:
        return (pixels + PIXELS_PER_PASS - 1) / PIXELS_PER_PASS * 4;
    }
}

/* Color of pixel x of the line at `a`, 16 colors. */
static unsigned planar_pixel(const Vga *s, uint32_t a, unsigned x)
{
    unsigned bit = 7 - x % 8, v = 0;

    a += x / 8 * 4;
    for (unsigned p = 0; p < 4; p++) {
        v |= (vram_byte(s, a + p) >> bit & 1U) << p;
    }
    return v & s->ar[VGA_AR_PLANES];
}

/* Two bits from planes 0 and 1 in turn, two more from planes 2 and 3. */
static unsigned cga_pixel(const Vga *s, uint32_t a, unsigned x)
{
    unsigned shift = 6 - x % 4 * 2;

    a += x / 8 * 4 + (x / 4 & 1);
    return ((vram_byte(s, a) >> shift & 3U) |
            (vram_byte(s, a + 2) >> shift & 3U) << 2) &
           s->ar[VGA_AR_PLANES];
}

static uint32_t rgb_pixel(const Vga *s, const VgaMode *m, uint32_t a,
                          unsigned x)
{
    unsigned size = (m->bits + 7) / 8;
    uint32_t v = 0, r, g, b;

    a += x * size;
    for (unsigned i = 0; i < size; i++) {
        unsigned at = m->big_endian ? size - 1 - i : i;

        v |= (uint32_t)vram_byte(s, a + at) << (8 * i);
    }
    if (m->bits >= 24) {
        return v & 0xffffff;
    }
    b = v & 0x1f;
    if (m->bits == 15) {
        g = v >> 5 & 0x1f;
        g = g << 3 | g >> 2;
        r = v >> 10 & 0x1f;
    } else {
        g = v >> 5 & 0x3f;
        g = g << 2 | g >> 4;
        r = v >> 11;
    }
    return (r << 3 | r >> 2) << 16 | g << 8 | (b << 3 | b >> 2);
}

/* The usual case: 32 bits, and the line is in one piece. */
static bool draw_copy(const Vga *s, const VgaMode *m, uint32_t a, uint32_t *to)
{
    const uint8_t *from = s->vram.ram->host + a;

    if (m->kind != VGA_RGB || m->bits != 32 || m->big_endian ||
        !range_fits(a, m->width * 4, s->vram_size)) {
        return false;
    }
    for (unsigned x = 0; x < m->width; x++) {
        to[x] = ldl_le_p(from + x * 4) & 0xffffff;
    }
    return true;
}

static void draw_line(const Vga *s, const VgaMode *m, uint32_t a, uint32_t *to)
{
    const uint32_t *colors = s->drawn->colors;

    if (draw_copy(s, m, a, to)) {
        return;
    }
    for (unsigned x = 0; x < m->width; x++) {
        unsigned from = x / m->xscale + m->pan;

        switch (m->kind) {
        case VGA_PLANAR:
            to[x] = colors[planar_pixel(s, a, from)];
            break;
        case VGA_CGA:
            to[x] = colors[cga_pixel(s, a, from)];
            break;
        case VGA_PACKED:
            to[x] = colors[vram_byte(s, a + from)];
            break;
        default:
            to[x] = rgb_pixel(s, m, a, from);
            break;
        }
    }
}

/* Is one of the pages of a line in the bitmap? */
static bool line_is_dirty(const Vga *s, const unsigned long *dirty, uint32_t a,
                          uint32_t len)
{
    uint32_t npages = s->vram_size >> RAM_PAGE_BITS;
    uint32_t last = ((a & (RAM_PAGE_SIZE - 1)) + len - 1) >> RAM_PAGE_BITS;

    for (uint32_t i = 0; i <= last; i++) {
        if (bitmap_test(dirty, ((a >> RAM_PAGE_BITS) + i) % npages)) {
            return true;
        }
    }
    return false;
}

/* dirty NULL: draws all lines. */
static void draw_graphics(Vga *s, const VgaMode *m, const unsigned long *dirty)
{
    uint32_t len = line_size(m);
    Rect run = { .w = m->width };

    for (unsigned y = 0; y <= m->height; y++) {
        bool draw = y < m->height;

        if (draw) {
            uint32_t a = line_address(s, m, y);

            draw = dirty == NULL || line_is_dirty(s, dirty, a, len);
            if (draw) {
                console_draw_begin(s->con);
                draw_line(s, m, a,
                          s->con->surface.pixels + (size_t)y * m->width);
                console_draw_end(s->con);
            }
        }
        if (draw) {
            run.y = run.h == 0 ? y : run.y;
            run.h++;
        } else if (run.h > 0) {
            console_damage(s->con, run);
            run.h = 0;
        }
    }
}

/* Refresh */

void vga_rect_add(Rect *r, unsigned x, unsigned y, unsigned w, unsigned h)
{
    unsigned right = MAX(r->x + r->w, x + w), low = MAX(r->y + r->h, y + h);

    if (r->w == 0) {
        *r = (Rect){ x, y, w, h };
        return;
    }
    r->x = MIN(r->x, x);
    r->y = MIN(r->y, y);
    r->w = right - r->x;
    r->h = low - r->y;
}

static void draw_text(Vga *s, const VgaMode *m, bool all)
{
    Rect damage = { 0 };

    console_draw_begin(s->con);
    vga_draw_text(s, m, all, &damage);
    console_draw_end(s->con);
    console_damage(s->con, damage);
}

static void draw_blank(Vga *s, const VgaMode *m)
{
    size_t n = (size_t)m->width * m->height;

    console_draw_begin(s->con);
    memset(s->con->surface.pixels, 0, n * sizeof(uint32_t));
    console_draw_end(s->con);
    console_damage(s->con, (Rect){ 0, 0, m->width, m->height });
}

/* Pages written since the last call; NULL: they aren't known. */
static unsigned long *take_dirty(Vga *s, bool *ret_any)
{
    uint64_t npages = s->vram_size >> RAM_PAGE_BITS;
    unsigned long *map;

    *ret_any = true;
    if (!s->watched) {
        return NULL;
    }
    map = bitmap_new(npages);
    *ret_any = memory_display_log_take(&s->vram, map) > 0;
    return map;
}

static void vga_refresh(void *opaque, bool all)
{
    Vga *s = opaque;
    VgaMode m = vga_mode(s);
    bool any;
    g_autofree unsigned long *dirty = take_dirty(s, &any);

    all |= dirty == NULL || !s->drawn->valid;
    all |= memcmp(&m, &s->drawn->mode, sizeof(m)) != 0;
    all |= update_colors(s, &m);
    if (m.width != s->con->surface.width ||
        m.height != s->con->surface.height) {
        if (!console_resize(s->con, m.width, m.height)) {
            s->drawn->valid = false;
            return;
        }
        all = true;
    }
    s->drawn->mode = m;
    s->drawn->valid = true;
    if (m.kind == VGA_TEXT) {
        draw_text(s, &m, all);
    } else if (m.kind == VGA_BLANK) {
        if (all) {
            draw_blank(s, &m);
        }
    } else if (all || any) {
        draw_graphics(s, &m, all ? NULL : dirty);
    }
}

void vga_invalidate(Vga *s)
{
    s->drawn->valid = false;
}

static void vga_watch(void *opaque, bool on)
{
    Vga *s = opaque;

    /* Without memory for the log all is drawn, each time. */
    s->watched = memory_display_log_set(&s->vram, on) && on;
    vga_invalidate(s);
}

const ConsoleOps vga_console_ops = { .refresh = vga_refresh,
                                     .watch = vga_watch };
