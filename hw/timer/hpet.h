/*
 * High precision event timers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#include "hw/isa/isa-devices.h"

#define HPET_ADDR UINT64_C(0xfed00000)
#define HPET_SIZE 0x400

/*
 * Makes one at HPET_ADDR that drives `gsi`, `ngsi` inputs of the board (at
 * least 9: ISA interrupts 0 and 8 pass through it).  `intcap`: mask of the
 * inputs that its timers may use.
 */
Device *hpet_create(struct Vm *vm, uint32_t intcap, const IrqInput *gsi,
                    unsigned ngsi, GError **errp);
/* Where the interval timer and the clock send their interrupts instead. */
const IrqInput *hpet_pit_input(Device *hpet);
const IrqInput *hpet_rtc_input(Device *hpet);
/* Low while it stands in for the interval timer: to the timer's input 0. */
IrqLine *hpet_pit_enable(Device *hpet);

#endif
