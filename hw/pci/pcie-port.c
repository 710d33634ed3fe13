/*
 * Root ports of PCI Express: pcie-root-port and Intel's IOH 3420.
 *
 * Functions come and go here by ACPI, or, where the board leaves that to the
 * slots (Machine.native_hotplug), by the slot's own events: presence and the
 * attention button.  In both cases its registers answer a guest that drives
 * them: indicators, the power switch, command completed.
 *
 * (PCI Express Base Specification 5.0, sections 6.7 and 7.5.3; Intel IOH data
 * sheet 322910, chapter 21.)
 *
 * Stream: "pcie-root-port" or "ioh-3240-express-root-port", version 1.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-regs.h"
#include "hw/pci/pcie.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    PORT_SSVID = 0x40,
    PORT_AER = 0x100,
    PORT_ACS = 0x148,
    SLOT_MAX = 0x1fff, /* bits of the physical slot number */
    SLTCTL_MASK = PCI_EXP_SLTCTL_ABPE | PCI_EXP_SLTCTL_PDCE |
                  PCI_EXP_SLTCTL_CCIE | PCI_EXP_SLTCTL_HPIE |
                  PCI_EXP_SLTCTL_AIC | PCI_EXP_SLTCTL_PIC,
    SLTSTA_EVENTS = PCI_EXP_SLTSTA_ABP | PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_CC,
    RTCTL_MASK =
        PCI_EXP_RTCTL_SECEE | PCI_EXP_RTCTL_SENFEE | PCI_EXP_RTCTL_SEFEE,
    AER_LOG_MAX = 128,
};

/* One error in the log of Advanced Error Reporting; nothing fills it here. */
typedef struct AerError {
    uint32_t status;
    uint16_t source_id, flags;
    uint32_t header[4], prefix[4];
} AerError;

typedef struct AerLog {
    uint16_t num, max;
    AerError errors[AER_LOG_MAX];
} AerLog;

typedef struct PciePort {
    PciBridge br;
    uint8_t cap; /* offset of the PCI Express capability */
    uint8_t chassis, port;
    uint16_t slot;
    int speed, width; /* indexes of link_speeds, link_widths */
    bool hotplug, power_controller, disable_acs;
    PciReserve reserve;
    AerLog aer; /* migrated */
} PciePort;

static PciePort *port_of(Device *dev)
{
    PciDevice *d = PCI_DEVICE(dev);
    PciBridge *br = PCI_BRIDGE(d);

    return container_of(br, PciePort, br);
}

static bool is_ioh(const Device *dev)
{
    return dev->type == &ioh3420_type;
}

/* Does the slot tell the guest of what comes and goes? */
static bool is_native(const PciePort *s)
{
    return s->br.pci.dev.machine->native_hotplug;
}

/* The slot */

/* Level of the pin, or a message for each new event (section 6.7.3.4). */
static void slot_interrupt(PciePort *s, bool event)
{
    PciDevice *d = &s->br.pci;
    uint16_t ctl = lduw_le_p(d->config + s->cap + PCI_EXP_SLTCTL);
    uint16_t sta = lduw_le_p(d->config + s->cap + PCI_EXP_SLTSTA);
    bool on = (ctl & PCI_EXP_SLTCTL_HPIE) && (ctl & sta & SLTSTA_EVENTS);

    if (msix_enabled(d) || msi_enabled(d)) {
        if (on && event) {
            pci_notify(d, 0);
        }
        return;
    }
    pci_set_irq(d, on);
}

static void slot_event(PciePort *s, uint16_t events)
{
    uint8_t *sta = s->br.pci.config + s->cap + PCI_EXP_SLTSTA;

    stw_le_p(sta, lduw_le_p(sta) | events);
    slot_interrupt(s, true);
}

/* Whether there is something in the slot, and the link is up. */
static void slot_set_present(PciePort *s, bool present)
{
    uint8_t *c = s->br.pci.config + s->cap;
    bool reports = ldl_le_p(c + PCI_EXP_LNKCAP) & PCI_EXP_LNKCAP_DLLLARC;
    uint16_t sta = lduw_le_p(c + PCI_EXP_SLTSTA) & ~PCI_EXP_SLTSTA_PDS;
    uint16_t link = lduw_le_p(c + PCI_EXP_LNKSTA) & ~PCI_EXP_LNKSTA_DLLLA;

    stw_le_p(c + PCI_EXP_SLTSTA, sta | (present ? PCI_EXP_SLTSTA_PDS : 0));
    stw_le_p(c + PCI_EXP_LNKSTA,
             link | (present && reports ? PCI_EXP_LNKSTA_DLLLA : 0));
}

/* With its power and its indicator off, what was in the slot may go. */
static void slot_powered_off(PciePort *s)
{
    PciBus *bus = &s->br.sec;
    bool had = bus->devs[0] != NULL;

    for (unsigned devfn = 0; devfn < G_N_ELEMENTS(bus->devs); devfn++) {
        PciDevice *d = bus->devs[devfn];

        if (d != NULL && d->dev.type->hotpluggable) {
            device_delete(&d->dev);
        }
    }
    if (is_native(s) && had && bus->devs[0] == NULL) {
        slot_set_present(s, false);
        slot_event(s, PCI_EXP_SLTSTA_PDC);
    }
}

static bool is_powered_off(uint16_t ctl)
{
    const uint16_t off = PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF;

    return (ctl & off) == off;
}

/* A guest that sees the button takes what is present into use. */
static void slot_plugged(void *opaque, PciDevice *d)
{
    PciePort *s = opaque;

    /* With function 0, all that the slot is to have is there. */
    if (d->devfn == 0) {
        slot_set_present(s, true);
        slot_event(s, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP);
    }
}

/* Without power, nobody uses it; else the guest is to switch that off. */
static void slot_unplug_asked(void *opaque, PciDevice *d)
{
    PciePort *s = opaque;

    if (s->power_controller &&
        is_powered_off(lduw_le_p(s->br.pci.config + s->cap + PCI_EXP_SLTCTL))) {
        slot_powered_off(s);
    } else {
        slot_event(s, PCI_EXP_SLTSTA_ABP);
    }
}

static void slot_bus_gone(void *opaque, PciBus *bus)
{
    pci_bus_set_hotplug(bus, NULL, NULL);
}

static const PciHotplugOps slot_hotplug_ops = {
    .plugged = slot_plugged,
    .unplug_asked = slot_unplug_asked,
    /* A second press within these takes the first one back (6.7.1.5). */
    .again_ns = 5 * NS_PER_S,
    .bus_gone = slot_bus_gone,
};

static void slot_control_written(PciePort *s, uint16_t old)
{
    uint8_t *c = s->br.pci.config + s->cap;
    uint16_t ctl = lduw_le_p(c + PCI_EXP_SLTCTL);

    if (s->hotplug && s->power_controller && is_powered_off(ctl) &&
        !is_powered_off(old)) {
        slot_powered_off(s);
    }
    slot_event(s, PCI_EXP_SLTSTA_CC);
}

static bool port_touches(unsigned addr, unsigned len, unsigned reg)
{
    return addr < reg + 2 && reg < addr + len;
}

/* Writing the interlock's bit turns it over; it reads as 0. */
static void interlock_written(PciePort *s, unsigned addr, uint32_t val,
                              unsigned len)
{
    unsigned reg = s->cap + PCI_EXP_SLTCTL + 1;

    if (addr <= reg && reg < addr + len &&
        (val >> (reg - addr) * 8 & PCI_EXP_SLTCTL_EIC >> 8)) {
        s->br.pci.config[s->cap + PCI_EXP_SLTSTA] ^= PCI_EXP_SLTSTA_EIS;
    }
}

static void port_config_write(PciDevice *d, unsigned addr, uint32_t val,
                              unsigned len)
{
    PciBridge *br = PCI_BRIDGE(d);
    PciePort *s = container_of(br, PciePort, br);
    uint16_t old = lduw_le_p(d->config + s->cap + PCI_EXP_SLTCTL);

    pci_bridge_config_write(d, addr, val, len);
    interlock_written(s, addr, val, len);
    if (port_touches(addr, len, s->cap + PCI_EXP_SLTCTL)) {
        slot_control_written(s, old);
    } else if (port_touches(addr, len, s->cap + PCI_EXP_SLTSTA)) {
        slot_interrupt(s, false);
    }
}

static void slot_init(PciePort *s)
{
    PciDevice *d = &s->br.pci;
    uint8_t *c = d->config + s->cap, *w = d->wmask + s->cap;

    stl_le_p(c + PCI_EXP_SLTCAP,
             (uint32_t)s->slot << 19 | PCI_EXP_SLTCAP_EIP | PCI_EXP_SLTCAP_ABP |
                 PCI_EXP_SLTCAP_AIP | PCI_EXP_SLTCAP_PIP |
                 (s->power_controller ? PCI_EXP_SLTCAP_PCP : 0) |
                 (s->hotplug ? PCI_EXP_SLTCAP_HPS | PCI_EXP_SLTCAP_HPC : 0));
    stw_le_p(w + PCI_EXP_SLTCTL,
             SLTCTL_MASK | (s->power_controller ? PCI_EXP_SLTCTL_PCC : 0));
    stw_le_p(d->w1cmask + s->cap + PCI_EXP_SLTSTA, SLTSTA_EVENTS);
    stw_le_p(w + PCI_EXP_RTCTL, RTCTL_MASK);
    stl_le_p(d->w1cmask + s->cap + PCI_EXP_RTSTA, PCI_EXP_RTSTA_PME);
}

/* As negotiated with what is in the slot, else what the port can do. */
static uint16_t link_status(const PciePort *s)
{
    const PciDevice *d = s->br.sec.devs[0];
    uint8_t cap = d != NULL ? pci_find_capability(d, PCI_CAP_ID_EXP) : 0;

    if (cap != 0) {
        return lduw_le_p(d->config + cap + PCI_EXP_LNKSTA);
    }
    return ldl_le_p(s->br.pci.config + s->cap + PCI_EXP_LNKCAP) &
           (PCI_EXP_LNKCAP_SLS | PCI_EXP_LNKCAP_MLW);
}

/* What is in the slot has power; its attention indicator is off. */
static void slot_reset(PciePort *s)
{
    uint8_t *c = s->br.pci.config + s->cap;
    uint16_t ctl = PCI_EXP_SLTCTL_ATTN_IND_OFF;

    if (s->power_controller) {
        ctl |= s->br.sec.devs[0] != NULL
                   ? PCI_EXP_SLTCTL_PWR_IND_ON
                   : PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC;
    }
    stw_le_p(c + PCI_EXP_SLTCTL, ctl);
    stw_le_p(c + PCI_EXP_LNKSTA, link_status(s));
    stw_le_p(c + PCI_EXP_SLTSTA, 0);
    if (is_native(s)) {
        slot_set_present(s, s->br.sec.devs[0] != NULL);
    }
    stw_le_p(c + PCI_EXP_RTCTL, 0);
    pcie_reset(&s->br.pci);
}

/* Life */

static bool same_slot(Bus *bus, void *opaque)
{
    const PciePort *s = opaque;

    for (GList *l = bus->devices.head; l != NULL; l = l->next) {
        Device *dev = l->data;
        const PciePort *other;

        if (dev->type != &pcie_root_port_type && dev->type != &ioh3420_type) {
            continue;
        }
        other = port_of(dev);
        if (other != s && dev->realized && other->chassis == s->chassis &&
            other->slot == s->slot) {
            return true;
        }
    }
    return false;
}

static bool check_port(PciePort *s, GError **errp)
{
    Device *dev = &s->br.pci.dev;

    if (s->slot > SLOT_MAX) {
        error_setf(errp, "%s: slot=%u: 0 to %u", device_name(dev), s->slot,
                   SLOT_MAX);
        return false;
    }
    if (s->aer.max > AER_LOG_MAX) {
        error_setf(errp, "%s: aer_log_max=%u: 0 to %u", device_name(dev),
                   s->aer.max, AER_LOG_MAX);
        return false;
    }
    if (bus_foreach(dev->vm, same_slot, s)) {
        error_setf(errp, "%s: chassis=%u,slot=%u is another port's",
                   device_name(dev), s->chassis, s->slot);
        return false;
    }
    return true;
}

/* Of x-speed= and x-width=, by index. */
static const char *const link_speeds[] = { "2_5", "5", "8", "16", NULL };
static const char *const link_widths[] = { "1",  "2",  "4",  "8",
                                           "12", "16", "32", NULL };
static const uint8_t link_lanes[] = { 1, 2, 4, 8, 12, 16, 32 };

static bool init_capabilities(PciePort *s, GError **errp)
{
    PciDevice *d = &s->br.pci;
    bool ioh = is_ioh(&d->dev);
    const PcieLink link = {
        .speed = ioh ? 1 : (uint8_t)(s->speed + 1),
        .width = ioh ? 1 : link_lanes[s->width],
        .port = s->port,
    };

    if (pci_bridge_add_ssvid(d, PORT_SSVID, d->dev.type->pci->vendor_id, 0,
                             errp) == 0) {
        return false;
    }
    if (ioh ? !msi_init(d, 0x60, 2, MSI_MASKS, errp)
            : !msix_init_bar(d, 1, 0, 0, errp)) {
        return false;
    }
    s->cap = pcie_add_capability(d, ioh ? 0x90 : 0, PCI_EXP_TYPE_ROOT_PORT,
                                 true, &link, errp);
    return s->cap != 0 && (ioh || pci_bridge_add_reserve(d, &s->reserve, errp));
}

static void port_unrealize(Device *dev)
{
    PciePort *s = port_of(dev);

    pci_unregister_bars(&s->br.pci);
    pci_bridge_fini(&s->br);
    msix_fini(&s->br.pci);
}

static bool port_realize(Device *dev, GError **errp)
{
    PciePort *s = port_of(dev);
    PciDevice *d = &s->br.pci;

    if (!check_port(s, errp)) {
        return false;
    }
    pci_bridge_init(&s->br, true);
    s->br.sec.hotplug_slots = s->hotplug ? 1 : 0;
    d->config_write = port_config_write;
    d->config[PCI_INTERRUPT_PIN] = 1;
    if (!init_capabilities(s, errp)) {
        port_unrealize(dev);
        return false;
    }
    if (!is_ioh(dev)) {
        msix_vector_use(d, 0);
    }
    slot_init(s);
    if (s->hotplug && is_native(s)) {
        pci_bus_set_hotplug(&s->br.sec, &slot_hotplug_ops, s);
    }
    pcie_add_aer(d, PORT_AER, true);
    if (!is_ioh(dev) && !s->disable_acs) {
        pcie_add_acs(d, PORT_ACS);
    }
    return true;
}

static void port_reset(Device *dev)
{
    PciePort *s = port_of(dev);
    PciDevice *d = &s->br.pci;

    pci_bridge_reset(&s->br);
    pci_bridge_shut_windows(&s->br);
    slot_reset(s);
    pcie_reset_aer(d, PORT_AER);
    stw_le_p(d->config + PORT_ACS + PCI_ACS_CTRL, 0);
    pci_set_irq(d, false);
    msi_reset(d);
    msix_reset(d);
}

/* Stream */

static bool port_post_load(void *opaque, int version, GError **errp)
{
    PciePort *s = opaque;

    pci_bridge_loaded(&s->br);
    return true;
}

static const Vmstate aer_error_vmstate = {
    .name = "PCIE_AER_ERROR",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(AerError, status),
            VMSTATE_U16(AerError, source_id),
            VMSTATE_U16(AerError, flags),
            VMSTATE_U32_ARRAY(AerError, header, 4),
            VMSTATE_U32_ARRAY(AerError, prefix, 4),
            VMSTATE_END,
        },
};

static const Vmstate aer_log_vmstate = {
    .name = "PCIE_AER_ERROR_LOG",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            { .name = "log_num",
              .kind = VMS_U16,
              .offset = offsetof(AerLog, num),
              .size = sizeof(uint16_t) },
            { .name = "log_max",
              .kind = VMS_U16_EQUAL,
              .offset = offsetof(AerLog, max),
              .size = sizeof(uint16_t) },
            { .name = "log",
              .kind = VMS_STRUCT,
              .offset = offsetof(AerLog, errors),
              .size = sizeof(AerError),
              .num_offset = offsetof(AerLog, num),
              .num_max = AER_LOG_MAX,
              .flags = VMF_VARRAY_U16,
              .vms = &aer_error_vmstate,
              .struct_version = 1 },
            VMSTATE_END,
        },
};

#define PORT_FIELDS                                                          \
    VMSTATE_PCI_DEVICE_AS(PciePort, br.pci,                                  \
                          "parent_obj.parent_obj.parent_obj"),               \
    {                                                                        \
        .name = "parent_obj.parent_obj.parent_obj.exp.aer_log",              \
        .kind = VMS_STRUCT, .offset = offsetof(PciePort, aer),               \
        .size = sizeof(AerLog), .vms = &aer_log_vmstate, .struct_version = 1 \
    }

static const Vmstate root_port_vmstate = {
    .name = "pcie-root-port",
    .version = 1,
    .oldest = 1,
    .priority = VMSTATE_PRI_PCI_BUS,
    .post_load = port_post_load,
    .fields =
        (const VmstateField[]){
            PORT_FIELDS,
            VMSTATE_MSIX_AS(PciePort, br.pci,
                            "parent_obj.parent_obj.parent_obj.parent_obj"),
            VMSTATE_END,
        },
};

static const Vmstate ioh3420_vmstate = {
    .name = "ioh-3240-express-root-port",
    .version = 1,
    .oldest = 1,
    .priority = VMSTATE_PRI_PCI_BUS,
    .post_load = port_post_load,
    .fields = (const VmstateField[]){ PORT_FIELDS, VMSTATE_END },
};

static const Property port_props[] = {
    PROP(PROP_BOOL, PciePort, power_controller, "power_controller_present",
         .def = true, .help = "on/off"),
    PROP(PROP_BOOL, PciePort, disable_acs, "disable-acs"),
    PROP(PROP_U8, PciePort, chassis, "chassis"),
    PROP(PROP_U16, PciePort, slot, "slot"),
    PROP(PROP_BOOL, PciePort, hotplug, "hotplug", .def = true),
    PROP(PROP_U8, PciePort, port, "port"),
    PROP(PROP_U16, PciePort, aer.max, "aer_log_max", .def = 8),
    PROP_END,
};

static const Property root_port_props[] = {
    PCI_RESERVE_PROPS(PciePort, reserve),
    PROP(PROP_ENUM, PciePort, speed, "x-speed", .def = 3, .names = link_speeds,
         .type_name = "PCIELinkSpeed", .help = "2_5/5/8/16"),
    PROP(PROP_ENUM, PciePort, width, "x-width", .def = 6, .names = link_widths,
         .type_name = "PCIELinkWidth", .help = "1/2/4/8/12/16/32"),
    PROP_END,
};

static const Property *const port_more_props[] = { port_props, NULL };

static const PciInfo root_port_pci = {
    .vendor_id = 0x1b36,
    .device_id = 0x000c,
    .class_id = PCI_CLASS_BRIDGE_PCI,
    .header_type = PCI_HEADER_TYPE_BRIDGE,
    .express = true,
};

static const PciInfo ioh3420_pci = {
    .vendor_id = 0x8086,
    .device_id = 0x3420,
    .revision = 2,
    .class_id = PCI_CLASS_BRIDGE_PCI,
    .header_type = PCI_HEADER_TYPE_BRIDGE,
    .express = true,
};

const DeviceType pcie_root_port_type = {
    .name = "pcie-root-port",
    .parent = "pcie-root-port-base",
    .desc = "PCI Express Root Port",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(PciePort),
    .bus = BUS_PCI,
    .user_creatable = true,
    .pci = &root_port_pci,
    .props = root_port_props,
    .more_props = port_more_props,
    .realize = port_realize,
    .unrealize = port_unrealize,
    .reset = port_reset,
    .vmstate = &root_port_vmstate,
};

const DeviceType ioh3420_type = {
    .name = "ioh3420",
    .parent = "pcie-root-port-base",
    .desc = "Intel IOH device id 3420 PCIE Root Port",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(PciePort),
    .bus = BUS_PCI,
    .user_creatable = true,
    .pci = &ioh3420_pci,
    .props = port_props,
    .realize = port_realize,
    .unrealize = port_unrealize,
    .reset = port_reset,
    .vmstate = &ioh3420_vmstate,
};
