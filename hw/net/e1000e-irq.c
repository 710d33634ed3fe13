/*
 * Intel 82574L: interrupts.
 *
 * A cause is an event: it sets its bit in ICR, and if IMS has it, the guest is
 * told, by INTx, by a message, or with MSI-X by the vector that IVAR has for
 * it.  What ITR or EITR holds back is told when their time is over.  A cause
 * that came while IMS hid it is told when IMS shows it: none is lost.
 *
 * Facts: data sheet, sections 7.4 (interrupts), 10.2.4 (their registers).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000e-priv.h"

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "system/vm.h"

enum {
    ITR_UNIT_NS = 256,
    DELAY_UNIT_NS = 1024,
    ITR_LEAST = 500, /* in the stream, less stands for itself elsewhere */
    IVAR_VALID = 1 << 3,
    IVAR_VECTOR = 7,
    RX_CAUSES = E1000_INT_RXT0 | 3 << 20,
    TX_CAUSES = E1000_INT_TXDW | 3 << 22,
};

static const uint32_t vector_causes[] = {
    E1000E_INT_RXQ0,      E1000E_INT_RXQ0 << 1, E1000E_INT_TXQ0,
    E1000E_INT_TXQ0 << 1, E1000E_INT_OTHER,
};

/* ------------------------------------------------------------ timers --- */

static void timer_start(E1000eTimer *t, int64_t ns)
{
    timer_mod(&t->timer,
              clock_get_ns(t->card->pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL) +
                  ns);
    t->running = true;
}

static void timer_stop(E1000eTimer *t)
{
    timer_del(&t->timer);
    t->running = false;
}

/* ------------------------------------------------------------ sending --- */

static void set_icr(E1000e *s, uint32_t icr)
{
    icr &= ~(uint32_t)E1000E_INT_ASSERTED;
    E1000E_MAC(s, E1000_ICR) = icr != 0 ? icr | E1000E_INT_ASSERTED : 0;
}

static uint32_t e1000e_irq_shown(const E1000e *s)
{
    return E1000E_MAC(s, E1000_ICR) & E1000E_MAC(s, E1000_IMS);
}

static void update_intx(E1000e *s)
{
    bool by_message = msix_enabled(&s->pci) || msi_enabled(&s->pci);
    bool want = e1000e_irq_shown(s) != 0 && !by_message;

    /* A new edge waits for its time; one that is up stays up. */
    pci_set_irq(&s->pci, want && !s->itr_pending);
}

/* INTx or the one message, at most every ITR. */
static void notify_single(E1000e *s)
{
    if (s->itr.running) {
        s->itr_pending = true;
        return;
    }
    if (s->itr_value != 0) {
        timer_start(&s->itr, (int64_t)s->itr_value * ITR_UNIT_NS);
    }
    if (msi_enabled(&s->pci)) {
        msi_notify(&s->pci, 0);
    }
}

/* Messages that were sent take bits out of ICR and IMS if the guest said so. */
static void e1000e_irq_acknowledge(E1000e *s, uint32_t cause)
{
    if (E1000E_MAC(s, E1000E_CTRL_EXT) & E1000E_CTRL_EXT_EIAME) {
        E1000E_MAC(s, E1000_IMS) &= ~(E1000E_MAC(s, E1000E_IAM) & cause);
    }
    set_icr(s,
            E1000E_MAC(s, E1000_ICR) & ~(E1000E_MAC(s, E1000E_EIAC) & cause));
}

static void notify_vector(E1000e *s, unsigned v)
{
    if (s->eitr[v].running) {
        s->eitr_pending[v] = true;
        return;
    }
    if (s->eitr_value[v] != 0) {
        timer_start(&s->eitr[v], (int64_t)s->eitr_value[v] * ITR_UNIT_NS);
    }
    s->eitr_pending[v] = false;
    msix_notify(&s->pci, v);
}

/* Tells of causes that have happened, or that IMS shows from now on. */
static void e1000e_irq_notify(E1000e *s, uint32_t causes)
{
    causes &= e1000e_irq_shown(s);
    if (!msix_enabled(&s->pci)) {
        if (causes != 0 && (msi_enabled(&s->pci) || !(s->pci.irq_state & 1))) {
            notify_single(s);
        }
        update_intx(s);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(vector_causes); i++) {
        unsigned ivar = E1000E_MAC(s, E1000E_IVAR) >> (4 * i);
        unsigned v = ivar & IVAR_VECTOR;

        if (!(causes & vector_causes[i]) || !(ivar & IVAR_VALID) ||
            v >= E1000E_VECTORS) {
            continue;
        }
        notify_vector(s, v);
        e1000e_irq_acknowledge(s, vector_causes[i]);
    }
    update_intx(s);
}

void e1000e_interrupt(E1000e *s, uint32_t causes)
{
    /* With one interrupt for all, OTHER would tell nothing new. */
    if (msix_enabled(&s->pci) && (causes & E1000E_INT_OTHERS)) {
        causes |= E1000E_INT_OTHER;
    }
    set_icr(s, E1000E_MAC(s, E1000_ICR) | causes);
    e1000e_irq_notify(s, causes);
}

static void itr_over(void *opaque)
{
    E1000e *s = opaque;
    bool pending = s->itr_pending;

    s->itr.running = false;
    s->itr_pending = false;
    if (pending && e1000e_irq_shown(s) != 0) {
        e1000e_irq_notify(s, e1000e_irq_shown(s));
    }
}

static void eitr_over(void *opaque)
{
    E1000eTimer *t = opaque;
    E1000e *s = t->card;
    unsigned v = t - s->eitr;

    t->running = false;
    if (s->eitr_pending[v]) {
        notify_vector(s, v);
    }
}

/* ------------------------------------------------------------- delays --- */

static void tell_delayed(E1000e *s, uint32_t mask)
{
    uint32_t causes = s->delayed_causes & mask;

    s->delayed_causes &= ~mask;
    e1000e_interrupt(s, causes);
}

static void tell_rx(E1000e *s)
{
    timer_stop(&s->rdtr);
    timer_stop(&s->radv);
    timer_stop(&s->raid);
    tell_delayed(s, RX_CAUSES);
}

static void tell_tx(E1000e *s)
{
    timer_stop(&s->tidv);
    timer_stop(&s->tadv);
    tell_delayed(s, TX_CAUSES);
}

static void rx_delay_over(void *opaque)
{
    tell_rx(opaque);
}

static void tx_delay_over(void *opaque)
{
    tell_tx(opaque);
}

/* From the last event at most `last`, from the first at most `first`. */
static void e1000e_irq_delay(E1000eTimer *last, uint32_t last_units,
                             E1000eTimer *first, uint32_t first_units)
{
    timer_start(last, (int64_t)last_units * DELAY_UNIT_NS);
    if (first_units != 0 && !first->running) {
        timer_start(first, (int64_t)first_units * DELAY_UNIT_NS);
    }
}

void e1000e_interrupt_rx(E1000e *s, uint32_t causes)
{
    uint32_t units = E1000E_MAC(s, E1000_RDTR);

    s->delayed_causes |= causes & RX_CAUSES;
    if (causes & ~(uint32_t)RX_CAUSES || units == 0) {
        e1000e_interrupt(s, causes & ~(uint32_t)RX_CAUSES);
        tell_rx(s);
    } else {
        e1000e_irq_delay(&s->rdtr, units, &s->radv, E1000E_MAC(s, E1000_RADV));
    }
}

void e1000e_interrupt_tx(E1000e *s, uint32_t causes, bool delay_it)
{
    uint32_t units = E1000E_MAC(s, E1000E_TIDV);

    s->delayed_causes |= causes & TX_CAUSES;
    e1000e_interrupt(s, causes & ~(uint32_t)TX_CAUSES);
    if (!delay_it || units == 0) {
        tell_tx(s);
    } else {
        e1000e_irq_delay(&s->tidv, units, &s->tadv, E1000E_MAC(s, E1000_TADV));
    }
}

/* ---------------------------------------------------------- registers --- */

uint32_t e1000e_icr_read(E1000e *s)
{
    uint32_t val = E1000E_MAC(s, E1000_ICR);

    if (e1000e_irq_shown(s) != 0 &&
        (E1000E_MAC(s, E1000E_CTRL_EXT) & E1000E_CTRL_EXT_IAME)) {
        E1000E_MAC(s, E1000_IMS) &= ~E1000E_MAC(s, E1000E_IAM);
    }
    set_icr(s, 0);
    s->itr_pending = false;
    update_intx(s);
    return val;
}

void e1000e_icr_write(E1000e *s, uint32_t val)
{
    if (e1000e_irq_shown(s) != 0 &&
        (E1000E_MAC(s, E1000E_CTRL_EXT) & E1000E_CTRL_EXT_IAME)) {
        E1000E_MAC(s, E1000_IMS) &= ~E1000E_MAC(s, E1000E_IAM);
    }
    set_icr(s, E1000E_MAC(s, E1000_ICR) & ~val);
    update_intx(s);
}

void e1000e_ims_set(E1000e *s, uint32_t bits)
{
    uint32_t old = E1000E_MAC(s, E1000_IMS);

    E1000E_MAC(s, E1000_IMS) = old | (bits & E1000E_IMS_MASK);
    e1000e_irq_notify(s, E1000E_MAC(s, E1000_IMS) & ~old);
}

void e1000e_imc(E1000e *s, uint32_t bits)
{
    E1000E_MAC(s, E1000_IMS) &= ~bits;
    update_intx(s);
}

void e1000e_itr_write(E1000e *s, uint32_t val)
{
    s->itr_value = val & 0xffff;
    E1000E_MAC(s, E1000_ITR) = MAX(s->itr_value, (uint32_t)ITR_LEAST);
}

void e1000e_eitr_write(E1000e *s, unsigned vector, uint32_t val)
{
    s->eitr_value[vector] = val & 0xffff;
    E1000E_MAC(s, E1000E_EITR + 4 * vector) =
        MAX(s->eitr_value[vector], (uint32_t)ITR_LEAST);
}

/* --------------------------------------------------------------- life --- */

static void one_timer_init(E1000e *s, E1000eTimer *t, void (*fn)(void *),
                           void *opaque)
{
    t->card = s;
    timer_init(&t->timer, s->pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL, fn,
               opaque);
}

void e1000e_irq_init(E1000e *s)
{
    one_timer_init(s, &s->rdtr, rx_delay_over, s);
    one_timer_init(s, &s->radv, rx_delay_over, s);
    one_timer_init(s, &s->raid, rx_delay_over, s);
    one_timer_init(s, &s->tidv, tx_delay_over, s);
    one_timer_init(s, &s->tadv, tx_delay_over, s);
    one_timer_init(s, &s->itr, itr_over, s);
    for (unsigned v = 0; v < E1000E_VECTORS; v++) {
        one_timer_init(s, &s->eitr[v], eitr_over, &s->eitr[v]);
    }
}

void e1000e_irq_reset(E1000e *s)
{
    E1000eTimer *const timers[] = { &s->rdtr, &s->radv, &s->raid,
                                    &s->tidv, &s->tadv, &s->itr };

    for (unsigned i = 0; i < G_N_ELEMENTS(timers); i++) {
        timer_stop(timers[i]);
    }
    s->delayed_causes = 0;
    s->itr_pending = false;
    e1000e_itr_write(s, 0);
    for (unsigned v = 0; v < E1000E_VECTORS; v++) {
        timer_stop(&s->eitr[v]);
        s->eitr_pending[v] = false;
        e1000e_eitr_write(s, v, 0);
    }
    update_intx(s);
}

void e1000e_irq_loaded(E1000e *s)
{
    E1000eTimer *const timers[] = { &s->rdtr, &s->radv, &s->raid,
                                    &s->tidv, &s->tadv, &s->itr };

    /* The clock's end of a timer is what counts. */
    for (unsigned i = 0; i < G_N_ELEMENTS(timers); i++) {
        timers[i]->running = timer_pending(&timers[i]->timer);
    }
    /*
     * What waits for a timer that doesn't run is told when the guest does:
     * interrupt controllers may not have their state yet.
     */
    for (unsigned v = 0; v < E1000E_VECTORS; v++) {
        s->eitr[v].running = timer_pending(&s->eitr[v].timer);
        if (s->eitr_pending[v] && !s->eitr[v].running) {
            timer_start(&s->eitr[v], 0);
        }
    }
    if (s->itr_pending && !s->itr.running) {
        timer_start(&s->itr, 0);
    }
    if ((s->delayed_causes & RX_CAUSES) && !s->rdtr.running) {
        timer_start(&s->rdtr, 0);
    }
    if ((s->delayed_causes & TX_CAUSES) && !s->tidv.running) {
        timer_start(&s->tidv, 0);
    }
    update_intx(s);
}
