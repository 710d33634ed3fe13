/*
 * Entropy device: fills what the guest offers with random bytes.
 * (Virtual I/O Device 1.2, section 5.4.)
 *
 * Stream: "virtio-rng" version 1, nothing of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-devices.h"
#include "hw/virtio/virtio-pci.h"
#include "system/rng.h"
#include "system/vm.h"
#include "util/error.h"

#define RNG_QUEUE_SIZE 8
#define RNG_CHUNK      4096 /* bytes a chain gets at most */

typedef struct VirtioRng {
    VirtioDevice vdev;
    char *rng_id; /* of a source's object; NULL: the process's own */
    Rng *rng;
    uint64_t max_bytes; /* in a period */
    uint32_t period_ms;
    uint64_t quota; /* bytes left in this period */
    Timer timer;    /* its end */
    VirtQueue *vq;
} VirtioRng;

static VirtioRng *rng_of(VirtioDevice *d)
{
    return container_of(d, VirtioRng, vdev);
}

static void rng_more(void *opaque);

/* False: the source has nothing now, or the quota is used up. */
static bool fill_one(VirtioRng *s, VirtQueueElem *e)
{
    uint8_t buf[RNG_CHUNK];
    size_t want = MIN(MIN(e->in_bytes, sizeof(buf)), s->quota);
    ssize_t n = want > 0 ? rng_read(s->rng, buf, want) : 0;

    if (want == 0 && s->quota > 0) {
        virtio_error(&s->vdev, "a request without room");
        virtqueue_detach(s->vq, e);
        return false;
    }
    if (n <= 0) {
        virtqueue_unpop(s->vq, e);
        if (s->quota > 0) {
            rng_wait(s->rng, rng_more, s);
        }
        return false;
    }
    iov_from_buf(e->in, e->nin, 0, buf, n);
    s->quota -= n;
    virtqueue_push(s->vq, e, n);
    return true;
}

static void start_period(VirtioRng *s)
{
    int64_t now = clock_get_ns(s->vdev.pci.dev.vm->clocks, CLOCK_TYPE_VIRTUAL);

    if (!timer_pending(&s->timer)) {
        timer_mod(&s->timer, now + (int64_t)s->period_ms * 1000000);
    }
}

static void rng_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    VirtioRng *s = rng_of(d);
    VirtQueueElem *e;
    bool any = false;

    while ((e = virtio_turn_pop(&turn)) != NULL) {
        start_period(s);
        if (!fill_one(s, e)) {
            break;
        }
        any = true;
    }
    if (any) {
        virtqueue_notify(q);
    }
}

static void rng_more(void *opaque)
{
    VirtioRng *s = opaque;

    rng_output(&s->vdev, s->vq);
}

static void period_over(void *opaque)
{
    VirtioRng *s = opaque;

    s->quota = s->max_bytes;
    rng_more(s);
}

static bool rng_realize(VirtioDevice *d, GError **errp)
{
    VirtioRng *s = rng_of(d);
    Vm *vm = d->pci.dev.vm;

    if (s->period_ms == 0) {
        error_setf(errp, "'period' parameter expects a positive integer");
        return false;
    }
    if (s->max_bytes == 0 || s->max_bytes > INT64_MAX) {
        error_setf(errp, "'max-bytes' parameter must be 1 to 2^63 - 1");
        return false;
    }
    if (s->rng_id != NULL) {
        Object *objects = object_child(vm->root, "objects");

        s->rng = rng_from_object(
            objects != NULL ? object_child(objects, s->rng_id) : NULL);
        if (s->rng == NULL) {
            error_setf(errp,
                       "rng '%s': there is no such source of random "
                       "bytes",
                       s->rng_id);
            return false;
        }
    }
    rng_claim(s->rng);
    s->quota = s->max_bytes;
    timer_init(&s->timer, vm->clocks, CLOCK_TYPE_VIRTUAL, period_over, s);
    s->vq = virtio_add_queue(d, RNG_QUEUE_SIZE, rng_output);
    return true;
}

static void rng_unrealize(VirtioDevice *d)
{
    VirtioRng *s = rng_of(d);

    timer_del(&s->timer);
    rng_wait(s->rng, NULL, NULL);
    rng_release(s->rng);
}

static uint64_t rng_features(VirtioDevice *d, uint64_t offered)
{
    return offered;
}

static const VirtioType virtio_rng = {
    .name = "virtio-rng",
    .id = VIRTIO_ID_RNG,
    .vectors = 2,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
    .get_features = rng_features,
};

static const Property rng_props[] = {
    PROP(PROP_STR, VirtioRng, rng_id, "rng", .type_name = "link<rng-backend>"),
    PROP(PROP_U64, VirtioRng, max_bytes, "max-bytes", .def = INT64_MAX),
    PROP(PROP_U32, VirtioRng, period_ms, "period", .def = 1 << 16),
    PROP_END,
};

static const PciInfo rng_pci = {
    .vendor_id = VIRTIO_PCI_VENDOR,
    .device_id = 0x1005,
    .class_id = 0x00ff,
};

static const Vmstate rng_vmstate = VIRTIO_VMSTATE("virtio-rng", 1);

#define RNG_TYPE                                                               \
    VIRTIO_PCI_TYPE, .category = "Misc", .size = sizeof(VirtioRng),            \
                     .props = rng_props, .more_props = virtio_pci_prop_tables, \
                     .pci = &rng_pci, .virtio = &virtio_rng,                   \
                     .vmstate = &rng_vmstate

const DeviceType virtio_rng_pci_type = {
    RNG_TYPE,
    .name = "virtio-rng-pci",
    .parent = "virtio-rng-pci-base",
    .alias = "virtio-rng",
};

const DeviceType virtio_rng_pci_transitional_type = {
    RNG_TYPE,
    .name = "virtio-rng-pci-transitional",
    .parent = "virtio-rng-pci-base",
    .init = virtio_pci_init_transitional,
};

const DeviceType virtio_rng_pci_non_transitional_type = {
    RNG_TYPE,
    .name = "virtio-rng-pci-non-transitional",
    .parent = "virtio-rng-pci-base",
    .init = virtio_pci_init_non_transitional,
};
