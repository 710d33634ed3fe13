/*
 * The VGA of a PCI machine: "VGA", 1234:1111.
 *
 *   BAR 0  video memory, prefetchable
 *   BAR 2  4 KiB of registers, see vga-card.c
 *
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
#include "util/error.h"

enum { BAR_MMIO = 2 };

typedef struct VgaPci {
    PciDevice pci;
    VgaCard card;
    bool opt_mmio, opt_edid;
    EdidInfo edid;
    uint8_t edid_bytes[VGA_EDID_SIZE]; /* zeros behind the EDID */
    MemoryRegion mmio;
} VgaPci;

static VgaPci *vga_pci_of(Device *dev)
{
    return container_of(dev, VgaPci, pci.dev);
}

static void init_mmio(VgaPci *s)
{
    Device *dev = &s->pci.dev;

    memory_region_init(&s->mmio, &dev->vm->mem, "vga.mmio", VGA_MMIO_SIZE);
    device_own_region(dev, &s->mmio);
    if (s->opt_edid) {
        edid_make(s->edid_bytes, &s->edid);
        s->card.edid = s->edid_bytes;
    }
    vga_card_add_mmio(&s->card, &s->mmio);
    pci_register_bar(&s->pci, BAR_MMIO, 0, &s->mmio);
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
    g_autofree char *path = NULL;

    if (!check_edid(s, errp) || !vga_card_realize(&s->card, &s->pci, errp)) {
        return false;
    }
    if (s->opt_mmio) {
        init_mmio(s);
    }
    path = object_path(&dev->obj);
    s->card.vga.con =
        console_new(dev->vm->consoles, path, 0, &vga_console_ops, &s->card.vga);
    return true;
}

static void vga_pci_unrealize(Device *dev)
{
    VgaPci *s = vga_pci_of(dev);

    console_free(s->card.vga.con);
    vga_card_unrealize(&s->card);
}

static void vga_pci_reset(Device *dev)
{
    vga_card_reset(&vga_pci_of(dev)->card);
}

static const Vmstate vga_pci_vmstate = {
    .name = "vga",
    .version = 2,
    .oldest = 2,
    .fields =
        (const VmstateField[]){ VMSTATE_PCI_DEVICE_AS(VgaPci, pci, "dev"),
                                VMSTATE_VGA_CARD(VgaPci, card), VMSTATE_END },
};

static const Property vga_pci_props[] = {
    PROP(PROP_U32, VgaPci, card.vgamem_mb, "vgamem_mb", .def = 16),
    PROP(PROP_BOOL, VgaPci, opt_mmio, "mmio", .def = true),
    PROP(PROP_BOOL, VgaPci, card.opt_extended, "qemu-extended-regs",
         .def = true),
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
    .shared_offset = offsetof(VgaPci, card),
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
