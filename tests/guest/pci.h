/*
 * PCI functions on bus 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GUEST_PCI_H
#define GUEST_PCI_H

#include "guest.h"

enum {
    PCI_ID = 0x00,
    PCI_COMMAND = 0x04,
    PCI_BAR0 = 0x10,
    PCI_CAPS = 0x34,
    PCI_CAP_VENDOR = 9,
};

/* Aligned 32 bits of configuration space; `reg` is rounded down. */
uint32_t pci_read(uint8_t devfn, uint8_t reg);
void pci_write(uint8_t devfn, uint8_t reg, uint32_t val);

/* The nth (from 0) function that has one of these device numbers. */
bool pci_find(uint16_t vendor, const uint16_t *ids, unsigned nids, unsigned nth,
              uint8_t *ret_devfn);

/* The next capability `id` behind `cap` (0: the first), or 0. */
uint8_t pci_next_cap(uint8_t devfn, uint8_t cap, uint8_t id);

/*
 * Address of a memory BAR, mapped; one that has none gets the next that is
 * free. 0: not a memory BAR, or no room.
 */
uint64_t pci_map_bar(uint8_t devfn, unsigned bar);

/* Let it decode its BARs and access memory; no INTx. */
void pci_enable(uint8_t devfn);

#endif
