/*
 * Several software CPUs at once, on the same memory: locked operations, and
 * code that one changes while others execute it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/soft-guest.h"
#include "util/thread.h"

enum {
    NCPUS = 3,
    ROUNDS = 3000,
    CHANGES = 3000,
    CODE = 0x8000, /* offsets from SOFT_GUEST_VA and _PA */
    CODE_B = 0x9000,
    FUNC = 0xa103, /* so that its immediate is aligned */
    DATA = 0x10000,
    STACKS = 0x20000,
};
#define VA(off) (SOFT_GUEST_VA + (off))

typedef struct Guest {
    SoftGuest g;
    X86Cpu *x[NCPUS];
    SoftCpu *s[NCPUS];
    Thread thread[NCPUS];
} Guest;

static void setup(Guest *g)
{
    static const X86Topology topo = { 1, 1, 1 };
    GError *err = NULL;

    soft_guest_init(&g->g);
    vm_lock_acquire();
    for (unsigned i = 0; i < NCPUS; i++) {
        X86Cpu *x = x86_cpu_new(g->g.model, &topo, i, i);
        unsigned index = x->index;

        *x = *g->g.x;
        x->index = x->apic_id = index;
        x->rflags = 2;
        x->regs[X86_RSP] = VA(STACKS) + (i + 1) * 0x1000;
        x->regs[X86_RDI] = VA(DATA);
        x->regs[X86_RSI] = VA(FUNC);
        g->x[i] = x;
        g->s[i] = soft_cpu_new(g->g.vm, x, &err);
        g_assert_no_error(err);
        g->s[i]->features = soft_features_possible();
    }
    vm_lock_release();
}

static void teardown(Guest *g)
{
    vm_lock_acquire();
    for (unsigned i = 0; i < NCPUS; i++) {
        soft_cpu_free(g->s[i]);
        x86_cpu_free(g->x[i]);
    }
    vm_lock_release();
    soft_guest_fini(&g->g);
}

static void poke(Guest *g, unsigned off, const void *p, size_t n)
{
    soft_guest_poke(&g->g, SOFT_GUEST_PA + off, p, n);
}

static uint64_t peek(Guest *g, unsigned off, unsigned n)
{
    uint64_t v = 0;

    address_space_read(&g->g.mem.memory, SOFT_GUEST_PA + off, &v, n);
    return v;
}

static void *run_cpu(void *opaque)
{
    SoftCpu *s = opaque;

    while (soft_cpu_run(s, 10000) == SOFT_EXIT_AGAIN) {
    }
    return NULL;
}

static void start(Guest *g, unsigned i, unsigned code)
{
    GError *err = NULL;

    g->x[i]->rip = VA(code);
    soft_cpu_load(g->s[i]);
    thread_create(&g->thread[i], "cpu", run_cpu, g->s[i], &err);
    g_assert_no_error(err);
}

static void finish(Guest *g, unsigned i, unsigned code, size_t n)
{
    thread_join(&g->thread[i]);
    g_assert_true(g->s[i]->halted);
    /* No fault led elsewhere. */
    g_assert_cmphex(g->s[i]->rip, ==, VA(code) + n);
}

/* R8 rounds, then HLT. */
static const uint8_t lock_code[] = {
    0xf0, 0xfe, 0x47, 0x30,                         /* lock inc byte */
    0xf0, 0x66, 0xff, 0x47, 0x20,                   /* … word, +0x20 */
    0xf0, 0xff, 0x47, 0x11,                         /* … dword, unaligned */
    0xf0, 0x48, 0xff, 0x47, 0x40,                   /* … qword */
    0x48, 0xc7, 0xc1, 0x01, 0x00, 0x00, 0x00,       /* mov rcx, 1 */
    0xf0, 0x48, 0x0f, 0xc1, 0x4f, 0x48,             /* lock xadd [+0x48] */
    0xf0, 0x48, 0xff, 0x87, 0xfc, 0x0f, 0x00, 0x00, /* … across pages */
    0x48, 0x8b, 0x87, 0x80, 0x00, 0x00, 0x00,       /* mov rax, [+0x80] */
    0x48, 0x8b, 0x97, 0x88, 0x00, 0x00, 0x00,       /* mov rdx, [+0x88] */
    0x48, 0x89, 0xc3,                               /* again: mov rbx, rax */
    0x48, 0x89, 0xd1,                               /* mov rcx, rdx */
    0x48, 0xff, 0xc3,                               /* inc rbx */
    0x48, 0x83, 0xc1, 0x02,                         /* add rcx, 2 */
    0xf0, 0x48, 0x0f, 0xc7, 0x8f, 0x80, 0x00, 0x00, 0x00, /* cmpxchg16b */
    0x75, 0xe8,                                           /* jnz again */
    0x8b, 0x87, 0xc0, 0x00, 0x00, 0x00,                   /* mov eax, [+0xc0] */
    0x8b, 0x97, 0xc4, 0x00, 0x00, 0x00,                   /* mov edx, [+0xc4] */
    0x8d, 0x58, 0x01, /* again: lea ebx, [rax + 1] */
    0x8d, 0x4a, 0x01, /* lea ecx, [rdx + 1] */
    0xf0, 0x0f, 0xc7, 0x8f, 0xc0, 0x00, 0x00, 0x00, /* cmpxchg8b */
    0x75, 0xf0,                                     /* jnz again */
    0x49, 0xff, 0xc8,                               /* dec r8 */
    0x75, 0x92,                                     /* jnz start */
    0xf4,
};

static void check_sums(Guest *g)
{
    const unsigned sum = NCPUS * ROUNDS;

    g_assert_cmphex(peek(g, DATA + 0x30, 1), ==, sum & 0xff);
    g_assert_cmphex(peek(g, DATA + 0x20, 2), ==, sum);
    g_assert_cmphex(peek(g, DATA + 0x11, 4), ==, sum);
    g_assert_cmphex(peek(g, DATA + 0x40, 8), ==, sum);
    g_assert_cmphex(peek(g, DATA + 0x48, 8), ==, sum);
    g_assert_cmphex(peek(g, DATA + 0xffc, 8), ==, sum);
    g_assert_cmphex(peek(g, DATA + 0x80, 8), ==, sum);
    g_assert_cmphex(peek(g, DATA + 0x88, 8), ==, 2 * sum);
    g_assert_cmphex(peek(g, DATA + 0xc0, 4), ==, sum);
    g_assert_cmphex(peek(g, DATA + 0xc4, 4), ==, sum);
}

static void locked(Guest *g)
{
    poke(g, CODE, lock_code, sizeof(lock_code));
    for (unsigned i = 0; i < NCPUS; i++) {
        g->x[i]->regs[X86_R8] = ROUNDS;
        start(g, i, CODE);
    }
    for (unsigned i = 0; i < NCPUS; i++) {
        finish(g, i, CODE, sizeof(lock_code));
    }
    check_sums(g);
}

static void test_locked(void)
{
    Guest *g = g_new0(Guest, 1);

    setup(g);
    locked(g);
    teardown(g);
    g_free(g);
}

/* Where stores are watched, they take another way. */
static void test_locked_logged(void)
{
    Guest *g = g_new0(Guest, 1);
    GError *err = NULL;

    setup(g);
    vm_lock_acquire();
    ram_dirty_start(&g->g.mem.ram, DIRTY_DISPLAY, false, &err);
    g_assert_no_error(err);
    memory_region_set_log(&g->g.ram, DIRTY_DISPLAY, true);
    vm_lock_release();
    locked(g);
    vm_lock_acquire();
    ram_dirty_stop(&g->g.mem.ram, DIRTY_DISPLAY);
    vm_lock_release();
    teardown(g);
    g_free(g);
}

/* Calls FUNC until it returns CHANGES; what it returns is as new as DATA. */
static const uint8_t call_code[] = {
    0x48, 0x8b, 0x1f,                   /* again: mov rbx, [rdi] */
    0xff, 0xd6,                         /* call rsi */
    0x48, 0x39, 0xd8,                   /* cmp rax, rbx */
    0x72, 0x0a,                         /* jb stale */
    0x48, 0x3d, 0,    0, 0, 0,          /* cmp rax, CHANGES */
    0x75, 0xee,                         /* jne again */
    0xf4,                               /* hlt */
    0x90,                               /* … */
    0xc7, 0x47, 0x08, 1, 0, 0, 0, 0xf4, /* stale: mov [rdi + 8], 1; hlt */
};
enum { CALL_LAST = 12, CALL_END = 19 };

static const uint8_t func_code[] = { 0xb8, 0, 0, 0, 0, 0xc3 };

/* Counts R9 up to CHANGES: into FUNC, then into DATA. */
static const uint8_t change_code[] = {
    0x49, 0xff, 0xc1,                /* inc r9 */
    0x44, 0x89, 0x4e, 0x01,          /* mov [rsi + 1], r9d */
    0x4c, 0x89, 0x0f,                /* mov [rdi], r9 */
    0x49, 0x81, 0xf9, 0,    0, 0, 0, /* cmp r9, CHANGES */
    0x75, 0xed,                      /* jne */
    0xf4,
};
enum { CHANGE_LAST = 13 };

static void put_callers(Guest *g)
{
    uint8_t code[sizeof(call_code)];
    uint32_t last = CHANGES;

    memcpy(code, call_code, sizeof(code));
    memcpy(code + CALL_LAST, &last, 4);
    poke(g, CODE, code, sizeof(code));
    poke(g, FUNC, func_code, sizeof(func_code));
}

static void test_changed_by_cpu(void)
{
    Guest *g = g_new0(Guest, 1);
    uint8_t code[sizeof(change_code)];
    uint32_t last = CHANGES;

    setup(g);
    put_callers(g);
    memcpy(code, change_code, sizeof(code));
    memcpy(code + CHANGE_LAST, &last, 4);
    poke(g, CODE_B, code, sizeof(code));
    start(g, 0, CODE);
    start(g, 1, CODE);
    start(g, 2, CODE_B);
    finish(g, 2, CODE_B, sizeof(code));
    finish(g, 0, CODE, CALL_END);
    finish(g, 1, CODE, CALL_END);
    g_assert_cmphex(peek(g, DATA + 8, 4), ==, 0);
    teardown(g);
    g_free(g);
}

/* As a device that loads code and then says so. */
static void test_changed_by_device(void)
{
    Guest *g = g_new0(Guest, 1);

    setup(g);
    put_callers(g);
    for (unsigned i = 0; i < NCPUS; i++) {
        start(g, i, CODE);
    }
    for (uint64_t n = 1; n <= CHANGES; n++) {
        poke(g, FUNC + 1, &n, 4);
        poke(g, DATA, &n, 8);
    }
    for (unsigned i = 0; i < NCPUS; i++) {
        finish(g, i, CODE, CALL_END);
    }
    g_assert_cmphex(peek(g, DATA + 8, 4), ==, 0);
    teardown(g);
    g_free(g);
}

/* The map changes while CPUs run: nobody uses what was there any more. */
static void test_flush(void)
{
    Guest *g = g_new0(Guest, 1);
    static const uint8_t store[] = {
        0x48, 0xff, 0x07, 0x49, 0xff, 0xc8, /* inc qword [rdi]; dec r8 */
        0x75, 0xf8, 0xf4,                   /* jnz; hlt */
    };

    setup(g);
    poke(g, CODE, store, sizeof(store));
    for (unsigned i = 0; i < NCPUS; i++) {
        g->x[i]->regs[X86_R8] = 2000000;
        g->x[i]->regs[X86_RDI] = VA(DATA) + i * 64;
        start(g, i, CODE);
    }
    for (unsigned n = 0; n < 200; n++) {
        soft_vm_flush(g->g.vm, n & 1);
    }
    for (unsigned i = 0; i < NCPUS; i++) {
        finish(g, i, CODE, sizeof(store));
        g_assert_cmphex(peek(g, DATA + i * 64, 8), ==, 2000000);
    }
    teardown(g);
    g_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-smp/locked", test_locked);
    g_test_add_func("/soft-smp/locked-logged", test_locked_logged);
    g_test_add_func("/soft-smp/changed-by-cpu", test_changed_by_cpu);
    g_test_add_func("/soft-smp/changed-by-device", test_changed_by_device);
    g_test_add_func("/soft-smp/flush", test_flush);
    return g_test_run();
}
