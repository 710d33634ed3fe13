/*
 * qemu-xhci: a USB 3 host controller by the interface of xHCI.
 *
 * (eXtensible Host Controller Interface 1.1; PCI identity as that of the
 * device of this name.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "hw/pci/msix.h"
#include "hw/pci/pci-regs.h"
#include "hw/pci/pcie.h"
#include "hw/usb/usb-devices.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

enum {
    MEM_SIZE = 0x4000,
    CAP_SIZE = 0x40,
    OPER_SIZE = 0x400 + 2 * XHCI_PORTS_MAX * 0x10,
    RUN_AT = 0x1000,
    RUN_SIZE = 0x20 + XHCI_INTRS * 0x20,
    DOORBELL_AT = 0x2000,
    DOORBELL_SIZE = (XHCI_SLOTS + 1) * 4,
    MSIX_TABLE_AT = 0x3000,
    MSIX_PBA_AT = 0x3800,
    CAP_MSIX_AT = 0x90,
    CAP_EXP_AT = 0xa0,
    CFG_SBRN = 0x60, /* release number (5.2.3) */
    SBRN_USB3 = 0x30,
};

Xhci *xhci_of(Device *dev)
{
    PciDevice *pci = PCI_DEVICE(dev);

    return container_of(pci, Xhci, pci);
}

void xhci_die(Xhci *s, const char *what, uint64_t addr)
{
    if (s->usbsts & USBSTS_HSE) {
        return;
    }
    log_guest_error("%s: %s at 0x%" PRIx64 " failed: the controller stops",
                    device_name(&s->pci.dev), what, addr);
    s->usbsts |= USBSTS_HSE | USBSTS_HCH;
    s->usbcmd &= ~(uint32_t)USBCMD_RS;
    timer_del(&s->mfwrap_timer);
}

void xhci_reset(Xhci *s)
{
    s->usbcmd = 0;
    s->usbsts = USBSTS_HCH;
    s->dnctrl = 0;
    s->crcr_low = s->crcr_high = 0;
    s->dcbaap_low = s->dcbaap_high = 0;
    s->config = 0;
    s->cmd_ring = (XhciRing){ 0 };
    s->cmd_pending = s->held = s->loaded = false;
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        xhci_slot_drop(&s->slots[i]);
    }
    for (unsigned i = 0; i < s->nports; i++) {
        xhci_port_init(s, &s->ports[i]);
    }
    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        xhci_intr_reset(&s->intr[i]);
    }
    pci_set_irq(&s->pci, false);
    s->mfindex_start = clock_get_ns(s->pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
    timer_del(&s->mfwrap_timer);
}

/* The guest goes on, perhaps in another process. */
static void run_state_changed(RunStateListener *l, bool running, RunState state)
{
    Xhci *s = container_of(l, Xhci, listener);

    if (!running) {
        return;
    }
    if (s->loaded) {
        s->loaded = false;
        for (unsigned i = 0; i < s->nports; i++) {
            xhci_port_check(s, &s->ports[i]);
        }
        for (unsigned i = 0; i < XHCI_SLOTS && xhci_is_running(s); i++) {
            xhci_slot_load(&s->slots[i]);
        }
    }
    if (xhci_is_running(s)) {
        xhci_kick_all(s);
    }
}

static void init_region(Xhci *s, MemoryRegion *mr, const char *name,
                        uint64_t at, uint64_t size, const IoOps *ops)
{
    memory_region_init_io(mr, &s->pci.dev.vm->mem, name, size, ops,
                          &s->pci.dev);
    memory_region_add(&s->mem, at, mr, 0);
    device_own_region(&s->pci.dev, mr);
}

static bool init_memory(Xhci *s, GError **errp)
{
    Device *dev = &s->pci.dev;

    memory_region_init(&s->mem, &dev->vm->mem, "xhci", MEM_SIZE);
    device_own_region(dev, &s->mem);
    init_region(s, &s->cap, "capabilities", 0, CAP_SIZE, &xhci_cap_ops);
    init_region(s, &s->oper, "operational", CAP_SIZE, OPER_SIZE,
                &xhci_oper_ops);
    init_region(s, &s->run, "runtime", RUN_AT, RUN_SIZE, &xhci_run_ops);
    init_region(s, &s->doorbell, "doorbell", DOORBELL_AT, DOORBELL_SIZE,
                &xhci_doorbell_ops);
    pci_register_bar(&s->pci, 0, PCI_BASE_ADDRESS_MEM_TYPE_64, &s->mem);
    if (!msix_init(&s->pci, XHCI_INTRS, &s->mem, 0, MSIX_TABLE_AT, MSIX_PBA_AT,
                   CAP_MSIX_AT, errp)) {
        return false;
    }
    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        msix_vector_use(&s->pci, i);
    }
    return true;
}

/* A PCI Express function on such a bus; 4 KiB of registers in any case. */
static bool init_express(Xhci *s, GError **errp)
{
    const PcieLink link = { .speed = 1, .width = 1 };
    const PciBus *bus = pci_bus_of(&s->pci);

    uint8_t *cap = s->pci.config + CAP_EXP_AT + PCI_EXP_DEVCAP;

    pcie_make_express(&s->pci);
    if (!bus->express) {
        return true;
    }
    if (pcie_add_capability(&s->pci, CAP_EXP_AT,
                            bus->parent != NULL ? PCI_EXP_TYPE_ENDPOINT
                                                : PCI_EXP_TYPE_RC_END,
                            false, &link, errp) == 0) {
        return false;
    }
    /* Functions can't be reset one by one. */
    stl_le_p(cap, ldl_le_p(cap) & ~(uint32_t)PCI_EXP_DEVCAP_FLR);
    stw_le_p(s->pci.wmask + CAP_EXP_AT + PCI_EXP_DEVCTL, 0);
    return true;
}

static void init_ports(Xhci *s)
{
    s->p2 = MIN(s->p2, XHCI_PORTS_MAX);
    s->p3 = MIN(s->p3, XHCI_PORTS_MAX);
    s->nports = s->p2 + s->p3;
    s->nusb = MAX(s->p2, s->p3);
    for (unsigned i = 0; i < s->nusb; i++) {
        unsigned mask = 0;

        if (i < s->p3) {
            s->ports[i] = (XhciPort){ .usb = &s->usb_ports[i], .super = true };
            mask |= USB_MASK_SUPER;
        }
        if (i < s->p2) {
            s->ports[s->p3 + i] = (XhciPort){ .usb = &s->usb_ports[i] };
            mask |= USB_MASK_LOW | USB_MASK_FULL | USB_MASK_HIGH;
        }
        usb_port_add(&s->bus, &s->usb_ports[i], NULL, i + 1, mask,
                     &xhci_port_ops, s);
    }
}

static void init_slots(Xhci *s)
{
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        XhciSlot *slot = &s->slots[i];

        slot->hc = s;
        slot->id = i + 1;
        for (unsigned k = 0; k < XHCI_EPS; k++) {
            slot->eps[k].slot = slot;
            slot->eps[k].dci = k + 1;
        }
    }
}

static void xhci_unrealize(Device *dev)
{
    Xhci *s = xhci_of(dev);

    runstate_del_listener(dev->vm, &s->listener);
    timer_del(&s->mfwrap_timer);
    xhci_work_fini(s);
    for (unsigned i = 0; i < s->nusb; i++) {
        usb_port_del(&s->usb_ports[i]);
    }
    pci_unregister_bars(&s->pci);
    msix_fini(&s->pci);
}

static bool xhci_realize(Device *dev, GError **errp)
{
    Xhci *s = xhci_of(dev);

    s->pci.config[PCI_INTERRUPT_PIN] = 1;
    s->pci.config[CFG_SBRN] = SBRN_USB3;
    if (!init_express(s, errp) || !init_memory(s, errp)) {
        pci_unregister_bars(&s->pci);
        msix_fini(&s->pci);
        return false;
    }
    timer_init(&s->mfwrap_timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL,
               xhci_mfindex_wrapped, s);
    usb_bus_init(&s->bus, dev);
    init_ports(s);
    init_slots(s);
    xhci_reset(s);
    s->listener.changed = run_state_changed;
    runstate_add_listener(dev->vm, &s->listener);
    return true;
}

static void xhci_power_on(Device *dev)
{
    Xhci *s = xhci_of(dev);

    msix_reset(&s->pci);
    pcie_reset(&s->pci);
    xhci_reset(s);
}

static const Property xhci_props[] = {
    PROP(PROP_BOOL, Xhci, streams, "streams", .def = true, .help = "on/off"),
    PROP(PROP_U32, Xhci, p2, "p2", .def = 4),
    PROP(PROP_U32, Xhci, p3, "p3", .def = 4),
    PROP_END,
};

static const PciInfo qemu_xhci_pci = {
    .vendor_id = 0x1b36,
    .device_id = 0x000d,
    .class_id = 0x0c03, /* USB */
    .prog_if = 0x30,    /* xHCI */
    .revision = 1,
    .express = true,
};

const DeviceType qemu_xhci_type = {
    .name = "qemu-xhci",
    .parent = "pci-xhci",
    .category = "Controller/Bridge/Hub",
    .size = sizeof(Xhci),
    .bus = BUS_PCI,
    .user_creatable = true,
    .hotpluggable = true,
    .props = xhci_props,
    .pci = &qemu_xhci_pci,
    .realize = xhci_realize,
    .unrealize = xhci_unrealize,
    .reset = xhci_power_on,
    .vmstate = &xhci_vmstate,
};
