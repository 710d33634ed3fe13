/*
 * scsi-hd and scsi-cd: types, properties, life.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/scsi/scsi-priv.h"

enum {
    GRANULARITY_DEFAULT = 4096,
    SERIAL_IN_ID = 20, /* characters of it that make a device id */
};

static ScsiDisk *disk_of(Device *dev)
{
    return scsi_disk_of(SCSI_DEVICE(dev));
}

/* Properties */

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
    s->unit.block_bytes = s->cd ? SCSI_CD_BLOCK : s->conf.logical_block;
    if (s->cd) {
        s->removable = true;
    }
}

/* Life */

static bool disk_realize(ScsiDisk *s, bool cd, GError **errp)
{
    Device *dev = &s->unit.dev;
    BlockBackend *b;

    s->cd = cd;
    if (!disk_conf_check(&s->conf, GRANULARITY_DEFAULT, errp) ||
        !disk_conf_check_no_bios_geometry(&s->lgeo, errp)) {
        return false;
    }
    b = disk_conf_find(&s->conf, dev, dev->type->name, cd, !cd && !s->removable,
                       errp);
    if (b == NULL) {
        return false;
    }
    s->unit.blk = b;
    set_defaults(s);
    /* The bus is its node of firmware's path. */
    if ((!cd && !disk_conf_set_geometry(&s->geo, dev, b, errp)) ||
        !disk_conf_attach(&s->conf, b, dev, NULL, s->removable, errp)) {
        block_release(g_steal_pointer(&s->unit.blk));
        return false;
    }
    block_set_dev_ops(
        b, s->removable ? &scsi_disk_removable_dev_ops : &scsi_disk_dev_ops, s);
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
    scsi_device_fini(&s->unit);
    disk_conf_detach(g_steal_pointer(&s->unit.blk), dev);
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

static const Property scsi_disk_props[] = {
    DISK_CONF_PROPS(ScsiDisk, conf),
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
    PROP_END,
};

static const Property scsi_hd_props[] = {
    PROP(PROP_BOOL, ScsiDisk, removable, "removable", .help = "on/off"),
    PROP(PROP_BOOL, ScsiDisk, dpofua, "dpofua", .help = "on/off"),
    PROP(PROP_U64, ScsiDisk, max_unmap_size, "max_unmap_size", .def = 1 * GiB),
    PROP(PROP_U16, ScsiDisk, rotation_rate, "rotation_rate"),
    DISK_GEOMETRY_PROPS(ScsiDisk, geo, lgeo),
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
