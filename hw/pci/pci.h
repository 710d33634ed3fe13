/*
 * PCI: the tree of buses, functions, configuration space, BARs, INTx, MSI.
 * (PCI Local Bus Specification 3.0.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include "hw/core/device.h"
#include "hw/core/dma.h"

#define PCI_CONFIG_SIZE  256
#define PCIE_CONFIG_SIZE 4096
#define PCI_NUM_BARS     7 /* the seventh is the expansion ROM */
#define PCI_ROM_SLOT     6

/* A function's identity; part of its const DeviceType. */
typedef struct PciInfo {
    uint16_t vendor_id, device_id;
    uint16_t subsystem_vendor_id, subsystem_id; /* 0: 1af4:1100 */
    uint16_t class_id;                          /* base << 8 | sub */
    uint8_t prog_if, revision, header_type;
    uint16_t status; /* bits of the status register that are always set */
    bool express;
    const char *romfile; /* default option ROM; may be NULL */
} PciInfo;

typedef struct PciDevice PciDevice;
typedef struct PciBus PciBus;

typedef struct PciBar {
    MemoryRegion *mr; /* NULL: not implemented */
    uint64_t size;
    uint8_t type;  /* low bits of the BAR: I/O, 64-bit, prefetchable */
    uint64_t addr; /* where it is mapped; UINT64_MAX: nowhere */
} PciBar;

struct PciDevice {
    Device dev;
    int32_t devfn; /* slot << 3 | function, once plugged or addr_set */
    bool addr_set; /* by the property; else the next free slot is taken */
    bool multifunction;
    uint32_t acpi_index;  /* by which guests name a card; 0: none */
    char *romfile;        /* NULL until plugged: the type's */
    uint32_t romsize;     /* bytes; UINT32_MAX: as large as the file needs */
    uint32_t rombar;      /* 0: firmware gets the ROM as a file */
    MemoryRegion rom;     /* the expansion ROM; not named: it has none */
    unsigned config_size; /* bytes: PCI_CONFIG_SIZE or PCIE_CONFIG_SIZE */
    uint8_t config[PCIE_CONFIG_SIZE];
    uint8_t wmask[PCIE_CONFIG_SIZE];    /* bits the guest can write */
    uint8_t w1cmask[PCIE_CONFIG_SIZE];  /* bits it clears by writing one */
    uint8_t cmask[PCIE_CONFIG_SIZE];    /* bits checked on incoming state */
    uint8_t cap_bytes[PCI_CONFIG_SIZE]; /* 1: taken by a capability */
    PciBar bars[PCI_NUM_BARS];
    int32_t version_id;       /* in the stream; always 2 */
    uint8_t irq_state;        /* bit n: INTx pin n asserted; migrated */
    DmaSpace dma;             /* open: the function is a bus master */
    struct Msix *msix;        /* NULL: has none; see msix.h */
    uint8_t msi_cap;          /* offset of its MSI capability; 0: has none */
    struct Shpc *shpc;        /* hot-plug controller of a bridge, or NULL */
    struct PciBus *secondary; /* of a bridge; NULL: it is none */
    /* Function hooks, set in realize(); defaults do the standard thing. */
    uint32_t (*config_read)(PciDevice *d, unsigned addr, unsigned len);
    void (*config_write)(PciDevice *d, unsigned addr, uint32_t val,
                         unsigned len);
};
#define PCI_DEVICE(dev_) DEVICE_CAST(PciDevice, dev_)

/*
 * Who tells the guest of functions that come and go while it runs.  An asked
 * function goes by device_delete(), when the guest has let go of it.
 */
typedef struct PciHotplugOps {
    void (*plugged)(void *opaque, PciDevice *d);
    void (*unplug_asked)(void *opaque, PciDevice *d);
    /* How long the guest has before it may be asked again; 0: no time. */
    int64_t again_ns;
    /* The bus goes, with what is on it. */
    void (*bus_gone)(void *opaque, PciBus *bus);
} PciHotplugOps;

struct PciBus {
    Bus bus;
    const PciHotplugOps *hotplug; /* NULL: none; bus.hotplug is false */
    void *hotplug_opaque;
    PciDevice *devs[256];   /* by devfn */
    uint8_t devfn_min;      /* lowest for automatic slots */
    MemoryRegion *mem, *io; /* where BARs are mapped */
    int32_t nirq;
    int32_t irq_count[32]; /* asserted sources per routed line; migrated */
    /* Which host line an INTx pin of a function drives. */
    unsigned (*map_irq)(PciDevice *d, unsigned pin);
    void (*set_irq)(void *opaque, unsigned line, bool level);
    void *irq_opaque;
    PciDevice *parent; /* bridge; NULL: root */
    bool express;      /* its functions are PCI Express devices */
    /* Behind a bridge: slots whose functions may come and go; 0: none. */
    unsigned hotplug_slots;
};
#define PCI_BUS(b) container_of(b, PciBus, bus)

/* A root bus; see pci_bus_register_vmstate(). */
void pci_bus_init(PciBus *bus, Device *owner, const char *name,
                  MemoryRegion *mem, MemoryRegion *io, unsigned devfn_min);
/*
 * The bus behind a bridge, from which memory and I/O are seen in `mem` and
 * `io`; named by the bridge's id.
 */
void pci_bus_init_secondary(PciBus *bus, PciDevice *bridge, bool express,
                            MemoryRegion *mem, MemoryRegion *io);
void pci_bus_set_irqs(PciBus *bus, unsigned nirq,
                      unsigned (*map)(PciDevice *d, unsigned pin),
                      void (*set)(void *opaque, unsigned line, bool level),
                      void *opaque);
/* After the mapping has changed: counts anew who asserts which line. */
void pci_bus_recount_irqs(PciBus *root);
/* NULL: functions can't come or go any more. */
void pci_bus_set_hotplug(PciBus *bus, const PciHotplugOps *ops, void *opaque);
/*
 * Registers the section "PCIBUS": behind the host bridge's.  A bridge
 * unregisters that of its secondary bus.
 */
VmstateEntry *pci_bus_register_vmstate(PciBus *bus);
PciBus *pci_bus_of(PciDevice *d);
/* Bus number, as firmware has set it in the bridge; 0: a root bus. */
unsigned pci_bus_number(const PciBus *bus);
/* Properties every PCI function has (addr, multifunction, romfile, …). */
extern const Property pci_props[];
/* To be the first member of a function's vmstate: "PCIDevice" struct. */
extern const Vmstate vmstate_pci_device;
#define VMSTATE_PCI_DEVICE_AS(T, f, name_)                             \
    {                                                                  \
        .name = (name_), .kind = VMS_STRUCT, .offset = offsetof(T, f), \
        .size = sizeof(PciDevice), .vms = &vmstate_pci_device,         \
        .struct_version = 2                                            \
    }
#define VMSTATE_PCI_DEVICE(T, f) VMSTATE_PCI_DEVICE_AS(T, f, #f)

/* Called by a function's realize(): identity from type->pci is in place. */
void pci_register_bar(PciDevice *d, unsigned n, uint8_t type, MemoryRegion *mr);
/*
 * Takes all BARs from the address spaces, for a function that frees their
 * regions itself.
 */
void pci_unregister_bars(PciDevice *d);
/*
 * A capability of `size` bytes, header included, at `off` (0: at the first
 * free place): linked in front of the others, read-only until the function
 * says otherwise in wmask.  Returns its offset, or 0 with errp.
 */
uint8_t pci_add_capability(PciDevice *d, uint8_t id, uint8_t off, uint8_t size,
                           GError **errp);
void pci_set_irq(PciDevice *d, bool level); /* INTx by the interrupt pin */
/* As RST# resets one function: registers, interrupts, the device. */
void pci_function_reset(PciDevice *d);
/* DMA through the function's bus mastering enable; MEM_ERROR if off. */
MemResult pci_dma_read(PciDevice *d, uint64_t addr, void *buf, uint64_t len);
MemResult pci_dma_write(PciDevice *d, uint64_t addr, const void *buf,
                        uint64_t len);
void pci_default_config_write(PciDevice *d, unsigned addr, uint32_t val,
                              unsigned len);
/* Offset of a capability; 0: it has none of that id. */
uint8_t pci_find_capability(const PciDevice *d, uint8_t id);
/* A message-signalled interrupt; dropped while it is no bus master. */
void pci_send_msi(PciDevice *d, uint64_t addr, uint32_t data);
/* Does a message there interrupt a CPU?  Else it is a write to memory. */
bool pci_msi_is_interrupt(uint64_t addr);
uint32_t pci_default_config_read(PciDevice *d, unsigned addr, unsigned len);
/* Host bridge side: an access by bus, devfn, register (bounds-checked). */
uint32_t pci_host_config_read(PciBus *root, uint32_t addr, unsigned len);
void pci_host_config_write(PciBus *root, uint32_t addr, uint32_t val,
                           unsigned len);
PciDevice *pci_find(PciBus *root, unsigned bus, unsigned devfn);
/*
 * The same by an offset in the ECAM window, bus << 20 | devfn << 12 | register,
 * which reaches all 4 KiB (PCI Express Base Specification 5.0, section 7.2.2).
 */
uint32_t pci_ecam_read(PciBus *root, uint32_t off, unsigned len);
void pci_ecam_write(PciBus *root, uint32_t off, uint32_t val, unsigned len);
void pci_print_info(PciBus *root, GString *out); /* info pci */
/* What a class is called ("IDE controller"); NULL: it has no name here. */
const char *pci_class_desc(uint16_t class_id);

#endif
