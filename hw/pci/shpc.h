/*
 * Standard Hot-Plug Controller of a PCI bridge.
 * (PCI Standard Hot-Plug Controller and Subsystem Specification 1.0.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_SHPC_H
#define HW_PCI_SHPC_H

#include "hw/pci/pci.h"

enum {
    SHPC_SLOTS = 31, /* devices 1 to 31; 0 is the bridge's own */
    SHPC_REGS = 0x24 + 4 * SHPC_SLOTS,
    SHPC_BAR_SIZE = 0x100,
};

typedef struct Shpc {
    uint8_t cap;             /* offset in configuration space; 0: none */
    uint8_t regs[SHPC_REGS]; /* the working registers; migrated */
    MemoryRegion mmio;
    PciDevice *d;
    PciBus *bus;
} Shpc;

/* In realize(): the capability at `off`, the registers in BAR 0. */
bool shpc_init(Shpc *s, PciDevice *d, PciBus *bus, uint8_t off, GError **errp);
/* In unrealize(), after pci_unregister_bars(). */
void shpc_fini(Shpc *s);
/* Slots as their functions have them. */
void shpc_reset(Shpc *s);
/* For config_write(), behind the bridge's own. */
void shpc_config_written(Shpc *s, unsigned addr, uint32_t val, unsigned len);

/* A field of type Shpc, sent as the working registers. */
#define VMSTATE_SHPC(T, f, test_)                                        \
    {                                                                    \
        .name = "shpc", .kind = VMS_CUSTOM, .offset = offsetof(T, f),    \
        .size = SHPC_REGS, .exists = (test_), .info = &vmstate_shpc_info \
    }
extern const VmstateInfo vmstate_shpc_info;

#endif
