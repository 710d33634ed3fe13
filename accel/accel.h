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
    /* Its CPUs have system management mode; init calls memory_smm_init(). */
    bool smm;
    /* It makes the TSC from the virtual clock: see clocks_ticks(). */
    bool makes_tsc;
    /* In-kernel PIC, I/O APIC, PIT, local APIC; called by the machine. */
    bool (*irqchip_create)(Accel *acc, KernelIrqchip mode, GError **errp);

    /* vCPU thread with vm_lock, before its first run and after its last. */
    bool (*vcpu_init)(Vcpu *cpu, GError **errp);
    void (*vcpu_fini)(Vcpu *cpu);
    /*
     * Runs guest code until something has to be looked at: an exit request,
     * a halt, a stop.  Called and returns without vm_lock.
     */
    VcpuExit (*vcpu_run)(Vcpu *cpu);
    /*
     * Makes vcpu_run() return soon; any thread.  cpu->exit_request is set
     * before, and vcpu_run() must look at it after whatever it does to accept
     * a kick.  NULL: vcpu_send_ipi().
     */
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
    void (*vcpu_smi)(Vcpu *cpu);
    /* IGNNE#: x87 exceptions are ignored until they are cleared. */
    void (*vcpu_ignne)(Vcpu *cpu);
    /*
     * How many pages each vCPU has dirtied while writes were logged
     * (memory_dirty_log_watch()): ret[nvcpus], which only grow, by each page
     * once until it is armed again.  arm: all of them count again from now on.
     * Any thread, vm_lock held.  False, and ret may be NULL to ask: it doesn't
     * count for each vCPU.  NULL: the same.
     */
    bool (*dirtied)(Accel *acc, uint64_t *ret, bool arm);
    const IrqchipOps *irqchip; /* NULL or unused if not in the kernel */
    /*
     * What CPU models may offer, for x86_cpu_model_realize(); NULL: no
     * limits.  Valid until fini.
     */
    const struct X86CpuSupport *(*cpu_support)(Accel *acc);
    /*
     * -overcommit cpu-pm=on: the guest halts and pauses its CPUs without
     * leaving them to the host.  After init, before any vCPU; NULL: there
     * is nothing to switch, CPUs are threads of this process.
     */
    bool (*enable_cpu_pm)(Accel *acc, GError **errp);
    /*
     * Puts to work what vcpu_set_debug() was given, in place of what was
     * before; in the vCPU's thread or while it is paused, vm_lock held.  d
     * (NULL: nothing) lives until the next call that succeeds.  On failure
     * what was before stays.  NULL: this accelerator can't debug.
     */
    bool (*debug_update)(Vcpu *cpu, const DebugState *d, GError **errp);
} AccelType;

struct Accel {
    Object obj;
    const AccelType *type;
    Vm *vm;
    bool kernel_irqchip;     /* all of it is in the accelerator */
    bool kernel_apic;        /* the local APICs are (split or on) */
    const UserApicOps *apic; /* else whose they are; NULL: no CPU has one */
    /*
     * vm_lock.  Set ahead of vm_stop(): each vCPU reads its state in its own
     * thread before it counts as paused, so that a switch-over finds all of
     * it cached.
     */
    bool sync_on_pause;
    /*
     * Migration capability single-cpu-sync: what is saved beside the vCPUs
     * (the clock device) makes do with the TSC alone.  Off: it forces another
     * read of all vCPU state.  vm_lock.
     */
    bool single_cpu_sync;
    Cond vcpu_cond;    /* with vm_lock; a vCPU started, paused, did work */
    unsigned npausing; /* vm_lock; threads inside vcpus_pause() */
    unsigned nrunning; /* atomic; vCPUs that are not stopped */
    struct VcpuDirtyLimits *dirty_limits; /* dirty-limit.c; vm_lock; or NULL */
    struct VcpuThrottle *throttle; /* of who calls vcpus_throttle(); or NULL */
};

extern const AccelType *const accel_table[]; /* ends with NULL */
/* By name; NULL if this build has none of that name. */
const AccelType *accel_type_find(const char *name);
/* The type as QOM lists it ("kvm-accel"); never freed. */
const ObjectType *accel_object_type(const AccelType *type);
/* All accelerators' types, for object_types_add(): clients look there which
 * of them this program has. */
const ObjectType *const *accel_object_types(void);
/*
 * One accelerator with its properties at their defaults, not started yet:
 * accel_start() does it all; this is for tests and the object tree.
 */
Accel *accel_new(Vm *vm, const AccelType *type);
/*
 * Tries the accelerators of a list such as "kvm:tcg" or several -accel
 * options (already split: names[i] with opts[i], NULL-terminated), first that
 * works wins; says which if it isn't the first.  opts[i] is what followed the
 * name ("dirty-ring-size=4096"), "" for nothing; opts itself may be NULL for
 * the -machine accel= form, whose messages don't cite an option.  What each
 * one that failed lacked is printed; errp then gets the last reason.  A bad
 * property is the user's mistake and ends the search.  On success vm->accel
 * is set.  vm_lock held.
 */
Accel *accel_start(Vm *vm, const char *const *names, const char *const *opts,
                   GError **errp);
void accel_free(Accel *acc);

#endif
