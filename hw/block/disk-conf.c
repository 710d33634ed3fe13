/*
 * What disks of every bus have in common.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/block/disk-conf.h"

#include "hw/core/boot-order.h"
#include "system/vm.h"
#include "util/error.h"

#define BLOCK_MAX (2 * MiB)

const char *const disk_conf_error_names[] = { "auto",   "report", "ignore",
                                              "enospc", "stop",   NULL };

/* Properties */

static bool check_block(const char *what, uint64_t val, GError **errp)
{
    if (!is_pow2(val) || val < BLOCK_SECTOR || val > BLOCK_MAX) {
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

static bool check_sizes(DiskConf *c, uint64_t granularity, GError **errp)
{
    uint64_t block;

    c->logical_block = c->logical_block != 0 ? c->logical_block : BLOCK_SECTOR;
    c->physical_block =
        c->physical_block != 0 ? c->physical_block : c->logical_block;
    if (!check_block("logical_block_size", c->logical_block, errp) ||
        !check_block("physical_block_size", c->physical_block, errp)) {
        return false;
    }
    block = c->logical_block;
    if (block > c->physical_block) {
        error_setf(errp,
                   "logical_block_size %" PRIu64 " is larger than "
                   "physical_block_size %" PRIu64,
                   block, c->physical_block);
        return false;
    }
    if (c->discard_gran == DISK_GRANULARITY_AUTO) {
        c->discard_gran = MAX(block, granularity);
    }
    return check_multiple("min_io_size", c->min_io, block, UINT16_MAX, errp) &&
           check_multiple("opt_io_size", c->opt_io, block, UINT32_MAX, errp) &&
           check_multiple("discard_granularity", c->discard_gran, block,
                          UINT32_MAX, errp);
}

/* Off is what happens: sizes are the properties', never the host disk's. */
static bool check_absent(const DiskConf *c, GError **errp)
{
    if (c->backend_defaults == ON_OFF_AUTO_ON) {
        error_setf(errp, "backend_defaults=on is not in this version");
    } else if (c->account_invalid == ON_OFF_AUTO_OFF) {
        error_setf(errp, "account-invalid=off is not in this version");
    } else if (c->account_failed == ON_OFF_AUTO_OFF) {
        error_setf(errp, "account-failed=off is not in this version");
    } else {
        return true;
    }
    return false;
}

bool disk_conf_check(DiskConf *c, uint64_t granularity, GError **errp)
{
    return check_sizes(c, granularity, errp) && check_absent(c, errp);
}

/* Geometry */

static bool geometry_unset(const Geometry *geo)
{
    return geo->cylinders == 0 && geo->heads == 0 && geo->sectors == 0;
}

static bool check_range(const char *what, uint32_t val, uint32_t max,
                        GError **errp)
{
    if (val < 1 || val > max) {
        error_setf(errp, "%s must be between 1 and %" PRIu32, what, max);
        return false;
    }
    return true;
}

bool disk_conf_check_geometry(const Geometry *geo, unsigned max_heads,
                              GError **errp)
{
    return geometry_unset(geo) ||
           (check_range("cyls", geo->cylinders, 65535, errp) &&
            check_range("heads", geo->heads, max_heads, errp) &&
            check_range("secs", geo->sectors, 255, errp));
}

bool disk_conf_set_geometry(Geometry *geo, const Device *dev, BlockBackend *b,
                            GError **errp)
{
    if (!geometry_unset(geo)) {
        return disk_conf_check_geometry(geo, 255, errp);
    }
    /* More heads than a disk can have: the BIOS made them up. */
    if (dev->hotplugged || !geometry_from_partitions(b, geo) ||
        geo->heads > 16) {
        *geo = geometry_by_size(block_size(b) / BLOCK_SECTOR);
    }
    return true;
}

bool disk_conf_check_no_bios_geometry(const Geometry *lgeo, GError **errp)
{
    if (geometry_unset(lgeo)) {
        return true;
    }
    error_setf(errp, "lcyls, lheads, lsecs of this disk are not in this "
                     "version");
    return false;
}

/* Life */

BlockBackend *disk_conf_find(const DiskConf *c, const Device *dev,
                             const char *type, bool optional, bool needs_medium,
                             GError **errp)
{
    BlockBackend *b;

    if (c->drive_name == NULL && optional) {
        return block_new_empty(dev->vm->blocks, errp);
    }
    if (c->drive_name == NULL) {
        error_setf(errp, "drive property not set");
        return NULL;
    }
    b = block_find_for_device(dev->vm->blocks, c->drive_name);
    if (b == NULL) {
        error_setf(errp, "Property '%s.drive' can't find value '%s'", type,
                   c->drive_name);
        return NULL;
    }
    if (needs_medium && !block_is_inserted(b)) {
        error_setf(errp, "Device needs media, but drive is empty");
        block_release(b);
        return NULL;
    }
    return b;
}

static bool set_boot_order(const DiskConf *c, Device *dev, GError **errp)
{
    return boot_order_set(dev->machine, dev, c->bootindex,
                          c->boot_node[0] != '\0' ? c->boot_node : NULL, errp);
}

bool disk_conf_prop_set_bootindex(Object *obj, const Property *p,
                                  const JsonValue *val, GError **errp)
{
    Device *dev = device_from_object(obj);
    DiskConf *c =
        (DiskConf *)((char *)obj + p->offset - offsetof(DiskConf, bootindex));
    int32_t old = c->bootindex;

    if (!object_prop_store(obj, p, val, errp)) {
        return false;
    }
    if (dev->realized && !set_boot_order(c, dev, errp)) {
        c->bootindex = old;
        return false;
    }
    return true;
}

bool disk_conf_attach(const DiskConf *c, BlockBackend *b, Device *dev,
                      const char *part, bool removable, GError **errp)
{
    block_set_share_rw(b, c->share_rw);
    block_set_on_error(b, c->rerror, c->werror);
    if (!set_boot_order(c, dev, errp)) {
        return false;
    }
    if (!block_attach_part(b, &dev->obj, part, removable, errp)) {
        boot_order_remove(dev->machine, dev);
        return false;
    }
    if (c->write_cache != ON_OFF_AUTO_AUTO) {
        block_set_write_cache(b, c->write_cache == ON_OFF_AUTO_ON);
    }
    return true;
}

void disk_conf_detach(BlockBackend *b, Device *dev)
{
    boot_order_remove(dev->machine, dev);
    block_detach(b);
}
