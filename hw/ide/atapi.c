/*
 * Packet commands: how they come, how their data goes, and reading sectors.
 *
 * Behaviour: ATA/ATAPI-6 (T13/1410D rev. 3b), 9.8 to 9.10; SFF-8020i rev. 2.6;
 * MMC-3 (T10/1363-D rev. 10g).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"

enum {
    IR_CD = 1 << 0, /* interrupt reason, in the sector count register */
    IR_IO = 1 << 1,
    IR_MASK = 7,
    RAW_SECTOR = 2352,
    RAW_HEADER = 16,
    RAW_CHUNK = 14,    /* sectors at once: both forms fit into the buffer */
    MAX_PART = 0xfffe, /* bytes of one part of PIO data */
    BUFFER_USED = 256 * IDE_SECTOR,
    SENSE_MEDIUM_ERROR = 3,
    SENSE_NOT_READY = 2,
    SENSE_ILLEGAL = 5,
    SENSE_ABORTED = 0xb,
    ASC_READ_ERROR = 0x11,
    ASC_OUT_OF_RANGE = 0x21,
    ASC_NO_MEDIUM = 0x3a,
};

static void set_reason(IdeDrive *d, uint8_t reason)
{
    d->nsector = (d->nsector & ~IR_MASK & 0xff) | reason;
}

static bool is_dma(const IdeDrive *d)
{
    return d->feature & 1;
}

static void forget_data(IdeDrive *d)
{
    d->cd_left = 0;
    d->buf_len = d->buf_pos = 0;
    d->packet_size = d->elementary_size = 0;
}

/* Ends */

void atapi_ok(IdeDrive *d)
{
    forget_data(d);
    ide_pio_stop(d);
    d->error = 0;
    set_reason(d, IR_IO | IR_CD);
    ide_done(d);
}

void atapi_error(IdeDrive *d, uint8_t key, uint8_t asc)
{
    forget_data(d);
    d->sense_key = key;
    d->asc = asc;
    set_reason(d, IR_IO | IR_CD);
    ide_abort(d, key << 4);
}

/* Reading sectors into the buffer */

static uint8_t to_bcd(unsigned n)
{
    return (n / 10) << 4 | n % 10;
}

/* CD-ROM mode 1, without the error correction that nobody checks here. */
static void make_raw_sector(uint8_t *p, const uint8_t *data, uint64_t lba)
{
    uint64_t frame = lba + 150;

    p[0] = 0;
    memset(p + 1, 0xff, 10);
    p[11] = 0;
    p[12] = to_bcd(frame / (60 * 75) % 100);
    p[13] = to_bcd(frame / 75 % 60);
    p[14] = to_bcd(frame % 75);
    p[15] = 1;
    memcpy(p + RAW_HEADER, data, CD_SECTOR);
    memset(p + RAW_HEADER + CD_SECTOR, 0, RAW_SECTOR - RAW_HEADER - CD_SECTOR);
}

static void data_next(IdeDrive *d);

static void refill_done(void *opaque, int ret)
{
    IdeDrive *d = opaque;
    unsigned n = d->io_bytes / CD_SECTOR;

    if (ret < 0) {
        if (is_dma(d)) {
            ide_dma_fail(d->ch);
        }
        if (ret != -ENOMEDIUM) {
            block_error_action(d->blk, true, -ret); /* it is to report */
        }
        if (ret == -ENOMEDIUM) {
            atapi_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM);
        } else {
            atapi_error(d, SENSE_MEDIUM_ERROR, ASC_READ_ERROR);
        }
        return;
    }
    if (d->cd_sector == RAW_SECTOR) {
        for (unsigned i = 0; i < n; i++) {
            make_raw_sector(d->buffer + d->buf_len + (size_t)i * RAW_SECTOR,
                            d->buffer + BUFFER_USED -
                                (size_t)(n - i) * CD_SECTOR,
                            d->cd_lba + i);
        }
    }
    d->buf_len += n * d->cd_sector;
    d->cd_lba += n;
    d->cd_left -= n;
    if (is_dma(d)) {
        atapi_dma(d);
    } else {
        data_next(d);
    }
}

/* More sectors behind what is in the buffer. */
static void atapi_refill(IdeDrive *d)
{
    unsigned rest = d->buf_len - d->buf_pos, n;
    size_t at = rest;

    memmove(d->buffer, d->buffer + d->buf_pos, rest);
    d->buf_pos = 0;
    d->buf_len = rest;
    n = MIN(d->cd_left, (BUFFER_USED - rest) / CD_SECTOR);
    if (d->cd_sector == RAW_SECTOR) {
        n = MIN(n, (unsigned)RAW_CHUNK);
        at = BUFFER_USED - (size_t)n * CD_SECTOR;
    }
    d->status = ST_DRDY | ST_DSC | ST_BSY;
    ide_read(d, d->cd_lba * CD_SECTOR, (size_t)n * CD_SECTOR, at, refill_done);
}

/* Data to the guest */

static unsigned part_limit(const IdeDrive *d)
{
    unsigned limit = d->lcyl | d->hcyl << 8;

    limit = MIN(limit, (unsigned)MAX_PART);
    /* Only the last part may be odd. */
    return (uint32_t)d->packet_size > limit ? limit & ~1U
                                            : (unsigned)d->packet_size;
}

/* By PIO: the next part, as large as the host wants them. */
static void data_next(IdeDrive *d)
{
    unsigned n;

    if (d->packet_size <= 0) {
        atapi_ok(d);
        return;
    }
    n = part_limit(d);
    if (n == 0) {
        /* A byte count of zero asks for nothing, for ever. */
        forget_data(d);
        ide_abort(d, ER_ABRT);
        return;
    }
    if (d->buf_len - d->buf_pos < n && d->cd_left > 0) {
        atapi_refill(d);
        return;
    }
    if (d->buf_len - d->buf_pos < n) {
        /* What was there didn't come along in a migration. */
        atapi_error(d, SENSE_ABORTED, 0);
        return;
    }
    d->lcyl = n;
    d->hcyl = n >> 8;
    set_reason(d, IR_IO);
    d->status = ST_DRDY | ST_DSC;
    ide_pio_start(d, d->buf_pos, n, IDE_END_ATAPI_DATA);
    d->buf_pos += n;
    d->packet_size -= n;
    ide_raise_irq(d->ch);
}

void atapi_end_of_transfer(IdeDrive *d)
{
    data_next(d);
}

void atapi_dma(IdeDrive *d)
{
    IdeChannel *ch = d->ch;
    size_t have = d->buf_len - d->buf_pos, n;
    bool bad = false;

    if (have == 0 && d->cd_left > 0) {
        atapi_refill(d);
        d->status |= ST_DRQ;
        return;
    }
    n = ch->transport->dma_copy(ch, d->buffer + d->buf_pos, have, true, &bad);
    d->buf_pos += n;
    d->packet_size -= n;
    if (bad) {
        ide_dma_fail(ch);
        atapi_error(d, SENSE_ABORTED, 0);
    } else if (n < have) {
        forget_data(d);
        ide_dma_short(d);
    } else if (d->cd_left > 0) {
        atapi_dma(d);
    } else {
        ide_dma_end(ch);
        atapi_ok(d);
    }
}

static void data_start(IdeDrive *d)
{
    if (is_dma(d)) {
        ide_dma_begin(d, IDE_DMA_ATAPI, 0);
    } else {
        data_next(d);
    }
}

void atapi_reply(IdeDrive *d, unsigned len, unsigned max)
{
    len = MIN(len, max);
    if (len == 0) {
        atapi_ok(d);
        return;
    }
    d->cd_left = 0;
    d->buf_pos = 0;
    d->buf_len = len;
    d->packet_size = len;
    data_start(d);
}

void atapi_read(IdeDrive *d, uint64_t lba, uint32_t nsectors, uint32_t sector)
{
    if (nsectors == 0) {
        atapi_ok(d);
        return;
    }
    if (!range_fits(lba, nsectors, block_size(d->blk) / CD_SECTOR) ||
        nsectors > INT32_MAX / RAW_SECTOR) {
        atapi_error(d, SENSE_ILLEGAL, ASC_OUT_OF_RANGE);
        return;
    }
    d->cd_lba = lba;
    d->cd_left = nsectors;
    d->cd_sector = sector;
    d->buf_len = d->buf_pos = 0;
    d->packet_size = (int32_t)(nsectors * sector);
    data_start(d);
}

void atapi_packet(IdeDrive *d)
{
    uint8_t cdb[12];

    memcpy(cdb, d->buffer, sizeof(cdb));
    d->status = ST_DRDY | ST_DSC;
    atapi_execute(d, cdb);
}
