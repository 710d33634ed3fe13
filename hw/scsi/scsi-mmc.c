/*
 * What drives of CDs and DVDs add, and trays.  (MMC-6; SBC-3, 5.25; MMC-3 for
 * READ TOC.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-priv.h"
#include "util/bswap.h"

enum {
    CD_MAX_BLOCKS = 360000, /* of 80 minutes; what is larger is a DVD */
    MSF_OFFSET = 150,       /* frames before the first sector */
    LEAD_OUT = 0xaa,
    ADR_POSITION = 0x10, /* the subchannel has the position */
    DATA_TRACK = 0x04,
    PROFILE_CD = 0x0008,
    PROFILE_DVD = 0x0010,
    DVD_STRUCTURE_BYTES = 2048 + 4,
};

static ScsiDisk *disk_of(const ScsiRequest *r)
{
    return scsi_disk_of(r->dev);
}

/* In blocks of 2048 bytes, whatever the unit's are. */
static uint64_t medium_sectors(const ScsiDisk *s)
{
    return block_size(s->unit.blk) / SCSI_CD_BLOCK;
}

static bool is_dvd(const ScsiDisk *s)
{
    return scsi_disk_has_medium(s) && medium_sectors(s) > CD_MAX_BLOCKS;
}

static bool is_cd(const ScsiDisk *s)
{
    return scsi_disk_has_medium(s) && !is_dvd(s);
}

/* READ TOC (MMC-6, 6.25) */

static void put_msf(uint8_t *p, uint64_t lba)
{
    uint64_t frame = lba + MSF_OFFSET;

    p[0] = frame / (60 * 75);
    p[1] = frame / 75 % 60;
    p[2] = frame % 75;
}

static uint8_t *toc_entry(uint8_t *p, bool msf, uint8_t track, uint64_t lba)
{
    memset(p, 0, 8);
    p[1] = ADR_POSITION | DATA_TRACK | (track == LEAD_OUT ? 2 : 0);
    p[2] = track;
    if (msf) {
        put_msf(p + 5, lba);
    } else {
        stl_be_p(p + 4, MIN(lba, (uint64_t)UINT32_MAX));
    }
    return p + 8;
}

/* As the lead-in has it: the first track, the last, the end, and the track. */
static uint8_t *toc_raw(uint8_t *p, uint64_t end)
{
    static const uint8_t points[] = { 0xa0, 0xa1, 0xa2, 1 };

    for (unsigned i = 0; i < G_N_ELEMENTS(points); i++) {
        memset(p, 0, 11);
        p[0] = 1; /* session */
        p[1] = ADR_POSITION | DATA_TRACK;
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

void scsi_cd_read_toc(ScsiRequest *r)
{
    uint64_t end_lba = medium_sectors(disk_of(r));
    uint8_t buf[64], *end = buf + 4, first = r->cdb[6];
    bool msf = r->cdb[1] & 2;

    buf[2] = buf[3] = 1; /* first and last track or session */
    switch (r->cdb[2] & 0xf) {
    case 0:
        if (first > 1 && first != LEAD_OUT) {
            scsi_request_check(r, SCSI_BAD_FIELD);
            return;
        }
        if (first <= 1) {
            end = toc_entry(end, msf, 1, 0);
        }
        end = toc_entry(end, msf, LEAD_OUT, end_lba);
        break;
    case 1: /* one session */
        memset(end, 0, 8);
        end += 8;
        break;
    case 2:
        end = toc_raw(end, end_lba);
        break;
    default:
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    stw_be_p(buf, end - buf - 2);
    scsi_request_reply(r, buf, end - buf, true);
}

/* What the drive is */

/* Features (MMC-6, 5): profiles, core, removable medium. */
void scsi_cd_get_configuration(ScsiRequest *r)
{
    const ScsiDisk *s = disk_of(r);
    uint8_t p[40] = {
        0,
        0,
        0,
        36,
        0,
        0,
        0,
        0, /* length, profile */
        0,
        0,
        3,
        8, /* profile list: version 0, persistent, current */
        PROFILE_DVD >> 8,
        PROFILE_DVD,
        0,
        0,
        PROFILE_CD >> 8,
        PROFILE_CD,
        0,
        0,
        0,
        1,
        0x0b,
        8, /* core: version 2 */
        0,
        0,
        0,
        1, /* SCSI */
        1,
        0,
        0,
        0, /* reports events of devices */
        0,
        3,
        0x0b,
        4, /* removable medium: version 2 */
        0x39,
        0,
        0,
        0, /* tray, ejects, may be locked */
    };

    p[14] = is_dvd(s);
    p[18] = is_cd(s);
    stw_be_p(p + 6, is_dvd(s) ? PROFILE_DVD : is_cd(s) ? PROFILE_CD : 0);
    scsi_request_reply(r, p, sizeof(p), true);
}

void scsi_cd_get_event_status(ScsiRequest *r)
{
    ScsiDisk *s = disk_of(r);
    uint8_t p[8] = { 0 };

    if (!(r->cdb[1] & 1)) { /* would have to wait for an event */
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    p[3] = 0x10; /* media events are what there is */
    if (!(r->cdb[4] & 0x10)) {
        p[2] = 0x80; /* no event available */
        scsi_request_reply(r, p, 4, true);
        return;
    }
    p[1] = 4;
    p[2] = 4;
    /* What waits to be told is about what is behind a closed door. */
    if (s->tray_open) {
        p[5] = 1;
    } else if (block_is_inserted(s->unit.blk)) {
        p[5] = 2;
    }
    if (s->media_event && !s->tray_open) {
        p[4] = 2;
        s->media_event = false;
    } else if (s->eject_request) {
        p[4] = 1;
        s->eject_request = false;
    }
    scsi_request_reply(r, p, 8, true);
}

void scsi_cd_mechanism_status(ScsiRequest *r)
{
    static const uint8_t p[8] = { [5] = 1 }; /* slots */

    scsi_request_reply(r, p, sizeof(p), true);
}

/* What the medium is */

void scsi_cd_read_disc_information(ScsiRequest *r)
{
    uint8_t p[34] = { 0 };

    if (r->cdb[1] & 7) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    p[1] = 32;
    p[2] = 0x0e; /* finalized, last session complete */
    p[3] = p[4] = p[5] = p[6] = 1;
    p[7] = 0x20; /* unrestricted use */
    scsi_request_reply(r, p, sizeof(p), true);
}

static void dvd_formats(ScsiRequest *r)
{
    static const uint8_t p[20] = {
        0,    18,   0, 0, 0x00, 0x40, 8, 4, /* readable; bytes */
        0x01, 0x40, 0, 8, 0x03, 0x40, 0, 192, 0x04, 0x40, 8, 4,
    };

    scsi_request_reply(r, p, sizeof(p), true);
}

/* READ DVD STRUCTURE (MMC-6, 6.22) */
void scsi_cd_read_dvd_structure(ScsiRequest *r)
{
    const ScsiDisk *s = disk_of(r);
    uint8_t format = r->cdb[7];
    uint8_t p[DVD_STRUCTURE_BYTES] = { 0 };
    unsigned len = sizeof(p);

    if ((r->cdb[1] & 0xf) != 0) { /* of other kinds of media */
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    if (format != 0xff && !is_dvd(s)) {
        scsi_request_check(r, scsi_disk_has_medium(s) ? SCSI_BAD_FORMAT
                                                      : SCSI_NO_MEDIUM);
        return;
    }
    switch (format) {
    case 0x00: /* physical, of the only layer */
        if (r->cdb[6] != 0) {
            scsi_request_check(r, SCSI_BAD_FIELD);
            return;
        }
        p[4] = 1;   /* DVD-ROM, part version 1 */
        p[5] = 0xf; /* 120 mm, rate not told */
        p[6] = 1;   /* one layer, embossed */
        stl_be_p(p + 12, medium_sectors(s) - 1);
        stl_be_p(p + 16, medium_sectors(s) - 1);
        break;
    case 0x01: /* copyright: none */
        len = 8;
        break;
    case 0x04: /* manufacturer */
        break;
    case 0xff:
        dvd_formats(r);
        return;
    default:
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    stw_be_p(p, len - 2);
    scsi_request_reply(r, p, len, true);
}

/* Trays */

void scsi_disk_start_stop(ScsiRequest *r)
{
    ScsiDisk *s = disk_of(r);
    bool start = r->cdb[4] & 1, eject = r->cdb[4] & 2;

    /* A power condition, or the motor: nothing to see of it. */
    if ((r->cdb[4] & 0xf0) || !eject || !s->removable) {
        scsi_request_good(r);
        return;
    }
    if (!start && !s->tray_open && s->tray_locked) {
        ScsiSense bad = SCSI_REMOVAL_PREVENTED;

        bad.key = block_is_inserted(s->unit.blk) ? bad.key : SENSE_NOT_READY;
        scsi_request_check(r, bad);
        return;
    }
    s->tray_open = !start;
    block_move_tray(s->unit.blk, s->tray_open);
    scsi_request_good(r);
}

void scsi_disk_prevent_removal(ScsiRequest *r)
{
    ScsiDisk *s = disk_of(r);

    s->tray_locked = r->cdb[4] & 1;
    block_set_locked(s->unit.blk, s->tray_locked);
    scsi_request_good(r);
}

static void tray_moved(void *opaque, bool load)
{
    ScsiDisk *s = opaque;

    s->medium_changed = load;
    s->media_event = load;
    s->tray_open = !load;
    s->eject_request = false;
    scsi_raise_attention(&s->unit.unit_attention, SCSI_UA_NO_MEDIUM);
}

static void eject_requested(void *opaque, bool force)
{
    ScsiDisk *s = opaque;

    s->eject_request = true;
    if (force) {
        s->tray_locked = false;
        block_set_locked(s->unit.blk, false);
    }
}

static void size_changed(void *opaque)
{
    ScsiDisk *s = opaque;
    ScsiBus *bus = SCSI_BUS(s->unit.dev.parent_bus);

    if (!s->cd) {
        scsi_raise_attention(&s->unit.unit_attention, SCSI_UA_CAPACITY);
        bus->adapter->changed(bus, &s->unit, SCSI_UA_CAPACITY);
    }
}

const BlockDevOps scsi_disk_dev_ops = {
    .resized = size_changed,
};

const BlockDevOps scsi_disk_removable_dev_ops = {
    .medium_changed = tray_moved,
    .eject_request = eject_requested,
    .resized = size_changed,
};
