/*
 * The KVM accelerator: what other folders may use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_KVM_KVM_H
#define ACCEL_KVM_KVM_H

#include "accel/accel.h"

extern const AccelType kvm_accel_type;

/* Counters for tests and statistics; atomic, only ever grow. */
typedef struct KvmCounters {
    uint64_t state_reads;  /* full reads of a vCPU's state */
    uint64_t state_writes; /* writes of any level */
    uint64_t tsc_reads;    /* reads of the TSC alone */
    uint64_t clock_reads;
    uint64_t exits;       /* returns of KVM_RUN */
    uint64_t slot_pauses; /* vCPUs held off for a change of slots */
    uint64_t route_sets;  /* calls that set the interrupt routes */
    uint64_t ring_full;   /* exits because a dirty ring was full */
} KvmCounters;

/* True if `acc` runs on KVM. */
bool accel_is_kvm(const Accel *acc);
void kvm_counters(const Accel *acc, KvmCounters *ret);
/* Descriptor of the VM, for vhost and vfio; -1 if `acc` isn't KVM. */
int kvm_vm_fd(const Accel *acc);

#endif
