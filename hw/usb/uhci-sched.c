/*
 * UHCI: the schedule: a frame each millisecond, the queues and transfer
 * descriptors that its entry in the frame list leads to (3.1 to 3.4).
 *
 * A transfer is done at once or answered by NAK, so that none is under way
 * when a frame ends.  What a frame does is bounded, whatever the guest links
 * to what: by its bytes, by the entries that it looks at, and by a loop in
 * which nothing has moved.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/usb/uhci-priv.h"

#include "system/vm.h"
#include "util/bswap.h"
#include "util/log.h"

/* Link pointers (3.1). */
enum {
    LINK_END = 1 << 0,
    LINK_QUEUE = 1 << 1,
    LINK_DEPTH = 1 << 2,
};
#define LINK_ADDR (~UINT32_C(0xf))

/* Control and status of a TD (3.2.2). */
enum {
    TD_LEN = 0x7ff,
    TD_TIMEOUT = 1 << 18,
    TD_NAK = 1 << 19,
    TD_STALLED = 1 << 22,
    TD_ACTIVE = 1 << 23,
    TD_IOC = 1 << 24,
    TD_ISOCHRONOUS = 1 << 25,
    TD_ERRORS = 3 << 27, /* that are left until it is given up; 0: no end */
    TD_SHORT = 1 << 29,
    TD_RESULT = 0x3f << 17, /* bits 17 to 22 */
};

/* Token (3.2.3). */
enum {
    PID_IN = 0x69,
    PID_OUT = 0xe1,
    PID_SETUP = 0x2d,
    TOKEN_LEN_MAX = 0x500, /* bytes; 0x7ff in the field stands for none */
};

enum {
    FRAME_ENTRIES = 512, /* looked at in one frame, at most */
    TURN_NS = 2 * 1000 * 1000,
    FRAMES = 1024, /* entries of the list */
};

/* pending_int_mask: UHCI_INT_* and this. */
enum { TELL_ERROR = 1 << 2 };

typedef struct Td {
    uint32_t addr, link, ctrl, token, buffer;
} Td;

/* One frame's work. */
typedef struct Frame {
    unsigned bytes, entries; /* so far */
    /* The loop is closed when `mark` comes again and nothing has moved. */
    uint32_t mark;
    unsigned since, power; /* queues since `mark`; when it is set anew */
} Frame;

typedef enum TdEnd {
    TD_DONE, /* the queue goes on behind it */
    TD_KEPT, /* it stays the queue's first */
    TD_HALT, /* the frame is over */
} TdEnd;

static bool uhci_fetch(Uhci *s, uint32_t addr, uint32_t *words, unsigned n)
{
    uint8_t b[16];

    if (pci_dma_read(&s->pci, addr, b, 4 * n) != MEM_OK) {
        log_guest_error("%s: schedule at 0x%x can't be read",
                        device_name(&s->pci.dev), addr);
        uhci_die(s, UHCI_STS_HSE);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        words[i] = ldl_le_p(b + 4 * i);
    }
    return true;
}

static bool uhci_store(Uhci *s, uint32_t addr, uint32_t word)
{
    uint8_t b[4];

    stl_le_p(b, word);
    if (pci_dma_write(&s->pci, addr, b, sizeof(b)) != MEM_OK) {
        uhci_die(s, UHCI_STS_HSE);
        return false;
    }
    return true;
}

/* Packets */

static UsbDevice *find_device(Uhci *s, unsigned addr)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        const UhciPort *p = &s->ports[i];
        UsbDevice *d = NULL;

        if ((p->ctrl & (UHCI_PORT_ENABLED | UHCI_PORT_SUSPEND |
                        UHCI_PORT_RESET)) == UHCI_PORT_ENABLED) {
            d = usb_device_addressed(&p->usb, addr);
        }
        if (d != NULL) {
            return d;
        }
    }
    return NULL;
}

static unsigned pid_of(const Td *td)
{
    return td->token & 0xff;
}

/* Bytes that the token allows; TOKEN_LEN_MAX + 1: the field is bad. */
static unsigned token_len(const Td *td)
{
    unsigned len = ((td->token >> 21) + 1) & TD_LEN;

    return MIN(len, TOKEN_LEN_MAX + 1);
}

/* false: memory doesn't answer. */
static bool run_packet(Uhci *s, const Td *td, UsbResult *ret, size_t *ret_len)
{
    UsbDevice *d = find_device(s, td->token >> 8 & 0x7f);
    unsigned ep = td->token >> 15 & 0xf;
    size_t len = token_len(td);

    *ret_len = 0;
    *ret = USB_GONE;
    if (d == NULL) {
        return true;
    }
    if (pid_of(td) == PID_IN) {
        *ret = usb_packet_in(d, ep, s->data, len, ret_len);
        return *ret != USB_OK ||
               pci_dma_write(&s->pci, td->buffer, s->data, *ret_len) == MEM_OK;
    }
    if (pci_dma_read(&s->pci, td->buffer, s->data, len) != MEM_OK) {
        return false;
    }
    if (pid_of(td) == PID_OUT) {
        *ret = usb_packet_out(d, ep, s->data, len);
    } else {
        *ret = ep == 0 && len == USB_SETUP_SIZE ? usb_packet_setup(d, s->data)
                                                : USB_STALL;
    }
    *ret_len = *ret == USB_OK ? len : 0;
    return true;
}

/* Transfer descriptors */

static bool is_bad(const Td *td)
{
    unsigned pid = pid_of(td);

    return (pid != PID_IN && pid != PID_OUT && pid != PID_SETUP) ||
           token_len(td) > TOKEN_LEN_MAX;
}

/* The control and status word behind a packet. */
static uint32_t ctrl_after(Uhci *s, const Td *td, UsbResult r, size_t len)
{
    uint32_t ctrl = td->ctrl & ~(uint32_t)(TD_LEN | TD_RESULT);

    ctrl |= (uint32_t)(len - 1) & TD_LEN;
    switch (r) {
    case USB_OK:
        return ctrl & ~(uint32_t)TD_ACTIVE;
    case USB_NAK:
        /* Nothing is written if nothing is new: it is asked each frame. */
        return td->ctrl & TD_ISOCHRONOUS ? ctrl & ~(uint32_t)TD_ACTIVE
                                         : td->ctrl | TD_NAK;
    case USB_STALL:
        s->pending_int_mask |= TELL_ERROR;
        return (ctrl & ~(uint32_t)TD_ACTIVE) | TD_STALLED;
    default:
        ctrl |= TD_TIMEOUT;
        if (td->ctrl & TD_ISOCHRONOUS) {
            return ctrl & ~(uint32_t)TD_ACTIVE;
        }
        if (!(td->ctrl & TD_ERRORS)) {
            return ctrl;
        }
        /* Nobody would answer the next time, either. */
        s->pending_int_mask |= TELL_ERROR;
        return (ctrl & ~(uint32_t)(TD_ACTIVE | TD_ERRORS)) | TD_STALLED;
    }
}

static TdEnd run_td(Uhci *s, Frame *f, const Td *td, bool in_queue)
{
    UsbResult r;
    uint32_t ctrl;
    size_t len;

    if (!(td->ctrl & TD_ACTIVE)) {
        /* Drivers have themselves told of a frame's end so (3.2.2, IOC). */
        s->pending_int_mask |= td->ctrl & TD_IOC ? UHCI_INT_IOC : 0;
        return TD_KEPT;
    }
    if (f->bytes >= s->bandwidth) {
        return TD_HALT;
    }
    if (is_bad(td)) {
        log_guest_error("%s: TD at 0x%x: token 0x%x", device_name(&s->pci.dev),
                        td->addr, td->token);
        uhci_die(s, UHCI_STS_HCPE);
        return TD_HALT;
    }
    if (!run_packet(s, td, &r, &len)) {
        uhci_die(s, UHCI_STS_HSE);
        return TD_HALT;
    }
    ctrl = ctrl_after(s, td, r, len);
    if (ctrl != td->ctrl && !uhci_store(s, td->addr + 4, ctrl)) {
        return TD_HALT;
    }
    if (ctrl & TD_ACTIVE) {
        return TD_KEPT;
    }
    f->bytes += len;
    f->power = 0;
    s->pending_int_mask |= ctrl & TD_IOC ? UHCI_INT_IOC : 0;
    if (r != USB_OK) {
        return TD_KEPT;
    }
    if (in_queue && (ctrl & TD_SHORT) && pid_of(td) == PID_IN &&
        len < token_len(td)) {
        s->pending_int_mask |= UHCI_INT_SHORT;
        return TD_KEPT;
    }
    return TD_DONE;
}

static bool next_td(Uhci *s, Frame *f, uint32_t link, Td *td)
{
    uint32_t w[4];

    if (f->entries++ >= FRAME_ENTRIES ||
        !uhci_fetch(s, link & LINK_ADDR, w, 4)) {
        return false;
    }
    *td = (Td){ link & LINK_ADDR, w[0], w[1], w[2], w[3] };
    return true;
}

/* Queues */

/*
 * Has the walk come round without a packet that went through?  Brent's way
 * with cycles: the mark moves on at distances that double.
 */
static bool comes_round(Frame *f, uint32_t queue)
{
    if (f->power != 0 && queue == f->mark) {
        return true;
    }
    if (f->power == 0 || ++f->since >= f->power) {
        f->mark = queue;
        f->power = MAX(2 * f->power, 1);
        f->since = 0;
    }
    return false;
}

/* What comes behind the queue at `link`. */
static uint32_t run_queue(Uhci *s, Frame *f, uint32_t link)
{
    uint32_t queue = link & LINK_ADDR, w[2], element;

    if (comes_round(f, queue) || f->entries++ >= FRAME_ENTRIES ||
        !uhci_fetch(s, queue, w, 2)) {
        return LINK_END;
    }
    element = w[1];
    while (!(element & LINK_END)) {
        TdEnd end;
        Td td;

        if (element & LINK_QUEUE) {
            return element;
        }
        if (!next_td(s, f, element, &td)) {
            return LINK_END;
        }
        end = run_td(s, f, &td, true);
        if (end == TD_HALT) {
            return LINK_END;
        }
        if (end == TD_KEPT) {
            break;
        }
        if (!uhci_store(s, queue + 4, td.link)) {
            return LINK_END;
        }
        if (!(td.link & LINK_DEPTH)) {
            break;
        }
        element = td.link;
    }
    return w[0];
}

/* Frames */

/* What a frame has brought is told of at its end (2.1.2). */
static void uhci_tell(Uhci *s)
{
    uint32_t what = s->pending_int_mask;

    s->pending_int_mask = 0;
    if (what & (UHCI_INT_IOC | UHCI_INT_SHORT)) {
        s->status |= UHCI_STS_USBINT;
        s->status2 |= what & (UHCI_INT_IOC | UHCI_INT_SHORT);
    }
    if (what & TELL_ERROR) {
        s->status |= UHCI_STS_ERROR;
    }
    if (what != 0) {
        uhci_update_irq(s);
    }
}

static void run_frame(Uhci *s)
{
    uint32_t link;
    Frame f = { 0 };

    if (!uhci_fetch(s, s->fl_base_addr + 4 * (s->frnum % FRAMES), &link, 1)) {
        return;
    }
    while (!(link & LINK_END)) {
        Td td;

        if (link & LINK_QUEUE) {
            link = run_queue(s, &f, link);
        } else if (next_td(s, &f, link, &td) &&
                   run_td(s, &f, &td, false) != TD_HALT) {
            link = td.link;
        } else {
            break;
        }
    }
    uhci_tell(s);
    if (uhci_is_running(s)) {
        s->frnum = (s->frnum + 1) & UHCI_FRNUM_MASK;
    }
}

void uhci_start_frames(Uhci *s)
{
    s->expire_time =
        clock_get_ns(s->pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL) + UHCI_FRAME_NS;
    timer_mod(&s->frame_timer, s->expire_time);
}

/* Frames whose end has come; others have their turn between many of them. */
void uhci_frames_due(void *opaque)
{
    Uhci *s = opaque;
    int64_t now = clock_get_ns(s->pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL);
    int64_t turn_end = clock_monotonic_ns() + TURN_NS;
    unsigned max = CLAMP(s->maxframes, 1, FRAMES);

    if (s->expire_time < now - (int64_t)max * UHCI_FRAME_NS ||
        s->expire_time > now) {
        s->expire_time = now; /* too late to catch up, or a stream's word */
    }
    while (uhci_is_running(s) && s->expire_time <= now) {
        run_frame(s);
        s->expire_time += UHCI_FRAME_NS;
        if (clock_monotonic_ns() >= turn_end) {
            break;
        }
    }
    if (uhci_is_running(s)) {
        timer_mod(&s->frame_timer, s->expire_time);
    }
}
