/*
 * Virtio SCSI adapter: configuration, features, life.
 * (Virtual I/O Device 1.2, section 5.6.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine.h"
#include "hw/scsi/virtio-scsi-priv.h"
#include "hw/virtio/virtio-pci.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    QUEUES_AUTO = UINT32_MAX, /* as many as there are vCPUs */
    QUEUES_MAX = VIRTIO_MAX_QUEUES - VSCSI_REQUESTS - 1,
    SEG_MAX_FIXED = 126, /* as devices told before seg_max_adjust */
    SENSE_SIZE_MAX = 65535,
};

/* Configuration */

static uint64_t vscsi_features(VirtioDevice *d, uint64_t offered)
{
    const VirtioScsi *s = vscsi_of(d);

    if (s->hotplug) {
        offered |= VIRTIO_BIT(VIRTIO_SCSI_F_HOTPLUG);
    }
    if (s->param_change) {
        offered |= VIRTIO_BIT(VIRTIO_SCSI_F_CHANGE);
    }
    return offered;
}

static void vscsi_get_config(VirtioDevice *d, uint8_t *config)
{
    const VirtioScsi *s = vscsi_of(d);
    struct virtio_scsi_config c = { 0 };

    stl_le_p(&c.num_queues, s->nqueues);
    stl_le_p(&c.seg_max, s->seg_max_adjust ? s->queue_size - 2 : SEG_MAX_FIXED);
    stl_le_p(&c.max_sectors, s->max_sectors);
    stl_le_p(&c.cmd_per_lun, s->cmd_per_lun);
    stl_le_p(&c.event_info_size, sizeof(struct virtio_scsi_event));
    stl_le_p(&c.sense_size, s->sense_size);
    stl_le_p(&c.cdb_size, s->cdb_size);
    stw_le_p(&c.max_target, VSCSI_MAX_TARGET);
    stl_le_p(&c.max_lun, VSCSI_MAX_LUN);
    memcpy(config, &c, d->config_size);
}

static void vscsi_set_config(VirtioDevice *d, const uint8_t *config)
{
    VirtioScsi *s = vscsi_of(d);
    uint32_t sense =
        ldl_le_p(config + offsetof(struct virtio_scsi_config, sense_size));
    uint32_t cdb =
        ldl_le_p(config + offsetof(struct virtio_scsi_config, cdb_size));

    if (sense > SENSE_SIZE_MAX || cdb > VSCSI_CDB_BYTES_MAX) {
        virtio_error(d, "bad data written to virtio-scsi configuration space");
        return;
    }
    s->sense_size = sense;
    s->cdb_size = cdb;
}

/* Life of the driver */

static void vscsi_set_status(VirtioDevice *d, uint8_t old)
{
    if (virtio_running(d)) {
        scsi_bus_restart(&vscsi_of(d)->bus);
    }
}

static void vscsi_reset(VirtioDevice *d)
{
    VirtioScsi *s = vscsi_of(d);

    vscsi_drop_tmfs(s);
    vscsi_give_up(s, NULL);
    s->sense_size = VIRTIO_SCSI_SENSE_DEFAULT_SIZE;
    s->cdb_size = VIRTIO_SCSI_CDB_DEFAULT_SIZE;
    s->events_missed = false;
    scsi_bus_reset(&s->bus);
}

static void vscsi_queue_reset(VirtioDevice *d, VirtQueue *q)
{
    VirtioScsi *s = vscsi_of(d);

    if (virtqueue_index(q) == VSCSI_CONTROL) {
        vscsi_drop_tmfs(s);
    }
    vscsi_give_up(s, q);
}

/*
 * What a driver wrote there counts for the requests that came along, whose
 * units are loaded next.  One that never looked has left the defaults.
 */
static bool vscsi_post_load(VirtioDevice *d, GError **errp)
{
    const struct virtio_scsi_config *c = (const void *)d->config;
    uint32_t sense = ldl_le_p(&c->sense_size), cdb = ldl_le_p(&c->cdb_size);
    VirtioScsi *s = vscsi_of(d);

    if (ldl_le_p(&c->num_queues) == 0) {
        return true;
    }
    if (sense > SENSE_SIZE_MAX || cdb > VSCSI_CDB_BYTES_MAX) {
        error_setf(errp,
                   "virtio-scsi: %" PRIu32 " bytes of sense data, CDBs of "
                   "%" PRIu32,
                   sense, cdb);
        return false;
    }
    s->sense_size = sense;
    s->cdb_size = cdb;
    return true;
}

static bool check_props(const VirtioScsi *s, GError **errp)
{
    if (s->num_queues == 0 ||
        (s->num_queues > QUEUES_MAX && s->num_queues != QUEUES_AUTO)) {
        error_setf(errp,
                   "Invalid number of queues (= %" PRIu32
                   "), must be a positive integer less than %d.",
                   s->num_queues, QUEUES_MAX + 1);
    } else if (!is_pow2(s->queue_size) || s->queue_size < 4 ||
               s->queue_size > VIRTQUEUE_MAX_SIZE) {
        error_setf(errp,
                   "invalid virtqueue_size property (= %" PRIu32
                   "), must be a power of 2 from 4 to %d",
                   s->queue_size, VIRTQUEUE_MAX_SIZE);
    } else if (s->iothread != NULL) {
        error_setf(errp, "iothread= of virtio-scsi is not in this version");
    } else {
        return true;
    }
    return false;
}

static bool vscsi_realize(VirtioDevice *d, GError **errp)
{
    VirtioScsi *s = vscsi_of(d);
    Device *dev = &d->pci.dev;

    if (!check_props(s, errp)) {
        return false;
    }
    g_queue_init(&s->active);
    g_queue_init(&s->tmfs);
    s->orphans = blk_orphans_new(dev->vm, device_name(dev));
    s->sense_size = VIRTIO_SCSI_SENSE_DEFAULT_SIZE;
    s->cdb_size = VIRTIO_SCSI_CDB_DEFAULT_SIZE;
    s->nqueues =
        s->num_queues == QUEUES_AUTO ? dev->machine->smp.cpus : s->num_queues;
    s->nqueues = MIN(s->nqueues, (unsigned)QUEUES_MAX);
    if (d->props.vectors == VIRTIO_VECTORS_AUTO) {
        d->props.vectors = s->nqueues + VSCSI_REQUESTS + 1;
    }
    virtio_add_queue(d, s->queue_size, vscsi_control_output);
    virtio_add_queue(d, s->queue_size, vscsi_event_output);
    for (unsigned i = 0; i < s->nqueues; i++) {
        virtio_queue_set_doorbell(
            virtio_add_queue(d, s->queue_size, vscsi_request_output), true);
    }
    d->config_size = sizeof(struct virtio_scsi_config);
    scsi_bus_init(&s->bus, &vscsi_adapter, dev);
    return true;
}

static void vscsi_unrealize(VirtioDevice *d)
{
    VirtioScsi *s = vscsi_of(d);

    vscsi_drop_tmfs(s);
    vscsi_give_up(s, NULL);
    blk_orphans_free(g_steal_pointer(&s->orphans));
}

static const VirtioType virtio_scsi = {
    .name = "virtio-scsi",
    .id = VIRTIO_ID_SCSI,
    .vectors = 4,
    .realize = vscsi_realize,
    .unrealize = vscsi_unrealize,
    .get_features = vscsi_features,
    .get_config = vscsi_get_config,
    .set_config = vscsi_set_config,
    .set_status = vscsi_set_status,
    .reset = vscsi_reset,
    .queue_reset = vscsi_queue_reset,
    .post_load = vscsi_post_load,
};

static const Property vscsi_props[] = {
    PROP(PROP_U32, VirtioScsi, num_queues, "num_queues", .def = QUEUES_AUTO),
    PROP(PROP_U32, VirtioScsi, queue_size, "virtqueue_size", .def = 256),
    PROP(PROP_BOOL, VirtioScsi, seg_max_adjust, "seg_max_adjust", .def = true),
    PROP(PROP_U32, VirtioScsi, max_sectors, "max_sectors", .def = 0xffff),
    PROP(PROP_U32, VirtioScsi, cmd_per_lun, "cmd_per_lun", .def = 128),
    PROP(PROP_BOOL, VirtioScsi, hotplug, "hotplug", .def = true,
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioScsi, param_change, "param_change", .def = true,
         .help = "on/off"),
    PROP(PROP_STR, VirtioScsi, iothread, "iothread",
         .type_name = "link<iothread>"),
    PROP_END,
};

static const PciInfo vscsi_pci = {
    .vendor_id = VIRTIO_PCI_VENDOR,
    .device_id = 0x1004,
    .class_id = 0x0100,
};

static const Vmstate vscsi_vmstate = VIRTIO_VMSTATE("virtio-scsi", 1);

#define VSCSI_TYPE                                                            \
    VIRTIO_PCI_TYPE, .category = "Storage", .size = sizeof(VirtioScsi),       \
                     .parent = "virtio-scsi-pci-base", .props = vscsi_props,  \
                     .more_props = virtio_pci_prop_tables, .pci = &vscsi_pci, \
                     .virtio = &virtio_scsi, .vmstate = &vscsi_vmstate

const DeviceType virtio_scsi_pci_type = {
    VSCSI_TYPE,
    .name = "virtio-scsi-pci",
    .alias = "virtio-scsi",
};

const DeviceType virtio_scsi_pci_transitional_type = {
    VSCSI_TYPE,
    .name = "virtio-scsi-pci-transitional",
    .init = virtio_pci_init_transitional,
};

const DeviceType virtio_scsi_pci_non_transitional_type = {
    VSCSI_TYPE,
    .name = "virtio-scsi-pci-non-transitional",
    .init = virtio_pci_init_non_transitional,
};
