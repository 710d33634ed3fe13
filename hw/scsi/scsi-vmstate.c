/*
 * State of scsi-hd and scsi-cd.
 *
 * Stream: "scsi-disk" version 1, named by the place: "…/0:1:0".  Its requests
 * are those that failed and wait for the VM to go on; each: a byte 1 (2 for
 * one that had not failed), the CDB's 16 bytes, tag be32, LUN be32, the
 * adapter's part; of one that reads or writes blocks, sector be64, sectors
 * be32, be32 bytes of a buffer, which is empty.  Then a byte 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-opcodes.h"
#include "hw/scsi/scsi-priv.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    LOADED_MAX = 64 * 1024, /* requests; more than queues can have */
};

/* Those whose data goes between medium and guest. */
static bool has_transfer(const uint8_t *cdb)
{
    switch (cdb[0]) {
    case SCSI_READ_6:
    case SCSI_READ_10:
    case SCSI_READ_12:
    case SCSI_READ_16:
    case SCSI_WRITE_6:
    case SCSI_WRITE_10:
    case SCSI_WRITE_12:
    case SCSI_WRITE_16:
    case SCSI_WRITE_VERIFY_10:
    case SCSI_WRITE_VERIFY_12:
    case SCSI_WRITE_VERIFY_16:
        return true;
    default:
        return false;
    }
}

static bool requests_put(StreamOut *out, const void *field, size_t size,
                         GError **errp)
{
    const ScsiDevice *d = field;

    for (const GList *l = d->requests.head; l != NULL; l = l->next) {
        const ScsiRequest *r = l->data;

        stream_put_u8(out, 1);
        stream_put(out, r->cdb, sizeof(r->cdb));
        stream_put_be32(out, r->tag);
        stream_put_be32(out, r->lun);
        r->bus->adapter->put(out, r);
        if (has_transfer(r->cdb)) {
            stream_put_be64(out, r->at / BLOCK_SECTOR);
            stream_put_be32(out, r->xfer / BLOCK_SECTOR);
            stream_put_be32(out, 0);
        }
    }
    stream_put_u8(out, 0);
    return true;
}

/* All of it is in the CDB, but a buffer, which no adapter here has. */
static bool get_transfer(StreamIn *in, GError **errp)
{
    uint32_t buffer;

    stream_get_be64(in);
    stream_get_be32(in);
    buffer = stream_get_be32(in);
    if (buffer != 0) {
        error_setf(errp, "a request with %" PRIu32 " bytes in a buffer",
                   buffer);
        return false;
    }
    return true;
}

static bool requests_get(StreamIn *in, void *field, size_t size, GError **errp)
{
    ScsiDevice *d = field;
    ScsiBus *bus = SCSI_BUS(d->dev.parent_bus);
    uint8_t kind;

    /* The state of an attempt that was undone is replaced as a whole. */
    scsi_device_drop_loaded(d);
    while ((kind = stream_get_u8(in)) != 0) {
        ScsiLoaded l;

        if (kind > 2) {
            error_setf(errp, "a request of kind %u", kind);
            return false;
        }
        if (d->loaded->len >= LOADED_MAX) {
            error_setf(errp, "more than %d requests", LOADED_MAX);
            return false;
        }
        stream_get(in, l.cdb, sizeof(l.cdb));
        l.tag = stream_get_be32(in);
        l.lun = stream_get_be32(in);
        if (!bus->adapter->get(in, &l, errp) ||
            (has_transfer(l.cdb) && !get_transfer(in, errp))) {
            return false;
        }
        g_array_append_val(d->loaded, l);
    }
    return stream_in_check(in, errp);
}

static const VmstateInfo requests_info = { .name = "scsi-requests",
                                           .put = requests_put,
                                           .get = requests_get };

static const Vmstate unit_vmstate = {
    .name = "SCSIDevice",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){
            VMSTATE_U8(ScsiDevice, unit_attention.key),
            VMSTATE_U8(ScsiDevice, unit_attention.asc),
            VMSTATE_U8(ScsiDevice, unit_attention.ascq),
            VMSTATE_BOOL(ScsiDevice, sense_is_ua),
            VMSTATE_U8_ARRAY(ScsiDevice, sense, SCSI_SENSE_MAX),
            VMSTATE_U32(ScsiDevice, sense_len),
            { .name = "requests",
              .kind = VMS_CUSTOM,
              .size = 1,
              .info = &requests_info },
            VMSTATE_END,
        },
};

static bool take_loaded(ScsiDevice *d, GError **errp)
{
    ScsiBus *bus = SCSI_BUS(d->dev.parent_bus);

    for (guint i = 0; i < d->loaded->len; i++) {
        const ScsiLoaded *l = &g_array_index(d->loaded, ScsiLoaded, i);
        ScsiRequest *r = bus->adapter->take(d, l, errp);

        if (r == NULL) {
            return false;
        }
        r->ops = scsi_type_of(d);
        scsi_request_stop(r);
    }
    g_array_set_size(d->loaded, 0);
    return true;
}

static bool disk_post_load(void *opaque, int version, GError **errp)
{
    ScsiDisk *s = opaque;
    ScsiDevice *d = &s->unit;

    if (d->sense_len > SCSI_SENSE_MAX) {
        error_setf(errp, "scsi-disk: %" PRIu32 " bytes of sense data",
                   d->sense_len);
        return false;
    }
    if (s->removable) {
        block_set_tray_open(d->blk, s->tray_open);
        block_set_locked(d->blk, s->tray_locked);
    }
    return take_loaded(d, errp);
}

const Vmstate scsi_disk_vmstate = {
    .name = "scsi-disk",
    .version = 1,
    .oldest = 1,
    .post_load = disk_post_load,
    .fields =
        (const VmstateField[]){
            { .name = "qdev",
              .kind = VMS_STRUCT,
              .offset = offsetof(ScsiDisk, unit),
              .size = sizeof(ScsiDevice),
              .vms = &unit_vmstate,
              .struct_version = 1 },
            { .name = "media_changed",
              .kind = VMS_BOOL,
              .offset = offsetof(ScsiDisk, medium_changed),
              .size = sizeof(bool) },
            VMSTATE_BOOL(ScsiDisk, media_event),
            VMSTATE_BOOL(ScsiDisk, eject_request),
            VMSTATE_BOOL(ScsiDisk, tray_open),
            VMSTATE_BOOL(ScsiDisk, tray_locked),
            VMSTATE_END,
        },
};
