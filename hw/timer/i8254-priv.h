/*
 * What both forms of the 8254 have in common.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_TIMER_I8254_PRIV_H
#define HW_TIMER_I8254_PRIV_H

#include "accel/irqchip.h"
#include "hw/timer/i8254.h"
#include "system/clock.h"
#include "system/runstate.h"

/* read_state, write_state, count_latched: which byte comes next. */
enum {
    PIT_RW_NONE,
    PIT_RW_LSB,
    PIT_RW_MSB,
    PIT_RW_WORD0,
    PIT_RW_WORD1,
};

typedef struct PitChannel {
    PitChannelState s;
    uint32_t irq_disabled;        /* channel 0: an HPET stands in */
    int64_t next_transition_time; /* channel 0: ns of CLOCK_VIRTUAL; -1 */
} PitChannel;

typedef struct Pit {
    Device dev;
    IoRange io;
    IrqLine out;
    Timer timer; /* the next edge of channel 0's OUT */
    PitChannel channels[3];
    uint32_t iobase;
    bool speaker_data_on; /* kvm-pit: bit 1 of port 0x61, in the kernel too */
    bool fetched;         /* kvm-pit: the guest stands, channels[] is true */
    RunStateListener run; /* kvm-pit */
    int lost_tick_policy; /* kvm-pit */
} Pit;

extern const VmstateField pit_vmstate_fields[];

/* Power-on state of all channels, counting from `now_ns`. */
void pit_channels_reset(Pit *s, int64_t now_ns);
/* Bounds of what came from a stream. */
bool pit_check(const Pit *s, GError **errp);
/* Level of OUT at that time. */
bool pit_out(const PitChannel *c, int64_t now_ns);
/* Next change of OUT after that time; -1: never. */
int64_t pit_next_change(const PitChannel *c, int64_t now_ns);
/* Clock pulses since the count was loaded. */
uint64_t pit_ticks(const PitChannel *c, int64_t now_ns);
/* The time at which so many pulses have come. */
int64_t pit_time_of(const PitChannel *c, uint64_t ticks);

/* kvm-pit: from the kernel and back, unless the guest stands. */
bool kvm_pit_fetch(Pit *s, GError **errp);
bool kvm_pit_put(Pit *s, GError **errp);
/* Length of a round or of the count, in clock pulses. */
unsigned pit_length(const PitChannel *c);
/* Drives channel 0's line as it is now, and waits for its next edge. */
void pit_update(Pit *s, int64_t now_ns);

#endif
