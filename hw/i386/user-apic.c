/*
 * Local APICs that are modelled here, and their CPUs: interrupts for an
 * accelerator without APICs of its own, INIT and start-up.
 *
 * Intel SDM volume 3, 9.4 (multiple-processor initialization), 11.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/i386/x86.h"

#include "accel/accel.h"
#include "hw/intc/apic.h"
#include "target/i386/cpu.h"
#include "util/log.h"

static int user_apic_take(Vcpu *cpu)
{
    Device *apic = apic_of(cpu);
    Machine *m = cpu->vm->machine;
    X86Machine *x;
    int vec = -1;

    if (apic == NULL) {
        return -1;
    }
    vec = apic_take(apic);
    if (vec < 0 && m != NULL && apic_pending_extint(apic)) {
        x = container_of(m, X86Machine, m);
        vec = x->pic.master != NULL ? i8259_acknowledge(x->pic.master) : -1;
    }
    /* Each kick brings one: what waits beside it is asked for by another. */
    if (vec >= 0) {
        apic_recheck(apic);
    }
    return vec;
}

static void user_apic_set_tpr(Vcpu *cpu, uint8_t tpr)
{
    Device *apic = apic_of(cpu);

    if (apic != NULL) {
        apic_set_tpr(apic, tpr);
    }
}

static uint8_t user_apic_get_tpr(Vcpu *cpu)
{
    Device *apic = apic_of(cpu);

    return apic != NULL ? apic_get_tpr(apic) : 0;
}

static bool user_apic_rdmsr(Vcpu *cpu, uint32_t msr, uint64_t *ret,
                            bool *ret_ok)
{
    Device *apic = apic_of(cpu);

    if (apic == NULL || !apic_msr_owns(msr)) {
        return false;
    }
    *ret_ok = apic_msr_read(apic, msr, ret);
    return true;
}

static bool user_apic_wrmsr(Vcpu *cpu, uint32_t msr, uint64_t v, bool *ret_ok)
{
    Device *apic = apic_of(cpu);

    if (apic == NULL || !apic_msr_owns(msr)) {
        return false;
    }
    *ret_ok = apic_msr_write(apic, msr, v);
    return true;
}

static void user_apic_tsc_written(Vcpu *cpu)
{
    Device *apic = apic_of(cpu);

    if (apic != NULL) {
        apic_tsc_written(apic);
    }
}

static bool user_apic_ferr(Vcpu *cpu)
{
    Machine *m = cpu->vm->machine;
    const IrqInput *irq;

    if (m == NULL || !container_of(m, X86Machine, m)->ferr) {
        return false;
    }
    irq = &m->gsi[13];
    irq->fn(irq->opaque, irq->n, true);
    return true;
}

static const UserApicOps user_apic_ops = {
    .take = user_apic_take,
    .set_tpr = user_apic_set_tpr,
    .get_tpr = user_apic_get_tpr,
    .rdmsr = user_apic_rdmsr,
    .wrmsr = user_apic_wrmsr,
    .tsc_written = user_apic_tsc_written,
    .ferr = user_apic_ferr,
};

static void do_init(Vcpu *cpu, void *opaque)
{
    GError *err = NULL;

    if (!vcpu_sync_state(cpu, &err)) {
        log_take_error(err);
    }
    if (cpu->x86->hflags & X86_HF_SMM) {
        cpu->x86->interrupt_request |= X86_IRQ_INIT; /* after RSM */
    } else {
        x86_cpu_init_ipi(cpu->x86);
    }
    vcpu_mark_state(cpu, VCPU_PUT_RUNTIME);
}

static void do_sipi(Vcpu *cpu, void *opaque)
{
    GError *err = NULL;

    if (!vcpu_sync_state(cpu, &err)) {
        log_take_error(err);
    }
    if (cpu->x86->mp_state == X86_MP_UNINITIALIZED ||
        cpu->x86->mp_state == X86_MP_INIT_RECEIVED) {
        x86_cpu_sipi(cpu->x86, GPOINTER_TO_UINT(opaque));
        vcpu_mark_state(cpu, VCPU_PUT_RUNTIME);
    }
}

/* vm_lock; the registers are the CPU's own thread's. */
static void user_apic_event(Vcpu *cpu, ApicEvent ev, uint8_t page)
{
    const AccelType *type = cpu->vm->accel->type;

    switch (ev) {
    case APIC_EVENT_INIT:
        apic_init_reset(apic_of(cpu));
        vcpu_run_on_async(cpu, do_init, NULL);
        break;
    case APIC_EVENT_SIPI:
        vcpu_run_on_async(cpu, do_sipi, GUINT_TO_POINTER(page));
        break;
    case APIC_EVENT_NMI:
        if (type->vcpu_nmi != NULL) {
            type->vcpu_nmi(cpu);
        }
        break;
    case APIC_EVENT_SMI:
        if (type->vcpu_smi != NULL && cpu->vm->machine->smm) {
            type->vcpu_smi(cpu);
        }
        break;
    }
}

static bool user_apic_waits(void *opaque)
{
    Device *apic = opaque;

    return apic_pending(apic) >= 0 || apic_pending_extint(apic);
}

void x86_init_user_apic(X86Machine *x, Vcpu *cpu)
{
    cpu->x86->interrupt_waits = user_apic_waits;
    cpu->x86->interrupt_opaque = apic_of(cpu);
    x->m.vm->accel->apic = &user_apic_ops;
    apic_set_event_fn(apic_of(cpu), user_apic_event);
}
