/*
 * xHCI: interrupters and their event rings (4.9.4, 4.17, 5.5.2).
 *
 * One segment for each ring (ERST Max is 0).  Interrupts aren't moderated:
 * there are as many as there are events that the driver hasn't seen.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "util/bswap.h"
#include "util/log.h"

enum { EVENT_SPARE = 7 }; /* for those that nobody asks room for */

void xhci_intr_update(Xhci *s, unsigned n)
{
    XhciIntr *i = &s->intr[n];
    bool on =
        (i->iman & IMAN_IP) && (i->iman & IMAN_IE) && (s->usbcmd & USBCMD_INTE);
    bool by_message = msix_enabled(&s->pci) || msi_enabled(&s->pci);

    if (n == 0 && !by_message) {
        pci_set_irq(&s->pci, on);
    }
    if (on && by_message) {
        i->iman &= ~IMAN_IP; /* a message clears it (4.17.5) */
        pci_notify(&s->pci, n);
    }
}

static void intr_raise(Xhci *s, unsigned n)
{
    XhciIntr *i = &s->intr[n];
    bool was = i->erdp_low & ERDP_EHB;

    i->erdp_low |= ERDP_EHB;
    s->usbsts |= USBSTS_EINT;
    /* The driver hears of it once, until it has looked. */
    if (!was) {
        i->iman |= IMAN_IP;
        xhci_intr_update(s, n);
    }
}

/* TRBs that can be written before the driver's place is reached. */
static unsigned ring_room(const XhciIntr *i)
{
    uint64_t erdp = ((uint64_t)i->erdp_high << 32 | i->erdp_low) & ~0xfULL;
    uint64_t at = (erdp - i->er_start) / XHCI_TRB_SIZE;

    if (i->er_size == 0 || erdp < i->er_start || at >= i->er_size) {
        return 0;
    }
    return (at + i->er_size - i->er_ep_idx - 1) % i->er_size;
}

bool xhci_event_room(Xhci *s, unsigned intr, unsigned n)
{
    const XhciIntr *i = &s->intr[intr];

    /*
     * Without a ring events go nowhere, and need no room.  More than a ring
     * has can't be waited for.
     */
    if (i->er_size == 0 ||
        ring_room(i) >= MIN(n + EVENT_SPARE, i->er_size - 1)) {
        return true;
    }
    s->held = true;
    return false;
}

static void put_trb(Xhci *s, XhciIntr *i, uint64_t param, uint32_t status,
                    uint32_t control)
{
    uint8_t b[XHCI_TRB_SIZE];
    uint64_t at = i->er_start + (uint64_t)i->er_ep_idx * XHCI_TRB_SIZE;

    stq_le_p(b, param);
    stl_le_p(b + 8, status);
    /* The cycle bit last: it gives the rest to the driver. */
    if (!xhci_write(s, at, b, 12)) {
        return;
    }
    stl_le_p(b + 12, control | i->er_pcs);
    if (!xhci_write(s, at + 12, b + 12, 4)) {
        return;
    }
    if (++i->er_ep_idx >= i->er_size) {
        i->er_ep_idx = 0;
        i->er_pcs = !i->er_pcs;
    }
}

void xhci_post(Xhci *s, unsigned intr, uint64_t param, uint32_t status,
               uint32_t control)
{
    unsigned room = ring_room(&s->intr[intr]);

    if (room == 0) {
        log_guest_error("%s: interrupter %u: no room for an event",
                        device_name(&s->pci.dev), intr);
        return;
    }
    if (room == 1) {
        param = 0;
        status = CC_RING_FULL << 24;
        control = EVENT_HOST << TRB_TYPE_SHIFT;
    }
    put_trb(s, &s->intr[intr], param, status, control);
    intr_raise(s, intr);
}

void xhci_intr_reset(XhciIntr *i)
{
    memset(i, 0, sizeof(*i));
    i->er_pcs = true;
}

/* Rings that waited for room look for it again. */
static void retry_held(Xhci *s)
{
    if (s->held) {
        s->held = false;
        xhci_kick_all(s);
    }
}

static void take_segment(Xhci *s, XhciIntr *i)
{
    uint64_t table = (uint64_t)i->erstba_high << 32 | i->erstba_low;
    uint8_t b[16];
    uint32_t size;

    i->er_start = 0;
    i->er_size = 0;
    i->er_ep_idx = 0;
    i->er_pcs = true;
    if (i->erstsz == 0) {
        return;
    }
    if (i->erstsz > 1) {
        log_guest_error("%s: %u segments of an event ring: 1 at most",
                        device_name(&s->pci.dev), i->erstsz);
        xhci_die(s, "event ring", table);
        return;
    }
    if (!xhci_read(s, table, b, sizeof(b))) {
        return;
    }
    size = ldl_le_p(b + 8) & 0xffff;
    if (size < XHCI_ER_SIZE_MIN || size > XHCI_ER_SIZE_MAX) {
        log_guest_error("%s: an event ring of %u TRBs: %u to %u",
                        device_name(&s->pci.dev), size, XHCI_ER_SIZE_MIN,
                        XHCI_ER_SIZE_MAX);
        xhci_die(s, "event ring", table);
        return;
    }
    i->er_start = ldq_le_p(b) & ~UINT64_C(0x3f);
    i->er_size = size;
}

void xhci_erst_written(Xhci *s, XhciIntr *i)
{
    take_segment(s, i);
    retry_held(s);
}

void xhci_erdp_written(Xhci *s, unsigned n, uint32_t old)
{
    XhciIntr *i = &s->intr[n];

    if (i->erdp_low & ERDP_EHB) {
        i->erdp_low &= ~ERDP_EHB;
    } else {
        i->erdp_low |= old & ERDP_EHB;
    }
    if (i->er_size == 0) {
        return;
    }
    /* More came meanwhile. */
    if (!(i->erdp_low & ERDP_EHB) && ring_room(i) != i->er_size - 1) {
        intr_raise(s, n);
    }
    retry_held(s);
}
