/*
 * -drive: from its keys to a back end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "block/throttle-priv.h"
#include "util/cutils.h"
#include "util/error.h"

typedef struct DriveOpts {
    BlockMediumOpts medium;
    bool writeback;
    BlockOnError on_read_error, on_write_error;
    const char *filename, *format; /* NULL: none; look into it */
    const char *id;
    int if_index; /* in drive_ifs */
    int bus, unit;
    bool cdrom;
    IoLimits limits;
    const char *group; /* that has them; NULL: its own */
    KeyVal *node;      /* what its node is to take */
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
    { "copy-on-read", { "off", "no" } },
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
        error_setf(errp, "%s=%s is not in this version, only %s=%s",
                   inert_keys[i].key, val, inert_keys[i].key, ok[0]);
        return false;
    }
    return true;
}

/* Cache and engine */

static bool take_cache(KeyVal *kv, DriveOpts *d, GError **errp)
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
    BlockMediumOpts *o = &d->medium;
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
    d->writeback = modes[i].writeback;
    o->no_flush = modes[i].no_flush;
    return keyval_get_bool(kv, "cache.direct", &o->direct, errp) &&
           keyval_get_bool(kv, "cache.writeback", &d->writeback, errp) &&
           keyval_get_bool(kv, "cache.no-flush", &o->no_flush, errp);
}

static bool take_engine(KeyVal *kv, BlockMediumOpts *o, GError **errp)
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
            return true;
        }
    }
    error_setf(errp, "aio=%s: invalid aio option", name);
    return false;
}

static bool take_locking(KeyVal *kv, BlockMediumOpts *o, GError **errp)
{
    static const char *const names[] = { "auto", "on", "off", NULL };
    int mode = 0;

    if (!keyval_get_enum(kv, "file.locking", names, &mode, errp)) {
        return false;
    }
    o->locking = mode != 2;
    return true;
}

static bool take_zeroes(KeyVal *kv, BlockMediumOpts *o, GError **errp)
{
    static const char *const names[] = { "off", "on", "unmap", NULL };
    const char *discard = keyval_get(kv, "discard");
    int mode = BLOCK_DETECT_ZEROES_OFF;

    if (discard != NULL) {
        static const char *const modes[] = { "ignore", "off", "unmap", "on",
                                             NULL };

        if (!g_strv_contains(modes, discard)) {
            error_setf(errp, "Invalid discard option");
            return false;
        }
        o->discard =
            g_str_equal(discard, "unmap") || g_str_equal(discard, "on");
    }
    if (!keyval_get_enum(kv, "detect-zeroes", names, &mode, errp)) {
        return false;
    }
    o->detect_zeroes = mode;
    return true;
}

/* The image */

static bool take_read_only(KeyVal *kv, DriveOpts *o, GError **errp)
{
    o->medium.read_only = o->cdrom;
    if (!keyval_get_bool(kv, "readonly", &o->medium.read_only, errp) ||
        !keyval_get_bool(kv, "read-only", &o->medium.read_only, errp) ||
        !keyval_get_bool(kv, "auto-read-only", &o->medium.auto_read_only,
                         errp)) {
        return false;
    }
    if (o->cdrom) {
        o->medium.read_only = true;
    }
    return true;
}

/* Two names of one thing; the second wins. */
static const char *options_either(KeyVal *kv, const char *a, const char *b)
{
    const char *va = keyval_get(kv, a), *vb = keyval_get(kv, b);

    return vb != NULL ? vb : va;
}

/* What is left is for the node. */
static void take_rest(KeyVal *kv, DriveOpts *o)
{
    static const char *const mine[] = {
        "if",
        "index",
        "bus",
        "unit",
        "id",
        "media",
        "readonly",
        "read-only",
        "cache",
        "cache.direct",
        "aio",
        "cache.writeback",
        "file",
        "driver",
        "format",
        "auto-read-only",
        "file.locking",
        "snapshot",
        "copy-on-read",
        "detect-zeroes",
        "discard",
        "werror",
        "rerror",
        "cache.no-flush",
        "file.filename",
        NULL,
    };

    o->node = keyval_new();
    for (unsigned i = 0; i < keyval_count(kv); i++) {
        const char *key = keyval_key_at(kv, i);

        if (!g_strv_contains(mine, key) && !throttle_is_opt(key)) {
            keyval_add(o->node, key, keyval_value_at(kv, i));
            keyval_mark_used_at(kv, i);
        }
    }
}

static bool take_on_error(KeyVal *kv, const char *key, BlockOnError *ret,
                          GError **errp)
{
    static const char *const names[] = { "auto",   "report", "ignore",
                                         "enospc", "stop",   NULL };
    int on = *ret;

    if (!keyval_get_enum(kv, key, names, &on, errp)) {
        return false;
    }
    if (on == BLOCK_ON_ERROR_ENOSPC && g_str_equal(key, "rerror")) {
        error_setf(errp, "'enospc' invalid read error action");
        return false;
    }
    *ret = on;
    return true;
}

static bool take_image(KeyVal *kv, DriveOpts *o, GError **errp)
{
    o->filename = options_either(kv, "file.filename", "file");
    if (o->filename != NULL && *o->filename == '\0') {
        o->filename = NULL;
    }
    o->format = options_either(kv, "driver", "format");
    if (!keyval_get_bool(kv, "snapshot", &o->medium.snapshot, errp) ||
        !take_read_only(kv, o, errp) || !take_cache(kv, o, errp) ||
        !take_engine(kv, &o->medium, errp) ||
        !take_zeroes(kv, &o->medium, errp) ||
        !take_locking(kv, &o->medium, errp) ||
        !take_on_error(kv, "rerror", &o->on_read_error, errp) ||
        !take_on_error(kv, "werror", &o->on_write_error, errp)) {
        return false;
    }
    /* What is only read stays as it is. */
    o->medium.snapshot &= !o->cdrom && !o->medium.read_only;
    take_rest(kv, o);
    return true;
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

void block_set_ide_units(BlockBackends *bs, int units)
{
    bs->ide_units = units;
}

static int units_of(const BlockBackends *bs, const DriveOpts *o)
{
    return o->if_index == DRIVE_IF_IDE && bs->ide_units != 0
               ? bs->ide_units
               : drive_ifs[o->if_index].max_units;
}

static bool take_slot(BlockBackends *bs, KeyVal *kv, DriveOpts *o,
                      GError **errp)
{
    const DriveIf *di = &drive_ifs[o->if_index];
    int64_t index = -1, bus = 0, unit = -1;
    const int max_units = units_of(bs, o);

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
        bus = max_units != 0 ? index / max_units : 0;
        unit = max_units != 0 ? index % max_units : index;
    }
    for (int64_t i = 0; unit < 0; i++) {
        int64_t at_bus = bus + (max_units ? i / max_units : 0);
        int64_t at_unit = max_units ? i % max_units : i;

        if (block_find_slot(bs, di->name, at_bus, at_unit) == NULL) {
            bus = at_bus;
            unit = at_unit;
        }
    }
    if (max_units != 0 && unit >= max_units) {
        error_setf(errp, "unit %" PRIi64 " too big (max is %d)", unit,
                   max_units - 1);
        return false;
    }
    if (block_find_slot(bs, di->name, bus, unit) != NULL) {
        error_setf(errp,
                   "drive with bus=%" PRIi64 ", unit=%" PRIi64
                   " (index=%" PRIi64 ") exists",
                   bus, unit, bus * max_units + unit);
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
           throttle_take_opts(kv, &o->limits, &o->group, errp) &&
           take_inert(kv, errp);
}

BlockNode *block_open_medium(BlockBackends *bs, const BlockMediumOpts *o,
                             const char *filename, const char *format,
                             KeyVal *more, GError **errp)
{
    static const char *const engines[] = { NULL, "native", "io_uring" };
    static const char *const zeroes[] = { NULL, "on", "unmap" };
    g_autoptr(KeyVal) kv = keyval_new();
    BlockInherit inh = {
        .read_only = o->read_only,
        .auto_read_only = o->auto_read_only,
        .direct = o->direct,
        .no_flush = o->no_flush,
        .discard = o->discard,
    };
    BlockNode *n;

    for (unsigned i = 0; more != NULL && i < keyval_count(more); i++) {
        keyval_add(kv, keyval_key_at(more, i), keyval_value_at(more, i));
    }
    if (engines[o->engine] != NULL) {
        keyval_add(kv, "file.aio", engines[o->engine]);
    }
    if (!o->locking) {
        keyval_add(kv, "file.locking", "off");
    }
    if (o->snapshot) {
        inh.read_only = true;
        inh.auto_read_only = false;
        n = block_node_open_named(bs, filename, format, kv, &inh, errp);
        return n != NULL ? block_open_overlay(n, zeroes[o->detect_zeroes], errp)
                         : NULL;
    }
    if (zeroes[o->detect_zeroes] != NULL) {
        keyval_add(kv, "detect-zeroes", zeroes[o->detect_zeroes]);
    }
    return block_node_open_named(bs, filename, format, kv, &inh, errp);
}

static bool is_protocol(const char *format)
{
    const BlockDriver *drv = format != NULL ? block_driver_find(format) : NULL;

    return drv != NULL && drv->is_protocol;
}

static bool open_image(BlockBackend *b, const DriveOpts *o, GError **errp)
{
    bool somewhere = o->filename != NULL || is_protocol(o->format) ||
                     keyval_has(o->node, "file.driver");

    /* Requests to an empty drive end through it too. */
    if (!block_aio_need_engine(b->all->aio, BLOCK_ENGINE_THREADS, errp)) {
        return false;
    }
    if (!somewhere) {
        if (o->format != NULL || keyval_count(o->node) > 0) {
            error_setf(errp, "A block device must be specified for \"file\"");
            return false;
        }
        return true;
    }
    b->root = block_open_medium(b->all, &o->medium, o->filename, o->format,
                                o->node, errp);
    return b->root != NULL;
}

static BlockBackend *drive_new(BlockBackends *bs, const DriveOpts *o,
                               GError **errp)
{
    BlockBackend *b = g_new0(BlockBackend, 1);

    b->all = bs;
    b->name = drive_name(o);
    b->if_name = g_strdup(drive_ifs[o->if_index].name);
    b->bus = o->bus;
    b->unit = o->unit;
    b->cdrom = o->cdrom;
    b->writeback = o->writeback;
    b->on_read_error = o->on_read_error;
    b->on_write_error = o->on_write_error;
    b->opts = o->medium;
    if (!open_image(b, o, errp) || !block_backend_add(b, errp)) {
        block_backend_free(b);
        return NULL;
    }
    block_throttle_follow(b);
    block_set_throttle(b, o->group, b->name, &o->limits, NULL); /* checked */
    return b;
}

BlockBackend *block_new_from_keyval(BlockBackends *bs, KeyVal *kv,
                                    GError **errp)
{
    DriveOpts o = { .writeback = true };
    BlockBackend *b = NULL;

    if (take_all(bs, kv, &o, errp)) {
        b = drive_new(bs, &o, errp);
    }
    keyval_free(o.node);
    return b;
}
