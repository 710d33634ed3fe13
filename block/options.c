/*
 * -drive: from its keys to a back end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/block-priv.h"
#include "util/cutils.h"
#include "util/error.h"

typedef struct DriveOpts {
    BlockImageOpts image;
    const char *id;
    int if_index; /* in drive_ifs */
    int bus, unit;
    bool cdrom;
    bool image_key; /* a key that is about an image was given */
} DriveOpts;

typedef struct DriveIf {
    const char *name;
    int max_units;     /* on one bus; 0: all are on bus 0 */
    const char *media; /* part of names: "-hd", or "" */
} DriveIf;

static const DriveIf drive_ifs[] = {
    { "none", 0, "" },   { "ide", 2, "-hd" }, { "scsi", 7, "-hd" },
    { "floppy", 0, "" }, { "pflash", 0, "" }, { "mtd", 0, "" },
    { "sd", 0, "" },     { "virtio", 0, "" }, { "xen", 0, "" },
};

enum { DRIVE_IF_IDE = 1 };

/* Keys whose usual value asks for nothing; what else they may be isn't there */
static const struct {
    const char *key;
    const char *values[3]; /* that change nothing */
} inert_keys[] = {
    { "snapshot", { "off", "no" } }, { "copy-on-read", { "off", "no" } },
    { "detect-zeroes", { "off" } },  { "discard", { "ignore", "off" } },
    { "werror", { "report" } },      { "rerror", { "report" } },
};

static bool take_inert(KeyVal *kv, GError **errp)
{
    for (size_t i = 0; i < G_N_ELEMENTS(inert_keys); i++) {
        const char *val = keyval_get(kv, inert_keys[i].key);
        const char *const *ok = inert_keys[i].values;

        if (val == NULL || g_str_equal(val, ok[0]) ||
            g_strcmp0(val, ok[1]) == 0) {
            continue;
        }
        error_setf(errp, "%s=%s is not supported yet, only %s=%s",
                   inert_keys[i].key, val, inert_keys[i].key, ok[0]);
        return false;
    }
    return true;
}

/* Cache and engine */

static bool take_cache(KeyVal *kv, BlockImageOpts *o, GError **errp)
{
    static const struct {
        const char *name;
        bool direct, writeback, no_flush;
    } modes[] = {
        { "none", true, true, false },
        { "off", true, true, false },
        { "writeback", false, true, false },
        { "unsafe", false, true, true },
        { "writethrough", false, false, false },
        { "directsync", true, false, false },
    };
    const char *mode = keyval_get(kv, "cache");
    size_t i = 2;

    for (size_t k = 0; mode != NULL && k <= G_N_ELEMENTS(modes); k++) {
        if (k == G_N_ELEMENTS(modes)) {
            error_setf(errp, "cache=%s: invalid cache option", mode);
            return false;
        }
        if (g_str_equal(modes[k].name, mode)) {
            i = k;
            break;
        }
    }
    o->direct = modes[i].direct;
    o->writeback = modes[i].writeback;
    o->no_flush = modes[i].no_flush;
    return keyval_get_bool(kv, "cache.direct", &o->direct, errp) &&
           keyval_get_bool(kv, "cache.writeback", &o->writeback, errp) &&
           keyval_get_bool(kv, "cache.no-flush", &o->no_flush, errp);
}

static bool take_engine(KeyVal *kv, BlockImageOpts *o, GError **errp)
{
    static const char *const names[] = { "threads", "native", "io_uring",
                                         NULL };
    const char *name = keyval_get(kv, "aio");

    o->engine = BLOCK_ENGINE_THREADS;
    if (name == NULL) {
        return true;
    }
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (g_str_equal(names[i], name)) {
            o->engine = i;
            if (o->engine != BLOCK_ENGINE_LINUX_AIO || o->direct) {
                return true;
            }
            error_setf(errp, "aio=native was specified, but it requires "
                             "cache.direct=on, which was not specified");
            return false;
        }
    }
    error_setf(errp, "aio=%s: invalid aio option", name);
    return false;
}

static bool take_locking(KeyVal *kv, BlockImageOpts *o, GError **errp)
{
    static const char *const names[] = { "auto", "on", "off", NULL };
    int mode = 0;

    if (!keyval_get_enum(kv, "file.locking", names, &mode, errp)) {
        return false;
    }
    o->locking = mode != 2;
    return true;
}

/* The image */

static bool take_read_only(KeyVal *kv, DriveOpts *o, GError **errp)
{
    o->image.read_only = o->cdrom;
    if (!keyval_get_bool(kv, "readonly", &o->image.read_only, errp) ||
        !keyval_get_bool(kv, "read-only", &o->image.read_only, errp) ||
        !keyval_get_bool(kv, "auto-read-only", &o->image.auto_read_only,
                         errp)) {
        return false;
    }
    if (o->cdrom) {
        o->image.read_only = true;
    }
    return true;
}

/* Two names of one thing; the second wins. */
static const char *either(KeyVal *kv, const char *a, const char *b)
{
    const char *va = keyval_get(kv, a), *vb = keyval_get(kv, b);

    return vb != NULL ? vb : va;
}

static bool take_image(KeyVal *kv, DriveOpts *o, GError **errp)
{
    static const char *const protocols[] = { "file", "host_device", NULL };
    const char *protocol = keyval_get(kv, "file.driver");

    o->image.filename = either(kv, "file.filename", "file");
    if (o->image.filename != NULL && *o->image.filename == '\0') {
        o->image.filename = NULL;
    }
    o->image.format = either(kv, "driver", "format");
    o->image_key = o->image.format != NULL;
    if (protocol != NULL && !g_strv_contains(protocols, protocol)) {
        error_setf(errp,
                   "file.driver=%s: not supported, only 'file' and "
                   "'host_device' are",
                   protocol);
        return false;
    }
    if (o->image.filename != NULL && strlen(o->image.filename) >= PATH_MAX) {
        error_setf(errp, "file: the name is longer than %d", PATH_MAX);
        return false;
    }
    return take_read_only(kv, o, errp) && take_cache(kv, &o->image, errp) &&
           take_engine(kv, &o->image, errp) &&
           take_locking(kv, &o->image, errp);
}

/* The slot */

static bool take_if(KeyVal *kv, DriveOpts *o, GError **errp)
{
    const char *name = keyval_get(kv, "if");

    o->if_index = DRIVE_IF_IDE;
    if (name == NULL) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(drive_ifs); i++) {
        if (g_str_equal(drive_ifs[i].name, name)) {
            o->if_index = i;
            return true;
        }
    }
    error_setf(errp, "unsupported bus type '%s'", name);
    return false;
}

static bool take_media(KeyVal *kv, DriveOpts *o, GError **errp)
{
    const char *media = keyval_get(kv, "media");

    if (media != NULL && !g_str_equal(media, "disk") &&
        !g_str_equal(media, "cdrom")) {
        error_setf(errp, "'%s' invalid media", media);
        return false;
    }
    o->cdrom = g_strcmp0(media, "cdrom") == 0;
    return true;
}

static bool take_slot(BlockBackends *bs, KeyVal *kv, DriveOpts *o,
                      GError **errp)
{
    const DriveIf *di = &drive_ifs[o->if_index];
    int64_t index = -1, bus = 0, unit = -1;

    if (!keyval_get_int(kv, "index", 0, INT_MAX, &index, errp) ||
        !keyval_get_int(kv, "bus", 0, INT_MAX, &bus, errp) ||
        !keyval_get_int(kv, "unit", 0, INT_MAX, &unit, errp)) {
        return false;
    }
    if (index >= 0) {
        if (bus != 0 || unit != -1) {
            error_setf(errp, "index cannot be used with bus and unit");
            return false;
        }
        bus = di->max_units != 0 ? index / di->max_units : 0;
        unit = di->max_units != 0 ? index % di->max_units : index;
    }
    for (int64_t i = 0; unit < 0; i++) {
        int64_t at_bus = bus + (di->max_units ? i / di->max_units : 0);
        int64_t at_unit = di->max_units ? i % di->max_units : i;

        if (block_find_slot(bs, di->name, at_bus, at_unit) == NULL) {
            bus = at_bus;
            unit = at_unit;
        }
    }
    if (di->max_units != 0 && unit >= di->max_units) {
        error_setf(errp, "unit %" PRIi64 " too big (max is %d)", unit,
                   di->max_units - 1);
        return false;
    }
    if (block_find_slot(bs, di->name, bus, unit) != NULL) {
        error_setf(errp,
                   "drive with bus=%" PRIi64 ", unit=%" PRIi64
                   " (index=%" PRIi64 ") exists",
                   bus, unit, bus * di->max_units + unit);
        return false;
    }
    o->bus = bus;
    o->unit = unit;
    return true;
}

static char *drive_name(const DriveOpts *o)
{
    const DriveIf *di = &drive_ifs[o->if_index];

    if (o->id != NULL) {
        return g_strdup(o->id);
    }
    if (di->max_units != 0) {
        return g_strdup_printf("%s%d%s%d", di->name, o->bus,
                               o->cdrom ? "-cd" : di->media, o->unit);
    }
    return g_strdup_printf("%s%s%d", di->name, o->cdrom ? "-cd" : di->media,
                           o->unit);
}

static bool take_all(BlockBackends *bs, KeyVal *kv, DriveOpts *o, GError **errp)
{
    o->id = keyval_get(kv, "id");
    if (o->id != NULL && !id_is_valid(o->id)) {
        error_setf(errp, "Parameter 'id' expects an identifier");
        return false;
    }
    if (o->id != NULL && block_find(bs, o->id) != NULL) {
        error_setf(errp, "Duplicate ID '%s' for drive", o->id);
        return false;
    }
    return take_if(kv, o, errp) && take_media(kv, o, errp) &&
           take_slot(bs, kv, o, errp) && take_image(kv, o, errp) &&
           take_inert(kv, errp);
}

/* The first key that nobody asked for. */
static bool check_keys(KeyVal *kv, GError **errp)
{
    g_autoptr(GError) err = NULL;
    const char *key;

    if (keyval_check_all_used(kv, "", &err)) {
        return true;
    }
    key = strchr(err->message, '\'');
    error_setf(errp, "Block format 'raw' does not support the option %s",
               key != NULL ? key : "");
    return false;
}

static bool open_image(BlockBackend *b, const DriveOpts *o, GError **errp)
{
    /* Requests to an empty drive end through it too. */
    if (!block_aio_need_engine(b->all->aio, o->image.engine, errp)) {
        return false;
    }
    if (o->image.filename == NULL) {
        if (o->image_key) {
            error_setf(errp, "A block device must be specified for \"file\"");
        }
        return !o->image_key;
    }
    b->img = block_image_open(b->all, &o->image, errp);
    return b->img != NULL;
}

BlockBackend *block_new_from_keyval(BlockBackends *bs, KeyVal *kv,
                                    GError **errp)
{
    DriveOpts o = { 0 };
    BlockBackend *b;

    if (!take_all(bs, kv, &o, errp) || !check_keys(kv, errp)) {
        return NULL;
    }
    b = g_new0(BlockBackend, 1);
    b->all = bs;
    b->name = drive_name(&o);
    b->if_name = g_strdup(drive_ifs[o.if_index].name);
    b->bus = o.bus;
    b->unit = o.unit;
    b->cdrom = o.cdrom;
    b->writeback = o.image.writeback;
    b->opts = o.image;
    b->opts.filename = b->opts.format = NULL;
    if (!open_image(b, &o, errp) || !block_backend_add(b, errp)) {
        block_backend_free(b);
        return NULL;
    }
    return b;
}
