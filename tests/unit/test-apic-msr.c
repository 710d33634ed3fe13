/*
 * The local APIC: the modes of its base register, registers in memory and as
 * MSRs, messages between APICs, pins, the timer and the TSC deadline.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/accel.h"
#include "hw/core/machine-none.h"
#include "hw/core/machine.h"
#include "hw/intc/apic-priv.h"
#include "target/i386/cpu.h"
#include "target/i386/msr.h"

enum {
    NCPUS = 18, /* two clusters of x2APIC IDs */
    BASE = 0xfee00000,
    BSP = 1 << 8,
    X2 = 1 << 10,
    ON = 1 << 11,
    X2_SVR = 0x80f,
    X2_IRR2 = 0x822, /* vectors 64 to 95 */
    X2_ICR = 0x830,
    X2_LVT_TIMER = 0x832,
};

/* 2 GHz; a CPU's own part is what was written. */
static bool fake_get_tsc(Vcpu *cpu, uint64_t *ret, GError **errp)
{
    *ret = clock_get_ns(cpu->vm->clocks, CLOCK_TYPE_VIRTUAL) * 2 +
           cpu->x86->tsc_adjust;
    return true;
}

static const AccelType fake_type = {
    .name = "fake",
    .size = sizeof(Accel),
    .vcpu_get_tsc = fake_get_tsc,
};

static const VmHooks no_hooks = { 0 };

typedef struct Board {
    Vm *vm;
    X86CpuModel *model;
    Device *apic[NCPUS];
} Board;

ACQUIRE(&vm_lock) static Board *board_new(const char *model)
{
    static const X86Topology topo = { 1, 1, 1 };
    Board *b = g_new0(Board, 1);
    GError *err = NULL;

    vm_lock_acquire();
    b->vm = vm_new(&no_hooks);
    clocks_set_manual(b->vm->clocks);
    b->vm->max_vcpus = NCPUS;
    b->vm->accel = accel_new(b->vm, &fake_type);
    machine_new(b->vm, &machine_none_type);
    b->model = x86_cpu_model_parse(model, &err);
    g_assert_no_error(err);
    g_assert_true(x86_cpu_model_realize(b->model, NULL, &err));
    for (unsigned i = 0; i < NCPUS; i++) {
        Vcpu *cpu = vcpu_new(b->vm, i, i, NULL);

        cpu->x86 = x86_cpu_new(b->model, &topo, i, i);
        cpu->x86->user_tsc_khz = 2000000;
        cpu->stopped = true;
        cpu->state_cached = true;
        b->apic[i] = apic_create(cpu, false, NULL);
        g_assert_nonnull(b->apic[i]);
        b->apic[i]->type->reset(b->apic[i]);
    }
    return b;
}

RELEASE(&vm_lock) static void board_free(Board *b)
{
    Vm *vm = b->vm;

    while (vm->nvcpus > 0) {
        Vcpu *cpu = vm->vcpus[vm->nvcpus - 1];

        device_delete(b->apic[cpu->index]);
        x86_cpu_free(cpu->x86);
        vcpu_free(cpu);
    }
    machine_free(vm->machine);
    accel_free(vm->accel);
    vm->accel = NULL;
    vm_free(vm);
    x86_cpu_model_free(b->model);
    g_free(b);
    vm_lock_release();
}

static uint64_t rd(Board *b, unsigned cpu, uint32_t msr)
{
    uint64_t v = 0;

    g_assert_true(apic_msr_read(b->apic[cpu], msr, &v));
    return v;
}

static void wr(Board *b, unsigned cpu, uint32_t msr, uint64_t v)
{
    g_assert_true(apic_msr_write(b->apic[cpu], msr, v));
}

static void all_x2apic(Board *b)
{
    for (unsigned i = 0; i < NCPUS; i++) {
        wr(b, i, MSR_IA32_APIC_BASE, BASE | ON | X2 | (i == 0 ? BSP : 0));
        wr(b, i, X2_SVR, 0x1ff);
    }
}

/* SDM figure 11-27: which mode may follow which. */
static void test_modes(void)
{
    static const struct {
        uint64_t v;
        bool ok;
    } t[] = {
        { BASE | BSP | ON, true },      { BASE | BSP | X2, false },
        { BASE | BSP | ON | 1, false }, { UINT64_C(1) << 60 | ON, false },
        { BASE | BSP | ON | X2, true }, { BASE | BSP | ON, false },
        { BASE | BSP, true },           { BASE | BSP | ON | X2, false },
        { BASE | BSP | ON, true },
    };
    Board *b = board_new("qemu64,+x2apic,+tsc-deadline");
    uint64_t now = rd(b, 0, MSR_IA32_APIC_BASE);

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        g_test_message("case %zu", i);
        g_assert_cmpint(apic_msr_write(b->apic[0], MSR_IA32_APIC_BASE, t[i].v),
                        ==, t[i].ok);
        now = t[i].ok ? t[i].v : now;
        g_assert_cmphex(rd(b, 0, MSR_IA32_APIC_BASE), ==, now);
    }
    board_free(b);
}

static void test_not_offered(void)
{
    Board *b = board_new("qemu64,-x2apic,-tsc-deadline");
    uint64_t v;

    g_assert_false(
        apic_msr_write(b->apic[0], MSR_IA32_APIC_BASE, BASE | ON | X2));
    g_assert_false(apic_msr_read(b->apic[0], 0x802, &v));
    g_assert_false(apic_msr_read(b->apic[0], MSR_IA32_TSC_DEADLINE, &v));
    g_assert_false(apic_msr_write(b->apic[0], MSR_IA32_TSC_DEADLINE, 1));
    board_free(b);
}

static void test_registers(void)
{
    static const uint32_t bad_reads[] = { 0x800, 0x801, 0x804, 0x807, 0x809,
                                          0x80b, 0x80c, 0x80e, 0x829, 0x82f,
                                          0x831, 0x83a, 0x83f, 0x840, 0x8ff };
    static const uint32_t bad_writes[] = { 0x800, 0x802, 0x803, 0x809, 0x80a,
                                           0x80c, 0x80d, 0x80e, 0x810, 0x820,
                                           0x82f, 0x831, 0x839, 0x840 };
    /* Reserved bits, and none of them. */
    static const struct {
        uint32_t msr;
        uint64_t bad, good;
    } bits[] = {
        { 0x808, 0x100, 0xff },      { 0x80b, 1, 0 },
        { 0x80f, 0x1400, 0x3ff },    { 0x828, 1, 0 },
        { 0x830, 1 << 13, 0xcd041 }, { 0x830, 1 << 16, 0x1000000041 },
        { 0x832, 1 << 8, 0x710ff },  { 0x833, 1 << 15, 0x117ff },
        { 0x834, 1 << 17, 0x117ff }, { 0x835, 1 << 17, 0x1f7ff },
        { 0x837, 1 << 9, 0x110ff },  { 0x838, UINT64_C(1) << 32, 0xffffffff },
        { 0x83e, 4, 0xb },           { 0x83f, 0x100, 0x41 },
    };
    Board *b = board_new("qemu64,+x2apic,+tsc-deadline");
    uint64_t v;

    all_x2apic(b);
    g_assert_cmphex(rd(b, 17, 0x802), ==, 17);
    g_assert_cmphex(rd(b, 17, 0x80d), ==, 1 << 16 | 1 << 1);
    for (size_t i = 0; i < G_N_ELEMENTS(bad_reads); i++) {
        g_assert_false(apic_msr_read(b->apic[0], bad_reads[i], &v));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bad_writes); i++) {
        g_test_message("0x%x", bad_writes[i]);
        g_assert_false(apic_msr_write(b->apic[0], bad_writes[i], 0));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(bits); i++) {
        g_test_message("0x%x", bits[i].msr);
        g_assert_false(apic_msr_write(b->apic[1], bits[i].msr, bits[i].bad));
        g_assert_true(apic_msr_write(b->apic[1], bits[i].msr, bits[i].good));
    }
    wr(b, 0, 0x83f, 0x41); /* self IPI */
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x41);
    wr(b, 0, 0x80b, 0);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    board_free(b);
}

static void check_irr(Board *b, uint32_t who)
{
    for (unsigned i = 0; i < NCPUS; i++) {
        g_test_message("CPU %u", i);
        g_assert_cmphex(rd(b, i, X2_IRR2), ==, who >> i & 1 ? 1 << 5 : 0);
        if (who >> i & 1) {
            g_assert_cmpint(apic_take(b->apic[i]), ==, 0x45);
            wr(b, i, 0x80b, 0);
        }
    }
}

static void test_messages(void)
{
    const uint64_t logical = 1 << 11;
    const uint32_t all = (1 << NCPUS) - 1;
    Board *b = board_new("qemu64,+x2apic,+tsc-deadline");

    all_x2apic(b);
    wr(b, 3, X2_ICR, UINT64_C(17) << 32 | 0x45);
    check_irr(b, 1 << 17);
    wr(b, 3, X2_ICR, UINT64_C(0x10003) << 32 | logical | 0x45);
    check_irr(b, 1 << 16 | 1 << 17);
    wr(b, 3, X2_ICR, UINT64_C(0x8005) << 32 | logical | 0x45);
    check_irr(b, 1 << 0 | 1 << 2 | 1 << 15);
    wr(b, 3, X2_ICR, UINT64_C(0xffffffff) << 32 | 0x45);
    check_irr(b, all);
    wr(b, 3, X2_ICR, 3 << 18 | 0x45); /* all but self */
    check_irr(b, all & ~(1u << 3));
    msi_send(b->vm, BASE | 16 << 12, 0x45);
    check_irr(b, 1 << 16);
    msi_send(b->vm, BASE | 0xff << 12, 0x45);
    check_irr(b, all);
    board_free(b);
}

/* The TSC counts at 2 GHz. */
static void test_deadline(void)
{
    Board *b = board_new("qemu64,+x2apic,+tsc-deadline");

    all_x2apic(b);
    wr(b, 0, MSR_IA32_TSC_DEADLINE, 1000); /* not in this mode: ignored */
    g_assert_cmpuint(rd(b, 0, MSR_IA32_TSC_DEADLINE), ==, 0);
    wr(b, 0, X2_LVT_TIMER, 2 << 17 | 0x61);
    wr(b, 0, 0x838, 100); /* the initial count: ignored in this one */
    g_assert_cmpuint(rd(b, 0, 0x838), ==, 0);
    wr(b, 0, MSR_IA32_TSC_DEADLINE, 2000000);
    clocks_step_to(b->vm->clocks, 999999);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    g_assert_cmpuint(rd(b, 0, MSR_IA32_TSC_DEADLINE), ==, 2000000);
    clocks_step_to(b->vm->clocks, 1000010);
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x61);
    g_assert_cmpuint(rd(b, 0, MSR_IA32_TSC_DEADLINE), ==, 0);
    wr(b, 0, 0x80b, 0);
    /* Disarmed by 0, and by another mode. */
    wr(b, 0, MSR_IA32_TSC_DEADLINE, 3000000);
    wr(b, 0, MSR_IA32_TSC_DEADLINE, 0);
    clocks_step_to(b->vm->clocks, 2000000);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    wr(b, 0, MSR_IA32_TSC_DEADLINE, 5000000);
    wr(b, 0, X2_LVT_TIMER, 0x61);
    clocks_step_to(b->vm->clocks, 4000000);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    g_assert_cmpuint(rd(b, 0, MSR_IA32_TSC_DEADLINE), ==, 0);
    board_free(b);
}

/* The guest's ID lasts until the APIC is switched off. */
static void test_id(void)
{
    Board *b = board_new("qemu64,+x2apic");
    Apic *s = DEVICE_CAST(Apic, b->apic[5]);

    g_assert_cmphex(apic_read(s, 0x02), ==, 0x05000000);
    apic_write(s, 0x02, 0x77000000);
    g_assert_cmphex(apic_read(s, 0x02), ==, 0x77000000);
    g_assert_true(apic_vmstate.post_load(s, 3, NULL)); /* it can move on */
    wr(b, 5, MSR_IA32_APIC_BASE, BASE);
    wr(b, 5, MSR_IA32_APIC_BASE, BASE | ON);
    g_assert_cmphex(apic_read(s, 0x02), ==, 0x05000000);
    apic_write(s, 0x02, 0x77000000);
    wr(b, 5, MSR_IA32_APIC_BASE, BASE | ON | X2);
    g_assert_cmphex(rd(b, 5, 0x802), ==, 5);
    board_free(b);
}

/* 8-bit logical destinations: flat, cluster, and those who take nothing. */
static void test_logical(void)
{
    static const struct {
        uint32_t dfr;
        uint8_t ldr[4];
        uint8_t dest;
        uint8_t who; /* bit n: CPU n */
    } t[] = {
        { 0xffffffff, { 1, 2, 4, 0x80 }, 0x05, 0x5 },
        { 0xffffffff, { 1, 2, 4, 0x80 }, 0xff, 0xf },
        { 0xffffffff, { 3, 2, 0, 0 }, 0x02, 0x3 },
        { 0x0fffffff, { 0x11, 0x12, 0x21, 0x24 }, 0x13, 0x3 },
        { 0x0fffffff, { 0x11, 0x12, 0x21, 0x24 }, 0x2d, 0xc },
        { 0x0fffffff, { 0x11, 0x12, 0x21, 0x24 }, 0xf1, 0x5 },
        { 0x0fffffff, { 0x11, 0x12, 0x21, 0x24 }, 0xff, 0xf },
        { 0x0fffffff, { 0x11, 0x12, 0x21, 0x24 }, 0x31, 0x0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(t); i++) {
        Board *b = board_new("qemu64");

        g_test_message("row %zu", i);
        for (unsigned n = 0; n < 4; n++) {
            Apic *s = DEVICE_CAST(Apic, b->apic[n]);

            apic_write(s, 0x0f, 0x1ff);
            apic_write(s, 0x0e, t[i].dfr);
            apic_write(s, 0x0d, (uint32_t)t[i].ldr[n] << 24);
        }
        msi_send(b->vm, BASE | t[i].dest << 12 | 4, 0x45);
        for (unsigned n = 0; n < 4; n++) {
            g_assert_cmpint(apic_take(b->apic[n]), ==,
                            t[i].who >> n & 1 ? 0x45 : -1);
        }
        board_free(b);
    }
}

static void test_disabled(void)
{
    Board *b = board_new("qemu64");
    Apic *s = DEVICE_CAST(Apic, b->apic[1]);

    msi_send(b->vm, BASE | 1 << 12, 0x45);
    apic_write(s, 0x0f, 0x1ff);
    g_assert_cmpint(apic_take(b->apic[1]), ==, -1);
    wr(b, 1, MSR_IA32_APIC_BASE, BASE);
    msi_send(b->vm, BASE | 1 << 12, 0x45);
    wr(b, 1, MSR_IA32_APIC_BASE, BASE | ON);
    apic_write(s, 0x0f, 0x1ff);
    g_assert_cmpint(apic_take(b->apic[1]), ==, -1);
    board_free(b);
}

static void set_lint0(Board *b, bool level)
{
    const IrqInput *in = irq_in(b->apic[0], 0);

    in->fn(in->opaque, in->n, level);
}

/* A level that stays comes again; one that came while masked isn't lost. */
static void test_lint_level(void)
{
    Board *b = board_new("qemu64");
    Apic *s = DEVICE_CAST(Apic, b->apic[0]);

    apic_write(s, 0x0f, 0x1ff);
    set_lint0(b, true);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    apic_write(s, 0x35, 0x8051);
    g_assert_cmphex(apic_read(s, 0x35), ==, 0xc051);
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x51);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    apic_write(s, 0x0b, 0);
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x51);
    set_lint0(b, false);
    apic_write(s, 0x0b, 0);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    g_assert_cmphex(apic_read(s, 0x35), ==, 0x8051);
    /* An edge is one interrupt. */
    apic_write(s, 0x35, 0x0052);
    set_lint0(b, true);
    set_lint0(b, true);
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x52);
    apic_write(s, 0x0b, 0);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    /* The 8259A's INT is a level, whenever it is let in. */
    apic_write(s, 0x35, 0x10700);
    g_assert_false(apic_pending_extint(b->apic[0]));
    apic_write(s, 0x35, 0x00700);
    g_assert_true(apic_pending_extint(b->apic[0]));
    board_free(b);
}

/* Between one-shot and periodic; another divider; both while it counts. */
static void test_timer_modes(void)
{
    Board *b = board_new("qemu64");
    Apic *s = DEVICE_CAST(Apic, b->apic[0]);
    Clocks *c = b->vm->clocks;

    apic_write(s, 0x0f, 0x1ff);
    apic_write(s, 0x3e, 0xb); /* divided by 1 */
    apic_write(s, 0x32, 0x61);
    apic_write(s, 0x38, 1000000);
    clocks_step_to(c, 400000);
    g_assert_cmpuint(apic_read(s, 0x39), ==, 600000);
    apic_write(s, 0x32, 0x20061);
    g_assert_cmpuint(apic_read(s, 0x39), ==, 600000);
    clocks_step_to(c, 1500001); /* half of the second period */
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x61);
    apic_write(s, 0x0b, 0);
    g_assert_cmpuint(apic_read(s, 0x39), ==, 500000);
    apic_write(s, 0x32, 0x61);
    g_assert_cmpuint(apic_read(s, 0x39), ==, 500000);
    apic_write(s, 0x3e, 0x0); /* by 2 */
    g_assert_cmpuint(apic_read(s, 0x39), ==, 500000);
    clocks_step_to(c, 2499999);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    clocks_step_to(c, 2500001);
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x61);
    apic_write(s, 0x0b, 0);
    /* At zero it stays there. */
    g_assert_cmpuint(apic_read(s, 0x39), ==, 0);
    apic_write(s, 0x32, 0x20061);
    clocks_step_to(c, 9000000);
    g_assert_cmpuint(apic_read(s, 0x39), ==, 0);
    g_assert_cmpuint(apic_read(s, 0x38), ==, 1000000);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    apic_user_loaded(s); /* so it does across a migration */
    g_assert_cmpuint(apic_read(s, 0x39), ==, 0);
    apic_write(s, 0x38, 1000000);
    g_assert_cmpuint(apic_read(s, 0x39), ==, 1000000);
    board_free(b);
}

/* One that is past already, or is so once the TSC is set. */
static void test_deadline_late(void)
{
    Board *b = board_new("qemu64,+x2apic,+tsc-deadline");

    all_x2apic(b);
    clocks_step_to(b->vm->clocks, 1000);
    wr(b, 0, X2_LVT_TIMER, 2 << 17 | 0x61);
    wr(b, 0, MSR_IA32_TSC_DEADLINE, 1);
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x61);
    g_assert_cmpuint(rd(b, 0, MSR_IA32_TSC_DEADLINE), ==, 0);
    wr(b, 0, 0x80b, 0);
    wr(b, 0, MSR_IA32_TSC_DEADLINE, UINT64_C(1) << 60);
    g_assert_cmpint(apic_take(b->apic[0]), ==, -1);
    b->vm->vcpus[0]->x86->tsc_adjust = UINT64_C(1) << 60;
    apic_tsc_written(b->apic[0]);
    g_assert_cmpint(apic_take(b->apic[0]), ==, 0x61);
    board_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/apic-msr/modes", test_modes);
    g_test_add_func("/apic-msr/not-offered", test_not_offered);
    g_test_add_func("/apic-msr/registers", test_registers);
    g_test_add_func("/apic-msr/messages", test_messages);
    g_test_add_func("/apic-msr/deadline", test_deadline);
    g_test_add_func("/apic/id", test_id);
    g_test_add_func("/apic/logical", test_logical);
    g_test_add_func("/apic/disabled", test_disabled);
    g_test_add_func("/apic/lint-level", test_lint_level);
    g_test_add_func("/apic/timer-modes", test_timer_modes);
    g_test_add_func("/apic/deadline-late", test_deadline_late);
    return g_test_run();
}
