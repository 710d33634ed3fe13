/*
 * Intel 82540EM: sending.
 *
 * Facts: software developer's manual, section 3.4 (ring).
 *
 * Sending stops between two packets while the back end has frames that it
 * couldn't pass on yet.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/net/e1000-priv.h"

#include "util/bswap.h"

enum { DESC_DD = 1 << 0 };

/* ----------------------------------------------------------------- ring --- */

/* One descriptor; adds the causes of an interrupt that it asks for.  False: the
 * turn is over. */
static bool tx_step(E1000 *s, uint32_t *causes)
{
    uint64_t ring = (uint64_t)E1000_MAC(s, E1000_TDBAH) << 32 |
                    (E1000_MAC(s, E1000_TDBAL) & ~15u);
    uint64_t addr = ring + (uint64_t)E1000_MAC(s, E1000_TDH) * E1000_DESC_SIZE;
    uint8_t raw[E1000_DESC_SIZE] = { 0 };
    E1000TxDesc d;

    pci_dma_read(&s->pci, addr, raw, sizeof(raw));
    d.addr = ldq_le_p(raw);
    d.lower = ldl_le_p(raw + 8);
    d.upper = ldl_le_p(raw + 12);
    if (!e1000_tx_desc(&s->tx, &d)) {
        return false;
    }
    if (++E1000_MAC(s, E1000_TDH) >=
        E1000_MAC(s, E1000_TDLEN) / E1000_DESC_SIZE) {
        E1000_MAC(s, E1000_TDH) = 0;
    }
    if (e1000_tx_cmd(&d) & (E1000_TX_CMD_RS | E1000_TX_CMD_RPS)) {
        raw[12] |= DESC_DD;
        pci_dma_write(&s->pci, addr + 12, raw + 12, 1);
        *causes |= E1000_INT_TXDW;
    }
    return !e1000_tx_turn_is_over(&s->tx);
}

/*
 * At most once round the ring: what the guest adds meanwhile tells itself.  A
 * ring of 65528 descriptors with a million segments in each would take hours:
 * after a while others have their turn.
 */
void e1000_tx_run(E1000 *s)
{
    unsigned n = E1000_MAC(s, E1000_TDLEN) / E1000_DESC_SIZE;
    uint32_t causes = 0;
    unsigned left = n;

    if (!(E1000_MAC(s, E1000_TCTL) & E1000_TCTL_EN) || s->in_tx ||
        E1000_MAC(s, E1000_TDH) >= n ||
        E1000_MAC(s, E1000_TDH) == E1000_MAC(s, E1000_TDT)) {
        return;
    }
    s->in_tx = true;
    e1000_tx_turn(&s->tx);
    while (E1000_MAC(s, E1000_TDH) != E1000_MAC(s, E1000_TDT) && left > 0 &&
           (s->tx.started || net_out_empty(&s->nic.port))) {
        if (!tx_step(s, &causes)) {
            timer_mod(&s->tx_more, 0);
            break;
        }
        left--;
    }
    s->in_tx = false;
    if (E1000_MAC(s, E1000_TDH) == E1000_MAC(s, E1000_TDT)) {
        causes |= E1000_INT_TXQE;
    }
    e1000_interrupt(s, causes);
}

/*
 * That the rest of a packet isn't sent has no place in the stream, and a
 * destination would take it for a new one: it ends here, if the ring has it.
 */
void e1000_tx_stop(E1000 *s)
{
    uint32_t causes = 0;
    bool more = true;

    if (!e1000_tx_give_up(&s->tx)) {
        return;
    }
    e1000_tx_turn(&s->tx);
    while (more) {
        more = tx_step(s, &causes) && s->tx.skip &&
               E1000_MAC(s, E1000_TDH) != E1000_MAC(s, E1000_TDT);
    }
    e1000_interrupt(s, causes);
}
