/*
 * IDENTIFY DEVICE and IDENTIFY PACKET DEVICE.
 *
 * Behaviour: ATA/ATAPI-6 (T13/1410D rev. 3b), 8.15 and 8.16; words 106, 169
 * and 217: ACS-2 (T13/2015-D rev. 3), 7.16.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"
#include "util/bswap.h"

void ide_identify_put(IdeDrive *d, unsigned word, uint16_t val)
{
    stw_le_p(d->identify_data + 2 * word, val);
}

uint16_t ide_identify_get(const IdeDrive *d, unsigned word)
{
    return lduw_le_p(d->identify_data + 2 * word);
}

/* The first letter is the upper byte of a word. */
static void put_text(IdeDrive *d, unsigned word, const char *s, unsigned len)
{
    uint8_t *p = d->identify_data + 2 * word;

    for (unsigned i = 0; i < len; i++) {
        p[i ^ 1] = *s != '\0' ? *s++ : ' ';
    }
}

static void identify_put32(IdeDrive *d, unsigned word, uint32_t val)
{
    ide_identify_put(d, word, val);
    ide_identify_put(d, word + 1, val >> 16);
}

static void put_names(IdeDrive *d)
{
    put_text(d, 10, d->dev->serial, 20);
    ide_identify_put(d, 20, 3);   /* buffer: dual ported with cache, … */
    ide_identify_put(d, 21, 512); /* … in sectors */
    ide_identify_put(d, 22, 4);
    put_text(d, 23, d->dev->version, 8);
    put_text(d, 27, d->dev->model, 40);
    ide_identify_put(d, 48, 1); /* 32-bit PIO */
}

static void put_wwn(IdeDrive *d)
{
    uint64_t wwn = d->dev->wwn;

    if (wwn == 0) {
        return;
    }
    ide_identify_put(d, 84, ide_identify_get(d, 84) | 1 << 8);
    ide_identify_put(d, 87, ide_identify_get(d, 87) | 1 << 8);
    for (unsigned i = 0; i < 4; i++) {
        ide_identify_put(d, 108 + i, wwn >> (48 - 16 * i));
    }
}

static void put_disk_size(IdeDrive *d)
{
    const IdeDevice *s = d->dev;
    uint64_t n = ata_sectors(d);
    unsigned ratio = s->conf.physical_block / s->conf.logical_block;
    unsigned exp = 0;

    while (ratio > 1U << exp && exp < 15) {
        exp++;
    }
    identify_put32(d, 57, s->geo.cylinders * s->geo.heads * s->geo.sectors);
    identify_put32(d, 60, MIN(n, UINT64_C(0xfffffff)));
    identify_put32(d, 100, n);
    identify_put32(d, 102, n >> 32);
    ide_identify_put(d, 106, 0x6000 | exp);
}

static void put_disk_features(IdeDrive *d)
{
    const IdeDevice *s = d->dev;

    ide_identify_put(d, 47, 0x8000 | IDE_MAX_MULT);
    ide_identify_put(d, 49, 0x0b00); /* IORDY, LBA, DMA */
    ide_identify_put(d, 51, 0x200);  /* PIO and DMA cycles of old */
    ide_identify_put(d, 52, 0x200);
    ide_identify_put(d, 53, 7); /* words 54-58, 64-70, 88 count */
    ide_identify_put(d, 59, d->mult_sectors != 0 ? 0x100 | d->mult_sectors : 0);
    ide_identify_put(d, 62, 7);
    ide_identify_put(d, 63, 7);
    ide_identify_put(d, 64, 3); /* PIO 3 and 4 */
    for (unsigned i = 65; i <= 68; i++) {
        ide_identify_put(d, i, 120); /* ns of a cycle */
    }
    ide_identify_put(d, 80, 0xf0); /* ATA-4 to ATA-7 */
    ide_identify_put(d, 81, 0x16);
    ide_identify_put(d, 82, 1 << 14 | 1 << 5 | 1); /* NOP, cache, SMART */
    ide_identify_put(d, 83, 1 << 14 | 1 << 13 | 1 << 12 | 1 << 10);
    ide_identify_put(d, 84, 1 << 14);
    ide_identify_put(d, 85,
                     1 << 14 | (block_write_cache(d->blk) ? 1 << 5 : 0) | 1);
    ide_identify_put(d, 86, 1 << 13 | 1 << 12 | 1 << 10);
    ide_identify_put(d, 87, 1 << 14);
    ide_identify_put(d, 88, 0x3f | 1 << 13); /* UDMA 5 is chosen */
    ide_identify_put(d, 93, 1 | 1 << 14 | 0x2000);
    if (s->conf.discard_gran != 0) {
        ide_identify_put(d, 69, 1 << 14); /* the same data after a TRIM */
        ide_identify_put(d, 169, 1);
    }
    ide_identify_put(d, 217, s->rotation_rate);
}

static void identify_disk(IdeDrive *d)
{
    const Geometry *geo = &d->dev->geo;

    ide_identify_put(d, 0, 0x40); /* fixed disk */
    ide_identify_put(d, 1, geo->cylinders);
    ide_identify_put(d, 3, geo->heads);
    ide_identify_put(d, 4, 512 * geo->sectors);
    ide_identify_put(d, 5, 512);
    ide_identify_put(d, 6, geo->sectors);
    put_names(d);
    ide_identify_put(d, 54, geo->cylinders);
    ide_identify_put(d, 55, geo->heads);
    ide_identify_put(d, 56, geo->sectors);
    put_disk_features(d);
    put_disk_size(d);
    put_wwn(d);
}

static void identify_cd(IdeDrive *d)
{
    /* Packet device, CD-ROM, removable, 12-byte packets, DRQ within 50 us */
    ide_identify_put(d, 0, 2 << 14 | 5 << 8 | 1 << 7 | 2 << 5);
    put_names(d);
    ide_identify_put(d, 49, 1 << 9 | 1 << 8);
    ide_identify_put(d, 53, 7);
    ide_identify_put(d, 62, 7);
    ide_identify_put(d, 63, 7);
    ide_identify_put(d, 64, 3);
    ide_identify_put(d, 65, 0xb4);
    ide_identify_put(d, 66, 0xb4);
    ide_identify_put(d, 67, 0x12c);
    ide_identify_put(d, 68, 0xb4);
    ide_identify_put(d, 71, 30);
    ide_identify_put(d, 72, 30);
    ide_identify_put(d, 80, 0x1e);
    ide_identify_put(d, 88, 0x3f | 1 << 13);
    put_wwn(d);
}

static void put_ncq(IdeDrive *d)
{
    if (d->ch->transport->ncq) {
        ide_identify_put(d, 75, 31);     /* tags, less one */
        ide_identify_put(d, 76, 1 << 8); /* native command queuing */
    }
}

void ide_identify(IdeDrive *d)
{
    if (d->identify_set) {
        return;
    }
    memset(d->identify_data, 0, IDE_SECTOR);
    if (d->cd) {
        identify_cd(d);
    } else {
        identify_disk(d);
    }
    put_ncq(d);
    d->identify_set = 1;
}
