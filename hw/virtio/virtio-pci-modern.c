/*
 * Virtio over PCI, modern interface: capabilities and the four parts of its
 * BAR.  (Virtual I/O Device 1.2, section 4.1.4.)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/virtio/virtio-pci-priv.h"

#include "hw/pci/pci-regs.h"
#include "system/vm.h"
#include "util/bswap.h"

/* Common configuration, beyond what linux/virtio_pci.h names. */
enum {
    COMMON_Q_NDATA = 56,
    COMMON_Q_RESET = 58,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_DATA = 16,
};

static uint32_t feature_word(uint64_t f, uint32_t select)
{
    return select < 2 ? f >> (32 * select) : 0;
}

static uint32_t read_queue(const VirtioQueue *q, uint64_t off)
{
    switch (off) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        return q->vq.size;
    case VIRTIO_PCI_COMMON_Q_MSIX:
        return q->vector;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        return q->enabled;
    case VIRTIO_PCI_COMMON_Q_NOFF:
    case COMMON_Q_NDATA:
        return q->vq.index;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        return q->desc[(off - VIRTIO_PCI_COMMON_Q_DESCLO) / 4];
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        return q->avail[(off - VIRTIO_PCI_COMMON_Q_AVAILLO) / 4];
    case VIRTIO_PCI_COMMON_Q_USEDLO:
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        return q->used[(off - VIRTIO_PCI_COMMON_Q_USEDLO) / 4];
    default:
        return 0; /* COMMON_Q_RESET too: a reset is over at once */
    }
}

static uint64_t common_read(Device *dev, uint64_t off, unsigned size)
{
    VirtioDevice *d = VIRTIO_DEVICE(dev);
    const VirtioPciState *t = d->transport;
    const VirtioQueue *q = virtio_core_queue(d, d->queue_sel);

    switch (off) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        return t->selectors[0];
    case VIRTIO_PCI_COMMON_DF:
        return feature_word(virtio_offered(d, true), t->selectors[0]);
    case VIRTIO_PCI_COMMON_GFSELECT:
        return t->selectors[1];
    case VIRTIO_PCI_COMMON_GF:
        return t->selectors[1] < 2 ? t->guest_features[t->selectors[1]] : 0;
    case VIRTIO_PCI_COMMON_MSIX:
        return d->config_vector;
    case VIRTIO_PCI_COMMON_NUMQ:
        return d->core->nqueues;
    case VIRTIO_PCI_COMMON_STATUS:
        return d->status;
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        return d->generation;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        return d->queue_sel;
    default:
        return q != NULL ? read_queue(q, off) : 0;
    }
}

static void enable_queue(VirtioDevice *d, VirtioQueue *q)
{
    if (q->enabled) {
        return;
    }
    virtio_thread_stop(d);
    virtio_queue_place(q);
    q->enabled = true;
    if (d->vtype->queue_enable != NULL) {
        d->vtype->queue_enable(d, &q->vq);
    }
    virtio_pci_update_doorbells(d);
    virtio_thread_start(d);
}

static void write_queue_size(VirtioQueue *q, uint32_t val)
{
    if (!q->enabled && is_pow2(val) && val <= q->vq.size_max) {
        virtio_thread_stop(q->d);
        q->num = val;
        virtqueue_set_size(&q->vq, val);
        virtio_thread_start(q->d);
    }
}

static void write_queue(VirtioDevice *d, VirtioQueue *q, uint64_t off,
                        uint32_t val)
{
    switch (off) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        write_queue_size(q, val);
        break;
    case VIRTIO_PCI_COMMON_Q_MSIX:
        virtio_pci_set_vector(d, &q->vector, val);
        virtio_queue_call_changed(q);
        break;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        if (val == 1) {
            enable_queue(d, q);
        } else {
            virtio_error(d, "queue %u: enable register written with %u",
                         q->vq.index, val);
        }
        break;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        q->desc[(off - VIRTIO_PCI_COMMON_Q_DESCLO) / 4] = val;
        break;
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        q->avail[(off - VIRTIO_PCI_COMMON_Q_AVAILLO) / 4] = val;
        break;
    case VIRTIO_PCI_COMMON_Q_USEDLO:
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        q->used[(off - VIRTIO_PCI_COMMON_Q_USEDLO) / 4] = val;
        break;
    case COMMON_Q_RESET:
        if (val == 1 && virtio_has_feature(d, VIRTIO_F_RING_RESET)) {
            virtio_queue_reset(d, q);
            virtio_pci_update_doorbells(d);
        }
        break;
    default:
        break;
    }
}

static void write_features(VirtioDevice *d, uint32_t val)
{
    VirtioPciState *t = d->transport;

    if (t->selectors[1] >= 2 || (d->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
        return;
    }
    t->guest_features[t->selectors[1]] = val;
    virtio_set_features(d, (uint64_t)t->guest_features[1] << 32 |
                               t->guest_features[0]);
}

/* A driver that wants more than there is learns it by FEATURES_OK. */
static uint8_t check_status(VirtioDevice *d, uint8_t val)
{
    const uint32_t *gf = d->transport->guest_features;
    uint64_t wanted = (uint64_t)gf[1] << 32 | gf[0];

    if ((val & VIRTIO_CONFIG_S_FEATURES_OK) &&
        (wanted & ~virtio_offered(d, true))) {
        val &= ~VIRTIO_CONFIG_S_FEATURES_OK;
    }
    return val;
}

/*
 * What a function writes, into its own registers or another's: it would end
 * queues, or begin with others, from inside a handler of theirs.
 */
static bool is_lost(void)
{
    return dma_access_under_way();
}

static void common_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    VirtioDevice *d = VIRTIO_DEVICE(dev);
    VirtioPciState *t = d->transport;
    VirtioQueue *q = virtio_core_queue(d, d->queue_sel);

    if (is_lost()) {
        return;
    }
    switch (off) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        t->selectors[0] = val;
        break;
    case VIRTIO_PCI_COMMON_GFSELECT:
        t->selectors[1] = val;
        break;
    case VIRTIO_PCI_COMMON_GF:
        write_features(d, val);
        break;
    case VIRTIO_PCI_COMMON_MSIX:
        virtio_pci_set_vector(d, &d->config_vector, val);
        break;
    case VIRTIO_PCI_COMMON_STATUS:
        virtio_pci_write_status(d, check_status(d, val));
        break;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        d->queue_sel = MIN(val, VIRTIO_MAX_QUEUES);
        break;
    default:
        if (q != NULL) {
            write_queue(d, q, off, val);
        }
        break;
    }
}

static uint64_t isr_read(Device *dev, uint64_t off, unsigned size)
{
    return off == 0 ? virtio_pci_read_isr(VIRTIO_DEVICE(dev)) : 0;
}

static uint64_t config_read(Device *dev, uint64_t off, unsigned size)
{
    return virtio_config_read(VIRTIO_DEVICE(dev), off, size);
}

static void config_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    if (!is_lost()) {
        virtio_config_write(VIRTIO_DEVICE(dev), off, val, size);
    }
}

static uint64_t notify_read(Device *dev, uint64_t off, unsigned size)
{
    return 0;
}

static void notify_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    VirtioDevice *d = VIRTIO_DEVICE(dev);

    if (!is_lost()) {
        virtio_kick(d, off / d->transport->notify_multiplier);
    }
}

static const IoOps common_ops = { .read = common_read, .write = common_write };
static const IoOps isr_ops = { .read = isr_read };
static const IoOps config_ops = { .read = config_read, .write = config_write };
static const IoOps notify_ops = { .read = notify_read, .write = notify_write };

/* The window in the configuration space */

/* What lies there in the BAR, and where it begins; NULL: nothing. */
static const IoOps *window_part(const VirtioDevice *d, uint32_t off,
                                uint64_t *ret_start)
{
    const VirtioPciPlaces *p = virtio_pci_places(d);
    const struct {
        uint32_t start;
        uint64_t size;
        const IoOps *ops;
    } parts[] = {
        { p->common, p->part, &common_ops },
        { p->isr, p->part, &isr_ops },
        { MODERN_DEVICE, MODERN_DEVICE_SIZE, &config_ops },
        { MODERN_NOTIFY, d->transport->modern.size - MODERN_NOTIFY,
          &notify_ops },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (off >= parts[i].start && off - parts[i].start < parts[i].size) {
            *ret_start = parts[i].start;
            return parts[i].ops;
        }
    }
    return NULL;
}

static bool window_access(VirtioDevice *d, bool is_write)
{
    uint8_t *c = d->pci.config + d->transport->cfg_cap;
    uint32_t off = ldl_le_p(c + CAP_OFFSET), len = ldl_le_p(c + CAP_LENGTH);
    uint64_t part = 0;
    const IoOps *ops;

    if (c[CAP_BAR] != virtio_pci_places(d)->modern_bar || !is_pow2(len) ||
        len > 4 || off % len != 0) {
        return false;
    }
    ops = window_part(d, off, &part);
    if (ops == NULL) {
        return false;
    }
    if (!is_write) {
        stn_le_p(c + CAP_DATA, len, ops->read(&d->pci.dev, off - part, len));
    } else if (ops->write != NULL) {
        ops->write(&d->pci.dev, off - part, ldn_le_p(c + CAP_DATA, len), len);
    }
    return true;
}

static bool in_window(const VirtioDevice *d, unsigned addr, unsigned len)
{
    unsigned data = d->transport->cfg_cap + CAP_DATA;

    return d->transport->cfg_cap != 0 && addr < data + 4 && data < addr + len;
}

void virtio_pci_cfg_read(VirtioDevice *d, unsigned addr, unsigned len)
{
    if (in_window(d, addr, len)) {
        window_access(d, false);
    }
}

void virtio_pci_cfg_written(VirtioDevice *d, unsigned addr, unsigned len)
{
    if (in_window(d, addr, len)) {
        window_access(d, true);
    }
}

/* Making it */

static bool add_cap(VirtioDevice *d, uint8_t type, uint8_t size, uint32_t off,
                    uint32_t len, uint8_t *ret_cap, GError **errp)
{
    uint8_t cap = pci_add_capability(&d->pci, PCI_CAP_ID_VNDR, 0, size, errp);
    uint8_t *c = d->pci.config + cap;

    if (cap == 0) {
        return false;
    }
    c[2] = size;
    c[3] = type;
    if (len > 0) {
        c[CAP_BAR] = virtio_pci_places(d)->modern_bar;
        stl_le_p(c + CAP_OFFSET, off);
        stl_le_p(c + CAP_LENGTH, len);
    }
    *ret_cap = cap;
    return true;
}

static bool add_caps(VirtioDevice *d, uint32_t notify_len, GError **errp)
{
    const VirtioPciPlaces *p = virtio_pci_places(d);
    uint8_t cap;

    if (!add_cap(d, VIRTIO_PCI_CAP_COMMON_CFG, 16, p->common, p->part, &cap,
                 errp) ||
        !add_cap(d, VIRTIO_PCI_CAP_ISR_CFG, 16, p->isr, p->part, &cap, errp) ||
        !add_cap(d, VIRTIO_PCI_CAP_DEVICE_CFG, 16, MODERN_DEVICE,
                 MODERN_DEVICE_SIZE, &cap, errp) ||
        !add_cap(d, VIRTIO_PCI_CAP_NOTIFY_CFG, 20, MODERN_NOTIFY, notify_len,
                 &cap, errp)) {
        return false;
    }
    stl_le_p(d->pci.config + cap + CAP_DATA, d->transport->notify_multiplier);
    if (!add_cap(d, VIRTIO_PCI_CAP_PCI_CFG, 20, 0, 0, &cap, errp)) {
        return false;
    }
    d->transport->cfg_cap = cap;
    memset(d->pci.wmask + cap + CAP_BAR, 0xff, 1);
    memset(d->pci.wmask + cap + CAP_OFFSET, 0xff, 12);
    return true;
}

static void add_part(VirtioDevice *d, MemoryRegion *mr, const char *name,
                     uint64_t off, uint64_t size, const IoOps *ops)
{
    memory_region_init_io(mr, &d->pci.dev.vm->mem, name, size, ops,
                          &d->pci.dev);
    memory_region_add(&d->transport->modern, off, mr, 0);
}

bool virtio_pci_modern_init(VirtioDevice *d, GError **errp)
{
    const VirtioPciPlaces *p = virtio_pci_places(d);
    VirtioPciState *t = d->transport;
    uint64_t notify_len;

    t->notify_multiplier = d->props.page_per_vq ? 4096 : 4;
    notify_len = (uint64_t)t->notify_multiplier * VIRTIO_MAX_QUEUES;
    if (!add_caps(d, notify_len, errp)) {
        return false;
    }
    memory_region_init(&t->modern, &d->pci.dev.vm->mem, "virtio-pci",
                       pow2_ceil(MODERN_NOTIFY + notify_len));
    add_part(d, &t->common, "virtio-pci-common", p->common, p->part,
             &common_ops);
    add_part(d, &t->isr, "virtio-pci-isr", p->isr, p->part, &isr_ops);
    add_part(d, &t->config, "virtio-pci-device", MODERN_DEVICE,
             MODERN_DEVICE_SIZE, &config_ops);
    add_part(d, &t->notify, "virtio-pci-notify", MODERN_NOTIFY, notify_len,
             &notify_ops);
    pci_register_bar(&d->pci, p->modern_bar,
                     PCI_BASE_ADDRESS_MEM_TYPE_64 |
                         PCI_BASE_ADDRESS_MEM_PREFETCH,
                     &t->modern);
    return true;
}
