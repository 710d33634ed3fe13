/*
 * xHCI: endpoints and the transfers on their rings (4.6.8 to 4.6.10, 4.8).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "util/bswap.h"

enum {
    EP_STREAMS = 0x1f << 10, /* of word 0: MaxPStreams */
    EP_TYPE_SHIFT = 3,       /* of word 1 */
    EP_DEQUEUE = 8,          /* where its pointer lies */
    EP_IN = 4,               /* bit of an endpoint's type */
};

XhciEp *xhci_ep(XhciSlot *slot, unsigned dci)
{
    XhciEp *ep = dci >= 1 && dci <= XHCI_EPS ? &slot->eps[dci - 1] : NULL;

    return ep != NULL && ep->ctx != 0 ? ep : NULL;
}

bool xhci_ep_take(XhciEp *ep, uint64_t at, const uint8_t *ctx)
{
    uint64_t dequeue = ldq_le_p(ctx + EP_DEQUEUE);
    unsigned type = ldl_le_p(ctx + 4) >> EP_TYPE_SHIFT & 7;
    unsigned state = ctx[0] & 7;

    /* No device that there is has streams. */
    if (type == EP_TYPE_INVALID || state > EP_ERROR ||
        (ldl_le_p(ctx) & EP_STREAMS) != 0 ||
        (ep->dci == 1) != (type == EP_TYPE_CONTROL)) {
        return false;
    }
    ep->ctx = at;
    ep->type = type;
    ep->state = state;
    ep->ring.dequeue = dequeue & ~UINT64_C(0xf);
    ep->ring.ccs = dequeue & 1;
    ep->pending = false;
    return true;
}

void xhci_ep_store(XhciEp *ep)
{
    Xhci *s = ep->slot->hc;
    uint8_t b[8];

    if (!xhci_read(s, ep->ctx, b, 4)) {
        return;
    }
    b[0] = (b[0] & ~7) | ep->state;
    if (xhci_write(s, ep->ctx, b, 4)) {
        stq_le_p(b, ep->ring.dequeue | ep->ring.ccs);
        xhci_write(s, ep->ctx + EP_DEQUEUE, b, 8);
    }
}

void xhci_ep_disable(XhciEp *ep)
{
    if (ep->ctx == 0) {
        return;
    }
    ep->state = EP_DISABLED;
    xhci_ep_store(ep);
    ep->ctx = 0;
    ep->pending = false;
}

static void set_state(XhciEp *ep, XhciEpState state)
{
    ep->state = state;
    xhci_ep_store(ep);
}

void xhci_ep_kick(XhciEp *ep)
{
    if (ep != NULL && ep->state == EP_RUNNING) {
        ep->pending = true;
        xhci_work(ep->slot->hc);
    }
}

void xhci_ep_doorbell(XhciEp *ep)
{
    if (ep->state == EP_STOPPED || ep->state == EP_ERROR) {
        set_state(ep, EP_RUNNING);
    }
    xhci_ep_kick(ep);
}

/* Transfers */

static XhciCode code_of(UsbResult r)
{
    switch (r) {
    case USB_OK:
        return CC_SUCCESS;
    case USB_NAK:
        return CC_NONE;
    case USB_STALL:
        return CC_STALL;
    default:
        return CC_TRANSACTION_ERROR;
    }
}

/* A TD that is as it should be: one stage after the other (4.11.2.2). */
static bool is_control(const XhciTd *td)
{
    const XhciTrb *setup = &td->trb[0];
    bool in = setup->param & USB_REQ_IN;
    bool status = false;

    if (xhci_trb_type(setup) != TRB_SETUP || !(setup->control & TRB_IDT) ||
        (setup->status & 0x1ffff) != USB_SETUP_SIZE) {
        return false;
    }
    for (unsigned i = 1; i < td->n; i++) {
        const XhciTrb *trb = &td->trb[i];

        switch (xhci_trb_type(trb)) {
        case TRB_DATA:
            if (((trb->control & TRB_DIR_IN) != 0) != in || status) {
                return false;
            }
            break;
        case TRB_NORMAL:
            if (status) {
                return false;
            }
            break;
        case TRB_STATUS:
            status = true;
            break;
        case TRB_EVENT_DATA:
        case TRB_NOOP:
            break;
        default:
            return false;
        }
    }
    return status;
}

static XhciCode run_control(XhciEp *ep, const XhciTd *td, size_t *ret_done)
{
    Xhci *s = ep->slot->hc;
    uint8_t setup[USB_SETUP_SIZE];
    size_t room = MIN(xhci_td_len(td), USB_CONTROL_MAX), len;
    bool in = td->trb[0].param & USB_REQ_IN;
    UsbResult r;

    if (!is_control(td)) {
        return CC_TRB_ERROR;
    }
    stq_le_p(setup, td->trb[0].param);
    if (!in) {
        size_t want = MIN(lduw_le_p(setup + 6), USB_CONTROL_MAX);

        if (room < want) {
            return CC_TRB_ERROR;
        }
        room = want;
        if (!xhci_td_copy(ep, td, s->data, room, false)) {
            return CC_TRB_ERROR;
        }
    }
    r = usb_control(ep->slot->dev, setup, s->data, &len);
    *ret_done = in ? MIN(len, room) : room;
    if (r == USB_OK && in && !xhci_td_copy(ep, td, s->data, *ret_done, true)) {
        return CC_TRB_ERROR;
    }
    return code_of(r);
}

static XhciCode run_data(XhciEp *ep, const XhciTd *td, size_t *ret_done)
{
    Xhci *s = ep->slot->hc;
    size_t room = MIN(xhci_td_len(td), XHCI_DATA_MAX);
    UsbResult r;

    for (unsigned i = 0; i < td->n; i++) {
        unsigned type = xhci_trb_type(&td->trb[i]);

        if (type != TRB_NORMAL && type != TRB_EVENT_DATA && type != TRB_NOOP) {
            return CC_TRB_ERROR;
        }
    }
    if (!(ep->type & EP_IN)) {
        return CC_STALL; /* no device that there is has such an endpoint */
    }
    r = usb_in(ep->slot->dev, ep->dci / 2, s->data, room, ret_done);
    if (r == USB_OK && !xhci_td_copy(ep, td, s->data, *ret_done, true)) {
        return CC_TRB_ERROR;
    }
    return code_of(r);
}

static XhciCode run_td(XhciEp *ep, const XhciTd *td, size_t *ret_done)
{
    *ret_done = 0;
    if (xhci_trb_type(&td->trb[0]) == TRB_NOOP) {
        return CC_SUCCESS;
    }
    if (ep->slot->dev == NULL) {
        return CC_TRANSACTION_ERROR;
    }
    return ep->type == EP_TYPE_CONTROL ? run_control(ep, td, ret_done)
                                       : run_data(ep, td, ret_done);
}

/* One TD; false: there is none, or it waits for the device or for room. */
static bool run_next(XhciEp *ep)
{
    Xhci *s = ep->slot->hc;
    XhciRing ring = ep->ring;
    XhciFetch fetch = xhci_td_gather(ep, &ring, &s->td);
    XhciCode code = CC_TRB_ERROR;
    size_t done = 0;

    if (fetch == FETCH_EMPTY || !xhci_td_room(ep, &s->td)) {
        return false;
    }
    if (fetch == FETCH_OK) {
        code = run_td(ep, &s->td, &done);
    }
    if (code == CC_NONE || !xhci_is_running(s)) {
        return false;
    }
    if (code == CC_TRB_ERROR) {
        ep->state = EP_ERROR;
    } else if (code != CC_SUCCESS) {
        ep->state = EP_HALTED;
    }
    ep->ring = ring;
    /* First the place, then the event: who reads it may look there. */
    xhci_ep_store(ep);
    xhci_td_report(ep, &s->td, code, done);
    return true;
}

void xhci_ep_run(XhciEp *ep)
{
    Xhci *s = ep->slot->hc;

    while (xhci_is_running(s) && ep->ctx != 0 && ep->state == EP_RUNNING) {
        if (!xhci_turn(s)) {
            ep->pending = true;
            return;
        }
        if (!run_next(ep)) {
            return;
        }
    }
}

/* Commands */

XhciCode xhci_ep_stop(XhciEp *ep)
{
    Xhci *s = ep->slot->hc;
    XhciRing ring = ep->ring;

    if (ep->state != EP_RUNNING) {
        return CC_CONTEXT_STATE;
    }
    /* What waits for the device is told of (4.6.9). */
    if (xhci_td_gather(ep, &ring, &s->td) == FETCH_OK) {
        if (!xhci_td_room(ep, &s->td)) {
            return CC_NONE;
        }
        xhci_td_report(ep, &s->td, CC_STOPPED, 0);
    }
    ep->pending = false;
    set_state(ep, EP_STOPPED);
    return CC_SUCCESS;
}

XhciCode xhci_ep_reset(XhciEp *ep)
{
    if (ep->state != EP_HALTED) {
        return CC_CONTEXT_STATE;
    }
    set_state(ep, EP_STOPPED);
    return CC_SUCCESS;
}

XhciCode xhci_ep_set_dequeue(XhciEp *ep, uint64_t pointer)
{
    if (ep->state != EP_STOPPED && ep->state != EP_ERROR) {
        return CC_CONTEXT_STATE;
    }
    ep->ring.dequeue = pointer & ~UINT64_C(0xf);
    ep->ring.ccs = pointer & 1;
    set_state(ep, EP_STOPPED);
    return CC_SUCCESS;
}
