/*
 * What a kernel needs of the software CPU: faults with the right codes and
 * addresses, gates, system calls, interrupts, code that changes, memory that
 * is watched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/soft-guest.h"

enum {
    CODE = 0x8000, /* offsets from SOFT_GUEST_VA and SOFT_GUEST_PA */
    HANDLER = 0x9000,
    IDT = 0xa000,
    GDT = 0xb000,
    TSS = 0xc000,
    STACK0 = 0xe000,
    STACK3 = 0xf000,
    DATA = 0x10000,
    UNMAPPED = 0x100000, /* the first page beyond the tables */
};
#define VA(off) (SOFT_GUEST_VA + (off))

static void put(SoftGuest *g, unsigned off, const void *p, size_t n)
{
    soft_guest_poke(g, SOFT_GUEST_PA + off, p, n);
}

static void put64(SoftGuest *g, unsigned off, uint64_t v)
{
    put(g, off, &v, 8);
}

static uint64_t get64(SoftGuest *g, unsigned off)
{
    uint64_t v;

    address_space_read(&g->mem.memory, SOFT_GUEST_PA + off, &v, 8);
    return v;
}

/* All vectors lead to HLT at HANDLER + vector; gates have DPL 3. */
static void make_idt(SoftGuest *g)
{
    for (unsigned v = 0; v < 64; v++) {
        uint64_t to = VA(HANDLER) + v;
        uint8_t hlt = 0xf4;

        put(g, HANDLER + v, &hlt, 1);
        put64(g, IDT + v * 16,
              (to & 0xffff) | 8 << 16 | UINT64_C(0xee00) << 32 |
                  (to >> 16 & 0xffff) << 48);
        put64(g, IDT + v * 16 + 8, to >> 32);
    }
}

/* 8: code 0, 16: data 0, 24: unused, 32: data 3, 40: code 3; TSS by hand. */
static void make_tables(SoftGuest *g)
{
    put64(g, GDT + 8, UINT64_C(0x00af9b000000ffff));
    put64(g, GDT + 16, UINT64_C(0x00cf93000000ffff));
    put64(g, GDT + 32, UINT64_C(0x00cff3000000ffff));
    put64(g, GDT + 40, UINT64_C(0x00affb000000ffff));
    put64(g, TSS + 4, VA(STACK0));
    make_idt(g);
}

static void setup(SoftGuest *g, bool user)
{
    X86Cpu *x;
    unsigned dpl = user ? 3 << X86_SEG_DPL_SHIFT : 0;

    soft_guest_init(g);
    x = g->x;
    make_tables(g);
    x->gdt = (X86Segment){ .base = VA(GDT), .limit = 0xff };
    x->idt = (X86Segment){ .base = VA(IDT), .limit = 0x3ff };
    x->tr = (X86Segment){ .selector = 64,
                          .base = VA(TSS),
                          .limit = 0x67,
                          .flags = X86_SEG_P | 11 << X86_SEG_TYPE_SHIFT };
    x->segs[X86_CS].selector = user ? 43 : 8;
    x->segs[X86_SS].selector = user ? 35 : 16;
    x->segs[X86_CS].flags |= dpl;
    x->segs[X86_SS].flags |= dpl;
    x->regs[X86_RSP] = VA(user ? STACK3 : STACK0);
    x->rip = VA(CODE);
    x->rflags = 2;
    x->star = UINT64_C(24) << 48 | UINT64_C(8) << 32;
    x->lstar = VA(HANDLER) + 0x100;
    x->fmask = 0x200;
}

static void start(SoftGuest *g, const void *code, size_t n)
{
    put(g, CODE, code, n);
    soft_cpu_load(g->s);
}

/* Runs to a HLT of make_idt(); which vector's. */
static int run_vector(SoftGuest *g)
{
    g_assert_cmpint(soft_cpu_run(g->s, 1000), ==, SOFT_EXIT_HALT);
    return (int)(g->s->rip - 1 - VA(HANDLER));
}

static void free_guest(SoftGuest *g)
{
    soft_guest_fini(g);
    g_free(g);
}

/* A fault from user code: vector, error code, CR2, stack frame. */
static void check_fault(const char *code, size_t n, bool user, int vec,
                        int error, uint64_t cr2)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    unsigned at = STACK0 - 8;

    setup(g, user);
    g->x->regs[X86_RBX] = VA(UNMAPPED) + 0x123;
    g->x->regs[X86_RDX] = UINT64_C(0x800000000000); /* not canonical */
    start(g, code, n);
    g_assert_cmpint(run_vector(g), ==, vec);
    g_assert_cmpuint(g->s->cpl, ==, 0);
    g_assert_cmphex(get64(g, at), ==, user ? 35 : 16);
    g_assert_cmphex(get64(g, at - 8), ==, VA(user ? STACK3 : STACK0));
    g_assert_cmphex(get64(g, at - 24), ==, user ? 43 : 8);
    g_assert_cmphex(get64(g, at - 32), ==, VA(CODE));
    if (error >= 0) {
        g_assert_cmphex(get64(g, at - 40), ==, error);
    }
    if (cr2) {
        g_assert_cmphex(g->x->cr[2], ==, cr2);
    }
    free_guest(g);
}

static void test_faults(void)
{
    uint64_t bad = VA(UNMAPPED) + 0x123;

    check_fault("\x8b\x03", 2, false, EXC_PF, 0, bad); /* mov eax,[rbx] */
    check_fault("\x89\x03", 2, false, EXC_PF, 2, bad); /* mov [rbx],eax */
    check_fault("\x8b\x03", 2, true, EXC_PF, 4, bad);
    check_fault("\xff\x03", 2, true, EXC_PF, 6, bad);   /* inc [rbx] */
    check_fault("\x8b\x02", 2, true, EXC_GP, 0, 0);     /* mov eax,[rdx] */
    check_fault("\x0f\x0b", 2, true, EXC_UD, -1, 0);    /* ud2 */
    check_fault("\xf4", 1, true, EXC_GP, 0, 0);         /* hlt */
    check_fault("\x0f\x20\xc0", 3, true, EXC_GP, 0, 0); /* mov rax,cr0 */
    check_fault("\xf7\xf1", 2, true, EXC_DE, -1, 0);    /* div ecx, 0 */
}

static void test_syscall(void)
{
    /* syscall; then at LSTAR: sysretq; then: ud2 */
    SoftGuest *g = g_new0(SoftGuest, 1);

    setup(g, true);
    put(g, HANDLER + 0x100, "\x48\xff\xc0\x48\x0f\x07", 6);
    g->x->rflags = 0x202;
    start(g, "\x0f\x05\x0f\x0b", 4);
    g_assert_cmpint(run_vector(g), ==, EXC_UD);
    g_assert_cmphex(g->s->gpr[X86_RAX], ==, 1);
    g_assert_cmphex(g->s->gpr[X86_RCX], ==, VA(CODE) + 2);
    g_assert_cmphex(g->s->gpr[X86_R11], ==, 0x202);
    /* Back in user code, with interrupts on. */
    g_assert_cmphex(get64(g, STACK0 - 32), ==, 43);
    g_assert_cmphex(get64(g, STACK0 - 24) & 0x200, ==, 0x200);
    free_guest(g);
}

static int take_33(SoftCpu *s, void *opaque)
{
    return 33;
}

static void test_interrupt(void)
{
    static const SoftIrqOps ops = { .take = take_33 };
    SoftGuest *g = g_new0(SoftGuest, 1);

    /* sti; nop; hlt: accepted after the nop, not before. */
    setup(g, false);
    g->s->irq = &ops;
    start(g, "\xfb\x90\xf4", 3);
    soft_cpu_pend(g->s, SOFT_PEND_IRQ);
    g_assert_cmpint(run_vector(g), ==, 33);
    g_assert_cmphex(get64(g, STACK0 - 40), ==, VA(CODE) + 2);
    free_guest(g);
}

static void test_iret(void)
{
    /* push 35; push rsp; push 0x202; push 43; push rbx; iretq */
    SoftGuest *g = g_new0(SoftGuest, 1);

    setup(g, false);
    g->x->regs[X86_RBX] = VA(CODE) + 0x80;
    put(g, CODE + 0x80, "\x0f\x0b", 2);
    start(g, "\x6a\x23\x54\x68\x02\x02\x00\x00\x6a\x2b\x53\x48\xcf", 13);
    g_assert_cmpint(run_vector(g), ==, EXC_UD);
    g_assert_cmphex(get64(g, STACK0 - 32), ==, 43);
    g_assert_cmphex(get64(g, STACK0 - 40), ==, VA(CODE) + 0x80);
    free_guest(g);
}

static void test_single_step(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    setup(g, false);
    g->x->rflags = 0x102;
    start(g, "\x90\x90\xf4", 3);
    g_assert_cmpint(run_vector(g), ==, EXC_DB);
    g_assert_cmphex(get64(g, STACK0 - 40), ==, VA(CODE) + 1);
    g_assert_cmphex(g->x->dr[6] & 0x4000, ==, 0x4000);
    free_guest(g);
}

static void test_triple_fault(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    setup(g, false);
    g->x->idt.limit = 0;
    start(g, "\x0f\x0b", 2);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_SHUTDOWN);
    free_guest(g);
}

/* A handler that faults at once is no reason not to return. */
static void test_fault_loop(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    setup(g, false);
    put(g, HANDLER + EXC_UD, "\x0f\x0b", 2);
    start(g, "\x0f\x0b", 2);
    g_assert_cmpint(soft_cpu_run(g->s, 50), ==, SOFT_EXIT_AGAIN);
    g_assert_cmphex(g->s->rip, ==, VA(HANDLER) + EXC_UD);
    free_guest(g);
}

/* A store into the block that runs takes effect at once. */
static void test_modified_code(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    /* mov byte [rip + 1], 5; mov al, 1 (the 1 becomes 5); hlt */
    setup(g, false);
    start(g, "\xc6\x05\x01\x00\x00\x00\x05\xb0\x01\xf4", 10);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    g_assert_cmphex(g->s->gpr[X86_RAX] & 0xff, ==, 5);
    free_guest(g);
}

/* The same by a device. */
static void test_code_by_dma(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    setup(g, false);
    start(g, "\xb0\x01\xf4", 3);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    g_assert_cmphex(g->s->gpr[X86_RAX] & 0xff, ==, 1);
    put(g, CODE + 1, "\x07", 1);
    g->s->rip = VA(CODE);
    g->s->halted = false;
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    g_assert_cmphex(g->s->gpr[X86_RAX] & 0xff, ==, 7);
    free_guest(g);
}

/* While migration logs, exactly the pages that are stored to are dirty. */
static void test_dirty(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    RamBlock *rb;
    unsigned page = (SOFT_GUEST_PA + DATA) / 4096;
    GError *err = NULL;

    setup(g, false);
    g->x->regs[X86_RBX] = VA(DATA);
    /* mov eax,[rbx+0x1000]; mov [rbx],al; hlt */
    start(g, "\x8b\x83\x00\x10\x00\x00\x88\x03\xf4", 9);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    vm_lock_acquire();
    g_assert_true(memory_dirty_log_start(&g->mem, &err));
    rb = g->ram.ram;
    for (unsigned i = 0; i < 8; i++) {
        rb->dirty[DIRTY_MIGRATION][i] = 0;
    }
    vm_lock_release();
    soft_cpu_pend(g->s, SOFT_PEND_FLUSH);
    g->s->rip = VA(CODE);
    g->s->halted = false;
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    for (unsigned i = 0; i < 512; i++) {
        bool d = rb->dirty[DIRTY_MIGRATION][i / 64] >> (i % 64) & 1;

        g_assert_cmpint(d, ==, i == page);
    }
    vm_lock_acquire();
    memory_dirty_log_stop(&g->mem);
    vm_lock_release();
    free_guest(g);
}

static bool store_again(SoftGuest *g, unsigned long *map, unsigned page)
{
    g->s->rip = VA(CODE);
    g->s->halted = false;
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    return map[page / 64] >> (page % 64) & 1;
}

/* Stores to a page that is dirty already go unseen until it is protected. */
static void test_dirty_known(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    unsigned page = (SOFT_GUEST_PA + DATA) / 4096;
    unsigned long *map;
    GError *err = NULL;

    setup(g, false);
    g->x->regs[X86_RBX] = VA(DATA);
    start(g, "\x88\x03\x88\x03\xf4", 5); /* mov [rbx], al, twice; hlt */
    vm_lock_acquire();
    g_assert_true(memory_dirty_log_start(&g->mem, &err));
    vm_lock_release();
    soft_vm_flush(g->vm, false);
    map = g->ram.ram->dirty[DIRTY_MIGRATION];
    g_assert_true(store_again(g, map, page));
    for (unsigned i = 0; i < 3; i++) {
        map[page / 64] = 0;
        soft_vm_protect(g->vm);
        g_assert_true(store_again(g, map, page));
    }
    vm_lock_acquire();
    memory_dirty_log_stop(&g->mem);
    vm_lock_release();
    free_guest(g);
}

/*
 * mov dr0, rax; mov dr7, rcx; then nop; mov [rbx], dl; nop; hlt, of which DR0
 * and DR7 have something to say.  Where RIP is in the frame; -1: HLT reached.
 */
static int run_breakpoint(uint64_t dr0, uint32_t dr7, uint64_t *ret_dr6)
{
    SoftGuest *g = g_new0(SoftGuest, 1);
    int at = -1;

    setup(g, false);
    g->x->regs[X86_RAX] = dr0;
    g->x->regs[X86_RCX] = dr7;
    g->x->regs[X86_RBX] = VA(DATA) + 8;
    start(g, "\x0f\x23\xc0\x0f\x23\xf9\x90\x88\x13\x90\xf4", 11);
    g_assert_cmpint(soft_cpu_run(g->s, 1000), ==, SOFT_EXIT_HALT);
    if (g->s->rip != VA(CODE) + 11) {
        g_assert_cmphex(g->s->rip, ==, VA(HANDLER) + EXC_DB + 1);
        at = get64(g, STACK0 - 40) - VA(CODE);
    }
    *ret_dr6 = g->x->dr[6] & 0xf;
    free_guest(g);
    return at;
}

static void test_breakpoints(void)
{
    static const struct {
        uint64_t dr0;
        uint32_t dr7;
        int at;
    } t[] = {
        { VA(CODE) + 6, 1, 6 },              /* execution: before */
        { VA(CODE) + 7, 2, 7 },              /* globally enabled */
        { VA(CODE) + 7, 0, -1 },             /* not enabled */
        { VA(DATA) + 8, 1 | 1 << 16, 9 },    /* write: after */
        { VA(DATA) + 8, 1 | 3 << 16, 9 },    /* read or write */
        { VA(DATA) + 7, 1 | 1 << 16, -1 },   /* the byte before */
        { VA(DATA) + 10, 1 | 13 << 16, 9 },  /* four bytes, aligned down */
        { VA(DATA) + 12, 1 | 13 << 16, -1 }, /* the four after it */
        { VA(DATA) + 15, 1 | 9 << 16, 9 },   /* eight bytes */
    };
    uint64_t dr6;

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_test_message("case %zu", i);
        g_assert_cmpint(run_breakpoint(t[i].dr0, t[i].dr7, &dr6), ==, t[i].at);
        g_assert_cmphex(dr6, ==, t[i].at >= 0 ? 1 : 0);
    }
}

/* IRET with RF set leads over the breakpoint once. */
static void test_resume_flag(void)
{
    SoftGuest *g = g_new0(SoftGuest, 1);

    setup(g, false);
    g->x->dr[0] = VA(CODE) + 0x80;
    g->x->dr[7] = 0x401;
    g->x->regs[X86_RBX] = VA(CODE) + 0x80;
    g->x->regs[X86_RDX] = VA(STACK0) - 0x100;
    put(g, CODE + 0x80, "\x90\xeb\xfd", 3); /* nop; jmp back */
    /* push 16; push rdx; push 0x10002; push 8; push rbx; iretq */
    start(g, "\x6a\x10\x52\x68\x02\x00\x01\x00\x6a\x08\x53\x48\xcf", 13);
    g_assert_cmpint(run_vector(g), ==, EXC_DB);
    g_assert_cmphex(get64(g, STACK0 - 0x100 - 40), ==, VA(CODE) + 0x80);
    g_assert_cmphex(get64(g, STACK0 - 0x100 - 24) & 0x10000, ==, 0);
    /* Handler's HLT, IRET, NOP, JMP, five pushes: it was executed once. */
    g_assert_cmpuint(g->s->ninsns, >=, 8);
    free_guest(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-system/faults", test_faults);
    g_test_add_func("/soft-system/syscall", test_syscall);
    g_test_add_func("/soft-system/interrupt", test_interrupt);
    g_test_add_func("/soft-system/iret", test_iret);
    g_test_add_func("/soft-system/single-step", test_single_step);
    g_test_add_func("/soft-system/triple-fault", test_triple_fault);
    g_test_add_func("/soft-system/fault-loop", test_fault_loop);
    g_test_add_func("/soft-system/modified-code", test_modified_code);
    g_test_add_func("/soft-system/code-by-dma", test_code_by_dma);
    g_test_add_func("/soft-system/dirty", test_dirty);
    g_test_add_func("/soft-system/dirty-known", test_dirty_known);
    g_test_add_func("/soft-system/breakpoints", test_breakpoints);
    g_test_add_func("/soft-system/resume-flag", test_resume_flag);
    return g_test_run();
}
