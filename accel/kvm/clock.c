/*
 * The paravirtual clock of the VM, and a vCPU's TSC alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "accel/kvm/kvm-priv.h"

#include "target/i386/msr.h"
#include "util/error.h"

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
    *ret_ns = data.clock;
    *ret_stable = data.flags & KVM_CLOCK_TSC_STABLE;
    return true;
}

bool kvm_set_clock(Accel *acc, uint64_t ns, GError **errp)
{
    struct kvm_clock_data data = { .clock = ns };
    int r = kvm_ioctl(KVM_ACCEL(acc)->vm_fd, KVM_SET_CLOCK, &data);

    if (r < 0) {
        error_setf_errno(errp, r,
                         "KVM: setting the clock to %" PRIu64 " ns "
                         "failed",
                         ns);
        return false;
    }
    return true;
}

bool kvm_vcpu_get_tsc(Vcpu *cpu, uint64_t *ret_tsc, GError **errp)
{
    KvmVcpu *v = kvm_vcpu_of(cpu);
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } m = { .head.nmsrs = 1, .entry.index = MSR_IA32_TSC };
    int r = kvm_ioctl(v->fd, KVM_GET_MSRS, &m);

    if (r != 1) {
        error_setf_errno(errp, r < 0 ? r : EINVAL,
                         "KVM: reading the TSC of CPU %u failed", cpu->index);
        return false;
    }
    KVM_COUNT(v->kvm, tsc_reads);
    *ret_tsc = m.entry.data;
    return true;
}
