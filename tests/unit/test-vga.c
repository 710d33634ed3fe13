/*
 * Unit test: a VGA's state in the stream, and what its modes look like.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-none.h"
#include "hw/display/vga-priv.h"
#include "hw/display/vga.h"
#include "hw/pci/pci.h"
#include "system/vm.h"
#include "tests/unit/pci-host.h"
#include "tests/unit/section-bytes.h"
#include "tests/unit/vga-sections.h"
#include "util/bitmap.h"
#include "vmstate/stream.h"

static const VmHooks no_hooks = { 0 };

typedef struct Board {
    Vm *vm;
    Device *dev;
    Vga *vga;
    Console *con;
    ConsoleViewer viewer;
    Rect damage;
    unsigned resized;
} Board;

static void on_damage(ConsoleViewer *v, Rect r)
{
    Board *b = container_of(v, Board, viewer);

    vga_rect_add(&b->damage, r.x, r.y, r.w, r.h);
}

static void on_resize(ConsoleViewer *v)
{
    container_of(v, Board, viewer)->resized++;
}

ACQUIRE(&vm_lock) static Board *board_new(void)
{
    Board *b = g_new0(Board, 1);
    g_autoptr(GError) err = NULL;
    PciBus *pci;

    vm_lock_acquire();
    b->vm = vm_new(&no_hooks);
    b->vm->vmstates = vmstate_registry_new();
    b->vm->consoles = consoles_new(b->vm);
    machine_new(b->vm, &machine_none_type);
    pci = test_pci_host_new(b->vm);
    b->dev = device_new(b->vm, &vga_type);
    g_assert_true(device_prop_set(b->dev, "romfile", "", &err));
    g_assert_true(device_realize(b->dev, &pci->bus, &err));
    g_assert_no_error(err);
    b->con = consoles_get(b->vm->consoles, 0);
    b->vga = b->con->opaque;
    device_reset_tree(b->dev);
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    console_viewer_del(&b->viewer);
    machine_free(vm->machine);
    consoles_free(vm->consoles);
    vmstate_registry_free(vm->vmstates);
    vm->vmstates = NULL;
    vm_free(vm);
    g_free(b);
    vm_lock_release();
}

/* State */

static bool load(Board *b, const uint8_t *buf, size_t len, GError **errp)
{
    g_autoptr(StreamIn) in = stream_in_new_mem(buf, len);
    const Vmstate *vms = b->dev->type->vmstate;

    device_reset_tree(b->dev);
    return vmstate_load(in, vms, b->dev, vms->version, errp) &&
           stream_in_bytes(in) == len;
}

static void expect_saved(Board *b, const GByteArray *want)
{
    g_autoptr(StreamOut) out = stream_out_new(NULL);
    g_autoptr(GError) err = NULL;
    const uint8_t *got;
    size_t len;

    vmstate_save(out, b->dev->type->vmstate, b->dev, &err);
    g_assert_no_error(err);
    got = stream_out_data(out, &len);
    g_assert_cmpmem(got, len, want->data, want->len);
}

static void test_round_trip(const void *hex)
{
    Board *b = board_new();
    g_autoptr(GByteArray) bytes = section_bytes(hex);
    g_autoptr(GError) err = NULL;

    load(b, bytes->data, bytes->len, &err);
    g_assert_no_error(err);
    expect_saved(b, bytes);
    console_redraw(b->con);
    board_free(b);
}

static void test_truncated(const void *hex)
{
    Board *b = board_new();
    g_autoptr(GByteArray) bytes = section_bytes(hex);

    /* The last part is there or not: vga.endian. */
    for (size_t len = 0; len < MIN(bytes->len, 1407u); len++) {
        g_assert_false(load(b, bytes->data, len, NULL));
    }
    board_free(b);
}

/* Some bytes are others: refused, or drawn without harm. */
static void test_changed(const void *hex)
{
    Board *b = board_new();
    g_autoptr(GByteArray) bytes = section_bytes(hex);
    unsigned loaded = 0;

    for (unsigned i = 0; i < 300; i++) {
        g_autofree uint8_t *copy = g_memdup2(bytes->data, bytes->len);

        for (unsigned k = 0; k < 4; k++) {
            copy[g_test_rand_int_range(276, bytes->len)] =
                g_test_rand_int_range(0, 256);
        }
        copy[bytes->len - g_test_rand_int_range(1, 40)] ^= 0xff;
        if (load(b, copy, bytes->len, NULL)) {
            loaded++;
            vga_mem_write(b->vga, g_test_rand_int_range(0, 0x20000), 1);
            vga_mem_read(b->vga, g_test_rand_int_range(0, 0x20000));
            console_redraw(b->con);
        }
    }
    g_assert_cmpuint(loaded, >, 0);
    board_free(b);
}

/* Pictures */

static void set(Vga *s, unsigned index_port, unsigned i, uint8_t val)
{
    vga_port_write(s, index_port, i);
    vga_port_write(s, index_port + 1, val);
}

static void set_attribute(Vga *s, unsigned i, uint8_t val)
{
    vga_port_read(s, 0x3da);
    vga_port_write(s, 0x3c0, i);
    vga_port_write(s, 0x3c0, val);
}

/* The palette is that of the DAC, whose color n is n in red and blue. */
static void start(Vga *s)
{
    vga_port_write(s, 0x3c2, 0x67);
    for (unsigned i = 0; i < 16; i++) {
        set_attribute(s, i, i);
    }
    set_attribute(s, VGA_AR_PLANES, 0x0f);
    vga_port_write(s, 0x3c8, 0);
    for (unsigned i = 0; i < 64; i++) {
        vga_port_write(s, 0x3c9, i);
        vga_port_write(s, 0x3c9, 0);
        vga_port_write(s, 0x3c9, i);
    }
    vga_port_read(s, 0x3da);
    vga_port_write(s, 0x3c0, VGA_AR_PAS);
    set(s, 0x3d4, VGA_CR_LINE_COMPARE, 0xff);
    set(s, 0x3d4, VGA_CR_MODE, 0xe3);
}

static uint32_t color(unsigned n)
{
    uint32_t v = n << 2 | (n & 1) * 3;

    return v << 16 | v;
}

static uint32_t pixel(const Board *b, unsigned x, unsigned y)
{
    const Surface *s = &b->con->surface;

    g_assert_cmpuint(x, <, s->width);
    g_assert_cmpuint(y, <, s->height);
    return s->pixels[y * s->width + x];
}

static void expect_size(const Board *b, unsigned width, unsigned height)
{
    g_assert_cmpuint(b->con->surface.width, ==, width);
    g_assert_cmpuint(b->con->surface.height, ==, height);
}

/* 640 x 480 with 16 colors: pixel (8, 1) gets color 10. */
static void test_planar(void)
{
    Board *b = board_new();
    Vga *s = b->vga;

    start(s);
    set(s, 0x3ce, VGA_GR_MISC, 0x05);
    set(s, 0x3ce, VGA_GR_BIT_MASK, 0x80);
    set(s, 0x3c4, VGA_SR_MAP_MASK, 10);
    set(s, 0x3c4, VGA_SR_CLOCKING, 1);
    set(s, 0x3d4, VGA_CR_H_DISPLAY, 79);
    set(s, 0x3d4, VGA_CR_V_DISPLAY, 0xdf);
    set(s, 0x3d4, VGA_CR_OVERFLOW, 0x12);
    set(s, 0x3d4, VGA_CR_OFFSET, 40);
    set(s, 0x3d4, VGA_CR_MAX_SCAN, 0x40);
    vga_mem_write(s, 80 + 1, 0xff);
    console_redraw(b->con);
    expect_size(b, 640, 480);
    g_assert_cmphex(pixel(b, 8, 1), ==, color(10));
    g_assert_cmphex(pixel(b, 7, 1), ==, 0);
    g_assert_cmphex(pixel(b, 9, 1), ==, 0);
    g_assert_cmphex(pixel(b, 8, 0), ==, 0);
    /* It starts one line lower: the pixel is in the first one. */
    set(s, 0x3d4, VGA_CR_START_LO, 80);
    console_redraw(b->con);
    g_assert_cmphex(pixel(b, 8, 0), ==, color(10));
    /* Below line 99 there is the start of memory. */
    set(s, 0x3d4, VGA_CR_LINE_COMPARE, 99);
    set(s, 0x3d4, VGA_CR_OVERFLOW, 0x02);
    set(s, 0x3d4, VGA_CR_MAX_SCAN, 0x00);
    console_redraw(b->con);
    g_assert_cmphex(pixel(b, 8, 101), ==, color(10));
    g_assert_cmphex(pixel(b, 8, 100), ==, 0);
    board_free(b);
}

/* 320 x 200 with 256 colors: a pixel is two wide and two high. */
static void test_packed(void)
{
    Board *b = board_new();
    Vga *s = b->vga;

    start(s);
    set(s, 0x3ce, VGA_GR_MISC, 0x05);
    set(s, 0x3ce, VGA_GR_MODE, 0x40);
    set(s, 0x3c4, VGA_SR_MAP_MASK, 0x0f);
    set(s, 0x3c4, VGA_SR_MEM_MODE, 0x0e);
    set(s, 0x3d4, VGA_CR_H_DISPLAY, 79);
    set(s, 0x3d4, VGA_CR_V_DISPLAY, 0x8f);
    set(s, 0x3d4, VGA_CR_OVERFLOW, 0x12);
    set(s, 0x3d4, VGA_CR_OFFSET, 40);
    set(s, 0x3d4, VGA_CR_MAX_SCAN, 0x41);
    vga_mem_write(s, 320 * 3 + 5, 33);
    console_redraw(b->con);
    expect_size(b, 640, 400);
    g_assert_cmphex(pixel(b, 10, 6), ==, color(33));
    g_assert_cmphex(pixel(b, 11, 7), ==, color(33));
    g_assert_cmphex(pixel(b, 12, 6), ==, 0);
    g_assert_cmphex(pixel(b, 10, 8), ==, 0);
    board_free(b);
}

static void put_text(Vga *s, unsigned cell, uint8_t ch, uint8_t attr)
{
    set(s, 0x3c4, VGA_SR_MAP_MASK, 3);
    set(s, 0x3ce, VGA_GR_MODE, 0x10);
    set(s, 0x3ce, VGA_GR_MISC, 0x0e);
    vga_mem_write(s, 0x18000 + cell * 2, ch);
    vga_mem_write(s, 0x18000 + cell * 2 + 1, attr);
}

static void put_glyph(Vga *s, uint8_t ch, unsigned row, uint8_t bits)
{
    set(s, 0x3c4, VGA_SR_MAP_MASK, 4);
    set(s, 0x3ce, VGA_GR_MODE, 0);
    set(s, 0x3ce, VGA_GR_MISC, 0x04);
    vga_mem_write(s, ch * 32 + row, bits);
    set(s, 0x3ce, VGA_GR_MISC, 0x0e);
}

static void text_mode(Vga *s)
{
    start(s);
    set(s, 0x3ce, VGA_GR_BIT_MASK, 0xff);
    set(s, 0x3d4, VGA_CR_H_DISPLAY, 79);
    set(s, 0x3d4, VGA_CR_V_DISPLAY, 0x8f);
    set(s, 0x3d4, VGA_CR_OVERFLOW, 0x12);
    set(s, 0x3d4, VGA_CR_OFFSET, 40);
    set(s, 0x3d4, VGA_CR_MAX_SCAN, 0x4f);
    set(s, 0x3d4, VGA_CR_CURSOR_START, 0x20);
}

/* 80 x 25 characters of 9 x 16 dots. */
static void test_text(void)
{
    Board *b = board_new();
    Vga *s = b->vga;

    text_mode(s);
    put_glyph(s, 'A', 3, 0x81);
    put_glyph(s, 0xc4, 3, 0x81);
    put_text(s, 81, 'A', 0x2e);
    put_text(s, 82, 0xc4, 0x07);
    console_redraw(b->con);
    expect_size(b, 720, 400);
    g_assert_cmphex(pixel(b, 9, 19), ==, color(14));
    g_assert_cmphex(pixel(b, 10, 19), ==, color(2));
    g_assert_cmphex(pixel(b, 16, 19), ==, color(14));
    g_assert_cmphex(pixel(b, 17, 19), ==, color(2));
    g_assert_cmphex(pixel(b, 9, 20), ==, color(2));
    /* Line graphics reach into the ninth column if they are to. */
    g_assert_cmphex(pixel(b, 26, 19), ==, 0);
    set_attribute(s, VGA_AR_MODE, 0x04);
    vga_port_read(s, 0x3da);
    vga_port_write(s, 0x3c0, VGA_AR_PAS);
    console_redraw(b->con);
    g_assert_cmphex(pixel(b, 26, 19), ==, color(7));
    g_assert_cmphex(pixel(b, 17, 19), ==, color(2));
    board_free(b);
}

static void vbe(Vga *s, unsigned width, unsigned height, unsigned bits)
{
    vbe_write(s, VBE_ENABLE, 0);
    vbe_write(s, VBE_XRES, width);
    vbe_write(s, VBE_YRES, height);
    vbe_write(s, VBE_BPP, bits);
    vbe_write(s, VBE_ENABLE, VBE_ENABLED);
}

static void test_vbe(void)
{
    static const struct {
        unsigned bits;
        uint8_t bytes[4];
        uint32_t want;
    } t[] = {
        { 15, { 0x00, 0x7c }, 0xff0000 },
        { 15, { 0xff, 0x03 }, 0x00ffff },
        { 16, { 0xe0, 0x07 }, 0x00ff00 },
        { 16, { 0x10, 0x80 }, 0x840084 },
        { 24, { 0x11, 0x22, 0x33 }, 0x332211 },
        { 32, { 0x11, 0x22, 0x33, 0xff }, 0x332211 },
    };
    Board *b = board_new();
    Vga *s = b->vga;

    start(s);
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        unsigned size = (t[i].bits + 7) / 8;

        vbe(s, 800, 600, t[i].bits);
        memcpy(s->vram.ram->host + (800 * 2 + 3) * size, t[i].bytes, size);
        console_redraw(b->con);
        expect_size(b, 800, 600);
        g_assert_cmphex(pixel(b, 3, 2), ==, t[i].want);
        g_assert_cmphex(pixel(b, 4, 2), ==, 0);
        vbe_write(s, VBE_Y_OFFSET, 2);
        console_redraw(b->con);
        g_assert_cmphex(pixel(b, 3, 0), ==, t[i].want);
    }
    board_free(b);
}

static void refresh(Board *b)
{
    b->damage = (Rect){ 0 };
    b->con->ops->refresh(b->con->opaque, false);
}

static void expect_damage(const Board *b, Rect want)
{
    g_assert_cmpuint(b->damage.x, ==, want.x);
    g_assert_cmpuint(b->damage.y, ==, want.y);
    g_assert_cmpuint(b->damage.w, ==, want.w);
    g_assert_cmpuint(b->damage.h, ==, want.h);
}

/* Who looks is told of just what has changed. */
static void test_damage(void)
{
    Board *b = board_new();
    Vga *s = b->vga;
    const Rect nothing = { 0 };

    b->viewer = (ConsoleViewer){ .damaged = on_damage, .resized = on_resize };
    text_mode(s);
    console_viewer_add(b->con, &b->viewer);
    g_assert_true(s->watched);
    refresh(b);
    expect_damage(b, (Rect){ 0, 0, 720, 400 });
    refresh(b);
    expect_damage(b, nothing);
    put_text(s, 80 + 2, 'x', 7);
    refresh(b);
    expect_damage(b, (Rect){ 18, 16, 9, 16 });

    vbe(s, 1024, 768, 32);
    refresh(b);
    expect_damage(b, (Rect){ 0, 0, 1024, 768 });
    refresh(b);
    expect_damage(b, nothing);
    ram_block_set_dirty(&b->vm->mem.ram, s->vram.ram, 4096 * 10, 1);
    refresh(b);
    expect_damage(b, (Rect){ 0, 10, 1024, 1 });
    console_viewer_del(&b->viewer);
    g_assert_false(s->watched);
    g_assert_null(s->vram.ram->dirty[DIRTY_DISPLAY]);
    board_free(b);
}

/* A card that goes leaves an empty screen to who looks. */
static void test_card_goes(void)
{
    Board *b = board_new();
    unsigned before;

    b->viewer = (ConsoleViewer){ .damaged = on_damage, .resized = on_resize };
    console_viewer_add(b->con, &b->viewer);
    vbe(b->vga, 1024, 768, 32);
    start(b->vga);
    refresh(b);
    expect_size(b, 1024, 768);
    before = b->resized;
    device_delete(b->dev);
    expect_size(b, 640, 480);
    g_assert_cmpuint(b->resized, ==, before + 1);
    g_assert_null(b->con->ops);
    console_redraw(b->con);
    board_free(b);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *hex;
    } states[] = { { "planes", vga_planes_hex }, { "vbe", vga_vbe_hex } };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        const struct {
            const char *name;
            void (*fn)(const void *hex);
        } tests[] = { { "round-trip", test_round_trip },
                      { "truncated", test_truncated },
                      { "changed", test_changed } };

        for (size_t k = 0; k < G_N_ELEMENTS(tests); k++) {
            g_autofree char *path =
                g_strdup_printf("/vga/%s/%s", states[i].name, tests[k].name);

            g_test_add_data_func(path, states[i].hex, tests[k].fn);
        }
    }
    g_test_add_func("/vga/planar", test_planar);
    g_test_add_func("/vga/packed", test_packed);
    g_test_add_func("/vga/text", test_text);
    g_test_add_func("/vga/vbe", test_vbe);
    g_test_add_func("/vga/damage", test_damage);
    g_test_add_func("/vga/card-goes", test_card_goes);
    return g_test_run();
}
