/*
 * A guest of a few instructions under KVM.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/kvm-guest.h"

#include <fcntl.h>

#include "util/bitmap.h"
#include "util/error.h"

#define PT_BASE  0x1000
#define TSS_BASE 0x9000

/* rsi: list, rbx: value, rdi: bell. */
static const uint8_t code_store[CODE_SIZE] = {
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

/* rsi: mailbox, rdi: bell; waits for a count, stores, and says so. */
static const uint8_t code_serve[] = {
    0x48, 0x8b, 0x0e,                         /* 1: mov (%rsi), %rcx */
    0x48, 0x85, 0xc9,                         /* test %rcx, %rcx */
    0x74, 0xf8,                               /* jz 1b */
    0x48, 0x8d, 0x56, 0x10,                   /* lea 16(%rsi), %rdx */
    0x48, 0x8b, 0x5e, 0x08,                   /* mov 8(%rsi), %rbx */
    0x48, 0x8b, 0x02,                         /* 2: mov (%rdx), %rax */
    0x48, 0x83, 0xc2, 0x08,                   /* add $8, %rdx */
    0x48, 0x89, 0x18,                         /* mov %rbx, (%rax) */
    0x48, 0xff, 0xc9,                         /* dec %rcx */
    0x75, 0xf1,                               /* jnz 2b */
    0x48, 0xc7, 0x06, 0x00, 0x00, 0x00, 0x00, /* movq $0, (%rsi) */
    0x89, 0x1f,                               /* mov %ebx, (%rdi) */
    0xeb, 0xd6,                               /* jmp 1b */
};

static uint64_t bell_read(struct Device *dev, uint64_t off, unsigned size)
{
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

bool have_kvm(void)
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

static Accel *start_accel(Vm *vm, const char *text)
{
    g_auto(GStrv) part = g_strsplit(text, ",", 2);
    const char *const names[] = { part[0], NULL };
    const char *const opts[] = { part[1] ? part[1] : "", NULL };
    g_autoptr(GError) err = NULL;
    Accel *acc = accel_start(vm, names, opts, &err);

    g_assert_no_error(err);
    return acc;
}

Guest *guest_new_accel(const char *accel, uint64_t ram, unsigned ncpus,
                       const char *cpu_text)
{
    Guest *g = g_new0(Guest, 1);
    g_autoptr(GError) err = NULL;

    g->vm = vm_new(&hooks);
    cond_init(&g->bell.cond);
    vm_lock_acquire();
    g->acc = start_accel(g->vm, accel);
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

Guest *guest_new(uint64_t ram, unsigned ncpus, const char *cpu_text)
{
    return guest_new_accel("kvm", ram, ncpus, cpu_text);
}

void guest_free(Guest *g)
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

void prepare_list(Guest *g, const uint64_t *addr, unsigned n, uint64_t value)
{
    g_autoptr(GError) err = NULL;
    Vcpu *cpu = g->vm->vcpus[0];

    put64(g, LIST_BASE, n);
    if (n > 0) {
        memcpy(g->rb->host + LIST_BASE + 8, addr, 8 * n);
    }
    g_assert_true(vcpu_sync_state(cpu, &err));
    set_entry(cpu->x86, value);
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
}

/* Until the bell has rung more often than `before`, vm_lock held. */
VM_LOCKED static void wait_bell(Guest *g, unsigned before)
{
    while (g->bell.rings == before && !g->vm->vcpus[0]->stopped) {
        int64_t deadline = clock_monotonic_ns() + 20 * NSEC_PER_SEC;

        g_assert_true(vm_lock_wait_until(&g->bell.cond, deadline));
    }
    g_assert_cmpint(g->bell.rings, >, before);
}

/* Runs the guest over `n` addresses until it rings; it is paused again. */
void run_list(Guest *g, const uint64_t *addr, unsigned n, uint64_t value)
{
    unsigned before;

    vm_lock_acquire();
    prepare_list(g, addr, n, value);
    before = g->bell.rings;
    vcpus_resume(g->vm);
    wait_bell(g, before);
    vcpus_pause(g->vm);
    g_assert_cmphex(g->bell.last, ==, (uint32_t)value);
    vm_lock_release();
}

void guest_serve(Guest *g)
{
    vm_lock_acquire();
    memcpy(g->rb->host + CODE_BASE, code_serve, sizeof(code_serve));
    prepare_list(g, NULL, 0, 0);
    vm_lock_release();
}

void serve_begin(Guest *g, const uint64_t *addr, unsigned n, uint64_t value)
{
    AddressSpace *as = &g->vm->mem.memory;
    uint64_t count = n;

    address_space_write(as, LIST_BASE + 8, &value, 8);
    address_space_write(as, LIST_BASE + 16, addr, 8 * n);
    address_space_write(as, LIST_BASE, &count, 8);
    vm_lock_acquire();
    g->served = g->bell.rings;
    vcpus_resume(g->vm);
    vm_lock_release();
}

void serve_end(Guest *g)
{
    vm_lock_acquire();
    wait_bell(g, g->served);
    vcpus_pause(g->vm);
    vm_lock_release();
}

void guest_set_loads(Guest *g)
{
    uint8_t *code = g->rb->host + CODE_BASE;

    code[15] = 0x8b; /* mov (%rax), %rdx */
    code[16] = 0x10;
}

void take_pages(Guest *g, uint64_t first, uint64_t n)
{
    uint64_t lo = ROUND_DOWN(first, BITMAP_WORD_BITS);
    uint64_t npages = first + n - lo;
    g_autofree unsigned long *except = bitmap_new(npages);
    g_autofree unsigned long *bits = bitmap_new(npages);

    bitmap_set(except, 0, first - lo);
    memory_dirty_log_take(&g->vm->mem, g->rb, lo, npages, except, bits);
}

void log_sync(Guest *g)
{
    memory_dirty_log_sync(&g->vm->mem, false);
}

void log_start(Guest *g)
{
    g_autoptr(GError) err = NULL;

    vm_lock_acquire();
    memory_dirty_log_start(&g->vm->mem, &err);
    vm_lock_release();
    g_assert_no_error(err);
}

void log_stop(Guest *g)
{
    vm_lock_acquire();
    memory_dirty_log_stop(&g->vm->mem);
    vm_lock_release();
}
