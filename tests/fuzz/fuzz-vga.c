/*
 * VGA: whatever a guest writes to ports, window, registers and video memory,
 * and whatever comes of it on the screen, stays inside of what there is.
 *
 * Input: 5 bytes each: what, place (16 bits, little-endian), value (16).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga-priv.h"
#include "hw/display/vga.h"
#include "tests/fuzz/fuzz-board.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"

enum { STEP = 5, STEPS_MAX = 200, DRAWS_MAX = 2, PIXELS_MAX = 66000 };

/* One machine for all inputs. */
static Device *card_new(void)
{
    FuzzBoard *b = fuzz_board_new();
    Device *dev = device_new(b->vm, &vga_type);

    if (!device_prop_set(dev, "romfile", "", NULL) ||
        !device_prop_set(dev, "vgamem_mb", "1", NULL) ||
        !device_realize(dev, &b->pci->bus, NULL)) {
        fuzz_fail("the card is not made");
    }
    return dev;
}

static void draw(Vga *s, unsigned *ndraws)
{
    VgaMode m = vga_mode(s);

    if (m.width == 0 || m.height == 0) {
        fuzz_fail("a picture of %u x %u", m.width, m.height);
    }
    /* Larger ones only take longer. */
    if (m.width * m.height <= PIXELS_MAX && ++*ndraws <= DRAWS_MAX) {
        console_redraw(s->con);
    }
}

static void step(Vga *s, const uint8_t *in, unsigned *ndraws)
{
    Memory *mem = &s->dev->vm->mem;
    unsigned place = lduw_le_p(in + 1), val = lduw_le_p(in + 3);
    uint8_t bytes[2];

    stw_le_p(bytes, val);
    switch (in[0] & 7) {
    case 0:
        address_space_write(&mem->io, 0x3b0 + place % 0x30, bytes,
                            1 + (in[0] >> 7));
        break;
    case 1:
        address_space_load(&mem->io, 0x3b0 + place % 0x30, 1, NULL);
        break;
    case 2:
        address_space_store(&mem->io, 0x1ce, place % 12, 2);
        address_space_store(&mem->io, 0x1d0, val, 2);
        break;
    case 3:
        address_space_store(&mem->memory,
                            VGA_WINDOW + place + (in[0] >> 7) * 0x10000u, val,
                            2);
        break;
    case 4:
        address_space_load(&mem->memory,
                           VGA_WINDOW + place + (in[0] >> 7) * 0x10000u, 2,
                           NULL);
        break;
    case 5:
        /* Index and value at once. */
        address_space_store(&mem->io, in[0] & 0x80 ? 0x3d4 : 0x3c4, val, 2);
        address_space_store(&mem->io, 0x3ce, place, 2);
        break;
    case 6:
        memcpy(s->vram.ram->host + place * 16, bytes, 2);
        break;
    default:
        draw(s, ndraws);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static Device *card;
    unsigned ndraws = 0;
    Vga *s;

    vm_lock_acquire();
    if (card == NULL) {
        card = card_new();
    }
    device_reset_tree(card);
    s = consoles_get(card->vm->consoles, 0)->opaque;
    console_resize(s->con, 16, 16);
    vga_port_write(s, 0x3c2, 1);
    vga_port_write(s, 0x3c0, VGA_AR_PAS);
    for (unsigned n = 0; n < STEPS_MAX && len >= STEP; n++) {
        step(s, data, &ndraws);
        data += STEP;
        len -= STEP;
    }
    draw(s, &ndraws);
    vm_lock_release();
    return 0;
}
