/*
 * Intel 82574L: what its files share.
 *
 * Facts: Intel, "82574 GbE Controller Family Datasheet", revision 3.4
 * (317694-026), sections 6 (NVM), 7 (descriptors, interrupts) and 10
 * (registers).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_E1000E_PRIV_H
#define HW_NET_E1000E_PRIV_H

#include "hw/net/e1000-mac.h"
#include "hw/net/nic.h"
#include "hw/pci/pci.h"
#include "system/clock.h"
#include "system/runstate.h"

/* Registers that the 82540EM doesn't have; E1000_* are those of both. */
enum {
    E1000E_CTRL_EXT = 0x0018,
    E1000E_EIAC = 0x00dc,
    E1000E_IAM = 0x00e0,
    E1000E_IVAR = 0x00e4,
    E1000E_EITR = 0x00e8, /* one for each vector */
    E1000E_EEWR = 0x102c,
    E1000E_FCRTL = 0x2160,
    E1000E_FCRTH = 0x2168,
    E1000E_PSRCTL = 0x2170,
    E1000E_RSRPD = 0x2c00,
    E1000E_TIDV = 0x3820,
    E1000E_RXCSUM = 0x5000,
    E1000E_RFCTL = 0x5008,
    E1000E_MRQC = 0x5818,
    E1000E_GCR = 0x5b00,
    E1000E_RETA = 0x5c00,       /* 128 bytes */
    E1000E_RSSRK = 0x5c80,      /* 40 bytes */
    E1000E_RING_STRIDE = 0x100, /* from a register of queue 0 to queue 1's */

    E1000E_CTRL_GIO_MASTER_DISABLE = 1 << 2,
    E1000E_CTRL_PHY_RST = 1u << 31,
    E1000E_CTRL_EXT_EIAME = 1 << 24, /* IAM counts for messages */
    E1000E_CTRL_EXT_IAME = 1 << 27,  /* and for reading ICR */
    E1000E_STATUS_STORED = 1 << 9,   /* ASDV: 1000 Mb/s */
    E1000E_STATUS_FD = 1 << 0,
    E1000E_STATUS_SPEED_1000 = 2 << 6,
    E1000E_STATUS_PHYRA = 1 << 10,
    E1000E_STATUS_GIO_MASTER = 1 << 19,
    E1000E_RCTL_DTYP = 3 << 10,
    E1000E_RCTL_DTYP_SPLIT = 1 << 10,
    E1000E_RCTL_FLXBUF_SHIFT = 27,
    E1000E_RFCTL_EXSTEN = 1 << 15,
    E1000E_RXCSUM_IPOFL = 1 << 8,
    E1000E_RXCSUM_TUOFL = 1 << 9,
    E1000E_RXCSUM_PCSD = 1 << 13,

    E1000E_INT_SRPD = 1 << 16,
    E1000E_INT_ACK = 1 << 17,
    E1000E_INT_MNG = 1 << 18,
    E1000E_INT_RXQ0 = 1 << 20, /* RXQ1 is the next */
    E1000E_INT_TXQ0 = 1 << 22,
    E1000E_INT_OTHER = 1 << 24,
    E1000E_INT_ASSERTED = 1u << 31,
    E1000E_INT_QUEUES = 0xf << 20,
    /* What makes OTHER. */
    E1000E_INT_OTHERS = E1000_INT_LSC | E1000_INT_RXO | E1000_INT_MDAC |
                        E1000E_INT_SRPD | E1000E_INT_ACK | E1000E_INT_MNG,
    E1000E_IMS_MASK = 0x01f782d7,

    E1000E_QUEUES = 2,
    E1000E_VECTORS = 5,
    E1000E_PHY_PAGES = 7,
    E1000E_PHY_PAGE_REGS = 32,
    E1000E_IO_SIZE = 32,
    E1000E_FLASH_SIZE = 128 * 1024,
    E1000E_PS_BUFFERS = 4, /* of a packet split descriptor */
};

/* A timer, and whether it runs: the stream has both. */
typedef struct E1000eTimer {
    Timer timer;
    bool running;
    struct E1000e *card;
} E1000eTimer;

typedef struct E1000e {
    PciDevice pci;
    Nic nic;
    MemoryRegion mmio, flash, io;
    uint16_t opt_subsys, opt_subsys_vendor;
    bool opt_init_vet;
    uint8_t opt_disable_vnet;

    uint32_t io_addr; /* IOADDR; migrated, as all below */
    uint32_t mac[E1000_MMIO_SIZE / 4];
    uint16_t phy[E1000E_PHY_PAGES * E1000E_PHY_PAGE_REGS];
    uint16_t eeprom[E1000_EEPROM_WORDS];
    NetMac permanent_mac;
    E1000Tx tx[E1000E_QUEUES];
    /* Interrupts: causes that wait for a delay to end. */
    uint32_t delayed_causes;
    E1000eTimer rdtr, radv, raid, tidv, tadv;
    /* Between two of them at least ITR or EITR * 256 ns. */
    E1000eTimer itr, eitr[E1000E_VECTORS];
    bool itr_pending, eitr_pending[E1000E_VECTORS];
    uint32_t itr_value, eitr_value[E1000E_VECTORS]; /* as the guest set them */
    /* Only in the stream: what other registers say. */
    uint32_t rxbuf_min_shift, rxbuf_sizes[E1000E_PS_BUFFERS];
    uint32_t rx_desc_buf_size;
    uint8_t rx_desc_len;
    uint16_t vet;

    bool in_tx; /* e1000e_tx_run() is active: not entered again */
    /* The rings weren't done in one turn: the next; and when the VM goes on. */
    Timer tx_more;
    RunStateListener run_listener;
} E1000e;

/* A register, by its offset in bytes. */
#define E1000E_MAC(s, reg) ((s)->mac[(reg) / 4])
/* One that each queue has. */
#define E1000E_RING(s, reg, q) \
    E1000E_MAC(s, (reg) + (q) * (unsigned)E1000E_RING_STRIDE)

/* e1000e.c */
/* All but the PHY and the link; as CTRL.RST does it. */
void e1000e_reset_mac(E1000e *s);

/* e1000e-regs.c: `reg` is a multiple of 4, below E1000_MMIO_SIZE. */
uint32_t e1000e_reg_read(E1000e *s, uint32_t reg);
void e1000e_reg_write(E1000e *s, uint32_t reg, uint32_t val);
/* Every register to its value at reset. */
void e1000e_regs_reset(E1000e *s);

/* e1000e-irq.c */
void e1000e_irq_init(E1000e *s);
/* Timers off, nothing pending. */
void e1000e_irq_reset(E1000e *s);
/* These have happened now. */
void e1000e_interrupt(E1000e *s, uint32_t causes);
/* The same, as late as RDTR and RADV, or TIDV and TADV, allow. */
void e1000e_interrupt_rx(E1000e *s, uint32_t causes);
void e1000e_interrupt_tx(E1000e *s, uint32_t causes, bool delay);
uint32_t e1000e_icr_read(E1000e *s);
void e1000e_icr_write(E1000e *s, uint32_t val);
void e1000e_ims_set(E1000e *s, uint32_t bits);
void e1000e_imc(E1000e *s, uint32_t bits);
void e1000e_itr_write(E1000e *s, uint32_t val);
void e1000e_eitr_write(E1000e *s, unsigned vector, uint32_t val);
/* After a migration: wires and timers as the registers have them. */
void e1000e_irq_loaded(E1000e *s);

/* e1000e-phy.c */
void e1000e_eeprom_init(E1000e *s);
void e1000e_phy_reset(E1000e *s);
/* Sets what the guest sees of the link; true if it changed. */
bool e1000e_set_link(E1000e *s, bool up);
void e1000e_mdic_write(E1000e *s, uint32_t val);
uint32_t e1000e_eerd(const E1000e *s, uint32_t val);
void e1000e_eewr(E1000e *s, uint32_t val);

/* e1000e-tx.c */
/* Sends what is in the rings, or as much as fits into one turn. */
void e1000e_tx_run(E1000e *s);
/* The VM has stopped: nothing is left that can't travel. */
void e1000e_tx_stop(E1000e *s);

/* e1000e-rx.c */
bool e1000e_receive(NetPort *p, const NetPacket *pkt);
/* After RCTL, RFCTL or PSRCTL: sizes of descriptors and buffers. */
void e1000e_rx_configure(E1000e *s);

/* e1000e-rss.c */
typedef struct E1000eFlow {
    bool ip4, ip6, fragment, tcp, udp, l4_sum;
    size_t l3, l4, payload; /* offsets; 0: there is none */
} E1000eFlow;

/* What rides on a frame, as far as it is whole. */
E1000eFlow e1000e_parse(const uint8_t *frame, size_t len);

typedef struct E1000eRss {
    unsigned type; /* as in MRQ of a descriptor; 0: no hash */
    uint32_t hash;
    unsigned queue;
} E1000eRss;

/* The queue of a frame, and its hash; section 7.1.10. */
E1000eRss e1000e_rss(const E1000e *s, const uint8_t *frame,
                     const E1000eFlow *flow);
/* Toeplitz hash; `key` has at least len + 4 bytes. */
uint32_t e1000e_toeplitz(const uint8_t *key, const uint8_t *data, size_t len);

/* e1000e-vmstate.c */
extern const Vmstate e1000e_vmstate;

#endif
