/*
 * 8254 programmable interval timer, modelled here (isa-pit) or in the
 * accelerator (kvm-pit), and the speaker port that looks at its third
 * channel.  vm_lock held for all calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "hw/isa/isa-devices.h"

#define PIT_HZ   1193182
#define PIT_PORT 0x40

/*
 * Makes one at PIT_PORT.  Input 0, when low, switches channel 0 off, which is
 * what an HPET in legacy mode does; at first it is high.
 */
Device *pit_create(Bus *isa, bool kernel, GError **errp);
/* OUT of channel 0; unused if it is in the kernel. */
IrqLine *pit_output(Device *pit);
/* OUT and GATE of a channel, 0..2, of either form. */
bool pit_get_out(Device *pit, unsigned channel);
bool pit_get_gate(Device *pit, unsigned channel);
/* A rising edge starts all modes but 0 and 4 anew. */
void pit_set_gate(Device *pit, unsigned channel, bool level);
/* The speaker's data bit, which the kernel keeps with its timer. */
bool pit_get_speaker(Device *pit);
void pit_set_speaker(Device *pit, bool on);
/* The speaker port 0x61, tied to a timer. */
Device *pcspk_create(Bus *isa, Device *pit, GError **errp);

#endif
