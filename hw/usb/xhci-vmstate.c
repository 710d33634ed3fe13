/*
 * State of xHCI: section "xhci" version 1, ABI.
 *
 * Endpoints aren't in it: they are taken from the contexts in guest memory when
 * the guest goes on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "hw/pci/msix.h"
#include "util/error.h"

static const Vmstate port_vmstate = {
    .name = "xhci-port",
    .version = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(XhciPort, portsc),
            VMSTATE_END,
        },
};

static const Vmstate slot_vmstate = {
    .name = "xhci-slot",
    .version = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_BOOL(XhciSlot, enabled),
            VMSTATE_BOOL(XhciSlot, addressed),
            VMSTATE_END,
        },
};

static const Vmstate intr_vmstate = {
    .name = "xhci-intr",
    .version = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U32(XhciIntr, iman),
            VMSTATE_U32(XhciIntr, imod),
            VMSTATE_U32(XhciIntr, erstsz),
            VMSTATE_U32(XhciIntr, erstba_low),
            VMSTATE_U32(XhciIntr, erstba_high),
            VMSTATE_U32(XhciIntr, erdp_low),
            VMSTATE_U32(XhciIntr, erdp_high),
            VMSTATE_BOOL(XhciIntr, msix_used),
            VMSTATE_BOOL(XhciIntr, er_pcs),
            VMSTATE_U64(XhciIntr, er_start),
            VMSTATE_U32(XhciIntr, er_size),
            VMSTATE_U32(XhciIntr, er_ep_idx),
            VMSTATE_BOOL(XhciIntr, er_full_unused),
            VMSTATE_END,
        },
};

static const Vmstate ring_vmstate = {
    .name = "xhci-ring",
    .version = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U64(XhciRing, dequeue),
            VMSTATE_BOOL(XhciRing, ccs),
            VMSTATE_END,
        },
};

static const Vmstate core_vmstate = {
    .name = "xhci-core",
    .version = 1,
    .fields =
        (const VmstateField[]){
            { .name = "ports",
              .kind = VMS_STRUCT,
              .offset = offsetof(Xhci, ports),
              .size = sizeof(XhciPort),
              .flags = VMF_VARRAY_U32,
              .num_offset = offsetof(Xhci, nports),
              .num_max = 2 * XHCI_PORTS_MAX,
              .vms = &port_vmstate,
              .struct_version = 1 },
            VMSTATE_STRUCT_ARRAY(Xhci, slots, XHCI_SLOTS, slot_vmstate, 1),
            VMSTATE_ARRAY_(Xhci, intr, XHCI_INTRS, VMS_STRUCT,
                           .flags = VMF_DESC_EACH, .vms = &intr_vmstate,
                           .struct_version = 1),
            VMSTATE_U32(Xhci, usbcmd),
            VMSTATE_U32(Xhci, usbsts),
            VMSTATE_U32(Xhci, dnctrl),
            VMSTATE_U32(Xhci, crcr_low),
            VMSTATE_U32(Xhci, crcr_high),
            VMSTATE_U32(Xhci, dcbaap_low),
            VMSTATE_U32(Xhci, dcbaap_high),
            VMSTATE_U32(Xhci, config),
            VMSTATE_I64(Xhci, mfindex_start),
            VMSTATE_TIMER(Xhci, mfwrap_timer),
            VMSTATE_STRUCT(Xhci, cmd_ring, ring_vmstate, 1),
            VMSTATE_END,
        },
};

static bool xhci_pre_save(void *opaque, GError **errp)
{
    Xhci *s = opaque;

    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        s->intr[i].msix_used =
            msix_enabled(&s->pci) && (s->intr[i].iman & IMAN_IE);
    }
    return true;
}

static bool check_intr(const Xhci *s, unsigned n, GError **errp)
{
    const XhciIntr *i = &s->intr[n];

    if (i->er_size != 0 &&
        (i->er_size < XHCI_ER_SIZE_MIN || i->er_size > XHCI_ER_SIZE_MAX ||
         i->er_ep_idx >= i->er_size)) {
        error_setf(errp, "xhci: interrupter %u: place %u in a ring of %u", n,
                   i->er_ep_idx, i->er_size);
        return false;
    }
    return true;
}

static bool xhci_post_load(void *opaque, int version, GError **errp)
{
    Xhci *s = opaque;

    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        if (!check_intr(s, i, errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        XhciSlot *slot = &s->slots[i];
        bool enabled = slot->enabled, addressed = slot->addressed;

        xhci_slot_drop(slot);
        slot->enabled = enabled;
        slot->addressed = enabled && addressed;
    }
    s->loaded = true;
    return true;
}

const Vmstate xhci_vmstate = {
    .name = "xhci",
    .version = 1,
    .oldest = 1,
    .pre_save = xhci_pre_save,
    .post_load = xhci_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(Xhci, pci, "parent_obj[0]"),
            VMSTATE_MSIX_AS(Xhci, pci, "parent_obj[1]"),
            { .name = "xhci",
              .kind = VMS_STRUCT,
              .offset = 0,
              .size = sizeof(Xhci),
              .vms = &core_vmstate,
              .struct_version = 1 },
            VMSTATE_END,
        },
};
