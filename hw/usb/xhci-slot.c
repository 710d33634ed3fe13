/*
 * xHCI: device slots and their contexts (4.5, 6.2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "util/bswap.h"
#include "util/log.h"

enum {
    /* Words of a slot's context (6.2.2). */
    SLOT_ROUTE = 0xfffff,
    SLOT_ENTRIES_SHIFT = 27,
    SLOT_PORT_SHIFT = 16,  /* of word 1 */
    SLOT_STATE_SHIFT = 27, /* of word 3 */
    SLOT_ADDRESS = 0xff,

    INPUT_SLOT = 1 << 0, /* flags of an input control context (6.2.5) */
    INPUT_EP0 = 1 << 1,
};

/* An input context: what is to go and to come, then slot and endpoints. */
typedef struct InputContext {
    uint64_t at;
    uint32_t drop, add;
    uint32_t slot[XHCI_CTX_SIZE / 4];
} InputContext;

static bool read_words(Xhci *s, uint64_t at, uint32_t *w)
{
    uint8_t b[XHCI_CTX_SIZE];

    if (!xhci_read(s, at, b, sizeof(b))) {
        return false;
    }
    for (unsigned i = 0; i < XHCI_CTX_SIZE / 4; i++) {
        w[i] = ldl_le_p(b + 4 * i);
    }
    return true;
}

static bool write_words(Xhci *s, uint64_t at, const uint32_t *w)
{
    uint8_t b[XHCI_CTX_SIZE];

    for (unsigned i = 0; i < XHCI_CTX_SIZE / 4; i++) {
        stl_le_p(b + 4 * i, w[i]);
    }
    return xhci_write(s, at, b, sizeof(b));
}

static bool read_input(Xhci *s, uint64_t at, InputContext *in)
{
    uint8_t b[8];

    in->at = at & ~UINT64_C(0xf);
    if (!xhci_read(s, in->at, b, sizeof(b))) {
        return false;
    }
    in->drop = ldl_le_p(b);
    in->add = ldl_le_p(b + 4);
    return read_words(s, in->at + XHCI_CTX_SIZE, in->slot);
}

static uint64_t input_ep_at(const InputContext *in, unsigned dci)
{
    return in->at + (uint64_t)XHCI_CTX_SIZE * (dci + 1);
}

static uint64_t output_ep_at(const XhciSlot *slot, unsigned dci)
{
    return slot->ctx + (uint64_t)XHCI_CTX_SIZE * dci;
}

static void set_state(uint32_t *w, unsigned state, unsigned address)
{
    w[3] = state << SLOT_STATE_SHIFT | address;
}

/* Slots */

XhciSlot *xhci_slot(Xhci *s, unsigned id)
{
    XhciSlot *slot = id >= 1 && id <= XHCI_SLOTS ? &s->slots[id - 1] : NULL;

    return slot != NULL && slot->enabled ? slot : NULL;
}

XhciCode xhci_enable_slot(Xhci *s, unsigned *ret_id)
{
    *ret_id = 0;
    for (unsigned i = 0; i < MIN(s->config & 0xff, XHCI_SLOTS); i++) {
        XhciSlot *slot = &s->slots[i];

        if (!slot->enabled) {
            slot->enabled = true;
            slot->addressed = false;
            *ret_id = slot->id;
            return CC_SUCCESS;
        }
    }
    return CC_NO_SLOTS;
}

static void disable_eps(XhciSlot *slot, unsigned from)
{
    for (unsigned dci = from; dci <= XHCI_EPS; dci++) {
        xhci_ep_disable(&slot->eps[dci - 1]);
    }
}

void xhci_slot_disable(XhciSlot *slot)
{
    disable_eps(slot, 1);
    xhci_slot_drop(slot);
}

void xhci_slot_drop(XhciSlot *slot)
{
    for (unsigned i = 0; i < XHCI_EPS; i++) {
        slot->eps[i].ctx = 0;
        slot->eps[i].state = EP_DISABLED;
        slot->eps[i].pending = false;
    }
    slot->enabled = slot->addressed = false;
    slot->dev = NULL;
    slot->ctx = 0;
}

void xhci_slots_forget(Xhci *s, const UsbDevice *d)
{
    for (unsigned i = 0; i < XHCI_SLOTS; i++) {
        if (s->slots[i].dev == d) {
            s->slots[i].dev = NULL;
        }
    }
}

/* Whose slot the context is; NULL: nobody is plugged in there. */
static UsbDevice *find_device(const Xhci *s, const uint32_t *w)
{
    unsigned port = w[1] >> SLOT_PORT_SHIFT & 0xff;
    const XhciPort *p;

    if (port < 1 || port > s->nports) {
        return NULL;
    }
    p = &s->ports[port - 1];
    if (!(p->portsc & PORTSC_CCS)) {
        return NULL;
    }
    return usb_device_at(p->usb, w[0] & SLOT_ROUTE);
}

/* Its place in the array of the driver (6.1). */
static bool find_output(XhciSlot *slot)
{
    Xhci *s = slot->hc;
    uint64_t array = (uint64_t)s->dcbaap_high << 32 | s->dcbaap_low;
    uint8_t b[8];

    if (!xhci_read(s, (array & ~UINT64_C(0x3f)) + 8 * (uint64_t)slot->id, b,
                   sizeof(b))) {
        return false;
    }
    slot->ctx = ldq_le_p(b) & ~UINT64_C(0x3f);
    return true;
}

/* Commands */

static bool add_ep(XhciSlot *slot, const InputContext *in, unsigned dci)
{
    XhciEp *ep = &slot->eps[dci - 1];
    uint8_t b[XHCI_CTX_SIZE];
    Xhci *s = slot->hc;

    if (!xhci_read(s, input_ep_at(in, dci), b, sizeof(b))) {
        return false;
    }
    xhci_ep_disable(ep);
    b[0] = (b[0] & ~7) | EP_RUNNING;
    return xhci_ep_take(ep, output_ep_at(slot, dci), b) &&
           xhci_write(s, output_ep_at(slot, dci), b, sizeof(b));
}

static UsbResult set_address(UsbDevice *d, unsigned address)
{
    const uint8_t setup[USB_SETUP_SIZE] = { 0, USB_SET_ADDRESS, address };
    size_t len;

    return usb_control(d, setup, NULL, &len);
}

XhciCode xhci_address_device(XhciSlot *slot, uint64_t input, bool bsr)
{
    Xhci *s = slot->hc;
    InputContext in;
    UsbDevice *d;

    if (!read_input(s, input, &in) || !find_output(slot)) {
        return CC_TRB_ERROR;
    }
    if (in.drop != 0 || (in.add & 3) != (INPUT_SLOT | INPUT_EP0)) {
        return CC_PARAMETER;
    }
    d = find_device(s, in.slot);
    if (d == NULL) {
        return CC_TRANSACTION_ERROR;
    }
    disable_eps(slot, 1);
    slot->dev = d;
    set_state(in.slot, bsr ? SLOT_DEFAULT : SLOT_ADDRESSED, bsr ? 0 : slot->id);
    if (!bsr && set_address(d, slot->id) != USB_OK) {
        return CC_TRANSACTION_ERROR;
    }
    if (!write_words(s, slot->ctx, in.slot) || !add_ep(slot, &in, 1)) {
        return CC_TRB_ERROR;
    }
    slot->addressed = true;
    return CC_SUCCESS;
}

/* The number of the last context that is in use, in word 0. */
static void set_entries(const XhciSlot *slot, uint32_t *w)
{
    unsigned last = 1;

    for (unsigned dci = 2; dci <= XHCI_EPS; dci++) {
        if (slot->eps[dci - 1].ctx != 0) {
            last = dci;
        }
    }
    w[0] = (w[0] & ~(0x1fU << SLOT_ENTRIES_SHIFT)) | (uint32_t)last
                                                         << SLOT_ENTRIES_SHIFT;
}

static XhciCode xhci_slot_deconfigure(XhciSlot *slot)
{
    uint32_t w[XHCI_CTX_SIZE / 4];

    disable_eps(slot, 2);
    if (!read_words(slot->hc, slot->ctx, w)) {
        return CC_TRB_ERROR;
    }
    set_state(w, SLOT_ADDRESSED, w[3] & SLOT_ADDRESS);
    set_entries(slot, w);
    return write_words(slot->hc, slot->ctx, w) ? CC_SUCCESS : CC_TRB_ERROR;
}

XhciCode xhci_configure(XhciSlot *slot, uint64_t input, bool all_off)
{
    Xhci *s = slot->hc;
    uint32_t w[XHCI_CTX_SIZE / 4];
    InputContext in;

    if (!slot->addressed) {
        return CC_CONTEXT_STATE;
    }
    if (all_off) {
        return xhci_slot_deconfigure(slot);
    }
    if (!read_input(s, input, &in) || !read_words(s, slot->ctx, w)) {
        return CC_TRB_ERROR;
    }
    if ((in.drop & 3) != 0 || (in.add & 3) != INPUT_SLOT) {
        return CC_TRB_ERROR;
    }
    if (w[3] >> SLOT_STATE_SHIFT < SLOT_ADDRESSED) {
        return CC_CONTEXT_STATE;
    }
    for (unsigned dci = 2; dci <= XHCI_EPS; dci++) {
        if (in.drop & 1U << dci) {
            xhci_ep_disable(&slot->eps[dci - 1]);
        }
        if ((in.add & 1U << dci) && !add_ep(slot, &in, dci)) {
            return CC_TRB_ERROR;
        }
    }
    set_state(w, SLOT_CONFIGURED, w[3] & SLOT_ADDRESS);
    w[0] = (w[0] & 0x07ffffff) | (in.slot[0] & (0x1fU << SLOT_ENTRIES_SHIFT));
    /* What hubs say of themselves is kept for the driver. */
    w[0] = (w[0] & SLOT_ROUTE) | (in.slot[0] & ~(uint32_t)SLOT_ROUTE);
    w[1] = (w[1] & 0x00ffffff) | (in.slot[1] & 0xff000000);
    w[2] = (w[2] & 0xffc00000) | (in.slot[2] & 0x003fffff);
    return write_words(s, slot->ctx, w) ? CC_SUCCESS : CC_TRB_ERROR;
}

XhciCode xhci_evaluate(XhciSlot *slot, uint64_t input)
{
    Xhci *s = slot->hc;
    InputContext in;

    if (!slot->addressed) {
        return CC_CONTEXT_STATE;
    }
    if (!read_input(s, input, &in)) {
        return CC_TRB_ERROR;
    }
    if (in.drop != 0 || (in.add & ~3U) != 0) {
        return CC_PARAMETER;
    }
    if (in.add & INPUT_SLOT) {
        uint32_t w[XHCI_CTX_SIZE / 4];

        if (!read_words(s, slot->ctx, w)) {
            return CC_TRB_ERROR;
        }
        /* Maximum exit latency, interrupter target (6.2.2.3). */
        w[1] = (w[1] & 0xffff0000) | (in.slot[1] & 0xffff);
        w[2] = (w[2] & 0x003fffff) | (in.slot[2] & 0xffc00000);
        if (!write_words(s, slot->ctx, w)) {
            return CC_TRB_ERROR;
        }
    }
    if (in.add & INPUT_EP0) {
        uint8_t from[4], to[4];
        uint64_t at = output_ep_at(slot, 1) + 4;

        if (!xhci_read(s, input_ep_at(&in, 1) + 4, from, 4) ||
            !xhci_read(s, at, to, 4)) {
            return CC_TRB_ERROR;
        }
        /* The maximum packet size (6.2.3.3). */
        memcpy(to + 2, from + 2, 2);
        if (!xhci_write(s, at, to, 4)) {
            return CC_TRB_ERROR;
        }
    }
    return CC_SUCCESS;
}

XhciCode xhci_reset_device(XhciSlot *slot)
{
    uint32_t w[XHCI_CTX_SIZE / 4];

    if (!slot->addressed) {
        return CC_CONTEXT_STATE;
    }
    disable_eps(slot, 2);
    if (!read_words(slot->hc, slot->ctx, w)) {
        return CC_TRB_ERROR;
    }
    set_state(w, SLOT_DEFAULT, 0);
    set_entries(slot, w);
    return write_words(slot->hc, slot->ctx, w) ? CC_SUCCESS : CC_TRB_ERROR;
}

/* Migration */

void xhci_slot_load(XhciSlot *slot)
{
    Xhci *s = slot->hc;
    uint32_t w[XHCI_CTX_SIZE / 4];

    if (!slot->enabled || !slot->addressed) {
        return;
    }
    if (!find_output(slot) || !read_words(s, slot->ctx, w)) {
        return;
    }
    slot->dev = find_device(s, w);
    for (unsigned dci = 1; dci <= XHCI_EPS; dci++) {
        uint8_t b[XHCI_CTX_SIZE];

        if (!xhci_read(s, output_ep_at(slot, dci), b, sizeof(b))) {
            return;
        }
        if ((b[0] & 7) != EP_DISABLED &&
            !xhci_ep_take(&slot->eps[dci - 1], output_ep_at(slot, dci), b)) {
            log_guest_error("%s: slot %u: endpoint %u can't be continued",
                            device_name(&s->pci.dev), slot->id, dci);
        }
    }
}
