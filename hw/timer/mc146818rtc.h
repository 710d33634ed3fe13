/*
 * MC146818 real-time clock with 128 bytes of memory ("CMOS").  vm_lock held
 * for all calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_TIMER_MC146818RTC_H
#define HW_TIMER_MC146818RTC_H

#include "hw/isa/isa-devices.h"

/*
 * On an ISA bus, with the time that machine->rtc says.  Its interrupt goes to
 * `irq`, or to ISA interrupt 8 if that is NULL (an HPET may stand between).
 */
Device *rtc_create(Bus *isa, const IrqInput *irq, GError **errp);
/* A byte of the memory, 14..127, as firmware and boards use it. */
void rtc_set_memory(Device *rtc, unsigned addr, uint8_t val);
uint8_t rtc_get_memory(Device *rtc, unsigned addr);

#endif
