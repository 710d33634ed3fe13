/*
 * AHCI: what a drive sends to its port, and where software finds it.
 *
 * Behaviour: SATA 3.0, 10.3 (layouts); AHCI 1.3.1, 4.2.1 and 5.3.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ahci-priv.h"
#include "util/bswap.h"

enum {
    FIS_D2H = 0x34,
    FIS_PIO_SETUP = 0x5f,
    FIS_SDB = 0xa1,
    FIS_INTERRUPT = 1 << 6,
    FIS_TO_HOST = 1 << 5,
    FIS_SHADOW_SIZE = 20,
    FIS_SDB_SIZE = 8,
    SDB_STATUS = 0x77, /* what a Set Device Bits FIS has of the status */
};

/* Memory that doesn't take it loses it, as an unmapped area of hardware's. */
static void fis_post(AhciPort *p, unsigned at, const uint8_t *fis, size_t len)
{
    uint64_t base = (uint64_t)p->fis_addr_hi << 32 | p->fis_addr;

    if (p->cmd & PCMD_FRE) {
        pci_dma_write(&p->hba->pci, base + at, fis, len);
    }
}

/* The drive's registers, as both long FISes have them. */
static void put_registers(AhciPort *p, uint8_t *fis, uint8_t type, uint8_t how,
                          uint8_t status)
{
    const IdeDrive *d = ahci_drive(p);

    memset(fis, 0, FIS_SHADOW_SIZE);
    fis[0] = type;
    fis[1] = how;
    fis[2] = status;
    fis[3] = d->error;
    fis[4] = d->sector;
    fis[5] = d->lcyl;
    fis[6] = d->hcyl;
    fis[7] = d->select;
    fis[8] = d->hob_sector;
    fis[9] = d->hob_lcyl;
    fis[10] = d->hob_hcyl;
    fis[12] = d->nsector;
    fis[13] = d->nsector >> 8;
}

void ahci_post_d2h(AhciPort *p, bool interrupt)
{
    const IdeDrive *d = ahci_drive(p);
    uint8_t fis[FIS_SHADOW_SIZE];

    put_registers(p, fis, FIS_D2H, interrupt ? FIS_INTERRUPT : 0, d->status);
    p->tfdata = (uint32_t)d->error << 8 | d->status;
    fis_post(p, RFIS_D2H, fis, sizeof(fis));
    if (interrupt) {
        p->irq_stat |= PIS_DHRS;
        ahci_update_irq(p->hba);
    }
}

void ahci_post_signature(AhciPort *p)
{
    const IdeDrive *d = ahci_drive(p);

    p->sig = (uint32_t)d->hcyl << 24 | (uint32_t)d->lcyl << 16 |
             (uint32_t)d->sector << 8 | (d->nsector & 0xff);
    p->init_d2h_sent = true;
    ahci_post_d2h(p, true);
}

void ahci_post_pio_setup(AhciPort *p, bool to_guest, unsigned bytes,
                         bool interrupt, bool last)
{
    const IdeDrive *d = ahci_drive(p);
    uint8_t fis[FIS_SHADOW_SIZE];
    uint8_t end = last ? ST_DRDY | ST_DSC : ST_BSY | ST_DRDY | ST_DSC;

    put_registers(p, fis, FIS_PIO_SETUP,
                  (interrupt ? FIS_INTERRUPT : 0) |
                      (to_guest ? FIS_TO_HOST : 0),
                  d->status);
    fis[15] = end; /* the status when the data has moved */
    stw_le_p(fis + 16, bytes);
    p->tfdata = (uint32_t)d->error << 8 | end;
    fis_post(p, RFIS_PIO_SETUP, fis, sizeof(fis));
    if (interrupt) {
        p->irq_stat |= PIS_PSS;
        ahci_update_irq(p->hba);
    }
}

void ahci_post_sdb(AhciPort *p)
{
    const IdeDrive *d = ahci_drive(p);
    uint8_t fis[FIS_SDB_SIZE] = { FIS_SDB, FIS_INTERRUPT,
                                  d->status & SDB_STATUS, d->error };

    stl_le_p(fis + 4, p->finished);
    p->scr_act &= ~p->finished;
    p->finished = 0;
    p->tfdata = (uint32_t)d->error << 8 | (p->tfdata & (0xff & ~SDB_STATUS)) |
                (d->status & SDB_STATUS);
    fis_post(p, RFIS_SDB, fis, sizeof(fis));
    p->irq_stat |= PIS_SDBS;
    ahci_update_irq(p->hba);
}
