/*
 * 8254: what the model here and the accelerator's have in common, and the
 * accelerator's.
 *
 * Stream: "i8254" version 3, ABI.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/base.h"

#include "hw/timer/i8254-priv.h"

#include "accel/accel.h"
#include "util/error.h"
#include "util/log.h"

#define CH_FIELD(f, k)                                                \
    {                                                                 \
        .name = #f, .kind = (k), .offset = offsetof(PitChannel, s.f), \
        .size = sizeof(((PitChannel *)0)->s.f)                        \
    }

static const Vmstate vmstate_channel = {
    .name = "pit channel",
    .version = 2,
    .oldest = 2,
    .fields =
        (const VmstateField[]){
            CH_FIELD(count, VMS_I32),
            CH_FIELD(latched_count, VMS_U16),
            CH_FIELD(count_latched, VMS_U8),
            CH_FIELD(status_latched, VMS_U8),
            CH_FIELD(status, VMS_U8),
            CH_FIELD(read_state, VMS_U8),
            CH_FIELD(write_state, VMS_U8),
            CH_FIELD(write_latch, VMS_U8),
            CH_FIELD(rw_mode, VMS_U8),
            CH_FIELD(mode, VMS_U8),
            CH_FIELD(bcd, VMS_U8),
            CH_FIELD(gate, VMS_U8),
            { .name = "count_load_time",
              .kind = VMS_I64,
              .offset = offsetof(PitChannel, s.count_load_ns),
              .size = 8 },
            VMSTATE_I64(PitChannel, next_transition_time),
            VMSTATE_END,
        },
};

const VmstateField pit_vmstate_fields[] = {
    VMSTATE_U32(Pit, channels[0].irq_disabled),
    VMSTATE_STRUCT_ARRAY(Pit, channels, 3, vmstate_channel, 2),
    VMSTATE_I64(Pit, channels[0].next_transition_time),
    VMSTATE_END,
};

void pit_channels_reset(Pit *s, int64_t now_ns)
{
    for (unsigned i = 0; i < 3; i++) {
        PitChannel *c = &s->channels[i];

        memset(c, 0, sizeof(*c));
        c->s.mode = 3;
        c->s.gate = i != 2; /* the speaker port drives the third's */
        c->s.count = 0x10000;
        c->s.count_load_ns = now_ns;
    }
}

bool pit_check(const Pit *s, GError **errp)
{
    for (unsigned i = 0; i < 3; i++) {
        const PitChannelState *c = &s->channels[i].s;

        if (c->count < 1 || c->count > 0x10000 || c->mode > 7 ||
            c->read_state > PIT_RW_WORD1 || c->write_state > PIT_RW_WORD1 ||
            c->rw_mode > PIT_RW_WORD0 || c->count_latched > PIT_RW_WORD1) {
            error_setf(errp,
                       "channel %u: count %d, mode %u, rw_mode %u: not what "
                       "a timer can hold",
                       i, c->count, c->mode, c->rw_mode);
            return false;
        }
    }
    return true;
}

Device *pit_create(Bus *isa, bool kernel, GError **errp)
{
    Device *dev = device_new(isa->vm, kernel ? &kvm_pit_type : &pit_type);

    DEVICE_CAST(Pit, dev)->iobase = PIT_PORT;
    return device_realize(dev, isa, errp) ? dev : NULL;
}

IrqLine *pit_output(Device *pit)
{
    return &DEVICE_CAST(Pit, pit)->out;
}

/* The kernel's timer goes on by itself: what is here is old while it runs. */
static void pit_refresh(Device *dev)
{
    Pit *s = DEVICE_CAST(Pit, dev);
    GError *err = NULL;

    if (dev->type == &kvm_pit_type && !kvm_pit_fetch(s, &err)) {
        log_take_error(err);
    }
}

static void pit_changed(Device *dev)
{
    Pit *s = DEVICE_CAST(Pit, dev);
    GError *err = NULL;

    if (dev->type == &kvm_pit_type && !kvm_pit_put(s, &err)) {
        log_take_error(err);
    }
}

bool pit_get_out(Device *pit, unsigned channel)
{
    const Pit *s = DEVICE_CAST(Pit, pit);

    pit_refresh(pit);
    return pit_out(&s->channels[channel],
                   clock_get_ns(pit->vm->clocks, CLOCK_TYPE_VIRTUAL));
}

bool pit_get_gate(Device *pit, unsigned channel)
{
    pit_refresh(pit);
    return DEVICE_CAST(Pit, pit)->channels[channel].s.gate;
}

void pit_set_gate(Device *pit, unsigned channel, bool level)
{
    Pit *s = DEVICE_CAST(Pit, pit);
    PitChannel *c = &s->channels[channel];
    int64_t now = clock_get_ns(pit->vm->clocks, CLOCK_TYPE_VIRTUAL);
    bool rising;

    pit_refresh(pit);
    rising = level && !c->s.gate;
    c->s.gate = level;
    if (rising && (c->s.mode & 3) != 0) {
        c->s.count_load_ns = now;
    }
    pit_changed(pit);
    if (channel == 0 && pit->type == &pit_type) {
        pit_update(s, now);
    }
}

bool pit_get_speaker(Device *pit)
{
    pit_refresh(pit);
    return DEVICE_CAST(Pit, pit)->speaker_data_on;
}

void pit_set_speaker(Device *pit, bool on)
{
    pit_refresh(pit);
    DEVICE_CAST(Pit, pit)->speaker_data_on = on;
    pit_changed(pit);
}
