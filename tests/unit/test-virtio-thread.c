/*
 * Queues in an I/O thread, on a toy device that gives each chain back.
 *
 *   RAM, 64 KiB:  0x1000 descriptors, 0x2000 avail, 0x3000 used, 0x4000 buffer
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/core/machine-none.h"
#include "hw/pci/pci-regs.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-priv.h"
#include "system/vm.h"
#include "tests/unit/pci-host.h"
#include "util/bswap.h"
#include "util/tsan.h"

enum {
    RAM_SIZE = 64 * KiB,
    DESC = 0x1000,
    AVAIL = 0x2000,
    USED = 0x3000,
    BUFFER = 0x4000,
    ENTRIES = 16,
};

typedef struct Toy {
    VirtioDevice vdev;
    bool in_thread;       /* the queue was served there, always */
    bool keep;            /* leaves the chains where they are */
    struct Board *more;   /* whose driver offers another for each … */
    unsigned left;        /* … so many times */
    unsigned calls, done; /* atomic */
    EventNotifier served;
} Toy;

static void offer(struct Board *b, uint64_t buffer);

static void toy_output(VirtioDevice *d, VirtQueue *q)
{
    VirtioTurn turn = virtio_turn_begin(q);
    Toy *s = container_of(d, Toy, vdev);
    VirtQueueElem *e;

    s->in_thread &= iothread_is_self(virtio_iothread(d));
    while (!__atomic_load_n(&s->keep, __ATOMIC_SEQ_CST) &&
           (e = virtio_turn_pop(&turn)) != NULL) {
        if (s->left > 0) {
            s->left--;
            offer(s->more, BUFFER);
        }
        virtqueue_push(q, e, 0);
        virtqueue_notify(q);
        __atomic_fetch_add(&s->done, 1, __ATOMIC_SEQ_CST);
    }
    __atomic_fetch_add(&s->calls, 1, __ATOMIC_SEQ_CST);
    event_notifier_set(&s->served);
}

static bool toy_realize(VirtioDevice *d, GError **errp)
{
    g_assert_true(
        event_notifier_init(&container_of(d, Toy, vdev)->served, false, errp));
    virtio_add_queue(d, ENTRIES, toy_output);
    return virtio_set_iothread(d, "io1", errp);
}

static void toy_unrealize(VirtioDevice *d)
{
    event_notifier_fini(&container_of(d, Toy, vdev)->served);
}

static uint64_t toy_features(VirtioDevice *d, uint64_t offered)
{
    return offered;
}

static const VirtioType toy_virtio = {
    .name = "toy",
    .id = 63,
    .realize = toy_realize,
    .unrealize = toy_unrealize,
    .get_features = toy_features,
};

static const PciInfo toy_pci = { .vendor_id = VIRTIO_PCI_VENDOR,
                                 .device_id = 0x103f };

static const DeviceType toy_type = {
    VIRTIO_PCI_TYPE,         .name = "toy-pci",
    .size = sizeof(Toy),     .more_props = virtio_pci_prop_tables,
    .pci = &toy_pci,         .virtio = &toy_virtio,
    .vmstate = VMSTATE_NONE,
};

static void no_event(Vm *vm)
{
}

static int no_drain(Vm *vm)
{
    return 0;
}

static bool no_drain_step(Vm *vm, bool first, int *ret)
{
    *ret = 0;
    return true;
}

static const VmHooks hooks = {
    .vcpus_pause = no_event,
    .vcpus_resume = no_event,
    .block_drain = no_drain,
    .block_drain_step = no_drain_step,
    .event_stop = no_event,
    .event_resume = no_event,
};

typedef struct Board {
    Vm *vm;
    RamBlock *rb;
    MemoryRegion ram;
    Toy *toy;
    VirtioQueue *q;
    uint16_t avail_idx;
} Board;

static void add_memory(Board *b)
{
    RamBlockOptions opts = { .size = RAM_SIZE };
    Memory *mem = &b->vm->mem;

    b->rb = ram_block_new(&mem->ram, "ram", &opts, NULL);
    memory_region_init_ram_block(&b->ram, mem, "ram", b->rb);
    memory_region_add(&mem->root, 0, &b->ram, 0);
}

static void add_thread(Board *b)
{
    Object *io = object_new(iothread_object_types()[1]);

    object_add_child(object_child(b->vm->root, "objects"), "io1", io);
    g_assert_true(object_complete(io, NULL));
    object_unref(io);
}

/* The driver's part: the ring is there, the device is up. */
static void driver_up(Board *b)
{
    VirtioDevice *d = &b->toy->vdev;

    pci_default_config_write(&d->pci, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    g_assert_true(virtio_set_features(d, VIRTIO_BIT(VIRTIO_F_VERSION_1)));
    b->q->desc[0] = DESC;
    b->q->avail[0] = AVAIL;
    b->q->used[0] = USED;
    virtio_queue_place(b->q);
    b->q->enabled = true;
    virtio_set_status(d, VIRTIO_CONFIG_S_DRIVER_OK);
}

ACQUIRE(&vm_lock) static Board *board_new(void)
{
    Board *b = g_new0(Board, 1);
    Device *dev;
    PciBus *pci;

    vm_lock_acquire();
    b->vm = vm_new(&hooks);
    b->vm->vmstates = vmstate_registry_new();
    add_memory(b);
    add_thread(b);
    machine_new(b->vm, &machine_none_type);
    pci = test_pci_host_new(b->vm);
    dev = device_create(b->vm, &toy_type, &pci->bus, NULL);
    g_assert_nonnull(dev);
    b->toy = container_of(VIRTIO_DEVICE(dev), Toy, vdev);
    b->toy->in_thread = true;
    b->q = virtio_core_queue(&b->toy->vdev, 0);
    driver_up(b);
    vm_start(b->vm);
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    vm_stop(b->vm, RUN_STATE_PAUSED);
    g_assert_true(b->toy->in_thread);
    machine_free(b->vm->machine);
    memory_region_del(&b->ram);
    memory_region_fini(&b->ram);
    ram_block_free(&b->vm->mem.ram, b->rb);
    vmstate_registry_free(b->vm->vmstates);
    b->vm->vmstates = NULL;
    vm_free(b->vm);
    g_free(b);
    vm_lock_release();
}

static void offer(Board *b, uint64_t buffer)
{
    uint8_t *ram = b->rb->host;
    unsigned n = b->avail_idx % ENTRIES;

    tsan_guest_begin();
    stq_le_p(ram + DESC + 16 * n, buffer);
    stl_le_p(ram + DESC + 16 * n + 8, 16);
    stl_le_p(ram + DESC + 16 * n + 12, 0);
    stw_le_p(ram + AVAIL + 4 + 2 * n, n);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    stw_le_p(ram + AVAIL + 2, ++b->avail_idx);
    tsan_guest_end();
}

static uint16_t used_idx(const Board *b)
{
    uint16_t idx;

    tsan_guest_begin();
    idx = lduw_le_p(b->rb->host + USED + 2);
    tsan_guest_end();
    return idx;
}

static void wait_for(EventNotifier *e)
{
    GPollFD p = { .fd = event_notifier_fd(e), .events = G_IO_IN };

    g_assert_cmpint(g_poll(&p, 1, 60000), ==, 1);
    event_notifier_test_and_clear(e);
}

static void wait_done(Board *b, unsigned n)
{
    while (__atomic_load_n(&b->toy->done, __ATOMIC_SEQ_CST) < n) {
        wait_for(&b->toy->served);
    }
    g_assert_cmpuint(__atomic_load_n(&b->toy->done, __ATOMIC_SEQ_CST), ==, n);
}

/* While this thread has the device lock all the time. */
static void test_echo(void)
{
    Board *b = board_new();

    for (unsigned i = 1; i <= 100; i++) {
        offer(b, BUFFER);
        virtio_kick(&b->toy->vdev, 0);
        wait_done(b, i);
        g_assert_cmpuint(used_idx(b), ==, i);
    }
    board_free(b);
}

/* The interrupt needs the lock: the main loop raises it, or the VM's stop. */
static void test_interrupt(void)
{
    Board *b = board_new();

    offer(b, BUFFER);
    virtio_kick(&b->toy->vdev, 0);
    wait_done(b, 1);
    while (!__atomic_load_n(&b->q->irq_pending, __ATOMIC_SEQ_CST)) {
        g_usleep(100);
    }
    g_assert_cmpuint(b->toy->vdev.isr, ==, 1);
    while (b->q->irq_pending) {
        g_main_context_iteration(NULL, true);
    }
    b->q->irq_pending = true;
    vm_stop(b->vm, RUN_STATE_PAUSED);
    g_assert_false(b->q->irq_pending);
    board_free(b);
}

/* Another process's calls that the main loop has not read are not lost. */
static void test_calls_settle(void)
{
    Board *b = board_new();
    EventNotifier call;

    g_assert_true(event_notifier_init_fd(
        &call, dup(virtio_queue_call_fd(&b->q->vq)), NULL));
    virtio_queue_settle_call(&b->q->vq);
    g_assert_cmpuint(b->toy->vdev.isr, ==, 0);
    event_notifier_set(&call);
    virtio_queue_settle_call(&b->q->vq);
    g_assert_cmpuint(b->toy->vdev.isr, ==, 1);
    b->toy->vdev.isr = 0;
    virtio_queue_settle_call(&b->q->vq); /* it came once */
    g_assert_cmpuint(b->toy->vdev.isr, ==, 0);
    event_notifier_fini(&call);
    board_free(b);
}

static void test_stop(void)
{
    Board *b = board_new();
    unsigned calls;

    vm_stop(b->vm, RUN_STATE_PAUSED);
    calls = b->toy->calls;
    offer(b, BUFFER);
    virtio_kick(&b->toy->vdev, 0);
    vm_lock_release();
    g_usleep(1000);
    vm_lock_acquire();
    g_assert_cmpuint(b->toy->calls, ==, calls);
    g_assert_cmpuint(b->toy->done, ==, 0);
    vm_start(b->vm);
    wait_done(b, 1);
    board_free(b);
}

/* A driver that never ends doesn't keep the thread from others. */
static void test_turns(void)
{
    enum { MORE = 2000, TURN_MAX = 256 };
    Board *b = board_new();

    b->toy->more = b;
    b->toy->left = MORE;
    offer(b, BUFFER);
    virtio_kick(&b->toy->vdev, 0);
    wait_done(b, 1 + MORE);
    vm_stop(b->vm, RUN_STATE_PAUSED);
    g_assert_cmpuint(b->toy->calls, >=, MORE / TURN_MAX);
    board_free(b);
}

/* Chains that the device leaves don't keep the thread from sleeping. */
static void test_left(void)
{
    Board *b = board_new();
    unsigned calls;

    __atomic_store_n(&b->toy->keep, true, __ATOMIC_SEQ_CST);
    offer(b, BUFFER);
    virtio_kick(&b->toy->vdev, 0);
    wait_for(&b->toy->served);
    g_usleep(2000);
    calls = __atomic_load_n(&b->toy->calls, __ATOMIC_SEQ_CST);
    g_assert_cmpuint(calls, <=, 4); /* start, kick, look */
    vm_stop(b->vm, RUN_STATE_PAUSED);
    __atomic_store_n(&b->toy->keep, false, __ATOMIC_SEQ_CST);
    vm_start(b->vm);
    wait_done(b, 1);
    board_free(b);
}

/* A guest's fault is found in the thread and told by the main loop. */
static void check_refused(Board *b, uint64_t buffer)
{
    VirtioDevice *d = &b->toy->vdev;

    offer(b, buffer);
    virtio_kick(d, 0);
    while (!(d->status & VIRTIO_CONFIG_S_NEEDS_RESET)) {
        g_main_context_iteration(NULL, true);
    }
    g_assert_true(virtio_is_broken(d));
    g_assert_cmpuint(b->toy->done, ==, 0);
    virtio_core_reset(d);
    b->avail_idx = 0;
    memset(b->rb->host, 0, RAM_SIZE);
    driver_up(b);
    offer(b, BUFFER);
    virtio_kick(d, 0);
    wait_done(b, 1);
}

static void test_error(void)
{
    Board *b = board_new();

    check_refused(b, UINT64_C(1) << 40);
    board_free(b);
}

/* Registers belong to vm_lock. */
static uint64_t regs_read(Device *dev, uint64_t off, unsigned size)
{
    return 0;
}

static void regs_write(Device *dev, uint64_t off, uint64_t val, unsigned size)
{
}

static void test_registers(void)
{
    static const IoOps ops = { .read = regs_read, .write = regs_write };
    Board *b = board_new();
    MemoryRegion regs = { 0 };

    memory_region_init_io(&regs, &b->vm->mem, "regs", 4096, &ops, NULL);
    memory_region_add(&b->vm->mem.root, 0x100000, &regs, 0);
    check_refused(b, 0x100000);
    memory_region_del(&regs);
    memory_region_fini(&regs);
    board_free(b);
}

/* Whatever the driver does to the device, the thread has left it. */
static void test_upheaval(void)
{
    Board *b = board_new();
    VirtioDevice *d = &b->toy->vdev;

    for (unsigned i = 0; i < 300; i++) {
        unsigned before = __atomic_load_n(&b->toy->done, __ATOMIC_SEQ_CST);

        for (unsigned k = 0; k < 8; k++) {
            offer(b, BUFFER);
            virtio_kick(d, 0);
        }
        switch (i % 4) {
        case 0:
            virtio_core_reset(d);
            b->avail_idx = 0;
            memset(b->rb->host, 0, RAM_SIZE);
            driver_up(b);
            break;
        case 1:
            vm_stop(b->vm, RUN_STATE_PAUSED);
            vm_start(b->vm);
            wait_done(b, before + 8);
            break;
        case 2:
            d->pci.config_write(&d->pci, PCI_COMMAND, 0, 2);
            d->pci.config_write(&d->pci, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
            virtio_set_status(d, VIRTIO_CONFIG_S_DRIVER_OK);
            wait_done(b, before + 8);
            break;
        default:
            virtio_queue_reset(d, b->q);
            virtio_core_reset(d);
            b->avail_idx = 0;
            memset(b->rb->host, 0, RAM_SIZE);
            driver_up(b);
            break;
        }
    }
    board_free(b);
}

/*
 * A ring that is said to be longer after it was found in memory is looked for
 * anew: this one would reach beyond the end.
 */
static void test_longer_ring(void)
{
    Board *b = board_new();
    VirtioDevice *d = &b->toy->vdev;

    virtio_set_status(d, 0);
    virtqueue_set_size(&b->q->vq, 2);
    virtqueue_set_rings(&b->q->vq, RAM_SIZE - 2 * 16, AVAIL, USED);
    virtio_set_status(d, VIRTIO_CONFIG_S_DRIVER_OK);
    vm_stop(b->vm, RUN_STATE_PAUSED);
    g_assert_true(virtqueue_empty(&b->q->vq));
    g_assert_false(virtio_is_broken(d));
    virtqueue_set_size(&b->q->vq, ENTRIES);
    g_assert_true(virtqueue_empty(&b->q->vq));
    g_assert_true(virtio_is_broken(d));
    board_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-thread/echo", test_echo);
    g_test_add_func("/virtio-thread/interrupt", test_interrupt);
    g_test_add_func("/virtio-thread/calls-settle", test_calls_settle);
    g_test_add_func("/virtio-thread/stop", test_stop);
    g_test_add_func("/virtio-thread/turns", test_turns);
    g_test_add_func("/virtio-thread/left", test_left);
    g_test_add_func("/virtio-thread/error", test_error);
    g_test_add_func("/virtio-thread/registers", test_registers);
    g_test_add_func("/virtio-thread/upheaval", test_upheaval);
    g_test_add_func("/virtio-thread/longer-ring", test_longer_ring);
    return g_test_run();
}
