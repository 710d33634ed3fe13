/*
 * A split ring in memory and a queue on it, for tests of virtqueues.
 *
 *   0x00000  RAM, 1 MiB:  0x1000 descriptors, 0x2000 avail, 0x3000 used
 *   0x200000 a device with one page of registers; ROM behind it at 0x300000
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_VQ_RING_H
#define TESTS_UNIT_VQ_RING_H

#include <linux/virtio_config.h>

#include "hw/virtio/virtqueue-priv.h"
#include "system/vm.h"
#include "util/bswap.h"

enum {
    RING_DESC = 0x1000,
    RING_AVAIL = 0x2000,
    RING_USED = 0x3000,
    RING_SIZE = 8,
    RAM_BYTES = 1 * MiB,
    REGS_ADDR = 0x200000,
    ROM_ADDR = 0x300000,
};

typedef struct TestRing {
    VirtQueueHost host; /* first: the callbacks get it */
    Vm *vm;
    RamBlock *rb, *rom;
    MemoryRegion ram_mr, rom_mr, regs_mr;
    DmaSpace dma;
    VirtQueue q;
    uint16_t avail_idx;
    unsigned interrupts, errors;
    char last_error[200];
} TestRing;

static uint8_t test_regs[4096];

static uint64_t regs_read(struct Device *dev, uint64_t off, unsigned size)
{
    return test_regs[off];
}

static void regs_write(struct Device *dev, uint64_t off, uint64_t val,
                       unsigned size)
{
    test_regs[off] = val;
}

static const IoOps regs_ops = { .read = regs_read,
                                .write = regs_write,
                                .max_size = 1 };

static void ring_interrupt(VirtQueueHost *h, VirtQueue *q)
{
    ((TestRing *)h)->interrupts++;
}

static void ring_error(VirtQueueHost *h, const char *msg)
{
    TestRing *r = (TestRing *)h;

    r->errors++;
    g_strlcpy(r->last_error, msg, sizeof(r->last_error));
    h->broken = true;
}

static inline uint8_t *ring_ptr(TestRing *r, uint64_t gpa)
{
    return r->rb->host + gpa;
}

/*
 * Zeroed memory, a queue that is placed; features: VIRTIO bits.  Takes vm_lock,
 * which ring_free() lets go.
 */
NO_TSA static inline TestRing *ring_new(uint64_t features)
{
    static const VmHooks no_hooks = { 0 };
    RamBlockOptions opts = { .size = RAM_BYTES };
    TestRing *r = g_new0(TestRing, 1);
    Memory *mem;

    vm_lock_acquire();
    r->vm = vm_new(&no_hooks);
    mem = &r->vm->mem;
    r->rb = ram_block_new(&mem->ram, "ram", &opts, NULL);
    opts.size = 64 * KiB;
    opts.rom = true;
    r->rom = ram_block_new(&mem->ram, "rom", &opts, NULL);
    g_assert_nonnull(r->rom);
    memory_region_init_ram_block(&r->ram_mr, mem, "ram", r->rb);
    memory_region_init_ram_block(&r->rom_mr, mem, "rom", r->rom);
    memory_region_init_io(&r->regs_mr, mem, "regs", sizeof(test_regs),
                          &regs_ops, NULL);
    memory_region_set_readonly(&r->rom_mr, true);
    memory_transaction_begin(mem);
    memory_region_add(&mem->root, 0, &r->ram_mr, 0);
    memory_region_add(&mem->root, REGS_ADDR, &r->regs_mr, 0);
    memory_region_add(&mem->root, ROM_ADDR, &r->rom_mr, 0);
    memory_transaction_commit(mem);
    r->dma = (DmaSpace){ .as = &mem->memory, .open = true };
    r->host = (VirtQueueHost){ .dma = &r->dma,
                               .features = features,
                               .interrupt = ring_interrupt,
                               .error = ring_error };
    virtqueue_init(&r->q, &r->host, 0, RING_SIZE);
    virtqueue_set_rings(&r->q, RING_DESC, RING_AVAIL, RING_USED);
    return r;
}

NO_TSA static inline void ring_free(TestRing *r)
{
    Memory *mem = &r->vm->mem;

    virtqueue_fini(&r->q);
    memory_region_fini(&r->regs_mr);
    memory_region_fini(&r->rom_mr);
    memory_region_fini(&r->ram_mr);
    ram_block_free(&mem->ram, r->rom);
    ram_block_free(&mem->ram, r->rb);
    vm_free(r->vm);
    vm_lock_release();
    g_free(r);
}

static inline void put_desc(TestRing *r, uint64_t table, unsigned n,
                            uint64_t addr, uint32_t len, uint16_t flags,
                            uint16_t next)
{
    uint8_t *p = ring_ptr(r, table + 16 * n);

    stq_le_p(p, addr);
    stl_le_p(p + 8, len);
    stw_le_p(p + 12, flags);
    stw_le_p(p + 14, next);
}

static inline void make_avail(TestRing *r, uint16_t head)
{
    stw_le_p(ring_ptr(r, RING_AVAIL + 4 + 2 * (r->avail_idx % RING_SIZE)),
             head);
    r->avail_idx++;
    stw_le_p(ring_ptr(r, RING_AVAIL + 2), r->avail_idx);
}

#endif
