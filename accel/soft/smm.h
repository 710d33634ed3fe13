/*
 * System management mode of the software CPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_SMM_H
#define ACCEL_SOFT_SMM_H

#include "accel/soft/cpu.h"

/* SOFT_PEND_SMI, between two instructions: true: the CPU is in SMM now. */
bool soft_smm_accept(SoftCpu *s);
/* Saves the state to SMRAM and goes to the handler. */
void soft_smm_enter(SoftCpu *s);
/* From and to hflags and interrupt_request; see soft_cpu_load(). */
void soft_smm_load(SoftCpu *s);
void soft_smm_store(SoftCpu *s);
/* The CPU goes. */
void soft_smm_gone(SoftCpu *s);
/* Is any CPU in SMM, so that it may have seen what has left `smm`? */
bool soft_vm_smm_used(const SoftVm *vm);

#endif
