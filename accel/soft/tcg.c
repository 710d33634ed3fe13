/*
 * The accelerator "tcg": vCPUs that the software CPU runs.
 *
 * Interrupt controllers and timers are all modelled in hw/.  A kick makes
 * soft_cpu_run() return before its next block.
 *
 * thread=single lets one vCPU run at a time, in turn.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/tcg.h"

#include "accel/soft/debug.h"
#include "accel/soft/msr.h"
#include "accel/soft/smm.h"
#include "accel/soft/tsc-rate.h"
#include "util/error.h"
#include "util/log.h"

enum {
    TCG_SLICE = 1 << 20, /* instructions between two looks at the rest */
    TCG_SLICE_SINGLE = 1 << 16,
    TCG_TB_DEFAULT = 128, /* MiB, of all vCPUs */
    TCG_TB_MAX = 16 << 10,
};

typedef enum TcgThreads {
    TCG_MULTI,
    TCG_SINGLE,
} TcgThreads;

typedef struct TcgAccel {
    Accel acc;
    SoftVm *vm;
    X86CpuSupport support;
    MemoryListener listener, smm_listener; /* of Memory.memory and .smm */
    TscSample tsc_start;                   /* when it was made */
    int64_t tsc_khz;  /* what CPUs have that aren't told another; 0: not
                            known yet */
    bool map_changed; /* vm_lock; since the listener's begin */
    bool ram_gone;    /* the same */
    int opt_thread;   /* TcgThreads */
    uint32_t opt_tb_size;
    bool opt_jit;
    /* thread=single: who takes `next` runs when it is served. */
    Lock turn_lock;
    Cond turn_cond;
    uint64_t turn_next, turn_served; /* turn_lock */
} TcgAccel;

#define TCG_ACCEL(acc_) container_of(acc_, TcgAccel, acc)

static TcgVcpu *tcg_of(const Vcpu *cpu)
{
    return cpu->accel_data;
}

/* The memory map */

static TcgAccel *tcg_of_listener(MemoryListener *l)
{
    return l->as == &l->as->mem->smm ? container_of(l, TcgAccel, smm_listener)
                                     : container_of(l, TcgAccel, listener);
}

static void tcg_map_begin(MemoryListener *l)
{
    TcgAccel *t = tcg_of_listener(l);

    t->map_changed = t->ram_gone = false;
}

static void tcg_region_add(MemoryListener *l, const MemorySection *s)
{
    tcg_of_listener(l)->map_changed = true;
}

static void tcg_region_del(MemoryListener *l, const MemorySection *s)
{
    TcgAccel *t = tcg_of_listener(l);

    t->map_changed = true;
    t->ram_gone |= s->ram != NULL;
}

static void tcg_log_change(MemoryListener *l, const MemorySection *s,
                           uint8_t old, uint8_t now)
{
    tcg_of_listener(l)->map_changed = true;
}

static void tcg_map_commit(MemoryListener *l)
{
    TcgAccel *t = tcg_of_listener(l);

    /* What only CPUs in SMM see matters only while some are. */
    if (t->map_changed &&
        (l == &t->listener || t->ram_gone || soft_vm_smm_used(t->vm))) {
        soft_vm_flush(t->vm, t->ram_gone);
    }
}

/* Migration thread: bits were taken, the pages will be read. */
static void tcg_log_protect(MemoryListener *l)
{
    soft_vm_protect(tcg_of_listener(l)->vm);
}

static const MemoryListener tcg_listener = {
    .name = "tcg",
    .begin = tcg_map_begin,
    .commit = tcg_map_commit,
    .region_add = tcg_region_add,
    .region_del = tcg_region_del,
    .log_change = tcg_log_change,
    .log_protect = tcg_log_protect,
};

/* The same of `smm`; whatever is logged there is in `memory`, too. */
static const MemoryListener tcg_smm_listener = {
    .name = "tcg-smm",
    .begin = tcg_map_begin,
    .commit = tcg_map_commit,
    .region_add = tcg_region_add,
    .region_del = tcg_region_del,
    .log_change = tcg_log_change,
};

/* Life */

static bool tcg_init(Accel *acc, GError **errp)
{
    TcgAccel *t = TCG_ACCEL(acc);

    if (t->opt_tb_size > TCG_TB_MAX) {
        error_setf(errp, "tcg: tb-size=%u: MiB, at most %d", t->opt_tb_size,
                   TCG_TB_MAX);
        return false;
    }
    t->tsc_start = tsc_rate_begin();
    t->vm = soft_vm_new(&acc->vm->mem, 0, errp);
    if (!t->vm) {
        return false;
    }
    if (!t->opt_jit) {
        t->vm->gen_after = 0;
    }
    t->vm->pause_ends_turn = t->opt_thread == TCG_SINGLE;
    lock_init(&t->turn_lock);
    cond_init(&t->turn_cond);
    soft_cpu_support(&t->support);
    t->listener = tcg_listener;
    memory_listener_add(&t->listener, &acc->vm->mem.memory);
    t->smm_listener = tcg_smm_listener;
    memory_listener_add(&t->smm_listener, &acc->vm->mem.smm);
    return true;
}

static void tcg_fini(Accel *acc)
{
    TcgAccel *t = TCG_ACCEL(acc);

    memory_listener_del(&t->smm_listener);
    memory_listener_del(&t->listener);
    soft_vm_free(t->vm);
    cond_fini(&t->turn_cond);
    lock_fini(&t->turn_lock);
}

static bool tcg_irqchip_create(Accel *acc, KernelIrqchip mode, GError **errp)
{
    if (mode == KERNEL_IRQCHIP_ON || mode == KERNEL_IRQCHIP_SPLIT) {
        /* Not an error: accel=kvm:tcg asks for it in case it is KVM. */
        log_warn("tcg: kernel-irqchip=%s: only KVM has that, it is off",
                 mode == KERNEL_IRQCHIP_ON ? "on" : "split");
    }
    return true;
}

static const X86CpuSupport *tcg_cpu_support(Accel *acc)
{
    return &TCG_ACCEL(acc)->support;
}

static int64_t tcg_clock_ns(SoftCpu *s)
{
    const TcgVcpu *v = s->irq_opaque;

    return clock_get_ns(v->cpu->vm->clocks, CLOCK_TYPE_VIRTUAL);
}

static bool tcg_vcpu_init(Vcpu *cpu, GError **errp)
{
    TcgAccel *t = TCG_ACCEL(cpu->vm->accel);
    uint64_t mib = t->opt_tb_size ? t->opt_tb_size : TCG_TB_DEFAULT;
    TcgVcpu *v;

    if (!cpu->x86) {
        error_setf(errp, "tcg: CPU %u has no model", cpu->index);
        return false;
    }
    v = g_new0(TcgVcpu, 1);
    v->cpu = cpu;
    if (t->tsc_khz == 0) {
        t->tsc_khz = tsc_rate_khz(&t->tsc_start);
    }
    if (cpu->x86->tsc_khz == 0) {
        cpu->x86->tsc_khz = t->tsc_khz;
    }
    t->vm->tb_bytes = MAX(mib * MiB / MAX(cpu->vm->max_vcpus, 1), MiB);
    v->s = soft_cpu_new(t->vm, cpu->x86, errp);
    if (!v->s) {
        g_free(v);
        return false;
    }
    v->s->irq = &tcg_irq_ops;
    v->s->irq_opaque = v;
    v->s->clock_ns = tcg_clock_ns;
    cpu->accel_data = v;
    vcpu_mark_state(cpu, VCPU_PUT_FULL);
    return true;
}

static void tcg_vcpu_fini(Vcpu *cpu)
{
    TcgVcpu *v = tcg_of(cpu);

    if (v) {
        cpu->accel_data = NULL;
        soft_cpu_free(v->s);
        g_free(v);
    }
}

static void tcg_vcpu_kick(Vcpu *cpu)
{
    TcgVcpu *v = tcg_of(cpu);

    if (v) {
        soft_cpu_pend(v->s, SOFT_PEND_IRQ | SOFT_PEND_EXIT);
    }
}

/* Of the two places KVM looks at one, other software CPUs at the other. */
static void set_nmi_pending(X86Cpu *x, bool pending)
{
    x->nmi_pending = pending;
    x->interrupt_request &= ~X86_IRQ_NMI;
    x->interrupt_request |= pending ? X86_IRQ_NMI : 0;
}

/* vm_lock */
static void tcg_vcpu_nmi(Vcpu *cpu)
{
    TcgVcpu *v = tcg_of(cpu);

    if (!v) {
        return;
    }
    soft_cpu_pend(v->s, SOFT_PEND_NMI);
    if (__atomic_load_n(&cpu->stopped, __ATOMIC_SEQ_CST)) {
        /* Whoever has, or saves, its state got that before, perhaps. */
        set_nmi_pending(cpu->x86, true);
    }
    vcpu_kick(cpu);
}

/* vm_lock */
static void tcg_vcpu_smi(Vcpu *cpu)
{
    TcgVcpu *v = tcg_of(cpu);

    if (!v) {
        return;
    }
    soft_cpu_pend(v->s, SOFT_PEND_SMI);
    if (__atomic_load_n(&cpu->stopped, __ATOMIC_SEQ_CST)) {
        cpu->x86->interrupt_request |= X86_IRQ_SMI;
    }
    vcpu_kick(cpu);
}

static void tcg_vcpu_ignne(Vcpu *cpu)
{
    TcgVcpu *v = tcg_of(cpu);

    if (v) {
        __atomic_store_n(&v->s->ignne, true, __ATOMIC_RELAXED);
    }
}

/* State */

static bool tcg_vcpu_get_state(Vcpu *cpu, GError **errp)
{
    TcgVcpu *v = tcg_of(cpu);
    X86Cpu *x = cpu->x86;
    SoftCpu *s = v->s;

    soft_cpu_store(s);
    if (s->in_device) {
        /* Whoever changes registers now does so for what comes after. */
        x->rip = s->gpr[SOFT_NEXT_RIP];
    }
    x->tsc = soft_tsc(s);
    set_nmi_pending(x, __atomic_load_n(&s->pending, __ATOMIC_SEQ_CST) &
                           SOFT_PEND_NMI);
    if (x->mp_state == X86_MP_RUNNABLE || x->mp_state == X86_MP_HALTED) {
        x->mp_state = x->halted ? X86_MP_HALTED : X86_MP_RUNNABLE;
    }
    return true;
}

static bool tcg_vcpu_put_state(Vcpu *cpu, VcpuPutLevel level, GError **errp)
{
    TcgVcpu *v = tcg_of(cpu);
    X86Cpu *x = cpu->x86;
    SoftCpu *s = v->s;

    if (level >= VCPU_PUT_RESET) {
        /* Not by what only changed registers: one may have come since. */
        soft_cpu_take(s, SOFT_PEND_NMI | SOFT_PEND_SMI);
    }
    soft_cpu_load(s);
    if (level >= VCPU_PUT_FULL) {
        soft_tsc_set_at(s, x->tsc, clocks_virtual_start(cpu->vm->clocks));
    }
    if (level >= VCPU_PUT_RESET) {
        /* Memory may have been written by other means than stores. */
        soft_cpu_pend(s, SOFT_PEND_DROP);
        soft_cpu_pend(s, x->nmi_pending ? SOFT_PEND_NMI : 0);
    }
    return true;
}

static bool tcg_vcpu_get_tsc(Vcpu *cpu, uint64_t *ret_tsc, GError **errp)
{
    *ret_tsc = soft_tsc(tcg_of(cpu)->s);
    return true;
}

/* Running */

static SoftExit tcg_run_turn(TcgAccel *t, SoftCpu *s)
{
    SoftExit e;
    uint64_t mine;

    lock_acquire(&t->turn_lock);
    mine = t->turn_next++;
    while (t->turn_served != mine) {
        cond_wait(&t->turn_cond, &t->turn_lock);
    }
    lock_release(&t->turn_lock);
    e = soft_cpu_run(s, TCG_SLICE_SINGLE);
    lock_acquire(&t->turn_lock);
    t->turn_served++;
    cond_broadcast(&t->turn_cond);
    lock_release(&t->turn_lock);
    return e;
}

/* A triple fault: SDM volume 3, 6.15, "shutdown". */
static VcpuExit tcg_shutdown(Vcpu *cpu)
{
    log_guest_error("CPU %u: triple fault", cpu->index);
    __atomic_store_n(&cpu->stop, true, __ATOMIC_SEQ_CST);
    vm_request_reset(cpu->vm, SHUTDOWN_CAUSE_GUEST_RESET);
    return VCPU_EXIT_AGAIN;
}

static bool tcg_waits_for_start(const X86Cpu *x)
{
    return x->mp_state == X86_MP_UNINITIALIZED ||
           x->mp_state == X86_MP_INIT_RECEIVED;
}

static VcpuExit tcg_vcpu_run(Vcpu *cpu)
{
    TcgAccel *t = TCG_ACCEL(cpu->vm->accel);
    SoftCpu *s = tcg_of(cpu)->s;

    if (tcg_waits_for_start(cpu->x86)) {
        return VCPU_EXIT_HALT;
    }
    /* Whatever it was kicked for; exit_request tells, and take() asks. */
    soft_cpu_take(s, SOFT_PEND_EXIT);
    soft_cpu_pend(s, SOFT_PEND_IRQ);
    while (!__atomic_load_n(&cpu->exit_request, __ATOMIC_SEQ_CST) &&
           !cpu->state_loaded) {
        SoftExit e = t->opt_thread == TCG_SINGLE ? tcg_run_turn(t, s)
                                                 : soft_cpu_run(s, TCG_SLICE);

        if (e == SOFT_EXIT_HALT) {
            return VCPU_EXIT_HALT;
        }
        if (e == SOFT_EXIT_SHUTDOWN) {
            return tcg_shutdown(cpu);
        }
        if (e == SOFT_EXIT_DEBUG) {
            cpu->debug_stop = s->debug_stop;
            return VCPU_EXIT_DEBUG;
        }
    }
    return VCPU_EXIT_AGAIN;
}

static bool tcg_debug_update(Vcpu *cpu, const DebugState *d, GError **errp)
{
    soft_cpu_set_debug(tcg_of(cpu)->s, d);
    return true;
}

static const char *const tcg_threads[] = { "multi", "single", NULL };

static const Property tcg_props[] = {
    PROP(PROP_ENUM, TcgAccel, opt_thread, "thread", .names = tcg_threads,
         .type_name = "single|multi", .help = "Run vCPUs in parallel, or not"),
    PROP(PROP_U32, TcgAccel, opt_tb_size, "tb-size", .type_name = "int",
         .help = "TCG translation block cache size"),
    PROP(PROP_BOOL, TcgAccel, opt_jit, "x-jit", .def = true,
         .help = "Generate host code (off: to find bugs in it)"),
    PROP_END,
};

const AccelType tcg_accel_type = {
    .name = "tcg",
    .size = sizeof(TcgAccel),
    .props = tcg_props,
    .init = tcg_init,
    .fini = tcg_fini,
    .irqchip_create = tcg_irqchip_create,
    .vcpu_init = tcg_vcpu_init,
    .vcpu_fini = tcg_vcpu_fini,
    .vcpu_run = tcg_vcpu_run,
    .vcpu_kick = tcg_vcpu_kick,
    .vcpu_get_state = tcg_vcpu_get_state,
    .vcpu_put_state = tcg_vcpu_put_state,
    .vcpu_get_tsc = tcg_vcpu_get_tsc,
    .vcpu_nmi = tcg_vcpu_nmi,
    .vcpu_smi = tcg_vcpu_smi,
    .vcpu_ignne = tcg_vcpu_ignne,
    .smm = true,
    .makes_tsc = true,
    .cpu_support = tcg_cpu_support,
    .debug_update = tcg_debug_update,
};
