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

#include "hw/core/boot-order.h"
#include "system/vm.h"
#include "util/error.h"

#define UNIT_FREE UINT32_MAX

enum { TRANS_AUTO, TRANS_NONE, TRANS_LBA, TRANS_LARGE, TRANS_RECHS };

/* By BlockOnError. */
static const char *const error_names[] = { "auto",   "report", "ignore",
                                           "enospc", "stop",   NULL };
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

static bool check_geometry(const IdeDevice *s, GError **errp)
{
    const Geometry *geo = &s->geo;

    if (geo->cylinders == 0 && geo->heads == 0 && geo->sectors == 0) {
        return true;
    }
    if (geo->cylinders < 1 || geo->cylinders > 65535) {
        error_setf(errp, "cyls must be between 1 and 65535");
        return false;
    }
    if (geo->heads < 1 || geo->heads > 16) {
        error_setf(errp, "heads must be between 1 and 16");
        return false;
    }
    if (geo->sectors < 1 || geo->sectors > 255) {
        error_setf(errp, "secs must be between 1 and 255");
        return false;
    }
    return true;
}

static bool check_policy(const char *what, int policy, GError **errp)
{
    if (policy == BLOCK_ON_ERROR_AUTO || policy == BLOCK_ON_ERROR_REPORT) {
        return true;
    }
    error_setf(errp,
               "%s=%s is not supported yet for CD-ROM drives, only "
               "%s=report",
               what, error_names[policy], what);
    return false;
}

static bool check_account(const char *what, int val, GError **errp)
{
    if (val == ON_OFF_AUTO_AUTO) {
        return true;
    }
    error_setf(errp, "%s: block statistics are not supported yet", what);
    return false;
}

static bool check_sizes(IdeDevice *s, GError **errp)
{
    if (s->logical_block == 0) {
        s->logical_block = IDE_SECTOR;
    }
    if (s->physical_block == 0) {
        s->physical_block = s->logical_block;
    }
    if (s->logical_block != IDE_SECTOR) {
        error_setf(errp, "logical_block_size must be 512 for IDE");
        return false;
    }
    if (!is_pow2(s->physical_block) || s->physical_block < IDE_SECTOR ||
        s->physical_block > 2 * MiB) {
        error_setf(errp,
                   "physical_block_size %" PRIu64 ": not a power of two from "
                   "512 B to 2 MiB",
                   s->physical_block);
        return false;
    }
    if (s->discard_gran == UINT32_MAX) {
        s->discard_gran = IDE_SECTOR;
    }
    if (s->discard_gran != 0 && s->discard_gran != IDE_SECTOR) {
        error_setf(errp, "discard_granularity must be 512 for ide");
        return false;
    }
    /* There is no place in IDENTIFY to tell them. */
    if (s->min_io != 0 || s->opt_io != 0) {
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

/* Off is what happens: sizes are the properties', never the host disk's. */
static bool check_backend_defaults(const IdeDevice *s, GError **errp)
{
    if (s->backend_defaults != ON_OFF_AUTO_ON) {
        return true;
    }
    error_setf(errp, "backend_defaults=on is not supported yet");
    return false;
}

static bool check_props(IdeDevice *s, bool cd, GError **errp)
{
    return check_sizes(s, errp) && check_backend_defaults(s, errp) &&
           (!cd || (check_policy("werror", s->werror, errp) &&
                    check_policy("rerror", s->rerror, errp))) &&
           check_account("account-invalid", s->account_invalid, errp) &&
           check_account("account-failed", s->account_failed, errp) &&
           check_text("serial", s->serial, 20, errp) &&
           check_text("ver", s->version, 8, errp) &&
           check_text("model", s->model, 40, errp) && check_geometry(s, errp);
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

static bool find_blk(IdeDevice *s, bool cd, GError **errp)
{
    BlockBackends *all = s->dev.vm->blocks;

    if (s->drive_name == NULL && cd) {
        s->blk = block_new_empty(all, errp);
        return s->blk != NULL;
    }
    if (s->drive_name == NULL) {
        error_setf(errp, "No drive specified");
        return false;
    }
    s->blk = block_find_for_device(all, s->drive_name);
    if (s->blk == NULL) {
        error_setf(errp, "Property '%s.drive' can't find value '%s'",
                   s->dev.type->name, s->drive_name);
        return false;
    }
    if (!cd && !block_is_inserted(s->blk)) {
        error_setf(errp, "Device needs media, but drive is empty");
        return false;
    }
    if (!cd && block_read_only(s->blk)) {
        error_setf(errp, "Block node is read-only");
        return false;
    }
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

/* Firmware's node is the channel; the unit is a disk of it. */
static bool set_boot_order(IdeDevice *s, GError **errp)
{
    g_autofree char *disk = g_strdup_printf("/disk@%u", s->unit);

    return boot_order_set(s->dev.machine, &s->dev, s->bootindex, disk, errp);
}

static bool ide_device_realize(IdeDevice *s, bool cd, GError **errp)
{
    IdeDrive *d;

    if (!check_props(s, cd, errp) || !take_place(s, errp) ||
        !find_blk(s, cd, errp)) {
        block_release(g_steal_pointer(&s->blk));
        return false;
    }
    if (cd && !block_reports_errors(s->blk)) {
        error_setf(errp, "werror and rerror: CD-ROM drives can only 'report' "
                         "errors yet");
        block_release(g_steal_pointer(&s->blk));
        return false;
    }
    block_set_share_rw(s->blk, s->share_rw);
    block_set_on_error(s->blk, s->rerror, s->werror);
    if (!set_boot_order(s, errp) ||
        !block_attach(s->blk, &s->dev.obj, cd, errp)) {
        boot_order_remove(s->dev.machine, &s->dev);
        block_release(g_steal_pointer(&s->blk));
        return false;
    }
    if (s->write_cache != ON_OFF_AUTO_AUTO) {
        block_set_write_cache(s->blk, s->write_cache == ON_OFF_AUTO_ON);
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
    boot_order_remove(dev->machine, dev);
    ide_cancel(d);
    if (d->ch->transport->drive_gone != NULL) {
        d->ch->transport->drive_gone(d->ch);
    }
    d->dev = NULL;
    d->blk = NULL;
    d->cd = false;
    ide_set_signature(d);
    block_detach(g_steal_pointer(&s->blk));
}

/* Types */

static bool set_bootindex(Object *obj, const Property *p, const JsonValue *val,
                          GError **errp)
{
    Device *dev = container_of(obj, Device, obj);
    IdeDevice *s = ide_device_of(dev);
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

#define ERROR_PROP(field_, name_)                                   \
    PROP(PROP_ENUM, IdeDevice, field_, name_, .names = error_names, \
         .type_name = "BlockdevOnError", .def = BLOCK_ON_ERROR_AUTO)

#define BLOCK_PROPS                                                            \
    PROP(PROP_STR, IdeDevice, drive_name, "drive",                             \
         .help = "Node name or ID of a block device to use as a backend"),     \
        PROP(PROP_ON_OFF_AUTO, IdeDevice, backend_defaults,                    \
             "backend_defaults"),                                              \
        PROP(PROP_SIZE, IdeDevice, logical_block, "logical_block_size"),       \
        PROP(PROP_SIZE, IdeDevice, physical_block, "physical_block_size"),     \
        PROP(PROP_SIZE, IdeDevice, min_io, "min_io_size"),                     \
        PROP(PROP_SIZE, IdeDevice, opt_io, "opt_io_size"),                     \
        PROP(PROP_SIZE, IdeDevice, discard_gran, "discard_granularity",        \
             .def = UINT32_MAX),                                               \
        PROP(PROP_ON_OFF_AUTO, IdeDevice, write_cache, "write-cache"),         \
        PROP(PROP_BOOL, IdeDevice, share_rw, "share-rw"),                      \
        PROP(PROP_ON_OFF_AUTO, IdeDevice, account_invalid, "account-invalid"), \
        PROP(PROP_ON_OFF_AUTO, IdeDevice, account_failed, "account-failed"),   \
        ERROR_PROP(rerror, "rerror"), ERROR_PROP(werror, "werror"),            \
        PROP(PROP_STR, IdeDevice, version, "ver"),                             \
        PROP(PROP_U64, IdeDevice, wwn, "wwn"),                                 \
        PROP(PROP_STR, IdeDevice, serial, "serial"),                           \
        PROP(PROP_STR, IdeDevice, model, "model"),                             \
        PROP(PROP_U32, IdeDevice, unit, "unit", .def = UNIT_FREE),             \
        PROP(PROP_I32, IdeDevice, bootindex, "bootindex", .def = -1,           \
             .set = set_bootindex, .run_time = true)

static const Property ide_hd_props[] = {
    BLOCK_PROPS,
    PROP(PROP_U32, IdeDevice, geo.cylinders, "cyls"),
    PROP(PROP_U32, IdeDevice, geo.heads, "heads"),
    PROP(PROP_U32, IdeDevice, geo.sectors, "secs"),
    PROP(PROP_U32, IdeDevice, lgeo.cylinders, "lcyls"),
    PROP(PROP_U32, IdeDevice, lgeo.heads, "lheads"),
    PROP(PROP_U32, IdeDevice, lgeo.sectors, "lsecs"),
    PROP(PROP_ENUM, IdeDevice, translation, "bios-chs-trans",
         .names = trans_names, .type_name = "BiosAtaTranslation",
         .help = "Logical CHS translation algorithm, "
                 "auto/none/lba/large/rechs"),
    PROP(PROP_U16, IdeDevice, rotation_rate, "rotation_rate"),
    PROP_END,
};

static const Property ide_cd_props[] = {
    BLOCK_PROPS,
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
    g_free(s->drive_name);
    s->drive_name = g_strdup(block_name(b));
    if (!device_realize(dev, &ch->bus, errp)) {
        error_prefix(errp, "drive '%s': ", block_name(b));
        return false;
    }
    return true;
}
