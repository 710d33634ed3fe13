/*
 * Unit test: breakpoints, watchpoints and single steps under KVM.  Skipped
 * where /dev/kvm can't be used.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "tests/unit/kvm-guest.h"
#include "util/error.h"

/* Offsets in the guest's code; see kvm-guest.c. */
enum { AFTER_LOAD = 3, STORE = 14, AFTER_STORE = 17 };

static const uint64_t list[] = { 0x200000, 0x201000 };

/* Ready to store 7 to the addresses of the list, at privilege level 0. */
VM_LOCKED static void prepare(Guest *g)
{
    X86Cpu *c = g->vm->vcpus[0]->x86;

    prepare_list(g, list, 2, 7);
    for (unsigned i = 0; i < X86_NSEGS; i++) {
        c->segs[i].selector &= ~3U;
        c->segs[i].flags &= ~(3U << X86_SEG_DPL_SHIFT);
    }
}

/* Lets vCPU 0 run until it stops by itself. */
VM_LOCKED static void run_to_stop(Guest *g)
{
    int64_t deadline = clock_monotonic_ns() + 20 * NSEC_PER_SEC;

    vcpus_resume(g->vm);
    while (!vcpus_all_paused(g->vm)) {
        g_assert_true(vm_lock_wait_until(&g->acc->vcpu_cond, deadline));
    }
    g_assert_true(vcpu_sync_state(g->vm->vcpus[0], NULL));
}

VM_LOCKED static void set_debug(Guest *g, const DebugPoint *p, bool step)
{
    const DebugState d = { .points = p, .npoints = p ? 1 : 0, .step = step };
    GError *err = NULL;

    vcpu_set_debug(g->vm->vcpus[0], p || step ? &d : NULL, &err);
    g_assert_no_error(err);
}

static void check_stop(Guest *g, DebugReason reason, uint64_t rip)
{
    const Vcpu *cpu = g->vm->vcpus[0];

    g_assert_cmpint(cpu->debug_stop.reason, ==, reason);
    g_assert_cmphex(cpu->x86->rip, ==, rip);
}

/*
 * On processors without virtualization the kernel interprets the guest, or
 * runs it without intercepting its exceptions.  It steps all the same, but
 * knows no INT3 and no watchpoints.
 */
static bool have_intercepts(void)
{
    g_autofree char *text = NULL;

    if (!have_kvm()) {
        return false;
    }
    if (g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL) &&
        !strstr(text, " vmx") && !strstr(text, " svm")) {
        g_test_skip("this processor has neither VMX nor SVM");
        return false;
    }
    return true;
}

/* What the guest sees of its memory while it has a breakpoint, and after. */
static void check_break(const DebugPoint *p)
{
    Guest *g = guest_new(16 * MiB, 1, "qemu64,check=off");
    const uint8_t *code = g->rb->host + CODE_BASE + STORE;
    uint8_t was = *code;

    vm_lock_acquire();
    prepare(g);
    set_debug(g, p, false);
    g_assert_cmphex(*code, ==, p->kind == DEBUG_BREAK_SOFT ? 0xcc : was);
    run_to_stop(g);
    check_stop(g, DEBUG_STOP_BREAKPOINT, p->addr);
    g_assert_cmpint(g->vm->vcpus[0]->debug_stop.kind, ==, p->kind);
    g_assert_cmphex(g->vm->vcpus[0]->debug_stop.addr, ==, p->addr);
    g_assert_cmpuint(g->rb->host[list[0]], ==, 0);
    /* Off it, by a step without it. */
    set_debug(g, NULL, true);
    g_assert_cmphex(*code, ==, was);
    run_to_stop(g);
    check_stop(g, DEBUG_STOP_STEP, CODE_BASE + AFTER_STORE);
    g_assert_cmpuint(g->rb->host[list[0]], ==, 7);
    set_debug(g, p, false);
    run_to_stop(g);
    check_stop(g, DEBUG_STOP_BREAKPOINT, p->addr);
    set_debug(g, NULL, false);
    g_assert_cmphex(*code, ==, was);
    vm_lock_release();
    guest_free(g);
}

static void test_break_hard(void)
{
    if (have_kvm()) {
        check_break(&(DebugPoint){ DEBUG_BREAK_HARD, CODE_BASE + STORE, 1 });
    }
}

static void test_break_soft(void)
{
    if (have_intercepts()) {
        check_break(&(DebugPoint){ DEBUG_BREAK_SOFT, CODE_BASE + STORE, 1 });
    }
}

static void test_step(void)
{
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    vm_lock_acquire();
    prepare(g);
    set_debug(g, NULL, true);
    run_to_stop(g);
    check_stop(g, DEBUG_STOP_STEP, CODE_BASE + AFTER_LOAD);
    g_assert_cmpuint(g->vm->vcpus[0]->x86->regs[X86_RCX], ==, 2);
    run_to_stop(g);
    check_stop(g, DEBUG_STOP_STEP, CODE_BASE + AFTER_LOAD + 4);
    /* A jump that the debugger makes. */
    g->vm->vcpus[0]->x86->rip = CODE_BASE;
    vcpu_mark_state(g->vm->vcpus[0], VCPU_PUT_RUNTIME);
    set_debug(g, NULL, true);
    run_to_stop(g);
    check_stop(g, DEBUG_STOP_STEP, CODE_BASE + AFTER_LOAD);
    /* TF is the kernel's, not the guest's. */
    g_assert_false(g->vm->vcpus[0]->x86->rflags & X86_FLAG_TF);
    set_debug(g, NULL, false);
    vm_lock_release();
    guest_free(g);
}

static void test_watch(void)
{
    static const DebugPoint p[] = {
        { DEBUG_WATCH_WRITE, 0x201000, 8 },
        { DEBUG_WATCH_ACCESS, 0x201004, 4 },
    };

    if (!have_intercepts()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(p); i++) {
        Guest *g = guest_new(16 * MiB, 1, "qemu64,check=off");

        g_test_message("case %zu", i);
        vm_lock_acquire();
        prepare(g);
        set_debug(g, &p[i], false);
        run_to_stop(g);
        check_stop(g, DEBUG_STOP_WATCHPOINT, CODE_BASE + AFTER_STORE);
        g_assert_cmpint(g->vm->vcpus[0]->debug_stop.kind, ==, p[i].kind);
        g_assert_cmphex(g->vm->vcpus[0]->debug_stop.addr, ==, p[i].addr);
        g_assert_cmpuint(g->rb->host[0x201000], ==, 7);
        set_debug(g, NULL, false);
        vm_lock_release();
        guest_free(g);
    }
}

/* What the processor can't do is refused, and nothing changes. */
static void test_refused(void)
{
    static const DebugPoint five[] = {
        { DEBUG_BREAK_HARD, 0x1000, 1 },  { DEBUG_BREAK_HARD, 0x2000, 1 },
        { DEBUG_WATCH_WRITE, 0x3000, 1 }, { DEBUG_WATCH_WRITE, 0x4000, 1 },
        { DEBUG_BREAK_HARD, 0x5000, 1 },
    };
    static const DebugPoint one[] = {
        { DEBUG_WATCH_READ, 0x1000, 1 },
        { DEBUG_WATCH_WRITE, 0x1001, 2 },
        { DEBUG_WATCH_WRITE, 0x1000, 3 },
        { DEBUG_WATCH_WRITE, 0x1000, 16 },
        { DEBUG_BREAK_SOFT, UINT64_C(0x7000000000), 1 },
    };
    DebugState d = { .points = five, .npoints = 5 };
    GError *err = NULL;
    Guest *g;

    if (!have_kvm()) {
        return;
    }
    g = guest_new(16 * MiB, 1, "qemu64,check=off");
    vm_lock_acquire();
    prepare(g);
    g_assert_false(vcpu_set_debug(g->vm->vcpus[0], &d, &err));
    g_assert_cmpstr(err->message, ==,
                    "KVM: the processor has 4 debug "
                    "registers");
    g_clear_error(&err);
    for (size_t i = 0; i < G_N_ELEMENTS(one); i++) {
        g_test_message("case %zu", i);
        d = (DebugState){ .points = &one[i], .npoints = 1 };
        g_assert_false(vcpu_set_debug(g->vm->vcpus[0], &d, &err));
        g_assert_nonnull(err);
        g_clear_error(&err);
        g_assert_null(g->vm->vcpus[0]->debug);
    }
    vm_lock_release();
    guest_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/kvm/debug/refused", test_refused);
    g_test_add_func("/kvm/debug/break-hard", test_break_hard);
    g_test_add_func("/kvm/debug/break-soft", test_break_soft);
    g_test_add_func("/kvm/debug/step", test_step);
    g_test_add_func("/kvm/debug/watch", test_watch);
    return g_test_run();
}
