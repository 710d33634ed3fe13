/*
 * Host bridges of PCs: configuration mechanism #1.
 *
 * (PCI Local Bus Specification 3.0, section 3.2.2.3.2; Intel 82441FX data
 * sheet 290549-001, section 3.1.)
 *
 * Stream: "PCIHost" version 1, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci-host.h"

#include "system/vm.h"

enum {
    CONFADD_PORT = 0xcf8,
    CONFDATA_PORT = 0xcfc,
};
#define CONFADD_ENABLE (UINT32_C(1) << 31)

/* Only a whole dword reaches CONFADD; its other bytes are other ports. */
static void confadd_write(Device *dev, uint64_t off, uint64_t val,
                          unsigned size)
{
    if (off == 0 && size == 4) {
        DEVICE_CAST(PciHost, dev)->config_reg = val;
    }
}

static uint64_t confadd_read(Device *dev, uint64_t off, unsigned size)
{
    return DEVICE_CAST(PciHost, dev)->config_reg >> (off * 8);
}

static uint32_t config_addr(const PciHost *h, uint64_t off)
{
    return (h->config_reg & ~CONFADD_ENABLE) | off;
}

static void confdata_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    PciHost *h = DEVICE_CAST(PciHost, dev);

    if (h->config_reg & CONFADD_ENABLE) {
        pci_host_config_write(&h->bus, config_addr(h, off), val, size);
    }
}

static uint64_t confdata_read(Device *dev, uint64_t off, unsigned size)
{
    PciHost *h = DEVICE_CAST(PciHost, dev);

    if (!(h->config_reg & CONFADD_ENABLE)) {
        return UINT64_MAX;
    }
    return pci_host_config_read(&h->bus, config_addr(h, off), size);
}

static const IoOps confadd_io = {
    .read = confadd_read,
    .write = confadd_write,
    .unaligned = true,
};

static const IoOps confdata_io = {
    .read = confdata_read,
    .write = confdata_write,
    .unaligned = true,
};

bool pci_host_init(PciHost *h, const char *name, GError **errp)
{
    Device *dev = &h->dev;
    Memory *mem = &dev->vm->mem;

    memory_region_init(&h->pci, mem, "pci", UINT64_MAX);
    memory_region_add(&mem->root, 0, &h->pci, -1);
    device_own_region(dev, &h->pci);
    pci_bus_init(&h->bus, dev, name, &h->pci, &mem->io_root, 0);
    return device_claim_io(dev, &h->index, &confadd_io, "pci-conf-idx",
                           CONFADD_PORT, 4, errp) &&
           device_claim_io(dev, &h->data, &confdata_io, "pci-conf-data",
                           CONFDATA_PORT, 4, errp);
}

void pci_host_reset(Device *dev)
{
    DEVICE_CAST(PciHost, dev)->config_reg = 0;
}

const Vmstate pci_host_vmstate = {
    .name = "PCIHost",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(PciHost, config_reg),
            VMSTATE_END,
        },
};
