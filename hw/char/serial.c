/*
 * 16550A UART, whatever bus it sits on.
 *
 * Behaviour: National PC16550D data sheet (June 1995), section 8.
 * Stream: "serial" version 3 with subsections, ABI.
 *
 * Transmission takes no time unless the back end has no room: then the byte
 * stays in the shift register, THRE stays low, and the main loop sends on.
 * The guest is never held up.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/char/serial.h"

#include "system/runstate.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    IER_RDI = 1 << 0,
    IER_THRI = 1 << 1,
    IER_RLSI = 1 << 2,
    IER_MSI = 1 << 3,
    IER_MASK = 0x0f,
};

enum {
    IIR_MSI = 0x00,
    IIR_NONE = 0x01,
    IIR_THRI = 0x02,
    IIR_RDI = 0x04,
    IIR_RLSI = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_ID = 0x0f,
    IIR_FIFOS = 0xc0,
};

enum {
    FCR_ENABLE = 1 << 0,
    FCR_RX_RESET = 1 << 1,
    FCR_TX_RESET = 1 << 2,
    FCR_KEPT = 0xc9, /* trigger level, DMA mode and enable */
};

enum {
    LCR_STOP = 1 << 2,
    LCR_PARITY = 1 << 3,
    LCR_EVEN = 1 << 4,
    LCR_BREAK = 1 << 6,
    LCR_DLAB = 1 << 7,
};

enum {
    MCR_DTR = 1 << 0,
    MCR_RTS = 1 << 1,
    MCR_OUT1 = 1 << 2,
    MCR_OUT2 = 1 << 3,
    MCR_LOOP = 1 << 4,
    MCR_MASK = 0x1f,
};

enum {
    LSR_DR = 1 << 0,
    LSR_OE = 1 << 1,
    LSR_BI = 1 << 4,
    LSR_THRE = 1 << 5,
    LSR_TEMT = 1 << 6,
    LSR_ERRORS = 0x1e,
};

enum {
    MSR_DELTAS = 0x0f,
    MSR_CTS = 1 << 4,
    MSR_DSR = 1 << 5,
    MSR_RI = 1 << 6,
    MSR_DCD = 1 << 7,
};

static void fifo_clear(SerialFifo *f)
{
    f->head = 0;
    f->num = 0;
}

static bool fifo_push(SerialFifo *f, uint8_t b)
{
    if (f->num == SERIAL_FIFO) {
        return false;
    }
    f->data[(f->head + f->num) % SERIAL_FIFO] = b;
    f->num++;
    return true;
}

static uint8_t fifo_pop(SerialFifo *f)
{
    uint8_t b = f->data[f->head];

    f->head = (f->head + 1) % SERIAL_FIFO;
    f->num--;
    return b;
}

static bool fifos_on(const Serial *s)
{
    return s->fcr_vmstate & FCR_ENABLE;
}

static unsigned rx_trigger(const Serial *s)
{
    static const uint8_t levels[] = { 1, 4, 8, 14 };

    return levels[s->fcr_vmstate >> 6];
}

/* Table 5 of the data sheet: the highest pending interrupt. */
static uint8_t serial_irq_id(const Serial *s)
{
    if ((s->ier & IER_RLSI) && (s->lsr & LSR_ERRORS)) {
        return IIR_RLSI;
    }
    if ((s->ier & IER_RDI) && s->timeout_ipending) {
        return IIR_TIMEOUT;
    }
    if ((s->ier & IER_RDI) && (s->lsr & LSR_DR) &&
        (!fifos_on(s) || s->recv_fifo.num >= rx_trigger(s))) {
        return IIR_RDI;
    }
    if ((s->ier & IER_THRI) && s->thr_ipending) {
        return IIR_THRI;
    }
    if ((s->ier & IER_MSI) && (s->msr & MSR_DELTAS)) {
        return IIR_MSI;
    }
    return IIR_NONE;
}

/* OUT2 gates the line on some boards only; guests count on an open gate. */
static void serial_update_irq(Serial *s)
{
    uint8_t id = serial_irq_id(s);

    s->iir = id | (s->iir & IIR_FIFOS);
    if (s->irq->level != (id != IIR_NONE)) {
        irq_set(s->irq, id != IIR_NONE);
    }
}

/* The back end hears of speed and format; char_ns follows. */
static void serial_update_line(Serial *s)
{
    unsigned divider = s->divider ? s->divider : 0x10000;
    ChardevLine line = {
        .speed = MAX(s->baudbase / divider, 1u),
        .parity = !(s->lcr & LCR_PARITY) ? 'N'
                  : s->lcr & LCR_EVEN    ? 'E'
                                         : 'O',
        .data_bits = 5 + (s->lcr & 3),
        .stop_bits = s->lcr & LCR_STOP ? 2 : 1,
    };
    unsigned bits =
        1 + line.data_bits + (s->lcr & LCR_PARITY ? 1 : 0) + line.stop_bits;

    s->char_ns = NS_PER_S / line.speed * bits;
    if (s->chr.cd != NULL) {
        chardev_set_line(s->chr.cd, &line);
    }
}

static void serial_timeout(void *opaque)
{
    Serial *s = opaque;

    if (s->recv_fifo.num > 0) {
        s->timeout_ipending = 1;
        serial_update_irq(s);
    }
}

/* 8.4.1: no character came or went for the time of four. */
static void serial_restart_timeout(Serial *s)
{
    int64_t now = clock_get_ns(s->dev->vm->clocks, CLOCK_TYPE_VIRTUAL);

    timer_mod(&s->fifo_timeout_timer, now + s->char_ns * 4);
}

static void serial_input(Serial *s, uint8_t b)
{
    if (fifos_on(s)) {
        if (!fifo_push(&s->recv_fifo, b)) {
            s->lsr |= LSR_OE;
        }
        serial_restart_timeout(s);
    } else {
        if (s->lsr & LSR_DR) {
            s->lsr |= LSR_OE;
        }
        s->rbr = b;
    }
    s->lsr |= LSR_DR;
}

/* Takes the next byte to send into the shift register. */
static void serial_load_tsr(Serial *s)
{
    if (fifos_on(s)) {
        s->tsr = fifo_pop(&s->xmit_fifo);
    } else {
        s->tsr = s->thr;
    }
    if (!fifos_on(s) || s->xmit_fifo.num == 0) {
        s->lsr |= LSR_THRE;
        s->thr_ipending = 1;
    }
}

/*
 * The guest is on its way.  What its UART holds is another place's to send,
 * and input is for whoever has the guest in the end.  Where it arrives an
 * interrupt would get lost, too: its edge is taken by controllers whose state,
 * the local APICs' with KVM, is yet to be put; and the line then stays high.
 */
static bool serial_travels(const Serial *s)
{
    RunState state = runstate_get(s->dev->vm);

    return state == RUN_STATE_INMIGRATE || state == RUN_STATE_FINISH_MIGRATE ||
           state == RUN_STATE_POSTMIGRATE;
}

static void serial_resume(void *opaque);

/* False: the byte has to wait. */
static bool serial_send_tsr(Serial *s)
{
    if (s->mcr & MCR_LOOP) {
        serial_input(s, s->tsr);
        return true;
    }
    if (char_frontend_write(&s->chr, &s->tsr, 1) == 1) {
        return true;
    }
    return !char_frontend_watch(&s->chr, serial_resume, s);
}

static void serial_transmit(Serial *s)
{
    while (s->tsr_retry || !(s->lsr & LSR_THRE)) {
        if (!s->tsr_retry) {
            serial_load_tsr(s);
        }
        s->tsr_retry = !serial_send_tsr(s);
        if (s->tsr_retry) {
            break;
        }
    }
    if (!s->tsr_retry) {
        s->lsr |= LSR_TEMT;
    }
    serial_update_irq(s);
}

static void serial_resume(void *opaque)
{
    Serial *s = opaque;

    if (s->tsr_retry && !serial_travels(s)) {
        serial_transmit(s);
    }
}

/* The shift register has waited, here or at another place. */
static void serial_go_on(Serial *s)
{
    if ((s->tsr_retry || !(s->lsr & LSR_THRE)) &&
        !char_frontend_watch(&s->chr, serial_resume, s)) {
        serial_transmit(s);
    }
}

static void serial_run_changed(RunStateListener *l, bool running,
                               RunState state)
{
    Serial *s = container_of(l, Serial, run_listener);

    if (running) {
        serial_go_on(s);
    }
}

/* It wakes the main loop, which would be in the way of the vCPUs. */
static void serial_run_started(RunStateListener *l)
{
    Serial *s = container_of(l, Serial, run_listener);

    char_frontend_accept(&s->chr);
}

static void serial_write_thr(Serial *s, uint8_t val)
{
    s->thr = val;
    if (fifos_on(s)) {
        fifo_push(&s->xmit_fifo, val); /* one too many is lost */
    }
    s->thr_ipending = 0;
    s->lsr &= ~(LSR_THRE | LSR_TEMT);
    if (s->tsr_retry) {
        serial_update_irq(s);
    } else {
        serial_transmit(s);
    }
}

static uint8_t serial_read_rbr(Serial *s)
{
    uint8_t b = s->rbr;

    if (fifos_on(s)) {
        b = s->recv_fifo.num > 0 ? fifo_pop(&s->recv_fifo) : 0;
        if (s->recv_fifo.num == 0) {
            s->lsr &= ~(LSR_DR | LSR_BI);
            timer_del(&s->fifo_timeout_timer);
        } else {
            serial_restart_timeout(s);
        }
        s->timeout_ipending = 0;
    } else {
        s->lsr &= ~(LSR_DR | LSR_BI);
    }
    serial_update_irq(s);
    if (!(s->mcr & MCR_LOOP)) {
        char_frontend_accept(&s->chr);
    }
    return b;
}

static void serial_write_ier(Serial *s, uint8_t val)
{
    uint8_t changed = s->ier ^ val;

    s->ier = val & IER_MASK;
    if (changed & IER_THRI) {
        s->thr_ipending = (s->ier & IER_THRI) && (s->lsr & LSR_THRE);
    }
    serial_update_irq(s);
}

static void serial_clear_rx(Serial *s)
{
    fifo_clear(&s->recv_fifo);
    s->lsr &= ~(LSR_DR | LSR_BI);
    s->timeout_ipending = 0;
    timer_del(&s->fifo_timeout_timer);
    if (!(s->mcr & MCR_LOOP)) {
        char_frontend_accept(&s->chr);
    }
}

static void serial_clear_tx(Serial *s)
{
    fifo_clear(&s->xmit_fifo);
    s->lsr |= LSR_THRE;
    if (!s->tsr_retry) {
        s->lsr |= LSR_TEMT;
    }
    s->thr_ipending = 1;
}

static void serial_write_fcr(Serial *s, uint8_t val)
{
    if ((val ^ s->fcr_vmstate) & FCR_ENABLE) {
        val |= FCR_RX_RESET | FCR_TX_RESET;
    }
    s->fcr_vmstate = val & FCR_KEPT;
    s->iir = (s->iir & IIR_ID) | (fifos_on(s) ? IIR_FIFOS : 0);
    if (val & FCR_TX_RESET) {
        serial_clear_tx(s);
    }
    if (val & FCR_RX_RESET) {
        serial_clear_rx(s);
    }
    serial_update_irq(s);
}

static void serial_write_lcr(Serial *s, uint8_t val)
{
    bool brk = val & ~s->lcr & LCR_BREAK;

    s->lcr = val;
    serial_update_line(s);
    if (brk && s->chr.cd != NULL) {
        chardev_send_break(s->chr.cd);
    }
}

static void serial_write_mcr(Serial *s, uint8_t val)
{
    bool unlooped = s->mcr & ~val & MCR_LOOP;

    s->mcr = val & MCR_MASK;
    if (unlooped) {
        char_frontend_accept(&s->chr);
    }
}

/* 8.6.1: in loopback the four outputs are the four inputs. */
static uint8_t serial_read_msr(Serial *s)
{
    uint8_t val = s->msr;

    if (s->mcr & MCR_LOOP) {
        return (s->mcr & MCR_DTR ? MSR_DSR : 0) |
               (s->mcr & MCR_RTS ? MSR_CTS : 0) |
               (s->mcr & MCR_OUT1 ? MSR_RI : 0) |
               (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
    }
    s->msr &= ~MSR_DELTAS;
    serial_update_irq(s);
    return val;
}

static uint8_t serial_read_lsr(Serial *s)
{
    uint8_t val = s->lsr;

    if (val & LSR_ERRORS) {
        s->lsr &= ~LSR_ERRORS;
        serial_update_irq(s);
    }
    return val;
}

static uint8_t serial_read_iir(Serial *s)
{
    uint8_t val = s->iir;

    if ((val & IIR_ID) == IIR_THRI) {
        s->thr_ipending = 0;
        serial_update_irq(s);
    }
    return val;
}

uint8_t serial_read(Serial *s, unsigned reg)
{
    switch (reg) {
    case 0:
        return s->lcr & LCR_DLAB ? s->divider & 0xff : serial_read_rbr(s);
    case 1:
        return s->lcr & LCR_DLAB ? s->divider >> 8 : s->ier;
    case 2:
        return serial_read_iir(s);
    case 3:
        return s->lcr;
    case 4:
        return s->mcr;
    case 5:
        return serial_read_lsr(s);
    case 6:
        return serial_read_msr(s);
    default:
        return s->scr;
    }
}

static void serial_write_divider(Serial *s, unsigned shift, uint8_t val)
{
    s->divider &= ~(0xff << shift);
    s->divider |= val << shift;
    serial_update_line(s);
}

void serial_write(Serial *s, unsigned reg, uint8_t val)
{
    switch (reg) {
    case 0:
        if (s->lcr & LCR_DLAB) {
            serial_write_divider(s, 0, val);
        } else {
            serial_write_thr(s, val);
        }
        break;
    case 1:
        if (s->lcr & LCR_DLAB) {
            serial_write_divider(s, 8, val);
        } else {
            serial_write_ier(s, val);
        }
        break;
    case 2:
        serial_write_fcr(s, val);
        break;
    case 3:
        serial_write_lcr(s, val);
        break;
    case 4:
        serial_write_mcr(s, val);
        break;
    case 7:
        s->scr = val;
        break;
    default: /* the status registers are for the factory's tests only */
        break;
    }
}

static int serial_can_receive(void *opaque)
{
    const Serial *s = opaque;

    if ((s->mcr & MCR_LOOP) || serial_travels(s)) {
        return 0;
    }
    if (fifos_on(s)) {
        return SERIAL_FIFO - s->recv_fifo.num;
    }
    return s->lsr & LSR_DR ? 0 : 1;
}

static void serial_receive(void *opaque, const uint8_t *buf, int len)
{
    Serial *s = opaque;

    if (s->wakeup) {
        vm_request_wakeup(s->dev->vm, WAKEUP_OTHER);
    }
    for (int i = 0; i < len; i++) {
        serial_input(s, buf[i]);
    }
    serial_update_irq(s);
}

static void serial_event(void *opaque, ChardevEvent ev)
{
    Serial *s = opaque;

    if (ev == CHARDEV_BREAK && !(s->mcr & MCR_LOOP) && !serial_travels(s)) {
        serial_input(s, 0);
        s->lsr |= LSR_BI;
        serial_update_irq(s);
    } else if (ev == CHARDEV_OPENED) {
        serial_update_line(s);
    } else if (ev == CHARDEV_CLOSED) {
        /* Nobody is there to make room: what waits is lost. */
        char_frontend_unwatch(&s->chr);
        serial_resume(s);
    }
}

bool serial_realize(Serial *s, Device *dev, IrqLine *irq, const char *chardev,
                    GError **errp)
{
    const ChardevFrontend fe = {
        .can_receive = serial_can_receive,
        .receive = serial_receive,
        .event = serial_event,
        .opaque = s,
    };

    if (s->baudbase == 0) {
        error_setf(errp, "baudbase 0: at least 1");
        return false;
    }
    s->dev = dev;
    s->irq = irq;
    timer_init(&s->fifo_timeout_timer, dev->vm->clocks, CLOCK_TYPE_VIRTUAL,
               serial_timeout, s);
    if (!char_frontend_open(&s->chr, dev, chardev, &fe, errp)) {
        return false;
    }
    s->run_listener.changed = serial_run_changed;
    s->run_listener.started = serial_run_started;
    runstate_add_listener(dev->vm, &s->run_listener);
    return true;
}

void serial_unrealize(Serial *s)
{
    runstate_del_listener(s->dev->vm, &s->run_listener);
    timer_del(&s->fifo_timeout_timer);
    char_frontend_close(&s->chr);
}

/* Table 3 of the data sheet; 9600 bits per second as firmware leaves it. */
void serial_reset(Serial *s)
{
    char_frontend_unwatch(&s->chr);
    timer_del(&s->fifo_timeout_timer);
    s->divider = 12;
    s->rbr = s->thr = s->tsr = 0;
    s->tsr_retry = 0;
    s->ier = s->lcr = s->scr = s->fcr_vmstate = 0;
    s->iir = IIR_NONE;
    s->mcr = MCR_OUT2;
    s->lsr = LSR_THRE | LSR_TEMT;
    s->msr = MSR_DCD | MSR_DSR | MSR_CTS;
    s->thr_ipending = 0;
    s->timeout_ipending = 0;
    memset(&s->recv_fifo, 0, sizeof(s->recv_fifo));
    memset(&s->xmit_fifo, 0, sizeof(s->xmit_fifo));
    serial_update_line(s);
    irq_lower(s->irq);
    char_frontend_accept(&s->chr);
}

/*
 * The interrupt line is not driven: the controller brings its own state, and
 * an edge would be one too many.
 */
void serial_loaded(Serial *s)
{
    s->irq->level = (s->iir & IIR_ID) != IIR_NONE;
    serial_update_line(s);
    if (!serial_travels(s)) {
        serial_go_on(s);
    }
}
