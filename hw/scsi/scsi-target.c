/*
 * What a target answers for its units: the list of them, kept sense data, and
 * commands to LUNs where no unit is.  (SPC-4, 6.4, 6.33, 6.39; SAM-5, 4.7.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-opcodes.h"
#include "hw/scsi/scsi-priv.h"
#include "util/bswap.h"

enum {
    LUN_BYTES = 8,
    INQUIRY_BYTES = 36,
    NO_UNIT = 0x7f, /* peripheral: no unit can be there */
};

/* A peripheral device address, or one in flat space. */
static void put_lun(GByteArray *list, uint32_t lun)
{
    uint8_t p[LUN_BYTES] = { lun >> 8, lun };

    if (lun >= 256) {
        p[0] |= 0x40;
    }
    g_byte_array_append(list, p, sizeof(p));
}

/* LUN 0 first, whether or not it is there; the youngest unit next. */
static void report_luns(ScsiRequest *r)
{
    g_autoptr(GByteArray) list = g_byte_array_new();
    static const uint8_t header[LUN_BYTES];

    if (r->xfer < 16 || r->cdb[2] > 2) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    g_byte_array_append(list, header, sizeof(header));
    put_lun(list, 0);
    for (const GList *l = r->bus->bus.devices.tail; l != NULL; l = l->prev) {
        const ScsiDevice *d = SCSI_DEVICE((Device *)l->data);

        if (d->dev.realized && d->id == r->dev->id && d->lun != 0) {
            put_lun(list, d->lun);
        }
    }
    stl_be_p(list->data, list->len - LUN_BYTES);
    scsi_request_reply(r, list->data, list->len, false);
}

static void inquiry_no_unit(ScsiRequest *r)
{
    uint8_t p[INQUIRY_BYTES] = { NO_UNIT };

    if (r->cdb[1] & 1) {
        /* Vital product data: the list of pages, which is the only one. */
        if (r->cdb[2] != 0) {
            scsi_request_check(r, SCSI_BAD_FIELD);
            return;
        }
        p[3] = 1;
        scsi_request_reply(r, p, 5, false);
        return;
    }
    if (r->cdb[2] != 0) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    scsi_request_reply(r, p, sizeof(p), false);
}

void scsi_reply_sense(ScsiRequest *r, ScsiSense sense)
{
    uint8_t p[SCSI_SENSE_MAX];
    bool descriptors = r->cdb[1] & 1;
    unsigned len = scsi_put_sense(p, sense);

    if (descriptors) {
        len = 8;
        memset(p, 0, len);
        p[0] = 0x72;
        p[1] = sense.key;
        p[2] = sense.asc;
        p[3] = sense.ascq;
    }
    scsi_request_reply(r, p, len, false);
}

static void request_sense(ScsiRequest *r)
{
    const ScsiDevice *d = r->dev;
    ScsiSense kept = { d->sense[2] & 0xf, d->sense[12], d->sense[13] };

    scsi_reply_sense(r, r->lun != d->lun ? SCSI_BAD_LUN : kept);
}

static void target_run(ScsiRequest *r)
{
    switch (r->cdb[0]) {
    case SCSI_REPORT_LUNS:
        report_luns(r);
        break;
    case SCSI_INQUIRY:
        inquiry_no_unit(r);
        break;
    case SCSI_REQUEST_SENSE:
        request_sense(r);
        break;
    default:
        scsi_request_check(r, SCSI_BAD_LUN);
        break;
    }
}

const ScsiType scsi_target_ops = { .run = target_run };
