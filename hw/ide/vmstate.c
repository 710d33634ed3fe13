/*
 * State of the IDE controller with all its drives: section "ide" version 3,
 * ABI.
 *
 * What the block layer has begun is done before a state is saved.  A command
 * by DMA that software hasn't started yet, or that waits for the guest to go
 * on, is in the stream as one to retry: which drive, how, from which sector.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"
#include "util/error.h"

#define FIELD(name_, T, f, k)                                   \
    {                                                           \
        .name = (name_), .kind = (k), .offset = offsetof(T, f), \
        .size = sizeof(((T *)0)->f)                             \
    }
/* Elements of one description that lie in larger ones side by side. */
#define PARTS(name_, f, n, T, vms_, sv)                                       \
    {                                                                         \
        .name = (name_), .kind = VMS_STRUCT, .offset = offsetof(PiixIde, f),  \
        .size = sizeof(T), .num = (n), .vms = &(vms_), .struct_version = (sv) \
    }

/* Retry bits stand where a bus master's status has others. */
#define RETRY_BITS (RETRY_DMA | RETRY_PIO | RETRY_READ | RETRY_FLUSH)

/* Drives */

static bool has_identify(void *opaque, int version)
{
    return version >= 3 && ((const IdeDrive *)opaque)->identify_set != 0;
}

/* What is to be written is in the buffer, also if it is to be once more. */
static bool pio_needed(void *opaque)
{
    const IdeDrive *d = opaque;

    return (d->status & ST_DRQ) || ((d->ch->error_status & RETRY_PIO) &&
                                    d->ch->retry_unit == d - d->ch->drives);
}

static bool tray_needed(void *opaque)
{
    const IdeDrive *d = opaque;

    return d->tray_open || d->tray_locked;
}

static bool gesn_needed(void *opaque)
{
    const IdeDrive *d = opaque;

    return d->new_media || d->eject_request;
}

static bool pio_post_load(void *opaque, int version, GError **errp)
{
    const IdeDrive *d = opaque;

    if (d->end >= IDE_ENDS) {
        error_setf(errp, "ide: end_transfer_fn_idx %u: at most %u", d->end,
                   IDE_ENDS - 1);
        return false;
    }
    if (d->pio_pos < 0 || d->pio_len < 0 ||
        !range_fits(d->pio_pos, d->pio_len, IDE_BUFFER)) {
        error_setf(errp, "ide: transfer of %d bytes at %d: the buffer has %d",
                   d->pio_len, d->pio_pos, IDE_BUFFER);
        return false;
    }
    if (d->req_nb_sectors < 0 || d->req_nb_sectors > IDE_MAX_MULT) {
        error_setf(errp, "ide: req_nb_sectors %d: at most %d",
                   d->req_nb_sectors, IDE_MAX_MULT);
        return false;
    }
    if (d->elementary_size < 0 || d->packet_size < 0) {
        error_setf(errp,
                   "ide: packet_transfer_size %d, elementary %d: negative",
                   d->packet_size, d->elementary_size);
        return false;
    }
    return true;
}

static const Vmstate pio_vmstate = {
    .name = "ide_drive/pio_state",
    .version = 1,
    .oldest = 1,
    .needed = pio_needed,
    .post_load = pio_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_I32(IdeDrive, req_nb_sectors),
            { .name = "io_buffer",
              .kind = VMS_U8,
              .offset = offsetof(IdeDrive, buffer),
              .size = 1,
              .num = IDE_BUFFER,
              .flags = VMF_POINTER },
            FIELD("cur_io_buffer_offset", IdeDrive, pio_pos, VMS_I32),
            FIELD("cur_io_buffer_len", IdeDrive, pio_len, VMS_I32),
            FIELD("end_transfer_fn_idx", IdeDrive, end, VMS_U8),
            FIELD("elementary_transfer_size", IdeDrive, elementary_size,
                  VMS_I32),
            FIELD("packet_transfer_size", IdeDrive, packet_size, VMS_I32),
            VMSTATE_END,
        },
};

static const Vmstate tray_vmstate = {
    .name = "ide_drive/tray_state",
    .version = 1,
    .oldest = 1,
    .needed = tray_needed,
    .fields =
        (const VmstateField[]){
            VMSTATE_BOOL(IdeDrive, tray_open),
            VMSTATE_BOOL(IdeDrive, tray_locked),
            VMSTATE_END,
        },
};

static const Vmstate gesn_vmstate = {
    .name = "ide_drive/atapi/gesn_state",
    .version = 1,
    .oldest = 1,
    .needed = gesn_needed,
    .fields =
        (const VmstateField[]){
            FIELD("events.new_media", IdeDrive, new_media, VMS_BOOL),
            FIELD("events.eject_request", IdeDrive, eject_request, VMS_BOOL),
            VMSTATE_END,
        },
};

/* What a stream leaves out is as after a reset. */
static bool drive_pre_load(void *opaque, GError **errp)
{
    IdeDrive *d = opaque;

    d->tray_open = d->tray_locked = false;
    d->new_media = d->eject_request = false;
    return true;
}

/*
 * A guest that has asked the drive what it is would go on with none, or with
 * another kind (word 0: ATA/ATAPI-7 volume 1, sections 6.17.3 and 6.18.3;
 * 848ah is a CompactFlash card's).
 */
static bool drive_check_kind(const IdeDrive *d, GError **errp)
{
    uint16_t word = ide_identify_get(d, 0);
    bool cd = word >> 14 == 2 && word != 0x848a;

    if (d->dev != NULL && d->cd == cd) {
        return true;
    }
    error_setf(errp, "%s, unit %d: the source has a %s there, here is %s",
               d->ch->bus.name, (int)(d - d->ch->drives),
               cd ? "CD-ROM drive" : "disk",
               d->dev == NULL ? "nothing"
               : d->cd        ? "a CD-ROM drive"
                              : "a disk");
    return false;
}

static bool drive_post_load(void *opaque, int version, GError **errp)
{
    IdeDrive *d = opaque;

    if (d->mult_sectors < 0 || d->mult_sectors > IDE_MAX_MULT ||
        (d->mult_sectors != 0 && !is_pow2(d->mult_sectors))) {
        error_setf(errp, "ide: mult_sectors %d: not a power of two up to %d",
                   d->mult_sectors, IDE_MAX_MULT);
        return false;
    }
    if (d->nsector > 65536) {
        error_setf(errp, "ide: nsector %u: at most 65536", d->nsector);
        return false;
    }
    if (d->identify_set && !drive_check_kind(d, errp)) {
        return false;
    }
    if (d->blk != NULL && d->cd) {
        block_set_tray_open(d->blk, d->tray_open);
        block_set_locked(d->blk, d->tray_locked);
    }
    if (d->blk != NULL && !d->cd && d->identify_set) {
        block_set_write_cache(d->blk, ide_identify_get(d, 85) & 1 << 5);
    }
    /* Packet data beyond the part that is there doesn't come along. */
    d->buf_pos = d->buf_len = d->pio_pos + d->pio_len;
    d->cd_left = 0;
    return true;
}

const Vmstate ide_drive_vmstate = {
    .name = "ide_drive",
    .version = 3,
    .oldest = 0,
    .pre_load = drive_pre_load,
    .post_load = drive_post_load,
    .fields =
        (const VmstateField[]){
            VMSTATE_I32(IdeDrive, mult_sectors),
            VMSTATE_I32(IdeDrive, identify_set),
            { .name = "identify_data",
              .kind = VMS_BUFFER,
              .offset = offsetof(IdeDrive, identify_data),
              .size = IDE_SECTOR,
              .exists = has_identify },
            VMSTATE_U8(IdeDrive, feature),
            VMSTATE_U8(IdeDrive, error),
            VMSTATE_U32(IdeDrive, nsector),
            VMSTATE_U8(IdeDrive, sector),
            VMSTATE_U8(IdeDrive, lcyl),
            VMSTATE_U8(IdeDrive, hcyl),
            VMSTATE_U8(IdeDrive, hob_feature),
            VMSTATE_U8(IdeDrive, hob_sector),
            VMSTATE_U8(IdeDrive, hob_nsector),
            VMSTATE_U8(IdeDrive, hob_lcyl),
            VMSTATE_U8(IdeDrive, hob_hcyl),
            VMSTATE_U8(IdeDrive, select),
            VMSTATE_U8(IdeDrive, status),
            VMSTATE_U8(IdeDrive, lba48),
            VMSTATE_U8(IdeDrive, sense_key),
            VMSTATE_U8(IdeDrive, asc),
            { .name = "cdrom_changed",
              .kind = VMS_U8,
              .offset = offsetof(IdeDrive, cdrom_changed),
              .size = 1,
              .version = 3 },
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &pio_vmstate, &tray_vmstate,
                                             &gesn_vmstate, NULL },
};

/* Channels */

static bool retry_needed(void *opaque)
{
    return ((const IdeChannel *)opaque)->error_status != 0;
}

static const Vmstate retry_vmstate = {
    .name = "ide_bus/error",
    .version = 2,
    .oldest = 1,
    .needed = retry_needed,
    .fields =
        (const VmstateField[]){
            VMSTATE_I32(IdeChannel, error_status),
            { .name = "retry_sector_num",
              .kind = VMS_I64,
              .offset = offsetof(IdeChannel, retry_sector),
              .size = 8,
              .version = 2 },
            { .name = "retry_nsector",
              .kind = VMS_U32,
              .offset = offsetof(IdeChannel, retry_nsector),
              .size = 4,
              .version = 2 },
            { .name = "retry_unit",
              .kind = VMS_U8,
              .offset = offsetof(IdeChannel, retry_unit),
              .size = 1,
              .version = 2 },
            VMSTATE_END,
        },
};

static bool channel_post_load(void *opaque, int version, GError **errp)
{
    IdeChannel *ch = opaque;

    if (ch->unit >= IDE_DRIVES) {
        error_setf(errp, "ide_bus: unit %u: at most %u", ch->unit,
                   IDE_DRIVES - 1);
        return false;
    }
    return true;
}

const Vmstate ide_channel_vmstate = {
    .name = "ide_bus",
    .version = 1,
    .oldest = 1,
    .post_load = channel_post_load,
    .fields =
        (const VmstateField[]){
            FIELD("cmd", IdeChannel, ctl, VMS_U8),
            VMSTATE_U8(IdeChannel, unit),
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &retry_vmstate, NULL },
};

/* Bus masters */

static bool bm_status_needed(void *opaque)
{
    return ((const IdeChannel *)opaque)->bm.status & RETRY_BITS;
}

static const Vmstate bm_status_vmstate = {
    .name = "ide bmdma/status",
    .version = 1,
    .oldest = 1,
    .needed = bm_status_needed,
    .fields =
        (const VmstateField[]){
            FIELD("status", IdeChannel, bm.status, VMS_U8),
            VMSTATE_END,
        },
};

static bool bm_pre_save(void *opaque, GError **errp)
{
    IdeChannel *ch = opaque;

    ch->bm.compat_status =
        (ch->bm.status & ~RETRY_BITS) | (ch->error_status & RETRY_BITS);
    return true;
}

static bool bm_pre_load(void *opaque, GError **errp)
{
    IdeChannel *ch = opaque;

    ide_bm_reset(&ch->bm);
    ch->error_status = 0;
    return true;
}

/*
 * Streams of old have the retry bits in the status only; all others bring
 * "ide_bus/error", which has been read by now.
 */
static bool bm_post_load(void *opaque, int version, GError **errp)
{
    IdeChannel *ch = opaque;

    ch->bm.status |= ch->bm.compat_status & ~RETRY_BITS;
    if (ch->error_status == 0) {
        ch->error_status = ch->bm.compat_status & RETRY_BITS;
    }
    ch->bm.next_prd = ch->bm.addr;
    return true;
}

static const Vmstate bm_vmstate = {
    .name = "ide bmdma",
    .version = 3,
    .oldest = 0,
    .pre_save = bm_pre_save,
    .pre_load = bm_pre_load,
    .post_load = bm_post_load,
    .fields =
        (const VmstateField[]){
            FIELD("cmd", IdeChannel, bm.cmd, VMS_U8),
            FIELD("migration_compat_status", IdeChannel, bm.compat_status,
                  VMS_U8),
            FIELD("addr", IdeChannel, bm.addr, VMS_U32),
            FIELD("migration_retry_sector_num", IdeChannel, retry_sector,
                  VMS_I64),
            FIELD("migration_retry_nsector", IdeChannel, retry_nsector,
                  VMS_U32),
            FIELD("migration_retry_unit", IdeChannel, retry_unit, VMS_U8),
            VMSTATE_END,
        },
    .subsections = (const Vmstate *const[]){ &bm_status_vmstate, NULL },
};

/* The whole */

/* What went on here ends before any part of the new state comes. */
static bool ide_pre_load(void *opaque, GError **errp)
{
    PiixIde *s = opaque;

    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        for (unsigned k = 0; k < IDE_DRIVES; k++) {
            ide_cancel(&s->ch[i].drives[k]);
        }
    }
    return true;
}

/* A command that waits for the bus master is one to retry there. */
static bool ide_pre_save(void *opaque, GError **errp)
{
    PiixIde *s = opaque;

    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        IdeChannel *ch = &s->ch[i];

        switch (ch->dma) {
        case IDE_DMA_READ:
            ch->error_status = RETRY_DMA | RETRY_READ;
            break;
        case IDE_DMA_WRITE:
            ch->error_status = RETRY_DMA;
            break;
        case IDE_DMA_TRIM:
            ch->error_status = RETRY_DMA | RETRY_TRIM;
            break;
        default:
            break;
        }
    }
    return true;
}

static void ide_post_save(void *opaque)
{
    PiixIde *s = opaque;

    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        /* It waits here too, if the guest goes on. */
        if (s->ch[i].dma != IDE_DMA_NONE) {
            s->ch[i].error_status = 0;
        }
    }
}

const Vmstate piix3_ide_vmstate = {
    .name = "ide",
    .version = 3,
    .oldest = 0,
    .pre_save = ide_pre_save,
    .pre_load = ide_pre_load,
    .post_save = ide_post_save,
    .fields =
        (const VmstateField[]){
            VMSTATE_PCI_DEVICE_AS(PiixIde, pci, "parent_obj"),
            PARTS("bmdma", ch, IDE_CHANNELS, IdeChannel, bm_vmstate, 3),
            PARTS("bus", ch, IDE_CHANNELS, IdeChannel, ide_channel_vmstate, 1),
            PARTS("bus[0].ifs", ch[0].drives, IDE_DRIVES, IdeDrive,
                  ide_drive_vmstate, 3),
            PARTS("bus[1].ifs", ch[1].drives, IDE_DRIVES, IdeDrive,
                  ide_drive_vmstate, 3),
            VMSTATE_END,
        },
};
