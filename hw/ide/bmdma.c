/*
 * Bus master IDE: PRD tables and transfers.
 *
 * Behaviour: Intel 82371SB data sheet (290550-002), 2.7; Programming
 * Interface for Bus Master IDE Controller, rev. 1.0 (16 May 1994).
 *
 * A region of a table: address (le32, even), length (le16, 0: 64 KiB), and a
 * word whose top bit marks the last one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"

enum {
    PRD_SIZE = 8,
    BM_PORTS = 8, /* of each channel */
    PRD_EOT = 1 << 15,
};

/* PRD tables */

static bool prd_next(IdeChannel *ch, bool *ret_bad)
{
    IdeBm *bm = &ch->bm;
    uint8_t prd[PRD_SIZE];

    if (bm->last) {
        return false;
    }
    if (pci_dma_read(ch->pci, bm->next_prd, prd, sizeof(prd)) != MEM_OK) {
        *ret_bad = true;
        return false;
    }
    bm->cur_addr = ldl_le_p(prd) & ~1U;
    bm->cur_len = lduw_le_p(prd + 4) & 0xfffe;
    bm->cur_len = bm->cur_len == 0 ? 0x10000 : bm->cur_len;
    bm->last = lduw_le_p(prd + 6) & PRD_EOT;
    bm->next_prd += PRD_SIZE;
    return true;
}

static bool pci_may_master(const IdeChannel *ch)
{
    return lduw_le_p(ch->pci->config + PCI_COMMAND) & PCI_COMMAND_MASTER;
}

size_t ide_dma_copy(IdeChannel *ch, uint8_t *buf, size_t len, bool to_guest,
                    bool *ret_bad)
{
    IdeBm *bm = &ch->bm;
    size_t done = 0;

    /* A function that may not master the bus gives nothing to memory. */
    if (to_guest && !pci_may_master(ch)) {
        return len;
    }
    while (done < len) {
        size_t n;
        MemResult r;

        if (bm->cur_len == 0 && !prd_next(ch, ret_bad)) {
            break;
        }
        n = MIN(len - done, (size_t)bm->cur_len);
        r = to_guest ? pci_dma_write(ch->pci, bm->cur_addr, buf + done, n)
                     : pci_dma_read(ch->pci, bm->cur_addr, buf + done, n);
        if (r != MEM_OK) {
            *ret_bad = true;
            break;
        }
        bm->cur_addr += n;
        bm->cur_len -= n;
        done += n;
    }
    return done;
}

/* Transfers */

static void dma_forget(IdeChannel *ch)
{
    ch->dma = IDE_DMA_NONE;
    ch->dma_drive = NULL;
    ch->dma_left = 0;
    ch->retry_unit = IDE_NO_UNIT;
    ch->retry_sector = 0;
    ch->retry_nsector = 0;
}

/* Active stays on if the table has more than the drive had. */
void ide_dma_end(IdeChannel *ch)
{
    dma_forget(ch);
    if (ch->bm.last && ch->bm.cur_len == 0) {
        ch->bm.status &= ~BM_ACTIVE;
    }
}

/* The bus didn't take it. */
void ide_dma_fail(IdeChannel *ch)
{
    dma_forget(ch);
    ch->bm.status = (ch->bm.status & ~BM_ACTIVE) | BM_ERROR;
}

/* The drive's own: the bus master is idle then, and knows of no error. */
static void dma_error(IdeDrive *d, uint8_t error)
{
    dma_forget(d->ch);
    d->ch->bm.status &= ~BM_ACTIVE;
    ide_abort(d, error);
}

/* The bus didn't take or give the data. */
static void dma_bus_error(IdeDrive *d)
{
    ide_dma_fail(d->ch);
    ide_abort(d, ER_ABRT);
}

/*
 * The table ended before the data did: no interrupt, and software finds the
 * bus master idle.
 */
void ide_dma_short(IdeDrive *d)
{
    d->ch->bm.status &= ~BM_ACTIVE;
    dma_forget(d->ch);
    ide_pio_stop(d);
    d->status = ST_DRDY | ST_DSC;
}

static void dma_complete(IdeDrive *d)
{
    ide_dma_end(d->ch);
    ide_pio_stop(d);
    ide_done(d);
}

static void dma_account(IdeDrive *d, uint32_t nsectors)
{
    ata_set_lba(d, ata_lba(d) + nsectors);
    d->nsector -= nsectors;
    d->ch->dma_left -= nsectors;
}

static void dma_read_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    IdeChannel *ch = d->ch;
    bool bad = false;
    size_t n;

    if (ch->dma_drive != d) {
        return;
    }
    if (ret < 0) {
        dma_error(d, ER_UNC);
        return;
    }
    n = ide_dma_copy(ch, d->buffer, d->io_bytes, true, &bad);
    if (bad) {
        dma_bus_error(d);
    } else if (n < d->io_bytes) {
        ide_dma_short(d);
    } else {
        dma_account(d, n / IDE_SECTOR);
        ide_dma_run(ch);
    }
}

static void dma_write_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    IdeChannel *ch = d->ch;

    if (ch->dma_drive != d) {
        return;
    }
    if (ret < 0) {
        dma_error(d, ER_ABRT);
        return;
    }
    dma_account(d, d->io_bytes / IDE_SECTOR);
    ide_dma_run(ch);
}

static void dma_write(IdeDrive *d, size_t bytes)
{
    bool bad = false;
    size_t n = ide_dma_copy(d->ch, d->buffer, bytes, false, &bad);

    if (bad) {
        dma_bus_error(d);
    } else if (n < bytes) {
        ide_dma_short(d);
    } else {
        ide_write(d, ata_lba(d) * IDE_SECTOR, bytes, dma_write_done);
    }
}

/* The list of ranges comes as data; nothing else happens on the medium. */
static void dma_trim(IdeDrive *d, size_t bytes)
{
    bool bad = false;
    size_t n = ide_dma_copy(d->ch, d->buffer, bytes, false, &bad);

    if (bad) {
        dma_bus_error(d);
    } else if (n < bytes) {
        ide_dma_short(d);
    } else if (!ata_trim_ranges(d, bytes)) {
        dma_error(d, ER_ABRT);
    } else {
        d->ch->dma_left -= bytes / IDE_SECTOR; /* the count register stays */
        ide_dma_run(d->ch);
    }
}

void ide_dma_run(IdeChannel *ch)
{
    IdeDrive *d = ch->dma_drive;
    size_t bytes;

    if (d == NULL) {
        return;
    }
    if (ch->dma == IDE_DMA_ATAPI) {
        atapi_dma(d);
        return;
    }
    if (ch->dma_left == 0) {
        dma_complete(d);
        return;
    }
    bytes = MIN((uint64_t)ch->dma_left * IDE_SECTOR, (uint64_t)IDE_DMA_CHUNK);
    if (ch->dma == IDE_DMA_TRIM) {
        dma_trim(d, bytes);
    } else if (!range_fits(ata_lba(d), ch->dma_left, ata_sectors(d))) {
        dma_error(d, ER_IDNF);
    } else if (ch->dma == IDE_DMA_READ) {
        ide_read(d, ata_lba(d) * IDE_SECTOR, bytes, 0, dma_read_done);
    } else {
        dma_write(d, bytes);
    }
}

void ide_dma_begin(IdeDrive *d, IdeDma kind, uint32_t nsectors)
{
    IdeChannel *ch = d->ch;

    d->status = ST_DRDY | ST_DSC | ST_DRQ;
    d->end = IDE_END_NONE;
    ch->dma = kind;
    ch->dma_drive = d;
    ch->dma_left = nsectors;
    ch->retry_unit = d - ch->drives;
    ch->retry_nsector = nsectors;
    ch->retry_sector =
        kind == IDE_DMA_READ || kind == IDE_DMA_WRITE ? ata_lba(d) : 0;
    if (ch->bm.status & BM_ACTIVE) {
        ide_dma_run(ch);
    }
}

/* Registers */

static void bm_command(IdeChannel *ch, uint8_t val)
{
    IdeBm *bm = &ch->bm;
    bool started = !(bm->cmd & BM_START) && (val & BM_START);
    bool stopped = (bm->cmd & BM_START) && !(val & BM_START);

    if (stopped) {
        /*
         * A transfer under way is cut off, and the command with it: software
         * does that to a drive that doesn't answer, before it resets it.
         */
        if (ch->dma_drive != NULL && (bm->status & BM_ACTIVE)) {
            IdeDrive *d = ch->dma_drive;

            ide_cancel(d);
            d->status = ST_DRDY | ST_DSC | ST_ERR;
            d->error = ER_ABRT;
        }
        bm->status &= ~BM_ACTIVE;
    }
    bm->cmd = val & (BM_START | BM_TO_MEMORY);
    if (started) {
        bm->cur_addr = bm->cur_len = 0;
        bm->next_prd = bm->addr;
        bm->last = false;
        bm->status |= BM_ACTIVE;
        ide_dma_run(ch);
    }
}

static IdeChannel *bm_channel(Device *dev, uint64_t off)
{
    PciDevice *pci = PCI_DEVICE(dev);

    return &container_of(pci, PiixIde, pci)->ch[off / BM_PORTS % IDE_CHANNELS];
}

static uint64_t bm_read(Device *dev, uint64_t off, unsigned size)
{
    const IdeBm *bm = &bm_channel(dev, off)->bm;
    unsigned reg = off % BM_PORTS;

    if (reg >= 4) {
        return bm->addr >> (8 * (reg - 4));
    }
    if (size != 1) {
        return UINT64_MAX;
    }
    return reg == 0 ? bm->cmd : reg == 2 ? bm->status : 0xff;
}

static void bm_status(IdeBm *bm, uint8_t val)
{
    bm->status = (val & 0x60) | (bm->status & BM_ACTIVE) |
                 (bm->status & ~val & (BM_ERROR | BM_INT));
}

static void bm_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    IdeChannel *ch = bm_channel(dev, off);
    IdeBm *bm = &ch->bm;
    unsigned reg = off % BM_PORTS;

    if (reg >= 4) {
        unsigned shift = 8 * (reg - 4);

        bm->addr =
            deposit32(bm->addr, shift, MIN(8 * size, 32 - shift), val) & ~3U;
    } else if (reg == 0 && size == 1) {
        bm_command(ch, val);
    } else if (reg == 2 && size == 1) {
        bm_status(bm, val);
    }
}

const IoOps ide_bm_ops = { .read = bm_read, .write = bm_write, .max_size = 4 };

void ide_bm_reset(IdeBm *bm)
{
    *bm = (IdeBm){ 0 };
}
