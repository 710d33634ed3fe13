/*
 * Hardware task switches.  All raise what is wrong, in the old task's context
 * or, once it is current, in the new one's; not in long mode.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ACCEL_SOFT_TASK_H
#define ACCEL_SOFT_TASK_H

#include "accel/soft/seg.h"

typedef enum SoftTaskHow {
    SOFT_TASK_JMP,
    SOFT_TASK_CALL, /* and interrupts: the new task is nested in the old one */
    SOFT_TASK_IRET,
} SoftTaskHow;

/* CALL and JMP.  False: the selector is of neither a TSS nor a task gate. */
bool soft_task_far(SoftCpu *s, uint16_t sel, SoftTaskHow how);
/* IRET with NT: to the task that the current TSS links to. */
void soft_task_return(SoftCpu *s);
/* By a gate of the IDT to the TSS `sel`; the old task goes on at `back`. */
void soft_task_interrupt(SoftCpu *s, uint16_t sel, uint64_t back,
                         bool has_error, uint32_t error);

#endif
