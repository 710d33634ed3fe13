/*
 * What -d shows of the software CPU.  Callers ask log_enabled() first.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_LOG_H
#define ACCEL_SOFT_LOG_H

#include "accel/soft/cpu.h"
#include "util/log.h"

/* Is there anything to say about each block that runs? */
static inline bool soft_log_blocks(void)
{
    return unlikely(__atomic_load_n(&log_mask, __ATOMIC_RELAXED) &
                    (BIT(LOG_ITEM_EXEC) | BIT(LOG_ITEM_CPU)));
}

/* in_asm: n bytes of code that were decoded, at a linear address. */
void soft_log_code(const SoftCpu *s, uint64_t lin, const uint8_t *code,
                   unsigned n);
/* exec, cpu, fpu: before the block runs. */
void soft_log_run(SoftCpu *s, const SoftBlock *b);
/* int: before it is delivered; soft: by INT n, INT3, INTO. */
void soft_log_int(SoftCpu *s, unsigned vec, bool soft, uint32_t error);
/* pcall: what is about to go to sel:rip. */
void soft_log_far(SoftCpu *s, const char *what, uint16_t sel, uint64_t rip);

#endif
