/*
 * MSI: the capability, its masks, and the one way to raise a message.
 *
 *   +0   id, next, message control
 *   +4   address, 32 or 64 bits
 *   then data (16 bits), mask bits, pending bits (32 bits each)
 *
 * (PCI Local Bus Specification 3.0, section 6.8.1.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/msi.h"

#include "hw/pci/msix.h"
#include "hw/pci/pci-regs.h"
#include "util/bswap.h"
#include "util/error.h"

static uint16_t flags_of(const PciDevice *d)
{
    return lduw_le_p(d->config + d->msi_cap + PCI_MSI_FLAGS);
}

static uint8_t *reg_at(PciDevice *d, unsigned off32, unsigned off64)
{
    bool wide = flags_of(d) & PCI_MSI_FLAGS_64BIT;

    return d->config + d->msi_cap + (wide ? off64 : off32);
}

static uint8_t *mask_bits(PciDevice *d)
{
    return reg_at(d, PCI_MSI_MASK_32, PCI_MSI_MASK_64);
}

static uint8_t *pending_bits(PciDevice *d)
{
    return reg_at(d, PCI_MSI_PENDING_32, PCI_MSI_PENDING_64);
}

/* As many as the driver allows; never more than the function has. */
static unsigned vectors_allowed(const PciDevice *d)
{
    uint16_t flags = flags_of(d);
    unsigned have = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
    unsigned want = (flags & PCI_MSI_FLAGS_QSIZE) >> 4;

    return 1u << MIN(have, want);
}

static unsigned cap_size(MsiFlags flags)
{
    if (flags & MSI_MASKS) {
        return flags & MSI_64BIT ? PCI_MSI_PENDING_64 + 4
                                 : PCI_MSI_PENDING_32 + 4;
    }
    return flags & MSI_64BIT ? PCI_MSI_DATA_64 + 2 : PCI_MSI_DATA_32 + 2;
}

bool msi_enabled(const PciDevice *d)
{
    return d->msi_cap != 0 && (flags_of(d) & PCI_MSI_FLAGS_ENABLE);
}

/* A driver that allows several finds the vector in the data's low bits. */
static void msi_cap_send(PciDevice *d, unsigned vector)
{
    const uint8_t *c = d->config + d->msi_cap;
    uint64_t addr = ldl_le_p(c + PCI_MSI_ADDRESS_LO);
    uint32_t data = lduw_le_p(reg_at(d, PCI_MSI_DATA_32, PCI_MSI_DATA_64));

    if (flags_of(d) & PCI_MSI_FLAGS_64BIT) {
        addr |= (uint64_t)ldl_le_p(c + PCI_MSI_ADDRESS_HI) << 32;
    }
    pci_send_msi(d, addr, (data & ~(vectors_allowed(d) - 1)) | vector);
}

void msi_notify(PciDevice *d, unsigned vector)
{
    uint32_t bit;

    if (!msi_enabled(d)) {
        return;
    }
    vector &= vectors_allowed(d) - 1;
    bit = UINT32_C(1) << vector;
    if ((flags_of(d) & PCI_MSI_FLAGS_MASKBIT) &&
        (ldl_le_p(mask_bits(d)) & bit)) {
        stl_le_p(pending_bits(d), ldl_le_p(pending_bits(d)) | bit);
        return;
    }
    msi_cap_send(d, vector);
}

/* What waited goes out, now that nothing masks it. */
static void send_pending(PciDevice *d)
{
    uint32_t ready = ldl_le_p(pending_bits(d)) & ~ldl_le_p(mask_bits(d));

    stl_le_p(pending_bits(d), ldl_le_p(pending_bits(d)) & ~ready);
    for (; ready != 0; ready &= ready - 1) {
        unsigned vector = (unsigned)__builtin_ctz(ready);

        if (vector < vectors_allowed(d)) {
            msi_cap_send(d, vector);
        }
    }
}

void msi_config_written(PciDevice *d, unsigned addr, unsigned len)
{
    unsigned cap = d->msi_cap;

    if (!msi_enabled(d) || addr >= cap + PCI_MSI_PENDING_64 + 4 ||
        addr + len <= cap) {
        return;
    }
    pci_set_irq(d, false);
    if (flags_of(d) & PCI_MSI_FLAGS_MASKBIT) {
        send_pending(d);
    }
}

bool msi_init(PciDevice *d, uint8_t cap_off, unsigned nvectors, MsiFlags flags,
              GError **errp)
{
    unsigned log2;
    uint8_t cap;

    if (!is_pow2(nvectors) || nvectors > MSI_VECTORS_MAX) {
        error_setf(errp, "%s: %u MSI vectors: a power of two, up to %u",
                   device_name(&d->dev), nvectors, MSI_VECTORS_MAX);
        return false;
    }
    cap = pci_add_capability(d, PCI_CAP_ID_MSI, cap_off, cap_size(flags), errp);
    if (cap == 0) {
        return false;
    }
    d->msi_cap = cap;
    log2 = (unsigned)__builtin_ctz(nvectors);
    stw_le_p(d->config + cap + PCI_MSI_FLAGS,
             log2 << 1 | (flags & MSI_64BIT ? PCI_MSI_FLAGS_64BIT : 0) |
                 (flags & MSI_MASKS ? PCI_MSI_FLAGS_MASKBIT : 0));
    stw_le_p(d->wmask + cap + PCI_MSI_FLAGS,
             PCI_MSI_FLAGS_ENABLE | (pow2_ceil(log2 + 1) - 1) << 4);
    stl_le_p(d->wmask + cap + PCI_MSI_ADDRESS_LO, ~UINT32_C(3));
    if (flags & MSI_64BIT) {
        stl_le_p(d->wmask + cap + PCI_MSI_ADDRESS_HI, UINT32_MAX);
    }
    stw_le_p(d->wmask +
                 (reg_at(d, PCI_MSI_DATA_32, PCI_MSI_DATA_64) - d->config),
             UINT16_MAX);
    if (flags & MSI_MASKS) {
        stl_le_p(d->wmask + (mask_bits(d) - d->config),
                 MAKE_64BIT_MASK(0, nvectors));
        memset(d->cmask + (pending_bits(d) - d->config), 0, 4);
    }
    return true;
}

void msi_reset(PciDevice *d)
{
    if (d->msi_cap == 0) {
        return;
    }
    stw_le_p(d->config + d->msi_cap + PCI_MSI_FLAGS,
             flags_of(d) & ~(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE));
    memset(d->config + d->msi_cap + PCI_MSI_ADDRESS_LO, 0,
           cap_size((flags_of(d) & PCI_MSI_FLAGS_64BIT ? MSI_64BIT : 0) |
                    (flags_of(d) & PCI_MSI_FLAGS_MASKBIT ? MSI_MASKS : 0)) -
               PCI_MSI_ADDRESS_LO);
}

bool pci_notify(PciDevice *d, unsigned vector)
{
    if (msix_enabled(d)) {
        msix_notify(d, vector);
        return true;
    }
    if (msi_enabled(d)) {
        msi_notify(d, vector);
        return true;
    }
    return false;
}
