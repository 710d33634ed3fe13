/*
 * Model-specific registers of the software CPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_MSR_H
#define ACCEL_SOFT_MSR_H

#include "accel/soft/cpu.h"

/* False: there is no such register, or the value is not allowed: #GP. */
bool soft_msr_read(SoftCpu *s, uint32_t msr, uint64_t *ret);
bool soft_msr_write(SoftCpu *s, uint32_t msr, uint64_t v);
/* What RDTSC gives now. */
uint64_t soft_tsc(SoftCpu *s);

#endif
