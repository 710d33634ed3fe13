/*
 * The core of virtio devices: status, features, configuration, queues.
 * (Virtual I/O Device 1.2, chapters 2 and 3.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-priv.h"

#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

VirtioQueue *virtio_core_queue(VirtioDevice *d, unsigned n)
{
    return n < d->core->nqueues ? d->core->queues[n] : NULL;
}

VirtQueue *virtio_queue(VirtioDevice *d, unsigned n)
{
    VirtioQueue *q = virtio_core_queue(d, n);

    return q != NULL ? &q->vq : NULL;
}

VirtioDevice *virtio_of_queue(VirtQueue *q)
{
    return container_of(q, VirtioQueue, vq)->d;
}

bool virtio_is_broken(const VirtioDevice *d)
{
    return __atomic_load_n(&d->core->host.broken, __ATOMIC_RELAXED);
}

bool virtio_running(const VirtioDevice *d)
{
    return d->running && (d->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
           !d->disabled && !virtio_is_broken(d);
}

void virtio_notify_config(VirtioDevice *d)
{
    if (!(d->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
        return;
    }
    __atomic_fetch_or(&d->isr, 1 | 2, __ATOMIC_RELAXED);
    d->generation++;
    virtio_pci_interrupt(d, d->config_vector);
}

static void core_error(VirtQueueHost *h, const char *msg)
{
    VirtioDevice *d = container_of(h, VirtioCore, host)->d;

    virtio_error(d, "%s", msg);
}

void virtio_error(VirtioDevice *d, const char *fmt, ...)
{
    g_autofree char *msg = NULL;
    va_list ap;

    if (__atomic_exchange_n(&d->core->host.broken, true, __ATOMIC_SEQ_CST)) {
        return;
    }
    va_start(ap, fmt);
    msg = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    log_error("%s: %s: the device needs a reset", device_name(&d->pci.dev),
              msg);
    virtio_error_notify(d);
}

/* A queue has something for the driver. */
static void core_interrupt(VirtQueueHost *h, VirtQueue *vq)
{
    VirtioDevice *d = container_of(h, VirtioCore, host)->d;

    __atomic_fetch_or(&d->isr, 1, __ATOMIC_RELAXED);
    virtio_queue_interrupt(container_of(vq, VirtioQueue, vq));
}

/* Queues */

VirtQueue *virtio_add_queue(VirtioDevice *d, unsigned size, VirtioOutputFn *fn)
{
    VirtioCore *c = d->core;
    VirtioQueue *q = g_new0(VirtioQueue, 1);

    g_assert(c->nqueues < VIRTIO_MAX_QUEUES && is_pow2(size) &&
             size <= VIRTQUEUE_MAX_SIZE);
    virtqueue_init(&q->vq, &c->host, c->nqueues, size);
    q->d = d;
    q->fn = fn;
    q->vector = VIRTIO_NO_VECTOR;
    q->kick = (EventNotifier)EVENT_NOTIFIER_NONE;
    q->call = (EventNotifier)EVENT_NOTIFIER_NONE;
    c->queues = g_renew(VirtioQueue *, c->queues, c->nqueues + 1);
    c->queues[c->nqueues++] = q;
    return &q->vq;
}

void virtio_queue_set_doorbell(VirtQueue *q, bool on)
{
    container_of(q, VirtioQueue, vq)->doorbell = on;
}

void virtio_queue_set_external(VirtQueue *q)
{
    container_of(q, VirtioQueue, vq)->external = true;
}

void virtio_queue_call_changed(VirtioQueue *q)
{
    if (q->external && q->d->vtype->call_changed != NULL) {
        q->d->vtype->call_changed(q->d, &q->vq);
    }
}

void virtio_del_queues(VirtioDevice *d, unsigned first)
{
    VirtioCore *c = d->core;

    while (c->nqueues > first) {
        VirtioQueue *q = c->queues[--c->nqueues];

        virtio_pci_set_vector(d, &q->vector, VIRTIO_NO_VECTOR);
        virtio_kick_later_fini(q);
        virtio_pci_queue_fini(q);
        virtqueue_fini(&q->vq);
        g_free(q);
    }
}

void virtio_set_legacy_ring(VirtioQueue *q, uint64_t desc)
{
    uint64_t avail = desc + 16 * (uint64_t)q->vq.size;
    uint64_t used = ROUND_UP(avail + 4 + 2 * (uint64_t)q->vq.size, 4096);

    virtio_thread_stop(q->d);
    virtqueue_set_rings(&q->vq, desc, avail, used);
    virtio_thread_start(q->d);
}

void virtio_queue_place(VirtioQueue *q)
{
    virtqueue_set_rings(&q->vq, (uint64_t)q->desc[1] << 32 | q->desc[0],
                        (uint64_t)q->avail[1] << 32 | q->avail[0],
                        (uint64_t)q->used[1] << 32 | q->used[0]);
}

void virtio_queue_reset(VirtioDevice *d, VirtioQueue *q)
{
    virtio_thread_stop(d);
    if (d->vtype->queue_reset != NULL) {
        d->vtype->queue_reset(d, &q->vq);
    }
    virtqueue_reset(&q->vq);
    virtio_pci_set_vector(d, &q->vector, VIRTIO_NO_VECTOR);
    q->enabled = false;
    virtio_thread_start(d);
}

void virtio_kick(VirtioDevice *d, unsigned n)
{
    VirtioQueue *q = virtio_core_queue(d, n);

    if (q != NULL && q->fn != NULL && virtio_running(d) &&
        virtqueue_ready(&q->vq) && !virtio_thread_kick(q)) {
        q->fn(d, &q->vq);
    }
}

/* Features and status */

uint64_t virtio_offered(const VirtioDevice *d, bool modern)
{
    uint64_t f = d->host_features;

    return modern ? f & ~VIRTIO_LEGACY_FEATURES & ~d->vtype->legacy_features
                  : f & UINT32_MAX;
}

bool virtio_set_features(VirtioDevice *d, uint64_t val)
{
    bool ok = (val & ~d->host_features) == 0;

    virtio_thread_stop(d);
    d->features = val & d->host_features;
    d->core->host.features = d->features;
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        d->core->queues[i]->vq.generation = 0; /* event index: a longer ring */
    }
    if (d->vtype->set_features != NULL) {
        d->vtype->set_features(d);
    }
    virtio_thread_start(d);
    return ok;
}

void virtio_set_status(VirtioDevice *d, uint8_t val)
{
    uint8_t old = d->status;

    virtio_thread_stop(d);
    d->status = val;
    if (d->vtype->set_status != NULL) {
        d->vtype->set_status(d, old);
    }
    virtio_pci_update_doorbells(d);
    virtio_thread_start(d);
}

static void run_changed(RunStateListener *l, bool running, RunState state)
{
    VirtioDevice *d = container_of(l, VirtioCore, run_listener)->d;

    virtio_thread_stop(d);
    d->running = running;
    if (d->vtype->set_status != NULL) {
        d->vtype->set_status(d, d->status);
    }
    if (!running) {
        return;
    }
    virtio_thread_start(d);
    /* Kicks may have got lost: in the stop, or in another process. */
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        virtio_kick(d, i);
    }
}

/* Requests that ended while the VM stopped have their interrupts raised. */
static void run_settled(RunStateListener *l)
{
    virtio_thread_settle(container_of(l, VirtioCore, run_listener)->d);
}

/* Configuration */

uint32_t virtio_config_read(VirtioDevice *d, unsigned off, unsigned size)
{
    if (!range_fits(off, size, d->config_size)) {
        return UINT32_MAX;
    }
    if (d->vtype->get_config != NULL) {
        d->vtype->get_config(d, d->config);
    }
    return ldn_le_p(d->config + off, size);
}

void virtio_config_write(VirtioDevice *d, unsigned off, uint32_t val,
                         unsigned size)
{
    if (!range_fits(off, size, d->config_size)) {
        return;
    }
    stn_le_p(d->config + off, size, val);
    if (d->vtype->set_config != NULL) {
        virtio_thread_stop(d);
        d->vtype->set_config(d, d->config);
        virtio_thread_start(d);
    }
}

/* Life */

static uint64_t prop_features(const VirtioDevice *d)
{
    const VirtioProps *p = &d->props;
    uint64_t f = 0;

    f |= p->indirect_desc ? VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) : 0;
    f |= p->event_idx ? VIRTIO_BIT(VIRTIO_RING_F_EVENT_IDX) : 0;
    f |= p->queue_reset ? VIRTIO_BIT(VIRTIO_F_RING_RESET) : 0;
    f |= p->notify_on_empty ? VIRTIO_BIT(VIRTIO_F_NOTIFY_ON_EMPTY) : 0;
    f |= p->any_layout ? VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT) : 0;
    if (virtio_pci_has_legacy(d)) {
        f |= VIRTIO_BIT(VIRTIO_F_BAD_FEATURE);
    }
    if (virtio_pci_has_modern(d)) {
        f |= VIRTIO_BIT(VIRTIO_F_VERSION_1);
    }
    return f;
}

bool virtio_core_realize(VirtioDevice *d, GError **errp)
{
    VirtioCore *c = g_new0(VirtioCore, 1);

    d->vtype = d->pci.dev.type->virtio;
    d->core = c;
    c->d = d;
    c->host = (VirtQueueHost){ .dma = &d->pci.dma,
                               .interrupt = core_interrupt,
                               .error = core_error };
    c->to_main = (EventNotifier)EVENT_NOTIFIER_NONE;
    d->config_vector = VIRTIO_NO_VECTOR;
    if (!d->vtype->realize(d, errp)) {
        virtio_thread_fini(d);
        virtio_del_queues(d, 0);
        g_clear_pointer(&c->queues, g_free);
        g_clear_pointer(&d->core, g_free);
        return false;
    }
    d->host_features = d->vtype->get_features(d, prop_features(d));
    d->running = runstate_is_running(d->pci.dev.vm);
    c->run_listener.changed = run_changed;
    c->run_listener.settled = run_settled;
    runstate_add_listener(d->pci.dev.vm, &c->run_listener);
    return true;
}

void virtio_core_unrealize(VirtioDevice *d)
{
    runstate_del_listener(d->pci.dev.vm, &d->core->run_listener);
    if (d->vtype->unrealize != NULL) {
        d->vtype->unrealize(d);
    }
    virtio_thread_fini(d);
    virtio_del_queues(d, 0);
    g_free(d->core->queues);
    g_clear_pointer(&d->core, g_free);
}

void virtio_core_reset(VirtioDevice *d)
{
    virtio_thread_stop(d); /* which looks at that */
    d->running = runstate_is_running(d->pci.dev.vm);
    virtio_set_status(d, 0);
    if (d->vtype->reset != NULL) {
        d->vtype->reset(d);
    }
    __atomic_store_n(&d->core->host.broken, false, __ATOMIC_SEQ_CST);
    d->disabled = false;
    d->isr = 0;
    d->queue_sel = 0;
    virtio_pci_interrupt(d, VIRTIO_NO_VECTOR);
    virtio_pci_set_vector(d, &d->config_vector, VIRTIO_NO_VECTOR);
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        VirtioQueue *q = d->core->queues[i];

        virtqueue_reset(&q->vq);
        virtio_pci_set_vector(d, &q->vector, VIRTIO_NO_VECTOR);
        q->num = 0;
        q->enabled = false;
        memset(q->desc, 0, sizeof(q->desc));
        memset(q->avail, 0, sizeof(q->avail));
        memset(q->used, 0, sizeof(q->used));
    }
    virtio_set_features(d, 0);
}
