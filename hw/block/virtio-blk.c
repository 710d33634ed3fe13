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
#include "hw/core/machine.h"
#include "hw/virtio/virtio-pci.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    QUEUES_AUTO = 0xffff, /* as many as there are vCPUs */
    SEG_MAX_FIXED = 126,  /* as devices told before seg-max-adjust */
    CONFIG_BYTES_PLAIN =
        offsetof(struct virtio_blk_config, max_discard_sectors),
    CONFIG_BYTES_DISCARD =
        offsetof(struct virtio_blk_config, max_write_zeroes_sectors),
    CONFIG_BYTES_ZEROES =
        offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 1,
};

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
    uint64_t track = block_size(s->blk) / s->geo.heads / s->geo.sectors;

    return track % s->conf.logical_block == 0
               ? s->geo.sectors
               : ROUND_DOWN((uint64_t)s->geo.sectors,
                            s->conf.logical_block / VBLK_SECTOR);
}

static void vblk_get_config(VirtioDevice *d, uint8_t *config)
{
    VirtioBlk *s = vblk_of(d);
    uint64_t gran = s->report_granularity && s->conf.discard_gran != 0
                        ? s->conf.discard_gran
                        : s->conf.logical_block;
    struct virtio_blk_config c = { 0 };

    stq_le_p(&c.capacity, block_size(s->blk) / VBLK_SECTOR);
    stl_le_p(&c.seg_max,
             s->seg_max_adjust ? s->queue_size - 2u : SEG_MAX_FIXED);
    stw_le_p(&c.geometry.cylinders, s->geo.cylinders);
    c.geometry.heads = s->geo.heads;
    c.geometry.sectors = shown_secs(s);
    stl_le_p(&c.blk_size, s->conf.logical_block);
    c.physical_block_exp =
        __builtin_ctzll(s->conf.physical_block / s->conf.logical_block);
    stw_le_p(&c.min_io_size, s->conf.min_io / s->conf.logical_block);
    stl_le_p(&c.opt_io_size, s->conf.opt_io / s->conf.logical_block);
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

static bool vblk_attach(VirtioBlk *s, GError **errp)
{
    Device *dev = &s->vdev.pci.dev;

    if (s->iothread != NULL &&
        (!virtio_set_iothread(&s->vdev, s->iothread, errp) ||
         !block_set_iothread(s->blk, virtio_iothread(&s->vdev), errp))) {
        return false;
    }
    strcpy(s->conf.boot_node, "/disk@0,0");
    /* The disk behind the PCI function, as libvirt looks for it. */
    if (!disk_conf_attach(&s->conf, s->blk, dev, "virtio-backend", false,
                          errp)) {
        return false;
    }
    block_set_dev_ops(s->blk, &vblk_dev_ops, s);
    s->original_wce = block_write_cache(s->blk);
    return true;
}

static bool vblk_realize(VirtioDevice *d, GError **errp)
{
    VirtioBlk *s = vblk_of(d);
    Device *dev = &d->pci.dev;

    if (s->scsi) {
        error_setf(errp, "scsi=on is not in this version");
        return false;
    }
    if (!disk_conf_check(&s->conf, 0, errp) || !check_limits(s, errp) ||
        !disk_conf_check_no_bios_geometry(&s->lgeo, errp)) {
        return false;
    }
    s->blk =
        disk_conf_find(&s->conf, dev, "virtio-blk-device", false, true, errp);
    if (s->blk == NULL || !disk_conf_set_geometry(&s->geo, dev, s->blk, errp) ||
        !vblk_attach(s, errp)) {
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
    disk_conf_detach(g_steal_pointer(&s->blk), &d->pci.dev);
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

static const Property vblk_props[] = {
    DISK_CONF_PROPS(VirtioBlk, conf),
    DISK_GEOMETRY_PROPS(VirtioBlk, geo, lgeo),
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
