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

#include "hw/net/nic.h"
#include "hw/pci/pci.h"
#include "system/clock.h"
#include "system/runstate.h"

/* Registers by their offset in bytes; E1000_MAC() has their value. */
enum {
    E1000_CTRL = 0x0000,
    E1000_STATUS = 0x0008,
    E1000_EECD = 0x0010,
    E1000_EERD = 0x0014,
    E1000_MDIC = 0x0020,
    E1000_VET = 0x0038,
    E1000_ICR = 0x00c0,
    E1000_ITR = 0x00c4,
    E1000_ICS = 0x00c8,
    E1000_IMS = 0x00d0,
    E1000_IMC = 0x00d8,
    E1000_RCTL = 0x0100,
    E1000_TCTL = 0x0400,
    E1000_AIT = 0x0458,
    E1000_LEDCTL = 0x0e00,
    E1000_PBA = 0x1000,
    E1000_RDBAL = 0x2800,
    E1000_RDBAH = 0x2804,
    E1000_RDLEN = 0x2808,
    E1000_RDH = 0x2810,
    E1000_RDT = 0x2818,
    E1000_RDTR = 0x2820,
    E1000_RADV = 0x282c,
    E1000_TDBAL = 0x3800,
    E1000_TDBAH = 0x3804,
    E1000_TDLEN = 0x3808,
    E1000_TDH = 0x3810,
    E1000_TDT = 0x3818,
    E1000_TXDCTL = 0x3828,
    E1000_TADV = 0x382c,
    E1000_MPC = 0x4010,
    E1000_PRC64 = 0x405c, /* six counters by length */
    E1000_GPRC = 0x4074,
    E1000_BPRC = 0x4078,
    E1000_MPRC = 0x407c,
    E1000_GPTC = 0x4080,
    E1000_GORCL = 0x4088,
    E1000_GOTCL = 0x4090,
    E1000_RUC = 0x40a4,
    E1000_ROC = 0x40ac,
    E1000_TORL = 0x40c0,
    E1000_TORH = 0x40c4,
    E1000_TOTL = 0x40c8,
    E1000_TOTH = 0x40cc,
    E1000_TPR = 0x40d0,
    E1000_TPT = 0x40d4,
    E1000_PTC64 = 0x40d8, /* six counters by length */
    E1000_MPTC = 0x40f0,
    E1000_BPTC = 0x40f4,
    E1000_TSCTC = 0x40f8,
    E1000_MTA = 0x5200,  /* 128 words: bits by hash of multicast addresses */
    E1000_RA = 0x5400,   /* 16 pairs: address low, high */
    E1000_VFTA = 0x5600, /* 128 words: a bit for each VLAN */
    E1000_WUFC = 0x5808,
    E1000_MANC = 0x5820,
    E1000_SWSM = 0x5b50,

    E1000_CTRL_RST = 1 << 26,
    E1000_CTRL_VME = 1 << 30,
    E1000_STATUS_LU = 1 << 1,
    E1000_RAH_AV = 1u << 31,

    E1000_INT_TXDW = 1 << 0,
    E1000_INT_TXQE = 1 << 1,
    E1000_INT_LSC = 1 << 2,
    E1000_INT_RXDMT0 = 1 << 4,
    E1000_INT_RXO = 1 << 6,
    E1000_INT_RXT0 = 1 << 7,
    E1000_INT_MDAC = 1 << 9,

    E1000_MMIO_SIZE = 128 * 1024,
    E1000_IO_SIZE = 64,
    E1000_EEPROM_WORDS = 64,
    E1000_PHY_REGS = 32,
    E1000_DESC_SIZE = 16,
    E1000_MAX_HEADER = 256,
    E1000_TX_BUFFER = 65536,
};

/* What a context descriptor says; the stream has these names. */
typedef struct E1000Context {
    uint8_t ipcss, ipcso, tucss, tucso, hdr_len;
    uint16_t ipcse, tucse, mss;
    uint32_t paylen;
    int8_t ip, tcp; /* IPv4 (else IPv6), TCP (else UDP) */
} E1000Context;

typedef struct E1000Tx {
    E1000Context props;     /* for checksums alone */
    E1000Context tso_props; /* for segmentation */
    uint16_t size;          /* bytes in data */
    uint16_t tso_frames;    /* of the packet under way */
    uint8_t sum_needed;     /* POPTS of its first descriptor */
    bool started;           /* a packet is under way: no end of it yet */
    bool tso, vlan;
    uint16_t vlan_tag;
    uint8_t header[E1000_MAX_HEADER];
    uint8_t data[E1000_TX_BUFFER];
} E1000Tx;

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

#define E1000_MAC(s, reg) ((s)->mac[(reg) / 4])

/* e1000.c */
void e1000_interrupt(E1000 *s, uint32_t causes);
void e1000_count(E1000 *s, unsigned reg); /* sticks at the maximum */
void e1000_count64(E1000 *s, unsigned reg_low, uint64_t add);
/* Counts a frame of that length (with checksum) by its size. */
void e1000_count_size(E1000 *s, unsigned reg, size_t len);

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

/* e1000-rx.c */
/* Bytes of each buffer, as RCTL says. */
unsigned e1000_rx_buffer_size(uint32_t rctl);
bool e1000_receive(NetPort *p, const NetPacket *pkt);

/* e1000-vmstate.c */
extern const Vmstate e1000_vmstate;

#endif
