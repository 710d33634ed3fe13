/*
 * Requests: what a CDB asks for, who answers it, how it ends.
 *
 * Lengths of CDBs: SPC-4, 4.2.5; allocation and transfer lengths: the
 * commands of SPC-4, SBC-3 and MMC-6.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-opcodes.h"
#include "hw/scsi/scsi-priv.h"
#include "util/bswap.h"

enum {
    SENSE_FIXED_BYTES = 18,
    PAD_MAX = 64 * KiB, /* zeros behind an answer */
};

/* What a CDB asks for */

typedef enum XferKind {
    XFER_FIELD, /* the length field of the CDB's size */
    XFER_NONE,
    XFER_BLOCKS,     /* the field counts blocks */
    XFER_VERIFY,     /* blocks to compare with */
    XFER_WRITE_SAME, /* a block, or none */
    XFER_AT3,        /* 16 bits at byte 3 */
    XFER_AT8,        /* 16 bits at byte 8 */
    XFER_AT6_24,     /* 24 bits at byte 6 */
    XFER_8,          /* 8 bytes */
} XferKind;

static const uint8_t xfer_kinds[256] = {
    [SCSI_TEST_UNIT_READY] = XFER_NONE,
    [SCSI_REZERO_UNIT] = XFER_NONE,
    [SCSI_FORMAT_UNIT] = XFER_NONE,
    [SCSI_READ_6] = XFER_BLOCKS,
    [SCSI_WRITE_6] = XFER_BLOCKS,
    [SCSI_SEEK_6] = XFER_NONE,
    [SCSI_INQUIRY] = XFER_AT3,
    [SCSI_RESERVE_6] = XFER_NONE,
    [SCSI_RELEASE_6] = XFER_NONE,
    [SCSI_START_STOP_UNIT] = XFER_NONE,
    [SCSI_SEND_DIAGNOSTIC] = XFER_AT3,
    [SCSI_PREVENT_ALLOW_REMOVAL] = XFER_NONE,
    [SCSI_READ_CAPACITY_10] = XFER_8,
    [SCSI_READ_10] = XFER_BLOCKS,
    [SCSI_WRITE_10] = XFER_BLOCKS,
    [SCSI_SEEK_10] = XFER_NONE,
    [SCSI_WRITE_VERIFY_10] = XFER_BLOCKS,
    [SCSI_VERIFY_10] = XFER_VERIFY,
    [SCSI_PREFETCH_10] = XFER_NONE,
    [SCSI_SYNCHRONIZE_CACHE_10] = XFER_NONE,
    [SCSI_LOCK_CACHE_10] = XFER_NONE,
    [SCSI_WRITE_BUFFER] = XFER_AT6_24,
    [SCSI_READ_BUFFER] = XFER_AT6_24,
    [SCSI_WRITE_SAME_10] = XFER_WRITE_SAME,
    [SCSI_READ_16] = XFER_BLOCKS,
    [SCSI_WRITE_16] = XFER_BLOCKS,
    [SCSI_WRITE_VERIFY_16] = XFER_BLOCKS,
    [SCSI_VERIFY_16] = XFER_VERIFY,
    [SCSI_PREFETCH_16] = XFER_NONE,
    [SCSI_SYNCHRONIZE_CACHE_16] = XFER_NONE,
    [SCSI_WRITE_SAME_16] = XFER_WRITE_SAME,
    [SCSI_READ_12] = XFER_BLOCKS,
    [SCSI_WRITE_12] = XFER_BLOCKS,
    [SCSI_WRITE_VERIFY_12] = XFER_BLOCKS,
    [SCSI_READ_DVD_STRUCTURE] = XFER_AT8,
    [SCSI_VERIFY_12] = XFER_VERIFY,
    [SCSI_SET_CD_SPEED] = XFER_NONE,
    [SCSI_MECHANISM_STATUS] = XFER_AT8,
};

/* CDBs with data for the unit. */
static bool takes_data(uint8_t opcode)
{
    switch (opcode) {
    case SCSI_WRITE_6:
    case SCSI_WRITE_10:
    case SCSI_WRITE_12:
    case SCSI_WRITE_16:
    case SCSI_WRITE_VERIFY_10:
    case SCSI_WRITE_VERIFY_12:
    case SCSI_WRITE_VERIFY_16:
    case SCSI_WRITE_SAME_10:
    case SCSI_WRITE_SAME_16:
    case SCSI_VERIFY_10:
    case SCSI_VERIFY_12:
    case SCSI_VERIFY_16:
    case SCSI_UNMAP:
    case SCSI_MODE_SELECT_6:
    case SCSI_MODE_SELECT_10:
    case SCSI_SEND_DIAGNOSTIC:
    case SCSI_WRITE_BUFFER:
    case SCSI_LOG_SELECT:
    case SCSI_PERSISTENT_RESERVE_OUT:
        return true;
    default:
        return false;
    }
}

static unsigned cdb_length(uint8_t opcode)
{
    static const uint8_t lengths[8] = { 6, 10, 10, 0, 16, 12, 0, 0 };

    return lengths[opcode >> 5];
}

/* The length field of a CDB of that size. */
static uint64_t length_field(const uint8_t *cdb)
{
    switch (cdb_length(cdb[0])) {
    case 6:
        return cdb[4];
    case 10:
        return lduw_be_p(cdb + 7);
    case 12:
        return ldl_be_p(cdb + 6);
    default:
        return ldl_be_p(cdb + 10);
    }
}

/* In READ (6) and WRITE (6), 0 stands for 256. */
static uint64_t block_count(const uint8_t *cdb)
{
    uint64_t n = length_field(cdb);

    return n == 0 && cdb_length(cdb[0]) == 6 ? 256 : n;
}

static uint64_t transfer_length(const uint8_t *cdb, uint64_t block)
{
    switch ((XferKind)xfer_kinds[cdb[0]]) {
    case XFER_NONE:
        return 0;
    case XFER_BLOCKS:
        return block_count(cdb) * block;
    case XFER_VERIFY:
        switch (cdb[1] >> 1 & 3) {
        case 1:
            return block_count(cdb) * block;
        case 3:
            return block;
        default:
            return 0;
        }
    case XFER_WRITE_SAME:
        return cdb[1] & 1 ? 0 : block;
    case XFER_AT3:
        return lduw_be_p(cdb + 3);
    case XFER_AT8:
        return lduw_be_p(cdb + 8);
    case XFER_AT6_24:
        return ldl_be_p(cdb + 5) & 0xffffff;
    case XFER_8:
        return 8;
    case XFER_FIELD:
    default:
        return length_field(cdb);
    }
}

const ScsiType *scsi_type_of(const ScsiDevice *d)
{
    return d->dev.type->scsi;
}

/* Beginnings */

static void run_attention(ScsiRequest *r)
{
    ScsiSense *ua = &r->dev->unit_attention;

    if (ua->key == 0) {
        ua = &r->bus->unit_attention;
    }
    r->is_ua = true;
    scsi_request_check(r, *ua);
}

static void run_bad_opcode(ScsiRequest *r)
{
    scsi_request_check(r, SCSI_BAD_OPCODE);
}

static const ScsiType attention_ops = { .run = run_attention };
static const ScsiType bad_opcode_ops = { .run = run_bad_opcode };

/* Commands that go before a unit attention (SPC-4, 5.14). */
static bool goes_before_attention(const ScsiRequest *r)
{
    switch (r->cdb[0]) {
    case SCSI_INQUIRY:
    case SCSI_REPORT_LUNS:
    case SCSI_GET_CONFIGURATION:
    case SCSI_GET_EVENT_STATUS:
        return true;
    case SCSI_REQUEST_SENSE:
        return r->dev->sense_is_ua;
    default:
        return false;
    }
}

static const ScsiType *who_answers(const ScsiRequest *r)
{
    const ScsiDevice *d = r->dev;

    if (r->cdb_len == 0) {
        return &bad_opcode_ops;
    }
    if (!goes_before_attention(r) &&
        (d->unit_attention.key != 0 || r->bus->unit_attention.key != 0)) {
        return &attention_ops;
    }
    if (r->lun != d->lun || r->cdb[0] == SCSI_REPORT_LUNS ||
        (r->cdb[0] == SCSI_REQUEST_SENSE && d->sense_len > 0)) {
        return &scsi_target_ops;
    }
    return scsi_type_of(d);
}

void scsi_request_begin(ScsiRequest *r, ScsiDevice *d)
{
    r->dev = d;
    r->link.data = r;
    g_queue_push_tail_link(&d->requests, &r->link);
    r->cdb_len = cdb_length(r->cdb[0]);
    if (r->cdb_len != 0) {
        r->xfer = transfer_length(r->cdb, d->block_bytes);
    }
    r->dir = r->xfer == 0            ? SCSI_NO_DATA
             : takes_data(r->cdb[0]) ? SCSI_FROM_HOST
                                     : SCSI_TO_HOST;
    r->ops = who_answers(r);
}

void scsi_request_run(ScsiRequest *r)
{
    r->ops->run(r);
}

void scsi_request_stop(ScsiRequest *r)
{
    r->stopped = true;
    g_clear_pointer(&r->buf, g_free);
}

/* Ends */

unsigned scsi_put_sense(uint8_t *buf, ScsiSense sense)
{
    memset(buf, 0, SENSE_FIXED_BYTES);
    buf[0] = 0x70; /* current */
    buf[2] = sense.key;
    buf[7] = SENSE_FIXED_BYTES - 8;
    buf[12] = sense.asc;
    buf[13] = sense.ascq;
    return SENSE_FIXED_BYTES;
}

static void request_end(ScsiRequest *r, ScsiEnd how)
{
    if (r->dev != NULL) {
        g_queue_unlink(&r->dev->requests, &r->link);
    }
    g_clear_pointer(&r->buf, g_free);
    r->bus->adapter->done(r, how);
}

/* It goes to the initiator with the status, so that it counts as told. */
static void attention_told(ScsiRequest *r)
{
    ScsiDevice *d = r->dev;

    if (d->unit_attention.key != 0) {
        d->unit_attention = SCSI_SENSE_NONE;
        if (scsi_type_of(d)->attention_told != NULL) {
            scsi_type_of(d)->attention_told(d);
        }
    } else {
        r->bus->unit_attention = SCSI_SENSE_NONE;
    }
    d->sense_len = 0;
    d->sense_is_ua = false;
}

void scsi_request_good(ScsiRequest *r)
{
    r->status = SCSI_GOOD;
    r->dev->sense_len = 0;
    r->dev->sense_is_ua = false;
    request_end(r, SCSI_ENDED);
}

void scsi_request_check(ScsiRequest *r, ScsiSense sense)
{
    ScsiDevice *d = r->dev;

    r->status = SCSI_CHECK_CONDITION;
    r->done = UINT64_MAX; /* what was transferred isn't told */
    r->sense_len = scsi_put_sense(r->sense, sense);
    memcpy(d->sense, r->sense, r->sense_len);
    d->sense_len = r->sense_len;
    if (r->is_ua) {
        attention_told(r);
    }
    request_end(r, SCSI_ENDED);
}

void scsi_request_reply(ScsiRequest *r, const void *buf, size_t len, bool pad)
{
    size_t want = MIN(r->xfer, (uint64_t)PAD_MAX);

    len = MIN(len, want);
    r->done = iov_from_buf(r->data, r->ndata, 0, buf, len);
    if (pad && len < want) {
        r->done += iov_memset(r->data, r->ndata, len, 0, want - len);
    }
    scsi_request_good(r);
}

void scsi_request_cancel(ScsiRequest *r, ScsiEnd how)
{
    if (!r->in_flight) {
        request_end(r, how);
    } else if (!r->cancelled) {
        r->cancelled = true;
        r->cancel_how = how;
        block_aio_abandon(r->dev->blk, r);
    }
}

bool scsi_request_drop(ScsiRequest *r, void (*orphan_ended)(ScsiRequest *r))
{
    ScsiDevice *d = r->dev;

    if (d != NULL) {
        g_queue_unlink(&d->requests, &r->link);
    }
    if (!r->in_flight) {
        g_clear_pointer(&r->buf, g_free);
        return false;
    }
    r->orphan_ended = orphan_ended;
    if (!r->cancelled) {
        block_aio_abandon(d->blk, r);
    }
    r->dev = NULL;
    return true;
}

bool scsi_request_io_done(ScsiRequest *r)
{
    r->in_flight = false;
    if (r->orphan_ended != NULL) {
        g_clear_pointer(&r->buf, g_free);
        r->orphan_ended(r);
        return false;
    }
    if (r->cancelled) {
        request_end(r, r->cancel_how);
        return false;
    }
    return true;
}
