/*
 * xHCI: capability, operational and runtime registers, doorbells (5.3 to 5.6).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/xhci-priv.h"

#include "system/vm.h"
#include "util/log.h"

enum {
    CAP_LENGTH = 0x40,
    RUNTIME_OFFSET = 0x1000,
    DOORBELL_OFFSET = 0x2000,
    HCIVERSION = 0x0100,
    HCSPARAMS2 = 0x0f,      /* IST: a frame and 7; ERST Max: 1 segment */
    HCCPARAMS = 0x00080001, /* 64-bit addresses; capabilities at 0x20 */
    HCCPARAMS_STREAMS = 7 << 12,
    PROTOCOL_USB2 = 0x02000402, /* next, id, revision (7.2) */
    PROTOCOL_USB3 = 0x03000002,
    PROTOCOL_NAME = 0x20425355, /* "USB " */

    OPER_PORTS = 0x400, /* in the operational registers */
    PORT_SIZE = 0x10,
    RUN_INTRS = 0x20, /* in the runtime registers */
    INTR_SIZE = 0x20,
    MFINDEX_MASK = 0x3fff,
    MICROFRAME_NS = 125000,
    WRAP_NS = (MFINDEX_MASK + 1) * MICROFRAME_NS,
    USBCMD_MASK = USBCMD_RS | USBCMD_INTE | USBCMD_HSEE | USBCMD_EWE,
    USBSTS_W1C = USBSTS_HSE | USBSTS_EINT | USBSTS_PCD | USBSTS_SRE,
    CONFIG_MASK = 0xff,
};

/* Capability registers */

static uint32_t cap_value(const Xhci *s, unsigned off)
{
    switch (off) {
    case 0x00:
        return (uint32_t)HCIVERSION << 16 | CAP_LENGTH;
    case 0x04: /* HCSPARAMS1 */
        return s->nports << 24 | XHCI_INTRS << 8 | XHCI_SLOTS;
    case 0x08:
        return HCSPARAMS2;
    case 0x10: /* HCCPARAMS1 */
        return HCCPARAMS | (s->streams ? HCCPARAMS_STREAMS : 0);
    case 0x14:
        return DOORBELL_OFFSET;
    case 0x18:
        return RUNTIME_OFFSET;
    case 0x20:
        return PROTOCOL_USB2;
    case 0x30:
        return PROTOCOL_USB3;
    case 0x24:
    case 0x34:
        return PROTOCOL_NAME;
    case 0x28: /* count and first port */
        return s->p2 << 8 | (s->p3 + 1);
    case 0x38:
        return s->p3 << 8 | 1;
    default:
        return 0;
    }
}

static uint64_t cap_read(Device *dev, uint64_t off, unsigned size)
{
    return cap_value(xhci_of(dev), off);
}

static void cap_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
}

const IoOps xhci_cap_ops = {
    .read = cap_read,
    .write = cap_write,
    .min_size = 4,
    .max_size = 4,
};

/* Operational registers */

void xhci_arm_mfwrap(Xhci *s)
{
    Clocks *c = s->pci.dev.vm->clocks;
    int64_t now = clock_get_ns(c, CLOCK_TYPE_VIRTUAL);

    if (!xhci_is_running(s) || !(s->usbcmd & USBCMD_EWE)) {
        timer_del(&s->mfwrap_timer);
        return;
    }
    timer_mod(&s->mfwrap_timer,
              s->mfindex_start +
                  ((now - s->mfindex_start) / WRAP_NS + 1) * WRAP_NS);
}

void xhci_mfindex_wrapped(void *opaque)
{
    Xhci *s = opaque;

    if (xhci_is_running(s)) {
        xhci_post(s, 0, 0, (uint32_t)CC_SUCCESS << 24,
                  EVENT_MFINDEX << TRB_TYPE_SHIFT);
    }
    xhci_arm_mfwrap(s);
}

static void usbcmd_write(Xhci *s, uint32_t val)
{
    bool was = s->usbcmd & USBCMD_RS;

    if (val & USBCMD_HCRST) {
        xhci_reset(s);
        return;
    }
    /* Nothing is saved, which the driver finds in SRE (4.23.2). */
    if (val & USBCMD_CSS) {
        s->usbsts &= ~(uint32_t)USBSTS_SRE;
    }
    if (val & USBCMD_CRS) {
        s->usbsts |= USBSTS_SRE;
    }
    s->usbcmd = val & USBCMD_MASK;
    if ((val & USBCMD_RS) && !was && !(s->usbsts & USBSTS_HSE)) {
        s->usbsts &= ~(uint32_t)USBSTS_HCH;
        s->mfindex_start =
            clock_get_ns(s->pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
        xhci_kick_all(s);
    } else if (!(val & USBCMD_RS)) {
        s->usbsts |= USBSTS_HCH;
        s->crcr_low &= ~(uint32_t)CRCR_CRR;
    }
    xhci_arm_mfwrap(s);
    xhci_intr_update(s, 0);
}

static XhciPort *port_at(Xhci *s, unsigned off)
{
    unsigned n = (off - OPER_PORTS) / PORT_SIZE;

    return off >= OPER_PORTS && n < s->nports ? &s->ports[n] : NULL;
}

static uint32_t oper_value(Xhci *s, unsigned off)
{
    XhciPort *p = port_at(s, off);

    if (p != NULL) {
        return off % PORT_SIZE == 0 ? p->portsc : 0;
    }
    switch (off) {
    case 0x00:
        return s->usbcmd;
    case 0x04:
        return s->usbsts;
    case 0x08: /* PAGESIZE: 4 KiB */
        return 1;
    case 0x14:
        return s->dnctrl;
    case 0x18: /* pointers of CRCR read as 0 */
        return s->crcr_low & CRCR_CRR;
    case 0x30:
        return s->dcbaap_low;
    case 0x34:
        return s->dcbaap_high;
    case 0x38:
        return s->config;
    default:
        return 0;
    }
}

static uint64_t oper_read(Device *dev, uint64_t off, unsigned size)
{
    return oper_value(xhci_of(dev), off);
}

static void oper_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    Xhci *s = xhci_of(dev);
    XhciPort *p = port_at(s, off);

    /* A transfer's own data is lost here. */
    if (dma_access_under_way()) {
        return;
    }
    if (p != NULL) {
        if (off % PORT_SIZE == 0) {
            xhci_port_write(s, p, val);
        }
        return;
    }
    switch (off) {
    case 0x00:
        usbcmd_write(s, val);
        break;
    case 0x04:
        s->usbsts &= ~((uint32_t)val & USBSTS_W1C);
        break;
    case 0x14:
        s->dnctrl = val & 0xffff;
        break;
    case 0x18:
        s->crcr_low = (val & ~(uint64_t)0x38) | (s->crcr_low & CRCR_CRR);
        xhci_crcr_written(s);
        break;
    case 0x1c:
        s->crcr_high = val;
        xhci_crcr_written(s);
        break;
    case 0x30:
        s->dcbaap_low = val & ~UINT64_C(0x3f);
        break;
    case 0x34:
        s->dcbaap_high = val;
        break;
    case 0x38:
        s->config = val & CONFIG_MASK;
        break;
    default:
        break;
    }
}

const IoOps xhci_oper_ops = {
    .read = oper_read,
    .write = oper_write,
    .min_size = 4,
    .max_size = 4,
};

/* Runtime registers */

static uint32_t xhci_reg_mfindex(Xhci *s)
{
    int64_t now = clock_get_ns(s->pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL);

    return xhci_is_running(s)
               ? (now - s->mfindex_start) / MICROFRAME_NS & MFINDEX_MASK
               : 0;
}

static uint64_t run_read(Device *dev, uint64_t off, unsigned size)
{
    Xhci *s = xhci_of(dev);
    const XhciIntr *i;

    if (off < RUN_INTRS) {
        return off == 0 ? xhci_reg_mfindex(s) : 0;
    }
    if ((off - RUN_INTRS) / INTR_SIZE >= XHCI_INTRS) {
        return 0;
    }
    i = &s->intr[(off - RUN_INTRS) / INTR_SIZE];
    switch (off % INTR_SIZE) {
    case 0x00:
        return i->iman;
    case 0x04:
        return i->imod;
    case 0x08:
        return i->erstsz;
    case 0x10:
        return i->erstba_low;
    case 0x14:
        return i->erstba_high;
    case 0x18:
        return i->erdp_low;
    case 0x1c:
        return i->erdp_high;
    default:
        return 0;
    }
}

static void intr_write(Xhci *s, unsigned n, unsigned reg, uint32_t val)
{
    XhciIntr *i = &s->intr[n];
    uint32_t old = i->erdp_low;

    switch (reg) {
    case 0x00:
        i->iman = (i->iman & ~(val & IMAN_IP) & IMAN_IP) | (val & IMAN_IE);
        xhci_intr_update(s, n);
        break;
    case 0x04:
        i->imod = val;
        break;
    case 0x08:
        i->erstsz = val & 0xffff;
        break;
    case 0x10:
        i->erstba_low = val & ~UINT32_C(0x3f);
        break;
    case 0x14:
        i->erstba_high = val;
        xhci_erst_written(s, i);
        break;
    case 0x18:
        i->erdp_low = val;
        xhci_erdp_written(s, n, old);
        break;
    case 0x1c:
        i->erdp_high = val;
        break;
    default:
        break;
    }
}

static void run_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    unsigned n = (off - RUN_INTRS) / INTR_SIZE;

    if (!dma_access_under_way() && off >= RUN_INTRS && n < XHCI_INTRS) {
        intr_write(xhci_of(dev), n, off % INTR_SIZE, val);
    }
}

const IoOps xhci_run_ops = {
    .read = run_read,
    .write = run_write,
    .min_size = 4,
    .max_size = 4,
};

/* Doorbells */

static uint64_t doorbell_read(Device *dev, uint64_t off, unsigned size)
{
    return 0;
}

static void doorbell_write(Device *dev, uint64_t off, uint64_t val,
                           unsigned size)
{
    Xhci *s = xhci_of(dev);
    unsigned target = val & 0xff;
    XhciSlot *slot;
    XhciEp *ep;

    if (dma_access_under_way() || !xhci_is_running(s)) {
        return;
    }
    if (off == 0) {
        if (target == 0) {
            s->crcr_low |= CRCR_CRR;
            s->cmd_pending = true;
            xhci_work(s);
        }
        return;
    }
    slot = xhci_slot(s, off / 4);
    ep = slot != NULL ? xhci_ep(slot, target) : NULL;
    if (ep == NULL) {
        log_guest_error("%s: doorbell of slot %u, endpoint %u",
                        device_name(dev), (unsigned)off / 4, target);
        return;
    }
    xhci_ep_doorbell(ep);
}

const IoOps xhci_doorbell_ops = {
    .read = doorbell_read,
    .write = doorbell_write,
    .min_size = 4,
    .max_size = 4,
};
