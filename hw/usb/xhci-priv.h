/*
 * Inside xHCI: the controller, its rings, slots and endpoints.
 *
 *   xhci.c        PCI function, life       xhci-regs.c   registers
 *   xhci-port.c   root hub ports           xhci-event.c  interrupters
 *   xhci-ring.c   TRBs, turns              xhci-cmd.c    command ring
 *   xhci-slot.c   slots, contexts          xhci-ep.c     endpoints
 *   xhci-td.c     what a TD consists of    xhci-vmstate.c
 *
 * Guest memory has the state of endpoints: the output context's dequeue pointer
 * is kept at the first TD that isn't done.  What waits for a device is asked
 * for again, so nothing else has to be remembered.
 *
 * Behaviour: eXtensible Host Controller Interface 1.1 ("xHCI").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_USB_XHCI_PRIV_H
#define HW_USB_XHCI_PRIV_H

#include "hw/pci/pci.h"
#include "hw/usb/usb.h"
#include "system/runstate.h"

#define XHCI_PORTS_MAX   15 /* of one speed */
#define XHCI_SLOTS       64
#define XHCI_INTRS       16
#define XHCI_EPS         31 /* of a slot: device context indexes 1 to 31 */
#define XHCI_CTX_SIZE    32 /* bytes; 64-byte contexts aren't offered */
#define XHCI_TRB_SIZE    16
#define XHCI_TD_TRBS     256  /* in one TD, at most */
#define XHCI_LINKS       16   /* followed to find one TRB, at most */
#define XHCI_DATA_MAX    1024 /* bytes of an IN transfer from an interrupt ep */
#define XHCI_ER_SIZE_MIN 16
#define XHCI_ER_SIZE_MAX 4096

/* USBCMD (xHCI 5.4.1). */
enum {
    USBCMD_RS = 1 << 0,
    USBCMD_HCRST = 1 << 1,
    USBCMD_INTE = 1 << 2,
    USBCMD_HSEE = 1 << 3,
    USBCMD_CSS = 1 << 8,
    USBCMD_CRS = 1 << 9,
    USBCMD_EWE = 1 << 10,
};

/* USBSTS (5.4.2). */
enum {
    USBSTS_HCH = 1 << 0,
    USBSTS_HSE = 1 << 2,
    USBSTS_EINT = 1 << 3,
    USBSTS_PCD = 1 << 4,
    USBSTS_SRE = 1 << 10,
};

/* CRCR (5.4.5). */
enum {
    CRCR_RCS = 1 << 0,
    CRCR_CS = 1 << 1,
    CRCR_CA = 1 << 2,
    CRCR_CRR = 1 << 3,
};

/* PORTSC (5.4.8). */
enum {
    PORTSC_CCS = 1 << 0,
    PORTSC_PED = 1 << 1,
    PORTSC_PR = 1 << 4,
    PORTSC_PLS_SHIFT = 5,
    PORTSC_PLS = 0xf << PORTSC_PLS_SHIFT,
    PORTSC_PP = 1 << 9,
    PORTSC_SPEED_SHIFT = 10,
    PORTSC_SPEED = 0xf << PORTSC_SPEED_SHIFT,
    PORTSC_PIC = 3 << 14,
    PORTSC_LWS = 1 << 16,
    PORTSC_CSC = 1 << 17,
    PORTSC_PEC = 1 << 18,
    PORTSC_WRC = 1 << 19,
    PORTSC_OCC = 1 << 20,
    PORTSC_PRC = 1 << 21,
    PORTSC_PLC = 1 << 22,
    PORTSC_CEC = 1 << 23,
    PORTSC_CHANGES = 0x7f << 17,
    PORTSC_WAKES = 7 << 25,
};
#define PORTSC_WPR (1u << 31)

/* IMAN, ERDP (5.5.2). */
enum {
    IMAN_IP = 1 << 0,
    IMAN_IE = 1 << 1,
    ERDP_DESI = 7,
    ERDP_EHB = 1 << 3,
};

/* TRB types (6.4.6). */
enum {
    TRB_NORMAL = 1,
    TRB_SETUP = 2,
    TRB_DATA = 3,
    TRB_STATUS = 4,
    TRB_ISOCH = 5,
    TRB_LINK = 6,
    TRB_EVENT_DATA = 7,
    TRB_NOOP = 8,
    CMD_ENABLE_SLOT = 9,
    CMD_DISABLE_SLOT = 10,
    CMD_ADDRESS_DEVICE = 11,
    CMD_CONFIGURE_ENDPOINT = 12,
    CMD_EVALUATE_CONTEXT = 13,
    CMD_RESET_ENDPOINT = 14,
    CMD_STOP_ENDPOINT = 15,
    CMD_SET_TR_DEQUEUE = 16,
    CMD_RESET_DEVICE = 17,
    CMD_NOOP = 23,
    EVENT_TRANSFER = 32,
    EVENT_COMMAND = 33,
    EVENT_PORT = 34,
    EVENT_HOST = 37,
    EVENT_MFINDEX = 39,
};

/* The last word of a TRB (6.4). */
enum {
    TRB_C = 1 << 0,
    TRB_TC = 1 << 1, /* of a link */
    TRB_ISP = 1 << 2,
    TRB_CH = 1 << 4,
    TRB_IOC = 1 << 5,
    TRB_IDT = 1 << 6,
    TRB_TYPE_SHIFT = 10,
    TRB_BSR = 1 << 9, /* of Address Device */
    TRB_DC = 1 << 9,  /* of Configure Endpoint */
    TRB_ED = 1 << 2,  /* of a Transfer Event */
    TRB_DIR_IN = 1 << 16,
    TRB_EP_SHIFT = 16,
    TRB_SLOT_SHIFT = 24,
};

/* Completion codes (6.4.5). */
typedef enum XhciCode {
    CC_NONE, /* not done yet */
    CC_SUCCESS = 1,
    CC_TRANSACTION_ERROR = 4,
    CC_TRB_ERROR = 5,
    CC_STALL = 6,
    CC_NO_SLOTS = 9,
    CC_SLOT_NOT_ENABLED = 11,
    CC_EP_NOT_ENABLED = 12,
    CC_SHORT_PACKET = 13,
    CC_PARAMETER = 17,
    CC_CONTEXT_STATE = 19,
    CC_RING_FULL = 21,
    CC_RING_STOPPED = 24,
    CC_STOPPED = 26,
} XhciCode;

/* Of an endpoint's context (6.2.3). */
typedef enum XhciEpState {
    EP_DISABLED,
    EP_RUNNING,
    EP_HALTED,
    EP_STOPPED,
    EP_ERROR,
} XhciEpState;

/* EP Type (6.2.3, table 9). */
enum {
    EP_TYPE_INVALID = 0,
    EP_TYPE_CONTROL = 4,
    EP_TYPE_INTR_IN = 7,
};

/* Of a slot's context (6.2.2). */
enum {
    SLOT_DISABLED = 0, /* enabled, too */
    SLOT_DEFAULT = 1,
    SLOT_ADDRESSED = 2,
    SLOT_CONFIGURED = 3,
};

typedef struct Xhci Xhci;
typedef struct XhciSlot XhciSlot;

/* As in memory, in the host's order, and where it lies. */
typedef struct XhciTrb {
    uint64_t param;
    uint32_t status, control;
    uint64_t addr;
} XhciTrb;

/* TRBs of a TD, or of the three TDs that make a control transfer. */
typedef struct XhciTd {
    unsigned n;
    XhciTrb trb[XHCI_TD_TRBS];
} XhciTd;

typedef struct XhciRing {
    uint64_t dequeue;
    bool ccs; /* consumer cycle state */
} XhciRing;

typedef struct XhciEp {
    XhciSlot *slot;
    unsigned dci; /* device context index */
    uint64_t ctx; /* its output context; 0: it isn't enabled */
    unsigned type;
    XhciEpState state;
    XhciRing ring;
    bool pending; /* its ring is to be looked at */
} XhciEp;

struct XhciSlot {
    Xhci *hc;
    unsigned id;             /* from 1 on */
    bool enabled, addressed; /* migrated */
    uint64_t ctx;            /* its output context */
    UsbDevice *dev;          /* NULL: it has gone */
    XhciEp eps[XHCI_EPS];
};

typedef struct XhciPort {
    uint32_t portsc; /* migrated */
    UsbPort *usb;    /* where a device is plugged in, whatever its speed */
    bool super;
} XhciPort;

/* An interrupter; migrated. */
typedef struct XhciIntr {
    uint32_t iman, imod, erstsz, erstba_low, erstba_high, erdp_low, erdp_high;
    bool msix_used; /* of the stream only */
    bool er_pcs;
    uint64_t er_start; /* the one segment */
    uint32_t er_size;  /* TRBs; 0: there is none */
    uint32_t er_ep_idx;
    bool er_full_unused;
} XhciIntr;

struct Xhci {
    PciDevice pci;
    UsbBus bus;
    MemoryRegion mem, cap, oper, run, doorbell;
    RunStateListener listener;
    GSource *work; /* does what is pending; NULL until it is needed */
    UsbPort usb_ports[XHCI_PORTS_MAX];
    unsigned nusb; /* of usb_ports */

    uint32_t p2, p3; /* ports of USB 2 and 3; properties */
    bool streams;

    XhciPort ports[2 * XHCI_PORTS_MAX]; /* those of USB 3 first */
    uint32_t nports;
    XhciSlot slots[XHCI_SLOTS];
    XhciIntr intr[XHCI_INTRS];
    uint32_t usbcmd, usbsts, dnctrl, crcr_low, crcr_high;
    uint32_t dcbaap_low, dcbaap_high, config;
    int64_t mfindex_start; /* ns of the virtual clock when MFINDEX was 0 */
    Timer mfwrap_timer;
    XhciRing cmd_ring;

    bool busy;        /* rings are being worked on, below us on the stack */
    bool cmd_pending; /* the command ring is to be looked at */
    bool held;        /* rings wait for room on an event ring */
    bool loaded;      /* slots are to be taken from guest memory */
    XhciTd td;        /* what is worked on */
    uint8_t data[USB_CONTROL_MAX];
    unsigned turn;    /* TRBs left in this turn */
    int64_t turn_end; /* of the monotonic clock */
};

static inline unsigned xhci_trb_type(const XhciTrb *trb)
{
    return trb->control >> TRB_TYPE_SHIFT & 0x3f;
}

static inline bool xhci_is_running(const Xhci *s)
{
    return (s->usbcmd & USBCMD_RS) && !(s->usbsts & (USBSTS_HCH | USBSTS_HSE));
}

/* xhci.c */
Xhci *xhci_of(Device *dev);
/* As HCRST does it (5.4.1). */
void xhci_reset(Xhci *s);
/* Memory that a guest has named doesn't answer: it stops for good. */
void xhci_die(Xhci *s, const char *what, uint64_t addr);

/* xhci-regs.c */
extern const IoOps xhci_cap_ops, xhci_oper_ops, xhci_run_ops, xhci_doorbell_ops;
void xhci_arm_mfwrap(Xhci *s);
void xhci_mfindex_wrapped(void *opaque);

/* xhci-port.c */
extern const UsbPortOps xhci_port_ops;
void xhci_port_write(Xhci *s, XhciPort *p, uint32_t val);
/* To what is plugged in, after a reset of the controller. */
void xhci_port_init(Xhci *s, XhciPort *p);
/* A loaded state says otherwise than what is plugged in. */
void xhci_port_check(Xhci *s, XhciPort *p);

/* xhci-event.c */
/*
 * Puts an event on the ring of interrupter `intr`, below XHCI_INTRS; `control`
 * lacks the cycle bit.
 */
void xhci_post(Xhci *s, unsigned intr, uint64_t param, uint32_t status,
               uint32_t control);
/*
 * Is there room for `n` events on that ring, and for those that may come
 * meanwhile?  Else ERDP's next write kicks all rings.
 */
bool xhci_event_room(Xhci *s, unsigned intr, unsigned n);
void xhci_intr_update(Xhci *s, unsigned n);
void xhci_intr_reset(XhciIntr *i);
/* ERSTBA was written: takes the segment from the table (4.9.4). */
void xhci_erst_written(Xhci *s, XhciIntr *i);
void xhci_erdp_written(Xhci *s, unsigned n, uint32_t old);

/* xhci-ring.c */
bool xhci_read(Xhci *s, uint64_t addr, void *buf, size_t len);
bool xhci_write(Xhci *s, uint64_t addr, const void *buf, size_t len);
typedef enum XhciFetch {
    FETCH_OK,
    FETCH_EMPTY, /* the producer has added no more */
    FETCH_BAD,   /* links lead nowhere, or memory doesn't answer */
} XhciFetch;
/* The next TRB that isn't a link; the ring moves behind it. */
XhciFetch xhci_fetch(Xhci *s, XhciRing *ring, XhciTrb *ret);
/* One more TRB; false: the turn is over, the rest is done later. */
bool xhci_turn(Xhci *s);
/* Works on all that is pending, unless somebody does. */
void xhci_work(Xhci *s);
void xhci_work_later(Xhci *s);
void xhci_kick_all(Xhci *s);
void xhci_work_fini(Xhci *s);

/* xhci-cmd.c */
void xhci_run_commands(Xhci *s);
void xhci_crcr_written(Xhci *s);

/* xhci-slot.c */
XhciCode xhci_enable_slot(Xhci *s, unsigned *ret_id);
/* NULL: there is no such slot, or it isn't enabled. */
XhciSlot *xhci_slot(Xhci *s, unsigned id);
void xhci_slot_disable(XhciSlot *slot);
/* The same without a word to guest memory, which may be another's now. */
void xhci_slot_drop(XhciSlot *slot);
XhciCode xhci_address_device(XhciSlot *slot, uint64_t input, bool bsr);
XhciCode xhci_configure(XhciSlot *slot, uint64_t input, bool deconfigure);
XhciCode xhci_evaluate(XhciSlot *slot, uint64_t input);
XhciCode xhci_reset_device(XhciSlot *slot);
/* From its contexts in guest memory, after a migration. */
void xhci_slot_load(XhciSlot *slot);
void xhci_slots_forget(Xhci *s, const UsbDevice *d);

/* xhci-ep.c */
/* NULL: there is no such endpoint, or it isn't enabled. */
XhciEp *xhci_ep(XhciSlot *slot, unsigned dci);
void xhci_ep_disable(XhciEp *ep);
/* Takes it from a context of 32 bytes; false: that is none. */
bool xhci_ep_take(XhciEp *ep, uint64_t at, const uint8_t *ctx);
/* Stores state and dequeue pointer in the output context. */
void xhci_ep_store(XhciEp *ep);
void xhci_ep_doorbell(XhciEp *ep);
/* A device has something to say; ep may be NULL. */
void xhci_ep_kick(XhciEp *ep);
void xhci_ep_run(XhciEp *ep);
/* CC_NONE: it is to be tried again once there is room for its event. */
XhciCode xhci_ep_stop(XhciEp *ep);
XhciCode xhci_ep_reset(XhciEp *ep);
XhciCode xhci_ep_set_dequeue(XhciEp *ep, uint64_t pointer);

/* xhci-td.c */
/* Gathers what is there, without taking it from the ring at `ring`. */
XhciFetch xhci_td_gather(XhciEp *ep, XhciRing *ring, XhciTd *td);
size_t xhci_td_len(const XhciTd *td);
/* Data between the device and the TD's buffers; false: memory is missing. */
bool xhci_td_copy(XhciEp *ep, const XhciTd *td, uint8_t *buf, size_t len,
                  bool to_guest);
/* xhci_event_room() for all that xhci_td_report() may tell. */
bool xhci_td_room(XhciEp *ep, const XhciTd *td);
/* Tells of the end: `code` for the whole, `done` bytes were moved. */
void xhci_td_report(XhciEp *ep, const XhciTd *td, XhciCode code, size_t done);

/* xhci-vmstate.c */
extern const Vmstate xhci_vmstate;

#endif
