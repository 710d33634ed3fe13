/*
 * What Intel's gigabit Ethernet controllers 82540EM and 82574L have in common:
 * registers, statistics, filters, and how transmit descriptors become frames.
 *
 * Facts: Intel, "PCI/PCI-X Family of Gigabit Ethernet Controllers Software
 * Developer's Manual", revision 4.0 (317453-006), sections 3 (descriptors) and
 * 13 (registers); "Intel 82574 GbE Controller Family Datasheet", revision 3.4,
 * sections 7 and 10, where they are the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_NET_E1000_MAC_H
#define HW_NET_E1000_MAC_H

#include "hw/pci/pci.h"
#include "net/net.h"

/* Registers by their offset in bytes; they are an array of 32-bit words. */
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

    E1000_RCTL_EN = 1 << 1,
    E1000_RCTL_SBP = 1 << 2,
    E1000_RCTL_UPE = 1 << 3,
    E1000_RCTL_MPE = 1 << 4,
    E1000_RCTL_LPE = 1 << 5,
    E1000_RCTL_RDMTS_SHIFT = 8,
    E1000_RCTL_MO_SHIFT = 12,
    E1000_RCTL_BAM = 1 << 15,
    E1000_RCTL_BSIZE_SHIFT = 16,
    E1000_RCTL_VFE = 1 << 18,
    E1000_RCTL_BSEX = 1 << 25,
    E1000_RCTL_SECRC = 1 << 26,
    E1000_TCTL_EN = 1 << 1,

    E1000_MMIO_SIZE = 128 * 1024,
    E1000_EEPROM_WORDS = 64,
    E1000_DESC_SIZE = 16,
    E1000_MAX_HEADER = 256,
    E1000_TX_BUFFER = 65536,
    E1000_RX_MAX_STANDARD = 1522, /* bytes, without LPE */
    E1000_RX_MAX_LONG = 16384,

    /* Commands of a transmit descriptor that its ring looks at. */
    E1000_TX_CMD_RS = 1 << 3,
    E1000_TX_CMD_RPS = 1 << 4,
    E1000_TX_CMD_IDE = 1 << 7,
};

/* What a context descriptor says; the stream has these names. */
typedef struct E1000Context {
    uint8_t ipcss, ipcso, tucss, tucso, hdr_len;
    uint16_t ipcse, tucse, mss;
    uint32_t paylen;
    int8_t ip, tcp; /* IPv4 (else IPv6), TCP (else UDP) */
    bool tse;       /* of segmentation */
} E1000Context;

/* A packet that a ring's descriptors describe, on its way out. */
typedef struct E1000Tx {
    PciDevice *pci;         /* whose memory it comes from */
    NetPort *port;          /* where it goes */
    uint32_t *mac;          /* registers */
    bool one_context;       /* else segmentation has one of its own */
    E1000Context props;     /* for checksums alone */
    E1000Context tso_props; /* for segmentation */
    uint16_t size;          /* bytes in data */
    uint16_t tso_frames;    /* of the packet under way */
    uint8_t sum_needed;     /* POPTS of its first descriptor */
    bool started;           /* a packet is under way: no end of it yet */
    bool tso, vlan;
    bool skip;        /* what is left of it isn't sent */
    uint32_t done;    /* bytes of its descriptor that earlier turns took */
    unsigned frames;  /* of this turn */
    int64_t turn_end; /* clock_monotonic_ns() */
    uint16_t vlan_tag;
    uint8_t header[E1000_MAX_HEADER];
    uint8_t data[E1000_TX_BUFFER];
} E1000Tx;

typedef struct E1000TxDesc {
    uint64_t addr;
    uint32_t lower; /* length, type, command */
    uint32_t upper; /* status, options, special */
} E1000TxDesc;

/* e1000-mac.c; `mac` is the array of registers. */
void e1000_count(uint32_t *mac, unsigned reg); /* sticks at the maximum */
void e1000_count64(uint32_t *mac, unsigned reg_low, uint64_t add);
/* A frame of `len` bytes (with checksum) has come. */
void e1000_count_rx(uint32_t *mac, const uint8_t *frame, size_t len);
/* It has gone; `frame` NULL: it was too short for an address. */
void e1000_count_tx(uint32_t *mac, const uint8_t *frame, size_t len);
/* Bytes of each buffer, as RCTL says. */
unsigned e1000_rx_buffer_size(uint32_t rctl);
/* Is there a tag of the type in VET? */
bool e1000_is_vlan(const uint32_t *mac, const uint8_t *frame, size_t len);
/* Do the filters let a frame of at least ETH_MIN_LEN bytes pass? */
bool e1000_rx_accept(const uint32_t *mac, const uint8_t *frame, size_t len);

/* e1000-packet.c */
/* Forgets a packet under way, and contexts. */
void e1000_tx_reset(E1000Tx *tx);
/* Bits 24 to 31 of a descriptor's second half. */
uint8_t e1000_tx_cmd(const E1000TxDesc *d);
/* A turn begins, under vm_lock. */
void e1000_tx_turn(E1000Tx *tx);
/* Others are to have theirs: before the next descriptor. */
bool e1000_tx_turn_is_over(const E1000Tx *tx);
/*
 * Does what it says; at the end of a packet, its frames are sent.  False: the
 * turn is over, and the next one begins with the same descriptor.
 */
bool e1000_tx_desc(E1000Tx *tx, const E1000TxDesc *d);
/*
 * The VM stops and may travel, and a descriptor that is done by half can't:
 * what is left of its packet isn't sent.  True if there is one, which is to be
 * given to e1000_tx_desc() once more.
 */
bool e1000_tx_give_up(E1000Tx *tx);

#endif
