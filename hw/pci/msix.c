/*
 * MSI-X: table, pending bits, masks, and where a message goes.
 *
 *   BAR, first half   table: 16 bytes a vector: address, data, control
 *   BAR, second half  pending bits, one a vector
 *
 * A vector is raised by msix_notify(), which sends the message, or through an
 * eventfd.  With the interrupt controllers in the kernel that eventfd is an
 * irqfd on a route of its own while the vector is enabled and unmasked; else
 * the main loop reads it.
 *
 * (PCI Local Bus Specification 3.0, section 6.8.2.)
 *
 * Stream: in the function's section: the table, then the pending bits, as
 * bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/pci/msix.h"

#include <glib-unix.h>
#include <poll.h>

#include "accel/accel.h"
#include "hw/pci/msix-priv.h"
#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"
#include "util/lock.h"
#include "util/log.h"

#define MSIX_BAR_MIN 4096

typedef struct MsixVector {
    unsigned users;
    EventNotifier event; /* fd -1: nobody asked for it */
    int virq;            /* its route; -1: none */
    bool attached;       /* the kernel reads event */
    guint source;        /* the main loop does; 0: it doesn't */
    PciDevice *d;
    unsigned index;
} MsixVector;

struct Msix {
    uint8_t cap; /* offset in the configuration space */
    unsigned n;
    /* Table, pending bits and flags: notify comes from any thread. */
    Lock lock;
    uint8_t *table, *pba;
    bool enabled, masked; /* the function, as its control word says */
    MsixVector *vectors;
    MemoryRegion bar, table_mr, pba_mr;
};

static uint8_t *entry_at(const Msix *m, unsigned v)
{
    return m->table + (size_t)v * PCI_MSIX_ENTRY_SIZE;
}

static MsiMessage message_of(const Msix *m, unsigned v)
{
    return (MsiMessage){
        .address = ldq_le_p(entry_at(m, v) + PCI_MSIX_ENTRY_LOWER_ADDR),
        .data = ldl_le_p(entry_at(m, v) + PCI_MSIX_ENTRY_DATA),
    };
}

static bool vector_masked(const Msix *m, unsigned v)
{
    return m->masked || (ldl_le_p(entry_at(m, v) + PCI_MSIX_ENTRY_VECTOR_CTRL) &
                         PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static bool is_pending(const Msix *m, unsigned v)
{
    return m->pba[v / 8] & (1u << (v % 8));
}

static void set_pending(Msix *m, unsigned v, bool on)
{
    uint8_t bit = 1u << (v % 8);

    m->pba[v / 8] = (m->pba[v / 8] & ~bit) | (on ? bit : 0);
}

bool msix_enabled(const PciDevice *d)
{
    return d->msix != NULL &&
           __atomic_load_n(&d->msix->enabled, __ATOMIC_RELAXED);
}

unsigned msix_nvectors(const PciDevice *d)
{
    return d->msix != NULL ? d->msix->n : 0;
}

/* Is there something to send now?  Else it waits, if the vector is used. */
static bool take_message(Msix *m, unsigned v, MsiMessage *ret)
{
    LOCK_GUARD(&m->lock);

    if (!m->enabled || m->vectors[v].users == 0) {
        return false;
    }
    if (vector_masked(m, v)) {
        set_pending(m, v, true);
        return false;
    }
    *ret = message_of(m, v);
    return true;
}

void msix_notify(PciDevice *d, unsigned vector)
{
    MsiMessage msg;

    if (vector < msix_nvectors(d) && take_message(d->msix, vector, &msg)) {
        pci_send_msi(d, msg.address, msg.data);
    }
}

bool msix_notify_unlocked(PciDevice *d, unsigned vector)
{
    MsiMessage msg;

    if (vector >= msix_nvectors(d)) {
        return true;
    }
    if (d->dev.vm->accel == NULL || !d->dev.vm->accel->kernel_apic) {
        return false;
    }
    if (!take_message(d->msix, vector, &msg)) {
        return true;
    }
    if (!pci_msi_is_interrupt(msg.address)) {
        return false;
    }
    pci_send_msi(d, msg.address, msg.data);
    return true;
}

/* What waited goes out, now that nothing masks it. */
static bool take_pending(Msix *m, unsigned v, MsiMessage *ret)
{
    LOCK_GUARD(&m->lock);

    if (!m->enabled || vector_masked(m, v) || !is_pending(m, v)) {
        return false;
    }
    set_pending(m, v, false);
    *ret = message_of(m, v);
    return true;
}

/* Routes and irqfds */

static const IrqchipOps *kernel_ops(const PciDevice *d)
{
    const Accel *acc = d->dev.vm->accel;

    return acc != NULL && acc->kernel_irqchip ? acc->type->irqchip : NULL;
}

static void vector_detach(MsixVector *v)
{
    Accel *acc = v->d->dev.vm->accel;

    if (v->attached) {
        kernel_ops(v->d)->del_irqfd(acc, event_notifier_fd(&v->event), v->virq);
        v->attached = false;
    }
}

/* The kernel reads the eventfd while the vector may interrupt. */
static void vector_sync(Msix *m, MsixVector *v)
{
    const IrqchipOps *ops = kernel_ops(v->d);
    Accel *acc = v->d->dev.vm->accel;
    MsiMessage msg = message_of(m, v->index);
    int r;

    if (v->virq < 0) {
        return;
    }
    if (!m->enabled || vector_masked(m, v->index)) {
        vector_detach(v);
        return;
    }
    r = ops->update_msi_route(acc, v->virq, &msg);
    if (r == 0 && !v->attached) {
        r = ops->add_irqfd(acc, event_notifier_fd(&v->event), -1, v->virq);
        v->attached = r == 0;
    }
    if (r < 0) {
        log_warn("%s: interrupt route of vector %u: %s",
                 device_name(&v->d->dev), v->index, g_strerror(-r));
    }
}

static void routes_begin(PciDevice *d)
{
    if (kernel_ops(d) != NULL) {
        kernel_ops(d)->routes_begin(d->dev.vm->accel);
    }
}

static void routes_commit(PciDevice *d)
{
    int r = 0;

    if (kernel_ops(d) != NULL) {
        r = kernel_ops(d)->routes_commit(d->dev.vm->accel);
    }
    if (r < 0) {
        log_warn("%s: setting interrupt routes failed: %s",
                 device_name(&d->dev), g_strerror(-r));
    }
}

/* A vector's mask or message has changed. */
static void vector_changed(PciDevice *d, unsigned v)
{
    Msix *m = d->msix;
    MsiMessage msg;

    vector_sync(m, &m->vectors[v]);
    if (take_pending(m, v, &msg)) {
        pci_send_msi(d, msg.address, msg.data);
    }
}

static void all_changed(PciDevice *d)
{
    routes_begin(d);
    for (unsigned v = 0; v < d->msix->n; v++) {
        vector_changed(d, v);
    }
    routes_commit(d);
}

static void vector_read_event(MsixVector *v)
{
    if (event_notifier_test_and_clear(&v->event)) {
        msix_notify(v->d, v->index);
    }
}

static gboolean event_ready(gint fd, GIOCondition cond, gpointer opaque)
{
    vector_read_event(opaque);
    return G_SOURCE_CONTINUE;
}

static MsixVector *vector_find(PciDevice *d, unsigned vector, GError **errp)
{
    if (vector >= msix_nvectors(d)) {
        error_setf(errp, "%s: MSI-X vector %u: it has %u", device_name(&d->dev),
                   vector, msix_nvectors(d));
        return NULL;
    }
    return &d->msix->vectors[vector];
}

/* Its eventfd is there: the kernel or the main loop is to read it. */
static void vector_listen(PciDevice *d, MsixVector *v)
{
    const IrqchipOps *ops = kernel_ops(d);

    if (ops != NULL) {
        MsiMessage msg = message_of(d->msix, v->index);

        v->virq = ops->add_msi_route(d->dev.vm->accel, &msg);
    }
    if (v->virq >= 0) {
        vector_sync(d->msix, v);
    } else {
        /* No kernel, or it has no route left. */
        v->virq = -1;
        v->source = g_unix_fd_add(event_notifier_fd(&v->event), G_IO_IN,
                                  event_ready, v);
    }
}

int msix_vector_fd(PciDevice *d, unsigned vector, GError **errp)
{
    MsixVector *v = vector_find(d, vector, errp);

    if (v == NULL) {
        return -1;
    }
    if (event_notifier_fd(&v->event) < 0) {
        if (!event_notifier_init(&v->event, false, errp)) {
            return -1;
        }
        vector_listen(d, v);
    }
    return event_notifier_fd(&v->event);
}

void msix_vector_settle_fd(PciDevice *d, unsigned vector)
{
    if (vector < msix_nvectors(d) && d->msix->vectors[vector].source != 0) {
        vector_read_event(&d->msix->vectors[vector]);
    }
}

bool msix_vector_set_fd(PciDevice *d, unsigned vector, int fd, GError **errp)
{
    MsixVector *v = vector_find(d, vector, errp);

    if (v != NULL && event_notifier_fd(&v->event) >= 0) {
        error_setf(errp, "%s: MSI-X vector %u has an eventfd already",
                   device_name(&d->dev), vector);
        v = NULL;
    }
    if (v == NULL || !event_notifier_init_fd(&v->event, fd, errp)) {
        close(fd);
        return false;
    }
    vector_listen(d, v);
    return true;
}

static void vector_close(MsixVector *v)
{
    vector_detach(v);
    if (v->virq >= 0) {
        kernel_ops(v->d)->release_virq(v->d->dev.vm->accel, v->virq);
        v->virq = -1;
    }
    if (v->source != 0) {
        g_source_remove(v->source);
        v->source = 0;
    }
    event_notifier_fini(&v->event);
}

void msix_vector_use(PciDevice *d, unsigned vector)
{
    if (vector < msix_nvectors(d)) {
        LOCK_GUARD(&d->msix->lock);
        d->msix->vectors[vector].users++;
    }
}

static bool drop_user(Msix *m, unsigned v)
{
    LOCK_GUARD(&m->lock);

    if (m->vectors[v].users == 0 || --m->vectors[v].users > 0) {
        return false;
    }
    set_pending(m, v, false);
    return true;
}

void msix_vector_unuse(PciDevice *d, unsigned vector)
{
    if (vector < msix_nvectors(d) && drop_user(d->msix, vector)) {
        vector_close(&d->msix->vectors[vector]);
    }
}

/* Registers */

static uint64_t table_read(Device *dev, uint64_t off, unsigned size)
{
    return ldl_le_p(PCI_DEVICE(dev)->msix->table + off);
}

static void table_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    PciDevice *d = PCI_DEVICE(dev);
    Msix *m = d->msix;

    lock_acquire(&m->lock);
    stl_le_p(m->table + off, val);
    lock_release(&m->lock);
    vector_changed(d, off / PCI_MSIX_ENTRY_SIZE);
}

/* Raised through an eventfd that the kernel doesn't read now. */
static bool event_waits(const MsixVector *v)
{
    struct pollfd p = { .fd = event_notifier_fd(&v->event), .events = POLLIN };

    return v->virq >= 0 && !v->attached && poll(&p, 1, 0) > 0;
}

static uint64_t pba_read(Device *dev, uint64_t off, unsigned size)
{
    Msix *m = PCI_DEVICE(dev)->msix;
    uint32_t bits;

    LOCK_GUARD(&m->lock);
    bits = ldl_le_p(m->pba + off);
    for (unsigned i = 0; i < 32 && off * 8 + i < m->n; i++) {
        bits |= (uint32_t)event_waits(&m->vectors[off * 8 + i]) << i;
    }
    return bits;
}

static const IoOps table_ops = {
    .read = table_read,
    .write = table_write,
    .min_size = 4,
    .max_size = 4,
    .min_valid = 4,
};

/* Read-only. */
static const IoOps pba_ops = {
    .read = pba_read,
    .min_size = 4,
    .max_size = 4,
    .min_valid = 4,
};

static void load_flags(PciDevice *d)
{
    Msix *m = d->msix;
    uint16_t flags = lduw_le_p(d->config + m->cap + PCI_MSIX_FLAGS);

    LOCK_GUARD(&m->lock);
    __atomic_store_n(&m->enabled, (flags & PCI_MSIX_FLAGS_ENABLE) != 0,
                     __ATOMIC_RELAXED);
    m->masked = flags & PCI_MSIX_FLAGS_MASKALL;
}

void msix_config_written(PciDevice *d, unsigned addr, unsigned len)
{
    unsigned reg;

    if (d->msix == NULL) {
        return;
    }
    reg = d->msix->cap + PCI_MSIX_FLAGS + 1;
    if (addr > reg || addr + len <= reg) {
        return;
    }
    load_flags(d);
    if (msix_enabled(d)) {
        pci_set_irq(d, false);
    }
    all_changed(d);
}

void msix_config_loaded(PciDevice *d)
{
    if (d->msix != NULL) {
        load_flags(d);
    }
}

/* Life */

static size_t pba_bytes(unsigned n)
{
    return ROUND_UP(n, 64) / 8;
}

/* Table and pending bits become parts of a BAR, which the capability names. */
static void msix_place(PciDevice *d, MemoryRegion *mr, unsigned bar,
                       uint32_t table_at, uint32_t pba_at)
{
    Memory *mem = &d->dev.vm->mem;
    Msix *m = d->msix;

    memory_region_init_io(&m->table_mr, mem, "msix-table",
                          (uint64_t)m->n * PCI_MSIX_ENTRY_SIZE, &table_ops,
                          &d->dev);
    memory_region_init_io(&m->pba_mr, mem, "msix-pba", pba_bytes(m->n),
                          &pba_ops, &d->dev);
    memory_region_add(mr, table_at, &m->table_mr, 0);
    memory_region_add(mr, pba_at, &m->pba_mr, 0);
    stl_le_p(d->config + m->cap + PCI_MSIX_TABLE, table_at | bar);
    stl_le_p(d->config + m->cap + PCI_MSIX_PBA, pba_at | bar);
}

/* All but the regions. */
static bool msix_new(PciDevice *d, unsigned nvectors, uint8_t cap_off,
                     GError **errp)
{
    uint8_t cap;
    Msix *m;

    if (nvectors == 0 || nvectors > MSIX_VECTORS_MAX) {
        error_setf(errp, "%s: %u MSI-X vectors: 1 to %u", device_name(&d->dev),
                   nvectors, MSIX_VECTORS_MAX);
        return false;
    }
    cap = pci_add_capability(d, PCI_CAP_ID_MSIX, cap_off, PCI_CAP_MSIX_SIZEOF,
                             errp);
    if (cap == 0) {
        return false;
    }
    m = g_new0(Msix, 1);
    m->cap = cap;
    m->n = nvectors;
    m->table = g_malloc0((size_t)nvectors * PCI_MSIX_ENTRY_SIZE);
    m->pba = g_malloc0(pba_bytes(nvectors));
    m->vectors = g_new0(MsixVector, nvectors);
    for (unsigned i = 0; i < nvectors; i++) {
        m->vectors[i] = (MsixVector){
            .event = EVENT_NOTIFIER_NONE, .virq = -1, .d = d, .index = i
        };
    }
    lock_init(&m->lock);
    d->msix = m;
    stw_le_p(d->config + cap + PCI_MSIX_FLAGS, nvectors - 1);
    d->wmask[cap + PCI_MSIX_FLAGS + 1] =
        (PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
    msix_reset(d);
    return true;
}

bool msix_init(PciDevice *d, unsigned nvectors, MemoryRegion *mr, unsigned bar,
               uint32_t table_at, uint32_t pba_at, uint8_t cap_off,
               GError **errp)
{
    if (!msix_new(d, nvectors, cap_off, errp)) {
        return false;
    }
    msix_place(d, mr, bar, table_at, pba_at);
    return true;
}

bool msix_init_bar_size(PciDevice *d, unsigned nvectors, unsigned bar,
                        uint64_t size, uint8_t cap_off, GError **errp)
{
    if (!msix_new(d, nvectors, cap_off, errp)) {
        return false;
    }
    size = MAX(pow2_ceil((uint64_t)nvectors * PCI_MSIX_ENTRY_SIZE * 2), size);
    memory_region_init(&d->msix->bar, &d->dev.vm->mem, "msix", size);
    pci_register_bar(d, bar, 0, &d->msix->bar);
    msix_place(d, &d->msix->bar, bar, 0, size / 2);
    return true;
}

bool msix_init_bar(PciDevice *d, unsigned nvectors, unsigned bar,
                   uint8_t cap_off, GError **errp)
{
    return msix_init_bar_size(d, nvectors, bar, MSIX_BAR_MIN, cap_off, errp);
}

void msix_fini(PciDevice *d)
{
    Msix *m = d->msix;

    if (m == NULL) {
        return;
    }
    for (unsigned i = 0; i < m->n; i++) {
        vector_close(&m->vectors[i]);
    }
    memory_region_fini(&m->table_mr);
    memory_region_fini(&m->pba_mr);
    if (m->bar.name != NULL) {
        memory_region_fini(&m->bar);
    }
    lock_fini(&m->lock);
    g_free(m->vectors);
    g_free(m->table);
    g_free(m->pba);
    g_free(m);
    d->msix = NULL;
}

void msix_reset(PciDevice *d)
{
    Msix *m = d->msix;

    if (m == NULL) {
        return;
    }
    d->config[m->cap + PCI_MSIX_FLAGS + 1] &=
        ~d->wmask[m->cap + PCI_MSIX_FLAGS + 1];
    load_flags(d);
    lock_acquire(&m->lock);
    memset(m->table, 0, (size_t)m->n * PCI_MSIX_ENTRY_SIZE);
    memset(m->pba, 0, pba_bytes(m->n));
    for (unsigned i = 0; i < m->n; i++) {
        stl_le_p(entry_at(m, i) + PCI_MSIX_ENTRY_VECTOR_CTRL,
                 PCI_MSIX_ENTRY_CTRL_MASKBIT);
    }
    lock_release(&m->lock);
    all_changed(d);
}

/* State */

void msix_save(PciDevice *d, StreamOut *s)
{
    Msix *m = d->msix;

    LOCK_GUARD(&m->lock);
    for (unsigned i = 0; i < m->n; i++) {
        if (event_waits(&m->vectors[i]) &&
            event_notifier_test_and_clear(&m->vectors[i].event)) {
            set_pending(m, i, true);
        }
    }
    stream_put(s, m->table, (size_t)m->n * PCI_MSIX_ENTRY_SIZE);
    stream_put(s, m->pba, DIV_ROUND_UP(m->n, 8));
}

bool msix_load(PciDevice *d, StreamIn *s, GError **errp)
{
    Msix *m = d->msix;

    if (!stream_get(s, m->table, (size_t)m->n * PCI_MSIX_ENTRY_SIZE) ||
        !stream_get(s, m->pba, DIV_ROUND_UP(m->n, 8))) {
        return stream_in_check(s, errp);
    }
    /* Bits beyond the last vector are nobody's. */
    for (unsigned i = m->n; i < DIV_ROUND_UP(m->n, 8) * 8; i++) {
        set_pending(m, i, false);
    }
    load_flags(d);
    routes_begin(d);
    for (unsigned i = 0; i < m->n; i++) {
        vector_sync(m, &m->vectors[i]);
    }
    routes_commit(d);
    return true;
}

static bool state_put(StreamOut *s, const void *field, size_t size,
                      GError **errp)
{
    msix_save((PciDevice *)(uintptr_t)field, s);
    return true;
}

static bool state_get(StreamIn *s, void *field, size_t size, GError **errp)
{
    return msix_load(field, s, errp);
}

static const VmstateInfo state_info = {
    .name = "msix state",
    .put = state_put,
    .get = state_get,
};

const Vmstate vmstate_msix = {
    .name = "msix",
    .fields =
        (const VmstateField[]){
            { .name = "msix", .kind = VMS_CUSTOM, .info = &state_info },
            VMSTATE_END,
        },
};
