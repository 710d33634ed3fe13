/*
 * xHCI: the command ring (4.6, 6.4.3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "util/log.h"

static void command_done(Xhci *s, XhciCode code, uint64_t trb, unsigned slot)
{
    xhci_post(s, 0, trb, (uint32_t)code << 24,
              EVENT_COMMAND << TRB_TYPE_SHIFT | slot << TRB_SLOT_SHIFT);
}

void xhci_crcr_written(Xhci *s)
{
    uint64_t crcr = (uint64_t)s->crcr_high << 32 | s->crcr_low;

    /* While it runs, it can only be stopped or aborted. */
    if (s->crcr_low & CRCR_CRR) {
        if (s->crcr_low & (CRCR_CS | CRCR_CA)) {
            s->crcr_low &= ~(uint32_t)CRCR_CRR;
            s->cmd_pending = false;
            command_done(s, CC_RING_STOPPED, s->cmd_ring.dequeue, 0);
        }
    } else {
        s->cmd_ring.dequeue = crcr & ~UINT64_C(0x3f);
        s->cmd_ring.ccs = crcr & CRCR_RCS;
    }
    s->crcr_low &= ~(uint32_t)(CRCR_CS | CRCR_CA);
}

/* Commands for one endpoint of a slot. */
static XhciCode run_ep_command(XhciSlot *slot, const XhciTrb *trb)
{
    unsigned dci = trb->control >> TRB_EP_SHIFT & 0x1f;
    XhciEp *ep;

    if (dci == 0) {
        return CC_TRB_ERROR;
    }
    ep = xhci_ep(slot, dci);
    if (ep == NULL) {
        return CC_EP_NOT_ENABLED;
    }
    switch (xhci_trb_type(trb)) {
    case CMD_STOP_ENDPOINT:
        return xhci_ep_stop(ep);
    case CMD_RESET_ENDPOINT:
        return xhci_ep_reset(ep);
    default:
        return xhci_ep_set_dequeue(ep, trb->param);
    }
}

static XhciCode run_slot_command(XhciSlot *slot, const XhciTrb *trb)
{
    switch (xhci_trb_type(trb)) {
    case CMD_DISABLE_SLOT:
        xhci_slot_disable(slot);
        return CC_SUCCESS;
    case CMD_ADDRESS_DEVICE:
        return xhci_address_device(slot, trb->param, trb->control & TRB_BSR);
    case CMD_CONFIGURE_ENDPOINT:
        return xhci_configure(slot, trb->param, trb->control & TRB_DC);
    case CMD_EVALUATE_CONTEXT:
        return xhci_evaluate(slot, trb->param);
    case CMD_RESET_DEVICE:
        return xhci_reset_device(slot);
    default:
        return run_ep_command(slot, trb);
    }
}

/* False: it is to be tried again. */
static bool run_command(Xhci *s, const XhciTrb *trb)
{
    unsigned id = trb->control >> TRB_SLOT_SHIFT;
    XhciCode code = CC_TRB_ERROR;
    XhciSlot *slot;

    switch (xhci_trb_type(trb)) {
    case CMD_ENABLE_SLOT:
        code = xhci_enable_slot(s, &id);
        break;
    case CMD_NOOP:
        code = CC_SUCCESS;
        break;
    case CMD_DISABLE_SLOT:
    case CMD_ADDRESS_DEVICE:
    case CMD_CONFIGURE_ENDPOINT:
    case CMD_EVALUATE_CONTEXT:
    case CMD_RESET_DEVICE:
    case CMD_STOP_ENDPOINT:
    case CMD_RESET_ENDPOINT:
    case CMD_SET_TR_DEQUEUE:
        slot = xhci_slot(s, id);
        code = slot != NULL ? run_slot_command(slot, trb) : CC_SLOT_NOT_ENABLED;
        break;
    default:
        log_guest_error("%s: command %u", device_name(&s->pci.dev),
                        xhci_trb_type(trb));
        break;
    }
    if (code == CC_NONE) {
        return false;
    }
    command_done(s, code, trb->addr, id);
    return true;
}

void xhci_run_commands(Xhci *s)
{
    while (xhci_is_running(s) && (s->crcr_low & CRCR_CRR)) {
        XhciRing before = s->cmd_ring;
        XhciTrb trb;
        XhciFetch f;

        if (!xhci_event_room(s, 0, 1)) {
            return;
        }
        if (!xhci_turn(s)) {
            s->cmd_pending = true;
            return;
        }
        f = xhci_fetch(s, &s->cmd_ring, &trb);
        if (f == FETCH_EMPTY) {
            return;
        }
        if (f == FETCH_BAD) {
            xhci_die(s, "command ring", s->cmd_ring.dequeue);
            return;
        }
        if (!run_command(s, &trb)) {
            s->cmd_ring = before;
            return;
        }
    }
}
