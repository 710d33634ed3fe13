/*
 * The paravirtual clock of the VM, and a vCPU's TSC alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "target/i386/msr.h"
#include "util/error.h"

/* Longer pauses are told to the guest. */
#define KVM_PAUSE_NS (1000 * NSEC_PER_MSEC)

bool kvm_get_clock(Accel *acc, uint64_t *ret_ns, bool *ret_stable,
                   GError **errp)
{
    KvmAccel *k = KVM_ACCEL(acc);
    struct kvm_clock_data data = { 0 };
    int r = kvm_ioctl(k->vm_fd, KVM_GET_CLOCK, &data);

    if (r < 0) {
        error_setf_errno(errp, r, "KVM: reading the clock failed");
        return false;
    }
    KVM_COUNT(k, clock_reads);
    k->clock_read_ns = clock_monotonic_ns();
    *ret_ns = data.clock;
    *ret_stable = data.flags & KVM_CLOCK_TSC_STABLE;
    return true;
}

/* Tells guests that they were away, so that their watchdogs don't bark. */
static void kvm_tell_paused(KvmAccel *k)
{
    Vm *vm = k->acc.vm;

    for (unsigned i = 0; i < vm->nvcpus; i++) {
        /* EINVAL: this guest doesn't use the clock. */
        kvm_ioctl_num(kvm_vcpu_of(vm->vcpus[i])->fd, KVM_KVMCLOCK_CTRL, 0);
    }
}

bool kvm_set_clock(Accel *acc, uint64_t ns, GError **errp)
{
    KvmAccel *k = KVM_ACCEL(acc);
    struct kvm_clock_data data = { .clock = ns };
    int r = kvm_ioctl(k->vm_fd, KVM_SET_CLOCK, &data);

    if (r < 0) {
        error_setf_errno(errp, r,
                         "KVM: setting the clock to %" PRIu64 " ns failed", ns);
        return false;
    }
    /* A switch-over is too short to be told, and too short for the calls. */
    if (k->clock_read_ns &&
        clock_monotonic_ns() - k->clock_read_ns > KVM_PAUSE_NS &&
        kvm_check(k, KVM_CAP_KVMCLOCK_CTRL)) {
        kvm_tell_paused(k);
    }
    return true;
}

typedef struct KvmTscRead {
    uint64_t tsc;
    int r;
} KvmTscRead;

static void kvm_read_tsc(Vcpu *cpu, void *opaque)
{
    KvmTscRead *t = opaque;

    t->r = kvm_get_one_msr(kvm_vcpu_of(cpu)->fd, MSR_IA32_TSC, &t->tsc);
}

/* Also while the guest runs: see kvm_get_lapic(). */
bool kvm_vcpu_get_tsc(Vcpu *cpu, uint64_t *ret_tsc, GError **errp)
{
    KvmTscRead t = { 0 };

    vcpu_run_on(cpu, kvm_read_tsc, &t);
    if (t.r < 0) {
        error_setf_errno(errp, t.r, "KVM: reading the TSC of CPU %u failed",
                         cpu->index);
        return false;
    }
    *ret_tsc = t.tsc;
    KVM_COUNT(kvm_vcpu_of(cpu)->kvm, tsc_reads);
    return true;
}
