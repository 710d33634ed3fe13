/*
 * Virtio over PCI, legacy interface: registers in an I/O BAR.
 * (Virtual I/O Device 1.2, section 4.1.4.10.)
 *
 *   0  device features  8  queue PFN   14 queue select  18 status
 *   4  guest features   12 queue size  16 notify        19 ISR
 *   20 configuration and queue vector, while MSI-X is on
 *   20 or 24: the device's configuration
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-pci-priv.h"

#include "hw/pci/pci-regs.h"
#include "system/vm.h"

#define LEGACY_PAGE_BITS 12

static unsigned config_offset(const VirtioDevice *d)
{
    return msix_enabled(&d->pci) ? 24 : 20;
}

static uint32_t queue_pfn(const VirtioQueue *q)
{
    return q != NULL ? q->vq.desc >> LEGACY_PAGE_BITS : 0;
}

static uint64_t legacy_read(Device *dev, uint64_t off, unsigned size)
{
    VirtioDevice *d = VIRTIO_DEVICE(dev);
    const VirtioQueue *q = virtio_core_queue(d, d->queue_sel);

    if (off >= config_offset(d)) {
        return virtio_config_read(d, off - config_offset(d), size);
    }
    switch (off) {
    case VIRTIO_PCI_HOST_FEATURES:
        return virtio_offered(d, false);
    case VIRTIO_PCI_GUEST_FEATURES:
        return d->features & UINT32_MAX;
    case VIRTIO_PCI_QUEUE_PFN:
        return queue_pfn(q);
    case VIRTIO_PCI_QUEUE_NUM:
        return q != NULL ? q->vq.size : 0;
    case VIRTIO_PCI_QUEUE_SEL:
        return d->queue_sel;
    case VIRTIO_PCI_STATUS:
        return d->status;
    case VIRTIO_PCI_ISR:
        return virtio_pci_read_isr(d);
    case VIRTIO_MSI_CONFIG_VECTOR:
        return d->config_vector;
    case VIRTIO_MSI_QUEUE_VECTOR:
        return q != NULL ? q->vector : VIRTIO_NO_VECTOR;
    default:
        return UINT32_MAX;
    }
}

/* A PFN of 0 resets the device, as drivers of that time expect. */
static void write_pfn(VirtioDevice *d, VirtioQueue *q, uint32_t pfn)
{
    if (pfn == 0) {
        virtio_core_reset(d);
    } else if (q != NULL) {
        virtio_set_legacy_ring(q, (uint64_t)pfn << LEGACY_PAGE_BITS);
        virtio_pci_update_doorbells(d);
    }
}

static void legacy_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    VirtioDevice *d = VIRTIO_DEVICE(dev);
    VirtioQueue *q = virtio_core_queue(d, d->queue_sel);

    if (off >= config_offset(d)) {
        virtio_config_write(d, off - config_offset(d), val, size);
        return;
    }
    switch (off) {
    case VIRTIO_PCI_GUEST_FEATURES:
        /* A driver that takes all bits, unread, gets none of them. */
        virtio_set_features(d, val & VIRTIO_BIT(VIRTIO_F_BAD_FEATURE)
                                   ? 0
                                   : (uint32_t)val & virtio_offered(d, false));
        break;
    case VIRTIO_PCI_QUEUE_PFN:
        write_pfn(d, q, val);
        break;
    case VIRTIO_PCI_QUEUE_SEL:
        d->queue_sel = MIN(val, VIRTIO_MAX_QUEUES);
        break;
    case VIRTIO_PCI_QUEUE_NOTIFY:
        virtio_kick(d, val & 0xffff);
        break;
    case VIRTIO_PCI_STATUS:
        virtio_pci_write_status(d, val);
        break;
    case VIRTIO_MSI_CONFIG_VECTOR:
        virtio_pci_set_vector(d, &d->config_vector, val);
        break;
    case VIRTIO_MSI_QUEUE_VECTOR:
        if (q != NULL) {
            virtio_pci_set_vector(d, &q->vector, val);
            virtio_queue_call_changed(q);
        }
        break;
    default:
        break;
    }
}

static const IoOps legacy_ops = { .read = legacy_read, .write = legacy_write };

void virtio_pci_legacy_init(VirtioDevice *d)
{
    unsigned base = msix_nvectors(&d->pci) > 0 ? 24 : 20;

    memory_region_init_io(&d->transport->legacy, &d->pci.dev.vm->mem,
                          "virtio-pci", pow2_ceil(base + d->config_size),
                          &legacy_ops, &d->pci.dev);
    pci_register_bar(&d->pci, VIRTIO_PCI_BAR_LEGACY, PCI_BASE_ADDRESS_SPACE_IO,
                     &d->transport->legacy);
}
