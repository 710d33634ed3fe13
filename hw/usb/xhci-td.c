/*
 * xHCI: transfer descriptors: the TRBs, their data, their events (4.10, 4.11).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "util/bswap.h"

enum {
    STATUS_LENGTH = 0x1ffff, /* of a TRB's third word */
    STATUS_INTR_SHIFT = 22,
    EVENT_LENGTH = 0xffffff,
    IMMEDIATE_MAX = 8,
};

static uint32_t trb_len(const XhciTrb *trb)
{
    unsigned type = xhci_trb_type(trb);

    return type == TRB_NORMAL || type == TRB_DATA ? trb->status & STATUS_LENGTH
                                                  : 0;
}

/* Is that the last TRB of what is done as a whole? */
static bool is_last(const XhciEp *ep, const XhciTd *td, bool status_came)
{
    const XhciTrb *trb = &td->trb[td->n - 1];

    if (trb->control & TRB_CH) {
        return false;
    }
    return ep->type != EP_TYPE_CONTROL || status_came ||
           xhci_trb_type(&td->trb[0]) != TRB_SETUP;
}

XhciFetch xhci_td_gather(XhciEp *ep, XhciRing *ring, XhciTd *td)
{
    bool status_came = false;

    td->n = 0;
    do {
        XhciFetch f;

        if (td->n == XHCI_TD_TRBS) {
            return FETCH_BAD;
        }
        f = xhci_fetch(ep->slot->hc, ring, &td->trb[td->n]);
        if (f != FETCH_OK) {
            return f;
        }
        status_came |= xhci_trb_type(&td->trb[td->n]) == TRB_STATUS;
        td->n++;
    } while (!is_last(ep, td, status_came));
    return FETCH_OK;
}

size_t xhci_td_len(const XhciTd *td)
{
    size_t len = 0;

    for (unsigned i = 0; i < td->n; i++) {
        len += trb_len(&td->trb[i]);
    }
    return len;
}

bool xhci_td_copy(XhciEp *ep, const XhciTd *td, uint8_t *buf, size_t len,
                  bool to_guest)
{
    Xhci *s = ep->slot->hc;
    size_t done = 0;

    for (unsigned i = 0; i < td->n && done < len; i++) {
        const XhciTrb *trb = &td->trb[i];
        size_t n = MIN(trb_len(trb), len - done);
        bool ok;

        if (n == 0) {
            continue;
        }
        if (to_guest) {
            ok = xhci_write(s, trb->param, buf + done, n);
        } else if (trb->control & TRB_IDT) {
            uint8_t b[IMMEDIATE_MAX];

            stq_le_p(b, trb->param);
            n = MIN(n, sizeof(b));
            memcpy(buf + done, b, n);
            ok = true;
        } else {
            ok = xhci_read(s, trb->param, buf + done, n);
        }
        if (!ok) {
            return false;
        }
        done += n;
    }
    return true;
}

/* Interrupter target (6.4.1.1); the first one stands for those not there. */
static unsigned trb_intr(const XhciTrb *trb)
{
    unsigned intr = trb->status >> STATUS_INTR_SHIFT;

    return intr < XHCI_INTRS ? intr : 0;
}

bool xhci_td_room(XhciEp *ep, const XhciTd *td)
{
    unsigned events[XHCI_INTRS] = { 0 };

    for (unsigned i = 0; i < td->n; i++) {
        unsigned *n = &events[trb_intr(&td->trb[i])];

        /* An error is told of in any case. */
        *n = td->trb[i].control & (TRB_IOC | TRB_ISP) ? *n + 1 : MAX(*n, 1);
    }
    for (unsigned i = 0; i < XHCI_INTRS; i++) {
        if (events[i] > 0 && !xhci_event_room(ep->slot->hc, i, events[i])) {
            return false;
        }
    }
    return true;
}

static void post_event(XhciEp *ep, const XhciTrb *trb, XhciCode code,
                       uint64_t param, uint32_t len, uint32_t flags)
{
    xhci_post(ep->slot->hc, trb_intr(trb), param,
              (uint32_t)code << 24 | (len & EVENT_LENGTH),
              EVENT_TRANSFER << TRB_TYPE_SHIFT | flags |
                  ep->dci << TRB_EP_SHIFT |
                  (uint32_t)ep->slot->id << TRB_SLOT_SHIFT);
}

/* The transfer ended in the midst: at the first TRB that isn't done. */
static void report_error(XhciEp *ep, const XhciTd *td, XhciCode code,
                         size_t done)
{
    const XhciTrb *trb = NULL;
    uint32_t left = 0;

    for (unsigned i = 0; i < td->n; i++) {
        uint32_t n = MIN(trb_len(&td->trb[i]), done);

        trb = &td->trb[i];
        left = trb_len(trb) - n;
        done -= n;
        if (left > 0) {
            break;
        }
    }
    if (trb != NULL) {
        post_event(ep, trb, code, trb->addr, left, 0);
    }
}

void xhci_td_report(XhciEp *ep, const XhciTd *td, XhciCode code, size_t done)
{
    uint32_t moved = 0; /* since the last Event Data TRB (4.11.5.2) */
    bool was_short = false, told = false;

    if (code != CC_SUCCESS) {
        report_error(ep, td, code, done);
        return;
    }
    for (unsigned i = 0; i < td->n; i++) {
        const XhciTrb *trb = &td->trb[i];
        uint32_t n = MIN(trb_len(trb), done), left = trb_len(trb) - n;
        XhciCode how;

        done -= n;
        moved += n;
        was_short |= left > 0;
        how = was_short ? CC_SHORT_PACKET : CC_SUCCESS;
        if (xhci_trb_type(trb) == TRB_EVENT_DATA) {
            if (trb->control & TRB_IOC) {
                post_event(ep, trb, how, trb->param, moved, TRB_ED);
            }
            moved = 0;
        } else if ((trb->control & TRB_IOC) ||
                   ((trb->control & TRB_ISP) && left > 0 && !told)) {
            post_event(ep, trb, how, trb->addr, left, 0);
            told |= left > 0;
        }
        /* A stage of a control transfer is a TD of its own. */
        if (!(trb->control & TRB_CH)) {
            was_short = told = false;
            moved = 0;
        }
    }
}
