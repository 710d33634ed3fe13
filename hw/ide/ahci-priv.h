/*
 * Inside AHCI: the controller, its ports, and the commands they work on.
 *
 *   ahci.c      PCI function, global registers, interrupts
 *   ahci-port.c a port's registers, resets   ahci-fis.c   received FISes
 *   ahci-cmd.c  commands from the list       ahci-prdt.c  their data
 *   ahci-ncq.c  queued commands              ahci-vmstate.c
 *
 * Behaviour: Serial ATA AHCI 1.3.1 ("AHCI"); Serial ATA Revision 3.0 ("SATA").
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_IDE_AHCI_PRIV_H
#define HW_IDE_AHCI_PRIV_H

#include "hw/ide/ahci.h"
#include "hw/ide/ide-priv.h"

#define AHCI_SLOTS    32
#define AHCI_MEM_SIZE (4 * KiB)
#define AHCI_IDP_MASK (AHCI_MEM_SIZE - 4)
/* Queuing, 64-bit addresses, 32 slots, 1.5 Gb/s, AHCI mode only, ports. */
#define AHCI_CAP         (0xc0141f00U | (AHCI_PORTS - 1))
#define AHCI_IMPLEMENTED ((1U << AHCI_PORTS) - 1)
#define AHCI_VERSION     0x10000U /* 1.0 */
#define AHCI_PRD_CACHE   32
#define AHCI_PRD_SIZE    16
#define AHCI_CFIS_SIZE   64
#define AHCI_ACMD_SIZE   16

/* PxIS and PxIE (AHCI 3.3.5). */
enum {
    PIS_DHRS = 1 << 0,  /* a D2H Register FIS came */
    PIS_PSS = 1 << 1,   /* a PIO Setup FIS */
    PIS_SDBS = 1 << 3,  /* a Set Device Bits FIS */
    PIS_OFS = 1 << 24,  /* more data than the table has room for */
    PIS_HBDS = 1 << 28, /* memory didn't take or give data */
    PIS_HBFS = 1 << 29, /* nor what commands are made of */
    PIS_TFES = 1 << 30, /* a command ended with an error */
};

/* PxCMD (AHCI 3.3.7). */
enum {
    PCMD_ST = 1 << 0,
    PCMD_SUD = 1 << 1,
    PCMD_POD = 1 << 2,
    PCMD_CLO = 1 << 3,
    PCMD_FRE = 1 << 4,
    PCMD_CCS_SHIFT = 8,
    PCMD_CCS = 0x1f << PCMD_CCS_SHIFT,
    PCMD_FR = 1 << 14,
    PCMD_CR = 1 << 15,
};

/* Software has set SRST in the drive's control register. */
#define AHCI_IN_RESET 1

/* Where FISes are received (AHCI 4.2.1). */
enum {
    RFIS_PIO_SETUP = 0x20,
    RFIS_D2H = 0x40,
    RFIS_SDB = 0x58,
};

typedef struct Ahci Ahci;
typedef struct AhciPort AhciPort;

/* Where a command's data goes next, or comes from. */
typedef struct AhciPrdt {
    uint64_t next; /* address of the first entry not fetched */
    uint32_t left; /* how many there are */
    uint64_t cur_addr;
    uint32_t cur_len;             /* bytes of the current region */
    unsigned cache_at, cache_len; /* entries that were fetched */
    uint8_t cache[AHCI_PRD_CACHE * AHCI_PRD_SIZE];
} AhciPrdt;

/* A command as it lies in memory: header, FIS, packet. */
typedef struct AhciCommand {
    uint64_t header; /* its address */
    uint16_t flags;
    uint8_t fis[AHCI_CFIS_SIZE];
    uint8_t acmd[AHCI_ACMD_SIZE];
    AhciPrdt prdt;
} AhciCommand;

/* A queued command.  The first part is migrated. */
typedef struct AhciTag {
    uint32_t sector_count;
    uint64_t lba;
    uint8_t tag, cmd, slot;
    bool used;
    bool halt; /* failed, and to be done again when the guest goes on */
    AhciPort *port;
    bool fua;
    uint32_t done;        /* sectors */
    struct AhciNcqIo *io; /* with the block layer, or NULL */
    AhciPrdt prdt;
} AhciTag;

struct AhciPort {
    IdeChannel ch;
    Ahci *hba;
    unsigned num;

    /* Registers; migrated. */
    uint32_t lst_addr, lst_addr_hi, fis_addr, fis_addr_hi;
    uint32_t irq_stat, irq_mask, cmd, tfdata, sig;
    uint32_t scr_stat, scr_ctl, scr_err, scr_act, cmd_issue;
    uint32_t port_state; /* 0, or AHCI_IN_RESET */
    bool done_first_drq; /* of the stream only */

    uint32_t finished;  /* tags to tell software of */
    int32_t busy_slot;  /* of the command that isn't queued; -1: none */
    bool init_d2h_sent; /* software has seen what drive there is */
    AhciTag tags[AHCI_SLOTS];

    AhciCommand now; /* of busy_slot */
    uint32_t moved;  /* bytes of its data */
    bool overflow;   /* more came than its table has room for */
    unsigned epoch;  /* a number for what goes on until it is cancelled */
    bool in_run;     /* commands are being taken from the list */
    bool halted;     /* by an error, until software stops the port */
};

struct Ahci {
    PciDevice pci;
    MemoryRegion mem, idp;
    RunStateListener run;
    AhciPort ports[AHCI_PORTS];
    uint32_t cap, ghc, irqstatus, impl, version; /* migrated, as the rest */
    uint32_t idp_index;
    int32_t nports;
};

#define AHCI_PORT(ch_) container_of(ch_, AhciPort, ch)

static inline IdeDrive *ahci_drive(AhciPort *p)
{
    return &p->ch.drives[0];
}

/* ahci.c */
Ahci *ahci_of(Device *dev);
/* Interrupt causes of a port have changed, or come again. */
void ahci_update_irq(Ahci *s);

/* ahci-port.c */
uint32_t ahci_port_read(AhciPort *p, unsigned reg);
void ahci_port_write(AhciPort *p, unsigned reg, uint32_t val);
/* As GHC.HR does it: the places of list and FISes stay. */
void ahci_port_reset(AhciPort *p);
/* Drops all commands; nobody waits for the host's storage. */
void ahci_port_cancel(AhciPort *p);

/* ahci-fis.c */
void ahci_post_d2h(AhciPort *p, bool interrupt);
/* The same with a drive's signature, which goes into PxSIG, too. */
void ahci_post_signature(AhciPort *p);
void ahci_post_pio_setup(AhciPort *p, bool to_guest, unsigned bytes,
                         bool interrupt, bool last);
/* Tells of the tags that are finished, or of an error. */
void ahci_post_sdb(AhciPort *p);

/* ahci-cmd.c */
extern const IdeTransport ahci_transport;
/* False: it can't be read. */
bool ahci_command_fetch(AhciPort *p, unsigned slot, AhciCommand *ret);
/* Takes commands from the list, unless something holds the port up. */
void ahci_port_run(AhciPort *p);
/* The guest goes on: so do commands that wait for that. */
void ahci_port_resume(AhciPort *p);
/* An error: nothing is taken from the list until software stops the port. */
void ahci_port_halt(AhciPort *p, uint32_t irq);

/* ahci-prdt.c */
void ahci_prdt_init(AhciPrdt *t, uint64_t addr, uint32_t entries);
/* Buffer to guest memory or back; bytes done, less if the table ends. */
size_t ahci_prdt_copy(AhciPrdt *t, Ahci *s, uint8_t *buf, size_t len,
                      bool to_guest, bool *ret_bad);

/* ahci-ncq.c */
bool ahci_is_ncq(uint8_t cmd);
void ahci_ncq_start(AhciPort *p, unsigned slot, const AhciCommand *c);
/* Does a halted one again. */
void ahci_ncq_resume(AhciTag *t);
void ahci_ncq_cancel(AhciPort *p);

/* ahci-vmstate.c */
extern const Vmstate ahci_vmstate;

#endif
