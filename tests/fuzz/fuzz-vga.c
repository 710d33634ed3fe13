/*
 * VGA: whatever a guest writes to ports, window, registers and video memory,
 * and whatever comes of it on the screen, stays inside of what there is.
 *
 * Input: 5 bytes each: what, place (16 bits, little-endian), value (16).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-none.h"
#include "hw/display/vga-priv.h"
#include "hw/display/vga.h"
#include "hw/pci/pci.h"
#include "system/vm.h"
#include "tests/fuzz/fuzz.h"
#include "util/bswap.h"

enum { STEP = 5, STEPS_MAX = 200, DRAWS_MAX = 2, PIXELS_MAX = 66000 };

static const VmHooks no_hooks = { 0 };

typedef struct Host {
    Device dev;
    PciBus pci;
} Host;

static bool host_realize(Device *dev, GError **errp)
{
    Host *h = DEVICE_CAST(Host, dev);
    Memory *mem = &dev->vm->mem;

    pci_bus_init(&h->pci, dev, "pci.0", &mem->root, &mem->io_root, 0);
    return true;
}

static const DeviceType host_type = {
    .name = "test-host",
    .size = sizeof(Host),
    .bus = BUS_SYSTEM,
    .realize = host_realize,
    .vmstate = VMSTATE_NONE,
};

/* One machine for all inputs. */
static Device *card_new(void)
{
    Vm *vm = vm_new(&no_hooks);
    Device *host, *dev;

    vm->vmstates = vmstate_registry_new();
    vm->consoles = consoles_new(vm);
    machine_new(vm, &machine_none_type);
    host = device_create(vm, &host_type, NULL, NULL);
    dev = device_new(vm, &vga_type);
    if (!device_prop_set(dev, "romfile", "", NULL) ||
        !device_prop_set(dev, "vgamem_mb", "1", NULL) ||
        !device_realize(dev, &DEVICE_CAST(Host, host)->pci.bus, NULL)) {
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
