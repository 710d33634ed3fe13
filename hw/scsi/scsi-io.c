/*
 * Commands that read, write and forget blocks.  (SBC-3, 5.)
 *
 * A request may go to the block layer several times: `step` counts.  One that
 * failed and waits for the VM to go on begins at its first step again: all of
 * them can be done twice.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-opcodes.h"
#include "hw/scsi/scsi-priv.h"
#include "util/bswap.h"

enum {
    PROTECT = 0xe0, /* in byte 1 of a CDB: protection information */
    FUA = 1 << 3,
    UNMAP_BIT = 1 << 3, /* of WRITE SAME */
    UNMAP_HEAD = 8,
    UNMAP_RANGE = 16,
    SAME_BYTES = 512 * KiB, /* of a pattern, written at once */
};

static ScsiDisk *disk_of(const ScsiRequest *r)
{
    return scsi_disk_of(r->dev);
}

uint64_t scsi_disk_max_io(const ScsiDisk *s)
{
    return s->max_io_size >= s->unit.block_bytes
               ? MIN(s->max_io_size, (uint64_t)SCSI_TRANSFER_MAX)
               : SCSI_TRANSFER_MAX;
}

/* Where a CDB begins, in blocks, and how many it is about. */

static uint64_t cdb_lba(const uint8_t *cdb)
{
    switch (cdb[0] >> 5) {
    case 0:
        return ldl_be_p(cdb) & 0x1fffff;
    case 4:
        return ldq_be_p(cdb + 2);
    default:
        return ldl_be_p(cdb + 2);
    }
}

static uint64_t cdb_blocks(const uint8_t *cdb)
{
    switch (cdb[0] >> 5) {
    case 0:
        return cdb[4] == 0 ? 256 : cdb[4];
    case 4:
        return ldl_be_p(cdb + 10);
    case 5:
        return ldl_be_p(cdb + 6);
    default:
        return lduw_be_p(cdb + 7);
    }
}

static bool range_is_good(const ScsiDisk *s, uint64_t lba, uint64_t n)
{
    return range_fits(lba, n, scsi_disk_blocks(s));
}

/* To the block layer and back */

/*
 * The sense data of an error of the host's.  The device may have gone and come
 * since: only who it is counts.
 */
static ScsiSense sense_of_errno(int err)
{
    switch (err) {
    case ENOMEDIUM:
        return SCSI_NO_MEDIUM;
    case ENOMEM:
        return SCSI_TARGET_FAILURE;
    case EINVAL:
        return SCSI_BAD_FIELD;
    case ENOSPC:
        return SCSI_NO_SPACE;
    default:
        return SCSI_IO_ERROR;
    }
}

/* True: the step counts as done. */
static bool step_ended(ScsiRequest *r, int ret, bool is_read)
{
    if (!scsi_request_io_done(r)) {
        return false;
    }
    if (ret >= 0) {
        return true;
    }
    if (ret == -ENOMEDIUM) {
        scsi_request_check(r, SCSI_NO_MEDIUM);
        return false;
    }
    switch (block_error_action(r->dev->blk, is_read, -ret)) {
    case BLOCK_ERROR_STOP:
        scsi_request_stop(r);
        return false;
    case BLOCK_ERROR_IGNORE:
        return true;
    case BLOCK_ERROR_REPORT:
    default:
        scsi_request_check(r, sense_of_errno(-ret));
        return false;
    }
}

/* All that was asked for is done. */
static void transfer_good(ScsiRequest *r)
{
    r->done = r->xfer;
    scsi_request_good(r);
}

static void flush_ended(void *opaque, int ret)
{
    ScsiRequest *r = opaque;

    if (step_ended(r, ret, false)) {
        transfer_good(r);
    }
}

static void begin_flush(ScsiRequest *r, BlockDone *done)
{
    r->in_flight = true;
    block_aio_flush(r->dev->blk, done, r);
}

void scsi_disk_flush(ScsiRequest *r)
{
    begin_flush(r, flush_ended);
}

/* Reading and writing */

/* Data must be on the medium before the command ends, or is read from there. */
static bool wants_fua(const ScsiRequest *r)
{
    switch (r->cdb[0]) {
    case SCSI_READ_6:
    case SCSI_WRITE_6:
        return false;
    case SCSI_WRITE_VERIFY_10:
    case SCSI_WRITE_VERIFY_12:
    case SCSI_WRITE_VERIFY_16:
        return true;
    default:
        return r->cdb[1] & FUA;
    }
}

/* The buffers, no more than the command transfers. */
static void trim_data(ScsiRequest *r)
{
    size_t have = iov_size(r->data, r->ndata);

    if (have > r->xfer) {
        iov_discard_back(r->data, &r->ndata, have - r->xfer);
    }
}

/* False: the request has ended. */
static bool check_transfer(ScsiRequest *r, uint64_t *ret_at)
{
    const ScsiDisk *s = disk_of(r);
    uint64_t lba = cdb_lba(r->cdb), n = cdb_blocks(r->cdb);

    if (r->cdb_len > 6 && (r->cdb[1] & PROTECT)) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return false;
    }
    if (!range_is_good(s, lba, n)) {
        scsi_request_check(r, SCSI_LBA_OUT_OF_RANGE);
        return false;
    }
    if (n == 0) {
        scsi_request_good(r);
        return false;
    }
    *ret_at = lba * s->unit.block_bytes;
    trim_data(r);
    return true;
}

static void read_ended(void *opaque, int ret)
{
    ScsiRequest *r = opaque;

    if (step_ended(r, ret, true)) {
        transfer_good(r);
    }
}

static void begin_read(ScsiRequest *r)
{
    r->in_flight = true;
    block_aio_readv(r->dev->blk, r->at, r->data, (int)r->ndata, read_ended, r);
}

static void flushed_to_read(void *opaque, int ret)
{
    ScsiRequest *r = opaque;

    if (step_ended(r, ret, false)) {
        begin_read(r);
    }
}

void scsi_disk_read(ScsiRequest *r)
{
    if (!check_transfer(r, &r->at)) {
        return;
    }
    if (wants_fua(r)) {
        begin_flush(r, flushed_to_read);
    } else {
        begin_read(r);
    }
}

static void write_ended(void *opaque, int ret)
{
    ScsiRequest *r = opaque;

    if (!step_ended(r, ret, false)) {
        return;
    }
    if (wants_fua(r)) {
        begin_flush(r, flush_ended);
    } else {
        transfer_good(r);
    }
}

void scsi_disk_write(ScsiRequest *r)
{
    if (block_read_only(r->dev->blk)) {
        scsi_request_check(r, SCSI_WRITE_PROTECTED);
        return;
    }
    if (!check_transfer(r, &r->at)) {
        return;
    }
    r->in_flight = true;
    block_aio_writev(r->dev->blk, r->at, r->data, (int)r->ndata, write_ended,
                     r);
}

/* Comparing with data isn't there; the medium is as good as the host's. */
void scsi_disk_verify(ScsiRequest *r)
{
    if (r->cdb[1] >> 1 & 3) {
        scsi_request_check(r, SCSI_BAD_FIELD);
    } else {
        scsi_request_good(r);
    }
}

void scsi_disk_seek(ScsiRequest *r)
{
    if (cdb_lba(r->cdb) >= scsi_disk_blocks(disk_of(r))) {
        scsi_request_check(r, SCSI_LBA_OUT_OF_RANGE);
    } else {
        scsi_request_good(r);
    }
}

/* UNMAP (SBC-3, 5.30): ranges, one after the other */

static void unmap_next(ScsiRequest *r);

static void unmap_ended(void *opaque, int ret)
{
    ScsiRequest *r = opaque;

    if (step_ended(r, ret, false)) {
        r->step++;
        unmap_next(r);
    }
}

static void unmap_next(ScsiRequest *r)
{
    const ScsiDisk *s = disk_of(r);

    for (; UNMAP_HEAD + (r->step + 1) * UNMAP_RANGE <= r->buf_len; r->step++) {
        const uint8_t *p = r->buf + UNMAP_HEAD + r->step * UNMAP_RANGE;
        uint64_t lba = ldq_be_p(p), n = ldl_be_p(p + 8);

        if (!range_is_good(s, lba, n)) {
            scsi_request_check(r, SCSI_LBA_OUT_OF_RANGE);
            return;
        }
        if (n > 0) {
            r->in_flight = true;
            block_aio_discard(r->dev->blk, lba * s->unit.block_bytes,
                              n * s->unit.block_bytes, unmap_ended, r);
            return;
        }
    }
    transfer_good(r);
}

void scsi_disk_unmap(ScsiRequest *r)
{
    unsigned len, ranges;

    if (r->cdb[1] & 1) { /* anchored blocks aren't there */
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    if (r->xfer == 0) {
        scsi_request_good(r);
        return;
    }
    if (block_read_only(r->dev->blk)) {
        scsi_request_check(r, SCSI_WRITE_PROTECTED);
        return;
    }
    if (r->xfer < UNMAP_HEAD) {
        scsi_request_check(r, SCSI_BAD_PARAM_LENGTH);
        return;
    }
    r->buf = g_malloc(r->xfer);
    r->buf_len = iov_to_buf(r->data, r->ndata, 0, r->buf, r->xfer);
    len = lduw_be_p(r->buf) + 2u;
    ranges = lduw_be_p(r->buf + 2);
    if (len > r->buf_len || UNMAP_HEAD + ranges > r->buf_len ||
        ranges % UNMAP_RANGE != 0) {
        scsi_request_check(r, SCSI_BAD_PARAM_LENGTH);
        return;
    }
    r->buf_len = UNMAP_HEAD + ranges;
    r->step = 0;
    unmap_next(r);
}

/* WRITE SAME (SBC-3, 5.49) */

static void same_next(ScsiRequest *r);

static void same_ended(void *opaque, int ret)
{
    ScsiRequest *r = opaque;

    if (step_ended(r, ret, false)) {
        same_next(r);
    }
}

/* The rest, as much as the pattern in memory is. */
static void same_next(ScsiRequest *r)
{
    uint64_t n = MIN(r->left, (uint64_t)r->buf_len);

    if (n == 0) {
        transfer_good(r);
        return;
    }
    r->own_iov.iov_base = r->buf;
    r->own_iov.iov_len = n;
    r->in_flight = true;
    block_aio_writev(r->dev->blk, r->at, &r->own_iov, 1, same_ended, r);
    r->at += n;
    r->left -= n;
}

static void zeroes_ended(void *opaque, int ret)
{
    ScsiRequest *r = opaque;

    if (step_ended(r, ret, false)) {
        transfer_good(r);
    }
}

static bool all_zeroes(const uint8_t *p, size_t len)
{
    return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

/* The block that is given, as often as it fits. */
static void fill_pattern(ScsiRequest *r, size_t block)
{
    size_t room = MAX(SAME_BYTES / block, (size_t)1) * block;

    r->buf_len = MIN((uint64_t)room, r->left);
    r->buf = g_malloc(MAX(r->buf_len, block));
    iov_to_buf(r->data, r->ndata, 0, r->buf, block);
    for (size_t at = block; at < r->buf_len; at += block) {
        memcpy(r->buf + at, r->buf, block);
    }
}

void scsi_disk_write_same(ScsiRequest *r)
{
    const ScsiDisk *s = disk_of(r);
    uint64_t lba = cdb_lba(r->cdb), n = cdb_blocks(r->cdb);
    size_t block = s->unit.block_bytes;
    bool no_data = r->xfer == 0; /* NDOB: zeros */

    if (n == 0 || (r->cdb[1] & 0x16) != 0 ||
        (no_data && r->cdb[0] != SCSI_WRITE_SAME_16)) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    if (block_read_only(r->dev->blk)) {
        scsi_request_check(r, SCSI_WRITE_PROTECTED);
        return;
    }
    if (!range_is_good(s, lba, n)) {
        scsi_request_check(r, SCSI_LBA_OUT_OF_RANGE);
        return;
    }
    r->at = lba * block;
    r->left = n * block;
    if (!no_data) {
        fill_pattern(r, block);
    }
    if (no_data || all_zeroes(r->buf, block)) {
        r->in_flight = true;
        block_aio_write_zeroes(r->dev->blk, r->at, r->left,
                               r->cdb[1] & UNMAP_BIT, zeroes_ended, r);
        return;
    }
    same_next(r);
}
