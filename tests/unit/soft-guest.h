/*
 * A guest for tests of the software CPU: 2 MiB of RAM, one CPU in 64-bit
 * mode at CPL 0, whose page tables show physical 0x100000 (1 MiB long) at
 * SOFT_GUEST_VA.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_SOFT_GUEST_H
#define TESTS_UNIT_SOFT_GUEST_H

#include "accel/soft/cpu.h"
#include "system/vm.h"

#define SOFT_GUEST_VA UINT64_C(0x10000000)
#define SOFT_GUEST_PA UINT64_C(0x100000)

typedef struct SoftGuest {
    Memory mem;
    MemoryRegion ram;
    X86CpuModel *model;
    X86Cpu *x;
    SoftVm *vm;
    SoftCpu *s;
} SoftGuest;

static inline void soft_guest_poke(SoftGuest *g, uint64_t pa, const void *p,
                                   size_t n)
{
    address_space_write(&g->mem.memory, pa, p, n);
}

static inline void soft_guest_poke64(SoftGuest *g, uint64_t pa, uint64_t v)
{
    soft_guest_poke(g, pa, &v, 8);
}

/* CR3 0x1000; one table each, then 4 KiB pages of the first megabyte. */
static inline void soft_guest_tables(SoftGuest *g)
{
    soft_guest_poke64(g, 0x1000, 0x2000 | 7);
    soft_guest_poke64(g, 0x2000, 0x3000 | 7);
    soft_guest_poke64(g, 0x3000 + (SOFT_GUEST_VA >> 21) * 8, 0x4000 | 7);
    for (unsigned i = 0; i < 256; i++) {
        soft_guest_poke64(g, 0x4000 + i * 8, (SOFT_GUEST_PA + i * 4096) | 7);
    }
}

static inline void soft_guest_long_mode(SoftGuest *g)
{
    X86Cpu *x = g->x;
    uint32_t data =
        X86_SEG_P | X86_SEG_S | X86_SEG_W | X86_SEG_A | X86_SEG_G | X86_SEG_DB;

    x->cr[0] = X86_CR0_PE | X86_CR0_PG | X86_CR0_NE | X86_CR0_ET | X86_CR0_WP;
    x->cr[3] = 0x1000;
    x->cr[4] =
        X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_OSXSAVE;
    x->xcr0 = X86_XCR0_X87 | X86_XCR0_SSE | X86_XCR0_AVX;
    x->efer = X86_EFER_LME | X86_EFER_LMA | X86_EFER_NXE | X86_EFER_SCE;
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        x->segs[i] = (X86Segment){ .selector = i == X86_CS ? 8 : 16,
                                   .limit = 0xffffffff,
                                   .flags = data };
    }
    x->segs[X86_CS].flags = (data & ~X86_SEG_DB) | X86_SEG_CODE | X86_SEG_L;
    x->idt.limit = 0;
    x->gdt.limit = 0;
}

/* SOFT_TEST_GEN: generate code for what was executed so often, 0: never. */
static inline uint32_t soft_guest_gen_after(void)
{
    const char *v = g_getenv("SOFT_TEST_GEN");

    return v ? g_ascii_strtoull(v, NULL, 0) : SOFT_GEN_AFTER;
}

static inline void soft_guest_init(SoftGuest *g)
{
    static const X86Topology topo = { 1, 1, 1 };
    GError *err = NULL;

    memset(g, 0, sizeof(*g));
    vm_lock_acquire();
    memory_init(&g->mem);
    memory_region_init_ram(&g->ram, &g->mem, "pc.ram", 2 * MiB, &err);
    g_assert_no_error(err);
    memory_transaction_begin(&g->mem);
    memory_region_add(&g->mem.root, 0, &g->ram, 0);
    memory_transaction_commit(&g->mem);
    g->model = x86_cpu_model_parse("qemu64", &err);
    g_assert_no_error(err);
    g_assert_true(x86_cpu_model_realize(g->model, NULL, &err));
    g->x = x86_cpu_new(g->model, &topo, 0, 0);
    g->vm = soft_vm_new(&g->mem, 4 * MiB, &err);
    g_assert_no_error(err);
    g->vm->gen_after = soft_guest_gen_after();
    soft_guest_tables(g);
    soft_guest_long_mode(g);
    g->s = soft_cpu_new(g->vm, g->x, &err);
    g_assert_no_error(err);
    g->s->features = soft_features_possible();
    vm_lock_release();
}

static inline void soft_guest_fini(SoftGuest *g)
{
    vm_lock_acquire();
    soft_cpu_free(g->s);
    soft_vm_free(g->vm);
    x86_cpu_free(g->x);
    x86_cpu_model_free(g->model);
    memory_region_fini(&g->ram);
    memory_fini(&g->mem);
    vm_lock_release();
}

#endif
