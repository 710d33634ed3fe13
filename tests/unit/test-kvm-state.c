/*
 * Unit test: a vCPU's state under KVM, with a guest of a few instructions.
 * Skipped where /dev/kvm can't be used.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/kvm-guest.h"
#include "util/error.h"

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
        g_assert_cmphex(a->rip, <, CODE_BASE + CODE_SIZE);
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

/* One read per pause, however often the state is asked for. */
static void test_counters(void)
{
    g_autoptr(GError) err = NULL;
    KvmCounters a, b;
    uint64_t tsc;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    run_list(g, (const uint64_t[]){ 0x200000 }, 1, 1);
    vm_lock_acquire();
    kvm_counters(g->acc, &a);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_true(vcpus_sync_all(g->vm, &err));
    }
    g_assert_true(g->acc->type->vcpu_get_tsc(g->vm->vcpus[0], &tsc, &err));
    kvm_counters(g->acc, &b);
    g_assert_cmpint(b.state_reads - a.state_reads, ==, 1);
    g_assert_cmpint(b.tsc_reads - a.tsc_reads, ==, 1);
    g_assert_cmpint(tsc, >, 0);
    vcpu_invalidate_state(g->vm->vcpus[0]);
    g_assert_true(vcpus_sync_all(g->vm, &err));
    kvm_counters(g->acc, &b);
    g_assert_cmpint(b.state_reads - a.state_reads, ==, 2);
    vm_lock_release();
    guest_free(g);
}

/* A second vCPU that was never started waits for INIT, and stays so. */
static void test_two_cpus(void)
{
    g_autoptr(GError) err = NULL;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 2, "qemu64,check=off");
    run_list(g, (const uint64_t[]){ 0x200000 }, 1, 1);
    vm_lock_acquire();
    g_assert_true(vcpus_sync_all(g->vm, &err));
    g_assert_cmpint(g->vm->vcpus[1]->x86->mp_state, ==, X86_MP_UNINITIALIZED);
    g_assert_cmpint(g->vm->vcpus[0]->x86->mp_state, ==, X86_MP_RUNNABLE);
    g_assert_cmphex(g->vm->vcpus[0]->x86->regs[X86_RBX], ==, 1);
    vm_lock_release();
    guest_free(g);
}

/* -overcommit cpu-pm=on: done, or refused with a reason; never ignored. */
static void test_cpu_pm(void)
{
    static const char *const names[] = { "kvm", NULL };
    g_autoptr(GError) err = NULL;
    Vm *vm;
    Accel *acc;

    if (!have_kvm()) {
        return;
    }
    vm = vm_new(NULL);
    vm_lock_acquire();
    acc = accel_start(vm, names, NULL, &err);
    g_assert_no_error(err);
    if (!acc->type->enable_cpu_pm(acc, &err)) {
        g_assert_cmpstr(err->message, ==,
                        "cpu-pm=on: this host's KVM can't do without exits");
    }
    accel_free(acc);
    vm_free(vm);
    vm_lock_release();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/run", test_run);
    g_test_add_func("/kvm/state/round-trip", test_state);
    g_test_add_func("/kvm/state/pause", test_pause_is_exact);
    g_test_add_func("/kvm/state/hostile", test_hostile_state);
    g_test_add_func("/kvm/state/avx512", test_avx512_state);
    g_test_add_func("/kvm/state/counters", test_counters);
    g_test_add_func("/kvm/state/two-cpus", test_two_cpus);
    g_test_add_func("/kvm/cpu-pm", test_cpu_pm);
    return g_test_run();
}
