/*
 * PCI test device of the platform tests ("kvm-unit-tests", lib/pci-testdev):
 * counts writes to a place that a header names, by memory and by port, with
 * and without an eventfd that takes them.
 *
 * Both BARs show the header of the test that was chosen last:
 *
 *   0  test     written: choose test n of this BAR    8  data    u32
 *   1  width    of the writes: 1 byte                12  count   u32
 *   4  offset   u32: where to write in the BAR       16  name, NUL at the end
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/misc/pci-testdev.h"

#include "hw/pci/pci.h"
#include "system/vm.h"
#include "util/bswap.h"
#include "util/error.h"

enum {
    BAR_MEM,
    BAR_IO,
    BAR_MEMBAR,
    MEM_SIZE = 4 * KiB,
    IO_SIZE = 256,
    HEADER = 16,
    MEM_OFFSET = 0x800, /* of the first test's place */
    IO_OFFSET = 0x80,
};

typedef enum TestKind {
    TEST_PLAIN,     /* every write of `data` is counted here */
    TEST_WILDCARD,  /* an eventfd takes every write */
    TEST_DATAMATCH, /* an eventfd takes bytes that equal `data` */
    TEST_KINDS,
} TestKind;

static const char *const test_names[] = { "no-eventfd", "wildcard-eventfd",
                                          "datamatch-eventfd" };
static const uint8_t test_data[] = { 0xfa, 0xce, 0xfa };

#define NTESTS (2 * TEST_KINDS) /* by memory, then by port */
#define NONE   NTESTS

typedef struct PciTestdev {
    PciDevice pci;
    MemoryRegion bars[2], membar;
    EventNotifier notifier;
    uint64_t membar_size; /* bytes; 0: none */
    unsigned test;        /* NONE: none was chosen */
    uint32_t count;
} PciTestdev;

static PciTestdev *testdev_of(Device *dev)
{
    return container_of(dev, PciTestdev, pci.dev);
}

static unsigned test_bar(unsigned test)
{
    return test < TEST_KINDS ? BAR_MEM : BAR_IO;
}

static uint32_t test_offset(unsigned test)
{
    return test < TEST_KINDS ? MEM_OFFSET + test : IO_OFFSET + test;
}

static MemoryEventFd test_eventfd(PciTestdev *s)
{
    TestKind kind = s->test % TEST_KINDS;

    return (MemoryEventFd){
        .addr = test_offset(s->test),
        .size = kind == TEST_DATAMATCH ? 1 : 0,
        .match_data = kind == TEST_DATAMATCH,
        .data = test_data[kind],
        .notifier = &s->notifier,
    };
}

static bool test_has_eventfd(const PciTestdev *s)
{
    return s->test != NONE && s->test % TEST_KINDS != TEST_PLAIN;
}

static void test_end(PciTestdev *s)
{
    if (test_has_eventfd(s)) {
        MemoryEventFd e = test_eventfd(s);

        memory_region_del_eventfd(&s->bars[test_bar(s->test)], &e);
    }
    s->test = NONE;
    s->count = 0;
}

static void test_choose(PciTestdev *s, unsigned bar, uint8_t n)
{
    test_end(s);
    if (n >= TEST_KINDS) {
        return;
    }
    s->test = bar * TEST_KINDS + n;
    if (test_has_eventfd(s)) {
        MemoryEventFd e = test_eventfd(s);

        memory_region_add_eventfd(&s->bars[bar], &e);
    }
}

static void test_write(PciTestdev *s, unsigned bar, uint64_t off, uint64_t val)
{
    if (off == 0) {
        test_choose(s, bar, val);
    } else if (s->test != NONE && bar == test_bar(s->test) &&
               off == test_offset(s->test) &&
               (val == test_data[s->test % TEST_KINDS] ||
                s->test % TEST_KINDS == TEST_WILDCARD)) {
        s->count++;
    }
}

static uint64_t test_read(const PciTestdev *s, uint64_t off, unsigned size)
{
    uint8_t header[64] = { 0 };
    uint64_t val = 0;

    if (s->test == NONE || !range_fits(off, size, sizeof(header))) {
        return 0;
    }
    header[0] = s->test;
    header[1] = 1;
    stl_le_p(header + 4, test_offset(s->test));
    stl_le_p(header + 8, test_data[s->test % TEST_KINDS]);
    stl_le_p(header + 12, s->count);
    snprintf((char *)header + HEADER, sizeof(header) - HEADER, "%s-%s",
             test_bar(s->test) == BAR_MEM ? "mmio" : "portio",
             test_names[s->test % TEST_KINDS]);
    memcpy(&val, header + off, size);
    return val;
}

static uint64_t bar_read(Device *dev, uint64_t off, unsigned size)
{
    return test_read(testdev_of(dev), off, size);
}

static void mem_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    test_write(testdev_of(dev), BAR_MEM, off, val);
}

static void io_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
    test_write(testdev_of(dev), BAR_IO, off, val);
}

static const IoOps mem_ops = { .read = bar_read, .write = mem_write };
static const IoOps io_ops = { .read = bar_read, .write = io_write };
static const IoOps membar_ops = { .read = NULL };

static bool testdev_realize(Device *dev, GError **errp)
{
    PciTestdev *s = testdev_of(dev);
    Memory *mem = &dev->vm->mem;

    if (s->membar_size != 0 &&
        (!is_pow2(s->membar_size) || s->membar_size < 16)) {
        error_setf(errp, "membar %" PRIu64 ": a power of two, at least 16",
                   s->membar_size);
        return false;
    }
    if (!event_notifier_init(&s->notifier, false, errp)) {
        return false;
    }
    s->test = NONE;
    memory_region_init_io(&s->bars[BAR_MEM], mem, "pci-testdev-mmio", MEM_SIZE,
                          &mem_ops, dev);
    memory_region_init_io(&s->bars[BAR_IO], mem, "pci-testdev-portio", IO_SIZE,
                          &io_ops, dev);
    for (unsigned i = BAR_MEM; i <= BAR_IO; i++) {
        device_own_region(dev, &s->bars[i]);
        pci_register_bar(&s->pci, i, i == BAR_IO, &s->bars[i]);
    }
    if (s->membar_size != 0) {
        memory_region_init_io(&s->membar, mem, "pci-testdev-membar",
                              s->membar_size, &membar_ops, dev);
        device_own_region(dev, &s->membar);
        /* 64 bits, prefetchable */
        pci_register_bar(&s->pci, BAR_MEMBAR, 4 | 8, &s->membar);
    }
    return true;
}

static void testdev_unrealize(Device *dev)
{
    PciTestdev *s = testdev_of(dev);

    test_end(s);
    event_notifier_fini(&s->notifier);
}

static void testdev_reset(Device *dev)
{
    test_end(testdev_of(dev));
}

static const Property testdev_props[] = {
    PROP(PROP_SIZE, PciTestdev, membar_size, "membar"),
    PROP_END,
};

static const PciInfo testdev_pci = {
    .vendor_id = 0x1b36,
    .device_id = 0x0005,
    .class_id = 0x00ff,
};

/* What is in it is the test's, and tests don't migrate. */
const DeviceType pci_testdev_type = {
    .name = "pci-testdev",
    .category = "Misc",
    .desc = "PCI Test Device",
    .size = sizeof(PciTestdev),
    .bus = BUS_PCI,
    .user_creatable = true,
    .hotpluggable = true,
    .props = testdev_props,
    .pci = &testdev_pci,
    .realize = testdev_realize,
    .unrealize = testdev_unrealize,
    .reset = testdev_reset,
    .vmstate = VMSTATE_NONE,
};
