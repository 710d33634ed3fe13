/*
 * Unit test: the KVM accelerator with a guest of a few instructions.
 * Skipped where /dev/kvm can't be used.
 *
 * The guest starts in 64-bit mode at privilege level 3 with its page tables
 * made here, so that no boot is needed:
 *
 *   0x1000  page tables: PML4, PDPT, 4 page directories of 2 MiB pages
 *   0x8000  code: stores to (or loads from) the pages of a list, then writes
 *           to the bell
 *   0x9000  TSS
 *   0x20000 list: count, then addresses
 *   BELL    a device, not RAM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "accel/kvm/kvm-priv.h"
#include "util/bitmap.h"
#include "util/error.h"

#define PT_BASE   0x1000
#define CODE_BASE 0x8000
#define TSS_BASE  0x9000
#define LIST_BASE 0x20000
#define BELL      0xd0000000
#define DOORBELL  (BELL + 0x1000)

/* rsi: list, rbx: value, rdi: bell. */
static const uint8_t code_store[] = {
    0x48, 0x8b, 0x0e,       /* mov (%rsi), %rcx */
    0x48, 0x83, 0xc6, 0x08, /* add $8, %rsi */
    0x48, 0x8b, 0x06,       /* 1: mov (%rsi), %rax */
    0x48, 0x83, 0xc6, 0x08, /* add $8, %rsi */
    0x48, 0x89, 0x18,       /* mov %rbx, (%rax) */
    0x48, 0xff, 0xc9,       /* dec %rcx */
    0x75, 0xf1,             /* jnz 1b */
    0x89, 0x1f,             /* 2: mov %ebx, (%rdi) */
    0xeb, 0xfc,             /* jmp 2b */
};

/* Same with "mov (%rax), %rdx". */
static uint8_t code_load[sizeof(code_store)];

typedef struct Bell {
    unsigned rings;  /* vm_lock */
    unsigned others; /* vm_lock; writes to the second page */
    uint64_t last;   /* vm_lock */
    uint64_t reads;  /* vm_lock */
    Cond cond;
} Bell;

typedef struct Guest {
    Vm *vm;
    Accel *acc;
    X86CpuModel *model;
    MemoryRegion ram;
    RamBlock *rb;
    MemoryRegion bell_mr;
    Bell bell;
    X86Topology topo;
} Guest;

static uint64_t bell_read(struct Device *dev, uint64_t off, unsigned size)
{
    Bell *b = (Bell *)dev;

    b->reads++;
    return 0x5a;
}

static void bell_write(struct Device *dev, uint64_t off, uint64_t val,
                       unsigned size)
{
    Bell *b = (Bell *)dev;

    if (off >= DOORBELL - BELL) {
        b->others++;
        return;
    }
    b->rings++;
    b->last = val;
    cond_broadcast(&b->cond);
}

static const IoOps bell_ops = { .read = bell_read, .write = bell_write };

static const VmHooks hooks = {
    .vcpus_pause = vcpus_pause,
    .vcpus_resume = vcpus_resume,
};

static bool have_kvm(void)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        g_test_skip("/dev/kvm can't be opened");
        return false;
    }
    close(fd);
    return true;
}

static void put64(Guest *g, uint64_t gpa, uint64_t v)
{
    memcpy(g->rb->host + gpa, &v, 8);
}

/* 4 GiB one to one, accessible from level 3, accessed and dirty preset. */
static void make_tables(Guest *g)
{
    put64(g, PT_BASE, (PT_BASE + 0x1000) | 0x67);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t pd = PT_BASE + 0x2000 + 0x1000 * i;

        put64(g, PT_BASE + 0x1000 + 8 * i, pd | 0x67);
        for (unsigned j = 0; j < 512; j++) {
            put64(g, pd + 8 * j, ((uint64_t)i << 30 | j << 21) | 0xe7);
        }
    }
}

VM_LOCKED static void guest_add_memory(Guest *g, uint64_t size)
{
    GError *err = NULL;
    Memory *mem = &g->vm->mem;

    g_assert_true(memory_region_init_ram(&g->ram, mem, "pc.ram", size, &err));
    g->rb = g->ram.ram;
    memory_region_init_io(&g->bell_mr, mem, "bell", 0x2000, &bell_ops,
                          (struct Device *)&g->bell);
    memory_transaction_begin(mem);
    memory_region_add(&mem->root, 0, &g->ram, 0);
    memory_region_add(&mem->root, BELL, &g->bell_mr, 1);
    memory_transaction_commit(mem);
}

static Accel *start_kvm(Vm *vm)
{
    static const char *const names[] = { "kvm", NULL };
    g_autoptr(GError) err = NULL;
    Accel *acc = accel_start(vm, names, NULL, &err);

    g_assert_no_error(err);
    return acc;
}

static Guest *guest_new(uint64_t ram, unsigned ncpus, const char *cpu_text)
{
    Guest *g = g_new0(Guest, 1);
    g_autoptr(GError) err = NULL;

    g->vm = vm_new(&hooks);
    cond_init(&g->bell.cond);
    vm_lock_acquire();
    g->acc = start_kvm(g->vm);
    guest_add_memory(g, ram);
    g->model = x86_cpu_model_parse(cpu_text, &err);
    g_assert_no_error(err);
    x86_cpu_model_realize(g->model, g->acc->type->cpu_support(g->acc), &err);
    g_assert_no_error(err);
    g->acc->type->irqchip_create(g->acc, KERNEL_IRQCHIP_AUTO, &err);
    g_assert_no_error(err);
    g->vm->max_vcpus = ncpus;
    g->topo = (X86Topology){ .dies = 1, .cores = ncpus, .threads = 1 };
    for (unsigned i = 0; i < ncpus; i++) {
        Vcpu *cpu = vcpu_new(g->vm, i, i, &err);

        cpu->x86 = x86_cpu_new(g->model, &g->topo, i, i);
        vcpu_mark_state(cpu, VCPU_PUT_FULL);
        g_assert_true(vcpu_start_thread(cpu, &err));
    }
    make_tables(g);
    memcpy(g->rb->host + CODE_BASE, code_store, sizeof(code_store));
    vm_lock_release();
    return g;
}

static void guest_free(Guest *g)
{
    vm_lock_acquire();
    for (unsigned i = g->vm->nvcpus; i-- > 0;) {
        Vcpu *cpu = g->vm->vcpus[i];

        vcpu_stop_thread(cpu);
        x86_cpu_free(g_steal_pointer(&cpu->x86));
        vcpu_free(cpu);
    }
    memory_transaction_begin(&g->vm->mem);
    memory_region_del(&g->bell_mr);
    memory_region_del(&g->ram);
    memory_transaction_commit(&g->vm->mem);
    memory_region_fini(&g->bell_mr);
    memory_region_fini(&g->ram);
    accel_free(g->acc);
    g_clear_pointer(&g->vm->vcpus, g_free);
    vm_free(g->vm);
    vm_lock_release();
    x86_cpu_model_free(g->model);
    cond_fini(&g->bell.cond);
    g_free(g);
}

/* Level 3 of 64-bit mode at CODE_BASE. */
static void set_entry(X86Cpu *c, uint64_t value)
{
    const uint32_t data = X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A |
                          X86_SEG_DB | X86_SEG_G | 3 << X86_SEG_DPL_SHIFT;

    for (unsigned i = 0; i < X86_NSEGS; i++) {
        c->segs[i] =
            (X86Segment){ .selector = 0x2b, .limit = ~0U, .flags = data };
    }
    c->segs[X86_CS] = (X86Segment){
        .selector = 0x33,
        .limit = ~0U,
        .flags = ((data | X86_SEG_CODE) & ~X86_SEG_DB) | X86_SEG_L,
    };
    c->tr = (X86Segment){ .selector = 0x40,
                          .base = TSS_BASE,
                          .limit = 0x206a,
                          .flags = X86_SEG_P | 11 << X86_SEG_TYPE_SHIFT };
    c->ldt = (X86Segment){ 0 };
    c->cr[0] = 0x80050033;
    c->cr[3] = PT_BASE;
    c->cr[4] = 0x620;
    c->efer = 0xd01;
    c->rflags = 2;
    c->rip = CODE_BASE;
    c->regs[X86_RSI] = LIST_BASE;
    c->regs[X86_RDI] = BELL;
    c->regs[X86_RBX] = value;
    c->mp_state = X86_MP_RUNNABLE;
    c->halted = 0;
}

/* Runs the guest over `n` addresses until it rings; it is paused again. */
static void run_list(Guest *g, const uint64_t *addr, unsigned n, uint64_t value)
{
    g_autoptr(GError) err = NULL;
    Vcpu *cpu = g->vm->vcpus[0];
    unsigned before;

    put64(g, LIST_BASE, n);
    memcpy(g->rb->host + LIST_BASE + 8, addr, 8 * n);
    vm_lock_acquire();
    g_assert_true(vcpu_sync_state(cpu, &err));
    set_entry(cpu->x86, value);
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    before = g->bell.rings;
    vcpus_resume(g->vm);
    while (g->bell.rings == before && !cpu->stopped) {
        int64_t deadline = clock_monotonic_ns() + 20 * NSEC_PER_SEC;

        g_assert_true(vm_lock_wait_until(&g->bell.cond, deadline));
    }
    vcpus_pause(g->vm);
    g_assert_cmpint(g->bell.rings, >, before);
    g_assert_cmphex(g->bell.last, ==, (uint32_t)value);
    vm_lock_release();
}

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

/* Takes pages as the sender does: bits first, then the log, then the data. */
static void take_pages(Guest *g, uint64_t first, uint64_t n)
{
    bitmap_clear_atomic(g->rb->dirty[DIRTY_MIGRATION], first, n);
    memory_dirty_log_clear(&g->vm->mem, g->rb, first, n);
}

static void log_sync(Guest *g)
{
    vm_lock_acquire();
    memory_dirty_log_sync(&g->vm->mem, false);
    vm_lock_release();
}

static void log_start(Guest *g)
{
    g_autoptr(GError) err = NULL;

    vm_lock_acquire();
    memory_dirty_log_start(&g->vm->mem, &err);
    vm_lock_release();
    g_assert_no_error(err);
}

static void log_stop(Guest *g)
{
    vm_lock_acquire();
    memory_dirty_log_stop(&g->vm->mem);
    vm_lock_release();
}

static void test_run(void)
{
    const uint64_t addr[] = { 0x300000, 0x301008, 0x3ffff8 };
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    run_list(g, addr, 3, 0x1122334455667788);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t v;

        memcpy(&v, g->rb->host + addr[i], 8);
        g_assert_cmphex(v, ==, 0x1122334455667788);
    }
    guest_free(g);
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

/* The kernel may take its first mapping of a page for a write: read twice. */
static void test_reads_do_not_dirty(void)
{
    const uint64_t a[] = { 0x200000, 0x300000 };
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    memcpy(code_load, code_store, sizeof(code_load));
    code_load[15] = 0x8b; /* mov (%rax), %rdx */
    code_load[16] = 0x10;
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    memcpy(g->rb->host + CODE_BASE, code_load, sizeof(code_load));
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

static void get_state(Guest *g, X86Cpu *ret)
{
    g_autoptr(GError) err = NULL;
    Vcpu *cpu = g->vm->vcpus[0];

    vm_lock_acquire();
    vcpu_invalidate_state(cpu);
    vcpu_sync_state(cpu, &err);
    g_assert_no_error(err);
    *ret = *cpu->x86;
    vm_lock_release();
}

/* The clock goes on meanwhile, and is another host's on the other side. */
static void blank_time(X86Cpu *c)
{
    c->tsc = c->tsc_adjust = 0;
}

static void assert_same(const X86Cpu *a, const X86Cpu *b)
{
    const uint8_t *x = (const uint8_t *)a;
    const uint8_t *y = (const uint8_t *)b;

    for (size_t i = 0; i < offsetof(X86Cpu, model); i++) {
        if (x[i] != y[i]) {
            g_test_message("offset %zu: 0x%02x, 0x%02x", i, x[i], y[i]);
            g_test_fail();
        }
    }
}

static void fill_state(X86Cpu *c)
{
    for (unsigned i = 0; i < X86_NREGS; i++) {
        c->regs[i] = 0x0101010101010101 * (i + 1);
    }
    for (unsigned i = 0; i < 16; i++) {
        c->vec[i].q[0] = 0x1000 + i;
        c->vec[i].q[1] = 0x2000 + i;
    }
    for (unsigned i = 0; i < 8; i++) {
        c->fpregs[i] = (X86FpReg){ .mant = 0x8000000000000000 + i, 0x3fff };
    }
    c->fptag = 0xff;
    c->fpuc = 0x027f;
    c->fpus = 0x3800;
    c->mxcsr = 0x1fa0;
    c->xstate_bv = 3;
    c->dr[0] = 0x1234;
    c->dr[1] = 0x5678;
    c->lstar = 0xffffffff81000000;
    c->star = 0x0023001000000000;
    c->fmask = 0x47700;
    c->kernelgsbase = 0xffff888000000000;
    c->sysenter_cs = 0x10;
    c->sysenter_esp = 0xffffc90000000000;
    c->pat = 0x0007010600070106;
    c->steal_time_msr = 0;
    c->system_time_msr = 0x600001;
}

/* State read from one VM, put into another and read again is the same. */
static void test_state(void)
{
    g_autofree X86Cpu *a = g_new0(X86Cpu, 1);
    g_autofree X86Cpu *b = g_new0(X86Cpu, 1);
    g_autoptr(GError) err = NULL;
    Guest *g, *h;
    Vcpu *cpu;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    h = guest_new(16 * MiB, 1, "qemu64,check=off");
    run_list(g, (const uint64_t[]){ 0x200000 }, 1, 1);
    vm_lock_acquire();
    cpu = g->vm->vcpus[0];
    g_assert_true(vcpu_sync_state(cpu, &err));
    fill_state(cpu->x86);
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    vcpu_flush_state(cpu, &err);
    g_assert_no_error(err);
    vm_lock_release();
    get_state(g, a);
    g_assert_cmphex(a->vec[15].q[1], ==, 0x200f);
    g_assert_cmphex(a->fpregs[7].mant, ==, 0x8000000000000007);
    g_assert_cmphex(a->lstar, ==, 0xffffffff81000000);
    g_assert_cmphex(a->dr[1], ==, 0x5678);
    vm_lock_acquire();
    cpu = h->vm->vcpus[0];
    memcpy(cpu->x86, a, offsetof(X86Cpu, model));
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    vcpu_flush_state(cpu, &err);
    g_assert_no_error(err);
    vm_lock_release();
    get_state(h, b);
    blank_time(a);
    blank_time(b);
    assert_same(a, b);
    guest_free(g);
    guest_free(h);
}

/* A stopped vCPU's registers are those between two instructions. */
static void test_pause_is_exact(void)
{
    g_autofree X86Cpu *a = g_new0(X86Cpu, 1);
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    for (unsigned i = 0; i < 20; i++) {
        run_list(g, (const uint64_t[]){ 0x200000 }, 1, i + 1);
        get_state(g, a);
        g_assert_cmphex(a->rip, >=, CODE_BASE);
        g_assert_cmphex(a->rip, <, CODE_BASE + sizeof(code_store));
        g_assert_cmphex(a->regs[X86_RBX], ==, i + 1);
        g_assert_cmphex(a->regs[X86_RSI], ==, LIST_BASE + 16);
    }
    guest_free(g);
}

/* What a hostile stream can hold is refused with an error. */
static void test_hostile_state(void)
{
    g_autoptr(GError) err = NULL;
    Guest *g;
    Vcpu *cpu;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    run_list(g, (const uint64_t[]){ 0x200000 }, 1, 1);
    vm_lock_acquire();
    cpu = g->vm->vcpus[0];
    g_assert_true(vcpu_sync_state(cpu, &err));
    cpu->x86->mxcsr = 0xffff1f80;
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    g_assert_false(vcpu_flush_state(cpu, &err));
    g_assert_nonnull(strstr(err->message, "MXCSR 0xffff1f80"));
    g_clear_error(&err);
    cpu->x86->mxcsr = 0x1f80;
    cpu->x86->xcr0 = 1ULL << 62 | 1;
    cpu->x86->cr[4] |= X86_CR4_OSXSAVE;
    g_assert_false(vcpu_flush_state(cpu, &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    cpu->x86->cr[4] &= ~X86_CR4_OSXSAVE;
    cpu->x86->xcr0 = 1;
    cpu->x86->xstate_bv = 1ULL << 63;
    g_assert_false(vcpu_flush_state(cpu, &err));
    g_assert_nonnull(err);
    g_clear_error(&err);
    cpu->x86->xstate_bv = 0;
    g_assert_true(vcpu_flush_state(cpu, &err));
    vm_lock_release();
    guest_free(g);
}

/* A guest that uses AVX-512 keeps its registers, if the host lets it. */
static void test_avx512_state(void)
{
    g_autofree X86Cpu *a = g_new0(X86Cpu, 1);
    g_autoptr(GError) err = NULL;
    Guest *g;
    Vcpu *cpu;
    uint64_t xcr0;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    xcr0 = KVM_ACCEL(g->acc)->support.xcr0;
    run_list(g, (const uint64_t[]){ 0x200000 }, 1, 1);
    vm_lock_acquire();
    cpu = g->vm->vcpus[0];
    g_assert_true(vcpu_sync_state(cpu, &err));
    cpu->x86->cr[4] |= X86_CR4_OSXSAVE;
    cpu->x86->xcr0 = xcr0;
    for (unsigned i = 0; i < 32; i++) {
        memset(cpu->x86->vec[i].b, i + 1, 64);
    }
    for (unsigned i = 0; i < 8; i++) {
        cpu->x86->opmask[i] = i + 1;
    }
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    if ((xcr0 & 0xe6) != 0xe6 || !vcpu_flush_state(cpu, &err)) {
        g_test_skip(err ? err->message : "no AVX-512");
        vm_lock_release();
        cpu->state_loaded = false;
        guest_free(g);
        return;
    }
    vm_lock_release();
    get_state(g, a);
    g_assert_cmphex(a->xcr0, ==, xcr0);
    for (unsigned i = 0; i < 32; i++) {
        g_assert_cmphex(a->vec[i].b[0], ==, i + 1);
        g_assert_cmphex(a->vec[i].b[31], ==, i + 1);
        g_assert_cmphex(a->vec[i].b[63], ==, i + 1);
    }
    g_assert_cmphex(a->opmask[7], ==, 8);
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/run", test_run);
    g_test_add_func("/kvm/dirty/exact", test_dirty);
    g_test_add_func("/kvm/dirty/reads", test_reads_do_not_dirty);
    g_test_add_func("/kvm/dirty/slot-split", test_slot_split);
    g_test_add_func("/kvm/slots/many", test_many_slots);
    g_test_add_func("/kvm/slots/read-only", test_read_only);
    g_test_add_func("/kvm/ioeventfd", test_ioeventfd);
    g_test_add_func("/kvm/coalesced", test_coalesced);
    g_test_add_func("/kvm/irqfd", test_irqfd);
    g_test_add_func("/kvm/irqchip-state", test_irqchip_state);
    g_test_add_func("/kvm/state/round-trip", test_state);
    g_test_add_func("/kvm/state/pause", test_pause_is_exact);
    g_test_add_func("/kvm/state/hostile", test_hostile_state);
    g_test_add_func("/kvm/state/avx512", test_avx512_state);
    return g_test_run();
}
