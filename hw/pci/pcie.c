/*
 * PCI Express: capabilities that ports and devices share.
 *
 * Links are up and never fail: error registers hold what a guest writes
 * there, and nothing sets them.
 *
 * (PCI Express Base Specification 5.0, sections 7.5.3, 7.8.4 and 7.7.8.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/pcie.h"

#include "hw/pci/pci-regs.h"
#include "util/bswap.h"

enum {
    EXP_SIZE = 0x3c, /* of capability version 2 */
    EXP_SIZE_V1 = 0x14,
    EXT_CAPS = 0x100,
    DEVCTL_REPORT = PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
                    PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE,
    DEVSTA_ERRORS = PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED |
                    PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD,
    DEVCAP2_EXTENDED_FMT = 1 << 20,
    DEVCAP2_EETLPP = 1 << 21, /* end-end TLP prefixes */
    DEVCTL2_EETLPPB = 1 << 15,
    AER_SIZE = 0x48,
    AER_UNCOR = 0x03fff030, /* errors that there are: section 7.8.4.4 */
    AER_UNCOR_FATAL = 0x00462030,
    AER_COR = 0x0000f1c1,
    AER_COR_MASKED = 0x0000e000,
    AER_CAP_ALWAYS = PCI_ERR_CAP_ECRC_GENC | PCI_ERR_CAP_ECRC_CHKC,
    AER_CAP_ENABLES = PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE,
    AER_CAP_MULTI = 1 << 9, /* multiple headers can be recorded */
    AER_CAP_MULTI_ENABLE = 1 << 10,
    AER_ROOT_ENABLES = 7,
    AER_ROOT_STATUS = 0x7f,
    ACS_CHECKS = 0x5f, /* all but egress control */
};

void pcie_make_express(PciDevice *d)
{
    memset(d->wmask + PCI_CONFIG_SIZE, 0xff,
           PCIE_CONFIG_SIZE - PCI_CONFIG_SIZE);
    d->config_size = PCIE_CONFIG_SIZE;
}

static void init_link(PciDevice *d, uint8_t cap, const PcieLink *link,
                      bool port)
{
    uint8_t *c = d->config + cap;
    bool fast = link->speed > 1;

    stl_le_p(c + PCI_EXP_LNKCAP,
             (uint32_t)link->port << 24 |
                 (fast ? PCI_EXP_LNKCAP_DLLLARC | PCI_EXP_LNKCAP_LBNC : 0) |
                 PCI_EXP_LNKCAP_ASPM_L0S | (uint32_t)link->width << 4 |
                 link->speed);
    /* What is negotiated with functions that have no real link. */
    stw_le_p(c + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB | 1 << 4);
    if (fast && port) {
        stw_le_p(c + PCI_EXP_LNKCTL2, link->speed);
    }
    if (link->speed > 2 && port) {
        stl_le_p(c + PCI_EXP_LNKCAP2, ((1u << link->speed) - 1) << 1);
    }
}

uint8_t pcie_add_capability(PciDevice *d, uint8_t off, uint8_t type, bool slot,
                            const PcieLink *link, GError **errp)
{
    bool endpoint =
        type == PCI_EXP_TYPE_ENDPOINT || type == PCI_EXP_TYPE_RC_END;
    bool flr = type == PCI_EXP_TYPE_ENDPOINT;
    uint8_t *c, *w;

    off = pci_add_capability(d, PCI_CAP_ID_EXP, off, EXP_SIZE, errp);
    if (off == 0) {
        return 0;
    }
    c = d->config + off;
    w = d->wmask + off;
    stw_le_p(c + PCI_EXP_FLAGS,
             2 | type << 4 | (slot ? PCI_EXP_FLAGS_SLOT : 0));
    stl_le_p(c + PCI_EXP_DEVCAP,
             PCI_EXP_DEVCAP_RBER | (flr ? PCI_EXP_DEVCAP_FLR : 0));
    stl_le_p(c + PCI_EXP_DEVCAP2, DEVCAP2_EXTENDED_FMT | DEVCAP2_EETLPP);
    stw_le_p(w + PCI_EXP_DEVCTL2, DEVCTL2_EETLPPB);
    if (endpoint) {
        stw_le_p(w + PCI_EXP_LNKCTL, PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES);
        stw_le_p(w + PCI_EXP_DEVCTL, flr ? PCI_EXP_DEVCTL_BCR_FLR : 0);
    } else {
        stw_le_p(w + PCI_EXP_DEVCTL, DEVCTL_REPORT);
        stw_le_p(d->w1cmask + off + PCI_EXP_DEVSTA, DEVSTA_ERRORS);
        c[PCI_EXP_DEVCAP2] |= PCI_EXP_DEVCAP2_ARI;
        w[PCI_EXP_DEVCTL2] |= PCI_EXP_DEVCTL2_ARI;
    }
    init_link(d, off, link, !endpoint);
    /* Its registers change at run time; the list and what it says don't. */
    memset(d->cmask + off + PCI_EXP_DEVCTL, 0, EXP_SIZE - PCI_EXP_DEVCTL);
    return off;
}

uint8_t pcie_add_capability_v1(PciDevice *d, uint8_t off, uint8_t type,
                               const PcieLink *link, GError **errp)
{
    off = pci_add_capability(d, PCI_CAP_ID_EXP, off, EXP_SIZE_V1, errp);
    if (off == 0) {
        return 0;
    }
    stw_le_p(d->config + off + PCI_EXP_FLAGS, 1 | type << 4);
    stl_le_p(d->config + off + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
    init_link(d, off, link, false);
    return off;
}

bool pcie_add_pm(PciDevice *d, bool writable, GError **errp)
{
    uint8_t off = pci_add_capability(d, PCI_CAP_ID_PM, 0, PCI_PM_SIZEOF, errp);

    if (off == 0) {
        return false;
    }
    stw_le_p(d->config + off + PCI_PM_PMC, 3);
    if (writable) {
        stw_le_p(d->wmask + off + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);
    }
    return true;
}

static void clear_writable(PciDevice *d, unsigned reg)
{
    stw_le_p(d->config + reg,
             lduw_le_p(d->config + reg) & ~lduw_le_p(d->wmask + reg));
}

void pcie_reset(PciDevice *d)
{
    uint8_t exp = pci_find_capability(d, PCI_CAP_ID_EXP);
    uint8_t pm = pci_find_capability(d, PCI_CAP_ID_PM);

    if (exp != 0) {
        clear_writable(d, exp + PCI_EXP_DEVCTL);
        clear_writable(d, exp + PCI_EXP_LNKCTL);
        if ((d->config[exp + PCI_EXP_FLAGS] & PCI_EXP_FLAGS_VERS) >= 2) {
            clear_writable(d, exp + PCI_EXP_DEVCTL2);
        }
    }
    if (exp != 0 && pm != 0) {
        clear_writable(d, pm + PCI_PM_CTRL);
    }
}

void pcie_add_ext_capability(PciDevice *d, uint16_t id, uint8_t version,
                             uint16_t off, uint16_t size)
{
    uint8_t *c = d->config;
    unsigned at = EXT_CAPS;

    stl_le_p(c + off, PCI_EXT_CAP_ID(id) | (uint32_t)version << 16);
    memset(d->wmask + off, 0, size);
    if (off == EXT_CAPS) {
        return;
    }
    while (PCI_EXT_CAP_NEXT(ldl_le_p(c + at)) != 0) {
        at = PCI_EXT_CAP_NEXT(ldl_le_p(c + at));
    }
    stl_le_p(c + at, ldl_le_p(c + at) | (uint32_t)off << 20);
}

void pcie_add_aer(PciDevice *d, uint16_t off, bool root)
{
    uint8_t *c = d->config + off, *w = d->wmask + off, *w1 = d->w1cmask + off;

    pcie_add_ext_capability(d, PCI_EXT_CAP_ID_ERR, 2, off, AER_SIZE);
    stl_le_p(w1 + PCI_ERR_UNCOR_STATUS, AER_UNCOR);
    stl_le_p(c + PCI_ERR_UNCOR_SEVER, AER_UNCOR_FATAL);
    stl_le_p(w + PCI_ERR_UNCOR_SEVER, AER_UNCOR);
    stl_le_p(w1 + PCI_ERR_COR_STATUS, AER_COR);
    stl_le_p(c + PCI_ERR_COR_MASK, AER_COR_MASKED);
    stl_le_p(w + PCI_ERR_COR_MASK, AER_COR);
    stl_le_p(c + PCI_ERR_CAP, AER_CAP_ALWAYS | (root ? AER_CAP_MULTI : 0));
    stl_le_p(w + PCI_ERR_CAP,
             AER_CAP_ENABLES | (root ? AER_CAP_MULTI_ENABLE : 0));
    if (root) {
        stl_le_p(w + PCI_ERR_ROOT_COMMAND, AER_ROOT_ENABLES);
        stl_le_p(w1 + PCI_ERR_ROOT_STATUS, AER_ROOT_STATUS);
    }
}

void pcie_reset_aer(PciDevice *d, uint16_t off)
{
    uint8_t *c = d->config + off;

    stl_le_p(c + PCI_ERR_UNCOR_SEVER, AER_UNCOR_FATAL);
    stl_le_p(c + PCI_ERR_COR_MASK, AER_COR_MASKED);
    stl_le_p(c + PCI_ERR_CAP, ldl_le_p(c + PCI_ERR_CAP) &
                                  ~ldl_le_p(d->wmask + off + PCI_ERR_CAP));
    stl_le_p(c + PCI_ERR_ROOT_COMMAND, 0);
}

void pcie_add_acs(PciDevice *d, uint16_t off)
{
    pcie_add_ext_capability(d, PCI_EXT_CAP_ID_ACS, 1, off, 8);
    stw_le_p(d->config + off + PCI_ACS_CAP, ACS_CHECKS);
    stw_le_p(d->wmask + off + PCI_ACS_CTRL, ACS_CHECKS);
}

bool pcie_reset_asked(PciDevice *d, unsigned addr, unsigned len)
{
    uint8_t cap = pci_find_capability(d, PCI_CAP_ID_EXP);
    unsigned reg = cap + PCI_EXP_DEVCTL + 1;
    bool asked;

    if (cap == 0 || addr > reg || addr + len <= reg) {
        return false;
    }
    asked = d->config[reg] & PCI_EXP_DEVCTL_BCR_FLR >> 8;
    d->config[reg] &= ~(PCI_EXP_DEVCTL_BCR_FLR >> 8);
    return asked;
}
