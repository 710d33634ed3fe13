/*
 * 16550A UART, whatever bus it sits on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_CHAR_SERIAL_H
#define HW_CHAR_SERIAL_H

#include "hw/char/frontend.h"
#include "system/clock.h"
#include "system/runstate.h"

#define SERIAL_FIFO 16 /* bytes in each direction */

typedef struct SerialFifo {
    uint8_t data[SERIAL_FIFO];
    uint32_t head; /* 0..15; oldest byte */
    uint32_t num;  /* 0..16 */
} SerialFifo;

/* Registers by their names in the data sheet; all of it is migrated but
 * what follows `timeout_ipending`. */
typedef struct Serial {
    uint16_t divider; /* 0: as 65536 */
    uint8_t rbr, ier, iir, lcr, mcr, lsr, msr, scr, fcr_vmstate;
    uint8_t thr, tsr;
    uint32_t tsr_retry;   /* 1: `tsr` waits for room in the back end */
    int32_t thr_ipending; /* 1: THR empty interrupt; -1 while loading */
    SerialFifo recv_fifo, xmit_fifo;
    Timer fifo_timeout_timer;
    int32_t timeout_ipending; /* 1: character timeout interrupt */

    uint32_t baudbase; /* bits per second with a divider of 1 */
    int64_t char_ns;   /* time of one character on the line */
    bool wakeup;       /* input ends a suspension of the guest */
    CharFrontend chr;
    IrqLine *irq;
    Device *dev;
    RunStateListener run_listener;
} Serial;

/* Section "serial" as it is nested in each bus's own. */
extern const Vmstate vmstate_serial;

/* `chardev`: label of the character device, NULL for none. */
bool serial_realize(Serial *s, Device *dev, IrqLine *irq, const char *chardev,
                    GError **errp);
void serial_unrealize(Serial *s);
void serial_reset(Serial *s);
/* The registers came from a stream: line format and the interrupt line follow
 * them; sending goes on when the guest does. */
void serial_loaded(Serial *s);
uint8_t serial_read(Serial *s, unsigned reg);            /* 0..7 */
void serial_write(Serial *s, unsigned reg, uint8_t val); /* 0..7 */

#endif
