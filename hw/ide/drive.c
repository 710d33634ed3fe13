/*
 * ide-hd and ide-cd: a drive with its medium, on one place of a channel.
 *
 * The state of a drive is the controller's: it has a place for each, and all
 * of them are in its section of the stream.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/ide/ide-priv.h"

#include "system/vm.h"
#include "util/error.h"

#define UNIT_FREE UINT32_MAX

enum { TRANS_AUTO, TRANS_NONE, TRANS_LBA, TRANS_LARGE, TRANS_RECHS };

static const char *const trans_names[] = { "auto",  "none",  "lba",
                                           "large", "rechs", NULL };

/* Geometry */

static bool translation_needed(const Geometry *geo)
{
    return geo->cylinders > 1024 || geo->heads > 16 || geo->sectors > 63;
}

void ide_guess_geometry(IdeDevice *s)
{
    uint64_t n = block_size(s->blk) / IDE_SECTOR;
    int translation;
    Geometry guess;

    if (!geometry_from_partitions(s->blk, &guess)) {
        guess = geometry_by_size(n);
        translation = translation_needed(&guess) ? TRANS_LBA : TRANS_NONE;
    } else if (guess.heads > 16) {
        /* More than a disk can have: the BIOS made them up. */
        guess = geometry_by_size(n);
        translation =
            guess.cylinders * guess.heads <= 131072 ? TRANS_LARGE : TRANS_LBA;
    } else {
        translation = TRANS_NONE;
    }
    if (s->geo.cylinders == 0 && s->geo.heads == 0 && s->geo.sectors == 0) {
        s->geo = guess;
        if (s->translation == TRANS_AUTO) {
            s->translation = translation;
        }
    } else if (s->translation == TRANS_AUTO) {
        s->translation = translation_needed(&s->geo) ? TRANS_LBA : TRANS_NONE;
    }
}

IdeGeometry ide_bios_geometry(const IdeDevice *s)
{
    return (IdeGeometry){
        .cylinders = s->geo.cylinders,
        .heads = s->geo.heads,
        .sectors = s->geo.sectors,
        .translation = s->translation - TRANS_NONE,
    };
}

/* Checks */

static bool check_policy(const char *what, int policy, GError **errp)
{
    if (policy == BLOCK_ON_ERROR_AUTO || policy == BLOCK_ON_ERROR_REPORT) {
        return true;
    }
    error_setf(errp,
               "%s=%s of CD-ROM drives is not in this version, only "
               "%s=report",
               what, disk_conf_error_names[policy], what);
    return false;
}

static bool check_sizes(const DiskConf *c, GError **errp)
{
    if (c->logical_block != IDE_SECTOR) {
        error_setf(errp, "logical_block_size must be 512 for IDE");
        return false;
    }
    if (c->discard_gran != 0 && c->discard_gran != IDE_SECTOR) {
        error_setf(errp, "discard_granularity must be 512 for ide");
        return false;
    }
    /* There is no place in IDENTIFY to tell them. */
    if (c->min_io != 0 || c->opt_io != 0) {
        error_setf(errp, "min_io_size, opt_io_size: an IDE drive can't tell "
                         "them");
        return false;
    }
    return true;
}

static bool check_text(const char *what, const char *s, unsigned max,
                       GError **errp)
{
    if (s != NULL && strlen(s) > max) {
        error_setf(errp, "%s '%s': longer than %u characters", what, s, max);
        return false;
    }
    return true;
}

static bool check_props(IdeDevice *s, bool cd, GError **errp)
{
    return disk_conf_check(&s->conf, IDE_SECTOR, errp) &&
           check_sizes(&s->conf, errp) &&
           (!cd || (check_policy("werror", s->conf.werror, errp) &&
                    check_policy("rerror", s->conf.rerror, errp))) &&
           check_text("serial", s->serial, 20, errp) &&
           check_text("ver", s->version, 8, errp) &&
           check_text("model", s->model, 40, errp) &&
           disk_conf_check_geometry(&s->geo, 16, errp);
}

/* Life */

static IdeDevice *ide_device_of(Device *dev)
{
    return DEVICE_CAST(IdeDevice, dev);
}

static bool take_place(IdeDevice *s, GError **errp)
{
    IdeChannel *ch = IDE_CHANNEL(s->dev.parent_bus);

    if (s->unit == UNIT_FREE) {
        s->unit = ch->drives[0].dev == NULL ? 0 : 1;
    }
    if (s->unit >= ch->ndrives) {
        error_setf(errp, "Can't create IDE unit %u, bus supports only %u units",
                   s->unit, ch->ndrives);
        return false;
    }
    if (ch->drives[s->unit].dev != NULL) {
        error_setf(errp, "IDE unit %u is in use", s->unit);
        return false;
    }
    s->drive = &ch->drives[s->unit];
    return true;
}

static void set_defaults(IdeDevice *s, bool cd)
{
    unsigned num = IDE_CHANNEL(s->dev.parent_bus)->first_unit + s->unit;

    if (s->serial == NULL) {
        s->serial = g_strdup_printf("QM%05u", num + 1);
    }
    if (s->version == NULL) {
        s->version = g_strdup("2.5+");
    }
    if (s->model == NULL) {
        s->model = g_strdup(cd ? "QEMU DVD-ROM" : "QEMU HARDDISK");
    }
}

static bool ide_attach(IdeDevice *s, bool cd, GError **errp)
{
    if (!cd && block_read_only(s->blk)) {
        error_setf(errp, "Block node is read-only");
        return false;
    }
    if (cd && !block_reports_errors(s->blk)) {
        error_setf(errp, "werror and rerror: CD-ROM drives can only 'report' "
                         "errors in this version");
        return false;
    }
    /* Firmware's node is the channel; the unit is a disk of it. */
    g_snprintf(s->conf.boot_node, sizeof(s->conf.boot_node), "/disk@%u",
               s->unit);
    return disk_conf_attach(&s->conf, s->blk, &s->dev, NULL, cd, errp);
}

static bool ide_device_realize(IdeDevice *s, bool cd, GError **errp)
{
    IdeDrive *d;

    if (!check_props(s, cd, errp) || !take_place(s, errp)) {
        return false;
    }
    if (!cd && s->conf.drive_name == NULL) {
        error_setf(errp, "No drive specified");
        return false;
    }
    s->blk =
        disk_conf_find(&s->conf, &s->dev, s->dev.type->name, cd, !cd, errp);
    if (s->blk == NULL || !ide_attach(s, cd, errp)) {
        block_release(g_steal_pointer(&s->blk));
        return false;
    }
    set_defaults(s, cd);
    if (!cd) {
        ide_guess_geometry(s);
    }
    d = s->drive;
    d->dev = s;
    d->blk = s->blk;
    d->cd = cd;
    if (cd) {
        block_set_dev_ops(s->blk, &atapi_dev_ops, d);
    }
    d->identify_set = 0;
    ide_drive_reset(d);
    return true;
}

static bool ide_hd_realize(Device *dev, GError **errp)
{
    return ide_device_realize(ide_device_of(dev), false, errp);
}

static bool ide_cd_realize(Device *dev, GError **errp)
{
    return ide_device_realize(ide_device_of(dev), true, errp);
}

static void ide_device_unrealize(Device *dev)
{
    IdeDevice *s = ide_device_of(dev);
    IdeDrive *d = s->drive;

    if (s->blk == NULL) {
        return;
    }
    ide_cancel(d);
    if (d->ch->transport->drive_gone != NULL) {
        d->ch->transport->drive_gone(d->ch);
    }
    d->dev = NULL;
    d->blk = NULL;
    d->cd = false;
    ide_set_signature(d);
    disk_conf_detach(g_steal_pointer(&s->blk), dev);
}

/* Types */

#define IDE_DISK_PROPS                               \
    DISK_CONF_PROPS(IdeDevice, conf),                \
        PROP(PROP_STR, IdeDevice, version, "ver"),   \
        PROP(PROP_U64, IdeDevice, wwn, "wwn"),       \
        PROP(PROP_STR, IdeDevice, serial, "serial"), \
        PROP(PROP_STR, IdeDevice, model, "model"),   \
        PROP(PROP_U32, IdeDevice, unit, "unit", .def = UNIT_FREE)

static const Property ide_hd_props[] = {
    IDE_DISK_PROPS,
    DISK_GEOMETRY_PROPS(IdeDevice, geo, lgeo),
    PROP(PROP_ENUM, IdeDevice, translation, "bios-chs-trans",
         .names = trans_names, .type_name = "BiosAtaTranslation",
         .help = "Logical CHS translation algorithm, "
                 "auto/none/lba/large/rechs"),
    PROP(PROP_U16, IdeDevice, rotation_rate, "rotation_rate"),
    PROP_END,
};

static const Property ide_cd_props[] = {
    IDE_DISK_PROPS,
    PROP_END,
};

const DeviceType ide_hd_type = {
    .name = "ide-hd",
    .parent = "ide-device",
    .desc = "virtual IDE disk",
    .category = "Storage",
    .size = sizeof(IdeDevice),
    .bus = BUS_IDE,
    .user_creatable = true,
    .props = ide_hd_props,
    .realize = ide_hd_realize,
    .unrealize = ide_device_unrealize,
    .vmstate = VMSTATE_NONE,
};

const DeviceType ide_cd_type = {
    .name = "ide-cd",
    .parent = "ide-device",
    .desc = "virtual IDE CD-ROM",
    .category = "Storage",
    .size = sizeof(IdeDevice),
    .bus = BUS_IDE,
    .user_creatable = true,
    .props = ide_cd_props,
    .realize = ide_cd_realize,
    .unrealize = ide_device_unrealize,
    .vmstate = VMSTATE_NONE,
};

bool ide_create_drive(IdeChannel *ch, unsigned unit, BlockBackend *b,
                      GError **errp)
{
    const DeviceType *type = block_is_cdrom(b) ? &ide_cd_type : &ide_hd_type;
    Device *dev = device_new(ch->bus.vm, type);
    IdeDevice *s = DEVICE_CAST(IdeDevice, dev);

    s->unit = unit;
    g_free(s->conf.drive_name);
    s->conf.drive_name = g_strdup(block_name(b));
    if (!device_realize(dev, &ch->bus, errp)) {
        error_prefix(errp, "drive '%s': ", block_name(b));
        return false;
    }
    return true;
}
