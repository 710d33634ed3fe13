/*
 * Virtio over PCI: the function, its interrupts and doorbells.
 * (Virtual I/O Device 1.2, section 4.1.)
 *
 *   BAR 0  legacy registers, I/O      BAR 4  modern registers, memory
 *   BAR 1  MSI-X
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-pci.h"

#include <glib-unix.h>

#include "accel/accel.h"
#include "hw/pci/pci-regs.h"
#include "hw/pci/pcie.h"
#include "hw/virtio/virtio-pci-priv.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/log.h"

bool virtio_pci_has_modern(const VirtioDevice *d)
{
    return d->transport->has_modern;
}

const VirtioPciPlaces *virtio_pci_places(const VirtioDevice *d)
{
    static const VirtioPciPlaces usual = { .modern_bar = 4,
                                           .msix_bar = 1,
                                           .common = 0,
                                           .isr = 0x1000,
                                           .part = 0x1000 };

    return d->vtype->places != NULL ? d->vtype->places : &usual;
}

MemoryRegion *virtio_pci_modern_bar(VirtioDevice *d)
{
    return &d->transport->modern;
}

bool virtio_pci_has_legacy(const VirtioDevice *d)
{
    return d->transport->has_legacy;
}

uint32_t *virtio_pci_selectors(VirtioDevice *d)
{
    return d->transport->selectors;
}

uint32_t *virtio_pci_guest_features(VirtioDevice *d)
{
    return d->transport->guest_features;
}

/* Interrupts */

void virtio_pci_interrupt(VirtioDevice *d, uint16_t vector)
{
    if (msix_enabled(&d->pci)) {
        msix_notify(&d->pci, vector);
    } else {
        VM_LOCK_GUARD();
        pci_set_irq(&d->pci, d->isr & 1);
    }
}

bool virtio_pci_interrupt_unlocked(VirtioDevice *d, uint16_t vector)
{
    return msix_enabled(&d->pci) && msix_notify_unlocked(&d->pci, vector);
}

uint8_t virtio_pci_read_isr(VirtioDevice *d)
{
    uint8_t isr = __atomic_exchange_n(&d->isr, 0, __ATOMIC_RELAXED);

    pci_set_irq(&d->pci, false);
    return isr;
}

void virtio_pci_set_vector(VirtioDevice *d, uint16_t *at, uint16_t vector)
{
    if (vector >= msix_nvectors(&d->pci)) {
        vector = VIRTIO_NO_VECTOR;
    }
    if (*at != VIRTIO_NO_VECTOR) {
        msix_vector_unuse(&d->pci, *at);
    }
    *at = vector;
    if (vector != VIRTIO_NO_VECTOR) {
        msix_vector_use(&d->pci, vector);
    }
}

void virtio_pci_write_status(VirtioDevice *d, uint8_t val)
{
    if (val == 0) {
        virtio_core_reset(d);
        memset(d->transport->guest_features, 0,
               sizeof(d->transport->guest_features));
    } else {
        virtio_set_status(d, val);
    }
}

/* Doorbells */

static gboolean notify_kicked(gint fd, GIOCondition cond, gpointer opaque)
{
    VirtioQueue *q = opaque;

    if (event_notifier_test_and_clear(&q->kick)) {
        virtio_kick(q->d, q->vq.index);
    }
    return G_SOURCE_CONTINUE;
}

static void watch_kicks(VirtioQueue *q)
{
    q->source = g_unix_fd_source_new(event_notifier_fd(&q->kick), G_IO_IN);
    g_source_set_callback(q->source, G_SOURCE_FUNC(notify_kicked), q, NULL);
    g_source_attach(q->source, NULL);
}

static void unwatch_kicks(VirtioQueue *q)
{
    if (q->source != NULL) {
        g_source_destroy(q->source);
        g_clear_pointer(&q->source, g_source_unref);
    }
}

int virtio_queue_kick_fd(VirtQueue *vq, GError **errp)
{
    VirtioQueue *q = container_of(vq, VirtioQueue, vq);

    if (event_notifier_fd(&q->kick) < 0 &&
        !event_notifier_init(&q->kick, false, errp)) {
        return -1;
    }
    return event_notifier_fd(&q->kick);
}

void virtio_queue_pass_kick(VirtQueue *vq)
{
    VirtioQueue *q = container_of(vq, VirtioQueue, vq);

    if (event_notifier_fd(&q->kick) >= 0) {
        event_notifier_set(&q->kick);
    }
}

/* Where the driver kicks a queue, by the interface that it uses. */
static void place_doorbell(VirtioDevice *d, VirtioQueue *q)
{
    bool modern = virtio_has_feature(d, VIRTIO_F_VERSION_1);
    unsigned n = q->vq.index;

    q->bell_mr = modern ? &d->transport->notify : &d->transport->legacy;
    q->bell = (MemoryEventFd){
        .addr = modern ? n * (uint64_t)d->transport->notify_multiplier
                       : VIRTIO_PCI_QUEUE_NOTIFY,
        .size = modern ? 0 : 2,
        .match_data = !modern,
        .data = modern ? 0 : n,
        .notifier = &q->kick,
    };
}

static void doorbell_add(VirtioDevice *d, VirtioQueue *q)
{
    if (q->bell_on || virtio_queue_kick_fd(&q->vq, NULL) < 0) {
        return; /* without one a kick comes the long way */
    }
    place_doorbell(d, q);
    memory_region_add_eventfd(q->bell_mr, &q->bell);
    q->bell_on = true;
    if (d->core->thread == NULL && !q->external) {
        watch_kicks(q);
    }
}

static void doorbell_del(VirtioDevice *d, VirtioQueue *q)
{
    if (!q->bell_on) {
        return;
    }
    memory_region_del_eventfd(q->bell_mr, &q->bell);
    q->bell_on = false;
    unwatch_kicks(q);
}

void virtio_pci_update_doorbells(VirtioDevice *d)
{
    const Accel *acc = d->pci.dev.vm->accel;
    bool on = d->props.ioeventfd && acc != NULL && acc->kernel_irqchip &&
              (d->status & VIRTIO_CONFIG_S_DRIVER_OK);
    Memory *mem = &d->pci.dev.vm->mem;

    if (!on && !d->transport->doorbells) {
        return;
    }
    d->transport->doorbells = on;
    memory_transaction_begin(mem);
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        VirtioQueue *q = d->core->queues[i];

        if (!q->doorbell) {
            continue;
        }
        if (on && q->vq.desc != 0) {
            doorbell_add(d, q);
        } else {
            doorbell_del(d, q);
        }
    }
    memory_transaction_commit(mem);
    /* The kernel has let go of them now. */
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        VirtioQueue *q = d->core->queues[i];

        if (!q->bell_on && d->core->thread == NULL && !q->external) {
            event_notifier_fini(&q->kick);
        }
    }
}

/* Interrupts of another process */

static void queue_read_call(VirtioQueue *q)
{
    if (event_notifier_test_and_clear(&q->call)) {
        __atomic_fetch_or(&q->d->isr, 1, __ATOMIC_RELAXED);
        virtio_queue_interrupt(q);
    }
}

static gboolean notify_called(gint fd, GIOCondition cond, gpointer opaque)
{
    VM_LOCK_GUARD();

    queue_read_call(opaque);
    return G_SOURCE_CONTINUE;
}

/* Through the main loop: a pin has a level, and a status register. */
static int pin_call_fd(VirtioQueue *q)
{
    if (event_notifier_fd(&q->call) >= 0) {
        return event_notifier_fd(&q->call);
    }
    if (!event_notifier_init(&q->call, false, NULL)) {
        return -1;
    }
    q->call_source = g_unix_fd_source_new(event_notifier_fd(&q->call), G_IO_IN);
    g_source_set_callback(q->call_source, G_SOURCE_FUNC(notify_called), q,
                          NULL);
    g_source_attach(q->call_source, NULL);
    return event_notifier_fd(&q->call);
}

int virtio_queue_call_fd(VirtQueue *vq)
{
    VirtioQueue *q = container_of(vq, VirtioQueue, vq);
    GError *err = NULL;
    int fd;

    if (!msix_enabled(&q->d->pci)) {
        return pin_call_fd(q);
    }
    if (q->vector == VIRTIO_NO_VECTOR) {
        return -1;
    }
    fd = msix_vector_fd(&q->d->pci, q->vector, &err);
    if (fd < 0) {
        log_take_error(err);
    }
    return fd;
}

void virtio_queue_settle_call(VirtQueue *vq)
{
    VirtioQueue *q = container_of(vq, VirtioQueue, vq);

    if (q->call_source != NULL) {
        queue_read_call(q);
    }
    if (msix_enabled(&q->d->pci) && q->vector != VIRTIO_NO_VECTOR) {
        msix_vector_settle_fd(&q->d->pci, q->vector);
    }
}

void virtio_pci_queue_fini(VirtioQueue *q)
{
    if (q->call_source != NULL) {
        g_source_destroy(q->call_source);
        g_clear_pointer(&q->call_source, g_source_unref);
    }
    event_notifier_fini(&q->call);
    event_notifier_fini(&q->kick);
}

static void all_calls_changed(VirtioDevice *d)
{
    for (unsigned i = 0; i < d->core->nqueues; i++) {
        virtio_queue_call_changed(d->core->queues[i]);
    }
}

/* Configuration space */

static uint32_t pci_read(PciDevice *p, unsigned addr, unsigned len)
{
    VirtioDevice *d = container_of(p, VirtioDevice, pci);

    virtio_pci_cfg_read(d, addr, len);
    return pci_default_config_read(p, addr, len);
}

static void pci_write(PciDevice *p, unsigned addr, uint32_t val, unsigned len)
{
    VirtioDevice *d = container_of(p, VirtioDevice, pci);
    bool by_message = msix_enabled(p);

    pci_default_config_write(p, addr, val, len);
    if (msix_enabled(p) != by_message) {
        all_calls_changed(d);
    }
    if (addr < PCI_COMMAND + 2 && PCI_COMMAND < addr + len) {
        virtio_thread_stop(d);
        d->disabled = !dma_is_open(&p->dma);
        if (d->disabled) {
            virtio_set_status(d, d->status & ~VIRTIO_CONFIG_S_DRIVER_OK);
        }
        virtio_thread_start(d);
    }
    virtio_pci_cfg_written(d, addr, len);
    if (pcie_reset_asked(p, addr, len)) {
        pci_function_reset(p);
    }
}

/* Life */

static bool check_props(VirtioDevice *d, GError **errp)
{
    const VirtioProps *p = &d->props;

    if (p->packed || p->iommu_platform) {
        error_setf(errp, "%s=on is not supported",
                   p->packed ? "packed" : "iommu_platform");
        return false;
    }
    if (p->disable_modern && p->disable_legacy == ON_OFF_AUTO_ON) {
        error_setf(errp, "device cannot work as neither modern nor legacy "
                         "mode is enabled: set either disable-modern or "
                         "disable-legacy to off");
        return false;
    }
    return true;
}

static void set_identity(VirtioDevice *d)
{
    const VirtioType *vt = d->pci.dev.type->virtio;
    uint8_t *c = d->pci.config;

    if (d->transport->has_legacy) {
        stw_le_p(c + PCI_SUBSYSTEM_VENDOR_ID, VIRTIO_PCI_VENDOR);
        stw_le_p(c + PCI_SUBSYSTEM_ID, vt->id);
    } else {
        stw_le_p(c + PCI_DEVICE_ID, 0x1040 + vt->id);
        c[PCI_REVISION_ID] = 1;
    }
    if (d->props.class_id != 0) {
        stw_le_p(c + PCI_CLASS_DEVICE, d->props.class_id);
    }
    c[PCI_INTERRUPT_PIN] = 1;
    d->pci.config_read = pci_read;
    d->pci.config_write = pci_write;
}

static bool init_msix(VirtioDevice *d, GError **errp)
{
    uint32_t n = d->props.vectors;

    if (n == VIRTIO_VECTORS_AUTO) {
        n = d->vtype->vectors;
    }
    d->props.vectors = n;
    return n == 0 ||
           msix_init_bar(&d->pci, n, virtio_pci_places(d)->msix_bar, 0, errp);
}

/* Behind a port of PCI Express it is an endpoint, elsewhere conventional. */
static bool is_endpoint(VirtioDevice *d)
{
    const PciBus *bus = pci_bus_of(&d->pci);

    return bus->express && bus->parent != NULL && !d->props.disable_modern;
}

static bool init_endpoint(VirtioDevice *d, GError **errp)
{
    const PcieLink link = { .speed = 1, .width = 1 };

    pcie_make_express(&d->pci);
    return pcie_add_capability(&d->pci, 0, PCI_EXP_TYPE_ENDPOINT, false, &link,
                               errp) != 0 &&
           pcie_add_pm(&d->pci, true, errp);
}

static bool init_function(VirtioDevice *d, GError **errp)
{
    if (is_endpoint(d) && !init_endpoint(d, errp)) {
        return false;
    }
    if (d->transport->has_modern && !virtio_pci_modern_init(d, errp)) {
        return false;
    }
    if (!init_msix(d, errp)) {
        return false;
    }
    if (d->transport->has_legacy) {
        virtio_pci_legacy_init(d);
    }
    return true;
}

/* Parts first. */
static void virtio_pci_regions_fini(VirtioDevice *d)
{
    VirtioPciState *t = d->transport;
    MemoryRegion *const all[] = { &t->common, &t->isr,    &t->config,
                                  &t->notify, &t->modern, &t->legacy };

    for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
        if (all[i]->name != NULL) {
            memory_region_fini(all[i]);
        }
    }
}

bool virtio_pci_realize(Device *dev, GError **errp)
{
    VirtioDevice *d = VIRTIO_DEVICE(dev);

    if (dev->type->virtio->modern_only) {
        d->props.disable_legacy = ON_OFF_AUTO_ON;
        d->props.disable_modern = false;
    }
    if (!check_props(d, errp)) {
        return false;
    }
    if (d->props.disable_legacy == ON_OFF_AUTO_AUTO) {
        d->props.disable_legacy =
            is_endpoint(d) ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
    }
    d->transport = g_new0(VirtioPciState, 1);
    d->transport->has_legacy = d->props.disable_legacy == ON_OFF_AUTO_OFF;
    d->transport->has_modern = !d->props.disable_modern;
    set_identity(d);
    if (!virtio_core_realize(d, errp)) {
        g_clear_pointer(&d->transport, g_free);
        return false;
    }
    if (!init_function(d, errp)) {
        virtio_pci_unrealize(dev);
        return false;
    }
    return true;
}

void virtio_pci_unrealize(Device *dev)
{
    VirtioDevice *d = VIRTIO_DEVICE(dev);

    virtio_set_status(d, 0);
    pci_unregister_bars(&d->pci);
    virtio_core_unrealize(d);
    msix_fini(&d->pci);
    virtio_pci_regions_fini(d);
    g_clear_pointer(&d->transport, g_free);
}

void virtio_pci_reset(Device *dev)
{
    VirtioDevice *d = VIRTIO_DEVICE(dev);

    virtio_core_reset(d);
    memset(d->transport->selectors, 0, sizeof(d->transport->selectors));
    memset(d->transport->guest_features, 0,
           sizeof(d->transport->guest_features));
    msix_reset(&d->pci);
    pcie_reset(&d->pci);
}

void virtio_pci_init_transitional(Device *dev)
{
    VIRTIO_DEVICE(dev)->props.disable_legacy = ON_OFF_AUTO_OFF;
}

void virtio_pci_init_non_transitional(Device *dev)
{
    VIRTIO_DEVICE(dev)->props.disable_legacy = ON_OFF_AUTO_ON;
}

const Property virtio_pci_props[] = {
    PROP(PROP_ON_OFF_AUTO, VirtioDevice, props.disable_legacy, "disable-legacy",
         .help = "on/off/auto"),
    PROP(PROP_BOOL, VirtioDevice, props.disable_modern, "disable-modern"),
    PROP(PROP_BOOL, VirtioDevice, props.ioeventfd, "ioeventfd", .def = 1,
         .help = "on/off"),
    PROP(PROP_U32, VirtioDevice, props.vectors, "vectors",
         .def = VIRTIO_VECTORS_AUTO),
    PROP(PROP_BOOL, VirtioDevice, props.page_per_vq, "page-per-vq",
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioDevice, props.indirect_desc, "indirect_desc",
         .def = 1, .help = "on/off"),
    PROP(PROP_BOOL, VirtioDevice, props.event_idx, "event_idx", .def = 1,
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioDevice, props.notify_on_empty, "notify_on_empty",
         .def = 1, .help = "on/off"),
    PROP(PROP_BOOL, VirtioDevice, props.any_layout, "any_layout", .def = 1,
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioDevice, props.iommu_platform, "iommu_platform",
         .help = "on/off"),
    PROP(PROP_BOOL, VirtioDevice, props.packed, "packed", .help = "on/off"),
    PROP(PROP_BOOL, VirtioDevice, props.queue_reset, "queue_reset", .def = 1,
         .help = "on/off"),
    PROP_END,
};

const Property *const virtio_pci_prop_tables[] = { virtio_pci_props, NULL };
