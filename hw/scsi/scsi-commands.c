/*
 * Commands of disks and CD-ROM drives, by opcode.  (SPC-4, SBC-3, MMC-6.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-opcodes.h"
#include "hw/scsi/scsi-priv.h"
#include "util/bswap.h"

enum {
    OF_DISK = 1 << 0,
    OF_CD = 1 << 1,
    OF_BOTH = OF_DISK | OF_CD,
    READY = 1 << 2,   /* needs a medium */
    CD_DATA = 1 << 3, /* of CDs: a disk has no such field, not no command */
};

typedef struct ScsiCommand {
    void (*fn)(ScsiRequest *r);
    unsigned flags;
} ScsiCommand;

static ScsiDisk *disk_of(const ScsiRequest *r)
{
    return scsi_disk_of(r->dev);
}

bool scsi_disk_has_medium(const ScsiDisk *s)
{
    return block_is_inserted(s->unit.blk) && !s->tray_open;
}

uint64_t scsi_disk_blocks(const ScsiDisk *s)
{
    return block_size(s->unit.blk) / s->unit.block_bytes;
}

/* For what there is nothing to do: reservations of the only initiator. */
static void run_nothing(ScsiRequest *r)
{
    scsi_request_good(r);
}

/* Without kept data, which its target tells. */
static void run_request_sense(ScsiRequest *r)
{
    uint8_t p[8] = { 0x72 };
    uint8_t fixed[SCSI_SENSE_MAX];
    unsigned len = scsi_put_sense(fixed, SCSI_SENSE_NONE);

    if (r->cdb[1] & 1) {
        scsi_request_reply(r, p, sizeof(p), true);
    } else {
        scsi_request_reply(r, fixed, len, true);
    }
}

static void run_read_capacity_10(ScsiRequest *r)
{
    const ScsiDisk *s = disk_of(r);
    uint64_t n = scsi_disk_blocks(s);
    uint8_t p[8];

    /* A partial medium isn't told of (SBC-3, 5.12): the address is 0. */
    if (!(r->cdb[8] & 1) && ldl_be_p(r->cdb + 2) != 0) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    if (n == 0) {
        scsi_request_check(r, SCSI_NOT_BECOMING_READY);
        return;
    }
    stl_be_p(p, MIN(n - 1, (uint64_t)UINT32_MAX));
    stl_be_p(p + 4, s->unit.block_bytes);
    scsi_request_reply(r, p, sizeof(p), true);
}

static void run_service_action_in(ScsiRequest *r)
{
    const ScsiDisk *s = disk_of(r);
    uint64_t n = scsi_disk_blocks(s);
    uint8_t p[32] = { 0 };

    if ((r->cdb[1] & 0x1f) != 0x10) {
        scsi_request_check(r, SCSI_BAD_FIELD);
        return;
    }
    if (n == 0) {
        scsi_request_check(r, SCSI_NOT_BECOMING_READY);
        return;
    }
    stq_be_p(p, n - 1);
    stl_be_p(p + 8, s->unit.block_bytes);
    if (s->conf.physical_block > s->conf.logical_block) {
        p[13] = __builtin_ctzll(s->conf.physical_block / s->conf.logical_block);
    }
    p[14] = s->conf.discard_gran != 0 ? 0x80 : 0; /* LBPME */
    scsi_request_reply(r, p, sizeof(p), true);
}

static const ScsiCommand commands[256] = {
    [SCSI_TEST_UNIT_READY] = { run_nothing, OF_BOTH | READY },
    [SCSI_REQUEST_SENSE] = { run_request_sense, OF_BOTH },
    [SCSI_FORMAT_UNIT] = { run_nothing, OF_DISK | READY },
    [SCSI_READ_6] = { scsi_disk_read, OF_BOTH | READY },
    [SCSI_WRITE_6] = { scsi_disk_write, OF_BOTH | READY },
    [SCSI_INQUIRY] = { scsi_disk_inquiry, OF_BOTH },
    [SCSI_MODE_SELECT_6] = { scsi_disk_mode_select, OF_BOTH },
    [SCSI_RESERVE_6] = { run_nothing, OF_BOTH },
    [SCSI_RELEASE_6] = { run_nothing, OF_BOTH },
    [SCSI_MODE_SENSE_6] = { scsi_disk_mode_sense, OF_BOTH },
    [SCSI_START_STOP_UNIT] = { scsi_disk_start_stop, OF_BOTH },
    [SCSI_PREVENT_ALLOW_REMOVAL] = { scsi_disk_prevent_removal, OF_BOTH },
    [SCSI_READ_CAPACITY_10] = { run_read_capacity_10, OF_BOTH | READY },
    [SCSI_READ_10] = { scsi_disk_read, OF_BOTH | READY },
    [SCSI_WRITE_10] = { scsi_disk_write, OF_BOTH | READY },
    [SCSI_SEEK_10] = { scsi_disk_seek, OF_BOTH | READY },
    [SCSI_WRITE_VERIFY_10] = { scsi_disk_write, OF_BOTH | READY },
    [SCSI_VERIFY_10] = { scsi_disk_verify, OF_BOTH | READY },
    [SCSI_SYNCHRONIZE_CACHE_10] = { scsi_disk_flush, OF_BOTH | READY },
    [SCSI_WRITE_SAME_10] = { scsi_disk_write_same, OF_BOTH | READY },
    [SCSI_UNMAP] = { scsi_disk_unmap, OF_BOTH | READY },
    [SCSI_READ_TOC] = { scsi_cd_read_toc, OF_BOTH | READY },
    [SCSI_GET_CONFIGURATION] = { scsi_cd_get_configuration, OF_CD | CD_DATA },
    [SCSI_GET_EVENT_STATUS] = { scsi_cd_get_event_status, OF_CD | CD_DATA },
    [SCSI_READ_DISC_INFORMATION] = { scsi_cd_read_disc_information,
                                     OF_CD | CD_DATA | READY },
    [SCSI_MODE_SELECT_10] = { scsi_disk_mode_select, OF_BOTH },
    [SCSI_RESERVE_10] = { run_nothing, OF_BOTH },
    [SCSI_RELEASE_10] = { run_nothing, OF_BOTH },
    [SCSI_MODE_SENSE_10] = { scsi_disk_mode_sense, OF_BOTH },
    [SCSI_READ_16] = { scsi_disk_read, OF_BOTH | READY },
    [SCSI_WRITE_16] = { scsi_disk_write, OF_BOTH | READY },
    [SCSI_WRITE_VERIFY_16] = { scsi_disk_write, OF_BOTH | READY },
    [SCSI_VERIFY_16] = { scsi_disk_verify, OF_BOTH | READY },
    [SCSI_WRITE_SAME_16] = { scsi_disk_write_same, OF_BOTH | READY },
    [SCSI_SERVICE_ACTION_IN_16] = { run_service_action_in, OF_BOTH | READY },
    [SCSI_READ_12] = { scsi_disk_read, OF_BOTH | READY },
    [SCSI_WRITE_12] = { scsi_disk_write, OF_BOTH | READY },
    [SCSI_READ_DVD_STRUCTURE] = { scsi_cd_read_dvd_structure,
                                  OF_CD | CD_DATA | READY },
    [SCSI_WRITE_VERIFY_12] = { scsi_disk_write, OF_BOTH | READY },
    [SCSI_VERIFY_12] = { scsi_disk_verify, OF_BOTH | READY },
    [SCSI_MECHANISM_STATUS] = { scsi_cd_mechanism_status, OF_CD | CD_DATA },
};

static void disk_run(ScsiRequest *r)
{
    const ScsiDisk *s = disk_of(r);
    const ScsiCommand *c = &commands[r->cdb[0]];
    unsigned kind = s->cd ? OF_CD : OF_DISK;

    if (((c->flags & READY) || !(c->flags & (kind | CD_DATA))) &&
        !scsi_disk_has_medium(s)) {
        scsi_request_check(r, SCSI_NO_MEDIUM);
    } else if (!(c->flags & kind)) {
        scsi_request_check(r, c->flags & CD_DATA ? SCSI_BAD_FIELD
                                                 : SCSI_BAD_OPCODE);
    } else if (r->xfer > SCSI_TRANSFER_MAX) {
        scsi_request_check(r, SCSI_BAD_FIELD);
    } else {
        c->fn(r);
    }
}

/* A new medium is told of in two steps: there was none, here is one. */
static void disk_attention_told(ScsiDevice *d)
{
    ScsiDisk *s = scsi_disk_of(d);

    if (s->medium_changed) {
        s->medium_changed = false;
        scsi_raise_attention(&d->unit_attention, SCSI_UA_NEW_MEDIUM);
    }
}

const ScsiType scsi_disk_ops = {
    .run = disk_run,
    .attention_told = disk_attention_told,
};
