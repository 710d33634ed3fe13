/*
 * PCI configuration space, and addresses for BARs where no firmware ran.
 *
 * Sources: PCI Local Bus Specification 3.0, 3.2.2.3.2 (configuration
 * mechanism #1), 6.1 (header), 6.2.5.1 (address maps), 6.7 (capabilities).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "pci.h"

enum {
    PORT_ADDRESS = 0xcf8,
    PORT_DATA = 0xcfc,
    ENABLE = 1u << 31,
    PCI_DEVFNS = 256, /* of bus 0 */
    BAR_IO = 1 << 0,
    BAR_64 = 1 << 2,
    COMMAND_MEMORY = 1 << 1,
    COMMAND_MASTER = 1 << 2,
    COMMAND_NO_INTX = 1 << 10,
    STATUS_CAPS = 1 << 4,
    MAX_CAPS = 48, /* as many as fit: a chain may be a ring */
};

/* Behind RAM of up to 3 GiB, before what PCs have at fixed addresses. */
static const uint32_t window_start = 0xf0000000;
static const uint32_t window_end = 0xfeb00000;

static void select(uint8_t devfn, uint8_t reg)
{
    outl(PORT_ADDRESS, ENABLE | (uint32_t)devfn << 8 | (reg & 0xfc));
}

uint32_t pci_read(uint8_t devfn, uint8_t reg)
{
    select(devfn, reg);
    return inl(PORT_DATA);
}

void pci_write(uint8_t devfn, uint8_t reg, uint32_t val)
{
    select(devfn, reg);
    outl(PORT_DATA, val);
}

bool pci_find(uint16_t vendor, const uint16_t *ids, unsigned nids, unsigned nth,
              uint8_t *ret_devfn)
{
    for (unsigned devfn = 0; devfn < PCI_DEVFNS; devfn++) {
        uint32_t id = pci_read(devfn, PCI_ID);

        for (unsigned i = 0; i < nids; i++) {
            if (id == ((uint32_t)ids[i] << 16 | vendor) && !nth--) {
                *ret_devfn = devfn;
                return true;
            }
        }
    }
    return false;
}

uint8_t pci_next_cap(uint8_t devfn, uint8_t cap, uint8_t id)
{
    if (!cap && !(pci_read(devfn, PCI_COMMAND) >> 16 & STATUS_CAPS)) {
        return 0;
    }
    cap = cap ? pci_read(devfn, cap) >> 8 & 0xfc
              : pci_read(devfn, PCI_CAPS) & 0xfc;
    for (unsigned i = 0; cap && i < MAX_CAPS; i++) {
        uint32_t head = pci_read(devfn, cap);

        if ((head & 0xff) == id) {
            return cap;
        }
        cap = head >> 8 & 0xfc;
    }
    return 0;
}

/* A size is what the writable bits of a BAR leave zero. */
static uint64_t bar_size(uint8_t devfn, uint8_t reg, uint32_t low)
{
    uint64_t mask;

    pci_write(devfn, reg, 0xffffffff);
    mask = pci_read(devfn, reg) & 0xfffffff0;
    pci_write(devfn, reg, low);
    return mask ? (uint32_t)-mask : 0;
}

uint64_t pci_map_bar(uint8_t devfn, unsigned bar)
{
    static uint32_t next;
    uint8_t reg = PCI_BAR0 + 4 * bar;
    uint32_t low = pci_read(devfn, reg);
    uint64_t addr = low & 0xfffffff0, size;

    if (low & BAR_IO || bar > 5) {
        return 0;
    }
    if (low & BAR_64) {
        addr |= (uint64_t)pci_read(devfn, reg + 4) << 32;
    }
    size = bar_size(devfn, reg, low);
    if (!addr && size) {
        if (!next) {
            next = window_start;
        }
        next = (next + size - 1) & -(uint32_t)size;
        if (size > window_end - next) {
            return 0;
        }
        addr = next;
        next += size;
        pci_write(devfn, reg, addr);
    }
    if (addr) {
        memory_map_mmio(addr, size);
    }
    return addr;
}

void pci_enable(uint8_t devfn)
{
    pci_write(devfn, PCI_COMMAND,
              COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX);
}
