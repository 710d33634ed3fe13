/*
 * Unit test: memory, doorbells and interrupts under KVM, with a guest of a few
 * instructions.  Skipped where /dev/kvm can't be used.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <sys/eventfd.h>

#include "tests/unit/kvm-guest.h"
#include "util/bitmap.h"
#include "util/error.h"

/* The bitmap of migration holds exactly these pages, from page `first` up. */
static void assert_dirty_from(Guest *g, uint64_t first, const uint64_t *addr,
                              unsigned n)
{
    uint64_t npages = ram_block_npages(g->rb);
    g_autofree unsigned long *want = bitmap_new(npages);

    for (unsigned i = 0; i < n; i++) {
        bitmap_set_bit(want, addr[i] >> RAM_PAGE_BITS);
    }
    for (uint64_t p = first; p < npages; p++) {
        bool is = bitmap_test(g->rb->dirty[DIRTY_MIGRATION], p);

        if (is != bitmap_test(want, p)) {
            g_test_message("page 0x%" PRIx64 " is %s", p,
                           is ? "dirty" : "clean");
            g_test_fail();
        }
    }
}

static void assert_dirty(Guest *g, const uint64_t *addr, unsigned n)
{
    assert_dirty_from(g, 0, addr, n);
}

/* Exactly what was written, whatever is cleared in whatever pieces. */
static void test_dirty(void)
{
    const uint64_t a[] = { 0x200000, 0x2ff000, 0x33f000, 0x340000, 0xfff000 };
    const uint64_t b[] = { 0x200000, 0x201000, 0x340008 };
    uint64_t npages;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    npages = ram_block_npages(g->rb);
    run_list(g, a, 5, 1);
    log_start(g);
    log_sync(g);
    g_assert_true(bitmap_test_all(g->rb->dirty[DIRTY_MIGRATION], 0, npages));
    take_pages(g, 0, npages);
    run_list(g, a, 5, 2);
    log_sync(g);
    assert_dirty(g, a, 5);
    /* Odd pieces: 0x2ff alone, then up to 0x33f, and the last page. */
    take_pages(g, 0x2ff, 1);
    take_pages(g, 0x300, 0x40);
    take_pages(g, 0xfff, 1);
    log_sync(g);
    assert_dirty(g, (const uint64_t[]){ 0x200000, 0x340000 }, 2);
    /* Written after the sync and before the clear: must not be lost. */
    run_list(g, (const uint64_t[]){ 0x210000 }, 1, 3);
    take_pages(g, 0x200, 0x100);
    log_sync(g);
    assert_dirty(g, (const uint64_t[]){ 0x210000, 0x340000 }, 2);
    take_pages(g, 0, npages);
    run_list(g, b, 3, 4);
    log_sync(g);
    assert_dirty(g, b, 3);
    log_stop(g);
    guest_free(g);
}

/* A ring that is too small is emptied while the guest goes on: all arrives. */
static void test_ring(void)
{
    enum { N = 5000 };
    g_autofree uint64_t *addr = g_new(uint64_t, N);
    KvmCounters c;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new_accel("kvm,dirty-ring-size=1024", 32 * MiB, 1,
                        "qemu64,check=off");
    for (unsigned i = 0; i < N; i++) {
        addr[i] = 2 * MiB + i * RAM_PAGE_SIZE;
    }
    run_list(g, addr, N, 1);
    log_start(g);
    log_sync(g);
    take_pages(g, 0, ram_block_npages(g->rb));
    for (unsigned turn = 0; turn < 3; turn++) {
        run_list(g, addr, N, 2);
        log_sync(g);
        assert_dirty_from(g, 0x200, addr, N);
        take_pages(g, 0, ram_block_npages(g->rb));
        run_list(g, addr + turn, 3, 3);
        log_sync(g);
        assert_dirty_from(g, 0x200, addr + turn, 3);
        take_pages(g, 0, ram_block_npages(g->rb));
    }
    kvm_counters(g->acc, &c);
    g_assert_cmpuint(c.ring_full, >=, 3 * (N / 1024));
    log_stop(g);
    /* Without a log no ring fills. */
    run_list(g, addr, N, 4);
    kvm_counters(g->acc, &c);
    log_start(g);
    log_sync(g);
    g_assert_true(bitmap_test_all(g->rb->dirty[DIRTY_MIGRATION], 0,
                                  ram_block_npages(g->rb)));
    log_stop(g);
    guest_free(g);
}

/* After the last sync nothing is armed until somebody takes the pages. */
static void test_ring_last(void)
{
    const uint64_t a[] = { 0x200000, 0x300000 };
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new_accel("kvm,dirty-ring-size=1024", 16 * MiB, 1,
                        "qemu64,check=off");
    run_list(g, a, 2, 1);
    log_start(g);
    log_sync(g);
    take_pages(g, 0, ram_block_npages(g->rb));
    run_list(g, a, 2, 2);
    memory_dirty_log_sync(&g->vm->mem, true);
    g_assert_true(KVM_ACCEL(g->acc)->dirty_unarmed);
    run_list(g, a, 2, 3);
    take_pages(g, 0, ram_block_npages(g->rb));
    g_assert_false(KVM_ACCEL(g->acc)->dirty_unarmed);
    run_list(g, a, 2, 4);
    log_sync(g);
    assert_dirty_from(g, 0x100, a, 2);
    log_stop(g);
    guest_free(g);
}

/* Rings that can't be reset tell nothing: all of memory counts. */
static void test_ring_broken(void)
{
    KvmAccel *k;
    uint64_t npages;
    Guest *g;
    int fd;

    if (!have_kvm()) {
        return;
    }
    g = guest_new_accel("kvm,dirty-ring-size=1024", 16 * MiB, 1,
                        "qemu64,check=off");
    npages = ram_block_npages(g->rb);
    k = KVM_ACCEL(g->acc);
    log_start(g);
    log_sync(g);
    take_pages(g, 0, npages);
    run_list(g, (const uint64_t[]){ 0x200000 }, 1, 1);
    fd = k->vm_fd;
    k->vm_fd = -1;
    log_sync(g);
    g_assert_true(bitmap_test_all(g->rb->dirty[DIRTY_MIGRATION], 0, npages));
    take_pages(g, 0, npages);
    memory_dirty_log_sync(&g->vm->mem, true);
    g_assert_true(bitmap_test_all(g->rb->dirty[DIRTY_MIGRATION], 0, npages));
    k->vm_fd = fd;
    take_pages(g, 0, npages); /* and now they can */
    memory_dirty_log_sync(&g->vm->mem, true);
    assert_dirty_from(g, 0x100, NULL, 0);
    log_stop(g);
    guest_free(g);
}

static void test_ring_size(void)
{
    static const struct {
        const char *opts, *named;
    } t[] = {
        { "dirty-ring-size=1000", "1000 is not a power of two" },
        { "dirty-ring-size=2147483648",
          "2147483648: the kernel takes at most" },
        { "dirty-ring-size=2", "size=2:" },
    };

    if (!have_kvm()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        const char *const names[] = { "kvm", NULL };
        const char *const opts[] = { t[i].opts, NULL };
        g_autoptr(GError) err = NULL;
        Vm *vm = vm_new(NULL);
        VM_LOCK_GUARD();

        g_assert_null(accel_start(vm, names, opts, &err));
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, t[i].named));
        vm_free(vm);
    }
}

/* A slot whose log the kernel refuses makes the start fail. */
static void test_log_refused(void)
{
    g_autoptr(GError) err = NULL;
    KvmSlot *slot;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    vm_lock_acquire();
    slot = g_ptr_array_index(KVM_ACCEL(g->acc)->slots, 0);
    slot->id += 1; /* overlaps what the kernel has */
    g_assert_false(memory_dirty_log_start(&g->vm->mem, &err));
    g_assert_nonnull(strstr(err->message, "slot 0x0"));
    g_assert_false(ram_dirty_enabled(&g->vm->mem.ram));
    slot->id -= 1;
    g_clear_error(&err);
    g_assert_true(memory_dirty_log_start(&g->vm->mem, &err));
    memory_dirty_log_stop(&g->vm->mem);
    vm_lock_release();
    guest_free(g);
}

/* The kernel may take its first mapping of a page for a write: read twice. */
static void test_reads_do_not_dirty(void)
{
    const uint64_t a[] = { 0x200000, 0x300000 };
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    guest_set_loads(g);
    run_list(g, a, 2, 4);
    log_start(g);
    log_sync(g);
    take_pages(g, 0, ram_block_npages(g->rb));
    run_list(g, a, 2, 5);
    log_sync(g);
    assert_dirty(g, NULL, 0);
    log_stop(g);
    guest_free(g);
}

/*
 * Changes of the map while it logs lose no page and invent none; only code
 * and list, below 1 MiB, are mapped anew and may count as written.
 */
static void test_slot_split(void)
{
    const uint64_t a[] = { 0x200000, 0x500000, 0x700000 };
    MemoryRegion rom;
    GError *err = NULL;
    Guest *g;
    Memory *mem;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    mem = &g->vm->mem;
    log_start(g);
    log_sync(g);
    take_pages(g, 0, ram_block_npages(g->rb));
    run_list(g, a, 3, 1);
    vm_lock_acquire();
    g_assert_true(memory_region_init_rom(&rom, mem, "hole", 0x1000, &err));
    memory_transaction_begin(mem);
    memory_region_add(&mem->root, 0x600000, &rom, 1);
    memory_transaction_commit(mem);
    g_assert_cmpint(KVM_ACCEL(g->acc)->slots->len, ==, 3);
    vm_lock_release();
    run_list(g, (const uint64_t[]){ 0x800000 }, 1, 2);
    log_sync(g);
    assert_dirty_from(g, 0x100,
                      (const uint64_t[]){ a[0], a[1], a[2], 0x800000 }, 4);
    vm_lock_acquire();
    memory_transaction_begin(mem);
    memory_region_del(&rom);
    memory_transaction_commit(mem);
    g_assert_cmpint(KVM_ACCEL(g->acc)->slots->len, ==, 1);
    memory_region_fini(&rom);
    vm_lock_release();
    run_list(g, (const uint64_t[]){ 0x600000 }, 1, 3);
    log_sync(g);
    assert_dirty_from(
        g, 0x100, (const uint64_t[]){ a[0], a[1], a[2], 0x600000, 0x800000 },
        5);
    log_stop(g);
    guest_free(g);
}

/* More slots than the first kernels had, by cutting the RAM into pieces. */
static void test_many_slots(void)
{
    uint64_t addr[48];
    Guest *g;
    KvmAccel *k;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(48 * MiB, 1, "qemu64,check=off");
    k = KVM_ACCEL(g->acc);
    vm_lock_acquire();
    k->max_slot_size = MiB;
    memory_transaction_begin(&g->vm->mem);
    memory_region_del(&g->ram);
    memory_transaction_commit(&g->vm->mem);
    memory_transaction_begin(&g->vm->mem);
    memory_region_add(&g->vm->mem.root, 0, &g->ram, 0);
    memory_transaction_commit(&g->vm->mem);
    g_assert_cmpint(k->slots->len, ==, 48);
    vm_lock_release();
    for (unsigned i = 0; i < 48; i++) {
        addr[i] = i * MiB + 0x30000 + i * RAM_PAGE_SIZE;
    }
    run_list(g, addr, 48, 1);
    log_start(g);
    log_sync(g);
    take_pages(g, 0, ram_block_npages(g->rb));
    run_list(g, addr, 48, 2);
    log_sync(g);
    assert_dirty(g, addr, 48);
    take_pages(g, 0x80, ram_block_npages(g->rb) - 0x80);
    log_sync(g);
    assert_dirty(g, addr, 1);
    log_stop(g);
    guest_free(g);
}

/* Writes to a read-only slot exit and are dropped; reads don't exit. */
static void test_read_only(void)
{
    const uint64_t at = 0x40000000;
    const uint64_t a[] = { at, at + 0x1000 };
    MemoryRegion rom;
    GError *err = NULL;
    Guest *g;
    uint64_t v;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    vm_lock_acquire();
    g_assert_true(
        memory_region_init_rom(&rom, &g->vm->mem, "pc.bios", 0x2000, &err));
    memset(memory_region_ram_ptr(&rom), 0x77, 0x2000);
    memory_transaction_begin(&g->vm->mem);
    memory_region_add(&g->vm->mem.root, at, &rom, 0);
    memory_transaction_commit(&g->vm->mem);
    vm_lock_release();
    run_list(g, a, 2, 0xdead);
    memcpy(&v, memory_region_ram_ptr(&rom), 8);
    g_assert_cmphex(v, ==, 0x7777777777777777);
    vm_lock_acquire();
    memory_transaction_begin(&g->vm->mem);
    memory_region_del(&rom);
    memory_transaction_commit(&g->vm->mem);
    memory_region_fini(&rom);
    vm_lock_release();
    guest_free(g);
}

static void test_ioeventfd(void)
{
    EventNotifier n;
    MemoryEventFd e = { .addr = 0x1000, .size = 8, .notifier = &n };
    g_autoptr(GError) err = NULL;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g_assert_true(event_notifier_init(&n, false, &err));
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    vm_lock_acquire();
    memory_transaction_begin(&g->vm->mem);
    memory_region_add_eventfd(&g->bell_mr, &e);
    memory_transaction_commit(&g->vm->mem);
    vm_lock_release();
    run_list(g, (const uint64_t[]){ DOORBELL }, 1, 9);
    g_assert_true(event_notifier_test_and_clear(&n));
    vm_lock_acquire();
    memory_transaction_begin(&g->vm->mem);
    memory_region_del_eventfd(&g->bell_mr, &e);
    memory_transaction_commit(&g->vm->mem);
    vm_lock_release();
    run_list(g, (const uint64_t[]){ DOORBELL }, 1, 10);
    g_assert_false(event_notifier_test_and_clear(&n));
    guest_free(g);
    event_notifier_fini(&n);
}

/* Coalesced writes arrive in order, before the write that exits. */
static void test_coalesced(void)
{
    Guest *g;
    uint64_t exits;
    KvmCounters c;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    vm_lock_acquire();
    memory_transaction_begin(&g->vm->mem);
    memory_region_add_coalescing(&g->bell_mr, 0x1000, 0x1000);
    memory_transaction_commit(&g->vm->mem);
    vm_lock_release();
    kvm_counters(g->acc, &c);
    exits = c.exits;
    run_list(g,
             (const uint64_t[]){ DOORBELL, DOORBELL + 8, DOORBELL + 16,
                                 DOORBELL + 24 },
             4, 11);
    kvm_counters(g->acc, &c);
    /* All of them before the bell's own; a store may come as two. */
    g_assert_cmpint(g->bell.others, >=, 4);
    g_test_message("%" PRIu64 " exits", c.exits - exits);
    guest_free(g);
}

/* An irqfd raises an interrupt that shows in the local APIC's IRR. */
static void test_irqfd(void)
{
    const IrqchipOps *ops;
    MsiMessage msg = { .address = 0xfee00000, .data = 0x51 };
    g_autoptr(GError) err = NULL;
    LapicRegs lapic;
    int fd = eventfd(0, EFD_CLOEXEC);
    uint64_t one = 1;
    int virq;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    ops = g->acc->type->irqchip;
    run_list(g, (const uint64_t[]){ 0x200000 }, 1, 1);
    vm_lock_acquire();
    g_assert_true(ops->get_lapic(g->vm->vcpus[0], &lapic, &err));
    lapic.regs[0xf0] = 0xff; /* spurious vector register: enabled */
    lapic.regs[0xf1] = 0x01;
    g_assert_true(ops->put_lapic(g->vm->vcpus[0], &lapic, &err));
    virq = ops->add_msi_route(g->acc, &msg);
    g_assert_cmpint(virq, >=, 24);
    g_assert_cmpint(ops->add_irqfd(g->acc, fd, -1, virq), ==, 0);
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    /* The kernel's own work: done when the register shows it. */
    do {
        g_assert_true(ops->get_lapic(g->vm->vcpus[0], &lapic, &err));
    } while (!(lapic.regs[0x220 + 2] & 2)); /* IRR, vectors 64..95: 0x51 */
    msg.data = 0x52;
    g_assert_cmpint(ops->update_msi_route(g->acc, virq, &msg), ==, 0);
    g_assert_true(ops->send_msi(g->acc, &msg));
    g_assert_true(ops->get_lapic(g->vm->vcpus[0], &lapic, &err));
    g_assert_true(lapic.regs[0x220 + 2] & 4);
    g_assert_cmpint(ops->del_irqfd(g->acc, fd, virq), ==, 0);
    ops->release_virq(g->acc, virq);
    g_assert_cmpint(ops->update_msi_route(g->acc, virq, &msg), ==, -ENOENT);
    vm_lock_release();
    guest_free(g);
    close(fd);
}

static void test_irqchip_state(void)
{
    const IrqchipOps *ops;
    g_autoptr(GError) err = NULL;
    PicState pic = { 0 };
    IoapicState io = { 0 };
    PitState pit = { 0 };
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    ops = g->acc->type->irqchip;
    vm_lock_acquire();
    for (unsigned i = 0; i < 2; i++) {
        g_assert_true(ops->get_pic(g->acc, i, &pic, &err));
        pic.irq_base = 0x30 + 8 * i;
        pic.imr = 0xa5 + i;
        g_assert_true(ops->put_pic(g->acc, i, &pic, &err));
        memset(&pic, 0, sizeof(pic));
        g_assert_true(ops->get_pic(g->acc, i, &pic, &err));
        g_assert_cmphex(pic.irq_base, ==, 0x30 + 8 * i);
        g_assert_cmphex(pic.imr, ==, 0xa5 + i);
    }
    g_assert_true(ops->get_ioapic(g->acc, &io, &err));
    io.redir[4] = 0x0100000000000934;
    g_assert_true(ops->put_ioapic(g->acc, &io, &err));
    io.redir[4] = 0;
    g_assert_true(ops->get_ioapic(g->acc, &io, &err));
    g_assert_cmphex(io.redir[4] & ~0x5000, ==, 0x0100000000000934);
    g_assert_true(ops->get_pit(g->acc, &pit, &err));
    pit.ch[2].count = 0x1234;
    pit.ch[2].mode = 3;
    g_assert_true(ops->put_pit(g->acc, &pit, &err));
    pit.ch[2].count = 0;
    g_assert_true(ops->get_pit(g->acc, &pit, &err));
    g_assert_cmphex(pit.ch[2].count, ==, 0x1234);
    vm_lock_release();
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/dirty/exact", test_dirty);
    g_test_add_func("/kvm/dirty/reads", test_reads_do_not_dirty);
    g_test_add_func("/kvm/dirty/slot-split", test_slot_split);
    g_test_add_func("/kvm/dirty/refused", test_log_refused);
    g_test_add_func("/kvm/dirty/ring", test_ring);
    g_test_add_func("/kvm/dirty/ring-last", test_ring_last);
    g_test_add_func("/kvm/dirty/ring-broken", test_ring_broken);
    g_test_add_func("/kvm/dirty/ring-size", test_ring_size);
    g_test_add_func("/kvm/slots/many", test_many_slots);
    g_test_add_func("/kvm/slots/read-only", test_read_only);
    g_test_add_func("/kvm/ioeventfd", test_ioeventfd);
    g_test_add_func("/kvm/coalesced", test_coalesced);
    g_test_add_func("/kvm/irqfd", test_irqfd);
    g_test_add_func("/kvm/irqchip-state", test_irqchip_state);
    return g_test_run();
}
