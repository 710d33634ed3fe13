/*
 * xHCI: rings of TRBs in guest memory (4.9), and turns.
 *
 * Whoever works on a ring does so with the device lock held, and a guest can
 * keep it from ever being empty.  So a turn is bounded; what is left is done by
 * a source of the main loop, when others have had their turn.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "system/vm.h"
#include "util/bswap.h"
#include "util/lock.h"

enum {
    TURN_TRBS = 512,
    TURN_NS = 2 * 1000 * 1000,
};

typedef struct WorkSource {
    GSource base;
    Xhci *s;
} WorkSource;

bool xhci_read(Xhci *s, uint64_t addr, void *buf, size_t len)
{
    if (pci_dma_read(&s->pci, addr, buf, len) == MEM_OK) {
        return true;
    }
    xhci_die(s, "read", addr);
    return false;
}

bool xhci_write(Xhci *s, uint64_t addr, const void *buf, size_t len)
{
    if (pci_dma_write(&s->pci, addr, buf, len) == MEM_OK) {
        return true;
    }
    xhci_die(s, "write", addr);
    return false;
}

XhciFetch xhci_fetch(Xhci *s, XhciRing *ring, XhciTrb *ret)
{
    for (unsigned links = 0; links < XHCI_LINKS; links++) {
        uint8_t b[XHCI_TRB_SIZE];

        if (!xhci_read(s, ring->dequeue, b, sizeof(b))) {
            return FETCH_BAD;
        }
        *ret = (XhciTrb){
            .param = ldq_le_p(b),
            .status = ldl_le_p(b + 8),
            .control = ldl_le_p(b + 12),
            .addr = ring->dequeue,
        };
        if ((ret->control & TRB_C) != ring->ccs) {
            return FETCH_EMPTY;
        }
        if (xhci_trb_type(ret) != TRB_LINK) {
            ring->dequeue += XHCI_TRB_SIZE;
            return FETCH_OK;
        }
        ring->dequeue = ret->param & ~UINT64_C(0xf);
        ring->ccs ^= (ret->control & TRB_TC) != 0;
    }
    return FETCH_BAD;
}

bool xhci_turn(Xhci *s)
{
    /* One in any case, however long this thread had to wait for its CPU. */
    if (s->turn == 0 ||
        (s->turn < TURN_TRBS && clock_monotonic_ns() >= s->turn_end)) {
        return false;
    }
    s->turn--;
    return true;
}

/* Endpoints one after the other, as long as the turn lasts. */
static bool work_on_slot(XhciSlot *slot)
{
    bool left = false;

    for (unsigned i = 0; slot->enabled && i < XHCI_EPS; i++) {
        XhciEp *ep = &slot->eps[i];

        if (ep->pending && ep->ctx != 0) {
            ep->pending = false;
            xhci_ep_run(ep);
        }
        left |= ep->pending;
    }
    return left;
}

void xhci_work(Xhci *s)
{
    bool left = false;

    /* What is entered by its own DMA, or by a device's answer, waits. */
    if (s->busy || dma_access_under_way()) {
        xhci_work_later(s);
        return;
    }
    if (!runstate_is_running(s->pci.dev.vm) || !xhci_is_running(s)) {
        return;
    }
    s->busy = true;
    s->turn = TURN_TRBS;
    s->turn_end = clock_monotonic_ns() + TURN_NS;
    if (s->cmd_pending) {
        s->cmd_pending = false;
        xhci_run_commands(s);
    }
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        left |= work_on_slot(&s->slots[i]);
    }
    s->busy = false;
    if (left || s->cmd_pending) {
        xhci_work_later(s);
    }
}

static gboolean work_dispatch(GSource *src, GSourceFunc unused_fn,
                              gpointer unused)
{
    VM_LOCK_GUARD();

    (void)unused_fn;
    (void)unused;
    g_source_set_ready_time(src, -1);
    xhci_work(((WorkSource *)src)->s);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs work_funcs = { .dispatch = work_dispatch };

void xhci_work_later(Xhci *s)
{
    if (s->work == NULL) {
        s->work = g_source_new(&work_funcs, sizeof(WorkSource));
        ((WorkSource *)s->work)->s = s;
        g_source_set_static_name(s->work, "xhci-work");
        g_source_attach(s->work, NULL);
    }
    g_source_set_ready_time(s->work, 0);
}

void xhci_work_fini(Xhci *s)
{
    if (s->work != NULL) {
        g_source_destroy(s->work);
        g_clear_pointer(&s->work, g_source_unref);
    }
}

void xhci_kick_all(Xhci *s)
{
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        XhciSlot *slot = &s->slots[i];

        for (unsigned k = 0; slot->enabled && k < XHCI_EPS; k++) {
            slot->eps[k].pending = slot->eps[k].state == EP_RUNNING;
        }
    }
    s->cmd_pending = s->crcr_low & CRCR_CRR;
    xhci_work(s);
}
