/*
 * Virtio over PCI: the function that carries a virtio device, modern and
 * transitional.  (Virtual I/O Device 1.2, section 4.1.)
 *
 *   typedef struct VirtioRng {
 *       VirtioDevice vdev;
 *       ...
 *   } VirtioRng;
 *
 *   const DeviceType virtio_rng_pci_type = {
 *       VIRTIO_PCI_TYPE,
 *       .name = "virtio-rng-pci",
 *       .alias = "virtio-rng",
 *       .size = sizeof(VirtioRng),
 *       .props = rng_props,
 *       .more_props = virtio_pci_prop_tables,
 *       .pci = &rng_pci,           identity of the transitional function
 *       .virtio = &virtio_rng,
 *       .vmstate = &rng_vmstate,   VIRTIO_VMSTATE("virtio-rng", 1)
 *   };
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/virtio/virtio.h"

#define VIRTIO_PCI_VENDOR 0x1af4

/* Members of the DeviceType that every virtio function has. */
#define VIRTIO_PCI_TYPE                                               \
    .bus = BUS_PCI, .user_creatable = true, .hotpluggable = true,     \
    .realize = virtio_pci_realize, .unrealize = virtio_pci_unrealize, \
    .reset = virtio_pci_reset

bool virtio_pci_realize(Device *dev, GError **errp);
void virtio_pci_unrealize(Device *dev);
void virtio_pci_reset(Device *dev);
/*
 * The BAR of the modern interface, where a device may add registers of its
 * own; there from realize() of the function on.
 */
MemoryRegion *virtio_pci_modern_bar(VirtioDevice *d);
/* For .init of the types NAME-transitional and NAME-non-transitional. */
void virtio_pci_init_transitional(Device *dev);
void virtio_pci_init_non_transitional(Device *dev);

/* disable-legacy, vectors, ioeventfd, indirect_desc, event_idx, ... */
extern const Property virtio_pci_props[];
/* For .more_props: virtio_pci_props and the end. */
extern const Property *const virtio_pci_prop_tables[];

/*
 * A section "NAME" of a version, all in one field "virtio": the function, the
 * core, the queues, the device's own state, subsections.
 */
extern const VmstateField virtio_vmstate_fields[];
/* That field, of a section that has more. */
extern const VmstateInfo virtio_vmstate_info;
#define VMSTATE_VIRTIO                                                      \
    {                                                                       \
        .name = "virtio", .kind = VMS_CUSTOM, .size = sizeof(VirtioDevice), \
        .info = &virtio_vmstate_info                                        \
    }
#define VIRTIO_VMSTATE(name_, version_)                               \
    {                                                                 \
        .name = (name_), .version = (version_), .oldest = (version_), \
        .fields = virtio_vmstate_fields                               \
    }

#endif
