/*
 * Bridges to conventional buses: pci-bridge, and pcie-pci-bridge, which is one
 * on PCI Express.
 *
 * (PCI-to-PCI Bridge Architecture Specification 1.2, chapter 13 for slot
 * numbers; PCI Express to PCI/PCI-X Bridge Specification 1.0.)
 *
 * Stream: "pci_bridge" version 0, "pcie-pci-bridge" version 0: configuration
 * space, then the hot-plug controller's registers if there is one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/msi.h"
#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-regs.h"
#include "hw/pci/pcie.h"
#include "hw/pci/shpc.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    SLOTID_SIZE = 4,
    SLOTID_FIRST = 1 << 5, /* in its chassis */
    BRIDGE_AER = 0x100,
    BRIDGE_STATUS = PCI_STATUS_66MHZ | PCI_STATUS_FAST_BACK,
};

typedef struct PciBridgeDev {
    PciBridge br;
    Shpc shpc;
    uint8_t chassis;
    OnOffAuto msi;
    bool opt_shpc;
    PciReserve reserve;
} PciBridgeDev;

static PciBridgeDev *bridge_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);
    PciBridge *br = PCI_BRIDGE(d);

    return container_of(br, PciBridgeDev, br);
}

static bool is_express(const Device *dev)
{
    return dev->type == &pcie_pci_bridge_type;
}

static void bridge_config_write(PciDevice *d, unsigned addr, uint32_t val,
                                unsigned len)
{
    pci_bridge_config_write(d, addr, val, len);
    shpc_config_written(&bridge_of(&d->dev)->shpc, addr, val, len);
}

/* By which a guest numbers chassis, and the slots in them. */
static bool add_slotid(PciBridgeDev *s, GError **errp)
{
    PciDevice *d = &s->br.pci;
    uint8_t off =
        pci_add_capability(d, PCI_CAP_ID_SLOTID, 0, SLOTID_SIZE, errp);

    if (off == 0) {
        return false;
    }
    d->config[off + PCI_SID_ESR] = SLOTID_FIRST;
    d->config[off + PCI_SID_CHASSIS_NR] = s->chassis;
    d->wmask[off + PCI_SID_CHASSIS_NR] = 0xff;
    return true;
}

static bool add_msi(PciBridgeDev *s, GError **errp)
{
    return s->msi == ON_OFF_AUTO_OFF ||
           msi_init(&s->br.pci, 0, 1, MSI_64BIT | MSI_MASKS, errp);
}

static bool init_conventional(PciBridgeDev *s, GError **errp)
{
    PciDevice *d = &s->br.pci;

    if (s->chassis == 0) {
        error_setf(errp, "Bridge chassis not specified. Each bridge is "
                         "required to be assigned a unique chassis id > 0.");
        return false;
    }
    if (s->opt_shpc) {
        d->config[PCI_INTERRUPT_PIN] = 1;
        if (!shpc_init(&s->shpc, d, &s->br.sec, 0, errp)) {
            return false;
        }
    }
    return add_slotid(s, errp) && (!s->opt_shpc || add_msi(s, errp)) &&
           pci_bridge_add_reserve(d, &s->reserve, errp);
}

static bool init_express(PciBridgeDev *s, GError **errp)
{
    PciDevice *d = &s->br.pci;
    const PcieLink link = { .speed = 1, .width = 1 };

    d->config[PCI_INTERRUPT_PIN] = 1;
    if (!shpc_init(&s->shpc, d, &s->br.sec, 0, errp) ||
        pcie_add_capability(d, 0, PCI_EXP_TYPE_PCI_BRIDGE, false, &link,
                            errp) == 0 ||
        !pcie_add_pm(d, false, errp) || !add_msi(s, errp)) {
        return false;
    }
    pcie_add_aer(d, BRIDGE_AER, false);
    return true;
}

static void bridge_unrealize(Device *dev)
{
    PciBridgeDev *s = bridge_of(dev);

    pci_unregister_bars(&s->br.pci);
    pci_bridge_fini(&s->br);
    shpc_fini(&s->shpc);
}

static bool bridge_realize(Device *dev, GError **errp)
{
    PciBridgeDev *s = bridge_of(dev);
    PciDevice *d = &s->br.pci;

    pci_bridge_init(&s->br, false);
    s->br.sec.hotplug_slots = G_N_ELEMENTS(s->br.sec.devs) / 8;
    d->config_write = bridge_config_write;
    stw_le_p(d->config + PCI_SEC_STATUS, BRIDGE_STATUS);
    if (is_express(dev) ? !init_express(s, errp)
                        : !init_conventional(s, errp)) {
        bridge_unrealize(dev);
        return false;
    }
    return true;
}

static void bridge_reset(Device *dev)
{
    PciBridgeDev *s = bridge_of(dev);
    PciDevice *d = &s->br.pci;

    pci_bridge_reset(&s->br);
    if (is_express(dev)) {
        pcie_reset(d);
        pcie_reset_aer(d, BRIDGE_AER);
    }
    msi_reset(d);
    shpc_reset(&s->shpc);
}

/* Stream */

static bool bridge_post_load(void *opaque, int version, GError **errp)
{
    PciBridgeDev *s = opaque;

    pci_bridge_loaded(&s->br);
    return true;
}

static bool has_shpc(void *opaque, int version)
{
    return ((const PciBridgeDev *)opaque)->shpc.cap != 0;
}

static const Vmstate pci_bridge_vmstate = {
    .name = "pci_bridge",
    .priority = VMSTATE_PRI_PCI_BUS,
    .post_load = bridge_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(PciBridgeDev, br.pci, "parent_obj"),
            VMSTATE_SHPC(PciBridgeDev, shpc, has_shpc),
            VMSTATE_END,
        },
};

static const Vmstate pcie_pci_bridge_vmstate = {
    .name = "pcie-pci-bridge",
    .priority = VMSTATE_PRI_PCI_BUS,
    .post_load = bridge_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(PciBridgeDev, br.pci, "parent_obj"),
            VMSTATE_SHPC(PciBridgeDev, shpc, has_shpc),
            VMSTATE_END,
        },
};

#define MSI_PROP \
    PROP(PROP_ON_OFF_AUTO, PciBridgeDev, msi, "msi", .help = "on/off/auto")

static const Property pci_bridge_props[] = {
    PROP(PROP_U8, PciBridgeDev, chassis, "chassis_nr"),
    MSI_PROP,
    PROP(PROP_BOOL, PciBridgeDev, opt_shpc, "shpc", .def = true,
         .help = "on/off"),
    PCI_RESERVE_PROPS(PciBridgeDev, reserve),
    PROP_END,
};

static const Property pcie_pci_bridge_props[] = {
    MSI_PROP,
    PROP_END,
};

static const PciInfo pci_bridge_pci = {
    .vendor_id = 0x1b36,
    .device_id = 0x0001,
    .class_id = PCI_CLASS_BRIDGE_PCI,
    .header_type = PCI_HEADER_TYPE_BRIDGE,
    .status = BRIDGE_STATUS,
};

static const PciInfo pcie_pci_bridge_pci = {
    .vendor_id = 0x1b36,
    .device_id = 0x000e,
    .class_id = PCI_CLASS_BRIDGE_PCI,
    .header_type = PCI_HEADER_TYPE_BRIDGE,
    .status = BRIDGE_STATUS,
    .express = true,
};

const DeviceType pci_bridge_type = {
    .name = "pci-bridge",
    .parent = "base-pci-bridge",
    .desc = "Standard PCI Bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(PciBridgeDev),
    .bus = BUS_PCI,
    .user_creatable = true,
    .pci = &pci_bridge_pci,
    .props = pci_bridge_props,
    .realize = bridge_realize,
    .unrealize = bridge_unrealize,
    .reset = bridge_reset,
    .vmstate = &pci_bridge_vmstate,
};

const DeviceType pcie_pci_bridge_type = {
    .name = "pcie-pci-bridge",
    .parent = "base-pci-bridge",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(PciBridgeDev),
    .bus = BUS_PCI,
    .user_creatable = true,
    .pci = &pcie_pci_bridge_pci,
    .props = pcie_pci_bridge_props,
    .realize = bridge_realize,
    .unrealize = bridge_unrealize,
    .reset = bridge_reset,
    .vmstate = &pcie_pci_bridge_vmstate,
};
