/*
 * Hardware task switches of the software CPU: every way into a task and back,
 * and which task a fault belongs to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/soft-legacy.h"

enum {
    NEW_TSS = 0x4400,
    NEW_SEL = 0x30,
    GATE_SEL = 0x38,
    OTHER_SEL = 0x40, /* for tests to fill */
    LDT_SEL = 0x48,
    NEW_CODE = 0x6800,
    NEW_STACK = 0xc000,
    BUSY = 2,
    /* In a TSS. */
    CR3 = 0x1c,
    EIP = 0x20,
    EFLAGS = 0x24,
    EAX = 0x28,
    ESP = 0x38,
    EDI = 0x44,
    ES = 0x48,
    CS = 0x4c,
    SS = 0x50,
    DS = 0x54,
    GS = 0x5c,
    LDT = 0x60,
    TRAP = 0x64,
};

/* ljmp, lcall to NEW_SEL:0, each 7 bytes. */
#define JMP_NEW  "\xea\0\0\0\0\x30\0"
#define CALL_NEW "\x9a\0\0\0\0\x30\0"
#define FAR_LEN  7

static void put(SoftGuest *g, unsigned off, uint32_t v)
{
    legacy_poke(g, NEW_TSS + off, v, 4);
}

static uint32_t old_tss(SoftGuest *g, unsigned off)
{
    return legacy_peek(g, L_TSS + off, 4);
}

static unsigned tss_type(SoftGuest *g, unsigned sel)
{
    return legacy_peek(g, L_GDT + sel + 5, 1) & 15;
}

static SoftGuest *task_new(unsigned cpl)
{
    SoftGuest *g = legacy_new(cpl, false);
    unsigned rpl = cpl;

    legacy_desc(g, NEW_SEL, NEW_TSS, 0x67, 0x89 | cpl << 5, 0);
    legacy_desc(g, GATE_SEL, NEW_SEL << 16, 0, 0x85 | cpl << 5, 0);
    legacy_poke(g, L_GDT + GATE_SEL, NEW_SEL << 16, 4);
    put(g, EIP, NEW_CODE);
    put(g, EFLAGS, X86_FLAG_CF | 2);
    for (unsigned i = 0; i < 8; i++) {
        put(g, EAX + i * 4, 0x11110000 + i);
        g->x->regs[i] = 0x22220000 + i;
    }
    put(g, ESP, NEW_STACK);
    g->x->regs[X86_RSP] = L_STACK;
    for (unsigned i = ES; i <= GS; i += 4) {
        put(g, i, L_DATA0);
    }
    put(g, CS, L_CODE0);
    put(g, LDT, 0);
    put(g, TRAP, 0);
    put(g, 4, L_STACK0);
    put(g, 8, L_DATA0);
    g->x->rflags |= X86_FLAG_ZF | (rpl ? 0 : X86_FLAG_AF);
    legacy_poke(g, NEW_CODE, 0xf4, 1);
    return g;
}

/* The new task's HLT was reached. */
static void run_new(SoftGuest *g)
{
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    soft_cpu_store(g->s);
    g_assert_cmphex(g->x->rip, ==, NEW_CODE + 1);
}

static void check_new(SoftGuest *g, bool nested)
{
    const X86Cpu *x = g->x;

    g_assert_cmphex(x->tr.selector, ==, NEW_SEL);
    g_assert_cmphex(x->tr.base, ==, NEW_TSS);
    g_assert_cmphex(x->segs[X86_CS].selector, ==, L_CODE0);
    g_assert_cmphex(x->segs[X86_GS].selector, ==, L_DATA0);
    g_assert_cmphex(x->segs[X86_SS].limit, ==, 0xffffffff);
    g_assert_cmphex(x->regs[X86_RAX], ==, 0x11110000);
    g_assert_cmphex(x->regs[X86_RDI], ==, 0x11110007);
    g_assert_cmphex(x->regs[X86_RSP], ==, NEW_STACK);
    g_assert_cmphex(x->rflags, ==, 3 | (nested ? X86_FLAG_NT : 0));
    g_assert_true(x->cr[0] & X86_CR0_TS);
    g_assert_cmpuint(g->s->cpl, ==, 0);
    g_assert_cmpuint(tss_type(g, NEW_SEL), ==, 9 | BUSY);
    g_assert_cmpuint(tss_type(g, L_TSS_SEL), ==, nested ? 9 | BUSY : 9);
    if (nested) {
        g_assert_cmphex(legacy_peek(g, NEW_TSS, 2), ==, L_TSS_SEL);
    }
}

static void check_old_saved(SoftGuest *g, uint32_t eip)
{
    g_assert_cmphex(old_tss(g, EIP), ==, eip);
    g_assert_cmphex(old_tss(g, EFLAGS) & X86_FLAG_ZF, ==, X86_FLAG_ZF);
    g_assert_cmphex(old_tss(g, EAX), ==, 0x22220000);
    g_assert_cmphex(old_tss(g, ESP), ==, L_STACK);
    g_assert_cmphex(old_tss(g, EDI), ==, 0x22220007);
    g_assert_cmphex(old_tss(g, CS) & 0xffff, ==, L_CODE0);
    g_assert_cmphex(old_tss(g, GS) & 0xffff, ==, L_DATA0);
}

static void test_jmp(void)
{
    SoftGuest *g = task_new(0);

    g->x->dr[7] = 0x755;
    legacy_code(g, JMP_NEW, FAR_LEN);
    run_new(g);
    check_new(g, false);
    check_old_saved(g, L_CODE + FAR_LEN);
    g_assert_cmphex(g->x->dr[7], ==, 0x600); /* the local ones are off */
    legacy_free(g);
}

static void test_call_and_return(void)
{
    SoftGuest *g = task_new(0);

    legacy_code(g, CALL_NEW "\x90\xf4", FAR_LEN + 2);
    run_new(g);
    check_new(g, true);
    check_old_saved(g, L_CODE + FAR_LEN);
    /* iret, and where it goes on when it is called again: hlt */
    legacy_poke(g, NEW_CODE + 1, 0xf4cf, 2);
    g->s->halted = false;
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    soft_cpu_store(g->s);
    g_assert_cmphex(g->x->rip, ==, L_CODE + FAR_LEN + 2);
    g_assert_cmphex(g->x->tr.selector, ==, L_TSS_SEL);
    g_assert_cmphex(g->x->regs[X86_RAX], ==, 0x22220000);
    g_assert_cmphex(g->x->rflags & X86_FLAG_NT, ==, 0);
    g_assert_cmpuint(tss_type(g, NEW_SEL), ==, 9);
    g_assert_cmpuint(tss_type(g, L_TSS_SEL), ==, 9 | BUSY);
    g_assert_cmphex(legacy_peek(g, NEW_TSS + EIP, 4), ==, NEW_CODE + 2);
    g_assert_cmphex(legacy_peek(g, NEW_TSS + EFLAGS, 4), ==, 3);
    legacy_free(g);
}

/* By a task gate in the GDT, from CPL 3. */
static void test_gate(void)
{
    SoftGuest *g = task_new(3);

    legacy_code(g, "\x9a\0\0\0\0\x3b\0", FAR_LEN);
    run_new(g);
    check_new(g, true);
    g_assert_cmphex(old_tss(g, CS) & 0xffff, ==, L_CODE3);
    legacy_free(g);
}

static void test_int(void)
{
    SoftGuest *g = task_new(0);

    legacy_gate(g, 0x30, NEW_SEL, 0, 0xe5);
    legacy_code(g, "\xcd\x30", 2);
    run_new(g);
    check_new(g, true);
    check_old_saved(g, L_CODE + 2);
    legacy_free(g);
}

/* A fault: the error code is on the new stack, EIP at the instruction. */
static void test_exception(void)
{
    SoftGuest *g = task_new(0);

    legacy_gate(g, EXC_GP, NEW_SEL, 0, 0xe5);
    legacy_code(g, "\x6a\x7b\x1f", 3); /* push 0x7b; pop ds */
    legacy_desc(g, 0x78, 0, 0xfffff, 0x9a, 0xc);
    legacy_poke(g, L_GDT + 0x78 + 5, 0x98, 1); /* code that can't be read */
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    soft_cpu_store(g->s);
    g_assert_cmphex(g->x->rip, ==, NEW_CODE + 1);
    g_assert_cmphex(g->x->regs[X86_RSP], ==, NEW_STACK - 4);
    g_assert_cmphex(legacy_peek(g, NEW_STACK - 4, 4), ==, 0x78);
    g_assert_cmphex(old_tss(g, EIP), ==, L_CODE + 2);
    g_assert_cmphex(old_tss(g, EFLAGS) & X86_FLAG_RF, ==, X86_FLAG_RF);
    legacy_free(g);
}

static int take_33(SoftCpu *s, void *opaque)
{
    return 33;
}

static void test_interrupt(void)
{
    static const SoftIrqOps ops = { .take = take_33 };
    SoftGuest *g = task_new(3);

    g->s->irq = &ops;
    g->x->rflags |= X86_FLAG_IF;
    legacy_gate(g, 33, NEW_SEL, 0, 0x85);
    legacy_code(g, "\x90", 1);
    soft_cpu_pend(g->s, SOFT_PEND_IRQ);
    run_new(g);
    check_new(g, true);
    g_assert_cmphex(old_tss(g, EIP), ==, L_CODE);
    legacy_free(g);
}

/* A fault of the old task, which is as if nothing had happened. */
static void check_refused(SoftGuest *g, int vec, uint32_t error)
{
    uint8_t before[0x68];
    uint8_t after[0x68];

    address_space_read(&g->mem.memory, L_TSS, before, sizeof(before));
    legacy_code(g, JMP_NEW, FAR_LEN);
    g_assert_cmpint(legacy_vector(g), ==, vec);
    g_assert_cmphex(legacy_peek(g, L_STACK - 16, 4), ==, error);
    g_assert_cmphex(legacy_peek(g, L_STACK - 12, 4), ==, L_CODE);
    g_assert_cmphex(g->x->tr.selector, ==, L_TSS_SEL);
    g_assert_cmphex(g->x->regs[X86_RAX], ==, 0x22220000);
    g_assert_cmphex(g->x->cr[0] & X86_CR0_TS, ==, 0);
    g_assert_cmpuint(tss_type(g, L_TSS_SEL), ==, 9 | BUSY);
    address_space_read(&g->mem.memory, L_TSS, after, sizeof(after));
    g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
    legacy_free(g);
}

static void test_refused(void)
{
    SoftGuest *g = task_new(0);

    legacy_desc(g, NEW_SEL, NEW_TSS, 0x67, 0x8b, 0); /* busy */
    check_refused(g, EXC_GP, NEW_SEL);
    g = task_new(0);
    legacy_desc(g, NEW_SEL, NEW_TSS, 0x67, 0x09, 0); /* not present */
    check_refused(g, EXC_NP, NEW_SEL);
    g = task_new(0);
    legacy_desc(g, NEW_SEL, NEW_TSS, 0x66, 0x89, 0); /* too short */
    check_refused(g, EXC_TS, NEW_SEL);
    g = task_new(0);
    legacy_desc(g, NEW_SEL, NEW_TSS, 0x2a, 0x81, 0); /* too short, 16 bits */
    check_refused(g, EXC_TS, NEW_SEL);
    g = task_new(0);
    legacy_desc(g, NEW_SEL, 0, 0, 0x85, 0); /* a gate to nothing */
    check_refused(g, EXC_GP, 0);
    g = task_new(0);
    g->x->tr.limit = 0x66; /* nowhere to save to */
    check_refused(g, EXC_TS, L_TSS_SEL);
}

/* CPL 3 may not use what is for CPL 0. */
static void test_privilege(void)
{
    SoftGuest *g = task_new(3);

    legacy_desc(g, NEW_SEL, NEW_TSS, 0x67, 0x89, 0);
    legacy_code(g, JMP_NEW, FAR_LEN);
    g_assert_cmpint(legacy_vector(g), ==, EXC_GP);
    g_assert_cmphex(legacy_peek(g, L_STACK0 - 24, 4), ==, NEW_SEL);
    legacy_free(g);
}

/*
 * A fault of the new task: it is current, and its EIP is where it begins.
 * Handlers run on the new stack, if there is one.
 */
static void check_new_faults(unsigned off, uint32_t sel, int vec)
{
    SoftGuest *g = task_new(0);

    put(g, off, sel);
    legacy_code(g, JMP_NEW, FAR_LEN);
    g_assert_cmpint(legacy_vector(g), ==, vec);
    g_assert_cmphex(g->x->tr.selector, ==, NEW_SEL);
    g_assert_true(g->x->cr[0] & X86_CR0_TS);
    g_assert_cmpuint(tss_type(g, L_TSS_SEL), ==, 9);
    check_old_saved(g, L_CODE + FAR_LEN);
    g_assert_cmphex(legacy_peek(g, NEW_STACK - 16, 4), ==, sel & 0xfffc);
    g_assert_cmphex(legacy_peek(g, NEW_STACK - 12, 4), ==, NEW_CODE);
    legacy_free(g);
}

static void test_new_faults(void)
{
    check_new_faults(DS, 0x78, EXC_TS);        /* there is none */
    check_new_faults(DS, L_TSS_SEL, EXC_TS);   /* not a segment */
    check_new_faults(DS, L_DATA0 | 3, EXC_TS); /* RPL 3 on DPL 0 */
    check_new_faults(LDT, L_DATA0, EXC_TS);
    check_new_faults(LDT, 0x7c, EXC_TS); /* an LDT in the LDT */
}

static void test_absent_data(void)
{
    SoftGuest *g = task_new(0);

    legacy_desc(g, OTHER_SEL, 0, 0xfffff, 0x13, 0xc);
    put(g, ES, OTHER_SEL);
    legacy_code(g, JMP_NEW, FAR_LEN);
    g_assert_cmpint(legacy_vector(g), ==, EXC_NP);
    g_assert_cmphex(legacy_peek(g, NEW_STACK - 16, 4), ==, OTHER_SEL);
    legacy_free(g);
}

/* With no usable stack of its own, the handler's task gate saves the day. */
static void test_bad_stack(void)
{
    SoftGuest *g = task_new(0);
    const uint32_t third = 0x4800;

    legacy_desc(g, OTHER_SEL, third, 0x67, 0x89, 0);
    for (unsigned i = 0; i < 0x68; i += 4) {
        legacy_poke(g, third + i, legacy_peek(g, NEW_TSS + i, 4), 4);
    }
    legacy_gate(g, EXC_TS, OTHER_SEL, 0, 0x85);
    put(g, SS, L_CODE0);
    put(g, EIP, 0x1234);
    legacy_code(g, JMP_NEW, FAR_LEN);
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    soft_cpu_store(g->s);
    g_assert_cmphex(g->x->rip, ==, NEW_CODE + 1);
    g_assert_cmphex(g->x->tr.selector, ==, OTHER_SEL);
    g_assert_cmphex(legacy_peek(g, third, 2), ==, NEW_SEL);
    g_assert_cmphex(legacy_peek(g, NEW_TSS + EIP, 4), ==, 0x1234);
    g_assert_cmphex(legacy_peek(g, NEW_TSS + SS, 2), ==, L_CODE0);
    g_assert_cmphex(legacy_peek(g, NEW_STACK - 4, 4), ==, L_CODE0);
    legacy_free(g);
}

static void test_ldt(void)
{
    SoftGuest *g = task_new(0);

    legacy_desc(g, LDT_SEL, 0x4c00, 15, 0x82, 0);
    legacy_poke(g, 0x4c00 + 8, 0x0000ffff, 4);
    legacy_poke(g, 0x4c00 + 12, 0x00cf9300, 4);
    put(g, LDT, LDT_SEL);
    put(g, DS, 8 | 4);
    legacy_code(g, JMP_NEW, FAR_LEN);
    run_new(g);
    g_assert_cmphex(g->x->ldt.base, ==, 0x4c00);
    g_assert_cmphex(g->x->segs[X86_DS].selector, ==, 12);
    g_assert_cmphex(g->x->segs[X86_DS].limit, ==, 0xffffffff);
    legacy_free(g);
}

static void test_trap_flag(void)
{
    SoftGuest *g = task_new(0);

    put(g, TRAP, 1);
    legacy_code(g, JMP_NEW, FAR_LEN);
    g_assert_cmpint(legacy_vector(g), ==, EXC_DB);
    g_assert_cmphex(g->x->dr[6] & 0xe000, ==, 0x8000);
    g_assert_cmphex(legacy_peek(g, NEW_STACK - 12, 4), ==, NEW_CODE);
    legacy_free(g);
}

static void test_v86(void)
{
    SoftGuest *g = task_new(0);

    put(g, EFLAGS, X86_FLAG_VM | 2);
    put(g, EIP, 0x20);
    put(g, CS, L_V86_CS);
    put(g, DS, 0x123);
    put(g, ESP, 0x1000);
    legacy_poke(g, (L_V86_CS << 4) + 0x20, 0xf4, 1);
    legacy_code(g, JMP_NEW, FAR_LEN);
    g_assert_cmpint(legacy_vector(g), ==, EXC_GP); /* by HLT at CPL 3 */
    g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x24, 4), ==, 0x20);
    g_assert_cmphex(legacy_peek(g, L_STACK0 - 0x20, 4), ==, L_V86_CS);
    g_assert_cmphex(legacy_peek(g, L_STACK0 - 0xc, 4), ==, 0x123); /* DS */
    legacy_free(g);
}

/* To a 16-bit task and back, which saves and links in its own form. */
static void test_16bit(void)
{
    SoftGuest *g = task_new(0);
    uint16_t tss[22] = { 0 };

    legacy_desc(g, NEW_SEL, NEW_TSS, 0x2b, 0x81, 0);
    tss[7] = NEW_CODE;
    tss[8] = 3;
    for (unsigned i = 0; i < 8; i++) {
        tss[9 + i] = 0x1110 + i;
    }
    tss[9 + X86_RSP] = NEW_STACK;
    tss[17] = tss[19] = tss[20] = L_DATA0;
    tss[18] = L_CODE0;
    soft_guest_poke(g, NEW_TSS, tss, sizeof(tss));
    legacy_code(g, CALL_NEW "\xf4", FAR_LEN + 1);
    run_new(g);
    g_assert_cmphex(g->x->regs[X86_RDI], ==, 0xffff1117);
    g_assert_cmphex(g->x->rflags, ==, 3 | X86_FLAG_NT);
    g_assert_cmphex(g->x->segs[X86_FS].selector, ==, 0);
    g_assert_cmpuint(tss_type(g, NEW_SEL), ==, 3);
    g_assert_cmphex(legacy_peek(g, NEW_TSS, 2), ==, L_TSS_SEL);
    legacy_poke(g, NEW_CODE + 1, 0xcf, 1);
    g->s->halted = false;
    g_assert_cmpint(soft_cpu_run(g->s, 100), ==, SOFT_EXIT_HALT);
    soft_cpu_store(g->s);
    g_assert_cmphex(g->x->rip, ==, L_CODE + FAR_LEN + 1);
    g_assert_cmpuint(tss_type(g, NEW_SEL), ==, 1);
    g_assert_cmphex(legacy_peek(g, NEW_TSS + 0xe, 2), ==, NEW_CODE + 2);
    g_assert_cmphex(legacy_peek(g, NEW_TSS + 0x10, 2), ==, 3);
    g_assert_cmphex(g->x->regs[X86_RDI], ==, 0x22220007);
    legacy_free(g);
}

/* IRET with a link that leads nowhere. */
static void test_bad_link(void)
{
    SoftGuest *g = task_new(0);

    legacy_poke(g, L_TSS, NEW_SEL, 2); /* not busy */
    g->x->rflags |= X86_FLAG_NT;
    legacy_code(g, "\xcf", 1);
    g_assert_cmpint(legacy_vector(g), ==, EXC_TS);
    g_assert_cmphex(legacy_peek(g, L_STACK - 16, 4), ==, NEW_SEL);
    g_assert_cmphex(legacy_peek(g, L_STACK - 12, 4), ==, L_CODE);
    legacy_free(g);
}

/* Paging: CR3 is the new task's, and pages that are missing are told first. */
static void test_paging(gconstpointer data)
{
    bool missing = data != NULL;
    const uint32_t dir = 0x20000;
    SoftGuest *g = task_new(0);

    /* Page directories at dir and 0x21000: 4 MiB, all the same. */
    for (unsigned i = 0; i < 2; i++) {
        legacy_poke(g, dir + i * 4096, 0x87, 4);
    }
    put(g, CR3, dir + 4096);
    g->x->cr[4] |= X86_CR4_PSE;
    g->x->cr[3] = dir;
    g->x->cr[0] |= X86_CR0_PG;
    if (missing) {
        legacy_desc(g, NEW_SEL, 0x400000, 0x67, 0x89, 0);
        legacy_code(g, JMP_NEW, FAR_LEN);
        g_assert_cmpint(legacy_vector(g), ==, EXC_PF);
        g_assert_cmphex(g->x->cr[2] & ~UINT64_C(0xfff), ==, 0x400000);
        g_assert_cmphex(g->x->tr.selector, ==, L_TSS_SEL);
        g_assert_cmphex(g->x->cr[3], ==, dir);
    } else {
        legacy_code(g, JMP_NEW, FAR_LEN);
        run_new(g);
        check_new(g, false);
        g_assert_cmphex(g->x->cr[3], ==, dir + 4096);
    }
    legacy_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-task/jmp", test_jmp);
    g_test_add_func("/soft-task/call-and-return", test_call_and_return);
    g_test_add_func("/soft-task/gate", test_gate);
    g_test_add_func("/soft-task/int", test_int);
    g_test_add_func("/soft-task/exception", test_exception);
    g_test_add_func("/soft-task/interrupt", test_interrupt);
    g_test_add_func("/soft-task/refused", test_refused);
    g_test_add_func("/soft-task/privilege", test_privilege);
    g_test_add_func("/soft-task/new-faults", test_new_faults);
    g_test_add_func("/soft-task/absent-data", test_absent_data);
    g_test_add_func("/soft-task/bad-stack", test_bad_stack);
    g_test_add_func("/soft-task/ldt", test_ldt);
    g_test_add_func("/soft-task/trap-flag", test_trap_flag);
    g_test_add_func("/soft-task/v86", test_v86);
    g_test_add_func("/soft-task/16-bit", test_16bit);
    g_test_add_func("/soft-task/bad-link", test_bad_link);
    g_test_add_data_func("/soft-task/paging", NULL, test_paging);
    g_test_add_data_func("/soft-task/missing-page", (void *)1, test_paging);
    return g_test_run();
}
