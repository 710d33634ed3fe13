/*
 * QMP command query-pci.
 *
 * Registers: PCI Local Bus Specification 3.0, section 6.1, and PCI-to-PCI
 * Bridge Architecture Specification 1.2, section 3.2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci-bridge.h"
#include "monitor/qmp.h"
#include "qapi/qapi-commands.h"
#include "system/vm.h"

enum {
    REG_VENDOR = 0x00,
    REG_DEVICE = 0x02,
    REG_CLASS = 0x0a,
    REG_HEADER_TYPE = 0x0e,
    REG_SUBSYSTEM_VENDOR = 0x2c,
    REG_SUBSYSTEM = 0x2e,
    REG_IRQ_LINE = 0x3c,
    REG_IRQ_PIN = 0x3d,
    /* Type 1 headers. */
    REG_PRIMARY_BUS = 0x18,
    REG_SECONDARY_BUS = 0x19,
    REG_SUBORDINATE_BUS = 0x1a,

    BAR_IO = 1 << 0,
    BAR_64 = 1 << 2,
    BAR_PREFETCH = 1 << 3,
    HEADER_BRIDGE = 1,
};

static PciDeviceInfoList *bus_devices(PciBus *bus, int number);

static unsigned pci_reg16(const PciDevice *d, unsigned reg)
{
    return d->config[reg] | d->config[reg + 1] << 8;
}

static PciMemoryRegion *bar_info(const PciBar *bar, unsigned n)
{
    PciMemoryRegion *info = pci_memory_region_new();

    info->bar = n;
    info->type = g_strdup(bar->type & BAR_IO ? "io" : "memory");
    info->address = (int64_t)bar->addr;
    info->size = (int64_t)bar->size;
    if (!(bar->type & BAR_IO)) {
        info->has_prefetch = true;
        info->prefetch = bar->type & BAR_PREFETCH;
        info->has_mem_type_64 = true;
        info->mem_type_64 = bar->type & BAR_64;
    }
    return info;
}

static PciMemoryRange *range_info(const PciDevice *d, PciWindowKind kind)
{
    PciMemoryRange *r = pci_memory_range_new();
    PciWindow w = pci_bridge_window(d, kind);

    r->base = (int64_t)w.base;
    r->limit = (int64_t)w.limit;
    return r;
}

static PciBusInfo *bridge_bus_info(const PciDevice *d)
{
    PciBusInfo *info = pci_bus_info_new();

    info->number = d->config[REG_PRIMARY_BUS];
    info->secondary = d->config[REG_SECONDARY_BUS];
    info->subordinate = d->config[REG_SUBORDINATE_BUS];
    info->io_range = range_info(d, PCI_WINDOW_IO);
    info->memory_range = range_info(d, PCI_WINDOW_MEM);
    info->prefetchable_range = range_info(d, PCI_WINDOW_PREF);
    return info;
}

static PciDeviceInfo *device_info(PciDevice *d, int bus_number)
{
    PciDeviceInfo *info = pci_device_info_new();
    unsigned header = d->config[REG_HEADER_TYPE] & 0x7f;

    info->bus = bus_number;
    info->slot = d->devfn >> 3;
    info->function = d->devfn & 7;
    info->class_info = pci_device_class_new();
    info->class_info->class = pci_reg16(d, REG_CLASS);
    info->class_info->desc = g_strdup(pci_class_desc(info->class_info->class));
    info->id = pci_device_id_new();
    info->id->vendor = pci_reg16(d, REG_VENDOR);
    info->id->device = pci_reg16(d, REG_DEVICE);
    if (header == 0) {
        info->id->has_subsystem = true;
        info->id->subsystem = pci_reg16(d, REG_SUBSYSTEM);
        info->id->has_subsystem_vendor = true;
        info->id->subsystem_vendor = pci_reg16(d, REG_SUBSYSTEM_VENDOR);
    }
    info->irq_pin = d->config[REG_IRQ_PIN];
    info->has_irq = info->irq_pin != 0;
    info->irq = d->config[REG_IRQ_LINE];
    info->qdev_id = g_strdup(d->dev.id ? d->dev.id : "");
    info->regions = pci_memory_region_list_new();
    for (unsigned i = 0; i < PCI_NUM_BARS; i++) {
        if (d->bars[i].mr && d->bars[i].size) {
            pci_memory_region_list_append(info->regions,
                                          bar_info(&d->bars[i], i));
        }
    }
    if (header == HEADER_BRIDGE) {
        info->pci_bridge = pci_bridge_info_new();
        info->pci_bridge->bus = bridge_bus_info(d);
        if (d->secondary) {
            info->pci_bridge->devices =
                bus_devices(d->secondary, d->config[REG_SECONDARY_BUS]);
        }
    }
    return info;
}

static PciDeviceInfoList *bus_devices(PciBus *bus, int number)
{
    PciDeviceInfoList *list = pci_device_info_list_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(bus->devs); i++) {
        if (bus->devs[i]) {
            pci_device_info_list_append(list,
                                        device_info(bus->devs[i], number));
        }
    }
    return list;
}

static bool add_root_bus(Bus *bus, void *opaque)
{
    PciRootBusInfoList *list = opaque;
    PciRootBusInfo *info;

    if (bus->kind != BUS_PCI || PCI_BUS(bus)->parent) {
        return false;
    }
    info = pci_root_bus_info_new();
    info->devices = bus_devices(PCI_BUS(bus), 0);
    pci_root_bus_info_list_append(list, info);
    return false;
}

bool qmp_query_pci(QmpCtx *ctx, PciRootBusInfoList **ret, GError **errp)
{
    *ret = pci_root_bus_info_list_new();
    bus_foreach(ctx->vm, add_root_bus, *ret);
    return true;
}
