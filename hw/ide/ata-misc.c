/*
 * ATA commands that transfer no disk data.
 *
 * Behaviour: ATA/ATAPI-6 (T13/1410D rev. 3b), chapter 8; SMART data: 8.55.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"
#include "util/bswap.h"

/* SET FEATURES */

/* Transfer mode by number; false: there is none such. */
static bool set_transfer_mode(IdeDrive *d, uint8_t mode)
{
    unsigned n = mode & 7;

    switch (mode >> 3) {
    case 0: /* PIO, default */
    case 1: /* PIO with flow control */
        ide_identify_put(d, 62, 0x07);
        ide_identify_put(d, 63, 0x07);
        ide_identify_put(d, 88, 0x3f);
        return true;
    case 2: /* single word DMA */
        ide_identify_put(d, 62, 0x07 | 1 << (n + 8));
        ide_identify_put(d, 63, 0x07);
        ide_identify_put(d, 88, 0x3f);
        return n <= 2;
    case 4: /* multiword DMA */
        ide_identify_put(d, 62, 0x07);
        ide_identify_put(d, 63, 0x07 | 1 << (n + 8));
        ide_identify_put(d, 88, 0x3f);
        return n <= 2;
    case 8: /* Ultra DMA */
        ide_identify_put(d, 62, 0x07);
        ide_identify_put(d, 63, 0x07);
        ide_identify_put(d, 88, 0x3f | 1 << (n + 8));
        return n <= 5;
    default:
        return false;
    }
}

static void set_write_cache(IdeDrive *d, bool on)
{
    uint16_t word = ide_identify_get(d, 85);

    ide_identify_put(d, 85, on ? word | 1 << 5 : word & ~(1 << 5));
    block_set_write_cache(d->blk, on);
    if (on) {
        ide_done(d);
        return;
    }
    /* What is in the cache must not stay there. */
    d->status = ST_DRDY | ST_BSY;
    ide_flush(d, ide_flush_done);
}

void ata_set_features(IdeDrive *d)
{
    ide_identify(d);
    switch (d->feature) {
    case 0x02:
    case 0x82:
        if (d->cd) {
            ide_abort(d, ER_ABRT);
        } else {
            set_write_cache(d, d->feature == 0x02);
        }
        break;
    case 0x03:
        if (set_transfer_mode(d, d->nsector)) {
            ide_done(d);
        } else {
            ide_abort(d, ER_ABRT);
        }
        break;
    case 0x05: /* power management level, look-ahead, acoustics, defaults */
    case 0x42:
    case 0x55:
    case 0x66:
    case 0x69:
    case 0x67:
    case 0x85:
    case 0x96:
    case 0x9a:
    case 0xaa:
    case 0xc2:
    case 0xcc:
        if (d->cd) {
            ide_abort(d, ER_ABRT);
        } else {
            ide_done(d);
        }
        break;
    default:
        ide_abort(d, ER_ABRT);
    }
}

/* SMART */

static const struct {
    uint8_t id, flags, threshold, raw[6];
} smart_attrs[] = {
    { 1, 0x03, 6, { 0 } },    /* raw read error rate */
    { 3, 0x03, 0, { 0 } },    /* spin-up time */
    { 4, 0x02, 20, { 100 } }, /* start/stop count */
    { 5, 0x03, 36, { 0 } },   /* reallocated sectors */
    { 9, 0x03, 0, { 1 } },    /* power-on hours */
    { 12, 0x03, 0, { 0 } },   /* power cycles */
};

static void smart_checksum(uint8_t *p)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < IDE_SECTOR - 1; i++) {
        sum += p[i];
    }
    p[IDE_SECTOR - 1] = -sum;
}

static void smart_data(uint8_t *p)
{
    p[0] = 1; /* revision */
    for (unsigned i = 0; i < G_N_ELEMENTS(smart_attrs); i++) {
        uint8_t *a = p + 2 + 12 * i;

        a[0] = smart_attrs[i].id;
        a[1] = smart_attrs[i].flags;
        a[3] = 100; /* value, and the worst so far */
        a[4] = 100;
        memcpy(a + 5, smart_attrs[i].raw, 6);
    }
    p[362] = 0x02;          /* off-line data collection was completed */
    stw_le_p(p + 364, 120); /* seconds for it */
    p[367] = 1;             /* EXECUTE OFF-LINE IMMEDIATE is there */
    stw_le_p(p + 368, 3);   /* saves attributes, also on its own */
    p[372] = 2;             /* minutes of the short self-test */
    p[373] = 54;            /* of the extended one */
}

static void smart_thresholds(uint8_t *p)
{
    p[0] = 1;
    for (unsigned i = 0; i < G_N_ELEMENTS(smart_attrs); i++) {
        p[2 + 12 * i] = smart_attrs[i].id;
        p[3 + 12 * i] = smart_attrs[i].threshold;
    }
}

static void smart_reply(IdeDrive *d, void (*fill)(uint8_t *p))
{
    memset(d->buffer, 0, IDE_SECTOR);
    fill(d->buffer);
    smart_checksum(d->buffer);
    d->status = ST_DRDY | ST_DSC;
    ide_pio_start(d, 0, IDE_SECTOR, IDE_END_STOP);
    ide_raise_irq(d->ch);
}

void ata_smart(IdeDrive *d)
{
    if (d->lcyl != 0x4f || d->hcyl != 0xc2) {
        ide_abort(d, ER_ABRT);
        return;
    }
    switch (d->feature) {
    case 0xd0: /* READ DATA */
        smart_reply(d, smart_data);
        break;
    case 0xd1: /* READ THRESHOLDS */
        smart_reply(d, smart_thresholds);
        break;
    case 0xd2: /* attribute autosave, SAVE ATTRIBUTE VALUES */
    case 0xd3:
    case 0xd4: /* EXECUTE OFF-LINE IMMEDIATE: over at once */
    case 0xd8: /* enable; it can't be disabled */
        ide_done(d);
        break;
    case 0xda: /* RETURN STATUS: registers unchanged mean healthy */
        ide_done(d);
        break;
    default:
        ide_abort(d, ER_ABRT);
    }
}

/* Logs */

enum {
    LOG_DIRECTORY = 0x00,
    LOG_NCQ_ERROR = 0x10,
    LOG_NOT_QUEUED = 1 << 7,
};

/* The directory: for each log a word at its number, its length in pages. */
static void log_directory(uint8_t *p)
{
    stw_le_p(p, 1); /* version */
    stw_le_p(p + 2 * LOG_NCQ_ERROR, 1);
}

/* SATA 3.0, 13.7.4: told once. */
static void log_ncq_error(IdeDrive *d)
{
    const IdeNcqError *e = &d->ncq_error;
    uint8_t *p = d->buffer;

    if (!e->valid) {
        p[0] = LOG_NOT_QUEUED;
    } else {
        p[0] = e->tag;
        p[2] = e->status;
        p[3] = e->error;
        p[4] = e->lba;
        p[5] = e->lba >> 8;
        p[6] = e->lba >> 16;
        p[7] = DH_LBA;
        p[8] = e->lba >> 24;
        p[9] = e->lba >> 32;
        p[10] = e->lba >> 40;
        stw_le_p(p + 12, e->count);
    }
    smart_checksum(p);
    d->ncq_error.valid = false;
}

/* READ LOG EXT: the logs of drives whose commands can be queued. */
void ata_read_log(IdeDrive *d)
{
    uint32_t n = (d->nsector & 0xff) | (uint32_t)d->hob_nsector << 8;

    if (!d->ch->transport->ncq || n != 1 || d->lcyl != 0 || d->hob_lcyl != 0 ||
        (d->sector != LOG_DIRECTORY && d->sector != LOG_NCQ_ERROR)) {
        ide_abort(d, ER_ABRT);
        return;
    }
    memset(d->buffer, 0, IDE_SECTOR);
    if (d->sector == LOG_DIRECTORY) {
        log_directory(d->buffer);
    } else {
        log_ncq_error(d);
    }
    d->status = ST_DRDY | ST_DSC;
    ide_pio_start(d, 0, IDE_SECTOR, IDE_END_STOP);
    ide_raise_irq(d->ch);
}

/* Small ones */

void ata_seek(IdeDrive *d)
{
    d->lba48 = 0;
    if (ata_lba(d) < ata_sectors(d)) {
        ide_done(d);
    } else {
        ide_abort(d, ER_IDNF);
    }
}

void ata_set_multiple(IdeDrive *d)
{
    unsigned n = d->nsector & 0xff;

    if (n > IDE_MAX_MULT || (n != 0 && !is_pow2(n))) {
        ide_abort(d, ER_ABRT);
        return;
    }
    d->mult_sectors = n;
    ide_identify(d);
    ide_identify_put(d, 59, n != 0 ? 0x100 | n : 0);
    ide_done(d);
}

void ata_native_max(IdeDrive *d, bool ext)
{
    uint64_t max = ata_sectors(d) - 1;
    uint8_t select = d->select;

    if (!ext) {
        max = MIN(max, UINT64_C(0xfffffff));
    }
    d->lba48 = ext;
    d->select |= DH_LBA;
    ata_set_lba(d, max);
    d->select = (select & 0xf0) | (d->select & 0xf);
    ide_done(d);
}

/*
 * TRIM is a hint, and data that was trimmed may still be read: the ranges are
 * checked, and kept as they are.
 */
bool ata_trim_ranges(IdeDrive *d, size_t len)
{
    for (size_t i = 0; i + 8 <= len; i += 8) {
        uint64_t entry = ldq_le_p(d->buffer + i);
        uint64_t lba = entry & MAKE_64BIT_MASK(0, 48), n = entry >> 48;

        if (n != 0 && !range_fits(lba, n, ata_sectors(d))) {
            return false;
        }
    }
    return true;
}
