/*
 * What cards with a VGA have of it: ports, window, memory, registers in a BAR,
 * and its state.
 *
 *   BAR 0  video memory, prefetchable
 *   a page of another BAR: 0x000 EDID, 0x400 ports 0x3c0 to 0x3df, 0x500 the
 *          registers of the Bochs extension, 0x600 order of bytes in the frame
 *          buffer
 *   ports  0x1ce to 0x1d1 (Bochs), 0x3b4, 0x3ba, 0x3c0 to 0x3cf, 0x3d4, 0x3da
 *
 * Source: as vga-priv.h; the page: Linux, drivers/gpu/drm/tiny/bochs.c
 * (numbers).  Stream: "vga" version 2 of a 7.2 machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga-priv.h"
#include "hw/pci/pci.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    BAR_VRAM = 0,
    BAR_PREFETCHABLE = 8,
    MMIO_EDID = 0x000,
    MMIO_PORTS = 0x400, /* 0x3c0 */
    MMIO_VBE = 0x500,
    MMIO_EXTENDED = 0x600,
    MMIO_EXTENDED_SIZE = 8, /* and the first of its registers */
    LITTLE = 0x1e1e1e1e,    /* the second one: the frame buffer's order */
    BIG = 0xbebebebe,
    VGAMEM_MB_MAX = 512,
};

static VgaCard *vga_card_of(Device *dev)
{
    return (VgaCard *)((char *)dev + dev->type->shared_offset);
}

static Vga *vga_of(Device *dev)
{
    return &vga_card_of(dev)->vga;
}

/* Ports: a range each, one byte at a time. */

#define VGA_PORT_OPS(base_)                                             \
    static uint64_t read_##base_(Device *dev, uint64_t off, unsigned n) \
    {                                                                   \
        return vga_port_read(vga_of(dev), (base_) + off);               \
    }                                                                   \
    static void write_##base_(Device *dev, uint64_t off, uint64_t val,  \
                              unsigned n)                               \
    {                                                                   \
        vga_port_write(vga_of(dev), (base_) + off, val);                \
    }                                                                   \
    static const IoOps ops_##base_ = { .read = read_##base_,            \
                                       .write = write_##base_,          \
                                       .max_size = 1 }

VGA_PORT_OPS(0x3b4);
VGA_PORT_OPS(0x3ba);
VGA_PORT_OPS(0x3c0);
VGA_PORT_OPS(0x3d4);
VGA_PORT_OPS(0x3da);

/* Index at 0, data at 1 and at 2. */
static uint64_t vbe_port_read(Device *dev, uint64_t off, unsigned size)
{
    const Vga *s = vga_of(dev);

    return off == 0 ? s->vbe_index : vbe_read(s, s->vbe_index);
}

static void vbe_port_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    Vga *s = vga_of(dev);

    if (off == 0) {
        s->vbe_index = val;
    } else {
        vbe_write(s, s->vbe_index, val);
    }
}

static const IoOps vbe_port_ops = {
    .read = vbe_port_read,
    .write = vbe_port_write,
    .min_size = 2,
    .max_size = 2,
    .min_valid = 2,
    .max_valid = 4,
    .unaligned = true,
};

static bool claim_ports(Vga *s, Device *dev, GError **errp)
{
    static const struct {
        uint16_t base, len;
        const IoOps *ops;
        const char *name;
    } ports[] = {
        { 0x3b4, 2, &ops_0x3b4, "vga" },  { 0x3ba, 1, &ops_0x3ba, "vga" },
        { 0x3c0, 16, &ops_0x3c0, "vga" }, { 0x3d4, 2, &ops_0x3d4, "vga" },
        { 0x3da, 1, &ops_0x3da, "vga" },  { 0x1ce, 4, &vbe_port_ops, "vbe" },
    };
    _Static_assert(G_N_ELEMENTS(ports) == G_N_ELEMENTS(s->io), "ranges");

    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        if (!device_claim_io(dev, &s->io[i], ports[i].ops, ports[i].name,
                             ports[i].base, ports[i].len, errp)) {
            return false;
        }
    }
    return true;
}

/* The window */

static uint64_t window_read(Device *dev, uint64_t off, unsigned size)
{
    return vga_mem_read(vga_of(dev), off);
}

static void window_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    vga_mem_write(vga_of(dev), off, val);
}

static const IoOps window_ops = {
    .read = window_read,
    .write = window_write,
    .max_size = 1,
    .unaligned = true,
};

/* BAR 2 */

static uint64_t edid_read(Device *dev, uint64_t off, unsigned size)
{
    return vga_card_of(dev)->edid[off];
}

static uint64_t mmio_port_read(Device *dev, uint64_t off, unsigned size)
{
    return vga_port_read(vga_of(dev), 0x3c0 + off);
}

static void mmio_port_write(Device *dev, uint64_t off, uint64_t val,
                            unsigned size)
{
    vga_port_write(vga_of(dev), 0x3c0 + off, val);
}

static uint64_t mmio_vbe_read(Device *dev, uint64_t off, unsigned size)
{
    return vbe_read(vga_of(dev), off / 2);
}

static void mmio_vbe_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    vbe_write(vga_of(dev), off / 2, val);
}

static uint64_t mmio_extended_read(Device *dev, uint64_t off, unsigned size)
{
    if (size != 4) {
        return 0;
    }
    if (off == 0) {
        return MMIO_EXTENDED_SIZE;
    }
    return vga_of(dev)->big_endian_fb ? BIG : LITTLE;
}

static void mmio_extended_write(Device *dev, uint64_t off, uint64_t val,
                                unsigned size)
{
    if (size == 4 && off == 4 && (val == LITTLE || val == BIG)) {
        vga_of(dev)->big_endian_fb = val == BIG;
    }
}

static const IoOps edid_ops = { .read = edid_read, .max_size = 1 };
static const IoOps mmio_port_ops = { .read = mmio_port_read,
                                     .write = mmio_port_write,
                                     .max_size = 1 };
static const IoOps mmio_vbe_ops = {
    .read = mmio_vbe_read, .write = mmio_vbe_write, .min_size = 2, .max_size = 2
};
static const IoOps mmio_extended_ops = { .read = mmio_extended_read,
                                         .write = mmio_extended_write,
                                         .max_size = 4 };

static void add_mmio(VgaCard *c, MemoryRegion *into, MemoryRegion *mr,
                     const char *name, uint64_t at, uint64_t size,
                     const IoOps *ops)
{
    Device *dev = c->vga.dev;

    memory_region_init_io(mr, &dev->vm->mem, name, size, ops, dev);
    device_own_region(dev, mr);
    memory_region_add(into, at, mr, 0);
}

void vga_card_add_mmio(VgaCard *c, MemoryRegion *into)
{
    add_mmio(c, into, &c->mmio_ports, "vga ioports remapped", MMIO_PORTS, 0x20,
             &mmio_port_ops);
    add_mmio(c, into, &c->mmio_vbe, "bochs dispi interface", MMIO_VBE,
             2 * (VBE_NREGS + 1), &mmio_vbe_ops);
    if (c->opt_extended) {
        add_mmio(c, into, &c->mmio_extended, "qemu extended regs",
                 MMIO_EXTENDED, MMIO_EXTENDED_SIZE, &mmio_extended_ops);
    }
    if (c->edid != NULL) {
        add_mmio(c, into, &c->mmio_edid, "edid", MMIO_EDID, VGA_EDID_SIZE,
                 &edid_ops);
    }
}

/* Life */

static bool init_vram(VgaCard *c, Device *dev, GError **errp)
{
    Bus *bus = dev->parent_bus;
    g_autofree char *path = bus->dev_path(bus, dev);
    g_autofree char *block = g_strdup_printf("%s/vga.vram", path);

    c->vgamem_mb = pow2_ceil(CLAMP(c->vgamem_mb, 1, VGAMEM_MB_MAX));
    c->vga.vram_size = c->vgamem_mb * MiB;
    return memory_region_init_ram(&c->vga.vram, &dev->vm->mem, block,
                                  c->vga.vram_size, errp);
}

bool vga_card_realize(VgaCard *c, PciDevice *pci, GError **errp)
{
    Device *dev = &pci->dev;

    c->vga.dev = dev;
    if (!claim_ports(&c->vga, dev, errp) || !init_vram(c, dev, errp)) {
        return false;
    }
    device_own_region(dev, &c->vga.vram);
    pci_register_bar(pci, BAR_VRAM, BAR_PREFETCHABLE, &c->vga.vram);
    memory_region_init_io(&c->vga.window, &dev->vm->mem, "vga-lowmem",
                          VGA_WINDOW_SIZE, &window_ops, dev);
    device_own_region(dev, &c->vga.window);
    memory_region_add(pci_bus_of(pci)->mem, VGA_WINDOW, &c->vga.window, 1);
    c->vga.drawn = g_new0(VgaDrawn, 1);
    return true;
}

void vga_card_unrealize(VgaCard *c)
{
    g_clear_pointer(&c->vga.drawn, g_free);
}

static uint32_t bank_mask(const Vga *s)
{
    return s->vram_size / (64 * KiB) - 1;
}

void vga_card_reset(VgaCard *c)
{
    Vga *s = &c->vga;

    memset(&s->latch, 0, offsetof(Vga, dev) - offsetof(Vga, latch));
    s->is_vbe_vmstate = 1;
    s->vbe_regs[VBE_ID] = VBE_ID5;
    s->vbe_bank_mask = bank_mask(s);
    vga_invalidate(s);
}

/* State */

static bool check_index(const char *name, unsigned val, unsigned n,
                        GError **errp)
{
    if (val >= n) {
        error_setf(errp, "%s %u: less than %u", name, val, n);
        return false;
    }
    return true;
}

static bool vga_post_load(void *opaque, int version, GError **errp)
{
    Vga *s = opaque;

    if (!check_index("sr_index", s->sr_index, sizeof(s->sr), errp) ||
        !check_index("gr_index", s->gr_index, sizeof(s->gr), errp) ||
        !check_index("dac_sub_index", s->dac_sub_index, 3, errp)) {
        return false;
    }
    s->vbe_bank_mask = bank_mask(s);
    vbe_loaded(s);
    if (s->drawn != NULL) {
        vga_invalidate(s);
    }
    return true;
}

static bool endian_needed(void *opaque)
{
    return ((const Vga *)opaque)->big_endian_fb;
}

static const Vmstate vmstate_vga_endian = {
    .name = "vga.endian",
    .version = 1,
    .oldest = 1,
    .needed = endian_needed,
    .fields =
        (const VmstateField[]){ VMSTATE_BOOL(Vga, big_endian_fb), VMSTATE_END },
};

const Vmstate vmstate_vga = {
    .name = "vga",
    .version = 2,
    .oldest = 2,
    .post_load = vga_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(Vga, latch),
            VMSTATE_U8(Vga, sr_index),
            VMSTATE_BUFFER(Vga, sr),
            VMSTATE_U8(Vga, gr_index),
            VMSTATE_BUFFER(Vga, gr),
            VMSTATE_U8(Vga, ar_index),
            VMSTATE_BUFFER(Vga, ar),
            VMSTATE_I32(Vga, ar_flip_flop),
            VMSTATE_U8(Vga, cr_index),
            VMSTATE_BUFFER(Vga, cr),
            VMSTATE_U8(Vga, msr),
            VMSTATE_U8(Vga, fcr),
            VMSTATE_U8(Vga, st00),
            VMSTATE_U8(Vga, st01),
            VMSTATE_U8(Vga, dac_state),
            VMSTATE_U8(Vga, dac_sub_index),
            VMSTATE_U8(Vga, dac_read_index),
            VMSTATE_U8(Vga, dac_write_index),
            VMSTATE_BUFFER(Vga, dac_cache),
            VMSTATE_BUFFER(Vga, palette),
            VMSTATE_I32(Vga, bank_offset),
            VMSTATE_FIELD_(Vga, is_vbe_vmstate, VMS_U8_EQUAL),
            VMSTATE_U16(Vga, vbe_index),
            VMSTATE_U16_ARRAY(Vga, vbe_regs, VBE_NREGS),
            VMSTATE_U32(Vga, vbe_start_addr),
            VMSTATE_U32(Vga, vbe_line_offset),
            VMSTATE_U32(Vga, vbe_bank_mask),
            VMSTATE_END },
    .subsections = (const Vmstate *const[]){ &vmstate_vga_endian, NULL },
};
