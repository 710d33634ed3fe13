/*
 * Virtio disk: configuration, features, life.
 * (Virtual I/O Device 1.2, section 5.2.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/block/virtio-blk.h"

#include <linux/virtio_blk.h>

#include "hw/block/virtio-blk-priv.h"
#include "hw/core/boot-order.h"
#include "hw/virtio/virtio-pci.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    QUEUES_AUTO = 0xffff, /* as many as there are vCPUs */
    GRANULARITY_AUTO = 0xffffffff,
    SEG_MAX_FIXED = 126, /* as devices told before seg-max-adjust */
    CONFIG_BYTES_PLAIN =
        offsetof(struct virtio_blk_config, max_discard_sectors),
    CONFIG_BYTES_DISCARD =
        offsetof(struct virtio_blk_config, max_write_zeroes_sectors),
    CONFIG_BYTES_ZEROES =
        offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 1,
};

static const char *const error_names[] = { "auto",   "report", "ignore",
                                           "enospc", "stop",   NULL };

/* Configuration */

static uint64_t vblk_features(VirtioDevice *d, uint64_t offered)
{
    VirtioBlk *s = vblk_of(d);

    offered |=
        VIRTIO_BIT(VIRTIO_BLK_F_SEG_MAX) | VIRTIO_BIT(VIRTIO_BLK_F_GEOMETRY) |
        VIRTIO_BIT(VIRTIO_BLK_F_TOPOLOGY) | VIRTIO_BIT(VIRTIO_BLK_F_BLK_SIZE);
    if (s->config_wce) {
        offered |= VIRTIO_BIT(VIRTIO_BLK_F_CONFIG_WCE);
    }
    if (block_write_cache(s->blk) || (s->config_wce && s->wce_if_config_wce)) {
        offered |= VIRTIO_BIT(VIRTIO_BLK_F_FLUSH);
    }
    if (block_read_only(s->blk)) {
        offered |= VIRTIO_BIT(VIRTIO_BLK_F_RO);
    }
    if (s->nqueues > 1) {
        offered |= VIRTIO_BIT(VIRTIO_BLK_F_MQ);
    }
    if (s->discard) {
        offered |= VIRTIO_BIT(VIRTIO_BLK_F_DISCARD);
    }
    if (s->write_zeroes) {
        offered |= VIRTIO_BIT(VIRTIO_BLK_F_WRITE_ZEROES);
    }
    return offered;
}

/*
 * Sectors of a track that a driver is told: whole blocks, unless those of the
 * geometry fit the disk anyway.
 */
static uint8_t shown_secs(const VirtioBlk *s)
{
    uint64_t track = block_size(s->blk) / s->heads / s->secs;

    return track % s->logical_block == 0
               ? s->secs
               : ROUND_DOWN((uint64_t)s->secs, s->logical_block / VBLK_SECTOR);
}

static void vblk_get_config(VirtioDevice *d, uint8_t *config)
{
    VirtioBlk *s = vblk_of(d);
    uint64_t gran = s->report_granularity && s->discard_gran != 0
                        ? s->discard_gran
                        : s->logical_block;
    struct virtio_blk_config c = { 0 };

    stq_le_p(&c.capacity, block_size(s->blk) / VBLK_SECTOR);
    stl_le_p(&c.seg_max,
             s->seg_max_adjust ? s->queue_size - 2u : SEG_MAX_FIXED);
    stw_le_p(&c.geometry.cylinders, s->cyls);
    c.geometry.heads = s->heads;
    c.geometry.sectors = shown_secs(s);
    stl_le_p(&c.blk_size, s->logical_block);
    c.physical_block_exp =
        __builtin_ctzll(s->physical_block / s->logical_block);
    stw_le_p(&c.min_io_size, s->min_io / s->logical_block);
    stl_le_p(&c.opt_io_size, s->opt_io / s->logical_block);
    c.wce = block_write_cache(s->blk);
    stw_le_p(&c.num_queues, s->nqueues);
    if (s->discard) {
        stl_le_p(&c.max_discard_sectors, s->max_discard);
        stl_le_p(&c.max_discard_seg, 1);
        stl_le_p(&c.discard_sector_alignment, gran / VBLK_SECTOR);
    }
    if (s->write_zeroes) {
        stl_le_p(&c.max_write_zeroes_sectors, s->max_write_zeroes);
        stl_le_p(&c.max_write_zeroes_seg, 1);
        c.write_zeroes_may_unmap = 1;
    }
    memcpy(config, &c, d->config_size);
}

static void vblk_set_config(VirtioDevice *d, const uint8_t *config)
{
    VirtioBlk *s = vblk_of(d);

    if (virtio_has_feature(d, VIRTIO_BLK_F_CONFIG_WCE)) {
        block_set_write_cache(
            s->blk, config[offsetof(struct virtio_blk_config, wce)] & 1);
    }
}

/* Life of the driver */

/* A driver that can't flush has no cache to be flushed. */
static void choose_cache(VirtioBlk *s)
{
    VirtioDevice *d = &s->vdev;

    if ((d->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
        !virtio_has_feature(d, VIRTIO_BLK_F_CONFIG_WCE)) {
        block_set_write_cache(s->blk,
                              virtio_has_feature(d, VIRTIO_BLK_F_FLUSH));
    }
}

/* After a migration: a driver that turned the cache off relies on that. */
static void restore_cache(VirtioBlk *s)
{
    if (virtio_has_feature(&s->vdev, VIRTIO_BLK_F_CONFIG_WCE)) {
        vblk_set_config(&s->vdev, s->vdev.config);
    } else {
        choose_cache(s);
    }
}

static void vblk_set_status(VirtioDevice *d, uint8_t old)
{
    VirtioBlk *s = vblk_of(d);

    if (!(old & VIRTIO_CONFIG_S_DRIVER_OK)) {
        choose_cache(s);
    }
    if (virtio_running(d)) {
        vblk_restart(s);
    }
}

static void vblk_reset(VirtioDevice *d)
{
    VirtioBlk *s = vblk_of(d);

    vblk_give_up(s, NULL);
    block_set_write_cache(s->blk, s->original_wce);
}

static void vblk_queue_reset(VirtioDevice *d, VirtQueue *q)
{
    vblk_give_up(vblk_of(d), q);
}

static bool vblk_post_load(VirtioDevice *d, GError **errp)
{
    VirtioBlk *s = vblk_of(d);
    g_autofree unsigned *taken = g_new0(unsigned, s->nqueues);

    restore_cache(s);
    for (guint i = 0; i < s->loaded->len; i++) {
        const VblkLoaded *l = &g_array_index(s->loaded, VblkLoaded, i);
        VirtQueue *q = virtio_queue(d, l->queue);
        VirtQueueElem *e = virtqueue_take(q, l->head);

        taken[l->queue]++;
        if (e == NULL || taken[l->queue] > virtqueue_inuse(q)) {
            if (e != NULL) {
                virtqueue_detach(q, e);
            }
            error_setf(errp,
                       "virtio-blk: request %" PRIu32 " of queue %" PRIu32
                       " isn't in its ring",
                       l->head, l->queue);
            return false;
        }
        vblk_take_stopped(s, q, e);
    }
    g_array_set_size(s->loaded, 0);
    return true;
}

static void vblk_resized(void *opaque)
{
    VirtioBlk *s = opaque;

    virtio_notify_config(&s->vdev);
}

static const BlockDevOps vblk_dev_ops = { .resized = vblk_resized };

/* Properties */

static bool check_block(const char *what, uint64_t val, GError **errp)
{
    if (!is_pow2(val) || val < VBLK_SECTOR || val > 2 * MiB) {
        error_setf(errp,
                   "Property .%s doesn't take value %" PRIu64
                   " (a power of two from 512 B to 2 MiB)",
                   what, val);
        return false;
    }
    return true;
}

static bool check_sizes(VirtioBlk *s, GError **errp)
{
    s->logical_block = s->logical_block != 0 ? s->logical_block : VBLK_SECTOR;
    s->physical_block =
        s->physical_block != 0 ? s->physical_block : s->logical_block;
    if (s->discard_gran == GRANULARITY_AUTO) {
        s->discard_gran = s->logical_block;
    }
    if (!check_block("logical_block_size", s->logical_block, errp) ||
        !check_block("physical_block_size", s->physical_block, errp)) {
        return false;
    }
    if (s->logical_block > s->physical_block) {
        error_setf(errp, "logical_block_size > physical_block_size not "
                         "supported");
        return false;
    }
    if (s->min_io % s->logical_block != 0 ||
        s->min_io / s->logical_block > UINT16_MAX ||
        s->opt_io % s->logical_block != 0 ||
        s->opt_io / s->logical_block > UINT32_MAX) {
        error_setf(errp, "min_io_size and opt_io_size must be multiples of "
                         "logical_block_size, of 65535 and 2^32 - 1 blocks at "
                         "most");
        return false;
    }
    if (s->discard_gran % s->logical_block != 0) {
        error_setf(errp, "discard_granularity must be a multiple of "
                         "logical_block_size");
        return false;
    }
    return true;
}

static bool check_limits(VirtioBlk *s, GError **errp)
{
    uint32_t max = INT32_MAX / VBLK_SECTOR;

    if (s->discard && (s->max_discard == 0 || s->max_discard > max)) {
        error_setf(errp,
                   "invalid max-discard-sectors (%" PRIu32
                   "), must be between 1 and %" PRIu32,
                   s->max_discard, max);
        return false;
    }
    if (s->write_zeroes &&
        (s->max_write_zeroes == 0 || s->max_write_zeroes > max)) {
        error_setf(errp,
                   "invalid max-write-zeroes-sectors (%" PRIu32
                   "), must be between 1 and %" PRIu32,
                   s->max_write_zeroes, max);
        return false;
    }
    if (!is_pow2(s->queue_size) || s->queue_size < 4 ||
        s->queue_size > VIRTQUEUE_MAX_SIZE) {
        error_setf(errp,
                   "invalid queue-size property (%u), must be a power "
                   "of 2 (max %d)",
                   s->queue_size, VIRTQUEUE_MAX_SIZE);
        return false;
    }
    if (s->num_queues == 0) {
        error_setf(errp, "num-queues property must be larger than 0");
        return false;
    }
    if (s->num_queues > VIRTIO_MAX_QUEUES && s->num_queues != QUEUES_AUTO) {
        error_setf(errp, "num-queues=%u: there can be %d queues", s->num_queues,
                   VIRTIO_MAX_QUEUES);
        return false;
    }
    return true;
}

static bool check_absent(const VirtioBlk *s, GError **errp)
{
    static const char what[] = "is not supported yet by virtio-blk";

    if (s->scsi) {
        error_setf(errp, "scsi=on %s", what);
    } else if (s->backend_defaults == ON_OFF_AUTO_ON) {
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

/* As drives of this size have had it. */
static bool set_geometry(VirtioBlk *s, GError **errp)
{
    uint64_t n = block_size(s->blk) / VBLK_SECTOR;

    if (s->cyls == 0 && s->heads == 0 && s->secs == 0) {
        s->heads = 16;
        s->secs = 63;
        s->cyls = MIN(MAX(n / (16 * 63), 2u), 16383u);
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

static bool find_drive(VirtioBlk *s, GError **errp)
{
    Vm *vm = s->vdev.pci.dev.vm;

    if (s->drive_name == NULL) {
        error_setf(errp, "drive property not set");
        return false;
    }
    s->blk = block_find_for_device(vm->blocks, s->drive_name);
    if (s->blk == NULL) {
        error_setf(errp,
                   "Property 'virtio-blk-device.drive' can't find value "
                   "'%s'",
                   s->drive_name);
        return false;
    }
    if (!block_is_inserted(s->blk)) {
        error_setf(errp, "Device needs media, but drive is empty");
        return false;
    }
    return true;
}

static bool set_boot_order(VirtioBlk *s, GError **errp)
{
    Device *dev = &s->vdev.pci.dev;

    return boot_order_set(dev->machine, dev, s->bootindex, "/disk@0,0", errp);
}

static bool vblk_attach(VirtioBlk *s, GError **errp)
{
    Device *dev = &s->vdev.pci.dev;

    if (s->iothread != NULL &&
        (!virtio_set_iothread(&s->vdev, s->iothread, errp) ||
         !block_set_iothread(s->blk, virtio_iothread(&s->vdev), errp))) {
        return false;
    }
    block_set_share_rw(s->blk, s->share_rw);
    block_set_on_error(s->blk, s->rerror, s->werror);
    if (!set_boot_order(s, errp)) {
        return false;
    }
    /* The disk behind the PCI function, as libvirt looks for it. */
    if (!block_attach_part(s->blk, &dev->obj, "virtio-backend", false, errp)) {
        boot_order_remove(dev->machine, dev);
        return false;
    }
    block_set_dev_ops(s->blk, &vblk_dev_ops, s);
    if (s->write_cache != ON_OFF_AUTO_AUTO) {
        block_set_write_cache(s->blk, s->write_cache == ON_OFF_AUTO_ON);
    }
    s->original_wce = block_write_cache(s->blk);
    return true;
}

static bool vblk_realize(VirtioDevice *d, GError **errp)
{
    VirtioBlk *s = vblk_of(d);

    if (!check_sizes(s, errp) || !check_limits(s, errp) ||
        !check_absent(s, errp) || !find_drive(s, errp) ||
        !set_geometry(s, errp) || !vblk_attach(s, errp)) {
        block_release(g_steal_pointer(&s->blk));
        return false;
    }
    g_queue_init(&s->active);
    g_queue_init(&s->stopped);
    s->orphans = blk_orphans_new(d->pci.dev.vm, device_name(&d->pci.dev));
    s->loaded = g_array_new(FALSE, FALSE, sizeof(VblkLoaded));
    s->nqueues = s->num_queues == QUEUES_AUTO ? d->pci.dev.machine->smp.cpus
                                              : s->num_queues;
    s->nqueues = MIN(s->nqueues, (unsigned)VIRTIO_MAX_QUEUES);
    if (d->props.vectors == VIRTIO_VECTORS_AUTO) {
        d->props.vectors = s->nqueues + 1;
    }
    for (unsigned i = 0; i < s->nqueues; i++) {
        virtio_queue_set_doorbell(
            virtio_add_queue(d, s->queue_size, vblk_output), true);
    }
    d->config_size = s->write_zeroes ? CONFIG_BYTES_ZEROES
                     : s->discard    ? CONFIG_BYTES_DISCARD
                                     : CONFIG_BYTES_PLAIN;
    return true;
}

static void vblk_unrealize(VirtioDevice *d)
{
    VirtioBlk *s = vblk_of(d);

    vblk_give_up(s, NULL);
    blk_orphans_free(g_steal_pointer(&s->orphans));
    boot_order_remove(d->pci.dev.machine, &d->pci.dev);
    block_detach(g_steal_pointer(&s->blk));
    g_array_free(g_steal_pointer(&s->loaded), TRUE);
}

static const VirtioType virtio_blk = {
    .name = "virtio-blk",
    .id = VIRTIO_ID_BLOCK,
    .vectors = 2,
    .realize = vblk_realize,
    .unrealize = vblk_unrealize,
    .get_features = vblk_features,
    .get_config = vblk_get_config,
    .set_config = vblk_set_config,
    .set_status = vblk_set_status,
    .reset = vblk_reset,
    .queue_reset = vblk_queue_reset,
    .vmstate = &vblk_own_vmstate,
    .post_load = vblk_post_load,
};

static bool set_bootindex(Object *obj, const Property *p, const JsonValue *val,
                          GError **errp)
{
    Device *dev = container_of(obj, Device, obj);
    VirtioBlk *s = vblk_of(VIRTIO_DEVICE(dev));
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
    PROP(PROP_ENUM, VirtioBlk, field_, name_, .names = error_names, \
         .type_name = "BlockdevOnError", .def = BLOCK_ON_ERROR_AUTO)

static const Property vblk_props[] = {
    PROP(PROP_STR, VirtioBlk, drive_name, "drive",
         .help = "Node name or ID of a block device to use as a backend"),
    PROP(PROP_ON_OFF_AUTO, VirtioBlk, backend_defaults, "backend_defaults"),
    PROP(PROP_SIZE, VirtioBlk, logical_block, "logical_block_size",
         .help = "A power of two between 512 B and 2 MiB"),
    PROP(PROP_SIZE, VirtioBlk, physical_block, "physical_block_size",
         .help = "A power of two between 512 B and 2 MiB"),
    PROP(PROP_SIZE, VirtioBlk, min_io, "min_io_size"),
    PROP(PROP_SIZE, VirtioBlk, opt_io, "opt_io_size"),
    PROP(PROP_SIZE, VirtioBlk, discard_gran, "discard_granularity",
         .def = GRANULARITY_AUTO),
    PROP(PROP_ON_OFF_AUTO, VirtioBlk, write_cache, "write-cache"),
    PROP(PROP_BOOL, VirtioBlk, share_rw, "share-rw"),
    PROP(PROP_ON_OFF_AUTO, VirtioBlk, account_invalid, "account-invalid"),
    PROP(PROP_ON_OFF_AUTO, VirtioBlk, account_failed, "account-failed"),
    ERROR_PROP(rerror, "rerror"),
    ERROR_PROP(werror, "werror"),
    PROP(PROP_U32, VirtioBlk, cyls, "cyls"),
    PROP(PROP_U32, VirtioBlk, heads, "heads"),
    PROP(PROP_U32, VirtioBlk, secs, "secs"),
    PROP(PROP_U32, VirtioBlk, lcyls, "lcyls"),
    PROP(PROP_U32, VirtioBlk, lheads, "lheads"),
    PROP(PROP_U32, VirtioBlk, lsecs, "lsecs"),
    PROP(PROP_STR, VirtioBlk, serial, "serial"),
    PROP(PROP_BOOL, VirtioBlk, config_wce, "config-wce", .def = true,
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioBlk, scsi, "scsi", .help = "on/off"),
    PROP(PROP_BOOL, VirtioBlk, request_merging, "request-merging", .def = true,
         .help = "on/off"),
    PROP(PROP_U16, VirtioBlk, num_queues, "num-queues", .def = QUEUES_AUTO),
    PROP(PROP_U16, VirtioBlk, queue_size, "queue-size", .def = 256),
    PROP(PROP_BOOL, VirtioBlk, seg_max_adjust, "seg-max-adjust", .def = true),
    PROP(PROP_BOOL, VirtioBlk, discard, "discard", .def = true,
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioBlk, report_granularity, "report-discard-granularity",
         .def = true),
    PROP(PROP_BOOL, VirtioBlk, write_zeroes, "write-zeroes", .def = true,
         .help = "on/off"),
    PROP(PROP_U32, VirtioBlk, max_discard, "max-discard-sectors",
         .def = INT32_MAX / VBLK_SECTOR),
    PROP(PROP_U32, VirtioBlk, max_write_zeroes, "max-write-zeroes-sectors",
         .def = INT32_MAX / VBLK_SECTOR),
    PROP(PROP_BOOL, VirtioBlk, wce_if_config_wce, "x-enable-wce-if-config-wce",
         .def = true),
    PROP(PROP_STR, VirtioBlk, iothread, "iothread",
         .type_name = "link<iothread>"),
    PROP(PROP_I32, VirtioBlk, bootindex, "bootindex", .def = -1,
         .set = set_bootindex, .run_time = true),
    PROP(PROP_U32, VirtioBlk, vdev.props.class_id, "class"),
    PROP_END,
};

static const PciInfo vblk_pci = {
    .vendor_id = VIRTIO_PCI_VENDOR,
    .device_id = 0x1001,
    .class_id = 0x0100,
};

static const Vmstate vblk_vmstate = VIRTIO_VMSTATE("virtio-blk", 2);

#define VBLK_TYPE                                                            \
    VIRTIO_PCI_TYPE, .category = "Storage", .size = sizeof(VirtioBlk),       \
                     .parent = "virtio-blk-pci-base", .props = vblk_props,   \
                     .more_props = virtio_pci_prop_tables, .pci = &vblk_pci, \
                     .virtio = &virtio_blk, .vmstate = &vblk_vmstate

const DeviceType virtio_blk_pci_type = {
    VBLK_TYPE,
    .name = "virtio-blk-pci",
    .alias = "virtio-blk",
};

const DeviceType virtio_blk_pci_transitional_type = {
    VBLK_TYPE,
    .name = "virtio-blk-pci-transitional",
    .init = virtio_pci_init_transitional,
};

const DeviceType virtio_blk_pci_non_transitional_type = {
    VBLK_TYPE,
    .name = "virtio-blk-pci-non-transitional",
    .init = virtio_pci_init_non_transitional,
};
