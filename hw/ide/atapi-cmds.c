/*
 * Packet commands of a CD-ROM drive.
 *
 * Behaviour: MMC-3 (T10/1363-D rev. 10g), chapter 6; SFF-8020i rev. 2.6,
 * chapter 10.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"
#include "util/bswap.h"

enum {
    SENSE_NONE = 0,
    SENSE_NOT_READY = 2,
    SENSE_ILLEGAL = 5,
    SENSE_UNIT_ATTENTION = 6,
    ASC_BAD_OPCODE = 0x20,
    ASC_BAD_FIELD = 0x24,
    ASC_MEDIUM_CHANGED = 0x28,
    ASC_NOT_SAVED = 0x39,
    ASC_NO_MEDIUM = 0x3a,
    ASC_LOCKED = 0x53,
    MSF_OFFSET = 150,        /* frames before the first sector */
    CD_MAX_SECTORS = 360000, /* of 80 minutes; what is larger is a DVD */
    PROFILE_CD = 0x0008,
    PROFILE_DVD = 0x0010,
};

typedef struct PacketCommand {
    void (*fn)(IdeDrive *d, const uint8_t *cdb);
    bool allow_ua; /* goes before a unit attention */
    bool ready;    /* needs a medium */
} PacketCommand;

static void bad_field(IdeDrive *d)
{
    atapi_error(d, SENSE_ILLEGAL, ASC_BAD_FIELD);
}

static bool has_medium(const IdeDrive *d)
{
    return block_is_inserted(d->blk) && !d->tray_open;
}

static uint64_t medium_sectors(const IdeDrive *d)
{
    return block_size(d->blk) / CD_SECTOR;
}

static bool is_dvd(const IdeDrive *d)
{
    return has_medium(d) && medium_sectors(d) > CD_MAX_SECTORS;
}

static void put_msf(uint8_t *p, uint64_t lba)
{
    uint64_t frame = lba + MSF_OFFSET;

    p[0] = frame / (60 * 75);
    p[1] = frame / 75 % 60;
    p[2] = frame % 75;
}

/* Status */

static void test_unit_ready(IdeDrive *d, const uint8_t *cdb)
{
    atapi_ok(d);
}

static void request_sense(IdeDrive *d, const uint8_t *cdb)
{
    uint8_t *p = d->buffer;

    memset(p, 0, 18);
    p[0] = 0xf0; /* current error, information is valid */
    p[2] = d->sense_key;
    p[7] = 10;
    p[12] = d->asc;
    /* Told once; a unit attention too. */
    if (d->sense_key == SENSE_UNIT_ATTENTION) {
        d->cdrom_changed = 0;
    }
    d->sense_key = SENSE_NONE;
    d->asc = 0;
    atapi_reply(d, 18, cdb[4]);
}

static void put_text(uint8_t *p, const char *s, unsigned len)
{
    memset(p, ' ', len);
    memcpy(p, s, MIN(strlen(s), (size_t)len));
}

/* Vital product data: the list of pages, and who the drive is. */
static void inquiry_vpd(IdeDrive *d, const uint8_t *cdb)
{
    const char *serial = d->dev->serial;
    unsigned len = MIN((unsigned)strlen(serial), 20U);
    uint8_t *p = d->buffer;

    memset(p, 0, 64);
    p[0] = 5;
    p[1] = cdb[2];
    switch (cdb[2]) {
    case 0x00:
        p[3] = 2;
        p[4] = 0x00;
        p[5] = 0x83;
        break;
    case 0x83:
        p[3] = 4 + len;
        p[4] = 2; /* ASCII */
        p[7] = len;
        memcpy(p + 8, serial, len);
        break;
    default:
        bad_field(d);
        return;
    }
    atapi_reply(d, 4 + p[3], lduw_be_p(cdb + 3));
}

static void atapi_inquiry(IdeDrive *d, const uint8_t *cdb)
{
    uint8_t *p = d->buffer;

    if (cdb[1] & 1) {
        inquiry_vpd(d, cdb);
        return;
    }
    if (cdb[2] != 0) {
        bad_field(d);
        return;
    }
    memset(p, 0, 36);
    p[0] = 5;    /* CD-ROM */
    p[1] = 0x80; /* removable */
    p[3] = 0x21; /* ATAPI, response format 1 */
    p[4] = 31;
    put_text(p + 8, "QEMU", 8);
    put_text(p + 16, "QEMU DVD-ROM", 16);
    put_text(p + 32, d->dev->version, 4);
    atapi_reply(d, 36, lduw_be_p(cdb + 3));
}

static void event_status(IdeDrive *d, const uint8_t *cdb)
{
    uint8_t *p = d->buffer;

    if (!(cdb[1] & 1)) { /* would have to wait for an event */
        bad_field(d);
        return;
    }
    memset(p, 0, 8);
    p[3] = 0x10; /* media events are what there is */
    if (!(cdb[4] & 0x10)) {
        p[2] = 0x80; /* no event available */
        atapi_reply(d, 4, lduw_be_p(cdb + 7));
        return;
    }
    p[1] = 4;
    p[2] = 4;
    /* What waits to be told is about what is behind a closed door. */
    if (d->tray_open) {
        p[4] = 0;
    } else if (d->new_media) {
        p[4] = 2;
        d->new_media = false;
    } else if (d->eject_request) {
        p[4] = 1;
        d->eject_request = false;
    }
    p[5] = d->tray_open ? 1 : block_is_inserted(d->blk) ? 2 : 0;
    atapi_reply(d, 8, lduw_be_p(cdb + 7));
}

static void mechanism_status(IdeDrive *d, const uint8_t *cdb)
{
    uint8_t *p = d->buffer;

    memset(p, 0, 8);
    p[5] = 1; /* slots */
    atapi_reply(d, 8, lduw_be_p(cdb + 8));
}

/* Tray */

static void start_stop(IdeDrive *d, const uint8_t *cdb)
{
    bool start = cdb[4] & 1, eject = cdb[4] & 2;

    /* A power condition, or the motor: nothing to see of it. */
    if ((cdb[4] & 0xf0) || !eject) {
        atapi_ok(d);
        return;
    }
    if (!start && !d->tray_open && d->tray_locked) {
        atapi_error(d, SENSE_ILLEGAL, ASC_LOCKED);
        return;
    }
    d->tray_open = !start;
    block_move_tray(d->blk, d->tray_open);
    atapi_ok(d);
}

static void medium_changed(void *opaque, bool load)
{
    IdeDrive *d = opaque;

    d->tray_open = !load;
    d->cdrom_changed = 1;
    d->new_media = true;
    d->eject_request = false;
}

static void eject_requested(void *opaque, bool force)
{
    IdeDrive *d = opaque;

    d->eject_request = true;
    if (force) {
        d->tray_locked = false;
        block_set_locked(d->blk, false);
    }
}

const BlockDevOps atapi_dev_ops = {
    .medium_changed = medium_changed,
    .eject_request = eject_requested,
};

static void prevent_removal(IdeDrive *d, const uint8_t *cdb)
{
    d->tray_locked = cdb[4] & 1;
    block_set_locked(d->blk, d->tray_locked);
    atapi_ok(d);
}

/* The medium */

static void read_capacity(IdeDrive *d, const uint8_t *cdb)
{
    uint64_t n = medium_sectors(d);

    stl_be_p(d->buffer, n != 0 ? MIN(n - 1, (uint64_t)UINT32_MAX) : 0);
    stl_be_p(d->buffer + 4, CD_SECTOR);
    atapi_reply(d, 8, 8);
}

static uint8_t *toc_entry(uint8_t *p, bool msf, uint8_t track, uint64_t lba)
{
    memset(p, 0, 8);
    p[1] = 0x14; /* data track, position in the subchannel */
    p[2] = track;
    if (msf) {
        put_msf(p + 5, lba);
    } else {
        stl_be_p(p + 4, MIN(lba, (uint64_t)UINT32_MAX));
    }
    return p + 8;
}

/* As the lead-in has it: the first track, the last, the end, and the track. */
static uint8_t *raw_toc(uint8_t *p, uint64_t end)
{
    static const uint8_t points[] = { 0xa0, 0xa1, 0xa2, 1 };

    for (unsigned i = 0; i < G_N_ELEMENTS(points); i++) {
        memset(p, 0, 11);
        p[0] = 1; /* session */
        p[1] = 0x14;
        p[3] = points[i];
        if (i < 2) {
            p[8] = 1;
        } else {
            put_msf(p + 8, i == 2 ? end : 0);
        }
        p += 11;
    }
    return p;
}

static void read_toc(IdeDrive *d, const uint8_t *cdb)
{
    unsigned format = cdb[2] & 0xf ? cdb[2] & 0xf : cdb[9] >> 6;
    bool msf = cdb[1] & 2;
    uint8_t first = cdb[6];
    uint8_t *p = d->buffer, *end = p + 4;

    p[2] = p[3] = 1; /* first and last track or session */
    switch (format) {
    case 0:
        if (first > 1 && first != 0xaa) {
            bad_field(d);
            return;
        }
        if (first <= 1) {
            end = toc_entry(end, msf, 1, 0);
        }
        end = toc_entry(end, msf, 0xaa, medium_sectors(d));
        break;
    case 1:
        end = toc_entry(end, msf, 1, 0);
        break;
    case 2:
        end = raw_toc(end, medium_sectors(d));
        break;
    default:
        bad_field(d);
        return;
    }
    stw_be_p(p, end - p - 2);
    atapi_reply(d, end - p, lduw_be_p(cdb + 7));
}

static void read_disc_info(IdeDrive *d, const uint8_t *cdb)
{
    uint8_t *p = d->buffer;

    if (cdb[1] & 7) {
        bad_field(d);
        return;
    }
    memset(p, 0, 34);
    p[1] = 32;
    p[2] = 0x0e; /* finalized, last session complete */
    p[3] = p[4] = p[5] = p[6] = 1;
    p[7] = 0x20; /* unrestricted use */
    atapi_reply(d, 34, lduw_be_p(cdb + 7));
}

static void get_configuration(IdeDrive *d, const uint8_t *cdb)
{
    unsigned profile = !has_medium(d) ? 0
                       : is_dvd(d)    ? PROFILE_DVD
                                      : PROFILE_CD;
    unsigned len = 8;
    uint8_t *p = d->buffer;

    if ((cdb[1] & 3) == 3) {
        bad_field(d);
        return;
    }
    memset(p, 0, 20);
    stw_be_p(p + 6, profile);
    if (lduw_be_p(cdb + 2) == 0) { /* from the profile list on */
        p[10] = 3;                 /* persistent and current */
        p[11] = 8;
        stw_be_p(p + 12, PROFILE_DVD);
        p[14] = profile == PROFILE_DVD;
        stw_be_p(p + 16, PROFILE_CD);
        p[18] = profile == PROFILE_CD;
        len = 20;
    }
    stl_be_p(p, len - 4);
    atapi_reply(d, len, lduw_be_p(cdb + 7));
}

static void dvd_physical(uint8_t *p, uint64_t sectors)
{
    p[4] = 1;    /* DVD-ROM, part version 1 */
    p[5] = 0x0f; /* 120 mm, no rate given */
    p[6] = 1;    /* one layer, embossed */
    stl_be_p(p + 8, 0x30000);
    stl_be_p(p + 12, 0x30000 + sectors - 1);
}

static void read_dvd_structure(IdeDrive *d, const uint8_t *cdb)
{
    unsigned len;
    uint8_t *p = d->buffer;

    if (!is_dvd(d) || cdb[6] != 0) {
        bad_field(d);
        return;
    }
    memset(p, 0, 2052);
    switch (cdb[7]) {
    case 0: /* physical format */
        dvd_physical(p, medium_sectors(d));
        len = 2052;
        break;
    case 1: /* copyright: not protected */
        len = 8;
        break;
    case 4: /* manufacturer */
        len = 2052;
        break;
    default:
        bad_field(d);
        return;
    }
    stw_be_p(p, len - 2);
    atapi_reply(d, len, lduw_be_p(cdb + 8));
}

/* Mode pages */

static unsigned mode_page(IdeDrive *d, unsigned page, uint8_t *p)
{
    static const uint8_t errors[] = { 0x01, 6, 0x00, 5 };
    static const uint8_t audio[] = { 0x0e, 14, 0, 0, 0, 0, 0, 0,
                                     2,    0,  0, 0, 2, 0, 0, 0 };
    static const uint8_t caps[] = {
        0x2a, 20, 0x3b, 0, 0x71, 0x60, 0x29, 0, 0x02, 0xc0, /* 4x */
        0,    2,  2,    0, 0x02, 0xc0, 0,    0, 0,    0,    0, 0,
    };

    switch (page) {
    case 0x01:
        memset(p, 0, 8);
        memcpy(p, errors, sizeof(errors));
        return 8;
    case 0x0e:
        memcpy(p, audio, sizeof(audio));
        return sizeof(audio);
    case 0x2a:
        memcpy(p, caps, sizeof(caps));
        p[6] |= d->tray_locked ? 2 : 0;
        return sizeof(caps);
    default:
        return 0;
    }
}

static void mode_sense(IdeDrive *d, const uint8_t *cdb)
{
    static const uint8_t pages[] = { 0x01, 0x0e, 0x2a };
    unsigned control = cdb[2] >> 6, page = cdb[2] & 0x3f, len = 8;
    uint8_t *p = d->buffer;

    if (control == 3) {
        atapi_error(d, SENSE_ILLEGAL, ASC_NOT_SAVED);
        return;
    }
    if (control == 1) { /* what can be changed */
        bad_field(d);
        return;
    }
    memset(p, 0, len);
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        if (page == pages[i] || page == 0x3f) {
            len += mode_page(d, pages[i], p + len);
        }
    }
    if (len == 8) {
        bad_field(d);
        return;
    }
    stw_be_p(p, len - 2);
    p[2] = 0x70; /* door closed, no disc or an unknown one */
    atapi_reply(d, len, lduw_be_p(cdb + 7));
}

/* Reading */

static void read_10(IdeDrive *d, const uint8_t *cdb)
{
    atapi_read(d, ldl_be_p(cdb + 2), lduw_be_p(cdb + 7), CD_SECTOR);
}

static void read_12(IdeDrive *d, const uint8_t *cdb)
{
    atapi_read(d, ldl_be_p(cdb + 2), ldl_be_p(cdb + 6), CD_SECTOR);
}

static void read_cd(IdeDrive *d, const uint8_t *cdb)
{
    uint32_t n = ldl_be_p(cdb + 5) & 0xffffff;

    switch (cdb[9] & 0xf8) {
    case 0x00: /* no data asked for */
        atapi_ok(d);
        break;
    case 0x10: /* user data */
        atapi_read(d, ldl_be_p(cdb + 2), n, CD_SECTOR);
        break;
    case 0xf8: /* all of it */
        atapi_read(d, ldl_be_p(cdb + 2), n, 2352);
        break;
    default:
        bad_field(d);
    }
}

static void atapi_seek(IdeDrive *d, const uint8_t *cdb)
{
    if (ldl_be_p(cdb + 2) >= medium_sectors(d)) {
        atapi_error(d, SENSE_ILLEGAL, 0x21);
    } else {
        atapi_ok(d);
    }
}

static void set_speed(IdeDrive *d, const uint8_t *cdb)
{
    atapi_ok(d);
}

static const PacketCommand commands[256] = {
    [0x00] = { .fn = test_unit_ready, .ready = true },
    [0x03] = { .fn = request_sense, .allow_ua = true },
    [0x12] = { .fn = atapi_inquiry, .allow_ua = true },
    [0x1b] = { .fn = start_stop },
    [0x1e] = { .fn = prevent_removal },
    [0x25] = { .fn = read_capacity, .ready = true },
    [0x28] = { .fn = read_10, .ready = true },
    [0x2b] = { .fn = atapi_seek, .ready = true },
    [0x43] = { .fn = read_toc, .ready = true },
    [0x46] = { .fn = get_configuration, .allow_ua = true },
    [0x4a] = { .fn = event_status, .allow_ua = true },
    [0x51] = { .fn = read_disc_info, .ready = true },
    [0x5a] = { .fn = mode_sense },
    [0xa8] = { .fn = read_12, .ready = true },
    [0xad] = { .fn = read_dvd_structure, .ready = true },
    [0xbb] = { .fn = set_speed },
    [0xbd] = { .fn = mechanism_status, .allow_ua = true },
    [0xbe] = { .fn = read_cd, .ready = true },
};

void atapi_execute(IdeDrive *d, const uint8_t *cdb)
{
    const PacketCommand *c = &commands[cdb[0]];

    if (c->fn == NULL) {
        atapi_error(d, SENSE_ILLEGAL, ASC_BAD_OPCODE);
        return;
    }
    /* Until the host has asked for it. */
    if (d->sense_key == SENSE_UNIT_ATTENTION && !c->allow_ua) {
        atapi_error(d, SENSE_UNIT_ATTENTION, d->asc);
        return;
    }
    /* A new medium first shows as none, so that hosts notice. */
    if (d->cdrom_changed && !c->allow_ua && has_medium(d)) {
        if (d->cdrom_changed == 1) {
            d->cdrom_changed = 2;
            atapi_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM);
        } else {
            d->cdrom_changed = 0;
            atapi_error(d, SENSE_UNIT_ATTENTION, ASC_MEDIUM_CHANGED);
        }
        return;
    }
    if (c->ready && !has_medium(d)) {
        atapi_error(d, SENSE_NOT_READY, ASC_NO_MEDIUM);
        return;
    }
    c->fn(d, cdb);
}
