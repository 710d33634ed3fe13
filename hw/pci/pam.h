/*
 * Programmable attribute map: which reads and writes of the first megabyte's
 * upper part go to DRAM and which to PCI.  Host bridges have its registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_PCI_PAM_H
#define HW_PCI_PAM_H

#include "hw/pci/pci.h"

enum {
    PAM_SEGMENTS = 13,
    PAM_REGISTERS = 7, /* bytes: PAM0 to PAM6 */
};

/* A stretch of memory whose reads and writes go to DRAM or to PCI. */
typedef struct PamSegment {
    MemoryRegion pci, ram; /* aliases; one is enabled */
} PamSegment;

typedef struct Pam {
    PamSegment segments[PAM_SEGMENTS];
} Pam;

/*
 * In realize() of the bridge `d`: all segments, PCI's, over what else is in
 * the memory space.  `ram`: the guest's, from address 0.
 */
void pam_init(Pam *pam, PciDevice *d, MemoryRegion *ram);
/* As the registers say, of which `regs` points at PAM0. */
void pam_update(Pam *pam, const uint8_t *regs);
/*
 * An alias of `target` in the memory space at the same addresses, in front of
 * what is there; released with the bridge.
 */
void host_bridge_add_alias(PciDevice *d, MemoryRegion *mr, const char *name,
                           MemoryRegion *target, uint64_t base, uint64_t size,
                           bool enabled);

#endif
