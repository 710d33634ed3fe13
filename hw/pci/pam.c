/*
 * Programmable attribute map of host bridges.
 *
 * Registers: Intel 82441FX data sheet (290549-001), section 3.2.14; those of
 * the 82G33 GMCH (317607-001, section 5.1.24 on) are the same.  With only
 * writes enabled, a segment is read from DRAM too, as machine types have it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pam.h"

#include "system/vm.h"

enum {
    PAM_RE = 1 << 0,
    PAM_WE = 1 << 1,
};

/* 0xf0000 … 0xfffff, then pieces of 16 KiB from 0xc0000 on. */
static uint64_t pam_base(unsigned n)
{
    return n == 0 ? 0xf0000 : 0xc0000 + (n - 1) * 0x4000;
}

static uint64_t pam_size(unsigned n)
{
    return n == 0 ? 0x10000 : 0x4000;
}

/* PAM0 has only its high half; then low half first. */
static unsigned pam_bits(const uint8_t *regs, unsigned n)
{
    return regs[(n + 1) / 2] >> ((n & 1) ? 0 : 4);
}

static void pam_update_segment(PamSegment *seg, unsigned bits)
{
    bool ram = bits & (PAM_RE | PAM_WE);

    memory_region_set_enabled(&seg->pci, !ram);
    memory_region_set_enabled(&seg->ram, ram);
    if (ram) {
        memory_region_set_readonly(&seg->ram, !(bits & PAM_WE));
    }
}

void pam_update(Pam *pam, const uint8_t *regs)
{
    for (unsigned n = 0; n < PAM_SEGMENTS; n++) {
        pam_update_segment(&pam->segments[n], pam_bits(regs, n));
    }
}

void host_bridge_add_alias(PciDevice *d, MemoryRegion *mr, const char *name,
                           MemoryRegion *target, uint64_t base, uint64_t size,
                           bool enabled)
{
    Memory *mem = &d->dev.vm->mem;

    memory_region_init_alias(mr, mem, name, target, base, size);
    mr->enabled = enabled;
    memory_region_add(&mem->root, base, mr, 1);
    device_own_region(&d->dev, mr);
}

void pam_init(Pam *pam, PciDevice *d, MemoryRegion *ram)
{
    MemoryRegion *pci = pci_bus_of(d)->mem;

    for (unsigned n = 0; n < PAM_SEGMENTS; n++) {
        PamSegment *seg = &pam->segments[n];

        host_bridge_add_alias(d, &seg->pci, "pam-pci", pci, pam_base(n),
                              pam_size(n), true);
        host_bridge_add_alias(d, &seg->ram, "pam-ram", ram, pam_base(n),
                              pam_size(n), false);
    }
}
