/*
 * PCI-to-PCI bridges: what the types of them share.
 * (PCI-to-PCI Bridge Architecture Specification 1.2.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_PCI_BRIDGE_H
#define HW_PCI_PCI_BRIDGE_H

#include "hw/pci/pci.h"

enum { PCI_BRIDGE_WINDOWS = 6 };

typedef struct PciBridge {
    PciDevice pci;
    PciBus sec;
    VmstateEntry *sec_vmstate;
    MemoryRegion mem, io; /* as the secondary bus sees them */
    /* What the bridge forwards downstream: aliases of mem and io. */
    MemoryRegion windows[PCI_BRIDGE_WINDOWS];
} PciBridge;
#define PCI_BRIDGE(d) container_of(d, PciBridge, pci)

/*
 * In realize(): a type 1 header with windows and a secondary bus below it,
 * `express`: of PCI Express.  The types' own vmstate holds the registers.
 */
void pci_bridge_init(PciBridge *br, bool express);
/* In unrealize(), and when realize() fails after pci_bridge_init(). */
void pci_bridge_fini(PciBridge *br);
/* To power-on state: numbers are 0. */
void pci_bridge_reset(PciBridge *br);
/* Shuts all windows, as ports of PCI Express have them after a reset. */
void pci_bridge_shut_windows(PciBridge *br);
/* For types with a config_write() of their own. */
void pci_bridge_config_write(PciDevice *d, unsigned addr, uint32_t val,
                             unsigned len);
/* In post_load(): opens the windows that were loaded. */
void pci_bridge_loaded(PciBridge *br);

/* The subsystem IDs of a bridge; read-only.  Returns its offset, 0 on error. */
uint8_t pci_bridge_add_ssvid(PciDevice *d, uint8_t off, uint16_t vendor,
                             uint16_t id, GError **errp);

/* A window's registers, whether it is open or not. */
typedef enum PciWindowKind {
    PCI_WINDOW_IO,
    PCI_WINDOW_MEM,
    PCI_WINDOW_PREF,
} PciWindowKind;
typedef struct PciWindow {
    uint64_t base, limit; /* limit < base: shut */
} PciWindow;
PciWindow pci_bridge_window(const PciDevice *d, PciWindowKind kind);

/* What firmware is to keep free behind a bridge for what comes later. */
typedef struct PciReserve {
    uint32_t buses;                   /* UINT32_MAX: firmware's choice */
    uint64_t io, mem, pref32, pref64; /* bytes; UINT64_MAX: likewise */
} PciReserve;
#define PCI_RESERVE_PROPS(T, f)                                    \
    PROP(PROP_U32, T, f.buses, "bus-reserve", .def = UINT32_MAX),  \
        PROP(PROP_SIZE, T, f.io, "io-reserve", .def = -1),         \
        PROP(PROP_SIZE, T, f.mem, "mem-reserve", .def = -1),       \
        PROP(PROP_SIZE, T, f.pref32, "pref32-reserve", .def = -1), \
        PROP(PROP_SIZE, T, f.pref64, "pref64-reserve", .def = -1)
/* Tells firmware of them in a capability, if there are any. */
bool pci_bridge_add_reserve(PciDevice *d, const PciReserve *r, GError **errp);

extern const DeviceType pci_bridge_type;
extern const DeviceType pcie_pci_bridge_type;
extern const DeviceType pcie_root_port_type;
extern const DeviceType ioh3420_type;

#endif
