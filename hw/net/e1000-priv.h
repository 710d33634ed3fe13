/*
 * Intel 82540EM: what its files share.
 *
 * Facts: Intel, "PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual", revision 4.0 (317453-006), sections 3 (descriptors), 5
 * (EEPROM) and 13 (registers).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_E1000_PRIV_H
#define HW_NET_E1000_PRIV_H

#include "hw/net/e1000-mac.h"
#include "hw/net/nic.h"
#include "hw/pci/pci.h"
#include "system/clock.h"
#include "system/runstate.h"

enum {
    E1000_IO_SIZE = 64,
    E1000_PHY_REGS = 32,
};

/* The EEPROM's serial interface. */
typedef struct E1000Eecd {
    uint32_t val_in;     /* bits shifted in */
    uint16_t bitnum_in;  /* how many */
    uint16_t bitnum_out; /* bit of the contents that is shown */
    uint16_t reading;    /* a READ was shifted in */
    uint32_t old_eecd;
} E1000Eecd;

typedef struct E1000 {
    PciDevice pci;
    Nic nic;
    MemoryRegion mmio, io;
    bool opt_autoneg, opt_mitigation, opt_extra_mac, opt_tso_props;
    bool opt_init_vet;

    uint32_t mac[E1000_MMIO_SIZE / 4];
    uint16_t phy[E1000_PHY_REGS];
    uint16_t eeprom[E1000_EEPROM_WORDS];
    E1000Eecd eecd;
    E1000Tx tx;
    bool in_tx; /* tx_run() is active: not entered again */
    /* The ring wasn't done in one turn: the next; and when the VM goes on. */
    Timer tx_more;
    RunStateListener run_listener;
    /* Interrupts: INTx isn't raised anew before the timer fires. */
    Timer throttle;
    bool mit_irq_level;
    /* Only in the stream: what RCTL says, as of when it was written. */
    uint32_t rxbuf_size, rxbuf_min_shift;
    E1000Context mig_props;
    bool got_tso_props;
} E1000;

/* A register, by its offset in bytes. */
#define E1000_MAC(s, reg) ((s)->mac[(reg) / 4])

/* e1000.c */
void e1000_interrupt(E1000 *s, uint32_t causes);

/* e1000-phy.c */
void e1000_eeprom_init(E1000 *s);
void e1000_phy_reset(E1000 *s);
/* Sets what the guest sees of the link; true if it changed. */
bool e1000_set_link(E1000 *s, bool up);
uint32_t e1000_eecd_read(E1000 *s);
void e1000_eecd_write(E1000 *s, uint32_t val);
uint32_t e1000_eerd(E1000 *s, uint32_t val);
void e1000_mdic_write(E1000 *s, uint32_t val);

/* e1000-tx.c */
/* Sends what is in the ring, or as much as fits into one turn. */
void e1000_tx_run(E1000 *s);
/* The VM has stopped: nothing is left that can't travel. */
void e1000_tx_stop(E1000 *s);

/* e1000-rx.c */
bool e1000_receive(NetPort *p, const NetPacket *pkt);

/* e1000-vmstate.c */
extern const Vmstate e1000_vmstate;

#endif
