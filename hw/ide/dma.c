/*
 * Commands of drives that transfer by DMA, whatever moves the data.
 *
 * Behaviour: ATA/ATAPI-6 (T13/1410D rev. 3b), 9.7 and 9.11.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"

static void dma_forget(IdeChannel *ch)
{
    ch->dma = IDE_DMA_NONE;
    ch->dma_drive = NULL;
    ch->dma_left = 0;
    ch->retry_unit = IDE_NO_UNIT;
    ch->retry_sector = 0;
    ch->retry_nsector = 0;
}

void ide_dma_end(IdeChannel *ch)
{
    dma_forget(ch);
    ch->transport->dma_ended(ch, IDE_DMA_DONE);
}

/* The bus didn't take it. */
void ide_dma_fail(IdeChannel *ch)
{
    dma_forget(ch);
    ch->transport->dma_ended(ch, IDE_DMA_BUS_ERROR);
}

/* The drive's own: who moves the data knows of no error. */
static void dma_error(IdeDrive *d, uint8_t error)
{
    dma_forget(d->ch);
    d->ch->transport->dma_ended(d->ch, IDE_DMA_CUT);
    ide_abort(d, error);
}

/*
 * The host failed.  A command that waits is begun anew, as that is all which
 * a migration would know of it.  False: it waits, or has ended.
 */
static bool dma_goes_on(IdeDrive *d, int ret, unsigned how, uint8_t error)
{
    IdeChannel *ch = d->ch;

    switch (ide_io_failed(d, ret, RETRY_DMA | how)) {
    case BLOCK_ERROR_IGNORE:
        return true;
    case BLOCK_ERROR_STOP:
        ch->dma = IDE_DMA_NONE;
        ch->dma_drive = NULL;
        ch->dma_left = 0;
        return false;
    default:
        dma_error(d, error);
        return false;
    }
}

/* The bus didn't take or give the data. */
static void dma_bus_error(IdeDrive *d)
{
    ide_dma_fail(d->ch);
    ide_abort(d, ER_ABRT);
}

void ide_dma_short(IdeDrive *d)
{
    dma_forget(d->ch);
    ide_pio_stop(d);
    d->status = ST_DRDY | ST_DSC;
    d->ch->transport->dma_ended(d->ch, IDE_DMA_SHORT);
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
    if (ret < 0 && !dma_goes_on(d, ret, RETRY_READ, ER_UNC)) {
        return;
    }
    n = ch->transport->dma_copy(ch, d->buffer, d->io_bytes, true, &bad);
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
    if (ret < 0 && !dma_goes_on(d, ret, 0, ER_ABRT)) {
        return;
    }
    dma_account(d, d->io_bytes / IDE_SECTOR);
    ide_dma_run(ch);
}

static void dma_write(IdeDrive *d, size_t bytes)
{
    bool bad = false;
    size_t n = d->ch->transport->dma_copy(d->ch, d->buffer, bytes, false, &bad);

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
    size_t n = d->ch->transport->dma_copy(d->ch, d->buffer, bytes, false, &bad);

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
    if (ch->transport->dma_ready(ch)) {
        ide_dma_run(ch);
    }
}
