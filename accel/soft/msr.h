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
/*
 * Is it a register of the CPU model's vendor that has no effect here?  It reads
 * as 0 and forgets what is written; `write` is for the log.
 */
bool soft_msr_of_model(SoftCpu *s, uint32_t msr, bool write);
/* What RDTSC gives now. */
uint64_t soft_tsc(SoftCpu *s);
/* Gives it a value as of now, as of a time of clock_ns(). */
void soft_tsc_set(SoftCpu *s, uint64_t v);
void soft_tsc_set_at(SoftCpu *s, uint64_t v, uint64_t ns);

#endif
