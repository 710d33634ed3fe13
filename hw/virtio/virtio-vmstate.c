/*
 * State of virtio devices.
 *
 * Stream, one field "virtio" in a section named by the device; big-endian:
 *
 *   function      "PCIDevice", MSI-X table and pending bits, config vector
 *   status u8, ISR u8, queue select u16, features 31:0 u32
 *   configuration u32 length, bytes
 *   queues        u32 count; each: u32 size, u64 descriptors, u16 next to
 *                 pop, u16 vector
 *   device        its own
 *   subsections   "virtio/64bit_features", "virtio/virtqueues",
 *                 "virtio/ringsize", "virtio/broken", "virtio/extra_state"
 *                 with "virtio_pci/modern_state", "virtio/started",
 *                 "virtio/disabled"
 *
 * Vectors are there only if the function has MSI-X.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/msix.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-priv.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    RINGS_BYTES = 16,  /* of a queue in "virtqueues": avail, used */
    MODERN_BYTES = 28, /* in "modern_state" */
};

/* Subsections */

static bool rings_put(StreamOut *s, const void *field, size_t size,
                      GError **errp)
{
    const VirtioDevice *d = field;
    g_autofree uint8_t *buf = g_malloc0(VIRTIO_MAX_QUEUES * RINGS_BYTES);

    for (unsigned i = 0; i < d->core->nqueues; i++) {
        const VirtQueue *q = &d->core->queues[i]->vq;

        stq_be_p(buf + i * RINGS_BYTES, q->avail);
        stq_be_p(buf + i * RINGS_BYTES + 8, q->used);
    }
    stream_put(s, buf, VIRTIO_MAX_QUEUES * RINGS_BYTES);
    return true;
}

static bool rings_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    VirtioDevice *d = field;
    const unsigned n = d->core->nqueues;

    for (unsigned i = 0; i < n; i++) {
        uint64_t avail = stream_get_be64(s), used = stream_get_be64(s);
        VirtQueue *vq = &d->core->queues[i]->vq;

        virtqueue_set_rings(vq, vq->desc, avail, used);
    }
    stream_skip(s, (VIRTIO_MAX_QUEUES - n) * RINGS_BYTES);
    return stream_in_check(s, errp);
}

static bool sizes_put(StreamOut *s, const void *field, size_t size,
                      GError **errp)
{
    const VirtioDevice *d = field;

    for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
        stream_put_be32(s, i < d->core->nqueues
                               ? d->core->queues[i]->vq.size_max
                               : 0);
    }
    return true;
}

/* The size after a reset is the device's own. */
static bool sizes_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    stream_skip(s, VIRTIO_MAX_QUEUES * sizeof(uint32_t));
    return stream_in_check(s, errp);
}

static void modern_put_queue(const VirtioQueue *q, uint8_t *p)
{
    stw_be_p(p, q->num);
    p[3] = q->enabled;
    for (unsigned i = 0; i < 2; i++) {
        stl_be_p(p + 4 + 4 * i, q->desc[i]);
        stl_be_p(p + 12 + 4 * i, q->avail[i]);
        stl_be_p(p + 20 + 4 * i, q->used[i]);
    }
}

static bool modern_put(StreamOut *s, const void *field, size_t size,
                       GError **errp)
{
    VirtioDevice *d = (VirtioDevice *)(uintptr_t)field;
    g_autofree uint8_t *buf = g_malloc0(VIRTIO_MAX_QUEUES * MODERN_BYTES);

    for (unsigned i = 0; i < 2; i++) {
        stream_put_be32(s, virtio_pci_selectors(d)[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        stream_put_be32(s, virtio_pci_guest_features(d)[i]);
    }
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        modern_put_queue(d->core->queues[i], buf + i * MODERN_BYTES);
    }
    stream_put(s, buf, VIRTIO_MAX_QUEUES * MODERN_BYTES);
    return true;
}

static void modern_get_queue(VirtioQueue *q, const uint8_t *p)
{
    q->num = lduw_be_p(p);
    q->enabled = p[3] != 0;
    for (unsigned i = 0; i < 2; i++) {
        q->desc[i] = ldl_be_p(p + 4 + 4 * i);
        q->avail[i] = ldl_be_p(p + 12 + 4 * i);
        q->used[i] = ldl_be_p(p + 20 + 4 * i);
    }
}

static bool modern_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    VirtioDevice *d = field;
    const unsigned n = d->core->nqueues;
    uint8_t buf[MODERN_BYTES];

    for (unsigned i = 0; i < 2; i++) {
        virtio_pci_selectors(d)[i] = stream_get_be32(s);
    }
    for (unsigned i = 0; i < 2; i++) {
        virtio_pci_guest_features(d)[i] = stream_get_be32(s);
    }
    for (unsigned i = 0; i < n; i++) {
        if (!stream_get(s, buf, sizeof(buf))) {
            return stream_in_check(s, errp);
        }
        modern_get_queue(d->core->queues[i], buf);
    }
    stream_skip(s, (VIRTIO_MAX_QUEUES - n) * MODERN_BYTES);
    return stream_in_check(s, errp);
}

static bool is_modern(void *opaque)
{
    return virtio_pci_has_modern(opaque);
}

static bool has_other_sizes(void *opaque)
{
    const VirtioDevice *d = opaque;

    for (unsigned i = 0; i < d->core->nqueues; i++) {
        const VirtQueue *q = &d->core->queues[i]->vq;

        if (q->size != q->size_max) {
            return true;
        }
    }
    return false;
}

static bool is_broken(void *opaque)
{
    return virtio_is_broken(opaque);
}

static bool is_disabled(void *opaque)
{
    return ((VirtioDevice *)opaque)->disabled;
}

static bool is_started(void *opaque)
{
    return ((VirtioDevice *)opaque)->status & VIRTIO_CONFIG_S_DRIVER_OK;
}

#define WHOLE(info_, name_)                                              \
    {                                                                    \
        .name = (name_), .kind = VMS_CUSTOM, .size = 1, .info = &(info_) \
    }
#define FLAG(what_)                                                        \
    {                                                                      \
        .name = (what_), .kind = VMS_CUSTOM, .size = 1, .info = &flag_info \
    }

static const VmstateInfo rings_info = { .name = "virtqueue_state",
                                        .put = rings_put,
                                        .get = rings_get };
static const VmstateInfo sizes_info = { .name = "ringsize_state",
                                        .put = sizes_put,
                                        .get = sizes_get };
static const VmstateInfo modern_info = { .name = "virtqueue_state",
                                         .put = modern_put,
                                         .get = modern_get };

/* Said by being there: always true. */
static bool flag_put(StreamOut *s, const void *field, size_t size,
                     GError **errp)
{
    stream_put_u8(s, 1);
    return true;
}

static bool flag_skip(StreamIn *s, void *field, size_t size, GError **errp)
{
    stream_get_u8(s);
    return true;
}

static bool broken_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    ((VirtioDevice *)field)->core->host.broken = stream_get_u8(s) != 0;
    return true;
}

static const VmstateInfo flag_info = { .name = "bool",
                                       .put = flag_put,
                                       .get = flag_skip };
static const VmstateInfo broken_info = { .name = "bool",
                                         .put = flag_put,
                                         .get = broken_get };

static const Vmstate features_vmstate = {
    .name = "virtio/64bit_features",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_U64(VirtioDevice, features),
                                      VMSTATE_END },
};
static const Vmstate rings_vmstate = {
    .name = "virtio/virtqueues",
    .version = 1,
    .oldest = 1,
    .needed = is_modern,
    .fields = (const VmstateField[]){ WHOLE(rings_info, "vqs"), VMSTATE_END },
};
static const Vmstate sizes_vmstate = {
    .name = "virtio/ringsize",
    .version = 1,
    .oldest = 1,
    .needed = has_other_sizes,
    .fields = (const VmstateField[]){ WHOLE(sizes_info, "vqs"), VMSTATE_END },
};
static const Vmstate broken_vmstate = {
    .name = "virtio/broken",
    .version = 1,
    .oldest = 1,
    .needed = is_broken,
    .fields =
        (const VmstateField[]){ WHOLE(broken_info, "broken"), VMSTATE_END },
};
static const Vmstate modern_vmstate = {
    .name = "virtio_pci/modern_state",
    .version = 1,
    .oldest = 1,
    .needed = is_modern,
    .fields = (const VmstateField[]){ WHOLE(modern_info, "vqs"), VMSTATE_END },
};
static const Vmstate transport_vmstate = {
    .name = "virtio_pci",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_END },
    .subsections = (const Vmstate *const[]){ &modern_vmstate, NULL },
};

static bool extra_put(StreamOut *s, const void *field, size_t size,
                      GError **errp)
{
    return vmstate_save(s, &transport_vmstate, (void *)(uintptr_t)field, errp);
}

static bool extra_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    return vmstate_load(s, &transport_vmstate, field, 1, errp);
}

static const VmstateInfo extra_info = { .name = "virtqueue_extra_state",
                                        .put = extra_put,
                                        .get = extra_get };
static const Vmstate extra_vmstate = {
    .name = "virtio/extra_state",
    .version = 1,
    .oldest = 1,
    .fields =
        (const VmstateField[]){ WHOLE(extra_info, "extra_state"), VMSTATE_END },
};
static const Vmstate started_vmstate = {
    .name = "virtio/started",
    .version = 1,
    .oldest = 1,
    .needed = is_started,
    .fields = (const VmstateField[]){ FLAG("started"), VMSTATE_END },
};
static const Vmstate disabled_vmstate = {
    .name = "virtio/disabled",
    .version = 1,
    .oldest = 1,
    .needed = is_disabled,
    .fields = (const VmstateField[]){ VMSTATE_BOOL(VirtioDevice, disabled),
                                      VMSTATE_END },
};

static const Vmstate subsections_vmstate = {
    .name = "virtio",
    .version = 1,
    .oldest = 1,
    .fields = (const VmstateField[]){ VMSTATE_END },
    .subsections =
        (const Vmstate *const[]){
            &features_vmstate,
            &rings_vmstate,
            &sizes_vmstate,
            &broken_vmstate,
            &extra_vmstate,
            &started_vmstate,
            &disabled_vmstate,
            NULL,
        },
};

/* The body */

static bool has_vectors(const VirtioDevice *d)
{
    return msix_nvectors(&d->pci) > 0;
}

static void save_queues(const VirtioDevice *d, StreamOut *s)
{
    stream_put_be32(s, d->core->nqueues);
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        const VirtioQueue *q = d->core->queues[i];

        stream_put_be32(s, q->vq.size);
        stream_put_be64(s, q->vq.desc);
        stream_put_be16(s, q->vq.last_avail);
        if (has_vectors(d)) {
            stream_put_be16(s, q->vector);
        }
    }
}

static bool save_function(VirtioDevice *d, StreamOut *s, GError **errp)
{
    if (!vmstate_save(s, &vmstate_pci_device, &d->pci, errp)) {
        return false;
    }
    if (has_vectors(d)) {
        msix_save(&d->pci, s);
        stream_put_be16(s, d->config_vector);
    }
    return true;
}

static bool virtio_put(StreamOut *s, const void *field, size_t size,
                       GError **errp)
{
    VirtioDevice *d = (VirtioDevice *)(uintptr_t)field;

    if (!save_function(d, s, errp)) {
        return false;
    }
    stream_put_u8(s, d->status);
    stream_put_u8(s, d->isr);
    stream_put_be16(s, d->queue_sel);
    stream_put_be32(s, d->features);
    stream_put_be32(s, d->config_size);
    stream_put(s, d->config, d->config_size);
    save_queues(d, s);
    if (d->vtype->vmstate != NULL &&
        !vmstate_save(s, d->vtype->vmstate, d, errp)) {
        return false;
    }
    return vmstate_save(s, &subsections_vmstate, d, errp);
}

static bool load_function(VirtioDevice *d, StreamIn *s, GError **errp)
{
    if (!vmstate_load(s, &vmstate_pci_device, &d->pci, 2, errp)) {
        return false;
    }
    if (!has_vectors(d)) {
        return true;
    }
    if (!msix_load(&d->pci, s, errp)) {
        return false;
    }
    virtio_pci_set_vector(d, &d->config_vector, stream_get_be16(s));
    return true;
}

static bool load_header(VirtioDevice *d, StreamIn *s, GError **errp)
{
    uint32_t len;

    d->status = stream_get_u8(s);
    d->isr = stream_get_u8(s);
    d->queue_sel = stream_get_be16(s);
    d->features = stream_get_be32(s);
    len = stream_get_be32(s);
    if (d->queue_sel > VIRTIO_MAX_QUEUES) {
        error_setf(errp, "queue %u is selected, of at most %u", d->queue_sel,
                   VIRTIO_MAX_QUEUES);
        return false;
    }
    stream_get(s, d->config, MIN(len, d->config_size));
    if (len > d->config_size) {
        stream_skip(s, len - d->config_size);
    }
    return stream_in_check(s, errp);
}

static bool load_queue(VirtioDevice *d, VirtioQueue *q, StreamIn *s,
                       GError **errp)
{
    uint32_t size = stream_get_be32(s);
    uint64_t desc = stream_get_be64(s);
    uint16_t last_avail = stream_get_be16(s);

    if (has_vectors(d)) {
        virtio_pci_set_vector(d, &q->vector, stream_get_be16(s));
    }
    if (!stream_in_check(s, errp)) {
        return false;
    }
    if (!is_pow2(size) || size > VIRTQUEUE_MAX_SIZE) {
        error_setf(errp, "queue %u: %u entries", q->vq.index, size);
        return false;
    }
    if (desc == 0 && last_avail != 0) {
        error_setf(errp, "queue %u: no ring, but index %u", q->vq.index,
                   last_avail);
        return false;
    }
    q->vq.size = size;
    /* Newer drivers' rings have their places in a subsection. */
    virtio_set_legacy_ring(q, desc);
    virtqueue_set_last_avail(&q->vq, last_avail);
    return true;
}

static bool load_queues(VirtioDevice *d, StreamIn *s, GError **errp)
{
    uint32_t n = stream_get_be32(s);

    if (d->vtype->load_queues != NULL && n <= VIRTIO_MAX_QUEUES) {
        d->vtype->load_queues(d, n);
    }
    if (n > d->core->nqueues) {
        error_setf(errp, "%u queues in the stream, %u here", n,
                   d->core->nqueues);
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!load_queue(d, d->core->queues[i], s, errp)) {
            return false;
        }
    }
    return true;
}

static bool load_finish(VirtioDevice *d, GError **errp)
{
    uint64_t features = d->features;

    if (!virtio_set_features(d, features)) {
        error_setf(errp, "features 0x%" PRIx64 ": only 0x%" PRIx64 " here",
                   features, d->host_features);
        return false;
    }
    if (d->vtype->post_load != NULL && !d->vtype->post_load(d, errp)) {
        return false;
    }
    virtio_pci_update_doorbells(d);
    return true;
}

static bool load_body(VirtioDevice *d, StreamIn *s, GError **errp)
{
    return load_function(d, s, errp) && load_header(d, s, errp) &&
           load_queues(d, s, errp) &&
           (d->vtype->vmstate == NULL ||
            vmstate_load(s, d->vtype->vmstate, d, d->vtype->vmstate->version,
                         errp)) &&
           vmstate_load(s, &subsections_vmstate, d, 1, errp) &&
           load_finish(d, errp);
}

static bool virtio_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    VirtioDevice *d = field;
    Memory *mem = &d->pci.dev.vm->mem;
    bool ok;

    d->core->host.broken = false;
    d->disabled = false;
    /* Its regions and its doorbells cost one new view of memory, not five. */
    memory_transaction_begin(mem);
    ok = load_body(d, s, errp);
    memory_transaction_commit(mem);
    return ok;
}

const VmstateInfo virtio_vmstate_info = { .name = "virtio",
                                          .put = virtio_put,
                                          .get = virtio_get };

const VmstateField virtio_vmstate_fields[] = {
    VMSTATE_VIRTIO,
    VMSTATE_END,
};
