/*
 * Virtual CPUs: their threads, how they are stopped all at once, and work
 * that is run on them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_VCPU_H
#define ACCEL_VCPU_H

#include <signal.h>

#include "accel/debug.h"
#include "system/vm.h"
#include "util/thread.h"

struct X86Cpu; /* target/i386/cpu.h */
typedef struct Vcpu Vcpu;

typedef enum VcpuExit {
    VCPU_EXIT_AGAIN, /* look at requests, then run again */
    VCPU_EXIT_HALT,  /* HLT with user-space interrupt controllers */
    VCPU_EXIT_STOP,  /* the VM is to stop: internal error */
    VCPU_EXIT_DEBUG, /* the VM is to stop: debug_stop says at what */
} VcpuExit;

/* How much of the state goes to the kernel. */
typedef enum VcpuPutLevel {
    VCPU_PUT_RUNTIME, /* what can change while it runs */
    VCPU_PUT_RESET,   /* and what a reset touches */
    VCPU_PUT_FULL,    /* and what only a load or start sets (TSC, …) */
} VcpuPutLevel;

struct Vcpu {
    Object obj;
    Vm *vm;
    unsigned index; /* in vm->vcpus */
    uint32_t apic_id;
    Thread thread;
    bool created;     /* vm_lock; its thread runs its loop */
    bool init_failed; /* vm_lock */
    GError *init_error;
    bool stop;         /* atomic; asked to pause */
    bool stopped;      /* atomic; has paused; cleared under vm_lock */
    bool busy;         /* vm_lock; its thread works on its state meanwhile */
    bool held;         /* vm_lock; vcpus_resume() leaves it paused */
    bool unplug;       /* atomic; the thread is to end */
    bool exit_request; /* atomic; set before a kick */
    bool sleeping;     /* atomic; waits on halt_cond or is about to */
    int64_t rest_until_ns; /* atomic; CLOCK_MONOTONIC; 0: it isn't slowed */
    bool halted;           /* vCPU thread, or while stopped */
    bool state_loaded;     /* cpu->x86 is newer than the kernel's state */
    bool state_cached; /* cpu->x86 equals the kernel's state (stopped only) */
    VcpuPutLevel put_level; /* with which state_loaded is to be put */
    Lock work_lock;         /* innermost */
    Cond halt_cond;         /* with work_lock; its thread sleeps on it */
    GQueue work;            /* VcpuWork; work_lock */
    unsigned nwork;         /* atomic; length of work */
    struct X86Cpu *x86;     /* architectural state; owned */
    GQueue outside;         /* VcpuOutside; its thread */
    void *accel_data;       /* the accelerator's, e.g. the KVM descriptor */
    DebugState *debug;    /* as vcpu_set_debug() left it; owned, may be NULL */
    DebugStop debug_stop; /* its thread; while stopped: who holds vm_lock */
};

/* Sent to a vCPU's thread to make a blocking system call return. */
#define VCPU_SIG_IPI SIGUSR1

/* Makes the vCPU object (no thread yet), adds it to vm->vcpus. */
Vcpu *vcpu_new(Vm *vm, unsigned index, uint32_t apic_id, GError **errp);
void vcpu_free(Vcpu *cpu);
/*
 * A type of vCPU objects for QOM; it is never freed, and keeps what it is
 * given.  The properties may store nothing (PROP_CUSTOM): an object has been
 * made before it gets its type.
 */
ObjectType *vcpu_object_type_new(const char *name, const char *parent,
                                 const Property *props);
/* type: of vcpu_object_type_new(). */
void vcpu_set_type(Vcpu *cpu, const ObjectType *type);
/* Starts the thread ("vcpuN"), waits until it is ready and paused. */
bool vcpu_start_thread(Vcpu *cpu, GError **errp);
/* Ends the thread; vm_lock held (dropped while joining). */
void vcpu_stop_thread(Vcpu *cpu);

/*
 * All at once; vm_lock held, dropped while waiting.  VmHooks point here.  On
 * a vCPU's thread, pausing leaves out that vCPU.  Resuming waits for pauses
 * that other threads have begun, and leaves out vCPUs that are held (by a
 * debugger that steps another one); state declared with vcpu_mark_state() is
 * put by each vCPU's own thread before it runs.
 */
void vcpus_pause(Vm *vm);
/*
 * On a vCPU's thread: after what it is in the middle of, it stands still until
 * vcpus_resume().  On others: nothing.
 */
void vcpu_stop_self(Vm *vm);
/*
 * In a vCPU's thread: it doesn't enter the guest before @o is busy no more, but
 * can be paused meanwhile.  Elsewhere: nothing.  vm_lock held.
 */
void vcpu_wait_outside(Vm *vm, struct VmOutside *o);
void vcpus_resume(Vm *vm);
bool vcpus_all_paused(Vm *vm);
/*
 * Wakes a halted or running vCPU so that it looks at its requests.  Any
 * thread.  A halted vCPU goes through vcpu_run() once more, which answers
 * VCPU_EXIT_HALT again if there is nothing to do.
 */
void vcpu_kick(Vcpu *cpu);
/*
 * For AccelType.vcpu_kick: sends VCPU_SIG_IPI to the vCPU's thread, where
 * only vCPU threads have it unblocked.  Does nothing before it runs.
 */
void vcpu_send_ipi(Vcpu *cpu);
/*
 * In the vCPU's thread: sleeps until it is kicked, or until that time of
 * CLOCK_MONOTONIC (INT64_MAX: no end); not at all if it was kicked since
 * exit_request was cleared.
 */
void vcpu_sleep_until(Vcpu *cpu, int64_t until_ns);
/* Is this the vCPU's own thread? NULL if on no vCPU's thread. */
Vcpu *vcpu_current(void);
/*
 * The vCPU's thread can be asked for its state; false with errp: it runs, and
 * may wait for a page that is still to come, where nobody gets it out.
 */
bool vcpu_can_be_read(Vcpu *cpu, GError **errp);
/*
 * Runs fn under vm_lock in the vCPU's thread and waits; directly if on it or
 * stopped.  vm_lock is dropped while waiting.
 */
void vcpu_run_on(Vcpu *cpu, void (*fn)(Vcpu *cpu, void *opaque), void *opaque);
/* As above without waiting. */
void vcpu_run_on_async(Vcpu *cpu, void (*fn)(Vcpu *cpu, void *opaque),
                       void *opaque);

/*
 * Brings cpu->x86 up to date (once: cached while the vCPU is stopped) /
 * declares that cpu->x86 was changed, to be put before the next run.
 * Stopped vCPU or its own thread; vcpu_sync_state() of a running one takes
 * what it has between two runs (vm_lock is dropped while waiting for that).
 */
bool vcpu_sync_state(Vcpu *cpu, GError **errp);
void vcpu_mark_state(Vcpu *cpu, VcpuPutLevel level);
/* Forgets the cached copy, so that the next sync asks the kernel again. */
void vcpu_invalidate_state(Vcpu *cpu);
/* Puts now what vcpu_mark_state() declared, ahead of the resume. */
bool vcpu_flush_state(Vcpu *cpu, GError **errp);
/*
 * vcpu_sync_state() or vcpu_flush_state() of all of the VM's vCPUs, each in
 * its own thread, so that the time is that of the slowest and not the sum.
 * All paused, vm_lock held (dropped while waiting).  See also
 * Accel.sync_on_pause.  False with the first error.
 */
bool vcpus_sync_all(Vm *vm, GError **errp);
bool vcpus_flush_all(Vm *vm, GError **errp);

#endif
