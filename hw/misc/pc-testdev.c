/*
 * Test device of the CPU and platform tests ("kvm-unit-tests", x86): plain
 * storage behind ports and memory, interrupt lines to drive, and pages to
 * drop from the accelerator's tables.
 *
 *   0xe0        4  a word, whole or in parts
 *   0xe4        4  flush the page at the physical address that is written
 *   0xe8        4  the same word, a byte at a time
 *   0x2000     24  level of GSI 0 to 23
 *   0xff000000 64 KiB of storage, not RAM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/mman.h>

#include "hw/core/machine.h"
#include "hw/isa/isa-devices.h"
#include "hw/isa/isa.h"
#include "system/vm.h"

enum {
    WORD_PORT = 0xe0,
    FLUSH_PORT = 0xe4,
    BYTE_PORT = 0xe8,
    IRQ_PORT = 0x2000,
    NIRQS = 24,
    STORAGE_SIZE = 0x10000,
};

#define STORAGE_ADDR UINT64_C(0xff000000)

typedef struct PcTestdev {
    Device dev;
    IoRange word_io, flush_io, irq_io;
    MemoryRegion byte_io; /* a debug console may sit on its second byte */
    MemoryRegion storage_mmio;
    uint32_t word;
    uint8_t storage[STORAGE_SIZE];
} PcTestdev;

static uint64_t word_read(Device *dev, uint64_t off, unsigned size)
{
    return DEVICE_CAST(PcTestdev, dev)->word >> (off & 3) * 8;
}

static void word_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    PcTestdev *s = DEVICE_CAST(PcTestdev, dev);
    unsigned shift = (off & 3) * 8;

    s->word = deposit32(s->word, shift, MIN(size * 8, 32 - shift), val);
}

static const IoOps word_io = {
    .read = word_read,
    .write = word_write,
    .max_size = 4,
    .unaligned = true,
};

static const IoOps byte_io = {
    .read = word_read,
    .write = word_write,
    .max_size = 1,
};

static uint64_t zero_read(Device *dev, uint64_t off, unsigned size)
{
    return 0;
}

/*
 * A change of protection makes the accelerator drop its translations of the
 * page; the memory stays readable meanwhile.
 */
static void flush_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    uint64_t len = RAM_PAGE_SIZE;
    uint64_t page = val & ~(uint64_t)(RAM_PAGE_SIZE - 1);
    void *host = address_space_map(&dev->vm->mem.memory, page, &len, true);

    if (host == NULL) {
        return;
    }
    if (len == RAM_PAGE_SIZE && ((uintptr_t)host & (RAM_PAGE_SIZE - 1)) == 0 &&
        mprotect(host, len, PROT_READ) == 0) {
        mprotect(host, len, PROT_READ | PROT_WRITE);
    }
    address_space_unmap(&dev->vm->mem.memory, host, len, false);
}

static const IoOps flush_io = { .read = zero_read, .write = flush_write };

static void irq_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    const Machine *m = dev->machine;

    if (off < m->ngsi) {
        m->gsi[off].fn(m->gsi[off].opaque, m->gsi[off].n, val & 1);
    }
}

static const IoOps irq_io = {
    .read = zero_read,
    .write = irq_write,
    .max_size = 1,
};

static uint64_t storage_read(Device *dev, uint64_t off, unsigned size)
{
    const PcTestdev *s = DEVICE_CAST(PcTestdev, dev);
    uint64_t val = 0; /* the host is little endian, too */

    if (range_fits(off, size, STORAGE_SIZE)) {
        memcpy(&val, s->storage + off, size);
    }
    return val;
}

static void storage_write(Device *dev, uint64_t off, uint64_t val,
                          unsigned size)
{
    PcTestdev *s = DEVICE_CAST(PcTestdev, dev);

    if (range_fits(off, size, STORAGE_SIZE)) {
        memcpy(s->storage + off, &val, size);
    }
}

static const IoOps storage_ops = {
    .read = storage_read,
    .write = storage_write,
    .max_size = 8,
    .unaligned = true,
};

static bool testdev_realize(Device *dev, GError **errp)
{
    PcTestdev *s = DEVICE_CAST(PcTestdev, dev);
    Memory *mem = &dev->vm->mem;

    if (!device_claim_io(dev, &s->word_io, &word_io, "pc-testdev-ioport",
                         WORD_PORT, 4, errp) ||
        !device_claim_io(dev, &s->flush_io, &flush_io, "pc-testdev-flush-page",
                         FLUSH_PORT, 4, errp) ||
        !device_claim_io(dev, &s->irq_io, &irq_io, "pc-testdev-irq-line",
                         IRQ_PORT, NIRQS, errp)) {
        return false;
    }
    memory_region_init_io(&s->byte_io, mem, "pc-testdev-ioport-byte", 4,
                          &byte_io, dev);
    s->byte_io.may_overlap = true;
    memory_region_add(&mem->io_root, BYTE_PORT, &s->byte_io, -1);
    device_own_region(dev, &s->byte_io);
    memory_region_init_io(&s->storage_mmio, mem, "pc-testdev-iomem",
                          STORAGE_SIZE, &storage_ops, dev);
    memory_region_add(&mem->root, STORAGE_ADDR, &s->storage_mmio, 0);
    device_own_region(dev, &s->storage_mmio);
    return true;
}

/* What is in it is the test's, and tests don't migrate. */
const DeviceType pc_testdev_type = {
    .name = "pc-testdev",
    .category = "Misc",
    .size = sizeof(PcTestdev),
    .bus = BUS_ISA,
    .user_creatable = true,
    .realize = testdev_realize,
    .vmstate = VMSTATE_NONE,
};
