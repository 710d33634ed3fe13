/*
 * A driver's side of a modern virtio function, as qtests need it: registers in
 * a BAR, queues in memory, chains of one buffer each way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_QTEST_VIRTIO_MODERN_H
#define TESTS_QTEST_VIRTIO_MODERN_H

#include "util/base.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#include "tests/qtest/libqtest.h"
#include "util/bswap.h"

enum {
    VIRTIO_REGS = 0xfd000000, /* where the BAR is put */
    VIRTIO_RINGS = 0x10000,   /* 64 KiB for each queue */
    VIRTIO_RING_SIZE = 8,     /* chains at once */
};

typedef struct Virtio {
    QTest *q;
    unsigned devfn;
    uint64_t common, notify, config; /* addresses of its registers */
    uint16_t next[8];                /* chains given, of each queue */
    uint16_t taken[8];               /* answers seen */
} Virtio;

static inline uint32_t virtio_cfg_read(const Virtio *v, unsigned reg)
{
    qtest_outl(v->q, 0xcf8, 0x80000000u | v->devfn << 8 | (reg & ~3u));
    return qtest_inl(v->q, 0xcfc) >> 8 * (reg & 3);
}

static inline void virtio_cfg_write(const Virtio *v, unsigned reg, uint32_t val)
{
    qtest_outl(v->q, 0xcf8, 0x80000000u | v->devfn << 8 | reg);
    qtest_outl(v->q, 0xcfc, val);
}

/* Finds its parts by the capabilities, and maps their BAR. */
static inline void virtio_find(Virtio *v, QTest *q, unsigned devfn)
{
    unsigned cap;

    *v = (Virtio){ .q = q, .devfn = devfn };
    cap = virtio_cfg_read(v, PCI_CAPABILITY_LIST) & 0xff;
    for (; cap != 0; cap = virtio_cfg_read(v, cap + 1) & 0xff) {
        unsigned type = virtio_cfg_read(v, cap + 3) & 0xff;
        unsigned bar = virtio_cfg_read(v, cap + 4) & 0xff;
        uint64_t at = VIRTIO_REGS + virtio_cfg_read(v, cap + 8);

        if ((virtio_cfg_read(v, cap) & 0xff) != PCI_CAP_ID_VNDR) {
            continue;
        }
        if (type == VIRTIO_PCI_CAP_COMMON_CFG) {
            v->common = at;
            virtio_cfg_write(v, PCI_BASE_ADDRESS_0 + 4 * bar, VIRTIO_REGS);
        } else if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
            v->notify = at;
        } else if (type == VIRTIO_PCI_CAP_DEVICE_CFG) {
            v->config = at;
        }
    }
    g_assert_cmphex(v->common, !=, 0);
    virtio_cfg_write(v, PCI_COMMAND,
                     PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline uint64_t virtio_ring_at(unsigned n)
{
    return VIRTIO_RINGS + n * UINT64_C(0x10000);
}

/* Takes those features (of the low 32) and nqueues queues. */
static inline void virtio_start(Virtio *v, uint32_t features, unsigned nqueues)
{
    QTest *q = v->q;

    qtest_writeb(q, v->common + VIRTIO_PCI_COMMON_STATUS, 0);
    qtest_writeb(q, v->common + VIRTIO_PCI_COMMON_STATUS, 3);
    qtest_writel(q, v->common + VIRTIO_PCI_COMMON_GFSELECT, 0);
    qtest_writel(q, v->common + VIRTIO_PCI_COMMON_GF, features);
    qtest_writel(q, v->common + VIRTIO_PCI_COMMON_GFSELECT, 1);
    qtest_writel(q, v->common + VIRTIO_PCI_COMMON_GF, 1); /* VERSION_1 */
    qtest_writeb(q, v->common + VIRTIO_PCI_COMMON_STATUS, 0xb);
    g_assert_cmphex(qtest_readb(q, v->common + VIRTIO_PCI_COMMON_STATUS), ==,
                    0xb);
    for (unsigned i = 0; i < nqueues; i++) {
        uint64_t ring = virtio_ring_at(i);

        qtest_memset(q, ring, 0, 0x1000);
        qtest_writew(q, v->common + VIRTIO_PCI_COMMON_Q_SELECT, i);
        qtest_writew(q, v->common + VIRTIO_PCI_COMMON_Q_SIZE, VIRTIO_RING_SIZE);
        qtest_writel(q, v->common + VIRTIO_PCI_COMMON_Q_DESCLO, ring);
        qtest_writel(q, v->common + VIRTIO_PCI_COMMON_Q_AVAILLO, ring + 0x400);
        qtest_writel(q, v->common + VIRTIO_PCI_COMMON_Q_USEDLO, ring + 0x800);
        qtest_writew(q, v->common + VIRTIO_PCI_COMMON_Q_ENABLE, 1);
        v->next[i] = v->taken[i] = 0;
    }
    qtest_writeb(q, v->common + VIRTIO_PCI_COMMON_STATUS, 0xf);
}

/* Two descriptors of chain n % VIRTIO_RING_SIZE / 2; a length of 0: none. */
static inline void virtio_offer(Virtio *v, unsigned n, uint64_t out,
                                uint32_t out_len, uint64_t in, uint32_t in_len)
{
    uint64_t ring = virtio_ring_at(n);
    unsigned head = v->next[n] % (VIRTIO_RING_SIZE / 2) * 2;
    uint64_t desc = ring + 16 * head;
    QTest *q = v->q;

    if (out_len > 0) {
        qtest_writeq(q, desc, out);
        qtest_writel(q, desc + 8, out_len);
        qtest_writew(q, desc + 12, in_len > 0 ? VRING_DESC_F_NEXT : 0);
        qtest_writew(q, desc + 14, head + 1);
        desc += 16;
    }
    if (in_len > 0) {
        qtest_writeq(q, desc, in);
        qtest_writel(q, desc + 8, in_len);
        qtest_writew(q, desc + 12, VRING_DESC_F_WRITE);
    }
    qtest_writew(q, ring + 0x404 + 2 * (v->next[n] % VIRTIO_RING_SIZE), head);
    qtest_writew(q, ring + 0x402, ++v->next[n]);
    qtest_writew(q, v->notify + UINT64_C(4) * n, n);
}

static inline bool virtio_answered(const Virtio *v, unsigned n)
{
    return qtest_readw(v->q, virtio_ring_at(n) + 0x802) != v->taken[n];
}

/* Waits for the next answer; the bytes that it has. */
static inline uint32_t virtio_wait(Virtio *v, unsigned n)
{
    uint64_t used = virtio_ring_at(n) + 0x804;
    unsigned i = v->taken[n] % VIRTIO_RING_SIZE;

    while (!virtio_answered(v, n)) {
        qtest_clock_step(v->q, 1000);
    }
    v->taken[n]++;
    return qtest_readl(v->q, used + UINT64_C(8) * i + 4);
}

#endif
