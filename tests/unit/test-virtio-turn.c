/*
 * A driver that adds chains as fast as they end: no handler takes more than a
 * turn of them in one go, and the rest is served when others had their turn.
 *
 *   RAM, 64 KiB:  0x1000 descriptors, 0x2000 avail, 0x3000 used, 0x4000 buffer
 *   0x200000      registers: who reads a chain there has another one made
 *                 available, as another CPU would do
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>

#include "block/block.h"
#include "chardev/chardev.h"
#include "hw/block/virtio-blk.h"
#include "hw/core/machine-none.h"
#include "hw/net/virtio-net.h"
#include "hw/pci/pci-regs.h"
#include "hw/virtio/virtio-devices.h"
#include "hw/virtio/virtio-priv.h"
#include "net/net.h"
#include "system/vm.h"
#include "tests/unit/pci-host.h"
#include "util/bswap.h"

enum {
    RAM_SIZE = 64 * KiB,
    DESC = 0x1000,
    AVAIL = 0x2000,
    USED = 0x3000,
    BUFFER = 0x4000,
    IN_BYTES = 64,
    REGS = 0x200000,
    TURN_MAX = 256,
    CHAINS = 60000, /* that are made available in all */
};

/* A queue, and what its driver asks for again and again. */
typedef struct Storm {
    const char *name;
    const DeviceType *type;
    const char *prop, *val; /* NULL: none */
    unsigned queue;
    unsigned out_bytes; /* in the registers */
    bool only_out;
    const char *port;  /* back end of port 1 of the serial device */
    unsigned turn_max; /* chains of one turn; 0: time alone ends it */
    uint8_t out[16];   /* what is in the registers; zeros behind */
} Storm;

static const Storm storms[] = {
    { "rng", &virtio_rng_pci_type, .queue = 0, .out_bytes = 1,
      .turn_max = TURN_MAX },
    /* Pages that no memory has. */
    { "balloon", &virtio_balloon_pci_type, .queue = 0, .out_bytes = 4,
      .turn_max = TURN_MAX, .out = { 0xff, 0xff, 0xff, 0xff } },
    { "balloon-reporting", &virtio_balloon_pci_type, "free-page-reporting",
      "on", .queue = 3, .out_bytes = 1, .turn_max = TURN_MAX },
    /* Something about port 77. */
    { "serial-control", &virtio_serial_pci_type, .queue = 3, .out_bytes = 8,
      .turn_max = TURN_MAX, .out = { 77 } },
    { "serial-no-port", &virtio_serial_pci_type, .queue = 1, .out_bytes = 4,
      .only_out = true, .turn_max = TURN_MAX },
    { "serial-port", &virtio_serial_pci_type, .queue = 5, .out_bytes = 4,
      .only_out = true, .port = "c0", .turn_max = TURN_MAX },
    { "net-control", &virtio_net_pci_type, .queue = 2, .out_bytes = 2,
      .turn_max = TURN_MAX, .out = { 0xff } },
    { "net-tx", &virtio_net_pci_type, .queue = 1, .out_bytes = 72,
      .only_out = true, .turn_max = TURN_MAX },
    { "net-tx-burst", &virtio_net_pci_type, "x-txburst", "2147483647",
      .queue = 1, .out_bytes = 72, .only_out = true },
    { "blk", &virtio_blk_pci_type, "drive", "d0", .queue = 0, .out_bytes = 16,
      .turn_max = TURN_MAX, .out = { VIRTIO_BLK_T_GET_ID } },
};

static const VmHooks hooks;

typedef struct Board {
    Device dev; /* first: the registers' callbacks get it */
    const Storm *storm;
    Vm *vm;
    MemoryRegion ram, regs;
    uint8_t *mem;
    VirtioDevice *d;
    unsigned offered, idles;
    guint idle;
} Board;

static unsigned served(const Board *b)
{
    return lduw_le_p(b->mem + USED + 2);
}

/* Two are there: the one that is being served, and the next. */
static void offer(Board *b)
{
    b->offered = MIN(MAX(b->offered, served(b) + 2), (unsigned)CHAINS);
    stw_le_p(b->mem + AVAIL + 2, b->offered);
}

static uint64_t regs_read(Device *dev, uint64_t off, unsigned size)
{
    Board *b = container_of(dev, Board, dev);

    offer(b);
    return off < sizeof(b->storm->out) ? b->storm->out[off] : 0;
}

static void regs_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
}

static const IoOps regs_ops = { .read = regs_read,
                                .write = regs_write,
                                .max_size = 1 };

static void no_event(Vm *vm)
{
}

static bool no_drain_step(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return true;
}

static const VmHooks hooks = {
    .vcpus_pause = no_event,
    .vcpus_resume = no_event,
    .block_drain_step = no_drain_step,
    .event_stop = no_event,
    .event_resume = no_event,
};

/* The chain: what is read comes from the registers. */
static void write_ring(Board *b)
{
    uint8_t *desc = b->mem + DESC;

    memset(b->mem, 0, RAM_SIZE);
    stq_le_p(desc, REGS);
    stl_le_p(desc + 8, b->storm->out_bytes);
    stw_le_p(desc + 12, b->storm->only_out ? 0 : VRING_DESC_F_NEXT);
    stw_le_p(desc + 14, 1);
    stq_le_p(desc + 16, BUFFER);
    stl_le_p(desc + 24, IN_BYTES);
    stw_le_p(desc + 28, VRING_DESC_F_WRITE);
    b->offered = 0;
}

static void driver_up(Board *b)
{
    VirtioQueue *q = virtio_core_queue(b->d, b->storm->queue);
    uint64_t features =
        VIRTIO_BIT(VIRTIO_F_VERSION_1) |
        VIRTIO_BIT(VIRTIO_RING_F_INDIRECT_DESC) |
        (b->d->host_features & VIRTIO_BIT(VIRTIO_CONSOLE_F_MULTIPORT));

    write_ring(b);
    g_assert_nonnull(q);
    pci_default_config_write(&b->d->pci, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    g_assert_true(virtio_set_features(b->d, features));
    q->desc[0] = DESC;
    q->avail[0] = AVAIL;
    q->used[0] = USED;
    virtio_queue_place(q);
    q->enabled = true;
    virtio_set_status(b->d, VIRTIO_CONFIG_S_DRIVER_OK);
}

static KeyVal *options(const char *text)
{
    KeyVal *kv = keyval_parse(text, NULL, NULL);

    g_assert_nonnull(kv);
    return kv;
}

static void add_back_ends(Vm *vm)
{
    g_autoptr(KeyVal) drive = options("id=d0,if=none,driver=null-co,size=1M");
    g_autoptr(KeyVal) null_char = options("id=c0,backend=null");
    g_autoptr(KeyVal) slow_char = options("id=c1,backend=ringbuf");

    vm->blocks = block_backends_new();
    g_assert_nonnull(block_new_from_keyval(vm->blocks, drive, NULL));
    vm->chardevs = chardevs_new();
    g_assert_nonnull(chardev_new_from_keyval(vm->chardevs, null_char, NULL));
    g_assert_nonnull(chardev_new_from_keyval(vm->chardevs, slow_char, NULL));
    vm->networks = networks_new(vm);
}

static gboolean idle(gpointer opaque)
{
    ((Board *)opaque)->idles++;
    return G_SOURCE_CONTINUE;
}

static void add_device(Board *b, Bus *bus)
{
    Device *dev = device_new(b->vm, b->storm->type);
    g_autoptr(GError) err = NULL;

    if (b->storm->prop != NULL) {
        g_assert_true(object_prop_set_str(&dev->obj, b->storm->prop,
                                          b->storm->val, &err));
    }
    g_assert_true(device_realize(dev, bus, &err));
    b->d = VIRTIO_DEVICE(dev);
    if (b->storm->port) {
        Device *port = device_new(b->vm, &virtserialport_type);

        g_assert_true(
            object_prop_set_str(&port->obj, "chardev", b->storm->port, &err));
        g_assert_true(
            device_realize(port, g_queue_peek_head(&dev->child_buses), &err));
    }
}

ACQUIRE(&vm_lock) static Board *board_new(const Storm *storm)
{
    Board *b = g_new0(Board, 1);
    Memory *mem;
    PciBus *pci;

    vm_lock_acquire();
    b->storm = storm;
    b->vm = vm_new(&hooks);
    mem = &b->vm->mem;
    b->vm->vmstates = vmstate_registry_new();
    g_assert_true(memory_region_init_ram(&b->ram, mem, "ram", RAM_SIZE, NULL));
    memory_region_add(&mem->root, 0, &b->ram, 0);
    b->mem = memory_region_ram_ptr(&b->ram);
    memory_region_init_io(&b->regs, mem, "regs", 4096, &regs_ops, &b->dev);
    memory_region_add(&mem->root, REGS, &b->regs, 0);
    add_back_ends(b->vm);
    machine_new(b->vm, &machine_none_type);
    pci = test_pci_host_new(b->vm);
    add_device(b, &pci->bus);
    driver_up(b);
    vm_start(b->vm);
    b->idle = g_idle_add_full(G_PRIORITY_DEFAULT, idle, b, NULL);
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    machine_free(vm->machine);
    networks_free(g_steal_pointer(&vm->networks));
    block_backends_free(g_steal_pointer(&vm->blocks));
    chardevs_free(g_steal_pointer(&vm->chardevs));
    memory_region_del(&b->ram);
    memory_region_fini(&b->ram);
    memory_region_del(&b->regs);
    memory_region_fini(&b->regs);
    vmstate_registry_free(g_steal_pointer(&vm->vmstates));
    vm_free(vm);
    g_source_remove(b->idle);
    /* A turn that was to come has gone with its queue. */
    while (g_main_context_iteration(NULL, false)) {
    }
    g_free(b);
    vm_lock_release();
}

static void expect_turn(const Board *b, unsigned before)
{
    unsigned n = served(b) - before;

    g_assert_cmpuint(n, <, CHAINS);
    if (b->storm->turn_max != 0) {
        g_assert_cmpuint(n, <=, b->storm->turn_max);
    }
}

/* Others have their turn after each, and in the end all is served. */
static void test_storm(const void *opaque)
{
    Board *b = board_new(opaque);

    offer(b);
    virtio_kick(b->d, b->storm->queue);
    g_assert_cmpuint(served(b), >, 0);
    expect_turn(b, 0);
    while (served(b) < CHAINS) {
        unsigned before = served(b), idles = b->idles;

        g_main_context_iteration(NULL, true);
        expect_turn(b, before);
        g_assert_cmpuint(b->idles, ==, idles + 1);
    }
    g_assert_false(virtio_is_broken(b->d));
    board_free(b);
}

static void turn_loop(void)
{
    for (unsigned i = 0; i < 10; i++) {
        g_main_context_iteration(NULL, false);
    }
}

/* A stop, a reset and the device's end leave no turn behind. */
static void test_ends(const void *opaque)
{
    Board *b = board_new(opaque);
    unsigned before;

    offer(b);
    virtio_kick(b->d, b->storm->queue);
    vm_stop(b->vm, RUN_STATE_PAUSED);
    before = served(b);
    turn_loop();
    g_assert_cmpuint(served(b), ==, before);
    vm_start(b->vm);
    g_assert_cmpuint(served(b), >, before);

    virtio_core_reset(b->d);
    memset(b->mem + USED, 0, 4);
    turn_loop();
    g_assert_cmpuint(served(b), ==, 0);
    driver_up(b);
    offer(b);
    virtio_kick(b->d, b->storm->queue);
    g_assert_cmpuint(served(b), >, 0);
    board_free(b);
}

/*
 * One chain is longer than a turn: 32 MiB, of the same 32 KiB again and again,
 * to a back end that takes them byte by byte.
 */
static void test_long_chain(void)
{
    enum { TABLE = 0x4000, TABLE_LEN = 1023, PIECE = 32 * KiB };
    static const Storm port = { "", &virtio_serial_pci_type, .queue = 5,
                                .only_out = true, .port = "c1" };
    Board *b = board_new(&port);
    unsigned turns = 0;

    for (unsigned i = 0; i < TABLE_LEN; i++) {
        uint8_t *d = b->mem + TABLE + 16 * i;

        stq_le_p(d, RAM_SIZE - PIECE);
        stl_le_p(d + 8, PIECE);
        stw_le_p(d + 12, i + 1 < TABLE_LEN ? VRING_DESC_F_NEXT : 0);
        stw_le_p(d + 14, i + 1);
    }
    stq_le_p(b->mem + DESC, TABLE);
    stl_le_p(b->mem + DESC + 8, 16 * TABLE_LEN);
    stw_le_p(b->mem + DESC + 12, VRING_DESC_F_INDIRECT);
    stw_le_p(b->mem + AVAIL + 2, 1);
    virtio_kick(b->d, port.queue);
    for (; served(b) == 0; turns++) {
        g_main_context_iteration(NULL, true);
    }
    g_assert_cmpuint(turns, >, 0);
    g_assert_false(virtio_is_broken(b->d));
    board_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(storms); i++) {
        g_autofree char *all =
            g_strdup_printf("/virtio-turn/%s/storm", storms[i].name);
        g_autofree char *ends =
            g_strdup_printf("/virtio-turn/%s/ends", storms[i].name);

        g_test_add_data_func(all, &storms[i], test_storm);
        g_test_add_data_func(ends, &storms[i], test_ends);
    }
    g_test_add_func("/virtio-turn/long-chain", test_long_chain);
    return g_test_run();
}
