/*
 * scsi-hd and scsi-cd: types, properties, life.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/block/geometry.h"
#include "hw/core/boot-order.h"
#include "hw/scsi/scsi-priv.h"
#include "system/vm.h"
#include "util/error.h"

enum {
    GRANULARITY_AUTO = 0xffffffff,
    GRANULARITY_DEFAULT = 4096,
    SERIAL_IN_ID = 20, /* characters of it that make a device id */
};

/* By BlockOnError. */
static const char *const error_names[] = { "auto",   "report", "ignore",
                                           "enospc", "stop",   NULL };

static ScsiDisk *disk_of(Device *dev)
{
    return scsi_disk_of(SCSI_DEVICE(dev));
}

/* Properties */

static bool check_block(const char *what, uint64_t val, GError **errp)
{
    if (!is_pow2(val) || val < BLOCK_SECTOR || val > 2 * MiB) {
        error_setf(errp,
                   "Property .%s doesn't take value %" PRIu64
                   " (a power of two from 512 B to 2 MiB)",
                   what, val);
        return false;
    }
    return true;
}

static bool check_multiple(const char *what, uint64_t val, uint64_t of,
                           uint64_t max, GError **errp)
{
    if (val % of != 0) {
        error_setf(errp, "%s must be a multiple of logical_block_size", what);
        return false;
    }
    if (val / of > max) {
        error_setf(errp, "%s must not exceed %" PRIu64 " logical blocks", what,
                   max);
        return false;
    }
    return true;
}

static bool check_sizes(ScsiDisk *s, GError **errp)
{
    uint64_t block;

    s->logical_block = s->logical_block != 0 ? s->logical_block : BLOCK_SECTOR;
    s->physical_block =
        s->physical_block != 0 ? s->physical_block : s->logical_block;
    if (!check_block("logical_block_size", s->logical_block, errp) ||
        !check_block("physical_block_size", s->physical_block, errp)) {
        return false;
    }
    block = s->logical_block;
    if (block > s->physical_block) {
        error_setf(errp, "logical_block_size > physical_block_size not "
                         "supported");
        return false;
    }
    if (s->discard_gran == GRANULARITY_AUTO) {
        s->discard_gran = MAX(block, (uint64_t)GRANULARITY_DEFAULT);
    }
    return check_multiple("min_io_size", s->min_io, block, UINT16_MAX, errp) &&
           check_multiple("opt_io_size", s->opt_io, block, UINT32_MAX, errp) &&
           check_multiple("discard_granularity", s->discard_gran, block,
                          UINT32_MAX, errp);
}

static bool check_absent(const ScsiDisk *s, GError **errp)
{
    static const char what[] = "is not supported yet by SCSI disks";

    if (s->backend_defaults == ON_OFF_AUTO_ON) {
        error_setf(errp, "backend_defaults=on %s", what);
    } else if (s->account_invalid == ON_OFF_AUTO_OFF ||
               s->account_failed == ON_OFF_AUTO_OFF) {
        error_setf(errp, "account-invalid=off and account-failed=off %s", what);
    } else if (s->lcyls != 0 || s->lheads != 0 || s->lsecs != 0) {
        error_setf(errp, "lcyls, lheads, lsecs %s", what);
    } else {
        return true;
    }
    return false;
}

static void guess_geometry(ScsiDisk *s)
{
    Geometry geo;

    /* Nobody waits for storage while the VM runs. */
    if (s->unit.dev.hotplugged ||
        !geometry_from_partitions(s->unit.blk, &geo) || geo.heads > 16) {
        geo = geometry_by_size(block_size(s->unit.blk) / BLOCK_SECTOR);
    }
    s->cyls = geo.cylinders;
    s->heads = geo.heads;
    s->secs = geo.sectors;
}

static bool set_geometry(ScsiDisk *s, GError **errp)
{
    if (s->cyls == 0 && s->heads == 0 && s->secs == 0) {
        guess_geometry(s);
    }
    if (s->cyls < 1 || s->cyls > 65535) {
        error_setf(errp, "cyls must be between 1 and 65535");
    } else if (s->heads < 1 || s->heads > 255) {
        error_setf(errp, "heads must be between 1 and 255");
    } else if (s->secs < 1 || s->secs > 255) {
        error_setf(errp, "secs must be between 1 and 255");
    } else {
        return true;
    }
    return false;
}

static void set_text(char **text, const char *def)
{
    if (*text == NULL) {
        *text = g_strdup(def);
    }
}

static void set_defaults(ScsiDisk *s)
{
    set_text(&s->version, "2.5+");
    set_text(&s->vendor, "QEMU");
    set_text(&s->product, s->cd ? "QEMU CD-ROM" : "QEMU HARDDISK");
    if (s->device_id == NULL && s->serial != NULL) {
        s->device_id = g_strndup(s->serial, SERIAL_IN_ID);
    }
    set_text(&s->device_id, block_name(s->unit.blk));
    s->unit.block_bytes = s->cd ? SCSI_CD_BLOCK : s->logical_block;
    if (s->cd) {
        s->removable = true;
    }
}

/* Life */

static bool find_blk(ScsiDisk *s, GError **errp)
{
    Device *dev = &s->unit.dev;
    BlockBackend *b;

    if (s->drive_name == NULL && s->cd) {
        s->unit.blk = block_new_empty(dev->vm->blocks, errp);
        return s->unit.blk != NULL;
    }
    if (s->drive_name == NULL) {
        error_setf(errp, "drive property not set");
        return false;
    }
    b = block_find_for_device(dev->vm->blocks, s->drive_name);
    if (b == NULL) {
        error_setf(errp, "Property '%s.drive' can't find value '%s'",
                   dev->type->name, s->drive_name);
        return false;
    }
    s->unit.blk = b;
    if (!s->cd && !s->removable && !block_is_inserted(b)) {
        error_setf(errp, "Device needs media, but drive is empty");
        return false;
    }
    return true;
}

/* The bus is its node of firmware's path. */
static bool set_boot_order(ScsiDisk *s, GError **errp)
{
    Device *dev = &s->unit.dev;

    return boot_order_set(dev->machine, dev, s->bootindex, NULL, errp);
}

static bool disk_attach(ScsiDisk *s, GError **errp)
{
    Device *dev = &s->unit.dev;
    BlockBackend *b = s->unit.blk;

    block_set_share_rw(b, s->share_rw);
    block_set_on_error(b, s->rerror, s->werror);
    if (!set_boot_order(s, errp)) {
        return false;
    }
    if (!block_attach(b, &dev->obj, s->removable, errp)) {
        boot_order_remove(dev->machine, dev);
        return false;
    }
    block_set_dev_ops(
        b, s->removable ? &scsi_disk_removable_dev_ops : &scsi_disk_dev_ops, s);
    if (s->write_cache != ON_OFF_AUTO_AUTO) {
        block_set_write_cache(b, s->write_cache == ON_OFF_AUTO_ON);
    }
    return true;
}

static bool disk_realize(ScsiDisk *s, bool cd, GError **errp)
{
    s->cd = cd;
    if (!check_sizes(s, errp) || !check_absent(s, errp) || !find_blk(s, errp)) {
        block_release(g_steal_pointer(&s->unit.blk));
        return false;
    }
    set_defaults(s);
    if ((!cd && !set_geometry(s, errp)) || !disk_attach(s, errp)) {
        block_release(g_steal_pointer(&s->unit.blk));
        return false;
    }
    scsi_device_init(&s->unit);
    return true;
}

static bool hd_realize(Device *dev, GError **errp)
{
    return disk_realize(disk_of(dev), false, errp);
}

static bool cd_realize(Device *dev, GError **errp)
{
    return disk_realize(disk_of(dev), true, errp);
}

static void disk_unrealize(Device *dev)
{
    ScsiDisk *s = disk_of(dev);

    if (s->unit.blk == NULL) {
        return;
    }
    boot_order_remove(dev->machine, dev);
    scsi_device_fini(&s->unit);
    block_detach(g_steal_pointer(&s->unit.blk));
}

static void disk_reset(Device *dev)
{
    ScsiDisk *s = disk_of(dev);
    ScsiDevice *d = &s->unit;

    d->unit_attention = SCSI_UA_RESET;
    d->sense_is_ua = false;
    d->sense_len = 0;
    s->tray_locked = false;
    block_set_locked(d->blk, false);
}

/* Types */

static bool set_bootindex(Object *obj, const Property *p, const JsonValue *val,
                          GError **errp)
{
    Device *dev = container_of(obj, Device, obj);
    ScsiDisk *s = disk_of(dev);
    int32_t old = s->bootindex;

    if (!object_prop_store(obj, p, val, errp)) {
        return false;
    }
    if (dev->realized && !set_boot_order(s, errp)) {
        s->bootindex = old;
        return false;
    }
    return true;
}

#define ERROR_PROP(field_, name_)                                  \
    PROP(PROP_ENUM, ScsiDisk, field_, name_, .names = error_names, \
         .type_name = "BlockdevOnError", .def = BLOCK_ON_ERROR_AUTO)

static const Property scsi_disk_props[] = {
    PROP(PROP_STR, ScsiDisk, drive_name, "drive",
         .help = "Node name or ID of a block device to use as a backend"),
    PROP(PROP_ON_OFF_AUTO, ScsiDisk, backend_defaults, "backend_defaults"),
    PROP(PROP_SIZE, ScsiDisk, logical_block, "logical_block_size",
         .help = "A power of two between 512 B and 2 MiB"),
    PROP(PROP_SIZE, ScsiDisk, physical_block, "physical_block_size",
         .help = "A power of two between 512 B and 2 MiB"),
    PROP(PROP_SIZE, ScsiDisk, min_io, "min_io_size"),
    PROP(PROP_SIZE, ScsiDisk, opt_io, "opt_io_size"),
    PROP(PROP_SIZE, ScsiDisk, discard_gran, "discard_granularity",
         .def = GRANULARITY_AUTO),
    PROP(PROP_ON_OFF_AUTO, ScsiDisk, write_cache, "write-cache"),
    PROP(PROP_BOOL, ScsiDisk, share_rw, "share-rw"),
    PROP(PROP_ON_OFF_AUTO, ScsiDisk, account_invalid, "account-invalid"),
    PROP(PROP_ON_OFF_AUTO, ScsiDisk, account_failed, "account-failed"),
    ERROR_PROP(rerror, "rerror"),
    ERROR_PROP(werror, "werror"),
    PROP(PROP_STR, ScsiDisk, version, "ver"),
    PROP(PROP_STR, ScsiDisk, serial, "serial"),
    PROP(PROP_STR, ScsiDisk, vendor, "vendor"),
    PROP(PROP_STR, ScsiDisk, product, "product"),
    PROP(PROP_STR, ScsiDisk, device_id, "device_id"),
    PROP(PROP_U64, ScsiDisk, wwn, "wwn"),
    PROP(PROP_U64, ScsiDisk, port_wwn, "port_wwn"),
    PROP(PROP_U16, ScsiDisk, port_index, "port_index"),
    PROP(PROP_U64, ScsiDisk, max_io_size, "max_io_size",
         .def = SCSI_TRANSFER_MAX),
    PROP(PROP_I32, ScsiDisk, scsi_version, "scsi_version", .def = 5),
    PROP(PROP_BOOL, ScsiDisk, quirk_vendor_specific,
         "quirk_mode_page_vendor_specific_apple", .help = "on/off"),
    PROP(PROP_U32, ScsiDisk, unit.channel, "channel"),
    PROP(PROP_U32, ScsiDisk, unit.id, "scsi-id", .def = SCSI_ID_AUTO),
    PROP(PROP_U32, ScsiDisk, unit.lun, "lun", .def = SCSI_ID_AUTO),
    PROP(PROP_I32, ScsiDisk, bootindex, "bootindex", .def = -1,
         .set = set_bootindex, .run_time = true),
    PROP_END,
};

static const Property scsi_hd_props[] = {
    PROP(PROP_BOOL, ScsiDisk, removable, "removable", .help = "on/off"),
    PROP(PROP_BOOL, ScsiDisk, dpofua, "dpofua", .help = "on/off"),
    PROP(PROP_U64, ScsiDisk, max_unmap_size, "max_unmap_size", .def = 1 * GiB),
    PROP(PROP_U16, ScsiDisk, rotation_rate, "rotation_rate"),
    PROP(PROP_U32, ScsiDisk, cyls, "cyls"),
    PROP(PROP_U32, ScsiDisk, heads, "heads"),
    PROP(PROP_U32, ScsiDisk, secs, "secs"),
    PROP(PROP_U32, ScsiDisk, lcyls, "lcyls"),
    PROP(PROP_U32, ScsiDisk, lheads, "lheads"),
    PROP(PROP_U32, ScsiDisk, lsecs, "lsecs"),
    PROP_END,
};

static const Property scsi_cd_props[] = {
    PROP(PROP_BOOL, ScsiDisk, quirk_apple_vendor,
         "quirk_mode_page_apple_vendor", .help = "on/off"),
    PROP(PROP_BOOL, ScsiDisk, quirk_use_dbd, "quirk_mode_sense_rom_use_dbd",
         .help = "on/off"),
    PROP(PROP_BOOL, ScsiDisk, quirk_truncated, "quirk_mode_page_truncated",
         .help = "on/off"),
    PROP_END,
};

static const Property *const scsi_disk_tables[] = { scsi_disk_props, NULL };

#define SCSI_DISK_TYPE                                                        \
    .parent = "scsi-disk-base", .category = "Storage",                        \
    .size = sizeof(ScsiDisk), .bus = BUS_SCSI, .user_creatable = true,        \
    .hotpluggable = true, .more_props = scsi_disk_tables,                     \
    .scsi = &scsi_disk_ops, .unrealize = disk_unrealize, .reset = disk_reset, \
    .vmstate = &scsi_disk_vmstate

const DeviceType scsi_hd_type = {
    SCSI_DISK_TYPE,         .name = "scsi-hd",     .desc = "virtual SCSI disk",
    .props = scsi_hd_props, .realize = hd_realize,
};

const DeviceType scsi_cd_type = {
    SCSI_DISK_TYPE,
    .name = "scsi-cd",
    .desc = "virtual SCSI CD-ROM",
    .props = scsi_cd_props,
    .realize = cd_realize,
};
