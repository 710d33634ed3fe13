/*
 * The VGA of a PCI machine: "VGA", 1234:1111.
 *
 *   BAR 0  video memory, prefetchable
 *   BAR 2  4 KiB: 0x000 EDID, 0x400 ports 0x3c0 to 0x3df, 0x500 the registers
 *          of the Bochs extension, 0x600 order of bytes in the frame buffer
 *   ports  0x1ce to 0x1d1 (Bochs), 0x3b4, 0x3ba, 0x3c0 to 0x3cf, 0x3d4, 0x3da
 *
 * Source: as vga-priv.h; BAR 2: Linux, drivers/gpu/drm/tiny/bochs.c (numbers).
 * Stream: "vga" version 2 of a 7.2 machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga.h"

#include "hw/core/machine.h"
#include "hw/display/edid.h"
#include "hw/display/vga-priv.h"
#include "hw/pci/pci.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    BAR_VRAM = 0,
    BAR_MMIO = 2,
    BAR_PREFETCHABLE = 8,
    MMIO_SIZE = 4096,
    MMIO_EDID = 0x000,
    MMIO_EDID_SIZE = 0x180,
    MMIO_PORTS = 0x400, /* 0x3c0 */
    MMIO_VBE = 0x500,
    MMIO_EXTENDED = 0x600,
    MMIO_EXTENDED_SIZE = 8, /* and the first of its registers */
    LITTLE = 0x1e1e1e1e,    /* the second one: the frame buffer's order */
    BIG = 0xbebebebe,
    VGAMEM_MB_MAX = 512,
};

typedef struct VgaPci {
    PciDevice pci;
    Vga vga;
    uint32_t vgamem_mb;
    bool opt_mmio, opt_edid, opt_extended;
    EdidInfo edid;
    uint8_t edid_bytes[MMIO_EDID_SIZE]; /* zeros behind the EDID */
    MemoryRegion mmio, mmio_edid, mmio_ports, mmio_vbe, mmio_extended;
} VgaPci;

static VgaPci *vga_pci_of(Device *dev)
{
    return container_of(dev, VgaPci, pci.dev);
}

static Vga *vga_of(Device *dev)
{
    return &vga_pci_of(dev)->vga;
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
    return vga_pci_of(dev)->edid_bytes[off];
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

static void add_mmio(VgaPci *s, MemoryRegion *mr, const char *name, uint64_t at,
                     uint64_t size, const IoOps *ops)
{
    Device *dev = &s->pci.dev;

    memory_region_init_io(mr, &dev->vm->mem, name, size, ops, dev);
    device_own_region(dev, mr);
    memory_region_add(&s->mmio, at, mr, 0);
}

static void init_mmio(VgaPci *s)
{
    Device *dev = &s->pci.dev;

    memory_region_init(&s->mmio, &dev->vm->mem, "vga.mmio", MMIO_SIZE);
    device_own_region(dev, &s->mmio);
    add_mmio(s, &s->mmio_ports, "vga ioports remapped", MMIO_PORTS, 0x20,
             &mmio_port_ops);
    add_mmio(s, &s->mmio_vbe, "bochs dispi interface", MMIO_VBE,
             2 * (VBE_NREGS + 1), &mmio_vbe_ops);
    if (s->opt_extended) {
        add_mmio(s, &s->mmio_extended, "qemu extended regs", MMIO_EXTENDED,
                 MMIO_EXTENDED_SIZE, &mmio_extended_ops);
    }
    if (s->opt_edid) {
        edid_make(s->edid_bytes, &s->edid);
        add_mmio(s, &s->mmio_edid, "edid", MMIO_EDID, MMIO_EDID_SIZE,
                 &edid_ops);
    }
    pci_register_bar(&s->pci, BAR_MMIO, 0, &s->mmio);
}

/* Life */

static bool init_vram(VgaPci *s, GError **errp)
{
    Device *dev = &s->pci.dev;
    Bus *bus = dev->parent_bus;
    g_autofree char *path = bus->dev_path(bus, dev);
    g_autofree char *block = g_strdup_printf("%s/vga.vram", path);

    s->vgamem_mb = pow2_ceil(CLAMP(s->vgamem_mb, 1, VGAMEM_MB_MAX));
    s->vga.vram_size = s->vgamem_mb * MiB;
    return memory_region_init_ram(&s->vga.vram, &dev->vm->mem, block,
                                  s->vga.vram_size, errp);
}

static bool check_edid(VgaPci *s, GError **errp)
{
    EdidInfo *e = &s->edid;

    if (!s->opt_edid) {
        return true;
    }
    e->xres = e->xres != 0 ? e->xres : EDID_XRES;
    e->yres = e->yres != 0 ? e->yres : EDID_YRES;
    if (e->xres > EDID_RES_MAX || e->yres > EDID_RES_MAX) {
        error_setf(errp, "xres=%u,yres=%u: at most %d each", e->xres, e->yres,
                   EDID_RES_MAX);
        return false;
    }
    return true;
}

static bool vga_pci_realize(Device *dev, GError **errp)
{
    VgaPci *s = vga_pci_of(dev);
    Memory *mem = &dev->vm->mem;
    g_autofree char *path = NULL;

    s->vga.dev = dev;
    if (!check_edid(s, errp) || !claim_ports(&s->vga, dev, errp) ||
        !init_vram(s, errp)) {
        return false;
    }
    device_own_region(dev, &s->vga.vram);
    pci_register_bar(&s->pci, BAR_VRAM, BAR_PREFETCHABLE, &s->vga.vram);
    memory_region_init_io(&s->vga.window, mem, "vga-lowmem", VGA_WINDOW_SIZE,
                          &window_ops, dev);
    device_own_region(dev, &s->vga.window);
    memory_region_add(pci_bus_of(&s->pci)->mem, VGA_WINDOW, &s->vga.window, 1);
    if (s->opt_mmio) {
        init_mmio(s);
    }
    s->vga.drawn = g_new0(VgaDrawn, 1);
    path = object_path(&dev->obj);
    s->vga.con =
        console_new(dev->vm->consoles, path, 0, &vga_console_ops, &s->vga);
    return true;
}

static void vga_pci_unrealize(Device *dev)
{
    Vga *s = vga_of(dev);

    console_free(s->con);
    g_clear_pointer(&s->drawn, g_free);
}

static uint32_t bank_mask(const Vga *s)
{
    return s->vram_size / (64 * KiB) - 1;
}

static void vga_pci_reset(Device *dev)
{
    Vga *s = vga_of(dev);

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

static const Vmstate vga_pci_vmstate = {
    .name = "vga",
    .version = 2,
    .oldest = 2,
    .fields =
        (const VmstateField[]){ VMSTATE_PCI_DEVICE_AS(VgaPci, pci, "dev"),
                                VMSTATE_STRUCT(VgaPci, vga, vmstate_vga, 0),
                                VMSTATE_END },
};

static const Property vga_pci_props[] = {
    PROP(PROP_U32, VgaPci, vgamem_mb, "vgamem_mb", .def = 16),
    PROP(PROP_BOOL, VgaPci, opt_mmio, "mmio", .def = true),
    PROP(PROP_BOOL, VgaPci, opt_extended, "qemu-extended-regs", .def = true),
    PROP(PROP_BOOL, VgaPci, opt_edid, "edid", .def = true),
    PROP(PROP_U32, VgaPci, edid.xres, "xres"),
    PROP(PROP_U32, VgaPci, edid.yres, "yres"),
    PROP(PROP_U32, VgaPci, edid.xmax, "xmax"),
    PROP(PROP_U32, VgaPci, edid.ymax, "ymax"),
    PROP(PROP_U32, VgaPci, edid.refresh_rate, "refresh_rate"),
    PROP_END,
};

static const PciInfo vga_pci_info = {
    .vendor_id = 0x1234,
    .device_id = 0x1111,
    .class_id = 0x0300,
    .revision = 2,
    .romfile = "vgabios-stdvga.bin",
};

const DeviceType vga_type = {
    .name = "VGA",
    .parent = "pci-vga",
    .category = "Display",
    .size = sizeof(VgaPci),
    .bus = BUS_PCI,
    .user_creatable = true,
    .props = vga_pci_props,
    .pci = &vga_pci_info,
    .realize = vga_pci_realize,
    .unrealize = vga_pci_unrealize,
    .reset = vga_pci_reset,
    .vmstate = &vga_pci_vmstate,
};

bool board_vga_create(Machine *m, PciBus *bus, GError **errp)
{
    Device *dev;

    if (m->vga == NULL) {
        return true;
    }
    dev = device_new(m->vm, m->vga);
    return device_realize(dev, &bus->bus, errp);
}
