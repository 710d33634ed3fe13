/*
 * ATA commands of disks.
 *
 * Behaviour: ATA/ATAPI-6 (T13/1410D rev. 3b), chapter 8; DATA SET MANAGEMENT:
 * ACS-2 (T13/2015-D rev. 3), 7.10.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"

/* Addresses */

uint64_t ata_sectors(const IdeDrive *d)
{
    return block_size(d->blk) / IDE_SECTOR;
}

/* UINT64_MAX: not an address. */
uint64_t ata_lba(const IdeDrive *d)
{
    const Geometry *geo = &d->dev->geo;
    uint64_t cyl = (uint64_t)d->hcyl << 8 | d->lcyl;

    if (d->select & DH_LBA) {
        if (d->lba48) {
            return (uint64_t)d->hob_hcyl << 40 | (uint64_t)d->hob_lcyl << 32 |
                   (uint64_t)d->hob_sector << 24 | (uint64_t)d->hcyl << 16 |
                   (uint64_t)d->lcyl << 8 | d->sector;
        }
        return (uint64_t)(d->select & 0xf) << 24 | cyl << 8 | d->sector;
    }
    if (d->sector == 0) {
        return UINT64_MAX;
    }
    return (cyl * geo->heads + (d->select & 0xf)) * geo->sectors + d->sector -
           1;
}

void ata_set_lba(IdeDrive *d, uint64_t lba)
{
    const Geometry *geo = &d->dev->geo;
    uint64_t cyl;

    if (d->select & DH_LBA) {
        d->sector = lba;
        d->lcyl = lba >> 8;
        d->hcyl = lba >> 16;
        if (d->lba48) {
            d->hob_sector = lba >> 24;
            d->hob_lcyl = lba >> 32;
            d->hob_hcyl = lba >> 40;
        } else {
            d->select = (d->select & 0xf0) | ((lba >> 24) & 0xf);
        }
        return;
    }
    cyl = lba / (geo->heads * geo->sectors);
    d->sector = lba % geo->sectors + 1;
    d->select = (d->select & 0xf0) | (lba / geo->sectors % geo->heads);
    d->lcyl = cyl;
    d->hcyl = cyl >> 8;
}

/* 0 means as many as there can be. */
static void take_count(IdeDrive *d, bool lba48)
{
    d->lba48 = lba48;
    if (lba48) {
        d->nsector = (d->nsector & 0xff) | (uint32_t)d->hob_nsector << 8;
        d->nsector = d->nsector == 0 ? 65536 : d->nsector;
    } else {
        d->nsector &= 0xff;
        d->nsector = d->nsector == 0 ? 256 : d->nsector;
    }
}

static bool range_ok(const IdeDrive *d, uint64_t n)
{
    return range_fits(ata_lba(d), n, ata_sectors(d));
}

/* Where a retry would begin; IDE_NO_UNIT: nothing to retry. */
static void note_retry(IdeDrive *d)
{
    IdeChannel *ch = d->ch;

    ch->retry_unit = d - ch->drives;
    ch->retry_sector = ata_lba(d);
    ch->retry_nsector = d->nsector;
}

static void ata_advance(IdeDrive *d, uint32_t n)
{
    ata_set_lba(d, ata_lba(d) + n);
    d->nsector -= n;
}

static unsigned turn_sectors(const IdeDrive *d)
{
    return MIN((uint32_t)d->req_nb_sectors, d->nsector);
}

/* After a failed request: false: the command has ended, or waits. */
static bool go_on(IdeDrive *d, int ret, unsigned how, uint8_t error)
{
    BlockErrorChoice choice = ide_io_failed(d, ret, how);

    if (choice == BLOCK_ERROR_REPORT) {
        ide_abort(d, error);
    }
    return choice == BLOCK_ERROR_IGNORE;
}

/* PIO */

static void pio_read_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    unsigned n = turn_sectors(d);

    if (ret < 0 && !go_on(d, ret, RETRY_PIO | RETRY_READ, ER_UNC)) {
        return;
    }
    d->status = ST_DRDY | ST_DSC;
    ata_advance(d, n);
    ide_pio_start(d, 0, n * IDE_SECTOR, IDE_END_READ);
    ide_raise_irq(d->ch);
}

void ata_pio_read(IdeDrive *d)
{
    unsigned n = turn_sectors(d);

    d->error = 0;
    if (n == 0) {
        d->end = IDE_END_NONE;
        d->status = ST_DRDY | ST_DSC;
        return;
    }
    note_retry(d);
    if (!range_ok(d, n)) {
        ide_abort(d, ER_IDNF);
        return;
    }
    d->status = ST_DRDY | ST_DSC | ST_BSY;
    ide_read(d, ata_lba(d) * IDE_SECTOR, (size_t)n * IDE_SECTOR, 0,
             pio_read_done);
}

static void pio_ask(IdeDrive *d)
{
    note_retry(d);
    d->status = ST_DRDY | ST_DSC;
    ide_pio_start(d, 0, turn_sectors(d) * IDE_SECTOR, IDE_END_WRITE);
}

static void pio_write_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;

    if (ret < 0 && !go_on(d, ret, RETRY_PIO, ER_ABRT)) {
        return;
    }
    ata_advance(d, turn_sectors(d));
    if (d->nsector == 0) {
        d->end = IDE_END_NONE;
        ide_done(d);
    } else {
        pio_ask(d);
        ide_raise_irq(d->ch);
    }
}

static void pio_write(IdeDrive *d)
{
    unsigned n = turn_sectors(d);

    note_retry(d);
    if (!range_ok(d, n)) {
        ide_abort(d, ER_IDNF);
        return;
    }
    d->status = ST_DRDY | ST_DSC | ST_BSY;
    ide_write(d, ata_lba(d) * IDE_SECTOR, (size_t)n * IDE_SECTOR,
              pio_write_done);
}

void ata_end_of_transfer(IdeDrive *d)
{
    if (d->end == IDE_END_READ) {
        ata_pio_read(d);
    } else {
        pio_write(d);
    }
}

static void start_read(IdeDrive *d, bool lba48, bool multiple)
{
    if (multiple && d->mult_sectors == 0) {
        ide_abort(d, ER_ABRT);
        return;
    }
    take_count(d, lba48);
    d->req_nb_sectors = multiple ? d->mult_sectors : 1;
    ata_pio_read(d);
}

/* The first block is asked for without an interrupt. */
static void start_write(IdeDrive *d, bool lba48, bool multiple)
{
    if (multiple && d->mult_sectors == 0) {
        ide_abort(d, ER_ABRT);
        return;
    }
    take_count(d, lba48);
    d->req_nb_sectors = multiple ? d->mult_sectors : 1;
    pio_ask(d);
}

static void start_verify(IdeDrive *d, bool lba48)
{
    take_count(d, lba48);
    if (range_ok(d, d->nsector)) {
        ide_done(d);
    } else {
        ide_abort(d, ER_IDNF);
    }
}

static void start_dma(IdeDrive *d, bool lba48, IdeDma kind)
{
    take_count(d, lba48);
    ide_dma_begin(d, kind, d->nsector);
}

static void start_trim(IdeDrive *d)
{
    if (d->feature != 1) { /* TRIM */
        ide_abort(d, ER_ABRT);
        return;
    }
    d->lba48 = 1;
    d->nsector = (d->nsector & 0xff) | (uint32_t)d->hob_nsector << 8;
    /* Here 0 is none: there is nothing to fetch. */
    if (d->nsector == 0) {
        ide_done(d);
        return;
    }
    ide_dma_begin(d, IDE_DMA_TRIM, d->nsector);
}

/* Flush */

void ide_flush_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;

    if (ret >= 0 || go_on(d, ret, RETRY_FLUSH, ER_ABRT)) {
        ide_done(d);
    }
}

static void start_flush(IdeDrive *d)
{
    d->status = ST_DRDY | ST_BSY;
    ide_flush(d, ide_flush_done);
}

/* Retry */

void ata_retry(IdeDrive *d, unsigned how)
{
    IdeChannel *ch = d->ch;

    ide_pio_stop(d);
    if (how & RETRY_FLUSH) {
        start_flush(d);
        return;
    }
    ata_set_lba(d, ch->retry_sector);
    d->nsector = MIN(ch->retry_nsector, UINT32_C(65536));
    if (how & RETRY_PIO) {
        d->req_nb_sectors = MAX(d->req_nb_sectors, 1);
        if (how & RETRY_READ) {
            ata_pio_read(d);
        } else {
            pio_write(d);
        }
    } else if (how & RETRY_DMA) {
        if (ch->transport->dma_rewind != NULL) {
            ch->transport->dma_rewind(ch);
        }
        ide_dma_begin(d,
                      how & RETRY_TRIM   ? IDE_DMA_TRIM
                      : how & RETRY_READ ? IDE_DMA_READ
                                         : IDE_DMA_WRITE,
                      d->nsector);
    }
}

/* Commands */

static void ata_identify(IdeDrive *d)
{
    ide_identify(d);
    memcpy(d->buffer, d->identify_data, IDE_SECTOR);
    d->status = ST_DRDY | ST_DSC;
    note_retry(d);
    ide_pio_start(d, 0, IDE_SECTOR, IDE_END_STOP);
    ide_raise_irq(d->ch);
}

static void ata_diagnose(IdeDrive *d)
{
    IdeChannel *ch = d->ch;

    for (unsigned i = 0; i < IDE_DRIVES; i++) {
        IdeDrive *o = &ch->drives[i];

        ide_cancel(o);
        ide_set_signature(o);
        o->select = DH_FIXED; /* device 0 is selected then */
        o->error = 1;         /* passed */
        o->status = o->cd ? 0 : ST_DRDY | ST_DSC;
    }
    ch->unit = 0;
    ide_raise_irq(ch);
}

/* What both kinds of drives do; false: it's another command. */
static bool common_command(IdeDrive *d, uint8_t cmd)
{
    switch (cmd) {
    case 0x90: /* EXECUTE DEVICE DIAGNOSTIC */
        ata_diagnose(d);
        return true;
    case 0xe7: /* FLUSH CACHE */
    case 0xea: /* FLUSH CACHE EXT */
        start_flush(d);
        return true;
    case 0x94: /* STANDBY IMMEDIATE and the like: always spinning */
    case 0x95:
    case 0x96:
    case 0x97:
    case 0xe0:
    case 0xe1:
    case 0xe2:
    case 0xe3:
        ide_done(d);
        return true;
    case 0x99: /* SLEEP */
    case 0xe6:
        d->status = ST_DRDY;
        ide_raise_irq(d->ch);
        return true;
    case 0x98: /* CHECK POWER MODE */
    case 0xe5:
        d->nsector = 0xff; /* active or idle */
        ide_done(d);
        return true;
    case 0xef:
        ata_set_features(d);
        return true;
    default:
        return false;
    }
}

static void cd_command(IdeDrive *d, uint8_t cmd)
{
    switch (cmd) {
    case 0x08: /* DEVICE RESET */
        ide_cancel(d);
        ide_set_signature(d);
        d->error = 1;
        d->status = 0;
        break;
    case 0x20: /* READ SECTORS, IDENTIFY DEVICE: how hosts tell what it is */
    case 0xec:
        ide_set_signature(d);
        ide_abort(d, ER_ABRT);
        break;
    case 0xa0:                /* PACKET */
        if (d->feature & 2) { /* overlapped */
            ide_abort(d, ER_ABRT);
            break;
        }
        d->status = ST_DRDY | ST_DSC;
        d->nsector = 1; /* a command is awaited */
        note_retry(d);
        ide_pio_start(d, 0, 12, IDE_END_PACKET);
        break;
    case 0xa1:
        ata_identify(d);
        break;
    default:
        if (!common_command(d, cmd)) {
            ide_abort(d, ER_ABRT);
        }
    }
}

static void hd_transfer(IdeDrive *d, uint8_t cmd)
{
    switch (cmd) {
    case 0x20: /* READ SECTORS */
    case 0x21:
    case 0x24: /* EXT */
        start_read(d, cmd == 0x24, false);
        break;
    case 0x29: /* READ MULTIPLE EXT */
    case 0xc4:
        start_read(d, cmd == 0x29, true);
        break;
    case 0x30: /* WRITE SECTORS */
    case 0x31:
    case 0x34: /* EXT */
    case 0x3c: /* WRITE VERIFY */
        start_write(d, cmd == 0x34, false);
        break;
    case 0x39: /* WRITE MULTIPLE EXT */
    case 0xc5:
        start_write(d, cmd == 0x39, true);
        break;
    case 0x25: /* READ DMA EXT */
    case 0xc8:
    case 0xc9:
        start_dma(d, cmd == 0x25, IDE_DMA_READ);
        break;
    case 0x35: /* WRITE DMA EXT */
    case 0xca:
    case 0xcb:
        start_dma(d, cmd == 0x35, IDE_DMA_WRITE);
        break;
    case 0x2f: /* READ LOG EXT */
        ata_read_log(d);
        break;
    case 0x40: /* READ VERIFY SECTORS */
    case 0x41:
    case 0x42: /* EXT */
        start_verify(d, cmd == 0x42);
        break;
    default:
        ide_abort(d, ER_ABRT);
    }
}

static void hd_command(IdeDrive *d, uint8_t cmd)
{
    switch (cmd) {
    case 0x06: /* DATA SET MANAGEMENT */
        start_trim(d);
        break;
    case 0x10 ... 0x1f: /* RECALIBRATE */
    case 0x91:          /* INITIALIZE DEVICE PARAMETERS: one geometry only */
        ide_done(d);
        break;
    case 0x70 ... 0x7f:
        ata_seek(d);
        break;
    case 0x27: /* READ NATIVE MAX ADDRESS EXT */
    case 0xf8:
        ata_native_max(d, cmd == 0x27);
        break;
    case 0xb0:
        ata_smart(d);
        break;
    case 0xc6:
        ata_set_multiple(d);
        break;
    case 0xec: /* IDENTIFY DEVICE */
        ata_identify(d);
        break;
    default:
        if (!common_command(d, cmd)) {
            hd_transfer(d, cmd);
        }
    }
}

void ide_command(IdeDrive *d, uint8_t cmd)
{
    /* Only DEVICE RESET comes through to a drive at work. */
    if ((d->status & (ST_BSY | ST_DRQ)) && !(d->cd && cmd == 0x08)) {
        return;
    }
    d->error = 0;
    d->status = ST_DRDY;
    d->end = IDE_END_NONE;
    if (d->cd) {
        cd_command(d, cmd);
    } else {
        hd_command(d, cmd);
    }
}
