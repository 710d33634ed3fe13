/*
 * Intel 82574L gigabit Ethernet controller ("e1000e").
 *
 *   BAR 0  128 KiB of memory: registers    BAR 1  128 KiB: flash, empty
 *   BAR 2  32 ports: IOADDR, IODATA        BAR 3  16 KiB: MSI-X, 5 vectors
 *
 * Stream: "e1000e" version 1 of a 7.2 machine (e1000e-vmstate.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000e-priv.h"

#include "hw/net/e1000e.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-regs.h"
#include "hw/pci/pcie.h"
#include "system/vm.h"
#include "util/bswap.h"

enum {
    BAR_MMIO,
    BAR_FLASH,
    BAR_IO,
    BAR_MSIX,
    MSIX_BAR_SIZE = 16 * 1024,

    CAP_PM = 0xc8,
    CAP_MSI = 0xd0,
    CAP_EXP = 0xe0,
    CAP_MSIX = 0xa0,
    CAP_AER = 0x100,
    CAP_DSN = 0x140,
    DSN_SIZE = 12,
    PM_VERSION_DSI = 2 | 1 << 5,
    PM_CTRL_WRITABLE = PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_ENABLE |
                       PCI_PM_CTRL_DATA_SEL_MASK,

    IO_ADDR = 0,
    IO_DATA = 4,
};

static E1000e *e1000e_of(Device *dev)
{
    return container_of(dev, E1000e, pci.dev);
}

/* --------------------------------------------------------------- reset --- */

void e1000e_reset_mac(E1000e *s)
{
    uint32_t link = E1000E_MAC(s, E1000_STATUS) & E1000_STATUS_LU;

    e1000e_regs_reset(s);
    E1000E_MAC(s, E1000_STATUS) |= link;
    for (unsigned q = 0; q < E1000E_QUEUES; q++) {
        e1000_tx_reset(&s->tx[q]);
    }
    /* Of RCTL as it is now; there, as after power-up. */
    memset(s->rxbuf_sizes, 0, sizeof(s->rxbuf_sizes));
    s->rx_desc_buf_size = 0;
    s->rx_desc_len = 0;
    s->rxbuf_min_shift = 5;
    timer_del(&s->tx_more);
    e1000e_irq_reset(s);
}

static void e1000e_reset(Device *dev)
{
    E1000e *s = e1000e_of(dev);

    pcie_reset(&s->pci);
    pcie_reset_aer(&s->pci, CAP_AER);
    msi_reset(&s->pci);
    msix_reset(&s->pci);
    s->io_addr = 0;
    s->vet = 0;
    e1000e_phy_reset(s);
    E1000E_MAC(s, E1000_STATUS) |= E1000_STATUS_LU;
    e1000e_reset_mac(s);
    if (s->nic.port.link_down) {
        e1000e_set_link(s, false);
    }
}

/* -------------------------------------------------------------- access --- */

static uint64_t mmio_read(Device *dev, uint64_t off, unsigned size)
{
    return e1000e_reg_read(e1000e_of(dev), off & ~3u);
}

static void mmio_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    /*
     * A frame's own data would reset the card, or change the geometry of its
     * rings, while it is stored, which then had no end: such are lost.
     */
    if (dma_access_under_way()) {
        return;
    }
    e1000e_reg_write(e1000e_of(dev), off & ~3u, val);
}

static const IoOps mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .min_size = 4,
    .max_size = 4,
};

/* An empty flash, which nothing is written to. */
static uint64_t flash_read(Device *dev, uint64_t off, unsigned size)
{
    return 0;
}

static void flash_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
}

static const IoOps flash_ops = { .read = flash_read, .write = flash_write };

/* Section 10.1.1: a register's offset, then its value. */
static uint64_t io_read(Device *dev, uint64_t off, unsigned size)
{
    E1000e *s = e1000e_of(dev);

    if (off == IO_ADDR) {
        return s->io_addr;
    }
    if (off != IO_DATA || s->io_addr >= E1000_MMIO_SIZE) {
        return 0;
    }
    return e1000e_reg_read(s, s->io_addr & ~3u);
}

static void io_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    E1000e *s = e1000e_of(dev);

    if (off == IO_ADDR) {
        s->io_addr = val;
    } else if (off == IO_DATA && s->io_addr < E1000_MMIO_SIZE) {
        e1000e_reg_write(s, s->io_addr & ~3u, val);
    }
}

static const IoOps io_ops = {
    .read = io_read,
    .write = io_write,
    .min_size = 4,
    .max_size = 4,
};

/* ---------------------------------------------------------------- port --- */

static void e1000e_resume(NetPort *p, unsigned queue)
{
    e1000e_tx_run(container_of(p, E1000e, nic.port));
}

static void e1000e_link_changed(NetPort *p)
{
    E1000e *s = container_of(p, E1000e, nic.port);

    if (e1000e_set_link(s, !p->link_down)) {
        e1000e_interrupt(s, E1000_INT_LSC);
    }
}

static const NetPortOps e1000e_port_ops = {
    .type = "nic",
    .is_nic = true,
    .receive = e1000e_receive,
    .resume = e1000e_resume,
    .link_changed = e1000e_link_changed,
};

static void tx_more(void *opaque)
{
    E1000e *s = opaque;

    if (runstate_is_running(s->pci.dev.vm)) {
        e1000e_tx_run(s);
    }
}

/* A turn that was to come when the VM stopped; or what can't travel. */
static void run_changed(RunStateListener *l, bool running, RunState state)
{
    E1000e *s = container_of(l, E1000e, run_listener);

    if (running) {
        e1000e_tx_run(s);
    } else {
        e1000e_tx_stop(s);
    }
}

/* ----------------------------------------------------------------- life --- */

static bool add_pm(PciDevice *d, GError **errp)
{
    uint8_t off =
        pci_add_capability(d, PCI_CAP_ID_PM, CAP_PM, PCI_PM_SIZEOF, errp);

    if (off == 0) {
        return false;
    }
    stw_le_p(d->config + off + PCI_PM_PMC, PM_VERSION_DSI);
    stw_le_p(d->wmask + off + PCI_PM_CTRL, PM_CTRL_WRITABLE);
    stw_le_p(d->w1cmask + off + PCI_PM_CTRL, PCI_PM_CTRL_PME_STATUS);
    return true;
}

static bool add_capabilities(E1000e *s, GError **errp)
{
    PciDevice *d = &s->pci;
    /* 2.5 GT/s, one lane. */
    const PcieLink link = { .speed = 1, .width = 1 };

    const PciBus *bus = pci_bus_of(d);
    uint8_t type = bus->parent == NULL && bus->express ? PCI_EXP_TYPE_RC_END
                                                       : PCI_EXP_TYPE_ENDPOINT;

    return msix_init_bar_size(d, E1000E_VECTORS, BAR_MSIX, MSIX_BAR_SIZE,
                              CAP_MSIX, errp) &&
           pcie_add_capability_v1(d, CAP_EXP, type, &link, errp) != 0 &&
           msi_init(d, CAP_MSI, 1, MSI_64BIT, errp) && add_pm(d, errp);
}

static void add_bars(E1000e *s)
{
    Device *dev = &s->pci.dev;
    Memory *mem = &dev->vm->mem;

    memory_region_init_io(&s->mmio, mem, "e1000e-mmio", E1000_MMIO_SIZE,
                          &mmio_ops, dev);
    device_own_region(dev, &s->mmio);
    pci_register_bar(&s->pci, BAR_MMIO, 0, &s->mmio);
    memory_region_init_io(&s->flash, mem, "e1000e-flash", E1000E_FLASH_SIZE,
                          &flash_ops, dev);
    device_own_region(dev, &s->flash);
    pci_register_bar(&s->pci, BAR_FLASH, 0, &s->flash);
    memory_region_init_io(&s->io, mem, "e1000e-io", E1000E_IO_SIZE, &io_ops,
                          dev);
    device_own_region(dev, &s->io);
    pci_register_bar(&s->pci, BAR_IO, 1, &s->io);
}

static void init_queues(E1000e *s)
{
    for (unsigned q = 0; q < E1000E_QUEUES; q++) {
        s->tx[q].pci = &s->pci;
        s->tx[q].port = &s->nic.port;
        s->tx[q].mac = s->mac;
        s->tx[q].one_context = true;
    }
}

/* The serial number is the address, widened (IEEE EUI-64). */
static void add_serial_number(E1000e *s)
{
    const uint8_t *mac = s->nic.mac.a;
    uint8_t *c = s->pci.config + CAP_DSN + 4;

    pcie_add_ext_capability(&s->pci, PCI_EXT_CAP_ID_DSN, 1, CAP_DSN, DSN_SIZE);
    for (unsigned i = 0; i < 3; i++) {
        c[i] = mac[5 - i];
        c[5 + i] = mac[2 - i];
    }
    c[3] = 0xff;
    c[4] = 0xff;
}

static void e1000e_unrealize(Device *dev)
{
    E1000e *s = e1000e_of(dev);

    pci_unregister_bars(&s->pci);
    runstate_del_listener(dev->vm, &s->run_listener);
    e1000e_irq_reset(s);
    timer_del(&s->tx_more);
    msix_fini(&s->pci);
    nic_unrealize(&s->nic);
}

static bool e1000e_realize(Device *dev, GError **errp)
{
    E1000e *s = e1000e_of(dev);

    s->pci.config[PCI_INTERRUPT_PIN] = 1; /* INTA# */
    stw_le_p(s->pci.config + PCI_SUBSYSTEM_VENDOR_ID, s->opt_subsys_vendor);
    stw_le_p(s->pci.config + PCI_SUBSYSTEM_ID, s->opt_subsys);
    init_queues(s);
    e1000e_irq_init(s);
    timer_init(&s->tx_more, dev->vm->clocks, CLOCK_TYPE_REALTIME, tx_more, s);
    if (!nic_realize(&s->nic, dev, &e1000e_port_ops, 1, errp)) {
        return false;
    }
    s->run_listener.changed = run_changed;
    runstate_add_listener(dev->vm, &s->run_listener);
    s->permanent_mac = s->nic.mac;
    e1000e_eeprom_init(s);
    add_bars(s);
    if (!add_capabilities(s, errp)) {
        e1000e_unrealize(dev);
        return false;
    }
    for (unsigned v = 0; v < E1000E_VECTORS; v++) {
        msix_vector_use(&s->pci, v);
    }
    pcie_add_aer(&s->pci, CAP_AER, false);
    add_serial_number(s);
    return true;
}

static const Property e1000e_props[] = {
    NIC_PROPS(E1000e, nic),
    PROP(PROP_U8, E1000e, opt_disable_vnet, "disable_vnet_hdr",
         .help = "Do not use virtio headers, perform SW offloads emulation "
                 "instead"),
    PROP(PROP_U16, E1000e, opt_subsys_vendor, "subsys_ven", .def = 0x8086,
         .help = "PCI device Subsystem Vendor ID"),
    PROP(PROP_U16, E1000e, opt_subsys, "subsys",
         .help = "PCI device Subsystem ID"),
    PROP(PROP_BOOL, E1000e, opt_init_vet, "init-vet", .def = true),
    PROP_END,
};

static const PciInfo e1000e_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x10d3,
    .class_id = 0x0200,
    .express = true,
    .romfile = "efi-e1000e.rom",
};

const DeviceType e1000e_type = {
    .name = "e1000e",
    .parent = "pci-device",
    .desc = "Intel 82574L GbE Controller",
    .category = "Network",
    .size = sizeof(E1000e),
    .bus = BUS_PCI,
    .user_creatable = true,
    .hotpluggable = true,
    .props = e1000e_props,
    .pci = &e1000e_pci,
    .realize = e1000e_realize,
    .unrealize = e1000e_unrealize,
    .reset = e1000e_reset,
    .vmstate = &e1000e_vmstate,
};
