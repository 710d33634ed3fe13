/*
 * PCI-to-PCI bridges: type 1 header, windows, secondary bus and its reset.
 *
 * A secondary bus has memory and I/O spaces of its own, where the BARs of its
 * functions are mapped.  A window is a piece of one of them that shows in the
 * bus above.  Upstream, functions reach memory whether or not the bridge is a
 * bus master: firmware enables only the functions that it drives, and the
 * machine types' bridges have always let them through.
 *
 * (PCI-to-PCI Bridge Architecture Specification 1.2, sections 3.2 and 4.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pci-bridge.h"

#include "hw/pci/pci-priv.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

/*
 * A vendor's capability that firmware knows: its length, the number 1, then
 * buses (32 bits), I/O (64), memory (32), prefetchable memory below (32) and
 * above (64) 4 GiB; all ones: nothing said.
 */
enum {
    RESERVE_LENGTH = 0x02,
    RESERVE_TYPE = 0x03,
    RESERVE_TYPE_RESOURCES = 1,
    RESERVE_BUSES = 0x04,
    RESERVE_IO = 0x08,
    RESERVE_MEM = 0x10,
    RESERVE_PREF32 = 0x14,
    RESERVE_PREF64 = 0x18,
    RESERVE_SIZE = 0x20,
};

enum {
    WINDOW_IO = PCI_WINDOW_IO,
    WINDOW_MEM = PCI_WINDOW_MEM,
    WINDOW_PREF = PCI_WINDOW_PREF,
    WINDOW_VGA_MEM,   /* section 3.2.5.18, VGA Enable */
    WINDOW_VGA_IO_LO, /* 0x3b0 to 0x3bb */
    WINDOW_VGA_IO_HI, /* 0x3c0 to 0x3df */
    CONTROL_MASK = 0x005f,
    CONTROL_DISCARD = 0x0ba0, /* of conventional bridges: timers, fast b2b */
};

static const PciWindow shut = { 1, 0 };

static PciWindow io_window(const uint8_t *c)
{
    return (PciWindow){
        .base = (uint64_t)(c[PCI_IO_BASE] & 0xf0) << 8,
        .limit = (uint64_t)(c[PCI_IO_LIMIT] & 0xf0) << 8 | 0xfff,
    };
}

static PciWindow mem_window(const uint8_t *c)
{
    return (PciWindow){
        .base = (uint64_t)(lduw_le_p(c + PCI_MEMORY_BASE) & 0xfff0) << 16,
        .limit = (uint64_t)(lduw_le_p(c + PCI_MEMORY_LIMIT) & 0xfff0) << 16 |
                 0xfffff,
    };
}

static PciWindow pref_window(const uint8_t *c)
{
    return (PciWindow){
        .base = (uint64_t)(lduw_le_p(c + PCI_PREF_MEMORY_BASE) & 0xfff0) << 16 |
                (uint64_t)ldl_le_p(c + PCI_PREF_BASE_UPPER32) << 32,
        .limit = (uint64_t)(lduw_le_p(c + PCI_PREF_MEMORY_LIMIT) & 0xfff0)
                     << 16 |
                 0xfffff | (uint64_t)ldl_le_p(c + PCI_PREF_LIMIT_UPPER32) << 32,
    };
}

PciWindow pci_bridge_window(const PciDevice *d, PciWindowKind kind)
{
    switch (kind) {
    case PCI_WINDOW_IO:
        return io_window(d->config);
    case PCI_WINDOW_MEM:
        return mem_window(d->config);
    default:
        return pref_window(d->config);
    }
}

/* As the command register and VGA Enable open them. */
static PciWindow window_of(const PciDevice *d, unsigned n)
{
    uint16_t cmd = lduw_le_p(d->config + PCI_COMMAND);
    bool vga = d->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_CTL_VGA;
    bool is_io =
        n == WINDOW_IO || n == WINDOW_VGA_IO_LO || n == WINDOW_VGA_IO_HI;

    if (!(cmd & (is_io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY))) {
        return shut;
    }
    switch (n) {
    case WINDOW_IO:
    case WINDOW_MEM:
    case WINDOW_PREF:
        return pci_bridge_window(d, (PciWindowKind)n);
    case WINDOW_VGA_MEM:
        return vga ? (PciWindow){ 0xa0000, 0xbffff } : shut;
    case WINDOW_VGA_IO_LO:
        return vga ? (PciWindow){ 0x3b0, 0x3bb } : shut;
    default:
        return vga ? (PciWindow){ 0x3c0, 0x3df } : shut;
    }
}

static void update_window(PciBridge *br, unsigned n)
{
    MemoryRegion *mr = &br->windows[n];
    PciWindow w = window_of(&br->pci, n);
    bool open = w.base <= w.limit;

    if (open) {
        memory_region_set_alias_offset(mr, w.base);
        memory_region_set_size(mr, w.limit - w.base + 1);
        memory_region_set_address(mr, w.base);
    }
    memory_region_set_enabled(mr, open);
}

static void update_windows(PciBridge *br)
{
    Memory *mem = &br->pci.dev.vm->mem;

    memory_transaction_begin(mem);
    for (unsigned n = 0; n < PCI_BRIDGE_WINDOWS; n++) {
        update_window(br, n);
    }
    memory_transaction_commit(mem);
}

/* The functions and what hangs below them; the bridge itself stays. */
static void reset_secondary(PciBridge *br)
{
    bus_reset_tree(&br->sec.bus);
}

void pci_bridge_config_write(PciDevice *d, unsigned addr, uint32_t val,
                             unsigned len)
{
    PciBridge *br = PCI_BRIDGE(d);
    uint16_t old = lduw_le_p(d->config + PCI_BRIDGE_CONTROL);
    uint16_t control;

    pci_default_config_write(d, addr, val, len);
    if (addr >= PCI_STD_HEADER_SIZEOF) {
        return;
    }
    update_windows(br);
    control = lduw_le_p(d->config + PCI_BRIDGE_CONTROL);
    if (control & ~old & PCI_BRIDGE_CTL_BUS_RESET) {
        reset_secondary(br);
    }
}

void pci_bridge_loaded(PciBridge *br)
{
    update_windows(br);
}

/* Bits that the guest can write; section 3.2.5. */
static void init_header(PciDevice *d, bool express)
{
    uint8_t *c = d->config, *w = d->wmask;

    memset(w + PCI_PRIMARY_BUS, 0xff, 4);
    w[PCI_IO_BASE] = w[PCI_IO_LIMIT] = 0xf0;
    stw_le_p(w + PCI_MEMORY_BASE, 0xfff0);
    stw_le_p(w + PCI_MEMORY_LIMIT, 0xfff0);
    stw_le_p(w + PCI_PREF_MEMORY_BASE, 0xfff0);
    stw_le_p(w + PCI_PREF_MEMORY_LIMIT, 0xfff0);
    memset(w + PCI_PREF_BASE_UPPER32, 0xff, 8);
    stw_le_p(w + PCI_BRIDGE_CONTROL,
             CONTROL_MASK | (express ? 0 : CONTROL_DISCARD));
    stw_le_p(d->w1cmask + PCI_SEC_STATUS,
             PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
                 PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |
                 PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY);
    /* 16 bits of I/O, 64 bits of prefetchable memory. */
    c[PCI_PREF_MEMORY_BASE] = c[PCI_PREF_MEMORY_LIMIT] = PCI_PREF_RANGE_TYPE_64;
    d->cmask[PCI_PREF_MEMORY_BASE] = PCI_PREF_RANGE_TYPE_MASK;
    d->cmask[PCI_PREF_MEMORY_LIMIT] = PCI_PREF_RANGE_TYPE_MASK;
}

static void init_windows(PciBridge *br)
{
    static const char *const names[] = {
        "pci_bridge_io",      "pci_bridge_mem",       "pci_bridge_pref_mem",
        "pci_bridge_vga_mem", "pci_bridge_vga_io_lo", "pci_bridge_vga_io_hi",
    };
    Memory *mem = &br->pci.dev.vm->mem;
    PciBus *above = pci_bus_of(&br->pci);

    memory_region_init(&br->mem, mem, "pci_bridge_pci", UINT64_MAX);
    memory_region_init(&br->io, mem, "pci_bridge_io", 0x10000);
    memory_transaction_begin(mem);
    for (unsigned n = 0; n < PCI_BRIDGE_WINDOWS; n++) {
        MemoryRegion *mr = &br->windows[n];
        bool is_mem =
            n == WINDOW_MEM || n == WINDOW_PREF || n == WINDOW_VGA_MEM;

        memory_region_init_alias(mr, mem, names[n], is_mem ? &br->mem : &br->io,
                                 0, 1);
        memory_region_set_enabled(mr, false);
        memory_region_add(is_mem ? above->mem : above->io, 0, mr, 1);
    }
    memory_transaction_commit(mem);
}

void pci_bridge_init(PciBridge *br, bool express)
{
    init_header(&br->pci, br->pci.dev.type->pci->express && express);
    br->pci.config_write = pci_bridge_config_write;
    init_windows(br);
    pci_bus_init_secondary(&br->sec, &br->pci, express, &br->mem, &br->io);
    br->sec_vmstate = pci_bus_register_vmstate(&br->sec);
}

void pci_bridge_fini(PciBridge *br)
{
    Memory *mem = &br->pci.dev.vm->mem;

    if (br->sec_vmstate == NULL) {
        return;
    }
    if (br->sec.hotplug != NULL) {
        br->sec.hotplug->bus_gone(br->sec.hotplug_opaque, &br->sec);
    }
    /* What is plugged there maps its BARs into the spaces below. */
    bus_fini(&br->sec.bus);
    vmstate_unregister(br->pci.dev.vm->vmstates, br->sec_vmstate);
    br->sec_vmstate = NULL;
    br->pci.secondary = NULL;
    memory_transaction_begin(mem);
    for (unsigned n = 0; n < PCI_BRIDGE_WINDOWS; n++) {
        memory_region_del(&br->windows[n]);
        memory_region_fini(&br->windows[n]);
    }
    memory_region_fini(&br->io);
    memory_region_fini(&br->mem);
    memory_transaction_commit(mem);
}

void pci_bridge_reset(PciBridge *br)
{
    uint8_t *c = br->pci.config;

    memset(c + PCI_PRIMARY_BUS, 0, 4);
    c[PCI_IO_BASE] &= ~0xf0;
    c[PCI_IO_LIMIT] &= ~0xf0;
    stw_le_p(c + PCI_MEMORY_BASE, 0);
    stw_le_p(c + PCI_MEMORY_LIMIT, 0);
    stw_le_p(c + PCI_PREF_MEMORY_BASE, PCI_PREF_RANGE_TYPE_64);
    stw_le_p(c + PCI_PREF_MEMORY_LIMIT, PCI_PREF_RANGE_TYPE_64);
    memset(c + PCI_PREF_BASE_UPPER32, 0, 8);
    stw_le_p(c + PCI_BRIDGE_CONTROL, 0);
    update_windows(br);
}

void pci_bridge_shut_windows(PciBridge *br)
{
    uint8_t *c = br->pci.config;

    c[PCI_IO_BASE] |= 0xf0;
    stw_le_p(c + PCI_MEMORY_BASE, 0xfff0);
    stw_le_p(c + PCI_PREF_MEMORY_BASE, 0xfff0 | PCI_PREF_RANGE_TYPE_64);
    update_windows(br);
}

uint8_t pci_bridge_add_ssvid(PciDevice *d, uint8_t off, uint16_t vendor,
                             uint16_t id, GError **errp)
{
    off = pci_add_capability(d, PCI_CAP_ID_SSVID, off, 8, errp);
    if (off != 0) {
        stw_le_p(d->config + off + PCI_SSVID_VENDOR_ID, vendor);
        stw_le_p(d->config + off + PCI_SSVID_DEVICE_ID, id);
    }
    return off;
}

bool pci_bridge_add_reserve(PciDevice *d, const PciReserve *r, GError **errp)
{
    uint8_t *c, off;

    if (r->pref32 != UINT64_MAX && r->pref64 != UINT64_MAX) {
        error_setf(errp, "PCI resource reserve cap: PREF32 and PREF64 "
                         "conflict");
        return false;
    }
    if ((r->mem != UINT64_MAX && r->mem >= UINT32_MAX) ||
        (r->pref32 != UINT64_MAX && r->pref32 >= UINT32_MAX)) {
        error_setf(errp,
                   "%s: mem-reserve and pref32-reserve must be less "
                   "than 4G",
                   device_name(&d->dev));
        return false;
    }
    if (r->buses == UINT32_MAX && r->io == UINT64_MAX && r->mem == UINT64_MAX &&
        r->pref32 == UINT64_MAX && r->pref64 == UINT64_MAX) {
        return true;
    }
    off = pci_add_capability(d, PCI_CAP_ID_VNDR, 0, RESERVE_SIZE, errp);
    if (off == 0) {
        return false;
    }
    c = d->config + off;
    c[RESERVE_LENGTH] = RESERVE_SIZE;
    c[RESERVE_TYPE] = RESERVE_TYPE_RESOURCES;
    stl_le_p(c + RESERVE_BUSES, r->buses);
    stq_le_p(c + RESERVE_IO, r->io);
    stl_le_p(c + RESERVE_MEM, r->mem);
    stl_le_p(c + RESERVE_PREF32, r->pref32);
    stq_le_p(c + RESERVE_PREF64, r->pref64);
    return true;
}
