/*
 * Between the software CPU and its local APIC, which hw/ models: each call
 * takes vm_lock for as long as it lasts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/soft/tcg.h"

#include "target/i386/msr.h"

static const UserApicOps *apic_ops(const TcgVcpu *t)
{
    return t->cpu->vm->accel->apic;
}

static int tcg_take(SoftCpu *s, void *opaque)
{
    TcgVcpu *t = opaque;
    const UserApicOps *ops = apic_ops(t);
    int vec;

    if (!ops) {
        return -1;
    }
    soft_device_begin(s);
    vm_lock_acquire();
    vec = ops->take(t->cpu);
    vm_lock_release();
    soft_device_end(s);
    return vec;
}

static void tcg_set_tpr(SoftCpu *s, void *opaque, uint8_t tpr)
{
    TcgVcpu *t = opaque;
    const UserApicOps *ops = apic_ops(t);

    if (!ops) {
        return;
    }
    soft_device_begin(s);
    vm_lock_acquire();
    ops->set_tpr(t->cpu, tpr);
    vm_lock_release();
    soft_device_end(s);
}

static uint8_t tcg_get_tpr(SoftCpu *s, void *opaque)
{
    TcgVcpu *t = opaque;
    const UserApicOps *ops = apic_ops(t);
    uint8_t tpr;

    if (!ops) {
        return s->x->cr8 << 4;
    }
    soft_device_begin(s);
    vm_lock_acquire();
    tpr = ops->get_tpr(t->cpu);
    vm_lock_release();
    soft_device_end(s);
    return tpr;
}

/* Those that no APIC has must not cost a lock. */
static bool is_apic_msr(uint32_t msr)
{
    return msr == MSR_IA32_APIC_BASE || msr == MSR_IA32_TSC_DEADLINE ||
           (msr >= 0x800 && msr <= 0x8ff);
}

typedef bool ApicMsrFn(Vcpu *cpu, uint32_t msr, uint64_t *v, bool *ret_ok);

static bool access_msr(SoftCpu *s, TcgVcpu *t, ApicMsrFn *fn, uint32_t msr,
                       uint64_t *v, bool *ret_ok)
{
    bool known;

    soft_device_begin(s);
    vm_lock_acquire();
    known = fn(t->cpu, msr, v, ret_ok);
    vm_lock_release();
    soft_device_end(s);
    return known;
}

static bool tcg_rdmsr(SoftCpu *s, void *opaque, uint32_t msr, uint64_t *ret,
                      bool *ret_ok)
{
    const UserApicOps *ops = apic_ops(opaque);

    return ops && is_apic_msr(msr) &&
           access_msr(s, opaque, ops->rdmsr, msr, ret, ret_ok);
}

static bool wrmsr_by_pointer(Vcpu *cpu, uint32_t msr, uint64_t *v, bool *ret_ok)
{
    return cpu->vm->accel->apic->wrmsr(cpu, msr, *v, ret_ok);
}

static bool tcg_wrmsr(SoftCpu *s, void *opaque, uint32_t msr, uint64_t v,
                      bool *ret_ok)
{
    return apic_ops(opaque) && is_apic_msr(msr) &&
           access_msr(s, opaque, wrmsr_by_pointer, msr, &v, ret_ok);
}

static void tcg_tsc_written(SoftCpu *s, void *opaque)
{
    TcgVcpu *t = opaque;
    const UserApicOps *ops = apic_ops(t);

    if (!ops || !ops->tsc_written) {
        return;
    }
    soft_device_begin(s);
    vm_lock_acquire();
    ops->tsc_written(t->cpu);
    vm_lock_release();
    soft_device_end(s);
}

static bool tcg_ferr(SoftCpu *s, void *opaque)
{
    TcgVcpu *t = opaque;
    const UserApicOps *ops = apic_ops(t);
    bool heard;

    if (!ops || !ops->ferr) {
        return false;
    }
    soft_device_begin(s);
    vm_lock_acquire();
    heard = ops->ferr(t->cpu);
    vm_lock_release();
    soft_device_end(s);
    return heard;
}

/* What the access has set off for this vCPU itself. */
static void tcg_after_device(SoftCpu *s, void *opaque)
{
    TcgVcpu *t = opaque;
    Vcpu *cpu = t->cpu;

    if (unlikely(cpu->state_loaded)) {
        /* A device changed registers; this doesn't fail. */
        vcpu_flush_state(cpu, NULL);
    }
    vcpu_invalidate_state(cpu); /* what the device has seen of it, too */
    if (__atomic_load_n(&cpu->exit_request, __ATOMIC_SEQ_CST)) {
        soft_cpu_pend(s, SOFT_PEND_IRQ | SOFT_PEND_EXIT);
    }
}

const SoftIrqOps tcg_irq_ops = {
    .take = tcg_take,
    .set_tpr = tcg_set_tpr,
    .get_tpr = tcg_get_tpr,
    .rdmsr = tcg_rdmsr,
    .wrmsr = tcg_wrmsr,
    .tsc_written = tcg_tsc_written,
    .ferr = tcg_ferr,
    .after_device = tcg_after_device,
};
