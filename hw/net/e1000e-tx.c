/*
 * Intel 82574L: sending, from two rings.
 *
 * Facts: data sheet, sections 7.2 (descriptors, rings), 7.4 (causes).
 *
 * Sending stops between two packets while the back end has frames that it
 * couldn't pass on yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000e-priv.h"

#include "util/bswap.h"

enum { DESC_DD = 1 << 0 };

typedef struct TxRun {
    uint32_t causes;
    bool at_once; /* one of them isn't to be delayed */
} TxRun;

static unsigned ring_len(const E1000e *s, unsigned q)
{
    return E1000E_RING(s, E1000_TDLEN, q) / E1000_DESC_SIZE;
}

static bool ring_ready(const E1000e *s, unsigned q)
{
    uint32_t head = E1000E_RING(s, E1000_TDH, q);

    return head < ring_len(s, q) && head != E1000E_RING(s, E1000_TDT, q);
}

/* One descriptor.  False: the turn is over. */
static bool tx_step(E1000e *s, unsigned q, TxRun *run)
{
    uint64_t ring = (uint64_t)E1000E_RING(s, E1000_TDBAH, q) << 32 |
                    E1000E_RING(s, E1000_TDBAL, q);
    uint32_t head = E1000E_RING(s, E1000_TDH, q);
    uint64_t addr = ring + (uint64_t)head * E1000_DESC_SIZE;
    uint8_t raw[E1000_DESC_SIZE] = { 0 };
    E1000TxDesc d;

    pci_dma_read(&s->pci, addr, raw, sizeof(raw));
    d.addr = ldq_le_p(raw);
    d.lower = ldl_le_p(raw + 8);
    d.upper = ldl_le_p(raw + 12);
    if (!e1000_tx_desc(&s->tx[q], &d)) {
        return false;
    }
    E1000E_RING(s, E1000_TDH, q) = head + 1 >= ring_len(s, q) ? 0 : head + 1;
    if (e1000_tx_cmd(&d) & (E1000_TX_CMD_RS | E1000_TX_CMD_RPS)) {
        raw[12] |= DESC_DD;
        pci_dma_write(&s->pci, addr + 12, raw + 12, 1);
        run->causes |= E1000_INT_TXDW | (uint32_t)E1000E_INT_TXQ0 << q;
        run->at_once |= !(e1000_tx_cmd(&d) & E1000_TX_CMD_IDE);
    }
    return !e1000_tx_turn_is_over(&s->tx[q]);
}

/* At most once round a ring: what the guest adds meanwhile tells itself. */
static bool run_ring(E1000e *s, unsigned q, TxRun *run)
{
    unsigned left = ring_len(s, q);

    if (!ring_ready(s, q)) {
        return true;
    }
    e1000_tx_turn(&s->tx[q]);
    while (ring_ready(s, q) && left > 0 &&
           (s->tx[q].started || net_out_empty(&s->nic.port))) {
        if (!tx_step(s, q, run)) {
            return false;
        }
        left--;
    }
    if (!ring_ready(s, q)) {
        run->causes |= E1000_INT_TXQE;
    }
    return true;
}

static void tell_causes(E1000e *s, const TxRun *run)
{
    if (run->causes & E1000_INT_TXDW) {
        e1000e_interrupt_tx(s, run->causes, !run->at_once);
    } else if (run->causes != 0) {
        e1000e_interrupt(s, run->causes);
    }
}

void e1000e_tx_run(E1000e *s)
{
    TxRun run = { 0 };

    if (!(E1000E_MAC(s, E1000_TCTL) & E1000_TCTL_EN) || s->in_tx) {
        return;
    }
    s->in_tx = true;
    for (unsigned q = 0; q < E1000E_QUEUES; q++) {
        if (!run_ring(s, q, &run)) {
            timer_mod(&s->tx_more, 0);
        }
    }
    s->in_tx = false;
    tell_causes(s, &run);
}

void e1000e_tx_stop(E1000e *s)
{
    TxRun run = { 0 };

    for (unsigned q = 0; q < E1000E_QUEUES; q++) {
        if (e1000_tx_give_up(&s->tx[q])) {
            tx_step(s, q, &run);
        }
    }
    tell_causes(s, &run);
}
