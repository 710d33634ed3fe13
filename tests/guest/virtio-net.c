/*
 * A modern virtio-net card over PCI, polled: no interrupts, notifications
 * only where the device asks for them, as DPDK's driver does it.
 *
 * Sources: virtio 1.1, 2.6 (split virtqueues), 3.1 (initialisation), 4.1
 * (PCI transport), 5.1 (network device).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-net.h"

#include "pci.h"

enum {
    VIRTIO_VENDOR = 0x1af4,
    ID_TRANSITIONAL_NET = 0x1000,
    ID_MODERN_NET = 0x1041,

    /* 4.1.4: types of the vendor capability, and offsets in it. */
    CFG_COMMON = 1,
    CFG_NOTIFY = 2,
    CFG_DEVICE = 4,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_MULTIPLIER = 16,

    /* 4.1.4.3: the common structure. */
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    DEVICE_STATUS = 20,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY_OFF = 30,
    QUEUE_DESC = 32,
    QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
    NO_VECTOR = 0xffff,

    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,

    /* 5.1.3, 5.1.4 */
    F_MAC = 5,
    F_MRG_RXBUF = 15,
    F_STATUS = 16,
    F_CTRL_VQ = 17,
    F_MQ = 22,
    F_VERSION_1 = 32,
    NET_MAC = 0,
    NET_MAX_PAIRS = 8,

    /* 5.1.6.5.5 */
    CTRL_MQ = 4,
    CTRL_MQ_PAIRS_SET = 0,
    CTRL_RING = 64,

    AVAIL_NO_INTERRUPT = 1,
    USED_NO_NOTIFY = 1,
    RING_ALIGN = 64,
};

static uint8_t read8(uintptr_t addr)
{
    return *(volatile uint8_t *)addr;
}

static uint16_t read16(uintptr_t addr)
{
    return *(volatile uint16_t *)addr;
}

static uint32_t read32(uintptr_t addr)
{
    return *(volatile uint32_t *)addr;
}

static void write8(uintptr_t addr, uint8_t val)
{
    *(volatile uint8_t *)addr = val;
}

static void write16(uintptr_t addr, uint16_t val)
{
    *(volatile uint16_t *)addr = val;
}

static void write32(uintptr_t addr, uint32_t val)
{
    *(volatile uint32_t *)addr = val;
}

static void write64(uintptr_t addr, uint64_t val)
{
    write32(addr, val);
    write32(addr + 4, val >> 32);
}

static uint64_t align_up(uint64_t n)
{
    return (n + RING_ALIGN - 1) & -(uint64_t)RING_ALIGN;
}

static uint64_t virtq_memory(unsigned size)
{
    return align_up(size * sizeof(VirtqDesc)) +
           align_up(sizeof(VirtqAvail) + 2ull * size + 2) +
           align_up(sizeof(VirtqUsed) + sizeof(VirtqUsedElem) * size + 2);
}

uint64_t net_card_memory(unsigned queues, unsigned ring)
{
    return 2 * queues * virtq_memory(ring) + virtq_memory(CTRL_RING) + 4096;
}

static bool net_fail(const NetCard *card, const char *what)
{
    say("FAIL net devfn=%x %s", (uint64_t)card->devfn, what);
    return false;
}

/* Structures that the vendor capabilities point to: 4.1.4. */
static bool find_structures(NetCard *card)
{
    for (uint8_t cap = 0;
         (cap = pci_next_cap(card->devfn, cap, PCI_CAP_VENDOR)) != 0;) {
        uint8_t type = pci_read(card->devfn, cap) >> 24;
        uint64_t bar;

        if (type != CFG_COMMON && type != CFG_NOTIFY && type != CFG_DEVICE) {
            continue;
        }
        bar = pci_map_bar(card->devfn,
                          pci_read(card->devfn, cap + CAP_BAR) & 0xff);
        if (!bar) {
            return net_fail(card, "BAR");
        }
        bar += pci_read(card->devfn, cap + CAP_OFFSET);
        if (type == CFG_COMMON) {
            card->common = bar;
        } else if (type == CFG_NOTIFY) {
            card->notify = bar;
            card->notify_multiplier =
                pci_read(card->devfn, cap + CAP_MULTIPLIER);
        } else {
            card->device = bar;
        }
    }
    if (!card->common || !card->notify || !card->device) {
        return net_fail(card, "is not a modern virtio device");
    }
    return true;
}

static bool negotiate(NetCard *card)
{
    uint64_t want = 1ull << F_VERSION_1 | 1 << F_MAC | 1 << F_STATUS |
                    (config.mergeable ? 1 << F_MRG_RXBUF : 0) |
                    (config.queues > 1 ? 1 << F_CTRL_VQ | 1 << F_MQ : 0);
    uint64_t offered;

    write8(card->common + DEVICE_STATUS, 0);
    while (read8(card->common + DEVICE_STATUS)) {
        heartbeat(cpu_self());
    }
    write8(card->common + DEVICE_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
    write32(card->common + DEVICE_FEATURE_SELECT, 0);
    offered = read32(card->common + DEVICE_FEATURE);
    write32(card->common + DEVICE_FEATURE_SELECT, 1);
    offered |= (uint64_t)read32(card->common + DEVICE_FEATURE) << 32;
    card->features = offered & want;
    for (uint32_t i = 0; i < 2; i++) {
        write32(card->common + DRIVER_FEATURE_SELECT, i);
        write32(card->common + DRIVER_FEATURE, card->features >> 32 * i);
    }
    write8(card->common + DEVICE_STATUS,
           STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
    if (!(read8(card->common + DEVICE_STATUS) & STATUS_FEATURES_OK) ||
        !(card->features >> F_VERSION_1 & 1)) {
        return net_fail(card, "refuses features");
    }
    card->mergeable = card->features >> F_MRG_RXBUF & 1;
    if (!card->mergeable && config.buffer < 2048) {
        return net_fail(card, "needs buffer=2048: not mergeable");
    }
    return true;
}

static bool virtq_start(NetCard *card, Virtq *q, uint16_t index, uint16_t most)
{
    uintptr_t c = card->common;

    write16(c + QUEUE_SELECT, index);
    q->index = index;
    q->size = read16(c + QUEUE_SIZE);
    if (!q->size || q->size & (q->size - 1)) {
        return net_fail(card, "has no such queue");
    }
    /* A power of two that is no more than asked for. */
    while (q->size > most) {
        q->size /= 2;
    }
    q->desc = memory_take(q->size * sizeof(VirtqDesc), RING_ALIGN);
    q->avail = memory_take(sizeof(VirtqAvail) + 2ull * q->size + 2, RING_ALIGN);
    q->used =
        memory_take(sizeof(VirtqUsed) + sizeof(VirtqUsedElem) * q->size + 2,
                    RING_ALIGN);
    q->avail->flags = AVAIL_NO_INTERRUPT;
    q->nfree = q->size;
    for (uint16_t i = 0; i < q->size; i++) {
        q->desc[i].next = i + 1;
    }
    write16(c + QUEUE_SIZE, q->size);
    write16(c + QUEUE_VECTOR, NO_VECTOR);
    write64(c + QUEUE_DESC, (uintptr_t)q->desc);
    write64(c + QUEUE_DRIVER, (uintptr_t)q->avail);
    write64(c + QUEUE_DEVICE, (uintptr_t)q->used);
    q->notify = (volatile uint16_t *)(card->notify +
                                      (uintptr_t)card->notify_multiplier *
                                          read16(c + QUEUE_NOTIFY_OFF));
    write16(c + QUEUE_ENABLE, 1);
    return true;
}

void virtq_publish(Virtq *q)
{
    if (q->avail->idx == q->next_avail) {
        return;
    }
    __atomic_store_n(&q->avail->idx, q->next_avail, __ATOMIC_RELEASE);
    /* The device clears its flag, then looks at the index: 2.6.7.1. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!(*(volatile uint16_t *)&q->used->flags & USED_NO_NOTIFY)) {
        *q->notify = q->index;
        q->kicks++;
    }
}

/* Tell the device how many queue pairs there are. */
static bool set_pairs(NetCard *card)
{
    static struct {
        uint8_t class, command;
        uint16_t pairs;
        volatile uint8_t ack;
    } request;
    Virtq *q = &card->control;

    request.class = CTRL_MQ;
    request.command = CTRL_MQ_PAIRS_SET;
    request.pairs = config.queues;
    request.ack = 0xff;
    q->desc[0] = (VirtqDesc){ (uintptr_t)&request.class, 2, VIRTQ_NEXT, 1 };
    q->desc[1] = (VirtqDesc){ (uintptr_t)&request.pairs, 2, VIRTQ_NEXT, 2 };
    q->desc[2] = (VirtqDesc){ (uintptr_t)&request.ack, 1, VIRTQ_WRITE, 0 };
    virtq_put(q, 0);
    virtq_publish(q);
    while (!virtq_pending(q)) {
        heartbeat(cpu_self());
    }
    q->last_used++;
    return !request.ack || net_fail(card, "refuses the number of queues");
}

static bool start_queues(NetCard *card)
{
    uint16_t pairs = 1;

    if (card->features >> F_MQ & 1) {
        pairs = read16(card->device + NET_MAX_PAIRS);
    }
    if (config.queues > pairs) {
        return net_fail(card, "has fewer queues than configured");
    }
    card->queues = config.queues;
    for (unsigned i = 0; i < card->queues; i++) {
        if (!virtq_start(card, &card->rx[i], 2 * i, config.ring) ||
            !virtq_start(card, &card->tx[i], 2 * i + 1, config.ring)) {
            return false;
        }
    }
    return card->queues == 1 ||
           virtq_start(card, &card->control, 2 * pairs, CTRL_RING);
}

bool net_card_start(NetCard *card, unsigned nth)
{
    static const uint16_t ids[] = { ID_TRANSITIONAL_NET, ID_MODERN_NET };

    if (!pci_find(VIRTIO_VENDOR, ids, 2, nth, &card->devfn) ||
        !find_structures(card)) {
        return false;
    }
    pci_enable(card->devfn);
    if (!negotiate(card) || !start_queues(card)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof(card->mac); i++) {
        card->mac[i] = read8(card->device + NET_MAC + i);
    }
    write8(card->common + DEVICE_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER |
                                             STATUS_FEATURES_OK |
                                             STATUS_DRIVER_OK);
    return card->queues == 1 || set_pairs(card);
}
