/*
 * The accelerator "tcg": the software CPU behind the interface that all
 * accelerators have.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_TCG_H
#define ACCEL_SOFT_TCG_H

#include "accel/accel.h"
#include "accel/soft/cpu.h"

extern const AccelType tcg_accel_type;

/* One software CPU behind a vCPU: Vcpu.accel_data. */
typedef struct TcgVcpu {
    Vcpu *cpu;
    SoftCpu *s;
} TcgVcpu;

/* cpu-support.c */
void soft_cpu_support(X86CpuSupport *ret);

/* tcg-irq.c */
extern const SoftIrqOps tcg_irq_ops;

#endif
