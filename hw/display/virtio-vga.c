/*
 * A virtio graphics card that is a VGA as well, until a driver has set it up.
 *
 *   BAR 0  video memory of the VGA, prefetchable
 *   BAR 2  registers of the VGA (see vga-card.c), then those of virtio
 *   BAR 4  MSI-X
 *
 * Stream: "virtio-gpu" as virtio-gpu.c has it, then "virtio-vga" version 2
 * with the struct "vga".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/display/vga-priv.h"
#include "hw/display/virtio-gpu-priv.h"
#include "hw/display/virtio-gpu.h"
#include "system/vm.h"

enum { VIRTIO_VGAMEM_MB = 8 };

typedef struct VirtioVga {
    VirtioGpu gpu;
    VgaCard card;
} VirtioVga;

static VirtioVga *virtio_vga_of(Device *dev)
{
    return container_of(VIRTIO_DEVICE(dev), VirtioVga, gpu.vdev);
}

static void virtio_vga_init(Device *dev)
{
    VgaCard *c = &virtio_vga_of(dev)->card;

    virtio_gpu_init(dev);
    c->vgamem_mb = VIRTIO_VGAMEM_MB;
    c->opt_extended = true;
}

static bool virtio_vga_realize(Device *dev, GError **errp)
{
    VirtioVga *s = virtio_vga_of(dev);

    if (!virtio_pci_realize(dev, errp)) {
        return false;
    }
    if (!vga_card_realize(&s->card, &s->gpu.vdev.pci, errp)) {
        virtio_pci_unrealize(dev);
        return false;
    }
    vga_card_add_mmio(&s->card, virtio_pci_modern_bar(&s->gpu.vdev));
    s->gpu.other_ops = &vga_console_ops;
    s->gpu.other = &s->card.vga;
    gpu_scanouts_init(&s->gpu);
    s->card.vga.con = s->gpu.scanouts[0].con;
    return true;
}

static void virtio_vga_unrealize(Device *dev)
{
    VirtioVga *s = virtio_vga_of(dev);

    gpu_scanouts_fini(&s->gpu);
    virtio_pci_unrealize(dev);
    vga_card_unrealize(&s->card);
}

static void virtio_vga_reset(Device *dev)
{
    virtio_pci_reset(dev);
    vga_card_reset(&virtio_vga_of(dev)->card);
}

static const VirtioPciPlaces virtio_vga_places = { .modern_bar = 2,
                                                   .msix_bar = 4,
                                                   .common = 0x1000,
                                                   .isr = 0x1800,
                                                   .part = 0x800 };

static const VirtioType virtio_vga = { VIRTIO_GPU_TYPE,
                                       .places = &virtio_vga_places };

static const Vmstate virtio_vga_vmstate = {
    .name = "virtio-vga",
    .version = 2,
    .oldest = 2,
    .fields = (const VmstateField[]){ VMSTATE_VGA_CARD(VirtioVga, card),
                                      VMSTATE_END },
};

static const PciInfo virtio_vga_pci = {
    .vendor_id = VIRTIO_PCI_VENDOR,
    .device_id = 0x1040 + VIRTIO_ID_GPU,
    .class_id = 0x0300,
    .romfile = "vgabios-virtio.bin",
};

const DeviceType virtio_vga_type = {
    .name = "virtio-vga",
    .parent = "virtio-vga-base-type",
    .category = "Display",
    .size = sizeof(VirtioVga),
    .shared_offset = offsetof(VirtioVga, card),
    .bus = BUS_PCI,
    .user_creatable = true,
    .props = virtio_gpu_props,
    .more_props = virtio_pci_prop_tables,
    .pci = &virtio_vga_pci,
    .virtio = &virtio_vga,
    .init = virtio_vga_init,
    .realize = virtio_vga_realize,
    .unrealize = virtio_vga_unrealize,
    .reset = virtio_vga_reset,
    .vmstate = &virtio_gpu_vmstate,
    .more_vmstate = &virtio_vga_vmstate,
};
