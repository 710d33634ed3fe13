/*
 * Accelerators: who runs a vCPU.  One const AccelType each (kvm, tcg, qtest).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include "accel/irqchip.h"
#include "accel/vcpu.h"
#include "system/vm.h"

struct X86CpuSupport; /* target/i386/cpu-model.h */

typedef struct Accel Accel;

typedef enum KernelIrqchip {
    KERNEL_IRQCHIP_AUTO, /* the accelerator's default */
    KERNEL_IRQCHIP_OFF,
    KERNEL_IRQCHIP_SPLIT,
    KERNEL_IRQCHIP_ON,
} KernelIrqchip;

typedef struct AccelType {
    const char *name; /* "kvm", "tcg", "qtest" */
    size_t size;      /* of the accelerator's struct, which starts with `acc` */
    const Property *props; /* -accel NAME,prop=… ; may be NULL */
    /*
     * Opens what it needs; false with a one-line reason lets the next
     * accelerator in the list be tried.  Adds its memory listeners.
     */
    bool (*init)(Accel *acc, GError **errp);
    void (*fini)(Accel *acc);
    /* In-kernel PIC, I/O APIC, PIT, local APIC; called by the machine. */
    bool (*irqchip_create)(Accel *acc, KernelIrqchip mode, GError **errp);

    /* vCPU thread, before its first run and after its last. */
    bool (*vcpu_init)(Vcpu *cpu, GError **errp);
    void (*vcpu_fini)(Vcpu *cpu);
    /*
     * Runs guest code until something has to be looked at: an exit request,
     * a halt, a stop.  Called and returns without vm_lock.
     */
    VcpuExit (*vcpu_run)(Vcpu *cpu);
    /* Makes vcpu_run() return soon; any thread. */
    void (*vcpu_kick)(Vcpu *cpu);
    /*
     * Kernel → cpu->x86 and back, all of the architectural state, in as few
     * calls as possible; vCPU thread, or any thread while it is stopped.
     */
    bool (*vcpu_get_state)(Vcpu *cpu, GError **errp);
    bool (*vcpu_put_state)(Vcpu *cpu, VcpuPutLevel level, GError **errp);
    /* The TSC alone (one MSR), for the clock device. */
    bool (*vcpu_get_tsc)(Vcpu *cpu, uint64_t *ret_tsc, GError **errp);
    void (*vcpu_nmi)(Vcpu *cpu);
    const IrqchipOps *irqchip; /* NULL or unused if not in the kernel */
    /*
     * What CPU models may offer, for x86_cpu_model_realize(); NULL: no
     * limits.  Valid until fini.
     */
    const struct X86CpuSupport *(*cpu_support)(Accel *acc);
} AccelType;

struct Accel {
    Object obj;
    const AccelType *type;
    Vm *vm;
    bool kernel_irqchip; /* all of it is in the accelerator */
    bool kernel_apic;    /* the local APICs are (split or on) */
};

extern const AccelType *const accel_table[]; /* ends with NULL */
/*
 * Tries the accelerators of a list such as "kvm:tcg" or several -accel
 * options (already split: names[i] with opts[i], NULL-terminated), first that
 * works wins; says which with a warning if it isn't the first.
 */
Accel *accel_start(Vm *vm, const char *const *names, const char *const *opts,
                   GError **errp);
void accel_free(Accel *acc);

#endif
