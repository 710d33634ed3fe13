/*
 * MODE SENSE and MODE SELECT.  (SPC-4, 6.9 to 6.14 and 7.5; SBC-3, 6.4;
 * MMC-6, 7 and annex E.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-opcodes.h"
#include "hw/scsi/scsi-priv.h"
#include "util/bswap.h"

enum {
    PAGE_VENDOR = 0x00,
    PAGE_ERROR_RECOVERY = 0x01,
    PAGE_RIGID_GEOMETRY = 0x04,
    PAGE_FLEXIBLE_GEOMETRY = 0x05,
    PAGE_CACHING = 0x08,
    PAGE_AUDIO = 0x0e,
    PAGE_CAPABILITIES = 0x2a,
    PAGE_APPLE = 0x30,
    PAGE_ALL = 0x3f,
    SUBPAGE_FORMAT = 0x40, /* in a page's first byte */
    CURRENT_VALUES = 0,
    CHANGEABLE_VALUES = 1,
    SAVED_VALUES = 3,
    WCE = 1 << 2, /* write cache, in the caching page */
    DATA_MAX = 256,
    ROTATION_RATE = 5400, /* revolutions a minute, as geometries have it */
};

/* Pages as they grow. */
typedef struct ModeData {
    uint8_t data[DATA_MAX];
    unsigned len;
} ModeData;

static uint8_t *page_begin(ModeData *m, uint8_t code, uint8_t len)
{
    uint8_t *p = m->data + m->len;

    g_assert(m->len + len + 2 <= sizeof(m->data));
    memset(p, 0, len + 2);
    p[0] = code;
    p[1] = len;
    m->len += len + 2;
    return p + 2;
}

static void page_error_recovery(const ScsiDisk *s, ModeData *m, bool changeable)
{
    uint8_t *p = page_begin(m, PAGE_ERROR_RECOVERY, 10);

    if (!changeable || s->cd) {
        p[0] = 0x80; /* automatic write reallocation */
    }
    if (!changeable && s->cd) {
        p[1] = 0x20; /* read retries */
    }
}

static void put_be24(uint8_t *p, uint32_t val)
{
    p[0] = val >> 16;
    p[1] = val >> 8;
    p[2] = val;
}

static void page_rigid_geometry(const ScsiDisk *s, ModeData *m, bool changeable)
{
    uint8_t *p = page_begin(m, PAGE_RIGID_GEOMETRY, 22);

    if (changeable) {
        return;
    }
    put_be24(p, s->geo.cylinders);
    p[3] = s->geo.heads;
    put_be24(p + 4, s->geo.cylinders); /* where write precompensation begins */
    put_be24(p + 7, s->geo.cylinders); /* and reduced write current */
    stw_be_p(p + 10, 200);             /* step rate */
    put_be24(p + 12, 0xffffff);        /* landing zone */
    stw_be_p(p + 18, ROTATION_RATE);
}

static void page_flexible_geometry(const ScsiDisk *s, ModeData *m,
                                   bool changeable)
{
    uint8_t *p = page_begin(m, PAGE_FLEXIBLE_GEOMETRY, 30);

    if (changeable) {
        return;
    }
    stw_be_p(p, 5000); /* kbit/s */
    p[2] = s->geo.heads;
    p[3] = s->geo.sectors;
    stw_be_p(p + 4, s->unit.block_bytes);
    stw_be_p(p + 6, s->geo.cylinders);
    stw_be_p(p + 8, s->geo.cylinders);
    stw_be_p(p + 10, s->geo.cylinders);
    stw_be_p(p + 12, 1); /* step rate */
    p[14] = 1;           /* step pulse width */
    stw_be_p(p + 15, 1); /* head settle delay */
    p[17] = 1;           /* motor on delay */
    p[18] = 1;           /* motor off delay */
    stw_be_p(p + 26, ROTATION_RATE);
}

static void page_caching(const ScsiDisk *s, ModeData *m, bool changeable)
{
    uint8_t *p = page_begin(m, PAGE_CACHING, 18);

    if (changeable || block_write_cache(s->unit.blk)) {
        p[0] = WCE;
    }
}

static void page_capabilities(const ScsiDisk *s, ModeData *m, bool changeable)
{
    uint8_t *p = page_begin(m, PAGE_CAPABILITIES, 20);
    const uint8_t values[20] = {
        0x3b,
        0x00, /* reads CD-R, CD-RW, DVD-ROM, DVD-R, DVD-RAM */
        0x7f,
        0xff,                            /* what a drive can play and read */
        0x2d | (s->tray_locked ? 2 : 0), /* tray, may be locked, ejects */
        0x00,
        50 * 176 >> 8,
        50 * 176 & 0xff, /* 50 times single speed */
        0,
        2, /* volume levels */
        2048 >> 8,
        0, /* KiB of buffer */
        16 * 176 >> 8,
        0, /* speed now */
        0,
        0,
        16 * 176 >> 8,
        0, /* to write */
        16 * 176 >> 8,
        0,
    };

    if (!changeable) {
        memcpy(p, values, sizeof(values));
    }
}

static void page_apple(ModeData *m, bool changeable)
{
    static const char maker[] = { 'A', 'P', 'P', 'L', 'E', ' ', 'C', 'O',
                                  'M', 'P', 'U', 'T', 'E', 'R', ',', ' ',
                                  'I', 'N', 'C', ' ', ' ', ' ' };
    uint8_t *p = page_begin(m, PAGE_APPLE, 30);

    if (!changeable) {
        memcpy(p + 8, maker, sizeof(maker));
    }
}

static void page_vendor(ModeData *m, bool changeable)
{
    uint8_t *p = page_begin(m, PAGE_VENDOR, 2);

    if (changeable) {
        stw_be_p(p, 0xffff);
    }
}

/* False: the unit has no such page. */
static bool put_page(const ScsiDisk *s, unsigned code, ModeData *m,
                     bool changeable)
{
    switch (code) {
    case PAGE_VENDOR:
        if (s->cd || !s->quirk_vendor_specific) {
            return false;
        }
        page_vendor(m, changeable);
        return true;
    case PAGE_ERROR_RECOVERY:
        page_error_recovery(s, m, changeable);
        return true;
    case PAGE_RIGID_GEOMETRY:
        if (s->cd) {
            return false;
        }
        page_rigid_geometry(s, m, changeable);
        return true;
    case PAGE_FLEXIBLE_GEOMETRY:
        if (s->cd) {
            return false;
        }
        page_flexible_geometry(s, m, changeable);
        return true;
    case PAGE_CACHING:
        page_caching(s, m, changeable);
        return true;
    case PAGE_AUDIO:
        if (!s->cd) {
            return false;
        }
        page_begin(m, PAGE_AUDIO, 14);
        return true;
    case PAGE_CAPABILITIES:
        if (!s->cd) {
            return false;
        }
        page_capabilities(s, m, changeable);
        return true;
    case PAGE_APPLE:
        if (!s->cd || !s->quirk_apple_vendor) {
            return false;
        }
        page_apple(m, changeable);
        return true;
    default:
        return false;
    }
}

static void put_block_descriptor(const ScsiDisk *s, ModeData *m)
{
    uint8_t *p = m->data + m->len;
    uint64_t n = scsi_disk_has_medium(s) ? scsi_disk_blocks(s) : 0;

    memset(p, 0, 8);
    put_be24(p + 1, n > 0xffffff ? 0 : n);
    put_be24(p + 5, s->unit.block_bytes);
    m->len += 8;
}

static uint8_t device_parameter(const ScsiDisk *s)
{
    if (s->cd) {
        return 0;
    }
    return (s->dpofua ? 0x10 : 0) | (block_read_only(s->unit.blk) ? 0x80 : 0);
}

/* A head of 4 or 8 bytes, a block descriptor, pages. */
static bool make_mode_data(const ScsiRequest *r, ModeData *m)
{
    const ScsiDisk *s = scsi_disk_of(r->dev);
    bool ten = r->cdb[0] == SCSI_MODE_SENSE_10;
    bool descriptor = !(r->cdb[1] & 8) && (!s->cd || s->quirk_use_dbd);
    bool changeable = r->cdb[2] >> 6 == CHANGEABLE_VALUES, any = false;
    unsigned code = r->cdb[2] & 0x3f, head = ten ? 8 : 4;

    memset(m->data, 0, head);
    m->len = head;
    if (descriptor && scsi_disk_has_medium(s)) {
        put_block_descriptor(s, m);
    }
    m->data[ten ? 7 : 3] = m->len - head;
    m->data[ten ? 3 : 2] = device_parameter(s);
    if (code != PAGE_ALL) {
        any = put_page(s, code, m, changeable);
    } else {
        for (unsigned i = 0; i < PAGE_ALL; i++) {
            any |= put_page(s, i, m, changeable);
        }
    }
    if (ten) {
        stw_be_p(m->data, m->len - 2);
    } else {
        m->data[0] = m->len - 1;
    }
    return any;
}

void scsi_disk_mode_sense(ScsiRequest *r)
{
    ModeData m;

    if (r->cdb[2] >> 6 == SAVED_VALUES) {
        scsi_request_check(r, SCSI_NOT_SAVED);
    } else if (!make_mode_data(r, &m)) {
        scsi_request_check(r, SCSI_BAD_FIELD);
    } else {
        scsi_request_reply(r, m.data, m.len, true);
    }
}

/* MODE SELECT */

/*
 * Only what is changeable may differ from what is there.  `len`: of the page's
 * data, without its head.
 */
static bool page_is_good(const ScsiDisk *s, unsigned code, const uint8_t *data,
                         unsigned len)
{
    ModeData now = { .len = 0 }, mask = { .len = 0 };

    if (!put_page(s, code, &now, false) || !put_page(s, code, &mask, true) ||
        now.data[1] != len) {
        return false;
    }
    for (unsigned i = 0; i < len; i++) {
        if ((now.data[2 + i] ^ data[i]) & ~mask.data[2 + i]) {
            return false;
        }
    }
    return true;
}

/* Walks the pages; checks them, or takes what they have (`apply`). */
static ScsiSense walk_pages(ScsiDisk *s, const uint8_t *p, unsigned len,
                            bool apply)
{
    while (len > 0) {
        unsigned n;

        if (p[0] & SUBPAGE_FORMAT) {
            return SCSI_BAD_PARAM;
        }
        if (len < 2) {
            return SCSI_BAD_PARAM_LENGTH;
        }
        n = p[1];
        if (n > len - 2) {
            if (s->quirk_truncated) {
                return SCSI_SENSE_NONE;
            }
            return SCSI_BAD_PARAM_LENGTH;
        }
        if (!apply && !page_is_good(s, p[0] & 0x3f, p + 2, n)) {
            return SCSI_BAD_PARAM;
        }
        if (apply && (p[0] & 0x3f) == PAGE_CACHING) {
            block_set_write_cache(s->unit.blk, p[2] & WCE);
        }
        p += 2 + n;
        len -= 2 + n;
    }
    return SCSI_SENSE_NONE;
}

static ScsiSense take_mode_data(ScsiDisk *s, const uint8_t *p, unsigned len,
                                bool ten)
{
    unsigned head = ten ? 8 : 4, descriptors;
    ScsiSense bad;

    if (len < head) {
        return SCSI_BAD_PARAM_LENGTH;
    }
    descriptors = ten ? lduw_be_p(p + 6) : p[3];
    if (descriptors != 0 && descriptors != 8) {
        return SCSI_BAD_PARAM;
    }
    if (len < head + descriptors) {
        return SCSI_BAD_PARAM_LENGTH;
    }
    /* The medium has the block size that it has. */
    p += head + descriptors;
    len -= head + descriptors;
    bad = walk_pages(s, p, len, false);
    return bad.key != 0 ? bad : walk_pages(s, p, len, true);
}

void scsi_disk_mode_select(ScsiRequest *r)
{
    ScsiDisk *s = scsi_disk_of(r->dev);
    g_autofree uint8_t *buf = NULL;
    ScsiSense bad;

    if (r->xfer == 0) {
        scsi_request_good(r);
        return;
    }
    /* Pages as the standard has them; nothing can be saved. */
    if ((r->cdb[1] & 0x11) != 0x10) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    buf = g_malloc(r->xfer);
    iov_to_buf(r->data, r->ndata, 0, buf, r->xfer);
    r->done = r->xfer;
    bad = take_mode_data(s, buf, r->xfer, r->cdb[0] == SCSI_MODE_SELECT_10);
    if (bad.key != 0) {
        scsi_request_check(r, bad);
    } else {
        scsi_request_good(r);
    }
}
