/*
 * The state of a 16550A in the stream.
 *
 * Stream: "serial" version 3 with subsections, ABI; learnt from streams.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/char/serial.h"
#include "util/error.h"

#define IER_THRI 0x02
#define IIR_ID   0x0f
#define IIR_THRI 0x02
#define LSR_THRE 0x20

/* Without its subsection the THR interrupt is what the IIR says. */
static bool thr_from_iir(const Serial *s)
{
    return (s->iir & IIR_ID) == IIR_THRI;
}

/* While it is off it doesn't matter: switching it on looks at THRE. */
static bool thr_needed(void *opaque)
{
    const Serial *s = opaque;

    return (s->ier & IER_THRI) && thr_from_iir(s) != (s->thr_ipending != 0);
}

static bool tsr_needed(void *opaque)
{
    return ((Serial *)opaque)->tsr_retry != 0;
}

static bool recv_fifo_needed(void *opaque)
{
    return ((Serial *)opaque)->recv_fifo.num != 0;
}

static bool xmit_fifo_needed(void *opaque)
{
    return ((Serial *)opaque)->xmit_fifo.num != 0;
}

static bool timer_needed(void *opaque)
{
    return timer_pending(&((Serial *)opaque)->fifo_timeout_timer);
}

static bool timeout_needed(void *opaque)
{
    return ((Serial *)opaque)->timeout_ipending != 0;
}

static const Vmstate vmstate_fifo = {
    .name = "Fifo8",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ VMSTATE_BUFFER(SerialFifo, data),
                                VMSTATE_U32(SerialFifo, head),
                                VMSTATE_U32(SerialFifo, num), VMSTATE_END },
};

static const Vmstate vmstate_thr = {
    .name = "serial/thr_ipending",
    .version = 1,
    .oldest = 1,
    .needed = thr_needed,
    .fields = (const VmstateField[]){ VMSTATE_I32(Serial, thr_ipending),
                                      VMSTATE_END },
};

static const Vmstate vmstate_tsr = {
    .name = "serial/tsr",
    .version = 1,
    .oldest = 1,
    .needed = tsr_needed,
    .fields = (const VmstateField[]){ VMSTATE_U32(Serial, tsr_retry),
                                      VMSTATE_U8(Serial, thr),
                                      VMSTATE_U8(Serial, tsr), VMSTATE_END },
};

static const Vmstate vmstate_recv_fifo = {
    .name = "serial/recv_fifo",
    .version = 1,
    .oldest = 1,
    .needed = recv_fifo_needed,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT(Serial, recv_fifo, vmstate_fifo, 1), VMSTATE_END },
};

static const Vmstate vmstate_xmit_fifo = {
    .name = "serial/xmit_fifo",
    .version = 1,
    .oldest = 1,
    .needed = xmit_fifo_needed,
    .fields =
        (const VmstateField[]){
            VMSTATE_STRUCT(Serial, xmit_fifo, vmstate_fifo, 1), VMSTATE_END },
};

static const Vmstate vmstate_timer = {
    .name = "serial/fifo_timeout_timer",
    .version = 1,
    .oldest = 1,
    .needed = timer_needed,
    .fields = (const VmstateField[]){ VMSTATE_TIMER(Serial, fifo_timeout_timer),
                                      VMSTATE_END },
};

static const Vmstate vmstate_timeout = {
    .name = "serial/timeout_ipending",
    .version = 1,
    .oldest = 1,
    .needed = timeout_needed,
    .fields = (const VmstateField[]){ VMSTATE_I32(Serial, timeout_ipending),
                                      VMSTATE_END },
};

static bool serial_pre_load(void *opaque, GError **errp)
{
    Serial *s = opaque;

    /* What no subsection brings is at rest. */
    s->thr_ipending = -1;
    s->tsr_retry = 0;
    s->recv_fifo.num = 0;
    s->xmit_fifo.num = 0;
    s->timeout_ipending = 0;
    timer_del(&s->fifo_timeout_timer);
    char_frontend_unwatch(&s->chr);
    return true;
}

static bool fifo_check(const char *name, const SerialFifo *f, GError **errp)
{
    if (f->head >= SERIAL_FIFO || f->num > SERIAL_FIFO) {
        error_setf(errp, "%s: %u bytes from %u on: the FIFO has %d", name,
                   f->num, f->head, SERIAL_FIFO);
        return false;
    }
    return true;
}

static bool serial_post_load(void *opaque, int version, GError **errp)
{
    Serial *s = opaque;

    if (!fifo_check("recv_fifo", &s->recv_fifo, errp) ||
        !fifo_check("xmit_fifo", &s->xmit_fifo, errp)) {
        return false;
    }
    if (s->thr_ipending < 0) {
        s->thr_ipending = thr_from_iir(s);
    }
    /* Sending goes on only if what is to be sent is there. */
    if ((s->fcr_vmstate & 1) && s->xmit_fifo.num == 0) {
        s->lsr |= LSR_THRE;
    }
    serial_loaded(s);
    return true;
}

const Vmstate vmstate_serial = {
    .name = "serial",
    .version = 3,
    .oldest = 3,
    .pre_load = serial_pre_load,
    .post_load = serial_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_U16(Serial, divider), VMSTATE_U8(Serial, rbr),
            VMSTATE_U8(Serial, ier), VMSTATE_U8(Serial, iir),
            VMSTATE_U8(Serial, lcr), VMSTATE_U8(Serial, mcr),
            VMSTATE_U8(Serial, lsr), VMSTATE_U8(Serial, msr),
            VMSTATE_U8(Serial, scr), VMSTATE_U8(Serial, fcr_vmstate),
            VMSTATE_END },
    .subsections =
        (const Vmstate *const[]){ &vmstate_thr, &vmstate_tsr,
                                  &vmstate_recv_fifo, &vmstate_xmit_fifo,
                                  &vmstate_timer, &vmstate_timeout, NULL },
};
